from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import ssl
import stat
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from comity.errors import Conflict, Fault, Misuse, TooLarge, Unreachable
from comity.http.fetch import Fetcher
from comity.http.listen import Listener, Local, Tcp, _BoundedProtocol
from comity.http.local import LocalClient
from comity.http.problem import error_of
from comity.http.tls import TlsPolicy


async def echo(request: Request) -> Response:
    body = await request.body()
    return JSONResponse({"path": request.url.path, "bytes": len(body), "scheme": request.scope["scheme"]})


async def ignore(_request: Request) -> Response:
    return PlainTextResponse("never read the body")


def slow(_request: Request) -> Response:
    time.sleep(0.5)
    return PlainTextResponse("done")


async def broken(_request: Request) -> Response:
    raise RuntimeError("a mistake in the application")


async def large(_request: Request) -> Response:
    return Response(bytes(20_000_000))


async def streamed(_request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(300):
            yield bytes(65_536)

    return StreamingResponse(pieces())


def application() -> Starlette:
    methods = ["GET", "POST"]
    return Starlette(
        routes=[
            Route(f"/{view.__name__}", view, methods=methods) for view in (echo, ignore, slow, broken, large, streamed)
        ]
    )


@contextmanager
def serving(door: Tcp | Local | None = None, **arguments: object) -> Iterator[Listener]:
    listener = Listener(application(), door or Tcp("127.0.0.1"), **arguments)  # type: ignore[arg-type]
    listener.start()
    try:
        yield listener
    finally:
        listener.stop()


def test_a_node_serves_and_fetches_over_real_tls(
    fetcher: Fetcher, policy: TlsPolicy, server_tls: ssl.SSLContext
) -> None:
    with serving(Tcp("127.0.0.1", 0, server_tls)) as listener:
        assert listener.port > 0
        response = fetcher.request("POST", f"https://127.0.0.1:{listener.port}/echo", body=b"x" * 100_000, tls=policy)
    assert json.loads(response.body) == {"path": "/echo", "bytes": 100_000, "scheme": "https"}
    assert "server" not in response.headers


def test_ipv6_is_listened_on(fetcher: Fetcher) -> None:
    with serving(Tcp("::1")) as listener:
        assert fetcher.request("GET", f"http://[::1]:{listener.port}/echo").status == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "8.8.8.8"])
def test_plain_http_off_loopback_is_misuse(host: str) -> None:
    with pytest.raises(Misuse, match="plain http"):
        Listener(application(), Tcp(host)).start()


@pytest.mark.parametrize("host", ["localhost", "", "*", "cert.arcadia.example"])
def test_a_door_is_an_address_and_not_a_name(host: str) -> None:
    with pytest.raises(Misuse, match="not an IP address"):
        Listener(application(), Tcp(host)).start()


def test_a_taken_port_is_a_conflict_and_an_impossible_one_misuse(server_tls: ssl.SSLContext) -> None:
    with serving() as listener, pytest.raises(Conflict, match="taken"):
        Listener(application(), Tcp("127.0.0.1", listener.port)).start()
    with pytest.raises(Misuse):
        Listener(application(), Tcp("127.0.0.1", 70_000)).start()
    with pytest.raises(Misuse):
        Listener(application(), Tcp("192.0.2.1", 0, server_tls)).start()


def test_small_answers_do_not_wait_for_an_acknowledgement() -> None:
    delayed: list[int] = []

    class Watched(_BoundedProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            sock = transport.get_extra_info("socket")
            delayed.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("comity.http.listen._BoundedProtocol", Watched)
        with serving() as listener, socket.create_connection(("127.0.0.1", listener.port)):
            time.sleep(0.1)
    assert delayed == [1]


def test_a_listener_starts_once_and_stops_as_often_as_one_likes() -> None:
    listener = Listener(application(), Tcp("127.0.0.1"))
    listener.stop()
    listener.start()
    with pytest.raises(Misuse):
        listener.start()
    port = listener.port
    listener.stop()
    listener.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_a_request_under_way_is_answered_before_the_door_closes(fetcher: Fetcher) -> None:
    got: list[bytes] = []
    with serving() as listener:
        asking = threading.Thread(
            target=lambda: got.append(fetcher.request("GET", f"http://127.0.0.1:{listener.port}/slow").body)
        )
        asking.start()
        time.sleep(0.2)
    asking.join()
    assert got == [b"done"]


@pytest.mark.deadline
def test_a_peer_that_keeps_an_idle_connection_does_not_hold_up_the_end(
    fetcher: Fetcher, policy: TlsPolicy, server_tls: ssl.SSLContext
) -> None:
    with serving(Tcp("127.0.0.1", 0, server_tls)) as listener:
        fetcher.request("GET", f"https://127.0.0.1:{listener.port}/echo", tls=policy)
        began = time.monotonic()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("where", ["echo", "ignore"])
def test_a_body_declared_over_the_limit_gets_a_problem(fetcher: Fetcher, where: str) -> None:
    with serving(body_bytes_max=1000) as listener:
        address = f"http://127.0.0.1:{listener.port}/{where}"
        response = fetcher.request("POST", address, body=b"x" * 1001)
        assert response.status == 413
        assert response.headers["content-type"] == "application/problem+json"
        assert isinstance(error_of(response.status, response.body), TooLarge)
        assert fetcher.request("POST", address, body=b"x" * 1000).status == 200


def chunked(port: int, pieces: int, where: str = "echo") -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
        sock.sendall(f"POST /{where} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(pieces):
            sock.sendall(b"64\r\n" + b"x" * 100 + b"\r\n")
        sock.sendall(b"0\r\n\r\n")
        return sock.recv(65_536)


def test_a_chunked_body_is_counted_as_it_comes() -> None:
    with serving(body_bytes_max=1000) as listener:
        assert chunked(listener.port, 11).startswith(b"HTTP/1.1 413")
        assert chunked(listener.port, 10).startswith(b"HTTP/1.1 200")


def test_headers_over_the_limit_are_refused() -> None:
    with serving() as listener, socket.create_connection(("127.0.0.1", listener.port), timeout=5) as sock:
        sock.sendall(b"GET /echo HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 40_000)
        assert sock.recv(1000).startswith(b"HTTP/1.1 400")


@pytest.mark.deadline
@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"GET /echo HT",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
        b"POST /ignore HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
        b"GET /echo HTTP/1.1\r\nHost: x\r\n\r\nGET /ec",
    ],
)
def test_a_client_that_does_not_finish_its_request_is_cut(beginning: bytes) -> None:
    with serving(seconds=0.4) as listener, socket.create_connection(("127.0.0.1", listener.port), timeout=5) as sock:
        sock.sendall(beginning)
        began = time.monotonic()
        with pytest.raises(ConnectionResetError):
            while sock.recv(1000):
                pass
            raise ConnectionResetError  # closed rather than reset: cut all the same
        assert time.monotonic() - began < 3


def test_a_client_that_drips_its_request_is_cut() -> None:
    with serving(seconds=0.4) as listener, socket.create_connection(("127.0.0.1", listener.port), timeout=5) as sock:
        sock.sendall(b"GET /echo HTTP/1.1\r\nHost: x\r\nX: ")
        with pytest.raises(OSError):
            for _ in range(60):
                sock.sendall(b"x")
                time.sleep(0.05)


@pytest.mark.parametrize("where", ["large", "streamed"])
def test_a_client_that_does_not_take_its_answer_is_cut(where: str) -> None:
    with serving(seconds=0.4) as listener, socket.create_connection(("127.0.0.1", listener.port), timeout=5) as sock:
        sock.sendall(f"GET /{where} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        time.sleep(1.2)
        received = 0
        with pytest.raises(ConnectionResetError):
            while more := sock.recv(1_000_000):
                received += len(more)
            raise ConnectionResetError
        assert received < 300 * 65_536


@pytest.mark.deadline
def test_a_client_that_reads_a_stream_steadily_gets_all_however_long_it_takes() -> None:
    with serving(seconds=0.5) as listener, socket.create_connection(("127.0.0.1", listener.port), timeout=5) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        sock.sendall(b"GET /streamed HTTP/1.0\r\nHost: x\r\n\r\n")
        began, received = time.monotonic(), 0
        while more := sock.recv(300_000):
            received += len(more)
            time.sleep(0.01)
        assert received >= 300 * 65_536
        assert time.monotonic() - began > 0.5


def test_a_slow_application_is_not_cut(make_fetcher: Callable[..., Fetcher]) -> None:
    with serving(seconds=0.3) as listener:
        assert make_fetcher().request("GET", f"http://127.0.0.1:{listener.port}/slow").body == b"done"


def test_forwarded_addresses_are_not_believed(fetcher: Fetcher) -> None:
    with serving() as listener:
        headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}
        response = fetcher.request("GET", f"http://127.0.0.1:{listener.port}/echo", headers=headers)
    assert json.loads(response.body)["scheme"] == "http"


def test_a_websocket_is_not_opened(fetcher: Fetcher) -> None:
    with serving() as listener:
        headers = {"Upgrade": "websocket", "Sec-WebSocket-Key": "AAAA", "Sec-WebSocket-Version": "13"}
        assert fetcher.request("GET", f"http://127.0.0.1:{listener.port}/echo", headers=headers).status == 200


def test_an_access_line_has_no_query_and_none_is_written_unasked(
    fetcher: Fetcher, caplog: pytest.LogCaptureFixture
) -> None:
    lines: list[tuple[str, str, int]] = []
    with caplog.at_level(logging.INFO), serving(answered=lambda *line: lines.append(line)) as listener:
        base = f"http://127.0.0.1:{listener.port}"
        fetcher.request("GET", f"{base}/echo%0Aforged?token=secret", headers={"Authorization": "Bearer secret"})
        fetcher.request("GET", f"{base}/broken?token=secret")
    assert lines == [("GET", "/echo%0Aforged", 404), ("GET", "/broken", 500)]
    assert "secret" not in caplog.text


# ---- the local door ----


def test_the_local_door_is_open_to_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "run" / "node.sock"
    with serving(Local(path)) as listener:
        assert listener.port == 0
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        client = LocalClient(path)
        for _ in range(3):
            response = client.request("POST", "/echo?x=1", body=b"12345")
            assert json.loads(response.body) == {"path": "/echo", "bytes": 5, "scheme": "http"}
        client.close()
    assert not path.exists()


def test_a_directory_open_to_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o755)
    (tmp_path / "run").chmod(0o755)
    with pytest.raises(Fault, match="open to other users") as raised:
        Listener(application(), Local(tmp_path / "run" / "node.sock")).start()
    assert "chmod 700" in raised.value.hint


def test_a_second_node_does_not_take_the_socket_of_a_living_one(tmp_path: Path) -> None:
    path = tmp_path / "run" / "node.sock"
    with serving(Local(path)):
        with pytest.raises(Conflict, match="another process serves"):
            Listener(application(), Local(path)).start()
        assert LocalClient(path).request("GET", "/echo").status == 200


def test_the_socket_of_a_dead_node_is_replaced_and_another_file_is_not(tmp_path: Path) -> None:
    path = tmp_path / "run" / "node.sock"
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with serving(Local(path)):
        assert LocalClient(path).request("GET", "/echo").status == 200
    path.write_text("somebody's notes")
    with pytest.raises(Conflict, match="not a socket"):
        Listener(application(), Local(path)).start()
    assert path.read_text() == "somebody's notes"


def test_a_path_too_long_for_a_socket_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="too long"):
        Listener(application(), Local(tmp_path / ("x" * 120))).start()


def test_a_node_that_does_not_serve_is_unreachable_and_another_users_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="no node serves") as raised:
        LocalClient(tmp_path / "none.sock").request("GET", "/echo")
    assert "comity serve" in raised.value.hint
    if os.geteuid() != 0:  # root opens everything
        path = tmp_path / "run" / "node.sock"
        with serving(Local(path)):
            path.chmod(0)
            with pytest.raises(Fault, match="another user"):
                LocalClient(path).request("GET", "/echo")


def test_the_connections_of_a_listener_are_bounded(fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comity.http.listen.HTTP_CONNECTIONS_MAX", 3)
    with serving() as listener:
        idle = [socket.create_connection(("127.0.0.1", listener.port)) for _ in range(3)]
        time.sleep(0.1)
        response = fetcher.request("GET", f"http://127.0.0.1:{listener.port}/echo")
        assert response.status == 503
        assert isinstance(error_of(response.status, response.body), Unreachable)
        for sock in idle:
            sock.close()
        time.sleep(0.1)
        assert fetcher.request("GET", f"http://127.0.0.1:{listener.port}/echo").status == 200
