"""Reading the leads of very many indicators on the machine's other processor, while this process weighs and writes.

Rules: the answers are those of `leads.reader`, in their order, wherever they were made. The process beside this one
holds no key and no store; it reads the warning lists itself, while this one still decides, and says how
many it found. It begins where there is enough to do; where it cannot be had or dies the work is done here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import msgspec

from comity.boot import beside
from comity.boot.beside import Ahead
from comity.formats.stix import leads
from comity.formats.stix.leads import Lead, Reader
from comity.formats.warninglists import Category
from comity.node.warnings import Choice, Counted, WarningLists

BESIDE_MIN: Final = 40_000  # indicators: beside, the warning lists take three seconds before the first is read


class _Told(msgspec.Struct, array_like=True):
    """What the process needs to know: where warning lists are, which of them are asked, of which kinds."""

    home: str
    categories: frozenset[Category]
    without: frozenset[str]
    bytes_max: int
    kinds: tuple[str, ...]


_PACK: Final = msgspec.msgpack.Encoder().encode
_BODIES: Final = msgspec.msgpack.Decoder(list[bytes]).decode
_LEADS: Final = msgspec.msgpack.Decoder(list[Lead]).decode


@contextmanager
def reading(lists: WarningLists, kinds: Sequence[str], count: int) -> Iterator[Reader]:
    """Lend what reads the leads of about `count` indicators, and asks warning lists about values of `kinds`."""
    if count < BESIDE_MIN or not beside.is_worth_it():
        yield _here(lists, kinds)
        return
    wanted = frozenset(kinds)
    helper: Ahead[Sequence[bytes], Sequence[Lead]] = Ahead(
        _serve,
        "comity-leads",
        pack=_PACK,
        unpack=_LEADS,
        here=lambda bodies: leads.leads_of(bodies, wanted, _asking(lists)),
    )
    try:
        helper.tell(_PACK(_Told(str(lists.home or ""), *lists.choice, tuple(kinds))))
        yield partial(_beside, helper, lists)
    finally:
        helper.stop()


def _here(lists: WarningLists, kinds: Sequence[str]) -> Reader:
    def read(batches: Iterable[Sequence[bytes]]) -> Iterator[Sequence[Lead]]:
        yield from leads.reader(_asking(lists), kinds)(batches)  # the lists are read with the first batch

    return read


def _asking(lists: WarningLists) -> leads.Warned | None:
    kept = lists.warnings()
    return None if kept is None else lambda value: bool(kept.check(value))


def _beside(
    helper: Ahead[Sequence[bytes], Sequence[Lead]], lists: WarningLists, batches: Iterable[Sequence[bytes]]
) -> Iterator[Sequence[Lead]]:
    said = helper.heard()
    if said is not None:
        lists.note(msgspec.msgpack.decode(said, type=Counted))
    yield from helper.answers(iter(batches))


def _serve(connection: Connection) -> None:
    with suppress(EOFError, OSError):
        told = msgspec.msgpack.decode(connection.recv_bytes(), type=_Told)
        choice = Choice(told.categories, told.without, told.bytes_max)
        lists = WarningLists(Path(told.home) if told.home else None, choice)
        warned, kinds = _asking(lists), frozenset(told.kinds)
        connection.send_bytes(_PACK(lists.counted()))
        beside.answer(connection, lambda message: _PACK(leads.leads_of(_BODIES(message), kinds, warned)))
