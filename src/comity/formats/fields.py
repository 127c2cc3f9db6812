"""Fields that foreign documents share: dates, words, references, TLP labels, and the STIX objects made of them.

Rules: every function answers for any text and raises nothing for what it holds. Words are bounded and hold no
control or bidirectional character that could break a line or turn it round; whoever cuts one says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid5

from comity.canon import encode as canonical
from comity.formats.convert import Context, Loss, Made, Outcome, encode, ident, loss, object_
from comity.limits import STATEMENT_BYTES_MAX
from comity.vocab import Tlp

NAME_CHARS_MAX: Final = 256  # characters of a name: what is shown of it in a list
PROSE_CHARS_MAX: Final = 16_384  # characters of a description: some eight printed pages
LABEL_CHARS_MAX: Final = 128  # characters of a label
LABELS_MAX: Final = 64  # labels of one object: a rule with more tags only repeats itself
REFERENCES_MAX: Final = 128  # external references of one object
REFERENCE_CHARS_MAX: Final = 2_048  # characters of a reference's address or id
DESCRIPTION_CHARS_MAX: Final = 512  # characters of a reference's description
OBJECT_BYTES_MAX: Final = STATEMENT_BYTES_MAX - 16_384  # bytes of an object: a statement has a header too
MICROSECONDS: Final = 1_000_000
TLP_BLOCKED: Final = Tlp.RED  # what an unknown label becomes: nobody is shown more than its author may have meant

_SCO_NAMESPACE: Final = UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")  # STIX 2.1 §2.9
_MOMENT: Final = re.compile(  # RFC 3339 §5.6 and XML Schema part 2 §3.2.7, the time and the zone left out by many
    r"([0-9]{4})[-/]([0-9]{1,2})[-/]([0-9]{1,2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?([Zz]|[+-][0-9]{2}:[0-9]{2})?)?"
)
_YEARS: Final = range(1970, 9_999)
_CVE: Final = re.compile(r"CVE-[0-9]{4}-(?:0[0-9]{3}|[1-9][0-9]{3,18})")
_CAPEC: Final = re.compile(r"CAPEC-[0-9]{1,9}")
_UUID: Final = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_TECHNIQUE: Final = re.compile(r"T[0-9]{4}(?:\.[0-9]{3})?")
_TLP: Final = {
    "clear": Tlp.CLEAR,
    "white": Tlp.CLEAR,  # TLP 1.0; FIRST: WHITE is CLEAR in TLP 2.0
    "green": Tlp.GREEN,
    "amber": Tlp.AMBER,
    "amber+strict": Tlp.AMBER_STRICT,
    "amber-strict": Tlp.AMBER_STRICT,
    "amber_strict": Tlp.AMBER_STRICT,
    "red": Tlp.RED,
}


def moment(text: str) -> int | None:
    """Return a date, with or without a time, as microseconds since the epoch; None for anything else.

    A time without a zone is read as UTC. Years from 1970 are read; a leap second is the second before it.
    """
    found = _MOMENT.fullmatch(text.strip()) if len(text) <= 64 else None
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    zone = found[8] or "Z"
    shift = 0 if zone in "Zz" else int(f"{zone[0]}1") * (int(zone[1:3]) * 60 + int(zone[4:6]))
    if year not in _YEARS or abs(shift) > 14 * 60:
        return None
    try:
        when = datetime(year, month, day, hour, minute, min(second, 59) if second == 60 else second, tzinfo=UTC)
    except ValueError:
        return None
    since = (int(when.timestamp()) - shift * 60) * MICROSECONDS
    return max(since + int((found[7] or "0").ljust(6, "0")[:6]), 0)


def line(text: str, limit: int = NAME_CHARS_MAX) -> str:
    """Return a text as one line of at most `limit` printable characters."""
    text = " ".join(text[: limit * 4].split())
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return text if text.isprintable() else "".join(char if char.isprintable() else "\ufffd" for char in text)


def prose(text: str, limit: int = PROSE_CHARS_MAX) -> str:
    """Return a text of several lines, cut to `limit` characters, all of them printable, tabs or ends of lines."""
    text = text.strip().replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text)


def told(text: str, where: str, losses: list[Loss], limit: int = PROSE_CHARS_MAX) -> str:
    """Return a text as `prose` does; a loss is added where it was cut."""
    if len(text.strip()) > limit:
        losses.append(loss(where, Outcome.CHANGED, "text-cut", f"{len(text)} characters; the first {limit} are kept"))
    return prose(text, limit)


def labels(found: Iterable[str]) -> list[str]:
    """Return distinct labels, each one line, at most LABELS_MAX."""
    return list(dict.fromkeys(label for text in found if (label := line(text, LABEL_CHARS_MAX))))[:LABELS_MAX]


def uuid_of(text: str) -> str:
    """Return a UUID as STIX writes it (RFC 4122 §4.1.3: versions 1 to 5); empty for anything else."""
    low = text.strip().strip("{}").lower()
    return low if _UUID.fullmatch(low) else ""


def tlp_of(text: str) -> Tlp | None:
    """Return the TLP level that a label names, of version 1 or 2, with or without `TLP:`; None for an unknown one."""
    word = "".join(text[:40].lower().split())
    return _TLP.get(word.removeprefix("tlp").lstrip(":.-_"))


def marking(words: Iterable[str], where: str, losses: list[Loss]) -> Tlp | None:
    """Return the strictest level that labels name; a loss is added for each unknown one, which counts as RED."""
    levels = []
    for word in words:
        level = tlp_of(word)
        if level is None:
            losses.append(
                loss(where, Outcome.CHANGED, "tlp", f"{word!r} is no TLP label: taken as {TLP_BLOCKED.label}")
            )
        levels.append(level or TLP_BLOCKED)
    return max(levels, key=lambda level: level.rank) if levels else None


def reference(source: str, external_id: str = "", url: str = "", description: str = "") -> dict[str, str]:
    """Return an external reference (STIX 2.1 §2.5); an id of CVE or CAPEC stands under its own source's name."""
    external_id, url = line(external_id, REFERENCE_CHARS_MAX), line(url, REFERENCE_CHARS_MAX)
    source = line(source) or "reference"
    upper = external_id.upper()
    for name, form in (("cve", _CVE), ("capec", _CAPEC)):
        if form.fullmatch(upper):
            source, external_id = name, upper
        elif source == name:
            source = f"{name} (as written)"
    description = line(description, DESCRIPTION_CHARS_MAX)
    made = {"source_name": source, "external_id": external_id, "url": url, "description": description}
    if not (external_id or url or description):
        made["description"] = source
    return {name: value for name, value in made.items() if value}


def references(found: Iterable[dict[str, str]], where: str, losses: list[Loss]) -> list[dict[str, str]]:
    """Return distinct references, at most REFERENCES_MAX; a loss is added where they are more."""
    distinct = list({tuple(each.items()): each for each in found}.values())
    if len(distinct) > REFERENCES_MAX:
        losses.append(
            loss(where, Outcome.CHANGED, "references", f"{len(distinct)} references; {REFERENCES_MAX} are kept")
        )
    return distinct[:REFERENCES_MAX]


def organisation(name: str, context: Context, key: str = "", **properties: Any) -> dict[str, Any]:
    """Return an organisation's identity, dated with the import; `key` tells two of one name apart.

    It bears no marking: that an organisation exists is no secret of a document, and one id has to have one form.
    """
    made = ident("identity", context, "organisation", key, line(name))
    at = context.at * MICROSECONDS
    return object_("identity", made, at, name=line(name), identity_class="organization", **properties)


def technique(name: str, context: Context) -> dict[str, Any] | None:
    """Return the attack pattern that an ATT&CK id such as T1059.001 names, dated with the import; None for others."""
    name = name.upper()
    if not _TECHNIQUE.fullmatch(name):
        return None
    url = f"https://attack.mitre.org/techniques/{name.replace('.', '/')}"
    known = reference("mitre-attack", name, url)
    made = ident("attack-pattern", context, "mitre-attack", name)
    return object_("attack-pattern", made, context.at * MICROSECONDS, name=name, external_references=[known])


def related(
    kind: str, source: str, target: str, context: Context, created: int, modified: int, **properties: Any
) -> dict[str, Any]:
    """Return a relationship whose id follows from its ends; times in microseconds."""
    made = ident("relationship", context, source, kind, target)
    properties |= {"relationship_type": kind, "source_ref": source, "target_ref": target}
    return object_("relationship", made, created, modified, **properties)


def observed(kind: str, *contributing: str, **properties: Any) -> dict[str, Any]:
    """Return a cyber-observable object; its id follows from the named properties (STIX 2.1 §2.9)."""
    content = {name: properties[name] for name in contributing if properties.get(name) not in (None, "", [], {})}
    made = f"{kind}--{uuid5(_SCO_NAMESPACE, canonical(content).decode())}"
    return {"type": kind, "spec_version": "2.1", "id": made, **properties}


def made(tree: dict[str, Any], where: str, *, timeless: bool = False) -> Made | Loss:
    """Return an object with its place; a loss where it has grown beyond what one statement holds."""
    data = encode(tree)
    if len(data) > OBJECT_BYTES_MAX:
        reason = f"{tree['type']}: an object of {len(data)} bytes; {OBJECT_BYTES_MAX} are kept (OBJECT_BYTES_MAX)"
        return loss(where, Outcome.REFUSED, "too-large", reason)
    return Made(data, where, timeless)
