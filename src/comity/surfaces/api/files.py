"""Answers that are files: written by an operation, sent in pieces, gone from the disk before the first of them leaves.

Rules: a file goes out as an attachment of a name of ours, for nobody's program to open by itself. What the operation
answers beside it stands in a header, as JSON in ASCII. Who takes too long gets less than was promised, and knows it.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from comity.errors import Fault
from comity.limits import API_ANSWER_BYTES_MAX, API_SENT_SECONDS_MAX
from comity.surfaces.cli.operations import forms
from comity.surfaces.cli.operations.writing import veil

HEADER: Final = "Comity-Answer"
ZIP: Final = "application/zip"
BYTES: Final = "application/octet-stream"
PIECE_BYTES: Final = 65_536


class Ready(NamedTuple):
    """An open file of which no name is left, and what is said of it."""

    file: IO[bytes]
    size: int
    media: str
    name: str  # that a caller is offered for it
    tag: str  # an ETag, as it is written
    beside: str  # the header


def export(path: Path, answer: dict[str, Any]) -> Ready:
    """Make an export ready, a folder of files as a ZIP."""
    if answer["form"] in forms.TREES:
        return _ready(_zipped(path), answer, ZIP, f"{answer['form']}.zip")
    media, suffix = forms.media_of(answer["form"])
    return _ready(path, answer, media, f"export{suffix}")


def content(path: Path, answer: dict[str, Any]) -> Ready:
    """Make an attachment ready: its tag is its own SHA-256, a weak one where a ZIP is around it."""
    tag = f'"{answer["attachment"]["sha256"]}"'
    if answer["password"]:
        return _ready(path, answer, ZIP, "attachment.zip", f"W/{tag}")
    return _ready(path, answer, BYTES, "attachment.bin", tag)


def report(path: Path, answer: dict[str, Any]) -> Ready:
    """Make the report of an ingest ready."""
    return _ready(path, answer, "application/json", "report.json")


def proof(path: Path, answer: dict[str, Any]) -> Ready:
    """Make a proof ready."""
    return _ready(path, answer, "application/json", "proof.json")


def _ready(path: Path, answer: dict[str, Any], media: str, name: str, tag: str = "") -> Ready:
    try:
        file = path.open("rb")
    except OSError as error:
        raise Fault(f"{path} cannot be read: {error.strerror}") from error
    return Ready(file, os.fstat(file.fileno()).st_size, media, name, tag, beside(answer))


def _zipped(folder: Path) -> Path:
    path = folder.with_name("folder.zip")
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for each in sorted(folder.rglob("*")):
                if each.is_file() and each.name != forms.MARK:
                    archive.write(each, each.relative_to(folder).as_posix())
        shutil.rmtree(folder)
    except OSError as error:
        raise Fault(f"{path} cannot be written: {error.strerror}") from error
    return path


def beside(answer: dict[str, Any]) -> str:
    """Return what an operation says beside a file: its words, numbers and counts, without where the file lay."""
    plain = {name: each for name, each in answer.items() if name != "path" and isinstance(each, str | int)}
    counts = {name: each for name, each in answer.items() if isinstance(each, dict) and _counts(each)}
    fitting = (json.dumps(some) for some in (plain | counts, plain) if len(json.dumps(some)) <= API_ANSWER_BYTES_MAX)
    return next(fitting, "{}")


def _counts(tree: dict[str, Any]) -> bool:
    return all(isinstance(each, int) for each in tree.values())


class Sent(StreamingResponse):
    """A file on its way to a caller; `done` is called at the end of it, whatever that was."""

    def __init__(self, ready: Ready, key: str, done: Callable[[], None], headers: dict[str, str]) -> None:
        named = {
            "Content-Length": str(ready.size),
            "Content-Disposition": f'attachment; filename="{ready.name}"',
            HEADER: ready.beside,
        }
        tag = {"ETag": ready.tag} if ready.tag else {}
        super().__init__(_pieces(ready.file, veil(key)), headers=headers | named | tag, media_type=ready.media)
        self._file = ready.file
        self._done = done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, within API_SENT_SECONDS_MAX (ASGI 3)."""
        try:
            async with asyncio.timeout(API_SENT_SECONDS_MAX):
                await super().__call__(scope, receive, send)
        except TimeoutError:
            return  # less than was promised: the server closes the connection
        finally:
            self._file.close()
            self._done()


def _pieces(file: IO[bytes], unveiled: Callable[[bytes], bytes]) -> Iterator[bytes]:
    while piece := file.read(PIECE_BYTES):
        yield unveiled(piece)


def unchanged(ready: Ready, headers: dict[str, str]) -> Response:
    """Return that the caller has the file already."""
    ready.file.close()
    return Response(status_code=304, headers=headers | {"ETag": ready.tag})
