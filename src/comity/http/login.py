"""What a far side knows this node by: a file with one secret, read where it lies.

    basic NAME:PASSWORD          HTTP Basic (RFC 7617)
    bearer TOKEN                 a bearer token (RFC 6750)
    header X-API-Key: VALUE      any other header, e.g. an API key
    -----BEGIN …                 a client certificate with its key, PEM

Rules: a secret is never shown, not even in an error. What could break out of a header is refused before it is sent.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from comity.errors import Malformed

LOGIN_BYTES_MAX: Final = 65_536  # bytes of a login file: a certificate chain with its key takes under 20 kB
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")  # RFC 9110 §5.6.2
_VALUE: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
_PEM: Final = b"-----BEGIN "
_HINT: Final = "one line: `basic NAME:PASSWORD`, `bearer TOKEN` or `header NAME: VALUE`; or PEM"


@dataclass(frozen=True, slots=True)
class Login:
    """What is sent with every request, or shown in TLS; empty: nothing."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    certificate: str = ""  # path of a PEM file

    @property
    def authorization(self) -> str:
        """Return the value of Authorization; empty where another header carries the secret."""
        return self.headers.get("Authorization", "")

    @property
    def pair(self) -> tuple[str, str]:
        """Return name and password of a `basic` login, for protocols that are not HTTP. Raises `Malformed`."""
        way, _, coded = self.authorization.partition(" ")
        if way != "Basic":
            raise Malformed("a mail server is told who asks by `basic NAME:PASSWORD` only")
        name, _, password = base64.b64decode(coded).decode("utf-8").partition(":")
        return name, password

    def __bool__(self) -> bool:
        return bool(self.headers or self.certificate)


NOBODY: Final = Login()


def parse(data: bytes, path: str, *, alone: str = "") -> Login:
    """Return what a login file holds; `path` is where it lies. Raises `Malformed`, without a word of its content.

    `alone` is the header of a secret that stands there without a word before it; empty: there is none.
    """
    if len(data) > LOGIN_BYTES_MAX:
        raise Malformed(f"{path} is no login: it is over {LOGIN_BYTES_MAX} bytes")
    if _PEM in data:
        return Login(certificate=path)
    try:
        way, _, rest = data.decode("utf-8").strip().partition(" ")
    except UnicodeDecodeError:
        raise Malformed(f"{path} is no login: not UTF-8", hint=_HINT) from None  # the cause would show the secret
    rest = rest.strip()
    if alone and not rest and _VALUE.fullmatch(way):
        return Login({alone: way})
    if way == "basic" and ":" in rest and rest.isprintable():
        return Login({"Authorization": "Basic " + base64.b64encode(rest.encode("utf-8")).decode("ascii")})
    if way == "bearer" and _VALUE.fullmatch(rest) and " " not in rest:
        return Login({"Authorization": f"Bearer {rest}"})
    name, colon, value = rest.partition(":")
    if way == "header" and colon and _TOKEN.fullmatch(name) and _VALUE.fullmatch(value.strip()):
        return Login({name: value.strip()})
    raise Malformed(f"{path} is no login", hint=_HINT)
