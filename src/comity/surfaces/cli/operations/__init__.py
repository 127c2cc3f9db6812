"""What the command line's verbs do at a node, one module per subject; `find` is the way in."""

from __future__ import annotations

import importlib
from typing import Final

import msgspec

from comity.errors import Malformed, NotFound
from comity.surfaces.cli.desk import AnyOperation, Desk

SUBJECTS: Final = (
    "party",
    "correspondent",
    "inbox",
    "accord",
    "importing",
    "intel",
    "decay",
    "attachment",
    "evidence",
    "correlating",
    "graph",
    "collection",
    "catalogue",
    "warning",
    "searching",
    "asking",
    "interest",
    "release",
    "rule",
    "node",
    "source",
    "token",
    "feed",
    "taxii",
    "neighbour",
    "sidecar",
    "mail",
)


def find(name: str) -> AnyOperation:
    """Return the operation of a verb's name, loading its subject only. Raises `NotFound`."""
    subject = name.partition("/")[0]
    if subject in SUBJECTS:
        module = importlib.import_module(f"{__name__}.{subject}")
        for operation in module.OPERATIONS:
            if operation.verb.name == name:
                found: AnyOperation = operation
                return found
    raise NotFound(
        f"this node knows no operation {name!r}", hint="the command line is of another version than the node"
    )


def perform(desk: Desk, operation: AnyOperation, ask: bytes) -> bytes:
    """Carry out an operation for a request in JSON; return the answer in JSON."""
    verb = operation.verb
    try:
        asked = msgspec.json.decode(ask, type=verb.asks)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"{verb.name} cannot be asked like this: {error}") from error
    if verb.signs:
        desk.reconsider()
    return msgspec.json.encode(operation.run(desk, asked))
