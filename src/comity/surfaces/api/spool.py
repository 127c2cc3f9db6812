"""Files on their way in and out over the disk: bounded in size, number and time, gone when they have arrived.

Rules: nothing of the caller's decides where a file lies, and its name is no path. A sample lies there veiled. What an
earlier process left is removed at the start.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from starlette.requests import ClientDisconnect, Request

from comity.errors import Fault, Malformed, TooLarge, Unreachable
from comity.limits import (
    API_INGEST_BYTES_MAX,
    API_INGEST_SECONDS_MAX,
    API_NAME_CHARS_MAX,
    API_SPOOLS_MAX,
)
from comity.surfaces.api.problems import FieldError, OtherStatus, TooManyRequests, Unfit
from comity.surfaces.api.reading import slow
from comity.surfaces.cli.operations.writing import veil

UNNAMED: Final = "upload"
BUSY_SECONDS: Final = 5  # after which to try again where API_SPOOLS_MAX bodies are on their way
_NAME: Final = re.compile(r"[^\W_][\w .()+=@-]*+")


class Spool:
    """A folder of the node's for what is sent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        shutil.rmtree(folder, ignore_errors=True)

    @contextlib.asynccontextmanager
    async def taken(
        self, request: Request, name: str, *, most: int = API_INGEST_BYTES_MAX, key: str = ""
    ) -> AsyncIterator[tuple[Path, str]]:
        """Write a request's body to a file of that name; give its path and SHA-256, and remove it on leaving.

        At `most` so many bytes; veiled under a key, if there is one.

        Raises `Unfit` (the name), `TooLarge`, `TooManyRequests`, `OtherStatus`, `Malformed` (nothing came), `Fault`.
        """
        path = self._place(name)
        self._enter()
        try:
            yield path, await _write(request, path, most, veil(key))
        finally:
            self.leave(path)

    def given(self) -> Path:
        """Return where a file is to be written that goes out; `leave` is called with it. Raises `TooManyRequests`."""
        path = self._place("")
        self._enter()
        try:
            path.parent.mkdir(mode=0o700, parents=True)
        except OSError as error:
            self.leave(path)
            raise Fault(f"{path} cannot be written: {error.strerror}") from error
        return path

    def _enter(self) -> None:
        if self._number >= API_SPOOLS_MAX:
            raise TooManyRequests(f"{API_SPOOLS_MAX} files are on their way (API_SPOOLS_MAX)", BUSY_SECONDS)
        self._number += 1

    def leave(self, path: Path) -> None:
        """Remove what lies there, and give its place to the next."""
        self._number -= 1
        shutil.rmtree(path.parent, ignore_errors=True)

    def _place(self, name: str) -> Path:
        said = name or UNNAMED
        if len(said) > API_NAME_CHARS_MAX or len(said.encode()) > API_NAME_CHARS_MAX or not _NAME.fullmatch(said):
            reason = f"a file's name of up to {API_NAME_CHARS_MAX} bytes, letters and digits, without a path"
            raise Unfit("the query", [FieldError("name", reason)])
        return self._folder / secrets.token_hex(16) / said


async def _write(request: Request, path: Path, most: int, veiled: Callable[[bytes], bytes]) -> str:
    digest = hashlib.sha256()
    size = 0
    try:
        path.parent.mkdir(mode=0o700, parents=True)
        with path.open("xb") as file:
            async with asyncio.timeout(API_INGEST_SECONDS_MAX):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > most:
                        raise TooLarge(f"the body is over {most} bytes")
                    digest.update(chunk)
                    file.write(veiled(chunk))
    except TimeoutError as error:
        raise OtherStatus(408, slow(API_INGEST_SECONDS_MAX)) from error
    except ClientDisconnect as error:
        raise Unreachable("the caller went away") from error
    except OSError as error:
        raise Fault(f"{path} cannot be written: {error.strerror}") from error
    if not size:
        raise Malformed("nothing was sent: the body is empty")
    return digest.hexdigest()
