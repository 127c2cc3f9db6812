"""Which addresses a fetch may go to: never this machine or its neighbours, unless the operator says so.

Rules: a peer's card, a feed's address and a redirect are words of strangers; each could name the
cloud's metadata service or the router's own page (SSRF). A name is resolved once, every address it
has is judged, and the connection goes to a judged address: there is no second look-up to lie to.
The tables are written out, because `ipaddress.is_global` differs between versions of Python.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Collection, Sequence
from typing import Final, TypeAlias

from comity.errors import Refused, Unreachable
from comity.limits import HTTP_ADDRESSES_MAX

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver: TypeAlias = Callable[[str], Sequence[str]]
"""A host name to its addresses as text; raises `Unreachable` if there are none."""

LOOPBACK: Final[tuple[Network, ...]] = (ipaddress.IPv4Network("127.0.0.0/8"), ipaddress.IPv6Network("::1/128"))
"""What demonstrations, tests and a proxy on the same machine allow."""

# IANA IPv4 Special-Purpose Address Registry, with multicast (RFC 5771) and the former class E.
_INWARD_4: Final = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    )
)  # fmt: skip
# IPv6 is the other way round: only global unicast is outward (RFC 4291 §2.4), less the special blocks inside it.
_OUTWARD_6: Final = ipaddress.IPv6Network("2000::/3")
_INWARD_6: Final = tuple(
    ipaddress.IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: carries an IPv4 address in its last 32 bits


def system_addresses(host: str) -> Sequence[str]:
    """Return a host's addresses by the system's resolver, which also sets how long this may take.

    Raises `Unreachable` if the name has none.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"the name {host} leads nowhere: {error}") from error
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_inward(address: Address) -> bool:
    """Return whether an address is special-purpose: loopback, private, link-local, multicast, reserved."""
    if isinstance(address, ipaddress.IPv4Address):
        return any(address in network for network in _INWARD_4)
    inner = _inner(address)
    if inner is not None:
        return is_inward(inner)
    return address not in _OUTWARD_6 or any(address in network for network in _INWARD_6)


def judge(host: str, texts: Sequence[str], allow: Collection[Network], *, loopback_only: bool) -> tuple[Address, ...]:
    """Return the addresses of `host` to connect to, at most `HTTP_ADDRESSES_MAX`.

    One inward address refuses the whole name: an honest name does not mix them, and with the good ones
    kept, whoever answers the look-up would choose which of them is reached. Raises `Refused`.
    """
    addresses = tuple(ipaddress.ip_address(text) for text in texts)
    for address in addresses:
        # A mapped address is reached as the IPv4 address inside it, so that is what an allow-list is asked about.
        real = (_inner(address) if isinstance(address, ipaddress.IPv6Address) else None) or address
        if is_inward(real) and not any(real in network for network in allow):
            raise Refused(
                f"{host} leads to {address}, inside this machine or its network",
                hint="if that is meant, the operator can allow that network for outgoing requests",
            )
        if loopback_only and not any(real in network for network in LOOPBACK):
            raise Refused(f"plain http to {host} is refused", hint="use https; plain http is for this machine only")
    return addresses[:HTTP_ADDRESSES_MAX]


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped
