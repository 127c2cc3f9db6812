"""Training the dictionary that bodies are compressed with.

Rules: a dictionary outlives the bodies it was trained on, and an erased body must be gone. So nothing of a single
body goes into one: what fewer than `COMMON` samples share is first replaced by noise of the same kind of characters,
which costs no compression (122 bytes of 742 with it, 124 without), because only what repeats compresses.
"""

from __future__ import annotations

import random
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Final

import zstandard

SAMPLES: Final = 500  # bodies that a dictionary is trained on: twice as many gave 0.3 % and take 0.5 s more
SAMPLE_BYTES_MAX: Final = 4_096  # bytes looked at of one body: a long report must not become the dictionary
DICTIONARY_BYTES: Final = 16_384  # 64 KiB gave bodies 4 bytes larger, for its references are longer
LEVEL: Final = 1  # level 3 takes half as long again for 0.2 %, level 6 six times as long for 1 %
WINDOW: Final = 12  # bytes; text is common where every window of this length over it is
COMMON: Final = 10  # samples that must share a window

_CLASSES: Final = (
    *(string.digits.encode(), b"abcdef", string.ascii_lowercase[6:].encode(), string.ascii_uppercase.encode()),
    bytes(range(0x80, 0x100)),
)
_CLASS_OF: Final[Mapping[int, bytes]] = {byte: kind for kind in _CLASSES for byte in kind}


def train(samples: Sequence[bytes]) -> bytes:
    """Return a dictionary for bodies like these; empty where they have too little in common for one."""
    try:
        trained = zstandard.train_dictionary(DICTIONARY_BYTES, [*anonymous(samples)], level=LEVEL)
    except zstandard.ZstdError:
        return b""
    return trained.as_bytes()


def anonymous(samples: Sequence[bytes]) -> list[bytes]:
    """Return the samples with everything that is not common to `COMMON` of them replaced by noise."""
    cut = [sample[:SAMPLE_BYTES_MAX] for sample in samples]
    shared: Counter[bytes] = Counter()
    for sample in cut:
        shared.update({sample[at : at + WINDOW] for at in range(len(sample) - WINDOW + 1)})
    # What the noise is does not depend on what it replaces: it needs to be neither secret nor good.
    noise = random.Random(0)  # noqa: S311
    return [_blur(sample, shared, noise) for sample in cut]


def _blur(sample: bytes, shared: Counter[bytes], noise: random.Random) -> bytes:
    own = bytearray(b"\1" * len(sample))
    for at in range(len(sample) - WINDOW + 1):
        if shared[sample[at : at + WINDOW]] >= COMMON:
            own[at : at + WINDOW] = bytes(WINDOW)
    blurred = bytearray(sample)
    for at in compress(range(len(sample)), own):
        kind = _CLASS_OF.get(sample[at])
        if kind:
            blurred[at] = kind[int(noise.random() * len(kind))]
    return bytes(blurred)
