"""A serving node: its doors, a pull from every peer and a poll of every source in turn, until it is asked to stop.

Rules: the doors to peers, to the owner and to the party's own programs are different applications. One peer's
fault or silence never holds up another's pull; who does not answer is asked more and more rarely, up to
`QUIET_SECONDS_MAX`.
"""

from __future__ import annotations

import re
import signal
import ssl
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

import structlog

from comity.boot import settings as setting
from comity.boot.compose import Machine, opened
from comity.boot.couriers import Couriers
from comity.boot.logs import configure
from comity.boot.polls import Polls
from comity.boot.posts import Posts
from comity.boot.rounds import Rounds
from comity.boot.settings import RUN, SOCKET, SPOOL, Settings
from comity.boot.sidecars import Sidecars
from comity.canon import PartyId
from comity.errors import ComityError, Fault
from comity.http.listen import Listener, Local, Tcp
from comity.http.tls import server_context
from comity.limits import API_INGEST_BYTES_MAX, API_INGEST_SECONDS_MAX, BATCH_SECONDS_MAX, HTTP_BODY_BYTES_MAX
from comity.node import pulls, searching
from comity.node.ports import Wire
from comity.surfaces.cli import door
from comity.transports import native

_LISTS: Final = re.compile(r"\A(/feeds/)[^/]*")  # what stands behind is a secret
TICK_SECONDS: Final = BATCH_SECONDS_MAX / 2  # between two looks at what is due, and at what is to be signed
PULLERS: Final = 4  # peers waited for at once; the work itself is done in turns
QUIET_SECONDS_MAX: Final = 900.0  # a peer that does not answer is asked at least this often


def serve(home: Path, *, alone: bool) -> None:
    """Serve the node in a directory until SIGINT or SIGTERM; the request under way is finished first."""
    settings = setting.load(home)
    configure(settings.log_format)
    log = structlog.get_logger().bind(party=settings.party)
    stop = threading.Event()

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, ask_to_stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with opened(home, serving=True) as machine, _doors(machine, log):
            machine.stop = stop
            _work(machine, log, stop, alone=alone)
            log.info("stopping")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _doors(machine: Machine, log: structlog.typing.FilteringBoundLogger) -> Iterator[None]:
    """Open the owner's door, and those for peers and for programs where the settings have them."""
    settings = machine.settings

    def answered(method: str, path: str, status: int) -> None:
        log.info("request", method=method, path=_LISTS.sub(r"\1…", path), status=status)

    listeners = [
        Listener(
            door.application(machine.perform), Local(machine.home / RUN / SOCKET), body_bytes_max=HTTP_BODY_BYTES_MAX
        )
    ]
    tls = _tls(machine.home, settings)
    logged = answered if settings.log_requests else None
    at = setting.listen_at(settings)
    if at is not None:
        app = native.application(machine.services.node, machine.services.serving, machine.address, machine.turns.mine)
        listeners.append(Listener(app, Tcp(*at, tls), answered=logged))
    api_at = setting.api_listen_at(settings)
    if api_at is not None:
        listeners.append(_for_programs(machine, Tcp(*api_at, tls), logged))
    taxii_at = setting.taxii_listen_at(settings)
    if taxii_at is not None:
        listeners.append(_for_taxii(machine, taxii_at, logged))
    misp_at = setting.misp_listen_at(settings)
    if misp_at is not None:
        listeners.append(_for_misp(machine, misp_at, logged))
    started: list[Listener] = []
    try:
        for listener in reversed(listeners):  # the owner's door opens last: who finds it finds a node that serves
            listener.start()
            started.append(listener)
        nowhere = "nowhere: this node only pulls"
        log.info(
            "serving",
            listen=settings.listen or nowhere,
            api=settings.api_listen or "nowhere",
            taxii=settings.taxii_listen or "nowhere",
            misp=settings.misp_listen or "nowhere",
            socket=f"{RUN}/{SOCKET}",
        )
        yield
    finally:
        for listener in reversed(started):
            listener.stop()


def _for_programs(machine: Machine, at: Tcp, answered: Callable[[str, str, int], None] | None) -> Listener:
    from comity.surfaces.api.door import application  # loads every verb

    app = application(machine, machine.perform, machine.turns.mine, machine.home / RUN / SPOOL)
    return Listener(app, at, body_bytes_max=API_INGEST_BYTES_MAX, seconds=API_INGEST_SECONDS_MAX, answered=answered)


def _for_taxii(machine: Machine, at: tuple[str, int], answered: Callable[[str, str, int], None] | None) -> Listener:
    from comity.surfaces.taxii.door import TaxiiServer

    settings, home = machine.settings, machine.home
    clients = home / settings.taxii_clients if settings.taxii_clients else None
    tls = None if settings.plain_http else server_context(*_certificate(home, settings), clients=clients)
    app = TaxiiServer(machine, machine.turns.mine, machine.turns.mine_at_once, settings.taxii_address)
    # The server refuses larger bodies itself, in the words of its protocol.
    return Listener(app, Tcp(*at, tls), body_bytes_max=API_INGEST_BYTES_MAX, answered=answered)


def _for_misp(machine: Machine, at: tuple[str, int], answered: Callable[[str, str, int], None] | None) -> Listener:
    from comity.surfaces.misp.door import MispServer

    settings = machine.settings
    tls = None if settings.plain_http else server_context(*_certificate(machine.home, settings))
    app = MispServer(machine, machine.turns.mine)
    return Listener(app, Tcp(*at, tls), body_bytes_max=API_INGEST_BYTES_MAX, answered=answered)


def _tls(home: Path, settings: Settings) -> ssl.SSLContext | None:
    """Return the TLS of the doors on the network; None where there is none, or where it is set aside."""
    if settings.plain_http or not (settings.listen or settings.api_listen):
        return None
    return server_context(*_certificate(home, settings))


def _certificate(home: Path, settings: Settings) -> tuple[Path, Path]:
    certificate, key = home / settings.tls_certificate, home / settings.tls_key
    try:
        mode = stat.S_IMODE(key.stat().st_mode)
    except OSError as error:
        raise Fault(f"{key} cannot be read: {error.strerror}", hint="set tls_key, or plain_http on loopback") from error
    if mode & 0o077:
        raise Fault(f"{key} can be read by others (mode {mode:04o})", hint=f"chmod 600 {key}")
    return certificate, key


class _Peer:
    """When a peer is asked next."""

    def __init__(self) -> None:
        self.due = 0.0
        self.failures = 0
        self.under_way: Future[pulls.Pull] | None = None

    def settle(self, every: float, record: pulls.Pull) -> None:
        self.failures = self.failures + 1 if record.error else 0
        wait = min(every * 2**self.failures, max(every, QUIET_SECONDS_MAX)) if record.error else every
        self.due = time.monotonic() + wait
        self.under_way = None


def _work(machine: Machine, log: structlog.typing.FilteringBoundLogger, stop: threading.Event, *, alone: bool) -> None:
    """Pull from every peer, poll every source, fetch and send mail when it is due, and carry out standing rules."""
    peers: dict[PartyId, _Peer] = {}
    reconsidered = 0.0
    every = machine.settings.sync_seconds
    pool = ThreadPoolExecutor(PULLERS, "pull")
    polls = Polls(machine, log)
    rounds = Rounds(machine, log)
    couriers = Couriers(machine, log)
    sidecars = Sidecars(machine, log)
    posts = Posts(machine, log)
    try:
        while not stop.wait(TICK_SECONDS):
            try:
                if not machine.services.node.signs and time.monotonic() >= reconsidered:
                    _reconsider(machine, log, alone=alone)
                    reconsidered = time.monotonic() + every
                with machine.turns.mine():
                    machine.services.node.settle()  # what answering put on record waits no longer than this
                    searching.catch_up(machine.services.node)  # the words of what came, a piece at a time
                    wires = machine.wires()
                for name, wire in wires.items():
                    _attend(machine, log, pool, name, wire, peers.setdefault(name, _Peer()))
                polls.attend()
                rounds.attend()
                couriers.attend()
                sidecars.attend()
                posts.attend()
            except ComityError as error:
                log.error("fault", what=error.says())
    finally:
        polls.close()
        rounds.close()
        couriers.close()
        sidecars.close()
        posts.close()
        pool.shutdown(wait=True, cancel_futures=True)


def _reconsider(machine: Machine, log: structlog.typing.FilteringBoundLogger, *, alone: bool) -> None:
    with machine.turns.mine():
        machine.reconsider(alone=alone)
    node = machine.services.node
    if not node.signs:
        log.warning("not signing", why=node.why_not)


def _attend(
    machine: Machine,
    log: structlog.typing.FilteringBoundLogger,
    pool: ThreadPoolExecutor,
    name: PartyId,
    wire: Wire,
    peer: _Peer,
) -> None:
    """Begin a pull that is due, or take the outcome of one that has ended."""
    if peer.under_way is None:
        if time.monotonic() >= peer.due:
            peer.under_way = pool.submit(_pull, machine, name, wire)
        return
    if not peer.under_way.done():
        return
    error = peer.under_way.exception()
    if error is None:
        record = peer.under_way.result()
    elif isinstance(error, ComityError):
        record = pulls.Pull(party=name, at=0, error=error.says())  # a fault of this machine: nothing could be kept
    else:
        raise error
    peer.settle(machine.settings.sync_seconds, record)
    if record.error:
        log.warning("pull failed", peer=name, why=record.error, again_in=round(peer.due - time.monotonic()))
    elif record.entries or record.refused or record.forks or record.faults:
        words = {"entries": record.entries, "payloads": record.payloads, "refused": record.refused}
        log.info("pulled", peer=name, **words, forks=list(record.forks), faults=list(record.faults))


def _pull(machine: Machine, name: PartyId, wire: Wire) -> pulls.Pull:
    with machine.turns.mine():
        return pulls.pull(machine.services, name, wire)
