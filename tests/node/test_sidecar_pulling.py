"""What asks in a MISP comes to the accord, changes with it, and is taken back with it."""

from __future__ import annotations

from comity.node import sidecars
from comity.node.sidecars import Kept
from tests.node.sidecars import ACCORD, TAG, Team, Teams, teams_

__all__ = ["teams_"]


def test_an_event_that_asks_reaches_the_partner(teams: Teams) -> None:
    one, other = teams.arcadia, teams.borealia
    event = one.misp.event("Beacons", "198.51.100.7", "198.51.100.8", tags=(TAG, "tlp:green"))
    one.misp.event("Private", "198.51.100.9")
    result = one.good()
    assert (result.health.last.events, result.health.last.withheld) == (1, 0)
    kept = one.kept(event["uuid"])
    assert kept.asks[ACCORD].state == "shared"
    assert kept.asks[ACCORD].by == f"tag {TAG}"
    teams.sync()
    assert other.knows("198.51.100.7", of=one.who)
    assert not other.knows("198.51.100.9")
    assert not one.knows("198.51.100.9")


def test_what_misp_tells_nobody_is_told(teams: Teams) -> None:
    one, other = teams.arcadia, teams.borealia
    event = one.misp.event("Beacons", "198.51.100.7", "198.51.100.8", "198.51.100.9", tags=(TAG,))
    third = one.misp.event("More", "198.51.100.10", tags=(TAG,))
    one.good()
    teams.sync()
    teams.pass_time()
    one.misp.remove(event["uuid"], "198.51.100.7")
    one.misp.change(event["uuid"], "198.51.100.8", "198.51.100.88")
    one.good()
    teams.sync()
    assert not other.knows("198.51.100.7")
    assert not other.knows("198.51.100.8")
    assert other.knows("198.51.100.88")
    assert other.knows("198.51.100.9")
    one.misp.detach(event["uuid"], TAG)
    one.misp.delete(third["uuid"])
    one.good()
    teams.sync()
    assert [value for value in ("198.51.100.88", "198.51.100.9", "198.51.100.10") if other.knows(value)] == []
    assert one.knows("198.51.100.9")  # it is in the MISP still
    assert not one.knows("198.51.100.10")
    teams.pass_time()
    one.misp.attach(event["uuid"], TAG)
    one.good()
    teams.sync()
    assert other.knows("198.51.100.9")


def test_nothing_changed_costs_one_request_and_writes_nothing(teams: Teams) -> None:
    one = teams.arcadia
    one.misp.event("Beacons", "198.51.100.7", tags=(TAG,))
    one.good()
    for etags in (True, False):
        one.misp.etags = etags
        one.good()
        one.misp.asked.clear()
        with one.who.store.read() as unit:
            sizes = [log.size for log in unit.logs.all() if log.own]
        one.good()
        assert [asked.path for asked in one.misp.asked] == ["/events/index"]
        with one.who.store.read() as unit:
            assert [log.size for log in unit.logs.all() if log.own] == sizes


GROUP = {"id": "7", "uuid": "7f1a1c3e-0f6c-4d2c-9d55-0a1b2c3d4e5f", "name": "Energy"}


def test_a_sharing_group_asks_for_the_accord_it_stands_for(teams: Teams) -> None:
    one, other = teams.arcadia, teams.borealia
    one.misp.groups = [GROUP]
    one.register(groups=((GROUP["uuid"], ACCORD),), tags=())
    one.misp.event("Beacons", "198.51.100.7", distribution=4, sharing_group_id="7")
    one.misp.event("Others", "198.51.100.8", distribution=4, sharing_group_id="8")
    one.good()
    teams.sync()
    assert other.knows("198.51.100.7")
    assert not other.knows("198.51.100.8")
    with other.who.store.read() as unit:
        found = other.who.services.queries.lookup(unit, other.who.actor, "198.51.100.7")
    assert {str(witness.marking.tlp) for one_ in found for witness in one_.witnesses if witness.marking} == {
        "AMBER+STRICT"
    }
    one.misp.groups = []
    one.sidecar = one.register(groups=(("8f1a1c3e-0f6c-4d2c-9d55-0a1b2c3d4e5f", ACCORD),), tags=((TAG, ACCORD),))
    assert "no sharing group" in one.good().health.faults[0]


def test_your_organisation_only_never_leaves(teams: Teams) -> None:
    one, other = teams.arcadia, teams.borealia
    event = one.misp.event("Mixed", "198.51.100.7", "198.51.100.8", tags=(TAG, 'comity:share="other"', "apt:wolf"))
    event["Attribute"][0]["distribution"] = "0"
    event["Tag"][2]["local"] = True
    own = one.misp.event("Own", "198.51.100.9", tags=(TAG,), distribution=0)
    odd = one.misp.event("Odd", "198.51.100.10", tags=(TAG,))
    odd["distribution"] = "17"
    one.good()
    teams.sync()
    assert other.knows("198.51.100.8")
    assert [
        value for value in ("198.51.100.7", "198.51.100.9", "198.51.100.10") if other.knows(value) or one.knows(value)
    ] == []
    assert (one.kept(own["uuid"]).asks[ACCORD].state, one.kept(event["uuid"]).kept) == ("held", 1)
    bodies = _bodies(other)
    assert b"Mixed" in bodies
    assert b"comity:" not in bodies and b"apt:wolf" not in bodies  # local tags, and what is between MISP and node
    teams.pass_time()
    one.misp.edit(event["uuid"])["distribution"] = "0"
    one.good()
    teams.sync()
    assert not other.knows("198.51.100.8")


def test_a_stricter_label_takes_the_laxer_one_back(teams: Teams) -> None:
    one, other = teams.arcadia, teams.borealia
    event = one.misp.event("Beacons", "198.51.100.7", tags=(TAG, "tlp:green"), distribution=3)
    one.good()
    teams.sync()
    assert other.knows("198.51.100.7")
    teams.pass_time()
    one.misp.attach(event["uuid"], "tlp:red")
    one.good()
    teams.sync()
    assert not other.knows("198.51.100.7")
    asking = one.kept(event["uuid"]).asks[ACCORD]
    assert (asking.state, asking.stated) == ("shared", {})
    assert any("named persons" in ground for ground in asking.grounds)


def test_a_pap_tag_in_misp_binds(teams: Teams) -> None:
    one, other = teams.arcadia, teams.borealia
    event = one.misp.event("Beacons", "198.51.100.7", tags=(TAG,))
    one.good()
    teams.pass_time()
    one.misp.attach(event["uuid"], "PAP:AMBER", local=True)
    one.misp.edit(event["uuid"])
    later = one.misp.event("Later", "198.51.100.8", tags=(TAG, "PAP:PURPLE"))
    one.good()
    teams.sync()
    assert {value: _paps(other, value) for value in ("198.51.100.7", "198.51.100.8")} == {
        "198.51.100.7": {"AMBER"}, "198.51.100.8": {"RED"},
    }  # fmt: skip
    assert later["uuid"] in {each.uuid for each in _events(one)}


def test_an_event_that_is_being_written_waits_and_what_stands_stays(teams: Teams) -> None:
    one, other = teams.arcadia, teams.borealia
    event = one.misp.event("Beacons", "198.51.100.7", tags=(TAG,))
    event["published"] = False
    one.good()
    teams.sync()
    assert not other.knows("198.51.100.7")
    event["published"] = True
    one.good()
    teams.sync()
    assert other.knows("198.51.100.7")
    teams.pass_time()
    one.misp.change(event["uuid"], "198.51.100.7", "198.51.100.77")
    event["published"] = False
    one.good()
    teams.sync()
    assert other.knows("198.51.100.7")
    event["published"] = True
    one.good()
    teams.sync()
    assert other.knows("198.51.100.77") and not other.knows("198.51.100.7")


def test_edits_in_one_second_and_under_a_clock_that_was_set_back_are_seen(teams: Teams) -> None:
    one, other = teams.arcadia, teams.borealia
    event = one.misp.event("Beacons", "198.51.100.1", tags=(TAG,))
    one.good()
    one.misp.now -= 86_400
    one.misp.change(event["uuid"], "198.51.100.1", "198.51.100.2")
    one.good()
    teams.sync()
    assert other.knows("198.51.100.2") and not other.knows("198.51.100.1")
    # Two edits within one second: MISP's own timestamp stays the same, and so does its index.
    one.misp.now += 86_400
    one.misp.change(event["uuid"], "198.51.100.2", "198.51.100.3")
    one.good()
    one.misp.change(event["uuid"], "198.51.100.3", "198.51.100.4")
    one.good()  # looks at it once more
    teams.sync()
    assert other.knows("198.51.100.4") and not other.knows("198.51.100.3")


def test_what_two_events_have_in_common_stays_with_the_one_that_is_left(teams: Teams) -> None:
    one, other = teams.arcadia, teams.borealia
    first = one.misp.event("First", tags=(TAG,))
    second = one.misp.event("Second", tags=(TAG,))
    for event in (first, second):
        part = {"uuid": event["uuid"].replace(event["uuid"][:2], "ab", 1), "id": "9", "type": "ip-dst", "to_ids": False}
        part |= {
            "category": "Network activity",
            "value": "198.51.100.7",
            "timestamp": event["timestamp"],
            "deleted": False,
        }
        event["Attribute"].append(part | {"distribution": "5", "comment": ""})
    one.good()
    teams.sync()
    assert other.knows("198.51.100.7")
    one.misp.detach(first["uuid"], TAG)
    one.good()
    teams.sync()
    assert other.knows("198.51.100.7")
    one.misp.delete(second["uuid"])
    one.good()
    teams.sync()
    assert not other.knows("198.51.100.7")


def _bodies(team: Team) -> bytes:
    found = []
    with team.who.store.read() as unit:
        for log in unit.logs.all():
            if "/accord/" in log.origin:
                found += [entry.body or b"" for entry in unit.entries.read(log.id, 0, log.size)]
    return b"\n".join(found)


def _paps(team: Team, value: str) -> set[str]:
    with team.who.store.read() as unit:
        found = team.who.services.queries.lookup(unit, team.who.actor, value)
    return {witness.marking.pap.value for one in found for witness in one.witnesses if witness.marking}


def _events(team: Team) -> list[Kept]:
    with team.who.store.read() as unit:
        return sidecars.events(unit, team.sidecar)


def test_very_much_gone_at_once_waits_for_somebody_to_look(teams: Teams) -> None:
    one, other = teams.arcadia, teams.borealia
    events = [one.misp.event(f"Event {number}", f"198.51.100.{number}", tags=(TAG,)) for number in range(30)]
    one.good()
    one.misp.lie = lambda path, answer: [] if path == "/events/index" else answer
    result = one.good()
    assert "gone at once" in result.health.faults[0]
    assert result.health.last.withdrawn == 0
    # An index that leaves events out takes nothing back: each is asked whether it still asks.
    one.good(withdrawals=True)
    teams.sync()
    assert other.knows("198.51.100.7")
    one.misp.lie = lambda path, answer: answer
    one.good()
    for event in events:
        one.misp.delete(event["uuid"])
    assert one.good().health.last.withdrawn == 0
    assert one.good(withdrawals=True).health.last.withdrawn > 0
    teams.sync()
    assert not other.knows("198.51.100.7")


def test_a_misp_that_does_not_do_what_it_is_asked_is_named(teams: Teams) -> None:
    one = teams.arcadia
    for number in range(25):
        one.misp.event(f"Event {number}", f"198.51.100.{number}")
    everything = one.misp._index({"minimal": 1})
    one.misp.lie = lambda path, answer: everything if path == "/events/index" else answer
    result = one.run()
    assert "do not ask" in str(result.error)
    for nonsense in ({"a": 1}, [{"uuid": "x"}], [{"uuid": everything[0]["uuid"], "timestamp": "soon"}], "no"):
        one.misp.lie = lambda path, answer, nonsense=nonsense: nonsense if path == "/events/index" else answer
        assert one.run().error is not None
    assert one.who.store is not None
    assert not one.knows("198.51.100.7")
