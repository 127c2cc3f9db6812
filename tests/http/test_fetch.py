from __future__ import annotations

import gzip
import ipaddress
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comity.errors import ComityError, Malformed, Misuse, Refused, TooLarge, Unreachable
from comity.http.fetch import Fetcher
from comity.http.tls import NodeCertificate, TlsPolicy, self_signed
from tests.http.servers import answering, raw, read_head

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Make = Callable[..., Fetcher]


def test_a_whole_answer_comes_back_whatever_its_status(fetcher: Fetcher) -> None:
    answer = b"HTTP/1.1 404 Not Found\r\nX-One: 1\r\nx-one: 2\r\nContent-Length: 4\r\n\r\n\x00\xff\r\n"
    with raw(answering(answer)) as server:
        response = fetcher.request("GET", f"http://127.0.0.1:{server.port}/")
    assert response.status == 404
    assert response.headers["x-one"] == "1, 2"
    assert response.body == b"\x00\xff\r\n"


def test_the_request_goes_out_as_it_was_given(fetcher: Fetcher) -> None:
    heads: list[bytes] = []

    def talk(sock: socket.socket) -> None:
        head = read_head(sock)
        while not head.endswith(b"body!"):
            head += sock.recv(100)
        heads.append(head)
        sock.sendall(OK)

    with raw(talk) as server:
        where = f"http://127.0.0.1:{server.port}/%2e%2F/../a?b=%20&c"
        fetcher.request("POST", where, headers={"X-Own": "1"}, body=b"body!")
    head, _, body = heads[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /%2e%2F/../a?b=%20&c HTTP/1.1"
    assert sorted(lines[1:]) == [
        b"Accept-Encoding: identity",
        b"Content-Length: 5",
        b"Host: 127.0.0.1:%d" % server.port,
        b"X-Own: 1",
    ]
    assert body == b"body!"


def test_the_host_header_of_an_ipv6_address_has_its_brackets(make_fetcher: Make) -> None:
    heads: list[bytes] = []

    def talk(sock: socket.socket) -> None:
        heads.append(read_head(sock))
        sock.sendall(OK)

    with raw(talk) as server:
        fetcher = make_fetcher(resolve=lambda host: {"::1": ["127.0.0.1"]}[host])
        fetcher.request("GET", f"http://[::1]:{server.port}/")
    assert b"Host: [::1]:%d\r\n" % server.port in heads[0]


# ---- turned inwards ----


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"])
def test_loopback_is_refused_unless_allowed_however_it_is_written(make_fetcher: Make, host: str) -> None:
    with raw(answering(OK)) as server:
        for scheme in ("http", "https"):
            with pytest.raises(Refused, match="inside this machine"):
                make_fetcher(allow=()).request("GET", f"{scheme}://{host}:{server.port}/")
        assert server.connections == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "10.0.0.1", "::1", "fe80::1", "0.0.0.0"])
def test_a_name_that_leads_inwards_is_refused(make_fetcher: Make, address: str) -> None:
    fetcher = make_fetcher(allow=(), resolve=lambda _host: [address])
    with pytest.raises(Refused, match="inside this machine"):
        fetcher.request("GET", "https://metadata.arcadia.example/latest/")


def test_a_name_is_resolved_once_and_the_judged_address_is_connected_to(make_fetcher: Make) -> None:
    asked: list[str] = []

    def rebinding(host: str) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    # Closed after its answer, so that the second request needs a connection of its own.
    with raw(answering(OK.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))) as server:
        fetcher = make_fetcher(resolve=rebinding)
        assert fetcher.request("GET", f"http://cert.arcadia.example:{server.port}/").status == 200
        assert asked == ["cert.arcadia.example"]
        with pytest.raises(Refused):
            fetcher.request("GET", f"http://cert.arcadia.example:{server.port}/")


def test_plain_http_goes_to_loopback_only_even_if_the_network_is_allowed(make_fetcher: Make) -> None:
    allow = [ipaddress.ip_network("0.0.0.0/0")]
    for address in ("8.8.8.8", "10.0.0.1"):
        fetcher = make_fetcher(allow=allow, resolve=lambda _host, address=address: [address])
        with pytest.raises(Refused, match="plain http"):
            fetcher.request("GET", "http://feed.arcadia.example/")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_inwards_is_not_followed(make_fetcher: Make, status: int) -> None:
    with raw(answering(OK)) as inner:
        elsewhere = b"HTTP/1.1 %d X\r\nLocation: http://127.0.0.1:%d/admin\r\nContent-Length: 0\r\n\r\n"
        with raw(answering(elsewhere % (status, inner.port))) as server, pytest.raises(Refused, match="not followed"):
            make_fetcher().request("GET", f"http://127.0.0.1:{server.port}/")
        assert inner.connections == 0


def test_a_proxy_named_in_the_environment_is_not_used(make_fetcher: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with raw(answering(b"HTTP/1.1 500 proxy\r\nContent-Length: 0\r\n\r\n")) as proxy, raw(answering(OK)) as server:
        for name in ("http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert make_fetcher().request("GET", f"http://127.0.0.1:{server.port}/").status == 200
        assert proxy.connections == 0


def test_the_next_address_is_tried_when_one_does_not_answer(make_fetcher: Make) -> None:
    with raw(answering(OK)) as server:
        fetcher = make_fetcher(resolve=lambda _host: ["127.0.0.2", "127.0.0.1"])
        assert fetcher.request("GET", f"http://a.example:{server.port}/").status == 200


# ---- answers that are too much, too slow or cut ----


def test_a_body_over_the_limit_is_refused_before_it_is_read(make_fetcher: Make) -> None:
    def promising(sock: socket.socket) -> None:
        read_head(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n")
        time.sleep(30)

    with raw(promising) as server:
        with pytest.raises(TooLarge, match="HTTP_BODY_BYTES_MAX"):
            make_fetcher(body_bytes_max=1000).request("GET", f"http://127.0.0.1:{server.port}/")
    with raw(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", b"x" * 1001)) as server:
        assert make_fetcher(body_bytes_max=1001).request("GET", f"http://127.0.0.1:{server.port}/").status == 200


@pytest.mark.parametrize("length", [b"9" * 20, b"9" * 5000, b"-1", b"1, 2", b"0x10", b""])
def test_an_absurd_content_length_is_an_error_of_ours(fetcher: Fetcher, length: bytes) -> None:
    with raw(answering(b"HTTP/1.1 200 OK\r\nContent-Length: " + length + b"\r\n\r\nxy")) as server:
        with pytest.raises((TooLarge, Unreachable)):
            fetcher.request("GET", f"http://127.0.0.1:{server.port}/")


@pytest.mark.parametrize("chunked", [True, False])
def test_an_endless_body_is_cut_at_the_limit(make_fetcher: Make, chunked: bool) -> None:
    sent = 0

    def talk(sock: socket.socket) -> None:
        nonlocal sent
        read_head(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\n" + (b"Transfer-Encoding: chunked\r\n" if chunked else b"") + b"\r\n")
        piece = b"400\r\n" + b"x" * 1024 + b"\r\n" if chunked else b"x" * 1024
        while True:
            sock.sendall(piece)
            sent += 1024

    with raw(talk) as server, pytest.raises(TooLarge):
        make_fetcher(body_bytes_max=1_000_000).request("GET", f"http://127.0.0.1:{server.port}/")
    assert sent < 50_000_000


@pytest.mark.parametrize(
    ("coding", "bomb"),
    [
        ("gzip", gzip.compress(bytes(50_000_000))),
        ("deflate", zlib.compress(bytes(50_000_000))),
        ("br", b"x"),
        ("zstd", b"x"),
    ],
)
def test_a_compressed_bomb_is_refused_unopened(fetcher: Fetcher, coding: str, bomb: bytes) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
    with raw(answering(head, bomb)) as server, pytest.raises(Malformed, match="not asked for"):
        fetcher.request("GET", f"http://127.0.0.1:{server.port}/")


def drip(first: bytes, *, every: float = 0.05) -> Callable[[socket.socket], None]:
    def talk(sock: socket.socket) -> None:
        read_head(sock)
        sock.sendall(first)
        for _ in range(200):
            sock.sendall(b"x")
            time.sleep(every)

    return talk


@pytest.mark.deadline
@pytest.mark.parametrize(
    "first",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\n\r\n"],
)
def test_an_answer_that_drips_ends_at_the_deadline_and_not_later(make_fetcher: Make, first: bytes) -> None:
    began = time.monotonic()
    with raw(drip(first)) as server, pytest.raises(Unreachable, match=r"within 0\.4 s"):
        make_fetcher(seconds=0.4).request("GET", f"http://127.0.0.1:{server.port}/")
    assert 0.3 < time.monotonic() - began < 3


def test_endless_interim_answers_end_at_the_deadline(make_fetcher: Make) -> None:
    def talk(sock: socket.socket) -> None:
        read_head(sock)
        while True:
            sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            time.sleep(0.01)

    with raw(talk) as server, pytest.raises(Unreachable, match="within"):
        make_fetcher(seconds=0.4).request("GET", f"http://127.0.0.1:{server.port}/")


def test_a_handshake_that_never_ends_ends_at_the_deadline(make_fetcher: Make, policy: TlsPolicy) -> None:
    with raw(lambda _sock: time.sleep(5)) as server, pytest.raises(Unreachable, match="within"):
        make_fetcher(seconds=0.4).request("GET", f"https://127.0.0.1:{server.port}/", tls=policy)


def test_a_peer_that_does_not_read_ends_at_the_deadline(make_fetcher: Make) -> None:
    with raw(lambda _sock: time.sleep(5)) as server, pytest.raises(Unreachable):
        make_fetcher(seconds=0.4).request("POST", f"http://127.0.0.1:{server.port}/", body=bytes(30_000_000))


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
    ],
)
def test_an_answer_that_is_cut_or_no_http_is_unreachable(fetcher: Fetcher, answer: bytes) -> None:
    with raw(answering(answer)) as server, pytest.raises(Unreachable, match="broke off"):
        fetcher.request("GET", f"http://127.0.0.1:{server.port}/")


def test_a_closed_port_is_unreachable(fetcher: Fetcher) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unreachable, match="did not answer"):
        fetcher.request("GET", f"http://127.0.0.1:{port}/")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=200)
    | st.binary(max_size=60).map(lambda data: b"HTTP/1.1 " + data)
    | st.binary(max_size=60).map(lambda data: b"HTTP/1.1 200 OK\r\n" + data + b"\r\n\r\n")
)
def test_any_answer_gives_a_response_or_an_error_of_ours(make_fetcher: Make, data: bytes) -> None:
    with raw(answering(data)) as server:
        fetcher = make_fetcher(seconds=2.0)
        try:
            response = fetcher.request("GET", f"http://127.0.0.1:{server.port}/")
        except ComityError:
            return
        finally:
            fetcher.close()
        assert 100 <= response.status < 1000


# ---- connections and callers ----


def serving(sock: socket.socket) -> None:
    while read_head(sock):
        sock.sendall(OK)


def test_a_connection_is_used_again_for_the_same_peer(
    fetcher: Fetcher, policy: TlsPolicy, server_tls: ssl.SSLContext
) -> None:
    with raw(serving, server_tls) as server:
        for _ in range(5):
            assert fetcher.request("GET", f"https://127.0.0.1:{server.port}/", tls=policy).body == b"ok"
        assert server.connections == 1


def test_threads_share_a_fetcher(fetcher: Fetcher, policy: TlsPolicy, server_tls: ssl.SSLContext) -> None:
    got: list[bytes] = []
    with raw(serving, server_tls) as server:

        def ask() -> None:
            where = f"https://127.0.0.1:{server.port}/"
            got.extend(fetcher.request("GET", where, tls=policy).body for _ in range(10))

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert got == [b"ok"] * 60
        assert server.connections <= 4


def test_the_peers_whose_connections_are_kept_are_bounded(
    fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch, certificate: NodeCertificate
) -> None:
    monkeypatch.setattr("comity.http.fetch.HTTP_PEERS_MAX", 3)
    for _ in range(5):
        other = TlsPolicy(self_signed(["127.0.0.1"], at=1_790_000_000).certificate.decode())
        with pytest.raises(ComityError):
            fetcher.request("GET", "https://127.0.0.1:1/", tls=other)
    assert len(fetcher._pools) == 3


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {"Host": "127.0.0.1"}),
        ("POST", {"content-length": "1"}),
        ("POST", {"Transfer-Encoding": "chunked"}),
        ("GET", {"Accept-Encoding": "gzip"}),
        ("GET", {"X": "a\r\nY: b"}),
        ("GET", {"X\r\nY": "b"}),
        ("GET", {"X": "ü"}),
        ("GET", {"": "x"}),
        ("GET / HTTP/1.1\r\nX:", {}),
        ("get", {}),
        ("", {}),
        ("GÉT", {}),
    ],
)
def test_a_request_that_could_be_read_in_two_ways_is_not_sent(
    fetcher: Fetcher, method: str, headers: dict[str, str]
) -> None:
    with raw(answering(OK)) as server:
        with pytest.raises(Misuse):
            fetcher.request(method, f"http://127.0.0.1:{server.port}/", headers=headers)


def test_a_closed_fetcher_says_so(fetcher: Fetcher) -> None:
    fetcher.close()
    fetcher.close()
    with pytest.raises(Misuse, match="closed"):
        fetcher.request("GET", "http://127.0.0.1:1/")


def test_no_connection_is_left_open_after_close(
    fetcher: Fetcher, policy: TlsPolicy, server_tls: ssl.SSLContext
) -> None:
    ended = threading.Event()

    def talk(sock: socket.socket) -> None:
        serving(sock)
        ended.set()

    with raw(talk, server_tls) as server:
        fetcher.request("GET", f"https://127.0.0.1:{server.port}/", tls=policy)
        assert not ended.is_set()
        fetcher.close()
        assert ended.wait(5)
