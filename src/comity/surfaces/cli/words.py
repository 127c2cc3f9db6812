"""The twelve words by which people compare a fingerprint over the telephone (BIP-39, English)."""

from __future__ import annotations

from mnemonic import Mnemonic

from comity.errors import Malformed


def words_of(fingerprint: bytes) -> str:
    """Return 16 bytes as twelve words; the last one carries a checksum."""
    return Mnemonic("english").to_mnemonic(fingerprint)


def fingerprint_of(text: str) -> bytes:
    """Return the 16 bytes of twelve words in any case and spacing. Raises `Malformed`."""
    mnemonic = Mnemonic("english")
    words = text.lower().replace(",", " ").split()
    if len(words) != 12:
        raise Malformed(f"{len(words)} words, where twelve are wanted")
    unknown = [word for word in words if word not in mnemonic.wordlist]
    if unknown:
        raise Malformed(f"{unknown[0]!r} is not one of the 2,048 words", hint="ask for the word to be spelt")
    try:
        return bytes(mnemonic.to_entropy(words))
    except ValueError as error:
        raise Malformed("the twelve words do not fit together: one of them was misheard") from error
