"""What the Sigma specification 2.1 demands of a rule's body: log source, selections, conditions that join them.

Rules: the structure is judged, which every program that runs the rule relies on. What is inside a selection (fields,
modifiers, values) is not: newer modifiers are other programs' to know. A condition with `|` is Sigma 1's, and is taken.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

_SOURCES: Final = ("category", "product", "service")
_WORD: Final = re.compile(r"[()]|[^\s()]+")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
_GLOB: Final = re.compile(r"[A-Za-z0-9_*-]+")
_QUANTITIES: Final = frozenset({"1", "any", "all"})
_COUNTS: Final = frozenset(
    {"event_count", "value_count", "value_sum", "value_avg", "value_median", "value_percentile"}
)  # that compare with a number
_TEMPORAL: Final = frozenset({"temporal", "temporal_ordered"})
_COMPARED: Final = frozenset({"lt", "lte", "gt", "gte", "eq", "neq"})
_SPAN: Final = re.compile(r"[0-9]+[smhdwMy]")
_NOT_NAMES: Final = frozenset({"condition", "timeframe", "rules"})  # what stands beside the selections

Tree = Mapping[str, Any]


def wrong(tree: Tree) -> tuple[str, str] | None:
    """Return the rule that a document's body breaks, by a short name and in words; None where it is a good one."""
    if "correlation" in tree:
        return _correlation(tree["correlation"])
    name = "filter" if "filter" in tree else "detection"
    body = tree.get(name)
    if not isinstance(body, dict):
        return "not-a-rule", "none of detection, correlation and filter: it says nothing that could be looked for"
    return _source(tree.get("logsource")) or _body(body, name)


def _source(source: object) -> tuple[str, str] | None:
    if not isinstance(source, dict) or not any(source.get(key) for key in _SOURCES):
        return "log-source", "no log source with a category, product or service: nobody knows where to look"
    if not all(isinstance(source.get(key, ""), str) for key in _SOURCES):
        return "log-source", "a category, product or service that is no text"
    return None


def _body(body: Tree, name: str) -> tuple[str, str] | None:
    selections = [key for key in body if key not in _NOT_NAMES]
    if not selections:
        return "detection", f"a {name} without a selection"
    for key in selections:
        if not _is_selection(body[key]):
            return "detection", f"the selection {key!r} is empty, or nested deeper than Sigma knows"
    conditions = body.get("condition")
    conditions = conditions if isinstance(conditions, list) else [conditions]
    if not conditions or not all(isinstance(one, str) for one in conditions):
        return "condition", f"a {name} without a condition"
    if name == "filter":
        if len(conditions) != 1:
            return "condition", "a filter has one condition"
        if "rules" not in body:
            return "filter-rules", "a filter that does not say for which rules it is (`rules`)"
    return next((found for one in conditions if (found := _condition(one, selections))), None)


def _is_selection(value: object) -> bool:
    """Say whether this is a value, or a map of fields to values, or a list of these."""
    if isinstance(value, dict):
        return bool(value) and all(_is_value(one) for one in value.values())
    if isinstance(value, list):
        return bool(value) and all(_is_selection(one) for one in value)
    return True


def _is_value(value: object) -> bool:
    if isinstance(value, list):
        return not any(isinstance(one, dict | list) for one in value)
    return not isinstance(value, dict)


def _condition(text: str, names: Collection[str]) -> tuple[str, str] | None:
    if "|" in text:
        return None
    words = _WORD.findall(text)
    depth = at = 0
    wants = True  # an operand comes next
    while at < len(words):
        word = words[at]
        at += 1
        if not wants:
            depth -= word == ")"
            if word not in {"and", "or", ")"} or depth < 0:
                return "condition", f"the condition goes wrong at {word!r}: {text}"
            wants = word != ")"
        elif word == "(":
            depth += 1
        elif word != "not":
            chosen = ""
            if word in _QUANTITIES and words[at : at + 1] == ["of"]:
                chosen = words[at + 1] if at + 1 < len(words) else "of"
                at += 2
            if not _is_known(word, chosen, names):
                return "condition", f"the condition names {chosen or word!r}, which the rule does not define: {text}"
            wants = False
    if wants or depth:
        return "condition", f"the condition breaks off: {text or 'it is empty'}"
    return None


def _is_known(word: str, chosen: str, names: Collection[str]) -> bool:
    if not chosen:
        return bool(_NAME.fullmatch(word)) and word in names
    if chosen == "them":
        return any(not name.startswith("_") for name in names)
    if not _GLOB.fullmatch(chosen):
        return False
    # A leading underscore hides a selection from patterns that have none.
    return any(fnmatchcase(name, chosen) for name in names if chosen.startswith("_") or not name.startswith("_"))


def _correlation(body: object) -> tuple[str, str] | None:
    if not isinstance(body, dict):
        return "not-a-rule", "none of detection, correlation and filter: it says nothing that could be looked for"
    kind = body.get("type")
    if kind not in _COUNTS | _TEMPORAL:
        return "correlation", f"a correlation of no known type: {kind!r}"
    if not body.get("rules"):
        return "correlation", "a correlation that names no rules"
    span = body.get("timespan")
    if not isinstance(span, str) or not _SPAN.fullmatch(span):
        return "correlation", f"a correlation without a span of time such as 5m: {span!r}"
    condition = body.get("condition")
    if kind in _COUNTS:
        if not isinstance(condition, dict) or len(_COMPARED & condition.keys()) != 1:
            return "correlation", "a correlation that counts and has no condition such as `gte: 5`"
        if kind != "event_count" and not condition.get("field"):
            return "correlation", f"a {kind} that does not say of which field"
    return None
