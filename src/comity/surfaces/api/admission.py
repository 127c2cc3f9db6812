"""Who asks, and how often: a bearer token in the one header for it (RFC 6750 §2.1), and a bucket for each token.

Rules: a token in a query string is not read, for query strings are logged. Whatever does not hold is answered in the
same words. The bucket is asked after the token, so that strangers cannot empty somebody's.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Final

from starlette.requests import Request

from comity.errors import Refused, Unverified
from comity.limits import API_REQUESTS_BURST, API_REQUESTS_PER_SECOND, TOKENS_MAX
from comity.node.tokens import Token
from comity.surfaces.api.problems import TooManyRequests
from comity.vocab import Purpose

HEADER_CHARS_MAX: Final = 256  # of an Authorization header: a token has 81


def shown(request: Request) -> str:
    """Return the token a request shows. Raises `Unverified`."""
    given = request.headers.getlist("authorization")
    scheme, _, text = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or len(text) > HEADER_CHARS_MAX:
        raise Unverified("no token that holds was shown", hint="Authorization: Bearer cmt_…")
    return text.strip(" ")


def require(token: Token, *, write: bool, separate: bool) -> None:
    """Check what a token may: `separate` says that a route serves sensors and look-ups too. Raises `Refused`."""
    if token.purpose is not Purpose.READ and not separate:
        raise Refused(
            f"a token for the purpose {token.purpose.value} is given objects only, and no more than PAP allows",
            hint="GET /api/v1/objects; for anything else a token for reading",
        )
    if write and not token.write:
        raise Refused("this token may only read", hint="`comity token create NAME --may write`")


class Buckets:
    """Requests of each token: so many at once, so many a second (`limits`)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}  # token id -> requests left, and when that was so

    def take(self, ident: str) -> None:
        """Count one request. Raises `TooManyRequests`."""
        now = self._clock()
        with self._lock:
            if len(self._left) > TOKENS_MAX:
                self._left.clear()
            left, at = self._left.get(ident, (float(API_REQUESTS_BURST), now))
            left = min(API_REQUESTS_BURST, left + (now - at) * API_REQUESTS_PER_SECOND)
            if left >= 1:
                self._left[ident] = left - 1, now
                return
            self._left[ident] = left, now
        seconds = max(1, math.ceil((1 - left) / API_REQUESTS_PER_SECOND))
        raise TooManyRequests(f"over {API_REQUESTS_PER_SECOND:g} requests a second (API_REQUESTS_PER_SECOND)", seconds)
