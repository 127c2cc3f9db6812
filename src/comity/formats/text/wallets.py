"""Addresses of cryptocurrencies that prove themselves: every checksum that an address carries must hold.

Rules: what has the form of an address and not its checksum is no address but a word that looks like one. A
hexadecimal address in one case carries none (EIP-55) and is taken by its form. Nothing here is a secret.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGITS: Final = {char: number for number, char in enumerate(_BASE58)}
_BECH32: Final = {char: number for number, char in enumerate("qpzry9x8gf2tvdw0s3jn54khce6mua7l")}
_BECH32_GENERATORS: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_BECH32_CONSTANTS: Final = (1, 0x2BC830A3)  # BIP 173 and, for what came after it, BIP 350
# The first byte of what the base58 stands for: Bitcoin, Litecoin (and again from 2018), Dogecoin, Dash, Tron.
_VERSIONS: Final = {"1": (0x00,), "3": (0x05,), "L": (0x30,), "M": (0x32,), "D": (0x1E,), "X": (0x4C,), "T": (0x41,)}
_MONERO: Final = {"4": (0x12, 0x13), "8": (0x2A,)}  # standard and integrated, subaddress
_MONERO_CHARS: Final = 95
_CHARS_MIN, _CHARS_MAX = 14, 106  # characters of any address; an integrated one of Monero is the longest
_BLOCK_CHARS: Final = 11  # Monero writes eight bytes as eleven digits, and the last five as seven


def is_wallet(text: str) -> bool:
    """Return whether a text of the form that `observables` calls `wallet` is an address, by its own checksum."""
    if not _CHARS_MIN <= len(text) <= _CHARS_MAX:
        return False
    if text[:2] in {"0x", "0X"}:
        return _is_hexadecimal(text[2:])
    if text[:3].lower() in {"bc1", "ltc"}:
        return _is_bech32(text.lower())
    if len(text) == _MONERO_CHARS:
        return _is_monero(text)
    return _is_base58check(text)


def _is_base58check(text: str) -> bool:
    number = _base58(text)
    if number is None or number >> 200:
        return False
    data = number.to_bytes(25)
    ones = len(text) - len(text.lstrip("1"))  # each stands for one leading zero byte
    zeros = len(data) - len(data.lstrip(b"\0"))
    if ones != zeros or data[0] not in _VERSIONS.get(text[0], ()):
        return False
    return sha256(sha256(data[:21]).digest()).digest()[:4] == data[21:]


def _base58(text: str) -> int | None:
    number = 0
    for char in text:
        digit = _DIGITS.get(char)
        if digit is None:
            return None
        number = number * 58 + digit
    return number


def _is_bech32(text: str) -> bool:
    """BIP 173: a polynomial over the human-readable part and the digits leaves a known rest."""
    human, _, digits = text.rpartition("1")
    if human not in {"bc", "ltc"}:
        return False
    values = [_BECH32.get(char, -1) for char in digits]
    if -1 in values:
        return False
    rest = 1
    for value in [*(ord(char) >> 5 for char in human), 0, *(ord(char) & 31 for char in human), *values]:
        top = rest >> 25
        rest = (rest & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_BECH32_GENERATORS):
            if top >> bit & 1:
                rest ^= generator
    return rest == _BECH32_CONSTANTS[values[0] > 0]  # the first digit is the version of the witness program


def _is_hexadecimal(digits: str) -> bool:
    """EIP-55: the case of each letter is a bit of the Keccak hash of the address in lower case."""
    low = digits.lower()
    if len(set(low)) < 4:
        return False  # the zero address and its like are nobody's
    if digits in (low, low.upper()):
        return True
    marks = keccak256(low.encode()).hex()
    return all(
        char.isdigit() or char.isupper() == (int(mark, 16) > 7) for char, mark in zip(digits, marks, strict=False)
    )


def _is_monero(text: str) -> bool:
    data = bytearray()
    for start in range(0, len(text), _BLOCK_CHARS):
        block = text[start : start + _BLOCK_CHARS]
        size = 8 if len(block) == _BLOCK_CHARS else 5
        number = _base58(block)
        if number is None or number >> 8 * size:
            return False
        data += number.to_bytes(size)
    return data[0] in _MONERO.get(text[0], ()) and keccak256(bytes(data[:-4]))[:4] == data[-4:]


# --- Keccak-f[1600] as it was before SHA-3 was standardised: hashlib has only SHA-3, which pads otherwise -----------

_LANE: Final = (1 << 64) - 1
_RATE: Final = 136  # bytes taken in one round of Keccak-256
_ROUNDS: Final = (
    *(0x0000000000000001, 0x0000000000008082, 0x800000000000808A, 0x8000000080008000, 0x000000000000808B),
    *(0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008A, 0x0000000000000088),
    *(0x0000000080008009, 0x000000008000000A, 0x000000008000808B, 0x800000000000008B, 0x8000000000008089),
    *(0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800A, 0x800000008000000A),
    *(0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008),
)


def _moves() -> tuple[tuple[int, int, int], ...]:
    """Return for each lane (x + 5y) where its turned bits go, and by how many bits they are turned (ρ and π)."""
    made, x, y = [(0, 0, 0)], 1, 0
    for step in range(24):
        turn = (step + 1) * (step + 2) // 2 % 64
        made.append((x + 5 * y, y + 5 * ((2 * x + 3 * y) % 5), turn))
        x, y = y, (2 * x + 3 * y) % 5
    return tuple(made)


_MOVES: Final = _moves()


def _permute(lanes: list[int]) -> list[int]:
    for constant in _ROUNDS:
        column = [lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20] for x in range(5)]
        mixed = [column[x - 1] ^ (column[x - 4] << 1 & _LANE | column[x - 4] >> 63) for x in range(5)]
        turned = [0] * 25
        for source, target, turn in _MOVES:
            lane = lanes[source] ^ mixed[source % 5]
            turned[target] = (lane << turn | lane >> 64 - turn) & _LANE
        lanes = [
            turned[at] ^ ~turned[at - at % 5 + (at + 1) % 5] & turned[at - at % 5 + (at + 2) % 5] for at in range(25)
        ]
        lanes[0] ^= constant
    return lanes


def keccak256(data: bytes) -> bytes:
    """Return the 32 bytes of Keccak-256, as Ethereum and Monero use it."""
    padded = bytearray(data + bytes(_RATE - len(data) % _RATE))
    padded[len(data)] ^= 0x01
    padded[-1] ^= 0x80
    lanes = [0] * 25
    for start in range(0, len(padded), _RATE):
        for at in range(_RATE // 8):
            lanes[at] ^= int.from_bytes(padded[start + 8 * at : start + 8 * at + 8], "little")
        lanes = _permute(lanes)
    return b"".join(lane.to_bytes(8, "little") for lane in lanes[:4])
