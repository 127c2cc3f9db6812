"""Catalogues of context: MISP galaxies (ATT&CK and DISARM among them) and taxonomies, and tags in words.

Rules: a catalogue is told by name, id, synonym or UUID, in any case; where several entries answer, all are given,
for the reader to choose. An entry's words are its author's: bounded, printable, and never markup. What of a file cannot
be read becomes a loss and stops nothing behind it. Entries are decoded when asked for: a catalogue keeps its bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from comity.errors import Malformed, TooLarge
from comity.formats.convert import Losses, Outcome, loss
from comity.limits import (
    CATALOGUE_BYTES_MAX,
    CATALOGUE_DESCRIPTION_CHARS_MAX,
    CATALOGUE_NAME_CHARS_MAX,
    CATALOGUE_NAMES_MAX,
)

GALAXY: Final = "misp-galaxy"  # the namespace of tags that name a galaxy's entry
_TAG: Final = re.compile(r'([^\s:="]{1,100}):([^="]{1,200})(?:="(.{1,500})")?')
_ID: Final = re.compile(r"(?:^| - |\()([A-Z]{1,6}[0-9]{3,6}(?:\.[0-9]{2,4})*)(?:$|\)| - )")  # `PowerShell - T1059.001`


class Related(NamedTuple):
    """A relation of an entry to another, which may stand in another catalogue."""

    uuid: str
    kind: str  # e.g. `subtechnique-of`, `revoked-by`


class Entry(NamedTuple):
    """One entry of a catalogue."""

    catalogue: str  # its galaxy's type
    uuid: str
    name: str
    ids: tuple[str, ...]  # of the framework, e.g. `T1059.001`
    synonyms: tuple[str, ...]
    description: str  # cut to CATALOGUE_DESCRIPTION_CHARS_MAX characters
    refs: tuple[str, ...]
    phases: tuple[str, ...]  # of kill chains, as MISP writes them, e.g. `attack-Windows:execution`
    related: tuple[Related, ...]
    revoked: bool
    deprecated: bool

    @property
    def tag(self) -> str:
        """Return the tag that MISP names this entry with."""
        return f'{GALAXY}:{self.catalogue}="{self.name}"'


class _Cluster(msgspec.Struct):
    type: str
    values: list[msgspec.Raw]
    name: str = ""
    description: str = ""
    version: Any = 0
    category: str = ""


class Catalogue:
    """One galaxy's entries, found by any of their names."""

    def __init__(self, data: bytes, where: str = "file") -> None:
        """Read a cluster file of a galaxy; `losses` says what of it is no entry. Raises `Malformed`, `TooLarge`."""
        if len(data) > CATALOGUE_BYTES_MAX:
            raise TooLarge(f"{where}: a catalogue is longer than {CATALOGUE_BYTES_MAX} bytes")
        read = _decode(data, _Cluster, f"{where}: no galaxy's clusters")
        self.type = _line(read.type)
        self.name = _line(read.name) or self.type
        self.version = _line(str(read.version))
        self.description = _line(read.description)
        self.losses = Losses()
        self._values: list[msgspec.Raw] = []
        self._places: dict[str, list[int]] = {}  # a folded name -> places in `_values`
        for number, raw in enumerate(read.values):
            tree = _tree(raw)
            if not _text(tree.get("value")).strip():
                words = "no entry: no object with a text `value`"
                self.losses.add(loss(f"{where}[{number}]", Outcome.REFUSED, "catalogue-entry", words))
                continue
            for name in {_fold(each) for each in (*_called(tree), _text(tree.get("uuid"))) if each}:
                self._places.setdefault(name, []).append(len(self._values))
            self._values.append(raw)

    def find(self, text: str) -> tuple[Entry, ...]:
        """Return the entries with this id, name, synonym or UUID, those whose name or id it is first.

        At most CATALOGUE_NAMES_MAX: no published name has more than ten.
        """
        folded = _fold(text)
        found = [self._entry(at) for at in self._places.get(folded, ())[:CATALOGUE_NAMES_MAX]]
        return tuple(
            sorted(found, key=lambda one: folded not in {_fold(one.name), _fold(one.uuid), *map(_fold, one.ids)})
        )

    def all(self) -> Iterable[Entry]:
        """Yield every entry in the order of the file."""
        return map(self._entry, range(len(self._values)))

    def __len__(self) -> int:
        """Return how many entries there are."""
        return len(self._values)

    def _entry(self, at: int) -> Entry:
        tree = _tree(self._values[at])
        meta = _mapping(tree.get("meta"))
        return Entry(
            catalogue=self.type,
            uuid=_line(_text(tree.get("uuid"))),
            name=_line(tree["value"]),
            ids=tuple(map(_line, _ids(tree))),
            synonyms=tuple(_line(each) for each in _texts(meta.get("synonyms"))),
            description=_words(_text(tree.get("description"))),
            refs=tuple(_line(each) for each in _texts(meta.get("refs"))),
            phases=tuple(_line(each) for each in _texts(meta.get("kill_chain"))),
            related=tuple(_related(tree.get("related"))),
            revoked=tree.get("revoked") is True or meta.get("revoked") in (True, "true"),
            deprecated=meta.get("deprecated") in (True, "true") or meta.get("status") == "deprecated",
        )


class Meaning(NamedTuple):
    """What a tag says, in words; `entries` where it names entries of a galaxy."""

    tag: str
    words: str
    description: str
    number: int | None  # where its taxonomy gives the value a number, 0 to 100
    entries: tuple[Entry, ...] = ()
    why_not: str = ""  # why it cannot be told

    @property
    def known(self) -> bool:
        """Say whether a catalogue knows the tag."""
        return bool(self.words)


class _Word(msgspec.Struct):
    value: str
    expanded: str = ""
    description: str = ""
    numerical_value: int | float | None = None


class _Values(msgspec.Struct):
    predicate: str
    entry: list[_Word] = []


class _Taxonomy(msgspec.Struct):
    namespace: str
    predicates: list[_Word]
    description: str = ""
    version: Any = 0
    values: list[_Values] = []


class Taxonomy:
    """One taxonomy of machine tags: `namespace:predicate`, or `namespace:predicate="value"`."""

    def __init__(self, data: bytes, where: str = "file") -> None:
        """Read a `machinetag.json`. Raises `Malformed`, `TooLarge`."""
        if len(data) > CATALOGUE_BYTES_MAX:
            raise TooLarge(f"{where}: a taxonomy is longer than {CATALOGUE_BYTES_MAX} bytes")
        read = _decode(data, _Taxonomy, f"{where}: no taxonomy")
        self.namespace = _line(read.namespace)
        self.description = _line(read.description)
        self.version = _line(str(read.version))
        self._predicates = {_fold(each.value): each for each in read.predicates}
        self._values = {(_fold(each.predicate), _fold(word.value)): word for each in read.values for word in each.entry}

    def tags(self) -> tuple[str, ...]:
        """Return every tag of the taxonomy."""
        valued = {predicate for predicate, _ in self._values}
        plain = [f"{self.namespace}:{word.value}" for name, word in self._predicates.items() if name not in valued]
        return (
            *plain,
            *(f'{self.namespace}:{self._spelt(name)}="{word.value}"' for (name, _), word in self._values.items()),
        )

    def _spelt(self, predicate: str) -> str:
        word = self._predicates.get(predicate)
        return word.value if word else predicate

    def explain(self, tag: str) -> Meaning:
        """Return what a tag of this namespace says; empty words where the taxonomy does not know it."""
        nothing = Meaning(_line(tag), "", "", None)
        parts = split_tag(tag)
        if parts is None or _fold(parts[0]) != _fold(self.namespace):
            return nothing
        predicate = self._predicates.get(_fold(parts[1]))
        if predicate is None:
            return nothing
        said = _line(predicate.expanded or predicate.value)
        if not parts[2]:
            return Meaning(_line(tag), said, _words(predicate.description), _number(predicate))
        word = self._values.get((_fold(parts[1]), _fold(parts[2])))
        if word is None:
            return nothing
        words = f"{said}: {_line(word.expanded or word.value)}"
        return Meaning(_line(tag), words, _words(word.description), _number(word))


def explain_galaxy(tag: str, catalogue: Catalogue) -> Meaning:
    """Return what `misp-galaxy:<type>="<name>"` says; empty words where the catalogue has no such entry."""
    parts = split_tag(tag)
    if parts is None or _fold(parts[0]) != GALAXY or _fold(parts[1]) != _fold(catalogue.type):
        return Meaning(_line(tag), "", "", None)
    entries = catalogue.find(parts[2])
    if not entries:
        return Meaning(_line(tag), "", "", None)
    state = "".join(f" ({word})" for word in ("revoked", "deprecated") if getattr(entries[0], word))
    words = f"{catalogue.name}: {' or '.join(one.name for one in entries[:8])}{state if len(entries) == 1 else ''}"
    return Meaning(_line(tag), words, entries[0].description if len(entries) == 1 else "", None, entries)


def split_tag(tag: str) -> tuple[str, str, str] | None:
    """Return namespace, predicate and value (or empty) of a machine tag; None where it is none."""
    found = _TAG.fullmatch(tag.strip())
    return (found[1], found[2].strip(), (found[3] or "").strip()) if found else None


def _decode(data: bytes | msgspec.Raw, kind: type[Any], what: str) -> Any:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Malformed(f"{what}: {error}") from error


def _tree(data: msgspec.Raw) -> Mapping[str, Any]:
    """Return a JSON object; an empty one for anything else."""
    try:
        return _mapping(msgspec.json.decode(data))
    except (msgspec.DecodeError, ValueError, RecursionError):
        return {}


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> list[str]:
    """Return the texts of a value that may be one text or a list of them; at most CATALOGUE_NAMES_MAX."""
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str) and each.strip()][:CATALOGUE_NAMES_MAX]


def _ids(tree: Mapping[str, Any]) -> list[str]:
    found = _ID.search(tree["value"])
    given = _texts(_mapping(tree.get("meta")).get("external_id"))
    return list(dict.fromkeys([*given, *([found[1]] if found else [])]))


def _called(tree: Mapping[str, Any]) -> list[str]:
    """Return everything that an entry is called: its name, that without an id, ids and synonyms."""
    bare = _ID.sub("", tree["value"]).strip()
    return [tree["value"], bare, *_ids(tree), *_texts(_mapping(tree.get("meta")).get("synonyms"))]


def _related(value: object) -> Iterable[Related]:
    for each in value[:CATALOGUE_NAMES_MAX] if isinstance(value, list) else ():
        tree = _mapping(each)
        if _text(tree.get("dest-uuid")):
            yield Related(_line(tree["dest-uuid"]), _line(_text(tree.get("type"))))


def _number(word: _Word) -> int | None:
    number = word.numerical_value
    return None if number is None or not 0 <= number <= 100 else round(number)


def _line(text: str) -> str:
    """Return a text as one bounded line without control or direction characters."""
    return _printable(" ".join(text.split()), CATALOGUE_NAME_CHARS_MAX)


def _words(text: str) -> str:
    """Return a text of several lines, bounded, without control or direction characters."""
    lines = (_printable(line, CATALOGUE_DESCRIPTION_CHARS_MAX) for line in text.splitlines())
    whole = "\n".join(lines).strip()
    limit = CATALOGUE_DESCRIPTION_CHARS_MAX
    return whole if len(whole) <= limit else whole[: limit - 1] + "…"


def _printable(text: str, limit: int) -> str:
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return text if text.isprintable() else "".join(char if char.isprintable() else "\ufffd" for char in text)
