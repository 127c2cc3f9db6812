"""Files inside MISP events: the `data` of attributes, and the ZIP under the customary password around a sample.

Rules: a file is taken out of base64 and of that one ZIP, so that it is found by its own hashes; nothing else is ever
opened. Sizes are looked at before anything is unpacked, and all files of one input together have a bound. What cannot
be unpacked is kept as it came. Nothing here is secret: the password is the custom of the field (PyMISP, MISP core
format §2.4.2.3) and keeps scanners and hands off.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
import zlib
from typing import Any, Final

from comity.formats.convert import Attached, Outcome
from comity.formats.misp.scope import Facts, Scope
from comity.limits import ATTACHMENT_BYTES_MAX, ATTACHMENT_NAME_CHARS_MAX, MISP_SAMPLE_BYTES_MAX

Tree = dict[str, Any]

SAMPLE: Final = "malware-sample"
PASSWORD: Final = b"infected"
NOTE_CHARS: Final = 2_000
_NAME_SUFFIX: Final = ".filename.txt"  # of the member that holds the sample's name
_END: Final = struct.Struct("<4s4H2LH")  # end of the central directory (PKWARE APPNOTE 4.3.16)
_CENTRAL: Final = struct.Struct("<4s4HL3L3H2H2L")  # a member's line in it (4.3.12), both its times as one
_LOCAL: Final = struct.Struct("<4s22x2H")  # before a member's bytes (4.3.7): only the lengths of what comes between
_MEMBERS_MAX: Final = 2  # the sample, and its name
_DEFLATED: Final = 8
_METHODS: Final = frozenset({0, _DEFLATED})
_ENCRYPTED: Final = 1  # flags (4.4.4)
_STRONG: Final = 1 << 6 | 1 << 13
_SALT_BYTES: Final = 12  # before what the old cipher encrypts


def file(scope: Scope, tree: Tree, kind: str, value: str, facts: Facts, made: str, where: str) -> None:
    """Give the file that an attribute carries, about what was `made` of it; say what of it is not as it should be."""
    if not tree.get("data"):
        return
    if facts.revoked:
        reason = "deleted by its author: its file is kept only in the original"
        scope.lose(where, Outcome.UNMAPPED, "attachment", reason)
        return
    data = _decoded(scope, tree["data"], where)
    if data is None:
        return
    name, _, said = value.partition("|")
    if kind == SAMPLE:
        data = _sample(scope, data, said, where)
    if len(data) > ATTACHMENT_BYTES_MAX or len(data) > scope.room.left:
        limit = "ATTACHMENT_BYTES_MAX" if len(data) > ATTACHMENT_BYTES_MAX else "MISP_DATA_BYTES_MAX"
        scope.lose(where, Outcome.REFUSED, "attachment-too-large", f"a file of {len(data)} bytes: over {limit}")
        return
    scope.room.left -= len(data)
    name = name.strip() or "file"
    if len(name) > ATTACHMENT_NAME_CHARS_MAX:
        scope.lose(where, Outcome.CHANGED, "attachment-name", "a long name: cut (ATTACHMENT_NAME_CHARS_MAX)")
        name = name[-ATTACHMENT_NAME_CHARS_MAX:]  # a name ends with what it claims to be
    about = tuple(dict.fromkeys(one for one in (made, scope.report) if one))
    scope.out.append(Attached(data, name, about, where, facts.tlp, facts.comment[:NOTE_CHARS]))


def _decoded(scope: Scope, given: object, where: str) -> bytes | None:
    try:
        if isinstance(given, str):
            return base64.b64decode("".join(given.split()), validate=True)
    except (binascii.Error, ValueError):
        pass
    scope.lose(where, Outcome.REFUSED, "base64", "the file is no base64: it is only in the original")
    return None


def _sample(scope: Scope, data: bytes, said: str, where: str) -> bytes:
    """Return a sample without its ZIP; with it, and said, where it does not come out."""
    most = min(ATTACHMENT_BYTES_MAX, scope.room.left)
    found = unwrapped(data, most) if len(data) <= MISP_SAMPLE_BYTES_MAX else None
    if found is None:
        reason = "no ZIP of one sample under the customary password, or too large a one: kept as it came"
        scope.lose(where, Outcome.CHANGED, "sample-wrapped", reason)
        return data
    if said.strip() and hashlib.md5(found, usedforsecurity=False).hexdigest() != said.strip().lower():
        scope.lose(where, Outcome.CHANGED, "sample-hash", "the sample has another MD5 than the event names")
    return found


def unwrapped(data: bytes, most: int) -> bytes | None:
    """Return the one sample in a ZIP as MISP makes it, of at most so many bytes; None for anything else.

    Read by the format itself (PKWARE APPNOTE 6.3): of a hostile archive no more is believed than is checked here.
    """
    try:
        return _only(data, most)
    except (struct.error, zlib.error):
        return None


def _only(data: bytes, most: int) -> bytes | None:
    """Return the content of the one member that names no other. Raises `struct.error` or `zlib.error`."""
    mark, _, _, _, count, _, at, comment = _END.unpack(data[-_END.size :])
    if mark != b"PK\x05\x06" or comment or not 1 <= count <= _MEMBERS_MAX:
        return None
    found: list[tuple[int, int, int, int, int, int]] = []
    for _ in range(count):
        mark, _, _, flags, method, _, check, packed, size, title, extra, comment, _, _, _, start = _CENTRAL.unpack_from(
            data, at
        )
        name = data[at + _CENTRAL.size : at + _CENTRAL.size + title]
        if mark != b"PK\x01\x02":
            return None
        if not name.endswith(_NAME_SUFFIX.encode()):
            found.append((flags, method, check, packed, size, start))
        at += _CENTRAL.size + title + extra + comment
    if len(found) != 1:
        return None
    flags, method, check, packed, size, start = found[0]
    if size > most or method not in _METHODS or flags & _STRONG:
        return None
    mark, title, extra = _LOCAL.unpack_from(data, start)
    inside = data[start + _LOCAL.size + title + extra :][:packed]
    if mark != b"PK\x03\x04" or len(inside) != packed:
        return None
    if flags & _ENCRYPTED:
        inside = _old_cipher(inside, undo=True)[_SALT_BYTES:]
    if method == _DEFLATED:
        unpacking = zlib.decompressobj(-zlib.MAX_WBITS)
        inside = unpacking.decompress(inside, size + 1)  # what the directory says of its size is not relied on
        if not unpacking.eof:
            return None
    return inside if len(inside) == size and zlib.crc32(inside) == check else None


# -- writing -------------------------------------------------------------------------------


def wrapped(data: bytes, name: str) -> bytes:
    """Return a sample in a ZIP as MISP and PyMISP read it: under its MD5, its name beside it, by ZIP's own old cipher.

    That cipher (APPNOTE 6.1) hides nothing from anybody who wants to know. It is the one that they can read.
    """
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    body = central = b""
    members = ((digest, data), (digest + _NAME_SUFFIX, name.encode("utf-8", "replace")))
    for title, inside in members:
        check = zlib.crc32(inside)
        sealed = _old_cipher(_salt(inside, check) + inside)
        # Encrypted and stored, of 1 January 1980 (0x21): the same sample is the same ZIP.
        facts = struct.pack("<5H3L2H", 20, 1, 0, 0, 0x21, check, len(sealed), len(inside), len(title), 0)
        central += b"PK\x01\x02" + struct.pack("<H", 20) + facts + struct.pack("<3H2L", 0, 0, 0, 0, len(body))
        central += title.encode()
        body += b"PK\x03\x04" + facts + title.encode() + sealed
    end = _END.pack(b"PK\x05\x06", 0, 0, len(members), len(members), len(central), len(body), 0)
    return body + central + end


def _salt(data: bytes, check: int) -> bytes:
    """Return the twelve bytes before the data; the last one tells a right password from a wrong one (APPNOTE 6.1.5)."""
    return hashlib.sha256(b"zip" + data[:65_536]).digest()[:11] + bytes([check >> 24])


def _old_cipher(data: bytes, *, undo: bool = False) -> bytes:
    """Return data under the password by the traditional PKWARE encryption (APPNOTE 6.1), or what was under it."""
    table = _TABLE
    first, second, third = 0x12345678, 0x23456789, 0x34567890
    for byte in PASSWORD:
        first = table[(first ^ byte) & 0xFF] ^ (first >> 8)
        second = ((second + (first & 0xFF)) * 134_775_813 + 1) & 0xFFFFFFFF
        third = table[(third ^ (second >> 24)) & 0xFF] ^ (third >> 8)
    out = bytearray(data)
    for at, byte in enumerate(data):
        mixed = third | 2
        out[at] = other = byte ^ ((mixed * (mixed ^ 1) >> 8) & 0xFF)
        first = table[(first ^ (other if undo else byte)) & 0xFF] ^ (first >> 8)
        second = ((second + (first & 0xFF)) * 134_775_813 + 1) & 0xFFFFFFFF
        third = table[(third ^ (second >> 24)) & 0xFF] ^ (third >> 8)
    return bytes(out)


def _entry(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ (0xEDB88320 if value & 1 else 0)
    return value


_TABLE: Final = tuple(_entry(value) for value in range(256))  # CRC-32, a byte at a time
