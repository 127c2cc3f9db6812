"""What offices say about objects: opinions, notes, and where those who say something contradict each other.

Rules: an opinion or a note is a STIX object of its own, in the name of the office that says it, stated like any
collected object; it changes nothing of what it is about. Contradictions are found among what the asking office may
read and what stands, and are told side by side: nobody's word is dropped, and none is called the right one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid5

import msgspec

from comity.areas import intel
from comity.canon import Instant
from comity.errors import Misuse
from comity.formats import convert
from comity.formats.decay import Verdict
from comity.node import ingest
from comity.node.actor import Actor
from comity.node.node import Node
from comity.node.ports import Unit
from comity.node.queries import Found, Queries, Sighting, Witness, later
from comity.statement import Marking

SOURCE: Final = "our own words"  # the source under which an office's remarks stand
REMARKS_MAX: Final = 1_000  # about one object, the newest
TIES_AT_ONCE: Final = 4_096  # what is tied to an object, looked at in one step
TIES_LOOKED_MAX: Final = 262_144  # of them in all: a tenth of a second for a name that everybody refers to
TEXT_CHARS_MAX: Final = 20_000  # of a remark: some pages
CONFIDENCE_APART: Final = 40  # of a hundred: two who are further apart contradict each other
_SAYS: Final = re.compile(b'"(?:note|opinion)--')  # in the ends of an edge, see `intel.edges`
_MICROS: Final = 1_000_000
_DECODE: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Opinion(StrEnum):
    """STIX 2.1 §10.19, opinion-enum."""

    STRONGLY_DISAGREE = "strongly-disagree"
    DISAGREE = "disagree"
    NEUTRAL = "neutral"
    AGREE = "agree"
    STRONGLY_AGREE = "strongly-agree"


_AGAINST: Final = frozenset({Opinion.STRONGLY_DISAGREE, Opinion.DISAGREE})
_FOR: Final = frozenset({Opinion.STRONGLY_AGREE, Opinion.AGREE})
_BAD: Final = frozenset({"malicious-activity", "compromised"})  # STIX 2.1 §10.6, indicator-type-ov


class Remark(NamedTuple):
    """An opinion or a note, and who says it."""

    ident: str
    witness: Witness
    opinion: str  # empty: a note
    text: str
    at: Instant


class Contradiction(NamedTuple):
    """What is said in two ways, and who says which."""

    what: str
    sides: tuple[tuple[str, tuple[str, ...]], ...]  # word -> who


# -- saying something --------------------------------------------------------------------


def remark(
    node: Node, actor: Actor, about: Sequence[str], marking: Marking | None, *, opinion: str = "", text: str = ""
) -> int:
    """Put an opinion or a note about objects on the home log, in the office's own name; return its position.

    Raises `Misuse` for one that says nothing.
    """
    if not text.strip() and not opinion:
        raise Misuse("a note says something")
    if len(text) > TEXT_CHARS_MAX:
        raise Misuse(f"a remark of {len(text)} characters is over {TEXT_CHARS_MAX}: a report is an object of its own")
    now = node.now() * _MICROS
    who = f"identity--{uuid5(convert.NAMESPACE, str(actor.office))}"
    ident = UUID(bytes=node.entropy(16), version=4)
    if opinion:
        tree = convert.object_("opinion", f"opinion--{ident}", now, opinion=Opinion(opinion).value, explanation=text)
    else:
        tree = convert.object_("note", f"note--{ident}", now, content=text)
    tree |= {"created_by_ref": who, "object_refs": list(dict.fromkeys(about))}
    office = next((o for o in _offices(node) if o.id == actor.office_id), None)
    name = f"{node.me}: {office.name}" if office else str(actor.office)
    identity = convert.object_("identity", who, 0, name=name, identity_class="organization")
    with node.writing() as unit:
        source = ingest.put_source(unit, actor, SOURCE, marking)
    data = convert.encode(tree)
    done = ingest.ingest(node, actor, source, [convert.encode(identity), b"\n", data])
    if done.report.refused:
        raise Misuse(f"this remark is no good object of STIX: {done.report.shown[0].reason}")
    with node.store.read() as unit:
        number = intel.object_number(ident.bytes)
        ((at, *_),) = unit.views.find_many(intel.STATED, "object", [number])
    return int(at or 0)


def _offices(node: Node) -> Sequence[Any]:
    with node.store.read() as unit:
        return node.card(unit, node.me).card.offices


# -- what is said --------------------------------------------------------------------------


def about(queries: Queries, unit: Unit, actor: Actor, ident: str) -> list[Remark]:
    """Return the opinions and notes about an object that this office may read and that stand, the newest first.

    Of each of them what whoever says it says now: a later version replaces the sayer's own, and one that is revoked, or
    is about something else by now, says nothing.
    """
    said: list[Found] = []
    for at, uuid, code, modified, until, flags in _candidates(unit, ident):
        witness = queries.witness_at(unit, actor, at)
        if witness is not None and not witness.retracted:
            said.append(Found(b"", intel.object_number(uuid), code, modified, until, flags, (witness,)))
    newest = queries.newest(unit, actor, sorted({one.object for one in said}))
    found: dict[tuple[str, str], Remark] = {}
    for one in said:
        (witness,) = one.witnesses
        if one.revoked or later(one, newest):
            continue
        tree = _DECODE(queries.body(unit, witness.position))
        if ident.lower() not in {str(ref).lower() for ref in tree.get("object_refs") or ()}:
            continue
        text = str(tree.get("explanation") or tree.get("content") or tree.get("abstract") or "")
        told = Remark(str(tree["id"]), witness, str(tree.get("opinion", "")), text, witness.at)
        found.setdefault((told.ident, f"{witness.party}/{witness.office}"), told)  # stated in several accords: once
    return sorted(found.values(), key=lambda one: (-one.at, one.ident))[:REMARKS_MAX]


def _candidates(unit: Unit, ident: str) -> list[tuple[Any, ...]]:
    """Return the object rows of opinions and notes that are tied to an object, among however many others are."""
    places: list[int] = []
    after, looked = -1, 0
    while looked < TIES_LOOKED_MAX:
        rows = unit.views.find(intel.EDGE, {"key": intel.end_key(ident)}, limit=TIES_AT_ONCE, after=after)
        places += [int(row[0] or 0) for row in rows if _SAYS.search(bytes(row[2] or b""))]  # type: ignore[arg-type]
        if len(rows) < TIES_AT_ONCE:
            break
        after, looked = int(rows[-1][0] or 0), looked + len(rows)
    codes = {intel.type_code("opinion"), intel.type_code("note")}
    return [row for row in unit.views.find_many(intel.OBJECT, "position", places) if row[2] in codes]


# -- contradictions --------------------------------------------------------------------------


def contradictions(
    queries: Queries,
    unit: Unit,
    actor: Actor,
    found: Sequence[Found],
    sightings: Sequence[Sighting],
    remarks: Sequence[Remark],
    at: Instant,
) -> list[Contradiction]:
    """Return where those who speak of a value or an object say different things."""
    newest = queries.newest(unit, actor, sorted({one.object for one in found}))
    standing = [one for one in found if not later(one, newest) and any(not w.retracted for w in one.witnesses)]
    words = _Words()
    for one in standing:
        state = "revoked" if one.revoked else "valid" if one.current(at) else "expired"
        words.say(f"validity of {one.type}", state, one.witnesses)
        words.say("what it is", _verdict(queries, unit, one) if one.type == "indicator" else "", one.witnesses)
    for sighting in sightings:
        word = sighting.verdict.value if sighting.verdict is not Verdict.SEEN or sighting.times else ""
        words.say("whether it hits", word, [sighting.witness])
    for each in remarks:
        word = "disagrees" if each.opinion in _AGAINST else "agrees" if each.opinion in _FOR else ""
        words.say("opinion", word, [each.witness])
    words.weigh(standing)
    return words.apart()


class _Words:
    """Who says what, by what it is about."""

    def __init__(self) -> None:
        self._said: dict[str, dict[str, set[str]]] = {}

    def say(self, what: str, word: str, who: Iterable[Witness]) -> None:
        """Note a word of those who stand by it; an empty one says nothing."""
        names = {_name(one) for one in who if not one.retracted} if word else set()
        if names:
            self._said.setdefault(what, {}).setdefault(word, set()).update(names)

    def weigh(self, found: Sequence[Found]) -> None:
        """Note the confidences that are given, where they are far apart."""
        given: dict[str, int] = {}
        for one in found:
            for witness in one.witnesses if one.confidence is not None else ():
                given[_name(witness)] = max(given.get(_name(witness), 0), one.confidence or 0)
        if given and max(given.values()) - min(given.values()) >= CONFIDENCE_APART:
            for who, number in given.items():
                self._said.setdefault("confidence", {}).setdefault(str(number), set()).add(who)

    def apart(self) -> list[Contradiction]:
        """Return what is said in more than one way."""
        return [
            Contradiction(what, tuple((word, tuple(sorted(who))) for word, who in sorted(said.items())))
            for what, said in sorted(self._said.items())
            if len(said) > 1
        ]


def _name(witness: Witness) -> str:
    return f"{witness.party}/{witness.office}" + (f" from {witness.source!r}" if witness.source else "")


def _verdict(queries: Queries, unit: Unit, found: Found) -> str:
    types = _DECODE(queries.body(unit, found.witnesses[0].position)).get("indicator_types") or ()
    said = {"malicious" if word in _BAD else "benign" for word in types if word in _BAD or word == "benign"}
    return said.pop() if len(said) == 1 else ""
