"""The command line's way to a serving node: HTTP over a unix socket that only its owner can open.

Rules: who may speak is decided by the file system (`listen.Local`), so there is no name to resolve and no
TLS; the bounds of an exchange are the same as anywhere.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import httpcore2

from comity.errors import Fault, Unreachable
from comity.http.exchange import Bounds, Response, Stream, exchange, remaining
from comity.limits import HTTP_BODY_BYTES_MAX, HTTP_IDLE_SECONDS, HTTP_SECONDS_MAX

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class LocalClient:
    """A client of the node that listens at `path`."""

    def __init__(self, path: Path, *, seconds: float = HTTP_SECONDS_MAX) -> None:
        self._bounds = Bounds(seconds, HTTP_BODY_BYTES_MAX)
        self._pool = httpcore2.ConnectionPool(
            uds=str(path), keepalive_expiry=HTTP_IDLE_SECONDS, network_backend=_Local()
        )

    def request(
        self, method: str, target: str, *, headers: Mapping[str, str] = _NO_HEADERS, body: bytes = b""
    ) -> Response:
        """Send a request for `target` (path and query) and return the whole answer.

        Raises `Unreachable` when no node serves there, `Fault` when the socket is not ours to open.
        """
        url = httpcore2.URL(scheme=b"http", host=b"localhost", port=None, target=target.encode())
        return exchange(self._pool, method, url, headers=headers, body=body, bounds=self._bounds, peer="localhost")

    def close(self) -> None:
        """Close the connection."""
        self._pool.close()


class _Local(httpcore2.NetworkBackend):
    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(remaining(timeout))
            sock.connect(path)
        except PermissionError as error:
            sock.close()
            raise Fault(f"{path} is another user's socket", hint="run this as the user the node runs as") from error
        except OSError as error:
            sock.close()
            raise Unreachable(f"no node serves at {path}", hint="start it with `comity serve`") from error
        return Stream(sock)
