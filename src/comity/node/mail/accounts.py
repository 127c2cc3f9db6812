"""Mail accounts of an office: where letters are fetched, by which server messages go, how each does.

Rules: an account belongs to an office. A login is named here and lies in the node's `keys`. What fails is put off,
twice as long each time up to a cap; a success ends that at once.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

import msgspec

from comity import canon
from comity.canon import Instant
from comity.errors import Conflict, Misuse, NotFound
from comity.formats.mail import headers, tickets
from comity.limits import MAIL_ACCOUNTS_MAX, MAIL_QUIET_SECONDS_MAX, MAIL_SECONDS_MIN
from comity.node import books
from comity.node.actor import Actor
from comity.node.node import Node
from comity.node.ports import Unit

ACCOUNTS: Final = "mail-account"  # shelf: `<office> <name>` -> `Account`
CURSORS: Final = "mail-cursor"  # shelf: `<office> <name>` -> `Cursor`
HEALTH: Final = "mail-health"  # shelf: `<office> <name> fetch` or `… send` -> `Health`
KIND: Final = "home.mail-account"
TLS: Final = "tls"
STARTTLS: Final = "starttls"
FETCH: Final = "fetch"
SEND: Final = "send"
PORT_MAX: Final = 65_535
DOUBLINGS_MAX: Final = 20


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A mail server: TLS always, checked by the public authorities or by the very certificate it shows."""

    host: str
    port: int
    security: str = TLS  # from the first byte (RFC 8314 §3), or `starttls` (RFC 3207)
    login: str = ""  # name of a file in the node's `keys`: `basic NAME:PASSWORD`
    certificate: str = ""  # PEM of a server that no public authority vouches for


class Account(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One mailbox of an office, and the server by which it writes."""

    name: str
    office: str
    address: str
    smtp: Server
    imap: Server | None = None  # None: it only writes
    folder: str = "INBOX"
    display: str = ""  # the name beside the address
    prefix: str = "COMITY"  # of ticket numbers
    link: str = ""  # where those without a key may ask for what is not sent in the clear
    every: int = 60  # seconds between two fetches
    enabled: bool = True

    @property
    def key(self) -> str:
        """Return its key on every shelf."""
        return f"{self.office} {self.name}"


class Cursor(msgspec.Struct, frozen=True):
    """How far a folder was read (RFC 3501 §2.3.1.1)."""

    validity: int = 0
    uid: int = 0
    left: tuple[int, ...] = ()  # UIDs below it that were left in the box, for want of room


class Health(msgspec.Struct, frozen=True, omit_defaults=True):
    """How fetching or sending does. `failures` counts those since the last success."""

    attempt: Instant = 0
    success: Instant = 0
    due: Instant = 0
    failures: int = 0
    error: str = ""
    whose: str = ""


def register(node: Node, actor: Actor, wanted: Account) -> Account:
    """Register an account of the actor's office, or change it. Raises `Misuse` for what cannot be, `Conflict`."""
    check(wanted)
    with node.writing() as unit:
        known = accounts(unit, actor.office_id)
        before = next((one for one in known if one.name == wanted.name), None)
        if before is None and len(known) >= MAIL_ACCOUNTS_MAX:
            raise Conflict(f"an office has at most {MAIL_ACCOUNTS_MAX} mail accounts (MAIL_ACCOUNTS_MAX)")
        if before is not None and _box(before) != _box(wanted):
            unit.documents.delete(CURSORS, wanted.key)
        unit.documents.put(ACCOUNTS, wanted.key, msgspec.json.encode(wanted))
        for what in (FETCH, SEND):
            unit.documents.delete(HEALTH, f"{wanted.key} {what}")
        _record(node, unit, actor, wanted, "changed" if before else "registered")
    return wanted


def remove(node: Node, actor: Actor, name: str) -> Account:
    """Forget an account: no more is fetched or sent by it; letters and messages stay. Raises `NotFound`."""
    with node.writing() as unit:
        known = named(unit, actor, name)
        for shelf, key in ((ACCOUNTS, known.key), (CURSORS, known.key)):
            unit.documents.delete(shelf, key)
        for what in (FETCH, SEND):
            unit.documents.delete(HEALTH, f"{known.key} {what}")
        _record(node, unit, actor, known, "removed")
    return known


def _record(node: Node, unit: Unit, actor: Actor, one: Account, what: str) -> None:
    server = {"smtp": f"{one.smtp.host}:{one.smtp.port}"} | (
        {"imap": f"{one.imap.host}:{one.imap.port}"} if one.imap else {}
    )
    books.record(node, unit, actor.office_id, KIND, {"account": one.name, "what": what, "by": actor.user, **server})


def _box(one: Account) -> tuple[object, ...]:
    """Return what a cursor belongs to."""
    return (one.imap.host, one.imap.port, one.imap.login, one.folder) if one.imap else ()


def check(one: Account) -> None:
    """Refuse what no account can be. Raises `Misuse` or `Malformed`."""
    canon.slug(one.name, what="a mail account")
    if not headers.is_address(one.address) or not one.address.isascii():
        raise Misuse(f"{one.address!r} is no mail address", hint="--address cert@arcadia.example")
    tickets.tag(one.prefix, "2026-1")
    if len(one.display) > 200 or not (one.display + one.folder + one.link).isprintable():
        raise Misuse("a name, a folder or a link is one line of printable characters")
    if not one.folder.isascii() or '"' in one.folder or "\\" in one.folder or not one.folder or len(one.folder) > 200:
        raise Misuse(f"{one.folder!r} is no folder that can be named", hint="in ASCII, e.g. INBOX or INBOX.cert")
    if one.every < MAIL_SECONDS_MIN:
        raise Misuse(f"a mailbox is fetched every {MAIL_SECONDS_MIN} s at most", hint="for example --every 1m")
    for server in (one.smtp, one.imap):
        if server is not None:
            _check_server(server)
    if one.imap is not None and one.imap.security != TLS:
        raise Misuse("IMAP is spoken over TLS from the first byte (RFC 8314)", hint="port 993")


def _check_server(server: Server) -> None:
    if not server.host or not server.host.isprintable() or " " in server.host or not 1 <= server.port <= PORT_MAX:
        raise Misuse(f"{server.host}:{server.port} is no server", hint="HOST:PORT, for example mail.example:993")
    if server.security not in {TLS, STARTTLS}:
        raise Misuse(f"{server.security!r} is no way to a server", hint=f"{TLS} or {STARTTLS}: never without")
    login = server.login
    if login and (PurePosixPath(login).name != login or login.startswith(".") or login.endswith((".key", ".retired"))):
        raise Misuse(f"{login!r} is no login", hint="the name of a file in the node's `keys`, none of its own keys")


def accounts(unit: Unit, office: str = "") -> list[Account]:
    """Return the accounts of an office, or of all."""
    prefix = f"{office} " if office else ""
    return [msgspec.json.decode(data, type=Account) for _, data in unit.documents.all(ACCOUNTS, prefix)]


def named(unit: Unit, actor: Actor, name: str = "") -> Account:
    """Return an account of the actor's office; without a name its only one. Raises `NotFound`, `Misuse`."""
    known = accounts(unit, actor.office_id)
    if not name and len(known) > 1:
        raise Misuse("say by which account", hint=f"--account {' or '.join(one.name for one in known)}")
    for one in known:
        if not name or one.name == name:
            return one
    what = f"{actor.office} has no mail account {name!r}" if name else f"{actor.office} has no mail account"
    raise NotFound(what, hint="`comity mail setup` makes one, `comity mail show` names those there are")


def cursor(unit: Unit, account: Account) -> Cursor:
    """Return how far an account's folder was read."""
    data = unit.documents.get(CURSORS, account.key)
    return msgspec.json.decode(data, type=Cursor) if data else Cursor()


def put_cursor(unit: Unit, account: Account, at: Cursor) -> None:
    """Keep how far a folder was read, unless the account was removed or leads elsewhere since."""
    data = unit.documents.get(ACCOUNTS, account.key)
    if data is not None and _box(msgspec.json.decode(data, type=Account)) == _box(account):
        unit.documents.put(CURSORS, account.key, msgspec.json.encode(at))


def health(unit: Unit, account: Account, what: str) -> Health:
    """Return how fetching or sending does."""
    data = unit.documents.get(HEALTH, f"{account.key} {what}")
    return msgspec.json.decode(data, type=Health) if data else Health()


def put_health(unit: Unit, account: Account, what: str, began: Instant, now: Instant, error: tuple[str, str]) -> Health:
    """Keep how it went, and when it is due again; `error` is what and whose, empty where it went well."""
    before = health(unit, account, what)
    failed = bool(error[0])
    failures = before.failures + 1 if failed else 0
    wait = min(account.every * 2 ** min(failures, DOUBLINGS_MAX), max(account.every, MAIL_QUIET_SECONDS_MAX))
    after = Health(
        attempt=began,
        success=before.success if failed else now,
        due=now + (wait if failed else account.every),
        failures=failures,
        error=error[0],
        whose=error[1],
    )
    if unit.documents.get(ACCOUNTS, account.key) is not None:
        unit.documents.put(HEALTH, f"{account.key} {what}", msgspec.json.encode(after))
    return after


def troubles(unit: Unit) -> list[tuple[str, str]]:
    """Return what an operator should know of the accounts, as (what, advice)."""
    found: list[tuple[str, str]] = []
    for one in accounts(unit):
        name = f"mail account {one.name!r} of {one.office}"
        if not one.enabled:
            found.append((f"{name} rests", "`comity mail setup` sets it to work"))
        for what in (FETCH, SEND):
            known = health(unit, one, what)
            if known.error:
                found.append((f"{name}: {what}: {known.whose}: {known.error}", "`comity mail check` tries now"))
        left = len(cursor(unit, one).left)
        if left:
            found.append((f"{name}: {left} letters stay on the server for want of room", "`comity mail inbox`"))
    return found
