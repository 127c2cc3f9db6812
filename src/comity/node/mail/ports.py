"""What mail needs of the world: a box to fetch from, a server that sends, keys that open and protect.

Rules: nothing here decides anything. A box and a post raise `Unreachable`, `Unverified` or `Refused` for what their
server does; what a letter does is said in values, for one bad letter stops none behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from comity.canon import Instant
from comity.node.mail.accounts import Account


class Listed(NamedTuple):
    """A letter that lies in a box."""

    uid: int
    size: int  # bytes, as the server says


class Fetched(NamedTuple):
    """A letter as it came; of one over MAIL_BYTES_MAX only the beginning, and `whole` says so."""

    uid: int
    data: bytes
    whole: bool


class Box(Protocol):
    """One folder of one mailbox (IMAP4rev1)."""

    def select(self) -> int:
        """Open the folder; return its UIDVALIDITY (RFC 3501 §2.3.1.1)."""

    def listed(self, after: int) -> Sequence[Listed]:
        """Return what has a UID above `after`, ascending."""

    def fetch(self, wanted: Sequence[Listed]) -> Sequence[Fetched]:
        """Return letters without marking them; those that are gone meanwhile are left out."""

    def mark(self, uids: Sequence[int]) -> None:
        """Mark letters as seen."""

    def close(self) -> None:
        """Say goodbye."""


class Took(NamedTuple):
    """What a server said of one address: the code of RFC 5321, 250 where it took it."""

    code: int
    words: str


class Later(Exception):
    """The cause of an `Unreachable`: the server will not have this message now, and may have others."""


class Post(Protocol):
    """A server that takes messages on (RFC 6409)."""

    def send(self, sender: str, to: Sequence[str], data: bytes) -> dict[str, Took]:
        """Hand a message over; return what was said of each address. Raises `Unreachable` where it may be tried again.

        Raises `Refused` where the server will not have this message whenever it is asked.
        """

    def close(self) -> None:
        """Say goodbye."""


class Way(StrEnum):
    """A standard by which mail is protected."""

    PGP = "pgp"  # OpenPGP, PGP/MIME
    SMIME = "smime"  # CMS, S/MIME


class Sealed(NamedTuple):
    """Something that is signed or encrypted, cut out of a letter."""

    way: Way
    data: bytes  # ciphertext, or what is signed
    signature: bytes = b""  # detached, over `data`; empty: `data` is encrypted or signed as a whole


class Plain(NamedTuple):
    """What was inside, and whose signature holds on it."""

    content: bytes
    signer: str = ""  # fingerprint, among the certificates that were given; empty: none of theirs
    why: str = ""  # why there is no signer, in words
    encrypted: bool = False


class Described(NamedTuple):
    """What a certificate says of itself."""

    fingerprint: str
    users: tuple[str, ...]
    expires: Instant | None
    wrong: str = ""  # why it serves nobody now: expired, revoked, cannot encrypt


class Own(NamedTuple):
    """A key of this node's own by which it signs and reads mail."""

    way: Way
    described: Described
    certificate: bytes  # armour or PEM


class Locks(Protocol):
    """Keys at work. Private keys stay where they lie."""

    def own(self, account: Account) -> tuple[Own, ...]:
        """Return the account's keys. Raises `Fault` for one that cannot be read."""

    def describe(self, way: Way, certificate: bytes) -> Described:
        """Return what a certificate says. Raises `Malformed` where it is none, or holds a private key."""

    def open(self, account: Account, sealed: Sealed, certificates: Sequence[bytes]) -> Plain:
        """Decrypt what is encrypted, and check signatures against these certificates alone.

        Raises `Unverified` where no key of ours opens it, `Malformed`, and `TooLarge` for what unfolds beyond bounds.
        """

    def sign(self, account: Account, way: Way, entity: bytes, ident: str) -> bytes:
        """Return a MIME entity that is signed in the clear. Raises `Fault`."""

    def encrypt(self, account: Account, way: Way, entity: bytes, certificate: bytes, ident: str) -> bytes:
        """Return a MIME entity, signed by the account's key of that kind if it has one, and encrypted.

        It is encrypted for the certificate, and for the account itself. Raises `Unverified` where that cannot be.
        """
