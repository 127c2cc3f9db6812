"""S/MIME: what is made here is opened here and by OpenSSL, and any bytes are a value or refused."""

from __future__ import annotations

import datetime
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from comity.boot import smime
from comity.errors import ComityError, Unverified
from comity.node.mail.ports import Sealed, Way


def pair(name: str) -> tuple[bytes, bytes]:
    """Return a private key with its certificate, and the certificate alone, in PEM."""
    key = rsa.generate_private_key(65_537, 2_048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
    made = builder.not_valid_after(now + datetime.timedelta(days=9)).sign(key, hashes.SHA256())
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + pem, pem


MINE, THEIRS = pair("arcadia"), pair("grid")


def test_what_is_encrypted_is_opened_by_its_key_alone() -> None:
    sealed = Sealed(Way.SMIME, smime.encrypted(b"Content-Type: text/plain\r\n\r\nx", [THEIRS[1]]))
    assert smime.opened(sealed, [MINE[0], THEIRS[0]], []).content.endswith(b"x")
    with pytest.raises(Unverified):
        smime.opened(sealed, [MINE[0]], [])


def test_a_signature_holds_for_the_registered_certificate_and_these_bytes_alone(tmp_path: Path) -> None:
    key = smime.SmimeKey(tmp_path / "mail.pem")
    key.take(THEIRS[0])
    signature = key.sign(b"said")
    good = smime.opened(Sealed(Way.SMIME, b"said", signature), [], [MINE[1], THEIRS[1]])
    assert good.signer == smime.described(THEIRS[1]).fingerprint
    assert not smime.opened(Sealed(Way.SMIME, b"else", signature), [], [THEIRS[1]]).signer
    assert not smime.opened(Sealed(Way.SMIME, b"said", signature), [], [MINE[1]]).signer
    whole = smime.opened(Sealed(Way.SMIME, key.sign_whole(b"said")), [], [THEIRS[1]])
    assert (whole.content, whole.signer) == (b"said", good.signer)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")
def test_what_openssl_signs_is_verified(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(THEIRS[0])
    (tmp_path / "said").write_bytes(b"said")
    command = [
        "openssl",
        "cms",
        "-sign",
        "-binary",
        "-in",
        "said",
        "-signer",
        "key.pem",
        "-outform",
        "DER",
        "-out",
        "sig",
    ]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    signature = (tmp_path / "sig").read_bytes()
    assert smime.opened(Sealed(Way.SMIME, b"said", signature), [], [THEIRS[1]]).signer


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_any_bytes_are_a_value_or_refused(data: bytes, signature: bytes) -> None:
    try:
        smime.opened(Sealed(Way.SMIME, data, signature), [MINE[0]], [THEIRS[1]])
    except ComityError:
        pass
