"""Files that are never opened here: archives, office documents, programs, images, databases.

Rules: they are told by their first bytes and refused by what they are, so that no words that happen to stand in one are
taken for a report. Nothing is unpacked, so nothing that is packed can cost more than it weighs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from comity.formats.convert import Context, Loss, Outcome, loss

_BEGINNINGS: Final = (  # how a file begins, and what it is
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\x1f\x8b", "a gzip file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\0", "an xz file"),
    (b"(\xb5/\xfd", "a zstd file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old office document or an installer"),
    (b"MZ\x90\0", "a program for Windows"),
    (b"\x7fELF", "a program"),
    (b"\x89PNG\r\n", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"GIF8", "an image"),
    (b"SQLite format 3\0", "a database"),
)
_TAR: Final = slice(257, 262)  # where a tar archive says `ustar`
_HEAD_BYTES: Final = _TAR.stop


def what(head: bytes) -> str:
    """Return what a file with these first bytes is, e.g. `a gzip file`; empty where it may be read."""
    known = next((name for start, name in _BEGINNINGS if head.startswith(start)), "")
    return known or ("a tar archive" if head[_TAR] == b"ustar" else "")


def read(chunks: Iterable[bytes], _: Context) -> Iterator[Loss]:
    """Refuse such a file, and any other that somebody says is one."""
    head = b""
    for chunk in chunks:
        head += chunk[:_HEAD_BYTES]
        if len(head) >= _HEAD_BYTES:
            break
    said = "unpack it elsewhere and bring in what is in it, or keep it as it is by `comity attachment add`"
    yield loss("the whole input", Outcome.REFUSED, "not-opened", f"{what(head) or 'this'} is never opened here: {said}")
