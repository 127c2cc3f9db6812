from __future__ import annotations

import base64
import contextlib
import datetime
from collections.abc import Callable, Mapping
from typing import NamedTuple

import http_message_signatures as oracle
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from http_message_signatures.algorithms import ED25519
from hypothesis import example, given
from hypothesis import strategies as st

from comity.errors import ComityError, Malformed, Misuse, TooLarge, Unverified
from comity.http import signing, url
from comity.http.signing import ReplayCache, content_digest, sign_request, verify_request

AT = 1_790_000_000
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
KEY_ID = "sha256:arcadia"
KEYS = {KEY_ID: KEY.public_key().public_bytes_raw(), "sha256:other": OTHER.public_key().public_bytes_raw()}
NONCE = "bm9uY2Utb2YtMTI4LWJpdA"
URL = "https://cert.borealia.example:8443/v1/logs/x?from=17&to=99"


class Request(NamedTuple):
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


def signed(
    method: str = "POST",
    where: str = URL,
    body: bytes = b'{"a":1}',
    headers: Mapping[str, str] | None = None,
    *,
    sign: Callable[[bytes], bytes] = KEY.sign,
    key_id: str = KEY_ID,
    at: int = AT,
    nonce: str = NONCE,
) -> Request:
    plain = {"Content-Type": "application/json"} if headers is None else dict(headers)
    added = sign_request(method, where, plain, body, key_id=key_id, sign=sign, at=at, nonce=nonce)
    return Request(method, where, plain | added, body)


def never_seen(key_id: str, nonce: str, expires: int) -> bool:
    return False


def verify(request: Request, *, at: int = AT, seen: Callable[[str, str, int], bool] = never_seen) -> str:
    return verify_request(*request, find_key=KEYS.get, at=at, seen=seen)


# RFC 9421, Appendix B.1.4 (test-key-ed25519) and B.2.6.
RFC_KEY = Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode("n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU="))
RFC_PUBLIC = base64.urlsafe_b64decode("JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs=")
RFC_FIELDS = {
    "host": "example.com",
    "date": "Tue, 20 Apr 2021 02:07:55 GMT",
    "content-type": "application/json",
    "content-length": "18",
}
RFC_STATED = (
    '("date" "@method" "@path" "@authority" "content-type" "content-length")'
    ';created=1618884473;keyid="test-key-ed25519"'
)
RFC_SIGNATURE = "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="


def test_the_signature_base_and_signature_are_those_of_rfc_9421_b_2_6() -> None:
    fields = RFC_FIELDS | {"signature-input": f"sig-b26={RFC_STATED}", "signature": f"sig-b26=:{RFC_SIGNATURE}:"}
    stated = signing._stated(fields)
    assert stated.covered == ("date", "@method", "@path", "@authority", "content-type", "content-length")
    assert stated.parameters == {"created": 1618884473, "keyid": "test-key-ed25519"}
    where = url.parse("https://example.com/foo?param=Value&Pet=dog")
    base = signing.signature_base(stated.covered, stated.stated, "POST", where, fields)
    assert base == (
        b'"date": Tue, 20 Apr 2021 02:07:55 GMT\n"@method": POST\n"@path": /foo\n"@authority": example.com\n'
        b'"content-type": application/json\n"content-length": 18\n"@signature-params": ' + RFC_STATED.encode()
    )
    assert RFC_KEY.public_key().public_bytes_raw() == RFC_PUBLIC
    assert base64.b64encode(RFC_KEY.sign(base)).decode() == RFC_SIGNATURE
    RFC_KEY.public_key().verify(stated.signature, base)


def test_the_digest_is_that_of_rfc_9530() -> None:
    # RFC 9530 Appendix D: the object with its line feed.
    assert content_digest(b'{"hello": "world"}\n') == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"


@pytest.mark.parametrize(
    "request_",
    [
        signed(),
        signed("GET", "https://cert.borealia.example/", b"", {}),
        signed("GET", "http://127.0.0.1:8080/x?", b"", {}),
        signed("PUT", "https://[2001:db8::1]/x", b"\x00" * 100, {}),
    ],
)
def test_a_signed_request_verifies(request_: Request) -> None:
    assert verify(request_) == KEY_ID


def test_header_names_may_come_in_any_letters() -> None:
    request = signed()
    assert verify(request._replace(headers={name.upper(): value for name, value in request.headers.items()}))


def test_a_proxy_that_ends_tls_changes_nothing() -> None:
    request = signed("GET", "https://cert.borealia.example:8443/x", b"", {})
    assert verify(request._replace(url="http://cert.borealia.example:8443/x"))


def changed(request: Request, header: str, old: str, new: str) -> Request:
    value = request.headers[header]
    assert old in value
    return request._replace(headers={**request.headers, header: value.replace(old, new, 1)})


TAMPERED: dict[str, Request] = {
    "method": signed()._replace(method="PUT"),
    "path": signed()._replace(url=URL.replace("/logs/x", "/logs/y")),
    "query": signed()._replace(url=URL.replace("from=17", "from=0")),
    "query dropped": signed()._replace(url=URL.partition("?")[0]),
    "host": signed()._replace(url=URL.replace("borealia", "cascadia")),
    "port": signed()._replace(url=URL.replace("8443", "8444")),
    "body": signed()._replace(body=b'{"a":2}'),
    "body dropped": signed()._replace(body=b""),
    "body added": signed("POST", URL, b"", {})._replace(body=b"x"),
    "content type": signed()._replace(headers={**signed().headers, "Content-Type": "text/plain"}),
    "content type added": signed("POST", URL, b"x", {})._replace(
        headers={**signed("POST", URL, b"x", {}).headers, "Content-Type": "text/plain"}
    ),
    "digest and body": signed()._replace(
        body=b'{"a":2}', headers={**signed().headers, "Content-Digest": content_digest(b'{"a":2}')}
    ),
    "created": changed(signed(), "Signature-Input", f"created={AT}", f"created={AT + 1}"),
    "nonce": changed(signed(), "Signature-Input", NONCE, NONCE[::-1]),
    "key": changed(signed(), "Signature-Input", KEY_ID, "sha256:other"),
    "another key's signature": signed(sign=OTHER.sign),
    "order": changed(signed(), "Signature-Input", '"@method" "@authority"', '"@authority" "@method"'),
    "signature": signed()._replace(
        headers={**signed().headers, "Signature": f"comity=:{base64.b64encode(bytes(64)).decode()}:"}
    ),
    "expires added": changed(signed(), "Signature-Input", ";tag=", f";expires={AT + 9};tag="),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_every_tampering_is_refused(what: str) -> None:
    with pytest.raises(Unverified) as raised:
        verify(TAMPERED[what])
    assert raised.value.hint or "open to change" in str(raised.value)


@pytest.mark.parametrize(
    "part", ['"@method" ', '"@authority" ', '"@path" ', '"@query" ', ' "content-type"', ' "content-digest"']
)
def test_a_signature_that_covers_less_is_refused_even_if_it_holds(part: str) -> None:
    request = signed()
    stated = request.headers["Signature-Input"].removeprefix("comity=").replace(part, "")
    fields = {name.lower(): value for name, value in request.headers.items()}
    covered = [name for name in (*signing.ALWAYS_COVERED, *signing.COVERED_WHEN_PRESENT) if name not in part]
    base = signing.signature_base(covered, stated, "POST", url.parse(URL), fields)
    headers = {
        **request.headers,
        "Signature-Input": f"comity={stated}",
        "Signature": f"comity=:{base64.b64encode(KEY.sign(base)).decode()}:",
    }
    with pytest.raises(Unverified, match="open to change"):
        verify(request._replace(headers=headers))


def test_each_reason_has_its_own_words_and_says_what_to_do() -> None:
    cache = ReplayCache(lambda: AT)
    verify(signed(), seen=cache.seen)
    reasons = {
        "replay": lambda: verify(signed(), seen=cache.seen),
        "unknown key": lambda: verify(signed(key_id="sha256:stranger")),
        "slow clock": lambda: verify(signed(at=AT - 301)),
        "fast clock": lambda: verify(signed(at=AT + 301)),
        "a year off": lambda: verify(signed(at=AT - 31_536_000)),
        "wrong signature": lambda: verify(signed(sign=OTHER.sign)),
        "wrong body": lambda: verify(signed()._replace(body=b"z")),
        "not signed": lambda: verify(Request("GET", URL, {}, b"")),
    }
    messages = {}
    for name, ask in reasons.items():
        with pytest.raises(Unverified) as raised:
            ask()
        assert raised.value.hint, name
        messages[name] = str(raised.value)
    assert len(set(messages.values())) == len(messages)
    assert "31536000 s behind" in messages["a year off"]


@pytest.mark.parametrize("apart", [-300, 300])
def test_the_clock_may_differ_by_the_limit_and_no_more(apart: int) -> None:
    assert verify(signed(at=AT + apart))
    with pytest.raises(Unverified, match="clock"):
        verify(signed(at=AT + apart + (1 if apart > 0 else -1)))


def test_a_signature_that_does_not_hold_takes_no_room_in_the_replay_cache() -> None:
    cache = ReplayCache(lambda: AT, nonces_max=1)
    for _ in range(3):
        with pytest.raises(Unverified):
            verify(signed(sign=OTHER.sign), seen=cache.seen)
    assert verify(signed(), seen=cache.seen) == KEY_ID


def test_a_nonce_is_held_as_long_as_its_signature_is_good() -> None:
    now = AT
    cache = ReplayCache(lambda: now)
    assert not cache.seen("k", "n", AT + 300)
    now = AT + 300
    assert cache.seen("k", "n", AT + 300)
    now = AT + 601
    assert not cache.seen("k", "other", now + 300)
    assert cache._held == {"k": {"other": now + 300}}


@pytest.mark.parametrize("fast", [-300, 0, 300])
def test_a_request_cannot_be_replayed_as_long_as_its_time_would_be_accepted(fast: int) -> None:
    # A sender whose clock is fast gives its signature a longer life here: up to twice the skew.
    now = AT
    cache = ReplayCache(lambda: now)
    request = signed(at=AT + fast)
    assert verify(request, at=now, seen=cache.seen)
    for now in range(AT, AT + 700, 50):
        with pytest.raises(Unverified):
            verify(request, at=now, seen=cache.seen)


def test_a_key_that_floods_fills_its_own_share_only_and_gets_it_back() -> None:
    now = AT
    cache = ReplayCache(lambda: now, nonces_max=10)
    for number in range(10):
        assert not cache.seen("flooder", f"n{number}", AT + 300)
    with pytest.raises(TooLarge, match="REPLAY_NONCES_MAX"):
        cache.seen("flooder", "n10", AT + 300)
    assert cache.seen("flooder", "n3", AT + 300)
    assert not cache.seen("quiet", "n1", AT + 300)
    now = AT + 301
    assert not cache.seen("flooder", "n11", now + 300)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Signature-Input", ""),
        ("Signature-Input", "comity=()"),
        ("Signature-Input", 'comity=("@method"  "@path");created=1'),
        ("Signature-Input", 'comity=("@method";req);created=1'),
        ("Signature-Input", 'comity=("@method");created=1;created=2'),
        ("Signature-Input", 'comity=("@method" "@method");created=1'),
        ("Signature-Input", 'comity=("@method");created=1.5'),
        ("Signature-Input", "other=" + signed().headers["Signature-Input"].removeprefix("comity=")),
        ("Signature-Input", signed().headers["Signature-Input"] + ', x=("@path")'),
        ("Signature-Input", "x" * 5000),
        ("Signature-Input", signed().headers["Signature-Input"].replace(NONCE, "short")),
        ("Signature-Input", signed().headers["Signature-Input"].replace(f'"{NONCE}"', "12345678901234")),
        ("Signature-Input", signed().headers["Signature-Input"].replace(f"={AT}", f'="{AT}"')),
        ("Signature", "comity=:AAAA:"),
        ("Signature", "comity=:A:"),
        ("Signature", "comity=AAAA"),
        ("Signature", ""),
    ],
)
def test_headers_that_are_not_of_the_profile_are_malformed_or_unverified(header: str, value: str) -> None:
    request = signed()
    with pytest.raises((Malformed, Unverified)):
        verify(request._replace(headers={**request.headers, header: value}))


@pytest.mark.parametrize("digest", ["", "md5=:AAAA:", "sha-256=:AAAA:", "sha-256=x", "sha-256=::, sha-256=::"])
def test_a_body_needs_one_sha_256_digest(digest: str) -> None:
    fields = {"content-digest": digest}
    with pytest.raises(Malformed):
        signing._check_body(fields, b"x")


def test_a_second_digest_by_another_algorithm_is_no_harm() -> None:
    signing._check_body({"content-digest": f"sha-512=:AAAA:, {content_digest(b'x')}"}, b"x")


@pytest.mark.parametrize("ending", [';alg="ed25519"', f";expires={AT + 10}"])
def test_the_optional_parameters_of_the_rfc_are_understood(ending: str) -> None:
    assert verify(resigned(signed(), ending)) == KEY_ID


@pytest.mark.parametrize("ending", [';alg="hmac-sha256"', f";expires={AT - 1}"])
def test_another_algorithm_or_an_expired_signature_is_refused(ending: str) -> None:
    with pytest.raises(Unverified):
        verify(resigned(signed(), ending))


def test_a_signature_made_for_another_purpose_is_refused() -> None:
    request = signed()
    headers = dict(request.headers)
    headers["Signature-Input"] = headers["Signature-Input"].replace('tag="comity"', 'tag="web-bot-auth"')
    with pytest.raises(Unverified, match="made for something else"):
        verify(resigned(request._replace(headers=headers), ""))


def resigned(request: Request, ending: str) -> Request:
    stated = request.headers["Signature-Input"].removeprefix("comity=") + ending
    fields = {name.lower(): value for name, value in request.headers.items()}
    covered = [name for name in (*signing.ALWAYS_COVERED, *signing.COVERED_WHEN_PRESENT) if f'"{name}"' in stated]
    base = signing.signature_base(covered, stated, request.method, url.parse(request.url), fields)
    signature = f"comity=:{base64.b64encode(KEY.sign(base)).decode()}:"
    return request._replace(headers={**request.headers, "Signature-Input": f"comity={stated}", "Signature": signature})


@pytest.mark.parametrize(
    "arguments",
    [{"key_id": 'a"b'}, {"key_id": ""}, {"nonce": "short"}, {"nonce": "x" * 129}, {"nonce": "a b" * 9}, {"at": -1}],
)
def test_what_cannot_be_signed_is_misuse(arguments: dict[str, object]) -> None:
    with pytest.raises(Misuse):
        signed(**arguments)  # type: ignore[arg-type]


def test_a_request_is_not_signed_twice() -> None:
    with pytest.raises(Misuse, match="signed already"):
        signed(headers=signed().headers)


def test_a_header_given_twice_in_different_letters_is_malformed() -> None:
    request = signed()
    with pytest.raises(Malformed, match="twice"):
        verify(request._replace(headers={**request.headers, "content-type": "text/plain"}))


@given(header=st.sampled_from(["Signature-Input", "Signature", "Content-Digest", "Content-Type", "X"]), value=st.text())
@example(header="Signature-Input", value='a=("' + '" "' * 1000 + '")')
@example(header="Signature", value="comity=:" + "=" * 4000 + ":")
def test_any_header_gives_the_key_or_malformed_or_unverified(header: str, value: str) -> None:
    request = signed()
    with contextlib.suppress(Malformed, Unverified):
        assert verify(request._replace(headers={**request.headers, header: value})) == KEY_ID


@given(position=st.integers(0, 10_000), character=st.characters(min_codepoint=0, max_codepoint=255))
def test_any_one_character_changed_in_the_signature_headers_is_refused(position: int, character: str) -> None:
    request = signed()
    for header in ("Signature-Input", "Signature", "Content-Digest"):
        value = request.headers[header]
        at = position % len(value)
        if value[at] == character:
            continue
        with pytest.raises((Malformed, Unverified)):
            verify(request._replace(headers={**request.headers, header: value[:at] + character + value[at + 1 :]}))


@given(method=st.text(max_size=10), where=st.text(max_size=30), body=st.binary(max_size=10))
def test_any_request_gives_the_key_or_an_error_of_ours(method: str, where: str, body: bytes) -> None:
    with pytest.raises((Malformed, Unverified)):
        verify(Request(method, where, signed().headers, body))


class Message:
    """What the independent implementation signs and verifies."""

    def __init__(self, request: Request) -> None:
        self.method, self.url, self.headers, self.body = (
            request.method,
            request.url,
            dict(request.headers),
            request.body,
        )


def test_an_independent_implementation_verifies_what_we_sign() -> None:
    # That implementation reads the machine's clock, so this one request is signed for now.
    now = int(datetime.datetime.now(datetime.UTC).timestamp())
    request = signed(at=now)
    resolver = oracle.MappingKeyResolver(public_keys={KEY_ID: KEY.public_key()}, private_keys={})
    verifier = oracle.HTTPMessageVerifier(signature_algorithm=ED25519, key_resolver=resolver)
    results = verifier.verify(Message(request), expect_tag="comity", body=request.body)
    assert [result.parameters["keyid"] for result in results] == [KEY_ID]


def test_we_verify_what_an_independent_implementation_signs() -> None:
    resolver = oracle.MappingKeyResolver(public_keys={}, private_keys={KEY_ID: KEY})
    signer = oracle.HTTPMessageSigner(signature_algorithm=ED25519, key_resolver=resolver)
    message = Message(Request("POST", URL, {"Content-Type": "application/json"}, b"{}"))
    signer.sign(
        message,
        key_id=KEY_ID,
        created=datetime.datetime.fromtimestamp(AT, datetime.UTC),
        nonce=NONCE,
        tag="comity",
        label="theirs",
        covered_component_ids=("@method", "@authority", "@path", "@query", "@target-uri", "content-type"),
        body=b"{}",
    )
    assert verify(Request("POST", URL, message.headers, b"{}")) == KEY_ID
    with pytest.raises(ComityError):
        verify(Request("POST", URL + "x", message.headers, b"{}"))
