"""A dishonest node: what somebody with a node's own keys and directory can try against the others.

Rules: nothing here gets round a check of an honest node; what is forged are this node's own store, its
answers and the marker that would have made it ask first. Used by the demonstration, against its own nodes.
"""

from __future__ import annotations

import asyncio
import http.client
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from comity import canon, statement
from comity.areas import intel
from comity.canon import OfficeId, Origin
from comity.errors import NotFound
from comity.http.listen import Listener, Tcp
from comity.http.tls import server_context
from comity.node import books
from comity.node.ports import Log, NewEntry, Unit
from comity.node.serving import tree
from comity.statement import INTEL_OBJECT, INTEL_RELAY, RELAY_MEDIA, STIX_MEDIA, Header, Marking, Relayed
from comity.surfaces.cli.demo.nodes import LOOPBACK, setting
from comity.surfaces.cli.desk import Desk
from comity.tlog import leaf
from comity.tlog.merkle import Frontier, inclusion_proof
from comity.tlog.proof import Proof
from comity.vocab import Held, Tlp

CSIRT: Final = OfficeId("csirt")
SECONDS: Final = 20.0  # for one forwarded request


def _log(unit: Unit, origin: str) -> Log:
    log = unit.logs.find(Origin(origin))
    if log is None:
        raise NotFound(f"there is no log {origin}")
    return log


def copy_leaf(desk: Desk, theirs: str, index: int, own: str) -> int:
    """Append another party's entry to one's own log as it is: leaf, salt and bytes; return its index there."""
    node = desk.services.node
    with node.writing() as unit:
        (entry,) = unit.entries.read(_log(unit, theirs).id, index, index + 1)
        log = _log(unit, own)
        frontier = Frontier.decode(log.frontier)
        frontier.extend(leaf.leaf_hashes_of(entry.commitment))
        stolen = NewEntry(entry.commitment, Held.PAYLOAD, entry.header, entry.salt, entry.body)
        unit.entries.append(log.id, log.size, [stolen])
        unit.logs.advance(log.id, log.size, frontier.size, frontier.root(), frontier.encode())
        return log.size


def forge_relay(desk: Desk, theirs: str, index: int, own: str, body: bytes) -> int:
    """State a relay of something its claimed author never wrote, with the true proof of something it did."""
    node = desk.services.node
    marking = Marking(tlp=Tlp.GREEN)
    with node.writing() as unit:
        log, mine = _log(unit, theirs), _log(unit, own)
        claimed = Header(
            v=1, kind=INTEL_OBJECT, office=CSIRT, accord=1, at=node.now(), media=STIX_MEDIA, marking=marking
        )
        hashes = inclusion_proof(index, log.signed, tree(unit, log))
        proof = Proof(index, tuple(hashes), log.note, None).encode().decode()
        line = intel.RelayLine(log.origin, index, 1, canon.b64(node.entropy(leaf.SALT_BYTES)), proof)
        forged = statement.join(statement.encode_header(claimed), body)
        outer = Header(
            v=1,
            kind=INTEL_RELAY,
            office=CSIRT,
            accord=1,
            at=node.now(),
            media=RELAY_MEDIA,
            marking=marking,
            relayed=Relayed(log.origin, CSIRT, INTEL_OBJECT, 1),
        )
        draft = books.Draft(statement.encode_header(outer), intel.join_relay(intel.Relay(line, forged)))
        books.append(node, unit, mine.origin, 1, [draft])
        return mine.size


def impostor(home: Path, copy: Path) -> None:
    """Copy a node's directory, keys and all, so that the copy signs without asking anybody first.

    A store that is another file than the one last signed from asks its peers (`boot.fitness`); the marker
    that tells it so is doctored, and the copy is kept from speaking to anybody of itself.
    """
    shutil.copytree(home, copy)
    path, there = copy / "run" / "fit.json", (copy / "node.db").stat()
    marker = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode(marker | {"device": there.st_dev, "inode": there.st_ino, "sizes": {}}))
    setting(copy, "allow_networks", "[]")


def behind(home: Path, port: int) -> None:
    """Have an impostor answer on another port without TLS, for a front before it."""
    setting(home, "listen", f'"{LOOPBACK}:{port}"')
    setting(home, "plain_http", "true")


class TwoFaced:
    """A front at a party's own address, with its own certificate, that shows each asker another node."""

    def __init__(self, home: Path, port: int, faces: Mapping[str, int]) -> None:
        self._faces = faces
        route = Route("/{path:path}", self._answer, methods=["GET", "POST"])
        context = server_context(home / "tls.pem", home / "tls.key")
        self._listener = Listener(Starlette(routes=[route]), Tcp(LOOPBACK, port, context))

    def start(self) -> None:
        """Open the door."""
        self._listener.start()

    def stop(self) -> None:
        """Close it."""
        self._listener.stop()

    async def _answer(self, request: Request) -> Response:
        asker = request.headers.get("signature-input", "")
        port = next((port for party, port in self._faces.items() if f'"{party}"' in asker), 0)
        if not port:
            return Response(status_code=503)
        body = await request.body()
        return await asyncio.get_running_loop().run_in_executor(None, _forward, request, body, port)


def _forward(request: Request, body: bytes, port: int) -> Response:
    """Pass a request on as it is signed: the signature names the party's address, not the machine's."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=SECONDS)
    try:
        path = request.scope["raw_path"].decode("ascii")
        headers = {name: value for name, value in request.headers.items() if name not in {"host", "content-length"}}
        connection.request(request.method, path, body or None, headers)
        answer = connection.getresponse()
        kept = {name: value for name in ("etag", "content-type") if (value := answer.headers.get(name))}
        return Response(answer.read(), answer.status, headers=kept)
    except OSError:
        return Response(status_code=502)
    finally:
        connection.close()
