"""Whatever is done to a log, a store says what a list in memory says, and releases what a filter in Python does."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count, pairwise
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comity.canon import Origin
from comity.node.ports import Entry, NewEntry, Store, Unit, position
from comity.stores import sqlite
from comity.testing.contract.samples import HEADERS, RETRACTED, VIEWS, extend, open_log
from comity.vocab import Held

if TYPE_CHECKING:
    from tests.stores.conftest import Server

NUMBERS: Final = count(1)
STANDINGS: Final = (b"{}", RETRACTED, b'{"retracted":true,"until":9}')
INDEXES: Final = st.integers(0, 12)
OPERATIONS: Final = st.lists(
    st.one_of(
        st.tuples(
            st.just("append"), st.lists(st.sampled_from(["own", "own", "shared", "withheld", "sealed"]), max_size=5)
        ),
        st.tuples(st.just("fill"), INDEXES, st.booleans()),
        st.tuples(st.just("erase"), INDEXES, st.integers(0, 5)),
        st.tuples(st.just("standing"), INDEXES, st.integers(0, 5), st.sampled_from(STANDINGS)),
    ),
    max_size=14,
)


@dataclass
class Model:
    """A log as a list: what the ports promise, as plainly as it can be said."""

    log_id: int
    size: int = 0
    entries: dict[int, Entry] = field(default_factory=dict)
    made: int = 0

    def new(self, index: int, held: Held, body: bytes | None, shared: int | None) -> NewEntry:
        """Make an entry for an index: always the same commitment, header and salt; `shared` is an index."""
        chance = random.Random(index)
        commitment, header, salt = chance.randbytes(32), chance.choice(HEADERS), chance.randbytes(16)
        if held is not Held.PAYLOAD:
            return NewEntry(commitment, held, None, None, None)
        return NewEntry(commitment, held, header, salt, body if shared is None else position(self.log_id, shared))

    def put(self, index: int, entry: NewEntry) -> None:
        """Take an entry as the store should: what is held or erased already stays."""
        before = self.entries.get(index)
        if before is not None and before.held in {Held.PAYLOAD, Held.ERASED}:
            return
        body = entry.body
        if isinstance(body, int):
            body = self.entries[body - position(self.log_id, 0)].body
        standing = before.standing if before else b"{}"
        at = position(self.log_id, index)
        self.entries[index] = Entry(at, entry.held, entry.commitment, entry.header, entry.salt, body, standing)

    def shareable(self) -> list[int]:
        return [index for index, entry in self.entries.items() if entry.held is Held.PAYLOAD]

    def fresh(self) -> bytes:
        self.made += 1
        return b"body %d of %d" % (self.made, self.log_id)

    # -- the same on both sides ------------------------------------------------

    def append(self, unit: Unit, kinds: list[str]) -> None:
        new: list[NewEntry] = []
        for index, kind in enumerate(kinds, self.size):
            held = {"withheld": Held.WITHHELD, "sealed": Held.SEALED}.get(kind, Held.PAYLOAD)
            owners = self.shareable()
            shared = owners[index % len(owners)] if kind == "shared" and owners else None
            new.append(self.new(index, held, self.fresh(), shared))
        extend(unit, unit.logs.get(self.log_id), new)
        for index, entry in enumerate(new, self.size):
            self.put(index, entry)
        self.size += len(new)

    def fill(self, unit: Unit, index: int, shares: bool) -> None:
        owners = self.shareable()
        entry = self.new(index, Held.PAYLOAD, self.fresh(), owners[index % len(owners)] if shares and owners else None)
        unit.entries.fill(self.log_id, index, entry)
        self.put(index, entry)

    def erase(self, unit: Unit, start: int, length: int) -> None:
        touched = [index for index in range(start, start + length) if index in self.entries]
        held = [index for index in touched if self.entries[index].held is Held.PAYLOAD]
        assert unit.entries.erase(self.log_id, start, start + length) == len(held)
        for index in touched:
            self.entries[index] = self.entries[index]._replace(held=Held.ERASED, header=None, salt=None, body=None)

    def standing(self, unit: Unit, start: int, length: int, standing: bytes) -> None:
        unit.entries.set_standing(self.log_id, start, start + length, standing)
        for index in range(start, start + length):
            if index in self.entries:
                self.entries[index] = self.entries[index]._replace(standing=standing)


def run(store: Store, operations: list[tuple[object, ...]], together: bool) -> None:
    """Do the operations to a new log, in one unit of work or in one each, and compare."""
    with store.write() as unit:
        model = Model(open_log(unit, Origin(f"cert.arcadia.example/home/{next(NUMBERS)}")).id)
    if together:
        with store.write() as unit:
            for name, *arguments in operations:
                getattr(model, str(name))(unit, *arguments)
    else:
        for name, *arguments in operations:
            with store.write() as unit:
                getattr(model, str(name))(unit, *arguments)
    with store.read() as unit:
        compare(unit, model)


def compare(unit: Unit, model: Model) -> None:
    log_id, size = model.log_id, model.size
    wanted = [model.entries[index] for index in range(size)]
    assert list(unit.entries.read(log_id, 0, size)) == wanted
    assert list(unit.entries.read(log_id, 0, 99)) == [model.entries[index] for index in sorted(model.entries)]
    assert unit.entries.commitments(log_id, 0, size) == b"".join(entry.commitment for entry in wanted)
    assert [unit.entries.is_held(log_id, n) for n in range(20)] == [
        n in model.entries and model.entries[n].held is Held.PAYLOAD for n in range(20)
    ]
    runs = unit.entries.held_runs(log_id, 0, size)
    assert [held for start, end, held in runs for _ in range(start, end)] == [entry.held for entry in wanted]
    assert all(one[2] is not two[2] and one[1] == two[0] for one, two in pairwise(runs))
    classes = unit.entries.classes(log_id, 0, size)
    by_class = {(unit.entries.header(header), unit.entries.standing(standing)) for header, standing in classes}
    assert by_class == {(entry.header, entry.standing) for entry in wanted if entry.held is Held.PAYLOAD}
    for allowed in (classes, classes[:1], classes[1:], []):
        names = {(unit.entries.header(header), unit.entries.standing(standing)) for header, standing in allowed}
        released = [
            entry
            if entry.held is not Held.PAYLOAD or (entry.header, entry.standing) in names
            else entry._replace(held=Held.WITHHELD, header=None, salt=None, body=None)
            for entry in wanted
        ]
        assert list(unit.entries.released(log_id, 0, size, allowed)) == released
        assert list(unit.entries.released(log_id, 1, size - 1, allowed)) == released[1:-1]


@pytest.fixture(scope="module")
def in_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = sqlite.open_store(tmp_path_factory.mktemp("properties") / "node.db", VIEWS, durability="off")
    yield store
    assert list(store.check()) == []
    store.close()


@pytest.fixture(scope="module")
def in_postgres(postgres: Server) -> Iterator[Store]:
    from comity.stores import postgres as backend

    store = backend.open_store(postgres.dsn(), VIEWS, durability="off")
    yield store
    assert list(store.check()) == []
    store.close()


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=OPERATIONS, together=st.booleans())
def test_sqlite_says_what_a_list_in_memory_says(
    in_sqlite: Store, operations: list[tuple[object, ...]], together: bool
) -> None:
    run(in_sqlite, operations, together)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=OPERATIONS, together=st.booleans())
def test_postgres_says_what_a_list_in_memory_says(
    in_postgres: Store, operations: list[tuple[object, ...]], together: bool
) -> None:
    run(in_postgres, operations, together)
