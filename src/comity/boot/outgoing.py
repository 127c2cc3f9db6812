"""The way out of this node: the proxy, the logins it is known by, how sources are fetched and neighbours told.

Rules: a login lies in the node's `keys`, readable by its owner alone, and is read when it is used. It is never one of
the node's own keys, and no message holds a word of it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from comity.boot.settings import KEYS, Settings, networks, proxy_of
from comity.errors import Fault, Malformed, NotFound
from comity.formats.telling import standard
from comity.http import login as logins
from comity.http.fetch import Fetcher
from comity.http.login import LOGIN_BYTES_MAX, NOBODY, Login
from comity.http.proxy import Proxy
from comity.http.tls import PUBLIC, TlsPolicy
from comity.node.delivering import Way
from comity.node.ingest import Source
from comity.node.neighbours import Kind as NeighbourKind
from comity.node.neighbours import Neighbour
from comity.node.polling import Fetching
from comity.node.sidecars import Sidecar
from comity.node.sources import Kind
from comity.transports.caller import Caller, Manners
from comity.transports.discovery import Asked
from comity.transports.feeds import FileFeed, MispFeed, UrlFeed
from comity.transports.misp import MispServer
from comity.transports.posting import Post, Webhook
from comity.transports.syslog import Syslog
from comity.transports.syslog import parse as parse_syslog
from comity.transports.taxii import Taxii
from comity.transports.tickets import Iris, Rest, Rt, System, Tickets, TicketWay

OTHERS: Final = 0o077  # the bits of a mode by which others could read


def login(home: Path, name: str, *, alone: str = "") -> Login:
    """Return a login by the name of its file in `keys`. Raises `NotFound`, `Fault` where others can read it.

    `alone` is the header that a secret goes into which stands in the file without more.
    """
    path = home / KEYS / name
    return logins.parse(_read(path), str(path), alone=alone)


def _read(path: Path) -> bytes:
    """Return what a file of `keys` holds. Raises `NotFound`, `Fault` where others can read it."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & OTHERS:
            raise Fault(f"{path} can be read by others (mode {mode:04o})", hint=f"chmod 600 {path}")
        with path.open("rb") as file:
            return file.read(LOGIN_BYTES_MAX + 1)
    except FileNotFoundError as error:
        raise NotFound(f"there is no login {path}", hint="write it there, with mode 0600") from error
    except OSError as error:
        raise Fault(f"{path} cannot be read: {error.strerror}") from error


def proxy(home: Path, settings: Settings) -> Proxy | None:
    """Return the proxy that requests go through. Raises what `login` does, and `Malformed`."""
    if not settings.outbound_proxy:
        return None
    known = login(home, settings.outbound_proxy_login) if settings.outbound_proxy_login else NOBODY
    if known and not known.authorization:
        raise Malformed("a proxy is told who asks by `basic` or `bearer` only")
    return proxy_of(settings, known.authorization)


def secrets(home: Path, name: str) -> tuple[bytes, ...]:
    """Return the secrets of a webhook by the name of their file in `keys`. Raises what `login` does."""
    path = home / KEYS / name
    return standard.secrets_of(_read(path), str(path))


def keep_secret(home: Path, name: str, made: str) -> None:
    """Put a new secret into a file of `keys`, before the one in use: that one signs, too, until it is renewed again."""
    path = home / KEYS / name
    before = _read(path).decode("ascii", "replace").split()[:1] if path.exists() else []
    beside = path.with_name(f".{name}.new")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write("\n".join([made, *before]) + "\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def telling(
    home: Path, settings: Settings, one: Neighbour, fetcher: Fetcher, manners: Manners, tickets: Tickets
) -> Way:
    """Return the way to a neighbour. Raises what `login` does, and `Malformed` for its address."""
    known = login(home, one.login) if one.login else NOBODY
    tls = TlsPolicy(one.certificate)
    if one.kind is NeighbourKind.SYSLOG:
        allow = networks(settings)
        tls = TlsPolicy(one.certificate, client=known.certificate)
        return Syslog(parse_syslog(one.address), one.form, one.facility, allow, tls)
    post = Post(fetcher, manners, known, one.login, tls, one.plain)
    if one.kind is NeighbourKind.TICKET:
        base, said = one.address.rstrip("/"), dict(one.settings)
        system: System = Rest(post, base, said)
        if one.form == "rt":
            system = Rt(post, base, said["queue"])
        elif one.form == "iris":
            system = Iris(post, base, said)
        return TicketWay(system, tickets)
    return Webhook(post, one.address, one.form, secrets(home, one.secret) if one.secret else ())


def misp(home: Path, sidecar: Sidecar, fetcher: Fetcher, manners: Manners) -> MispServer:
    """Return the way to a MISP; its key lies alone in its file, or in a login's words. Raises what `login` does."""
    known = login(home, sidecar.login, alone="Authorization")
    tls = TlsPolicy(certificate=sidecar.certificate) if sidecar.certificate else PUBLIC
    return MispServer(Caller(fetcher, sidecar.address, manners, known, sidecar.login, plain=sidecar.plain, tls=tls))


def fetching(home: Path, source: Source, fetcher: Fetcher, manners: Manners) -> Fetching:
    """Return the way to a source. Raises what `login` does."""
    if source.kind == Kind.FILE:
        return FileFeed(Path(source.address))
    known = login(home, source.login) if source.login else NOBODY
    caller = Caller(fetcher, source.address, manners, known, source.login, plain=source.plain)
    if source.kind == Kind.TAXII:
        return Taxii(caller, Asked(source.collection, source.match))
    return MispFeed(caller) if source.kind == Kind.MISP_FEED else UrlFeed(caller)
