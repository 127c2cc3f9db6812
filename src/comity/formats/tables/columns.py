"""What each column of a sample is, by what stands in it and by its title.

Rules: every column gets a role and a reason a person can judge. At least `_MOSTLY` of a column's cells must look
like what it is read as. Beside values, what merely describes them (a network's number, a CVE id, a file's name
beside its hashes) is context and makes no indicator of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from collections.abc import Mapping as Paths
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from comity.formats.observables import HASH_OF_LENGTH, normal
from comity.formats.tables import dates, words
from comity.formats.tables.mapping import Column, Join, Role
from comity.formats.tables.values import value_of

_MOSTLY: Final = 0.8
_NEARLY_ALL: Final = 0.95
_LOOKED_AT: Final = 400  # cells of a column
_EXAMPLES: Final = 3
_EXAMPLE_CHARS: Final = 48
_FILES: Final = "file"  # the group of one file's hashes
_NOWHERE: Final = frozenset({"0.0.0.0", "127.0.0.1", "::", "::1", "0", "255.255.255.255"})  # noqa: S104
_FINGERPRINTS: Final = frozenset(HASH_OF_LENGTH.values())
_CONTEXT_KINDS: Final = frozenset({"asn", "cve", "mac"})
_WRAPS: Final = (
    ("||", "^"),  # ad blockers' lists
    ("address=/", "/0.0.0.0"), ("address=/", "/127.0.0.1"), ("address=/", "/#"), ("address=/", "/"),  # dnsmasq
    ("server=/", "/"), ("local=/", "/"),
    ("- ", ""), ("* ", ""), ("• ", ""),
)  # fmt: skip
_SEPARATORS: Final = ("|", ";", ",")
_TAGS: Final = frozenset({"tag", "tags", "labels"})  # a blank parts them where nothing else does; a category has words
_ALWAYS_TLP: Final = frozenset({"tlp", "tlp_label", "tlp_level", "tlp_marking", "traffic_light_protocol"})


class Reason(NamedTuple):
    """Why a column, or the whole, is read as it is."""

    what: str
    read_as: str
    why: str
    examples: tuple[str, ...] = ()


class Cells(NamedTuple):
    """The cells of one column that are not empty."""

    at: int | str
    title: str
    texts: list[str]


class Read(NamedTuple):
    """Every column of a sample."""

    columns: tuple[Column, ...]
    joins: dict[str, Join]
    reasons: tuple[Reason, ...]
    share: float  # of cells in the best column of values that are values


class _Seen(NamedTuple):
    """What stands in a column."""

    texts: list[str]
    kinds: Counter[str]  # of the values in it
    share: float  # of the cells that are values
    before: str
    after: str


def is_value(text: str) -> bool:
    """Whether a text shows by its look that it is an observable."""
    return value_of(_PLAIN, text)[0] is not None


def value_share(texts: Sequence[str]) -> float:
    """Return the share of cells that are observables, or would be without what stands around them."""
    good = [text for text in texts if text.strip() and not words.is_nothing(text)][:_LOOKED_AT]
    return _seen(good).share if good else 0.0


def has_value(paths: Paths[str, list[str]]) -> bool:
    """Whether any scalar of a record is an observable."""
    return any(is_value(text) for texts in paths.values() for text in texts[:4])


def is_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row has titles: no value, date or number in it, and values below or words known as titles."""
    if not rows:
        return False
    first = [cell.strip() for cell in rows[0]]
    if any(value_share([cell]) or dates.guess([cell]) or cell.replace(".", "").isdigit() for cell in first if cell):
        return False
    known = sum(words.title(cell) in words.TITLES for cell in first)
    if known and known * 2 >= len([cell for cell in first if cell]):
        return True
    below = [value_share([row[at] for row in rows[1:] if at < len(row)]) for at in range(min(len(first), 64))]
    return max(below, default=0.0) >= _MOSTLY


def guess(cells: Sequence[Cells], *, is_hosts: bool = False) -> Read:
    """Read every column. `is_hosts`: cells are parted by blanks, so a line may have more names than the first."""
    seen = [_seen([text for text in each.texts if not words.is_nothing(text)][:_LOOKED_AT]) for each in cells]
    found = [_column(each, looked, is_only=len(cells) == 1) for each, looked in zip(cells, seen, strict=True)]
    _settle_hosts(cells, seen, found, is_hosts=is_hosts)
    _settle_context(cells, seen, found)
    _settle_files(cells, seen, found)
    _settle_dates(found)
    values = [looked.share for looked, (column, _) in zip(seen, found, strict=False) if column.role is Role.VALUE]
    reasons = tuple(
        Reason(column.name(), _read_as(column), why, tuple(text[:_EXAMPLE_CHARS] for text in looked.texts[:_EXAMPLES]))
        for looked, (column, why) in zip(seen, found, strict=False)  # a hosts file's names end the columns
    )
    grouped = any(column.group == _FILES for column, _ in found)
    return Read(
        tuple(column for column, _ in found),
        {_FILES: Join.OR} if grouped else {},
        reasons,
        max(values, default=0.0),
    )


_PLAIN: Final = Column(1, Role.VALUE)
_Found = list[tuple[Column, str]]


def _seen(texts: list[str]) -> _Seen:
    """Look at the cells, and, where they are no values as they are, at them without what stands around them."""
    best = _Seen(texts, Counter(), 0.0, "", "")
    for before, after in (("", ""), *_WRAPS):
        wrapped = [text for text in texts[:_LOOKED_AT] if text.startswith(before) and text.endswith(after)]
        if before and len(wrapped) < _MOSTLY * len(texts):
            continue
        column = Column(1, Role.VALUE, before=before, after=after)
        kinds = Counter(value.kind for text in texts if (value := value_of(column, text)[0]) is not None)
        share = kinds.total() / len(texts) if texts else 0.0
        if share > best.share:
            best = _Seen(texts, kinds, share, before, after)
        if best.share >= _MOSTLY:
            break
    return best


def _column(cells: Cells, seen: _Seen, *, is_only: bool) -> tuple[Column, str]:
    """Read one column by itself."""
    title = words.title(cells.title.rpartition(".")[2] if isinstance(cells.at, str) else cells.title)
    role = words.TITLES.get(title)
    named = Column(cells.at, Role.IGNORED, title="" if cells.title == cells.at else cells.title)
    if role is Role.SEALED:
        return _as(named, Role.SEALED), "its title says that persons are named"
    if not seen.texts:
        return _as(named, role or (Role.NOTE if cells.title else Role.IGNORED)), "it is empty in the sample"
    if title in _ALWAYS_TLP or _share(seen.texts, lambda text: words.tlp(text) is not None) >= _MOSTLY:
        return _as(named, Role.TLP), "TLP labels; a word that is none counts as RED"
    known = _share(seen.texts, lambda text: words.kinds(text) is not None)
    if role in {Role.KIND, None} and known >= _MOSTLY and not is_only:
        return _as(named, Role.KIND), "words for kinds of values"
    kind = words.TITLE_KINDS.get(title, "")
    if kind and seen.share < _MOSTLY and _share(seen.texts, lambda text: normal(kind, text) is not None) >= _MOSTLY:
        return _as(named, Role.VALUE, kind=kind), f"its title says {kind}"
    if role is Role.REFERENCE and not is_only and set(seen.kinds) <= {"url", "cve"} and seen.share >= _MOSTLY:
        return _as(named, Role.REFERENCE), "addresses to read more, by its title"
    if seen.share >= _MOSTLY or (role is Role.VALUE and seen.share > 0):
        return _as(named, Role.VALUE, before=seen.before, after=seen.after), _values(seen)
    return _no_value(named, role, seen)


def _no_value(named: Column, role: Role | None, seen: _Seen) -> tuple[Column, str]:
    """Read a column in which no values stand."""
    written = dates.guess(seen.texts)
    if written is not None and role not in {Role.CONFIDENCE, Role.IGNORED}:
        known = role if role in {Role.FIRST_SEEN, Role.LAST_SEEN, Role.VALID_UNTIL} else Role.NOTE
        return _as(named, known or Role.NOTE, dates=written[0]), written[1]
    if role is Role.CONFIDENCE and (scale := words.scale(seen.texts)) is not None:
        return _as(named, Role.CONFIDENCE, scale=scale), f"its title; on the scale {scale}"
    if role is Role.LABELS:
        marks = (*_SEPARATORS, " ") if words.title(named.name()) in _TAGS else _SEPARATORS
        split = next((mark for mark in marks if any(mark in text.strip() for text in seen.texts)), "")
        return _as(named, Role.LABELS, split=split), "its title" + f"; several are parted by {split!r}" * bool(split)
    if role in {Role.DESCRIPTION, Role.THREAT, Role.CREATOR, Role.REFERENCE, Role.IGNORED}:
        return _as(named, role or Role.NOTE), "its title"
    if named.name() != f"column {named.at}":
        return _as(named, Role.NOTE), "nothing more precise; kept in the description"
    if _share(seen.texts, _is_number) >= _MOSTLY:
        return _as(named, Role.IGNORED), "numbers that nothing names"
    return _as(named, Role.DESCRIPTION), "free text"


def _settle_hosts(cells: Sequence[Cells], seen: Sequence[_Seen], found: _Found, *, is_hosts: bool) -> None:
    """Read `0.0.0.0 bad.example` as names that go nowhere."""
    if len(found) < 2 or _share(cells[0].texts, _NOWHERE.__contains__) < _NEARLY_ALL:
        return
    if seen[1].kinds["domain"] + seen[1].kinds["file-name"] >= len(seen[1].texts) / 2:
        found[0] = _as(found[0][0], Role.IGNORED), "where a hosts file sends names"
        names = _as(found[1][0], Role.VALUE, kind="domain", through=is_hosts)
        found[1] = names, "names of a hosts file" + ", any number on a line" * is_hosts
        if is_hosts:
            found[2:] = []


def _settle_context(cells: Sequence[Cells], seen: Sequence[_Seen], found: _Found) -> None:
    """Leave what describes values out of the values, where others stand."""
    values = [at for at, (column, _) in enumerate(found) if column.role is Role.VALUE]
    hashed = any(_kinds(cells[at], seen[at]) <= _FINGERPRINTS for at in values)
    for at in values:
        column, why = found[at]
        kinds = set(seen[at].kinds) or {column.kind}
        if not any(other != at and found[other][0].role is Role.VALUE for other in values):
            continue
        title = words.title(cells[at].title)
        if kinds == {"cve"}:
            found[at] = _as(column, Role.REFERENCE), "CVE ids beside values"
        elif kinds <= _CONTEXT_KINDS and title not in {"indicator", "ioc", "value"}:
            found[at] = _as(column, Role.NOTE), f"{', '.join(sorted(kinds))} beside values: context"
        elif hashed and (kinds == {"file-name"} or column.kind == "file-name"):
            found[at] = _as(column, Role.NOTE), "names of files beside their hashes: context"
        elif kinds == {"url"} and len(seen[at].texts) > 2 and words.TITLES.get(title) is not Role.VALUE:
            if len({text.split("/")[2] for text in seen[at].texts if text.count("/") > 1}) == 1:
                found[at] = _as(column, Role.REFERENCE), "addresses at one place, beside values"
        elif seen[at].texts and seen[at].share < _MOSTLY:
            found[at] = column, f"{why}; the others are losses"


def _kinds(cells: Cells, seen: _Seen) -> set[str]:
    """Return the kinds of values of a column; by its title where it is empty."""
    return set(seen.kinds) or set(words.kinds(cells.title) or ("",))


def _settle_files(cells: Sequence[Cells], seen: Sequence[_Seen], found: _Found) -> None:
    """Let hashes of one file be one indicator."""
    places = {
        at: _kinds(cells[at], seen[at])
        for at, (column, _) in enumerate(found)
        if column.role is Role.VALUE and _kinds(cells[at], seen[at]) <= _FINGERPRINTS
    }
    if len(places) > 1 and len(set().union(*places.values())) == len(places):
        for at in places:
            found[at] = replace(found[at][0], group=_FILES), f"{found[at][1]}; with the other hashes of the same file"


def _settle_dates(found: _Found) -> None:
    """Let the first date that its title leaves open, or the first of several alike, be when a value was first seen."""
    for role in (Role.FIRST_SEEN, Role.LAST_SEEN, Role.VALID_UNTIL):
        places = [at for at, (column, _) in enumerate(found) if column.role is role]
        for at in places[1:]:
            found[at] = _as(found[at][0], Role.NOTE), f"dates; another column is read as {role}"
    if any(column.role is Role.FIRST_SEEN for column, _ in found):
        return
    for at, (column, why) in enumerate(found):
        if column.role is Role.NOTE and "dates" in why:
            found[at] = _as(column, Role.FIRST_SEEN), f"{why}; the only dates that could be"
            return


def _as(column: Column, role: Role, **changes: Any) -> Column:
    """Return the column in a role, with nothing of what it was read as before."""
    return Column(column.at, role, title=column.title, **changes)


def _values(seen: _Seen) -> str:
    kinds = ", ".join(f"{kind} {count}" for kind, count in seen.kinds.most_common(4))
    return f"{round(seen.share * 100)} % are values: {kinds}"


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).replace(",", "").lstrip("-").isdigit()


def _share(texts: Sequence[str], test: Callable[[str], bool]) -> float:
    return sum(map(test, texts)) / len(texts) if texts else 0.0


def _read_as(column: Column) -> str:
    """Return a column's role for a person, with what is particular about it."""
    more = [column.kind] * (column.role is Role.VALUE)
    more += [f"{column.before}…{column.after}"] * bool(column.before)
    return f"{column.role} ({', '.join(more)})" if more else column.role.value
