"""The file a node's SQLite store is: whose it is, who has it open, what an older or newer one becomes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import apsw
import pytest

from comity.errors import ComityError, Conflict, Fault
from comity.node.ports import Store, position
from comity.stores import sqlite
from comity.stores.sqlite import schema, training
from comity.testing.contract.samples import OBJECTS, VALUES, VIEWS, expected, extend, grown, open_log, payload
from comity.view import ViewKind


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = sqlite.open_store(path, VIEWS)
    yield store
    store.close()


def refused(path: Path, error: type[ComityError]) -> ComityError:
    """Open a store that cannot be opened; return the error, which has to say what to do."""
    with pytest.raises(error) as caught:
        sqlite.open_store(path, VIEWS)
    assert caught.value.hint
    return caught.value


# -- whose file it is ----------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"not a database at all, and longer than any header of one" * 40, b"short"])
def test_another_file_is_refused_and_left_as_it_is(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    refused(path, Fault)
    assert path.read_bytes() == content


def test_another_programs_database_is_refused_and_left_as_it_is(path: Path) -> None:
    with apsw.Connection(str(path)) as connection:
        connection.execute("CREATE TABLE theirs (a); PRAGMA user_version = 1")
    connection.close()
    content = path.read_bytes()
    assert "not a Comity node" in str(refused(path, Fault))
    assert path.read_bytes() == content


def test_a_file_of_a_newer_schema_is_refused_and_left_as_it_is(path: Path, store: Store) -> None:
    store.close()
    connection = apsw.Connection(str(path))
    connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    connection.close()
    content = path.read_bytes()
    assert str(schema.VERSION + 1) in str(refused(path, Fault))
    assert path.read_bytes() == content


def test_an_older_schema_becomes_the_newest_and_keeps_all(
    path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_id = grown(store, [payload(0)])
    store.close()
    steps = {
        schema.VERSION: "CREATE TABLE later (a INTEGER) STRICT",
        schema.VERSION + 1: "ALTER TABLE later ADD COLUMN b INTEGER",
    }
    monkeypatch.setattr(schema, "MIGRATIONS", {**schema.MIGRATIONS, **steps})
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 2)
    store = sqlite.open_store(path, VIEWS)
    with store.read() as unit:
        assert list(unit.entries.read(log_id, 0, 1)) == [expected(position(log_id, 0), payload(0))]
    store.close()
    connection = apsw.Connection(str(path))
    assert connection.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
    connection.execute("INSERT INTO later (a, b) VALUES (1, 2)")
    connection.close()


def test_an_upgrade_that_fails_changes_nothing(path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    grown(store, [payload(0)])
    store.close()
    steps = {schema.VERSION: "CREATE TABLE later (a INTEGER) STRICT", schema.VERSION + 1: "DROP TABLE nowhere"}
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", steps)
        patch.setattr(schema, "VERSION", schema.VERSION + 2)
        with pytest.raises(Fault):
            sqlite.open_store(path, VIEWS)
    sqlite.open_store(path, VIEWS).close()
    connection = apsw.Connection(str(path))
    assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'later'").fetchone() == (0,)
    connection.close()


def test_a_view_declared_anew_is_made_anew_and_the_others_stay(path: Path, store: Store) -> None:
    with store.write() as unit:
        unit.views.put(OBJECTS, [(1, b"u", 2, "a")])
        unit.views.put(VALUES, [(1, b"k")])
    store.close()
    wider = replace(OBJECTS, columns=(*OBJECTS.columns, ("more", ViewKind.INTEGER)), by=(("more",),))
    store = sqlite.open_store(path, [wider, VALUES])
    with store.write() as unit:
        assert (unit.views.count(wider), unit.views.count(VALUES)) == (0, 1)
        unit.views.put(wider, [(1, b"u", 2, "a", 3)])
    store.close()
    store = sqlite.open_store(path, [wider, VALUES])
    with store.read() as unit:
        assert list(unit.views.find(wider, {"more": 3}, limit=9)) == [(1, b"u", 2, "a", 3)]
    store.close()


def test_a_folder_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    refused(tmp_path / "none" / "node.db", Fault)


def test_a_node_s_file_is_for_its_owner_alone(path: Path, store: Store) -> None:
    grown(store, [payload(0)])
    assert {name.name: oct(name.stat().st_mode & 0o777) for name in path.parent.iterdir()} == dict.fromkeys(
        ("node.db", "node.db-wal", "node.db-shm", "node.db.lock"), "0o600"
    )


# -- who has it open -----------------------------------------------------------------------------


@pytest.mark.usefixtures("store")
def test_a_second_opening_is_a_conflict_until_the_first_ends(path: Path, store: Store) -> None:
    refused(path, Conflict)
    store.close()
    sqlite.open_store(path, VIEWS).close()


def test_another_process_is_told_that_the_file_is_taken(path: Path, store: Store) -> None:
    program = (
        "import sys; from comity.errors import Conflict; from comity.stores import sqlite\n"
        "try: sqlite.open_store(sys.argv[1], ())\n"
        "except Conflict as error: print(error.says())"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    def ask() -> str:
        done = subprocess.run(
            [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True, env=environment
        )
        return done.stdout

    assert "another process" in ask()
    store.close()
    assert ask() == ""


# -- what of a body is on the disk ---------------------------------------------------------------


def files(path: Path) -> bytes:
    return b"".join(each.read_bytes() for each in path.parent.iterdir())


SECRET = Random(4).randbytes(200)  # incompressible, so that it lies on the disk as it is


def secret_kept(store: Store) -> tuple[int, bytes]:
    """Keep a body that can be recognised on the disk; return the log's id and the body's salt."""
    entries = [payload(n, body=SECRET if n == 5 else None) for n in range(9)]
    salt = entries[5].salt
    assert salt is not None
    return grown(store, entries), salt


def test_an_erased_body_is_nowhere_in_the_files(path: Path, store: Store) -> None:
    log_id, salt = secret_kept(store)
    assert SECRET in files(path)
    with store.write() as unit:
        unit.entries.erase(log_id, 5, 6)
    assert SECRET not in files(path)
    assert salt not in files(path)


def test_a_body_erased_while_somebody_reads_is_gone_with_the_next_unit_of_work(path: Path, store: Store) -> None:
    log_id, _ = secret_kept(store)
    with store.read() as reader:
        assert reader.entries.read(log_id, 5, 6)[0].body == SECRET
        with store.write() as unit:
            unit.entries.erase(log_id, 5, 6)
        assert SECRET in files(path)
    with store.write() as unit:
        unit.documents.put("shelf", "key", b"value")
    assert SECRET not in files(path)


def test_an_erasure_that_is_undone_keeps_the_body(path: Path, store: Store) -> None:
    log_id, _ = secret_kept(store)
    with pytest.raises(Fault), store.write() as unit:
        unit.entries.erase(log_id, 5, 6)
        raise Fault("the unit of work went wrong")
    with store.read() as reader:
        assert reader.entries.read(log_id, 5, 6)[0].body == SECRET


def indicator(chance: Random, name: str) -> bytes:
    ident = uuid.UUID(bytes=chance.randbytes(16), version=4)
    return (
        b'{"type":"indicator","spec_version":"2.1","id":"indicator--%b","created":"2026-05-%02dT10:%02d:00.000Z",'
        b'"modified":"2026-05-%02dT10:00:00.000Z","name":"%b","indicator_types":["malicious-activity"],'
        b'"pattern_type":"stix","pattern":"[file:hashes.\'SHA-256\' = \'%b\']","valid_from":"2026-05-01T00:00:00Z",'
        b'"labels":["malware"],'
        b'"created_by_ref":"identity--5206ba14-478f-4b0b-9a48-395f690c20a2","confidence":%d}'
        % (
            *(str(ident).encode(), chance.randrange(1, 28), chance.randrange(60), chance.randrange(1, 28)),
            *(name.encode(), chance.randbytes(32).hex().encode(), chance.randrange(100)),
        )
    )


def stored(path: Path) -> tuple[list[bytes], list[tuple[int, int]]]:
    """Return the dictionaries, and (codec, bytes) of every body."""
    connection = apsw.Connection(str(path))
    dictionaries = [row[0] for row in connection.execute("SELECT data FROM dictionary")]
    bodies = list(connection.execute("SELECT codec, length(data) FROM body ORDER BY position"))
    connection.close()
    return dictionaries, bodies


def test_bodies_shrink_to_a_third_and_the_dictionary_holds_nothing_of_any_single_one(path: Path, store: Store) -> None:
    chance = Random(8)
    names = [f"Ilse {chance.randbytes(8).hex()} of Harbour Street" for _ in range(1_500)]
    bodies = [indicator(chance, name) for name in names]
    for start in range(0, len(bodies), 250):
        with store.write() as unit:
            log = open_log(unit)
            extend(unit, log, [payload(n, body=bodies[n]) for n in range(start, start + 250)])
    with store.read() as unit:
        assert [entry.body for entry in unit.entries.read(log.id, 0, len(bodies))] == bodies
    store.close()
    (dictionary,), kept = stored(path)
    trained = [length for codec, length in kept if codec]
    assert len(trained) >= len(bodies) - training.SAMPLES
    assert sum(trained) / len(trained) < len(bodies[0]) / 3
    assert b'"pattern_type":"stix"' in dictionary
    assert b" of Harbour Street" in dictionary
    # A name's number, an object's id, a hash: what one body alone has.
    own = [part for body in bodies for part in re.findall(rb"[0-9a-f]{12,64}", body) if part not in bodies[0][-200:]]
    assert len(own) >= 3 * len(bodies) - 3
    assert not [part for part in own if part[:12] in dictionary]


def test_bodies_with_nothing_in_common_are_kept_without_a_dictionary(path: Path, store: Store) -> None:
    chance = Random(5)
    bodies = [chance.randbytes(300) for _ in range(training.SAMPLES + 200)]
    log_id = grown(store, [payload(n, body=body) for n, body in enumerate(bodies)])
    with store.read() as unit:
        assert [entry.body for entry in unit.entries.read(log_id, 0, len(bodies))] == bodies


def test_a_node_of_short_lived_processes_learns_from_what_they_left(path: Path) -> None:
    chance = Random(9)
    bodies = [indicator(chance, "sample") for _ in range(training.SAMPLES + 100)]
    for start in range(0, len(bodies), 100):  # one process after another, each with too few
        store = sqlite.open_store(path, VIEWS)
        with store.write() as unit:
            log = open_log(unit)
            extend(unit, log, [payload(n, body=bodies[n]) for n in range(start, start + 100)])
        store.close()
    dictionaries, kept = stored(path)
    assert len(dictionaries) == 1
    assert [codec for codec, _ in kept[-100:]] == [1] * 100
    store = sqlite.open_store(path, VIEWS)
    with store.read() as unit:
        assert [entry.body for entry in unit.entries.read(log.id, 0, len(bodies))] == bodies
    store.close()


def test_training_in_vain_is_not_tried_again_with_every_batch(
    path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []
    monkeypatch.setattr(training, "train", lambda samples: tried.append(len(samples)) or b"")
    for _ in range(3):
        with store.write() as unit:
            extend(unit, open_log(unit), [payload(n, body=bytes(300)) for n in range(training.SAMPLES)])
    assert tried == [training.SAMPLES]
