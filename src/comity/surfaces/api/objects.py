"""Objects by page and by id, in their producers' own bytes.

Rules: the order is that of positions, which never change, so that what is written meanwhile neither repeats nor hides
anything that a walk would have met. What the office may not read does not show, not even as a gap to be counted.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Final

import msgspec

from comity.areas import intel
from comity.errors import NotFound
from comity.limits import API_PAGE_BYTES_MAX, API_PAGE_OBJECTS_MAX, API_SCAN_ROWS_MAX
from comity.node import tokens
from comity.node.actor import Actor
from comity.node.ports import Unit, place
from comity.node.queries import Witness
from comity.node.tokens import Token
from comity.surfaces.api.problems import FieldError, Unfit
from comity.surfaces.api.shapes import ObjectPage, ObjectsQuery
from comity.surfaces.cli.desk import Desk, actor_of
from comity.surfaces.cli.operations.choosing import marking_text
from comity.surfaces.cli.verbs import Ask
from comity.surfaces.cli.verbs.intel import WitnessShown
from comity.vocab import Purpose

STIX_ID: Final = re.compile("[a-z0-9][a-z0-9-]{1,249}--[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SCAN_ROWS: Final = 1_024  # looked at in one step
MICROSECONDS: Final = 1_000_000
POSITION_MAX: Final = 2**62  # above every position
CURSOR_VERSION: Final = 1
CURSOR_CHARS_MAX: Final = 64


class _Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Behind which position to go on, and for which filters."""

    version: int
    after: int
    filters: bytes


def page(desk: Desk, token: Token, query: ObjectsQuery) -> ObjectPage:
    """Return the next objects that fit. Raises `Unfit`."""
    _check(query)
    after = _after(query)
    last = after
    found: list[msgspec.Raw] = []
    said: list[WitnessShown] = []
    size = looked_at = 0
    with desk.services.node.store.read() as unit:
        actor = _actor(desk, unit, token)
        while looked_at < API_SCAN_ROWS_MAX:
            rows = unit.views.scan(intel.OBJECT, last + 1, POSITION_MAX, limit=SCAN_ROWS)
            for row in rows:
                if len(found) == query.limit or size >= API_PAGE_BYTES_MAX:
                    return _page(found, said, last, query)
                last = int(row[0] or 0)
                looked_at += 1
                witness = _fitting(desk, unit, actor, token.purpose, query, row)
                if witness is not None:
                    body = desk.services.queries.body(unit, last)
                    size += len(body)
                    found.append(msgspec.Raw(body))
                    said.append(_shown(unit, witness))
            if len(rows) < SCAN_ROWS:
                return ObjectPage(tuple(found), tuple(said), None)
    return _page(found, said, last, query)


def raw(desk: Desk, token: Token, ident: str, modified: int) -> tuple[bytes, str]:
    """Return an object's bytes, of one version or the newest, and their SHA-256 in hexadecimal. Raises `NotFound`."""
    node, queries = desk.services.node, desk.services.queries
    with node.store.read() as unit:
        actor = _actor(desk, unit, token)
        for version in queries.versions(unit, actor, ident):
            if modified and version.modified != modified:
                continue
            for witness in version.witnesses:
                if tokens.serves(node, unit, actor, token.purpose, witness.position):
                    body = queries.body(unit, witness.position)
                    if _named(body, ident):
                        return body, hashlib.sha256(body).hexdigest()
    raise NotFound(f"no object {ident} is held here" + (" in that version" if modified else ""))


def _named(body: bytes, ident: str) -> bool:
    """Say whether an object has this very id: two types may have the same UUID."""
    return bool(msgspec.json.decode(body).get("id") == ident)


def _check(query: ObjectsQuery) -> None:
    wrong = []
    if not 1 <= query.limit <= API_PAGE_OBJECTS_MAX:
        wrong.append(FieldError("limit", f"from 1 to {API_PAGE_OBJECTS_MAX} (API_PAGE_OBJECTS_MAX)"))
    if query.type and not intel.type_code(query.type):
        wrong.append(FieldError("type", "not an object type of STIX 2.1"))
    wrong += [FieldError(n, "before 1970") for n in ("since", "updated_since") if getattr(query, n) < 0]
    if wrong:
        raise Unfit("the query", wrong)


def _actor(desk: Desk, unit: Unit, token: Token) -> Actor:
    """Return who asks. Raises `Misuse` where the party has given up the token's office."""
    return actor_of(desk, unit, Ask(office=token.office, user=token.user))


def _fitting(
    desk: Desk, unit: Unit, actor: Actor, purpose: Purpose, query: ObjectsQuery, row: tuple[object, ...]
) -> Witness | None:
    at, _, code, modified, _, _ = row
    assert isinstance(at, int)
    assert isinstance(modified, int)
    if query.type and code != intel.type_code(query.type):
        return None
    if modified < query.since * MICROSECONDS:
        return None
    witness = desk.services.queries.witness_at(unit, actor, at)
    if witness is None or witness.at < query.updated_since or query.source not in {"", witness.source}:
        return None
    return witness if tokens.serves(desk.services.node, unit, actor, purpose, at) else None


def _shown(unit: Unit, witness: Witness) -> WitnessShown:
    log_id, index = place(witness.position)
    return WitnessShown(
        statement=f"{unit.logs.get(log_id).origin}#{index}",
        party=witness.party,
        office=witness.office,
        source=witness.source,
        marking=marking_text(witness.marking),
        at=witness.at,
        retracted=witness.retracted,
    )


# -- cursors ----------------------------------------------------------------------


def _page(found: list[msgspec.Raw], said: list[WitnessShown], last: int, query: ObjectsQuery) -> ObjectPage:
    data = msgspec.msgpack.encode(_Cursor(CURSOR_VERSION, last, _filters(query)))
    return ObjectPage(tuple(found), tuple(said), base64.urlsafe_b64encode(data).rstrip(b"=").decode())


def _after(query: ObjectsQuery) -> int:
    """Return the position behind which a cursor goes on. Raises `Unfit` for one that is not of this question."""
    if not query.cursor:
        return -1
    wrong = FieldError("cursor", "not one that this node gave for this question: begin without it")
    if len(query.cursor) > CURSOR_CHARS_MAX:
        raise Unfit("the query", [wrong])
    try:
        data = base64.b64decode(query.cursor + "=" * (-len(query.cursor) % 4), altchars=b"-_", validate=True)
        cursor = msgspec.msgpack.decode(data, type=_Cursor)
    except (binascii.Error, ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise Unfit("the query", [wrong]) from error
    in_range = 0 <= cursor.after < POSITION_MAX
    if cursor.version != CURSOR_VERSION or not in_range or cursor.filters != _filters(query):
        raise Unfit("the query", [wrong])
    return cursor.after


def _filters(query: ObjectsQuery) -> bytes:
    """Return eight bytes of the filters; `limit` may change from page to page."""
    filters = [query.type, query.source, query.since, query.updated_since]
    return hashlib.sha256(msgspec.json.encode(filters)).digest()[:8]
