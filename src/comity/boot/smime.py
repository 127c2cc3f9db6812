"""S/MIME (RFC 8551): a key of this node's mail, and letters signed or encrypted by it.

Rules: a correspondent is known by the very certificate that it gave, as in OpenPGP: no authority vouches for anybody.
Digests are of SHA-2; what is compressed is not unfolded. Encryption is AES-256 in CBC mode for RSA keys, which is what
mail programs share; a letter is never rendered and nothing in it is fetched, so what CBC lets an attacker change leads
nowhere.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.serialization import pkcs7

from comity.errors import Fault, Malformed, Misuse, Unverified
from comity.formats.mail.protected import der
from comity.node.mail.ports import Described, Plain, Sealed

_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_OTHERS: Final = 0o077  # the bits of a mode by which others could read
_END: Final = b"-----END CERTIFICATE-----"
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def _asn1() -> Any:
    """Return the library that reads CMS. Raises `Misuse` where it is not installed."""
    try:
        from asn1crypto import cms
    except ImportError as error:
        raise Misuse("S/MIME needs the package asn1crypto", hint="pip install 'comity[mail]'") from error
    return cms


class SmimeKey:
    """A private key and its certificate in one PEM file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def exists(self) -> bool:
        """Say whether there is one."""
        return self._path.exists()

    def secret(self) -> bytes:
        """Return the file's bytes. Raises `Fault` where others can read it."""
        mode = stat.S_IMODE(self._path.stat().st_mode)
        if mode & _OTHERS:
            raise Fault(f"{self._path} can be read by others (mode {mode:04o})", hint=f"chmod 600 {self._path}")
        return self._path.read_bytes()

    def certificate(self) -> bytes:
        """Return the certificate in PEM."""
        return _pair(self.secret())[1].public_bytes(serialization.Encoding.PEM)

    def take(self, data: bytes) -> None:
        """Use this key from now on; the one before is set aside, and still opens letters. Raises `Malformed`."""
        _, certificate = _pair(data)
        if self.exists:
            before = _fingerprint(_pair(self.secret())[1])
            self._path.rename(self._path.with_name(f"{self._path.name}.{before}.retired"))
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = self._path.with_name(f".{self._path.name}.{_fingerprint(certificate)}")
        try:
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.rename(self._path)
        except OSError as error:
            raise Fault(f"{self._path} cannot be written: {error.strerror}") from error

    def retired(self) -> list[bytes]:
        """Return the keys that were set aside."""
        return [path.read_bytes() for path in sorted(self._path.parent.glob(f"{self._path.name}.*.retired"))]

    def sign(self, entity: bytes) -> bytes:
        """Return a detached signature in DER."""
        options = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary]
        return _signed(self.secret(), entity, options)

    def sign_whole(self, entity: bytes) -> bytes:
        """Return signed data in DER with what is signed inside."""
        return _signed(self.secret(), entity, [pkcs7.PKCS7Options.Binary])


def _signed(secret: bytes, entity: bytes, options: list[pkcs7.PKCS7Options]) -> bytes:
    key, certificate = _pair(secret)
    builder = pkcs7.PKCS7SignatureBuilder().set_data(entity).add_signer(certificate, key, hashes.SHA256())
    return builder.sign(serialization.Encoding.DER, options)


def _pair(data: bytes) -> tuple[Key, x509.Certificate]:
    """Return a private key and its certificate. Raises `Malformed`, without a word of the key."""
    hint = "PEM with the key, not encrypted, and its certificate"
    try:
        key = serialization.load_pem_private_key(data, None)
        certificates = x509.load_pem_x509_certificates(data)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Malformed("this is no private key with its certificate", hint=hint) from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise Malformed("an S/MIME key is of RSA or on a curve of NIST", hint=hint)
    for certificate in certificates:
        if certificate.public_key() == key.public_key():
            return key, certificate
    raise Malformed("none of these certificates is of this key", hint=hint)


def certificate_of(data: bytes) -> x509.Certificate:
    """Return the first certificate of PEM or DER. Raises `Malformed` where there is none, or a private key."""
    if b"PRIVATE KEY-----" in data:
        raise Malformed("this holds a private key", hint="the certificate alone is wanted")
    try:
        return x509.load_der_x509_certificate(der(data.partition(_END)[0] + _END if _END in data else data))
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise Malformed(f"this is no certificate: {error}") from error


def described(data: bytes) -> Described:
    """Return what a certificate says of itself; `wrong`: why nothing is encrypted for it. Raises `Malformed`."""
    found = certificate_of(data)
    wrong = "" if isinstance(found.public_key(), rsa.RSAPublicKey) else "cannot be encrypted for: it is not of RSA"
    try:
        usage = found.extensions.get_extension_for_class(x509.KeyUsage).value
        if not usage.key_encipherment and not wrong:
            wrong = "cannot be encrypted for: its key usage forbids that"
    except x509.ExtensionNotFound:
        pass
    except (ValueError, x509.DuplicateExtension) as error:
        raise Malformed(f"its extensions cannot be read: {error}") from error
    return Described(_fingerprint(found), _users(found), int(found.not_valid_after_utc.timestamp()), wrong)


def _users(found: x509.Certificate) -> tuple[str, ...]:
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        addresses = tuple(names.get_values_for_type(x509.RFC822Name))
    except (x509.ExtensionNotFound, ValueError):
        addresses = ()
    return addresses or (found.subject.rfc4514_string(),)


def _fingerprint(found: x509.Certificate) -> str:
    return found.fingerprint(hashes.SHA256()).hex().upper()


def encrypted(entity: bytes, certificates: Sequence[bytes]) -> bytes:
    """Return enveloped data in DER, for every certificate. Raises `Unverified` where one cannot have it."""
    builder = pkcs7.PKCS7EnvelopeBuilder().set_data(entity)
    try:
        for data in certificates:
            builder = builder.add_recipient(certificate_of(data))
        builder = builder.set_content_encryption_algorithm(algorithms.AES256)
        return builder.encrypt(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise Unverified(f"it cannot be encrypted: {error}") from error


def opened(sealed: Sealed, secrets: Sequence[bytes], certificates: Sequence[bytes]) -> Plain:
    """Decrypt with whichever key fits, or check signatures against these certificates alone.

    Raises `Unverified` where no key opens it, and `Malformed`.
    """
    cms = _asn1()
    structure = der(sealed.signature or sealed.data)
    try:
        info = cms.ContentInfo.load(structure)
        kind = info["content_type"].native
        if kind == "signed_data":
            return _verified(info["content"], sealed, certificates)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Malformed(f"this is no CMS: {type(error).__name__}") from error
    if kind != "enveloped_data":
        raise Malformed(f"what is inside is {kind}, which is not read here")
    for secret in secrets:
        key, certificate = _pair(secret)
        try:
            if isinstance(key, rsa.RSAPrivateKey):
                content = pkcs7.pkcs7_decrypt_der(structure, certificate, key, [])
                return Plain(content, why="it is not signed", encrypted=True)
        except (ValueError, UnsupportedAlgorithm):
            continue
    raise Unverified("it is encrypted for a key that is not here, or in a way that is not known here")


def _verified(signed: Any, sealed: Sealed, certificates: Sequence[bytes]) -> Plain:
    """Return what was signed, and which of the certificates signed it."""
    inside = signed["encap_content_info"]["content"].native
    content = sealed.data if sealed.signature else inside
    if not isinstance(content, bytes):
        raise Malformed("signed data without what it signs")
    why = "no key that is registered could have signed it"
    for data in certificates:
        certificate = certificate_of(data)
        why = "no signature of a registered key holds"
        for one in signed["signer_infos"]:
            if _holds(one, content, certificate):
                return Plain(content, _fingerprint(certificate), "")
    return Plain(content, "", why)


def _holds(one: Any, content: bytes, certificate: x509.Certificate) -> bool:
    """Say whether a signature of a `SignerInfo` (RFC 5652 §5.3) is by this certificate's key, over this content."""
    name = one["digest_algorithm"]["algorithm"].native
    if name not in _HASHES:
        return False
    covered = content
    attributes = one["signed_attrs"]
    if attributes.native:
        digests = [each["values"][0].native for each in attributes if each["type"].native == "message_digest"]
        if digests != [hashlib.new(name, content).digest()]:
            return False
        covered = b"\x31" + attributes.dump()[1:]  # signed as a SET OF, RFC 5652 §5.4
    try:
        _check(one, certificate.public_key(), one["signature"].native, covered, _HASHES[name])
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _check(one: Any, key: object, signature: bytes, covered: bytes, digest: hashes.HashAlgorithm) -> None:
    """Check a signature. Raises `InvalidSignature`."""
    how = one["signature_algorithm"].signature_algo
    if isinstance(key, rsa.RSAPublicKey) and how == "rsassa_pkcs1v15":
        key.verify(signature, covered, padding.PKCS1v15(), digest)
    elif isinstance(key, rsa.RSAPublicKey) and how == "rsassa_pss":
        pss = padding.PSS(padding.MGF1(digest), one["signature_algorithm"]["parameters"]["salt_length"].native)
        key.verify(signature, covered, pss, digest)
    elif isinstance(key, ec.EllipticCurvePublicKey) and how == "ecdsa":
        key.verify(signature, covered, ec.ECDSA(digest))
    else:
        raise InvalidSignature
