"""A mailbox by IMAP4rev1 over TLS (RFC 3501, RFC 8314): listed, fetched without marking, marked when it is kept.

Rules: the server is not trusted with memory: no answer is read beyond what was asked for. Letters are asked for with
`BODY.PEEK[]<0.N>`, so that one over MAIL_BYTES_MAX comes cut, and says so. Nothing is deleted, moved or answered.
"""

from __future__ import annotations

import imaplib
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from comity.errors import Malformed, Refused, Unreachable
from comity.limits import MAIL_BYTES_MAX
from comity.node.mail.ports import Fetched, Listed
from comity.transports.secure import Place

_UID: Final = re.compile(rb"UID (\d{1,10})")
_SIZE: Final = re.compile(rb"RFC822\.SIZE (\d{1,12})")
_VALIDITY: Final = re.compile(rb"\d{1,10}")
HEAD_BYTES: Final = 65_536  # bytes fetched of a letter that is too large
_SLACK: Final = 1_024
_NO_ANSWER: Final = "an answer that is none of IMAP"


class _Client(imaplib.IMAP4):
    """The standard library's client on a socket that was proven, with a bound on every literal."""

    def __init__(self, place: Place) -> None:
        self._place = place
        super().__init__(place.host, place.port, place.seconds)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        return self._place.connect_tls()

    def read(self, size: int) -> bytes:
        """Read a literal; a server that announces more than was asked for is not believed."""
        if size > MAIL_BYTES_MAX + _SLACK:
            raise self.abort(f"it announces {size} bytes")
        data = super().read(size)
        if len(data) < size:
            raise self.abort("it broke off within a letter")
        return data


class ImapBox:
    """One folder, open from the first step to `close`."""

    def __init__(self, place: Place, folder: str, login: Callable[[], tuple[str, str]]) -> None:
        self._place = place
        self._folder = folder
        with _converted(place):
            self._client = _Client(place)
        try:
            user, password = login()
            with _converted(place, "the login is refused"):
                self._client.login(user, password)
        except BaseException:
            self.close()
            raise

    def select(self) -> int:
        """Open the folder; return its UIDVALIDITY. Raises `Refused` where there is none of that name."""
        with _converted(self._place):
            status, _ = self._client.select(f'"{self._folder}"')
            validity = self._client.response("UIDVALIDITY")[1]
        if status != "OK":
            raise Refused(f"{self._place.name} has no folder {self._folder!r}", hint="`comity mail setup --folder`")
        said = validity[0] if validity else None
        if not isinstance(said, bytes) or not _VALIDITY.fullmatch(said):
            raise Malformed(f"{self._place.name} says no UIDVALIDITY (RFC 3501 §2.3.1.1)")
        return int(said)

    def listed(self, after: int) -> Sequence[Listed]:
        """Return what has a UID above `after`, ascending, with sizes."""
        rows = self._ask("fetch", f"{after + 1}:*", "(UID RFC822.SIZE)")
        found: dict[int, int] = {}
        for row in rows:
            text = row[0] if isinstance(row, tuple) else row
            uid, size = (_UID.search(text), _SIZE.search(text)) if isinstance(text, bytes) else (None, None)
            if uid is not None and size is not None and int(uid[1]) > after:  # `n:*` names the last one in any case
                found[int(uid[1])] = int(size[1])
        return [Listed(uid, size) for uid, size in sorted(found.items())]

    def fetch(self, wanted: Sequence[Listed]) -> Sequence[Fetched]:
        """Return letters as they are; of one that is too large its beginning."""
        large = [one.uid for one in wanted if one.size > MAIL_BYTES_MAX]
        usual = [one.uid for one in wanted if one.size <= MAIL_BYTES_MAX]
        found = self._letters(usual, MAIL_BYTES_MAX) if usual else {}
        # A size is the server's word, or not known: what fills all that was asked for may go on.
        cut = [uid for uid, data in found.items() if len(data) >= MAIL_BYTES_MAX]
        found |= self._letters(large, HEAD_BYTES) if large else {}
        return [Fetched(uid, data, uid not in {*large, *cut}) for uid, data in sorted(found.items())]

    def _letters(self, uids: Sequence[int], most: int) -> dict[int, bytes]:
        rows = self._ask("fetch", ",".join(map(str, uids)), f"(UID BODY.PEEK[]<0.{most}>)")
        found: dict[int, bytes] = {}
        for row in rows:
            if isinstance(row, tuple) and len(row) == 2 and isinstance(row[0], bytes) and isinstance(row[1], bytes):
                uid = _UID.search(row[0])
                if uid is not None and int(uid[1]) in uids:
                    found[int(uid[1])] = row[1]
        return found

    def mark(self, uids: Sequence[int]) -> None:
        """Mark letters as seen. A folder that may not be written stays as it is."""
        if uids and not self._client.is_readonly:
            self._ask("store", ",".join(map(str, uids)), "+FLAGS.SILENT", "(\\Seen)")

    def close(self) -> None:
        """Say goodbye; how that goes is nobody's trouble."""
        try:
            self._client.logout()
        except (OSError, imaplib.IMAP4.error):
            self._client.shutdown()

    def _ask(self, command: str, *arguments: str) -> list[Any]:
        with _converted(self._place):
            status, rows = self._client.uid(command, *arguments)
        if status != "OK":
            raise Refused(f"{self._place.name} refuses {command.upper()}: {_said(rows)}")
        return [row for row in rows if row is not None]


def _said(rows: Sequence[Any]) -> str:
    return b" ".join(row for row in rows if isinstance(row, bytes)).decode("ascii", "replace")[:200]


@contextmanager
def _converted(place: Place, refused: str = "") -> Iterator[None]:
    """Turn the library's errors into ours."""
    try:
        yield
    except imaplib.IMAP4.abort as error:
        raise Unreachable(f"{place.name} broke off: {str(error)[:200]}") from error
    except imaplib.IMAP4.error as error:
        if refused:
            raise Refused(
                f"{place.name}: {refused}", hint="the login is a file in `keys`: basic NAME:PASSWORD"
            ) from None
        raise Malformed(f"{place.name}: {_NO_ANSWER}: {str(error)[:200]}") from error
    except (OSError, EOFError) as error:
        raise Unreachable(f"{place.name} broke off: {error}") from error
    except (ValueError, IndexError, AttributeError, UnicodeError) as error:
        raise Malformed(f"{place.name}: {_NO_ANSWER}: {error}") from error
