"""A process beside this one, with nothing of it: no thread, key, store or open file.

Rules: it runs no code of the working directory. What it is to do comes to it through a pipe, whose far end it holds;
who began it ends it. Where one only answers questions (`Ahead`), its answers are those that would be made here, in
their order, and where it cannot be had or dies they are made here.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Final, Generic, TypeVar

from comity.boot.collecting import collect_rarely
from comity.errors import ComityError

PROCESSORS_MIN: Final = 2  # on one processor a process beside this one only takes memory
STOP_SECONDS: Final = 5.0  # seconds one gets to end after its input did; then it is ended
Q = TypeVar("Q")
A = TypeVar("A")
SAFE_PATH: Final = "PYTHONSAFEPATH"
_STARTING: Final = threading.Lock()  # the environment is everybody's


def begin(work: Callable[[Connection], None], name: str) -> tuple[BaseProcess, Connection]:
    """Begin `work` in a new process; return it and this end of its pipe. Raises `OSError` where none can be had."""
    context = multiprocessing.get_context("spawn")  # not a copy of this process: that has threads and keys
    near, far = context.Pipe()
    process = context.Process(target=work, args=(far,), name=name, daemon=True)
    try:
        with _safe_path():
            process.start()
    except OSError:
        near.close()
        raise
    finally:
        far.close()  # so that each process sees the end of the other
    return process, near


def end(process: BaseProcess, seconds: float) -> int | None:
    """Wait for a process that has nothing left to do, and end one that goes on; return how it went (`exitcode`)."""
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
    code = process.exitcode
    process.close()
    return code


def is_worth_it() -> bool:
    """Say whether this machine has a processor to spare."""
    return len(os.sched_getaffinity(0)) >= PROCESSORS_MIN


class Ahead(Generic[Q, A]):
    """A process that answers one question while this one works on the answer before."""

    def __init__(
        self,
        work: Callable[[Connection], None],
        name: str,
        *,
        pack: Callable[[Q], bytes],
        unpack: Callable[[bytes], A],
        here: Callable[[Q], A],
    ) -> None:
        """Begin the process; `here` answers a question in this one. Raises `OSError` where none can be had."""
        self._process, self._connection = begin(work, name)
        self._pack, self._unpack, self._here = pack, unpack, here
        self._alive = True

    def tell(self, message: bytes) -> None:
        """Send what the process needs to know before it is asked."""
        self._sent(message)

    def heard(self) -> bytes | None:
        """Return what the process says before it is asked; None where it is gone."""
        if self._alive:
            try:
                return self._connection.recv_bytes()
            except (OSError, EOFError):
                self._alive = False
        return None

    def answers(self, questions: Iterator[Q]) -> Iterator[A]:
        """Answer questions in their order; they are read one ahead and no more."""
        asked = next(questions, None)
        self._ask(asked)
        while asked is not None:
            following = next(questions, None)
            answer = self._answer(asked)
            self._ask(following)
            yield answer
            asked = following

    def _ask(self, question: Q | None) -> None:
        if question is not None and self._alive:
            self._sent(self._pack(question))

    def _sent(self, message: bytes) -> None:
        try:
            self._connection.send_bytes(message)
        except OSError:
            self._alive = False

    def _answer(self, question: Q) -> A:
        answer = self.heard()
        return self._here(question) if answer is None else self._unpack(answer)

    def stop(self) -> None:
        """End the process."""
        self._connection.close()
        end(self._process, STOP_SECONDS)


def answer(connection: Connection, work: Callable[[bytes], bytes]) -> None:
    """Answer questions until the other process closes its end, or is gone."""
    collect_rarely()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one at the keyboard stops the other process, which stops this
    with contextlib.suppress(EOFError, OSError, ComityError):  # what went wrong is met again where it is then done
        while True:
            connection.send_bytes(work(connection.recv_bytes()))


@contextlib.contextmanager
def _safe_path() -> Iterator[None]:
    """Keep Python from looking for its own modules in the working directory, which may be anybody's."""
    with _STARTING:
        before = os.environ.get(SAFE_PATH)
        os.environ[SAFE_PATH] = "1"
        try:
            yield
        finally:
            if before is None:
                del os.environ[SAFE_PATH]
            else:
                os.environ[SAFE_PATH] = before
