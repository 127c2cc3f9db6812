"""Opening letters in a process beside this one, which has a bound on its memory and its time.

Rules: what strangers encrypt for this node may unfold to anything, and only whoever opens it learns that. So it is
opened where nothing else is lost: the helper has the keys it is given with each letter and nothing else, and where it
runs out of memory or time it ends, the letter is refused, and the next helper begins.
"""

from __future__ import annotations

import resource
import signal
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Final

import msgspec

from comity.boot import beside, openpgp, smime
from comity.errors import ComityError, Malformed, Misuse, TooLarge, Unverified
from comity.limits import MAIL_BYTES_MAX, MAIL_OPEN_BYTES_MAX, MAIL_OPEN_SECONDS
from comity.node.mail.ports import Plain, Sealed, Way

STOP_SECONDS: Final = 2.0  # seconds a helper gets to end after its input did


class _Asked(msgspec.Struct, array_like=True, gc=False):
    way: str
    data: bytes
    signature: bytes
    secrets: list[bytes]
    certificates: list[bytes]


class _Answer(msgspec.Struct, array_like=True, gc=False):
    content: bytes = b""
    signer: str = ""
    why: str = ""
    encrypted: bool = False
    code: str = ""  # of the error, where there is one
    said: str = ""


_ERRORS: Final = {one.code: one for one in (Malformed, Unverified, TooLarge, Misuse)}
_PACK: Final = msgspec.msgpack.Encoder().encode
_ASKED: Final = msgspec.msgpack.Decoder(_Asked).decode
_ANSWER: Final = msgspec.msgpack.Decoder(_Answer).decode


class Opener:
    """Opens letters, one at a time, in a helper that begins when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None

    def open(self, sealed: Sealed, secrets: list[bytes], certificates: list[bytes]) -> Plain:
        """Open what is sealed. Raises `Malformed`, `Unverified`, `Misuse`, and `TooLarge` beyond the bounds."""
        with self._lock:
            asked = _PACK(_Asked(sealed.way.value, sealed.data, sealed.signature, secrets, certificates))
            answer = self._ask(asked)
        if answer.code:
            raise _ERRORS.get(answer.code, Malformed)(answer.said)
        return Plain(answer.content, answer.signer, answer.why, answer.encrypted)

    def _ask(self, asked: bytes) -> _Answer:
        connection = self._begun()
        try:
            connection.send_bytes(asked)
            if connection.poll(MAIL_OPEN_SECONDS):
                return _ANSWER(connection.recv_bytes())
        except (OSError, EOFError):
            pass
        self.close()
        return _Answer(code=TooLarge.code, said="it unfolds beyond all bounds, or takes too long (MAIL_OPEN_BYTES_MAX)")

    def _begun(self) -> Connection:
        if self._connection is None or self._process is None or not self._process.is_alive():
            self.close()
            self._process, self._connection = beside.begin(_serve, "comity-open")
        return self._connection

    def close(self) -> None:
        """End the helper."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.join(STOP_SECONDS)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()
            self._process.close()
        self._connection = self._process = None


def _serve(connection: Connection) -> None:
    """Answer until the other process closes its end, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (MAIL_OPEN_BYTES_MAX, MAIL_OPEN_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(EOFError, OSError):
        while True:
            connection.send_bytes(_PACK(_answer(_ASKED(connection.recv_bytes()))))


def _answer(asked: _Asked) -> _Answer:
    opened = openpgp.opened if asked.way == Way.PGP else smime.opened
    try:
        plain = opened(Sealed(Way(asked.way), asked.data, asked.signature), asked.secrets, asked.certificates)
    except ComityError as error:
        return _Answer(code=error.code, said=str(error))
    except MemoryError:
        return _Answer(code=TooLarge.code, said="it unfolds beyond all bounds (MAIL_OPEN_BYTES_MAX)")
    if len(plain.content) > MAIL_BYTES_MAX:
        return _Answer(code=TooLarge.code, said=f"it unfolds to {len(plain.content)} bytes, over MAIL_BYTES_MAX")
    return _Answer(plain.content, plain.signer, plain.why, plain.encrypted)
