"""What correspondents sent: listed, shown, accepted, refused."""

from __future__ import annotations

from typing import Final

from comity.node import submissions
from comity.node.submissions import Submission
from comity.surfaces.cli.desk import Desk, Operation, actor_of
from comity.surfaces.cli.verbs import inbox as verbs


def list_(desk: Desk, ask: verbs.List) -> verbs.Inbox:
    """Return what waits for the asking office, or what it settled."""
    with desk.services.node.store.read() as unit:
        found = submissions.inbox(unit, actor_of(desk, unit, ask), waiting=not ask.settled)
    return verbs.Inbox(tuple(_shown(one) for one in found))


def show(desk: Desk, ask: verbs.Named) -> verbs.Opened:
    """Return a submission, with its bytes while it waits."""
    with desk.services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        one = submissions.get(unit, actor, ask.id)
        data = submissions.body(unit, actor, ask.id) if one.state == submissions.WAITING else b""
    return verbs.Opened(_shown(one), data)


def accept(desk: Desk, ask: verbs.Settle) -> verbs.SubmissionShown:
    """Take in what waits, as the correspondent's."""
    services = desk.services
    with services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
    return _shown(submissions.accept(services.node, actor, ask.id, desk.readers, ask.reason, services.check))


def refuse(desk: Desk, ask: verbs.Settle) -> verbs.SubmissionShown:
    """Refuse what waits."""
    node = desk.services.node
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
    return _shown(submissions.refuse(node, actor, ask.id, ask.reason))


def _shown(one: Submission) -> verbs.SubmissionShown:
    return verbs.SubmissionShown(
        id=one.id,
        correspondent=one.audience,
        channel=one.channel.value,
        name=one.name,
        form=one.form,
        at=one.at,
        bytes=one.bytes,
        digest=one.digest,
        state=one.state,
        objects=one.objects,
        refused=one.refused,
        others=one.others,
        kept=one.kept,
        by=one.by,
        settled=one.settled,
        reason=one.reason,
    )


OPERATIONS: Final = (
    Operation(verbs.LIST, list_),
    Operation(verbs.SHOW, show),
    Operation(verbs.ACCEPT, accept),
    Operation(verbs.REFUSE, refuse),
)
