"""Anonymised sharing: what passes, what is refused, and that what the author says later reaches it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.acts import Narrow
from comity.canon import AccordId, accord_origin
from comity.formats.stix import check
from comity.formats.stix.report import Refusal
from comity.node import acting, anonymising, complying, rebuild
from comity.node.anonymising import anonymised
from comity.node.ports import Entry
from comity.node.sharing import Offer
from comity.statement import Marking, is_act
from comity.testing.world import Inhabitant, World
from comity.vocab import Held, Tlp

KEY = b"k" * 32
AT = 1_790_000_000
ALL = AccordId("all")
ADDRESS = "192.0.2.7"
IDENT = "indicator--11111111-2222-4333-8444-555555555555"
HASH = "a" * 64
NAMES = "acme"  # stands in everything that may name the constituent


def indicator(**changes: Any) -> bytes:
    """Return an indicator that names its constituent wherever it can."""
    made = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": IDENT,
        "created_by_ref": "identity--11111111-2222-4333-8444-000000000acd",
        "created": "2026-09-01T10:11:12.345Z",
        "modified": "2026-09-02T10:11:12.345Z",
        "name": "Seen at acme",
        "description": "mail from acme's desk",
        "indicator_types": ["malicious-activity", "acme-incident"],
        "pattern": f"[ipv4-addr:value = '{ADDRESS}']",
        "pattern_type": "stix",
        "valid_from": "2026-09-01T10:11:12.345Z",
        "valid_until": "2036-09-03T10:11:12.345Z",
        "labels": ["acme"],
        "confidence": 80,
        "lang": "en",
        "kill_chain_phases": [
            {"kill_chain_name": "mitre-attack", "phase_name": "exfiltration"},
            {"kill_chain_name": "acme", "phase_name": "acme"},
            {"kill_chain_name": "mitre-attack", "phase_name": "acme"},
        ],
        "external_references": [{"source_name": "acme", "url": "https://acme.example/ticket/1"}],
        "x_acme": "acme",
        "extensions": {},
        **changes,
    }
    return json.dumps({name: value for name, value in made.items() if value not in (None, {})}).encode()


def observable(kind: str, **properties: Any) -> bytes:
    """Return a cyber-observable object."""
    ident = f"{kind}--11111111-2222-5333-8444-555555555555"
    return json.dumps({"type": kind, "spec_version": "2.1", "id": ident, **properties}).encode()


def test_only_what_names_nobody_is_left_of_an_indicator() -> None:
    made = anonymised(indicator(), KEY, AT)
    assert isinstance(made, bytes)
    assert NAMES.encode() not in made
    tree = json.loads(made)
    assert tree.pop("id") != IDENT
    assert tree == {
        "type": "indicator",
        "spec_version": "2.1",
        "created": "2026-09-01T00:00:00.000Z",
        "modified": "2026-09-21T14:13:20.000Z",
        "pattern": f"[ipv4-addr:value = '{ADDRESS}']",
        "pattern_type": "stix",
        "valid_from": "2026-09-01T00:00:00.000Z",
        "valid_until": "2036-09-03T00:00:00.000Z",
        "indicator_types": ["malicious-activity"],
        "kill_chain_phases": [{"kill_chain_name": "mitre-attack", "phase_name": "exfiltration"}],
        "confidence": 80,
        "labels": ["anonymised"],
    }
    assert not isinstance(check.check_many([made])[0], Refusal)


def test_the_id_is_the_same_again_and_another_by_another_secret() -> None:
    def ident(key: bytes) -> object:
        made = anonymised(indicator(), key, AT)
        assert isinstance(made, bytes)
        return json.loads(made)["id"]

    assert ident(KEY) == ident(KEY) != ident(b"j" * 32)


def test_an_indicator_stays_revoked_and_valid_for_a_moment_within_its_day() -> None:
    made = anonymised(indicator(revoked=True, valid_until="2026-09-01T10:30:00Z"), KEY, AT)
    assert isinstance(made, bytes)
    tree = json.loads(made)
    assert tree["revoked"] is True
    assert (tree["valid_from"], tree["valid_until"]) == ("2026-09-01T00:00:00.000Z", "2026-09-02T00:00:00.000Z")


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (observable("ipv4-addr", value=ADDRESS), {"value": ADDRESS}),
        (observable("autonomous-system", number=64500, name="acme", rir="acme"), {"number": 64500}),
        (
            observable("file", name="acme.doc", size=7, hashes={"SHA-256": HASH, "ACME-1": "acme"}),
            {"size": 7, "hashes": {"SHA-256": HASH}},
        ),
        (observable("url", value="https://evil.example/a", x_acme="acme"), {"value": "https://evil.example/a"}),
    ],
)
def test_only_the_value_is_left_of_an_observable(body: bytes, kept: dict[str, Any]) -> None:
    made = anonymised(body, KEY, AT)
    assert isinstance(made, bytes), made
    assert {k: v for k, v in json.loads(made).items() if k not in {"type", "spec_version", "id"}} == kept
    assert NAMES.encode() not in made


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "cannot be read"),
        (observable("file", name="acme.doc"), "nothing left"),
        (observable("file", name="a", hashes={"ACME-1": "acme"}), "no STIX object"),
        (observable("email-addr", value="a@acme.example"), "type email-addr"),
        (observable("user-account", user_id="acme"), "type user-account"),
        (observable("x-acme", value="acme"), "type custom"),
        (observable("url", value="https://evil.example/?to=jo%40acme.example"), "of somebody"),
        (indicator(pattern_type="yara", pattern='rule acme { meta: a = "acme" condition: true }'), "not STIX"),
        (indicator(pattern=f"[ipv4-addr:value = '{ADDRESS}' /* acme */]"), "comment"),
        (indicator(pattern=f"[ipv4-addr:value = '{ADDRESS}'] // acme"), "comment"),
        (indicator(pattern="[url:value = 'https://jo@evil.example/']"), "of somebody"),
        (indicator(pattern="[file:name = 'acme.doc']"), "more than"),
        (indicator(pattern="[email-addr:value = 'jo@acme.example']"), "more than"),
        (indicator(pattern=f"[file:hashes.'SHA-256' = '{HASH}' AND file:x_acme = 'a']"), "more than"),
        (indicator(pattern="[domain-name:value = b'YWNtZQ==']"), "bytes"),
        (
            indicator(
                pattern=f"[ipv4-addr:value = '{ADDRESS}'] START t'2026-09-01T10:11:12Z' STOP t'2026-09-02T00:00:00Z'"
            ),
            "time of its own",
        ),
    ],
)
def test_what_may_name_somebody_is_refused_with_the_reason(body: bytes, says: str) -> None:
    made = anonymised(body, KEY, AT)
    assert isinstance(made, str)
    assert says in made
    assert NAMES not in made  # grounds are told, and counted by their words


def test_a_url_with_two_slashes_has_no_comment() -> None:
    made = anonymised(indicator(pattern="[url:value = 'https://evil.example/it\\'s//a']"), KEY, AT)
    assert isinstance(made, bytes)


@given(st.binary(max_size=200) | st.text(max_size=60).map(lambda text: indicator(pattern=f"[url:value = '{text}']")))
def test_any_bytes_give_an_object_or_a_reason(body: bytes) -> None:
    made = anonymised(body, KEY, AT)
    if isinstance(made, bytes):
        assert not isinstance(check.check_many([made])[0], Refusal)
        assert b"Seen at" not in made
    else:
        assert made.isprintable()


# -- between parties ----------------------------------------------------------------------


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Three parties of one accord."""
    made = World(11, 3, tmp_path)
    made.accord(ALL, made.people)
    yield made
    made.close()


def share(world: World, body: bytes, *, anonymous: bool = True) -> int:
    one = world.people[0]
    (at,) = world.collect(one, [body], Marking(tlp=Tlp.GREEN))
    done = one.services.sharing.share(one.actor, ALL, [at], Offer(anonymous=anonymous))
    assert (done.stated, done.withheld) == (1, 0), done
    world.calm(12)
    return at


def seen(one: Inhabitant, value: str = ADDRESS) -> list[tuple[str, str, Tlp | None, bytes]]:
    """Return (party, source, TLP, bytes) of whoever says a value at a node."""
    with one.store.read() as unit:
        told = [w for f in one.services.queries.lookup(unit, one.actor, value) for w in f.witnesses]
        return [(w.party, w.source, w.marking.tlp, one.services.queries.body(unit, w.position)) for w in told]


def everything(one: Inhabitant) -> Iterator[bytes]:
    """Yield the bytes of every payload held at a node."""
    with one.store.read() as unit:
        for log in unit.logs.all():
            for entry in unit.entries.read(log.id, 0, log.size):
                yield (entry.header or b"") + (entry.body or b"")


def stated(world: World) -> list[Entry]:
    """Return the first statement of the first party's log as every other party holds it."""
    one, *others = world.people
    found = []
    for other in others:
        with other.store.read() as unit:
            log = unit.logs.find(accord_origin(one.name, ALL, 1))
            assert log is not None
            entries = unit.entries.read(log.id, 0, log.size)
            # The first that was no act: what a member says it holds stands in the same log.
            acts = [e.header is not None and is_act(one.node.header(e.header).kind) for e in entries]
            found.append(entries[acts.index(False)])
    return found


def test_a_receiver_sees_an_object_that_names_nobody_and_that_says_so(world: World) -> None:
    share(world, indicator())
    for other in world.people[1:]:
        ((party, source, tlp, body),) = seen(other)
        assert (party, source, tlp) == (world.people[0].name, anonymising.SOURCE, Tlp.GREEN)
        assert json.loads(body)["labels"] == [anonymising.LABEL]
        held = b"".join(everything(other))
        assert anonymising.LABEL.encode() in held
        assert NAMES.encode() not in held
        assert IDENT.encode() not in held
    assert [source for _, source, _, _ in seen(world.people[0])] == ["world"]


def test_it_is_the_same_object_in_every_accord_and_stated_once_in_each(world: World) -> None:
    one, other, _ = world.people
    world.accord("pair", [one, other])
    at = share(world, indicator())
    again = one.services.sharing.share(one.actor, ALL, [at], Offer(anonymous=True))
    assert (again.stated, again.known) == (0, 1)
    openly = one.services.sharing.share(one.actor, ALL, [at], Offer())
    assert (openly.stated, openly.known) == (0, 1)  # both together would say who is behind it
    one.services.sharing.share(one.actor, "pair", [at], Offer(anonymous=True))
    world.calm(12)
    assert len({body for *_, body in seen(other)}) == 1
    assert len(seen(other)) == 2


@pytest.mark.parametrize("rebuilt", [False, True])
def test_retracting_narrowing_and_erasing_the_original_reach_it(world: World, rebuilt: bool) -> None:
    one, other, third = world.people
    at = share(world, indicator())
    if rebuilt:
        rebuild.rebuild(one.node)
    acting.narrow(one.actor, one.node, [at], Narrow((), tlp=Tlp.AMBER))
    world.calm(12)
    assert [(b"AMBER" in entry.standing, entry.held) for entry in stated(world)] == [(True, Held.PAYLOAD)] * 2
    acting.retract(one.actor, one.node, [at], "a false positive")
    world.calm(12)
    assert [b"retracted" in entry.standing for entry in stated(world)] == [True, True]
    acting.erase(one.actor, one.node, [at], "an order", "")
    world.calm(12)
    with one.store.read() as unit:
        answers = complying.compliance(one.node, one.services.accords, unit, [at])
    assert {(answer.party, answer.answer) for answer in answers} == {(other.name, "complied"), (third.name, "complied")}
    assert [(entry.held, entry.body) for entry in stated(world)] == [(Held.ERASED, None)] * 2
    assert seen(third) == []


def test_what_others_stated_and_what_names_somebody_is_withheld_and_counted(world: World) -> None:
    one, other, _ = world.people
    world.accord("pair", [one, other])
    share(world, indicator())
    with other.store.read() as unit:
        (witness,) = [w for f in other.services.queries.lookup(unit, other.actor, ADDRESS) for w in f.witnesses]
    done = other.services.sharing.share(other.actor, "pair", [witness.position], Offer(anonymous=True))
    assert (done.relayed, done.withheld) == (0, 1)
    assert "with its proof" in "".join(done.grounds)
    places = world.collect(one, [observable("email-addr", value="jo@acme.example")], Marking(tlp=Tlp.GREEN))
    done = one.services.sharing.share(one.actor, ALL, places, Offer(anonymous=True))
    assert (done.stated, done.withheld) == (0, 1)
    assert list(done.grounds) == [
        "anonymous: an object of type email-addr may name somebody in places that no list knows"
    ]
