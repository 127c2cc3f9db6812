"""Servers for the tests of `comity.http`: real sockets on loopback, some of them ill-behaved on purpose."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from comity.http.tls import NodeCertificate, server_context

AT = 1_790_000_000


class RawServer:
    """Accepts connections on 127.0.0.1 and hands each to `talk`; counts them."""

    def __init__(self, talk: Callable[[socket.socket], None], tls: ssl.SSLContext | None = None) -> None:
        self._talk = talk
        self._tls = tls
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.connections = 0
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self._open.append(connection)
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            self._talk(connection)
            connection.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in self._open:
            connection.close()


def read_head(connection: socket.socket) -> bytes:
    """Read one request without a body."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65_536)
        if not more:
            break
        data += more
    return data


def answering(*parts: bytes) -> Callable[[socket.socket], None]:
    """Answer every request on a connection with the same bytes, then close."""

    def talk(connection: socket.socket) -> None:
        if read_head(connection):
            for part in parts:
                connection.sendall(part)

    return talk


@contextlib.contextmanager
def raw(talk: Callable[[socket.socket], None], tls: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    server = RawServer(talk, tls)
    try:
        yield server
    finally:
        server.close()


def context_of(certificate: NodeCertificate, directory: Path, name: str) -> ssl.SSLContext:
    """Return a server context for a certificate, by way of files as a node has them."""
    directory.mkdir(exist_ok=True)
    cert, key = directory / f"{name}.pem", directory / f"{name}.key"
    cert.write_bytes(certificate.certificate)
    key.write_bytes(certificate.key)
    return server_context(cert, key)
