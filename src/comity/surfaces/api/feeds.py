"""Where sensors fetch their lists: one path with a secret in it, an ETag, and nothing else to say.

Rules: the secret is all that is asked for, and all that a wrong one learns is that there is no such list. Nothing is
kept by caches that others share. While nothing has changed a list costs a digest over the sizes of the logs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from comity.errors import ComityError
from comity.surfaces.api import problems
from comity.surfaces.cli.verbs import feed as verbs

SECRET_CHARS_MAX: Final = 64  # ours have 43
PATH: Final = "/feeds/{secret}/{name}"
Ask = Callable[[str, bytes], Awaitable[bytes]]


def route(ask: Ask, folder: Path) -> Route:
    """Return the route of all lists; `ask` carries an operation out in its turn, `folder` is where editions lie."""

    async def serve(request: Request) -> Response:
        secret: str = request.path_params["secret"][:SECRET_CHARS_MAX]
        had = request.headers.get("if-none-match", "").strip().removeprefix("W/").strip('"')
        asked = msgspec.json.encode(verbs.Edition(secret=secret, folder=str(folder), have=had[:SECRET_CHARS_MAX]))
        try:
            edition = msgspec.json.decode(await ask(verbs.EDITION.name, asked), type=verbs.Editions)
        except ComityError as error:
            return problems.answer(error)
        headers = {
            "ETag": f'"{edition.tag}"',
            "Cache-Control": "private, no-cache",
            "X-Content-Type-Options": "nosniff",
        }
        if not edition.path:
            return Response(status_code=304, headers=headers)
        return FileResponse(edition.path, media_type=edition.media, headers=headers)

    return Route(PATH, serve, methods=["GET"])
