"""Suricata and Snort rules: one a line, a backslash at its end carries it on.

Rules: a rule needs an action, a header, options in parentheses and a `sid`; its id follows from source, `gid` and
`sid`, and of two with one `sid` the higher `rev` is taken. Rules that a comment sets aside are told and not taken.
Nothing in a rule is run or looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from comity.formats import fields
from comity.formats.convert import Context, Loss, Made, Outcome, ident, loss
from comity.formats.rules import indicator
from comity.formats.rules.indicator import Rule

OPTIONS_MAX: Final = 4_096  # options of one rule; the longest met has 120
REV_MAX: Final = 2**31 - 1  # as both engines read it
RULES_MAX: Final = 250_000  # rules of one input; the largest public set has 100,000

_ACTIONS: Final = frozenset("alert pass drop reject rejectsrc rejectdst rejectboth config log".split())
_SNORT_ACTIONS: Final = frozenset("block sdrop activate dynamic react rewrite file_id".split())
_ARROWS: Final = frozenset({"->", "<>", "=>", "<-"})
_HEADER_PARTS: Final = 7  # action, protocol, address, port, direction, address, port
_SERVICE_PARTS: Final = 2  # Snort 3: action and service or `file`
_SET_ASIDE: Final = re.compile(rf"#[#\s]*+(?:{'|'.join(sorted(_ACTIONS | _SNORT_ACTIONS))})\s[^(]{{1,2000}}\(.*;\s*\)")
_BLANKS: Final = re.compile(r"\s++")
_OPTION: Final = re.compile(
    r"\s*+([A-Za-z0-9_.-]++)\s*+(?::((?:\"(?:[^\"\\]++|\\.)*+\"|[^\";\\]++|\\.)*+))?+;", re.DOTALL
)
_DIGITS: Final = re.compile(r"[0-9]{1,10}")
_ESCAPE: Final = re.compile(r"\\([\\\";:])")
_CONFIDENCE: Final = {"low": 15, "medium": 50, "high": 85}  # STIX 2.1 appendix A, None/Low/Med/High
# What an address of a reference begins with (Suricata's own reference.config).
_SYSTEMS: Final = {"url": "http://", "exploitdb": "https://www.exploit-db.com/exploits/", "et": ""}
_METADATA_LABELS_SKIPPED: Final = frozenset({"created_at", "updated_at", "confidence", "mitre_technique_id"})


class _Line(NamedTuple):
    """A rule's text and the line it begins at."""

    number: int
    text: str


class _Refused(Exception):
    """A line breaks a rule; never leaves this module."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.rule, self.reason = rule, reason


def read(chunks: Iterable[bytes], context: Context, *, language: str = "suricata") -> Iterator[Made | Loss]:
    """Yield the indicators of rules, what they refer to, and a loss for each broken, older or commented line.

    `language` is `suricata` or `snort`: most rules read the same in both, and one that only Snort takes is called so.
    """
    text = indicator.lines_of(chunks)
    if isinstance(text, Loss):
        yield text
        return
    newest: dict[str, Rule] = {}
    for at in _lines(text):
        if isinstance(at, Loss):
            yield at
            continue
        try:
            rule = _rule(at, context, language)
        except _Refused as refused:
            yield loss(f"line {at.number}", Outcome.REFUSED, refused.rule, refused.reason)
            continue
        other = newest.get(rule.ident)
        if other is None and len(newest) == RULES_MAX:
            yield loss(rule.where, Outcome.REFUSED, "too-many", f"more than {RULES_MAX} rules (RULES_MAX)")
            continue
        older = rule if other is not None and other.revision >= rule.revision else other
        if older is not None:
            yield loss(older.where, Outcome.REFUSED, "duplicate", "the sid stands again, with the same rev or a higher")
        if older is not rule:
            newest[rule.ident] = rule
    known: set[str] = set()
    for rule in newest.values():
        yield from indicator.objects(rule, context, known)
    if not newest and not text.strip():
        yield loss("", Outcome.REFUSED, "empty", "nothing in it")


def _lines(text: str) -> Iterator[_Line | Loss]:
    """Yield each rule with its line number; of comments, rules set aside one by one and the rest by number."""
    carried: list[str] = []
    start = comments = 0
    for number, whole in enumerate(text.split("\n"), 1):
        line = whole.removesuffix("\r")
        if not carried:
            start = number
            bare = line.strip()
            if not bare:
                continue
            if bare.startswith("#"):
                if len(bare) <= indicator.RULE_BYTES_MAX and _SET_ASIDE.match(bare):
                    yield loss(f"line {number}", Outcome.UNMAPPED, "set-aside", "a rule that a comment sets aside")
                else:
                    comments += 1
                continue
        carried.append(line)
        if not line.endswith("\\"):
            yield _Line(start, "\n".join(carried).strip())
            carried = []
    if carried:
        yield loss(f"line {start}", Outcome.REFUSED, "truncated", "the input ends where a line is carried on")
    if comments:
        yield loss("", Outcome.UNMAPPED, "comment", f"{comments} lines of comment")


def _rule(line: _Line, context: Context, language: str) -> Rule:
    text = line.text
    bad = indicator.unfit(text)
    if bad is not None:
        raise _Refused(*bad)
    flat = text.replace("\\\n", " ")
    header, options = _header(flat)
    if header[0] in _SNORT_ACTIONS or len(header) == _SERVICE_PARTS:
        language = "snort"
    found = _options(options)
    sid, gid, rev = (_number(found, name, default) for name, default in (("sid", None), ("gid", 1), ("rev", 0)))
    message = _unquoted(found.get("msg", [""])[0]) or f"sid {sid}"
    rule = Rule(
        language,
        text,
        f"line {line.number}: sid {sid}",
        ident("indicator", context, "sid", str(gid), str(sid)),
        message,
        references=list(_references(found)),
        revision=rev,
    )
    rule.labels = [f"{name}:{_unquoted(found[name][0])}" for name in ("classtype", "priority") if name in found]
    rule.labels += [f"action:{header[0]}", f"protocol:{header[1]}"]
    for each in found.get("metadata", []):
        _metadata(rule, each)
    return rule


def _header(text: str) -> tuple[list[str], str]:
    """Return the words before the options, and what stands inside the parentheses."""
    before, opened, rest = text.partition("(")
    rest = rest.rstrip()
    if not opened or not rest.endswith(")"):
        raise _Refused("syntax", "no options in parentheses")
    parts: list[str] = []
    depth = 0
    for word in _BLANKS.split(before.strip()):
        if depth:
            parts[-1] += word  # a list of addresses may hold blanks
        else:
            parts.append(word)
        depth += word.count("[") - word.count("]")
    action = parts[0] if parts else ""
    if action not in _ACTIONS and action not in _SNORT_ACTIONS:
        raise _Refused("syntax", f"{action!r} is no action of a rule")
    complete = len(parts) == _HEADER_PARTS and parts[4] in _ARROWS
    if depth or not (complete or len(parts) == _SERVICE_PARTS):
        raise _Refused("syntax", "the header is not: action protocol address port direction address port")
    return parts, rest[:-1]


def _options(text: str) -> dict[str, list[str]]:
    """Return the values of each option, in order, without the blanks around them."""
    found: dict[str, list[str]] = {}
    at = count = 0
    end = len(text.rstrip())
    while at < end:
        option = _OPTION.match(text, at)
        if option is None:
            raise _Refused("syntax", f"option {count + 1} is not `name;` or `name: value;`: {text[at : at + 40]!r}")
        count += 1
        if count > OPTIONS_MAX:
            raise _Refused("too-large", f"more than {OPTIONS_MAX} options (OPTIONS_MAX)")
        found.setdefault(option[1], []).append((option[2] or "").strip())
        at = option.end()
    return found


def _number(found: dict[str, list[str]], name: str, default: int | None) -> int:
    values = found.get(name, [])
    if not values and default is not None:
        return default
    if len(values) != 1 or not _DIGITS.fullmatch(values[0]):
        raise _Refused("syntax", f"{name} has to be one number" if values else f"no {name}")
    number = int(values[0])
    if name == "rev" and number > REV_MAX:
        raise _Refused("syntax", f"rev {number} is beyond {REV_MAX} (REV_MAX)")
    return number


def _unquoted(text: str) -> str:
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):
        text = text[1:-1]
    return _ESCAPE.sub(r"\1", text)


def _references(found: dict[str, list[str]]) -> Iterator[dict[str, str]]:
    for each in found.get("reference", []):
        system, _, value = _unquoted(each).partition(",")
        system, value = system.strip().lower(), value.strip()
        if system == "cve":
            yield fields.reference("cve", value if value.upper().startswith("CVE-") else f"CVE-{value}")
        elif system in _SYSTEMS and value:
            yield fields.reference(system, url=value if "://" in value else _SYSTEMS[system] + value)
        else:
            yield fields.reference(system, value)


def _metadata(rule: Rule, text: str) -> None:
    """Take the pairs of `metadata: key value, key value`, as the public rule sets write them."""
    for pair in _unquoted(text).split(","):
        key, _, value = pair.strip().partition(" ")
        key, value = key.lower(), value.strip()
        if key in {"created_at", "updated_at"}:
            date = value.replace("_", "-")
            rule.created, rule.modified = (date, rule.modified) if key == "created_at" else (rule.created, date)
        elif key == "mitre_technique_id":
            rule.techniques.append(value)
        elif key == "mitre_tactic_name":
            rule.tactics.append(value)
        elif key == "confidence" and value.lower() in _CONFIDENCE:
            rule.confidence = _CONFIDENCE[value.lower()]
        elif key in {"tlp", "sharing"}:
            rule.markings.append(value)
        if key and key not in _METADATA_LABELS_SKIPPED:
            rule.labels.append(f"{key}:{value}" if value else key)
