"""Packet filters: nftables, ipset and pf.

Rules: a list is loaded in one step, so that a filter never stands half full: nftables by transaction, ipset by swapping
sets. Only sets are written: the rule that uses them is the operator's. Networks that overlap are merged for
nftables, which refuses them; the others keep them as they are. Names never enter a filter.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from comity.formats.sensors.item import (
    ADDRESSES,
    About,
    Gone,
    Item,
    Skipped,
    chunks,
    gone_values,
    heading,
    inert,
    suited,
)

ELEMENTS_LINE: Final = 512  # elements of one statement: parsers keep a statement whole
IPSET_MAXELEM: Final = 16_777_216  # entries a set may hold; not memory, only a bound
_COMMENT: Final = str.maketrans({'"': "'", "\\": "/"})
_BITS: Final = {"ipv4": 32, "ipv6": 128}
_LENGTHS: Final = 256  # a network is one number: its first address times this, and its prefix length
_COMMENT_BYTES_MAX: Final = 120  # bytes of a set's comment: nftables takes 127


def _packed(kind: str, value: str) -> int:
    """Return a network as one number that sorts by first address, wider ones first."""
    address, _, length = value.partition("/")
    first = int(ipaddress.IPv4Address(address) if kind == "ipv4" else ipaddress.IPv6Address(address))
    return first * _LENGTHS + int(length or _BITS[kind])


def _shown(kind: str, packed: int) -> str:
    first, length = divmod(packed, _LENGTHS)
    address = str(ipaddress.IPv4Address(first) if kind == "ipv4" else ipaddress.IPv6Address(first))
    return address if length == _BITS[kind] else f"{address}/{length}"


def merged(kind: str, networks: list[int], skipped: Skipped) -> Iterator[str]:
    """Yield networks in order without those that lie in another, which are counted as covered. Sorts the list."""
    networks.sort()
    end = -1  # last address covered so far
    for packed in networks:
        first, length = divmod(packed, _LENGTHS)
        if first <= end:
            skipped.add("covered", kind, _shown(kind, packed))
        else:
            end = first + (1 << (_BITS[kind] - length)) - 1
            yield _shown(kind, packed)


def _statements(verb: str, kind: str, elements: Iterable[str]) -> Iterator[str]:
    remaining = iter(elements)
    while block := list(islice(remaining, ELEMENTS_LINE)):
        yield f"{verb} element inet comity {kind} {{ {', '.join(block)} }}\n"


def nftables(items: Iterable[Item], about: About, skipped: Skipped) -> Iterator[bytes]:
    """Write a transaction that fills the sets `ipv4` and `ipv6` of the table `inet comity` anew.

    Memory: 70 bytes an address, because intervals must be in order. The table and whatever else is in it stays.
    """

    def lines() -> Iterator[str]:
        yield heading(about, "#")
        yield "add table inet comity\n"
        comment = inert(about.title, _COMMENT).encode()[:_COMMENT_BYTES_MAX].decode(errors="ignore")
        said = f' comment "{comment}";' if comment else ""
        networks: dict[str, list[int]] = {kind: [] for kind in ADDRESSES}
        for item in suited(items, ADDRESSES, about, skipped):
            networks[item.kind].append(_packed(item.kind, item.value))
        for kind in ADDRESSES:
            yield f"add set inet comity {kind} {{ type {kind}_addr; flags interval;{said} }}\n"
            yield f"flush set inet comity {kind}\n"
            yield from _statements("add", kind, merged(kind, networks.pop(kind), skipped))

    return chunks(lines())


def nftables_gone(gone: Iterable[Gone], _about: About, skipped: Skipped) -> Iterator[bytes]:
    """Write what deletes elements. One that is absent, or was merged away, makes `nft` refuse the whole file."""

    def lines() -> Iterator[str]:
        for one in gone_values(gone, ADDRESSES, skipped):
            yield f"delete element inet comity {one.kind} {{ {one.value} }}\n"

    return chunks(lines())


_SETS: Final = {"ipv4": "comity-v4", "ipv6": "comity-v6"}
_FAMILIES: Final = {"ipv4": "inet", "ipv6": "inet6"}


def ipset(items: Iterable[Item], about: About, skipped: Skipped) -> Iterator[bytes]:
    """Write what `ipset -exist restore` fills the sets `comity-v4` and `comity-v6` anew with.

    The format has no comments of its own; an entry's is the id of its object.
    """

    def lines() -> Iterator[str]:
        for kind, name in _SETS.items():
            made = f"hash:net family {_FAMILIES[kind]} maxelem {IPSET_MAXELEM} comment"
            yield f"create {name} {made}\ncreate {name}-next {made}\nflush {name}-next\n"
        for item in suited(items, ADDRESSES, about, skipped):
            said = inert(item.ident, _COMMENT)
            comment = f' comment "{said}"' if said else ""  # an empty one is refused
            yield f"add {_SETS[item.kind]}-next {item.value}{comment}\n"
        for name in _SETS.values():
            yield f"swap {name} {name}-next\ndestroy {name}-next\n"

    return chunks(lines())


def ipset_gone(gone: Iterable[Gone], _about: About, skipped: Skipped) -> Iterator[bytes]:
    """Write what `ipset -exist restore` deletes entries with; an absent one is passed over."""
    wanted = gone_values(gone, ADDRESSES, skipped)
    return chunks(f"del {_SETS[one.kind]} {one.value}\n" for one in wanted)


def pf(items: Iterable[Item], about: About, skipped: Skipped) -> Iterator[bytes]:
    """Write a table file of pf: for `table <comity> persist file` or `pfctl -t comity -T replace -f`."""

    def lines() -> Iterator[str]:
        yield heading(about, "#")
        yield from (item.value + "\n" for item in suited(items, ADDRESSES, about, skipped))

    return chunks(lines())


def pf_gone(gone: Iterable[Gone], _about: About, skipped: Skipped) -> Iterator[bytes]:
    """Write a file for `pfctl -t comity -T delete -f`."""
    return chunks(one.value + "\n" for one in gone_values(gone, ADDRESSES, skipped))
