"""Requests read strictly: bounded bodies, JSON without a field that nobody knows, parameters given once.

Rules: a field that is not known is refused wherever it stands, for a misspelt `tlp` that is passed over would share
more than was meant. Integers are those that every JSON parser reads alike, lists have a limit. Nothing is read before
the token held.
"""

from __future__ import annotations

import asyncio
import types
import typing
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from itertools import islice
from typing import Any, Final, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from comity.canon import INTEGER_MAX
from comity.errors import ComityError, Malformed, TooLarge, Unreachable
from comity.limits import API_BODY_BYTES_MAX, API_BODY_SECONDS_MAX, API_VALUES_MAX, JSON_DEPTH_MAX
from comity.surfaces.api.problems import FieldError, OtherStatus, Unfit, field_of, shortened

T = TypeVar("T", bound=msgspec.Struct)

JSON: Final = "application/json"
TEXTS_LOOKED_AT_MAX: Final = 1_000  # of a body, for the one that an error quotes


async def body(request: Request) -> bytes:
    """Return a JSON request's body. Raises `TooLarge`, and `OtherStatus` for another media type or one that drips."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON:
        raise OtherStatus(415, Malformed(f"this is asked in {JSON}, not in {shortened(kind) or 'nothing named'!r}"))
    got = bytearray()
    try:
        async with asyncio.timeout(API_BODY_SECONDS_MAX):
            async for chunk in request.stream():
                got += chunk
                if len(got) > API_BODY_BYTES_MAX:
                    raise TooLarge(f"the body is over {API_BODY_BYTES_MAX} bytes (API_BODY_BYTES_MAX)")
    except TimeoutError as error:
        raise OtherStatus(408, slow(API_BODY_SECONDS_MAX)) from error
    except ClientDisconnect as error:
        raise Unreachable("the caller went away") from error
    return bytes(got)


def slow(seconds: float) -> Unreachable:
    """Return the error for a body that did not come in time."""
    return Unreachable(f"the body did not come within {seconds:g} s")


def decoded(data: bytes, kind: type[T], given: Mapping[str, object]) -> T:
    """Read a JSON body as what it stands for; `given` says what is not the body's to say: who asks, about what.

    Raises `Unfit`, which names the fields.
    """
    try:
        tree = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unfit("the body", [FieldError("", shortened(f"not JSON: {error}"))]) from error
    if not isinstance(tree, dict):
        raise Unfit("the body", [FieldError("", "not a JSON object")])
    strange = [FieldError(f"/{name}", "the token or the path says this") for name in sorted(given.keys() & tree.keys())]
    strange += _strays(tree, kind, "", JSON_DEPTH_MAX)
    if strange:
        raise Unfit("the body", strange)
    return asked(tree | dict(given), kind)


def asked(tree: Mapping[str, object], kind: type[T]) -> T:
    """Return what plain values stand for. Raises `Unfit`."""
    try:
        return msgspec.convert(tree, kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Unfit("the request", [field_of(error)]) from error


def quoted(error: ComityError, said: msgspec.Struct, left_out: Collection[str]) -> tuple[FieldError, ...]:
    """Return the field whose text an operation's error quotes, where exactly one has it; `left_out` was not said."""
    tree = {name: each for name, each in msgspec.to_builtins(said).items() if name not in left_out}
    texts = islice(_texts(tree, ""), TEXTS_LOOKED_AT_MAX)
    found = [pointer for pointer, text in texts if text and repr(text) in str(error)]
    return (FieldError(found[0], shortened(str(error))),) if len(found) == 1 else ()


def _texts(value: object, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from _texts(each, f"{pointer}/{name}")
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value):
            yield from _texts(each, f"{pointer}/{number}")


def _strays(value: object, kind: object, pointer: str, levels: int) -> Iterator[FieldError]:
    """Yield what nobody would read, and what no two parsers read alike."""
    if isinstance(value, int) and abs(value) > INTEGER_MAX:
        yield FieldError(pointer, "an integer beyond 2**53 - 1")
    elif isinstance(value, dict | list) and not levels:
        yield FieldError(pointer, f"nested deeper than JSON_DEPTH_MAX ({JSON_DEPTH_MAX})")
    elif isinstance(value, list) and len(value) > API_VALUES_MAX:
        yield FieldError(pointer, f"over {API_VALUES_MAX} of them (API_VALUES_MAX)")
    elif isinstance(value, dict):
        known = _fields(kind)
        for name, each in value.items():
            step = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')[:80]}"
            if known is not None and name not in known:
                yield FieldError(step, "no such field")
            else:
                yield from _strays(each, known[name] if known else None, step, levels - 1)
    elif isinstance(value, list) and not all(isinstance(each, str) for each in value):
        inner = _of_sequence(kind)
        for number, each in enumerate(value):
            yield from _strays(each, inner, f"{pointer}/{number}", levels - 1)


@cache
def _fields(kind: object) -> dict[str, Any] | None:
    """Return the fields of a struct, also where it may be absent; None for anything else."""
    for one in typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,):
        if isinstance(one, type) and issubclass(one, msgspec.Struct):
            return {field.encode_name: field.type for field in msgspec.structs.fields(one)}
    return None


def _of_sequence(kind: object) -> object:
    arguments = typing.get_args(kind)
    return arguments[0] if typing.get_origin(kind) is tuple and arguments else None


def parameters(request: Request, kind: type[T]) -> T:
    """Read the query's parameters. Raises `Unfit` for one that is unknown, of another kind, or given twice.

    A list is its parameter given once for each of its members.
    """
    given = {name: request.query_params.getlist(name) for name in request.query_params}
    lists = {name for name, each in (_fields(kind) or {}).items() if typing.get_origin(each) is tuple}
    twice = sorted(name for name, each in given.items() if len(each) > (API_VALUES_MAX if name in lists else 1))
    if twice:
        raise Unfit("the query", [FieldError(name, "given too often") for name in twice])
    tree = {name: each if name in lists else each[0] for name, each in given.items()}
    try:
        read = msgspec.convert(tree, kind, strict=False)
    except (msgspec.MsgspecError, RecursionError) as error:
        found = field_of(error)
        raise Unfit("the query", [FieldError(found.field.removeprefix("/"), found.reason)]) from error
    large = [
        FieldError(name, "an integer beyond 2**53 - 1")
        for name, value in msgspec.structs.asdict(read).items()
        if isinstance(value, int) and abs(value) > INTEGER_MAX
    ]
    limit = getattr(read, "limit", 1)
    if not 1 <= limit <= API_VALUES_MAX:
        large.append(FieldError("limit", f"from 1 to {API_VALUES_MAX} (API_VALUES_MAX)"))
    if large:
        raise Unfit("the query", large)
    return read
