"""Bringing files of any format in, listing what was brought in, and giving originals back."""

from __future__ import annotations

import hashlib
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Final

import msgspec

from comity.errors import Conflict, Misuse, NotFound
from comity.formats import readers
from comity.formats.convert import Loss, Reader
from comity.formats.tables.dialect import Row, Rows, lines_of, text_of
from comity.formats.tables.guess import guess, shown
from comity.formats.tables.mapping import Form, Mapping, convert, decode, encode
from comity.formats.tables.reading import read as read_table
from comity.node import importing
from comity.node import ingest as ingesting
from comity.node.actor import Actor
from comity.node.ports import Unit
from comity.surfaces.cli.desk import Desk, Operation, actor_of
from comity.surfaces.cli.operations.choosing import marking_of, marking_text
from comity.surfaces.cli.operations.writing import beside
from comity.surfaces.cli.verbs import importing as verbs

READ_BYTES: Final = 1_048_576  # bytes read of a file at once
SHOWN: Final = 20  # refusals and losses named in an answer; the report file has all
DIGEST_CHARS_MIN: Final = 8  # of a digest that names an original


# -- ingest ----------------------------------------------------------------------


def ingest(desk: Desk, ask: verbs.Ingest) -> verbs.Ingested:
    """Bring files in under one source; what is refused or lost is named and stops nothing."""
    with _report(ask) as report:
        answer = _ingest(desk, ask, report)
        report.end(answer)
    return answer


def _ingest(desk: Desk, ask: verbs.Ingest, report: _Report) -> verbs.Ingested:
    node = desk.services.node
    with node.store.read() if ask.dry else node.store.write() as unit:
        actor = actor_of(desk, unit, ask)
        source = _source(unit, actor, ask)
    total = _Total(ask, sum(_size(path) for path in ask.paths))
    for path in ask.paths:
        total.add(path, _bring_in(desk, actor, source, ask, path, total, report.tell))
    answer = total.answer(source, actor)
    if not ask.dry:
        ingesting.arrange(node, answer.kept)
    return answer


def _bring_in(
    desk: Desk,
    actor: Actor,
    source: ingesting.Source,
    ask: verbs.Ingest,
    path: str,
    total: _Total,
    tell: Callable[[str, Loss], None],
) -> ingesting.Ingested:
    services, node = desk.services, desk.services.node

    def progress(_: int) -> None:
        desk.report("reading", total.bytes, total.size)
        desk.pause()

    done = ingesting.Ingested(dry=ask.dry, more=True, tell=partial(tell, Path(path).name))
    form = ask.form or _recognised(Path(path))
    total.forms[form] += 1
    chunks = total.chunks(Path(path))
    if form == readers.STIX:  # its objects are the producer's own bytes: there is no other original
        return ingesting.ingest(node, actor, source, chunks, progress, services.check, done)
    read = _table_reader(desk, actor, source, ask, path, form, total) if form in readers.TABLES else None
    what = importing.Import(Path(path).name, form, read or desk.readers.reader(form, Path(path).name), chunks)
    importing.bring_in(node, actor, source, what, done, progress=progress, check=services.check)
    return done


def _table_reader(
    desk: Desk, actor: Actor, source: ingesting.Source, ask: verbs.Ingest, path: str, form: str, total: _Total
) -> Reader:
    """Return a reader by the mapping given, else by one kept for the source, else by a guess.

    A mapping that was given is kept for the source's tables, or for its JSON, whichever it is about; a guess only for
    tables that are laid out like this one, so that another is guessed anew.
    """
    if ask.mapping:
        mapping = _mapping(Path(ask.mapping))
        if not ask.dry:
            with desk.services.node.store.write() as unit:
                importing.put_mapping(unit, actor.office_id, source.name, encode(mapping))
        return partial(read_table, mapping=mapping)
    head = _head(Path(path))
    found = guess(head, Path(path).name)
    layout = _layout(head, found.mapping)
    with desk.services.node.store.read() as unit:
        given = importing.mapping(unit, actor.office_id, source.name)
        guessed = importing.mapping(unit, actor.office_id, source.name, layout) if layout else None
    is_json = form == "json" or found.mapping.form is not Form.DELIMITED
    kept = given if given is not None and (decode(given).form is not Form.DELIMITED) is is_json else None
    kept = kept or guessed or total.guessed.get(layout)
    if kept is not None:
        total.mapping = ("read by the mapping that is kept for this source",)
        return partial(read_table, mapping=decode(kept))
    total.mapping = tuple(shown(found))
    if layout:
        total.guessed[layout] = encode(found.mapping)  # a dry run reads its next files as a real one would
        if not ask.dry:
            with desk.services.node.store.write() as unit:
                importing.put_mapping(unit, actor.office_id, source.name, encode(found.mapping), layout)
    return partial(read_table, mapping=found.mapping)


def _layout(head: bytes, found: Mapping) -> str:
    """Return what names a table's layout: its form and the digest of its titles; empty where it has none.

    The titles of JSON are the paths of its records' fields. Without titles nothing tells two layouts apart.
    """
    if found.form is not Form.DELIMITED:
        titles = [found.array, *sorted(str(column.at) for column in found.columns)]
    elif found.header:
        rows = Rows(lines_of(text_of([head], found.encoding)), found)
        titles = [found.delimiter, *next((row.cells for row in rows if isinstance(row, Row)), [])]
    else:
        return ""
    return f"{found.form.value}/{hashlib.sha256(msgspec.json.encode(titles)).hexdigest()}"


def _mapping(path: Path) -> Mapping:
    try:
        return convert(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise Misuse(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misuse(f"{path} is no mapping in TOML: {error}") from error


def _source(unit: Unit, actor: Actor, ask: verbs.Ingest) -> ingesting.Source:
    marking = marking_of(ask.marking) if ask.marking is not None else None
    if ask.dry:
        try:
            known = ingesting.source(unit, actor, ask.source)
        except NotFound:
            known = ingesting.Source(ask.source, actor.office_id)
        return known if marking is None else msgspec.structs.replace(known, marking=marking)
    if marking is not None:
        return ingesting.put_source(unit, actor, ask.source, marking, ask.note)
    try:
        return ingesting.source(unit, actor, ask.source)
    except NotFound:
        return ingesting.put_source(unit, actor, ask.source, None, ask.note)


def _recognised(path: Path) -> str:
    return readers.recognise(_head(path), path.name)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(readers.HEAD_BYTES)
    except OSError as error:
        raise Misuse(f"{path} cannot be read: {error.strerror}") from error


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError as error:
        raise Misuse(f"{path} cannot be read: {error.strerror}") from error


class _Total:
    """What all files came to."""

    def __init__(self, ask: verbs.Ingest, size: int) -> None:
        self._ask = ask
        self.size = size
        self.bytes = 0
        self.mapping: tuple[str, ...] = ()
        self.guessed: dict[str, bytes] = {}  # layout -> mapping
        self.forms: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._rules: Counter[str] = Counter()
        self._notes: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._refusals: list[verbs.RefusalShown] = []
        self._losses: list[verbs.LossShown] = []

    def chunks(self, path: Path) -> Iterator[bytes]:
        """Yield a file in chunks, counting the bytes."""
        try:
            with path.open("rb") as file:
                while chunk := file.read(READ_BYTES):
                    self.bytes += len(chunk)
                    yield chunk
        except OSError as error:
            raise Misuse(f"{path} cannot be read: {error.strerror}") from error

    def add(self, path: str, done: ingesting.Ingested) -> None:
        """Add what became of one file."""
        name = Path(path).name
        for what in ("read", "kept", "known", "unmarked", "attached", "attached_known"):
            self._counts[what] += getattr(done, what)
        self._counts["refused"] += done.report.refused
        self._rules.update(done.report.by_rule)
        self._notes.update(done.report.notes)
        self._lost.update({f"{o.value} {rule}": count for (o, rule), count in done.losses.counts.items()})
        self._refusals += [
            verbs.RefusalShown(name, each.offset, each.ident, each.rule, each.reason) for each in done.report.shown
        ][: SHOWN - len(self._refusals)]
        self._losses += [_shown(name, each) for each in done.losses.shown][: SHOWN - len(self._losses)]

    def answer(self, source: ingesting.Source, actor: Actor) -> verbs.Ingested:
        """Return it all."""
        return verbs.Ingested(
            source=source.name,
            marking=marking_text(source.marking),
            by=str(actor),
            files=len(self._ask.paths),
            forms=dict(self.forms),
            dry=self._ask.dry,
            read=self._counts["read"],
            kept=self._counts["kept"],
            known=self._counts["known"],
            unmarked=self._counts["unmarked"],
            refused=self._counts["refused"],
            by_rule=dict(self._rules),
            notes=dict(self._notes),
            refusals=tuple(self._refusals),
            lost=dict(self._lost),
            losses=tuple(self._losses),
            mapping=self.mapping,
            attached=self._counts["attached"],
            attached_known=self._counts["attached_known"],
        )


def _shown(name: str, lost: Loss) -> verbs.LossShown:
    return verbs.LossShown(name, lost.where, lost.outcome.value, lost.rule, lost.reason)


class _Report:
    """The report file: every loss as it is met, because a report may be larger than memory, and the summary."""

    def __init__(self, file: IO[bytes] | None) -> None:
        self._file = file
        self._before = b'{"losses":[\n'

    def tell(self, name: str, lost: Loss) -> None:
        """Write a loss."""
        if self._file is not None:
            self._file.write(self._before + msgspec.json.encode(_shown(name, lost)))
            self._before = b",\n"

    def end(self, answer: verbs.Ingested) -> None:
        """Write the summary."""
        if self._file is not None:
            begin = self._before if self._before.startswith(b"{") else b""
            self._file.write(begin + b'],"summary":' + msgspec.json.encode(answer) + b"}\n")


@contextmanager
def _report(ask: verbs.Ingest) -> Iterator[_Report]:
    if not ask.report:
        yield _Report(None)
        return
    path = Path(ask.report)
    for name in (*ask.paths, *([ask.mapping] if ask.mapping else [])):
        if path.exists() and Path(name).exists() and path.samefile(name):
            raise Misuse(f"the report would be written over {name}, which is to be read", hint="name another file")
    with beside(path) as file:
        yield _Report(file)


# -- what was brought in -----------------------------------------------------------


def imports(desk: Desk, ask: verbs.Imports) -> verbs.ImportsShown:
    """Return what the asking office imported, oldest first."""
    with desk.services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        found = importing.imports(unit, actor.office_id, ask.source)
        return verbs.ImportsShown(
            tuple(
                verbs.ImportShown(
                    one.name, one.source, one.form, one.at, one.digest, one.bytes, one.read, one.kept, one.known,
                    one.refused, one.lost, tuple(importing.statements(unit, one)),
                )
                for one in found
            )
        )  # fmt: skip


def original(desk: Desk, ask: verbs.Original) -> verbs.OriginalWritten:
    """Write an original to a file, byte for byte as it came."""
    node = desk.services.node
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        one = _fitting(unit, actor.office_id, ask.digest)
    with beside(Path(ask.path)) as file:
        file.writelines(importing.give_back(node, actor, one, ask.reason))
    return verbs.OriginalWritten(one.name, one.digest, one.bytes, ask.path)


def erase(desk: Desk, ask: verbs.EraseOriginal) -> verbs.OriginalErased:
    """Erase an original, under every source of the office that it came from."""
    node = desk.services.node
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        one = _fitting(unit, actor.office_id, ask.digest)
    parts = importing.erase(node, actor, one.digest, ask.basis, ask.reason)
    return verbs.OriginalErased(one.name, one.digest, parts)


def _fitting(unit: Unit, office: str, digest: str) -> importing.Imported:
    """Return the import whose original's digest begins so."""
    if len(digest) < DIGEST_CHARS_MIN:
        raise Misuse(f"name at least {DIGEST_CHARS_MIN} characters of the digest", hint="`comity imports` lists them")
    fitting = [one for one in importing.imports(unit, office) if one.digest.startswith(digest)]
    if len({one.digest for one in fitting}) > 1:
        raise Conflict(f"several originals begin with {digest!r}", hint="name more of the digest")
    if fitting:
        return fitting[0]
    if any(gone.startswith(digest) for gone in importing.erased(unit, office)):
        raise NotFound(f"the original of {digest!r} was erased", hint="its import stays on record, with the counts")
    raise NotFound(f"no original of {digest!r} is held", hint="`comity imports` lists them")


OPERATIONS: Final = (
    Operation(verbs.INGEST, ingest),
    Operation(verbs.IMPORTS, imports),
    Operation(verbs.ORIGINAL, original),
    Operation(verbs.ERASE, erase),
)
