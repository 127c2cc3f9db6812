"""Canonical JSON: the same bytes as RFC 8785 for all we author, and one reading of what we receive."""

from __future__ import annotations

import msgspec
import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from comity import canon
from comity.acts import Consent, Span
from comity.canon import AccordId, Origin
from comity.errors import Malformed
from comity.limits import JSON_DEPTH_MAX
from tests.domain.makers import ARCADIA, json_values


class Thing(msgspec.Struct, frozen=True):
    n: int
    word: str = ""


@given(json_values)
@example({'\u2028\u007f\x1f\\"/é': "\ufeff\U0001f310"})
@example({"b": 1, "a": {"é": 2, "z": 3}, "": 0})
def test_what_we_author_has_the_bytes_of_rfc_8785(value: object) -> None:
    try:
        ours = canon.encode(value)
    except Malformed:
        return
    assert ours == rfc8785.dumps(value)  # type: ignore[arg-type]


@given(json_values)
def test_only_what_the_module_names_is_refused(value: object) -> None:
    try:
        canon.encode(value)
    except Malformed:
        assert _refusable(value)
    else:
        assert not _refusable(value)


def _refusable(value: object) -> bool:
    if isinstance(value, dict):
        return any(max(key, default="") > "\uffff" or _refusable(key) or _refusable(v) for key, v in value.items())
    if isinstance(value, list):
        return any(map(_refusable, value))
    if isinstance(value, str):
        return any("\ud800" <= char <= "\udfff" for char in value)
    return isinstance(value, int) and abs(value) > canon.INTEGER_MAX


@given(json_values)
def test_what_is_encoded_is_read_back(value: object) -> None:
    try:
        data = canon.encode(value)
    except Malformed:
        return
    assert canon.decode(data, object, what="a value") == value


@pytest.mark.parametrize(
    "value",
    [1.5, [0.0], {"a": (1.0,)}, float("nan"), 2**53, -(2**53), (2**53,), {"a": [2**60]}, "\ud800", {"\U0001f310": 1}]
    + [{1: 2}, {None: 1}, object(), b"".join, {"a": {2: 3}}],
)
def test_what_we_never_author_is_refused(value: object) -> None:
    with pytest.raises(Malformed):
        canon.encode(value)


def test_integers_inside_arrays_of_structs_are_checked_too() -> None:
    with pytest.raises(Malformed):
        canon.encode(Consent((Span(canon.accord_origin(ARCADIA, AccordId("x"), 1), 0, 2**53),), ()))


def test_sets_are_written_in_one_order() -> None:
    words = {f"w{n}" for n in range(50)}
    assert canon.encode(words) == canon.encode(sorted(words))


@pytest.mark.parametrize(
    "data",
    [
        b'{"n":1,"n":2}',
        b'{"n":2,"word":"a","n":1}',
        b' {"n":1}',
        b'{"n":1} ',
        b'{"n":1}\n',
        b'{"n": 1}',
        b'{"word":"a","n":1}',
        b'{"n":1.0}',
        b'{"n":1e0}',
        b'{"n":-0}',
        b'{"n":01}',
        b'{"n":NaN}',
        b'{"n":Infinity}',
        b'{"n":9007199254740992}',
        b'{"n":' + b"9" * 40 + b"}",
        b'{"n":' + b"9" * 5_000 + b"}",
        b'{"n":1e999}',
        b'{"n":true}',
        b'{"n":"1"}',
        b'{"n":1,"word":"\\u0061"}',
        b'{"n":1,"word":"\\/"}',
        b'{"n":1,"word":"\\ud800"}',
        b'{"n":1,"word":"\xed\xa0\x80"}',
        b'{"n":1,"word":"\xff"}',
        b'{"n":1,"word":"\x00"}',
        b"\xef\xbb\xbf" + b'{"n":1}',
        '{"n":1}'.encode("utf-16"),
        b'{"n":1',
        b"",
        b"null",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a":' + b"[" * 300 + b"]" * 300 + b',"n":1}',
    ],
)
def test_bytes_that_two_parsers_might_read_differently_are_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        canon.decode(data, Thing, what="a thing")


def test_a_canonical_thing_is_read() -> None:
    assert canon.decode(b'{"n":1,"word":"a"}', Thing, what="a thing") == Thing(1, "a")


def test_depth_is_limited_by_name_and_not_by_the_interpreter() -> None:
    deepest = b"[" * JSON_DEPTH_MAX + b"]" * JSON_DEPTH_MAX
    assert canon.encode(canon.decode(deepest, object, what="a value")) == deepest
    with pytest.raises(Malformed, match="JSON_DEPTH_MAX"):
        canon.decode(b"[" + deepest + b"]", object, what="a value")


@given(st.binary(max_size=64) | st.text(max_size=64).map(lambda t: t.encode("utf-8", "surrogatepass")))
def test_any_bytes_give_a_value_or_malformed(data: bytes) -> None:
    for kind in (Thing, object, list):
        try:
            canon.decode(data, kind, what="a thing")
        except Malformed as error:
            assert str(error).startswith(("a thing", "a float", "an integer", "nested", "cannot", "'"))


@given(st.binary(max_size=40))
def test_base64_has_one_reading(data: bytes) -> None:
    assert canon.unb64(canon.b64(data), what="it") == data


@given(st.text(max_size=48) | st.text("AQgw=+/-_ \n", max_size=12))
def test_any_text_is_base64_of_the_right_length_or_malformed(text: str) -> None:
    for length in (None, 0, 32):
        try:
            data = canon.unb64(text, what="it", length=length)
        except Malformed:
            continue
        assert canon.b64(data) == text
        assert length is None or len(data) == length


@pytest.mark.parametrize("text", ["QQ", "QR==", "QQ==\n", "Q Q=", "QQ=", "-_8=", "QQ==QQ==", "é==="])
def test_base64_that_could_be_written_otherwise_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        canon.unb64(text, what="it")


@pytest.mark.parametrize("name", ["cert.arcadia.example", "a.bc", "xn--bcher-kva.example", "a" * 63 + ".example"])
def test_domain_names_are_parties(name: str) -> None:
    assert canon.party_id(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "example",
        "Cert.example",
        "cert.example.",
        ".example",
        "a..example",
        "-a.example",
        "a-.example",
        "a b.example",
    ]
    + ["a.1", "192.0.2.1", "cert.arcadia.example\n", "cert/x.example", "a" * 64 + ".example", "a." * 130 + "example"]
    + ["cért.example", "cert.arcadıa.example", "cert.arcadia.example/csirt"],
)
def test_other_names_are_not(name: str) -> None:
    with pytest.raises(Malformed):
        canon.party_id(name)


@pytest.mark.parametrize("text", ["", "-a", "a-", "A", "a_b", "a" * 65, "a\n", "é", "a/b", "a~b", "٣"])
def test_short_names_are_plain(text: str) -> None:
    with pytest.raises(Malformed):
        canon.slug(text, what="an office")


def test_origins_are_read_back() -> None:
    accord = canon.accord_origin(ARCADIA, AccordId("three-shores"), 7)
    assert canon.parse_origin(accord) == (ARCADIA, "three-shores", 7)
    assert canon.parse_origin(canon.home_origin(ARCADIA, 1)) == (ARCADIA, None, 1)


@pytest.mark.parametrize("generation", ["0", "01", "-1", "+1", "1 ", "", "1000000", "٣", "²", "1e3", "9" * 9_000])
def test_a_generation_has_one_spelling(generation: str) -> None:
    with pytest.raises(Malformed):
        canon.parse_origin(f"{ARCADIA}/home/{generation}")


origin_pieces = st.sampled_from([ARCADIA, "accord", "home", "three-shores", "1", "01", "", "x", "\ud800", "é"])


@given(st.text(max_size=60) | st.lists(origin_pieces, max_size=6).map("/".join))
def test_any_text_is_an_origin_or_malformed(text: str) -> None:
    try:
        party, accord, generation = canon.parse_origin(text)
    except Malformed:
        return
    again = canon.home_origin(party, generation)
    assert Origin(text) == (again if accord is None else canon.accord_origin(party, accord, generation))
