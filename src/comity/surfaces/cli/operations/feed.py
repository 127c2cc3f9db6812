"""Lists that sensors fetch by themselves: made, listed, ended; their editions, and what changed between them."""

from __future__ import annotations

import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from comity import __version__
from comity.errors import Misuse, NotFound
from comity.formats.sensors.item import About, Gone, Skipped
from comity.formats.sensors.table import WRITERS
from comity.node import changes, feeds
from comity.node import editions as kept
from comity.node.editions import Change, Editions, Op, State
from comity.node.feeding import Sieve
from comity.node.feeds import Feed
from comity.node.ports import Unit
from comity.surfaces.cli.desk import Desk, Operation, actor_of
from comity.surfaces.cli.operations import exporting, forms
from comity.surfaces.cli.operations.choosing import one_of
from comity.surfaces.cli.verbs import Nothing
from comity.surfaces.cli.verbs import feed as verbs
from comity.surfaces.cli.verbs.release import Choice, Export
from comity.vocab import Purpose

CHANGES_MEDIA: Final = "application/x-ndjson"
_ADDRESS: Final = re.compile(r"https://[a-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~-]+)*").fullmatch
_MEDIA: Final = {".json": "application/json", ".csv": "text/csv; charset=utf-8", ".html": "text/html; charset=utf-8"}
LEFT_SECONDS: Final = 3_600  # after which a file of changes that nobody deleted is


def create(desk: Desk, ask: verbs.Create) -> verbs.Created:
    """Make a list; who it is for has to exist, and the form too."""
    forms.known(ask.form)
    if ask.address and _ADDRESS(ask.address) is None:
        raise Misuse(f"{ask.address!r} is no address of a node", hint="--address https://node.arcadia.example:8461")
    if ask.form in forms.TREES and forms.TREES[ask.form].addressed and not ask.address:
        hint = "--address https://node.arcadia.example:8461"
        raise Misuse(f"{ask.form} names its own files, so it has to know where they are fetched", hint=hint)
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
            address=ask.address,
        )
        made, secret = feeds.create(services.node, unit, actor, made)
    return verbs.Created(_shown(made), _path(made, secret))


def _path(feed: Feed, secret: str) -> str:
    """Return the path of a list's address; one of several files is a folder, named by the file to begin with."""
    if feed.form in forms.TREES:
        return f"/feeds/{secret}/{feed.name}/{forms.TREES[feed.form].start}"
    return f"/feeds/{secret}/{feed.name}{forms.media_of(feed.form)[1]}"


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


# -- editions --------------------------------------------------------------------


def edition(desk: Desk, ask: verbs.Edition) -> verbs.Editions:
    """Have the newest edition of a list in a folder: made anew only where what it holds has changed."""
    feed, state, path = _newest(desk, ask.secret, Path(ask.folder))
    media = forms.media_of(feed.form)[0] if feed.form not in forms.TREES else ""
    if feed.form in forms.TREES:
        path = _inside(path, ask.file or forms.TREES[feed.form].start)
        media = _MEDIA.get(path.suffix, "text/plain; charset=utf-8")
    elif ask.file:
        raise NotFound("there is no such file", hint="the list is one file")
    if ask.have == state.tag:
        return verbs.Editions(feed.name, state.tag, media, "")
    where = f"{feed.address}/feeds/{ask.secret}/{feed.name}" if feed.address else ""
    return verbs.Editions(feed.name, state.tag, media, str(path), where)


def _inside(folder: Path, file: str) -> Path:
    """Return a file of an edition's folder, and nothing from anywhere else. Raises `NotFound`."""
    named = PurePosixPath(file)
    parts = named.parts
    path = folder.joinpath(*parts)
    if named.is_absolute() or ".." in parts or forms.MARK in parts or not path.is_file():
        raise NotFound("there is no such file in this list", hint="begin with its first file: it may have changed")
    return path


def _newest(desk: Desk, secret: str, folder: Path) -> tuple[Feed, State, Path]:
    """Return a list, what is known of its newest edition, and the file or folder of that."""
    node = desk.services.node
    with node.store.read() as unit:
        feed = feeds.by_secret(unit, secret)
        moment = feeds.tag(unit, feed, node.now())
        living = {one.digest[:16] for one in feeds.every(unit)}
    _forget(folder, living)
    own = folder / feed.digest[:16]
    own.mkdir(mode=0o700, parents=True, exist_ok=True)
    editions = Editions(own)
    state = editions.state()
    if state is not None and (own / f"edition.{state.tag}").exists():
        if state.moment == moment:
            return feed, state, own / f"edition.{state.tag}"
    else:
        state = None if state is None else _nameless(state)
    state = _renewed(desk, feed, editions, state)
    return feed, state, own / f"edition.{state.tag}"


def _nameless(state: State) -> State:
    """Return a state whose file is lost: the list is written anew, whatever it holds."""
    return msgspec.structs.replace(state, tag="")


def _renewed(desk: Desk, feed: Feed, editions: Editions, state: State | None) -> State:
    """Decide and write a list anew; keep the file there is where it would hold the same."""
    node = desk.services.node
    fresh = editions.folder / f"fresh.{secrets.token_hex(8)}"
    with ExitStack() as within:
        within.callback(_remove, fresh)
        gathered = kept.gathering(editions.folder, within)
        before = editions.folder / f"edition.{state.tag}" if state is not None and state.tag else None
        exporting.export(desk, _export(feed, fresh, before), gathered.add)
        tag = editions.tag_of(gathered, feeds.definition(feed, __version__))
        with node.store.read() as unit:  # the decision itself is on record now, if it was a new one
            moment = feeds.tag(unit, feed, node.now())
            if state is not None and state.tag == tag:
                return editions.unchanged(state, moment)
            target = editions.folder / f"edition.{tag}"
            _remove(target)
            fresh.rename(target)
            audience = desk.services.releases.audience(unit, feed.to, Purpose(feed.purpose))
            why = changes.Reasons(node, unit, desk.services.releases, audience)
            state = editions.renew(gathered, tag, moment, node.now(), why.of)
    # The one before stays: somebody may be half way through it.
    older = sorted(editions.folder.glob("edition.*"), key=lambda each: each.stat().st_mtime)
    for path in [each for each in older if each != target][:-1]:
        _remove(path)
    return state


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _forget(folder: Path, living: set[str]) -> None:
    """Delete what lists that have ended left behind, and files of changes that nobody took away."""
    if not folder.exists():
        return
    for path in folder.iterdir():
        if path.name.startswith("told."):
            if path.stat().st_mtime + LEFT_SECONDS < time.time():
                _remove(path)
        elif path.name not in living:
            _remove(path)


# -- what changed ----------------------------------------------------------------


def changed(desk: Desk, ask: verbs.Changes) -> verbs.ChangesWritten:
    """Write what came and went of a list, or only what was taken back, into a file of its own."""
    folder = Path(ask.folder)
    feed, state, _ = _newest(desk, ask.secret, folder)
    editions = Editions(folder / feed.digest[:16])
    whole = forms.is_whole(feed.form)
    if whole and not ask.removed and feed.form != forms.STIX:
        raise Misuse(f"a list in form {feed.form} is taken whole", hint="what was taken back of it: …/removed")
    told = editions.removed() if ask.removed and not ask.since else editions.since(ask.since)
    if ask.removed:
        told = [change for change in told if change.op is Op.REMOVED]
    form = WRITERS.get(feed.form)
    if ask.native and (form is None or form.removals is None):
        raise Misuse(f"the form {feed.form} has no way of its own to remove", hint="…/removed gives lines of JSON")
    path = folder / f"told.{secrets.token_hex(8)}"
    with desk.services.node.store.read() as unit, path.open("wb") as file:
        if ask.native:
            file.writelines(_natively(desk, unit, feed, told, state))
        else:
            file.writelines(changes.lines(desk.services.node, desk.services.queries, unit, told, whole=whole))
    media = forms.media_of(feed.form)[0] if ask.native else CHANGES_MEDIA
    return verbs.ChangesWritten(feed.name, state.tag, media, str(path))


def _natively(desk: Desk, unit: Unit, feed: Feed, told: list[Change], state: State) -> Iterator[bytes]:
    removals = WRITERS[feed.form].removals
    assert removals is not None
    node = desk.services.node
    gone = (
        Gone(item.kind, item.value, item.ident, at)
        for at, item in changes.gone(node, desk.services.queries, unit, told)
    )
    about = About(feed.name, f"tag:{node.me},2026:feed/{feed.name}", state.at, node.me, state.serial, 3_600)
    return removals(gone, about, Skipped())


def _export(feed: Feed, path: Path, before: Path | None) -> Export:
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
        address=verbs.NOWHERE,
        before=str(before) if before is not None else "",
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
    Operation(verbs.CHANGES, changed),
)
