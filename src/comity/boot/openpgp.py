"""This party's OpenPGP key: for signatures that people without a node can check (RFC 9580).

Rules: the key is made when it is first needed, and lies beside the others, whole or not at all, readable by its owner
alone. It proves that a file is this party's and nothing in any log: what a node believes rests on the card's keys.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Any, Final

from comity.canon import Instant, PartyId
from comity.errors import Fault, Misuse
from comity.surfaces.cli.desk import OPENPGP_RENEWAL

NAME: Final = "openpgp.asc"


def _library() -> Any:
    """Return the library, which is loaded when it is first needed. Raises `Misuse` where it is not installed."""
    try:
        import pysequoia
    except ImportError as error:
        raise Misuse("OpenPGP needs the package pysequoia", hint="pip install 'comity[pgp]'") from error
    return pysequoia


class OpenPgpKey:
    """A signing key on disk, loaded when it is first used."""

    def __init__(self, folder: Path, party: PartyId, name: str) -> None:
        self._path = folder / NAME
        self._user = f"{name} <csirt@{party}>"
        self._loaded: Any = None

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
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = self._path.with_name(f".{NAME}.{secrets.token_hex(8)}")
        try:
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(str(made).encode())
                file.flush()
                os.fsync(file.fileno())
            os.link(partial, self._path)
        except FileExistsError:  # another process was first: its key is the party's
            return self._read()
        except OSError as error:
            raise Fault(f"{self._path} cannot be written: {error.strerror}") from error
        finally:
            partial.unlink(missing_ok=True)
        return made


def _said(error: Exception) -> str:
    """Return what the library says, without its stack."""
    return str(error).partition("\n")[0][:200]
