"""Mail: accounts, letters that came, messages that go."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.surfaces.cli.verbs import Ask, Done, Nothing, Verb
from comity.surfaces.cli.verbs.release import Choice


class ServerSaid(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A mail server, as people name it."""

    host: str
    port: int
    security: str = "tls"
    login: str = ""
    certificate: str = ""


class Setup(Ask, frozen=True):
    """A mail account to set up or change."""

    name: str
    address: str
    smtp: ServerSaid
    imap: ServerSaid | None = None
    folder: str = "INBOX"
    display: str = ""
    prefix: str = "COMITY"
    link: str = ""
    every: int = 60
    enabled: bool = True


class Named(Ask, frozen=True):
    """An account by name; without one the office's only account."""

    account: str = ""


class Key(Ask, frozen=True):
    """An account's keys: shown, or with `data` one of them imported."""

    account: str = ""
    way: str = "pgp"
    data: bytes = b""


class Letters(Ask, frozen=True):
    """Letters that wait, or with `all` those of the last 90 days too."""

    all: bool = False


class LetterNamed(Ask, frozen=True):
    """One letter, by id; with `part` the bytes of that file in it, with `raw` its own."""

    id: str
    part: str = ""
    raw: bool = False


class Accept(Ask, frozen=True):
    """A letter that is taken in: as a correspondent's, or under a source."""

    id: str
    reason: str
    sender: str = ""
    source: str = ""


class Refuse(Ask, frozen=True):
    """A letter that is refused."""

    id: str
    reason: str


class Send(Ask, frozen=True):
    """A message to correspondents: a text, objects, or both."""

    to: tuple[str, ...] = ()
    letter: str = ""  # that it answers; then `to` is whoever wrote it
    account: str = ""
    about: str = ""
    text: str = ""
    tlp: str = ""
    choice: Choice = Choice()


class Messages(Ask, frozen=True):
    """Messages that are to go, or with `all` those of the last 90 days too."""

    all: bool = False


class Again(Ask, frozen=True):
    """A message to send once more, or with a reason to take back."""

    id: str
    reason: str = ""


class Digest(Ask, frozen=True):
    """Digests to a correspondent from now on; `every` 0 ends them."""

    name: str = ""
    every: int = 0
    account: str = ""
    end: bool = False


class KeyShown(msgspec.Struct, frozen=True):
    """A key: whose, how known, until when."""

    way: str
    fingerprint: str
    users: tuple[str, ...]
    expires: int
    wrong: str
    certificate: bytes = b""


class KeyOf(msgspec.Struct, frozen=True):
    """A correspondent's key, or that it has none."""

    audience: str
    key: KeyShown


class KeysShown(msgspec.Struct, frozen=True):
    """The keys of an office's correspondents that have mail."""

    keys: tuple[KeyOf, ...]


class HealthShown(msgspec.Struct, frozen=True):
    """How fetching or sending does; times are 0 for never."""

    what: str
    attempt: int
    success: int
    due: int
    failures: int
    error: str
    whose: str


class AccountShown(msgspec.Struct, frozen=True):
    """A mail account, and how it does."""

    name: str
    office: str
    address: str
    display: str
    imap: str
    folder: str
    smtp: str
    prefix: str
    link: str
    every: int
    enabled: bool
    keys: tuple[KeyShown, ...]
    health: tuple[HealthShown, ...]
    left: int  # letters that stay on the server for want of room


class AccountsShown(msgspec.Struct, frozen=True):
    """The mail accounts of the asking office."""

    accounts: tuple[AccountShown, ...]


class CheckedShown(msgspec.Struct, frozen=True):
    """What is wrong with an account: (grave, what, advice); nothing where all of it works."""

    account: str
    wrong: tuple[tuple[bool, str, str], ...]


class FetchedShown(msgspec.Struct, frozen=True):
    """What a fetch brought."""

    account: str
    came: int
    known: int
    left: int
    more: bool
    states: dict[str, int]
    sorts: dict[str, int]
    error: str
    whose: str
    exit_code: int


class SentShown(msgspec.Struct, frozen=True):
    """What a run of sending did, by state."""

    account: str
    states: dict[str, int]
    error: str
    whose: str
    exit_code: int


class LetterShown(msgspec.Struct, frozen=True):
    """What is known of one letter. What it says of itself proves nothing."""

    id: str
    account: str
    at: int
    bytes: int
    state: str
    sort: str
    sender: str
    subject: str
    label: str
    pap: str
    protection: str
    claim: str
    claims: str
    signer: str
    why: str
    ticket: str
    submissions: tuple[str, ...]
    notes: tuple[str, ...]
    by: str
    settled: int
    reason: str


class LettersShown(msgspec.Struct, frozen=True):
    """Letters, the oldest first."""

    letters: tuple[LetterShown, ...]


class FileShown(msgspec.Struct, frozen=True):
    """A file in a letter: never opened here."""

    path: str
    name: str
    media: str
    bytes: int


class LetterOpened(msgspec.Struct, frozen=True):
    """A letter with what it says, where its bytes are still kept and can be read."""

    letter: LetterShown
    text: str
    files: tuple[FileShown, ...]
    data: bytes = b""


class MessageShown(msgspec.Struct, frozen=True):
    """A message, in exactly one state."""

    id: str
    account: str
    to: str
    sort: str
    about: str
    tlp: str
    label: str
    ticket: str
    at: int
    by: str
    state: str
    due: int
    attempts: int
    why: str
    sent: int
    protected: str
    signer: str
    objects: int
    withheld: int
    addresses: tuple[str, ...]
    notes: tuple[str, ...]
    letter: str


class MessagesShown(msgspec.Struct, frozen=True):
    """Messages; and for whom there is none, with the reason."""

    messages: tuple[MessageShown, ...]
    refused: tuple[tuple[str, str], ...] = ()


class DigestShown(msgspec.Struct, frozen=True):
    """A schedule of digests."""

    audience: str
    account: str
    every: int
    due: int
    why: str


class DigestsShown(msgspec.Struct, frozen=True):
    """The office's schedules of digests."""

    digests: tuple[DigestShown, ...]


SETUP: Final = Verb("mail/setup", Setup, AccountShown, signs=True)
REMOVE: Final = Verb("mail/remove", Named, Done, signs=True)
SHOW: Final = Verb("mail/show", Named, AccountsShown)
KEY: Final = Verb("mail/key", Key, AccountShown)
KEYS: Final = Verb("mail/keys", Nothing, KeysShown)
CHECK: Final = Verb("mail/check", Named, CheckedShown)
FETCH: Final = Verb("mail/fetch", Named, FetchedShown, signs=True)
FLUSH: Final = Verb("mail/flush", Named, SentShown, signs=True)
INBOX: Final = Verb("mail/inbox", Letters, LettersShown)
READ: Final = Verb("mail/read", LetterNamed, LetterOpened)
ACCEPT: Final = Verb("mail/accept", Accept, LetterShown, signs=True)
REFUSE: Final = Verb("mail/refuse", Refuse, LetterShown, signs=True)
SEND: Final = Verb("mail/send", Send, MessagesShown, signs=True)
OUTBOX: Final = Verb("mail/outbox", Messages, MessagesShown)
AGAIN: Final = Verb("mail/again", Again, MessageShown, signs=True)
CANCEL: Final = Verb("mail/cancel", Again, MessageShown, signs=True)
DIGEST: Final = Verb("mail/digest", Digest, DigestsShown, signs=True)
