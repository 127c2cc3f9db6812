"""The schema a node's PostgreSQL store is: whose it is, what an older program makes of it, what a lost server does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from comity.errors import Fault, Misuse
from comity.stores import postgres as backend
from comity.stores.postgres import schema
from comity.testing.contract.samples import OBJECTS, VALUES, VIEWS, extend, grown, open_log, payload
from comity.view import ViewKind

if TYPE_CHECKING:
    from tests.stores.conftest import Server


@pytest.fixture
def dsn(postgres: Server) -> str:
    return postgres.dsn()


def refused(dsn: str) -> Fault:
    with pytest.raises(Fault) as caught:
        backend.open_store(dsn, VIEWS)
    assert caught.value.hint
    return caught.value


def test_a_schema_of_something_else_is_refused_and_left_as_it_is(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE theirs (a integer)")
        refused(dsn)
        rows = connection.execute("SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace")
        assert rows.fetchall() == [("theirs",)]


def test_a_newer_schema_is_refused_and_left_as_it_is(dsn: str) -> None:
    backend.open_store(dsn, VIEWS).close()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("UPDATE comity SET version = %s", (schema.VERSION + 1,))
        assert str(schema.VERSION + 1) in str(refused(dsn))
        assert connection.execute("SELECT version FROM comity").fetchone() == (schema.VERSION + 1,)


def test_an_older_schema_becomes_the_newest_and_keeps_all(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = backend.open_store(dsn, VIEWS)
    log_id = grown(store, [payload(0)])
    store.close()
    monkeypatch.setattr(schema, "MIGRATIONS", {schema.VERSION: "CREATE TABLE later (a integer)"})
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    store = backend.open_store(dsn, VIEWS)
    with store.read() as unit:
        assert unit.entries.read(log_id, 0, 1)[0].body == payload(0).body
        assert unit.connection.execute("SELECT count(*) FROM later").fetchone() == (0,)
    store.close()


def test_a_view_declared_anew_is_made_anew_and_the_others_stay(dsn: str) -> None:
    store = backend.open_store(dsn, VIEWS)
    with store.write() as unit:
        unit.views.put(OBJECTS, [(1, b"u", 2, "a")])
        unit.views.put(VALUES, [(1, b"k")])
    store.close()
    wider = replace(OBJECTS, columns=(*OBJECTS.columns, ("more", ViewKind.INTEGER)), by=(("more",),))
    store = backend.open_store(dsn, [wider, VALUES])
    with store.read() as unit:
        assert (unit.views.count(wider), unit.views.count(VALUES)) == (0, 1)
    store.close()


def test_two_processes_stores_take_turns_and_see_each_others_work(dsn: str) -> None:
    one, two = backend.open_store(dsn, VIEWS), backend.open_store(dsn, VIEWS)
    for seed in range(6):
        with (one, two)[seed % 2].write() as unit:
            extend(unit, open_log(unit), [payload(seed)])
    for store in (one, two):
        with store.read() as unit:
            log = open_log_of(unit)
            assert [entry.body for entry in unit.entries.read(log, 0, 9)] == [payload(n).body for n in range(6)]
        assert list(store.check()) == []
        store.close()


def open_log_of(unit: backend.store.PostgresUnit) -> int:
    (log,) = unit.logs.all()
    return log.id


def test_a_connection_that_is_lost_is_a_fault_and_then_forgotten(dsn: str) -> None:
    store = backend.open_store(dsn, VIEWS)
    log_id = grown(store, [payload(0)])
    with psycopg.connect(dsn, autocommit=True) as other:
        with pytest.raises(Fault) as caught, store.write() as unit:
            extend(unit, unit.logs.get(log_id), [payload(1)])
            other.execute("SELECT pg_terminate_backend(%s)", (unit.connection.info.backend_pid,))
            unit.documents.put("card", "key", b"value")
        assert caught.value.hint
        with pytest.raises(Fault), store.read() as unit:
            other.execute("SELECT pg_terminate_backend(%s)", (unit.connection.info.backend_pid,))
            unit.logs.all()
    with store.read() as unit:
        assert unit.logs.get(log_id).size == 1
    with store.write() as unit:
        extend(unit, unit.logs.get(log_id), [payload(1)])
    assert list(store.check()) == []
    store.close()


def test_a_server_that_is_not_there_is_a_fault() -> None:
    refused("host=/nowhere user=comity dbname=postgres")


def test_text_that_no_database_keeps_is_misuse_and_changes_nothing(dsn: str) -> None:
    store = backend.open_store(dsn, VIEWS)
    with pytest.raises(Misuse), store.write() as unit:
        unit.documents.put("card", "a\0b", b"value")
    with store.read() as unit:
        assert list(unit.documents.all("card")) == []
    store.close()
