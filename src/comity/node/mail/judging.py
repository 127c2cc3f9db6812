"""Whose letter it is: opened as far as this node's keys reach, its signature held against who it says it is from.

Rules: an address proves nothing. A letter is a correspondent's own where a signature of a key registered for that
correspondent holds on it. One that bears the address of a correspondent who has keys, and no such signature, is never
taken as theirs. What a signature does not cover is not read: only what was inside it. A key that has expired or was
revoked proves nothing either.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from comity.canon import Instant
from comity.errors import ComityError, Malformed, TooLarge, Unverified
from comity.formats.mail import headers, message, protected
from comity.formats.mail.message import Automatic, Message, Protection
from comity.node.correspondents import Correspondent
from comity.node.mail.accounts import Account
from comity.node.mail.ports import Locks, Plain, Sealed, Way
from comity.vocab import Channel

HEAD_BYTES: Final = 65_536  # bytes of a letter in which its sender is looked for
LAYERS_MAX: Final = 3  # a signature around a ciphertext around a signature
_WAYS: Final = {
    Protection.PGP_ENCRYPTED: Way.PGP,
    Protection.PGP_SIGNED: Way.PGP,
    Protection.SMIME_ENCRYPTED: Way.SMIME,
    Protection.SMIME_SIGNED: Way.SMIME,
}
_DETACHED: Final = "multipart/signed"


class Claim(StrEnum):
    """How far it is shown who wrote a letter."""

    PROVEN = "proven"  # a signature by a key of the correspondent whose address it bears
    UNKEYED = "unkeyed"  # the address of a correspondent who has no key here: nothing shows it
    FORGED = "forged"  # the address of a correspondent who has keys, and no signature of theirs
    UNKNOWN = "unknown"  # of nobody who is registered
    OWN = "own"  # of this node itself


class Judged(NamedTuple):
    """A letter opened, and whose it is."""

    outer: Message  # as it came
    inner: Message  # what it says, where it could be opened; else `outer`
    content: bytes  # of `inner`, with the outer fields, as a reader takes it
    signed: bytes  # what the signature covers; empty without one
    claim: Claim
    who: Correspondent | None
    signer: str
    why: str
    unread: str  # why it could not be opened; empty where it was


def judge(
    account: Account, known: list[Correspondent], own: frozenset[str], data: bytes, locks: Locks, now: Instant
) -> Judged:
    """Open a letter and say whose it is. `known`: the office's correspondents; `own`: this node's own addresses.

    Raises `Malformed` or `TooLarge` for what is no letter that can be read.
    """
    outer = message.read(data)
    who = _claimed(outer, known)
    certificates, keys_wrong = _certificates(who, locks, now)
    plain, unread = _opened(account, data, outer, certificates, locks)
    content = data if plain.content == data else protected.within(data, plain.content)
    inner = outer if content is data else _read(content, outer)
    why = unread or plain.why
    if _is_own(outer, own):
        claim = Claim.OWN
    elif who is None:
        claim, why = Claim.UNKNOWN, why or _unknown(outer)
    elif plain.signer:
        claim = Claim.PROVEN
    elif not _has_keys(who):
        claim, why = Claim.UNKEYED, why or f"no key of {who.name} is registered: nothing shows that it wrote this"
    else:
        claim = Claim.FORGED
        why = keys_wrong or why or f"it is not signed, and {who.name} has a key: anybody can write an address"
    signer = plain.signer if claim is Claim.PROVEN else ""
    signed = plain.content if signer else b""
    return Judged(outer, inner, content, signed, claim, who, signer, why, unread)


def bears_known_address(data: bytes, known: list[Correspondent]) -> bool:
    """Say whether a letter bears the address of a correspondent, which proves nothing."""
    try:
        return _claimed(message.read(data[:HEAD_BYTES]), known) is not None
    except (Malformed, TooLarge):
        return False


def is_answer_of_program(found: Message) -> bool:
    """Say whether a program wrote it in answer to something, as RFC 3834 has it: what programs report is no answer."""
    said = headers.first(found.fields, "auto-submitted").partition(";")[0].strip().lower()
    return found.automatic is Automatic.REPLY and (said not in {"auto-generated", "auto-notified"} or _answers(found))


def _answers(found: Message) -> bool:
    return bool(headers.first(found.fields, "in-reply-to"))


def _claimed(outer: Message, known: list[Correspondent]) -> Correspondent | None:
    """Return the correspondent whose address stands as the only sender, or None."""
    if len(outer.senders) != 1:
        return None
    address = outer.senders[0].address.lower()
    for one in known:
        allowed = one.by(Channel.MAIL)
        if allowed is not None and any(address == mine.lower() for mine in allowed.addresses):
            return one
    return None


def _unknown(outer: Message) -> str:
    if len(outer.senders) > 1:
        return "it names several senders: it is nobody's own"
    return "its sender is no correspondent of this office" if outer.senders else "it names no sender that can be read"


def _is_own(outer: Message, own: frozenset[str]) -> bool:
    return any(value.strip().lower() in own for value in headers.every(outer.fields, "x-loop")) or any(
        one.address.lower() in own for one in outer.senders
    )


def _has_keys(who: Correspondent) -> bool:
    allowed = who.by(Channel.MAIL)
    return allowed is not None and bool(allowed.pgp or allowed.smime)


def _certificates(who: Correspondent | None, locks: Locks, now: Instant) -> tuple[dict[Way, list[bytes]], str]:
    """Return the correspondent's certificates that may prove something now, and what is wrong with the others."""
    found: dict[Way, list[bytes]] = {Way.PGP: [], Way.SMIME: []}
    wrong: list[str] = []
    allowed = who.by(Channel.MAIL) if who is not None else None
    for way, data in ((Way.PGP, allowed.pgp), (Way.SMIME, allowed.smime)) if allowed is not None else ():
        if not data:
            continue
        try:
            described = locks.describe(way, data)
        except ComityError as error:
            wrong.append(f"its registered {way} key cannot be read: {error}")
            continue
        if described.expires is not None and described.expires <= now:
            wrong.append(f"its registered {way} key has expired: ask for the new one")
        elif "revoked" in described.wrong:
            wrong.append(f"its registered {way} key was revoked: ask for the new one")
        else:
            found[way].append(data)
    return found, "; ".join(wrong) if not any(found.values()) else ""


def _opened(
    account: Account, data: bytes, outer: Message, certificates: dict[Way, list[bytes]], locks: Locks
) -> tuple[Plain, str]:
    """Undo what protects a letter, layer by layer; return what was inside, and why not all of it could be undone."""
    at = Plain(data)
    found = outer
    signer, why, encrypted = "", "", False
    for _ in range(LAYERS_MAX):
        if found.protection is Protection.NONE:
            break
        try:
            plain = _layer(account, at.content, found, certificates, locks)
        except (Malformed, Unverified, TooLarge) as error:
            return Plain(at.content, signer, why or str(error), encrypted), str(error)
        signer, why, encrypted = plain.signer or signer, plain.why, encrypted or plain.encrypted
        at = plain
        found = _read(protected.within(data, at.content), found)
    return Plain(at.content, signer, "" if signer else why, encrypted), ""


def _layer(account: Account, data: bytes, found: Message, certificates: dict[Way, list[bytes]], locks: Locks) -> Plain:
    if found.protection is Protection.PGP_INLINE:
        return _inline(account, found, certificates, locks)
    way = _WAYS[found.protection]
    if found.protection in {Protection.PGP_SIGNED, Protection.SMIME_SIGNED} and _is_detached(found):
        cut = protected.signed(data)
        sealed = Sealed(way, cut.content, cut.signature)
    else:
        sealed = Sealed(way, protected.encrypted(data))
    return locks.open(account, sealed, certificates[way])


def _is_detached(found: Message) -> bool:
    return headers.first(found.fields, "content-type").lower().startswith(_DETACHED)


def _inline(account: Account, found: Message, certificates: dict[Way, list[bytes]], locks: Locks) -> Plain:
    """Open armour that stands in the text: only what is inside it is read, and only the first of several."""
    pieces = protected.armoured(found.text)
    if not pieces:
        raise Malformed("OpenPGP armour that does not end")
    plain = locks.open(account, Sealed(Way.PGP, pieces[0].encode()), certificates[Way.PGP])
    head = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    return plain._replace(content=head + plain.content)


def _read(content: bytes, otherwise: Message) -> Message:
    try:
        return message.read(content)
    except (Malformed, TooLarge):
        return otherwise
