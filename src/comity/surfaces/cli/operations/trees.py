"""Exports that are a folder of files: a MISP feed, and the tree of a CSAF provider.

Rules: what may go was decided before; here it is only arranged. Each report makes an event or a document with the
objects that it names; what no report names goes into one event a day, and of it each vulnerability into a document. A
tree is made whole beside the one that it replaces, so that nobody fetches half of one; what that held and this one does
not is told to MISP as deleted.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence, Set
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from comity.areas import intel
from comity.canon import Instant
from comity.errors import Malformed, Misuse, TooLarge
from comity.formats.convert import Losses
from comity.formats.csaf import provider, write
from comity.formats.csaf.write import Publisher
from comity.formats.misp import feed
from comity.formats.misp.write import write as write_event
from comity.node import exporting
from comity.node.ports import place, position
from comity.node.spans import runs
from comity.surfaces.cli.operations import advisories
from comity.surfaces.cli.operations.forms import Task, event
from comity.surfaces.cli.verbs.feed import NOWHERE
from comity.vocab import Tlp

TREE_OBJECTS_MAX: Final = 500_000  # objects of one tree: what is larger is fetched by TAXII or as one bundle
CATEGORIES: Final = {"csirt": "coordinator", "sector-isac": "coordinator"}
_VULNERABILITY: Final = intel.type_code("vulnerability")
_ENCODE: Final = msgspec.json.Encoder().encode
_GATHERING: Final = frozenset({intel.type_code("report"), intel.type_code("grouping")})
_MICROS: Final = 1_000_000
_DECODE: Final = msgspec.json.Decoder(dict[str, Any]).decode


_Key = tuple[int, int]  # of an object: two types may have one UUID


class _Row(NamedTuple):
    position: int
    number: int
    code: int
    modified: int

    @property
    def key(self) -> _Key:
        return self.number, self.code


class _Group(NamedTuple):
    """What becomes one event or document: a report and what it names, or what nothing names."""

    report: _Row | None
    day: str
    rows: tuple[_Row, ...]


def misp_feed(task: Task, folder: Path) -> None:
    """Write a MISP feed: an event for each report, one a day for the rest, manifest.json and hashes.csv."""
    _put(folder, _misp(task))


def csaf(task: Task, folder: Path) -> None:
    """Write the tree of a CSAF provider. Raises `Misuse` without its own address, or without OpenPGP."""
    if not task.address.startswith("https://"):
        raise Misuse("a CSAF provider names its own address", hint="--address https://node.arcadia.example/csaf")
    _put(folder, _csaf(task))


def _put(folder: Path, files: Iterable[provider.File]) -> None:
    for file in files:
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.data)


# -- what goes together ----------------------------------------------------------------


def _rows(task: Task) -> list[_Row]:
    """Return the newest of each object that may go. Raises `TooLarge`."""
    unit, places = task.unit, task.exported.places
    if len(places) > TREE_OBJECTS_MAX:
        raise TooLarge(f"{len(places)} objects in one tree are over TREE_OBJECTS_MAX ({TREE_OBJECTS_MAX})")
    newest: dict[_Key, _Row] = {}
    logs: dict[int, list[int]] = {}
    for at in places:
        logs.setdefault(place(at)[0], []).append(place(at)[1])
    wanted = set(places)
    for log_id, indexes in sorted(logs.items()):
        for start, end in runs(indexes):
            span = position(log_id, start), position(log_id, end - 1)
            scanned: Sequence[tuple[Any, ...]] = unit.views.scan(intel.OBJECT, *span, limit=end - start)
            for at, ident, code, modified, *_ in scanned:
                one = _Row(at, intel.object_number(ident), code, modified)
                if at in wanted and (one.key not in newest or newest[one.key].modified < modified):
                    newest[one.key] = one
    return list(newest.values())


def _groups(task: Task, rows: Sequence[_Row]) -> Iterator[_Group]:
    """Yield each report with what it names, then what no report names, by day."""
    by_key = {row.key: row for row in rows}
    left = dict(by_key)
    for report in sorted((row for row in rows if row.code in _GATHERING), key=lambda row: (row.modified, row.number)):
        refs = _DECODE(_body(task, report)).get("object_refs") or ()
        named = [by_key[key] for ref in refs if (key := _key(ref)) in by_key]
        left.pop(report.key, None)
        for row in named:
            left.pop(row.key, None)
        yield _Group(report, "", (report, *named))
    days: dict[str, list[_Row]] = {}
    for row in left.values():
        # The day it was made, which no newer version moves: MISP keeps an attribute in the event it first came in.
        days.setdefault(str(_DECODE(_body(task, row)).get("created"))[:10], []).append(row)
    for day, some in sorted(days.items()):
        yield _Group(None, day, tuple(sorted(some)))


def _key(ref: object) -> _Key:
    try:
        return intel.object_number(intel.uuid_of(str(ref))), intel.type_code(str(ref).partition("--")[0])
    except Malformed:
        return 0, 0


def _body(task: Task, row: _Row) -> bytes:
    return task.desk.services.queries.body(task.unit, row.position)


def _labels(task: Task) -> dict[int, Tlp]:
    """Return under which label each entry goes."""
    found = exporting.idents(task.desk.services.node, task.unit, task.exported.places)
    return {at: label for at, _, label in found}


def _strictest(labels: dict[int, Tlp], rows: Sequence[_Row]) -> Tlp:
    return max((labels.get(row.position, Tlp.RED) for row in rows), key=lambda label: label.rank, default=Tlp.RED)


# -- MISP --------------------------------------------------------------------------------


def _misp(task: Task) -> Iterator[provider.File]:
    """Yield the files of a MISP feed; what MISP has no place for is counted."""
    entries: list[feed.Entry] = []
    hashes: list[bytes] = []
    losses, labels = Losses(), _labels(task)
    old = _events_before(task.before)
    rows = _rows(task)
    going = {row.number for row in rows}

    def gone(ident: str) -> bool:
        return _is_gone(task, ident, going)

    for group in _groups(task, rows):
        seed = str(group.report.number if group.report else group.day)
        space = f"comity:{task.about.node}:{task.exported.audience.name}:{seed}"
        about = event(task, str(uuid.uuid5(uuid.NAMESPACE_URL, space)), _title(task, group))._replace(
            at=max(row.modified for row in group.rows) // _MICROS, tlp=_strictest(labels, group.rows)
        )
        data = b"".join(write_event((_body(task, row) for row in group.rows), about, losses))
        made = feed.carried(_DECODE(data)["Event"], old.pop(about.uuid, None), task.about.at, gone)
        entries.append(feed.entry(made))
        hashes += feed.hashes(made)
        yield provider.File(f"{about.uuid}.json", _ENCODE({"Event": made}))
    for event_before in old.values():
        left = feed.withdrawn(event_before, task.about.at, gone)
        if left is not None:
            entries.append(feed.entry(left))
            yield provider.File(f"{left['uuid']}.json", _ENCODE({"Event": left}))
    yield provider.File("hashes.csv", b"".join(hashes))
    yield provider.File("manifest.json", feed.manifest(entries))
    task.lost(losses)


def _events_before(folder: Path | None) -> dict[str, dict[str, Any]]:
    """Return the events of the feed that this one stands in place of; what cannot be read is as if it were not."""
    found: dict[str, dict[str, Any]] = {}
    for path in folder.glob("*-*.json") if folder is not None else ():
        try:
            event_before = _DECODE(path.read_bytes())["Event"]
            found[str(event_before["uuid"])] = event_before
        except (msgspec.MsgspecError, KeyError, TypeError):
            continue
    return found


def _is_gone(task: Task, ident: str, going: Set[int]) -> bool:
    """Say whether an object goes no more and may be told as deleted: what is erased is told to nobody."""
    try:
        number = intel.object_number(uuid.UUID(ident).bytes)
    except ValueError:
        return False
    if number in going:  # in another event now, or in this one under another UUID
        return False
    stated: Sequence[tuple[Any, ...]] = task.unit.views.find_many(intel.STATED, "object", [number])
    for at, *_ in stated:
        log_id, index = place(at)
        if task.unit.entries.is_held(log_id, index):
            return True
    return False


def _title(task: Task, group: _Group) -> str:
    if group.report is None:
        return f"{task.about.node}: {group.day}"
    name = str(_DECODE(_body(task, group.report)).get("name") or "")
    return " ".join(name.split())[:200] or "Report"


# -- CSAF ----------------------------------------------------------------------------------


def _csaf(task: Task) -> Iterator[provider.File]:
    """Yield the tree of a CSAF provider: originals, reports, vulnerabilities alone; what is in none is counted."""
    node = task.desk.services.node
    card = node.card(task.unit, node.me).card
    publisher = Publisher(card.name, f"https://{node.me}", CATEGORIES.get(card.offices[0].kind, "other"))
    labels, base = _labels(task), f"{task.address}/"
    # A signature is over bytes: a list that is fetched by a secret address names that in no signed document.
    own = "" if task.address == NOWHERE else base
    going: dict[str, list[tuple[int, Tlp]]] = {}
    for at, ident, under in exporting.idents(node, task.unit, task.exported.places):
        going.setdefault(ident, []).append((at, under))
    found = list(advisories.originals(task, going))
    within = {ident for one in found for ident in one.idents}
    documents: list[provider.Made] = [one.made for one in found]
    for head, rows in _advised(task, _groups(task, _rows(task))):
        tree = _DECODE(_body(task, head))
        if tree["id"] in within:
            continue  # it goes as it came
        about = tuple(_DECODE(_body(task, row)) for row in rows[1:] or rows)
        tlp, revisions = _strictest(labels, rows), _revisions(task, head)
        report = write.Report(tree, about, tlp, revisions)
        label = write.label(tlp)
        url = own and own + provider.path_of(write.tracking_id(tree), label, revisions[0])
        made = write.document(report, publisher, revisions[-1], url)
        documents.append(provider.Made(made, label, revisions[-1], revisions[0]))
    pgp = task.desk.openpgp
    who = provider.Provider(publisher, base, pgp.certificate(), pgp.fingerprint(), task.about.at)
    yield from provider.tree(who, _distinct(task, documents), pgp.sign)


def _advised(task: Task, groups: Iterable[_Group]) -> Iterator[tuple[_Row, tuple[_Row, ...]]]:
    """Yield what becomes a document, and all that stands in it: reports, and vulnerabilities that no report names."""
    for group in groups:
        if group.report is not None:
            yield group.report, group.rows
            continue
        alone = [row for row in group.rows if row.code == _VULNERABILITY]
        task.sifted.left["named by no report"] += len(group.rows) - len(alone)
        for row in alone:
            yield row, (row,)


def _distinct(task: Task, documents: Sequence[provider.Made]) -> list[provider.Made]:
    """Return documents of which no two would lie in one place: two publishers may have one tracking id."""
    found: dict[str, provider.Made] = {}
    for made in documents:
        path = provider.path_of(made.document["document"]["tracking"]["id"], made.label, made.begun)
        if path in found:
            task.sifted.left["another document of this name"] += 1
        else:
            found[path] = made
    return list(found.values())


def _revisions(task: Task, report: _Row) -> tuple[Instant, ...]:
    """Return when each version of a report was made that may go."""
    allowed = set(task.exported.places)
    stated: Sequence[tuple[Any, ...]] = task.unit.views.find_many(intel.STATED, "object", [report.number])
    places = [at for at, _, _ in stated if at in allowed]
    rows: Sequence[tuple[Any, ...]] = task.unit.views.find_many(intel.OBJECT, "position", places)
    return tuple(sorted({modified // _MICROS for _, _, code, modified, *_ in rows if code == report.code}))
