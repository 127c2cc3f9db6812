"""The `Host` of the command line: asks the node in this process, or the one that is being served.

Rules: one process at a time has a node open. Where another has, it is asked over its socket; where that is a
command as short as this one, its end is awaited.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from comity.boot import settings as setting
from comity.boot.settings import RUN, SOCKET
from comity.errors import ComityError, Conflict, Malformed
from comity.surfaces.cli.founding import Founding
from comity.surfaces.cli.verbs import A, Progress, R, Verb
from comity.surfaces.cli.verbs.party import PartyShown

if TYPE_CHECKING:
    from comity.surfaces.cli.desk import Desk

BUSY_SECONDS: Final = 10.0  # another command's end is awaited this long
RETRY_SECONDS: Final = 0.05
OPERATION_SECONDS: Final = 7 * 86_400.0  # for one operation of a serving node: a week of ingest is one's own business
POLL_SECONDS: Final = 0.25  # between two questions for progress

Report = Callable[[Progress], None]


class Console:
    """Everything the command line needs, loaded when it is needed."""

    def found(self, home: Path, wanted: Founding) -> PartyShown:
        """Make a node in an empty directory."""
        from comity.boot.founding import found
        from comity.surfaces.cli.operations.party import shown

        return shown(found(home, wanted), "own")

    def serve(self, home: Path, *, alone: bool) -> None:
        """Serve the node until SIGINT or SIGTERM."""
        from comity.boot.daemon import serve

        serve(home, alone=alone)

    def time_zone(self, home: Path) -> str:
        """Return the time zone in which times are shown."""
        try:
            return setting.load(home).time_zone
        except ComityError:
            return "Etc/UTC"

    @contextlib.contextmanager
    def desk(self, home: Path) -> Iterator[Desk]:
        """Open a node that nobody serves, in this process."""
        from comity.boot.compose import opened

        with opened(home) as machine:
            yield machine

    def call(self, home: Path, verb: Verb[A, R], ask: A, report: Report) -> R:
        """Ask the node in a directory, here or where it is served."""
        answer = self._ask(home, verb.name, msgspec.json.encode(ask), report)
        try:
            return msgspec.json.decode(answer, type=verb.answers)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Malformed(
                f"the serving node answers {verb.name} in another way: {error}",
                hint="it runs another version; restart it",
            ) from error

    def _ask(self, home: Path, name: str, ask: bytes, report: Report) -> bytes:
        setting.load(home)
        give_up = time.monotonic() + BUSY_SECONDS
        path = home / RUN / SOCKET
        while not is_served(path):
            answer = _here(home, name, ask, report, patient=time.monotonic() < give_up)
            if answer is not None:
                return answer
            time.sleep(RETRY_SECONDS)
        return _remotely(path, name, ask, report)


def _here(home: Path, name: str, ask: bytes, report: Report, *, patient: bool) -> bytes | None:
    """Carry out an operation in this process; None where another has the node open and there is time to wait."""
    from comity.boot.compose import opened

    with contextlib.ExitStack() as stack:
        try:
            machine = stack.enter_context(opened(home))
        except Conflict:
            if not patient:
                raise
            return None
        return machine.perform(name, ask, report)


def is_served(path: Path) -> bool:
    """Say whether a process answers at a node's socket."""
    if not path.exists():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _remotely(path: Path, name: str, ask: bytes, report: Report) -> bytes:
    from comity.http.local import LocalClient
    from comity.http.problem import error_of
    from comity.surfaces.cli.door import BASE, CALL

    call = secrets.token_urlsafe(12)
    client = LocalClient(path, seconds=OPERATION_SECONDS)
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(path, call, report, done), daemon=True)
    watcher.start()
    try:
        answer = client.request("POST", BASE + name, headers={CALL: call}, body=ask)
    finally:
        done.set()
        watcher.join()
        client.close()
    if answer.status != 200:
        raise error_of(answer.status, answer.body)
    return answer.body


def _watch(path: Path, call: str, report: Report, done: threading.Event) -> None:
    """Ask how far the call has come, on a connection of its own, until it is done."""
    from comity.http.local import LocalClient
    from comity.surfaces.cli.door import BASE

    client = LocalClient(path)
    try:
        while not done.wait(POLL_SECONDS):
            answer = client.request("GET", f"{BASE}progress/{call}")
            progress = msgspec.json.decode(answer.body, type=Progress)
            if progress.what:
                report(progress)
    except (ComityError, msgspec.MsgspecError):
        pass  # the call itself says what is wrong; this only tells how far it is
    finally:
        client.close()
