"""Published MISP events: all are taken whole, with every loss named, and PyMISP finds the same in them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from comity.formats.convert import Loss, Made, Outcome
from comity.formats.misp.read import read
from comity.formats.stix.check import Checked, check_many
from tests.formats.misp_samples import CONTEXT, FILES


def values(tree: Any, where: str = "") -> list[tuple[str, str]]:
    """Return the place and value of every attribute of a document, proposals left out, by a walk of its own."""
    found: list[tuple[str, str]] = []
    if isinstance(tree, list):
        for at, each in enumerate(tree):
            found += values(each, f"{where}[{at}]")
        return found
    if not isinstance(tree, dict):
        return found
    for name in ("response", "Event", "Attribute", "Object"):
        if name in tree:
            found += values(tree[name], f"{where}.{name}".lstrip("."))
    if "value" in tree and "type" in tree:
        found.append((where, tree["value"]))
    return found


def shown(value: str, text: str) -> bool:
    """Whether a value stands in the JSON of what was made, whole or in its parts, as STIX may write it."""
    pieces = [value.strip(), *(piece.strip() for piece in value.split("|"))]
    low = text.lower()

    def stands(piece: str) -> bool:
        literal = piece.replace("\\", "\\\\").replace("'", "\\'")
        tail = piece.partition("\\")[2] or piece  # a hive may be spelt out
        forms = (json.dumps(each, ensure_ascii=False)[1:-1].lower() for each in (piece, literal, tail))
        return any(form in low for form in forms)

    return stands(pieces[0]) or all(stands(piece) for piece in pieces[1:])


@pytest.mark.skipif(not FILES, reason="no ../shared/data/eset beside this checkout")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_real_event_is_taken_whole(path: Path) -> None:
    data = path.read_bytes()
    out = list(read([data], CONTEXT))
    made = [one for one in out if isinstance(one, Made)]
    losses = [one for one in out if isinstance(one, Loss)]
    assert all(isinstance(verdict, Checked) for verdict in check_many([one.data for one in made]))
    assert not [loss for loss in losses if loss.outcome is Outcome.REFUSED]
    assert [loss.rule for loss in losses if loss.rule == "json"] == (["json"] if "pypi" in path.name else [])
    by_place: dict[str, str] = {}
    for one in made:
        by_place[one.where] = by_place.get(one.where, "") + one.data.decode()
    lost = {loss.where for loss in losses}
    try:
        tree = json.loads(data)
    except ValueError:
        tree = json.loads(data.replace(b"},\n        ]", b"}\n        ]"))
    given = values(tree)
    assert given
    for where, value in given:
        holder = where.rpartition(".Attribute")[0]
        text = by_place.get(where, "") + (by_place.get(holder, "") if ".Object[" in where else "")
        # A shared observed object is given once, at the first place that needed it.
        assert shown(value, text) or where in lost or shown(value, "".join(by_place.values())), (where, value)


@pytest.mark.skipif(not FILES, reason="no ../shared/data/eset beside this checkout")
def test_the_losses_of_all_real_events_are_these() -> None:
    losses: Counter[tuple[str, str]] = Counter()
    for path in FILES:
        for one in read([path.read_bytes()], CONTEXT):
            if isinstance(one, Loss):
                losses[one.outcome.value, one.rule] += 1
    assert losses == {
        ("changed", "to-ids"): 72,
        ("sealed", "person"): 51,
        ("unmapped", "beside-event"): 6,
        ("changed", "json"): 1,
    }
