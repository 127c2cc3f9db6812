"""A node put together from its directory: settings, keys, store, services, the way to its peers.

Rules: this is the one place where parts are chosen and wired. Nothing is signed from a store that may be a
restored backup before its peers were asked (`fitness`); whoever opens a node closes it.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from comity.boot import outgoing
from comity.boot import settings as setting
from comity.boot.checking import check_beside
from comity.boot.collecting import collect_rarely
from comity.boot.fitness import Fitness, MarkedSigner, judge
from comity.boot.keyring import DiskKeyring
from comity.boot.keys import KeyDirectory, KeySigner
from comity.boot.openpgp import OpenPgpKey
from comity.boot.outgoing import fetching, misp, proxy, telling
from comity.boot.post import Mail
from comity.boot.reading import Readers
from comity.boot.settings import DATABASE, KEYS, RUN, Settings
from comity.boot.turns import KeptTickets, PoliteFetching, PoliteMisp, PoliteWay, PoliteWire, Turns
from comity.canon import PartyId
from comity.errors import ComityError, Conflict, Misuse, NotFound, Unreachable
from comity.formats.stix.leads import Reader
from comity.http.fetch import Fetcher
from comity.limits import TRY_SECONDS_MAX
from comity.node import (
    books,
    delivering,
    generations,
    neighbours,
    parties,
    polling,
    rebuild,
    sidecar_rounds,
    sidecars,
    sources,
    views,
)
from comity.node.actor import Actor
from comity.node.catalogues import Catalogues
from comity.node.delivering import Delivered, Way
from comity.node.ingest import Source
from comity.node.neighbours import Neighbour
from comity.node.node import CARDS, Node
from comity.node.polling import Polled
from comity.node.ports import Unit, Wire
from comity.node.services import Services, compose
from comity.node.sidecar_pulling import Round
from comity.node.sidecar_rounds import Result
from comity.node.sidecars import Sidecar
from comity.node.tries import Tried
from comity.node.warnings import WarningLists, flagged_at
from comity.party import Card
from comity.stores.sqlite import SqliteStore, open_store
from comity.surfaces.cli.operations import find, perform
from comity.surfaces.cli.verbs import Progress
from comity.transports.caller import Manners
from comity.transports.native import NativeWire

Report = Callable[[Progress], None]


class Machine:
    """One composed node on this machine: the `Desk` that operations work at."""

    def __init__(self, home: Path, settings: Settings, store: SqliteStore, *, serving: bool) -> None:
        self.home = home
        self.settings = settings
        self.turns = Turns()
        self.stop = threading.Event()  # set where this process is to end: polls break off
        self._told: set[str] = set()  # neighbours under way; the same
        self._polled: set[str] = set()  # sources and side-cars under way; changed in turns only
        self._tried: dict[str, tuple[int, ...]] = {}  # side-cars: under what each was last rechecked
        self._serving = serving
        self._asked = threading.local()
        self._directory = KeyDirectory(home / KEYS)
        signer = KeySigner(setting.me(settings), self._directory.load)
        self._signer = MarkedSigner(signer, home / RUN, home / DATABASE)
        node = Node(setting.me(settings), store, self._signer, lambda: int(time.time()), os.urandom)
        self._services = compose(node, check_beside)
        self._warnings = WarningLists(home)
        self._readers = Readers(self.turns.others, self.stop)
        self._catalogues = Catalogues(home)
        self._keys = DiskKeyring(self._directory, signer)
        self._openpgp = OpenPgpKey(home / KEYS, node.me, node.me)
        self._mail = Mail(home, settings, self._services, self.turns, lambda: self.stop, self._readers)
        self._fetcher = Fetcher(
            allow=setting.networks(settings), seconds=settings.request_seconds, proxy=proxy(home, settings)
        )
        self._trier: Fetcher | None = None
        self._manners = Manners(node.clock, self._rest, random.SystemRandom().random)
        self._fitness = Fitness(fit=True, ask=False, why="")

    # -- the desk ----------------------------------------------------------------

    @property
    def services(self) -> Services:
        """Return the node's services."""
        return self._services

    @property
    def keys(self) -> DiskKeyring:
        """Return the party's keys."""
        return self._keys

    @property
    def openpgp(self) -> OpenPgpKey:
        """Return the party's OpenPGP key."""
        return self._openpgp

    @property
    def mail(self) -> Mail:
        """Return this node's mail."""
        return self._mail

    @property
    def warnings(self) -> WarningLists:
        """Return the warning lists of this machine."""
        return self._warnings

    def leads(self, kinds: Sequence[str], count: int) -> AbstractContextManager[Reader]:
        """Lend what reads the leads of about `count` indicators: where they are many, on the other processor."""
        from comity.boot.leading import reading

        return reading(self._warnings, kinds, count)

    @property
    def readers(self) -> Readers:
        """Return the readers of foreign formats; whoever's turn it is gives it to others while one works apart."""
        return self._readers

    @property
    def catalogues(self) -> Catalogues:
        """Return the galaxies and taxonomies of this machine."""
        return self._catalogues

    @property
    def home_office(self) -> str:
        """Return the office that acts where a command names none."""
        return self.settings.office

    @property
    def taxii_listen(self) -> str:
        """Return where the TAXII server listens, by the settings; empty for nowhere."""
        return self.settings.taxii_listen

    @property
    def serving(self) -> bool:
        """Say whether this process serves other nodes."""
        return self._serving

    def wires(self, names: Collection[str] = ()) -> Mapping[PartyId, Wire]:
        """Return the way to every confirmed party with an address, or to the named ones."""
        node = self._services.node
        with node.store.read() as unit:
            cards = {card.card.party: card.card for card in parties.known(unit) if card.card.party != node.me}
        unknown = [name for name in names if name not in cards]
        if unknown:
            hint = "`comity party list` shows those that are confirmed"
            raise NotFound(f"{unknown[0]} is no confirmed party here", hint=hint)
        silent = [name for name in names if not cards[PartyId(name)].address]
        if silent:
            raise Misuse(f"{silent[0]} has no address", hint="it only pulls: its statements come when it is asked")
        chosen = {name: card for name, card in cards.items() if card.address and (not names or name in names)}
        return {name: self._wire(card) for name, card in sorted(chosen.items())}

    def _wire(self, card: Card) -> Wire:
        return PoliteWire(self._bare_wire(card, self._fetcher), self.turns)

    def _bare_wire(self, card: Card, fetcher: Fetcher) -> Wire:
        node = self._services.node
        return NativeWire(fetcher, card, me=node.me, sign=node.signer.request, clock=node.clock)

    # -- trying ------------------------------------------------------------------

    @property
    def trier(self) -> Fetcher:
        """Return the way out for tries, which wait less than work does."""
        if self._trier is None:
            way = proxy(self.home, self.settings)
            self._trier = Fetcher(allow=setting.networks(self.settings), seconds=TRY_SECONDS_MAX, proxy=way)
        return self._trier

    def bare_wires(self) -> Mapping[PartyId, Wire]:
        """Return the way to every confirmed party with an address, to be asked outside one's turn."""
        node = self._services.node
        with node.store.read() as unit:
            cards = [card.card for card in parties.known(unit) if card.card.party != node.me]
        return {card.party: self._bare_wire(card, self.trier) for card in cards if card.address}

    def tried(self, *, send_test: bool) -> list[Tried]:
        """Try every connection to neighbours; with `send_test` also by sending what is marked as a test."""
        from comity.boot.trying import tried  # loads every transport

        return tried(self, send_test=send_test)

    def poll(self, actor: Actor, source: Source, *, dry: bool = False) -> Polled:
        """Fetch what is new of a source and keep it, within one's turn. Raises `Conflict` where that is under way."""
        name = sources.key(source)
        if name in self._polled:
            raise Conflict(f"the source {source.name!r} is being polled", hint="`comity source list` shows its outcome")
        way = PoliteFetching(lambda: fetching(self.home, source, self._fetcher, self._manners), self.turns, self.stop)
        self._polled.add(name)
        try:
            return polling.poll(
                self._services,
                actor,
                source,
                way,
                self._readers,
                jitter=self._manners.chance(),
                dry=dry,
                progress=lambda done: self.report(f"polling {source.name}", done, 0),
            )
        finally:
            self._polled.discard(name)

    def told(self, one: Neighbour, *, conditions: bool = True) -> Delivered:
        """Send what is due to a neighbour, within one's turn. Raises `Conflict` where that is under way."""
        name = neighbours.key(one)
        if name in self._told:
            raise Conflict(f"{one.name!r} is being told", hint="`comity neighbour list` shows its outcome")
        self._told.add(name)
        try:
            way = PoliteWay(lambda: self._way(one, self._fetcher), self.turns)
            delivering.look(self._services, one, conditions=conditions)
            return delivering.deliver(self._services, one, way, self._manners.chance)
        finally:
            self._told.discard(name)

    def way(self, one: Neighbour) -> Way:
        """Return the way to a neighbour for a try; it is made when it is used."""
        return PoliteWay(lambda: self.bare_way(one), self.turns)

    def bare_way(self, one: Neighbour) -> Way:
        """Return the same, to be used outside one's turn. Raises what making it does."""
        return self._way(one, self.trier)

    def _way(self, one: Neighbour, fetcher: Fetcher) -> Way:
        tickets = KeptTickets(self._services.node, one, self.turns)
        return telling(self.home, self.settings, one, fetcher, self._manners, tickets)

    def keep_secret(self, name: str, made: str) -> None:
        """Put a new secret before those that a file of the node's `keys` has."""
        outgoing.keep_secret(self.home, name, made)

    def sidecar(self, actor: Actor, sidecar: Sidecar, *, withdrawals: bool = False) -> Result:
        """Make a round of a side-car, within one's turn. Raises `Conflict` where one is under way."""
        from comity.formats import readers  # loads every parser

        name = f"sidecar {sidecars.key(sidecar)}"
        if name in self._polled:
            raise Conflict(f"a round of {sidecar.name!r} is under way", hint="`comity sidecar show` has its outcome")
        self._polled.add(name)
        try:
            way = PoliteMisp(lambda: misp(self.home, sidecar, self._fetcher, self._manners), self.turns, self.stop)
            going = Round(
                services=self._services,
                actor=actor,
                sidecar=sidecar,
                misp=way,
                read=readers.reader("misp"),
                withdrawals=withdrawals,
                pause=self.pause,
                hold=self._flagged,
                tried=self._tried,
            )
            return sidecar_rounds.run(going, jitter=self._manners.chance())
        finally:
            self._polled.discard(name)

    def _flagged(self, unit: Unit, places: Sequence[int]) -> Collection[int]:
        """Return which of some entries are on warning lists."""
        return flagged_at(self._services.node, self._warnings, self._services.queries, unit, places).found.keys()

    def _rest(self, seconds: float) -> None:
        if self.stop.wait(seconds):
            raise Unreachable("this node is stopping", hint="the next poll goes on from here")

    def report(self, what: str, done: int, total: int) -> None:
        """Say how far a long operation has come, to whoever asked for it in this thread."""
        report: Report | None = getattr(self._asked, "report", None)
        if report is not None:
            report(Progress(what, done, total))

    def pause(self) -> None:
        """Let others have their turn."""
        with self.turns.others():
            pass

    # -- its turns -----------------------------------------------------------------

    def perform(self, name: str, ask: bytes, report: Report) -> bytes:
        """Carry out an operation by name when its turn has come; return its answer as JSON."""
        operation = find(name)
        self._asked.report = report
        try:
            with self.turns.mine():
                self._services.node.settle()  # what serving put on record since is shown signed
                return perform(self, operation, ask)
        finally:
            self._asked.report = None

    def address(self) -> str:
        """Return the base URL of this node, as its own card says it: what peers' requests are signed for."""
        node = self._services.node
        with node.store.read() as unit:
            return node.card(unit, node.me).card.address

    # -- whether it may sign -------------------------------------------------------

    def examine(self) -> None:
        """Judge the store by the marker beside it; in doubt, nothing is signed before `reconsider`."""
        node = self._services.node
        marker = self._signer.read()
        with node.store.read() as unit:
            logs = list(unit.logs.all())
            card = node.card(unit, node.me) if unit.documents.get(CARDS, node.me) is not None else None
        self._fitness = judge(marker, self._signer.here(), logs)
        node.signs = self._fitness.fit and not self._fitness.ask
        node.why_not = self._fitness.why or "this machine was restarted, and peers are asked before anything is signed"
        if card is not None:
            self._keys.finish(card)
        node.settle()

    def reconsider(self, *, alone: bool = False) -> None:
        """Ask peers whether they hold more of our logs than is here, and sign again if their answers fit."""
        node = self._services.node
        if node.signs:
            return
        asked = generations.ask_peers(node, self.wires())
        why = generations.settle_restored(node, asked, alone=alone or self._fitness.fit)
        if why:
            node.why_not = "; ".join(part for part in (self._fitness.why, why) if part)
            return
        with node.store.read() as unit:
            self._signer.accept(list(unit.logs.all()))
            office = node.card(unit, node.me).card.offices[0].id
        node.settle()
        if not self._fitness.fit:
            body = {"why": self._fitness.why, "answered": sorted(asked.answered), "alone": not asked.answered}
            with node.writing() as unit:
                books.record(node, unit, office, "home.restored", body)
        self._fitness = Fitness(fit=True, ask=False, why="")

    def close(self) -> None:
        """Close store and connections."""
        self._fetcher.close()
        if self._trier is not None:
            self._trier.close()
        self._mail.close()
        try:
            self._services.node.settle()
        finally:
            self._services.node.store.close()


@contextmanager
def opened(home: Path, *, serving: bool = False) -> Iterator[Machine]:
    """Open the node in a directory. Raises `NotFound`, `Conflict` where another process has it, `Fault`, `Misuse`."""
    collect_rarely()
    settings = setting.load(home)
    store = open_store(home / DATABASE, views.VIEWS)
    machine = Machine(home, settings, store, serving=serving)
    try:
        rebuild.begin(store)
        _fold_again(machine)
        machine.examine()
        yield machine
    finally:
        machine.close()


def _fold_again(machine: Machine) -> None:
    """Fold the views again where another version of this program folded them, before anything is answered from them."""
    node = machine.services.node
    with node.store.read() as unit:
        if not rebuild.is_due(unit):
            return
    _notice(machine, "views are folded again, because another version of Comity folded them")
    try:
        read = rebuild.rebuild(node)
    except ComityError as error:
        _notice(machine, f"views were not folded again, and look-ups miss what is held: {error}")
        return
    _notice(machine, f"views are folded again from {read} entries")


def _notice(machine: Machine, what: str) -> None:
    if machine.serving:
        import structlog  # only where a node is served is it set up

        structlog.get_logger().warning(what, party=machine.settings.party)
    else:
        sys.stderr.write(f"{what}\n")
