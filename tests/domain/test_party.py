"""Party cards: what they must hold, and which card may follow which."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity import canon, dsse, party
from comity.canon import Digest, OfficeId
from comity.errors import Malformed, Refused, TooLarge, Unverified
from comity.limits import CARD_BYTES_MAX, OFFICES_MAX
from comity.party import Card, Office, check_succession, fingerprint, parse_card, root_digest, sign_card
from comity.vocab import OfficeKind
from tests.domain.makers import ARCADIA, BOREALIA, card, key, keys, mangled, public, signed


def an_office(name: str, encryption: str = "") -> Office:
    return Office(OfficeId(name), name, OfficeKind.CSIRT, encryption=encryption)


def a_key(name: str) -> str:
    return canon.b64(public(name))


def test_a_card_is_read_back() -> None:
    one = signed(card(offices=(an_office("csirt", a_key("e")), an_office("police")), address="https://node.example"))
    again = parse_card(one.envelope.encode())
    assert again == one
    assert again.digest == canon.digest(canon.encode(one.card))
    assert [str(ref) for ref in again.card.offices_refs] == [f"{ARCADIA}/csirt", f"{ARCADIA}/police"]
    assert again.card.office("police").name == "police"
    with pytest.raises(Malformed):
        again.card.office("navy")


def test_a_later_versions_field_is_kept_in_the_bytes() -> None:
    payload = canon.encode(msgspec.to_builtins(card()) | {"zeta": 1})
    envelope = dsse.sign(party.CARD_MEDIA_TYPE, payload, key(f"{ARCADIA}/root/0"))
    assert parse_card(envelope.encode()).envelope.payload == payload


BAD_CARDS: dict[str, dict[str, Any]] = {
    "another version": {"v": 2},
    "no domain": {"party": "arcadia"},
    "serial 0": {"serial": 0},
    "before time": {"issued": -1},
    "no office": {"offices": ()},
    "too many offices": {"offices": tuple(an_office(f"o{n}") for n in range(OFFICES_MAX + 1))},
    "two offices of one id": {"offices": (an_office("csirt"), an_office("csirt"))},
    "an office with a slash": {"offices": (an_office("a/b"),)},
    "no address": {"address": "ftp://node.example"},
    "short key": {"keys": keys(log=canon.b64(bytes(31)))},
    "not base64": {"keys": keys(log="*")},
    "no digest": {"keys": keys(next_root="sha256:")},
    "log key is the root": {"keys": keys(log=keys().root)},
    "log key is the witness": {"keys": keys(log=keys().witness)},
    "request key is the root": {"keys": keys(request=keys().root)},
    "an office opens with the log key": {"offices": (an_office("csirt", keys().log),)},
    "two offices open with one key": {"offices": (an_office("csirt", a_key("e")), an_office("police", a_key("e")))},
    "an office's key is short": {"offices": (an_office("csirt", "QQ=="),)},
    "the log key is the next root": {"keys": keys(next_root=root_digest(public(f"{ARCADIA}/log")))},
}


@pytest.mark.parametrize("why", BAD_CARDS)
def test_a_card_that_does_not_hold_together_is_malformed(why: str) -> None:
    changes = BAD_CARDS[why]
    fields = {name: getattr(card(), name) for name in Card.__struct_fields__}
    with pytest.raises(Malformed):
        parse_card(sign_card(Card(**fields | changes), key(f"{ARCADIA}/root/0")).envelope.encode())


def test_a_card_its_own_root_did_not_sign_is_unverified() -> None:
    with pytest.raises(Unverified):
        parse_card(sign_card(card(), key("somebody")).envelope.encode())


def test_an_oversize_card_is_too_large() -> None:
    with pytest.raises(TooLarge):
        parse_card(signed(card(name="x" * CARD_BYTES_MAX)).envelope.encode())


@given(mangled(canon.encode(card())))
def test_any_signed_bytes_give_a_card_or_their_fault(payload: bytes) -> None:
    envelope = dsse.sign(party.CARD_MEDIA_TYPE, payload, key(f"{ARCADIA}/root/0"))
    try:
        read = parse_card(envelope.encode())
    except (Malformed, TooLarge, Unverified):
        return
    assert read.envelope.payload == payload


@given(mangled(signed(card()).envelope.encode()) | st.binary(max_size=50))
def test_any_bytes_give_a_card_or_their_fault(data: bytes) -> None:
    try:
        read = parse_card(data)
    except (Malformed, TooLarge, Unverified):
        return
    assert read.card == card()


# -- which card may follow which -------------------------------------------

FIRST = signed(card(serial=1, root=0, next_root=1))


def test_the_same_card_again_is_no_change() -> None:
    assert not check_succession(FIRST, signed(card(serial=1, root=0, next_root=1)))


def test_the_same_root_may_change_what_it_said() -> None:
    assert check_succession(FIRST, signed(card(serial=2, name="New name")))


def test_the_announced_root_takes_over() -> None:
    second = signed(card(serial=2, root=1, next_root=2), root=1)
    assert check_succession(FIRST, second)
    assert check_succession(second, signed(card(serial=3, root=2, next_root=3), root=2))


def test_the_root_after_next_must_wait_for_its_turn() -> None:
    with pytest.raises(Unverified):
        check_succession(FIRST, signed(card(serial=3, root=2, next_root=3), root=2))


def test_a_stranger_with_a_known_name_is_unverified() -> None:
    with pytest.raises(Unverified, match="never announced"):
        check_succession(FIRST, signed(card(serial=2, root=9), root=9))


def test_the_old_root_has_no_say_after_the_new_one_took_over() -> None:
    second = signed(card(serial=2, root=1, next_root=2), root=1)
    with pytest.raises(Unverified):
        check_succession(second, signed(card(serial=3, root=0, next_root=1)))


@pytest.mark.parametrize("root", [0, 1])
def test_an_older_card_replayed_is_refused(root: int) -> None:
    held = signed(card(serial=5, root=0, next_root=1))
    with pytest.raises(Refused, match="older"):
        check_succession(held, signed(card(serial=4, root=root, next_root=2), root=root))


@pytest.mark.parametrize("root", [0, 1])
def test_two_cards_with_one_serial_are_refused(root: int) -> None:
    with pytest.raises(Refused, match="two different cards"):
        check_succession(FIRST, signed(card(serial=1, root=root, next_root=2, name="Other"), root=root))


def test_another_partys_card_is_refused() -> None:
    with pytest.raises(Refused):
        check_succession(FIRST, signed(card(BOREALIA, serial=2)))


@given(st.permutations([(1, 0), (2, 0), (3, 1), (4, 1), (5, 2)]))
def test_no_order_of_arrival_goes_back(cards: list[tuple[int, int]]) -> None:
    held = FIRST
    for serial, root in cards:
        new = signed(card(serial=serial, root=root, next_root=root + 1), root=root)
        before = held.card.serial
        try:
            held = new if check_succession(held, new) else held
        except (Refused, Unverified):
            continue
        assert held.card.serial >= before


# -- what people compare ----------------------------------------------------


def test_the_fingerprint_binds_the_name_and_the_key() -> None:
    a, b = public("a"), public("b")
    prints = {fingerprint(name, root) for name in (ARCADIA, BOREALIA) for root in (a, b)}
    assert len(prints) == 4
    assert {len(words) for words in prints} == {16}


def test_a_root_digest_is_no_plain_digest_of_the_key() -> None:
    assert root_digest(public("a")) != Digest(canon.digest(public("a")))
