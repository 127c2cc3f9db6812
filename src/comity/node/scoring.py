"""What an indicator is still worth: confidence joined over who says so, worn off with time, moved by sightings.

Rules: a score is computed when it is asked for and kept nowhere. Only what the asking office may read counts, and only
what stands: neither retracted nor revoked nor replaced. Where nobody gives a confidence there is no number to wear off,
and none is made up; age and sightings still say when a value has faded. How it came to be can be told (`Score`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from comity.areas import intel
from comity.canon import Instant, OfficeId
from comity.formats import confidence, decay
from comity.formats.decay import SCORE_MAX, Models, Sighted
from comity.node import books, ingest
from comity.node.actor import Actor
from comity.node.node import Node
from comity.node.ports import Unit
from comity.node.queries import Found, Queries, Witness, later
from comity.node.seen import seen

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
    reliability: Mapping[str, str]  # source -> letter
    me: tuple[str, str]  # party and office whose sources those are

    def share(self, witness: Witness) -> int:
        """Return how many per cent of what a witness says count."""
        if not self.models.reliability or (witness.party, witness.office) != self.me:
            return SCORE_MAX
        return self.models.reliability.get(self.reliability.get(witness.source, ""), SCORE_MAX)


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
    text = table(unit, actor.office_id)
    models = _models(text) if text else decay.DEFAULT
    letters = {}
    if models.reliability:
        letters = {one.name: one.reliability for one in ingest.sources(unit, actor.office_id) if one.reliability}
    return Weights(models, letters, (actor.office.party, actor.office.office))


@lru_cache(maxsize=64)
def _models(text: str) -> Models:
    return decay.read_models(text)


# -- scores ------------------------------------------------------------------------------


def plain(found: Found, kind: str, weighing: Weights, at: Instant) -> tuple[int | None, bool]:
    """Return score and whether it has faded of what one witness says and nobody sighted: the common case."""
    return worn(found.confidence, weighing.share(found.witnesses[0]), kind, found.modified, weighing.models, at)


def worn(
    given: int | None, share: int, kind: str, modified: int, models: Models, at: Instant
) -> tuple[int | None, bool]:
    """Return what age leaves of a confidence of which `share` per cent count, and whether it has faded."""
    model = models.of(kind)
    left = decay.left(model, modified // _SECOND, at)
    if given is None:
        return None, SCORE_MAX * left < model.threshold
    counted = given * share // SCORE_MAX
    number = math.floor(counted * left)
    return number, (number if counted >= model.threshold else SCORE_MAX * left) < model.threshold


def score(kind: str, found: Sequence[Found], sightings: Sequence[Sighted], weighing: Weights, at: Instant) -> Score:
    """Return what a value of a kind is worth by everything that stands of it; `found` must not be empty."""
    basis = _basis(found, weighing)
    base = confidence.combined(one.counted for one in basis)
    first = max(one.modified for one in found) // _SECOND
    aged = decay.aged(SCORE_MAX if base is None else base, kind, first, sightings, at, weighing.models)
    whole = decay.aged(SCORE_MAX, kind, first, sightings, at, weighing.models)
    number = None if base is None else aged.score
    # Who is unsure from the start has not seen it fade: then age and sightings alone say so.
    unsure = base is None or base < weighing.models.of(kind).threshold
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
    standing = [one for one in found if one.key == key and one.current(at) and not later(one, newest)]
    if not standing:
        return None
    keys = [key, *{intel.object_key(one.object) for one in standing}]
    words = [word for told in seen(queries, unit, actor, keys).values() for word in told.words]
    return score(kind, standing, words, weights(unit, actor), at)


class Asked(NamedTuple):
    """A value that an entry says, to be weighed among very many."""

    kind: str
    key: bytes
    object: int
    position: int
    modified: int  # microseconds
    confidence: int | None


def judge(
    queries: Queries, actor: Actor, at: Instant, *, least: int = 0
) -> Callable[[Unit, Sequence[Asked]], list[tuple[int | None, bool]]]:
    """Return what says of values what they are worth, and whether they have faded; a score of `least` is enough.

    Others who say a value can only raise what one says. So they are asked where that alone is not enough, or where
    somebody sighted it: of a million values that is few.
    """

    def judged(unit: Unit, values: Sequence[Asked]) -> list[tuple[int | None, bool]]:
        weighing = weights(unit, actor)
        keys = [key for one in values for key in (one.key, intel.object_key(one.object))]
        sightings = seen(queries, unit, actor, keys)
        answers = [_alone(queries, unit, actor, one, weighing, at) for one in values]
        weak = [
            number
            for number, (one, (score, faded)) in enumerate(zip(values, answers, strict=True))
            if faded or (score or 0) < least or one.key in sightings or intel.object_key(one.object) in sightings
        ]
        known = queries.lookup_keys(unit, actor, [values[number].key for number in weak]) if weak else {}
        for number in weak:
            one = values[number]
            whole = of_value(queries, unit, actor, one.kind, one.key, known.get(one.key, ()), at)
            if whole is not None:
                answers[number] = whole.score, whole.faded
        return answers

    return judged


def _alone(
    queries: Queries, unit: Unit, actor: Actor, asked: Asked, weighing: Weights, at: Instant
) -> tuple[int | None, bool]:
    """Return what a value is worth by the one object that says it."""
    witness = queries.witness_at(unit, actor, asked.position) if weighing.models.reliability else None
    share = SCORE_MAX if witness is None else weighing.share(witness)
    return worn(asked.confidence, share, asked.kind, asked.modified, weighing.models, at)
