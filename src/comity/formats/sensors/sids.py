"""Signature ids: derived from the value, so that an edition keeps those of the last one.

Rules: ids are of one documented range, far above those that rule sets in circulation use, and below 2**31, because some
consumers keep them in a signed number. A value has a block of SIDS_PER_VALUE ids, chosen by its hash. Where
two values of one list meet (about 500 in a million), the later one in the list takes the next free block.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

SID_FIRST: Final = 1_073_741_824  # 2**30
SID_LAST: Final = 2_147_483_647  # 2**31 - 1
SIDS_PER_VALUE: Final = 4  # a name has one rule for each protocol that shows it
_BLOCKS: Final = (SID_LAST - SID_FIRST + 1) // SIDS_PER_VALUE
SID_LISTS: Final = SID_FIRST - 256  # first of the ids of the few rules that load lists
REVISION_MAX: Final = 2_147_483_647


class Sids:
    """Gives each value of one list its block of ids. Takes 32 MiB: a bit for each block."""

    def __init__(self) -> None:
        self._taken = bytearray(_BLOCKS // 8)

    def first(self, kind: str, value: str) -> int:
        """Return the first of a value's SIDS_PER_VALUE ids; no other value of this list gets any of them."""
        digest = blake2b(f"{kind}\0{value}".encode(), digest_size=4).digest()
        block = int.from_bytes(digest) % _BLOCKS
        taken = self._taken
        while taken[block >> 3] >> (block & 7) & 1:
            block = (block + 1) % _BLOCKS
        taken[block >> 3] |= 1 << (block & 7)
        return SID_FIRST + block * SIDS_PER_VALUE


def revision(modified: int) -> int:
    """Return a rule's revision: the second its object was last changed, so that a later version is higher."""
    return modified if 0 < modified < REVISION_MAX else min(max(modified, 1), REVISION_MAX)
