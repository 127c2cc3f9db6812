"""A proxy through which requests go out: CONNECT for https, the absolute form for plain http (RFC 9110 §9.3.6).

Rules: the proxy is the operator's own choice, so its address is not judged; what is asked of it is. Addresses are
judged as they are without a proxy. A name is resolved by the proxy: it is refused where it is special, a number in
disguise, or leads inwards by this machine's resolver; where only the proxy's resolver would lead it inwards, the
proxy alone can refuse it. What goes through a tunnel is under TLS with the far side, whose certificate or pin is
checked as ever: a proxy sees names and sizes, and cannot stand in for anybody. This machine is never reached by proxy.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from comity.errors import Fault, Malformed, Refused, Unreachable
from comity.http import inward
from comity.http import url as urls
from comity.http.exchange import remaining
from comity.http.inward import Network, Resolver
from comity.limits import HTTP_HEADER_BYTES_MAX

# RFC 6761, 6762, 8375, ICANN's reservation of `internal`, and what routers use: names that lead only inwards.
_SPECIAL: Final = ("localhost", "local", "internal", "home.arpa", "lan")
_NUMBER: Final = re.compile("[0-9]+|0x[0-9a-f]*")  # a last label that old resolvers read as part of an address
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: [^\r\n]*)?\r\n")
_END: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy and what goes past it."""

    host: str
    port: int
    authorization: str = field(default="", repr=False)  # value of Proxy-Authorization
    direct: tuple[str, ...] = ()  # names with all below them, addresses and networks that are reached without it

    def carries(self, host: str) -> bool:
        """Say whether requests to a host go through the proxy."""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return not (_is_below(host, "localhost") or any(_is_below(host, name) for name in self.direct))
        if any(address in network for network in inward.LOOPBACK):
            return False
        return not any(address in network for network in map(_network, self.direct) if network is not None)


def parse(text: str, *, authorization: str = "", direct: Sequence[str] = ()) -> Proxy:
    """Return the proxy at a URL. Raises `Malformed`."""
    where = urls.parse(text)
    if where.scheme != "http" or where.target != "/":
        raise Malformed(
            f"{text!r} is not a proxy's address", hint="http://host:port: what goes through is under TLS of its own"
        )
    for name in direct:
        if _network(name) is None and not re.fullmatch(r"\.?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", name):
            raise Malformed(f"{name!r} is no name, address or network", hint="for example borealia.example, 10.0.0.0/8")
    return Proxy(where.host, where.port, authorization, tuple(name.lower().removeprefix(".") for name in direct))


def _is_below(host: str, name: str) -> bool:
    return host == name or host.endswith(f".{name}")


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def judge(host: str, resolve: Resolver, allow: Collection[Network]) -> None:
    """Refuse a host that leads inwards as far as that is seen from here. Raises `Refused`."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        inward.judge(host, [host], allow, loopback_only=False)
        return
    last = host.rpartition(".")[2]
    if "." not in host or _NUMBER.fullmatch(last) or any(_is_below(host, name) for name in _SPECIAL):
        raise Refused(
            f"{host} is no public name, and a proxy would look for it inside its network",
            hint="if that is meant, the operator can name it in no_proxy and allow its network",
        )
    try:
        found = resolve(host)
    except Unreachable:
        return  # behind a proxy there may be no resolver: the proxy's own rules decide
    inward.judge(host, found, allow, loopback_only=False)


def tunnel(sock: socket.socket, proxy: Proxy, host: str, port: int, deadline: float | None) -> None:
    """Have the proxy connect a socket to a host. Raises what `check` does, and `OSError`."""
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {where} HTTP/1.1", f"Host: {where}"]
    lines += [f"Proxy-Authorization: {proxy.authorization}"] if proxy.authorization else []
    sock.settimeout(remaining(deadline))
    sock.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
    head = b""
    while _END not in head:
        sock.settimeout(remaining(deadline))
        more = sock.recv(HTTP_HEADER_BYTES_MAX)
        head += more
        if not more or len(head) > HTTP_HEADER_BYTES_MAX:
            raise Unreachable(f"the proxy {proxy.host} gives no whole answer", hint="ask its operator")
    status = _STATUS.match(head)
    if status is None:
        raise Unreachable(f"the proxy {proxy.host} does not answer as one", hint="is outbound_proxy right?")
    check(int(status[1]), proxy, where)
    if head.index(_END) + len(_END) != len(head):
        # In TLS the client speaks first: bytes behind the head are the proxy's own.
        raise Unreachable(f"the proxy {proxy.host} speaks where {where} should", hint="ask its operator")


def check(status: int, proxy: Proxy, where: str) -> None:
    """Refuse a proxy's answer to CONNECT that is none of success. Raises `Fault`, `Refused` or `Unreachable`."""
    unknown(status, proxy)
    if status == 403:
        raise Refused(f"the proxy {proxy.host} forbids {where}", hint="ask its operator")
    if not 200 <= status < 300:
        raise Unreachable(
            f"the proxy {proxy.host} does not connect to {where} (status {status})", hint="ask its operator"
        )


def unknown(status: int, proxy: Proxy) -> None:
    """Say that the proxy wants to know who asks. Raises `Fault` for status 407."""
    if status == 407:
        raise Fault(f"the proxy {proxy.host} wants to know who asks", hint="see the setting outbound_proxy_login")
