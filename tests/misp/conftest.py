"""A real node behind its MISP door, with a correspondent, and what PyMISP asks it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme
from pymisp import PyMISP

from comity.boot.compose import Machine, opened
from comity.canon import OfficeId
from comity.formats import readers
from comity.http.listen import Listener, Tcp
from comity.http.tls import server_context
from comity.limits import API_INGEST_BYTES_MAX
from comity.node import acting, correspondents, credentials, importing, ingest
from comity.node.actor import Actor
from comity.node.correspondents import Allowed, Correspondent
from comity.node.ingest import Ingested
from comity.party import OfficeRef
from comity.statement import Marking
from comity.surfaces.misp.door import MispServer
from comity.vocab import Channel, Pap, Tlp
from tests.cli.conftest import Party, found

EVENT = "5f0c2a9b-0000-4000-8000-0000000000ee"


@dataclass(frozen=True)
class Got:
    """An answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Misp:
    """One party's node and its MISP door, over TLS."""

    party: Party
    machine: Machine
    port: int
    ca: Path
    authority: trustme.CA
    key: str = ""  # of whoever asks where a test does not say
    clients: dict[str, PyMISP] = field(default_factory=dict)

    @property
    def base(self) -> str:
        return f"https://127.0.0.1:{self.port}/"

    @property
    def actor(self) -> Actor:
        return Actor(OfficeRef(self.machine.services.node.me, OfficeId("csirt")), "ada")

    # -- what there is to ask about ------------------------------------------------

    def _source(self, tlp: Tlp, source: str, pap: Pap) -> ingest.Source:
        with self.machine.services.node.writing() as unit:
            return ingest.put_source(unit, self.actor, source, Marking(tlp, pap=pap))

    def collect(self, objects: Sequence[dict[str, Any]], tlp: Tlp = Tlp.GREEN, source: str = "isac") -> None:
        """Take in STIX objects."""
        with self.machine.turns.mine():
            known = self._source(tlp, source, Pap.GREEN)
            data = b"\n".join(json.dumps(one).encode() for one in objects)
            done = ingest.ingest(self.machine.services.node, self.actor, known, [data])
            assert done.kept == len(objects), done.report

    def bring_in(self, event: dict[str, Any], tlp: Tlp = Tlp.GREEN, source: str = "their-misp") -> None:
        """Take in a MISP event."""
        with self.machine.turns.mine():
            known, done = self._source(tlp, source, Pap.GREEN), Ingested()
            data = json.dumps({"Event": event}).encode()
            what = importing.Import("event.json", "misp", readers.reader("misp"), [data])
            importing.bring_in(self.machine.services.node, self.actor, known, what, done)
            assert done.kept, done.report

    def places(self, *idents: str) -> list[int]:
        services = self.machine.services
        with services.node.store.read() as unit:
            return [one.position for ident in idents for one in services.queries.entries_of(unit, self.actor, ident)]

    def retract(self, *idents: str) -> None:
        with self.machine.turns.mine():
            acting.retract(self.actor, self.machine.services.node, self.places(*idents), "it was a false positive")

    def take_on(self, name: str = "grid", *, send: bool = True, **more: Any) -> Correspondent:
        fields: dict[str, Any] = {"jurisdiction": "XA", "ceiling": "AMBER", "client": True, "waits": False}
        fields["channels"] = (Allowed(Channel.MISP, send=send), Allowed(Channel.TAXII))
        known = Correspondent(str(self.actor.office), name, **(fields | more))
        with self.machine.turns.mine():
            correspondents.register(self.machine.services.node, self.actor, known)
        return known

    def credential(self, name: str = "grid", channel: Channel = Channel.MISP) -> credentials.Made:
        with self.machine.turns.mine():
            return credentials.create(self.machine.services.node, self.actor, name, channel, "")

    def perform(self, verb: str, **ask: Any) -> Any:
        said = {"user": "ada", "office": "csirt", **ask}
        return json.loads(self.machine.perform(verb, json.dumps(said).encode(), lambda _: None))

    # -- asking ----------------------------------------------------------------------

    def client(self, key: str | None = None) -> PyMISP:
        key = self.key if key is None else key
        if key not in self.clients:
            self.clients[key] = PyMISP(self.base, key, ssl=str(self.ca), timeout=60)
        return self.clients[key]

    def send(self, method: str, path: str, body: Any = None, key: str | None = None, **headers: str) -> Got:
        """Send one request; header names take _ for -."""
        import ssl

        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        named = {"Accept": "application/json", "Authorization": self.key if key is None else key}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=30)
        try:
            connection.request(method, path, body=data, headers=named)
            answer = connection.getresponse()
            got = {name.lower(): value for name, value in answer.getheaders()}
            return Got(answer.status, got, answer.read())
        finally:
            connection.close()


def event(**more: Any) -> dict[str, Any]:
    """Return a MISP event of two attributes, as its own MISP has it."""
    return {
        "uuid": EVENT,
        "info": "Phishing of grid operators",
        "date": "2026-11-01",
        "timestamp": "1793520000",
        "publish_timestamp": "1793520100",
        "published": True,
        "threat_level_id": "2",
        "analysis": "1",
        "distribution": "2",
        "Orgc": {"uuid": "5f0c2a9b-0000-4000-8000-00000000000a", "name": "CERT Borealia"},
        "Tag": [{"name": "tlp:green"}, {"name": 'workflow:state="complete"'}],
        "Attribute": [
            attribute(1, "domain", "login.example.com", to_ids=True, comment="seen in mail"),
            attribute(2, "ip-dst", "198.51.100.7", category="Network activity"),
        ],
        **more,
    }


def attribute(number: int, kind: str, value: str, **more: Any) -> dict[str, Any]:
    return {
        "uuid": uuid(number),
        "type": kind,
        "category": "Network activity",
        "value": value,
        "to_ids": False,
        "timestamp": "1793519000",
        "distribution": "5",
        **more,
    }


def uuid(number: int) -> str:
    return f"5f0c2a9b-0000-4000-8000-{number:012x}"


def indicator(number: int, version: int = 0, **more: Any) -> dict[str, Any]:
    """Return an indicator of one name; `version` is in its `modified`, in seconds."""
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{number:08x}-0000-4000-8000-000000000000",
        "created": "2026-11-01T09:00:00.000Z",
        "modified": f"2026-11-01T09:00:{version:02}.000Z",
        "pattern": f"[domain-name:value = 'host-{number}.example']",
        "pattern_type": "stix",
        "valid_from": "2026-11-01T09:00:00Z",
        **more,
    }


@contextmanager
def door_of(party: Party, folder: Path) -> Iterator[Misp]:
    """Open a party's node in this process, with its MISP door on a free port, over TLS."""
    authority = trustme.CA()
    own = authority.issue_cert("127.0.0.1")
    own.private_key_pem.write_to_path(folder / "tls.key")
    for part in own.cert_chain_pems:
        part.write_to_path(folder / "tls.pem", append=True)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    context = server_context(folder / "tls.pem", folder / "tls.key")
    with opened(party.home, serving=True) as machine:
        app = MispServer(machine, machine.turns.mine)
        listener = Listener(app, Tcp("127.0.0.1", 0, context), body_bytes_max=API_INGEST_BYTES_MAX)
        listener.start()
        try:
            yield Misp(party, machine, listener.port, folder / "ca.pem", authority)
        finally:
            listener.stop()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Misp]:
    """Return a node with a correspondent `grid`, a client up to TLP:AMBER that may send, who asks."""
    with door_of(found(tmp_path, "arcadia", listens=False), tmp_path) as one:
        one.take_on()
        one.key = one.credential().secret
        yield one
