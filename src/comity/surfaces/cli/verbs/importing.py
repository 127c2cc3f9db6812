"""Bringing intelligence in: files of any format, what was lost on the way, and the originals."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.surfaces.cli.verbs import Ask, MarkingSaid, Verb


class Ingest(Ask, frozen=True):
    """Files to bring in (absolute paths), the source's name, and its default marking if that is to be set."""

    paths: tuple[str, ...]
    source: str
    form: str = ""  # name of a format; empty: by content, file by file
    marking: MarkingSaid | None = None
    note: str = ""
    report: str = ""  # absolute path of a file for the whole report
    dry: bool = False
    mapping: str = ""  # absolute path of a mapping for tables, in TOML


class RefusalShown(msgspec.Struct, frozen=True):
    """One object that was not taken, and why."""

    path: str
    offset: int
    id: str
    rule: str
    reason: str


class LossShown(msgspec.Struct, frozen=True):
    """One thing that did not come over whole."""

    path: str
    where: str
    outcome: str  # refused, unmapped, changed or sealed
    rule: str
    reason: str


class Ingested(msgspec.Struct, frozen=True):
    """What an ingest did, or with `dry` would do."""

    source: str
    marking: str
    by: str
    files: int
    forms: dict[str, int]  # name of a format -> files read as such
    dry: bool
    read: int
    kept: int
    known: int
    unmarked: int
    refused: int
    by_rule: dict[str, int]
    notes: dict[str, int]
    refusals: tuple[RefusalShown, ...]  # the first ones
    lost: dict[str, int]  # `outcome rule` -> how many
    losses: tuple[LossShown, ...]  # the first ones
    mapping: tuple[str, ...] = ()  # how a table's columns were read, as lines for people
    attached: int = 0  # files from inside that were kept as attachments
    attached_known: int = 0  # that were there already


class Imports(Ask, frozen=True):
    """What was imported, of all sources or of one."""

    source: str = ""


class ImportShown(msgspec.Struct, frozen=True):
    """One original and what was made of it last."""

    name: str
    source: str
    form: str
    at: int
    digest: str
    bytes: int
    read: int
    kept: int
    known: int
    refused: int
    lost: dict[str, int]
    statements: tuple[str, ...] = ()  # the parts of the original, each as `<origin>#<index>`


class ImportsShown(msgspec.Struct, frozen=True):
    """The office's imports, oldest first."""

    imports: tuple[ImportShown, ...]


class Original(Ask, frozen=True):
    """An original, by the beginning of its digest, to be written to an absolute path."""

    digest: str
    path: str
    reason: str = ""  # needed where parts of it were sealed as evidence


class OriginalWritten(msgspec.Struct, frozen=True):
    """An original was written as it came."""

    name: str
    digest: str
    bytes: int
    path: str


class EraseOriginal(Ask, frozen=True):
    """An original, by the beginning of its digest, that is to be erased, and the legal basis."""

    digest: str
    basis: str
    reason: str = ""


class OriginalErased(msgspec.Struct, frozen=True):
    """An original was erased; what was made of it is erased by itself."""

    name: str
    digest: str
    parts: int


INGEST: Final = Verb("importing/ingest", Ingest, Ingested, signs=True)
IMPORTS: Final = Verb("importing/imports", Imports, ImportsShown)
ORIGINAL: Final = Verb("importing/original", Original, OriginalWritten)
ERASE: Final = Verb("importing/erase", EraseOriginal, OriginalErased, signs=True)
