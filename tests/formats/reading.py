"""What tests of readers share: read, sort into made and lost, and hold everything made against the check."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from comity.formats.convert import Context, Loss, Made
from comity.formats.stix.check import check_many
from comity.formats.stix.report import Refusal

AT = 1_772_359_200  # 2026-03-01T10:00:00Z
CONTEXT = Context("borealia-feed", AT)


class Read(NamedTuple):
    """What a reader gave."""

    made: list[Made]
    losses: list[Loss]

    @property
    def trees(self) -> list[dict[str, Any]]:
        return [json.loads(each.data) for each in self.made]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [tree for tree in self.trees if tree["type"] == kind]

    def only(self, kind: str) -> dict[str, Any]:
        (tree,) = self.of(kind)
        return tree

    def rules(self) -> list[tuple[str, str]]:
        return [(each.outcome.value, each.rule) for each in self.losses]


def sorted_out(found: Iterable[Made | Loss]) -> Read:
    """Return what came, having checked that STIX accepts every object and that no id stands for two."""
    made: list[Made] = []
    losses: list[Loss] = []
    for each in found:
        if isinstance(each, Made):
            made.append(each)
        else:
            losses.append(each)
    refused = [answer for answer in check_many([each.data for each in made]) if isinstance(answer, Refusal)]
    assert not refused
    bytes_of: dict[str, bytes] = {}
    for each in made:
        ident = json.loads(each.data)["id"]
        assert bytes_of.setdefault(ident, each.data) == each.data
    return Read(made, losses)


def chunked(data: bytes, size: int = 1_000) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))
