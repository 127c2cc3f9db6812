"""Requests to other nodes and to public sources, which cannot be turned inwards.

Rules: a name is resolved once and only judged addresses are connected to (`inward`); plain http goes to
loopback only; TLS is proven by public authorities or by pin (`tls`); time and size are bounded and no
redirect is followed (`exchange`). Proxies of the environment are not used: behind one, the address that
is connected to would be its choice. Connections are reused per TLS policy, host and port, so that what was
proven for one peer never serves another.
"""

from __future__ import annotations

import socket
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Final

import httpcore2

from comity.errors import Misuse
from comity.http import inward
from comity.http import url as urls
from comity.http.exchange import Bounds, Response, Stream, exchange, remaining
from comity.http.inward import Address, Network, Resolver
from comity.http.tls import PUBLIC, ClientTls, TlsPolicy, client_tls
from comity.limits import (
    HTTP_BODY_BYTES_MAX,
    HTTP_CONNECTIONS_PER_PEER_MAX,
    HTTP_IDLE_SECONDS,
    HTTP_PEERS_MAX,
    HTTP_SECONDS_MAX,
)

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class Fetcher:
    """A synchronous HTTP client for addresses that strangers name. Safe to share between threads.

    httpcore2, the layer under httpx2, is used directly: it lets the caller open the sockets, which is where
    the checks belong, and has no redirects, cookies, proxies or decoders to switch off.
    """

    def __init__(
        self,
        *,
        allow: Collection[Network] = (),
        resolve: Resolver = inward.system_addresses,
        seconds: float = HTTP_SECONDS_MAX,
        body_bytes_max: int = HTTP_BODY_BYTES_MAX,
    ) -> None:
        self._allow = tuple(allow)
        self._resolve = resolve
        self._bounds = Bounds(seconds, body_bytes_max)
        self._lock = threading.Lock()
        self._pools: OrderedDict[TlsPolicy | None, httpcore2.ConnectionPool] = OrderedDict()
        self._closed = False

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        body: bytes = b"",
        tls: TlsPolicy = PUBLIC,
    ) -> Response:
        """Send a request and return the whole answer, whatever its status.

        Raises `Refused` (an inward address, plain http, a redirect), `Unverified` (certificate or pin),
        `Unreachable`, `TooLarge`, `Malformed` (the URL, the policy or the answer), `Misuse` (cannot be sent).
        """
        target = urls.parse(url)
        pool = self._pool(tls if target.scheme == "https" else None)
        # Built from the parts that were parsed: a second parser might read the same text differently.
        where = httpcore2.URL(
            scheme=target.scheme.encode(),
            host=target.host.encode(),
            port=target.port,
            target=target.target.encode(),
        )
        return exchange(pool, method, where, headers=headers, body=body, bounds=self._bounds, peer=target.authority)

    def close(self) -> None:
        """Close every connection; the fetcher cannot be used again."""
        with self._lock:
            self._closed = True
            pools = list(self._pools.values())
            self._pools.clear()
        for pool in pools:
            pool.close()

    def _pool(self, policy: TlsPolicy | None) -> httpcore2.ConnectionPool:
        with self._lock:
            if self._closed:
                raise Misuse("this fetcher has been closed")
            if policy not in self._pools:
                self._pools[policy] = self._new_pool(policy)
            self._pools.move_to_end(policy)
            unused = self._pools.popitem(last=False)[1] if len(self._pools) > HTTP_PEERS_MAX else None
            pool = self._pools[policy]
        if unused is not None:
            unused.close()
        return pool

    def _new_pool(self, policy: TlsPolicy | None) -> httpcore2.ConnectionPool:
        tls = None if policy is None else client_tls(policy)
        return httpcore2.ConnectionPool(
            ssl_context=None if tls is None else tls.context,
            max_connections=HTTP_CONNECTIONS_PER_PEER_MAX if policy not in (None, PUBLIC) else None,
            max_keepalive_connections=HTTP_CONNECTIONS_PER_PEER_MAX if policy not in (None, PUBLIC) else HTTP_PEERS_MAX,
            keepalive_expiry=HTTP_IDLE_SECONDS,
            network_backend=_Outward(self._allow, self._resolve, tls),
        )


class _Outward(httpcore2.NetworkBackend):
    """Opens sockets to judged addresses only, each with the TLS policy its pool was made for."""

    def __init__(self, allow: Collection[Network], resolve: Resolver, tls: ClientTls | None) -> None:
        self._allow = allow
        self._resolve = resolve
        self._tls = tls

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Return a stream to the first address of `host` that answers. Raises `Refused` or `Unreachable`."""
        addresses = inward.judge(host, self._resolve(host), self._allow, loopback_only=self._tls is None)
        failure: OSError | None = None
        for tried, address in enumerate(addresses):
            try:
                # An equal share of the time left, so that one silent address does not use up the others' turn.
                sock = _connect(address, port, remaining(timeout) / (len(addresses) - tried))
            except OSError as error:
                failure = error
            else:
                return Stream(sock, self._tls)
        if isinstance(failure, TimeoutError):
            raise httpcore2.ConnectTimeout(str(failure)) from failure
        raise httpcore2.ConnectError(str(failure)) from failure


def _connect(address: Address, port: int, seconds: float) -> socket.socket:
    sock = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        sock.settimeout(seconds)
        sock.connect((str(address), port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock
