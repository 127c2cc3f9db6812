"""A process to be killed: it works, says what it was told is done, and dies at a moment it does not choose.

Rules: it is forked, so that a death costs milliseconds and what a test changed holds there too; who forks has no
store open. What counts as acknowledged is what reached the pipe before the kill, no more.
"""

from __future__ import annotations

import os
import select
import signal
import traceback
from collections.abc import Callable
from random import Random

WAIT_SECONDS = 60.0

Acknowledge = Callable[[int], None]


def killed_at_random(work: Callable[[Acknowledge], None], chance: Random, *, most: int = 6) -> list[int]:
    """Run `work` in a process of its own, kill it, and return the numbers it acknowledged.

    The kill comes up to 20 ms after one of the first `most` acknowledgements, or before the first.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _work(work, writer)
    os.close(writer)
    try:
        told = b""
        wanted = chance.randrange(most)
        while told.count(b"\n") < wanted:
            assert select.select([reader], [], [], WAIT_SECONDS)[0], "the process does not get on"
            more = os.read(reader, 65_536)
            assert more, "the process ended by itself"
            told += more
        select.select([], [], [], chance.uniform(0, 0.02))
    finally:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    while more := os.read(reader, 65_536):
        told += more
    os.close(reader)
    assert os.WIFSIGNALED(status), f"the process ended by itself, with status {status}"
    return [int(line) for line in told.split(b"\n")[:-1]]


def _work(work: Callable[[Acknowledge], None], writer: int) -> None:
    try:
        work(lambda number: _say(writer, number))
    except BaseException:  # noqa: BLE001  nothing stands above a forked child that could show it
        traceback.print_exc()
    finally:
        os._exit(1)  # nothing of the test's own process is to be run down here


def _say(writer: int, number: int) -> None:
    os.write(writer, b"%d\n" % number)
