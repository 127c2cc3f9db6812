"""Name servers and hosts files: response policy zones, and names that lead nowhere.

Rules: a zone file is relative to the zone's name, which the operator chooses; room for that name is kept in every owner
name. What a name server cannot hold or would read as a trigger of another kind is left out. Consumers
load or transfer the whole zone, so what is gone is simply absent.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Final

from comity.formats.sensors.item import ADDRESSES, About, Item, Skipped, Writer, chunks, heading, suited

ORIGIN_OCTETS: Final = 64  # octets of the zone's own name that every owner name leaves room for
NAME_OCTETS_MAX: Final = 255  # RFC 1035 §2.3.4
SERIAL_MODULUS: Final = 2**32  # RFC 1982: serials go round
_REFRESH_SECONDS_MIN: Final = 60
_TTL_SECONDS_MAX: Final = 2**31 - 1  # RFC 2181 §8
_TRIGGERS: Final = ("rpz-ip", "rpz-nsip", "rpz-client-ip", "rpz-nsdname", "rpz-passthru", "rpz-drop", "rpz-tcp-only")


def _octets(name: str) -> int:
    """Return the octets of a relative name in a message, its origin's left out: a length before each label."""
    return len(name) + 1


def trigger(value: str) -> str:
    """Return the owner name by which an address or network in an answer is matched (draft-vixie-dnsop-dns-rpz).

    The prefix length, then bytes or groups from the last to the first; in IPv6 the longest run of zero groups is `zz`.
    """
    network = ipaddress.ip_network(value)
    if isinstance(network, ipaddress.IPv4Network):
        parts = str(network.network_address).split(".")[::-1]
    else:
        address = int(network.network_address)
        groups = [address >> shift & 0xFFFF for shift in range(0, 128, 16)]
        start, length = _zeros(groups)
        parts = [f"{group:x}" for group in groups]
        if length:
            parts[start : start + length] = ["zz"]
    return ".".join((str(network.prefixlen), *parts, "rpz-ip"))


def _zeros(groups: list[int]) -> tuple[int, int]:
    """Return place and length of the longest run of two or more zeros; of equal ones the last, as BIND writes it."""
    best = length = start = 0
    for place, group in enumerate([*groups, 1]):
        if group:
            if place - start >= max(length, 2):
                best, length = start, place - start
            start = place + 1
    return best, length


def _owner(item: Item, room: int, skipped: Skipped) -> str:
    value = item.value
    if item.kind in ADDRESSES:
        return trigger(value)
    rule = ""
    if _octets(value) > room:
        rule = "length"
    elif value.rpartition(".")[2] in _TRIGGERS:
        rule = "reserved"
    if rule:
        skipped.add(rule, item.kind, value, item.ident)
        return ""
    return value


def _start(about: About) -> str:
    ttl = min(max(about.ttl, _REFRESH_SECONDS_MIN), _TTL_SECONDS_MAX)
    times = f"{about.serial % SERIAL_MODULUS} {ttl} {max(ttl // 4, 1)} {min(ttl * 14, _TTL_SECONDS_MAX)} {ttl}"
    return f"$TTL {ttl}\n@ IN SOA localhost. root.localhost. {times}\n@ IN NS localhost.\n"


def zone(*, below: bool = False) -> Writer:
    """Return the writer of a response policy zone that answers "no such name"; `below` also for names below."""
    room = NAME_OCTETS_MAX - ORIGIN_OCTETS - (2 if below else 0)

    def write(items: Iterable[Item], about: About, skipped: Skipped) -> Iterator[bytes]:
        def lines() -> Iterator[str]:
            yield heading(about, ";")
            yield _start(about)
            for item in suited(items, (*ADDRESSES, "domain"), about, skipped):
                owner = _owner(item, room, skipped)
                if not owner:
                    continue
                yield f"{owner} CNAME .\n"
                if below and item.kind == "domain":
                    yield f"*.{owner} CNAME .\n"

        return chunks(lines())

    return write


def hosts(items: Iterable[Item], about: About, skipped: Skipped) -> Iterator[bytes]:
    """Write a hosts file: each name leads to the address that no host has."""

    def lines() -> Iterator[str]:
        yield heading(about, "#")
        yield from (f"0.0.0.0 {item.value}\n" for item in suited(items, ("domain",), about, skipped))

    return chunks(lines())
