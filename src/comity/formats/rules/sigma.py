"""Sigma rules (Sigma specification 2): one or several YAML documents in an input.

Rules: YAML is read as events of its parser and never constructed: no anchor, no alias, no tag, no key twice, limited
depth and number of nodes; every scalar stays text. A document that is broken is refused alone. The indicator's id is
the rule's own `id`; its pattern is the document's text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, Final

import yaml

from comity.formats import fields
from comity.formats.convert import Context, Loss, Made, Outcome, ident, loss
from comity.formats.rules import detection, indicator
from comity.formats.rules.indicator import Rule

YAML_DEPTH_MAX: Final = 32  # nested collections; Sigma's conditions reach 6
YAML_NODES_MAX: Final = 50_000  # scalars and collections of one document: a rule with 20,000 values in lists

_MARK: Final = re.compile(r"^(?:---|\.\.\.)(?=[ \t\r\n]|\Z)", re.MULTILINE)
_COMMENT_ONLY: Final = re.compile(r"(?:[ \t]*+(?:#[^\n]*+|---[ \t]*+|\.\.\.[ \t]*+|%[^\n]*+)?+\r?(?:\n|\Z))*+")
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNREADABLE: Final = (yaml.YAMLError, ValueError, OverflowError, RecursionError)
_RELATIONS: Final = {"derived": "derived-from", "similar": "related-to", "merged": "related-to"} | dict.fromkeys(
    ("obsolete", "obsoletes", "renamed"), "related-to"
)
_ACTOR: Final = re.compile("[gsmc][0-9]{4}")  # groups, software, mitigations and campaigns of ATT&CK

Node = str | list[Any] | dict[str, Any]


class _Refused(Exception):
    """A document breaks a rule; never leaves this module."""

    def __init__(self, rule: str, reason: str, line: int = 0) -> None:
        super().__init__(reason)
        self.rule, self.reason, self.line = rule, reason, line


def read(chunks: Iterable[bytes], context: Context) -> Iterator[Made | Loss]:
    """Yield the indicators of Sigma rules, what they refer to, and a loss for what is no rule."""
    text = indicator.lines_of(chunks)
    if isinstance(text, Loss):
        yield text
        return
    known: set[str] = set()
    ids: set[str] = set()
    documents = comments = 0
    for first, document in _documents(text):
        if _COMMENT_ONLY.fullmatch(document):
            comments += "#" in document
            continue
        documents += 1
        where = f"line {first}"
        try:
            rule = _rule(document, where, context)
        except _Refused as refused:
            yield loss(f"line {first + refused.line}", Outcome.REFUSED, refused.rule, refused.reason)
            continue
        if rule.ident in ids:
            yield loss(where, Outcome.REFUSED, "duplicate", f"a second rule with the id of {rule.name!r}")
            continue
        ids.add(rule.ident)
        yield from indicator.objects(rule, context, known)
    if comments:
        yield loss("", Outcome.UNMAPPED, "comment", f"{comments} documents that are comment only")
    if not documents:
        yield loss("", Outcome.REFUSED, "empty", "no document in it")


def _documents(text: str) -> Iterator[tuple[int, str]]:
    """Yield each document with its first line. A mark at a line's start ends one whatever it holds (YAML §9.1.2)."""
    starts = [0, *(found.start() for found in _MARK.finditer(text)), len(text)]
    number = 1
    for start, end in pairwise(starts):
        document = text[start:end]
        yield number, document.removeprefix("...")
        number += document.count("\n")


def parse(text: str) -> Node:
    """Return one YAML document as texts, lists and mappings. Raises `_Refused`."""
    stack: list[tuple[Node, list[str]]] = []  # an open collection, and the key that waits for its value
    root: Node | None = None
    nodes = 0
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            line = event.start_mark.line if event.start_mark else 0
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
                raise _Refused("yaml-anchor", "an anchor or alias of YAML: none is read", line)
            if isinstance(event, yaml.NodeEvent):
                nodes += 1
                if getattr(event, "tag", None) is not None:
                    raise _Refused("yaml-tag", "a tag of YAML: none is read", line)
                if nodes > YAML_NODES_MAX or len(stack) > YAML_DEPTH_MAX:
                    raise _Refused("yaml-size", f"more than {YAML_NODES_MAX} nodes or {YAML_DEPTH_MAX} levels", line)
            if isinstance(event, yaml.CollectionEndEvent):
                stack.pop()
                continue
            node = _node(event)
            if node is None:
                continue
            if not stack:
                root = node
            elif not _put(stack[-1], node, line):
                continue
            if not isinstance(node, str):
                stack.append((node, []))
    except _UNREADABLE as error:
        mark = getattr(error, "problem_mark", None)
        reason = f"not YAML: {getattr(error, 'problem', None) or error}"
        raise _Refused("yaml", reason, getattr(mark, "line", 0)) from error
    return "" if root is None else root


def _node(event: yaml.Event) -> Node | None:
    if isinstance(event, yaml.ScalarEvent):
        return "" if not event.style and event.value in _NULL else str(event.value)
    if isinstance(event, yaml.SequenceStartEvent):
        return []
    return {} if isinstance(event, yaml.MappingStartEvent) else None


def _put(place: tuple[Node, list[str]], node: Node, line: int) -> bool:
    """Put a node where it belongs; False where it was a mapping's key, which waits."""
    holder, keys = place
    if isinstance(holder, list):
        holder.append(node)
    elif isinstance(holder, dict):
        if not keys:
            if not isinstance(node, str):
                raise _Refused("yaml-key", "a key of YAML that is no text", line)
            if node in holder:
                raise _Refused("duplicate-key", f"the key {node!r} stands twice", line)
            keys.append(node)
            return False
        holder[keys.pop()] = node
    return True


def _rule(document: str, where: str, context: Context) -> Rule:
    text = document.removeprefix("---").strip("\r\n") + "\n"
    bad = indicator.unfit(text)
    if bad is not None:
        raise _Refused(*bad)
    tree = parse(document)
    if not isinstance(tree, dict):
        raise _Refused("not-a-rule", "no mapping of YAML")
    if "action" in tree:
        raise _Refused("collection", "a part of a collection of Sigma 1 (`action`), which is no rule by itself")
    title = _text(tree, "title")
    if not title:
        raise _Refused("not-a-rule", "no title")
    broken = detection.wrong(tree)
    if broken is not None:
        raise _Refused(*broken)
    own = fields.uuid_of(_text(tree, "id"))
    made = f"indicator--{own}" if own else ident("indicator", context, "sigma", _text(tree, "id") or title)
    rule = Rule("sigma", text, f"{where}: {fields.line(title, 80)}", made, title, _description(tree))
    rule.created, rule.modified = _text(tree, "date"), _text(tree, "modified")
    rule.references = [
        fields.reference("sigma", url=url) if "://" in url else fields.reference("sigma", description=url)
        for url in _texts(tree, "references")
    ]
    rule.author = bool(_texts(tree, "author"))
    rule.revoked = _text(tree, "status") == "deprecated"
    rule.labels = [f"{key}:{value}" for key in ("level", "status") if (value := _text(tree, key))]
    source = tree.get("logsource")
    if isinstance(source, dict):
        rule.labels += [f"{key}:{value}" for key in ("category", "product", "service") if (value := _text(source, key))]
    for tag in _texts(tree, "tags"):
        _tag(rule, tag)
    rule.related = list(_related(tree))
    return rule


def _description(tree: Mapping[str, Any]) -> str:
    parts = [_text(tree, "description")]
    false = [text for text in _texts(tree, "falsepositives") if text.lower() not in {"none", "unknown"}]
    if false:
        parts.append("False positives: " + "; ".join(false))
    return "\n\n".join(part for part in parts if part)


def _tag(rule: Rule, tag: str) -> None:
    """Take a tag (Sigma specification, appendix tags): a label always, and what it names."""
    rule.labels.append(tag)
    space, _, name = tag.lower().partition(".")
    if space == "tlp":
        rule.markings.append(name)
    elif space == "cve":
        rule.references.append(fields.reference("cve", "CVE-" + name.removeprefix("cve-").replace(".", "-")))
    elif space == "attack" and _ACTOR.fullmatch(name):
        rule.references.append(fields.reference(indicator.ATTACK, name.upper()))
    elif space == "attack" and name[:1] == "t" and name[1:2].isdigit():
        rule.techniques.append(name.upper())
    elif space == "attack":
        rule.tactics.append(name)


def _related(tree: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    entries = tree.get("related")
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict):
            other = fields.uuid_of(_text(entry, "id"))
            if other:
                yield _RELATIONS.get(_text(entry, "type"), "related-to"), f"indicator--{other}"


def _text(tree: Mapping[str, Any], key: str) -> str:
    value = tree.get(key)
    return value.strip() if isinstance(value, str) else ""


def _texts(tree: Mapping[str, Any], key: str) -> list[str]:
    value = tree.get(key)
    found = value if isinstance(value, list) else [value]
    return [text.strip() for text in found if isinstance(text, str) and text.strip()]
