"""Reading tables in tests: what comes of an input, checked, and told apart."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from comity.formats.convert import Context, Loss, Made
from comity.formats.stix import check
from comity.formats.tables.guess import guess
from comity.formats.tables.mapping import Column, Mapping, Role
from comity.formats.tables.reading import read

AT = Context("a source", 1_790_000_000)  # 2026-09-21T14:13:20Z
NOW = "2026-09-21T14:13:20.000Z"
LIST = Mapping(columns=(Column(1, Role.VALUE),))


def results(data: bytes, mapping: Mapping | None = None, size: int = 1 << 20) -> list[Made | Loss]:
    """Return what comes of an input, having checked that all made passes the checks of STIX 2.1."""
    mapping = guess(data).mapping if mapping is None else mapping
    found = list(read([data[at : at + size] for at in range(0, len(data), size)], AT, mapping))
    refused = [each for each in check.check_many([each.data for each in found if isinstance(each, Made)])
               if not isinstance(each, check.Checked)]  # fmt: skip
    assert not refused
    return found


def trees(found: Iterable[Made | Loss]) -> list[dict[str, Any]]:
    """Return the objects made, decoded."""
    return [json.loads(each.data) for each in found if isinstance(each, Made)]


def indicators(found: Iterable[Made | Loss]) -> list[dict[str, Any]]:
    """Return the indicators made, decoded."""
    return [tree for tree in trees(found) if tree["type"] == "indicator"]


def values(found: Iterable[Made | Loss]) -> list[str]:
    """Return the names of the indicators made: their first values."""
    return [tree["name"] for tree in indicators(found)]


def losses(found: Iterable[Made | Loss]) -> list[Loss]:
    """Return the losses, without those that are told once for a whole column or for the comments."""
    return [each for each in found if isinstance(each, Loss) and each.rule not in {"ignored", "comments"}]


def rules(found: Iterable[Made | Loss]) -> list[str]:
    """Return the rules of these losses."""
    return [each.rule for each in losses(found)]


def table(*columns: Column, **more: Any) -> Mapping:
    """Return a mapping of a table with commas."""
    return Mapping(columns=columns, delimiter=",", **more)


VALUE = Column(1, Role.VALUE)
SECOND = {role: table(VALUE, Column(2, role)) for role in Role}
