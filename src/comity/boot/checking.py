"""Checking what comes in on the machine's other processor, while this process keeps and commits.

Rules: the answers are those of `intel.check_many`, in their order, wherever they were made. The helper process
holds no key, no store and no state; it begins once there is enough to do, ends with its input, and where it
cannot be had or dies the work is done here. One helper is enough: keeping takes longer than checking.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from multiprocessing.connection import Connection
from typing import Final

import msgspec

from comity.areas import intel
from comity.areas.intel import Facts
from comity.boot import beside
from comity.boot.collecting import collect_rarely
from comity.errors import ComityError
from comity.formats.stix.report import Refusal

BEGIN_BATCHES: Final = 3  # batches checked here first: a helper takes half a second to begin, 12,000 objects' worth
PROCESSORS_MIN: Final = 2  # on one processor a helper only takes memory
STOP_SECONDS: Final = 5.0  # seconds a helper gets to end after its input did; then it is ended


class _Answers(msgspec.Struct, array_like=True, gc=False):
    """The answers for one batch as they pass between processes: the good ones, and the refused by their place."""

    good: list[Facts]
    refused: list[tuple[int, Refusal]]


_PACK: Final = msgspec.msgpack.Encoder().encode
_BODIES: Final = msgspec.msgpack.Decoder(list[bytes]).decode
_ANSWERS: Final = msgspec.msgpack.Decoder(_Answers).decode


def check_beside(batches: Iterable[Sequence[bytes]]) -> Iterator[Sequence[Facts | Refusal]]:
    """Check batches in their order, the first ones here and those after them in a process beside this one."""
    source = iter(batches)
    yield from intel.check_each(islice(source, BEGIN_BATCHES))
    first = next(source, None)
    if first is None:
        return
    rest = chain([first], source)
    if len(os.sched_getaffinity(0)) < PROCESSORS_MIN:
        yield from intel.check_each(rest)
        return
    helper = _Helper()
    try:
        yield from helper.check(rest)
    finally:
        helper.stop()


class _Helper:
    """A process that checks one batch while this one keeps the batch before."""

    def __init__(self) -> None:
        self._process, self._connection = beside.begin(_serve, "comity-check")
        self._alive = True

    def check(self, batches: Iterator[Sequence[bytes]]) -> Iterator[Sequence[Facts | Refusal]]:
        """Answer batches in their order."""
        given = next(batches, None)
        self._give(given)
        while given is not None:
            following = next(batches, None)
            answers = self._take(given)
            self._give(following)
            yield answers
            given = following

    def _give(self, batch: Sequence[bytes] | None) -> None:
        if batch is None or not self._alive:
            return
        try:
            self._connection.send_bytes(_PACK(batch))
        except OSError:
            self._alive = False

    def _take(self, given: Sequence[bytes]) -> Sequence[Facts | Refusal]:
        """Return the answers for the batch that was given; where the helper is gone, made here."""
        if self._alive:
            try:
                return _joined(_ANSWERS(self._connection.recv_bytes()))
            except (OSError, EOFError):
                self._alive = False
        return intel.check_many(given)

    def stop(self) -> None:
        """End the helper."""
        self._connection.close()
        beside.end(self._process, STOP_SECONDS)


def _joined(answers: _Answers) -> Sequence[Facts | Refusal]:
    found: list[Facts | Refusal] = list(answers.good)
    for place, refused in answers.refused:
        found.insert(place, refused)
    return found


def _serve(connection: Connection) -> None:
    """Answer batches until the other process closes its end, or is gone."""
    collect_rarely()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one at the keyboard stops the other process, which stops this
    with suppress(EOFError, OSError, ComityError):  # what went wrong here is met again where the work is then done
        while True:
            answers = intel.check_many(_BODIES(connection.recv_bytes()))
            refused = [(place, one) for place, one in enumerate(answers) if isinstance(one, Refusal)]
            connection.send_bytes(_PACK(_Answers([one for one in answers if isinstance(one, Facts)], refused)))
