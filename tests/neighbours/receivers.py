"""Receivers on loopback, as neighbours run them: webhooks under TLS, and some that are ill-behaved on purpose."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from comity.http.tls import NodeCertificate, self_signed


@dataclass
class Request:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """Takes requests under TLS and answers them in turn with what `answers` holds, at last with 200."""

    folder: Path
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    reply: Callable[[Request], tuple[int, dict[str, str], bytes]] | None = None
    requests: list[Request] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def certificate(self) -> Path:
        return self.folder / "receiver.pem"

    @property
    def posts(self) -> list[Request]:
        return [one for one in self.requests if one.method != "GET"]

    @contextlib.contextmanager
    def serve(self) -> Iterator[Receiver]:
        made: NodeCertificate = self_signed(["127.0.0.1"], at=int(time.time()))
        self.certificate.write_bytes(made.certificate)
        key = self.folder / "receiver.key"
        key.write_bytes(made.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _take(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                named = {name.lower(): value for name, value in self.headers.items()}
                asked = Request(self.command, self.path, named, body)
                receiver.requests.append(asked)
                status, headers, said = receiver.answer(asked)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(said)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(said)

            do_GET = do_POST = do_PUT = _take  # noqa: N815  # names that the standard library calls

            def log_message(self, *args: Any) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        self.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()

    def answer(self, asked: Request) -> tuple[int, dict[str, str], bytes]:
        if self.reply is not None:
            return self.reply(asked)
        return self.answers.pop(0) if self.answers and asked.method != "GET" else (200, {}, b"ok")


def signed_by(request: Request, secret: str) -> bool:
    """Verify a webhook as its receiver would, by the words of the specification and by none of ours."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = b".".join(
        [request.headers["webhook-id"].encode(), request.headers["webhook-timestamp"].encode(), request.body]
    )
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return any(
        version == "v1" and hmac.compare_digest(told, expected)
        for version, _, told in (one.partition(",") for one in request.headers["webhook-signature"].split(" "))
    )
