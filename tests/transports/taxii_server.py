"""A small strict TAXII 2.1 server on loopback, which can be told to lie."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from comity.http.listen import Listener, Tcp
from comity.limits import HTTP_BODY_BYTES_MAX
from comity.testing.world import START

MEDIA = "application/taxii+json;version=2.1"
COLLECTION = "91a7b528-80eb-42ed-a74d-c6fbd5a26116"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
KNOWN = {"added_after", "limit", "next", "match[version]", "match[type]", "match[id]", "match[spec_version]"}


def stamp(micros: int) -> str:
    return (EPOCH + timedelta(microseconds=micros)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def indicator(number: int, *, version: int = 0, more: str = "") -> bytes:
    moment = f"2026-01-01T00:00:00.{version:03}Z"
    return (
        f'{{"type":"indicator","spec_version":"2.1","id":"indicator--{number:08x}-2222-4333-8444-555555555555",'
        f'"created":"2026-01-01T00:00:00.000Z","modified":"{moment}",'
        f'"pattern":"[ipv4-addr:value = \'198.51.100.{number % 256}\']","pattern_type":"stix",'
        f'"valid_from":"2026-01-01T00:00:00Z"{more}}}'
    ).encode()


@dataclass
class Asked:
    """A request as it came."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass
class Taxii:
    """Serves one collection; what it holds and how it lies may change between requests."""

    page: int = 3  # objects in a page at most
    uses_next: bool = True
    pops: bool = False  # as medallion does: one `next` for all pages, each gone once it was sent, whole or not
    objects: list[tuple[int, bytes]] = field(default_factory=list)  # date added in microseconds, bytes
    asked: list[Asked] = field(default_factory=list)
    login: str = ""  # the Authorization that is wanted
    cuts: dict[int, int] = field(default_factory=dict)  # page request number -> bytes after which it is cut
    answers: list[Response] = field(default_factory=list)  # given first, whatever is asked
    lie: Callable[[dict[str, object], dict[str, str]], None] = lambda envelope, headers: None
    pages: int = 0
    documents: dict[str, object] = field(default_factory=dict)
    rest: list[tuple[str, bytes]] = field(default_factory=list)  # behind the `next` of a server that pops

    def add(self, at: int, *objects: bytes) -> None:
        self.objects += [(START * 1_000_000 + at, each) for each in objects]
        self.objects.sort(key=lambda one: one[0])

    def document(self, request: Request) -> Response:
        refused = self._refused(request)
        found = self.documents.get(request.url.path)
        if refused or found is None:
            return refused or Response("{}", 404, media_type=MEDIA)
        return Response(json.dumps(found), media_type=MEDIA)

    def _refused(self, request: Request) -> Response | None:
        self.asked.append(Asked(request.url.path, dict(request.query_params), dict(request.headers)))
        if self.answers:
            return self.answers.pop(0)
        if self.login and request.headers.get("authorization") != self.login:
            return Response("{}", 401, media_type=MEDIA)
        if request.headers.get("accept") != MEDIA:
            return Response("{}", 406, media_type=MEDIA)
        return None

    def get(self, request: Request) -> Response:
        refused = self._refused(request)
        if refused:
            return refused
        query = self.asked[-1].query
        after, limit = query.get("added_after"), query.get("limit", "1000")
        if set(query) - KNOWN or not limit.isdigit() or not int(limit) or (after and not STAMP.fullmatch(after)):
            return Response("{}", 400, media_type=MEDIA)
        found = [(stamp(at), data) for at, data in self.objects if after is None or stamp(at) > after]
        if self.pops:
            found = self.rest if "next" in query else found
            self.rest = found[min(self.page, int(limit)) :]
        start = int(base64.b64decode(query["next"])) if "next" in query and not self.pops else 0
        end = start + min(self.page, int(limit))
        shown = found[start:end]
        envelope: dict[str, object] = {"more": end < len(found)}
        if end < len(found) and self.uses_next:
            envelope["next"] = "session" if self.pops else base64.b64encode(str(end).encode()).decode()
        headers = {"content-type": MEDIA}
        if shown:
            headers |= {"X-TAXII-Date-Added-First": shown[0][0], "X-TAXII-Date-Added-Last": shown[-1][0]}
            envelope["objects"] = "OBJECTS"
        self.lie(envelope, headers)
        body = json.dumps(envelope).encode().replace(b'"OBJECTS"', b"[" + b",".join(each for _, each in shown) + b"]")
        cut = self.cuts.get(self.pages)
        self.pages += 1
        if cut is None:
            return Response(body, headers=headers)
        return StreamingResponse(_broken(body[:cut]), headers={**headers, "content-length": str(len(body) + 1)})

    def application(self) -> Starlette:
        objects = f"/api1/collections/{COLLECTION}/objects/"
        return Starlette(routes=[Route(objects, self.get), Route("/{path:path}", self.document)])


async def _broken(data: bytes) -> AsyncIterator[bytes]:
    yield data


@contextlib.contextmanager
def served(server: Taxii) -> Iterator[str]:
    """Serve, and give the base URL."""
    listener = Listener(server.application(), Tcp("127.0.0.1"), body_bytes_max=HTTP_BODY_BYTES_MAX)
    listener.start()
    server.documents |= {
        "/taxii2/": {"title": "Arcadia", "default": "/api1/", "api_roots": ["/api1/"]},
        "/api1/": {"title": "one", "versions": [MEDIA], "max_content_length": 1_000_000},
        "/api1/collections/": {
            "collections": [
                {"id": COLLECTION, "title": "Indicators", "alias": "ind", "can_read": True, "can_write": False},
                {"id": "472c94ae-3113-4e3e-a4dd-a9f4ac7471d4", "title": "Inbox", "can_read": False, "can_write": True},
            ]
        },
    }
    try:
        yield f"http://127.0.0.1:{listener.port}"
    finally:
        listener.stop()
