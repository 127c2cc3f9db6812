"""The one reading of XML: bytes to a small immutable tree, over expat with everything dangerous refused.

Rules: no document type, so no entity but the five of XML and no attribute default; nothing external, ever. Size,
depth, number of elements, attributes and length of a text are limited before memory is spent on them. UTF-8, UTF-16
with its mark, US-ASCII, ISO 8859-1 and Windows-1252 are read, and the parser never sees another. Any bytes give a
tree, `Malformed` or `TooLarge`.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple
from xml.parsers import expat

from comity.errors import Malformed, TooLarge

XML_BYTES_MAX: Final = 16_777_216  # bytes of a document: the longest incident reports met have 3 MB
XML_DEPTH_MAX: Final = 64  # nested elements; IODEF reaches 14, OpenIOC as deep as its logic
XML_ELEMENTS_MAX: Final = 250_000  # elements of a document: about 200 MB as a tree
XML_ATTRIBUTES_MAX: Final = 64  # attributes of an element; IODEF has at most 12
XML_RUN_BYTES_MAX: Final = 1_048_576  # bytes from one < to the next: a tag is held whole before it can be counted
XML_NAME_CHARS_MAX: Final = 1_024  # characters of a name with its namespace

_ENCODINGS: Final = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "iso-8859-1",
    "latin1": "iso-8859-1",
    "windows-1252": "cp1252",
}
_DECLARED: Final = re.compile(rb"<\?xml[^>]{0,200}?\bencoding\s{0,8}=\s{0,8}[\"']([A-Za-z0-9._-]{1,40})[\"']")
_RUN: Final = re.compile(rb"<[^<]{%d}" % XML_RUN_BYTES_MAX)
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Element(NamedTuple):
    """An element. Its texts stand together, wherever between the children they were."""

    space: str  # its namespace, or empty
    name: str  # without prefix
    attributes: Mapping[str, str]  # by name; one in a namespace as `{namespace}name`
    children: tuple[Element, ...]
    text: str  # directly inside, without what surrounds it
    line: int  # of its start tag, from 1

    def get(self, name: str, default: str = "") -> str:
        """Return an attribute, without the spaces around it."""
        return self.attributes.get(name, default).strip()

    def all(self, name: str) -> tuple[Element, ...]:
        """Return the children of this name, in any namespace."""
        return tuple(child for child in self.children if child.name == name)

    def first(self, name: str) -> Element | None:
        """Return the first child of this name."""
        return next((child for child in self.children if child.name == name), None)

    def said(self, name: str) -> str:
        """Return the text of the first child of this name; empty where there is none."""
        child = self.first(name)
        return child.text if child is not None else ""

    def walk(self) -> Iterator[Element]:
        """Yield the element and all below it, in document order."""
        pending = [self]
        while pending:
            element = pending.pop()
            yield element
            pending.extend(reversed(element.children))

    @property
    def where(self) -> str:
        """Return its place for a report."""
        return f"line {self.line}: {self.name[:64]}"


def parse(data: bytes) -> Element:
    """Return the root of a document. Raises `Malformed` and `TooLarge`."""
    if len(data) > XML_BYTES_MAX:
        raise TooLarge(f"{len(data)} bytes of XML; {XML_BYTES_MAX} are read (XML_BYTES_MAX)")
    data = _utf8(data)
    if _RUN.search(data):
        raise TooLarge(f"more than {XML_RUN_BYTES_MAX} bytes without a new tag (XML_RUN_BYTES_MAX)")
    builder = _Builder()
    try:
        builder.parser.Parse(data, True)
    except expat.ExpatError as error:
        raise Malformed(f"not XML: {error}") from error
    if builder.root is None:
        raise Malformed("not XML: no element")
    return builder.root


def _utf8(data: bytes) -> bytes:
    """Return a document in UTF-8, which is what the parser is told that it gets."""
    if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        encoding = "utf-16"
    elif data.startswith(BOM_UTF8):
        encoding, data = "utf-8", data[len(BOM_UTF8) :]
    else:
        declared = _DECLARED.match(data)
        named = declared[1].decode("ascii").lower() if declared else "utf-8"
        encoding = _ENCODINGS.get(named, "")
        if not encoding:
            raise Malformed(f"XML in {named}: only {', '.join(_ENCODINGS)} and UTF-16 with its mark are read")
    try:
        plain = data.decode(encoding).encode()
    except UnicodeError as error:
        raise Malformed(f"XML that is not in {encoding} as it says: {error}") from error
    if b"\0" in plain:  # no character of XML; expat would take it for a sign of UTF-16 even now
        raise Malformed("XML with a NUL byte: it may be UTF-16 without its mark")
    return plain


class _Open:
    """An element whose end tag has not come."""

    __slots__ = ("attributes", "children", "line", "name", "space", "texts")

    def __init__(self, space: str, name: str, attributes: Mapping[str, str], line: int) -> None:
        self.space, self.name, self.attributes, self.line = space, name, attributes, line
        self.children: list[Element] = []
        self.texts: list[str] = []


class _Builder:
    """What expat calls, and the tree that comes of it."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[_Open] = []
        self._elements = 0
        self.parser = parser = expat.ParserCreate("utf-8", " ")
        parser.buffer_text = True
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        parser.StartDoctypeDeclHandler = self._doctype
        parser.EntityDeclHandler = self._entity
        parser.ExternalEntityRefHandler = self._entity
        parser.SkippedEntityHandler = self._entity
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text

    def _doctype(self, *_: object) -> None:
        raise Malformed("XML with a document type: none is read")

    def _entity(self, *_: object) -> int:
        raise Malformed("XML with an entity of its own: none is read")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        line = self.parser.CurrentLineNumber
        if self._elements > XML_ELEMENTS_MAX:
            raise TooLarge(f"more than {XML_ELEMENTS_MAX} elements of XML (XML_ELEMENTS_MAX)")
        if len(self._open) >= XML_DEPTH_MAX:
            raise TooLarge(f"line {line}: elements more than {XML_DEPTH_MAX} deep (XML_DEPTH_MAX)")
        if len(attributes) > XML_ATTRIBUTES_MAX:
            raise TooLarge(f"line {line}: more than {XML_ATTRIBUTES_MAX} attributes (XML_ATTRIBUTES_MAX)")
        if len(name) > XML_NAME_CHARS_MAX:
            raise TooLarge(f"line {line}: a name of {len(name)} characters (XML_NAME_CHARS_MAX)")
        space, _, local = name.rpartition(" ")
        kept = MappingProxyType({_braced(key): value for key, value in attributes.items()}) if attributes else _NOTHING
        self._open.append(_Open(space, local, kept, line))

    def _end(self, _: str) -> None:
        done = self._open.pop()
        text = "".join(done.texts).strip()
        element = Element(done.space, done.name, done.attributes, tuple(done.children), text, done.line)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element

    def _text(self, text: str) -> None:
        if text.strip() or self._open[-1].texts:
            self._open[-1].texts.append(text)


def _braced(name: str) -> str:
    space, _, local = name.rpartition(" ")
    return f"{{{space}}}{local}" if space else local
