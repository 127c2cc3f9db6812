"""Readers of foreign formats, those of unbounded time in a process of their own that is ended in time.

Rules: a reader says itself whether its input's size bounds its time (`readers.APART`). One that does not is given the
whole input in a process without keys, store, files or standing rights to write any, which has a fixed share of
processor and memory. What it read before it was ended stands; that it was ended is a loss which says whose fault that
is. While it works, others have their turn.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from multiprocessing.connection import Connection
from typing import Final

import msgspec

from comity.boot import beside
from comity.canon import Instant
from comity.errors import Fault, Unreachable
from comity.formats.convert import Context, Loss, Made, Outcome, Reader, loss
from comity.limits import READ_APART_MEMORY_MAX, READ_APART_SECONDS, READ_APART_WAIT_SECONDS

STOP_SECONDS: Final = 1.0  # seconds a reader gets to end after its last answer
SLICE_SECONDS: Final = 0.5  # seconds between two looks whether this node is to end
DESCRIPTORS_MAX: Final = 64  # open files of the process: its modules, one after another
_THE_FILE: Final = "the whole input"


class _Given(msgspec.Struct, array_like=True):
    """What is to be read, before its bytes."""

    form: str
    title: str
    source: str
    at: Instant
    creator: str
    seconds: int  # of a processor
    memory: int  # bytes


class _Made(msgspec.Struct, array_like=True, tag=1):
    data: bytes
    where: str
    timeless: bool


class _Lost(msgspec.Struct, array_like=True, tag=2):
    where: str
    outcome: Outcome
    rule: str
    reason: str


class _Ended(msgspec.Struct, array_like=True, tag=3):
    why: str  # empty: there is no more


_PACK: Final = msgspec.msgpack.Encoder().encode
_GIVEN: Final = msgspec.msgpack.Decoder(_Given).decode
_ANSWER: Final = msgspec.msgpack.Decoder(_Made | _Lost | _Ended).decode
_MEMORY: Final = "memory"
_SLOW: Final = "time"


class Readers:
    """The table of readers (`comity.formats.readers`), which is loaded when it is first asked."""

    def __init__(
        self,
        meanwhile: Callable[[], AbstractContextManager[None]] = nullcontext,
        stop: threading.Event | None = None,
    ) -> None:
        self._meanwhile = meanwhile  # lets others have their turn
        self._stop = stop or threading.Event()

    def recognise(self, head: bytes, name: str) -> str:
        """Return the format of an input by its first bytes and its name."""
        from comity.formats import readers

        return readers.recognise(head, name)

    def reader(self, name: str, title: str = "") -> Reader:
        """Return a format's reader. Raises `Misuse`."""
        from comity.formats import readers

        limit = readers.APART.get(name)
        return readers.reader(name, title) if limit is None else partial(self._apart, name, title, limit)

    def _apart(
        self, form: str, title: str, limit: int, chunks: Iterable[bytes], context: Context
    ) -> Iterator[Made | Loss]:
        """Read an input in a process of its own. Raises `Fault` where none can be had, `Unreachable` at the end."""
        given = _Given(form, title, *context, seconds=READ_APART_SECONDS, memory=READ_APART_MEMORY_MAX)
        try:
            process, connection = beside.begin(_serve, "comity-read")
        except OSError as error:
            hint = "the input is still to be read: try again when this machine has room for a process"
            raise Fault(f"no process can be begun to read {form}: {error.strerror}", hint=hint) from error
        why = ""
        try:
            with suppress(BrokenPipeError):  # it is gone: asking it says so
                self._give(connection, given, chunks, limit)
            while isinstance(answer := self._answer(connection), Made | Loss):
                yield answer
            why = answer.why
        finally:
            connection.close()
            code = beside.end(process, 0.0 if why else STOP_SECONDS)
        if why:
            yield _given_up(form, _SLOW if code == -signal.SIGXCPU else why)

    def _give(self, connection: Connection, given: _Given, chunks: Iterable[bytes], limit: int) -> None:
        """Hand over the input: as much as the reader takes, and a chunk more by which it sees that there is more."""
        connection.send_bytes(_PACK(given))
        for chunk in chunks:
            if chunk:
                connection.send_bytes(chunk)
                limit -= len(chunk)
            if limit < 0:
                break
        connection.send_bytes(b"")

    def _answer(self, connection: Connection) -> Made | Loss | _Ended:
        try:
            if not self._is_there(connection):
                return _Ended(_SLOW)
            answer = _ANSWER(connection.recv_bytes())
        except (OSError, EOFError):
            return _Ended("its process ended")
        if isinstance(answer, _Made):
            return Made(answer.data, answer.where, answer.timeless)
        return Loss(answer.where, answer.outcome, answer.rule, answer.reason) if isinstance(answer, _Lost) else answer

    def _is_there(self, connection: Connection) -> bool:
        """Wait for an answer while others have their turn; say whether there is one."""
        if connection.poll(0):
            return True
        with self._meanwhile():
            left = READ_APART_WAIT_SECONDS
            while left > 0:
                if connection.poll(min(SLICE_SECONDS, left)):
                    return True
                if self._stop.is_set():
                    break
                left -= SLICE_SECONDS
        if self._stop.is_set():
            raise Unreachable("this node is stopping", hint="the input is still to be read: bring it in again")
        return False


def _given_up(form: str, why: str) -> Loss:
    """Return the loss that says why an input was not read to its end."""
    if why == _SLOW:
        rule = "too-slow"
        reason = (
            f"took over {READ_APART_SECONDS} s of a processor or {READ_APART_WAIT_SECONDS:.0f} s of waiting, which no"
            " good one does (READ_APART_SECONDS, READ_APART_WAIT_SECONDS)"
        )
    elif why == _MEMORY:
        rule, reason = "too-large", f"took over {READ_APART_MEMORY_MAX} bytes of memory (READ_APART_MEMORY_MAX)"
    else:
        rule, reason = "broken", f"made its reader fail ({why})"
    rest = "what was found before that is kept, and the original has the rest"
    return loss(_THE_FILE, Outcome.REFUSED, rule, f"reading this {form} {reason}; {rest}")


# -- in the process ----------------------------------------------------------------


def _serve(connection: Connection) -> None:
    """Read one input, answer what is made of it, and end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one at the keyboard stops the other process, which stops this
    sys.dont_write_bytecode = True
    _say_nothing()
    given = _GIVEN(connection.recv_bytes())
    from comity.formats import readers

    reader = readers.reader(given.form, given.title)
    chunks = list(iter(connection.recv_bytes, b""))
    _bound(given.seconds, given.memory)
    why = ""
    with suppress(BrokenPipeError):  # nobody listens any more
        try:
            for one in reader(chunks, Context(given.source, given.at, given.creator)):
                if isinstance(one, Made):
                    connection.send_bytes(_PACK(_Made(*one)))
                elif isinstance(one, Loss):
                    connection.send_bytes(_PACK(_Lost(*one)))
                else:
                    raise NotImplementedError("files inside an input do not pass between processes")  # noqa: TRY301
        except MemoryError:
            why = _MEMORY
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001  # whatever it is, the input brought it about
            why = type(error).__name__
        connection.send_bytes(_PACK(_Ended(why)))


def _say_nothing() -> None:
    """Let nothing be said on standard output and error: a library's warnings may quote the input to a terminal."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


def _bound(seconds: int, memory: int) -> None:
    """Take from this process what reading does not need. It only ever becomes less."""
    for what, soft, hard in (
        (resource.RLIMIT_CPU, seconds, seconds + 1),  # the first is told apart by its signal
        (resource.RLIMIT_AS, memory, memory),
        (resource.RLIMIT_FSIZE, 0, 0),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_NOFILE, DESCRIPTORS_MAX, DESCRIPTORS_MAX),
    ):
        _, before = resource.getrlimit(what)
        least = hard if before == resource.RLIM_INFINITY else min(hard, before)
        resource.setrlimit(what, (min(soft, least), least))
