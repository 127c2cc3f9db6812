"""Tables of a view, as the areas declare them: what statements add up to, stored and searched.

Rules: rows belong to the position of the entry they were folded from, so that a view can be cleared and
folded again from the logs and come out the same. A new area declares views; no store changes for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

Value = int | str | bytes | None
Row = tuple[Value, ...]


class ViewKind(StrEnum):
    """The types a view's column may have."""

    INTEGER = "integer"
    TEXT = "text"
    BLOB = "blob"


@dataclass(frozen=True, slots=True)
class View:
    """A table of a view.

    The first column is always `position`. `by` names the columns of each index; `clustered` views are
    stored in the order of (key columns, position), others by position alone. A view for look-ups is
    clustered by one key and `with_header`: the store keeps beside each row which header its entry has.
    `hashed` says that an integer key is a piece of a digest.
    """

    name: str
    columns: tuple[tuple[str, ViewKind], ...]
    clustered: tuple[str, ...] = ()
    by: tuple[tuple[str, ...], ...] = ()
    with_header: bool = False
    hashed: bool = False

    @property
    def scattered(self) -> bool:
        """Say whether new rows go to random places: keys of bytes are digests and uuids."""
        return bool(self.clustered) and (self.hashed or dict(self.columns)[self.clustered[0]] is ViewKind.BLOB)
