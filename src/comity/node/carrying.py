"""Carrying standing rules out: what is new since a rule last looked, what was withheld when something changed.

Rules: what a batch states, how far it looked and what became of the rest is one unit of work. What was withheld is
tried again when an accord, a card or an act about statements changed, or `RULE_SECONDS` have passed, and not before. A
rule that may not share any more stops, on record, and stops no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from comity.canon import Instant
from comity.errors import ComityError, Fault, Refused
from comity.limits import RULE_RUNS_MAX, RULE_SECONDS, RULE_SECONDS_MIN
from comity.node.actor import Actor
from comity.node.ports import Unit, place, position
from comity.node.rules import (
    WIDER,
    Rule,
    Runs,
    State,
    all_,
    fits,
    homes,
    is_kept,
    keep,
    key,
    obstacle,
    offer_of,
    record,
    state_of,
)
from comity.node.services import Services
from comity.node.sharing import BATCH, Shared
from comity.node.sources import SCHEDULE
from comity.node.spans import runs
from comity.node.warnings import WarningLists, flagged_at
from comity.party import OfficeRef
from comity.statement import Marking


class Carrier:
    """Carries rules out at one node. It remembers only under which accords and acts each was last tried."""

    def __init__(self, services: Services, lists: WarningLists) -> None:
        self._services = services
        self._node = services.node
        self._lists = lists
        self._tried: dict[str, tuple[int, int]] = {}

    def due(self, unit: Unit) -> list[Rule]:
        """Return the rules that have something to look at: new entries, or withheld ones after a change."""
        sizes = {str(log.origin): log.size for log in homes(unit)}
        found: list[Rule] = []
        for rule in all_(unit):
            state = state_of(unit, rule)
            if not rule.enabled or state.stopped:
                continue
            looked = dict(state.looked)
            new = any(looked.get(origin, 0) < size for origin, size in sizes.items())
            if new or self._retries(rule, state) or obstacle(self._services, unit, rule):
                found.append(rule)
        return found

    def _retries(self, rule: Rule, state: State) -> bool:
        changed = self._tried.get(key(rule)) != (self._node.epoch, self._node.standings)
        rest = RULE_SECONDS_MIN if changed else RULE_SECONDS
        return bool(state.withheld) and self._node.now() >= state.tried + rest

    def scheduled(self, rule: Rule) -> Actor:
        """Return in whose name a due rule is carried out."""
        return Actor(OfficeRef(self._node.me, rule.office), SCHEDULE)

    def run(
        self,
        actor: Actor,
        rule: Rule,
        *,
        again: bool = False,
        warned: bool = False,
        most: int = 0,
        pause: Callable[[], None] = lambda: None,
    ) -> Shared:
        """Share what fits and is new: `most` batches of it at most, or all (0). Raises `Refused` where the rule stops.

        `again` tries what was withheld whatever has changed; `warned` lets go what warning lists hold back. `pause` is
        called between two units of work; a rule that is changed or deleted there ends this run.
        """
        total = Shared(rule.accord)
        with self._node.store.read() as unit:
            state = state_of(unit, rule)
            why = obstacle(self._services, unit, rule)
        if state.stopped:
            raise Refused(f"the rule has stopped: {state.stopped}", hint=f"`comity rule resume {rule.name}`")
        try:
            if why:
                raise Refused(why)
            if warned:
                for part in _parts(state.flagged):
                    self._batch(actor, rule, part, {}, total, warned=True)
                    pause()
            if again or self._retries(rule, state):
                self._retry(actor, rule, total, pause)
            batches = 0
            while (not most or batches < most) and self._next(actor, rule, total, warned=warned):
                batches += 1
                pause()
        except Fault:
            raise  # of this machine: the rule is as good as before
        except ComityError as error:
            self._stop(actor, rule, str(error))
            raise
        return total

    def _retry(self, actor: Actor, rule: Rule, total: Shared, pause: Callable[[], None]) -> None:
        now = self._node.epoch, self._node.standings
        with self._node.store.write() as unit:
            if not is_kept(unit, rule):
                return
            state = state_of(unit, rule)
            keep(unit, rule, msgspec.structs.replace(state, grounds={}, tried=self._node.now()))
        for part in _parts(state.withheld):
            self._batch(actor, rule, part, {}, total)
            pause()
        self._tried[key(rule)] = now

    def _next(self, actor: Actor, rule: Rule, total: Shared, *, warned: bool) -> bool:
        """Look at the next entries that were not looked at; say whether there were any."""
        with self._node.store.read() as unit:
            looked = dict(state_of(unit, rule).looked)
            ahead = [log for log in homes(unit) if looked.get(log.origin, 0) < log.size]
        if not ahead:
            return False
        log = ahead[0]
        start = looked.get(log.origin, 0)
        end = min(start + BATCH, log.size)
        span = position(log.id, start), position(log.id, end)
        # Sharing itself puts a record on the home log: the look after the last one finds that alone.
        return self._batch(actor, rule, (span,), {log.origin: end}, total, warned=warned)

    def _batch(
        self, actor: Actor, rule: Rule, part: Runs, looked: Mapping[str, int], total: Shared, *, warned: bool = False
    ) -> bool:
        """Share what fits of some positions, and keep what became of them, in one unit of work.

        Say whether that was done: not where the rule is not as it was any more.
        """
        sharing, node = self._services.sharing, self._node
        with node.store.read() as unit:
            found = [one for start, end in part for one in fits(self._services, unit, rule, start, end)]
            there = sharing.stated(unit, rule.accord, [at for at, _ in found])
            asked = [at for at, _ in found if at not in there and not (warned or rule.warned)]
            flagged = flagged_at(node, self._lists, self._services.queries, unit, asked).found if asked else {}
        done = Shared(rule.accord)
        groups: dict[Marking | None, list[int]] = {}
        for at, marking in found:
            if at not in flagged:
                groups.setdefault(marking, []).append(at)
        with node.writing() as unit:
            if not is_kept(unit, rule):
                return False
            why = obstacle(self._services, unit, rule)
            if why:
                raise Refused(why)
            for marking, group in groups.items():
                offer = offer_of(rule, marking)
                if offer is not None:
                    sharing.state(unit, actor, rule.accord, group, offer, done)
                else:
                    done.withheld += len(group)
                    done.grounds[WIDER] = done.grounds.get(WIDER, 0) + len(group)
            tried = [at for group in groups.values() for at in group]
            left = sorted(set(tried) - sharing.stated(unit, rule.accord, tried))
            before = state_of(unit, rule)
            keep(unit, rule, _after(before, part, looked, done, left, sorted(flagged), node.now()))
        _add(total, done)
        return True

    def _stop(self, actor: Actor, rule: Rule, why: str) -> None:
        def stop(unit: Unit) -> None:
            keep(unit, rule, msgspec.structs.replace(state_of(unit, rule), stopped=why))

        try:
            with self._node.writing() as unit:
                stop(unit)
                record(self._node, unit, rule, "stopped", actor.user, why=why)
        except ComityError:  # a home log that takes no record, for example: the rule stops all the same
            with self._node.store.write() as unit:
                stop(unit)


def _after(
    before: State,
    part: Runs,
    looked: Mapping[str, int],
    done: Shared,
    left: Sequence[int],
    flagged: Sequence[int],
    now: Instant,
) -> State:
    """Return a rule's state after a batch."""
    grounds = dict(before.grounds)
    for ground, objects in done.grounds.items():
        grounds[ground] = grounds.get(ground, 0) + objects
    return msgspec.structs.replace(
        before,
        looked=tuple(sorted({**dict(before.looked), **looked}.items())),
        stated=before.stated + done.stated,
        withheld=joined([*without(before.withheld, part), *runs(left)]),
        grounds=grounds,
        flagged=joined([*without(before.flagged, part), *runs(flagged)]),
        ran=now if done.stated or left or flagged else before.ran,
    )


def _add(total: Shared, more: Shared) -> None:
    total.stated += more.stated
    total.known += more.known
    total.withheld += more.withheld
    for ground, objects in more.grounds.items():
        total.grounds[ground] = total.grounds.get(ground, 0) + objects


def _parts(found: Runs) -> Iterator[Runs]:
    """Cut runs into parts of at most `BATCH` positions."""
    part: list[tuple[int, int]] = []
    room = BATCH
    for start, end in found:
        at = start
        while at < end:
            upto = min(end, at + room)
            part.append((at, upto))
            room -= upto - at
            at = upto
            if not room:
                yield tuple(part)
                part, room = [], BATCH
    if part:
        yield tuple(part)


def without(found: Runs, cut: Runs) -> list[tuple[int, int]]:
    """Return runs without the positions of others; both ascend."""
    left: list[tuple[int, int]] = []
    first = 0
    for start, end in found:
        at = start
        while first < len(cut) and cut[first][1] <= at:
            first += 1
        for begin, stop in cut[first:]:
            if begin >= end:
                break
            if begin > at:
                left.append((at, begin))
            at = max(at, stop)
        if at < end:
            left.append((at, end))
    return left


def joined(found: Iterable[tuple[int, int]]) -> Runs:
    """Return runs joined where they touch; beyond `RULE_RUNS_MAX` the last of each log become one, gaps and all.

    What lies in the gaps is looked at again with them, and found to be there already or not to fit.
    """
    whole: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if whole and start <= whole[-1][1]:
            whole[-1] = whole[-1][0], max(end, whole[-1][1])
        else:
            whole.append((start, end))
    rest = whole[RULE_RUNS_MAX:]
    spans: dict[int, tuple[int, int]] = {}
    for start, end in rest:
        log_id = place(start)[0]
        spans[log_id] = spans.get(log_id, (start, end))[0], end
    return (*whole[:RULE_RUNS_MAX], *spans.values())
