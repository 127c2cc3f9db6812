"""What an operation has at hand: a composed node, the way to its peers, the party's keys.

Rules: `boot` makes a desk and runs operations at it one at a time; an operation that goes on for long lets
others have their turn between two units of work, never inside one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from comity.canon import Instant, PartyId
from comity.errors import Misuse
from comity.formats.stix.leads import Reader
from comity.node.actor import Actor
from comity.node.catalogues import Catalogues
from comity.node.delivering import Delivered, Way
from comity.node.doctor import Ailment
from comity.node.importing import Readers
from comity.node.ingest import Source
from comity.node.mail.accounts import Account
from comity.node.mail.fetching import Fetching
from comity.node.mail.ports import Locks
from comity.node.mail.ports import Way as Protection
from comity.node.mail.sending import Sending, Sendings
from comity.node.mail.taking import Taking
from comity.node.mail.telling import Telling
from comity.node.neighbours import Neighbour
from comity.node.polling import Polled
from comity.node.ports import Unit, Wire
from comity.node.services import Services
from comity.node.sidecar_rounds import Result
from comity.node.sidecars import Sidecar
from comity.node.tries import Tried
from comity.node.warnings import WarningLists
from comity.party import OfficeRef, SignedCard
from comity.surfaces.cli.verbs import A, Ask, R, Verb

OPENPGP_RENEWAL: Final = (
    "set keys/openpgp.asc aside: the next export makes a new key, which those who check have to be told of"
)


class Keyring(Protocol):
    """This party's private keys, used where they lie."""

    def root(self) -> Ed25519PrivateKey:
        """Return the root key. Raises `NotFound` where it is kept elsewhere."""

    def renewed(self, card: SignedCard, which: str, *, stolen: bool, at: Instant) -> SignedCard:
        """Make a new key beside the one in use; return the signed card that names it."""

    def replace(self, card: SignedCard) -> None:
        """Use the keys that the card in force names from now on; set the ones before aside."""


class OpenPgp(Protocol):
    """This party's OpenPGP key, made when it is first needed."""

    def certificate(self) -> bytes:
        """Return the public certificate in armour."""

    def fingerprint(self) -> str:
        """Return the certificate's fingerprint in hexadecimal."""

    def sign(self, data: bytes) -> bytes:
        """Return an armoured detached signature. Raises `Fault` for a key that signs no more."""

    def expires(self) -> Instant | None:
        """Return when the key expires; None where there is none yet, or it never does. Raises `Fault`, `Misuse`."""


class Mail(Protocol):
    """Mail of this node: accounts fetched and sent by, keys at work."""

    @property
    def locks(self) -> Locks:
        """Return the keys."""

    @property
    def taking(self) -> Taking:
        """Return what takes letters."""

    @property
    def sending(self) -> Sending:
        """Return what sends messages."""

    @property
    def telling(self) -> Telling:
        """Return what queues messages that nobody asks for each time."""

    def fetch(self, account: Account) -> Fetching:
        """Fetch what is new. Raises `Conflict` where that is under way."""

    def send(self, account: Account) -> Sendings:
        """Send what is due. Raises `Conflict` where that is under way."""

    def check(self, account: Account) -> list[Ailment]:
        """Try an account's logins and look at its keys; return what is wrong."""

    def keys(self, account: Account) -> list[Ailment]:
        """Return what is wrong with an account's own keys, or soon will be."""

    def correspondents_keys(self, office: str) -> list[Ailment]:
        """Return which keys of an office's correspondents serve no more, or soon will not."""

    def make_key(self, account: Account) -> None:
        """Make an account's OpenPGP key, unless it has one. Raises `Fault`, and `Misuse` without the library."""

    def import_key(self, account: Account, way: Protection, data: bytes) -> None:
        """Use a private key from now on. Raises `Malformed`."""


class Desk(Protocol):
    """A composed node, and what the machine around it lends to operations."""

    @property
    def services(self) -> Services:
        """Return the node's services."""

    @property
    def keys(self) -> Keyring:
        """Return the party's keys."""

    @property
    def openpgp(self) -> OpenPgp:
        """Return the key whose signatures people without a node check."""

    @property
    def mail(self) -> Mail:
        """Return this node's mail."""

    @property
    def warnings(self) -> WarningLists:
        """Return the warning lists of this machine, read when they are first asked."""

    def leads(self, kinds: Sequence[str], count: int) -> AbstractContextManager[Reader]:
        """Lend what reads the leads of about `count` indicators and asks warning lists about values of `kinds`."""

    @property
    def readers(self) -> Readers:
        """Return the readers of foreign formats, each with the bounds it needs."""

    @property
    def catalogues(self) -> Catalogues:
        """Return the galaxies and taxonomies of this machine, read when they are first asked."""

    @property
    def home_office(self) -> str:
        """Return the office that acts where a command names none; empty if the settings name none."""

    @property
    def taxii_listen(self) -> str:
        """Return where the TAXII server listens, by the settings; empty for nowhere."""

    @property
    def serving(self) -> bool:
        """Say whether this process serves other nodes."""

    def wires(self, names: Collection[str] = ()) -> Mapping[PartyId, Wire]:
        """Return the way to every confirmed party with an address, or to the named ones. Raises `NotFound`."""

    def reconsider(self, *, alone: bool = False) -> None:
        """Ask peers whether this node may sign, where that is in doubt; `alone` takes their silence, on record."""

    def poll(self, actor: Actor, source: Source, *, dry: bool = False) -> Polled:
        """Fetch what is new of a source and keep it; with `dry` only tell. Raises `Conflict` if that is under way."""

    def told(self, one: Neighbour) -> Delivered:
        """Look what is new for a neighbour and send what is due. Raises `Conflict` if that is under way."""

    def way(self, one: Neighbour) -> Way:
        """Return the way to a neighbour for a try, which waits less than work does."""

    def keep_secret(self, name: str, made: str) -> None:
        """Put a new secret before those that a file of the node's keys has."""

    def tried(self, *, send_test: bool) -> list[Tried]:
        """Try every connection to neighbours; `send_test` sends what is marked as a test, and is taken for none."""

    def sidecar(self, actor: Actor, sidecar: Sidecar, *, withdrawals: bool = False) -> Result:
        """Make a round of a side-car; `withdrawals` takes back however much is gone. Raises `Conflict`."""

    def report(self, what: str, done: int, total: int) -> None:
        """Say how far a long operation has come; `total` is 0 where nobody knows."""

    def pause(self) -> None:
        """Let others have their turn. Never called inside a unit of work."""


@dataclass(frozen=True, slots=True)
class Operation(Generic[A, R]):
    """A verb and the function that carries it out."""

    verb: Verb[A, R]
    run: Callable[[Desk, A], R]


AnyOperation = Operation[Any, Any]


def actor_of(desk: Desk, unit: Unit, ask: Ask) -> Actor:
    """Return who asks: the office named, or the node's usual one. Raises `Misuse`."""
    node = desk.services.node
    card = node.card(unit, node.me).card
    known = [office.id for office in card.offices]
    party, slash, short = ask.office.rpartition("/")
    if slash and party != node.me:
        raise Misuse(f"this node acts for offices of {node.me} only, not for {ask.office}")
    office = short or desk.home_office or (known[0] if len(known) == 1 else "")
    if office not in known:
        what = f"{node.me} has no office {office!r}" if office else "this command must say for which office it acts"
        raise Misuse(what, hint=f"--as {' or --as '.join(known)}")
    if not ask.user.strip() or "/" in ask.user or "~" in ask.user or not ask.user.isprintable():
        raise Misuse(f"{ask.user!r} is not a user's name", hint="--user NAME, without slashes")
    return Actor(OfficeRef(node.me, next(name for name in known if name == office)), ask.user)
