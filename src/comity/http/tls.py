"""TLS between nodes: the node's own certificate, pins, and what a client accepts.

Rules: TLS 1.2 at least. A peer is known either by the public authorities of this system, with its host
name checked, or by the very certificate in its party card, and then its public key is compared with the
pin after the handshake. No context is made that checks neither.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import ipaddress
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from comity.errors import Fault, Malformed, Misuse, Unverified
from comity.limits import TLS_CERTIFICATE_CHARS_MAX, TLS_CERTIFICATE_DAYS


class NodeCertificate(NamedTuple):
    """A self-signed certificate and its private key, both PEM. The key is not encrypted: keep it 0600."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """How a peer's TLS is known: a party card's `tls` field, as plain values. Empty: public authorities.

    With a certificate, exactly that one; with a pin alone, public authorities and the pin besides.
    """

    certificate: str = ""  # PEM
    pin: str = ""  # "sha256/<base64>" of the SubjectPublicKeyInfo
    client: str = ""  # path of a PEM file with the certificate and key that this side shows


PUBLIC: Final = TlsPolicy()


def self_signed(
    hosts: Sequence[str], *, at: int, key: ec.EllipticCurvePrivateKey | None = None, days: int = TLS_CERTIFICATE_DAYS
) -> NodeCertificate:
    """Return a certificate for the host names and IP addresses, valid from a day before `at` (seconds).

    ECDSA P-256, because browsers and most tools of other parties do not take Ed25519 in TLS. A new
    key is made unless one is given. Raises `Misuse` for a name that cannot stand in a certificate.
    """
    if not hosts:
        raise Misuse("a certificate needs a host name or an address", hint="give those the node is reached by")
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Comity node")])
    made = datetime.datetime.fromtimestamp(at, datetime.UTC)
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    try:
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(made - datetime.timedelta(days=1))
            .not_valid_after(made + datetime.timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(identifier, critical=False)
            .sign(key, hashes.SHA256())
        )
    except ValueError as error:
        raise Misuse(f"no certificate can be made for {', '.join(hosts)}: {error}") from error
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return NodeCertificate(certificate.public_bytes(serialization.Encoding.PEM), private)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def pin_of(certificate: bytes | str) -> str:
    """Return `sha256/<base64>` over the SubjectPublicKeyInfo of a PEM certificate. Raises `Malformed`."""
    return _pin(_load(certificate))


def _load(certificate: bytes | str) -> x509.Certificate:
    if len(certificate) > TLS_CERTIFICATE_CHARS_MAX:
        raise Malformed(f"a certificate of {len(certificate)} characters is over TLS_CERTIFICATE_CHARS_MAX")
    try:
        data = certificate.encode("ascii") if isinstance(certificate, str) else certificate
        return x509.load_pem_x509_certificate(data)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise Malformed(f"not a PEM certificate: {error}") from error


def _pin(certificate: x509.Certificate) -> str:
    try:
        spki = certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Malformed(f"the certificate's public key cannot be read: {error}") from error
    return "sha256/" + base64.b64encode(hashlib.sha256(spki).digest()).decode("ascii")


@dataclass(frozen=True, slots=True)
class ClientTls:
    """What a client checks of a peer; `handshake` is the only way to use it, so the pin cannot be forgotten."""

    context: ssl.SSLContext
    pin: str  # empty: the context's own checks decide alone

    def handshake(self, sock: socket.socket, host: str) -> ssl.SSLSocket:
        """Return the socket under TLS once the peer is proven; the socket's timeout bounds it.

        Raises `Unverified`; other failures of the wire leave as `OSError` (`ssl.SSLError` is one).
        """
        try:
            secure = self.context.wrap_socket(sock, server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            if self.pin:
                raise _impostor(host) from error
            raise Unverified(
                f"the certificate of {host} does not hold: {error.verify_message}",
                hint="a node with a self-signed certificate is reached by the pin in its party card",
            ) from error
        try:
            self._check_pin(secure, host)
        except BaseException:
            secure.close()
            raise
        return secure

    def _check_pin(self, secure: ssl.SSLSocket, host: str) -> None:
        if not self.pin:
            return
        shown = secure.getpeercert(binary_form=True)
        try:
            matches = shown is not None and _pin(x509.load_der_x509_certificate(shown)) == self.pin
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, Malformed) as error:
            raise _impostor(host) from error
        if not matches:
            raise _impostor(host)


def _impostor(host: str) -> Unverified:
    return Unverified(
        f"{host} does not show the certificate that its party card pins",
        hint="nothing was sent; ask the party for its current card and compare the words by voice",
    )


def client_tls(policy: TlsPolicy) -> ClientTls:
    """Return what a client checks under `policy`, and shows.

    Raises `Malformed` if the card's fields contradict each other, `Fault` or `Misuse` for our own certificate.
    """
    client = _peer_of(policy)
    if policy.client:
        _load_chain(client.context, Path(policy.client), Path(policy.client))
    return client


def _peer_of(policy: TlsPolicy) -> ClientTls:
    if not policy.certificate:
        # The system's own store, not a bundled one: that is where an administration installs its own authority.
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return ClientTls(context, policy.pin)
    certificate = _load(policy.certificate)
    pin = _pin(certificate)
    if policy.pin not in ("", pin):
        raise Malformed("the pin and the certificate of a party card are of different keys", hint="ask for a new card")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The pin names the key itself, which says more than any host name in a self-signed certificate could.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_verify_locations(cadata=certificate.public_bytes(serialization.Encoding.DER))
    except ssl.SSLError as error:
        raise Malformed(f"the pinned certificate cannot be used: {error}") from error
    return ClientTls(context, pin)


def server_context(certificate: Path, key: Path, *, clients: Path | None = None) -> ssl.SSLContext:
    """Return the context a listener uses, from PEM files; `clients` has what clients' certificates are issued by.

    A client may show one and need not. A certificate that stands in `clients` itself vouches for itself.
    Raises `Fault` if a file cannot be read, `Misuse` if they do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")  # of TLS 1.2: none that RFC 7540 appendix A lists
    _load_chain(context, certificate, key)
    if clients is not None:
        try:
            context.load_verify_locations(clients)
        except ssl.SSLError as error:
            raise Misuse(f"{clients} has no certificates: {error}") from error
        except OSError as error:
            raise Fault(f"{clients} cannot be read: {error.strerror}") from error
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _load_chain(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        raise Misuse(f"{certificate} and {key} are not a certificate and its key: {error}") from error
    except OSError as error:
        raise Fault(f"{certificate} or {key} cannot be read: {error}") from error


def _no_password() -> str:
    # Without this OpenSSL would ask on the terminal of a node that has nobody at it.
    return ""
