"""Tile paths, tiles and entry bundles, with the examples of tlog-tiles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.tlog.errors import FormatError, ProofError
from comity.tlog.leaf import leaf_hashes_of, leaf_of
from comity.tlog.merkle import StoredTree, block_roots, leaf_hash
from comity.tlog.tiles import (
    ENTRIES,
    Tile,
    encode_bundle,
    hash_tile,
    parse_bundle,
    parse_tile_path,
    tile_path,
    tile_width,
)
from tests.tlog.naive import NaiveTree, numbered_leaves


@pytest.mark.parametrize(
    ("path", "tile"),
    [
        ("tile/0/x001/x234/067", Tile(0, 1234067)),
        ("tile/0/000", Tile(0, 0)),
        ("tile/0/999", Tile(0, 999)),
        ("tile/0/x001/000", Tile(0, 1000)),
        ("tile/2/001.p/255", Tile(2, 1, 255)),
        ("tile/63/000.p/1", Tile(63, 0, 1)),
        ("tile/entries/000.p/7", Tile(ENTRIES, 0, 7)),
        ("tile/entries/x123/x456/x789/012", Tile(ENTRIES, 123456789012)),
    ],
)
def test_paths_are_written_and_read(path: str, tile: Tile) -> None:
    assert parse_tile_path(path) == tile
    assert tile_path(tile.level, tile.index, tile.width) == path


@pytest.mark.parametrize(
    "path",
    [
        *("", "tile", "tile/0", "tile/0/", "tile/0/0", "tile/0/00", "tile/0/0000", "tile/0/1000", "/tile/0/000"),
        *("tile/00/000", "tile/01/000", "tile/64/000", "tile/-1/000", "tile/+1/000", "tile/x/000", "tile/Entries/000"),
        *("tile/0/x000/005", "tile/0/x005", "tile/0/001/002", "tile/0/x01/002", "tile/0/X001/002", "tile/0/x001/x002"),
        *("tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/07", "tile/0/000.p/", "tile/0/000.p/-1", "tile/0/000.p"),
        *("tile/0/000/", "tile/0/000\n", "tile/0/000 ", "tile/0/../000", "tile/0/000.p/7/8", "tile/0/٠٠٠"),
        "tile/0/" + "x001/" * 6 + "000",
    ],
)
def test_other_spellings_of_a_path_are_refused(path: str) -> None:
    with pytest.raises(FormatError):
        parse_tile_path(path)


def test_paths_of_tiles_that_cannot_be_are_not_written() -> None:
    for level, index, width in ((-2, 0, 1), (64, 0, 1), (0, -1, 1), (0, 10**18, 1), (0, 0, 0), (0, 0, 257)):
        with pytest.raises(FormatError):
            tile_path(level, index, width)


@given(st.integers(ENTRIES, 63), st.integers(0, 10**18 - 1), st.integers(1, 256))
def test_every_path_is_read_back(level: int, index: int, width: int) -> None:
    assert parse_tile_path(tile_path(level, index, width)) == Tile(level, index, width)


def test_widths_are_those_of_the_specifications_example() -> None:
    size = 70_000
    assert [tile_width(0, index, size) for index in (0, 272, 273, 274)] == [256, 256, 112, 0]
    assert [tile_width(1, index, size) for index in (0, 1, 2)] == [256, 17, 0]
    assert [tile_width(2, index, size) for index in (0, 1)] == [1, 0]
    assert [tile_width(ENTRIES, index, size) for index in (0, 273, 274)] == [256, 112, 0]
    assert (tile_width(0, 0, 256), tile_width(1, 0, 256), tile_width(0, 0, 0)) == (256, 1, 0)


def test_tiles_of_the_specifications_example_hold_the_nodes_of_their_level() -> None:
    size = 70_000
    commitments = b"".join(numbered_leaves(size))
    leaf_hashes = leaf_hashes_of(commitments)
    roots = block_roots(leaf_hashes)
    tree = NaiveTree([leaf_hashes[at : at + 32] for at in range(0, len(leaf_hashes), 32)])
    read = StoredTree(
        lambda start, stop: commitments[32 * start : 32 * stop], lambda start, stop: roots[32 * start : 32 * stop], size
    )
    for level, index in ((0, 0), (0, 272), (0, 273), (1, 0), (1, 1), (2, 0)):
        span, width = 256**level, tile_width(level, index, size)
        starts = [(index * 256 + place) * span for place in range(width)]
        # tlog-tiles: the hash at place i of tile n is MTH(D[(n * 256 + i) * 256**l : (n * 256 + i + 1) * 256**l]).
        expected = b"".join(tree.mth(start, start + span) for start in starts)
        assert hash_tile(level, index, width, read) == expected
        assert hash_tile(level, index, 1, read) == expected[:32]
    with pytest.raises(ProofError):
        hash_tile(0, 273, 113, read)


def test_a_bundle_has_two_bytes_of_length_before_each_entry() -> None:
    entries = (b"", b"a", bytes(65_535))
    bundle = encode_bundle(entries)
    assert bundle.startswith(b"\x00\x00\x00\x01a\xff\xff\x00")
    assert parse_bundle(bundle) == entries


def test_a_bundle_of_leaves_hashes_to_its_tile() -> None:
    commitments = b"".join(numbered_leaves(256))
    bundle = encode_bundle([leaf_of(commitments[at : at + 32]) for at in range(0, len(commitments), 32)])
    assert b"".join(map(leaf_hash, parse_bundle(bundle))) == leaf_hashes_of(commitments)


def test_bundles_beyond_their_limits_are_neither_made_nor_read() -> None:
    for entries in ([], [b""] * 257, [bytes(65_536)]):
        with pytest.raises(FormatError):
            encode_bundle(entries)
    assert len(parse_bundle(bytes(2 * 256))) == 256
    whole = encode_bundle([b"one", b"two"])
    for data in (b"", b"\x00", bytes(2 * 257), whole[:-1], whole + b"\x00", b"\x00\x05four"):
        with pytest.raises(FormatError):
            parse_bundle(data)
