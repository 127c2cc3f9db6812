"""Signed requests between nodes: a profile of HTTP Message Signatures (RFC 9421) with Ed25519.

Rules: one signature, tagged `comity`, over method, authority, path, query, and the content type and digest
(RFC 9530) of a body; with time, key and nonce. More may be covered; less is refused. The verifier's URL is
made from its own address, never from the Host header: a request signed for one node must not open another.
The scheme is not covered, so that a proxy that ends TLS in front of a node changes nothing.

The profile is written out here because the signing key may be a token behind a callable, the time is the
caller's, and a stranger's header meets one strict grammar of a few lines; tests hold it against the RFC's
vectors and an independent implementation.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from comity import canon
from comity.errors import Malformed, Misuse, TooLarge, Unverified
from comity.http import url as urls
from comity.limits import (
    CLOCK_SKEW_SECONDS_MAX,
    NONCE_CHARS_MAX,
    NONCE_CHARS_MIN,
    REPLAY_NONCES_MAX,
    SIGNATURE_CHARS_MAX,
)

TAG: Final = "comity"
ALWAYS_COVERED: Final = ("@method", "@authority", "@path", "@query")
COVERED_WHEN_PRESENT: Final = ("content-type", "content-digest")
_WRITTEN_HERE: Final = frozenset({"content-digest", "signature", "signature-input"})

# RFC 8941: the part of Structured Fields that a signature of ours needs. Strings without escapes.
_KEY: Final = r"[a-z*][a-z0-9_.*-]{0,63}"
_TEXT: Final = r'"[ !#-\[\]-~]*"'
_INPUT: Final = re.compile(rf"({_KEY})=(\(((?:{_TEXT}(?: {_TEXT})*)?)\)((?:;{_KEY}=(?:[0-9]{{1,15}}|{_TEXT}))*))")
_PARAMETER: Final = re.compile(rf";({_KEY})=(?:([0-9]{{1,15}})|({_TEXT}))")
_BYTES: Final = re.compile(rf"({_KEY})=:([A-Za-z0-9+/=]*):")
_METHOD: Final = re.compile(r"[A-Z]{1,20}")
_VALUE: Final = re.compile(r"[\t -~]*")
_NAME: Final = re.compile(r"[!#-\[\]-~]{1,512}")

Fields = Mapping[str, str]  # header names in lower case


class _Signature(NamedTuple):
    """A request's signature as its headers state it; nothing of it is believed yet."""

    covered: tuple[str, ...]
    parameters: Mapping[str, int | str]
    stated: str  # the covered list with parameters, as received: the value of @signature-params
    signature: bytes

    def number(self, name: str) -> int:
        value = self.parameters.get(name)
        if not isinstance(value, int):
            raise Malformed(f"the request's signature has no time {name!r}")
        return value

    def text(self, name: str) -> str:
        value = self.parameters.get(name)
        if not isinstance(value, str):
            raise Malformed(f"the request's signature has no text {name!r}")
        return value


def sign_request(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    key_id: str,
    sign: Callable[[bytes], bytes],
    at: int,
    nonce: str,
) -> dict[str, str]:
    """Return the headers to add to a request: Content-Digest with a body, Signature-Input and Signature.

    `sign` makes an Ed25519 signature; `at` is the time in seconds; the nonce, 16 to 128 characters, must be
    fresh for every attempt. Raises `Misuse` for arguments that cannot be signed, `Malformed` for the URL.
    """
    if not _NAME.fullmatch(key_id) or not _NAME.fullmatch(nonce):
        raise Misuse("a key id and a nonce are printable ASCII without spaces, quotes or backslashes")
    if not NONCE_CHARS_MIN <= len(nonce) <= NONCE_CHARS_MAX:
        raise Misuse(f"a nonce has {NONCE_CHARS_MIN} to {NONCE_CHARS_MAX} characters, not {len(nonce)}")
    if not 0 <= at <= canon.INTEGER_MAX:
        raise Misuse(f"{at} is not a time")
    fields = _fields(headers)
    if _WRITTEN_HERE & fields.keys():
        raise Misuse("the request is signed already", hint="sign the request as it was before")
    added = {"Content-Digest": content_digest(body)} if body else {}
    fields |= {name.lower(): value for name, value in added.items()}
    covered = [*ALWAYS_COVERED, *(name for name in COVERED_WHEN_PRESENT if name in fields)]
    listed = " ".join(f'"{name}"' for name in covered)
    stated = f'({listed});created={at};keyid="{key_id}";nonce="{nonce}";tag="{TAG}"'
    base = signature_base(covered, stated, method, urls.parse(url), fields)
    return added | {"Signature-Input": f"{TAG}={stated}", "Signature": f"{TAG}=:{canon.b64(sign(base))}:"}


def verify_request(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    find_key: Callable[[str], bytes | None],
    at: int,
    seen: Callable[[str, str, int], bool],
    skew: int = CLOCK_SKEW_SECONDS_MAX,
) -> str:
    """Return the id of the key that signed a request.

    1. The headers state one signature of this profile, over all it must cover. 2. It was made within `skew`
    seconds of `at`. 3. `find_key` knows the key, 32 bytes. 4. The signature holds (RFC 9421 §3.2). 5. The body
    is the one whose digest was signed (RFC 9530). 6. `seen(key id, nonce, expires)` has not met the nonce.

    `url` is this node's own scheme and authority with the path and query as received; of repeated headers,
    `headers` has the values joined by ", ". Raises `Malformed`, `Unverified`, and what `seen` raises.
    """
    fields = _fields(headers)
    claim = _stated(fields)  # 1
    _check_profile(claim, fields, body)
    created = claim.number("created")
    _check_time(claim, created, at, skew)  # 2
    key_id = claim.text("keyid")
    key = find_key(key_id)  # 3
    if key is None:
        raise Unverified(
            f"the request is signed with the key {key_id!r}, which this node does not know",
            hint="the sender gives this node its current party card, or signs with a key that is on it",
        )
    base = signature_base(claim.covered, claim.stated, method, urls.parse(url), fields)
    try:  # 4
        Ed25519PublicKey.from_public_bytes(key).verify(claim.signature, base)
    except (InvalidSignature, ValueError) as error:
        raise Unverified(
            f"the signature of {key_id!r} does not hold for this method, address and headers",
            hint="the request was changed on its way, or was signed for another address than this node's",
        ) from error
    _check_body(fields, body)  # 5
    nonce = claim.text("nonce")
    if seen(key_id, nonce, created + skew):  # 6
        raise Unverified(
            f"a request of {key_id!r} came a second time with the same nonce",
            hint="the sender signs every attempt anew; if it sent this once, somebody has copied it",
        )
    return key_id


def content_digest(body: bytes) -> str:
    """Return the Content-Digest of a body (RFC 9530 §2), by SHA-256."""
    return f"sha-256=:{canon.b64(hashlib.sha256(body).digest())}:"


def signature_base(covered: Sequence[str], stated: str, method: str, url: urls.Url, fields: Fields) -> bytes:
    """Return the bytes that are signed (RFC 9421 §2.5). Raises `Malformed` for what cannot be covered."""
    if not _METHOD.fullmatch(method):
        raise Malformed(f"{method[:40]!r} is not an HTTP method")
    lines = [f'"{name}": {_component(name, method, url, fields)}' for name in covered]
    return "\n".join([*lines, f'"@signature-params": {stated}']).encode("ascii")


def _component(name: str, method: str, url: urls.Url, fields: Fields) -> str:
    """Return the value of one covered component (RFC 9421 §2.1 and §2.2)."""
    derived = {
        "@method": method,
        "@authority": url.authority,
        "@path": url.path,
        "@query": f"?{url.query or ''}",
        "@scheme": url.scheme,
        "@target-uri": str(url),
        "@request-target": url.target,
    }
    if name in derived:
        return derived[name]
    value = fields.get(name)
    if value is None:
        raise Malformed(f"the signature covers {name[:80]!r}, which the request does not have")
    value = value.strip(" \t")
    if not _VALUE.fullmatch(value):
        raise Malformed(f"the header {name!r} is not plain ASCII, so it cannot be covered")
    return value


def _fields(headers: Mapping[str, str]) -> dict[str, str]:
    fields = {name.lower(): value for name, value in headers.items()}
    if len(fields) != len(headers):
        raise Malformed("a header is given twice, in different letters")
    return fields


def _stated(fields: Fields) -> _Signature:
    """Read Signature-Input and Signature: one label, the same in both, and the grammar of this profile."""
    if "signature-input" not in fields or "signature" not in fields:
        raise Unverified("the request is not signed", hint="nodes sign what they ask of one another (RFC 9421)")
    for name in ("signature-input", "signature"):
        if len(fields[name]) > SIGNATURE_CHARS_MAX:
            raise Malformed(f"a {name} of {len(fields[name])} characters is over SIGNATURE_CHARS_MAX")
    stated = _INPUT.fullmatch(fields["signature-input"].strip(" \t"))
    signed = _BYTES.fullmatch(fields["signature"].strip(" \t"))
    if stated is None or signed is None or stated[1] != signed[1]:
        raise Malformed("Signature-Input and Signature are not one signature of the profile this node reads")
    covered = tuple(text.strip('"') for text in stated[3].split(" ")) if stated[3] else ()
    parameters: dict[str, int | str] = {}
    for name, number, text in _PARAMETER.findall(stated[4]):
        if name in parameters:
            raise Malformed(f"the signature states {name!r} twice")
        parameters[name] = int(number) if number else text[1:-1]
    if len(set(covered)) != len(covered):
        raise Malformed("the signature covers one thing twice")
    return _Signature(covered, parameters, stated[2], canon.unb64(signed[2], what="a request's signature", length=64))


def _check_profile(claim: _Signature, fields: Fields, body: bytes) -> None:
    if claim.parameters.get("tag") != TAG:
        raise Unverified(f"the request's signature is not tagged {TAG!r}: it was made for something else")
    if claim.parameters.get("alg", "ed25519") != "ed25519":
        raise Unverified("the request's signature is not Ed25519", hint="nodes sign with their request key")
    must = {*ALWAYS_COVERED, *(name for name in COVERED_WHEN_PRESENT if name in fields)}
    if body:
        must.add("content-digest")
    missing = sorted(must.difference(claim.covered))
    if missing:
        raise Unverified(f"the request's signature leaves {', '.join(missing)} open to change")
    if not NONCE_CHARS_MIN <= len(claim.text("nonce")) <= NONCE_CHARS_MAX:
        raise Malformed(f"a request's nonce has {NONCE_CHARS_MIN} to {NONCE_CHARS_MAX} characters")


def _check_time(claim: _Signature, created: int, at: int, skew: int) -> None:
    if abs(at - created) > skew:
        apart = "ahead of" if created > at else "behind"
        raise Unverified(
            f"the request was signed {abs(at - created)} s {apart} this node's clock; {skew} s is the most",
            hint="set the clocks of both machines by NTP, then send it again",
        )
    if "expires" in claim.parameters and claim.number("expires") < at:
        raise Unverified("the request's signature has expired by its own word", hint="sign and send it again")


def _check_body(fields: Fields, body: bytes) -> None:
    if "content-digest" not in fields:
        return
    if len(fields["content-digest"]) > SIGNATURE_CHARS_MAX:
        raise Malformed("a Content-Digest is over SIGNATURE_CHARS_MAX")
    members = [_BYTES.fullmatch(member.strip(" \t")) for member in fields["content-digest"].split(",")]
    digests = [member[2] for member in members if member is not None and member[1] == "sha-256"]
    if None in members or len(digests) != 1:
        raise Malformed("Content-Digest does not give one SHA-256 digest (RFC 9530)")
    if canon.unb64(digests[0], what="a content digest", length=32) != hashlib.sha256(body).digest():
        raise Unverified("the body is not the one that was signed", hint="it was changed or cut on its way; ask again")


class ReplayCache:
    """The nonces met within the time a signature is good for. Safe to share between threads.

    It lives in memory: after a restart a request of the last minutes could be played once more, so what
    a signed request does must be safe to do twice. Only verified requests fill it, so only known keys can.
    """

    def __init__(self, now: Callable[[], int], *, nonces_max: int = REPLAY_NONCES_MAX) -> None:
        self._now = now
        self._nonces_max = nonces_max
        self._lock = threading.Lock()
        self._held: dict[str, dict[str, int]] = {}
        self._swept = 0

    def seen(self, key_id: str, nonce: str, expires: int) -> bool:
        """Return whether the key has used the nonce; if not, hold it until `expires` (seconds, inclusive).

        Raises `TooLarge` when the key has filled its share: to forget a nonce early would let it be replayed.
        """
        with self._lock:
            now = self._now()
            if now - self._swept >= CLOCK_SKEW_SECONDS_MAX:
                self._sweep(now)
            held = self._held.setdefault(key_id, {})
            if nonce in held:
                return True
            if len(held) >= self._nonces_max:
                self._sweep(now)
                held = self._held.setdefault(key_id, {})
            if len(held) >= self._nonces_max:
                raise TooLarge(
                    f"{key_id!r} has sent over REPLAY_NONCES_MAX ({self._nonces_max}) requests within minutes",
                    hint="wait a few minutes, and ask for more with each request",
                )
            held[nonce] = expires
            return False

    def _sweep(self, now: int) -> None:
        self._swept = now
        for key_id, held in list(self._held.items()):
            kept = {nonce: expires for nonce, expires in held.items() if expires >= now}
            if kept:
                self._held[key_id] = kept
            else:
                del self._held[key_id]
