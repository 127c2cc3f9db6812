"""Syslog: TCP under TLS (RFC 5425), TCP, UDP (RFC 5426), and the socket of this machine's own daemon.

    tls://siem.arcadia.example:6514     tcp://host:601      udp://host:514      unix:/dev/log

Rules: addresses are judged as those of any fetch are; a proxy carries no syslog. Syslog has no receipt: *sent* means
that the far machine took every byte and did not hang up, and for UDP nothing at all. So that a message is not lost with
a connection that died unseen, each goes on a connection of its own, which is ended and whose end is awaited.
"""

from __future__ import annotations

import fcntl
import socket
import ssl
import sys
import termios
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from comity.errors import ComityError, Malformed, TooLarge, Unreachable
from comity.formats.telling import syslog
from comity.formats.telling.message import Message
from comity.http import inward
from comity.http.inward import Address, Network, Resolver
from comity.http.tls import ClientTls, TlsPolicy, client_tls
from comity.limits import TELLING_SECONDS

PORTS: Final = {"tls": 6514, "tcp": 601, "udp": 514}  # RFC 5425 §4.1, RFC 3195, RFC 5426 §3.3
ANSWER_BYTES_MAX: Final = 65_536  # bytes that a receiver may say, which says nothing by its protocol
END_SECONDS: Final = 2.0  # for the far side to end a stream, too; many never do, and that is no failure


@dataclass(frozen=True, slots=True)
class Where:
    """A syslog receiver's address."""

    scheme: str
    host: str  # of `unix`: the path
    port: int


def parse(text: str) -> Where:
    """Return a receiver's address. Raises `Malformed`."""
    hint = "tls://host:6514, tcp://host:601, udp://host:514 or unix:/dev/log"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise Malformed(f"{text!r} is no address of a syslog receiver", hint=hint) from error
    if parts.scheme == "unix" and parts.path.startswith("/") and not parts.netloc:
        return Where("unix", parts.path, 0)
    extra = parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None
    if parts.scheme not in PORTS or not parts.hostname or extra or port == 0:
        raise Malformed(f"{text!r} is no address of a syslog receiver", hint=hint)
    return Where(parts.scheme, parts.hostname, port or PORTS[parts.scheme])


@dataclass(frozen=True, slots=True)
class Syslog:
    """The way to one syslog receiver."""

    where: Where
    form: str
    facility: int
    allow: tuple[Network, ...]
    tls: TlsPolicy
    resolve: Resolver = inward.system_addresses
    seconds: float = TELLING_SECONDS

    def send(self, message: Message) -> str:
        """Send a message, in as many syslog messages as it has lines. Raises `Refused`, `Unverified`, `Unreachable`."""
        stream = self.where.scheme in {"tls", "tcp"}
        most = syslog.STREAM_BYTES_MAX if stream or self.where.scheme == "unix" else syslog.DATAGRAM_BYTES_MAX
        frames = syslog.frames(message, self.form, self.facility, most)
        try:
            if stream:
                self._stream(b"".join(map(syslog.counted, frames)))
            else:
                self._datagrams(frames)
        except ComityError:
            raise
        except OSError as error:
            hint = "is it running, and does it listen there?"
            raise Unreachable(f"{self._shown()}: {error.strerror or error}", hint=hint) from error
        taken = "the far machine took them" if stream else "nobody says whether they came"
        return f"{len(frames)} syslog messages; {taken}"

    def reach(self) -> str:
        """Say whether the receiver takes connections, without sending it anything."""
        if self.where.scheme in {"tls", "tcp"}:
            try:
                with self._connected(time.monotonic() + self.seconds):
                    proven = ", and its certificate holds" if self.where.scheme == "tls" else ""
                    return f"it takes connections{proven}"
            except OSError as error:
                raise Unreachable(f"{self._shown()}: {error.strerror or error}", hint="is it running?") from error
        return "by this way nobody answers: whether it comes is seen at the receiver only"

    def _shown(self) -> str:
        return f"{self.where.host}:{self.where.port}" if self.where.port else self.where.host

    def _connected(self, deadline: float) -> socket.socket:
        addresses = inward.judge(self.where.host, self.resolve(self.where.host), self.allow, loopback_only=False)
        sock = _connect(addresses, self.where.port, deadline)
        if self.where.scheme == "tcp":
            return sock
        tls: ClientTls = client_tls(self.tls)
        try:
            sock.settimeout(_left(deadline))
            return tls.handshake(sock, self.where.host)
        except BaseException:
            sock.close()
            raise

    def _stream(self, data: bytes) -> None:
        deadline = time.monotonic() + self.seconds
        with self._connected(deadline) as sock:
            view = memoryview(data)
            while view:
                sock.settimeout(_left(deadline))
                view = view[sock.send(view) :]
            _end(sock)

    def _datagrams(self, frames: list[bytes]) -> None:
        if self.where.scheme == "unix":
            family, to = socket.AF_UNIX, self.where.host
        else:
            host = self.where.host
            (address, *_) = inward.judge(host, self.resolve(host), self.allow, loopback_only=False)
            family, to = (socket.AF_INET if address.version == 4 else socket.AF_INET6), str(address)
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(self.seconds)
            sock.connect(to if self.where.scheme == "unix" else (to, self.where.port))
            for frame in frames:
                sock.send(frame)


def _connect(addresses: tuple[Address, ...], port: int, deadline: float) -> socket.socket:
    failure: OSError = TimeoutError("no address")
    for tried, address in enumerate(addresses):
        try:
            return socket.create_connection((str(address), port), _left(deadline) / (len(addresses) - tried))
        except OSError as error:
            failure = error
    raise failure


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("it does not read what is sent to it")
    return left


def _end(sock: socket.socket) -> None:
    """End our side and wait a little for the far one. Raises `OSError` where not every byte was taken."""
    sock.settimeout(END_SECONDS)
    if isinstance(sock, ssl.SSLSocket):
        try:
            sock = sock.unwrap()
        except (TimeoutError, ssl.SSLError):
            _refuse_untaken(sock)  # many receivers close without TLS's own end, or never
            return
    size = 0
    try:
        sock.shutdown(socket.SHUT_WR)
        while chunk := sock.recv(4_096):
            size += len(chunk)
            if size > ANSWER_BYTES_MAX:
                raise TooLarge("a syslog receiver answers, and at length: is it one?")
    except TimeoutError:
        _refuse_untaken(sock)


def _refuse_untaken(sock: socket.socket) -> None:
    """Refuse a stream of which bytes lie here still, because the far machine takes no more. Raises `TimeoutError`."""
    left = bytearray(4)
    try:
        fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, left)  # SIOCOUTQ of tcp(7): not acknowledged
    except OSError:
        return  # closed already, or not told by this system
    if int.from_bytes(left, sys.byteorder):
        raise TimeoutError("it does not read what is sent to it")
