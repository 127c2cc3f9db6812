"""Who asks: a correspondent by one of its credentials, or a program of this party's own by its token.

Rules: Basic, Bearer and client certificates are credentials of 256 random bits, so that nothing is hashed slowly, and
each is verified for each request: what was revoked a moment ago does not hold. Whatever does not hold is answered in
the same words.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Final

from comity.errors import ComityError, Misuse, Unverified
from comity.node import credentials, tokens
from comity.node.actor import Actor
from comity.node.correspondents import Correspondent
from comity.node.programs import program
from comity.node.seeing import Seeing
from comity.node.services import Services
from comity.policy import parse_audience
from comity.vocab import Channel

HEADER_CHARS_MAX: Final = 512  # of an Authorization header: the longest of ours has some 240
CHALLENGES: Final = ('Basic realm="taxii", charset="UTF-8"', 'Bearer realm="taxii"')  # RFC 7617 §2.1, RFC 6750 §3
_NOBODY: Final = "no credential that holds was shown"
_HINT: Final = "Basic, Bearer or a client certificate, as the office gave it to you"


@dataclass(frozen=True, slots=True)
class Reader:
    """Who asks, and what answers it."""

    who: Correspondent
    own: bool  # a program of this party's own
    seeing: Seeing
    may_send: bool

    @property
    def office(self) -> str:
        """Return the short name of the office it belongs to: the API root it sees."""
        return str(self.actor.office_id)

    @property
    def actor(self) -> Actor:
        """Return its office, acting."""
        return Actor(parse_audience(self.who.office)[0], self.who.actor().user)


def admitted(services: Services, authorization: str | None, certificate: bytes | None, address: str) -> Reader:
    """Return who asks. Raises `Unverified`."""
    try:
        return _admitted(services, authorization, certificate, address)
    except Unverified as error:
        raise Unverified(_NOBODY, hint=_HINT) from error


def _admitted(services: Services, authorization: str | None, certificate: bytes | None, address: str) -> Reader:
    node = services.node
    if authorization is None and certificate is not None:
        return _correspondent(services, _by_certificate(services, certificate, address))
    scheme, _, text = (authorization or "").partition(" ")
    text = text.strip(" ")
    if len(text) > HEADER_CHARS_MAX:
        raise Unverified(_NOBODY)
    if scheme.lower() == "basic":
        user, secret = _basic(text)
        if secret.startswith(f"{tokens.PREFIX}_"):
            return _program(services, secret)
        return _correspondent(services, credentials.by_basic(node, Channel.TAXII, user, secret, address))
    if scheme.lower() == "bearer":
        if text.startswith(f"{tokens.PREFIX}_"):
            return _program(services, text)
        return _correspondent(services, credentials.by_bearer(node, Channel.TAXII, text, address))
    raise Unverified(_NOBODY)


def _by_certificate(services: Services, certificate: bytes, address: str) -> credentials.Login:
    try:
        spki = credentials.spki_digest(certificate)
    except ComityError as error:
        raise Unverified(_NOBODY) from error
    return credentials.by_certificate(services.node, Channel.TAXII, spki, address)


def _basic(text: str) -> tuple[str, str]:
    """Return user and secret of RFC 7617."""
    try:
        user, _, secret = base64.b64decode(text, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError) as error:
        raise Unverified(_NOBODY) from error
    return user, secret


def _correspondent(services: Services, login: credentials.Login) -> Reader:
    who = login.correspondent
    allowed = who.by(Channel.TAXII)
    return Reader(who, own=False, seeing=services.seeing, may_send=allowed is not None and allowed.send)


def _program(services: Services, text: str) -> Reader:
    node = services.node
    token = tokens.verify(node, text)
    with node.store.read() as unit:
        known = [office.id for office in node.card(unit, node.me).card.offices]
    if token.office not in known:
        raise Misuse(f"{node.me} has no office {token.office!r} any more")
    who = program(f"{node.me}/{token.office}", token)
    return Reader(who, own=True, seeing=services.programs, may_send=token.write)
