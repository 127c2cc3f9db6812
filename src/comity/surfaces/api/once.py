"""Idempotency keys: the same request under the same key is carried out once, and answered alike.

Rules: a key is its token's own. Only an answer that put something on record is kept: what failed may be tried again.
Answers are kept for API_ANSWERS_KEPT_SECONDS, of each token API_ANSWERS_KEPT_MAX, through a restart too.
"""

from __future__ import annotations

import hashlib
import threading
from typing import Final

import msgspec

from comity.canon import Instant
from comity.errors import Conflict, Misuse
from comity.limits import API_ANSWERS_KEPT_MAX, API_ANSWERS_KEPT_SECONDS, API_KEY_CHARS_MAX
from comity.node.node import Node
from comity.node.ports import Unit
from comity.node.tokens import Token
from comity.surfaces.api.problems import FieldError, OtherStatus, Unfit

ANSWERS: Final = "api-answer"  # shelf: token's id/digest of the key -> `_Kept`
HEADER: Final = "idempotency-key"
SWEEP_SECONDS: Final = 3_600  # between two looks at what every token left
REPLAYED: Final = "Idempotency-Replayed"


class _Kept(msgspec.Struct, frozen=True):
    at: Instant
    asked: str  # SHA-256 of the route, its parameters and the body
    answer: msgspec.Raw


class Once:
    """The answers kept, and the keys under way."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._under_way: set[str] = set()
        self._swept: Instant = 0

    def begin(self, token: Token, key: str, asked: str) -> bytes | None:
        """Return the answer given before, or None and hold the key. Raises `OtherStatus` 422, `Conflict`, `Unfit`."""
        if not 1 <= len(key) <= API_KEY_CHARS_MAX or not (key.isascii() and key.isprintable()):
            raise Unfit("the header", [FieldError(HEADER, f"1 to {API_KEY_CHARS_MAX} printable ASCII characters")])
        name = _name(token, key)
        with self._lock:
            if name in self._under_way:
                raise Conflict("a request under this idempotency key is under way", hint="wait for its answer")
            self._under_way.add(name)
        try:
            kept = self._find(name)
        except BaseException:
            self.end(token, key)
            raise
        if kept is not None:
            self.end(token, key)
        if kept is not None and kept.asked != asked:
            what = Misuse("another request was made under this idempotency key", hint="take a new key for it")
            raise OtherStatus(422, what)
        return bytes(kept.answer) if kept is not None else None

    def _find(self, name: str) -> _Kept | None:
        with self._node.store.read() as unit:
            data = unit.documents.get(ANSWERS, name)
        kept = msgspec.json.decode(data, type=_Kept) if data else None
        lapsed = kept is None or kept.at + API_ANSWERS_KEPT_SECONDS <= self._node.now()
        return None if lapsed else kept

    def keep(self, token: Token, key: str, asked: str, answer: bytes) -> None:
        """Keep an answer; the oldest of the token's give way."""
        now = self._node.now()
        with self._node.store.write() as unit:
            self._make_room(unit, "" if self._swept + SWEEP_SECONDS <= now else f"{token.id}/", now)
            unit.documents.put(ANSWERS, _name(token, key), msgspec.json.encode(_Kept(now, asked, msgspec.Raw(answer))))

    def _make_room(self, unit: Unit, prefix: str, now: Instant) -> None:
        """Remove what has lapsed, of one token or now and then of all; and of one token the oldest, for one more."""
        if not prefix:
            self._swept = now
        left: dict[str, list[tuple[Instant, str]]] = {}
        for name, data in unit.documents.all(ANSWERS, prefix):
            at = msgspec.json.decode(data, type=_Kept).at
            if at + API_ANSWERS_KEPT_SECONDS <= now:
                unit.documents.delete(ANSWERS, name)
            else:
                left.setdefault(name.partition("/")[0], []).append((at, name))
        for kept in left.values():
            for _, name in sorted(kept)[: max(0, len(kept) - API_ANSWERS_KEPT_MAX + 1)]:
                unit.documents.delete(ANSWERS, name)

    def end(self, token: Token, key: str) -> None:
        """Let go of a key."""
        with self._lock:
            self._under_way.discard(_name(token, key))


def _name(token: Token, key: str) -> str:
    return f"{token.id}/{hashlib.sha256(key.encode()).hexdigest()}"
