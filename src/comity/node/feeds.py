"""Lists that sensors fetch by themselves: what each is made of, for whom, and when it has changed.

Rules: an address is a secret of 256 bits of which only the digest is kept; who has it gets one list and nothing else.
The list is decided anew for its audience whenever anything that could bear on it has changed, and at least every hour,
because validity runs out; until then its tag stays, and asking costs nothing.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final

import msgspec

from comity.canon import Instant, OfficeId
from comity.errors import Conflict, Misuse, NotFound
from comity.node import books
from comity.node.actor import Actor
from comity.node.correspondents import CORRESPONDENTS
from comity.node.feeding import Sieve
from comity.node.node import Node
from comity.node.ports import Unit

FEEDS: Final = "feed"  # shelf: digest of the secret -> Feed
SECRET_BYTES: Final = 32
NAME_CHARS_MAX: Final = 64
FEEDS_MAX: Final = 1_000  # of one office
EDITION_SECONDS: Final = 3_600  # after which a list is made anew though nothing changed: validity runs out
USER: Final = "feed:"  # what begins the name of who acts when a list is fetched
FEED_KIND: Final = "home.feed"


class Feed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One list, as it is kept."""

    name: str
    office: OfficeId
    to: str  # the audience: a correspondent or an office
    purpose: str
    form: str
    source: str
    type: str
    sieve: Sieve
    digest: str  # SHA-256 of the secret, in hexadecimal
    created: Instant
    by: str
    address: str = ""  # of this node as fetchers see it; forms that name their own files need it

    @property
    def user(self) -> str:
        """Return who acts when it is fetched, as records name it."""
        return f"{USER}{self.name}"


def create(node: Node, unit: Unit, actor: Actor, feed: Feed) -> tuple[Feed, str]:
    """Keep a list under a new secret, on record; return it and the secret, which is shown this once."""
    name = feed.name
    if not name or len(name) > NAME_CHARS_MAX or not all(char.isalnum() or char in "-_" for char in name):
        raise Misuse(f"a list has a name of 1 to {NAME_CHARS_MAX} letters, digits, - and _")
    others = feeds(unit, actor.office_id)
    if any(one.name == name for one in others):
        raise Conflict(f"there is a list {name!r} already", hint="`comity feed revoke` ends it")
    if len(others) >= FEEDS_MAX:
        raise Conflict(f"an office has at most {FEEDS_MAX} lists (FEEDS_MAX)")
    secret = base64.urlsafe_b64encode(node.entropy(SECRET_BYTES)).decode().rstrip("=")
    made = msgspec.structs.replace(feed, digest=_digest(secret), created=node.now(), office=actor.office_id)
    unit.documents.put(FEEDS, made.digest, msgspec.json.encode(made))
    _record(node, unit, actor, made, "created")
    return made, secret


def feeds(unit: Unit, office: OfficeId) -> list[Feed]:
    """Return an office's lists, by name."""
    return sorted((one for one in every(unit) if one.office == office), key=lambda one: one.name)


def every(unit: Unit) -> list[Feed]:
    """Return the lists of every office."""
    return [msgspec.json.decode(data, type=Feed) for _, data in unit.documents.all(FEEDS)]


def revoke(node: Node, unit: Unit, actor: Actor, name: str) -> Feed:
    """End a list of the actor's office: its address answers nobody from now on. Raises `NotFound`."""
    for one in feeds(unit, actor.office_id):
        if one.name == name:
            unit.documents.delete(FEEDS, one.digest)
            _record(node, unit, actor, one, "revoked")
            return one
    raise NotFound(f"there is no list {name!r}", hint="`comity feed list` has all")


def by_secret(unit: Unit, secret: str) -> Feed:
    """Return the list whose address has this secret. Raises `NotFound`, the same for what never was and what ended."""
    data = unit.documents.get(FEEDS, _digest(secret))
    if data is None:
        raise NotFound("there is no such list", hint="the address is mistyped, or it was revoked")
    return msgspec.json.decode(data, type=Feed)


def definition(feed: Feed, version: str) -> bytes:
    """Return what makes a list's file what it is, beside what it holds."""
    return msgspec.json.encode([version, feed])


def tag(unit: Unit, feed: Feed, at: Instant) -> str:
    """Return what changes whenever the list may: a log's size, the register, its definition, the hour."""
    told = hashlib.sha256(msgspec.json.encode(feed))
    told.update(str(at // EDITION_SECONDS).encode())
    for log in unit.logs.all():
        told.update(f"\n{log.origin} {log.size} {log.state}".encode())
    told.update(unit.documents.get(CORRESPONDENTS, feed.to) or b"")
    return told.hexdigest()[:32]


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _record(node: Node, unit: Unit, actor: Actor, feed: Feed, what: str) -> None:
    body = {"what": what, "name": feed.name, "to": feed.to, "form": feed.form, "by": actor.user}
    books.record(node, unit, actor.office_id, FEED_KIND, body)
