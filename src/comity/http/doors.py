"""Where a node listens: an address on the network, or a socket file for its owner alone.

Rules: plain http on a loopback address only; a socket file is 0600 in a directory that is 0700, so that
the file system decides who may speak.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path

from comity.errors import ComityError, Conflict, Fault, Misuse


@dataclass(frozen=True, slots=True)
class Tcp:
    """A door on the network: an IP address, a port (0: any free one), TLS unless the address is loopback."""

    host: str
    port: int = 0
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Local:
    """A door on this machine: a unix socket (0600) in a directory of its own (0700)."""

    path: Path


def bind(door: Tcp | Local) -> socket.socket:
    """Return the door's socket, bound and not yet listening.

    Raises `Misuse` (plain http off loopback, an impossible address), `Conflict` (it is taken), `Fault`.
    """
    return _bind_tcp(door) if isinstance(door, Tcp) else _bind_local(door.path)


def _bind_tcp(door: Tcp) -> socket.socket:
    try:
        address = ipaddress.ip_address(door.host)
    except ValueError as error:
        raise Misuse(f"{door.host!r} is not an IP address to listen on", hint="for example 127.0.0.1 or ::") from error
    if door.tls is None and not address.is_loopback:
        raise Misuse(
            f"plain http on {address} is refused",
            hint="give the listener a certificate, or listen on 127.0.0.1 behind a proxy that has one",
        )
    # asyncio sets TCP_NODELAY only where the protocol is named; without it each answer waits 40 ms for an ACK.
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((str(address), door.port))
    except (OSError, OverflowError) as error:
        sock.close()
        raise _bind_error(f"{address} port {door.port}", error) from error
    return sock


def _bind_local(path: Path) -> socket.socket:
    # Until the socket's own mode is set, the directory is what keeps others out.
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        there = path.parent.stat()
        if there.st_uid != os.geteuid() or stat.S_IMODE(there.st_mode) & 0o077:
            raise Fault(f"{path.parent} is open to other users", hint=f"chmod 700 {path.parent}")
        _remove_stale(path)
    except OSError as error:
        raise Fault(f"{path} cannot be made: {error}") from error
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(str(path))
        path.chmod(0o600)
    except OSError as error:
        sock.close()
        raise _bind_error(str(path), error) from error
    return sock


def _remove_stale(path: Path) -> None:
    """Remove the socket of a node that is gone; raise `Conflict` if one still answers, or if it is no socket."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise Conflict(f"{path} exists and is not a socket", hint="move it away, or choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a full queue is an answer too: somebody serves there
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:
            pass
    raise Conflict(f"another process serves at {path}", hint="use it, or stop it first")


def _bind_error(what: str, error: Exception) -> ComityError:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return Conflict(f"{what} is taken by another process", hint="stop it, or choose another")
    if number in (errno.EACCES, errno.EPERM):
        return Fault(f"this user may not listen on {what}", hint="choose a port from 1024 upwards, or grant it")
    return Misuse(f"{what} cannot be listened on: {error}")
