"""Requests to other nodes and to public sources, which cannot be turned inwards.

Rules: a name is resolved once and only judged addresses are connected to (`inward`); plain http goes to
loopback only, unless the caller says that it may go out (`plain`); TLS is proven by public authorities or by pin
(`tls`); time and size are bounded and no redirect is followed (`exchange`). Proxies of the environment are not used:
behind one, the address that is connected to would be its choice; the one that the operator names is (`proxy`).
Connections are reused per TLS policy, host and port, so that what was proven for one peer never serves another.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final, NamedTuple

import httpcore2

from comity.errors import Misuse, Refused
from comity.http import inward
from comity.http import proxy as proxies
from comity.http import url as urls
from comity.http.exchange import Bounds, Incoming, Response, Stream, remaining, streaming
from comity.http.inward import Address, Network, Resolver
from comity.http.proxy import Proxy
from comity.http.tls import PUBLIC, ClientTls, TlsPolicy, client_tls
from comity.limits import (
    HTTP_ADDRESSES_MAX,
    HTTP_BODY_BYTES_MAX,
    HTTP_CONNECTIONS_PER_PEER_MAX,
    HTTP_IDLE_SECONDS,
    HTTP_PEERS_MAX,
    HTTP_SECONDS_MAX,
)

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class _Way(NamedTuple):
    """How connections of one pool are made."""

    tls: TlsPolicy | None  # None: plain http
    plain: bool  # plain http may leave this machine
    carried: bool  # by the proxy


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
        proxy: Proxy | None = None,
    ) -> None:
        self._allow = tuple(allow)
        self._resolve = resolve
        self._bounds = Bounds(seconds, body_bytes_max)
        self._proxy = proxy
        self._lock = threading.Lock()
        self._pools: OrderedDict[_Way, httpcore2.ConnectionPool] = OrderedDict()
        self._closed = False

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        body: bytes = b"",
        tls: TlsPolicy = PUBLIC,
        plain: bool = False,
    ) -> Response:
        """Send a request and return the whole answer, whatever its status.

        Raises `Refused` (an inward address, plain http, a redirect), `Unverified` (certificate or pin),
        `Unreachable`, `TooLarge`, `Malformed` (the URL, the policy or the answer), `Misuse` (cannot be sent),
        `Fault` (the proxy does not know us).
        """
        with self._streamed(method, url, headers, body, tls, plain, self._bounds) as answer:
            return Response(answer.status, answer.headers, b"".join(answer.chunks))

    @contextmanager
    def stream(
        self,
        url: str,
        bounds: Bounds,
        *,
        method: str = "GET",
        headers: Mapping[str, str] = _NO_HEADERS,
        body: bytes = b"",
        tls: TlsPolicy = PUBLIC,
        plain: bool = False,
    ) -> Iterator[Incoming]:
        """Send a request and give the answer's head; its body is read as it comes. Raises what `request` does."""
        with self._streamed(method, url, headers, body, tls, plain, bounds) as answer:
            yield answer

    @contextmanager
    def _streamed(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        tls: TlsPolicy,
        plain: bool,
        bounds: Bounds,
    ) -> Iterator[Incoming]:
        target = urls.parse(url)
        proxy = self._proxy if self._proxy is not None and self._proxy.carries(target.host) else None
        encrypted = target.scheme == "https"
        pool = self._pool(_Way(tls if encrypted else None, plain and not encrypted, proxy is not None))
        path = target.target
        if proxy is not None and not encrypted:
            path = str(target)  # RFC 9112 §3.2.2: the absolute form
            headers = {**headers, "Proxy-Authorization": proxy.authorization} if proxy.authorization else headers
        # Built from the parts that were parsed: a second parser might read the same text differently.
        where = httpcore2.URL(
            scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=path.encode()
        )
        with streaming(pool, method, where, headers=headers, body=body, bounds=bounds, peer=target.authority) as answer:
            if proxy is not None:
                proxies.unknown(answer.status, proxy)
            yield answer

    def close(self) -> None:
        """Close every connection; the fetcher cannot be used again."""
        with self._lock:
            self._closed = True
            pools = list(self._pools.values())
            self._pools.clear()
        for pool in pools:
            pool.close()

    def _pool(self, way: _Way) -> httpcore2.ConnectionPool:
        with self._lock:
            if self._closed:
                raise Misuse("this fetcher has been closed")
            if way not in self._pools:
                self._pools[way] = self._new_pool(way)
            self._pools.move_to_end(way)
            unused = self._pools.popitem(last=False)[1] if len(self._pools) > HTTP_PEERS_MAX else None
            pool = self._pools[way]
        if unused is not None:
            unused.close()
        return pool

    def _new_pool(self, way: _Way) -> httpcore2.ConnectionPool:
        tls = None if way.tls is None else client_tls(way.tls)
        own = way.tls not in (None, PUBLIC)
        return httpcore2.ConnectionPool(
            ssl_context=None if tls is None else tls.context,
            max_connections=HTTP_CONNECTIONS_PER_PEER_MAX if own else None,
            max_keepalive_connections=HTTP_CONNECTIONS_PER_PEER_MAX if own else HTTP_PEERS_MAX,
            keepalive_expiry=HTTP_IDLE_SECONDS,
            network_backend=_Outward(self._allow, self._resolve, tls, way, self._proxy if way.carried else None),
        )


class _Outward(httpcore2.NetworkBackend):
    """Opens sockets to judged addresses or through the proxy, each with the TLS policy its pool was made for."""

    def __init__(
        self,
        allow: Collection[Network],
        resolve: Resolver,
        tls: ClientTls | None,
        way: _Way,
        proxy: Proxy | None,
    ) -> None:
        self._allow = allow
        self._resolve = resolve
        self._tls = tls
        self._loopback_only = tls is None and not way.plain
        self._proxy = proxy

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Return a stream to `host`, by the first of its addresses that answers. Raises `Refused` or `Unreachable`."""
        if self._proxy is not None:
            return Stream(self._carried(self._proxy, host, port, timeout), self._tls)
        addresses = inward.judge(host, self._resolve(host), self._allow, loopback_only=self._loopback_only)
        return Stream(_first(addresses, port, timeout), self._tls)

    def _carried(self, proxy: Proxy, host: str, port: int, deadline: float | None) -> socket.socket:
        """Return a socket to the proxy: for https, one that it has connected to `host`."""
        if self._loopback_only:
            raise Refused(f"plain http to {host} is refused", hint="use https; plain http is for this machine only")
        proxies.judge(host, self._resolve, self._allow)
        addresses = [ipaddress.ip_address(text) for text in self._resolve(proxy.host)]
        sock = _first(addresses[:HTTP_ADDRESSES_MAX], proxy.port, deadline)
        if self._tls is None:
            return sock
        try:
            proxies.tunnel(sock, proxy, host, port, deadline)
        except OSError as error:
            sock.close()
            failed = httpcore2.ConnectTimeout if isinstance(error, TimeoutError) else httpcore2.ConnectError
            raise failed(f"the proxy {proxy.host}: {error}") from error
        except BaseException:
            sock.close()
            raise
        return sock


def _first(addresses: Sequence[Address], port: int, deadline: float | None) -> socket.socket:
    """Return a socket connected to the first address that answers."""
    failure: OSError | None = None
    for tried, address in enumerate(addresses):
        try:
            # An equal share of the time left, so that one silent address does not use up the others' turn.
            return _connect(address, port, remaining(deadline) / (len(addresses) - tried))
        except OSError as error:
            failure = error
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
