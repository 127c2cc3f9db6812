"""Sightings of many values and objects at once: how often they were seen, and what that says of an indicator.

Rules: only what the asking office may read counts, and what was not taken back. A sighting counts once, however often
it came: one may stand in several logs of its author, and come by relay too, and a STIX sighting has versions.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from comity.areas import intel
from comity.canon import Instant
from comity.formats.decay import Sighted, Verdict
from comity.node.actor import Actor
from comity.node.ports import Unit, place
from comity.node.queries import Queries, Witness

SIGHTINGS_COUNTED_MAX: Final = 10_000  # of one value or object, this party's own first: about 0.3 s


@dataclass(slots=True)
class Seen:
    """What sightings say of one value or object."""

    count: int = 0
    words: list[Sighted] = field(default_factory=list)


@dataclass(slots=True)
class _Told:
    """What is gathered of one value or object, before what came twice is left out."""

    own: dict[tuple[str, str, Instant, int, int], dict[str, set[int]]] = field(default_factory=dict)
    stix: dict[tuple[str, str, int], tuple[Instant, int, int]] = field(default_factory=dict)

    def seen(self) -> Seen:
        """Return it without what came twice."""
        done = Seen()
        for (party, office, seen, count, verdict), logs in self.own.items():
            done.count += count * max(map(len, logs.values()))
            self._say(done, party, office, seen, count, verdict)
        for (party, office, _), (seen, count, verdict) in self.stix.items():
            done.count += count
            self._say(done, party, office, seen, count, verdict)
        return done

    @staticmethod
    def _say(done: Seen, party: str, office: str, seen: Instant, count: int, verdict: int) -> None:
        said = intel.VERDICTS[verdict]
        if count or said is not Verdict.SEEN:  # looked for and not seen: that says nothing of the indicator
            done.words.append(Sighted(f"{party}/{office}", seen, said))


def seen(queries: Queries, unit: Unit, actor: Actor, keys: Sequence[bytes]) -> dict[bytes, Seen]:
    """Return by key, of a value or of an object (`intel.object_key`), what sightings say; none, no row."""
    rows: Sequence[tuple[Any, ...]] = unit.views.find_many(intel.SIGHTING, "key", keys)
    looked: Counter[bytes] = Counter()
    told: dict[bytes, _Told] = defaultdict(_Told)
    for position, key, when, count, verdict, number in sorted(rows):
        if looked[key] == SIGHTINGS_COUNTED_MAX:
            continue
        looked[key] += 1
        witness = queries.witness_at(unit, actor, position)
        if witness is None or witness.retracted:
            continue
        if number:
            who = witness.party, witness.office, number
            told[key].stix[who] = max(told[key].stix.get(who, (0, 0, 0)), (when, count, verdict))
        else:
            one = witness.party, witness.office, when, count, verdict
            told[key].own.setdefault(one, {}).setdefault(witness.origin, set()).add(_original(unit, witness))
    return {key: gathered.seen() for key, gathered in told.items()}


def _original(unit: Unit, witness: Witness) -> int:
    """Return the index that a statement has in the log it was first stated in."""
    log_id, index = place(witness.position)
    if unit.logs.get(log_id).origin == witness.origin:
        return index
    (entry,) = unit.entries.read(log_id, index, index + 1)
    return intel.cut_relay(entry.body or b"").line.index
