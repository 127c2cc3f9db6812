"""Readers in a process of their own: the same objects and losses, and an end whatever the file does."""

from __future__ import annotations

import multiprocessing
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from comity.boot import reading
from comity.boot.reading import Readers
from comity.errors import Fault, Misuse, Unreachable
from comity.formats import readers
from comity.formats.convert import Context, Loss, Made
from tests.formats.hostile import slow_pdf
from tests.formats.test_text_pdf import document, lines

pytest.importorskip("pypdf", reason="reading PDF is optional: install comity[pdf]")

CONTEXT = Context("arcadia-blog", 1_772_000_000)


def processes() -> list[str]:
    return [one.name for one in multiprocessing.active_children() if one.name == "comity-read"]


def run(data: bytes, table: Readers | None = None) -> list[Made | Loss]:
    made = list((table or Readers()).reader("pdf", "A report")(iter([data[:99], data[99:]]), CONTEXT))
    assert not processes(), "it ended with its input"
    return made  # type: ignore[return-value]  # no reader that is run apart gives files


@pytest.mark.parametrize(
    "data",
    [
        document(lines("C2: bad[.]example"), lines("and 192.0.2.7")),
        document(lines("first"), b"broken", filters="/Filter/Nothing"),
        b"%PDF-1.7\n",
        b"no PDF at all",
        b"",
    ],
)
def test_what_comes_is_what_the_reader_gives_here(data: bytes) -> None:
    assert run(data) == list(readers.reader("pdf", "A report")([data], CONTEXT))


def test_other_readers_read_here_and_none_is_none() -> None:
    assert Readers().reader("sigma") is readers.reader("sigma")
    assert Readers().recognise(b"%PDF-1.7", "x") == "pdf"
    with pytest.raises(Misuse):
        Readers().reader("nothing")


def test_a_document_that_takes_for_ever_is_ended_and_what_was_found_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "READ_APART_SECONDS", 2)
    data = slow_pdf()
    assert len(data) < 50_000
    *made, lost = run(data)
    assert isinstance(lost, Loss)
    assert (lost.outcome.value, lost.rule) == ("refused", "too-slow")
    assert "READ_APART_SECONDS" in lost.reason
    assert [one.where for one in made] == ["page 1"]


def test_who_is_silent_for_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "READ_APART_WAIT_SECONDS", 2.0)
    lost = run(slow_pdf())[-1]
    assert isinstance(lost, Loss)
    assert lost.rule == "too-slow"


def test_a_document_that_takes_too_much_memory_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "READ_APART_MEMORY_MAX", 100_663_296)  # Python and its modules take most
    page = zlib.compress(b"(%b) Tj " % (b"a" * 100) * 90_000)
    lost = [one for one in run(document(page, filters="/Filter/FlateDecode")) if isinstance(one, Loss)]
    assert [one.rule for one in lost if one.rule != "nothing-found"] == ["too-large"]
    assert "READ_APART_MEMORY_MAX" in lost[0].reason


def test_a_process_that_dies_is_a_loss_and_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[multiprocessing.process.BaseProcess] = []
    begin = reading.beside.begin

    def killed(*arguments: object) -> object:
        process, connection = begin(*arguments)  # type: ignore[arg-type]
        begun.append(process)
        process.kill()
        return process, connection

    monkeypatch.setattr(reading.beside, "begin", killed)
    (lost,) = run(document(lines("192.0.2.7")))
    assert begun
    assert isinstance(lost, Loss)
    assert lost.rule == "broken"


def test_no_process_to_be_had_is_this_machines_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> object:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(reading.beside, "begin", none)
    with pytest.raises(Fault):
        run(document(lines("192.0.2.7")))


def test_others_have_their_turn_meanwhile_and_a_node_that_stops_ends_it() -> None:
    stop, times = threading.Event(), 0

    @contextmanager
    def meanwhile() -> Iterator[None]:
        nonlocal times
        times += 1
        yield

    assert run(document(lines("192.0.2.7")), Readers(meanwhile))
    assert times
    stop.set()
    with pytest.raises(Unreachable):
        run(slow_pdf(), Readers(meanwhile, stop))
    assert not processes()


def test_who_reads_no_further_ends_it() -> None:
    made = Readers().reader("pdf")(iter([slow_pdf()]), CONTEXT)
    next(made)
    made.close()  # type: ignore[attr-defined]  # it is a generator
    assert not processes()
