"""A real node behind a real listener, and what its programs send."""

from __future__ import annotations

import http.client
import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from comity.boot.compose import Machine, opened
from comity.client import Client
from comity.http.listen import Listener, Tcp
from comity.limits import API_INGEST_BYTES_MAX
from comity.surfaces.api.door import application
from tests.cli.conftest import Party, found

STIX = "application/octet-stream"


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
class Node:
    """One party's node and the door for its programs."""

    party: Party
    machine: Machine
    port: int

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def perform(self, verb: str, **ask: Any) -> Any:
        said = {"user": "ada", "office": "csirt", **ask}
        return json.loads(self.machine.perform(verb, json.dumps(said).encode(), lambda _: None))

    def token(self, name: str = "", *, may: str = "write", **more: Any) -> str:
        made = self.perform("token/create", name=name or f"t{uuid.uuid4().hex[:12]}", may=may, **more)
        token: str = made["token"]
        return token

    def client(self, token: str = "") -> Client:
        return Client(self.base, token or self.token(), timeout=90.0)

    def send(self, method: str, path: str, token: str = "", body: bytes | None = None, **headers: str) -> Got:
        """Send one request as it is given; header names take _ for -."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            named["Authorization"] = f"Bearer {token}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=90)
        try:
            connection.request(method, path, body=body, headers=named)
            answer = connection.getresponse()
            got = {name.lower(): value for name, value in answer.getheaders()}
            return Got(answer.status, got, answer.read())
        finally:
            connection.close()

    def post(self, path: str, token: str, body: Any, **headers: str) -> Got:
        return self.send(
            "POST", f"/api/v1{path}", token, json.dumps(body).encode(), Content_Type="application/json", **headers
        )

    def get(self, path: str, token: str, **headers: str) -> Got:
        return self.send("GET", f"/api/v1{path}", token, **headers)


YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)  # what is older fades


def indicator(value: str, number: int = 0, kind: str = "ipv4-addr", **more: Any) -> dict[str, Any]:
    """Return an indicator of one value."""
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{uuid.uuid5(uuid.NAMESPACE_DNS, value)}",
        "created": f"{YESTERDAY}T08:00:00.000Z",
        "modified": f"{YESTERDAY}T08:00:00.{number:03}Z",
        "name": f"C2 at {value}",
        "pattern": f"[{kind}:value = '{value}']",
        "pattern_type": "stix",
        "valid_from": f"{YESTERDAY}T08:00:00Z",
        **more,
    }


def bundle(objects: Sequence[dict[str, Any]]) -> bytes:
    return json.dumps({"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": objects}).encode()


@contextmanager
def door_of(party: Party) -> Iterator[Node]:
    """Open a party's node in this process, with a door for its programs on a free port."""
    with opened(party.home, serving=True) as machine:
        app = application(machine, machine.perform, machine.turns.mine, party.home / "run" / "spool")
        listener = Listener(app, Tcp("127.0.0.1"), body_bytes_max=API_INGEST_BYTES_MAX)
        listener.start()
        try:
            yield Node(party, machine, listener.port)
        finally:
            listener.stop()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with door_of(found(tmp_path, "arcadia", listens=False)) as one:
        yield one


@pytest.fixture(scope="module")
def shared_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Return a node for tests that leave nothing behind which another would see."""
    with door_of(found(tmp_path_factory.mktemp("shared"), "arcadia", listens=False)) as one:
        one.client().ingest(
            bundle([indicator(f"192.0.2.{n}", n) for n in range(1, 21)]), "isac", tlp="GREEN", pap="GREEN"
        )
        yield one
