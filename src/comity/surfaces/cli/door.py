"""The local door: the command line's operations for the owner of a serving node, over its unix socket.

    POST /local/v1/<subject>/<verb>     carry out an operation: JSON in, JSON out; as long as it takes
    GET  /local/v1/progress/<call>      how far the call of that number has come

Rules: who may speak is decided by the file system. Errors travel whole: the owner may know what is wrong
with the machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from comity.errors import ComityError
from comity.http import problem
from comity.surfaces.cli.verbs import Progress

BASE: Final = "/local/v1/"
CALL: Final = "comity-call"  # the header by which a caller finds its progress
WORKERS: Final = 4  # commands of the owner that wait for their turn together
MEDIA: Final = "application/json"

Perform = Callable[[str, bytes, Callable[[Progress], None]], bytes]


def application(perform: Perform) -> Starlette:
    """Return the ASGI application of the local door."""
    door = _Door(perform)
    return Starlette(
        routes=[
            Route(BASE + "progress/{call}", door.progress, methods=["GET"]),
            Route(BASE + "{subject}/{verb}", door.carry_out, methods=["POST"]),
        ]
    )


class _Door:
    def __init__(self, perform: Perform) -> None:
        self._perform = perform
        self._workers = ThreadPoolExecutor(WORKERS, "operation")
        self._progress: dict[str, Progress] = {}

    async def carry_out(self, request: Request) -> Response:
        """Carry out one operation."""
        name = f"{request.path_params['subject']}/{request.path_params['verb']}"
        call = request.headers.get(CALL, "")
        body = await request.body()

        def report(progress: Progress) -> None:
            if call:
                self._progress[call] = progress

        try:
            answer = await asyncio.get_running_loop().run_in_executor(self._workers, self._perform, name, body, report)
        except ComityError as error:
            status, document = problem.problem_of(error, to_owner=True)
            return Response(document, status, media_type=problem.MEDIA_TYPE)
        finally:
            self._progress.pop(call, None)
        return Response(answer, media_type=MEDIA)

    async def progress(self, request: Request) -> Response:
        """Say how far a call has come."""
        known = self._progress.get(request.path_params["call"], Progress())
        return Response(msgspec.json.encode(known), media_type=MEDIA)
