"""Where sensors fetch their lists: one path with a secret in it, an ETag, what changed since, what was taken back.

Rules: the secret is all that is asked for, and all that a wrong one learns is that there is no such list. Nothing is
kept by caches that others share. While nothing has changed a list costs a digest over the sizes of the logs. An address
stands in a file only on its way out: where the file lies, the secret is not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route

from comity.errors import ComityError
from comity.node.editions import NotKept
from comity.surfaces.api import problems
from comity.surfaces.api.problems import OtherStatus
from comity.surfaces.cli.verbs import feed as verbs

SECRET_CHARS_MAX: Final = 64  # ours have 43
PATH: Final = "/feeds/{secret}/{name}"
REMOVED: Final = "removed"
PIECE_BYTES: Final = 65_536
Ask = Callable[[str, bytes], Awaitable[bytes]]


def routes(ask: Ask, folder: Path) -> list[Route]:
    """Return the routes of all lists; `ask` carries an operation out in its turn, `folder` is where editions lie."""
    door = _Lists(ask, folder)
    return [
        Route(PATH, door.serve, methods=["GET"]),
        Route(f"{PATH}/{REMOVED}", door.removed, methods=["GET"]),
        Route(PATH + "/{file:path}", door.serve, methods=["GET"]),
    ]


class _Lists:
    def __init__(self, ask: Ask, folder: Path) -> None:
        self._ask = ask
        self._folder = folder

    async def serve(self, request: Request) -> Response:
        """Answer with the newest edition, with a file of it, or with what changed `since` an edition."""
        if "since" in request.query_params:
            return await self._changes(request, since=request.query_params["since"], removed=False)
        had = request.headers.get("if-none-match", "").strip().removeprefix("W/").strip('"')
        asked = verbs.Edition(
            secret=_secret(request),
            folder=str(self._folder),
            have=had[:SECRET_CHARS_MAX],
            file=request.path_params.get("file", ""),
        )
        try:
            edition = msgspec.json.decode(await self._perform(verbs.EDITION.name, asked), type=verbs.Editions)
        except ComityError as error:
            return problems.answer(error)
        headers = _headers(edition.tag)
        if not edition.path:
            return Response(status_code=304, headers=headers)
        path = Path(edition.path)
        if edition.address and path.suffix == ".json":
            said = path.read_bytes().replace(verbs.NOWHERE.encode(), edition.address.encode())
            return Response(said, media_type=edition.media, headers=headers)
        return FileResponse(path, media_type=edition.media, headers=headers)

    async def removed(self, request: Request) -> Response:
        """Answer with what was taken back and is not in the list again."""
        return await self._changes(request, since=request.query_params.get("since", ""), removed=True)

    async def _changes(self, request: Request, *, since: str, removed: bool) -> Response:
        tag = since.strip().removeprefix("W/").strip('"')[:SECRET_CHARS_MAX]
        asked = verbs.Changes(
            secret=_secret(request),
            folder=str(self._folder),
            since=tag,
            removed=removed,
            native="native" in request.query_params,
        )
        try:
            told = msgspec.json.decode(await self._perform(verbs.CHANGES.name, asked), type=verbs.ChangesWritten)
        except ComityError as error:
            return problems.answer(OtherStatus(410, error) if isinstance(error, NotKept) else error)
        return StreamingResponse(_once(Path(told.path)), media_type=told.media, headers=_headers(told.tag))

    async def _perform(self, verb: str, asked: Any) -> bytes:
        return await self._ask(verb, msgspec.json.encode(asked))


def _once(path: Path) -> Iterator[bytes]:
    """Return a file in pieces, of which no name is left from now on."""
    file = path.open("rb")
    path.unlink()

    def pieces() -> Iterator[bytes]:
        with file:
            while piece := file.read(PIECE_BYTES):
                yield piece

    return pieces()


def _secret(request: Request) -> str:
    secret: str = request.path_params["secret"]
    return secret[:SECRET_CHARS_MAX]


def _headers(tag: str) -> dict[str, str]:
    return {"ETag": f'"{tag}"', "Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
