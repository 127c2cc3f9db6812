"""The observables of a STIX object: of an indicator's pattern, or of what a cyber-observable object shows.

Rules: at most `OBSERVABLES_OBJECT_MAX` per object, in the order they stand. The note says in a few words what
kept an object from being found by value; it is one of a closed list, so that a report can count it.
Personal accounts are never indexed (design §5).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from comity.formats import observables
from comity.formats.observables import Observable
from comity.formats.stix import paths, pattern
from comity.limits import OBSERVABLES_OBJECT_MAX

NO_OBSERVABLE: Final = "no observable"
NOT_SIMPLE: Final = "pattern not simple"  # each value is a lead; only the whole pattern is a match
OTHER_PATTERN: Final = "pattern not STIX"  # Sigma, YARA, Snort …: kept, not read
TOO_MANY: Final = "too many observables"

Found = tuple[tuple[Observable, ...], str]

_NOTHING: Final[Found] = ((), "")
_PROPERTIES: Final = {
    "ipv4-addr": ("value",),
    "ipv6-addr": ("value",),
    "domain-name": ("value",),
    "url": ("value",),
    "email-addr": ("value",),
    "mac-addr": ("value",),
    "autonomous-system": ("number",),
    "mutex": ("name",),
    "file": ("name",),
    "directory": ("path",),
    "windows-registry-key": ("key",),
    "process": ("name",),
    "vulnerability": ("name",),
    "cryptocurrency-wallet": ("value",),
    "user-agent": ("value",),
}
_CUSTOM: Final = ("value",)  # of custom objects, whose one value stands there by custom
_HASHED: Final = frozenset({"file", "artifact", "x509-certificate"})


def of_object(tree: dict[str, Any]) -> Found:
    """Return the observables of a checked object and a note. Raises `Malformed` for a pattern that is none."""
    name = tree["type"]
    if name == "indicator":
        return of_pattern(tree["pattern_type"], tree["pattern"])
    if name == "observed-data":
        nested = tree.get("objects")  # deprecated in STIX 2.1 §4.14, still written by many
        return _bounded(found for each in nested.values() for found in _seen(each)) if nested else _NOTHING
    if name in _PROPERTIES or name in _HASHED or name == "network-traffic":
        return _bounded(_seen(tree))
    if name.startswith("x-") and isinstance(tree.get("value"), str):
        return _bounded(_seen(tree))
    return _NOTHING


def of_pattern(language: str, text: str) -> Found:
    """Return the observables of an indicator's pattern and a note. Raises `Malformed` for a pattern that is none."""
    if language != "stix":
        return (), OTHER_PATTERN
    tests = pattern.simple(text)
    if tests is None:
        tests = pattern.flat(text)
        found, note = _bounded(pattern.observables_of(pattern.parse_pattern(text)) if tests is None else _at(tests))
        return found, note or NOT_SIMPLE
    if len(tests) == 1:
        only = paths.observable_at(*tests[0])
        return ((only,), "") if only is not None else ((), NO_OBSERVABLE)
    return _bounded(_at(tests))


def _at(tests: Iterable[pattern.Equality]) -> Iterator[Observable]:
    for test in tests:
        found = paths.observable_at(*test)
        if found is not None:
            yield found


def _bounded(found: Iterable[Observable]) -> Found:
    distinct: dict[Observable, None] = {}
    for observable in found:
        if len(distinct) == OBSERVABLES_OBJECT_MAX and observable not in distinct:
            return tuple(distinct), TOO_MANY
        distinct[observable] = None
    return tuple(distinct), "" if distinct else NO_OBSERVABLE


def _seen(tree: Any) -> Iterator[Observable]:
    """Yield what one cyber-observable object shows; nothing for a nested value that the schema let pass as any."""
    if not isinstance(tree, dict) or not isinstance(tree.get("type"), str):
        return
    name, defanged = tree["type"], tree.get("defanged") is True
    for path, value in _values(name, tree):
        observable = paths.observable_at(name, path, observables.refang(value) if defanged else value)
        if observable is not None:
            yield observable


def _values(name: str, tree: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for path in _PROPERTIES.get(name, _CUSTOM if name.startswith("x-") else ()):
        value = tree.get(path)
        if isinstance(value, str | int):
            yield path, str(value)
    if name in _HASHED:
        hashes = tree.get("hashes")
        if isinstance(hashes, dict):
            yield from ((f"hashes.{algorithm}", value) for algorithm, value in hashes.items() if isinstance(value, str))
    if name == "network-traffic":
        yield from _request_headers(tree.get("extensions"))


def _request_headers(extensions: object) -> Iterator[tuple[str, str]]:
    """Yield the user agents of an HTTP request: a dictionary of text, or of lists of text, by producer."""
    request = extensions.get("http-request-ext") if isinstance(extensions, dict) else None
    headers = request.get("request_header") if isinstance(request, dict) else None
    for header, value in headers.items() if isinstance(headers, dict) else ():
        if header.lower() == "user-agent":
            yield from ((f"request_header.{header}", each) for each in _texts(value))


def _texts(value: object) -> list[str]:
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]
