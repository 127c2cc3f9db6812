"""Tables: CSV for people and programs, look-ups of Splunk, plain lists.

Rules: RFC 4180, UTF-8, every cell quoted, lines end as each consumer wants. No cell can start a formula: in the CSV an
apostrophe stands before a cell that would, or that begins with an apostrophe, and a reader takes one off again; a
look-up of Splunk is compared as it stands, so there such a value is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from comity.formats.sensors.item import (
    ADDRESSES,
    FORMS,
    About,
    Gone,
    Item,
    Remover,
    Skipped,
    Writer,
    chunks,
    gone_values,
    moment,
    one_line,
    suited,
)

COLUMNS: Final = (
    *("kind", "value", "id", "name", "confidence", "valid_from", "valid_until", "tlp", "marking", "source"),
    *("labels", "created", "modified"),
)
GONE_COLUMNS: Final = ("kind", "value", "id", "removed_at")
_STARTS: Final = frozenset("=+-@\t\r'＝＋－＠")  # what spreadsheets take for a formula


def cell(text: str) -> str:
    """Return a quoted cell that no spreadsheet takes for a formula; one apostrophe at its head is not its own."""
    if text and text[0] in _STARTS:
        text = "'" + text
    return '"' + text.replace('"', '""') + '"'


def row(cells: Iterable[str]) -> str:
    """Return one record with its end (RFC 4180 §2)."""
    return ",".join(map(cell, cells)) + "\r\n"


def csv(items: Iterable[Item], about: About, skipped: Skipped) -> Iterator[bytes]:
    """Write COLUMNS for every item; labels are separated by spaces, blanks in them are underscores."""

    def lines() -> Iterator[str]:
        yield row(COLUMNS)
        for item in suited(items, FORMS, about, skipped):
            yield row(
                (
                    item.kind,
                    item.value,
                    one_line(item.ident),
                    one_line(item.name),
                    "" if item.confidence is None else str(item.confidence),
                    moment(item.valid_from),
                    moment(item.until),
                    one_line(item.tlp),
                    one_line(item.marking),
                    one_line(item.source),
                    " ".join(one_line(label).replace(" ", "_") for label in item.labels),
                    moment(item.created),
                    moment(item.modified),
                )
            )

    return chunks(lines())


def csv_gone(gone: Iterable[Gone], _about: About, skipped: Skipped) -> Iterator[bytes]:
    """Write GONE_COLUMNS for what is to be removed."""

    def lines() -> Iterator[str]:
        yield row(GONE_COLUMNS)
        for one in gone_values(gone, FORMS, skipped):
            yield row((one.kind, one.value, one_line(one.ident), moment(one.at)))

    return chunks(lines())


def plain(*kinds: str) -> Writer:
    """Return the writer of a list of these kinds: one value a line and nothing else."""

    def write(items: Iterable[Item], about: About, skipped: Skipped) -> Iterator[bytes]:
        return chunks(item.value + "\n" for item in suited(items, kinds, about, skipped))

    return write


def plain_gone(*kinds: str) -> Remover:
    """Return the writer of what is to be taken from such a list."""

    def write(gone: Iterable[Gone], _about: About, skipped: Skipped) -> Iterator[bytes]:
        return chunks(one.value + "\n" for one in gone_values(gone, kinds, skipped))

    return write


SPLUNK_COLUMNS: Final = (
    *("description", "ip", "domain", "url", "http_user_agent", "file_hash", "file_name", "src_user"),
    *("registry_path", "weight"),
)
SPLUNK_KINDS: Final = {
    **dict.fromkeys(ADDRESSES, "ip"),
    **dict.fromkeys(("md5", "sha1", "sha256", "sha512"), "file_hash"),
    "domain": "domain",
    "url": "url",
    "user-agent": "http_user_agent",
    "file-name": "file_name",
    "email": "src_user",
    "registry-key": "registry_path",
}
SPLUNK_WEIGHT: Final = 60  # Splunk Enterprise Security's own weight of what has none


def splunk(items: Iterable[Item], about: About, skipped: Skipped) -> Iterator[bytes]:
    """Write a threat list of Splunk Enterprise Security: each row one value, in the column of its collection.

    `weight` (1 to 100) is the confidence.
    """
    places = {kind: SPLUNK_COLUMNS.index(column) for kind, column in SPLUNK_KINDS.items()}
    empty = ["" for _ in SPLUNK_COLUMNS]

    def lines() -> Iterator[str]:
        yield ",".join(SPLUNK_COLUMNS) + "\n"
        for item in suited(items, SPLUNK_KINDS, about, skipped):
            if item.value[0] in _STARTS:
                skipped.add("formula", item.kind, item.value, item.ident)
                continue
            cells = empty.copy()
            cells[0] = cell(one_line(f"TLP:{item.tlp} {item.name}"))
            cells[places[item.kind]] = '"' + item.value.replace('"', '""') + '"'
            weight = SPLUNK_WEIGHT if item.confidence is None else min(max(item.confidence, 1), 100)
            cells[-1] = str(weight)
            yield ",".join(cells) + "\n"

    return chunks(lines())
