"""Fork certificates: what proves to anyone, offline, that a log signed two histories.

    comity/fork/v1
    index <number>                    only where the sizes differ
    leaf <base64 hash>                what the first history has at that index
    <base64 hash>                     and its inclusion proof, any number of lines
    leaf <base64 hash>                the same of the second history
    <base64 hash>
    <blank line, first signed checkpoint>
    <blank line, second signed checkpoint>

Two checkpoints of one size with two roots speak for themselves. Of two sizes, the smaller tree should be
the beginning of the larger; two different leaves at one index that both have show that it is not.

Rules: nothing of a certificate is believed but the log's own signatures, so it may come from anyone, and
an honest log cannot be made to look forked. The format is ours: C2SP has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from comity.tlog.checkpoint import Checkpoint, parse_checkpoint, verify_checkpoint
from comity.tlog.errors import FormatError, ProofError
from comity.tlog.limits import NOTE_BYTES_MAX
from comity.tlog.merkle import HashReader, inclusion_proof, verify_inclusion
from comity.tlog.note import Note, Verifier, parse_note
from comity.tlog.proof import read_hashes
from comity.tlog.text import b64, read_decimal, read_hash

_MAGIC: Final = "comity/fork/v1"
_BYTES_MAX: Final = 2 * NOTE_BYTES_MAX + 8_192  # two notes and, at 45 bytes a line, two proofs


@dataclass(frozen=True, slots=True)
class Exhibit:
    """What one history has at the contested index: a leaf hash and its inclusion proof."""

    leaf_hash: bytes
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ForkCertificate:
    """Two signed checkpoints that contradict each other, with exhibits (index, first, second) if sizes differ."""

    first: Note
    second: Note
    exhibits: tuple[int, Exhibit, Exhibit] | None = None

    def encode(self) -> bytes:
        """Return the certificate as bytes."""
        lines = [_MAGIC]
        if self.exhibits is not None:
            index, *histories = self.exhibits
            lines.append(f"index {index}")
            for exhibit in histories:
                lines += [f"leaf {b64(exhibit.leaf_hash)}", *map(b64, exhibit.hashes)]
        return "\n".join(lines).encode() + b"\n\n" + self.first.encode() + b"\n" + self.second.encode()

    @classmethod
    def decode(cls, data: bytes) -> ForkCertificate:
        """Read a fork certificate; verifies nothing yet. Raises `FormatError`."""
        if len(data) > _BYTES_MAX:
            raise FormatError(f"a fork certificate of {len(data)} bytes is over the limit of {_BYTES_MAX}")
        # Neither the head nor a checkpoint's text can hold a blank line, so these are all there are.
        parts = data.split(b"\n\n")
        if len(parts) != 5:
            raise FormatError("a fork certificate is not a head and two signed checkpoints")
        first = parse_note(parts[1] + b"\n\n" + parts[2] + b"\n")
        second = parse_note(parts[3] + b"\n\n" + parts[4])
        for note in (first, second):
            parse_checkpoint(note.text)
        return cls(first, second, _parse_head(parts[0]))

    def verify(self, *verifiers: Verifier) -> tuple[Checkpoint, Checkpoint]:
        """Return the two checkpoints, proven to contradict each other and signed by keys of their log.

        1. Each is signed by one of the log's keys, which are alternatives.
        2. Both are of one origin.
        3. With equal sizes, the roots differ; or
        4. two different leaves stand at one index that both trees have.

        Raises `ProofError` where the certificate does not prove a fork, `FormatError` for no checkpoint.
        """
        first, second = verify_checkpoint(self.first, *verifiers), verify_checkpoint(self.second, *verifiers)
        _check_contradiction(first, second, self.exhibits)
        return first, second


def _check_contradiction(first: Checkpoint, second: Checkpoint, exhibits: tuple[int, Exhibit, Exhibit] | None) -> None:
    """Check steps 2 to 4 of `ForkCertificate.verify`, which need no key."""
    if first.origin != second.origin:
        raise ProofError("the two checkpoints are of different logs")
    if first.size == second.size:
        if first.root == second.root:
            raise ProofError("the two checkpoints are of the same tree")
        return
    if exhibits is None:
        raise ProofError("checkpoints of different sizes need a leaf from each to prove a fork")
    index, here, there = exhibits
    if here.leaf_hash == there.leaf_hash:
        raise ProofError(f"both histories have the same leaf at {index}")
    verify_inclusion(here.leaf_hash, index, first.size, here.hashes, first.root)
    verify_inclusion(there.leaf_hash, index, second.size, there.hashes, second.root)


def _parse_head(head: bytes) -> tuple[int, Exhibit, Exhibit] | None:
    try:
        magic, *lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise FormatError("the head of a fork certificate is not ASCII") from error
    if magic != _MAGIC:
        raise FormatError(f"a fork certificate does not begin with {_MAGIC}")
    if not lines:
        return None
    starts = [number for number, line in enumerate(lines) if line.startswith("leaf ")]
    if not lines[0].startswith("index ") or len(starts) != 2 or starts[0] != 1:
        raise FormatError("a fork certificate has no index followed by two leaves")
    index = read_decimal(lines[0].removeprefix("index "), what="a fork's index")
    return index, _parse_exhibit(lines[1 : starts[1]]), _parse_exhibit(lines[starts[1] :])


def _parse_exhibit(lines: list[str]) -> Exhibit:
    return Exhibit(read_hash(lines[0].removeprefix("leaf "), what="a fork's leaf"), read_hashes(lines[1:]))


def prove_fork(first: Note, second: Note, read_first: HashReader, read_second: HashReader) -> ForkCertificate:
    """Return the certificate for two checkpoints whose trees can be read: finds the first leaf that differs.

    Asks for a few hashes a level, so the readers may fetch them from elsewhere and need not be trusted: what
    comes back is checked against the roots, while the signatures are for the caller to have checked.
    Raises `ProofError` if the smaller tree is the beginning of the larger or a reader does not lead to its
    checkpoint's root, `FormatError` if a note is no checkpoint.
    """
    one, other = parse_checkpoint(first.text), parse_checkpoint(second.text)
    exhibits = None
    if one.size != other.size:
        exhibits = _find_exhibits(one.size, other.size, read_first, read_second)
    _check_contradiction(one, other, exhibits)
    return ForkCertificate(first, second, exhibits)


def _find_exhibits(
    one: int, other: int, read_first: HashReader, read_second: HashReader
) -> tuple[int, Exhibit, Exhibit]:
    index = _first_difference(min(one, other), read_first, read_second)
    here = Exhibit(read_first(0, index), inclusion_proof(index, one, read_first))
    there = Exhibit(read_second(0, index), inclusion_proof(index, other, read_second))
    return index, here, there


def _first_difference(size: int, read_first: HashReader, read_second: HashReader) -> int:
    start = 0
    while start < size:
        level = (size - start).bit_length() - 1
        if read_first(level, start >> level) == read_second(level, start >> level):
            start += 1 << level
            continue
        # Inside a subtree that differs: if the left half is the same, the right half is not.
        while level:
            level -= 1
            if read_first(level, start >> level) == read_second(level, start >> level):
                start += 1 << level
        return start
    raise ProofError("the smaller tree is the beginning of the larger: there is no fork")
