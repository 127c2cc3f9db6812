"""Correspondents: registered by an office, with credentials, shown what is released, told what is taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from comity import canon
from comity.acts import Narrow
from comity.areas import intel
from comity.canon import OfficeId
from comity.errors import Conflict, Misuse, NotFound, Refused, Unverified
from comity.node import acting, correspondents, credentials, deliveries
from comity.node.actor import Actor
from comity.node.correspondents import Allowed, Correspondent
from comity.node.deliveries import Grade
from comity.node.ports import Log
from comity.node.seeing import Seen, Wanted
from comity.node.services import compose
from comity.party import OfficeRef
from comity.statement import Marking
from comity.testing.world import Inhabitant, World
from comity.vocab import Channel, Pap, Tlp
from tests.node.correspond import ident, indicator, take_on

AMBER = Marking(Tlp.AMBER)
GREEN = Marking(Tlp.GREEN)
RED = Marking(Tlp.RED)
DAY = 86_400


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(1, 2, tmp_path)
    yield world
    world.close()


@pytest.fixture
def one(world: World) -> Inhabitant:
    return world.people[0]


def records(one: Inhabitant, kind: str) -> list[dict[str, object]]:
    """Return the bodies of the home log's records of a kind."""
    found = []
    with one.store.read() as unit:
        for log in unit.logs.all():
            if log.own and canon.parse_origin(log.origin)[1] is None:
                for entry in unit.entries.read(log.id, 0, log.size):
                    if entry.header and entry.body and one.node.header(entry.header).kind == kind:
                        found.append(json.loads(entry.body))
    return found


def seen(one: Inhabitant, who: Correspondent, after: int = 0, limit: int = 100) -> list[Seen]:
    return list(one.services.seeing.page(who, Wanted(after=after), limit=limit).objects)


def ids(found: list[Seen]) -> list[str]:
    return [json.loads(each.body)["id"] for each in found]


# -- the register --------------------------------------------------------------------


def test_an_office_registers_its_own_and_sees_no_others(one: Inhabitant) -> None:
    police = Actor(OfficeRef(one.name, OfficeId("police")), "reader")
    who = take_on(one)
    with one.store.read() as unit:
        assert correspondents.correspondents(unit, one.actor) == [who]
        assert correspondents.correspondents(unit, police) == []
        for name in ("grid", who.audience):
            with pytest.raises(NotFound):
                correspondents.get(unit, police, name)
    with pytest.raises(Refused):
        correspondents.register(one.node, police, who)
    with pytest.raises(NotFound):
        credentials.create(one.node, police, who.audience, Channel.TAXII, credentials.BEARER)


def test_terms_are_accepted_on_record_by_the_digest_of_their_text(one: Inhabitant) -> None:
    take_on(one)
    known = correspondents.accept_terms(one.node, one.actor, "grid", b"use it for defence", "Ada, head of security")
    assert known.accepted is not None
    assert known.accepted.who == "Ada, head of security"
    last = records(one, correspondents.KIND)[-1]
    assert last["accepted"] == {"at": one.node.now(), "digest": known.accepted.digest}
    assert "Ada" not in json.dumps(last)  # an erasure could not reach the home log


def test_a_suspended_correspondent_is_given_nothing_and_resumes(world: World, one: Inhabitant) -> None:
    take_on(one)
    world.collect(one, [indicator(1)], GREEN)
    stopped = correspondents.move(one.node, one.actor, "grid", correspondents.SUSPENDED, "terms under review")
    with pytest.raises(Refused, match="suspended"):
        seen(one, stopped)
    with pytest.raises(Conflict):
        correspondents.move(one.node, one.actor, "grid", correspondents.SUSPENDED, "again")
    with one.store.read() as unit, pytest.raises(Refused):
        one.services.releases.audience(unit, stopped.audience)
    back = correspondents.move(one.node, one.actor, "grid", correspondents.ACTIVE, "reviewed")
    assert ids(seen(one, back)) == [ident(1)]


def test_terms_run_out_by_themselves(world: World, one: Inhabitant) -> None:
    who = take_on(one, until=world.now + DAY)
    assert seen(one, who) == []
    world.now += DAY
    with pytest.raises(Refused, match="past the end of its terms"):
        seen(one, who)


def test_a_correspondent_becomes_a_party_and_keeps_its_history(world: World, one: Inhabitant) -> None:
    who, party = take_on(one), world.people[1].name
    world.collect(one, [indicator(1)], GREEN)
    one.services.seeing.give(who, Channel.TAXII, Grade.FETCHED, seen(one, who))
    with pytest.raises(NotFound):
        correspondents.promote(one.node, one.actor, "grid", "cert.nowhere.example")
    known = correspondents.promote(one.node, one.actor, "grid", party)
    with one.store.read() as unit:
        assert correspondents.became(unit, one.actor, party) == [known]
        assert [each.grade for each in deliveries.deliveries(unit, known.audience)] == [Grade.FETCHED]
    with pytest.raises(Conflict):
        correspondents.promote(one.node, one.actor, "grid", party)


# -- credentials ---------------------------------------------------------------------


def test_each_form_of_credential_opens_its_channel_and_no_other(one: Inhabitant) -> None:
    who = take_on(one)
    node, actor = one.node, one.actor
    bearer = credentials.create(node, actor, "grid", Channel.TAXII, credentials.BEARER)
    basic = credentials.create(node, actor, "grid", Channel.WEB, credentials.BASIC)
    key = credentials.create(node, actor, "grid", Channel.MISP, "")
    spki = "ab" * 32
    credentials.create(node, actor, "grid", Channel.TAXII, credentials.CERTIFICATE, spki=spki)
    assert credentials.by_bearer(node, Channel.TAXII, bearer.secret).correspondent == who
    assert credentials.by_basic(node, Channel.WEB, basic.credential.user, basic.secret).correspondent == who
    assert credentials.by_certificate(node, Channel.TAXII, spki).correspondent == who
    assert credentials.by_key(node, Channel.MISP, key.secret).correspondent == who
    assert (len(key.secret), key.secret.isalnum(), key.credential.form) == (40, True, credentials.KEY)
    said = set()
    for wrong in (
        lambda: credentials.by_bearer(node, Channel.WEB, bearer.secret),
        lambda: credentials.by_bearer(node, Channel.TAXII, bearer.secret[:-1] + "0" * (bearer.secret[-1] != "0") + "1"),
        lambda: credentials.by_bearer(node, Channel.TAXII, "é" * 200),
        lambda: credentials.by_basic(node, Channel.WEB, "grid", basic.secret),
        lambda: credentials.by_basic(node, Channel.WEB, f"other.{basic.credential.id}", basic.secret),
        lambda: credentials.by_basic(node, Channel.WEB, basic.credential.user, "guess"),
        lambda: credentials.by_key(node, Channel.TAXII, key.secret),
        lambda: credentials.by_key(node, Channel.MISP, key.secret[:-1] + "!"),
        lambda: credentials.by_key(node, Channel.MISP, key.secret[:12] + "A" * 28),
        lambda: credentials.by_certificate(node, Channel.TAXII, "cd" * 32),
        lambda: credentials.by_certificate(node, Channel.TAXII, "é"),
    ):
        with pytest.raises(Unverified) as refused:
            wrong()
        said.add(str(refused.value))
    assert len(said) == 1
    stored = b"".join(data for _, data in _shelf(one, credentials.CREDENTIALS))
    assert bearer.secret.encode() not in stored
    assert basic.secret.encode() not in stored
    assert key.secret.encode() not in stored
    for channel, form in ((Channel.MISP, credentials.BEARER), (Channel.TAXII, credentials.KEY)):
        with pytest.raises(Misuse, match="a key, and nothing else"):
            credentials.create(node, actor, "grid", channel, form)


def _shelf(one: Inhabitant, shelf: str) -> list[tuple[str, bytes]]:
    with one.store.read() as unit:
        return list(unit.documents.all(shelf))


def test_a_credential_ends_by_revoking_by_its_day_and_with_its_correspondent(world: World, one: Inhabitant) -> None:
    take_on(one)
    node, actor = one.node, one.actor
    made = [credentials.create(node, actor, "grid", Channel.TAXII, credentials.BEARER, days=2) for _ in range(2)]
    credentials.revoke(node, actor, "grid", made[0].credential.id)
    with pytest.raises(Unverified):
        credentials.by_bearer(node, Channel.TAXII, made[0].secret)
    correspondents.move(node, actor, "grid", correspondents.SUSPENDED, "")
    with pytest.raises(Unverified):
        credentials.by_bearer(node, Channel.TAXII, made[1].secret)
    correspondents.move(node, actor, "grid", correspondents.ACTIVE, "")
    assert credentials.by_bearer(node, Channel.TAXII, made[1].secret)
    correspondents.forbid(node, actor, "grid", Channel.TAXII)
    with pytest.raises(Unverified):
        credentials.by_bearer(node, Channel.TAXII, made[1].secret)
    correspondents.allow(node, actor, "grid", Allowed(Channel.TAXII))
    world.now += 2 * DAY
    with pytest.raises(Unverified):
        credentials.by_bearer(node, Channel.TAXII, made[1].secret)


def test_a_credential_used_from_two_networks_is_seen(world: World, one: Inhabitant) -> None:
    take_on(one)
    made = credentials.create(one.node, one.actor, "grid", Channel.TAXII, credentials.BEARER)

    def use(address: str) -> credentials.Credential:
        return credentials.by_bearer(one.node, Channel.TAXII, made.secret, address).credential

    assert not use("192.0.2.7").roams
    assert not use("192.0.2.99").roams  # the same /24
    world.now += 3_600
    assert use("2001:db8:1:2::5").roams
    with one.store.read() as unit:
        (kept,) = credentials.credentials(unit, one.actor, "grid")
    assert [each.network for each in kept.networks] == ["192.0.2.0/24", "2001:db8:1::/48"]
    assert records(one, credentials.KIND)[-1]["network"] == "2001:db8:1::/48"
    for number in range(20):
        world.now += 3_600
        kept = use(f"198.51.{number}.1")
    assert len(kept.networks) == 8
    assert kept.networks[-1].network == "198.51.19.0/24"


# -- what they see -------------------------------------------------------------------


def test_what_is_seen_is_a_release_decision_for_the_correspondent(world: World, one: Inhabitant) -> None:
    client, contact = take_on(one), take_on(one, "lab", client=False, ceiling="GREEN")
    world.collect(one, [indicator(1)], AMBER)
    world.collect(one, [indicator(2)], Marking(Tlp.CLEAR))
    world.collect(one, [indicator(3)], RED)
    world.collect(one, [indicator(4)], None)
    assert ids(seen(one, client)) == [ident(1), ident(2)]
    assert ids(seen(one, contact)) == [ident(2)]
    with pytest.raises(NotFound):
        one.services.seeing.object(contact, ident(1))
    assert ids(one.services.seeing.object(client, ident(1))) == [ident(1)]


def test_red_reaches_an_individual_who_is_named_and_nobody_else(world: World, one: Inhabitant) -> None:
    ada = take_on(one, "ada", ceiling="RED", individual=True)
    bob = take_on(one, "bob", ceiling="RED", individual=True)
    grid = take_on(one, "grid", ceiling="RED")
    named = Marking(Tlp.RED, to=(ada.audience, grid.audience))
    world.collect(one, [indicator(1)], named)
    world.collect(one, [indicator(2)], RED)
    assert ids(seen(one, ada)) == [ident(1)]
    assert seen(one, bob) == []
    assert seen(one, grid) == []  # an organisation is no named person


def test_every_decision_is_on_record_once_and_polling_adds_nothing(world: World, one: Inhabitant) -> None:
    who = take_on(one)
    world.collect(one, [indicator(number) for number in range(1, 6)], GREEN)
    assert len(seen(one, who)) == 5
    released = records(one, "home.release")
    (record,) = released
    assert record["to"] == who.audience
    (line,) = record["classes"]  # type: ignore[misc]
    assert sum(end - start for start, end in line["spans"]) == 5
    size = sum(log.size for log in _logs(one))
    for _ in range(10):
        world.now += 60
        assert len(seen(one, who)) == 5
    assert sum(log.size for log in _logs(one)) == size


def _logs(one: Inhabitant) -> list[Log]:
    with one.store.read() as unit:
        return list(unit.logs.all())


def test_a_walk_repeats_and_misses_nothing_while_others_write(world: World, one: Inhabitant) -> None:
    who = take_on(one)
    world.collect(one, [indicator(number) for number in range(1, 8)], GREEN)
    found: list[Seen] = []
    after, number = 0, 100
    while True:
        page = one.services.seeing.page(who, Wanted(after=after), limit=3)
        found += page.objects
        after = page.after
        if number < 105:
            world.collect(one, [indicator(number)], GREEN)
            number += 1
        elif not page.more:
            break
    assert sorted(ids(found)) == sorted([*map(ident, range(1, 8)), *map(ident, range(100, 105))])
    assert [each.added for each in found] == sorted({each.added for each in found})
    for each in found:  # any of the times is a place to go on from
        assert seen(one, who, each.added) == [other for other in found if other.added > each.added]


def test_what_comes_out_of_its_embargo_is_added_then(world: World, one: Inhabitant) -> None:
    who = take_on(one)
    world.collect(one, [indicator(1)], Marking(Tlp.GREEN, embargo=world.now + DAY))
    world.collect(one, [indicator(2)], GREEN)
    first = seen(one, who)
    assert ids(first) == [ident(2)]
    world.now += DAY
    assert ids(seen(one, who, first[-1].added)) == [ident(1)]
    assert ids(seen(one, who)) == [ident(2), ident(1)]


def test_a_register_that_opens_more_adds_it_behind_what_was_seen(world: World, one: Inhabitant) -> None:
    who = take_on(one, ceiling="GREEN")
    world.collect(one, [indicator(1)], AMBER)
    world.collect(one, [indicator(2)], GREEN)
    first = seen(one, who)
    assert ids(first) == [ident(2)]
    more = correspondents.change(one.node, one.actor, "grid", ceiling="AMBER")
    assert ids(seen(one, more, first[-1].added)) == [ident(1)]
    less = correspondents.change(one.node, one.actor, "grid", ceiling="GREEN")
    assert ids(seen(one, less)) == [ident(2)]


def test_filters_and_a_page_far_behind_the_end(world: World, one: Inhabitant) -> None:
    who = take_on(one)
    world.collect(one, [indicator(number) for number in range(1, 4)], GREEN)
    page = one.services.seeing.page(who, Wanted(after=2**62), limit=10)
    assert page.objects == ()
    assert not page.more
    some = one.services.seeing.page(who, Wanted(uuids=frozenset({intel.uuid_of(ident(2))})), limit=10)
    assert ids(list(some.objects)) == [ident(2)]
    with pytest.raises(Misuse):
        one.services.seeing.page(who, Wanted(), limit=0)


def test_what_another_party_shared_reaches_a_client_as_its_marking_allows(world: World, one: Inhabitant) -> None:
    other = world.people[1]
    accord = world.accord("shores", [one, other])
    places = world.collect(other, [indicator(1)], AMBER)
    other.services.sharing.share(other.actor, accord, places)
    world.pull(one, other)
    assert ids(seen(one, take_on(one))) == [ident(1)]
    assert seen(one, take_on(one, "lab", client=False)) == []


# -- deliveries and what is owed -------------------------------------------------------


def test_receipts_are_graded_and_compact(world: World, one: Inhabitant) -> None:
    who = take_on(one)
    world.collect(one, [indicator(number) for number in range(1, 200)], GREEN)
    found = list(one.services.seeing.page(who, Wanted(), limit=1_000).objects)
    give = one.services.seeing.give
    give(who, Channel.MAIL, Grade.SENT, found[:3])
    give(who, Channel.TAXII, Grade.FETCHED, found)
    give(who, Channel.TAXII, Grade.ACKNOWLEDGED, found[:1])
    with one.store.read() as unit:
        told = deliveries.deliveries(unit, who.audience)
        assert [(each.channel.value, each.grade.value, len(each.runs)) for each in told] == [
            ("mail", "sent", 1),
            ("taxii", "acknowledged", 1),
            ("taxii", "fetched", 1),
        ]
        has = deliveries.holders(unit, found[0].position)
        assert {(each.channel.value, each.grade.value) for each in has} == {
            ("mail", "sent"),
            ("taxii", "acknowledged"),
            ("taxii", "fetched"),
        }
        assert deliveries.holders(unit, found[-1].position)[0].grade is Grade.FETCHED


@pytest.mark.parametrize("what", ["retracted", "narrowed", "erased", "withheld"])
def test_what_may_no_longer_be_had_is_told_on_every_channel_used(world: World, one: Inhabitant, what: str) -> None:
    who = take_on(one)
    (place, other) = world.collect(one, [indicator(1), indicator(2)], GREEN)
    found = seen(one, who)
    one.services.seeing.give(who, Channel.TAXII, Grade.FETCHED, found)
    one.services.seeing.give(who, Channel.MAIL, Grade.SENT, found[:1])
    owing = one.services.owing
    assert owing.owed(who, Channel.TAXII) == []
    match what:
        case "retracted":
            acting.retract(one.actor, one.node, [place], "a false positive")
        case "narrowed":
            acting.narrow(
                one.actor, one.node, [place], Narrow((), tlp=Tlp.AMBER, pap=Pap.RED, reason="a false positive")
            )
        case "erased":
            acting.erase(one.actor, one.node, [place], "GDPR art. 17", "a false positive")
        case _:
            acting.narrow(one.actor, one.node, [place], Narrow((), tlp=Tlp.RED, reason="a false positive"))
    for channel in (Channel.TAXII, Channel.MAIL):
        (owed,) = owing.owed(who, channel)
        assert (owed.id, owed.what, owed.reason) == (ident(1), what, "a false positive")
        assert (owed.marking is not None and owed.marking.tlp is Tlp.AMBER) is (what == "narrowed")
    assert owing.owed(who, Channel.MISP) == []  # nothing went that way
    owing.told(who, Channel.TAXII, owing.owed(who, Channel.TAXII))
    assert owing.owed(who, Channel.TAXII) == []
    (owed,) = owing.owed(who, Channel.MAIL)
    owing.told(who, Channel.MAIL, [owed])
    assert owing.owed(who, Channel.MAIL) == []
    assert _shelf(one, deliveries.NAMES) == []  # the id of what is erased is kept no longer than somebody waits for it
    assert ids(seen(one, who)) == ([ident(1), ident(2)] if what == "narrowed" else [ident(2)])
    if what != "erased":
        acting.erase(one.actor, one.node, [place], "court order", "worse")
        assert [each.what for each in owing.owed(who, Channel.TAXII)] == ["erased"]
    assert other


def test_an_ended_correspondent_is_still_told(world: World, one: Inhabitant) -> None:
    who = take_on(one)
    (place,) = world.collect(one, [indicator(1)], GREEN)
    one.services.seeing.give(who, Channel.MAIL, Grade.SENT, seen(one, who))
    ended = correspondents.move(one.node, one.actor, "grid", correspondents.ENDED, "left the sector")
    acting.retract(one.actor, one.node, [place], "wrong")
    assert [each.what for each in one.services.owing.owed(ended, Channel.MAIL)] == ["retracted"]


def test_a_restart_forgets_nothing_that_is_owed(world: World, one: Inhabitant) -> None:
    who = take_on(one)
    (place,) = world.collect(one, [indicator(1)], GREEN)
    one.services.seeing.give(who, Channel.FEED, Grade.FETCHED, seen(one, who))
    acting.retract(one.actor, one.node, [place], "wrong")
    again = compose(one.node)
    assert [each.id for each in again.owing.owed(who, Channel.FEED)] == [ident(1)]
    assert again.seeing.page(who, Wanted(), limit=10).objects == ()


def test_what_differs_among_many_is_found(world: World, one: Inhabitant) -> None:
    who = take_on(one)
    places = world.collect(one, [indicator(number) for number in range(1, 5_001)], GREEN)
    after = 0
    for _ in range(5):
        page = one.services.seeing.page(who, Wanted(after=after), limit=1_000)
        one.services.seeing.give(who, Channel.TAXII, Grade.FETCHED, page.objects)
        after = page.after
    acting.retract(one.actor, one.node, [places[7], places[4_999]], "wrong")
    acting.erase(one.actor, one.node, [places[4_500]], "court order", "")
    found = one.services.owing.owed(who, Channel.TAXII)
    assert [(each.id, each.what) for each in found] == [
        (ident(8), "retracted"),
        (ident(4_501), "erased"),
        (ident(5_000), "retracted"),
    ]
    one.services.owing.told(who, Channel.TAXII, found[:2])
    assert one.services.owing.owed(who, Channel.TAXII) == found[2:]


def test_another_partys_retraction_is_owed_to_whom_it_was_passed(world: World, one: Inhabitant) -> None:
    other = world.people[1]
    accord = world.accord("shores", [one, other])
    places = world.collect(other, [indicator(1)], AMBER)
    other.services.sharing.share(other.actor, accord, places)
    world.pull(one, other)
    who = take_on(one)
    one.services.seeing.give(who, Channel.MAIL, Grade.SENT, seen(one, who))
    acting.retract(other.actor, other.node, places, "our own scanner")
    world.pull(one, other)
    (owed,) = one.services.owing.owed(who, Channel.MAIL)
    assert (owed.id, owed.what, owed.reason) == (ident(1), "retracted", "our own scanner")
    assert seen(one, who) == []
