"""The MISP that the tests ask is one as PyMISP knows it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pymisp import MISPEvent, PyMISP

from tests.transports.misp_server import EXISTS, KEY, NOT_YOURS, Misp, served


@pytest.fixture
def server() -> Misp:
    return Misp()


@pytest.fixture
def pymisp(server: Misp) -> Iterator[PyMISP]:
    with served(server) as base:
        yield PyMISP(base, KEY)


def test_pymisp_adds_finds_edits_tags_and_deletes(server: Misp, pymisp: PyMISP) -> None:
    event = MISPEvent()
    event.info, event.distribution = "Beacons", 1
    event.add_attribute("ip-dst", "198.51.100.7", to_ids=True)
    made = pymisp.add_event(event, pythonify=True)
    assert isinstance(made, MISPEvent)
    assert (made.Orgc.name, made.published) == ("Arcadia CSIRT", False)
    assert pymisp.add_event(made)["errors"][1]["message"] == EXISTS  # type: ignore[index, call-overload]
    pymisp.tag(made, 'comity:share="energy"')
    pymisp.publish(made)
    (row,) = pymisp.search_index(tags='comity:share="energy"', minimal=True)
    assert (row["uuid"], row["published"]) == (made.uuid, True)  # type: ignore[index, call-overload]
    assert pymisp.search_index(tags="comity:other", minimal=True) == []
    (found,) = pymisp.search(uuid=made.uuid, pythonify=True)
    assert isinstance(found, MISPEvent)
    assert [tag.name for tag in found.tags] == ['comity:share="energy"']
    server.now += 10
    found.add_attribute("domain", "evil.example")
    edited = pymisp.update_event(found, pythonify=True)
    assert isinstance(edited, MISPEvent), edited
    assert {one.value for one in edited.attributes} == {"198.51.100.7", "evil.example"}
    pymisp.delete_attribute(edited.attributes[0])
    again = pymisp.get_event(edited.uuid, pythonify=True)
    assert isinstance(again, MISPEvent)
    assert [one.value for one in again.attributes] == ["evil.example"]
    assert len(pymisp.get_event(edited.uuid, deleted=True, pythonify=True).attributes) == 2  # type: ignore[union-attr]
    pymisp.untag(edited.uuid, 'comity:share="energy"')
    assert pymisp.get_event(edited.uuid, pythonify=True).tags == []  # type: ignore[union-attr]
    pymisp.delete_event(edited)
    assert not pymisp.event_exists(edited.uuid)
    assert pymisp.get_event(edited.uuid)["errors"][0] == 404  # type: ignore[index]
    assert pymisp.add_event(edited)["errors"][0] == 403  # type: ignore[index]


def test_only_a_role_that_may_names_another_creator(server: Misp, pymisp: PyMISP) -> None:
    event = MISPEvent()
    event.from_dict(info="Theirs", Orgc={"name": "Borealia", "uuid": "6a1a1c3e-0f6c-4d2c-9d55-0a1b2c3d4e5f"})
    assert pymisp.add_event(event)["errors"][0] == 403  # type: ignore[index]
    server.sync = True
    event.locked = True
    made = pymisp.add_event(event, pythonify=True)
    assert isinstance(made, MISPEvent)
    assert made.Orgc.name == "Borealia"
    server.sync = False
    server.now += 10
    made.timestamp = server.now
    assert pymisp.update_event(made)["errors"][1]["errors"] == NOT_YOURS  # type: ignore[index, call-overload]
