"""Proof files: one entry, proven to be in a signed log, offline (c2sp.org/tlog-proof).

    c2sp.org/tlog-proof@v1
    extra <base64>                    optional, not authenticated
    index <number>
    <base64 hash>                     from the leaf's sibling upwards, any number of lines
    <blank line, then the signed checkpoint as it is>

Rules: `extra` is nobody's word: whoever uses it (as the opening of a commitment, say) checks it against
the leaf. A proof says what the log held, not that all saw the same log: for that, ask for cosigners.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from comity.tlog.checkpoint import Checkpoint, parse_checkpoint, verify_checkpoint
from comity.tlog.cosignature import CosignatureVerifier, verify_cosignature
from comity.tlog.errors import FormatError
from comity.tlog.limits import EXTRA_BYTES_MAX, NOTE_BYTES_MAX, PROOF_HASHES_MAX
from comity.tlog.merkle import verify_inclusion
from comity.tlog.note import Verifier, parse_note
from comity.tlog.text import b64, read_decimal, read_hash, unb64

_MAGIC: Final = "c2sp.org/tlog-proof@v1"
_HEAD_BYTES_MAX: Final = 2 * EXTRA_BYTES_MAX  # base64 takes four thirds; the rest is small beside it


@dataclass(frozen=True, slots=True)
class Proof:
    """An entry's index, its inclusion proof, the signed checkpoint's bytes, and opaque extra data."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def encode(self) -> bytes:
        """Return the proof file."""
        extra = () if self.extra is None else (f"extra {b64(self.extra)}",)
        lines = (_MAGIC, *extra, f"index {self.index}", *map(b64, self.hashes))
        return "\n".join(lines).encode() + b"\n\n" + self.checkpoint


def parse_proof(data: bytes) -> Proof:
    """Read a proof file and see that it ends in a signed checkpoint; verifies nothing yet. Raises `FormatError`."""
    if len(data) > _HEAD_BYTES_MAX + NOTE_BYTES_MAX:
        raise FormatError(f"a proof file of {len(data)} bytes is over the limit")
    head, _, checkpoint = data.partition(b"\n\n")
    try:
        magic, *lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise FormatError("a proof file is not ASCII before its checkpoint") from error
    if magic != _MAGIC or not lines:
        raise FormatError(f"a proof file does not begin with {_MAGIC} and an index")
    extra = None
    if lines[0].startswith("extra "):
        extra = unb64(lines.pop(0).removeprefix("extra "), what="a proof's extra data")
        if len(extra) > EXTRA_BYTES_MAX:
            raise FormatError(f"extra data of {len(extra)} bytes is over the limit of {EXTRA_BYTES_MAX}")
    if not lines or not lines[0].startswith("index "):
        raise FormatError("a proof file has no index")
    index = read_decimal(lines.pop(0).removeprefix("index "), what="a proof's index")
    parse_checkpoint(parse_note(checkpoint).text)
    return Proof(index, read_hashes(lines), checkpoint, extra)


def read_hashes(lines: list[str]) -> tuple[bytes, ...]:
    """Read the hashes of a proof, one base64 line each. Raises `FormatError`."""
    if len(lines) > PROOF_HASHES_MAX:
        raise FormatError(f"a proof of {len(lines)} hashes is over the limit of {PROOF_HASHES_MAX}")
    return tuple(read_hash(line, what="a proof's hash") for line in lines)


def verify_proof(proof: Proof, leaf_hash: bytes, verifiers: Iterable[Verifier | CosignatureVerifier]) -> Checkpoint:
    """Check that `leaf_hash` is in the log at the proof's index, and return the checkpoint that says so.

    The log's keys among `verifiers` are alternatives, of which one must have signed; every cosigner among
    them must have cosigned. Raises `ProofError`, or `FormatError` if the checkpoint is none.
    """
    keys = list(verifiers)
    note = parse_note(proof.checkpoint)
    checkpoint = verify_checkpoint(note, *(key for key in keys if isinstance(key, Verifier)))
    for key in keys:
        if isinstance(key, CosignatureVerifier):
            verify_cosignature(note, key)
    verify_inclusion(leaf_hash, proof.index, checkpoint.size, proof.hashes, checkpoint.root)
    return checkpoint
