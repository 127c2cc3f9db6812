"""What an indicator is still worth: confidence joined over who says so, worn off with time, moved by sightings.

Rules: a score is computed when it is asked for and kept nowhere. Only what the asking office may read counts, and only
what stands: neither retracted nor revoked nor replaced. Where nobody gives a confidence there is no number to wear off,
and none is made up; age and sightings still say when a value has faded. How it came to be can be told (`Score`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from comity.areas import intel
from comity.canon import Instant, OfficeId
from comity.formats import confidence, decay
from comity.formats.decay import SCORE_MAX, Model, Models, Sighted
from comity.formats.observables import KINDS
from comity.node import books, ingest
from comity.node.actor import Actor
from comity.node.node import Node
from comity.node.ports import Unit
from comity.node.queries import Found, Ident, Newest, Queries, Reading, Witness, still
from comity.node.repeats import Repeats
from comity.node.seen import Seen, seen

SHELF: Final = "decay"  # office -> its table of models, as it was written
RECORD: Final = "home.decay"
_SECOND: Final = 1_000_000  # microseconds


class Basis(NamedTuple):
    """One word that a score rests on: whose, and how much of it counts."""

    party: str
    office: str
    source: str
    reliability: str  # the source's, as this office sees it; empty where it does not say
    confidence: int | None  # as its producer gave it
    counted: int | None  # of it, by the table


class Score(NamedTuple):
    """What a value is worth at a moment, and how that came to be."""

    score: int | None  # None: nobody gave a confidence
    faded: bool  # below its model's threshold, or said to have ended
    base: int | None  # the confidences joined
    left: int  # per cent of it that age and sightings leave
    since: Instant  # from when it ages
    model: str
    doubted_by: tuple[str, ...]
    ended_by: str
    basis: tuple[Basis, ...]


class Weights(NamedTuple):
    """What an office weighs by: its table, and the reliability of its sources."""

    models: Models
    by_kind: Mapping[str, Model]  # the model of every kind
    reliability: Mapping[str, str]  # source -> letter
    me: tuple[str, str]  # party and office whose sources those are

    def share(self, by: Witness | Reading) -> int:
        """Return how many per cent of what somebody says count."""
        if not self.reliability or (by.party, by.office) != self.me:
            return SCORE_MAX
        return self.models.reliability.get(self.reliability.get(by.source, ""), SCORE_MAX)


# -- the table of an office ------------------------------------------------------------


def table(unit: Unit, office: OfficeId) -> str:
    """Return an office's own table as it was written; empty where it has none, and the default holds."""
    return (unit.documents.get(SHELF, office) or b"").decode()


def set_table(node: Node, actor: Actor, text: str) -> Models:
    """Put an office's table in force; an empty text goes back to the default. Raises `Malformed`."""
    models = decay.read_models(text) if text else decay.DEFAULT
    with node.writing() as unit:
        if text:
            unit.documents.put(SHELF, actor.office_id, text.encode())
        else:
            unit.documents.delete(SHELF, actor.office_id)
        books.record(node, unit, actor.office_id, RECORD, {"table": text, "by": actor.user})
    return models


def weights(unit: Unit, actor: Actor) -> Weights:
    """Return what an office weighs by."""
    models, by_kind = _models(table(unit, actor.office_id))
    letters = {}
    if models.reliability:
        letters = {one.name: one.reliability for one in ingest.sources(unit, actor.office_id) if one.reliability}
    return Weights(models, by_kind, letters, (actor.office.party, actor.office.office))


@lru_cache(maxsize=64)
def _models(text: str) -> tuple[Models, Mapping[str, Model]]:
    models = decay.read_models(text) if text else decay.DEFAULT
    return models, {kind: models.of(kind) for kind in KINDS}


# -- scores ------------------------------------------------------------------------------


def standing(found: Sequence[Found], newest: Newest, at: Instant) -> list[Found]:
    """Return what of everything known of a value is still said, and by whom: valid, stood by, replaced by nothing."""
    current = [one for one in found if one.current(at)]
    if not newest:
        return current
    return [said for one in current if (said := still(one, newest)) is not None]


def worth(
    kind: str, key: bytes, found: Sequence[Found], sightings: Mapping[bytes, Seen], weighing: Weights, at: Instant
) -> tuple[int | None, bool]:
    """Return score and whether it has faded, as `score` does; `found` is what stands, and must not be empty."""
    words = _words(key, found, sightings) if sightings else ()
    if not words:
        return _unsighted(kind, found, weighing, at)
    whole = score(kind, found, words, weighing, at)
    return whole.score, whole.faded


def _words(key: bytes, found: Sequence[Found], sightings: Mapping[bytes, Seen]) -> list[Sighted]:
    """Return what was said of a value, and of the objects that still name it."""
    keys = [key, *sorted({intel.object_key(one.object) for one in found})]
    return [word for each in keys if each in sightings for word in sightings[each].words]


def _unsighted(kind: str, found: Sequence[Found], weighing: Weights, at: Instant) -> tuple[int | None, bool]:
    """Return what `worth` does of a value that nobody sighted: the common case, and nothing is made for it."""
    one = found[0]
    counted, modified = one.confidence, one.modified
    if len(found) > 1 or len(one.witnesses) > 1:
        counted, modified = _joined(found, weighing), max([each.modified for each in found])
    elif weighing.reliability and counted is not None:
        counted = counted * weighing.share(one.witnesses[0]) // SCORE_MAX
    return _worn(weighing.by_kind[kind], counted, modified // _SECOND, at)


def _worn(model: Model, counted: int | None, modified: Instant, at: Instant) -> tuple[int | None, bool]:
    """Return what age leaves of a confidence, and whether it has faded."""
    left = decay.left(model, modified, at)
    if counted is None:
        return None, SCORE_MAX * left < model.threshold
    number = int(counted * left)
    return number, (number if counted >= model.threshold else SCORE_MAX * left) < model.threshold


def _joined(found: Sequence[Found], weighing: Weights) -> int | None:
    """Return the confidences joined that count, of each sayer the highest; None where nobody gives one."""
    told: dict[tuple[str, str, str], int] = {}
    for one in found:
        given = one.confidence
        if given is None:
            continue
        for witness in one.witnesses:
            reading = witness.reading
            if reading.retracted:
                continue
            counted = given * weighing.share(witness) // SCORE_MAX if weighing.reliability else given
            who = reading.party, reading.office, reading.source
            if counted > told.get(who, -1):
                told[who] = counted
    if len(told) == 1:
        return next(iter(told.values()))
    return confidence.combined(told.values())


def score(kind: str, found: Sequence[Found], sightings: Sequence[Sighted], weighing: Weights, at: Instant) -> Score:
    """Return what a value of a kind is worth by everything that stands of it; `found` must not be empty."""
    basis = _basis(found, weighing)
    base = confidence.combined(one.counted for one in basis)
    first = max(one.modified for one in found) // _SECOND
    aged = decay.aged(SCORE_MAX if base is None else base, kind, first, sightings, at, weighing.models)
    whole = decay.aged(SCORE_MAX, kind, first, sightings, at, weighing.models)
    number = None if base is None else aged.score
    # Who is unsure from the start has not seen it fade: then age and sightings alone say so.
    unsure = base is None or base < weighing.by_kind[kind].threshold
    faded = whole.expired if unsure else aged.expired
    return Score(number, faded, base, whole.score, aged.since, aged.model, aged.doubted_by, aged.ended_by, basis)


def _basis(found: Sequence[Found], weighing: Weights) -> tuple[Basis, ...]:
    """Return the highest that each sayer gives: who says it twice is one witness."""
    told: dict[tuple[str, str, str], Basis] = {}
    for one in found:
        given = one.confidence
        for witness in one.witnesses:
            if witness.retracted:
                continue
            who = witness.party, witness.office, witness.source
            letter = weighing.reliability.get(witness.source, "") if who[:2] == weighing.me else ""
            counted = None if given is None else given * weighing.share(witness) // SCORE_MAX
            known = told.get(who)
            if known is None or (counted is not None and (known.counted is None or counted > known.counted)):
                told[who] = Basis(*who, letter, given, counted)
    return tuple(told[who] for who in sorted(told))


def of_value(
    queries: Queries, unit: Unit, actor: Actor, kind: str, key: bytes, found: Sequence[Found], at: Instant
) -> Score | None:
    """Return what one value is worth; None where nothing that stands says it."""
    newest = queries.newest(unit, actor, sorted({one.object for one in found}))
    said = standing([one for one in found if one.key == key], newest, at)
    if not said:
        return None
    sightings = seen(queries, unit, actor, [key, *{intel.object_key(one.object) for one in said}])
    return score(kind, said, _words(key, said, sightings), weights(unit, actor), at)


class Asked(msgspec.Struct, frozen=True, gc=False):
    """A value to be weighed among very many, as one entry says it that is valid and neither revoked nor replaced."""

    kind: str
    key: bytes
    which: Ident  # the entry's class
    object: int  # its number
    versions: bool  # whether other versions of the object are held
    confidence: int | None
    modified: Instant


class Worth(msgspec.Struct, frozen=True, gc=False):
    """What a value is worth among very many."""

    score: int | None
    faded: bool
    alone: bool  # one entry says it, and no other


Judge = Callable[[Unit, Sequence[Asked]], list[Worth | None]]
"""Says of values what they are worth; None where nothing that stands says it."""


def judge(queries: Queries, actor: Actor, at: Instant, *, asked: int = 0) -> Judge:
    """Return what says, within one unit of work, what about `asked` values are worth: by everybody who says them.

    Most values are said by one entry, of an object that has one version, and nobody sighted them: those are weighed by
    what is asked, and nothing is looked up. The others are looked up like any value.
    """
    weighing: Weights | None = None
    said: Repeats | None = None

    def judged(unit: Unit, values: Sequence[Asked]) -> list[Worth | None]:
        nonlocal weighing, said
        if weighing is None or said is None:
            weighing, said = weights(unit, actor), Repeats(unit, intel.OBSERVABLE, "position", asked=asked)
        others = {*said.of({one.key for one in values}), *_sighted(unit, values)}
        others.update([one.key for one in values if one.versions])
        looked = _looked_up(queries, unit, actor, [one for one in values if one.key in others], weighing, at)
        answers: list[Worth | None] = []
        shares: dict[Ident, int] = {}
        for one in values:
            if one.key in others:
                answers.append(looked[one.key, one.kind])
                continue
            share = shares.get(one.which)
            if share is None:
                share = shares[one.which] = _share(queries.reading(unit, actor, one.which), weighing)
            answers.append(_alone(one, share, weighing, at) if share >= 0 else None)
        return answers

    return judged


def _sighted(unit: Unit, values: Sequence[Asked]) -> set[bytes]:
    """Return the keys of those values that somebody sighted, or the objects that say them."""
    if unit.views.is_empty(intel.SIGHTING):
        return set()
    keys = {one.key: one.key for one in values} | {intel.object_key(one.object): one.key for one in values}
    rows: Sequence[tuple[Any, ...]] = unit.views.find_many(intel.SIGHTING, "key", list(keys))
    return {keys[row[1]] for row in rows}


def _share(reading: Reading, weighing: Weights) -> int:
    """Return how many per cent of what a class says count; below nothing where nobody stands by it."""
    return -1 if reading.retracted else weighing.share(reading)


def _alone(asked: Asked, share: int, weighing: Weights, at: Instant) -> Worth:
    """Return what a value is worth that one entry says."""
    counted = asked.confidence
    if share != SCORE_MAX and counted is not None:
        counted = counted * share // SCORE_MAX
    score, faded = _worn(weighing.by_kind[asked.kind], counted, asked.modified, at)
    return Worth(score, faded, True)


def _looked_up(
    queries: Queries, unit: Unit, actor: Actor, values: Sequence[Asked], weighing: Weights, at: Instant
) -> dict[tuple[bytes, str], Worth | None]:
    """Return by key and kind what some values are worth by everything that is known of them."""
    if not values:
        return {}
    known = queries.lookup_keys(unit, actor, list({one.key for one in values}))
    numbers = sorted({one.object for found in known.values() for one in found})
    sightings = seen(queries, unit, actor, [*known, *map(intel.object_key, numbers)])
    newest = queries.newest(unit, actor, numbers)
    answers: dict[tuple[bytes, str], Worth | None] = {}
    for key, kind in {(one.key, one.kind) for one in values}:
        said = standing(known.get(key, ()), newest, at)
        told = worth(kind, key, said, sightings, weighing, at) if said else None
        answers[key, kind] = None if told is None else Worth(*told, alone=False)
    return answers
