"""Files that prove a fork: anybody can check them, and nobody can make one of an honest log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.canon import accord_origin
from comity.errors import ComityError, Malformed, NotFound, Theirs, Unverified
from comity.node import forks, witness
from comity.testing.world import Inhabitant, World
from comity.tlog.checkpoint import Checkpoint
from comity.tlog.fork import ForkCertificate
from comity.tlog.note import parse_note


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Inhabitant, Inhabitant]]:
    """Two parties under one accord."""
    world = World(5, 2, tmp_path)
    world.accord("pair", world.people)
    world.calm(20)
    yield world.people[0], world.people[1]
    world.close()


def certificate(author: Inhabitant, one: bytes, other: bytes) -> bytes:
    """Return the certificate of two trees of three leaves that the author's key signed."""
    origin = accord_origin(author.name, "pair", 1)
    notes = [author.node.signer.checkpoint(origin, Checkpoint(origin, 3, root).text()) for root in (one, other)]
    return ForkCertificate(parse_note(notes[0]), parse_note(notes[1])).encode()


def exported(holder: Inhabitant, author: Inhabitant) -> bytes:
    with holder.node.writing() as unit:
        witness.take_certificate(holder.node, unit, certificate(author, b"\1" * 32, b"\2" * 32))
    with holder.store.read() as unit:
        return forks.export(unit, accord_origin(author.name, "pair", 1))


def test_a_fork_file_proves_both_trees_to_anybody(pair: tuple[Inhabitant, Inhabitant]) -> None:
    author, holder = pair
    file = exported(holder, author)
    assert forks.is_file(file)
    proven = forks.check(file)
    assert (proven.party, proven.first[0], proven.second[0]) == (author.name, 3, 3)
    assert proven.first[1] != proven.second[1]


def test_it_is_checked_with_the_authors_card_and_no_other(pair: tuple[Inhabitant, Inhabitant]) -> None:
    author, holder = pair
    with holder.node.writing() as unit:
        # Signed by the holder's own key: it is nobody's fork but the holder's.
        origin = accord_origin(author.name, "pair", 1)
        notes = [
            holder.node.signer.checkpoint(origin, Checkpoint(origin, 3, root).text())
            for root in (b"\1" * 32, b"\2" * 32)
        ]
        framed = ForkCertificate(parse_note(notes[0]), parse_note(notes[1])).encode()
        with pytest.raises(Unverified):
            witness.take_certificate(holder.node, unit, framed)
    with holder.store.read() as unit, pytest.raises(NotFound):
        forks.export(unit, origin)


def test_the_same_certificate_again_is_no_news_and_no_fault(pair: tuple[Inhabitant, Inhabitant]) -> None:
    author, holder = pair
    data = certificate(author, b"\1" * 32, b"\2" * 32)
    with holder.node.writing() as unit:
        assert witness.take_certificate(holder.node, unit, data) == accord_origin(author.name, "pair", 1)
        assert witness.take_certificate(holder.node, unit, data) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_a_fork_file_or_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        forks.check(data)


@pytest.mark.parametrize("at", [0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_an_altered_fork_file_proves_nothing_else(at: float, pair: tuple[Inhabitant, Inhabitant]) -> None:
    author, holder = pair
    file = exported(holder, author)
    place = int(at * len(file))
    altered = file[:place] + (b"A" if file[place : place + 1] != b"A" else b"B") + file[place + 1 :]
    try:
        proven = forks.check(altered)
    except ComityError as error:
        assert isinstance(error, Theirs)
    else:
        assert proven == forks.check(file)
