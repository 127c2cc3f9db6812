from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from comity.http.fetch import Fetcher
from comity.http.inward import LOOPBACK
from comity.http.tls import NodeCertificate, TlsPolicy, pin_of, self_signed
from tests.http.servers import context_of


@pytest.fixture(scope="session")
def certificate() -> NodeCertificate:
    return self_signed(["127.0.0.1", "localhost", "cert.arcadia.example"], at=int(time.time()))


@pytest.fixture(scope="session")
def policy(certificate: NodeCertificate) -> TlsPolicy:
    return TlsPolicy(certificate.certificate.decode(), pin_of(certificate.certificate))


@pytest.fixture
def server_tls(certificate: NodeCertificate, tmp_path: Path) -> ssl.SSLContext:
    return context_of(certificate, tmp_path / "tls", "node")


@pytest.fixture
def make_fetcher() -> Iterator[Callable[..., Fetcher]]:
    made: list[Fetcher] = []

    def make(**arguments: object) -> Fetcher:
        made.append(Fetcher(**{"allow": LOOPBACK, "seconds": 5.0, **arguments}))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for fetcher in made:
        fetcher.close()


@pytest.fixture
def fetcher(make_fetcher: Callable[..., Fetcher]) -> Fetcher:
    return make_fetcher()
