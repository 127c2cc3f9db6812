"""Sources that are files: at a URL, in a directory of MISP events with its manifest, on this machine.

Rules: what has not changed since is not fetched again: a URL is asked conditionally (RFC 9110 §13.1), of a MISP feed
only the events are fetched whose timestamp in the manifest is another one. A body that is cut is no input: its last
line could be half a value, so it ends the poll as it stands and is fetched again. An event is checked against the
digest in the manifest, where that has one, before anything of it is read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from comity.errors import ComityError, Malformed, Misuse, TooLarge, Unreachable
from comity.http.exchange import Incoming
from comity.limits import MISP_EVENT_BYTES_MAX, MISP_FEED_EVENTS_MAX
from comity.node.polling import Faults, Part, asked
from comity.transports.caller import Caller, ok

NOT_MODIFIED: Final = 304
CHUNK_BYTES: Final = 1_048_576  # bytes read of a file at once
FAILURES_MAX: Final = 3  # events in a row that do not come: then the server is at fault, and not the event
BROKEN_MAX: Final = 100  # events in a row that are not there or not what the manifest says
MANIFEST: Final = "manifest.json"
SECONDS_MAX: Final = (1 << 53) - 1  # of a timestamp in a manifest
VALIDATOR_CHARS_MAX: Final = 1_024  # characters of an ETag or a date that are sent back

# An event's file bears its name: whatever else a manifest calls one could lead anywhere.
_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


class _Validators(msgspec.Struct):
    """What a URL's content was known by."""

    address: str
    etag: str = ""
    modified: str = ""

    def headers(self) -> Mapping[str, str]:
        """Return the condition (RFC 9110 §13.1.2, §13.1.3)."""
        sent = {"If-None-Match": self.etag, "If-Modified-Since": "" if self.etag else self.modified}
        return {name: value for name, value in sent.items() if value}


class UrlFeed:
    """The content of a URL as a source."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self.faults = Faults()

    def parts(self, cursor: bytes) -> Generator[Part, None, None]:
        """Yield the content if it changed. Raises what `Caller.get` does, and `Malformed` for another status."""
        address = self._caller.address
        with self._caller.get(address, _validators(cursor, address).headers()) as answer:
            if answer.status == NOT_MODIFIED:
                return
            ok(answer, address)
            name = address.partition("?")[0]  # what a query holds may be a token
            yield Part(name, partial(self._settle, answer, cursor), chunks=answer.chunks)

    def _settle(self, answer: Incoming, cursor: bytes, useful: bool) -> bytes:
        """Remember what the content was known by, unless nothing of it could be used: then it is read again."""
        if not useful:
            return cursor
        headers = answer.headers
        found = _Validators(self._caller.address, _kept(headers, "etag"), _kept(headers, "last-modified"))
        return msgspec.msgpack.encode(found)


def _kept(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    return value if value.isascii() and value.isprintable() and len(value) <= VALIDATOR_CHARS_MAX else ""


def _validators(cursor: bytes, address: str) -> _Validators:
    try:
        found = msgspec.msgpack.decode(cursor, type=_Validators) if cursor else _Validators(address)
    except msgspec.MsgspecError:
        found = _Validators(address)
    return found if found.address == address else _Validators(address)


class FileFeed:
    """A file on this machine as a source."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.faults = Faults()

    def parts(self, cursor: bytes) -> Generator[Part, None, None]:
        """Yield the content if size or time of change are others. Raises `Misuse` where it cannot be read."""
        try:
            with self._path.open("rb") as file:
                status = self._path.stat()
                seen = f"{status.st_size} {status.st_mtime_ns}".encode()
                if seen != cursor:
                    yield Part(self._path.name, lambda useful: seen if useful else cursor, chunks=self._chunks(file))
        except OSError as error:
            raise self._unreadable(error) from error

    def _chunks(self, file: BinaryIO) -> Iterator[bytes]:
        try:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> Misuse:
        return Misuse(f"{self._path} cannot be read: {error.strerror}")


class _Entry(msgspec.Struct):
    """An event in a manifest."""

    timestamp: int | str = 0
    integrity: str = msgspec.field(name="integrity:sha256", default="")


@dataclass(frozen=True, slots=True)
class _Event:
    uuid: str
    timestamp: int
    sha256: str


class MispFeed:
    """A directory of MISP events with a manifest as a source."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self.faults = Faults()

    def parts(self, cursor: bytes) -> Generator[Part, None, None]:
        """Yield the events that are new or changed, oldest first.

        One that does not come or does not match its digest is named and tried at the next poll. Raises the last
        error where too many in a row are so, and what `Caller.read` does for the manifest.
        """
        base = self._caller.address.removesuffix(MANIFEST).rstrip("/")
        taken = _taken(cursor)
        answer, body = self._caller.read(f"{base}/{MANIFEST}")
        ok(answer, base)
        events = self._manifest(body)
        gone = taken.keys() - {event.uuid for event in events}
        if gone:
            self.faults.add(f"has dropped {len(gone)} events: what came of them stays")
            taken = {uuid: at for uuid, at in taken.items() if uuid not in gone}
        failures = broken = 0
        for event in sorted(events, key=lambda event: (event.timestamp, event.uuid)):
            if taken.get(event.uuid) == event.timestamp:
                continue
            try:
                data = self._event(f"{base}/{event.uuid}.json", event)
            except ComityError as error:
                if asked(error):
                    raise
                self.faults.add(f"event {event.uuid}: {error}")
                broken += 1
                failures = failures + 1 if isinstance(error, Unreachable) else 0
                if failures >= FAILURES_MAX or broken >= BROKEN_MAX:
                    raise
                continue
            failures = broken = 0
            yield Part(f"{event.uuid}.json", partial(self._settle, taken, event), chunks=iter((data,)))

    def _settle(self, taken: dict[str, int], event: _Event, useful: bool) -> bytes:
        taken[event.uuid] = event.timestamp
        return msgspec.msgpack.encode(taken)

    def _event(self, url: str, event: _Event) -> bytes:
        try:
            answer, data = self._caller.read(url, limit=MISP_EVENT_BYTES_MAX)
        except TooLarge as error:
            raise TooLarge(f"it is over {MISP_EVENT_BYTES_MAX} bytes (MISP_EVENT_BYTES_MAX)") from error
        ok(answer, url)
        if event.sha256 and hashlib.sha256(data).hexdigest() != event.sha256:
            raise Malformed("it does not have the digest that the manifest gives it")
        return data

    def _manifest(self, body: bytes) -> list[_Event]:
        """Return the events of a manifest; what is no event's name is never asked for. Raises `Malformed`."""
        try:
            raw = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Malformed(f"the manifest is none: {error}", hint="is the address that of a MISP feed?") from error
        if len(raw) > MISP_FEED_EVENTS_MAX:
            raise TooLarge(f"the manifest names over {MISP_FEED_EVENTS_MAX} events (MISP_FEED_EVENTS_MAX)")
        found: dict[str, _Event] = {}
        for name, value in raw.items():
            try:
                entry = msgspec.json.decode(value, type=_Entry)
                found[name.lower()] = _Event(_uuid(name), _timestamp(entry), entry.integrity.strip().lower())
            except (msgspec.MsgspecError, ValueError, UnicodeDecodeError, RecursionError):
                self.faults.add(f"the manifest has an entry that is no event: {name[:60]}")
        return list(found.values())


def _uuid(name: str) -> str:
    if not _UUID.fullmatch(name):
        raise ValueError(name)
    return name


def _timestamp(entry: _Entry) -> int:
    seconds = int(entry.timestamp)
    if not 0 <= seconds <= SECONDS_MAX:
        raise ValueError(seconds)
    return seconds


def _taken(cursor: bytes) -> dict[str, int]:
    try:
        return msgspec.msgpack.decode(cursor, type=dict[str, int]) if cursor else {}
    except msgspec.MsgspecError:
        return {}
