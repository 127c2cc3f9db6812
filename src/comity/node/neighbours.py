"""Neighbours that are told what happens here: webhooks, chats, syslog, ticket systems; each of one office.

Rules: a neighbour sees what its office may read, up to a ceiling and with the fields that it was given; no ceiling
reaches TLP:RED, which is for persons. One inside the office's own organisation is told under that word, on record; one
outside is a correspondent, and every message to it is a release decision. A secret is named here and lies elsewhere.
What fails is put off, twice as long each time up to a cap, and stops no other.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import PurePosixPath
from typing import Final

import msgspec

from comity import canon
from comity.canon import Instant, OfficeId
from comity.errors import Conflict, Misuse, NotFound
from comity.formats.telling import chat, syslog
from comity.limits import NEIGHBOURS_MAX
from comity.node import books, correspondents
from comity.node.actor import Actor
from comity.node.events import What
from comity.node.node import Node
from comity.node.ports import Unit
from comity.vocab import Channel, Purpose, Tlp

NEIGHBOURS: Final = "neighbour"  # shelf: office/name -> `Neighbour`
STATES: Final = "neighbour-state"  # shelf: office/name -> `State`
KIND_RECORD: Final = "home.neighbour"
OWN: Final = "own"  # the audience of a neighbour inside the office's own organisation
JSON: Final = "json"
FIELDS: Final = ("values", "names", "ids", "authors")
"""What a neighbour may see of a thing beside its label: its values, its name, its ids, whose it is."""


class Kind(StrEnum):
    """By what a neighbour is told."""

    WEBHOOK = "webhook"
    SYSLOG = "syslog"
    TICKET = "ticket"


FORMS: Final = {
    Kind.WEBHOOK: (JSON, *chat.FORMS),
    Kind.SYSLOG: tuple(syslog.FORMS),
    Kind.TICKET: ("rt", "iris", "rest"),
}
"""The forms that a kind of neighbour takes; the first is what it takes where none is said."""
_SCHEMES: Final = {
    Kind.WEBHOOK: ("https://", "http://"),
    Kind.SYSLOG: ("tls://", "tcp://", "udp://", "unix:/"),
    Kind.TICKET: ("https://",),
}
SETTINGS: Final = {
    "rt": (("queue",), ()),
    "iris": (("customer", "severity", "status"), ()),
    "rest": (("open", "body", "id"), ("update", "note", "find", "found", "url")),
}
"""What a form of ticket has to be told, and may be told, with `--set`."""


class Neighbour(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One neighbour, as it is kept."""

    name: str
    office: OfficeId
    kind: Kind
    form: str
    address: str
    to: str  # OWN, or a correspondent of the office
    ceiling: Tlp
    events: tuple[What, ...]
    fields: tuple[str, ...] = FIELDS
    purpose: Purpose = Purpose.READ
    login: str = ""  # the name of a file in the node's keys: how it knows us
    secret: str = ""  # the same: what messages are signed with
    certificate: str = ""  # PEM: the one that it shows, where no public authority issued it
    link: str = ""  # of this node or of a page of its own, for people who may see the rest
    facility: int = 16  # of syslog
    settings: tuple[tuple[str, str], ...] = ()  # of a ticket system
    plain: bool = False  # over plain http
    enabled: bool = True
    created: Instant = 0
    by: str = ""

    @property
    def own(self) -> bool:
        """Say whether it is inside the office's own organisation."""
        return self.to == OWN


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a neighbour does, and what was looked at for it."""

    looked: tuple[tuple[str, int], ...] = ()  # origin -> entries looked at
    raised: tuple[str, ...] = ()  # conditions that hold, and were told
    next: int = 0  # number of the next message
    attempt: Instant = 0
    success: Instant = 0
    due: Instant = 0
    failures: int = 0  # attempts that failed since the last one that did not
    error: str = ""
    whose: str = ""
    sent: int = 0  # messages in all


# -- the register ------------------------------------------------------------------


def key(one: Neighbour) -> str:
    """Return a neighbour's key on every shelf."""
    return f"{one.office}/{one.name}"


def add(node: Node, unit: Unit, actor: Actor, wanted: Neighbour, state: State) -> Neighbour:
    """Keep a neighbour, or change one, on record; what happened before `state` is not told.

    Raises `Misuse`, `Malformed`, `NotFound` (the correspondent), `Conflict`.
    """
    _check(wanted)
    wanted = msgspec.structs.replace(wanted, to=_audience(unit, actor, wanted))
    before = unit.documents.get(NEIGHBOURS, key(wanted))
    if before is None and len(unit.documents.all(NEIGHBOURS, f"{wanted.office}/")) >= NEIGHBOURS_MAX:
        raise Conflict(f"an office has at most {NEIGHBOURS_MAX} neighbours (NEIGHBOURS_MAX)")
    made = msgspec.structs.replace(wanted, created=node.now(), by=str(actor))
    if before is not None:
        known = msgspec.json.decode(before, type=Neighbour)
        # The id of a message follows from when its neighbour was made: at another address it is another one.
        same = (known.kind, known.address, known.to) == (made.kind, made.address, made.to)
        made = msgspec.structs.replace(made, created=known.created if same else made.created)
    else:
        unit.documents.put(STATES, key(made), msgspec.json.encode(state))
    unit.documents.put(NEIGHBOURS, key(made), msgspec.json.encode(made))
    _record(node, unit, actor, made, "changed" if before is not None else "added")
    return made


def _check(one: Neighbour) -> None:
    canon.slug(one.name, what="a neighbour")
    if one.form not in FORMS[one.kind]:
        raise Misuse(f"a {one.kind} takes no form {one.form!r}", hint=f"one of {', '.join(FORMS[one.kind])}")
    if not one.address.startswith(_SCHEMES[one.kind]):
        raise Misuse(f"{one.address!r} is no address of a {one.kind}", hint=f"{' or '.join(_SCHEMES[one.kind])}…")
    if not one.address.isprintable() or any(char.isspace() for char in one.address):
        raise Misuse(f"{one.address!r} is no address")
    if one.ceiling is Tlp.RED:
        raise Misuse("TLP:RED is for persons, and a neighbour is none", hint="at most --ceiling AMBER+STRICT")
    if one.address.startswith("http://") and not one.plain:
        raise Misuse(f"{one.address!r} is plain http", hint="https://…, or say --plain-http")
    if one.plain and (one.login or one.ceiling is not Tlp.CLEAR):
        raise Misuse("over plain http goes neither a login nor anything above TLP:CLEAR")
    _check_settings(one)
    if not one.events:
        raise Misuse("a neighbour is told of something", hint="--event received")
    unknown = sorted(set(one.fields) - set(FIELDS))
    if unknown:
        raise Misuse(f"there is no field {unknown[0]!r}", hint=f"some of {', '.join(FIELDS)}")
    for name in filter(None, (one.login, one.secret)):
        if PurePosixPath(name).name != name or name.startswith(".") or name.endswith((".key", ".retired")):
            raise Misuse(f"{name!r} is no login", hint="the name of a file in the node's `keys`, none of its own keys")


def _check_settings(one: Neighbour) -> None:
    needed, optional = SETTINGS.get(one.form, ((), ())) if one.kind is Kind.TICKET else ((), ())
    given = dict(one.settings)
    unknown = sorted(set(given) - {*needed, *optional})
    missing = [name for name in needed if not given.get(name)]
    if unknown:
        raise Misuse(f"a {one.form} has no setting {unknown[0]!r}", hint=", ".join((*needed, *optional)) or "none")
    if missing:
        raise Misuse(f"a ticket system of the form {one.form} needs {missing[0]!r}", hint=f"--set {missing[0]}=…")
    numbers = [name for name in ("customer", "severity", "status") if one.form == "iris" and not given[name].isdigit()]
    if numbers:
        raise Misuse(f"{numbers[0]} is the number that DFIR-IRIS has for it", hint=f"--set {numbers[0]}=1")


def _audience(unit: Unit, actor: Actor, one: Neighbour) -> str:
    if one.own:
        return OWN
    if one.kind is not Kind.WEBHOOK:
        raise Misuse(f"a {one.kind} is inside this organisation", hint="outside are webhooks, for a correspondent")
    if one.address.startswith("http://"):
        raise Misuse("nothing goes outside over plain http", hint="https://…")
    who = correspondents.get(unit, actor, one.to)
    if who.by(Channel.WEBHOOK) is None:
        hint = f"`comity party correspondent allow {who.name} webhook`"
        raise Misuse(f"{who.audience} is given nothing by webhook", hint=hint)
    return who.audience


def every(unit: Unit, office: str = "") -> list[Neighbour]:
    """Return the neighbours of an office, or of all, by name."""
    prefix = f"{office}/" if office else ""
    return [msgspec.json.decode(data, type=Neighbour) for _, data in unit.documents.all(NEIGHBOURS, prefix)]


def named(unit: Unit, actor: Actor, name: str) -> Neighbour:
    """Return a neighbour of the actor's office. Raises `NotFound`."""
    data = unit.documents.get(NEIGHBOURS, f"{actor.office_id}/{name}")
    if data is None:
        raise NotFound(f"{actor.office} has no neighbour {name!r}", hint="`comity neighbour list` names them")
    return msgspec.json.decode(data, type=Neighbour)


def enable(node: Node, unit: Unit, actor: Actor, one: Neighbour, *, enabled: bool) -> Neighbour:
    """Let a neighbour rest, or tell it again from where it stood; on record."""
    changed = msgspec.structs.replace(one, enabled=enabled)
    unit.documents.put(NEIGHBOURS, key(one), msgspec.json.encode(changed))
    keep(unit, one, msgspec.structs.replace(state_of(unit, one), due=0))
    _record(node, unit, actor, changed, "resumed" if enabled else "paused")
    return changed


def pause(unit: Unit, one: Neighbour) -> None:
    """Let a neighbour rest that wants no more, or that refused too much, until somebody looks."""
    if is_kept(unit, one):
        unit.documents.put(NEIGHBOURS, key(one), msgspec.json.encode(msgspec.structs.replace(one, enabled=False)))


def troubles(unit: Unit) -> list[tuple[str, str]]:
    """Return what an operator should know of neighbours, as (what, advice)."""
    found: list[tuple[str, str]] = []
    for one in every(unit):
        state = state_of(unit, one)
        name = f"neighbour {one.name!r} of {one.office}"
        if not one.enabled:
            found.append((f"{name} is paused", "`comity neighbour resume` tells it again, from where it stood"))
        if state.error:
            times = f"{state.failures} attempts" if state.failures > 1 else "the last attempt"
            advice = f"`comity neighbour messages {one.name}`"
            found.append((f"{name}: {times} failed: {state.whose}: {state.error}", advice))
    return found


def forget(node: Node, unit: Unit, actor: Actor, one: Neighbour) -> None:
    """Forget a neighbour, on record; its messages are forgotten by `outbox`."""
    for shelf in (NEIGHBOURS, STATES):
        unit.documents.delete(shelf, key(one))
    _record(node, unit, actor, one, "removed")


def state_of(unit: Unit, one: Neighbour) -> State:
    """Return how a neighbour does."""
    data = unit.documents.get(STATES, key(one))
    return msgspec.json.decode(data, type=State) if data is not None else State()


def keep(unit: Unit, one: Neighbour, state: State) -> None:
    """Keep how a neighbour does, unless it was removed."""
    if is_kept(unit, one):
        unit.documents.put(STATES, key(one), msgspec.json.encode(state))


def is_kept(unit: Unit, one: Neighbour) -> bool:
    """Say whether a neighbour is there, as it was made."""
    data = unit.documents.get(NEIGHBOURS, key(one))
    return data is not None and msgspec.json.decode(data, type=Neighbour).created == one.created


def _record(node: Node, unit: Unit, actor: Actor, one: Neighbour, what: str) -> None:
    # Not the address: of a chat's webhook it is the secret itself, and a log is for ever.
    body = {
        "what": what,
        "name": one.name,
        "kind": one.kind.value,
        "form": one.form,
        "to": one.to,
        "ceiling": one.ceiling.value,
        "fields": list(one.fields),
        "events": [event.value for event in one.events],
        "purpose": one.purpose.value,
        "by": actor.user,
    }
    books.record(node, unit, actor.office_id, KIND_RECORD, body)
