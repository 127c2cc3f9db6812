"""Tickets: one for each subject, opened once and told of what follows, in RT (RTIR), DFIR-IRIS or by configuration.

    RT           REST 2.0: `POST /ticket`, `POST /ticket/<id>/comment`, `GET /tickets?query=…` (RT 5, with RTIR)
    DFIR-IRIS    alerts: `POST /alerts/add`, `POST /alerts/update/<id>`, `GET /alerts/filter?source_reference=…`

Rules: before a ticket is asked for it is noted that it will be; where this machine stopped in between, the system is
asked for the ticket's reference before another is opened. A system that cannot be asked is left to a person then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import quote

import msgspec

from comity.errors import Malformed, Refused
from comity.formats.telling.message import Message, head, lines, stamp
from comity.node.tickets import Ticket
from comity.transports.posting import Post

JSON: Final = {"Content-Type": "application/json", "Accept": "application/json"}
IDS_KEPT: Final = 64  # messages that a ticket was told of, so that none is told twice


class Tickets(Protocol):
    """Where tickets are kept."""

    def get(self, subject: str) -> Ticket | None:
        """Return the ticket of a subject, or None."""

    def put(self, ticket: Ticket) -> None:
        """Keep a ticket, durably."""


class System(Protocol):
    """What is asked of a ticket system."""

    def open(self, message: Message) -> tuple[str, str]:
        """Open a ticket; return its id and its address for people."""

    def update(self, ticket: Ticket, message: Message) -> None:
        """Add to a ticket."""

    def find(self, reference: str) -> tuple[str, str] | None:
        """Return the id and address of the ticket with a reference, or None. Raises `Refused` where nobody can tell."""

    def reach(self) -> None:
        """Ask for something that changes nothing."""


@dataclass(frozen=True, slots=True)
class TicketWay:
    """The way to a ticket system."""

    system: System
    tickets: Tickets

    def send(self, message: Message) -> str:
        """Open the ticket of the message's subject, or add to it. Raises what asking the system does."""
        if message.test:
            return self.reach()  # a ticket that says it is a test would be worked at all the same
        known = self.tickets.get(message.subject)
        if known is not None and known.id and message.id in {known.reference, *known.told}:
            return f"ticket {known.id} has it"
        if known is None or not known.id:
            return self._open(message, known)
        self.system.update(known, message)
        told = (*known.told, message.id)[-IDS_KEPT:]
        self.tickets.put(msgspec.structs.replace(known, told=told))
        return f"ticket {known.id} was told"

    def _open(self, message: Message, begun: Ticket | None) -> str:
        found = self.system.find(begun.reference) if begun is not None else None
        ticket = begun or Ticket(message.subject, message.id, opened=message.at)
        if begun is None:
            self.tickets.put(ticket)
        if found is None:
            ticket = msgspec.structs.replace(ticket, reference=message.id)
            self.tickets.put(ticket)
            ident, url = self.system.open(message)
        else:
            ident, url = found
        ticket = msgspec.structs.replace(ticket, id=ident, url=url)
        self.tickets.put(ticket)
        if found is not None and ticket.reference != message.id:
            return self.send(message)
        return f"ticket {ident} " + ("was there" if found else "opened") + (f": {url}" if url else "")

    def reach(self) -> str:
        """Say whether the system answers and knows this node; no ticket is opened."""
        self.system.reach()
        return "it answers and knows this node; no ticket was opened"


def text(message: Message) -> str:
    """Return what people read in a ticket."""
    whence = f"Comity {message.id}, {stamp(message.at)}: {message.subject}"
    told = [head(message), *lines(message), message.link, whence]
    return "\n".join(part for part in told if part)


def title(message: Message) -> str:
    """Return a ticket's title; its reference stands in it, so that it is found again."""
    return f"{head(message)} [{message.id}]"


def _asked(post: Post, method: str, url: str, body: Any = None) -> Any:
    data = msgspec.json.encode(body) if body is not None else b""
    _, _, told = post.ask(method, url, JSON, data)
    try:
        return json.loads(told) if told.strip() else None
    except (ValueError, RecursionError) as error:
        raise Malformed("it answers with something that is no JSON", hint="is the address that of the API?") from error


def at(tree: Any, path: str) -> str:
    """Return what stands at a path of names and numbers, such as `data.alerts.0.alert_id`; empty where nothing does."""
    for step in path.split("."):
        if isinstance(tree, dict):
            tree = tree.get(step)
        elif isinstance(tree, list) and step.isdigit() and int(step) < len(tree):
            tree = tree[int(step)]
        else:
            return ""
    return str(tree) if isinstance(tree, str | int) and not isinstance(tree, bool) else ""


@dataclass(frozen=True, slots=True)
class Rt:
    """Request Tracker by REST 2.0; `base` ends before `/REST/2.0`."""

    post: Post
    base: str
    queue: str

    def open(self, message: Message) -> tuple[str, str]:
        """Open a ticket."""
        body = {"Queue": self.queue, "Subject": title(message), "Content": text(message), "ContentType": "text/plain"}
        ident = at(_asked(self.post, "POST", f"{self.base}/REST/2.0/ticket", body), "id")
        return _number(ident), self._url(ident)

    def update(self, ticket: Ticket, message: Message) -> None:
        """Comment: nobody outside is written to."""
        body = {"Subject": title(message), "Content": text(message), "ContentType": "text/plain"}
        _asked(self.post, "POST", f"{self.base}/REST/2.0/ticket/{_number(ticket.id)}/comment", body)

    def find(self, reference: str) -> tuple[str, str] | None:
        """Search by the reference in the subject (TicketSQL)."""
        query = quote(f"Subject LIKE '{reference}'", safe="")
        ident = at(_asked(self.post, "GET", f"{self.base}/REST/2.0/tickets?query={query}"), "items.0.id")
        return (_number(ident), self._url(ident)) if ident else None

    def reach(self) -> None:
        """Ask for the queue."""
        _asked(self.post, "GET", f"{self.base}/REST/2.0/queue/{quote(self.queue, safe='')}")

    def _url(self, ident: str) -> str:
        return f"{self.base}/Ticket/Display.html?id={ident}"


@dataclass(frozen=True, slots=True)
class Iris:
    """DFIR-IRIS by its alerts (v2.1 and later)."""

    post: Post
    base: str
    settings: Mapping[str, str]

    def open(self, message: Message) -> tuple[str, str]:
        """Add an alert."""
        body = {
            "alert_title": title(message),
            "alert_description": text(message),
            "alert_source": "Comity",
            "alert_source_ref": message.id,
            "alert_source_link": message.link,
            "alert_source_event_time": stamp(message.at).removesuffix("Z"),
            "alert_severity_id": int(self.settings["severity"]),
            "alert_status_id": int(self.settings["status"]),
            "alert_customer_id": int(self.settings["customer"]),
            "alert_tags": f"comity,{message.event}",
        }
        ident = at(_asked(self.post, "POST", f"{self.base}/alerts/add", body), "data.alert_id")
        return _number(ident), self._url(ident)

    def update(self, ticket: Ticket, message: Message) -> None:
        """Add to the alert's note, which is read first so that people's words in it stay."""
        where = f"{self.base}/alerts/{_number(ticket.id)}"
        note = at(_asked(self.post, "GET", where), "data.alert_note")
        body = {"alert_note": f"{note}\n\n{text(message)}".strip()}
        _asked(self.post, "POST", f"{self.base}/alerts/update/{ticket.id}", body)

    def find(self, reference: str) -> tuple[str, str] | None:
        """Filter by the source's reference."""
        told = _asked(self.post, "GET", f"{self.base}/alerts/filter?source_reference={quote(reference, safe='')}")
        ident = at(told, "data.alerts.0.alert_id")
        return (_number(ident), self._url(ident)) if ident else None

    def reach(self) -> None:
        """Ask for no alert."""
        _asked(self.post, "GET", f"{self.base}/alerts/filter?per_page=1")

    def _url(self, ident: str) -> str:
        return f"{self.base}/alerts?alert_ids={ident}"


def _number(ident: str) -> str:
    if not (ident.isascii() and ident.isdigit()):
        raise Malformed("it answers without the number of a ticket", hint="is the address that of the API?")
    return ident


@dataclass(frozen=True, slots=True)
class Rest:
    """Any system that takes JSON: `settings` has `open`, `body`, `id`; `update`, `note`, `find`, `found`, `url` may be.

    `{id}`, `{ref}`, `{title}`, `{text}`, `{subject}`, `{event}` and `{severity}` stand for what they say.
    """

    post: Post
    base: str
    settings: Mapping[str, str]

    def open(self, message: Message) -> tuple[str, str]:
        """Open a ticket as configured."""
        told = self._ask(self.settings["open"], self.settings["body"], _fields(message))
        ident = at(told, self.settings["id"])
        if not ident:
            raise Malformed(f"nothing stands at {self.settings['id']!r} of the answer", hint="the setting `id`")
        return ident, self._url(ident)

    def update(self, ticket: Ticket, message: Message) -> None:
        """Add to a ticket as configured."""
        if "update" not in self.settings:
            raise Refused("this system is not told of what follows", hint="--set update=… and --set note=…")
        fields = _fields(message) | {"id": ticket.id, "ref": ticket.reference}
        self._ask(self.settings["update"], self.settings.get("note", self.settings["body"]), fields)

    def find(self, reference: str) -> tuple[str, str] | None:
        """Look for a reference as configured. Raises `Refused` where nothing is."""
        if "find" not in self.settings:
            hint = f"look for {reference} there; without it replay, with it close the message"
            raise Refused("it is not known whether the ticket was opened, and this system is not asked", hint=hint)
        ident = at(self._ask(self.settings["find"], "", {"ref": reference}), self.settings.get("found", "0.id"))
        return (ident, self._url(ident)) if ident else None

    def reach(self) -> None:
        """Look for a reference that nobody has, where that can be asked."""
        if "find" in self.settings:
            self._ask(self.settings["find"], "", {"ref": "comity-nobody"})
        else:
            self.post.ask("GET", self.base, JSON)

    def _url(self, ident: str) -> str:
        return _filled_path(self.settings.get("url", ""), {"id": ident})

    def _ask(self, how: str, template: str, fields: Mapping[str, str]) -> Any:
        method, _, path = how.partition(" ")
        body = filled(template, fields) if template and method != "GET" else None
        return _asked(self.post, method, self.base + _filled_path(path, fields), body)


def _fields(message: Message) -> dict[str, str]:
    return {
        "ref": message.id, "title": title(message), "text": text(message), "subject": message.subject,
        "event": message.event, "severity": str(message.severity),
    }  # fmt: skip


def _filled_path(path: str, fields: Mapping[str, str]) -> str:
    for name, told in fields.items():
        path = path.replace(f"{{{name}}}", quote(told, safe=""))
    return path


def filled(template: str, fields: Mapping[str, str]) -> Any:
    """Return a template in JSON with its fields put into its strings, so that no text can change its shape.

    Raises `Malformed`.
    """
    try:
        return _filled(json.loads(template), fields)
    except (ValueError, RecursionError) as error:
        raise Malformed("the template is no JSON", hint='for example {"title": "{title}", "body": "{text}"}') from error


def _filled(tree: Any, fields: Mapping[str, str]) -> Any:
    if isinstance(tree, str):
        parts = tree.split("{")
        out = parts[0]
        for part in parts[1:]:
            name, closed, rest = part.partition("}")
            out += fields[name] + rest if closed and name in fields else "{" + part
        return out
    if isinstance(tree, dict):
        return {key: _filled(value, fields) for key, value in tree.items()}
    return [_filled(value, fields) for value in tree] if isinstance(tree, list) else tree
