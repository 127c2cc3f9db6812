"""Checkpoints: the signed size and root of a log (c2sp.org/tlog-checkpoint).

Rules: three lines (origin, size, base64 root) and optional opaque extension lines, none of them empty.
A log's key is named by its origin; tlog-checkpoint only recommends that, we insist, because a party may
use one key for several logs and then the name alone ties the key to this one.
"""

from __future__ import annotations

from dataclasses import dataclass

from comity.tlog.errors import FormatError, ProofError
from comity.tlog.limits import CHECKPOINT_BYTES_MAX, NAME_BYTES_MAX, TREE_SIZE_MAX
from comity.tlog.note import Note, Verifier, verify
from comity.tlog.text import HASH_BYTES, b64, read_clean, read_decimal, read_hash


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's origin, its number of leaves and its 32-byte RFC 6962 root. Raises `FormatError` when made wrongly."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size <= TREE_SIZE_MAX or len(self.root) != HASH_BYTES:
            raise FormatError("a checkpoint has a size of up to 2**63 - 1 and a root of 32 bytes")
        if not all(line and "\n" not in line for line in (self.origin, *self.extensions)):
            raise FormatError("a checkpoint's lines are not empty")
        try:
            text = self.text()
            origin_bytes = len(self.origin.encode())
        except UnicodeEncodeError as error:
            raise FormatError("a checkpoint is not Unicode text") from error
        if origin_bytes > NAME_BYTES_MAX or len(text) > CHECKPOINT_BYTES_MAX:
            raise FormatError(f"an origin has up to {NAME_BYTES_MAX} bytes, a checkpoint {CHECKPOINT_BYTES_MAX}")
        read_clean(text, what="a checkpoint")

    def text(self) -> bytes:
        """Return the text that the log signs."""
        return "".join(f"{line}\n" for line in (self.origin, self.size, b64(self.root), *self.extensions)).encode()


def parse_checkpoint(text: bytes) -> Checkpoint:
    """Read a checkpoint's text (a note's text, without signatures). Raises `FormatError`."""
    if len(text) > CHECKPOINT_BYTES_MAX:
        raise FormatError(f"a checkpoint of {len(text)} bytes is over the limit of {CHECKPOINT_BYTES_MAX}")
    lines = read_clean(text, what="a checkpoint").split("\n")
    if len(lines) < 4 or lines.pop():
        raise FormatError("a checkpoint is not three lines or more, each ended by a newline")
    origin, size, root, *extensions = lines
    return Checkpoint(origin, read_decimal(size, what="a tree size"), read_hash(root, what="a root"), tuple(extensions))


def verify_checkpoint(note: Note, *verifiers: Verifier) -> Checkpoint:
    """Return the checkpoint in `note`, signed by one of the keys `verifiers` of that very log.

    Raises `FormatError` if the note is no checkpoint, `ProofError` if no key named by its origin signed it.
    """
    checkpoint = parse_checkpoint(note.text)
    keys = [verifier for verifier in verifiers if verifier.name == checkpoint.origin]
    if not keys:
        raise ProofError(f"none of the keys given speaks for the log {checkpoint.origin}")
    verify(note, *keys)
    return checkpoint
