"""Ticket systems by their published interfaces: RT's REST 2.0 and DFIR-IRIS's alerts, strict about fields."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.neighbours.receivers import Request

Answer = tuple[int, dict[str, str], bytes]


def said(status: int, tree: Any) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(tree).encode()


@dataclass
class Rt:
    """Request Tracker 5: `Authorization: token …`, tickets of one queue, TicketSQL for a subject."""

    queue: str
    tickets: dict[int, dict[str, Any]] = field(default_factory=dict)
    comments: list[tuple[int, str]] = field(default_factory=list)
    cuts: int = 0  # tickets that are made and not answered for

    def __call__(self, asked: Request) -> Answer:
        if asked.headers.get("authorization") != "token 1-23-abc":
            return said(401, {"message": "Unauthorized"})
        where = urlsplit(asked.path)
        if asked.method == "POST" and where.path == "/REST/2.0/ticket":
            body = asked.json
            if body.get("Queue") != self.queue or not body.get("Subject") or "ContentType" not in body:
                return said(422, {"message": "Invalid"})
            number = len(self.tickets) + 1
            self.tickets[number] = body
            if self.cuts:
                self.cuts -= 1
                return said(502, {"message": "cut"})
            return said(201, {"type": "ticket", "id": str(number), "_url": f"/REST/2.0/ticket/{number}"})
        comment = re.fullmatch(r"/REST/2\.0/ticket/([0-9]+)/comment", where.path)
        if asked.method == "POST" and comment and int(comment[1]) in self.tickets:
            self.comments.append((int(comment[1]), asked.json["Content"]))
            return said(201, ["Comments added"])
        if asked.method == "GET" and where.path == "/REST/2.0/tickets":
            (query,) = parse_qs(where.query)["query"]
            text = re.fullmatch(r"Subject LIKE '([^']+)'", query)
            assert text, query
            found = [number for number, one in self.tickets.items() if text[1] in one["Subject"]]
            items = [{"type": "ticket", "id": str(number), "_url": ""} for number in found]
            return said(200, {"items": items, "count": len(items), "total": len(items), "page": 1, "per_page": 20})
        if asked.method == "GET" and where.path.startswith("/REST/2.0/queue/"):
            return said(200, {"id": 1, "Name": self.queue})
        return said(404, {"message": "Not Found"})


NEEDED = {"alert_title", "alert_severity_id", "alert_status_id", "alert_customer_id"}


@dataclass
class Iris:
    """DFIR-IRIS 2.4: `Authorization: Bearer …`, every answer in `status`, `message`, `data`."""

    alerts: dict[int, dict[str, Any]] = field(default_factory=dict)
    cuts: int = 0

    def __call__(self, asked: Request) -> Answer:
        if asked.headers.get("authorization") != "Bearer k3y":
            return said(401, {"status": "error", "message": "Authentication required", "data": []})
        where = urlsplit(asked.path)
        if asked.method == "POST" and where.path == "/alerts/add":
            body = asked.json
            if not body.keys() >= NEEDED or not all(isinstance(body[name], int) for name in NEEDED - {"alert_title"}):
                return said(400, {"status": "error", "message": "Data error", "data": {}})
            number = len(self.alerts) + 1
            self.alerts[number] = {"alert_id": number, "alert_note": "", **body}
            if self.cuts:
                self.cuts -= 1
                return said(502, {})
            return said(200, {"status": "success", "message": "", "data": self.alerts[number]})
        update = re.fullmatch(r"/alerts/update/([0-9]+)", where.path)
        if asked.method == "POST" and update:
            self.alerts[int(update[1])] |= asked.json
            return said(200, {"status": "success", "message": "", "data": self.alerts[int(update[1])]})
        if asked.method == "GET" and where.path == "/alerts/filter":
            asks = parse_qs(where.query).get("source_reference")
            found = [one for one in self.alerts.values() if asks is None or one["alert_source_ref"] == asks[0]]
            return said(200, {"status": "success", "message": "", "data": {"alerts": found, "total": len(found)}})
        one = re.fullmatch(r"/alerts/([0-9]+)", where.path)
        if asked.method == "GET" and one:
            return said(200, {"status": "success", "message": "", "data": self.alerts[int(one[1])]})
        return said(404, {"status": "error", "message": "Not found", "data": {}})
