"""Requests through a real small proxy on loopback, and what is asked of it."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comity.errors import ComityError, Fault, Malformed, Refused, TooLarge, Unreachable, Unverified
from comity.http import inward, login, proxy
from comity.http.exchange import Bounds
from comity.http.fetch import Fetcher
from comity.http.login import LOGIN_BYTES_MAX, Login
from comity.http.proxy import Proxy
from comity.http.tls import TlsPolicy, self_signed
from tests.http.servers import RawServer, answering, raw, read_head

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Make = Callable[..., Fetcher]
FAR = "feed.borealia.example"


@dataclass
class Relay:
    """A forward proxy that takes every name for loopback; remembers what it was asked."""

    wants: bytes = b""  # a line that has to be in the head
    heads: list[bytes] = field(default_factory=list)

    def __call__(self, sock: socket.socket) -> None:
        head = read_head(sock)
        self.heads.append(head)
        if self.wants and self.wants not in head:
            body = b"HTTP/1.1 407 Who are you\r\nContent-Length: 5\r\n\r\nwho?!"
            sock.sendall(body)
            return
        method, target, _ = head.split(b"\r\n")[0].split(b" ")
        if method == b"CONNECT":
            with socket.create_connection(("127.0.0.1", int(target.rpartition(b":")[2]))) as far:
                sock.sendall(b"HTTP/1.1 200 Connection established\r\nVia: relay\r\n\r\n")
                _both_ways(sock, far)
            return
        place, _, path = target.removeprefix(b"http://").partition(b"/")
        with socket.create_connection(("127.0.0.1", int(place.rpartition(b":")[2]))) as far:
            far.sendall(head.replace(target, b"/" + path, 1))
            _copy(far, sock)


def _both_ways(one: socket.socket, other: socket.socket) -> None:
    back = threading.Thread(target=_copy, args=(other, one), daemon=True)
    back.start()
    _copy(one, other)
    back.join(5)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def relay() -> Relay:
    return Relay()


@pytest.fixture
def relaying(relay: Relay) -> Iterator[RawServer]:
    with raw(relay) as server:
        yield server


def resolving(host: str) -> list[str]:
    """Know the proxy and nothing else, as behind many a firewall."""
    if host in {"127.0.0.1", "proxy.arcadia.example"}:
        return ["127.0.0.1"]
    raise Unreachable(f"the name {host} leads nowhere")


@pytest.fixture
def carried(make_fetcher: Make, relaying: RawServer) -> Callable[..., Fetcher]:
    def make(**arguments: object) -> Fetcher:
        address = f"http://proxy.arcadia.example:{relaying.port}"
        known = {name: arguments.pop(name) for name in ("authorization", "direct") if name in arguments}
        carrying = proxy.parse(address, **known)  # type: ignore[arg-type]
        return make_fetcher(**{"proxy": carrying, "resolve": resolving, "allow": (), **arguments})

    return make


# ---- https: a tunnel ----


def test_https_goes_through_a_tunnel_and_is_proven_end_to_end(
    carried: Make, relay: Relay, policy: TlsPolicy, server_tls: ssl.SSLContext
) -> None:
    with raw(answering(OK), server_tls) as server:
        fetcher = carried()
        assert fetcher.request("GET", f"https://{FAR}:{server.port}/a?b", tls=policy).body == b"ok"
        assert relay.heads == [b"CONNECT %s:%d HTTP/1.1\r\nHost: %s:%d\r\n\r\n" % ((FAR.encode(), server.port) * 2)]
        other = TlsPolicy(self_signed([FAR], at=1_790_000_000).certificate.decode())
        with pytest.raises(Unverified, match="pins"):
            fetcher.request("GET", f"https://{FAR}:{server.port}/", tls=other)
        with pytest.raises(Unverified):
            fetcher.request("GET", f"https://{FAR}:{server.port}/")


def test_a_tunnel_is_used_again(carried: Make, relay: Relay, policy: TlsPolicy, server_tls: ssl.SSLContext) -> None:
    def serving(sock: socket.socket) -> None:
        while read_head(sock):
            sock.sendall(OK)

    with raw(serving, server_tls) as server:
        fetcher = carried()
        for _ in range(3):
            assert fetcher.request("GET", f"https://{FAR}:{server.port}/", tls=policy).body == b"ok"
        assert len(relay.heads) == 1


def test_a_body_is_streamed_through_a_tunnel(carried: Make, policy: TlsPolicy, server_tls: ssl.SSLContext) -> None:
    size = 3_000_000
    with raw(answering(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * size), server_tls) as server:
        with carried().stream(f"https://{FAR}:{server.port}/", Bounds(10.0, size), tls=policy) as answer:
            assert sum(map(len, answer.chunks)) == size
        with pytest.raises(TooLarge):
            with carried().stream(f"https://{FAR}:{server.port}/", Bounds(10.0, size - 1), tls=policy) as answer:
                assert sum(map(len, answer.chunks)) < size


# ---- plain http: the absolute form ----


def test_plain_http_is_asked_of_the_proxy_where_it_may_go_out(carried: Make, relay: Relay) -> None:
    heads: list[bytes] = []

    def talk(sock: socket.socket) -> None:
        heads.append(read_head(sock))
        sock.sendall(OK)

    with raw(talk) as server:
        where = f"http://{FAR}:{server.port}/a?b=%20"
        with pytest.raises(Refused, match="plain http"):
            carried().request("GET", where)
        assert not relay.heads
        assert carried().request("GET", where, plain=True).body == b"ok"
    assert relay.heads[0].startswith(b"GET http://%s:%d/a?b=%%20 HTTP/1.1\r\n" % (FAR.encode(), server.port))
    assert b"Host: %s:%d\r\n" % (FAR.encode(), server.port) in heads[0]


def test_plain_http_may_go_out_without_a_proxy_too_but_never_inwards(make_fetcher: Make) -> None:
    with raw(answering(OK)) as server:
        where = f"http://{FAR}:{server.port}/"
        judged = {"resolve": lambda _host: ["10.0.0.1"], "allow": [ipaddress.ip_network("10.0.0.0/8")]}
        with pytest.raises(Refused, match="plain http"):
            make_fetcher(**judged).request("GET", where)
        with pytest.raises(Refused, match="inside this machine"):
            make_fetcher(resolve=lambda _host: ["127.0.0.1"], allow=()).request("GET", where, plain=True)
        assert make_fetcher(resolve=lambda _host: ["127.0.0.1"]).request("GET", where, plain=True).status == 200


# ---- who asks ----


def test_the_proxy_is_told_who_asks_and_nobody_else_is(
    carried: Make, relay: Relay, policy: TlsPolicy, server_tls: ssl.SSLContext
) -> None:
    relay.wants = b"Proxy-Authorization: Basic bmFtZTpwdw=="
    heads: list[bytes] = []

    def talk(sock: socket.socket) -> None:
        heads.append(read_head(sock))
        sock.sendall(OK)

    known = {"authorization": "Basic bmFtZTpwdw=="}
    with raw(talk, server_tls) as server:
        assert carried(**known).request("GET", f"https://{FAR}:{server.port}/", tls=policy).status == 200
        with pytest.raises(Fault, match="wants to know who asks") as caught:
            carried().request("GET", f"https://{FAR}:{server.port}/", tls=policy)
        assert "outbound_proxy_login" in caught.value.hint
    assert b"bmFtZTpwdw" not in heads[0]
    with raw(answering(OK)) as server:
        where = f"http://{FAR}:{server.port}/"
        assert carried(**known).request("GET", where, plain=True).status == 200
        with pytest.raises(Fault, match="wants to know who asks"):
            carried().request("GET", where, plain=True)
    assert "bmFtZTpwdw" not in repr(proxy.parse("http://p.example:1", **known))


# ---- what is never asked of it ----


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.1", "169.254.169.254", "[fe80::1]", "[::ffff:10.0.0.1]", "2130706433", "0x7f.1", "10.1", "metadata",
        "metadata.google.internal", "router.local", "nas.home.arpa", "fritz.lan",
    ],
)  # fmt: skip
def test_what_leads_inwards_is_refused_before_the_proxy_is_asked(carried: Make, relay: Relay, host: str) -> None:
    for scheme in ("https", "http"):
        with pytest.raises(Refused):
            carried().request("GET", f"{scheme}://{host}:443/", plain=True)
    assert not relay.heads


def test_a_name_that_leads_inwards_by_our_own_resolver_is_refused(carried: Make, relay: Relay) -> None:
    def split(host: str) -> list[str]:
        return ["127.0.0.1"] if host.startswith("proxy.") else ["192.168.1.1"]

    with pytest.raises(Refused, match="inside this machine"):
        carried(resolve=split).request("GET", f"https://{FAR}/")
    assert not relay.heads


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "[::1]", "localhost", "a.localhost"])
def test_this_machine_is_never_reached_by_proxy(carried: Make, relay: Relay, host: str) -> None:
    with pytest.raises(Refused, match="inside this machine"):
        carried(resolve=lambda _host: ["127.0.0.1"]).request("GET", f"https://{host}:1/")
    assert not relay.heads


def test_what_no_proxy_names_is_reached_directly_and_judged_as_ever(
    carried: Make, relay: Relay, policy: TlsPolicy, server_tls: ssl.SSLContext
) -> None:
    with raw(answering(OK), server_tls) as server:
        near = {"direct": ("borealia.example", "10.0.0.0/8"), "resolve": lambda _host: ["127.0.0.1"]}
        fetcher = carried(**near, allow=inward.LOOPBACK)
        assert fetcher.request("GET", f"https://{FAR}:{server.port}/", tls=policy).status == 200
        with pytest.raises(Refused, match="inside this machine"):
            carried(**near).request("GET", f"https://{FAR}:{server.port}/", tls=policy)
    assert not relay.heads


@pytest.mark.parametrize(
    ("host", "carries"),
    [
        ("borealia.example", False), ("node.borealia.example", False), ("notborealia.example", True),
        ("borealia.example.org", True), ("cascadia.example", False), ("10.1.2.3", False), ("11.1.2.3", True),
        ("2001:db8::1", False), ("2001:db9::1", True), ("127.0.0.1", False), ("::1", False), ("localhost", False),
    ],
)  # fmt: skip
def test_what_goes_past_the_proxy(host: str, carries: bool) -> None:
    direct = ("borealia.example", ".Cascadia.example", "10.0.0.0/8", "2001:db8::/32")
    assert proxy.parse("http://p.example:3128", direct=direct).carries(host) is carries


# ---- proxies that are none ----


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", Unreachable),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", Unreachable),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", Refused),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", Unreachable),
        (b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n", Unreachable),
        (b"HTTP/1.1 407 Who\r\n\r\n", Fault),
        (b"HTTP/1.1 200 OK\r\n\r\n\x16\x03\x01 of its own", Unreachable),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, Unreachable),
        (b"HTTP/1.1 2000 OK\r\n\r\n", Unreachable),
    ],
)
def test_an_answer_that_opens_no_tunnel_is_an_error(
    make_fetcher: Make, policy: TlsPolicy, answer: bytes, kind: type[ComityError]
) -> None:
    with raw(answering(answer)) as server:
        known = proxy.parse(f"http://127.0.0.1:{server.port}")
        with pytest.raises(kind):
            make_fetcher(resolve=resolving, proxy=known).request("GET", f"https://{FAR}/", tls=policy)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80) | st.binary(max_size=40).map(lambda data: b"HTTP/1.1 200" + data + b"\r\n\r\n"))
def test_any_answer_of_a_proxy_gives_an_error_of_ours(make_fetcher: Make, policy: TlsPolicy, data: bytes) -> None:
    with raw(answering(data)) as server:
        fetcher = make_fetcher(seconds=2.0, resolve=resolving, proxy=proxy.parse(f"http://127.0.0.1:{server.port}"))
        with pytest.raises(ComityError):
            fetcher.request("GET", f"https://{FAR}/", tls=policy)
        fetcher.close()


def test_a_proxy_that_is_silent_ends_at_the_deadline(make_fetcher: Make) -> None:
    ended = threading.Event()
    with raw(lambda _sock: ended.wait(5) and None) as server:
        known = proxy.parse(f"http://127.0.0.1:{server.port}")
        with pytest.raises(Unreachable, match=r"within 0\.4 s"):
            make_fetcher(seconds=0.4, resolve=resolving, proxy=known).request("GET", f"https://{FAR}/")
        ended.set()


def test_a_proxy_that_is_not_there_is_unreachable(make_fetcher: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unreachable):
        known = proxy.parse(f"http://127.0.0.1:{port}")
        make_fetcher(resolve=resolving, proxy=known).request("GET", f"https://{FAR}/")


@pytest.mark.parametrize(
    ("address", "direct"),
    [
        ("https://p.example:3128", ()),
        ("http://name:pw@p.example:3128", ()),
        ("http://p.example/path", ()),
        ("socks5://p.example", ()),
        ("p.example:3128", ()),
        ("http://p.example", ("*",)),
        ("http://p.example", ("",)),
        ("http://p.example", ("a b",)),
    ],
)
def test_what_is_no_proxy_is_malformed(address: str, direct: tuple[str, ...]) -> None:
    with pytest.raises(Malformed):
        proxy.parse(address, direct=direct)


def test_a_proxy_has_a_port_by_default() -> None:
    assert proxy.parse("http://p.example") == Proxy("p.example", 80)


# ---- streams ----


def test_a_stream_that_drips_ends(make_fetcher: Make) -> None:
    stop = threading.Event()

    def drip(sock: socket.socket) -> None:
        read_head(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not stop.wait(0.02):
            sock.sendall(b"x")

    with raw(drip) as server:
        bounds = Bounds(20.0, 10_000, rate_min=1_000, patience=0.3)
        with pytest.raises(Unreachable, match="under 1000 bytes a second"):
            with make_fetcher().stream(f"http://127.0.0.1:{server.port}/", bounds) as answer:
                assert all(answer.chunks)
        stop.set()


def test_a_stream_that_falls_silent_ends(make_fetcher: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comity.http.exchange.SILENCE_SECONDS", 0.2)
    stop = threading.Event()

    def talk(sock: socket.socket) -> None:
        read_head(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\nx")
        stop.wait(10)

    with raw(talk) as server:
        with pytest.raises(Unreachable, match="fell silent"):
            with make_fetcher().stream(f"http://127.0.0.1:{server.port}/", Bounds(20.0, 10)) as answer:
                assert b"".join(answer.chunks) == b""
        stop.set()


def test_a_stream_names_the_limit_it_was_given(make_fetcher: Make) -> None:
    with raw(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")) as server:
        with pytest.raises(TooLarge, match="MISP_EVENT_BYTES_MAX"):
            with make_fetcher().stream(f"http://127.0.0.1:{server.port}/", Bounds(5.0, 99, "MISP_EVENT_BYTES_MAX")):
                pass


# ---- logins ----


@pytest.mark.parametrize(
    ("data", "headers"),
    [
        (b"basic name:p:w \n", {"Authorization": "Basic bmFtZTpwOnc="}),
        ("basic n:ü".encode(), {"Authorization": "Basic bjrDvA=="}),
        (b"bearer abc.def\n", {"Authorization": "Bearer abc.def"}),
        (b"header X-API-Key: a b", {"X-API-Key": "a b"}),
    ],
)
def test_a_login_is_read(data: bytes, headers: dict[str, str]) -> None:
    assert login.parse(data, "keys/x").headers == headers


@pytest.mark.parametrize(
    "data",
    [
        b"", b"s3cret", b"basic s3cret", b"bearer", b"bearer s3 cret", b"bearer s3\r\nHost: x", b"header X: s3\ncret",
        b"header X Y: s3cret", b"header X:", b"\xff s3cret", b"bearer s\xc3\xa9cret", b"basic a:s3\x00cret",
        b"bearer " + b"s3cret" * LOGIN_BYTES_MAX,
    ],
)  # fmt: skip
def test_what_is_no_login_is_refused_without_a_word_of_it(data: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        login.parse(data, "keys/x")
    said = f"{caught.value.says()} {caught.value!r} {caught.value.__cause__!r}"
    assert "cret" not in said


@given(st.binary(max_size=60) | st.text(max_size=40).map(lambda text: f"header X: {text}".encode()))
def test_any_bytes_give_a_login_that_can_be_sent_or_malformed(data: bytes) -> None:
    try:
        made = login.parse(data, "keys/x")
    except Malformed:
        return
    for value in made.headers.values():
        assert value.isascii()
        assert value.isprintable()
    assert str(made.headers) not in repr(made)


def test_a_client_certificate_is_shown(
    make_fetcher: Make, policy: TlsPolicy, server_tls: ssl.SSLContext, tmp_path: Path
) -> None:
    authority = trustme.CA()
    pem = tmp_path / "isac"
    pem.write_bytes(authority.issue_cert("csirt@arcadia.example").private_key_and_cert_chain_pem.bytes())
    made = login.parse(pem.read_bytes(), str(pem))
    assert made == Login(certificate=str(pem))
    server_tls.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(server_tls)
    with raw(answering(OK), server_tls) as server:
        shown = TlsPolicy(policy.certificate, policy.pin, made.certificate)
        where = f"https://127.0.0.1:{server.port}/"
        assert make_fetcher().request("GET", where, tls=shown).body == b"ok"
        with pytest.raises(Unreachable):
            make_fetcher().request("GET", where, tls=policy)
    (tmp_path / "bad").write_text("-----BEGIN nothing-----")
    for path, kind in ((tmp_path / "bad", ComityError), (tmp_path / "none", Fault)):
        with pytest.raises(kind):
            make_fetcher().request("GET", where, tls=TlsPolicy(client=str(path)))
