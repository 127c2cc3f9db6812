"""Letters: what came by mail, kept byte for byte before anything is made of it, and what became of each.

Rules: a letter's bytes and how far its box was read are kept in one unit of work, so that each is taken once, whatever
breaks off. The same bytes in the same account are one letter. Letters that wait for a person are bounded, and so are
those of strangers apart from them: what there is no room for stays in the box, counted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

import msgspec

from comity.canon import Instant, OfficeId
from comity.errors import Conflict, NotFound, Theirs
from comity.formats.mail import message
from comity.limits import LETTER_DAYS, LETTERS_WAITING_BYTES_MAX, LETTERS_WAITING_MAX
from comity.node import books
from comity.node.actor import Actor
from comity.node.mail.accounts import Account
from comity.node.node import Node
from comity.node.ports import Unit

OPEN: Final = "letter"  # shelf: `<office> <id>` -> `Letter` that somebody or something is still to look at
SETTLED: Final = "letter-settled"  # shelf: `<office> <id>` -> `Letter`
RAW: Final = "letter-raw"  # shelf: id -> its bytes as they came
KNOWN: Final = "letter-known"  # shelf: `<office> <account> <digest>` -> id
CONTENT: Final = "letter-content"  # shelf: `<audience> <digest>` -> id: what was signed, without its envelope
KIND: Final = "home.letter"
ID_BYTES: Final = 8
DAY: Final = 86_400

NEW: Final = "new"  # kept, and not judged yet
WAITING: Final = "waiting"  # for a person
ASKED: Final = "asked"  # a request that nobody has answered
TAKEN: Final = "taken"  # went on as its sender's
ANSWERED: Final = "answered"
NOTED: Final = "noted"  # a bounce, a program's answer, a copy: nothing is to be done
ACCEPTED: Final = "accepted"  # by a person
REFUSED: Final = "refused"
STATES_OPEN: Final = frozenset({NEW, WAITING, ASKED})


class Letter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One letter, and what is known of it. What it says of itself proves nothing."""

    id: str
    office: str
    account: str
    at: Instant
    bytes: int
    digest: str  # SHA-256 of its bytes in hexadecimal
    state: str = NEW
    sort: str = ""  # report, request, reply, bounce, automatic, loop, copy; empty where nobody can tell
    ident: str = ""  # Message-ID
    sender: str = ""  # address, as it says
    subject: str = ""
    label: str = ""  # strictest TLP label that it bears
    pap: str = ""
    protection: str = ""  # how it came, see `formats.mail.message.Protection`
    claim: str = ""  # see `judging.Claim`
    claims: str = ""  # audience of the correspondent whose address it bears
    signer: str = ""  # fingerprint of the key whose signature holds
    why: str = ""  # in words
    ticket: str = ""
    references: tuple[str, ...] = ()
    submissions: tuple[str, ...] = ()
    done: tuple[str, ...] = ()  # parts that went on
    notes: tuple[str, ...] = ()  # what was left in it, and why
    by: str = ""
    settled: Instant = 0
    reason: str = ""

    @property
    def key(self) -> str:
        """Return where it is kept."""
        return f"{self.office} {self.id}"

    @property
    def proven(self) -> bool:
        """Say whether a registered key's signature holds on it."""
        return bool(self.signer)


def known(unit: Unit, account: Account, data: bytes) -> bool:
    """Say whether these bytes came to this account already."""
    return unit.documents.get(KNOWN, _known(account, hashlib.sha256(data).hexdigest())) is not None


def _known(account: Account, digest: str) -> str:
    return f"{account.key} {digest}"


def keep(node: Node, unit: Unit, account: Account, data: bytes) -> Letter:
    """Keep a letter as it came."""
    digest = hashlib.sha256(data).hexdigest()
    one = Letter(node.entropy(ID_BYTES).hex(), account.office, account.name, node.now(), len(data), digest)
    unit.documents.put(RAW, one.id, data)
    unit.documents.put(KNOWN, _known(account, digest), one.id.encode())
    unit.documents.put(OPEN, one.key, msgspec.json.encode(one))
    return one


def put(node: Node, unit: Unit, one: Letter, actor: Actor | None = None) -> Letter:
    """Keep what became of a letter; on record where it is settled."""
    if one.state in STATES_OPEN:
        unit.documents.put(OPEN, one.key, msgspec.json.encode(one))
        return one
    one = msgspec.structs.replace(one, settled=one.settled or node.now(), by=one.by or (actor.user if actor else ""))
    unit.documents.delete(OPEN, one.key)
    unit.documents.put(SETTLED, one.key, msgspec.json.encode(one))
    body: dict[str, object] = {
        "id": one.id,
        "account": one.account,
        "digest": one.digest,
        "bytes": one.bytes,
        "state": one.state,
    }
    body |= {"sort": one.sort, "claim": one.claim, "from": one.claims, "signer": one.signer, "by": one.by}
    body |= {"submissions": list(one.submissions), "reason": one.reason, "ticket": one.ticket}
    books.record(node, unit, OfficeId(one.office), KIND, body)
    return one


def letters(unit: Unit, office: str, *, open_: bool = True) -> list[Letter]:
    """Return an office's letters that are open, or those that are settled; the oldest first."""
    shelf = OPEN if open_ else SETTLED
    found = [msgspec.json.decode(data, type=Letter) for _, data in unit.documents.all(shelf, f"{office} ")]
    return sorted(found, key=lambda one: (one.at, one.id))


def get(unit: Unit, actor: Actor, ident: str) -> Letter:
    """Return a letter to the actor's office, by id. Raises `NotFound`."""
    for shelf in (OPEN, SETTLED):
        data = unit.documents.get(shelf, f"{actor.office_id} {ident}")
        if data is not None:
            return msgspec.json.decode(data, type=Letter)
    raise NotFound(f"no letter to {actor.office} is called {ident!r}", hint="`comity mail inbox --all` names them")


def waiting(unit: Unit, actor: Actor, ident: str) -> Letter:
    """Return a letter that waits or asks. Raises `NotFound`, `Conflict` where it is settled."""
    one = get(unit, actor, ident)
    if one.state not in {WAITING, ASKED}:
        raise Conflict(f"{ident} is {one.state} already" + (f", by {one.by}" if one.by else ""))
    return one


def raw(unit: Unit, one: Letter) -> bytes:
    """Return a letter as it came. Raises `NotFound` where it is not kept any more."""
    data = unit.documents.get(RAW, one.id)
    if data is None:
        raise NotFound(f"the bytes of {one.id} are not kept any more", hint="the mail server's own archive may have it")
    return data


class Room:
    """How much room there is for letters that wait; a quarter of it is for those that bear a known address."""

    def __init__(self, unit: Unit, office: str) -> None:
        waits = letters(unit, office)
        self._letters = LETTERS_WAITING_MAX - len(waits)
        self._bytes = LETTERS_WAITING_BYTES_MAX - sum(one.bytes for one in waits)

    def take(self, size: int, is_known: Callable[[], bool]) -> bool:
        """Take room for one more letter; False where there is none."""
        if self._letters < 1 or self._bytes < size:
            return False
        scarce = self._letters <= LETTERS_WAITING_MAX // 4 or self._bytes - size < LETTERS_WAITING_BYTES_MAX // 4
        if scarce and not is_known():
            return False
        self._letters -= 1
        self._bytes -= size
        return True


def described(one: Letter, beginning: bytes) -> Letter:
    """Return a letter of which only the beginning was fetched, with what its fields say."""
    try:
        found = message.read(beginning)
    except Theirs:
        return one
    sender = found.senders[0].address if len(found.senders) == 1 else ""
    return msgspec.structs.replace(one, sender=sender, subject=found.subject[:500], ident=found.ident)


def seen_content(unit: Unit, audience: str, content: bytes) -> bool:
    """Say whether this very content came from a correspondent before, in whatever envelope."""
    return unit.documents.get(CONTENT, f"{audience} {hashlib.sha256(content).hexdigest()}") is not None


def note_content(unit: Unit, audience: str, content: bytes, one: Letter) -> None:
    """Note that this content came."""
    unit.documents.put(CONTENT, f"{audience} {hashlib.sha256(content).hexdigest()}", one.id.encode())


def forget_old(node: Node, unit: Unit, office: str) -> int:
    """Forget the bytes and records of letters that were settled over LETTER_DAYS ago; return how many."""
    old = [one for one in letters(unit, office, open_=False) if one.settled + LETTER_DAYS * DAY < node.now()]
    for one in old:
        unit.documents.delete(RAW, one.id)
        unit.documents.delete(SETTLED, one.key)
    return len(old)


def troubles(node: Node, unit: Unit) -> list[tuple[str, str]]:
    """Return what waits too long, by office and without naming who wrote."""
    old: dict[str, int] = {}
    for _, data in unit.documents.all(OPEN):
        one = msgspec.json.decode(data, type=Letter)
        if one.at + DAY < node.now():
            old[one.office] = old.get(one.office, 0) + 1
    return [
        (f"{count} letters wait for {office} for over a day", "`comity mail inbox`") for office, count in old.items()
    ]
