"""Every form of an export by name: lists of values, files of whole objects, folders of files.

Rules: a name is part of settings that people have: it never changes its meaning. What writes a form is told what may go
and decides nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from comity.errors import Misuse, NotFound
from comity.formats import observables
from comity.formats.convert import Losses
from comity.formats.misp.write import About as Event
from comity.formats.misp.write import File
from comity.formats.misp.write import write as write_event
from comity.formats.sensors.item import About, Skipped
from comity.formats.sensors.table import WRITERS
from comity.node import attachments, exporting
from comity.node.actor import Actor
from comity.node.attachments import Kept
from comity.node.exporting import Exported
from comity.node.feeding import Sifted
from comity.node.ports import Unit
from comity.surfaces.cli.desk import Desk
from comity.surfaces.cli.verbs import release as verbs
from comity.vocab import Tlp

STIX: Final = "stix"
PLAIN: Final = "txt"
MARK: Final = ".comity"  # the file by which a folder is known as one that an export made


class Task(NamedTuple):
    """One export under way: what may go, and what is said of it."""

    desk: Desk
    unit: Unit
    exported: Exported
    about: About
    sifted: Sifted  # `left` takes what was not written, by reason
    skipped: Skipped
    address: str  # where a folder of files will be found, without a slash at its end
    actor: Actor
    before: Path | None = None  # the folder that this one will stand in place of

    def lost(self, losses: Losses) -> None:
        """Count what a form had no place for."""
        self.sifted.left.update({f"{outcome.value}: {rule}": count for (outcome, rule), count in losses.counts.items()})

    def objects(self, aside: list[int]) -> Iterator[bytes]:
        """Yield all that may go, as STIX; where attachments stand is put aside."""
        return exporting.objects(self.desk.services.queries, self.unit, self.exported, self.sifted.left, aside)

    def files(self, aside: list[int]) -> Iterator[File]:
        """Yield the attachments that were put aside; one of which a part may not go is counted and not given."""
        services = self.desk.services
        may = set(aside)
        for at in aside:
            try:
                kept = attachments.named(services.node, services.queries, self.unit, self.actor, at)
            except NotFound:  # a part, which goes with its manifest
                continue
            if not may.issuperset(kept.parts):
                self.sifted.left["attachment: not all of its parts are here or may go"] += 1
                continue
            said, header = kept.found, kept.witness
            read = partial(self._read, kept)
            yield File(said.name, said.md5, said.about, header.at, said.note, f"{header.origin} {said.ident}", read)

    def _read(self, kept: Kept) -> bytes:
        return b"".join(attachments.contents(self.desk.services.node, self.unit, kept))


class Whole(NamedTuple):
    """A form of one file that holds whole objects."""

    name: str
    help: str  # one line
    media: str
    suffix: str
    write: Callable[[Task], Iterator[bytes]]


class Tree(NamedTuple):
    """A form of several files in a folder; `start` is the one that readers begin with."""

    name: str
    help: str
    start: str
    write: Callable[[Task, Path], None]
    addressed: bool = False  # files name one another by their whole address


def _stix(task: Task) -> Iterator[bytes]:
    queries = task.desk.services.queries
    return exporting.bundle(queries, task.unit, task.exported, f"bundle--{uuid.uuid4()}", task.sifted.left)


def _misp(task: Task) -> Iterator[bytes]:
    """Yield one MISP event of all that goes; what MISP has no place for is counted."""
    losses = Losses()
    aside: list[int] = []
    about = event(task, str(uuid.uuid4()), task.about.title)
    yield from write_event(task.objects(aside), about, losses, task.files(aside))
    task.lost(losses)


def event(task: Task, ident: str, info: str) -> Event:
    """Return what a MISP event says of itself."""
    me = task.about.node
    org = str(uuid.uuid5(uuid.NAMESPACE_DNS, me))
    return Event(uuid=ident, info=info, at=task.about.at, org=me, org_uuid=org, tlp=Tlp(task.about.tlp))


def _page(task: Task) -> Iterator[bytes]:
    from comity.surfaces.cli.operations import papers

    return papers.page(task)


def _atom(task: Task) -> Iterator[bytes]:
    from comity.surfaces.cli.operations import papers

    return papers.feed(task)


def _layer(task: Task) -> Iterator[bytes]:
    from comity.surfaces.cli.operations import papers

    return papers.layer(task)


def _disarm_layer(task: Task) -> Iterator[bytes]:
    from comity.surfaces.cli.operations import papers

    return papers.layer(task, disarm=True)


_WHOLE: Final = (
    Whole(STIX, "STIX 2.1 bundle", "application/stix+json;version=2.1", ".json", _stix),
    Whole("misp", "one MISP event", "application/json", ".json", _misp),
    Whole("html-report", "reports as one page to read and to print", "text/html; charset=utf-8", ".html", _page),
    Whole("atom-reports", "Atom feed of reports and vulnerabilities", "application/atom+xml", ".atom", _atom),
    Whole(
        "navigator", "ATT&CK Navigator layer: how often each technique is named", "application/json", ".json", _layer
    ),
    Whole(
        "disarm-navigator",
        "DISARM Navigator layer: how often each behaviour is named",
        "application/json",
        ".json",
        _disarm_layer,
    ),
)
WHOLE: Final[Mapping[str, Whole]] = MappingProxyType({form.name: form for form in _WHOLE})


def _misp_feed(task: Task, folder: Path) -> None:
    from comity.surfaces.cli.operations import trees

    trees.misp_feed(task, folder)


def _csaf(task: Task, folder: Path) -> None:
    from comity.surfaces.cli.operations import trees

    trees.csaf(task, folder)


_TREES: Final[tuple[Tree, ...]] = (
    Tree("misp-feed", "a folder: MISP feed, an event for each report", "manifest.json", _misp_feed),
    Tree(
        "csaf", "a folder: CSAF 2.0 provider, a signed document for each report", "provider-metadata.json", _csaf, True
    ),
)
TREES: Final[Mapping[str, Tree]] = MappingProxyType({form.name: form for form in _TREES})
CARRYING: Final[frozenset[str]] = frozenset({"misp"})  # forms that have a place for attachments
NAMING: Final = frozenset(
    {"misp-feed", "csaf", "html-report", "atom-reports", "navigator", "disarm-navigator"}
)  # take with an object what it names
_PLAIN_MEDIA: Final = "text/plain; charset=utf-8"


def names() -> tuple[str, ...]:
    """Return every form's name."""
    return (*WHOLE, *TREES, PLAIN, *WRITERS)


def known(form: str) -> None:
    """Refuse what is no form. Raises `Misuse`."""
    if form not in names():
        raise Misuse(f"there is no format {form!r}", hint=f"one of {', '.join(names())}")


def described() -> list[tuple[str, str]]:
    """Return every form with what it is."""
    whole = [(form.name, form.help) for form in WHOLE.values()] + [(form.name, form.help) for form in TREES.values()]
    plain = (PLAIN, "one value a line, of any kind that names a host, address, URL or hash")
    return [*whole, plain, *((form.name, form.help) for form in WRITERS.values())]


def is_whole(form: str) -> bool:
    """Say whether a form holds whole objects, not values: what it is for is to be read."""
    return form in WHOLE or form in TREES


def media_of(form: str) -> tuple[str, str]:
    """Return the media type and the suffix of a form of one file."""
    if form == PLAIN:
        return _PLAIN_MEDIA, ".txt"
    one = WHOLE.get(form) or WRITERS[form]
    return one.media, one.suffix


def kinds_of(form: str) -> frozenset[str]:
    """Return the kinds of values that a form has a place for."""
    if form == PLAIN:
        return frozenset(observables.KINDS) - frozenset(observables.FREE_KINDS)
    return frozenset(WRITERS[form].kinds)


def choice_of(ask: verbs.Export) -> verbs.Choice:
    """Return what is meant; forms of whole objects take everything where nothing is said."""
    if is_whole(ask.form) and ask.choice == verbs.Choice():
        return msgspec.structs.replace(ask.choice, since=1)
    return ask.choice
