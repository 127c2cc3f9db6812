"""Tokens by which this party's own programs ask its node: made, found by what they show, revoked.

Rules: a token is shown once and kept as its SHA-256 alone. It acts for one office, for one purpose, until one day.
Making and revoking are on record; the last use is known to the hour. Whoever shows a token that is unknown, expired or
revoked learns only that it does not hold.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

import msgspec

from comity import canon
from comity.acts import Standing
from comity.canon import Instant, OfficeId
from comity.errors import Conflict, Misuse, NotFound, Unverified
from comity.limits import TOKEN_DAYS_MAX, TOKENS_MAX
from comity.node import books
from comity.node.actor import Actor
from comity.node.node import Node
from comity.node.ports import Log, Unit, place
from comity.node.releases import Class
from comity.policy import EMPTY, Audience, facts
from comity.policy.case import open_case
from comity.policy.handling import pap, standing
from comity.policy.lawful import exercise
from comity.vocab import Purpose

TOKENS: Final = "token"  # shelf: id -> `Token`
PREFIX: Final = "cmt"
ID_BYTES: Final = 6
SECRET_BYTES: Final = 32
USED_SECONDS: Final = 3_600  # the last use is known as coarsely, and written as rarely
DAY_SECONDS: Final = 86_400
KEPT_SECONDS: Final = 90 * DAY_SECONDS  # a token that holds no more is listed so long
_TOKEN: Final = re.compile(r"cmt_([0-9a-f]{12})_[0-9a-f]{64}")
_SEPARATE: Final = (standing, pap, exercise)  # the rules that bear on what a program of one's own is for


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of a token."""

    id: str
    name: str
    office: OfficeId
    purpose: Purpose
    write: bool  # may put things on record
    digest: str  # SHA-256 of the whole token, in hexadecimal
    created: Instant
    expires: Instant
    by: str
    used: Instant = 0  # to the hour; 0: never
    revoked: Instant = 0  # 0: not

    def holds(self, at: Instant) -> bool:
        """Say whether it may be used."""
        return not self.revoked and at < self.expires

    @property
    def user(self) -> str:
        """Return who acts by it for its office, as records name it."""
        return f"token:{self.name}"


def create(
    node: Node, unit: Unit, actor: Actor, name: str, *, purpose: Purpose, write: bool, days: int
) -> tuple[Token, str]:
    """Make a token for the actor's office; return what is kept of it, and the token, which nobody can show again.

    Raises `Malformed` (the name), `Misuse`, `Conflict` (a token of that name holds still, or there are too many).
    """
    canon.slug(name, what="a token")
    if not 1 <= days <= TOKEN_DAYS_MAX:
        raise Misuse(f"a token holds from 1 to {TOKEN_DAYS_MAX} days (TOKEN_DAYS_MAX)")
    if write and purpose is not Purpose.READ:
        raise Misuse(f"a token for the purpose {purpose.value} only reads", hint="--purpose read --may write")
    now = node.now()
    _forget(unit, now)
    known = _all(unit)
    if any(one.name == name and one.office == actor.office_id and one.holds(now) for one in known):
        raise Conflict(f"a token {name!r} of {actor.office} holds still", hint="`comity token revoke` ends it")
    if len(known) >= TOKENS_MAX:
        raise Conflict(f"there are {TOKENS_MAX} tokens (TOKENS_MAX)", hint="one that ended 90 days ago makes room")
    ident = node.entropy(ID_BYTES).hex()
    text = f"{PREFIX}_{ident}_{node.entropy(SECRET_BYTES).hex()}"
    made = Token(ident, name, actor.office_id, purpose, write, _digest(text), now, now + days * DAY_SECONDS, actor.user)
    unit.documents.put(TOKENS, ident, msgspec.json.encode(made))
    body = {"id": ident, "name": name, "purpose": purpose.value, "write": write, "expires": made.expires}
    books.record(node, unit, actor.office_id, "home.token", body | {"by": actor.user})
    return made, text


def tokens(unit: Unit, office: OfficeId) -> list[Token]:
    """Return an office's tokens, oldest first, with those that ended within the last 90 days or so."""
    return sorted((one for one in _all(unit) if one.office == office), key=lambda one: (one.created, one.id))


def revoke(node: Node, unit: Unit, actor: Actor, name: str) -> Token:
    """End a token of the actor's office, by name or id, from now on. Raises `NotFound`."""
    now = node.now()
    for one in tokens(unit, actor.office_id):
        if name in {one.name, one.id} and one.holds(now):
            ended = msgspec.structs.replace(one, revoked=now)
            unit.documents.put(TOKENS, one.id, msgspec.json.encode(ended))
            body = {"id": one.id, "name": one.name, "revoked": now, "by": actor.user}
            books.record(node, unit, actor.office_id, "home.token", body)
            return ended
    raise NotFound(f"no token {name!r} of {actor.office} holds", hint="`comity token list` shows them")


def verify(node: Node, text: str) -> Token:
    """Return the token that somebody shows, its use noted. Raises `Unverified`, always in the same words."""
    now = node.now()
    found = _TOKEN.fullmatch(text)
    data: bytes | None = None
    if found:
        with node.store.read() as unit:
            data = unit.documents.get(TOKENS, found[1])
    token = msgspec.json.decode(data, type=Token) if data else None
    # Compared also where there is nothing to compare with, so that time tells nobody which ids exist.
    same = hmac.compare_digest(token.digest if token else _digest(""), _digest(text))
    if token is None or not same or not token.holds(now):
        raise Unverified("no token that holds was shown", hint="`comity token create` makes one")
    if token.used + USED_SECONDS <= now:
        token = msgspec.structs.replace(token, used=now - now % USED_SECONDS)
        with node.store.write() as unit:
            unit.documents.put(TOKENS, token.id, msgspec.json.encode(token))
    return token


def serves(node: Node, unit: Unit, actor: Actor, purpose: Purpose, at: int) -> bool:
    """Say whether what stands at a position may be used for a purpose: by its standing, PAP, and if it is no exercise.

    Whether the actor's office may read it at all is asked before, of `Queries`. What is unmarked serves no sensor.
    """
    if purpose is Purpose.READ:
        return True
    log_id, index = place(at)
    (brief,) = unit.entries.brief(log_id, index, index + 1)
    return serves_class(node, unit, actor, purpose, unit.logs.get(log_id), Class(brief.header_id, brief.standing_id))


def serves_class(node: Node, unit: Unit, actor: Actor, purpose: Purpose, log: Log, which: Class) -> bool:
    """Say of a class of statements in a log what `serves` says of one."""
    if purpose is Purpose.READ:
        return True
    header = node.header(unit.entries.header(which.header_id))
    if header.marking is None:
        return False
    acted = msgspec.json.decode(unit.entries.standing(which.standing_id), type=Standing)
    about = facts(header, log.party, accord=canon.parse_origin(log.origin)[1], jurisdiction="")
    case = open_case(about, header.marking, Audience(actor.office, "", purpose=purpose), EMPTY, acted, node.now())
    return all(rule(case).allows for rule in _SEPARATE)


def _all(unit: Unit) -> list[Token]:
    return [msgspec.json.decode(data, type=Token) for _, data in unit.documents.all(TOKENS)]


def _forget(unit: Unit, now: Instant) -> None:
    for one in _all(unit):
        if (one.revoked or one.expires) + KEPT_SECONDS < now:
            unit.documents.delete(TOKENS, one.id)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
