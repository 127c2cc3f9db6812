"""Who asks: a correspondent by its key, or a program of this party's own by its token.

Rules: a key stands alone in `Authorization`, as PyMISP and MISP send it. It is of random letters and digits, so that
nothing is hashed slowly, and is verified for each request: what was revoked a moment ago does not hold. Whatever does
not hold is answered in the same words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from comity.errors import Misuse, Unverified
from comity.node import credentials, tokens
from comity.node.actor import Actor
from comity.node.correspondents import Correspondent
from comity.node.programs import program
from comity.node.seeing import Seeing
from comity.node.services import Services
from comity.policy import parse_audience
from comity.vocab import Channel

HEADER_CHARS_MAX: Final = 512
NOBODY: Final = "Authentication failed: no key that holds was shown."
HINT: Final = "the key goes into the Authorization header, as the office gave it to you"


@dataclass(frozen=True, slots=True)
class Reader:
    """Who asks, and what answers it."""

    who: Correspondent
    own: bool  # a program of this party's own
    seeing: Seeing
    may_send: bool
    ident: str  # of the credential

    @property
    def actor(self) -> Actor:
        """Return its office, acting."""
        return Actor(parse_audience(self.who.office)[0], self.who.actor().user)


def admitted(services: Services, authorization: str | None, address: str) -> Reader:
    """Return who asks. Raises `Unverified`."""
    key = (authorization or "").strip(" ")[: HEADER_CHARS_MAX + 1]  # what is cut off is no key that holds
    try:
        if key.startswith(f"{tokens.PREFIX}_"):
            return _program(services, key)
        login = credentials.by_key(services.node, Channel.MISP, key, address)
    except Unverified as error:
        raise Unverified(NOBODY, hint=HINT) from error
    who = login.correspondent
    allowed = who.by(Channel.MISP)
    may_send = allowed is not None and allowed.send
    return Reader(who, own=False, seeing=services.seeing, may_send=may_send, ident=login.credential.id)


def _program(services: Services, text: str) -> Reader:
    node = services.node
    token = tokens.verify(node, text)
    with node.store.read() as unit:
        known = [office.id for office in node.card(unit, node.me).card.offices]
    if token.office not in known:
        raise Misuse(f"{node.me} has no office {token.office!r} any more")
    who = program(f"{node.me}/{token.office}", token)
    return Reader(who, own=True, seeing=services.programs, may_send=token.write, ident=token.name)
