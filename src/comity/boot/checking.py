"""Checking what comes in on the machine's other processor, while this process keeps and commits.

Rules: the answers are those of `intel.check_many`, in their order, wherever they were made. The helper process
holds no key, no store and no state; it begins once there is enough to do, ends with its input, and where it
cannot be had or dies the work is done here. One helper is enough: keeping takes longer than checking.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from multiprocessing.connection import Connection
from typing import Final

import msgspec

from comity.areas import intel
from comity.areas.intel import Facts
from comity.boot import beside
from comity.boot.beside import Ahead
from comity.formats.stix.report import Refusal

BEGIN_BATCHES: Final = 3  # batches checked here first: a helper takes half a second to begin, 12,000 objects' worth


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
    if not beside.is_worth_it():
        yield from intel.check_each(rest)
        return
    helper: Ahead[Sequence[bytes], Sequence[Facts | Refusal]] = Ahead(
        _serve, "comity-check", pack=_PACK, unpack=_unpacked, here=intel.check_many
    )
    try:
        yield from helper.answers(rest)
    finally:
        helper.stop()


def _packed(answers: Sequence[Facts | Refusal]) -> bytes:
    refused = [(place, one) for place, one in enumerate(answers) if isinstance(one, Refusal)]
    return _PACK(_Answers([one for one in answers if isinstance(one, Facts)], refused))


def _unpacked(message: bytes) -> Sequence[Facts | Refusal]:
    answers = _ANSWERS(message)
    found: list[Facts | Refusal] = list(answers.good)
    for place, refused in answers.refused:
        found.insert(place, refused)
    return found


def _serve(connection: Connection) -> None:
    beside.answer(connection, lambda message: _packed(intel.check_many(_BODIES(message))))
