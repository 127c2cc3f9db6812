"""A party's private keys on disk: one file each, 0600, in a directory 0700.

Rules: the root key signs cards and accords and may be kept elsewhere; the working keys sign what the node
does every day. No key is ever printed, logged or sent. A file that others can read is refused.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from comity import canon
from comity.canon import Instant, Origin, PartyId
from comity.errors import Conflict, Fault, NotFound
from comity.node.witness import witness_name
from comity.party import Keys, root_digest
from comity.tlog import cosignature, note
from comity.tlog.note import Note, Signature

ROOT: Final = "root"
NEXT_ROOT: Final = "next-root"
LOG: Final = "log"
WITNESS: Final = "witness"
REQUEST: Final = "request"
WORKING: Final = (LOG, WITNESS, REQUEST)


@dataclass(frozen=True, slots=True)
class KeyDirectory:
    """The directory that holds a party's private keys."""

    path: Path

    def create(self, name: str) -> Ed25519PrivateKey:
        """Make a new signing key. Raises `Conflict` where one of that name exists."""
        key = Ed25519PrivateKey.generate()
        self._write(name, key.private_bytes_raw())
        return key

    def create_encryption(self, office: str) -> bytes:
        """Make an office's X25519 key; return the public half, 32 bytes."""
        key = X25519PrivateKey.generate()
        self._write(f"office-{office}", key.private_bytes_raw())
        return key.public_key().public_bytes_raw()

    def load(self, name: str) -> Ed25519PrivateKey:
        """Return a signing key. Raises `NotFound`, or `Fault` where others can read its file."""
        return Ed25519PrivateKey.from_private_bytes(_read_private(self.path / f"{name}.key"))

    def has(self, name: str) -> bool:
        """Say whether a key of that name is here."""
        return (self.path / f"{name}.key").exists()

    def retire(self, name: str, serial: int) -> None:
        """Set a key aside under the serial of the last card that named it."""
        (self.path / f"{name}.key").rename(self.path / f"{name}.{serial}.retired")

    def promote(self, name: str, to: str) -> None:
        """Rename a key: the announced next root becomes the root."""
        if (self.path / f"{to}.key").exists():
            raise Conflict(f"there is a key named {to} already")
        (self.path / f"{name}.key").rename(self.path / f"{to}.key")

    def public_keys(self) -> Keys:
        """Return the public keys of a card made from these keys."""
        root, working = self.load(ROOT), {name: canon.b64(public(self.load(name))) for name in WORKING}
        following = root_digest(public(self.load(NEXT_ROOT)))
        return Keys(root=canon.b64(public(root)), next_root=following, **working)

    def _write(self, name: str, secret: bytes) -> None:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.path / f"{name}.key"
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise Conflict(f"{path} exists; a key is never overwritten") from error
        except OSError as error:
            raise Fault(f"{path} cannot be written: {error.strerror}") from error
        with os.fdopen(handle, "wb") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())


def _read_private(path: Path) -> bytes:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise Fault(f"{path} can be read by others (mode {mode:04o})", hint=f"chmod 600 {path}")
        secret = path.read_bytes()
    except FileNotFoundError as error:
        hint = "bring it from where it is kept offline" if path.stem in {ROOT, NEXT_ROOT} else ""
        raise NotFound(f"the key {path} is not here", hint=hint) from error
    except OSError as error:
        raise Fault(f"{path} cannot be read: {error.strerror}") from error
    if len(secret) != 32:
        raise Fault(f"{path} is no key: {len(secret)} bytes, where 32 are wanted")
    return secret


def public(key: Ed25519PrivateKey) -> bytes:
    """Return the public half, 32 bytes."""
    return key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


class KeySigner:
    """The `Signer` port over keys in memory, loaded at the first use."""

    def __init__(self, me: PartyId, load: Callable[[str], Ed25519PrivateKey]) -> None:
        self._me = me
        self._load = load
        self._loaded: dict[str, Ed25519PrivateKey] = {}

    def checkpoint(self, origin: Origin, text: bytes) -> bytes:
        """Return the signed note of a checkpoint's text."""
        return Note(text, (note.sign(text, origin, self._key(LOG)),)).encode()

    def cosign(self, text: bytes, at: Instant) -> Signature:
        """Return the witness's cosignature."""
        return cosignature.cosign(text, witness_name(self._me), self._key(WITNESS), at)

    def request(self, message: bytes) -> bytes:
        """Return the request key's signature."""
        return self._key(REQUEST).sign(message)

    def forget(self) -> None:
        """Load the keys anew: they were rotated."""
        self._loaded.clear()

    def _key(self, name: str) -> Ed25519PrivateKey:
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]
