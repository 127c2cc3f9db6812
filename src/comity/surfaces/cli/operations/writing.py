"""Files that operations write: whole or not at all.

Rules: a file is written beside its place and renamed, so that nobody reads half of it and what fails leaves the one
before. A pipe or a device is written to, and never replaced; a link is followed. What is being written has a name that
nobody can guess and is made anew: in a folder that others write to, a link or a file may lie in wait under any other.
What must not lie on a disk as it is lies there veiled, under a key that is in memory alone and serves one file.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from comity.errors import Fault

PRIVATE: Final = 0o600  # readable by its owner alone, and never executable
_STEM_CHARS: Final = 48  # of the name meant, in that of what is being written: with 4 bytes each it still fits
VEIL_BYTES: Final = 32  # of a key of ChaCha20, which is written in hexadecimal
SHARED: Final = 0o666  # as the user's own mask leaves it


@contextmanager
def beside(path: Path, mode: int = SHARED) -> Iterator[IO[bytes]]:
    """Yield a file beside the one that is meant, which it becomes at the end. Raises `Fault`."""
    try:
        path = path.resolve()
        whole = path.exists() and not path.is_file()
        partial = path if whole else path.with_name(f".{path.name[:_STEM_CHARS]}.{secrets.token_hex(8)}.partial")
        flags = os.O_WRONLY if whole else os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        try:
            with os.fdopen(os.open(partial, flags, mode), "wb") as file:
                yield file
            if not whole:
                partial.replace(path)
        finally:
            if not whole:
                partial.unlink(missing_ok=True)
    except OSError as error:
        raise Fault(f"{path} cannot be written: {error.strerror}") from error


def veil(key: str) -> Callable[[bytes], bytes]:
    """Return what enciphers a file chunk by chunk, or deciphers it: ChaCha20 goes both ways. No key: plain.

    It hides a file from whatever reads the disk, scanners too, while it lies there. It proves nothing: what is read
    back is checked as what came in any other way.
    """
    if not key:
        return lambda chunk: chunk
    return (
        Cipher(ChaCha20(bytes.fromhex(key), bytes(16)), None).encryptor().update
    )  # a key serves one file: its nonce may be zero
