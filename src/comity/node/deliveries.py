"""What was given to correspondents, and how far it got: sent, fetched, acknowledged. Never shown as witnessed.

Rules: a receipt here is graded and is this node's own word: *sent* (it left, e.g. as mail), *fetched* (the
correspondent asked and got it), *acknowledged* (it said so). Kept are runs of entries, exact, in blocks of 4,096 for
each correspondent, channel and log, so that noting a page costs the same in a log of a million. Beside the grades
stands what the correspondent was last told about the entries: their *word* (`owing` compares it with what holds now).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from comity.canon import Instant, Origin
from comity.formats.stix.strict import ident_of
from comity.limits import BATCH_ENTRIES_MAX
from comity.node.node import Node
from comity.node.ports import Log, Unit, place, position
from comity.node.spans import Run, both, joined, runs, without
from comity.vocab import Channel

LEDGER: Final = "delivery"  # shelf: `<audience> <channel> <origin> <block>` -> `Block`
WHO_HAS: Final = "delivered"  # shelf: `<origin> <block> <audience> <channel>` -> nothing
BLOCK: Final = BATCH_ENTRIES_MAX
NAMES: Final = "erased-name"  # shelf: position -> STIX id of what was erased and not told to all that have it yet
HOUR: Final = 3_600


class Grade(StrEnum):
    """How far a delivery got; a higher grade says nothing about a lower one."""

    SENT = "sent"
    FETCHED = "fetched"
    ACKNOWLEDGED = "acknowledged"


class Given(msgspec.Struct, frozen=True, array_like=True):
    """Runs of entries that reached a grade, and the first and last hour in which some did."""

    runs: tuple[Run, ...]
    first: Instant
    last: Instant


class Block(msgspec.Struct, frozen=True, array_like=True):
    """What is known of one correspondent, channel and block of a log."""

    grades: dict[str, Given]  # by grade
    words: dict[str, tuple[Run, ...]]  # what it was last told, by word: "" is "as first given"

    @property
    def given(self) -> list[Run]:
        """Return the runs that it has, by whatever grade."""
        return joined([run for one in self.grades.values() for run in one.runs])


ERASED: Final = "erased"  # the word for what was erased; the others are made in `openings`
EMPTY: Final = Block({}, {})
_blocks: Final = msgspec.msgpack.Decoder(Block)


class Delivered(NamedTuple):
    """One grade that one correspondent reached with entries of one log."""

    audience: str
    channel: Channel
    origin: Origin
    grade: Grade
    runs: tuple[Run, ...]
    first: Instant  # to the hour
    last: Instant


def note(
    node: Node, unit: Unit, audience: str, channel: Channel, grade: Grade, places: Sequence[int], word: str = ""
) -> bool:
    """Note that entries reached a grade, told as `word`; return whether anything was news.

    The last time is kept to the hour, so that a client that fetches the same again each minute writes nothing.
    """
    news = False
    for log, number, before, after in _changed(node, unit, audience, channel, grade, places, word):
        news = True
        unit.documents.put(LEDGER, _key(audience, channel, log.origin, number), msgspec.msgpack.encode(after))
        if before is EMPTY:
            unit.documents.put(WHO_HAS, f"{log.origin} {number:08} {audience} {channel.value}", b"")
    return news


def is_news(
    node: Node, unit: Unit, audience: str, channel: Channel, grade: Grade, places: Sequence[int], word: str = ""
) -> bool:
    """Say whether `note` would write anything."""
    return any(True for _ in _changed(node, unit, audience, channel, grade, places, word))


def _changed(
    node: Node, unit: Unit, audience: str, channel: Channel, grade: Grade, places: Sequence[int], word: str
) -> Iterator[tuple[Log, int, Block, Block]]:
    """Yield the blocks that a note changes, as they were and as they will be."""
    now = node.now()
    hour = now - now % HOUR
    for log, number, found in _by_block(unit, places):
        data = unit.documents.get(LEDGER, _key(audience, channel, log.origin, number))
        before = _blocks.decode(data) if data else EMPTY
        after = _with(before, grade, found, hour, word)
        if after != before:
            yield log, number, before, after


def graded(node: Node, unit: Unit, audience: str, channel: Channel, grade: Grade, places: Sequence[int]) -> None:
    """Note that entries which were given reached another grade; what their correspondent was told of them stays."""
    now = node.now()
    hour = now - now % HOUR
    for log, number, found in _by_block(unit, places):
        key = _key(audience, channel, log.origin, number)
        data = unit.documents.get(LEDGER, key)
        before = _blocks.decode(data) if data else EMPTY
        mine = both(found, before.given)
        if mine:
            after = Block(_with(before, grade, mine, hour, "").grades, before.words)
            unit.documents.put(LEDGER, key, msgspec.msgpack.encode(after))


def told(unit: Unit, audience: str, channel: Channel, places: Sequence[int], word: str) -> None:
    """Note that a correspondent knows by a channel, of entries it has, what holds of them now."""
    for log, number, found in _by_block(unit, places):
        key = _key(audience, channel, log.origin, number)
        data = unit.documents.get(LEDGER, key)
        if data is None:
            continue
        before = _blocks.decode(data)
        mine = both(found, before.given)
        if mine:
            after = Block(before.grades, _worded(before.words, mine, word))
            unit.documents.put(LEDGER, key, msgspec.msgpack.encode(after))
            if word == ERASED:
                _forget_names(unit, log, number)


def knows(unit: Unit, audience: str, channel: Channel, at: int, word: str) -> bool:
    """Say whether a correspondent was told by a channel that this word holds of an entry."""
    log_id, index = place(at)
    data = unit.documents.get(LEDGER, _key(audience, channel, unit.logs.get(log_id).origin, index // BLOCK))
    return data is not None and bool(both([(index, index + 1)], _blocks.decode(data).words.get(word, ())))


def blocks(unit: Unit, audience: str, channel: Channel | None = None) -> Iterator[tuple[Channel, Origin, int, Block]]:
    """Yield what is known of a correspondent, by channel, log and block."""
    prefix = f"{audience} {channel.value} " if channel else f"{audience} "
    for key, data in unit.documents.all(LEDGER, prefix):
        _, name, origin, number = key.split(" ")
        yield Channel(name), Origin(origin), int(number), _blocks.decode(data)


def deliveries(unit: Unit, audience: str) -> list[Delivered]:
    """Return what a correspondent was given, as few runs as can be, by channel, log and grade."""
    found: dict[tuple[Channel, Origin, Grade], list[Given]] = {}
    for channel, origin, _, block in blocks(unit, audience):
        for name, given in block.grades.items():
            found.setdefault((channel, origin, Grade(name)), []).append(given)
    return [
        Delivered(
            audience,
            *key,
            tuple(joined([run for one in given for run in one.runs])),
            min(one.first for one in given),
            max(one.last for one in given),
        )
        for key, given in sorted(found.items())
    ]


def holders(unit: Unit, at: int) -> list[Delivered]:
    """Return which correspondents were given the entry at a position, by which channel and how far it got."""
    log_id, index = place(at)
    origin = unit.logs.get(log_id).origin
    number = index // BLOCK
    found = []
    for name, _ in unit.documents.all(WHO_HAS, f"{origin} {number:08} "):
        _, _, audience, channel = name.split(" ")
        data = unit.documents.get(LEDGER, _key(audience, Channel(channel), origin, number))
        block = _blocks.decode(data) if data else EMPTY
        for grade, given in sorted(block.grades.items()):
            if both([(index, index + 1)], given.runs):
                one = (index, index + 1)
                found.append(
                    Delivered(audience, Channel(channel), origin, Grade(grade), (one,), given.first, given.last)
                )
    return found


def keep_names(unit: Unit, log: Log, start: int, entries: Sequence[tuple[int, bytes]]) -> None:
    """Keep the STIX ids of entries whose bytes are about to go, where a correspondent has them: it must be told."""
    found: list[Run] = []
    for key, _ in unit.documents.all(WHO_HAS, f"{log.origin} {start // BLOCK:08} "):
        _, number, audience, channel = key.split(" ")
        data = unit.documents.get(LEDGER, _key(audience, Channel(channel), log.origin, int(number)))
        found += _blocks.decode(data).given if data else []
    given = joined(found)
    for at, body in entries:
        index = place(at)[1]
        if both([(index, index + 1)], given):
            unit.documents.put(NAMES, str(at), ident_of(body).encode())


def name_of_erased(unit: Unit, at: int) -> str:
    """Return the STIX id of what was erased at a position, while somebody is still to be told; else nothing."""
    return (unit.documents.get(NAMES, str(at)) or b"").decode()


def _forget_names(unit: Unit, log: Log, number: int) -> None:
    """Forget the ids of what every correspondent that had it knows to be erased."""
    untold: list[Run] = []
    for key, _ in unit.documents.all(WHO_HAS, f"{log.origin} {number:08} "):
        _, _, audience, channel = key.split(" ")
        data = unit.documents.get(LEDGER, _key(audience, Channel(channel), log.origin, number))
        block = _blocks.decode(data) if data else EMPTY
        untold += without(block.given, block.words.get(ERASED, ()))
    waiting = joined(untold)
    for start, end in without([(number * BLOCK, (number + 1) * BLOCK)], waiting):
        for index in range(start, end):
            unit.documents.delete(NAMES, str(position(log.id, index)))


def _by_block(unit: Unit, places: Sequence[int]) -> Iterator[tuple[Log, int, list[Run]]]:
    by: dict[tuple[int, int], list[Run]] = {}
    for first, end in runs(places):  # of positions: within a log they follow one another as indexes do
        log_id, start = place(first)
        stop = start + end - first
        while start < stop:
            number = start // BLOCK
            part = min(stop, (number + 1) * BLOCK)
            by.setdefault((log_id, number), []).append((start, part))
            start = part
    for (log_id, number), found in by.items():
        yield unit.logs.get(log_id), number, found


def _with(block: Block, grade: Grade, found: Sequence[Run], hour: Instant, word: str) -> Block:
    before = block.grades.get(grade.value)
    after = Given(tuple(joined([*(before.runs if before else ()), *found])), before.first if before else hour, hour)
    return Block(block.grades | {grade.value: after}, _worded(block.words, found, word))


def _worded(words: dict[str, tuple[Run, ...]], found: Sequence[Run], word: str) -> dict[str, tuple[Run, ...]]:
    """Return the words with some runs moved under one of them; runs without a word are under the empty one."""
    left = {name: tuple(without(some, found)) for name, some in words.items()}
    if word:
        left[word] = tuple(joined([*left.get(word, ()), *found]))
    return {name: some for name, some in sorted(left.items()) if some}


def _key(audience: str, channel: Channel, origin: Origin, number: int) -> str:
    return f"{audience} {channel.value} {origin} {number:08}"
