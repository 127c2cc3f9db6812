"""What people read of one report: its text, what to look for, what it speaks of. Pages, feeds and advisories show it.

Rules: everything here comes from objects that others wrote: any field may be missing or of another type, and is then as
if it were not there. Values are shown in a form that nobody clicks. Nothing here is markup yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from comity.canon import Instant
from comity.errors import Malformed
from comity.formats import defang, fields
from comity.formats.stix import observe
from comity.formats.stix.personal import ACCOUNT
from comity.limits import REPORT_TEXT_CHARS_MAX, REPORT_VALUES_MAX
from comity.vocab import Tlp

Tree = Mapping[str, Any]
CVE: Final = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}")
URL: Final = re.compile(r"https?://[\w.-]+(?::[0-9]{1,5})?(?:[/?#][!-~]*)?", re.ASCII)
TECHNIQUE: Final = re.compile(r"T[0-9]{4}(?:\.[0-9]{3})?")
_WHO: Final = frozenset({"threat-actor", "intrusion-set", "campaign", "malware", "tool", "infrastructure"})
_MICROS: Final = 1_000_000


class Value(NamedTuple):
    """One value to look for."""

    kind: str
    value: str  # as it is; `shown` for people
    name: str
    until: str  # a date, or nothing

    @property
    def shown(self) -> str:
        """Return it in a form that nobody clicks."""
        return defang.defang(self.kind, self.value)


class Named(NamedTuple):
    """Something that a report speaks of."""

    kind: str  # of STIX
    name: str
    text: str
    ident: str = ""  # a CVE, a technique of ATT&CK or DISARM: what others know it by
    links: tuple[tuple[str, str], ...] = ()  # (what, address)
    disarm: bool = False  # the technique is DISARM's, whose numbers look like those of ATT&CK


class Account(NamedTuple):
    """One report as people read it."""

    ident: str  # STIX id
    kind: str
    title: str
    text: str
    label: Tlp
    source: str
    published: Instant
    updated: Instant
    version: int
    values: tuple[Value, ...]
    left: int  # values beyond REPORT_VALUES_MAX
    vulnerabilities: tuple[Named, ...]
    techniques: tuple[Named, ...]
    who: tuple[Named, ...]
    notes: tuple[str, ...]
    links: tuple[tuple[str, str], ...]  # (what, address)
    words: tuple[str, ...]  # its types and labels
    sealed: int = 0  # accounts of persons that it names

    def says_sealed(self) -> str:
        """Return what is said of accounts that a report names: who reads it is to know that they are not here."""
        number = "an account of a person" if self.sealed == 1 else f"{self.sealed} accounts of persons"
        return f"It names {number}, sealed where it came in: nobody is given that." if self.sealed else ""


def account(
    tree: Tree, named: Sequence[Tree], *, label: Tlp, source: str, recorded: Instant, version: int = 1
) -> Account:
    """Return what people read of a report, vulnerability or other object, with what is named with it."""
    parts = [tree, *named] if tree.get("type") != "report" else list(named)
    values = list(_values(parts))
    published = _moment(tree, "published") or _moment(tree, "created") or recorded
    return Account(
        ident=_text(tree, "id"),
        kind=_text(tree, "type"),
        title=_text(tree, "name") or _text(tree, "abstract") or _text(tree, "id"),
        text=_text(tree, "description")[:REPORT_TEXT_CHARS_MAX],
        label=label,
        source=source,
        published=min(published, _moment(tree, "modified") or published),
        updated=_moment(tree, "modified") or published,
        version=version,
        values=tuple(values[:REPORT_VALUES_MAX]),
        left=max(len(values) - REPORT_VALUES_MAX, 0),
        vulnerabilities=tuple(named_as(each) for each in parts if each.get("type") == "vulnerability"),
        techniques=tuple(named_as(each) for each in parts if each.get("type") == "attack-pattern"),
        who=tuple(named_as(each) for each in parts if _text(each, "type") in _WHO),
        notes=tuple(filter(None, (_note(each) for each in parts))),
        links=tuple(_links(tree)),
        words=tuple(dict.fromkeys([*_words(tree, "report_types"), *_words(tree, "labels")])),
        sealed=sum(1 for ref in set(_words(tree, "object_refs")) if ref.startswith(f"{ACCOUNT}--")),
    )


def _values(parts: Iterable[Tree]) -> Iterator[Value]:
    """Yield the values that indicators say alone, each once."""
    seen: set[tuple[str, str]] = set()
    for tree in parts:
        if tree.get("type") != "indicator":
            continue
        try:
            found, _ = observe.of_object(dict(tree))
        except (Malformed, KeyError, TypeError):
            continue
        for one in found:
            if (one.kind, one.value) not in seen:
                seen.add((one.kind, one.value))
                yield Value(one.kind, one.value, _text(tree, "name"), _text(tree, "valid_until")[:10])


def named_as(tree: Tree) -> Named:
    """Return something that a report speaks of, by the name that others know it by where its references say so."""
    links = tuple(_links(tree))
    name = _text(tree, "name")
    pattern = CVE if tree.get("type") == "vulnerability" else TECHNIQUE
    external = tree.get("external_references")
    held = external if isinstance(external, list) else []
    known = [_text(each, "external_id") for each in held if isinstance(each, dict)] + [name]
    ident = next((each for each in known if pattern.fullmatch(each)), "")
    of_disarm = any(_text(each, "source_name").casefold() == "disarm" for each in held if isinstance(each, dict))
    of_disarm = of_disarm or any(label.startswith("misp-galaxy:disarm-") for label in _words(tree, "labels"))
    return Named(_text(tree, "type"), name or _text(tree, "id"), _text(tree, "description"), ident, links, of_disarm)


def _note(tree: Tree) -> str:
    if tree.get("type") == "note":
        return "\n\n".join(part for part in (_text(tree, "abstract"), _text(tree, "content")) if part)
    if tree.get("type") == "opinion":
        told = _text(tree, "explanation")
        return f"{_text(tree, 'opinion')}: {told}" if told else _text(tree, "opinion")
    return ""


def _links(tree: Tree) -> Iterator[tuple[str, str]]:
    """Yield what an object refers to outside: web addresses only, and nothing else of a reference."""
    found = tree.get("external_references")
    for each in found if isinstance(found, list) else ():
        address = _text(each, "url") if isinstance(each, dict) else ""
        if URL.fullmatch(address):
            yield _text(each, "source_name") or _text(each, "description") or "reference", address


def _words(tree: Tree, name: str) -> list[str]:
    found = tree.get(name)
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def _text(tree: Tree, name: str) -> str:
    found = tree.get(name)
    return found.strip() if isinstance(found, str) else ""


def _moment(tree: Tree, name: str) -> Instant:
    found = fields.moment(_text(tree, name))
    return found // _MICROS if found is not None else 0
