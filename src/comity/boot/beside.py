"""A process beside this one, with nothing of it: no thread, key, store or open file.

Rules: it runs no code of the working directory. What it is to do comes to it through a pipe, whose far end it holds;
who began it ends it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Final

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
