"""Catalogues on this machine: galaxies and taxonomies, found, read when asked for, and asked by name or by tag.

Rules: the node's own folders `galaxies` and `taxonomies` come first, then the packages `pymispgalaxies` and
`pytaxonomies`. No more than `KEPT_BYTES` of files stay in memory. That a catalogue is not here is said, and is
something else than a name that it does not have.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from comity.errors import Malformed, TooLarge
from comity.formats.catalogues import GALAXY, Catalogue, Entry, Meaning, Taxonomy, explain_galaxy, split_tag
from comity.formats.convert import Loss, Losses, Outcome, loss
from comity.limits import CATALOGUE_BYTES_MAX
from comity.node import reference
from comity.node.reference import File

GALAXIES: Final = ("galaxies", "pymispgalaxies", ("data", "misp-galaxy", "clusters"), ("*.json",))
TAXONOMIES: Final = (
    "taxonomies", "pytaxonomies", ("data", "misp-taxonomies"), ("*.json", "*/machinetag.json"),
)  # fmt: skip
KEPT_BYTES: Final = 16_777_216  # bytes of files whose catalogues stay in memory: ATT&CK, DISARM and actors are 6 MB
FILES_MAX: Final = 1_024  # files of one folder; 181 taxonomies and 107 galaxies are published


class _Head(msgspec.Struct):
    type: str = ""
    namespace: str = ""


class Answer(NamedTuple):
    """The entries that a name finds, of how many catalogues, and why none could be asked."""

    entries: tuple[Entry, ...]
    catalogues: int
    why_not: str = ""


class Catalogues:
    """The galaxies and taxonomies of this machine."""

    def __init__(self, home: Path | None) -> None:
        """Remember the node's directory, if it has one; read nothing."""
        self._home = home
        self._kept: dict[File, Catalogue | Taxonomy] = {}
        self._names: dict[File, str] = {}  # what a file's catalogue is called
        self.losses = Losses()

    def _files(self, what: tuple[str, str, tuple[str, ...], tuple[str, ...]]) -> list[File]:
        folder, package, inside, patterns = what
        own = self._home / folder if self._home is not None else None
        found: list[File] = []
        for each in (own, reference.installed(package, *inside)):
            found += reference.files(each, patterns, FILES_MAX)
        return found

    def _data(self, file: File) -> bytes:
        """Return a file's bytes; nothing, and a loss, where it cannot be used."""
        data = reference.read(file, CATALOGUE_BYTES_MAX)
        if isinstance(data, Loss):
            self._lose(data)
            return b""
        return data

    def _lose(self, found: Loss) -> None:
        """Note a loss once, however often the file is looked at."""
        if found not in self.losses.shown:
            self.losses.add(found)

    def _name(self, file: File) -> str:
        """Return the galaxy's type or the taxonomy's namespace; empty where the file is neither."""
        if file not in self._names:
            try:
                head = msgspec.json.decode(self._data(file) or b"{}", type=_Head)
            except (msgspec.DecodeError, ValueError, RecursionError):
                head = _Head()
            self._names[file] = (head.namespace or head.type).casefold()
        return self._names[file]

    def _find(self, found: list[File], name: str) -> File | None:
        """Return the file of a catalogue, the likeliest by its own name first."""
        likely = sorted(found, key=lambda file: file.name.casefold() != name.casefold())
        own = [file for file in likely if self._home is not None and file.path.is_relative_to(self._home)]
        return next((file for file in own + likely if self._name(file) == name.casefold()), None)

    def _load(self, file: File, kind: type[Catalogue | Taxonomy]) -> Catalogue | Taxonomy | None:
        kept = self._kept.pop(file, None)
        if kept is None:
            data = self._data(file)
            if not data:
                return None
            try:
                kept = kind(data, file.name)
            except (Malformed, TooLarge) as error:
                self._lose(loss(file.name, Outcome.REFUSED, error.code, str(error)))
                return None
            room = KEPT_BYTES - file.size
            while self._kept and sum(each.size for each in self._kept) > room:
                del self._kept[next(iter(self._kept))]  # the longest unused
        self._kept[file] = kept
        return kept

    def galaxy(self, type_: str) -> Catalogue | None:
        """Return a galaxy's catalogue by its type, e.g. `mitre-attack-pattern`; None where it is not here."""
        file = self._find(self._files(GALAXIES), type_)
        found = self._load(file, Catalogue) if file is not None else None
        return found if isinstance(found, Catalogue) else None

    def taxonomy(self, namespace: str) -> Taxonomy | None:
        """Return a taxonomy by its namespace, e.g. `tlp`; None where it is not here."""
        file = self._find(self._files(TAXONOMIES), namespace)
        found = self._load(file, Taxonomy) if file is not None else None
        return found if isinstance(found, Taxonomy) else None

    def find(self, text: str) -> Answer:
        """Return the entries of all galaxies that are called so: by id, name, synonym or UUID, every one of them.

        A file is read through only where the longest word of the text stands in it, in any case; a text with other
        letters than ASCII, which a file may spell in several ways, is looked for in every file.
        """
        found = self._files(GALAXIES)
        if not found:
            return Answer((), 0, "no galaxies are here: install the package pymispgalaxies")
        word = max(text.split(), key=len, default="").lower()
        plain = word.isascii() and word.replace("-", "").replace(".", "").isalnum()
        entries: list[Entry] = []
        seen: set[str] = set()
        for file in found:
            data = self._data(file) if word and file not in self._kept else b""
            if data and plain and word.encode() not in data.lower():
                continue
            catalogue = self._load(file, Catalogue) if word else None
            if isinstance(catalogue, Catalogue) and catalogue.type not in seen:
                seen.add(catalogue.type)
                entries += catalogue.find(text)
        return Answer(tuple(entries), len(found))

    def explain(self, tag: str) -> Meaning:
        """Return what a tag says in words, of a galaxy or a taxonomy; `why_not` where it cannot be told."""
        parts = split_tag(tag)
        if parts is None:
            return Meaning(tag[:200], "", "", None, why_not="not a machine tag: namespace:predicate, or with a value")
        if parts[0].casefold() == GALAXY:
            catalogue = self.galaxy(parts[1])
            if catalogue is None:
                return Meaning(tag[:200], "", "", None, why_not=f"the galaxy {parts[1]} is not here")
            said = explain_galaxy(tag, catalogue)
            return said if said.known else said._replace(why_not=f"the galaxy {parts[1]} has no such entry")
        taxonomy = self.taxonomy(parts[0])
        if taxonomy is None:
            return Meaning(tag[:200], "", "", None, why_not=f"the taxonomy {parts[0]} is not here")
        said = taxonomy.explain(tag)
        return said if said.known else said._replace(why_not=f"the taxonomy {parts[0]} has no such tag")

    def forget(self) -> None:
        """Give the memory back; the next question reads files again."""
        self._kept.clear()
        self._names.clear()
        self.losses = Losses()
