"""Many warning lists compiled, and what they say of an observable.

Rules: at most one warning of each list, by its most specific entry: the longest name or needle, the narrowest network.
A list speaks of the kinds that its `matching_attributes` name and of no other: where one is for domains only, a
URL with such a host is not on it. A prefix is on a list where a listed network holds all of it. Of two
lists with one name the first stands. Entries are told in normal form, which may not be how the list spells them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from comity.errors import Malformed
from comity.formats.convert import Loss, Losses, Outcome, loss
from comity.formats.observables import KINDS, Observable
from comity.formats.stix.report import bounded
from comity.formats.warninglists import reading
from comity.formats.warninglists.expressions import expression
from comity.formats.warninglists.needles import Needles
from comity.formats.warninglists.packed import Packed
from comity.formats.warninglists.prefixes import Prefixes
from comity.formats.warninglists.reading import Category, Listed, Matching
from comity.limits import (
    WARNING_ENTRIES_MAX,
    WARNING_LISTS_MAX,
    WARNING_NEEDLES_MAX,
    WARNING_NETWORKS_MAX,
    WARNING_PATTERNS_MAX,
)

SAME: Final = "is this very value"
UNDER: Final = "is this name, or a name under it"
INSIDE: Final = "lies in this network"
CONTAINS: Final = "contains this text"
MATCHES: Final = "matches this expression"

_HOST: Final = re.compile(r"[a-z][a-z0-9+.-]*+://(?:[^/?#]*@)?(\[[^\]]*+\]|[^/?#:]*+)", re.IGNORECASE)
_ADDRESSES: Final = frozenset({"ipv4", "ipv6"})


class ListWarning(NamedTuple):
    """One list that an observable is on."""

    name: str
    version: str
    category: Category
    entry: str
    why: str

    def says(self) -> str:
        """Return one line for a person."""
        return f"{self.name} (version {self.version}): {self.why}, {self.entry}"


class Warnings:
    """Warning lists, ready to be asked. `losses` says what of them could not be used."""

    def __init__(self, builder: Builder) -> None:
        self.lists: tuple[Listed, ...] = tuple(builder.lists)
        self.losses = builder.losses
        self.entries = builder.entries
        self._packed = builder.packed
        self._prefixes = {"ipv4": builder.ipv4, "ipv6": builder.ipv6}
        by_kind = {kind: [n for n, one in enumerate(self.lists) if kind in one.kinds] for kind in KINDS}
        # Per kind, whether lists of a type are for it: what none is for is not looked up.
        self._types = {kind: frozenset(self.lists[n].matching for n in some) for kind, some in by_kind.items()}
        shared: dict[frozenset[int], Needles] = {}
        self._needles: dict[str, Needles] = {}
        for kind, some in by_kind.items():
            numbers = frozenset(n for n in some if self.lists[n].matching is Matching.SUBSTRING)
            if numbers and numbers not in shared:
                shared[numbers] = builder.needles.only(numbers)
            if numbers:
                self._needles[kind] = shared[numbers]
        self._expressions = {
            kind: [each for each in builder.expressions if kind in self.lists[each[0]].kinds] for kind in KINDS
        }
        self._hostname = frozenset(n for n, one in enumerate(self.lists) if one.matching is Matching.HOSTNAME)

    def check(self, observable: Observable) -> tuple[ListWarning, ...]:
        """Return a warning for each list that an observable in normal form is on, in the order of the lists."""
        kind, value = observable
        types = self._types.get(kind, frozenset())
        found: dict[int, tuple[str, str]] = {}
        if Matching.STRING in types or Matching.HOSTNAME in types:
            self._named(kind, value, found)
        if Matching.CIDR in types and kind in _ADDRESSES:
            self._around(kind, value, found)
        if kind in self._needles:
            for number, needle in self._needles[kind].find(value).items():
                found[number] = needle, CONTAINS
        if Matching.REGEX in types:
            for number, entry, matches in self._expressions[kind]:
                if number not in found and matches(value):
                    found[number] = entry, MATCHES
        return self._told(kind, found) if found else ()

    def has(self, observable: Observable) -> bool:
        """Say whether any list has an observable, as `check` does, without naming the lists."""
        return bool(self.check(observable))

    def check_many(self, observables: Iterable[Observable]) -> list[tuple[ListWarning, ...]]:
        """Return what `check` says of each, in their order."""
        return list(map(self.check, observables))

    def _named(self, kind: str, value: str, found: dict[int, tuple[str, str]]) -> None:
        """Look for the value itself, and for the names above it or above a URL's host."""
        hostname = self._hostname
        if kind != "url":
            for number in self._packed.find(value):
                found[number] = value, UNDER if number in hostname else SAME
            if kind == "domain" and Matching.HOSTNAME in self._types[kind]:
                self._above(value, found)
            return
        for number in self._packed.find(value):
            if number not in hostname:
                found[number] = value, SAME
        place = _HOST.match(value)
        if place is not None and Matching.HOSTNAME in self._types[kind]:
            host = place[1].strip("[]")
            for number in self._packed.find(host):
                if number in hostname:
                    found[number] = host, UNDER
            if not host[-1:].isdigit() and ":" not in host:  # an address has no name above it
                self._above(host, found)

    def _above(self, name: str, found: dict[int, tuple[str, str]]) -> None:
        find, hostname = self._packed.find, self._hostname
        at = name.find(".")
        while at >= 0:
            above = name[at + 1 :]
            for number in find(above):
                if number in hostname and number not in found:
                    found[number] = above, UNDER
            at = name.find(".", at + 1)

    def _around(self, kind: str, value: str, found: dict[int, tuple[str, str]]) -> None:
        prefixes = self._prefixes[kind]
        try:
            if kind == "ipv4" and "/" not in value:
                a, b, c, d = map(int, value.split("."))
                address, length = a << 24 | b << 16 | c << 8 | d, 32
            elif "/" not in value:
                address, length = int(ipaddress.IPv6Address(value)), 128
            else:
                family = ipaddress.IPv4Network if kind == "ipv4" else ipaddress.IPv6Network
                network = family(value, strict=False)
                address, length = int(network.network_address), network.prefixlen
        except ValueError:  # not in normal form, so on no list
            return
        for number, own in prefixes.find(address, length):
            if number not in found:
                start = address >> (prefixes.bits - own) << (prefixes.bits - own)
                first = ipaddress.IPv4Address(start) if kind == "ipv4" else ipaddress.IPv6Address(start)
                found[number] = f"{first}/{own}", INSIDE

    def _told(self, kind: str, found: dict[int, tuple[str, str]]) -> tuple[ListWarning, ...]:
        told = []
        for number in sorted(found):
            listed = self.lists[number]
            if kind in listed.kinds:
                entry, why = found[number]
                told.append(ListWarning(listed.name, listed.version, listed.category, bounded(entry), why))
        return tuple(told)


class Builder:
    """Takes lists one by one, so that one file at a time is in memory; `done` gives what can be asked."""

    def __init__(self) -> None:
        self.lists: list[Listed] = []
        self.losses = Losses()
        self.entries = 0
        self.packed, self.needles = Packed(), Needles()
        self.ipv4, self.ipv6 = Prefixes(32), Prefixes(128)
        self.expressions: list[tuple[int, str, Callable[[Any], bool]]] = []
        self._names: set[str] = set()

    def add(self, data: bytes, where: str, wanted: Callable[[Listed], bool] | None = None) -> Listed | None:
        """Take one list; None where it is none, or is not `wanted`. What cannot be used becomes a loss at `where`."""
        read = reading.read_head(data, where)
        if isinstance(read, Loss):
            self.losses.add(read)
            return None
        listed, entries, changed = read
        if wanted is not None and not wanted(listed):
            return None
        if listed.name in self._names or len(self.lists) >= WARNING_LISTS_MAX:
            again = listed.name in self._names
            words = "a list of this name came before it" if again else f"more than {WARNING_LISTS_MAX} lists"
            self.losses.add(loss(where, Outcome.REFUSED, "list-twice" if again else "list-count", words))
            return None
        self._names.add(listed.name)
        self.lists.append(listed)
        for each in changed:
            self.losses.add(each)
        if listed.kinds:
            self._take(len(self.lists) - 1, listed, entries, where)
        return listed

    def _take(self, number: int, listed: Listed, entries: memoryview, where: str) -> None:
        for window in reading.windows(entries, where):
            if isinstance(window, Loss):
                self.losses.add(window)
                continue
            if self.entries + len(window) > WARNING_ENTRIES_MAX:
                words = f"more than {WARNING_ENTRIES_MAX} entries; refused from here on"
                self.losses.add(loss(where, Outcome.REFUSED, "list-entries", words))
                return
            self.entries += len(window)
            match listed.matching:
                case Matching.STRING:
                    self.packed.add(number, reading.same(window, listed.kinds))
                case Matching.HOSTNAME:
                    self.packed.add(number, reading.hosts(window))
                case Matching.CIDR:
                    self._networks(number, window, where)
                case Matching.SUBSTRING:
                    self._substrings(number, window, where)
                case Matching.REGEX:
                    self._patterns(number, window, where)

    def _refuse(self, where: str, rule: str, words: str) -> None:
        self.losses.add(loss(where, Outcome.REFUSED, rule, words))

    def _networks(self, number: int, window: Sequence[str], where: str) -> None:
        for entry in window:
            try:
                network = ipaddress.ip_network(entry.strip(), strict=False)
            except ValueError:
                self._refuse(where, "entry-cidr", f"{entry!r} is no network")
                continue
            if len(self.ipv4) + len(self.ipv6) >= WARNING_NETWORKS_MAX:
                self._refuse(where, "entry-count", f"{entry!r}: more than {WARNING_NETWORKS_MAX} networks")
                continue
            prefixes = self.ipv4 if network.version == 4 else self.ipv6
            prefixes.add(number, int(network.network_address), network.prefixlen)

    def _substrings(self, number: int, window: Sequence[str], where: str) -> None:
        for entry in window:
            if len(self.needles) >= WARNING_NEEDLES_MAX:
                self._refuse(where, "entry-count", f"{entry!r}: more than {WARNING_NEEDLES_MAX} texts to be contained")
            elif not self.needles.add(number, entry):
                self._refuse(where, "entry-substring", f"{entry!r}: too many texts of other lengths look like it")

    def _patterns(self, number: int, window: Sequence[str], where: str) -> None:
        for entry in window:
            if len(self.expressions) >= WARNING_PATTERNS_MAX:
                self._refuse(where, "entry-count", f"{entry!r}: more than {WARNING_PATTERNS_MAX} expressions")
                continue
            try:
                self.expressions.append((number, entry, expression(entry)))
            except Malformed as error:
                self._refuse(where, "entry-regex", f"{entry!r}: {error}")

    def done(self) -> Warnings:
        """Return the lists taken, ready to be asked. Nothing can be added behind it."""
        for part in (self.packed, self.ipv4, self.ipv6):
            part.close()
        return Warnings(self)


def build(lists: Iterable[tuple[str, bytes]], wanted: Callable[[Listed], bool] | None = None) -> Warnings:
    """Return warning lists, given as (name of the file, bytes), ready to be asked; the first of one name stands."""
    builder = Builder()
    for where, data in lists:
        builder.add(data, where, wanted)
    return builder.done()
