"""Lists that sensors fetch by themselves: made, listed, ended, and their editions."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from comity.errors import Misuse
from comity.formats.sensors.table import WRITERS
from comity.node import feeds
from comity.node.feeding import Sieve
from comity.node.feeds import Feed
from comity.surfaces.cli.desk import Desk, Operation, actor_of
from comity.surfaces.cli.operations import release
from comity.surfaces.cli.operations.choosing import one_of
from comity.surfaces.cli.verbs import Nothing
from comity.surfaces.cli.verbs import feed as verbs
from comity.surfaces.cli.verbs.release import Choice, Export
from comity.vocab import Purpose

MEDIA: Final = {
    release.STIX: "application/stix+json;version=2.1",
    release.MISP: "application/json",
    release.PLAIN: "text/plain; charset=utf-8",
}
SUFFIXES: Final = {release.STIX: ".json", release.MISP: ".json", release.PLAIN: ".txt"}


def create(desk: Desk, ask: verbs.Create) -> verbs.Created:
    """Make a list; who it is for has to exist, and the form too."""
    if ask.form not in {*MEDIA, *WRITERS}:
        raise Misuse(f"there is no format {ask.form!r}", hint=f"one of {', '.join((*MEDIA, *WRITERS))}")
    services = desk.services
    with services.node.writing() as unit:
        actor = actor_of(desk, unit, ask)
        purpose = one_of(Purpose, ask.purpose, what="a purpose")
        services.releases.audience(unit, ask.to, purpose)
        made = Feed(
            name=ask.name,
            office=actor.office_id,
            to=ask.to,
            purpose=purpose.value,
            form=ask.form,
            source=ask.source,
            type=ask.type,
            sieve=Sieve(ask.confidence, ask.unsure, ask.kinds, ask.warned, ask.faded),
            digest="",
            created=0,
            by=str(actor),
        )
        kept, secret = feeds.create(services.node, unit, actor, made)
    suffix = SUFFIXES.get(ask.form) or WRITERS[ask.form].suffix
    return verbs.Created(_shown(kept), f"/feeds/{secret}/{kept.name}{suffix}")


def list_(desk: Desk, ask: Nothing) -> verbs.FeedsShown:
    """Return the lists of the asking office."""
    with desk.services.node.store.read() as unit:
        found = feeds.feeds(unit, actor_of(desk, unit, ask).office_id)
    return verbs.FeedsShown(tuple(_shown(one) for one in found))


def revoke(desk: Desk, ask: verbs.Revoke) -> verbs.FeedShown:
    """End a list of the asking office."""
    node = desk.services.node
    with node.writing() as unit:
        return _shown(feeds.revoke(node, unit, actor_of(desk, unit, ask), ask.name))


def edition(desk: Desk, ask: verbs.Edition) -> verbs.Editions:
    """Have the newest edition of a list in a folder: made anew only where anything changed."""
    node = desk.services.node
    with node.store.read() as unit:
        feed = feeds.by_secret(unit, ask.secret)
        tag = feeds.tag(unit, feed, node.now())
    media = MEDIA.get(feed.form) or WRITERS[feed.form].media
    if ask.have == tag:
        return verbs.Editions(feed.name, tag, media, "")
    folder = Path(ask.folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    stem = feed.digest[:16]
    path = folder / f"{stem}.{tag}"
    if not path.exists():
        release.export(desk, _export(feed, path))
        with node.store.read() as unit:  # the decision itself is on record now, if it was a new one
            tag = feeds.tag(unit, feed, node.now())
        path = path.rename(folder / f"{stem}.{tag}")
        # The one before stays: somebody may be half way through it.
        for older in sorted(folder.glob(f"{stem}.*"), key=lambda each: each.stat().st_mtime)[:-2]:
            older.unlink(missing_ok=True)
    return verbs.Editions(feed.name, tag, media, str(path))


def _export(feed: Feed, path: Path) -> Export:
    return Export(
        to=feed.to,
        choice=Choice(source=feed.source, type=feed.type),
        path=str(path),
        form=feed.form,
        purpose=feed.purpose,
        confidence=feed.sieve.confidence,
        unsure=feed.sieve.unsure,
        kinds=feed.sieve.kinds,
        warned=feed.sieve.warned,
        faded=feed.sieve.faded,
        office=feed.office,
        user=feed.user,
    )


def _shown(one: Feed) -> verbs.FeedShown:
    return verbs.FeedShown(
        name=one.name,
        office=one.office,
        to=one.to,
        purpose=one.purpose,
        form=one.form,
        source=one.source,
        type=one.type,
        confidence=one.sieve.confidence,
        created=one.created,
        by=one.by,
    )


OPERATIONS: Final = (
    Operation(verbs.CREATE, create),
    Operation(verbs.LIST, list_),
    Operation(verbs.REVOKE, revoke),
    Operation(verbs.EDITION, edition),
)
