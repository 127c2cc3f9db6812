"""Every limit of the log formats, with its unit and its reason."""

from __future__ import annotations

from typing import Final

TREE_SIZE_MAX: Final = 2**63 - 1  # leaves: sizes and times then fit the signed 64 bits of stores and other tools
PROOF_HASHES_MAX: Final = 64  # hashes in one proof: a consistency proof has one more than the tree has levels

NAME_BYTES_MAX: Final = 255  # bytes of a key name or origin: tlog-cosignature gives them one byte of length
SIGNATURES_MAX: Final = 272  # signatures of one note: 256 cosigners and 16 keys of the log, old and new
NOTE_BYTES_MAX: Final = 1_048_576  # bytes of one note: 256 cosigners with ML-DSA-44 lines take 900 kB
CHECKPOINT_BYTES_MAX: Final = 4_096  # bytes of a checkpoint's text: three lines take under 400, extensions are rare

ENTRY_BYTES_MAX: Final = 65_535  # bytes of one log entry: tlog-tiles gives them two bytes of length
EXTRA_BYTES_MAX: Final = 2_097_152  # bytes of a proof file's extra data: room for an opening with a 1 MiB payload

BLOCKS_CACHED: Final = 32  # 256-leaf blocks a `StoredTree` keeps hashed: 16 kB each
