"""The elements of C2SP's text formats: base64, decimal numbers, names, clean text.

Rules: one value has one spelling. Base64 is the standard alphabet with padding and no stray bits;
numbers have no sign and no leading zero; so what is read writes back to the same bytes.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from comity.tlog.errors import FormatError
from comity.tlog.limits import NAME_BYTES_MAX, TREE_SIZE_MAX

HASH_BYTES: Final = 32  # SHA-256 throughout: tlog-tiles, tlog-checkpoint

_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_CONTROLS: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")


def b64(data: bytes) -> str:
    """Return standard base64 with padding (RFC 4648 §4)."""
    return base64.b64encode(data).decode("ascii")


def unb64(text: str, *, what: str) -> bytes:
    """Read standard base64 in its only canonical spelling. Raises `FormatError`."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError(f"{what} is not base64") from error
    if b64(data) != text:
        raise FormatError(f"{what} is not in canonical base64")
    return data


def read_hash(text: str, *, what: str) -> bytes:
    """Read one base64 SHA-256 hash of 32 bytes. Raises `FormatError`."""
    data = unb64(text, what=what)
    if len(data) != HASH_BYTES:
        raise FormatError(f"{what} has {len(data)} bytes instead of {HASH_BYTES}")
    return data


def read_decimal(text: str, *, what: str) -> int:
    """Read a number from 0 to 2**63 - 1 without leading zeros. Raises `FormatError`."""
    if not _DECIMAL.fullmatch(text) or int(text) > TREE_SIZE_MAX:
        raise FormatError(f"{what} is not a decimal number up to 2**63 - 1")
    return int(text)


def read_clean(data: bytes, *, what: str) -> str:
    """Read UTF-8 without control characters other than newline (signed-note, "Format"). Raises `FormatError`."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"{what} is not UTF-8") from error
    if _CONTROLS.search(text):
        raise FormatError(f"{what} holds a control character")
    return text


def check_name(name: str) -> None:
    """Check a key name: 1 to 255 bytes, no space of any script, no plus sign. Raises `FormatError`."""
    if "+" in name or any(character.isspace() or character < " " for character in name):
        raise FormatError("a key name has a space, a plus sign or a control character")
    try:
        length = len(name.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise FormatError("a key name is not Unicode text") from error
    if not 0 < length <= NAME_BYTES_MAX:
        raise FormatError(f"a key name has {length} bytes, where 1 to {NAME_BYTES_MAX} are allowed")
