"""Clients that are not ours walk the server, and our own poller does; over TLS with client certificates too."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import taxii2client.v21 as taxii2
import trustme
from cytaxii2 import cytaxii2

from comity.http.fetch import Fetcher
from comity.http.inward import LOOPBACK
from comity.http.listen import Listener, Tcp
from comity.http.login import Login
from comity.http.tls import server_context
from comity.limits import API_INGEST_BYTES_MAX
from comity.node import credentials
from comity.surfaces.taxii.door import TaxiiServer
from comity.transports.caller import Caller, Manners
from tests.taxii.conftest import MEDIA, Taxii, ident, indicator
from tests.transports.consumer import Consumer


def test_taxii2_client_walks_everything_and_posts(node: Taxii) -> None:
    node.collect([indicator(n) for n in range(25)])
    made = node.credential(form=credentials.BASIC)
    server = taxii2.Server(node.base, user=made.credential.user, password=made.secret)
    (root,) = server.api_roots
    assert root.versions == [MEDIA]
    by_alias = {one._raw["alias"]: one for one in root.collections}
    released, inbox = by_alias["released"], by_alias["inbox"]
    pages = list(taxii2.as_pages(released.get_objects, per_request=10))
    assert [one["id"] for page in pages for one in page["objects"]] == [ident(n) for n in range(25)]
    lines = [one for page in taxii2.as_pages(released.get_manifest, per_request=7) for one in page["objects"]]
    assert [one["id"] for one in lines] == [ident(n) for n in range(25)]
    assert released.get_object(ident(3))["objects"][0]["id"] == ident(3)
    assert released.object_versions(ident(3))["versions"] == ["2026-11-01T08:00:00.000Z"]
    assert released.get_objects(id=[ident(1), ident(2)], type="indicator")["objects"][1]["id"] == ident(2)
    status = inbox.add_objects({"objects": [indicator(99)]}, wait_for_completion=False)
    assert (status.pending_count, root.get_status(status.id).pending_count) == (1, 1)


def test_taxii2_client_posts_as_an_own_program_and_takes_it_back(node: Taxii) -> None:
    login = taxii2client_bearer(node.token(may="write"))
    root = taxii2.ApiRoot(f"{node.base}csirt/", auth=login)
    (inbox,) = (one for one in root.collections if one.can_write)
    status = inbox.add_objects({"objects": [indicator(1), {"type": "indicator"}]})
    assert (status.status, status.success_count, status.failure_count) == ("complete", 1, 1)
    inbox.delete_object(ident(1))
    assert inbox.get_objects() == {}


def taxii2client_bearer(authorization: str) -> Any:
    from taxii2client.common import TokenAuth

    class Bearer(TokenAuth):  # type: ignore[misc]
        def __call__(self, request: Any) -> Any:
            request.headers["Authorization"] = f"Bearer {self.key}"
            return request

    return Bearer(authorization.removeprefix("Bearer "))


def test_our_own_poller_reads_it_and_reads_on(node: Taxii) -> None:
    node.collect([indicator(n) for n in range(5)])
    fetcher = Fetcher(allow=LOOPBACK, seconds=10.0)
    login = Login({"Authorization": node.login})
    manners = Manners(node.machine.services.node.clock, lambda _: None, lambda: 0.5)
    address = f"{node.base}csirt/collections/released/"
    try:
        consumer = Consumer(lambda where: Caller(fetcher, where, manners, login, "arcadia"), address)
        assert consumer.poll() is None
        node.collect([indicator(n) for n in range(5, 8)])
        assert consumer.poll() is None
        assert [json.loads(one)["id"] for one in consumer.kept] == [ident(n) for n in range(8)]
    finally:
        fetcher.close()


# -- TLS -------------------------------------------------------------------------------------------


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_port(node: Taxii, authority: trustme.CA, tmp_path: Path) -> Iterator[int]:
    """Serve the node over TLS, clients' certificates welcome."""
    own = authority.issue_cert("127.0.0.1")
    own.private_key_pem.write_to_path(tmp_path / "tls.key")
    for part in own.cert_chain_pems:
        part.write_to_path(tmp_path / "tls.pem", append=True)
    authority.cert_pem.write_to_path(tmp_path / "clients.pem")
    context = server_context(tmp_path / "tls.pem", tmp_path / "tls.key", clients=tmp_path / "clients.pem")
    app = TaxiiServer(node.machine, node.machine.turns.mine, node.machine.turns.mine_at_once)
    listener = Listener(app, Tcp("127.0.0.1", 0, context), body_bytes_max=API_INGEST_BYTES_MAX)
    listener.start()
    try:
        yield listener.port
    finally:
        listener.stop()


def ask(port: int, authority: trustme.CA, shown: trustme.LeafCert | None, **headers: str) -> tuple[int, Any]:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if shown is not None:
        shown.configure_cert(context)
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=20)
    try:
        connection.request("GET", "/taxii2/csirt/collections/released/objects/", headers={"Accept": MEDIA, **headers})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def spki(certificate: trustme.LeafCert) -> str:
    return credentials.spki_digest(ssl.PEM_cert_to_DER_cert(certificate.cert_chain_pems[0].bytes().decode()))


def test_8_3_1_a_client_certificate_logs_in_who_it_was_registered_for(
    node: Taxii, tls_port: int, authority: trustme.CA
) -> None:
    node.collect([indicator(0)])
    known, other = authority.issue_cert("taxii.grid.example"), authority.issue_cert("taxii.grid.example")
    node.credential(form=credentials.CERTIFICATE, spki=spki(known))
    status, told = ask(tls_port, authority, known)
    assert (status, [one["id"] for one in told["objects"]]) == (200, [ident(0)])
    assert ask(tls_port, authority, other)[0] == 401  # issued by the same, and nobody's
    assert ask(tls_port, authority, None)[0] == 401
    assert ask(tls_port, authority, other, Authorization=node.login)[0] == 200


def test_8_3_1_a_certificate_of_an_unknown_issuer_does_not_come_in(
    node: Taxii, tls_port: int, authority: trustme.CA
) -> None:
    stranger = trustme.CA().issue_cert("taxii.grid.example")
    node.credential(form=credentials.CERTIFICATE, spki=spki(stranger))
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
        ask(tls_port, authority, stranger)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_8_2_2_tls_1_2_and_1_3_are_taken(
    node: Taxii, tls_port: int, authority: trustme.CA, version: ssl.TLSVersion
) -> None:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.minimum_version = context.maximum_version = version
    connection = http.client.HTTPSConnection("127.0.0.1", tls_port, context=context, timeout=20)
    connection.request("GET", "/taxii2/", headers={"Accept": MEDIA, "Authorization": node.login})
    assert connection.getresponse().status == 200
    connection.close()


def test_8_2_2_no_cipher_of_the_blacklist_is_offered(tls_port: int, authority: trustme.CA) -> None:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:@SECLEVEL=1")
    connection = http.client.HTTPSConnection("127.0.0.1", tls_port, context=context, timeout=20)
    with pytest.raises(ssl.SSLError):
        connection.request("GET", "/taxii2/")


def test_cytaxii2_walks_it(
    node: Taxii, tls_port: int, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.collect([indicator(n) for n in range(5)])
    made = node.credential(form=credentials.BASIC)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "clients.pem"))
    base = f"https://127.0.0.1:{tls_port}/taxii2/"
    client = cytaxii2.cytaxii2(base, made.credential.user, made.secret)
    assert client.discovery_request()["response"]["default"] == f"{base}csirt/"
    assert client.root_discovery()["response"]["versions"] == [MEDIA]
    known = {one["alias"]: one["id"] for one in client.collection_request()["response"]["collections"]}
    assert client.collection_data_request(known["released"])["response"]["can_read"] is True
    first = client.poll_request(known["released"], limit=3)["response"]
    rest = client.poll_request(known["released"], limit=3, next=first["next"])["response"]
    assert [one["id"] for page in (first, rest) for one in page["objects"]] == [ident(n) for n in range(5)]
    posted = client.inbox_request(known["inbox"], json.dumps({"objects": [indicator(9)]}))
    assert (posted["status_code"], posted["response"]["pending_count"]) == (202, 1)
