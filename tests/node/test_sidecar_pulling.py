"""What asks in a MISP comes to the accord, changes with it, and is taken back with it."""

from __future__ import annotations

from tests.node.sidecars import ACCORD, TAG, Teams, teams_

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
