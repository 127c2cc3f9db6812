"""This party's OpenPGP key: for signatures that people without a node can check (RFC 9580).

Rules: the key is made when it is first needed, and lies beside the others, readable by its owner alone. It proves that
a file is this party's and nothing in any log: what a node believes rests on the card's keys.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, Final

from comity.canon import PartyId
from comity.errors import Fault, Misuse

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
        """Return an armoured detached signature."""
        library = _library()
        return bytes(library.sign(self._key().signer(), data, mode=library.SignatureMode.DETACHED))

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
            raise Fault(f"{self._path} is no OpenPGP key: {error}", hint="restore it from a backup") from error

    def _make(self) -> Any:
        made = _library().Tsk.generate(self._user)
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise Fault(f"{self._path} cannot be written: {error.strerror}") from error
        with os.fdopen(handle, "wb") as file:
            file.write(str(made).encode())
            file.flush()
            os.fsync(file.fileno())
        return made
