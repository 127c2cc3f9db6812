"""What readers of the TAXII server see and are told: decided for them, on record, and taken back."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from comity import canon
from comity.acts import Narrow
from comity.formats import readers
from comity.node import acting, collections, correspondents, credentials, deliveries, offers, submissions
from comity.node.collections import Query
from comity.node.correspondents import Allowed, move
from comity.node.seeing import Seeing
from comity.surfaces.taxii import posting
from comity.vocab import Channel, Pap, Purpose, Tlp
from tests.cli.conftest import accord, acquaint, found
from tests.taxii.conftest import ROOT, Taxii, basic, door_of, ident, indicator


def notes(node: Taxii, **query: object) -> list[dict[str, object]]:
    return [one for one in node.objects(**query).json.get("objects", []) if one["type"] == "note"]


def records(node: Taxii, kind: str) -> list[dict[str, object]]:
    """Return the bodies of the home log's records of a kind."""
    services = node.machine.services
    bodies = []
    with services.node.store.read() as unit:
        for log in unit.logs.all():
            if log.own and canon.parse_origin(log.origin)[1] is None:
                for entry in unit.entries.read(log.id, 0, log.size):
                    if entry.header and entry.body and services.node.header(entry.header).kind == kind:
                        bodies.append(json.loads(entry.body))
    return bodies


# -- decided and on record -------------------------------------------------------------


def test_a_release_is_on_record_before_anything_is_fetched_and_receipts_say_fetched(node: Taxii) -> None:
    node.collect([indicator(0), indicator(1)])
    assert node.objects(limit=1).ids == [ident(0)]
    (release,) = records(node, "home.release")
    assert release["to"] == "cert.arcadia.example/csirt~grid"
    with node.machine.services.node.store.read() as unit:
        (given,) = deliveries.deliveries(unit, "cert.arcadia.example/csirt~grid")
    assert (given.channel, given.grade) == (Channel.TAXII, deliveries.Grade.FETCHED)
    assert sum(end - start for start, end in given.runs) == 1


def test_a_poll_with_nothing_new_writes_nothing(node: Taxii) -> None:
    node.collect([indicator(0)])
    node.objects()
    with node.machine.services.node.store.read() as unit:
        before = unit.version()
    for _ in range(3):
        assert node.objects().ids == [ident(0)]
        assert node.get(node.collection() + "manifest/").ids == [ident(0)]
    with node.machine.services.node.store.read() as unit:
        assert unit.version() == before


def test_nobody_sees_what_is_not_for_them_and_not_that_it_is_there(node: Taxii) -> None:
    node.take_on("public", ceiling="CLEAR", client=False)
    login = node.bearer("public")
    node.collect([indicator(0)], Tlp.CLEAR, "open")
    node.collect([indicator(1)], Tlp.AMBER, "closed")
    path = node.collection() + f"objects/{ident(1)}/"
    assert node.objects(login=login).ids == [ident(0)]
    assert node.get(path).status == 200
    none = node.get(path.replace(ident(1), ident(9)), login).json
    assert node.get(path, login).json == none | {"description": none["description"].replace(ident(9), ident(1))}
    assert node.get(f"{path}versions/", login).status == 404
    assert node.objects(login=login, match_id=ident(1)).json == {}
    assert node.get("/taxii2/police/", login).status == 404


def test_what_is_written_between_two_pages_neither_repeats_nor_hides_anything(node: Taxii) -> None:
    node.collect([indicator(n) for n in range(20)])
    seen: list[str] = []
    stop = threading.Event()

    def write() -> None:
        for n in range(100, 110):
            node.collect([indicator(n)], source=f"s{n}")
        stop.set()

    writer = threading.Thread(target=write)
    writer.start()
    got = node.objects(limit=3)
    while True:
        seen += got.ids
        if not got.json.get("more") and stop.is_set() and not got.ids:
            break
        last = got.headers["x-taxii-date-added-last"]
        got = node.objects(limit=3, added_after=last)
    writer.join()
    assert len(seen) == len(set(seen))
    assert set(seen) == {ident(n) for n in (*range(20), *range(100, 110))}


# -- taken back -------------------------------------------------------------------------------


def test_what_is_retracted_goes_and_a_note_of_this_node_says_so_behind_it(node: Taxii) -> None:
    node.collect([indicator(0), indicator(1)])
    last = node.objects().headers["x-taxii-date-added-last"]
    node.retract(ident(1))
    (note,) = node.objects(added_after=last).json["objects"]
    assert note["object_refs"] == [ident(1)]
    assert set(note["labels"]) == {"comity-withdrawn", "comity-retracted"}
    assert "it was a false positive" in note["content"]
    assert node.objects().ids == [ident(0), note["id"]]
    assert node.get(node.collection() + f"objects/{ident(1)}/").status == 404
    assert node.get(node.collection() + f"objects/{note['id']}/").json["objects"] == [note]
    assert node.get(node.collection() + f"objects/{note['id']}/versions/").json["versions"] == [note["modified"]]
    assert node.objects(match_type="indicator").ids == [ident(0)]
    assert node.objects(match_type="note").json["objects"] == [note]
    assert node.get(node.collection("tlp-clear") + "manifest/").ids == [note["id"]]  # in every collection
    services = node.machine.services
    with services.node.store.read() as unit:
        who = correspondents.get(unit, node.actor, "grid")
    assert services.owing.owed(who, Channel.TAXII) == []  # told


def test_who_never_had_it_is_told_nothing(node: Taxii) -> None:
    node.collect([indicator(0)])
    node.retract(ident(0))
    assert node.objects().json == {}


def test_what_is_narrowed_and_still_theirs_is_told_with_its_new_marking(node: Taxii) -> None:
    node.collect([indicator(0)])
    node.objects()
    with node.machine.turns.mine():
        act = Narrow((), tlp=Tlp.AMBER, reason="a source is at risk")
        acting.narrow(node.actor, node.machine.services.node, node.places(ident(0)), act)
    (note,) = notes(node)
    assert note["labels"] == ["comity-narrowed"]
    assert "TLP:AMBER" in str(note["content"])
    assert ident(0) in node.objects().ids


def test_what_is_erased_is_told_by_its_id_and_survives_a_restart(tmp_path: Path) -> None:
    party = found(tmp_path, "arcadia", listens=False)
    with door_of(party) as node:
        node.take_on()
        login = node.login = node.bearer()
        node.collect([indicator(0), indicator(1)])
        node.objects()
        with node.machine.turns.mine():
            acting.erase(node.actor, node.machine.services.node, node.places(ident(0)), "GDPR art. 17", "a person")
        (note,) = notes(node)
        page = node.objects().body
    with door_of(party) as node:
        node.login = login
        assert node.objects().body == page
        assert note["object_refs"] == [ident(0)]


# -- logging in -----------------------------------------------------------------------------------


def test_basic_and_bearer_open_the_same_door_and_what_is_revoked_closes_at_once(node: Taxii) -> None:
    node.collect([indicator(0)])
    made = node.credential(form=credentials.BASIC)
    login = basic(made.credential.user, made.secret)
    assert node.objects(login=login).ids == [ident(0)]
    assert node.objects(login=basic("other", made.secret)).status == 401
    assert node.objects(login=basic(made.credential.user, made.secret[:-1])).status == 401
    with node.machine.turns.mine():
        credentials.revoke(node.machine.services.node, node.actor, "grid", made.credential.id)
    assert node.objects(login=login).status == 401


def test_a_suspended_correspondent_is_nobody_until_it_resumes(node: Taxii) -> None:
    node.collect([indicator(0)])
    for state, status in (("suspended", 401), ("active", 200)):
        with node.machine.turns.mine():
            move(node.machine.services.node, node.actor, "grid", state, "terms under review")
        assert node.objects().status == status


def test_a_credential_for_another_channel_opens_nothing(node: Taxii) -> None:
    node.take_on("post", channels=(Allowed(Channel.TAXII), Allowed(Channel.WEB)))
    with node.machine.turns.mine():
        made = credentials.create(node.machine.services.node, node.actor, "post", Channel.WEB, credentials.BEARER)
    assert node.objects(login=f"Bearer {made.secret}").status == 401


# -- this party's own programs ----------------------------------------------------------------------


def test_an_own_program_reads_what_its_office_reads_by_basic_or_bearer(node: Taxii) -> None:
    node.collect([indicator(0)], Tlp.RED, "secret")
    token = node.token().removeprefix("Bearer ")
    for login in (f"Bearer {token}", basic("anything", token)):
        assert node.objects(login=login).ids == [ident(0)]
        assert node.objects("tlp-amber", login).ids == []
    assert node.objects().json == {}  # the correspondent
    node.retract(ident(0))
    assert node.objects(login=f"Bearer {token}").json == {}
    assert not [one for one in records(node, "home.release") if "~~" in str(one["to"])]


def test_a_token_for_sensors_is_given_what_pap_allows(node: Taxii) -> None:
    node.collect([indicator(0)], Tlp.GREEN, "green")
    node.collect([indicator(1)], Tlp.GREEN, "not for sensors", Pap.RED)
    login = node.token(purpose=Purpose.SENSOR.value, name="sensor")
    assert node.objects(login=login).ids == [ident(0)]
    assert node.objects(login=node.token()).ids == [ident(0), ident(1)]
    assert node.get(node.collection() + f"objects/{ident(1)}/", login).status == 404


def test_what_an_own_program_posts_is_the_offices_and_waits_for_nobody(node: Taxii) -> None:
    reading, writing = node.token(name="reader"), node.token(may="write", name="writer")
    assert node.post([indicator(1)], reading).status == 403
    assert node.post([indicator(1)], writing).json["success_count"] == 1
    services = node.machine.services
    with services.node.store.read() as unit:
        (one,) = services.queries.entries_of(unit, node.actor, ident(1))
    assert (one.source, one.office) == ("token writer", "csirt")


# -- accords and saved collections --------------------------------------------------------------------


def test_a_correspondent_is_told_of_an_accord_and_a_collection_where_they_were_offered(tmp_path: Path) -> None:
    parties = [found(tmp_path, "arcadia", listens=False), found(tmp_path, "borealia", listens=False)]
    acquaint(parties, tmp_path)
    accord(parties, tmp_path)
    with door_of(parties[0]) as node:
        node.take_on()
        node.login = node.bearer()
        own = node.token()
        node.collect([indicator(0), indicator(1)])
        node.perform("release/share", accord="three-shores", choice={"names": [ident(0)]})
        services = node.machine.services
        with node.machine.turns.mine(), services.node.writing() as unit:
            collections.create(services.node, unit, node.actor, "grids", [ident(1)], Query())
        aliases = ("accord-three-shores", "collection-grids")
        assert [node.get(node.collection(one)).status for one in aliases] == [404, 404]
        assert [node.objects(one, own).ids for one in aliases] == [[ident(0)], [ident(1)]]
        with node.machine.turns.mine():
            offers.offer(services.node, node.actor, "grid", accord="three-shores")
            offers.offer(services.node, node.actor, "grid", collection="grids")
        assert [node.objects(one).ids for one in aliases] == [[ident(0)], [ident(1)]]
        with node.machine.turns.mine():
            offers.offer(services.node, node.actor, "grid", collection="grids", end=True)
        assert [node.get(node.collection(one)).status for one in aliases] == [200, 404]


def test_what_comes_into_a_collection_later_is_added_then(node: Taxii) -> None:
    services = node.machine.services
    node.collect([indicator(n) for n in range(3)])
    with node.machine.turns.mine(), services.node.writing() as unit:
        collections.create(services.node, unit, node.actor, "grids", [ident(2)], Query())
    with node.machine.turns.mine():
        offers.offer(services.node, node.actor, "grid", collection="grids")
    first = node.objects("collection-grids")
    assert first.ids == [ident(2)]
    with node.machine.turns.mine(), services.node.writing() as unit:
        collections.add(unit, node.actor, "grids", [ident(0)])
    behind = node.objects("collection-grids", added_after=first.headers["x-taxii-date-added-last"])
    assert behind.ids == [ident(0)]
    assert node.objects("collection-grids", limit=1).json["more"] is True
    assert node.objects("collection-grids", match_id=f"{ident(0)},{ident(1)}").ids == [ident(0)]
    with node.machine.turns.mine(), services.node.writing() as unit:
        collections.remove(unit, node.actor, "grids", [ident(2)])
    assert node.objects("collection-grids").ids == [ident(0)]


# -- what they send ----------------------------------------------------------------------------------------


def test_what_waits_is_pending_until_a_person_settles_it(node: Taxii) -> None:
    services = node.machine.services
    one, other = (node.post([indicator(n)]).json for n in (1, 2))
    assert node.objects("inbox").json == {}
    with services.node.store.read() as unit:
        waiting = submissions.inbox(unit, node.actor)  # of one second: in no order
        waiting.sort(key=lambda each: submissions.body(unit, node.actor, each.id))
    first, second = waiting
    with node.machine.turns.mine():
        submissions.accept(services.node, node.actor, first.id, readers, check=services.check)
        submissions.refuse(services.node, node.actor, second.id, "of no use to anybody")
    told = [node.get(f"{ROOT}status/{each['id']}/").json for each in (one, other)]
    assert [each["status"] for each in told] == ["complete", "complete"]
    assert told[0]["successes"] == one["pendings"]
    assert told[1]["failures"][0] == other["pendings"][0] | {"message": "of no use to anybody"}


def test_another_ones_identity_as_creator_makes_nothing_theirs(node: Taxii) -> None:
    victim = "identity--11111111-0000-4000-8000-000000000000"
    node.take_on("liar", waits=False)
    login = node.bearer("liar")
    node.collect([indicator(1, 1, created_by_ref=victim)])
    assert node.post([indicator(1, 9, created_by_ref=victim, revoked=True)], login).json["success_count"] == 1
    # The victim's word stands, to everybody else, beside what the liar says in its own name.
    assert [one["modified"][-4:-1] for one in node.objects().json["objects"]] == ["001"]
    assert node.send("DELETE", node.collection("inbox") + f"objects/{ident(1)}/", login).status == 200
    assert [one["modified"][-4:-1] for one in node.objects(match_version="all").json["objects"]] == ["001"]
    assert records(node, "home.submission")[-1]["others"] == 1


def test_plain_pages_are_what_looking_at_each_object_gives(node: Taxii, monkeypatch: pytest.MonkeyPatch) -> None:
    node.collect([indicator(n) for n in range(40)])
    node.collect([indicator(n, 1) for n in range(0, 40, 7)], source="newer")
    node.collect([indicator(n) for n in range(3, 40, 9)], source="the same")
    node.collect([indicator(n) for n in range(100, 120)], Tlp.AMBER, "amber")
    node.collect([indicator(n) for n in range(200, 220)], Tlp.RED, "red")
    node.retract(*(ident(n) for n in (5, 6, 110)))
    with node.machine.turns.mine():
        act = Narrow((), tlp=Tlp.AMBER, reason="")
        acting.narrow(node.actor, node.machine.services.node, node.places(ident(11), ident(12)), act)
    node.collect([indicator(n) for n in range(300, 310)], source="last")
    own = node.token()

    def everything() -> list[list[bytes]]:
        found = []
        for login in (node.login, own):
            for alias in ("released", "tlp-green", "tlp-amber"):
                for limit in (1, 3, 10, 1_000):
                    got = node.objects(alias, login, limit=limit)
                    pages = [got.body]
                    while got.json.get("more"):
                        got = node.objects(alias, login, limit=limit, next=got.json["next"])
                        pages.append(got.body)
                    objects = [
                        json.dumps(one).encode() for page in pages for one in json.loads(page).get("objects", [])
                    ]
                    found.append(objects)
        return found

    plainly = everything()
    assert [len(one) for one in plainly[:4]] == [len(plainly[0])] * 4
    monkeypatch.setattr(Seeing, "plain", lambda *_, **__: None)
    node.collect([indicator(999)], Tlp.RED, "so that no page is kept")
    assert plainly[:12] == everything()[:12]


def test_statuses_that_are_old_or_too_many_are_forgotten(node: Taxii, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "LOOKED_THROUGH", 1)
    monkeypatch.setattr(posting, "TAXII_STATUSES_MAX", 2)
    made = []
    for n in range(3):
        monkeypatch.setattr(node.machine.services.node, "clock", lambda at=n: 1_800_000_000 + at)
        made.append(node.post([indicator(n)]).json["id"])
    assert [node.get(f"{ROOT}status/{ident}/").status for ident in made] == [404, 200, 200]
    monkeypatch.setattr(node.machine.services.node, "clock", lambda: 1_800_000_000 + 8 * 86_400)
    last = node.post([indicator(9)]).json["id"]
    assert [node.get(f"{ROOT}status/{ident}/").status for ident in (*made, last)] == [404, 404, 404, 200]
