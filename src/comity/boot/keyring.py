"""Replacing keys on disk, so that a machine that stops half-way finds its way on at the next start.

Rules: a new key lies beside the old one under its own name until the card that names it is in force; only
then the old one is set aside. No key is deleted: what was signed with it must stay explicable.
"""

from __future__ import annotations

from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from comity import canon
from comity.boot.keys import NEXT_ROOT, ROOT, KeyDirectory, KeySigner, public
from comity.canon import Instant
from comity.errors import Misuse, NotFound
from comity.party import Keys, SignedCard, root_digest, sign_card

COMING: Final = "coming-"  # before a working key's name: made, not in force yet
COMING_ROOT: Final = "coming-next-root"


class DiskKeyring:
    """The `Keyring` over the key files of a node's directory."""

    def __init__(self, directory: KeyDirectory, signer: KeySigner) -> None:
        self._directory = directory
        self._signer = signer

    def root(self) -> Ed25519PrivateKey:
        """Return the root key. Raises `NotFound` where it is kept elsewhere."""
        return self._directory.load(ROOT)

    def renewed(self, card: SignedCard, which: str, *, stolen: bool, at: Instant) -> SignedCard:
        """Make a new key beside the one in use; return the signed card that names it."""
        keys = card.card.keys
        signers: list[Ed25519PrivateKey] = []
        if which == ROOT:
            following = self._directory.load(NEXT_ROOT)
            announced = root_digest(public(self._made(COMING_ROOT)))
            keys = msgspec.structs.replace(keys, root=canon.b64(public(following)), next_root=announced)
            signers = [following]
            if not stolen and self._directory.has(ROOT):
                signers.append(self.root())
        elif which in Keys.__struct_fields__:
            keys = msgspec.structs.replace(keys, **{which: canon.b64(public(self._made(COMING + which)))})
            signers = [self.root()]
        else:
            raise Misuse(f"there is no key {which!r}")
        new = msgspec.structs.replace(card.card, serial=card.card.serial + 1, issued=at, keys=keys)
        return sign_card(new, *signers)

    def _made(self, name: str) -> Ed25519PrivateKey:
        """Return a key made by an earlier attempt, or a new one."""
        return self._directory.load(name) if self._directory.has(name) else self._directory.create(name)

    def replace(self, card: SignedCard) -> None:
        """Use the keys that the card in force names from now on; set the ones before aside."""
        self.finish(card)
        self._signer.forget()

    def finish(self, card: SignedCard) -> None:
        """Put keys in place that the card in force names already: also after a stop half-way."""
        keys, before = card.card.keys, card.card.serial - 1
        for name in ("log", "witness", "request"):
            if self._is(COMING + name, getattr(keys, name)):
                self._put(COMING + name, name, before)
        if (
            self._directory.has(COMING_ROOT)
            and root_digest(public(self._directory.load(COMING_ROOT))) == keys.next_root
        ):
            if self._is(NEXT_ROOT, keys.root):
                self._put(NEXT_ROOT, ROOT, before)
            self._put(COMING_ROOT, NEXT_ROOT, before)

    def _is(self, name: str, named: str) -> bool:
        try:
            return self._directory.has(name) and canon.b64(public(self._directory.load(name))) == named
        except NotFound:
            return False

    def _put(self, name: str, to: str, serial: int) -> None:
        if self._directory.has(to):
            self._directory.retire(to, serial)
        self._directory.promote(name, to)
