"""Exports: whole objects or values for a named audience, into a file or into a folder of files.

Rules: the decision is on record before the first byte. A file is written beside its place and renamed, a folder too, so
that nobody reads half of one. Which forms there are stands in `forms`; here is what all of them have in common.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final

from comity.errors import Conflict, Fault, Misuse
from comity.formats import observables
from comity.formats.sensors.item import REASONS, About, Item, Skipped
from comity.formats.sensors.table import WRITERS
from comity.formats.stix import leads
from comity.node import attachments, exporting, feeding, scoring
from comity.node.actor import Actor
from comity.node.deliveries import Grade
from comity.node.editions import object_key
from comity.node.exporting import Exported
from comity.node.feeding import Given, Sieve, Sifted
from comity.node.feeds import USER as FEED_USER
from comity.node.ports import Unit
from comity.surfaces.cli.desk import Desk, actor_of
from comity.surfaces.cli.operations import forms
from comity.surfaces.cli.operations.choosing import chosen, indexed, one_of, with_named
from comity.surfaces.cli.operations.forms import Task
from comity.surfaces.cli.operations.writing import beside
from comity.surfaces.cli.verbs import release as verbs
from comity.vocab import Channel, Purpose, Tlp

EXPORT_BATCH: Final = 512  # values between two words of how far it is
EXPORT_TTL_SECONDS: Final = 3_600  # what a file says of when to ask again
Kept = Callable[[bytes, int, Tlp], None]
"""Is told of each member that is written: its key, the entry that says it, the label it is under."""


def export(desk: Desk, ask: verbs.Export, kept: Kept | None = None) -> verbs.Exported:
    """Write what may go to an audience into a file or folder; the decision is on record before the first byte."""
    forms.known(ask.form)
    if ask.attachments and ask.form not in forms.CARRYING:
        raise Misuse(f"{ask.form} has no place for attachments", hint=f"--format {', '.join(sorted(forms.CARRYING))}")
    services, node = desk.services, desk.services.node
    indexed(desk, ask.choice)
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        audience = services.releases.audience(unit, ask.to, one_of(Purpose, ask.purpose, what="a purpose"))
        places = chosen(services, unit, actor, forms.choice_of(ask), received=True)
        if ask.attachments:
            places = [*places, *attachments.about(node, services.queries, unit, actor, places)]
        if ask.form in forms.NAMING:
            places = with_named(services, unit, actor, places)
    with _leads(desk, ask, len(places)) as read:
        exported = exporting.decide_export(node, services.releases, actor, places, audience)
        _note_given(desk, actor, exported)
        sifted = Sifted()
        with node.store.read() as unit:
            skipped = _write(desk, unit, exported, ask, sifted, kept, read)
    whole = forms.is_whole(ask.form)
    return verbs.Exported(
        audience=audience.name,
        purpose=audience.purpose.value,
        by=str(actor),
        form=ask.form,
        objects=len(exported.places),
        values=0 if whole else sifted.given - skipped.total,
        withheld=exported.withheld,
        grounds=exported.grounds,
        warnings="" if whole else desk.warnings.asked(node.now()).says(),
        left={
            **sifted.left,
            **{f"{kind}: {REASONS[rule]}": count for (kind, rule), count in skipped.counts.items()},
        },
    )


def _leads(desk: Desk, ask: verbs.Export, count: int) -> AbstractContextManager[leads.Reader]:
    """Lend what reads leads, from before the decision: a process beside this one then begins meanwhile."""
    return nullcontext(leads.reader()) if forms.is_whole(ask.form) else desk.leads(ask.kinds, count)


def _note_given(desk: Desk, actor: Actor, exported: Exported) -> None:
    """Note what a correspondent is given, before it leaves."""
    services, audience = desk.services, exported.audience
    if audience.correspondent:
        # All that was decided: a form for sensors may carry less, and nobody is harmed by being told too much.
        is_feed = actor.user.startswith(FEED_USER)
        way = (Channel.FEED, Grade.FETCHED) if is_feed else (Channel.FILE, Grade.SENT)
        services.seeing.given(audience.name, *way, exported.places)
        if is_feed:
            services.owing.replaced(audience.name, Channel.FEED)


def _write(
    desk: Desk,
    unit: Unit,
    exported: Exported,
    ask: verbs.Export,
    sifted: Sifted,
    kept: Kept | None,
    read: leads.Reader,
) -> Skipped:
    """Write beside the place and rename, so that nobody reads half of it; return what the form could not carry."""
    path = Path(ask.path)
    skipped = Skipped()
    actor = actor_of(desk, unit, ask)
    before = Path(ask.before) if ask.before else path if (path / forms.MARK).exists() else None
    task = Task(desk, unit, exported, _about(desk, exported, ask), sifted, skipped, ask.address, actor, before)
    if ask.form in forms.TREES:
        _put_folder(task, ask.form, path)
    else:
        with beside(path) as file:
            file.writelines(_written(task, ask, kept, read))
    if kept is not None and forms.is_whole(ask.form):
        for at, ident, label in exporting.idents(desk.services.node, unit, exported.places):
            kept(object_key(ident), at, label)
    return skipped


def _put_folder(task: Task, form: str, path: Path) -> None:
    """Write a folder of files in place of one that an export made, and of nothing else."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        _replace_folder(task, form, partial, path)
    except OSError as error:
        raise Fault(f"{path} cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _replace_folder(task: Task, form: str, partial: Path, path: Path) -> None:
    mark = path / forms.MARK
    if path.exists() and not mark.exists() and any(path.iterdir()):
        raise Conflict(f"{path} is a folder with files of something else", hint="name a new folder, or an empty one")
    partial.mkdir(mode=0o700)
    forms.TREES[form].write(task, partial)
    (partial / forms.MARK).write_text(f"{form}\n")
    if path.exists():
        old = path.with_name(f".{path.name}.{os.getpid()}.old")
        path.rename(old)
        partial.rename(path)
        shutil.rmtree(old)
    else:
        partial.rename(path)


def _about(desk: Desk, exported: Exported, ask: verbs.Export) -> About:
    node = desk.services.node
    return About(
        title=f"{node.me} for {exported.audience.name}",
        ident=f"tag:{node.me},2026:export/{ask.form}/{exported.audience.name}",
        at=node.now(),
        node=node.me,
        serial=node.now(),
        ttl=EXPORT_TTL_SECONDS,
        tlp=max(exported.labels, key=lambda label: label.rank, default=Tlp.RED).value,
    )


def _written(task: Task, ask: verbs.Export, kept: Kept | None, read: leads.Reader) -> Iterator[bytes]:
    if ask.form in forms.WHOLE:
        return forms.WHOLE[ask.form].write(task)
    task.sifted.tell = None if kept is None else _given(ask.form, kept)
    items = _items(task, ask, read)
    if ask.form == forms.PLAIN:
        return (f"{item.value}\n".encode() for item in items if _is_plain(item, task.skipped))
    return WRITERS[ask.form].write(items, task.about, task.skipped)


def _items(task: Task, ask: verbs.Export, read: leads.Reader) -> Iterator[Item]:
    desk, node = task.desk, task.desk.services.node
    sieve = Sieve(ask.confidence, ask.unsure, ask.kinds, ask.warned, ask.faded)
    places = task.exported.places
    judge = scoring.judge(desk.services.queries, actor_of(desk, task.unit, ask), node.now(), asked=len(places))
    values = feeding.items(node, task.unit, places, sieve, task.sifted, at=node.now(), read=read, judge=judge)
    for count, item in enumerate(values):
        if count % EXPORT_BATCH == 0:
            desk.report("writing", count, len(places))
        yield item


def _given(form: str, kept: Kept) -> Given:
    """Return what keeps the values that a form has a place for."""
    kinds = forms.kinds_of(form)

    def given(key: bytes, at: int, item: Item) -> None:
        if item.kind in kinds:
            kept(key, at, Tlp(item.tlp) if item.tlp else Tlp.RED)

    return given


def _is_plain(item: Item, skipped: Skipped) -> bool:
    """Say whether a value may stand alone on a line: it names a host, an address, a URL, a hash and prints."""
    if item.kind in observables.FREE_KINDS:
        skipped.add("kind", item.kind, item.value, item.ident)
        return False
    if not item.value.isprintable():
        skipped.add("unprintable", item.kind, item.value, item.ident)
        return False
    return True
