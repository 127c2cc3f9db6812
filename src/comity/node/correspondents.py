"""Correspondents: organisations and persons that take part without a node, each of one office.

Rules: one is registered under terms it accepted, with a ceiling, and has only the channels it was allowed. Suspended,
ended or run out, it is given nothing and nothing of it is taken; what it had stays on record, and what is narrowed is
still told to it. Every change is on the home log; mail addresses and certificates are there as digests alone, because
an erasure could not reach them. An office sees its own correspondents and no others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from comity import canon
from comity.canon import Instant
from comity.errors import Conflict, Malformed, Misuse, NotFound, Refused
from comity.limits import CHANNEL_ADDRESSES_MAX, CHANNEL_CERTIFICATE_BYTES_MAX, CORRESPONDENTS_MAX
from comity.node import books
from comity.node.actor import Actor
from comity.node.node import CARDS, Node
from comity.node.ports import Unit
from comity.policy import Audience, parse_audience
from comity.vocab import Channel, Purpose, Tlp

CORRESPONDENTS: Final = "correspondent"  # shelf: audience name -> `Correspondent`
KIND: Final = "home.correspondent"
ACTIVE: Final = "active"
SUSPENDED: Final = "suspended"
ENDED: Final = "ended"
_NEXT: Final = {ACTIVE: {SUSPENDED, ENDED}, SUSPENDED: {ACTIVE, ENDED}, ENDED: {ACTIVE}}
TITLE_CHARS_MAX: Final = 200  # characters of a full name, and of who accepted


class Accepted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That somebody accepted terms for a correspondent: which text, who, when."""

    digest: str  # SHA-256 of the text, as `canon.digest` writes it
    who: str
    at: Instant


class Allowed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A channel that a correspondent may use, with its settings; certificates are opaque here."""

    channel: Channel
    send: bool = False  # it may send by it, too
    addresses: tuple[str, ...] = ()  # of mail
    pgp: bytes = b""  # OpenPGP certificate
    smime: bytes = b""  # S/MIME certificate

    @property
    def on_record(self) -> dict[str, object]:
        """Return what the home log keeps of it: nothing that names a person."""
        rest = hashlib.sha256(msgspec.json.encode(self)).hexdigest()
        return {"channel": self.channel.value, "send": self.send, "settings": rest}


class Correspondent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An organisation or person without a node, under accepted terms and a ceiling, as an office registered it."""

    office: str  # `<party>/<office>`
    name: str
    jurisdiction: str
    ceiling: str
    client: bool = False
    communities: tuple[str, ...] = ()
    terms: str = ""  # what the terms are called
    title: str = ""  # full name
    individual: bool = False  # a person: TLP:RED reaches it where a marking names it
    state: str = ACTIVE
    until: Instant = 0  # when its terms run out; 0: open end
    accepted: Accepted | None = None
    channels: tuple[Allowed, ...] = ()
    waits: bool = True  # what it sends waits until somebody of the office accepted it
    identities: tuple[str, ...] = ()  # STIX ids of identities that are its own
    party: str = ""  # the party it has become

    @property
    def audience(self) -> str:
        """Return its name as markings and consents write it."""
        return f"{self.office}~{self.name}"

    @property
    def source(self) -> str:
        """Return what the source is called that it is: no other source's name begins with `~`."""
        return f"~{self.name}"

    def active(self, at: Instant) -> bool:
        """Say whether it takes part."""
        return self.state == ACTIVE and (not self.until or at < self.until)

    def by(self, channel: Channel) -> Allowed | None:
        """Return the settings of a channel it may use, or None."""
        return next((one for one in self.channels if one.channel is channel), None)

    def actor(self) -> Actor:
        """Return who acts when it does something: its office, under a name that no user has."""
        return Actor(parse_audience(self.audience)[0], self.source)


def register(node: Node, actor: Actor, correspondent: Correspondent) -> str:
    """Register a correspondent of the actor's office, or put its record anew; return its audience name.

    Raises `Refused` (another office's), `Misuse` or `Malformed` for what it cannot have, `Conflict` for too many.
    """
    name = correspondent.audience
    office, _, short = parse_audience(name)
    if office != actor.office:
        raise Refused(f"{actor.office} registers its own correspondents, not those of {office}")
    if not short:
        raise Misuse("a correspondent has a short name")
    check(correspondent)
    with node.writing() as unit:
        known = unit.documents.get(CORRESPONDENTS, name)
        if known is None and len(unit.documents.all(CORRESPONDENTS, f"{office}~")) >= CORRESPONDENTS_MAX:
            raise Conflict(f"an office has at most {CORRESPONDENTS_MAX} correspondents (CORRESPONDENTS_MAX)")
        put(node, unit, actor, correspondent, "changed" if known else "registered")
    return name


def check(one: Correspondent) -> None:
    """Refuse what no correspondent can be. Raises `Misuse` or `Malformed`."""
    canon.slug(one.name, what="a correspondent")
    if not any(one.ceiling == label.value for label in Tlp):
        raise Misuse(f"{one.ceiling!r} is not a TLP label", hint=", ".join(label.value for label in Tlp))
    if one.state not in _NEXT:
        raise Misuse(f"{one.state!r} is not a state of a correspondent", hint=", ".join(_NEXT))
    for text in (one.title, one.accepted.who if one.accepted else "", one.terms):
        if len(text) > TITLE_CHARS_MAX or not text.isprintable():
            raise Misuse(f"a name or title has at most {TITLE_CHARS_MAX} printable characters on one line")
    for allowed in one.channels:
        if allowed.channel is Channel.FILE:
            raise Misuse("a file is handed over by a person: there is nothing to allow")
        if len(allowed.addresses) > CHANNEL_ADDRESSES_MAX:
            raise Misuse(f"a channel has at most {CHANNEL_ADDRESSES_MAX} addresses (CHANNEL_ADDRESSES_MAX)")
        if max(len(allowed.pgp), len(allowed.smime)) > CHANNEL_CERTIFICATE_BYTES_MAX:
            raise Misuse(f"a certificate has at most {CHANNEL_CERTIFICATE_BYTES_MAX} bytes")
    if len({allowed.channel for allowed in one.channels}) < len(one.channels):
        raise Misuse("a channel is allowed once")


def put(node: Node, unit: Unit, actor: Actor, one: Correspondent, what: str, reason: str = "") -> None:
    """Keep a correspondent's record, and put on the home log what was done to it."""
    unit.documents.put(CORRESPONDENTS, one.audience, msgspec.json.encode(one))
    node.epoch += 1
    body: dict[str, object] = {
        "correspondent": one.audience,
        "what": what,
        "ceiling": one.ceiling,
        "terms": one.terms,
        "state": one.state,
        "channels": [allowed.on_record for allowed in one.channels],
        "by": actor.user,
    }
    if one.accepted is not None:
        body["accepted"] = {"digest": one.accepted.digest, "at": one.accepted.at}
    if reason:
        body["reason"] = reason
    if one.party:
        body["party"] = one.party
    books.record(node, unit, actor.office_id, KIND, body)


def correspondents(unit: Unit, actor: Actor) -> list[Correspondent]:
    """Return the correspondents of the actor's office, by name."""
    found = unit.documents.all(CORRESPONDENTS, f"{actor.office}~")
    return [msgspec.json.decode(data, type=Correspondent) for _, data in found]


def get(unit: Unit, actor: Actor, name: str) -> Correspondent:
    """Return a correspondent of the actor's office, by short or audience name. Raises `NotFound`."""
    found = by_audience(unit, name if "~" in name else f"{actor.office}~{name}")
    if found is None or found.office != str(actor.office):
        # One answer for "none" and "another office's".
        raise NotFound(
            f"{actor.office} has no correspondent {name!r}", hint="`comity party correspondent list` names them"
        )
    return found


def by_audience(unit: Unit, name: str) -> Correspondent | None:
    """Return the correspondent of that audience name, or None."""
    data = unit.documents.get(CORRESPONDENTS, name)
    return None if data is None else msgspec.json.decode(data, type=Correspondent)


def change(node: Node, actor: Actor, name: str, what: str = "changed", **changes: Any) -> Correspondent:
    """Change what is on record of a correspondent of the actor's office; name and office stay. Raises `NotFound`."""
    if {"office", "name", "state", "party"} & set(changes):
        raise Misuse("name, office, state and party are not changed by hand")
    with node.writing() as unit:
        one = msgspec.structs.replace(get(unit, actor, name), **changes)
        check(one)
        put(node, unit, actor, one, what)
        return one


def allow(node: Node, actor: Actor, name: str, allowed: Allowed) -> Correspondent:
    """Allow a correspondent a channel, or change the channel's settings."""
    with node.store.read() as unit:
        known = get(unit, actor, name)
    others = [one for one in known.channels if one.channel is not allowed.channel]
    channels = tuple(sorted([*others, allowed], key=lambda one: one.channel.value))
    return change(node, actor, name, f"allowed {allowed.channel.value}", channels=channels)


def forbid(node: Node, actor: Actor, name: str, channel: Channel) -> Correspondent:
    """Take a channel away. Raises `NotFound` where it had none."""
    with node.store.read() as unit:
        known = get(unit, actor, name)
    if known.by(channel) is None:
        raise NotFound(f"{name} has no channel {channel.value}")
    left = tuple(one for one in known.channels if one.channel is not channel)
    return change(node, actor, name, f"forbade {channel.value}", channels=left)


def accept_terms(node: Node, actor: Actor, name: str, text: bytes, who: str, called: str = "") -> Correspondent:
    """Put on record that somebody accepted this very text of terms for a correspondent."""
    if not who.strip():
        raise Misuse("terms are accepted by somebody", hint="--by 'Head of security, 2026-09-21, by letter'")
    accepted = Accepted(canon.digest(text), who.strip(), node.now())
    changes: dict[str, Any] = {"accepted": accepted} | ({"terms": called} if called else {})
    return change(node, actor, name, "accepted", **changes)


def move(node: Node, actor: Actor, name: str, state: str, reason: str) -> Correspondent:
    """Suspend, resume or end a correspondent. Raises `Conflict` where it is there already, `Misuse` for no state."""
    with node.writing() as unit:
        known = get(unit, actor, name)
        if state not in _NEXT:
            raise Misuse(f"{state!r} is not a state of a correspondent", hint=", ".join(_NEXT))
        if state not in _NEXT[known.state]:
            raise Conflict(f"{known.audience} is {known.state} already")
        moved = msgspec.structs.replace(known, state=state)
        put(node, unit, actor, moved, state, reason)
        return moved


def promote(node: Node, actor: Actor, name: str, party: str) -> Correspondent:
    """Put on record that a correspondent is now a party, whose card is confirmed here. Raises `NotFound`, `Conflict`.

    Everything that belongs to its audience name stays: what it was given, what it sent, its consents. Its channels
    stay, too, until it is ended, so that nothing falls between the two ways.
    """
    with node.writing() as unit:
        known = get(unit, actor, name)
        if unit.documents.get(CARDS, party) is None:
            raise NotFound(f"no confirmed card of {party} is held", hint="`comity party import`, then `confirm`")
        if known.party:
            raise Conflict(f"{known.audience} is on record as {known.party} already")
        if party == node.me:
            raise Misuse("a correspondent does not become this party")
        one = msgspec.structs.replace(known, party=party)
        put(node, unit, actor, one, "promoted")
        return one


def became(unit: Unit, actor: Actor, party: str) -> list[Correspondent]:
    """Return the correspondents of the actor's office that have become a party."""
    return [one for one in correspondents(unit, actor) if one.party == party]


def audience(known: Correspondent, at: Instant, purpose: Purpose = Purpose.READ) -> Audience:
    """Return a correspondent as an audience. Raises `Refused` while it does not take part."""
    if not known.active(at):
        why = known.state if known.state != ACTIVE else "past the end of its terms"
        raise Refused(f"{known.audience} is {why}", hint="`comity party correspondent resume`, or `change --until`")
    return as_audience(known, purpose)


def as_audience(known: Correspondent, purpose: Purpose = Purpose.READ) -> Audience:
    """Return a correspondent as an audience, also while it takes no part: narrowing is told all the same."""
    office, _, short = parse_audience(known.audience)
    return Audience(
        office,
        known.jurisdiction,
        correspondent=short,
        client=known.client,
        individual=known.individual,
        communities=frozenset(known.communities),
        ceiling=Tlp(known.ceiling),
        purpose=purpose,
    )


def channel_of(word: str) -> Channel:
    """Return a channel by its name. Raises `Malformed`."""
    try:
        return Channel(word)
    except ValueError as error:
        names: Sequence[str] = [one.value for one in Channel]
        raise Malformed(f"{word!r} is not a channel", hint=", ".join(names)) from error
