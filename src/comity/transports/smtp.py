"""A mail server that takes messages on, by SMTP under TLS (RFC 5321, RFC 6409, RFC 8314, RFC 3207).

Rules: no message and no login before TLS is proven; a server that offers none is not used. What a server says of each
address is passed on as it is. The connection serves a whole run.
"""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from comity.errors import ComityError, Malformed, Refused, Unreachable
from comity.node.mail.ports import Later, Took
from comity.transports.secure import Place

CLOSING: Final = 421  # RFC 5321 §4.2.3: the server ends the connection
READY: Final = 220
TEMPORARY: Final = range(400, 500)
ACCEPTED: Final = range(200, 300)


class _Client(smtplib.SMTP):
    """The standard library's client on a socket of ours."""

    def __init__(self, place: Place, *, starttls: bool) -> None:
        self._place = place
        self._plain = starttls
        # A domain literal says nothing of this machine's name (RFC 5321 §4.1.3).
        super().__init__(local_hostname="[127.0.0.1]", timeout=place.seconds)
        code, words = self.connect(place.host, place.port)
        if code != READY:
            self.close()
            raise smtplib.SMTPConnectError(code, words)
        if starttls:
            self._secure()

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        if not self._plain:
            return self._place.connect_tls()
        sock = self._place.connect()
        sock.settimeout(self._place.seconds)
        return sock

    def _secure(self) -> None:
        """Begin TLS; what was said before it is forgotten (RFC 3207 §4.2)."""
        self.ehlo()
        code, words = self.docmd("STARTTLS")
        if code != READY or self.sock is None:
            self.close()
            raise Refused(f"{self._place.name} offers no TLS: {_words(words)}", hint="nothing was sent")
        self.sock = self._place.secured(self.sock)
        self.file = None
        self.helo_resp = self.ehlo_resp = None
        self.esmtp_features = {}
        self.does_esmtp = False


class SmtpPost:
    """One connection, from the first message to `close`."""

    def __init__(self, place: Place, login: Callable[[], tuple[str, str]] | None, *, starttls: bool) -> None:
        self._place = place
        with _converted(place):
            self._client = _Client(place, starttls=starttls)
        try:
            with _converted(place):
                self._client.ehlo_or_helo_if_needed()
            if login is not None:
                user, password = login()
                with _converted(place):
                    self._client.login(user, password)
        except BaseException:
            self.close()
            raise

    def send(self, sender: str, to: Sequence[str], data: bytes) -> dict[str, Took]:
        """Hand a message over; return what was said of each address. Raises `Unreachable`, `Refused`."""
        with _converted(self._place):
            try:
                return self._send(sender, to, data)
            except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
                self._client.rset()
                what, cause = self._said(error.smtp_code, error.smtp_error)
                raise what from cause or error

    def _send(self, sender: str, to: Sequence[str], data: bytes) -> dict[str, Took]:
        client = self._client
        options = [f"size={len(data)}"] if client.has_extn("size") else []
        code, words = client.mail(sender, options)
        if code not in ACCEPTED:
            raise smtplib.SMTPSenderRefused(code, words, sender)
        said: dict[str, Took] = {}
        for address in to:
            code, words = client.rcpt(address)
            said[address] = Took(code, _words(words))
            if code == CLOSING:
                raise smtplib.SMTPServerDisconnected(_words(words))
        if not any(one.code in ACCEPTED for one in said.values()):
            client.rset()
            return said
        code, words = client.data(data)
        if code not in ACCEPTED:
            raise smtplib.SMTPDataError(code, words)
        return said

    def _said(self, code: int, words: bytes | str) -> tuple[ComityError, Later | None]:
        """Return the error that a reply about one message is, and whether the server may have it later."""
        what = f"{self._place.name}: {code} {_words(words)}"
        if code != CLOSING and code not in TEMPORARY:
            return Refused(what), None
        return Unreachable(what), None if code == CLOSING else Later()

    def close(self) -> None:
        """Say goodbye; how that goes is nobody's trouble."""
        with suppress(OSError, smtplib.SMTPException):
            self._client.quit()
        self._client.close()


def _words(said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return "".join(char if char.isprintable() else " " for char in text)[:200]


@contextmanager
def _converted(place: Place) -> Iterator[None]:
    """Turn the library's errors into ours."""
    try:
        yield
    except smtplib.SMTPAuthenticationError:
        hint = "the login is a file in `keys`: basic NAME:PASSWORD"
        raise Refused(f"{place.name}: the login is refused", hint=hint) from None  # the cause may show it
    except smtplib.SMTPNotSupportedError as error:
        raise Refused(f"{place.name} takes no login: {error}", hint="leave it out, or ask its operator") from error
    except smtplib.SMTPResponseException as error:
        raise Unreachable(f"{place.name}: {error.smtp_code} {_words(error.smtp_error)}") from error
    except smtplib.SMTPException as error:
        raise Unreachable(f"{place.name} broke off: {str(error)[:200]}") from error
    except OSError as error:
        raise Unreachable(f"{place.name} broke off: {error}") from error
    except (ValueError, UnicodeError) as error:
        raise Malformed(f"{place.name}: an answer that is none of SMTP: {error}") from error
