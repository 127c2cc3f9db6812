"""Tiles: a log's hashes and entries as static files (c2sp.org/tlog-tiles).

    tile/<level>/<index>[.p/<width>]      256 hashes, or the first `width`
    tile/entries/<index>[.p/<width>]      256 entries, each behind two bytes of length

Rules: a path has one spelling. Nothing here is stored: a tile is read off the tree when it is asked for,
so partial tiles exist for every size the log ever had.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from comity.tlog.errors import FormatError
from comity.tlog.limits import ENTRY_BYTES_MAX
from comity.tlog.merkle import HashReader

TILE_LEVELS: Final = 8  # tree levels that one tile level spans
TILE_WIDTH: Final = 256  # hashes or entries in a full tile
TILE_LEVEL_MAX: Final = 63
ENTRIES: Final = -1  # the level that stands for entry bundles

_INDEX_GROUPS_MAX: Final = 6  # groups of three digits: 2**63 leaves make fewer than 10**18 tiles
_PATH: Final = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([0-9]{1,3}))?")
_LENGTH: Final = struct.Struct(">H")


@dataclass(frozen=True, slots=True)
class Tile:
    """Which tile: its level (or `ENTRIES`), its index in that level, and how many of its 256 places are filled."""

    level: int
    index: int
    width: int = TILE_WIDTH


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """Return a tile's path below the log's prefix, e.g. `tile/0/x001/x234/067.p/5`. Raises `FormatError`."""
    if not ENTRIES <= level <= TILE_LEVEL_MAX or not 0 <= index < 1000**_INDEX_GROUPS_MAX:
        raise FormatError(f"there is no tile {index} at level {level}")
    if not 0 < width <= TILE_WIDTH:
        raise FormatError(f"a tile has 1 to {TILE_WIDTH} places, not {width}")
    groups = f"{index % 1000:03}"
    while index := index // 1000:
        groups = f"x{index % 1000:03}/{groups}"
    partial = f".p/{width}" if width < TILE_WIDTH else ""
    return f"tile/{'entries' if level == ENTRIES else level}/{groups}{partial}"


def parse_tile_path(path: str) -> Tile:
    """Read a tile's path. Raises `FormatError` for any other spelling."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise FormatError("not the path of a tile")
    level, index, width = match.groups()
    tile = Tile(
        ENTRIES if level == "entries" else int(level),
        int(index.replace("x", "").replace("/", "")),
        TILE_WIDTH if width is None else int(width),
    )
    if tile_path(tile.level, tile.index, tile.width) != path:
        raise FormatError("the path of a tile is not in its one spelling")
    return tile


def tile_width(level: int, index: int, size: int) -> int:
    """Return how many places of a tile a tree of `size` fills: 0 if it has no such tile."""
    hashes = size >> TILE_LEVELS * max(level, 0)
    return min(max(hashes - index * TILE_WIDTH, 0), TILE_WIDTH)


def hash_tile(level: int, index: int, width: int, read: HashReader) -> bytes:
    """Return the bytes of a hash tile: `width` hashes of 32 bytes. Raises what `read` raises beyond the tree."""
    start = index * TILE_WIDTH
    return b"".join(read(TILE_LEVELS * level, at) for at in range(start, start + width))


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Return 1 to 256 entries as one bundle. Raises `FormatError` for more, or for an entry over 65,535 bytes."""
    if not 0 < len(entries) <= TILE_WIDTH or any(len(entry) > ENTRY_BYTES_MAX for entry in entries):
        raise FormatError(f"a bundle has 1 to {TILE_WIDTH} entries of up to {ENTRY_BYTES_MAX} bytes")
    return b"".join(_LENGTH.pack(len(entry)) + entry for entry in entries)


def parse_bundle(data: bytes) -> tuple[bytes, ...]:
    """Return the entries of a bundle. Raises `FormatError`."""
    entries: list[bytes] = []
    at = 0
    while at < len(data) and len(entries) < TILE_WIDTH:
        body = at + _LENGTH.size
        at = body + int.from_bytes(data[at:body], "big")
        entries.append(data[body:at])
    if at != len(data) or not entries:
        raise FormatError("an entry bundle is empty, cut off or followed by something else")
    return tuple(entries)
