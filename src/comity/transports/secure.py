"""A connection to a server that is not asked by HTTP: to a judged address, under TLS that is proven.

Rules: as for every fetch (`http.inward`): a name is resolved once, and inward addresses are reached only where the
operator allowed their network. No byte of a login passes before the far side is proven.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Collection
from dataclasses import dataclass

from comity.errors import Malformed, Unreachable, Unverified
from comity.http import inward
from comity.http.inward import Network
from comity.http.tls import PUBLIC, ClientTls, client_tls


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is, and how it is known."""

    host: str
    port: int
    certificate: str = ""  # PEM of what vouches for it, or its own; empty: public authorities
    allow: Collection[Network] = ()
    seconds: float = 60.0  # for one step

    @property
    def name(self) -> str:
        """Return it for people."""
        return f"{self.host}:{self.port}"

    def secured(self, sock: socket.socket) -> socket.socket:
        """Return a socket under TLS once the server is proven, by its name. Raises `Unverified`, `Unreachable`."""
        try:
            return ClientTls(self._context(), "").handshake(sock, self.host)
        except Unverified as error:
            hint = "a server of your own: `comity mail setup --certificate FILE`, what vouches for it in PEM"
            raise Unverified(f"{self.name}: {error}", hint=hint) from error
        except OSError as error:
            raise Unreachable(f"{self.name} speaks no TLS that holds: {error}") from error

    def _context(self) -> ssl.SSLContext:
        if not self.certificate:
            return client_tls(PUBLIC).context
        try:
            context = ssl.create_default_context(cadata=self.certificate)
        except ssl.SSLError as error:
            raise Malformed(f"the certificate that is registered for {self.name} is none: {error}") from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a server's own certificate vouches for itself
        return context

    def connect(self) -> socket.socket:
        """Return a socket to the first address that answers. Raises `Refused` or `Unreachable`."""
        addresses = inward.judge(self.host, inward.system_addresses(self.host), self.allow, loopback_only=False)
        failure: OSError | None = None
        for address in addresses:
            try:
                return socket.create_connection((str(address), self.port), self.seconds / len(addresses))
            except OSError as error:
                failure = error
        raise Unreachable(f"{self.name} does not answer: {failure}") from failure

    def connect_tls(self) -> socket.socket:
        """Return a socket under TLS. Raises `Unverified` too."""
        sock = self.connect()
        sock.settimeout(self.seconds)
        try:
            return self.secured(sock)
        except BaseException:
            sock.close()
            raise
