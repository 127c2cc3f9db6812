"""Restored backups, new generations and new keys: never two trees of one generation, and nothing is orphaned."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from comity import canon, party, sync
from comity.boot.keys import LOG, REQUEST, ROOT, WITNESS, KeySigner, public
from comity.canon import AccordId, Origin, PartyId
from comity.errors import Conflict, Fault, Unreachable
from comity.node import acting, doctor, generations, parties, proofs, views, witness
from comity.node.node import Node
from comity.node.ports import LogState, Wire, place
from comity.node.services import compose
from comity.stores import sqlite
from comity.sync import Answer
from comity.testing.world import Inhabitant, World, amber, indicators
from comity.vocab import Held
from tests.sync.forger import Forged, Forger, doctor_says, found, header, held, pulled, refused, value

ALL = AccordId("all")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(4, 3, tmp_path)
    made.accord(ALL, made.people)
    yield made
    made.close()


def share(world: World, one: Inhabitant, count: int) -> list[int]:
    places = world.collect(one, list(indicators(world.random, count)), amber())
    one.services.sharing.share(one.actor, ALL, places)
    return places


def wires(world: World, one: Inhabitant) -> dict[PartyId, Wire]:
    return {p.name: world.network.wire(one.name, p.name) for p in world.people if p is not one}


def origin(one: Inhabitant, generation: int = 1) -> Origin:
    return canon.accord_origin(one.name, ALL, generation)


def back_up(one: Inhabitant, folder: Path) -> Path:
    """Copy a node's store as an operator would: of a store that is not written to."""
    copy = folder / "backup"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    one.store.close()
    for file in one.path.parent.glob(f"{one.path.name}*"):
        shutil.copy(file, copy / file.name)
    open_again(one)
    return copy


def restore(one: Inhabitant, copy: Path) -> None:
    one.store.close()
    for file in one.path.parent.glob(f"{one.path.name}*"):
        file.unlink()
    for file in copy.iterdir():
        shutil.copy(file, one.path.parent / file.name)
    open_again(one)
    one.node.signs, one.node.why_not = False, "this store may be a restored backup"


def open_again(one: Inhabitant) -> None:
    before = one.node
    one.store = sqlite.open_store(one.path, views.VIEWS, durability="off")
    node = Node(one.name, one.store, KeySigner(one.name, one.secrets.__getitem__), before.clock, before.entropy)
    one.services = compose(node)


@dataclass
class Lost:
    """A party that went back to a backup after its peers had seen more."""

    world: World
    one: Inhabitant
    kept: list[int]
    body: bytes
    size: int


@pytest.fixture
def lost(world: World, tmp_path: Path) -> Lost:
    a = world.people[0]
    body = next(indicators(world.random, 1))
    kept = world.collect(a, [body], amber())
    a.services.sharing.share(a.actor, ALL, kept)
    world.calm(20)
    copy = back_up(a, tmp_path)
    world.network.nodes[a.name] = a.services.serving.answer
    share(world, a, 3)
    world.calm(20)
    size = len(held(world.people[1], origin(a)))
    restore(a, copy)
    world.network.nodes[a.name] = a.services.serving.answer
    assert len(held(a, origin(a))) < size
    return Lost(world, a, kept, body, size)


# -- restored ------------------------------------------------------------------------------


def test_a_restored_node_reads_and_signs_nothing_before_it_has_asked(lost: Lost) -> None:
    with pytest.raises(Fault, match="reads but does not sign"):
        share(lost.world, lost.one, 1)
    with lost.one.store.read() as unit:
        assert lost.one.services.queries.lookup(unit, lost.one.actor, value(lost.body))
    assert "reads but does not sign" in doctor_says(lost.one)


def test_a_restored_node_that_peers_are_ahead_of_does_not_sign(lost: Lost) -> None:
    asked = generations.ask_peers(lost.one.node, wires(lost.world, lost.one))
    assert len(asked.answered) == 2 and not asked.silent
    assert any(f"holds {lost.size} entries of {origin(lost.one)}" in word for word in asked.ahead)
    for alone in (False, True):
        why = generations.settle_restored(lost.one.node, asked, alone=alone)
        assert "comity log renew" in why and not lost.one.node.signs, "no word of the operator makes it sign two trees"
    with pytest.raises(Fault, match="begin a new generation"):
        share(lost.world, lost.one, 1)


def test_a_restored_node_with_nobody_to_ask_signs_only_on_the_operators_word(lost: Lost) -> None:
    lost.world.network.partition([lost.one.name], [p.name for p in lost.world.people[1:]])
    asked = generations.ask_peers(lost.one.node, wires(lost.world, lost.one))
    assert asked.answered == () and len(asked.silent) == 2
    assert "--alone" in generations.settle_restored(lost.one.node, asked, alone=False) and not lost.one.node.signs
    assert generations.settle_restored(lost.one.node, asked, alone=True) == "" and lost.one.node.signs


def test_a_restored_node_that_lost_nothing_signs_again(world: World, tmp_path: Path) -> None:
    a = world.people[0]
    share(world, a, 2)
    world.calm(20)
    restore(a, back_up(a, tmp_path))
    world.network.nodes[a.name] = a.services.serving.answer
    asked = generations.ask_peers(a.node, wires(world, a))
    assert asked.ahead == () and generations.settle_restored(a.node, asked, alone=False) == ""
    share(world, a, 1)
    world.calm(20)
    assert not any(refused(one) for one in world.people)


def test_a_lying_peer_cannot_keep_a_restored_node_from_signing(world: World, tmp_path: Path) -> None:
    a, b, _ = world.people
    world.calm(20)
    restore(a, back_up(a, tmp_path))
    liar = Forger(world, b).take_over()
    tree = Forged(origin(a), [])
    for _ in range(50):
        tree.state(header(), b"{}")
    liar.others = [liar.note(tree), b"garbage"]  # signed by its own key, in the other's name
    asked = generations.ask_peers(a.node, wires(world, a))
    assert len(asked.answered) == 2 and asked.ahead == ()


def test_after_renewing_peers_follow_and_old_statements_can_still_be_acted_on(lost: Lost) -> None:
    world, a = lost.world, lost.one
    b, c = world.people[1:]
    heads = generations.largest(a.node, wires(world, a))
    assert heads[origin(a)].checkpoint.size == lost.size
    for stem in ("home", f"accord/{ALL}"):
        generations.renew(a.node, a.actor, stem, "restored from a backup", heads)
    asked = generations.ask_peers(a.node, wires(world, a))
    assert asked.ahead == () and generations.settle_restored(a.node, asked, alone=False) == ""
    world.calm(20)
    share(world, a, 2)
    acting.retract(a.actor, a.node, lost.kept, "false")
    world.calm(20)
    for one in (b, c):
        with one.store.read() as unit:
            old, new = unit.logs.find(origin(a)), unit.logs.find(origin(a, 2))
            assert old is not None and old.state is LogState.CLOSED and old.size == lost.size
            assert new is not None and new.state is LogState.OPEN
            found_ = one.services.queries.lookup(unit, one.actor, value(lost.body))
            assert [w.retracted for f in found_ for w in f.witnesses] == [True]
        assert held(one, origin(a, 2)) == held(a, origin(a, 2))
        assert not [r for r in refused(one) if r[1] == "forked"]
        assert not any("frozen" in line for line in doctor_says(one).splitlines())


def test_a_closed_log_takes_nothing_more(world: World) -> None:
    a = world.people[0]
    share(world, a, 1)
    renewed = generations.renew(a.node, a.actor, f"accord/{ALL}", "doubted", {})
    assert renewed == origin(a, 2)
    with pytest.raises(Conflict, match="closed"), a.node.writing() as unit:
        from comity.node.node import own_log

        own_log(unit, a.name, origin(a))
    share(world, a, 1)
    world.calm(20)
    assert held(world.people[1], renewed)


def test_a_cut_while_peers_are_asked_is_silence_and_no_answer(lost: Lost) -> None:
    def cut(asker: PartyId, request: sync.AnyRequest) -> Answer:
        raise Unreachable("the answer broke off")

    for peer in lost.world.people[1:]:
        lost.world.network.nodes[peer.name] = cut
    asked = generations.ask_peers(lost.one.node, wires(lost.world, lost.one))
    assert asked.answered == () and generations.settle_restored(lost.one.node, asked, alone=False)


# -- keys ------------------------------------------------------------------------------------


def rotate(world: World, one: Inhabitant, kind: str) -> None:
    """Replace a working key as the command does: a new card, every log signed anew, every accord told."""
    key = Ed25519PrivateKey.generate()
    card = one.card().card
    keys = msgspec.structs.replace(card.keys, **{kind: canon.b64(public(key))})
    signed = party.sign_card(msgspec.structs.replace(card, serial=card.serial + 1, keys=keys), one.secrets[ROOT])
    parties.rotate(one.node, one.actor, signed)
    one.secrets[kind] = key
    signer = one.node.signer
    assert isinstance(signer, KeySigner)
    signer.forget()
    one.node.sign_anew()
    parties.announce(one.node, one.actor)


@pytest.mark.parametrize("kind", [LOG, WITNESS, REQUEST])
def test_peers_go_on_after_a_key_was_replaced(world: World, kind: str) -> None:
    a, b, c = world.people
    share(world, a, 2)
    world.calm(20)
    pulled(world, b, a)
    rotate(world, a, kind)
    share(world, a, 2)
    world.calm(20)
    share(world, b, 1)
    world.calm(20)
    for one in world.people:
        for other in world.people:
            if other is not one:
                assert held(one, origin(other)) == held(other, origin(other))
        grave = [a_.what for a_ in doctor.examine(one.node, one.services.accords, deep=True) if a_.grave]
        assert grave == []
    with b.store.read() as unit:
        assert b.node.card(unit, a.name).card.serial == 2
        receipts = {r.cosigner: r for r in witness.receipts(b.node, unit, origin(b))}
        assert receipts[a.name].size == len(held(b, origin(b))) and receipts[a.name].at > 0
    with a.store.read() as unit:
        sizes = {r.cosigner: r.size for r in witness.receipts(a.node, unit, origin(a))}
        assert sizes == dict.fromkeys((b.name, c.name), len(held(a, origin(a))))


def test_a_log_that_does_not_grow_any_more_is_held_under_the_new_key(world: World) -> None:
    a, b, c = world.people
    places = share(world, a, 1)
    generations.renew(a.node, a.actor, f"accord/{ALL}", "doubted", {})
    world.calm(20)
    rotate(world, a, LOG)
    world.calm(20)
    for one in (b, c):
        with one.store.read() as unit:
            old = unit.logs.find(origin(a))
            assert old is not None and old.state is LogState.CLOSED
            sync.check_head(old.note, witness.log_key(one.node, unit, a.name), origin=origin(a))
            assert proofs.verify_log(one.node, unit, old)[1] == []
            proofs.check(proofs.prove(one.node, unit, old.id << 40 | 1))
    assert place(places[0])[1] >= 0


def test_a_relay_made_before_the_author_replaced_its_key_is_kept_where_it_was_checked(world: World) -> None:
    a, b, c = world.people
    two = world.accord(AccordId("two"), [b, c])
    body = next(indicators(world.random, 1))
    places = world.collect(a, [body], amber())
    a.services.sharing.share(a.actor, ALL, places)
    world.calm(20)
    acting.consent(a.actor, a.node, places, [f"{c.name}/csirt"], 0)
    world.calm(20)
    with b.store.read() as unit:
        log = unit.logs.find(origin(a))
        assert log is not None
    assert b.services.sharing.share(b.actor, two, [log.id << 40 | 1]).relayed == 1
    pulled(world, c, b)
    relays = canon.accord_origin(b.name, two, 1)
    assert Held.WITHHELD not in held(c, relays)
    rotate(world, a, LOG)
    world.calm(20)
    assert Held.WITHHELD not in held(c, relays) and a.name in found(c, value(body))
