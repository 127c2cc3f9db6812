"""OpenPGP (RFC 9580): this party's key for signatures that people without a node check, and the keys of its mail.

Rules: a key is made when it is first needed, and lies beside the others, whole or not at all, readable by its owner
alone. It proves that a file is this party's and nothing in any log: what a node believes rests on the card's keys.
"""

from __future__ import annotations

import os
import secrets
import stat
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from comity.canon import Instant, PartyId
from comity.errors import ComityError, Fault, Malformed, Misuse, TooLarge, Unverified
from comity.node.mail.ports import Described, Plain, Sealed
from comity.surfaces.cli.desk import OPENPGP_RENEWAL

NAME: Final = "openpgp.asc"
_HEAD_BYTES: Final = 256  # in which armour says what it is


def _library() -> Any:
    """Return the library, which is loaded when it is first needed. Raises `Misuse` where it is not installed."""
    try:
        import pysequoia
    except ImportError as error:
        raise Misuse("OpenPGP needs the package pysequoia", hint="pip install 'comity[pgp]'") from error
    return pysequoia


class OpenPgpKey:
    """A signing key on disk, loaded when it is first used."""

    def __init__(self, folder: Path, party: PartyId, name: str, *, file: str = NAME, user: str = "") -> None:
        self._path = folder / file
        self._user = user or f"{name} <csirt@{party}>"
        self._loaded: Any = None

    @property
    def exists(self) -> bool:
        """Say whether it was made already."""
        return self._path.exists()

    def certificate(self) -> bytes:
        """Return the public certificate in armour."""
        return str(self._key().extract_certificate()).encode()

    def fingerprint(self) -> str:
        """Return the certificate's fingerprint in hexadecimal."""
        return str(self._key().extract_certificate().fingerprint)

    def sign(self, data: bytes) -> bytes:
        """Return an armoured detached signature. Raises `Fault` for a key that signs no more."""
        library, key = _library(), self._key()
        try:
            return bytes(library.sign(key.signer(), data, mode=library.SignatureMode.DETACHED))
        except Exception as error:  # the library has no error of its own that stands for all
            raise Fault(f"{self._path} does not sign: {_said(error)}", hint=OPENPGP_RENEWAL) from error

    def expires(self) -> Instant | None:
        """Return when the key expires; None where there is none yet, or it never does. Makes none. Raises `Fault`."""
        if not self._path.exists():
            return None
        when = self._key().extract_certificate().expiration
        return None if when is None else int(when.timestamp())

    def secret(self) -> bytes:
        """Return the private key's bytes, for the process that opens letters."""
        return bytes(self._key())

    def take(self, data: bytes) -> None:
        """Use this key from now on; the one before is set aside under its fingerprint, and still opens letters.

        Raises `Malformed` where it is no key that signs without a password.
        """
        try:
            made = _library().Tsk.from_bytes(data)
            made.signer()
            made.decryptor()
        except Exception as error:  # the library has no error of its own that stands for all
            hint = "export it without a password: `gpg --export-secret-keys`"
            raise Malformed(f"this is no private OpenPGP key that can be used: {_said(error)}", hint=hint) from error
        if self.exists:
            self._path.rename(self._path.with_name(f"{self._path.name}.{self.fingerprint()}.retired"))
        self._loaded = None
        self._write(made)
        self._loaded = made

    def retired(self) -> list[bytes]:
        """Return the private keys that were set aside: what was encrypted for them is still on its way."""
        return [path.read_bytes() for path in sorted(self._path.parent.glob(f"{self._path.name}.*.retired"))]

    def _key(self) -> Any:
        if self._loaded is None:
            self._loaded = self._read() if self._path.exists() else self._make()
        return self._loaded

    def _read(self) -> Any:
        mode = stat.S_IMODE(self._path.stat().st_mode)
        if mode & 0o077:
            raise Fault(f"{self._path} can be read by others (mode {mode:04o})", hint=f"chmod 600 {self._path}")
        try:
            return _library().Tsk.from_bytes(self._path.read_bytes())
        except Exception as error:  # the library has no error of its own that stands for all
            raise Fault(f"{self._path} is no OpenPGP key: {_said(error)}", hint="restore it from a backup") from error

    def _make(self) -> Any:
        made = _library().Tsk.generate(self._user)
        try:
            self._write(made)
        except FileExistsError:  # another process was first: its key is the party's
            return self._read()
        return made

    def _write(self, made: Any) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = self._path.with_name(f".{self._path.name}.{secrets.token_hex(8)}")
        try:
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(str(made).encode())
                file.flush()
                os.fsync(file.fileno())
            os.link(partial, self._path)
        except FileExistsError:
            raise
        except OSError as error:
            raise Fault(f"{self._path} cannot be written: {error.strerror}") from error
        finally:
            partial.unlink(missing_ok=True)


def _said(error: Exception) -> str:
    """Return what the library says, without its stack."""
    return str(error).partition("\n")[0][:200]


# -- mail ----------------------------------------------------------------------------


def certificate_of(data: bytes) -> Any:
    """Return a certificate. Raises `Malformed` where it is none, is several, or holds a private key."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of private keys, which are refused here
            certificate = _library().Cert.from_bytes(data)
            is_private = certificate.has_secret_keys
    except Misuse:
        raise
    except Exception as error:  # the library has no error of its own that stands for all
        raise Malformed(f"this is no OpenPGP certificate: {_said(error)}") from error
    if is_private:
        raise Malformed("this is a private key", hint="the public one is wanted: `gpg --export`")
    return certificate


def described(data: bytes) -> Described:
    """Return what a certificate says of itself; `wrong`: why nothing is encrypted for it. Raises `Malformed`."""
    found = certificate_of(data)
    expires = None if found.expiration is None else int(found.expiration.timestamp())
    wrong = "was revoked" if found.is_revoked else ""
    if not wrong:
        try:
            _library().encrypt(recipients=[found], bytes=b"x")
        except Exception:  # noqa: BLE001  # the library has no error of its own that stands for all
            wrong = "cannot be encrypted for"
    return Described(str(found.fingerprint).upper(), tuple(str(user) for user in found.user_ids), expires, wrong)


def opened(sealed: Sealed, secrets_: Sequence[bytes], certificates: Sequence[bytes]) -> Plain:
    """Decrypt with whichever key fits, and check signatures against these certificates alone.

    Raises `Unverified` where no key opens it, and `Malformed`.
    """
    library = _library()
    known = [library.Cert.from_bytes(data) for data in certificates]
    if sealed.signature:
        signer, why = _checked(
            lambda: library.verify(
                bytes=sealed.data, store=lambda _: known, signature=library.Sig.from_bytes(sealed.signature)
            ),
            known,
        )
        return Plain(sealed.data, signer, why)
    if b"-----BEGIN PGP SIGNED MESSAGE-----" in sealed.data[:_HEAD_BYTES]:
        found = _Once(lambda: library.verify(sealed.data, lambda _: known))
        signer, why = _checked(found, known)
        return Plain(bytes(found.result.bytes) if signer else sealed.data, signer, why)
    for secret in secrets_:
        decryptor = library.Tsk.from_bytes(secret).decryptor()
        try:
            content = bytes(library.decrypt(bytes=sealed.data, decryptor=decryptor).bytes)
        except Exception as error:  # the library has no error of its own that stands for all
            if "No key to decrypt" in str(error):
                continue
            if "out of memory" in str(error):
                raise TooLarge("it unfolds beyond all bounds (MAIL_OPEN_BYTES_MAX)") from error
            raise Malformed(f"this is nothing that can be decrypted: {_said(error)}") from error
        check = partial(library.decrypt, bytes=sealed.data, decryptor=decryptor, store=lambda _: known)
        signer, why = _checked(check, known)
        return Plain(content, signer, why, encrypted=True)
    raise Unverified("it is encrypted for a key that is not here")


class _Once:
    """A call whose result is kept."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self.result: Any = None

    def __call__(self) -> Any:
        self.result = self._call()
        return self.result


def _checked(check: Callable[[], Any], known: Sequence[Any]) -> tuple[str, str]:
    """Return the fingerprint of the certificate whose signature holds, or why there is none."""
    if not known:
        return "", "no key that is registered could have signed it"
    try:
        result = check()
    except Exception as error:  # noqa: BLE001  # the library has no error of its own that stands for all
        said = _said(error)
        return "", f"no signature of a registered key holds: {said.removeprefix('Signature verification failed: ')}"
    fingerprints = {str(one.fingerprint).upper() for one in known}
    for signature in result.valid_sigs:
        if str(signature.certificate).upper() in fingerprints:
            return str(signature.certificate).upper(), ""
    return "", "it is not signed"


def encrypted(tsk: bytes, entity: bytes, certificate: bytes) -> bytes:
    """Return armour: signed by a private key, encrypted for a certificate and for that key. Raises `Unverified`."""
    library = _library()
    own = library.Tsk.from_bytes(tsk)
    try:
        recipients = [certificate_of(certificate), own.extract_certificate()]
        return bytes(library.encrypt(signer=own.signer(), recipients=recipients, bytes=entity))
    except ComityError:
        raise
    except Exception as error:  # the library has no error of its own that stands for all
        raise Unverified(f"it cannot be encrypted: {_said(error)}") from error
