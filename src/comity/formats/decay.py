"""How a score falls with time: an indicator that nobody has seen for long is worth less, by kind.

    score = base × (1 − (t / lifetime)^(1 / speed)), and 0 when the lifetime is over

Rules: this is the polynomial decay of MISP's decaying models; t runs from the last positive sighting, or from when the
indicator was first said. Below its model's threshold an indicator is expired. Pure arithmetic: the moment asked about
is an argument, times are seconds since 1970, and the order of sightings never matters. A model is data and can be set.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec

from comity.canon import Instant
from comity.errors import Malformed, Misuse
from comity.formats.confidence import Reliability
from comity.formats.observables import KINDS

DAY: Final = 86_400  # seconds
SCORE_MAX: Final = 100
SPEED_MIN, SPEED_MAX = 0.01, 100.0  # beyond these a score is a step
LIFETIME_DAYS_MAX: Final = 36_525  # a century
MODELS_MAX: Final = 64  # models in one table; there are twenty kinds


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How values of some kinds age."""

    name: str
    kinds: tuple[str, ...]  # of observables; empty: those that no other model names
    lifetime: float  # days until nothing is left; 0: it does not age
    speed: float = 1.0  # 1 falls evenly, above it faster at first, below it slower at first
    threshold: int = 20  # a score below is expired
    false_positive: int = 25  # per cent of the score that each witness of a false positive takes


class Models(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of models, and how much of what sources of each reliability say counts."""

    model: tuple[Model, ...]
    reliability: dict[str, int] = {}  # Admiralty letter -> per cent of a confidence that counts; what is absent: all

    def of(self, kind: str) -> Model:
        """Return the model for a kind of observable: the one that names it, or the one for all others."""
        others = NEVER
        for each in self.model:
            if kind in each.kinds:
                return each
            if not each.kinds:
                others = each
        return others


NEVER: Final = Model("never", (), 0)
# Addresses are reassigned within weeks and URLs taken down; names are paid for by the year and mostly dropped or parked
# within a season; a file stays what it is, but after three years hardly anybody meets it; a vulnerability does not age.
DEFAULT: Final = Models(
    (
        Model("address", ("ipv4", "ipv6"), 30, 2.0),
        Model("name", ("domain", "email"), 90, 1.5),
        Model("location", ("url",), 30, 2.0),
        Model("file", ("md5", "sha1", "sha256", "sha512", "file-name", "file-path"), 1_095, 0.5),
        Model("host", ("registry-key", "mutex", "user-agent"), 365, 1.0),
        Model("network", ("asn", "mac", "certificate"), 180, 1.0),
        Model("standing", ("cve", "wallet"), 0),
        Model("other", (), 180, 1.0),
    )
)


def read_models(text: str) -> Models:
    """Return a table of models written in TOML, one `[[model]]` each. Raises `Malformed`, naming model and field."""
    try:
        tree: Any = tomllib.loads(text)
        models = msgspec.convert(tree, Models)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, ValueError, RecursionError) as error:
        raise Malformed(f"decay models: {error}") from error
    if not 0 < len(models.model) <= MODELS_MAX:
        raise Malformed(f"decay models: a table has 1 to {MODELS_MAX} models, not {len(models.model)}")
    named: set[str] = set()
    for each in models.model:
        _check(each)
        kinds = each.kinds or ("",)
        twice = named.intersection(kinds) or len(set(kinds)) < len(kinds)
        if twice:
            raise Malformed(f"decay model {each.name!r}: a kind has two models, or there are two for all others")
        named.update(kinds)
    for letter, percent in models.reliability.items():
        if letter not in set(Reliability) or not 0 <= percent <= SCORE_MAX:
            raise Malformed(f"decay models: reliability {letter!r} = {percent}: a letter A to F, and 0 to {SCORE_MAX}")
    return models


def _check(model: Model) -> None:
    unknown = [kind for kind in model.kinds if kind not in KINDS]
    limits = (
        ("lifetime", model.lifetime, 0, LIFETIME_DAYS_MAX),
        ("speed", model.speed, SPEED_MIN, SPEED_MAX),
        ("threshold", model.threshold, 0, SCORE_MAX),
        ("false_positive", model.false_positive, 0, SCORE_MAX),
    )
    for name, number, least, most in limits:
        if not least <= number <= most:  # nor is any of this so for what is not a number
            raise Malformed(f"decay model {model.name!r}: {name} is {least} to {most}, not {number}")
    if unknown:
        raise Malformed(f"decay model {model.name!r}: {unknown[0]!r} is no kind of observable")


def score(
    base: int, kind: str, first: Instant, last_seen: Instant | None, at: Instant, models: Models = DEFAULT
) -> int:
    """Return what is left at a moment of a base score of 0 to 100, e.g. a STIX confidence. Raises `Misuse`.

    `first` is when it was said, `last_seen` when it was last sighted, if ever; a time after `at` counts as `at`.
    """
    return math.floor(_left(base, models.of(kind), max(first, last_seen or first), at))


def left(model: Model, since: Instant, at: Instant) -> float:
    """Return the share of a score, from 1 to 0, that age leaves: of values that nobody sighted, by the million."""
    if not model.lifetime:
        return 1.0
    part = (at - since) / (model.lifetime * DAY)
    if part <= 0:
        return 1.0
    return 0.0 if part >= 1 else 1.0 - part ** (1 / model.speed)


def _left(base: float, model: Model, since: Instant, at: Instant) -> float:
    if not 0 <= base <= SCORE_MAX:
        raise Misuse(f"a base score is 0 to {SCORE_MAX}, not {base}")
    return base * left(model, since, at)


class Verdict(StrEnum):
    """What a sighting says."""

    SEEN = "seen"
    FALSE_POSITIVE = "false-positive"
    EXPIRED = "expired"


class Sighted(NamedTuple):
    """One sighting: who, when, what of it."""

    by: str  # the witness: a party, an office or a source
    at: Instant
    verdict: Verdict = Verdict.SEEN


class Aged(NamedTuple):
    """What became of an indicator by a moment, and of what."""

    score: int
    expired: bool
    since: Instant  # from when it ages: the last positive sighting, or when it was said
    doubted_by: tuple[str, ...]  # witnesses whose newest word is that it is a false positive
    ended_by: str  # the witness who ended it; empty where nobody did
    model: str


def aged(
    base: int, kind: str, first: Instant, sightings: Iterable[Sighted], at: Instant, models: Models = DEFAULT
) -> Aged:
    """Return what is left of a base score after all sightings up to a moment. Raises `Misuse`.

    A positive sighting lets the score begin anew. Each witness whose newest word is "false positive" takes the model's
    share of the score, once, however often it says so. An expiration ends it, until somebody sees it later than that.
    Of two words of one moment the one that lowers counts.
    """
    model = models.of(kind)
    since, ended, ender = first, None, ""
    newest: dict[str, tuple[Instant, bool]] = {}
    for who, when, verdict in sightings:
        if when > at:
            continue
        if verdict is Verdict.SEEN:
            since = max(since, when)
        if verdict is Verdict.EXPIRED and (ended is None or (when, who) > (ended, ender)):
            ended, ender = when, who
        if verdict is not Verdict.EXPIRED:
            newest[who] = max(newest.get(who, (when, False)), (when, verdict is Verdict.FALSE_POSITIVE))
    doubters = tuple(sorted(who for who, (_, doubts) in newest.items() if doubts))
    left = _left(base, model, since, at)
    if doubters:  # else not a bit of it changes: what nobody sighted is weighed in another place too
        left = left * max(0, 100 - len(doubters) * model.false_positive) / 100
    over = ended is not None and ended >= since
    number = 0 if over else math.floor(left)
    return Aged(number, over or number < model.threshold, since, doubters, ender if over else "", model.name)


def expires(
    base: int, kind: str, first: Instant, last_seen: Instant | None = None, models: Models = DEFAULT
) -> Instant | None:
    """Return the first second in which a score is below its threshold, unless it is sighted again. Raises `Misuse`.

    None where that is never: it does not age, or the threshold is 0. What is below it at once expires at once.
    """
    model = models.of(kind)
    since = max(first, last_seen or first)
    if _left(base, model, since, since) < model.threshold:
        return since
    if not model.lifetime or not model.threshold:
        return None
    before, from_ = since, since + math.ceil(model.lifetime * DAY)
    while from_ - before > 1:
        middle = (before + from_) // 2
        if _left(base, model, since, middle) < model.threshold:
            from_ = middle
        else:
            before = middle
    return from_
