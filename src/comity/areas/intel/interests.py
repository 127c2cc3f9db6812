"""Interests: what an office asks others for, stated in an accord, and which objects fit one.

Rules: an interest is about infrastructure, tools, techniques and kinds of object; it has no field for a person, an
account or an opinion, and what names one is refused. What is left empty asks for nothing; of what an object must be
about, one is enough. Whether an object fits follows from its own bytes, so that asker and holder see the same.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from comity import canon
from comity.areas.intel.questions import ASKED_KINDS, ASKED_TYPES, STIX_ID, Subject, Why, subject_of
from comity.canon import Instant
from comity.errors import Malformed, TooLarge
from comity.formats import observables
from comity.formats.observables import Observable
from comity.statement import Header
from comity.view import View, ViewKind

INTEREST_MEDIA: Final = "application/vnd.comity.interest+json"
INTEREST_BYTES_MAX: Final = 262_144  # bytes of one interest: a thousand networks, names and values
INTEREST_ENTRIES_MAX: Final = 1_000  # entries of one list: what a person looks after
INTEREST_TEXT_CHARS_MAX: Final = 2_000  # characters of its words: a screen
INTEREST_NAME_CHARS_MAX: Final = 200  # characters of a name, a technique, a sector or a country

Compare = Callable[[Mapping[str, Any], Sequence[Observable]], bool]  # an object's JSON, and the observables in it

INTEREST: Final = View("intel_interest", (("position", ViewKind.INTEGER), ("until", ViewKind.INTEGER)))  # 0: no end


class Interest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an office asks for. Who may read it stands in the header."""

    why: Why
    types: tuple[str, ...] = ()  # STIX object types
    kinds: tuple[str, ...] = ()  # kinds of observable
    networks: tuple[str, ...] = ()  # prefixes: addresses inside are asked for
    domains: tuple[str, ...] = ()  # they, and every name under them
    values: tuple[Subject, ...] = ()
    names: tuple[str, ...] = ()  # of malware, tools, campaigns and groups, by any of their names
    techniques: tuple[str, ...] = ()  # ids in ATT&CK, DISARM and the like
    sectors: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    confidence: int = 0  # at least; what came without one does not fit where it is over 0
    until: Instant = 0  # 0: until it is withdrawn
    text: str = ""

    @property
    def about(self) -> bool:
        """Say whether it asks for something in particular, and not only for types."""
        lists = (self.kinds, self.networks, self.domains, self.values, self.names, self.techniques)
        return any((*lists, self.sectors, self.countries))


def read_interest(header: Header, body: bytes) -> Interest:
    """Read an interest. Raises `Malformed` or `TooLarge`."""
    if len(body) > INTEREST_BYTES_MAX:
        raise TooLarge(f"an interest of {len(body)} bytes is over INTEREST_BYTES_MAX")
    if header.media != INTEREST_MEDIA:
        raise Malformed(f"an interest is {INTEREST_MEDIA}, not {header.media[:80]!r}")
    return _interest(body)


@lru_cache(maxsize=256)
def _interest(body: bytes) -> Interest:
    found = canon.decode(body, Interest, what="an interest")
    if not found.about and not found.types:
        raise Malformed("an interest asks for nothing")
    lists: dict[str, Sequence[object]] = {
        name: value for name in found.__struct_fields__ if isinstance(value := getattr(found, name), tuple)
    }
    for name, value in lists.items():
        if len(value) > INTEREST_ENTRIES_MAX or len(set(value)) != len(value):
            raise Malformed(f"{name}: at most {INTEREST_ENTRIES_MAX} entries, each once")
    _check_words(found)
    checks: tuple[tuple[Sequence[Any], Callable[[Any], bool], str], ...] = (
        (found.types, ASKED_TYPES.__contains__, "type of object that may be asked for"),
        (found.kinds, (ASKED_KINDS - {STIX_ID}).__contains__, "kind of value that may be asked for"),
        (found.values, lambda one: subject_of(one.kind, one.value) == one, "value that may be asked for"),
        (found.networks, lambda one: prefix(one) == one, "network in its normal form, such as 192.0.2.0/24"),
        (found.domains, lambda one: observables.normal("domain", one) == ("domain", one), "domain in its normal form"),
    )
    for given, is_good, what in checks:
        for one in given:
            if not is_good(one):
                raise Malformed(f"{str(one)[:80]!r} is no {what}")
    return found


def _check_words(found: Interest) -> None:
    for word in (*found.names, *found.techniques, *found.sectors, *found.countries):
        if not word.strip() or len(word) > INTEREST_NAME_CHARS_MAX or not word.isprintable():
            raise Malformed(f"{word[:80]!r} is no name of 1 to {INTEREST_NAME_CHARS_MAX} printable characters")
    if len(found.text) > INTEREST_TEXT_CHARS_MAX:
        raise TooLarge(f"words of {len(found.text)} characters are over INTEREST_TEXT_CHARS_MAX")
    if not 0 <= found.confidence <= 100 or found.until < 0:
        raise Malformed("a confidence is 0 to 100, and a time is not before 1970")


def prefix(text: str) -> str:
    """Return a network in its normal form; empty for what is none, or is every address."""
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return ""
    return str(found) if found.prefixlen else ""


def fits(interest: Interest, tree: Mapping[str, Any], seen: Sequence[Observable]) -> bool:
    """Say whether an object fits: `tree` is its JSON, `seen` the observables in it."""
    return comparing([interest])(tree, seen)


def comparing(wanted: Sequence[Interest]) -> Compare:
    """Return what says whether an object fits any of some interests, made ready for very many objects."""
    ready = [(one, _wanted(one)) for one in wanted]
    return lambda tree, seen: any(_fits(one, prepared, tree, seen) for one, prepared in ready)


def _fits(interest: Interest, wanted: _Wanted, tree: Mapping[str, Any], seen: Sequence[Observable]) -> bool:
    if interest.types and tree.get("type") not in interest.types:
        return False
    confidence = tree.get("confidence")
    if interest.confidence and (not isinstance(confidence, int) or confidence < interest.confidence):
        return False
    return not interest.about or _is_about(wanted, tree, seen)


def _is_about(wanted: _Wanted, tree: Mapping[str, Any], seen: Sequence[Observable]) -> bool:
    if any(one.kind in wanted.kinds or (one.kind, one.value) in wanted.values for one in seen):
        return True
    if (STIX_ID, str(tree.get("id"))) in wanted.values:
        return True
    if (wanted.networks or wanted.domains) and any(_is_inside(one, wanted) for one in seen):
        return True
    if wanted.names and not wanted.names.isdisjoint(_names(tree)):
        return True
    if wanted.techniques and not wanted.techniques.isdisjoint(_techniques(tree)):
        return True
    if not (wanted.sectors or wanted.countries):
        return False
    places = _folded([*_texts(tree.get("sectors")), *_texts([tree.get("country")]), *_texts(tree.get("labels"))])
    return not (wanted.sectors | wanted.countries).isdisjoint(places)


class _Wanted(msgspec.Struct, frozen=True):
    """An interest made ready for comparing with very many objects."""

    kinds: frozenset[str]
    values: frozenset[tuple[str, str]]
    networks: Mapping[int, tuple[tuple[int, ...], tuple[int, ...]]]  # version -> first and last addresses, apart
    domains: frozenset[str]
    names: frozenset[str]
    techniques: frozenset[str]
    sectors: frozenset[str]
    countries: frozenset[str]


@lru_cache(maxsize=256)
def _wanted(interest: Interest) -> _Wanted:
    return _Wanted(
        frozenset(interest.kinds),
        frozenset((one.kind, one.value) for one in interest.values),
        _ranges(interest.networks),
        frozenset(interest.domains),
        _folded(interest.names),
        _folded(interest.techniques),
        _folded(interest.sectors),
        _folded(interest.countries),
    )


def _is_inside(one: Observable, wanted: _Wanted) -> bool:
    """Say whether an address, a network, or the host of a name, a URL or a mail address is asked for."""
    if one.kind in {"ipv4", "ipv6"}:
        return _in_networks(one.value, wanted)
    host = _host(one)
    if not host:
        return False
    labels = host.split(".")
    if any(".".join(labels[start:]) in wanted.domains for start in range(len(labels))):
        return True
    return one.kind == "url" and _in_networks(host.strip("[]"), wanted)


def _host(one: Observable) -> str:
    """Return the host that a name, a URL or a mail address is about; empty for other kinds."""
    if one.kind == "domain":
        return one.value
    if one.kind == "email":
        return one.value.rpartition("@")[2]
    try:
        return (urlsplit(one.value).hostname or "") if one.kind == "url" else ""
    except ValueError:
        return ""


def _ranges(networks: Sequence[str]) -> dict[int, tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return networks as runs of addresses, apart and in order: one search then says whether an address is in any."""
    found: dict[int, list[Any]] = {}
    for one in map(ipaddress.ip_network, networks):
        found.setdefault(one.version, []).append(one)
    return {
        version: (tuple(int(one[0]) for one in apart), tuple(int(one[-1]) for one in apart))
        for version, given in found.items()
        if (apart := list(ipaddress.collapse_addresses(given)))
    }


def _in_networks(text: str, wanted: _Wanted) -> bool:
    """Say whether all of an address or a network is asked for."""
    try:
        if "/" in text:
            network = ipaddress.ip_network(text)
            version, first, last = network.version, int(network.network_address), int(network.broadcast_address)
        else:
            address = ipaddress.ip_address(text)
            version, first = address.version, int(address)
            last = first
    except ValueError:
        return False
    firsts, lasts = wanted.networks.get(version, ((), ()))
    at = bisect_right(firsts, first) - 1
    return at >= 0 and last <= lasts[at]


def _names(tree: Mapping[str, Any]) -> frozenset[str]:
    return _folded([*_texts([tree.get("name")]), *_texts(tree.get("aliases")), *_texts(tree.get("malware_types"))])


def _techniques(tree: Mapping[str, Any]) -> frozenset[str]:
    found = tree.get("external_references")
    ids = [one.get("external_id") for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return _folded(_texts(ids))


def _texts(found: object) -> list[str]:
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _folded(words: Sequence[str]) -> frozenset[str]:
    return frozenset(" ".join(word.casefold().split()) for word in words)
