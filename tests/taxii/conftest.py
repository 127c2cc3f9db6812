"""A real node behind its TAXII door, with a correspondent, and what clients send it."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from comity.boot.compose import Machine, opened
from comity.canon import OfficeId
from comity.http.listen import Listener, Tcp
from comity.limits import API_INGEST_BYTES_MAX
from comity.node import acting, correspondents, credentials, ingest
from comity.node.actor import Actor
from comity.node.correspondents import Allowed, Correspondent
from comity.party import OfficeRef
from comity.statement import Marking
from comity.surfaces.taxii.door import TaxiiServer
from comity.vocab import Channel, Pap, Tlp
from tests.cli.conftest import Party, found

MEDIA = "application/taxii+json;version=2.1"
ROOT = "/taxii2/csirt/"


@dataclass(frozen=True)
class Got:
    """An answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes
    challenges: tuple[str, ...] = ()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def ids(self) -> list[str]:
        return [one["id"] for one in self.json.get("objects", [])]


@dataclass
class Taxii:
    """One party's node and its TAXII door."""

    party: Party
    machine: Machine
    port: int
    login: str = ""  # the Authorization of whoever asks where a test does not say

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/taxii2/"

    @property
    def actor(self) -> Actor:
        return Actor(OfficeRef(self.machine.services.node.me, OfficeId("csirt")), "ada")

    # -- what there is to ask about ------------------------------------------------

    def collect(
        self,
        objects: Sequence[dict[str, Any] | bytes],
        tlp: Tlp = Tlp.GREEN,
        source: str = "isac",
        pap: Pap = Pap.GREEN,
    ) -> None:
        node = self.machine.services.node
        with self.machine.turns.mine():
            with node.writing() as unit:
                known = ingest.put_source(unit, self.actor, source, Marking(tlp, pap=pap))
            data = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in objects]
            done = ingest.ingest(node, self.actor, known, [b"\n".join(data)])
            assert done.kept == len(objects), done.report

    def places(self, *idents: str) -> list[int]:
        services = self.machine.services
        with services.node.store.read() as unit:
            return [one.position for ident in idents for one in services.queries.entries_of(unit, self.actor, ident)]

    def retract(self, *idents: str) -> None:
        with self.machine.turns.mine():
            acting.retract(self.actor, self.machine.services.node, self.places(*idents), "it was a false positive")

    def take_on(self, name: str = "grid", *, send: bool = True, **more: Any) -> Correspondent:
        fields: dict[str, Any] = {"jurisdiction": "XA", "ceiling": "AMBER", "client": True}
        fields["channels"] = (Allowed(Channel.TAXII, send=send),)
        known = Correspondent(str(self.actor.office), name, **(fields | more))
        with self.machine.turns.mine():
            correspondents.register(self.machine.services.node, self.actor, known)
        return known

    def credential(self, name: str = "grid", form: str = credentials.BEARER, spki: str = "") -> credentials.Made:
        with self.machine.turns.mine():
            node = self.machine.services.node
            return credentials.create(node, self.actor, name, Channel.TAXII, form, spki=spki)

    def bearer(self, name: str = "grid") -> str:
        return f"Bearer {self.credential(name).secret}"

    def perform(self, verb: str, **ask: Any) -> Any:
        said = {"user": "ada", "office": "csirt", **ask}
        return json.loads(self.machine.perform(verb, json.dumps(said).encode(), lambda _: None))

    def token(self, *, may: str = "read", name: str = "siem", **more: Any) -> str:
        return f"Bearer {self.perform('token/create', name=name, may=may, **more)['token']}"

    # -- asking ----------------------------------------------------------------------

    def send(
        self, method: str, path: str, login: str | None = None, body: bytes | None = None, **headers: str | None
    ) -> Got:
        """Send one request as it is given; header names take _ for -, and None leaves one out."""
        named: dict[str, str | None] = {"Accept": MEDIA, "Authorization": self.login if login is None else login}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body=body, headers={k: v for k, v in named.items() if v})
            answer = connection.getresponse()
            got = {name.lower(): value for name, value in answer.getheaders()}
            challenges = tuple(value for name, value in answer.getheaders() if name.lower() == "www-authenticate")
            return Got(answer.status, got, answer.read(), challenges)
        finally:
            connection.close()

    def get(self, path: str, login: str | None = None, **query: Any) -> Got:
        return self.send("GET", path + asked(**query), login)

    def collection(self, alias: str = "released") -> str:
        return f"{ROOT}collections/{alias}/"

    def objects(self, alias: str = "released", login: str | None = None, **query: Any) -> Got:
        return self.get(f"{self.collection(alias)}objects/", login, **query)

    def post(self, objects: Sequence[Any], login: str | None = None, alias: str = "inbox") -> Got:
        body = json.dumps({"objects": objects}).encode()
        return self.send("POST", f"{self.collection(alias)}objects/", login, body, Content_Type=MEDIA)


def asked(**query: Any) -> str:
    """Return a query: `match_type` stands for `match[type]`."""
    parts = []
    for name, value in query.items():
        key = f"match[{name[6:]}]" if name.startswith("match_") else name
        parts.append(f"{quote(key)}={quote(str(value))}")
    return "?" + "&".join(parts) if parts else ""


def indicator(number: int, version: int = 0, **more: Any) -> dict[str, Any]:
    """Return an indicator of one name; `version` is in its `modified`, in milliseconds."""
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": ident(number),
        "created": "2026-11-01T08:00:00.000Z",
        "modified": f"2026-11-01T08:00:00.{version:03}Z",
        "pattern": f"[domain-name:value = 'host-{number}.example']",
        "pattern_type": "stix",
        "valid_from": "2026-11-01T08:00:00Z",
        **more,
    }


def ident(number: int) -> str:
    return f"indicator--{number:08x}-0000-4000-8000-000000000000"


def basic(user: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


@contextmanager
def door_of(party: Party) -> Iterator[Taxii]:
    """Open a party's node in this process, with its TAXII door on a free port."""
    with opened(party.home, serving=True) as machine:
        app = TaxiiServer(machine, machine.turns.mine, machine.turns.mine_at_once)
        listener = Listener(app, Tcp("127.0.0.1"), body_bytes_max=API_INGEST_BYTES_MAX)
        listener.start()
        try:
            yield Taxii(party, machine, listener.port)
        finally:
            listener.stop()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Taxii]:
    """Return a node with a correspondent `grid`, a client up to TLP:AMBER that may send, who asks."""
    with door_of(found(tmp_path, "arcadia", listens=False)) as one:
        one.take_on()
        one.login = one.bearer()
        yield one
