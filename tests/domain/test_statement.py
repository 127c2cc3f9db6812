"""Statements: header and body as bytes, and headers that must not pass."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from comity import canon, statement
from comity.canon import AccordId, OfficeId, Origin
from comity.errors import Malformed, TooLarge
from comity.limits import STATEMENT_BYTES_MAX, STATEMENT_HEADER_BYTES_MAX
from comity.statement import INTEL_OBJECT, INTEL_RELAY, Header, Marking, Relayed, Statement, decode_header
from comity.vocab import Pap, Priority, Tlp, Use
from tests.domain.makers import ARCADIA, AT, mangled

ORIGIN = canon.accord_origin(ARCADIA, AccordId("three-shores"), 1)
RELAYED = Relayed(ORIGIN, OfficeId("csirt"), INTEL_OBJECT, 1)


def header(**changes: Any) -> Header:
    fields: dict[str, Any] = {
        "v": 1,
        "kind": INTEL_OBJECT,
        "office": OfficeId("csirt"),
        "accord": 1,
        "at": AT,
        "media": statement.STIX_MEDIA,
        "marking": Marking(Tlp.AMBER),
    }
    return Header(**fields | changes)


WHOLE = header(
    marking=Marking(
        Tlp.RED, Pap.AMBER, ("a.example/csirt/alice",), AT, (Use.DEFENCE, Use.RESEARCH), ("BB",), True, False
    ),
    priority=Priority.FLASH,
    refs=(statement.Ref(ORIGIN, 7, canon.b64(bytes(32))),),
    conduct="malware",
    exercise=True,
    source="partner feed",
)


@pytest.mark.parametrize("one", [header(), WHOLE, header(kind=INTEL_RELAY, relayed=RELAYED)])
def test_a_header_is_read_back(one: Header) -> None:
    assert decode_header(statement.encode_header(one)) == one


def test_a_later_versions_field_is_tolerated_but_not_in_a_marking() -> None:
    data = statement.encode_header(header())
    assert decode_header(data[:-1] + b',"zeta":1}') == header()
    with pytest.raises(Malformed):
        decode_header(data.replace(b'"marking":{', b'"marking":{"only":"x",'))


BAD_HEADERS: dict[str, Header] = {
    "another version": header(v=2),
    "no office": header(office=""),
    "an office with a slash": header(office="a/b"),
    "unmarked content in an accord": header(marking=None),
    "a marked act": header(kind="act.retract"),
    "a relay of nobody": header(kind=INTEL_RELAY),
    "an object that claims to be relayed": header(relayed=RELAYED),
    "a relay that poses as an act": header(
        kind=INTEL_RELAY, relayed=Relayed(ORIGIN, OfficeId("csirt"), "act.retract", 1)
    ),
    "a relay of a relay": header(kind=INTEL_RELAY, relayed=Relayed(ORIGIN, OfficeId("csirt"), INTEL_RELAY, 1)),
    "a relay of no kind": header(kind=INTEL_RELAY, relayed=Relayed(ORIGIN, OfficeId("csirt"), "", 1)),
    "a relay of no office": header(kind=INTEL_RELAY, relayed=Relayed(ORIGIN, OfficeId("/"), INTEL_OBJECT, 1)),
    "a relay from nowhere": header(kind=INTEL_RELAY, relayed=Relayed(Origin("x"), OfficeId("csirt"), INTEL_OBJECT, 1)),
    "a relay from a home log": header(
        kind=INTEL_RELAY, relayed=Relayed(canon.home_origin(ARCADIA, 1), OfficeId("csirt"), INTEL_OBJECT, 1)
    ),
}


@pytest.mark.parametrize("why", BAD_HEADERS)
def test_a_header_that_would_mislead_a_decision_is_malformed(why: str) -> None:
    with pytest.raises(Malformed):
        decode_header(statement.encode_header(BAD_HEADERS[why]))


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "intel",
        "intel.",
        ".object",
        "act..",
        "intel..object",
        "Intel.object",
        "ACT.retract",
        "intel.Object",
        "intél.x",
    ]
    + ["intel.object ", "intel.object\n", "intel.-x", "intel.x-", "in-tel.x", "intel/object", "intel." + "x" * 59],
)
def test_a_kind_has_one_spelling(kind: str) -> None:
    with pytest.raises(Malformed):
        decode_header(statement.encode_header(header(kind=kind)))


@pytest.mark.parametrize(
    "kind", ["intel.object", "response.situation-report", "requests.assistance.answer", "x." + "y" * 62]
)
def test_a_kind_this_node_does_not_know_is_read(kind: str) -> None:
    assert decode_header(statement.encode_header(header(kind=kind))).kind == kind


def test_content_may_stay_unmarked_only_in_a_home_log() -> None:
    assert decode_header(statement.encode_header(header(accord=0, marking=None))).marking is None


@pytest.mark.parametrize(("kind", "is_act", "area"), [("act.retract", True, "act"), ("intel.object", False, "intel")])
def test_an_act_is_known_by_its_kind(kind: str, is_act: bool, area: str) -> None:
    assert statement.is_act(kind) is is_act
    assert statement.area_of(kind) == area
    assert area in statement.KNOWN_AREAS
    assert not statement.is_act("actual.kind")


def test_the_author_is_an_office() -> None:
    assert str(statement.author(Statement(ARCADIA, header(), b""))) == f"{ARCADIA}/csirt"


# -- bytes -------------------------------------------------------------------


@given(st.binary(max_size=200))
@example(b"\n\n")
@example(b"")
def test_a_body_is_cut_off_untouched(body: bytes) -> None:
    data = statement.encode_header(header())
    assert statement.cut(statement.join(data, body)) == (data, body)


def test_no_canonical_header_holds_a_newline() -> None:
    assert b"\n" not in statement.encode_header(header(source="a\nb\r\u2028"))


def test_limits_are_kept_to_the_byte() -> None:
    longest = b"h" * STATEMENT_HEADER_BYTES_MAX
    rest = b"b" * (STATEMENT_BYTES_MAX - len(longest) - 1)
    assert statement.cut(statement.join(longest, rest)) == (longest, rest)
    for head, body in ((longest + b"h", b""), (longest, rest + b"b")):
        with pytest.raises(TooLarge):
            statement.join(head, body)
        with pytest.raises(TooLarge):
            statement.cut(head + b"\n" + body)


@pytest.mark.parametrize("payload", [b"", b"{}", b"h" * STATEMENT_HEADER_BYTES_MAX])
def test_a_payload_without_a_header_line_is_malformed(payload: bytes) -> None:
    with pytest.raises(Malformed):
        statement.cut(payload)


@given(st.binary(max_size=300) | st.binary(max_size=40).map(lambda piece: piece * 300))
def test_any_bytes_are_cut_or_their_fault(payload: bytes) -> None:
    try:
        head, body = statement.cut(payload)
    except (Malformed, TooLarge):
        return
    assert head + b"\n" + body == payload
    assert b"\n" not in head
    assert len(head) <= STATEMENT_HEADER_BYTES_MAX


@given(
    mangled(statement.encode_header(WHOLE))
    | mangled(statement.encode_header(header(kind=INTEL_RELAY, relayed=RELAYED)))
)
def test_any_bytes_give_a_header_or_malformed(data: bytes) -> None:
    try:
        read = decode_header(data)
    except Malformed:
        return
    assert statement.is_act(read.kind) is (read.kind.partition(".")[0] == "act")
    assert read.marking is not None or read.accord == 0 or statement.area_of(read.kind) in {"act", "home"}
    assert (read.relayed is not None) is (read.kind == INTEL_RELAY)
