"""Bringing files of any format in, listing what was brought in, and giving originals back."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from comity.errors import Conflict, Fault, Misuse, NotFound
from comity.formats import readers
from comity.formats.convert import Loss, Reader
from comity.formats.tables.guess import guess, shown
from comity.formats.tables.mapping import Mapping, convert, decode, encode
from comity.formats.tables.reading import read as read_table
from comity.node import importing
from comity.node import ingest as ingesting
from comity.node.actor import Actor
from comity.node.ports import Unit
from comity.surfaces.cli.desk import Desk, Operation, actor_of
from comity.surfaces.cli.operations.choosing import marking_of, marking_text
from comity.surfaces.cli.verbs import importing as verbs

READ_BYTES: Final = 1_048_576  # bytes read of a file at once
SHOWN: Final = 20  # refusals and losses named in an answer; the report file has all
DIGEST_CHARS_MIN: Final = 8  # of a digest that names an original


# -- ingest ----------------------------------------------------------------------


def ingest(desk: Desk, ask: verbs.Ingest) -> verbs.Ingested:
    """Bring files in under one source; what is refused or lost is named and stops nothing."""
    node = desk.services.node
    with node.store.read() if ask.dry else node.store.write() as unit:
        actor = actor_of(desk, unit, ask)
        source = _source(unit, actor, ask)
    total = _Total(ask, sum(_size(path) for path in ask.paths))
    with _report(ask) as tell:
        for path in ask.paths:
            total.add(path, _bring_in(desk, actor, source, ask, path, total, tell))
    answer = total.answer(source, actor)
    if ask.report:
        _append(Path(ask.report), b'],"summary":' + msgspec.json.encode(answer) + b"}\n")
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

    done = ingesting.Ingested(dry=ask.dry, tell=partial(tell, Path(path).name))
    form = ask.form or _recognised(Path(path))
    total.forms[form] += 1
    chunks = total.chunks(Path(path))
    if form == readers.STIX:  # its objects are the producer's own bytes: there is no other original
        return ingesting.ingest(node, actor, source, chunks, progress, services.check, done)
    read = _table_reader(desk, actor, source, ask, path, total) if form in readers.TABLES else None
    what = importing.Import(Path(path).name, form, read or readers.reader(form, Path(path).name), chunks)
    importing.bring_in(node, actor, source, what, done, progress=progress, check=services.check)
    return done


def _table_reader(
    desk: Desk, actor: Actor, source: ingesting.Source, ask: verbs.Ingest, path: str, total: _Total
) -> Reader:
    """Return a reader by the mapping given, else by the one kept for the source, else by a guess, which is kept."""
    store = desk.services.node.store
    with store.read() as unit:
        kept = importing.mapping(unit, actor.office_id, source.name)
    if ask.mapping:
        mapping = _mapping(Path(ask.mapping))
    elif kept is not None:
        mapping = decode(kept)
        total.mapping = ("read by the mapping that is kept for this source",)
    else:
        found = guess(_head(Path(path)), Path(path).name)
        mapping = found.mapping
        total.mapping = tuple(shown(found))
    if not ask.dry and encode(mapping) != kept:
        with store.write() as unit:
            importing.put_mapping(unit, actor.office_id, source.name, encode(mapping))
    return partial(read_table, mapping=mapping)


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
        for what in ("read", "kept", "known", "unmarked"):
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
        )


def _shown(name: str, lost: Loss) -> verbs.LossShown:
    return verbs.LossShown(name, lost.where, lost.outcome.value, lost.rule, lost.reason)


@contextmanager
def _report(ask: verbs.Ingest) -> Iterator[Callable[[str, Loss], None]]:
    """Write every loss into the report file as it is met: a report may be larger than memory."""
    if not ask.report:
        yield lambda _name, _lost: None
        return
    try:
        with Path(ask.report).open("wb") as file:
            file.write(b'{"losses":[')
            first = True

            def tell(name: str, lost: Loss) -> None:
                nonlocal first
                file.write((b"\n" if first else b",\n") + msgspec.json.encode(_shown(name, lost)))
                first = False

            yield tell
    except OSError as error:
        raise Fault(f"{ask.report} cannot be written: {error.strerror}") from error


def _append(path: Path, data: bytes) -> None:
    try:
        with path.open("ab") as file:
            file.write(data)
    except OSError as error:
        raise Fault(f"{path} cannot be written: {error.strerror}") from error


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
                one.refused, one.lost,
            )
            for one in found
        )
    )  # fmt: skip


def original(desk: Desk, ask: verbs.Original) -> verbs.OriginalWritten:
    """Write an original to a file, byte for byte as it came."""
    node = desk.services.node
    if len(ask.digest) < DIGEST_CHARS_MIN:
        raise Misuse(f"name at least {DIGEST_CHARS_MIN} characters of the digest", hint="`comity imports` lists them")
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        fitting = [one for one in importing.imports(unit, actor.office_id) if one.digest.startswith(ask.digest)]
    if not fitting:
        raise NotFound(f"no original of {ask.digest!r} is held", hint="`comity imports` lists them")
    if len({one.digest for one in fitting}) > 1:
        raise Conflict(f"several originals begin with {ask.digest!r}", hint="name more of the digest")
    (one, *_) = fitting
    try:
        with Path(ask.path).open("wb") as file:
            file.writelines(importing.original(node, one))
    except OSError as error:
        raise Fault(f"{ask.path} cannot be written: {error.strerror}") from error
    return verbs.OriginalWritten(one.name, one.digest, one.bytes, ask.path)


OPERATIONS: Final = (
    Operation(verbs.INGEST, ingest),
    Operation(verbs.IMPORTS, imports),
    Operation(verbs.ORIGINAL, original),
)
