"""Correspondents as a table: what an office keeps of its constituents elsewhere, brought in and written out as CSV.

Rules: RFC 4180 with a header line; columns are found by their names and unknown ones are refused, so that a mistyped
restriction is not left out. A row that cannot be is named with its line and stops none behind it. Certificates and
credentials are in no table. No cell that is written starts a formula.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from comity.canon import Instant
from comity.errors import ComityError, Malformed, Misuse
from comity.limits import CORRESPONDENTS_MAX
from comity.node import correspondents
from comity.node.actor import Actor
from comity.node.correspondents import Allowed, Correspondent, channel_of
from comity.node.node import Node
from comity.vocab import Channel

COLUMNS: Final = (
    *("name", "title", "jurisdiction", "ceiling", "client", "individual"),
    *("communities", "terms", "until", "waits", "channels", "mail"),
)
NEEDED: Final = frozenset({"name", "jurisdiction", "ceiling"})
CELL_CHARS_MAX: Final = 2_000
_YES: Final = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
_FORMULA: Final = frozenset("=+-@\t\r'")


class Row(NamedTuple):
    """What a line of a table says of one correspondent, or why it cannot be."""

    line: int
    name: str
    changes: Mapping[str, Any]
    mail: tuple[str, ...]
    channels: tuple[tuple[Channel, bool], ...] | None  # with whether it may send; None: not said
    wrong: str = ""


class Imported(NamedTuple):
    """What became of one line."""

    line: int
    name: str
    outcome: str  # registered, changed, same or refused
    reason: str = ""


def parse(text: str) -> Iterator[Row]:
    """Yield the rows of a table. Raises `Malformed` for one without a usable header or with too many rows."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        _check_header(header)
        for count, cells in enumerate(reader):
            if count >= CORRESPONDENTS_MAX:
                raise Malformed(f"more than {CORRESPONDENTS_MAX} rows (CORRESPONDENTS_MAX)")
            if any(cells):
                yield _row(reader.line_num, header, cells)
    except csv.Error as error:
        raise Malformed(f"line {reader.line_num} is not CSV: {error}") from error


def _check_header(header: list[str]) -> None:
    strange = [name for name in header if name not in COLUMNS]
    if strange or not NEEDED <= set(header) or len(set(header)) < len(header):
        what = f"there is no column {strange[0][:40]!r}" if strange else "a column is missing, or there twice"
        raise Malformed(what, hint=f"the first line names columns: {', '.join(COLUMNS)}")


def _row(line: int, header: list[str], cells: list[str]) -> Row:
    given = dict(zip(header, (_plain(cell) for cell in cells), strict=False))
    name = given.get("name", "")[:64]
    if len(cells) > len(header) or any(len(cell) > CELL_CHARS_MAX for cell in cells):
        return Row(line, name, {}, (), None, "more cells than columns, or one too long")
    try:
        return Row(line, name, _changes(given), _words(given.get("mail", "")), _channels(given))
    except (ComityError, ValueError) as error:
        return Row(line, name, {}, (), None, str(error))


def _changes(given: Mapping[str, str]) -> dict[str, Any]:
    readers: dict[str, Callable[[str], Any]] = {
        "title": str,
        "jurisdiction": str.upper,
        "ceiling": lambda text: text.upper().removeprefix("TLP:"),
        "client": _yes,
        "individual": _yes,
        "waits": _yes,
        "communities": lambda text: tuple(sorted(_words(text))),
        "terms": str,
        "until": _until,
    }
    return {name: read(given[name]) for name, read in readers.items() if given.get(name)}


def _yes(text: str) -> bool:
    known = _YES.get(text.lower())
    if known is None:
        raise Misuse(f"{text[:40]!r} is neither yes nor no")
    return known


def _until(text: str) -> Instant:
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise Misuse(f"{text[:40]!r} is no time in seconds since 1970")
    return int(text)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.replace(";", " ").split(" ") if word)


def _channels(given: Mapping[str, str]) -> tuple[tuple[Channel, bool], ...] | None:
    """Return the channels of a cell such as `taxii mail+send`."""
    if "channels" not in given:
        return None
    found = [(channel_of(word.removesuffix("+send")), word.endswith("+send")) for word in _words(given["channels"])]
    return tuple(dict(found).items())


def bring_in(node: Node, actor: Actor, rows: Iterable[Row], *, dry: bool = False) -> list[Imported]:
    """Register or change the correspondents of a table; with `dry` only tell what would be."""
    return [_bring_one(node, actor, row, dry=dry) for row in rows]


def _bring_one(node: Node, actor: Actor, row: Row, *, dry: bool) -> Imported:
    if row.wrong:
        return Imported(row.line, row.name, "refused", row.wrong)
    try:
        with node.store.read() as unit:
            known = correspondents.by_audience(unit, f"{actor.office}~{row.name}")
        before = known or Correspondent(str(actor.office), row.name, "", "")
        after = msgspec.structs.replace(before, **row.changes, channels=_allowed(before, row))
        correspondents.check(after)
        if after == known:
            return Imported(row.line, row.name, "same")
        if not dry:
            correspondents.register(node, actor, after)
    except ComityError as error:
        return Imported(row.line, row.name, "refused", str(error))
    return Imported(row.line, row.name, "changed" if known else "registered")


def _allowed(before: Correspondent, row: Row) -> tuple[Allowed, ...]:
    wanted = dict(row.channels) if row.channels is not None else {one.channel: one.send for one in before.channels}
    if row.mail:
        wanted.setdefault(Channel.MAIL, False)
    found = []
    for channel, send in sorted(wanted.items()):
        one = msgspec.structs.replace(before.by(channel) or Allowed(channel), send=send)
        if channel is Channel.MAIL and row.mail:
            one = msgspec.structs.replace(one, addresses=row.mail)
        found.append(one)
    return tuple(found)


def write(known: Iterable[Correspondent]) -> str:
    """Return correspondents as a table that `parse` reads back."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for one in known:
        mail = one.by(Channel.MAIL)
        channels = " ".join(f"{allowed.channel.value}{'+send' if allowed.send else ''}" for allowed in one.channels)
        cells = [
            *(one.name, one.title, one.jurisdiction, one.ceiling, _no(one.client), _no(one.individual)),
            *(" ".join(one.communities), one.terms, str(one.until or ""), _no(one.waits)),
            *(channels, " ".join(mail.addresses) if mail else ""),
        ]
        writer.writerow([f"'{cell}" if cell[:1] in _FORMULA and cell else cell for cell in cells])
    return out.getvalue()


def _no(is_so: bool) -> str:
    return "yes" if is_so else "no"


def _plain(cell: str) -> str:
    cell = cell.strip()
    return cell[1:] if cell[:1] == "'" and cell[1:2] in _FORMULA else cell
