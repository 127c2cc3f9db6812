from __future__ import annotations

import base64
import contextlib
import hashlib
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from comity.errors import ComityError, Fault, Malformed, Misuse, Unreachable, Unverified
from comity.http.fetch import Fetcher
from comity.http.tls import NodeCertificate, TlsPolicy, client_tls, pin_of, self_signed, server_context
from tests.http.servers import AT, answering, context_of, raw

OK = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
NOW = int(time.time())


def policy_of(certificate: NodeCertificate) -> TlsPolicy:
    return TlsPolicy(certificate.certificate.decode())


def test_a_node_certificate_says_what_it_is_for() -> None:
    made = self_signed(["192.0.2.1", "2001:db8::1", "cert.arcadia.example"], at=AT)
    certificate = x509.load_pem_x509_certificate(made.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["192.0.2.1", "2001:db8::1", "cert.arcadia.example"]
    assert certificate.not_valid_before_utc.timestamp() == AT - 86_400
    assert certificate.not_valid_after_utc.timestamp() == AT + 3_650 * 86_400
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_the_pin_is_the_digest_of_the_public_key_and_outlives_a_renewal() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    expected = "sha256/" + base64.b64encode(hashlib.sha256(spki).digest()).decode()
    assert pin_of(self_signed(["a.example"], at=AT, key=key).certificate) == expected
    assert pin_of(self_signed(["b.example"], at=AT + 1, key=key).certificate) == expected


@pytest.mark.parametrize("hosts", [[], ["bücher.example"]])
def test_a_name_that_cannot_stand_in_a_certificate_is_misuse(hosts: list[str]) -> None:
    with pytest.raises(Misuse):
        self_signed(hosts, at=AT)


@given(st.binary(max_size=300) | st.text(max_size=100))
def test_any_bytes_are_a_certificate_or_malformed(data: bytes | str) -> None:
    with pytest.raises(Malformed):
        pin_of(data)


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(st.integers(0, 2000), st.integers(0, 255))
def test_a_damaged_certificate_is_a_certificate_or_malformed(position: int, byte: int) -> None:
    pem = bytearray(self_signed_once())
    pem[position % len(pem)] = byte
    with contextlib.suppress(Malformed):
        assert pin_of(bytes(pem)).startswith("sha256/")


def self_signed_once(made: list[bytes] = []) -> bytes:  # noqa: B006 - made once
    if not made:
        made.append(self_signed(["a.example"], at=AT).certificate)
    return made[0]


@pytest.mark.parametrize("with_pin", [True, False])
def test_a_pinned_node_is_reached(
    fetcher: Fetcher, certificate: NodeCertificate, policy: TlsPolicy, server_tls: ssl.SSLContext, with_pin: bool
) -> None:
    wanted = policy if with_pin else policy_of(certificate)
    with raw(OK, server_tls) as server:
        assert fetcher.request("GET", f"https://127.0.0.1:{server.port}/", tls=wanted).body == b"ok"


def test_a_pinned_node_is_reached_under_any_name(
    make_fetcher: Callable[..., Fetcher], policy: TlsPolicy, server_tls: ssl.SSLContext
) -> None:
    fetcher = make_fetcher(resolve=lambda _host: ["127.0.0.1"])
    with raw(OK, server_tls) as server:
        assert fetcher.request("GET", f"https://moved.arcadia.example:{server.port}/", tls=policy).status == 200


def impostors() -> dict[str, NodeCertificate]:
    own_authority = trustme.CA()
    leaf = own_authority.issue_cert("127.0.0.1", "cert.arcadia.example")
    return {
        "another key, same names": self_signed(["127.0.0.1", "cert.arcadia.example"], at=NOW),
        "another authority": NodeCertificate(leaf.cert_chain_pems[0].bytes(), leaf.private_key_pem.bytes()),
    }


@pytest.mark.parametrize("who", ["another key, same names", "another authority"])
def test_an_impostor_is_refused_before_anything_is_sent(
    fetcher: Fetcher, policy: TlsPolicy, tmp_path: Path, who: str
) -> None:
    heard: list[bytes] = []
    with raw(lambda sock: heard.append(sock.recv(100)), context_of(impostors()[who], tmp_path / "i", "i")) as server:
        with pytest.raises(Unverified, match="does not show the certificate") as raised:
            fetcher.request("POST", f"https://127.0.0.1:{server.port}/secret", body=b"secret", tls=policy)
    assert "voice" in raised.value.hint
    assert not any(heard)


def test_a_pinned_authority_does_not_vouch_for_others(fetcher: Fetcher, tmp_path: Path) -> None:
    # The chain verifies, since the pinned certificate is its authority; only the pin tells the two apart.
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1")
    other = NodeCertificate(leaf.cert_chain_pems[0].bytes(), leaf.private_key_pem.bytes())
    pinned = TlsPolicy(authority.cert_pem.bytes().decode())
    with raw(OK, context_of(other, tmp_path / "i", "i")) as server:
        with pytest.raises(Unverified, match="does not show the certificate"):
            fetcher.request("GET", f"https://127.0.0.1:{server.port}/", tls=pinned)


def test_an_expired_certificate_is_refused(fetcher: Fetcher, tmp_path: Path) -> None:
    old = self_signed(["127.0.0.1"], at=NOW - 10 * 86_400, days=5)
    with raw(OK, context_of(old, tmp_path / "i", "i")) as server:
        with pytest.raises(Unverified):
            fetcher.request("GET", f"https://127.0.0.1:{server.port}/", tls=policy_of(old))


def test_a_self_signed_certificate_without_a_pin_is_refused(fetcher: Fetcher, server_tls: ssl.SSLContext) -> None:
    with raw(OK, server_tls) as server:
        with pytest.raises(Unverified, match="does not hold") as raised:
            fetcher.request("GET", f"https://127.0.0.1:{server.port}/")
    assert "pin in its party card" in raised.value.hint


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> trustme.CA:
    """An authority that this system trusts, as an operator would install it."""
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return made


def issued(authority: trustme.CA, *names: str) -> NodeCertificate:
    leaf = authority.issue_cert(*names)
    return NodeCertificate(b"".join(blob.bytes() for blob in leaf.cert_chain_pems), leaf.private_key_pem.bytes())


def test_a_public_authority_vouches_for_the_host_name(
    make_fetcher: Callable[..., Fetcher], authority: trustme.CA, tmp_path: Path
) -> None:
    fetcher = make_fetcher(resolve=lambda _host: ["127.0.0.1"])
    with raw(OK, context_of(issued(authority, "cert.arcadia.example"), tmp_path / "i", "i")) as server:
        assert fetcher.request("GET", f"https://cert.arcadia.example:{server.port}/").status == 200
        with pytest.raises(Unverified, match="does not hold"):
            fetcher.request("GET", f"https://cert.borealia.example:{server.port}/")


def test_a_pin_without_a_certificate_is_checked_beside_the_authority(
    make_fetcher: Callable[..., Fetcher], authority: trustme.CA, tmp_path: Path
) -> None:
    fetcher = make_fetcher(resolve=lambda _host: ["127.0.0.1"])
    real = issued(authority, "cert.arcadia.example")
    misissued = issued(authority, "cert.arcadia.example")
    pinned = TlsPolicy(pin=pin_of(real.certificate))
    with raw(OK, context_of(real, tmp_path / "a", "a")) as server:
        assert fetcher.request("GET", f"https://cert.arcadia.example:{server.port}/", tls=pinned).status == 200
    with raw(OK, context_of(misissued, tmp_path / "b", "b")) as server:
        with pytest.raises(Unverified, match="does not show the certificate"):
            fetcher.request("GET", f"https://cert.arcadia.example:{server.port}/", tls=pinned)


def test_a_connection_proven_for_one_peer_does_not_serve_another(
    fetcher: Fetcher, policy: TlsPolicy, server_tls: ssl.SSLContext
) -> None:
    with raw(OK, server_tls) as server:
        address = f"https://127.0.0.1:{server.port}/"
        assert fetcher.request("GET", address, tls=policy).status == 200
        with pytest.raises(Unverified):
            fetcher.request("GET", address, tls=policy_of(self_signed(["127.0.0.1"], at=NOW)))
        with pytest.raises(Unverified):
            fetcher.request("GET", address)


def test_a_card_whose_pin_and_certificate_differ_is_malformed(fetcher: Fetcher, policy: TlsPolicy) -> None:
    with pytest.raises(Malformed, match="different keys"):
        fetcher.request("GET", "https://127.0.0.1:1/", tls=TlsPolicy(policy.certificate, "sha256/AAAA"))
    with pytest.raises(Malformed):
        fetcher.request("GET", "https://127.0.0.1:1/", tls=TlsPolicy("not a certificate"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tls_1_1_is_refused_on_both_sides(
    fetcher: Fetcher, policy: TlsPolicy, server_tls: ssl.SSLContext, certificate: NodeCertificate, tmp_path: Path
) -> None:
    assert server_tls.minimum_version == ssl.TLSVersion.TLSv1_2
    assert client_tls(policy).context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert client_tls(TlsPolicy()).context.minimum_version == ssl.TLSVersion.TLSv1_2
    server_tls.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    server_tls.maximum_version = ssl.TLSVersion.TLSv1_1
    server_tls.set_ciphers("ALL:@SECLEVEL=0")
    with raw(OK, server_tls) as server, pytest.raises(Unreachable):
        fetcher.request("GET", f"https://127.0.0.1:{server.port}/", tls=policy)


def test_no_client_context_checks_nothing(policy: TlsPolicy) -> None:
    for wanted in (policy, TlsPolicy(), TlsPolicy(pin=policy.pin)):
        tls = client_tls(wanted)
        assert tls.context.verify_mode == ssl.CERT_REQUIRED
        assert tls.context.check_hostname or tls.pin


@pytest.mark.parametrize(
    "noise", [b"HTTP/1.1 400 no\r\n\r\n", b"", b"\x16\x03\x01\x00\x02", b"\x15\x03\x03\x00\x02\x02\x28"]
)
def test_a_server_that_does_not_speak_tls_is_unreachable(fetcher: Fetcher, policy: TlsPolicy, noise: bytes) -> None:
    def talk(sock) -> None:  # type: ignore[no-untyped-def]
        sock.recv(1000)
        sock.sendall(noise)

    with raw(talk) as server, pytest.raises(Unreachable):
        fetcher.request("GET", f"https://127.0.0.1:{server.port}/", tls=policy)


def test_server_files_that_do_not_fit_are_told_apart(certificate: NodeCertificate, tmp_path: Path) -> None:
    cert, key = tmp_path / "c.pem", tmp_path / "k.pem"
    with pytest.raises(Fault, match="cannot be read"):
        server_context(cert, key)
    cert.write_bytes(certificate.certificate)
    for wrong in (self_signed(["a.example"], at=AT).key, b"not a key", encrypted(certificate)):
        key.write_bytes(wrong)
        with pytest.raises(Misuse):
            server_context(cert, key)
    key.write_bytes(certificate.key)
    assert isinstance(server_context(cert, key), ssl.SSLContext)


def encrypted(certificate: NodeCertificate) -> bytes:
    key = serialization.load_pem_private_key(certificate.key, None)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )


def test_every_tls_failure_is_one_of_our_errors(fetcher: Fetcher, policy: TlsPolicy) -> None:
    with pytest.raises(ComityError):
        fetcher.request("GET", "https://127.0.0.1:1/", tls=policy)
