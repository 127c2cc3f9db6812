"""The one reading of a URL, shared by what is signed, what is resolved and what is sent.

Rules: two parsers that differ by one character are how a check is passed for one place and the
request sent to another, so everything in `comity.http` uses this one. Absolute http(s), plain ASCII,
no user, no fragment; the path and query stay exactly as written.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple

from comity.errors import Malformed
from comity.limits import URL_CHARS_MAX

PORTS: Final = {"http": 80, "https": 443}

# RFC 3986 §3.3 and §3.4: what may stand in a path, and in a query besides.
_PATH: Final = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*"
_QUERY: Final = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*"
_HOST: Final = r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_URL: Final = re.compile(rf"(?i:(https?))://({_HOST})(?::([0-9]{{1,5}}))?(/{_PATH})?(?:\?({_QUERY}))?")


class Url(NamedTuple):
    """An absolute http(s) URL in its parts."""

    scheme: str
    host: str  # lower case; an IPv6 address without its brackets
    port: int
    path: str  # at least "/"
    query: str | None  # without "?"; None where the URL has none

    @property
    def authority(self) -> str:
        """Return host and port, without the scheme's own port (RFC 9421 §2.2.3)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def target(self) -> str:
        """Return path and query as they go on the wire."""
        return self.path if self.query is None else f"{self.path}?{self.query}"

    def __str__(self) -> str:
        """Return the whole URL, normalised in scheme, host and port only."""
        return f"{self.scheme}://{self.authority}{self.target}"


def parse(text: str) -> Url:
    """Read an absolute http(s) URL. Raises `Malformed`."""
    if len(text) > URL_CHARS_MAX:
        raise Malformed(f"a URL of {len(text)} characters is over URL_CHARS_MAX ({URL_CHARS_MAX})")
    match = _URL.fullmatch(text)
    if match is None:
        raise Malformed(
            f"{text!r} is not an address this node can use",
            hint="write http(s)://host[:port]/path?query in plain ASCII, without user or #fragment",
        )
    scheme, host, port, path, query = match.groups()
    scheme = scheme.lower()
    number = PORTS[scheme] if port is None else int(port)
    if not 0 < number < 65_536:
        raise Malformed(f"{text!r} names port {number}, which does not exist")
    return Url(scheme, _host(host), number, path or "/", query)


def _host(text: str) -> str:
    if not text.startswith("["):
        return text.lower()
    try:
        ipaddress.IPv6Address(text[1:-1])
    except ValueError as error:
        raise Malformed(f"{text} is not an IPv6 address") from error
    return text[1:-1].lower()
