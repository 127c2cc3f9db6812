"""The way out of this node: the proxy, the logins it is known by elsewhere, and how each source is fetched.

Rules: a login lies in the node's `keys`, readable by its owner alone, and is read when it is used. It is never one of
the node's own keys, and no message holds a word of it.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

from comity.boot.settings import KEYS, Settings, proxy_of
from comity.errors import Fault, Malformed, NotFound
from comity.http import login as logins
from comity.http.fetch import Fetcher
from comity.http.login import LOGIN_BYTES_MAX, NOBODY, Login
from comity.http.proxy import Proxy
from comity.node.ingest import Source
from comity.node.polling import Fetching
from comity.node.sources import Kind
from comity.transports.caller import Caller, Manners
from comity.transports.discovery import Asked
from comity.transports.feeds import FileFeed, MispFeed, UrlFeed
from comity.transports.taxii import Taxii

OTHERS: Final = 0o077  # the bits of a mode by which others could read


def login(home: Path, name: str) -> Login:
    """Return a login by the name of its file in `keys`. Raises `NotFound`, `Fault` where others can read it."""
    path = home / KEYS / name
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & OTHERS:
            raise Fault(f"{path} can be read by others (mode {mode:04o})", hint=f"chmod 600 {path}")
        with path.open("rb") as file:
            data = file.read(LOGIN_BYTES_MAX + 1)
    except FileNotFoundError as error:
        raise NotFound(f"there is no login {path}", hint="write it there, with mode 0600") from error
    except OSError as error:
        raise Fault(f"{path} cannot be read: {error.strerror}") from error
    return logins.parse(data, str(path))


def proxy(home: Path, settings: Settings) -> Proxy | None:
    """Return the proxy that requests go through. Raises what `login` does, and `Malformed`."""
    if not settings.outbound_proxy:
        return None
    known = login(home, settings.outbound_proxy_login) if settings.outbound_proxy_login else NOBODY
    if known and not known.authorization:
        raise Malformed("a proxy is told who asks by `basic` or `bearer` only")
    return proxy_of(settings, known.authorization)


def fetching(home: Path, source: Source, fetcher: Fetcher, manners: Manners) -> Fetching:
    """Return the way to a source. Raises what `login` does."""
    if source.kind == Kind.FILE:
        return FileFeed(Path(source.address))
    known = login(home, source.login) if source.login else NOBODY
    caller = Caller(fetcher, source.address, manners, known, source.login, plain=source.plain)
    if source.kind == Kind.TAXII:
        return Taxii(caller, Asked(source.collection, source.match))
    return MispFeed(caller) if source.kind == Kind.MISP_FEED else UrlFeed(caller)
