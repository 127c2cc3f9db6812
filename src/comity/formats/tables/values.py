"""One cell to an observable, by the kind its column has or by its look.

Rules: any text gives an observable, or none and what it is not. By its look only what shows its kind is a value:
free text is none, and neither is what merely could be a wallet's address.
"""

from __future__ import annotations

import re
from typing import Final

from comity.formats import observables
from comity.formats.observables import FREE_KINDS, Observable
from comity.formats.tables.mapping import AUTO, Column
from comity.limits import OBSERVABLE_CHARS_MAX

_FORMULA_TEXT: Final = re.compile(r'="([^"]*+)"')  # how spreadsheets keep a value from being changed
_PORT: Final = re.compile(r"(?:[^:/\s]++|\[[^\]]*+\]):([0-9]{1,5})")
_DOMAINS_LIKE_FILES: Final = frozenset(
    {"zip", "sh", "py", "rs", "so", "pl", "ps"}
)  # top-level domains that are suffixes


def value_of(column: Column, cell: str, kinds: tuple[str, ...] = ()) -> tuple[Observable | None, str]:
    """Return a cell's observable, and what was changed: a note, or `kind`. Without one: what the cell is not.

    `kinds` are those that a kind column allows; none: any. The column's own kind goes before them.
    """
    if len(cell) > OBSERVABLE_CHARS_MAX:
        return None, f"a value: it is longer than {OBSERVABLE_CHARS_MAX} characters (OBSERVABLE_CHARS_MAX)"
    text = _FORMULA_TEXT.sub(r"\1", cell) if cell.startswith('="') else cell
    if column.before and text.startswith(column.before):
        text = text[len(column.before) :]
    if column.after and text.endswith(column.after):
        text = text[: -len(column.after)]
    wanted = (column.kind,) if column.kind != AUTO else kinds
    if not wanted:
        return _by_look(text)
    plain = observables.plain(text)
    if plain is not None and plain.kind in wanted:
        return plain, ""
    for kind in wanted:
        clean = text.strip() if kind in FREE_KINDS else observables.refang(text)
        found = observables.normal(kind, clean)
        if found is not None:
            return found, ""
    found, note = _by_look(text)
    if found is None or column.kind != AUTO:
        return None, "a value of the kind " + " or ".join(wanted)
    return found, note if found.kind in wanted else "kind"


def _by_look(text: str) -> tuple[Observable | None, str]:
    """Recognise what shows its kind; free text and what only may be something are nothing."""
    found = observables.plain(text)
    if found is not None and found.kind != "domain":
        return found, ""
    likely = observables.recognise(text)
    if not likely:
        return None, "recognised"
    first = likely[0]
    if len(likely) > 1 and first.kind == "domain" and first.value.rpartition(".")[2] not in _DOMAINS_LIKE_FILES:
        return likely[1], ""
    if first.kind == "wallet" or (first.kind in FREE_KINDS and first.kind != "file-path"):
        return None, "recognised"
    if first.kind in {"ipv4", "ipv6", "domain"} and (port := _PORT.fullmatch(observables.refang(text))):
        return first, f"port: {port[1]}"
    return first, ""
