"""What the readers of rules share: a text in lines, and the objects that one rule becomes.

Rules: an indicator's `pattern` is the rule's own text. ATT&CK techniques that a rule names become attack patterns,
each once in an input, and `indicates` relationships; tactics become kill chain phases. A rule without a date is dated
with the import. Who wrote a rule stays in its text, as its licence asks, and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from comity.formats import fields
from comity.formats.convert import Context, Loss, Made, Outcome, loss, object_, whole

RULES_BYTES_MAX: Final = 67_108_864  # bytes of one input: the largest public rule set has 40 MB
RULE_BYTES_MAX: Final = 262_144  # bytes of one rule: the longest met, a list of 3,000 hashes, has 200 kB
ATTACK: Final = "mitre-attack"

_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\u2028\u2029]")
_TACTIC: Final = re.compile(r"[a-z]+(?:[-_ ][a-z]+){0,4}")


@dataclass(slots=True)
class Rule:
    """What a reader understood of one rule."""

    language: str  # `pattern_type` (STIX 2.1 §10.19): sigma, yara, suricata or snort
    text: str
    where: str
    ident: str
    name: str
    description: str = ""
    references: list[dict[str, str]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    markings: list[str] = field(default_factory=list)  # TLP labels as they stand
    techniques: list[str] = field(default_factory=list)  # ATT&CK ids
    tactics: list[str] = field(default_factory=list)
    created: str = ""  # dates as they stand
    modified: str = ""
    revision: int = 0  # orders versions of one day
    confidence: int | None = None
    revoked: bool = False
    related: list[tuple[str, str]] = field(default_factory=list)  # kind of relationship, id of an indicator
    author: bool = False  # it names people


def lines_of(chunks: Iterable[bytes]) -> str | Loss:
    """Return an input as text; bytes that are not UTF-8 become lone surrogates, so that they spoil one rule only."""
    data = whole(chunks, RULES_BYTES_MAX)
    if data is None:
        return loss("", Outcome.REFUSED, "too-large", f"more than {RULES_BYTES_MAX} bytes (RULES_BYTES_MAX)")
    return data.decode("utf-8", "surrogateescape").removeprefix("\ufeff")


def unfit(text: str) -> tuple[str, str] | None:
    """Return rule and reason where a text may not be kept as a rule: its size, its bytes, control characters."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "encoding", "not UTF-8"
    if size > RULE_BYTES_MAX:
        return "too-large", f"{size} bytes; {RULE_BYTES_MAX} are kept (RULE_BYTES_MAX)"
    if _CONTROL.search(text):
        return "control", "a control character, which some readers of rules take for the end of a line"
    return None


def objects(rule: Rule, context: Context, known: set[str]) -> Iterator[Made | Loss]:
    """Yield the indicator of a rule, what it refers to and the losses; `known` has the attack patterns made already."""
    losses: list[Loss] = []
    tlp = fields.marking(rule.markings, rule.where, losses)
    properties = _properties(rule, context, losses)
    created, modified, dated = _dates(rule, context.at * fields.MICROSECONDS, losses)
    yield from losses
    # Days are all that rules tell: the revision, in milliseconds, keeps two of one day apart.
    modified = max(created, modified) + (min(rule.revision, 86_399_999) * 1_000 if dated else 0)
    tree = object_("indicator", rule.ident, created, modified, tlp=tlp, **properties)
    tree["valid_from"] = tree["created"]
    made = fields.made(tree, rule.where, timeless=not dated)
    yield made
    if isinstance(made, Loss):
        return
    for name in dict.fromkeys(rule.techniques):
        pattern = fields.technique(name, context)
        if pattern is None:
            yield loss(rule.where, Outcome.UNMAPPED, "technique", f"{name!r} is no ATT&CK technique")
            continue
        if pattern["id"] not in known:
            known.add(pattern["id"])
            yield fields.made(pattern, rule.where, timeless=True)
        link = fields.related("indicates", rule.ident, pattern["id"], context, created, modified, tlp=tlp)
        yield fields.made(_by(link, context), rule.where, timeless=not dated)
    for kind, target in dict.fromkeys(rule.related):
        link = fields.related(kind, rule.ident, target, context, created, modified, tlp=tlp)
        yield fields.made(_by(link, context), rule.where, timeless=not dated)


def _by(tree: dict[str, Any], context: Context) -> dict[str, Any]:
    return tree | {"created_by_ref": context.creator}


def _properties(rule: Rule, context: Context, losses: list[Loss]) -> dict[str, Any]:
    if rule.author:
        losses.append(loss(rule.where, Outcome.SEALED, "author", "who wrote it stays in the rule's own text"))
    labels = fields.labels(rule.labels)
    if (count := len(set(rule.labels))) > len(labels):
        losses.append(loss(rule.where, Outcome.CHANGED, "labels", f"{count} labels; {len(labels)} are kept"))
    phases = dict.fromkeys(_phase(tactic) for tactic in rule.tactics)
    return {
        "name": fields.line(rule.name),
        "description": fields.told(rule.description, rule.where, losses),
        "pattern": rule.text,
        "pattern_type": rule.language,
        "labels": labels,
        "external_references": fields.references(rule.references, rule.where, losses),
        "kill_chain_phases": [{"kill_chain_name": ATTACK, "phase_name": phase} for phase in phases if phase],
        "confidence": rule.confidence,
        "revoked": rule.revoked or None,
        "created_by_ref": context.creator,
    }


def _phase(tactic: str) -> str:
    tactic = tactic.lower().strip()
    return re.sub("[_ ]", "-", tactic) if len(tactic) < 64 and _TACTIC.fullmatch(tactic) else ""


def _dates(rule: Rule, at: int, losses: list[Loss]) -> tuple[int, int, bool]:
    """Return created and modified, and whether the rule dates itself; a loss is added for each date that is none."""
    found: list[int] = []
    for text in (rule.created, rule.modified):
        when = fields.moment(text) if text else None
        if when is not None:
            found.append(when)
        elif text:
            losses.append(loss(rule.where, Outcome.CHANGED, "date", f"{text!r} is not read as a date"))
    return (found[0], found[-1], True) if found else (at, at, False)
