"""What correspondents send: theirs and nobody else's, waiting where the terms say so, bounded, answered one by one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from comity.canon import OfficeId
from comity.errors import Conflict, Misuse, NotFound, Refused, TooLarge
from comity.formats import readers
from comity.limits import SUBMISSION_BYTES_MAX, SUBMISSIONS_WAITING_MAX
from comity.node import correspondents, ingest, submissions
from comity.node.actor import Actor
from comity.node.correspondents import Allowed
from comity.party import OfficeRef
from comity.statement import Marking
from comity.testing.world import Inhabitant, World
from comity.vocab import Channel, Tlp
from tests.node.correspond import ident, indicator, take_on

TAXII = Channel.TAXII


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Inhabitant]:
    """A node alone."""
    world = World(1, 1, tmp_path)
    yield world.people[0]
    world.close()


def held(one: Inhabitant, name: str) -> list[tuple[str, str, Marking | None]]:
    """Return who says something here: (office, source, marking)."""
    with one.store.read() as unit:
        found = one.services.queries.versions(unit, one.actor, name)
        return [(w.office, w.source, w.marking) for each in found for w in each.witnesses]


def test_what_waits_is_taken_in_as_the_correspondents_when_it_is_accepted(one: Inhabitant) -> None:
    who = take_on(one)
    submissions.put_source(one.node, one.actor, "grid", Marking(Tlp.AMBER), "B")
    sent = submissions.submit_objects(one.node, who, TAXII, [indicator(1)])
    assert [answer.outcome for answer in sent.answers] == ["waiting"]
    assert held(one, ident(1)) == []
    with one.store.read() as unit:
        (waits,) = submissions.inbox(unit, one.actor)
        assert json.loads(submissions.body(unit, one.actor, waits.id))["id"] == ident(1)
    done = submissions.accept(one.node, one.actor, waits.id, readers, "plausible")
    assert (done.state, done.kept, done.by, done.reason) == ("accepted", 1, "duty", "plausible")
    assert held(one, ident(1)) == [("csirt", "~grid", Marking(Tlp.AMBER))]
    with pytest.raises(Conflict):
        submissions.accept(one.node, one.actor, waits.id, readers)
    with one.store.read() as unit:
        assert submissions.inbox(unit, one.actor) == []
        assert submissions.inbox(unit, one.actor, waiting=False) == [done]


def test_what_is_refused_stays_out_with_its_reason(one: Inhabitant) -> None:
    who = take_on(one)
    sent = submissions.submit_objects(one.node, who, TAXII, [indicator(1)]).submission
    with pytest.raises(Misuse):
        submissions.refuse(one.node, one.actor, sent.id, " ")
    done = submissions.refuse(one.node, one.actor, sent.id, "our own printer")
    assert done.state == "refused"
    assert held(one, ident(1)) == []
    with one.store.read() as unit:
        ((_, _, source, code, reason, evidence),) = unit.quarantine.all(limit=9)
        with pytest.raises(NotFound):
            submissions.body(unit, one.actor, sent.id)
    assert (source, code, reason) == (who.audience, "refused", "our own printer")
    assert ident(1).encode() in evidence


def test_terms_may_let_it_in_at_once_and_each_object_is_answered(one: Inhabitant) -> None:
    who = take_on(one, waits=False)
    objects = [indicator(1), b'{"type": "indicator"}', indicator(2), b"{", indicator(1)]
    sent = submissions.submit_objects(one.node, who, TAXII, objects)
    assert [answer.outcome for answer in sent.answers] == ["taken", "refused", "taken", "refused", "taken"]
    assert all(answer.reason for answer in sent.answers if answer.outcome == "refused")
    assert (sent.submission.objects, sent.submission.refused, sent.submission.kept) == (3, 2, 2)
    assert [source for _, source, _ in held(one, ident(2))] == ["~grid"]


def test_another_creator_is_the_correspondents_word_and_replaces_nobody(one: Inhabitant) -> None:
    own = "identity--00000001-0000-4000-8000-000000000000"
    other = "identity--00000002-0000-4000-8000-000000000000"
    who = take_on(one, waits=False, identities=(own,))
    with one.node.writing() as unit:
        feed = ingest.put_source(unit, one.actor, "feed", Marking(Tlp.GREEN))
    ingest.ingest(one.node, one.actor, feed, [indicator(1, created_by_ref=other)])
    forged = indicator(1, created_by_ref=other, modified="2026-02-01T00:00:00.000Z", revoked=True)
    sent = submissions.submit_objects(one.node, who, TAXII, [forged, indicator(2, created_by_ref=own)])
    assert sent.submission.others == 1
    assert sorted(source for _, source, _ in held(one, ident(1))) == ["feed", "~grid"]
    with one.store.read() as unit:
        (found, _) = sorted(
            one.services.queries.lookup(unit, one.actor, "host-1.example"), key=lambda each: each.modified
        )
    assert not found.revoked  # what the feed said still stands beside it


def test_nobody_takes_a_correspondents_name_as_a_source(one: Inhabitant) -> None:
    with one.node.writing() as unit, pytest.raises(Misuse):
        ingest.put_source(unit, one.actor, "~grid", Marking(Tlp.GREEN))


def test_other_formats_are_read_when_they_are_accepted(one: Inhabitant) -> None:
    who = take_on(one)
    sent = submissions.submit_bytes(
        one.node, who, Channel.MAIL, b"Dear all,\n\nwe saw 198.51.100.7 again.\n", readers=readers
    )
    assert (sent.submission.form, sent.answers) == ("text", ())
    done = submissions.accept(one.node, one.actor, sent.submission.id, readers)
    assert done.kept > 0
    with one.store.read() as unit:
        (found,) = one.services.queries.lookup(unit, one.actor, "198.51.100.7")
    assert {w.source for w in found.witnesses} == {"~grid"}
    stix = submissions.submit_bytes(one.node, who, Channel.MAIL, indicator(5) + b"\n" + b'{"type": 1}', readers=readers)
    assert [answer.outcome for answer in stix.answers] == ["waiting", "refused"]


def test_only_who_may_send_sends_and_no_more_than_there_is_room_for(one: Inhabitant) -> None:
    quiet = take_on(one, "quiet", channels=(Allowed(TAXII),))
    with pytest.raises(Refused):
        submissions.submit_objects(one.node, quiet, TAXII, [indicator(1)])
    who = take_on(one)
    with pytest.raises(TooLarge):
        submissions.submit_bytes(
            one.node, who, Channel.MAIL, b" " * (SUBMISSION_BYTES_MAX + 1), form="text", readers=readers
        )
    for number in range(SUBMISSIONS_WAITING_MAX):
        submissions.submit_objects(one.node, who, TAXII, [indicator(number + 1)])
    with pytest.raises(Conflict, match="no room"):
        submissions.submit_objects(one.node, who, TAXII, [indicator(9_999)])
    stopped = correspondents.move(one.node, one.actor, "grid", correspondents.SUSPENDED, "")
    with pytest.raises(Refused):
        submissions.submit_objects(one.node, stopped, TAXII, [indicator(1)])


def test_another_office_sees_nothing_of_an_inbox(one: Inhabitant) -> None:
    police = Actor(OfficeRef(one.name, OfficeId("police")), "reader")
    sent = submissions.submit_objects(one.node, take_on(one), TAXII, [indicator(1)]).submission
    with one.store.read() as unit:
        assert submissions.inbox(unit, police) == []
        with pytest.raises(NotFound):
            submissions.get(unit, police, sent.id)
    with pytest.raises(NotFound):
        submissions.accept(one.node, police, sent.id, readers, "mine")
    with pytest.raises(NotFound):
        submissions.refuse(one.node, police, sent.id, "mine")
