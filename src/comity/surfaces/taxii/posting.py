"""What a reader posts, what became of it, and taking it back.

Rules: objects come in as the poster's, through the same checks and the same waiting as by every channel; one that is
wrong stops none behind it. What they say of their creators is the poster's word. Taking back is an act of the poster's
office about its own record: bytes that others have are not unmade, they are told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from comity.areas import intel
from comity.canon import Instant
from comity.errors import Malformed, NotFound, TooLarge
from comity.formats import taxii
from comity.formats.stix import split
from comity.formats.stix.report import Refusal
from comity.formats.stix.split import Piece
from comity.formats.stix.strict import ident_of
from comity.formats.taxii import Detail, Filters, Status
from comity.limits import TAXII_STATUS_SECONDS, TAXII_STATUSES_MAX
from comity.node import acting, submissions
from comity.node.ports import Unit, place
from comity.node.services import Services
from comity.node.submissions import ACCEPTED, REFUSED, WAITING, Submitted
from comity.surfaces.taxii.admission import Reader
from comity.vocab import Channel

STATUSES: Final = "taxii-status"  # shelf: `<audience> <id>` -> `_Kept`
LOOKED_THROUGH: Final = 256  # POSTs of a reader after which its old statuses are looked for
COMPLETE: Final = "complete"
PENDING: Final = "pending"
_WHOLE: Final = frozenset({"garbage", "structure", "truncated"})  # rules by which an envelope is none
_MODIFIED: Final = re.compile(rb'"modified"\s*:\s*"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z)"')
_VERSION_BYTES: Final = 4_096  # of an object that was refused, looked at for its version


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """The status of a POST, with what may still change it."""

    status: Status
    at: Instant
    audience: str
    submission: str  # that its pending objects wait in; empty for none


class Unprocessable(Malformed):
    """A body that is no envelope (§5.5: 422)."""


def post(services: Services, reader: Reader, body: bytes) -> Status:
    """Take the objects of an envelope. Raises `Unprocessable`, and what `submissions.submit_objects` does."""
    node = services.node
    pieces = list(split.split([body])) if body.lstrip(b" \t\r\n")[:1] == b"{" else []
    whole = [one for one in pieces if isinstance(one, Refusal) and (one.rule in _WHOLE or _is_double(one))]
    if whole or not _is_envelope(body):
        reason = whole[0].reason if whole else "it has no `objects`"
        raise Unprocessable(f"the body is no envelope of TAXII 2.1: {reason}")
    objects = [one.data for one in pieces if isinstance(one, Piece)]
    made: list[Status] = []

    def beside(unit: Unit, done: Submitted) -> None:
        status = _status(services, done, objects, [one for one in pieces if isinstance(one, Refusal)])
        waits = done.submission.id if status.pending_count else ""
        _keep(services, unit, reader, status, waits)
        made.append(status)

    try:
        submissions.submit_objects(
            node, reader.who, Channel.TAXII, objects, name="TAXII envelope", check=services.check, beside=beside
        )
    except TooLarge as error:  # no more bytes than `max_content_length`, so that 413 would be another thing (§4.2.1)
        raise Unprocessable(str(error), hint="send fewer objects in one envelope") from error
    return made[0]


def _status(services: Services, done: Submitted, objects: Sequence[bytes], cut: Sequence[Refusal]) -> Status:
    """Return what became of a POST: `cut` are those of its objects that are none."""
    node = services.node
    at = taxii.stamp(node.now() * taxii.MICROSECONDS)
    answers = list(zip(done.answers, objects, strict=True))
    failures = [
        Detail(one.id or _nameless(n), _version_said(data) or at, one.reason)
        for n, (one, data) in enumerate(answers, 1)
        if one.outcome == REFUSED
    ]
    failures += [Detail(one.ident or _nameless(len(answers) + n), at, one.reason) for n, one in enumerate(cut, 1)]
    came = tuple(Detail(one.id, _version(one.modified) or at) for one, _ in answers if one.outcome != REFUSED)
    waits = done.submission.state == WAITING and bool(came)
    return Status(
        id=str(UUID(bytes=node.entropy(16), version=4)),
        status=PENDING if waits else COMPLETE,
        request_timestamp=at,
        total_count=len(came) + len(failures),
        success_count=0 if waits else len(came),
        failure_count=len(failures),
        pending_count=len(came) if waits else 0,
        successes=() if waits else came,
        failures=tuple(failures),
        pendings=came if waits else (),
    )


def status(services: Services, reader: Reader, ident: str) -> Status:
    """Return what became of a reader's own POST by now. Raises `NotFound`."""
    with services.node.store.read() as unit:
        data = unit.documents.get(STATUSES, f"{reader.who.audience} {ident}")
        if data is not None:
            return _by_now(unit, msgspec.msgpack.decode(data, type=_Kept))
    raise NotFound("there is no such status, or not any more")


def delete(services: Services, reader: Reader, ident: str, asked: Filters) -> int:
    """Take back versions of an object that a reader sent; return how many. Raises `NotFound` where it has none."""
    node = services.node
    with node.store.read() as unit:
        places = _sent(services, unit, reader, ident, asked)
    if not places:
        raise NotFound(f"you sent no object {ident} that is kept here")
    acting.retract(reader.who.actor(), node, places, "taken back by whom it came from")
    return len(places)


def _sent(services: Services, unit: Unit, reader: Reader, ident: str, asked: Filters) -> list[int]:
    node = services.node
    try:
        number = intel.object_number(intel.uuid_of(ident))
    except Malformed:
        return []
    rows: Sequence[tuple[Any, ...]] = unit.views.find_many(intel.STATED, "object", [number])
    found: list[tuple[int, int]] = []
    for at, _, modified in rows:
        log_id, index = place(at)
        (entry,) = unit.entries.read(log_id, index, index + 1)
        if entry.header is None or entry.body is None or entry.standing != b"{}" or not unit.logs.get(log_id).own:
            continue
        header = node.header(entry.header)
        is_sent = header.source == reader.who.source and header.office == reader.actor.office_id
        if is_sent and header.relayed is None and ident_of(entry.body) == ident:
            found.append((modified, at))
    found.sort()
    if asked.whole or not found:
        return [at for _, at in found]
    chosen = {at for modified, at in found if modified in asked.versions}
    chosen |= {found[-1][1]} if "last" in asked.words else set()
    chosen |= {found[0][1]} if "first" in asked.words else set()
    return sorted(chosen)


# -- statuses -----------------------------------------------------------------------------


def _keep(services: Services, unit: Unit, reader: Reader, status: Status, submission: str) -> None:
    # The ids of what came in stand in the answer to the POST; kept are counts and what is not settled or went wrong.
    who, now = reader.who.audience, services.node.now()
    kept = _Kept(msgspec.structs.replace(status, successes=()), now, who, submission)
    unit.documents.put(STATUSES, f"{who} {status.id}", msgspec.msgpack.encode(kept))
    if UUID(status.id).int % LOOKED_THROUGH == 0:  # by chance: nothing has to be counted
        for key in _past(unit, f"{who} ", now):
            unit.documents.delete(STATUSES, key)


def _past(unit: Unit, prefix: str, now: Instant) -> list[str]:
    """Return what is kept no longer: too old, or too many."""
    known = [(msgspec.msgpack.decode(data, type=_Kept).at, key) for key, data in unit.documents.all(STATUSES, prefix)]
    known.sort()
    over = max(0, len(known) - TAXII_STATUSES_MAX)
    return [key for n, (at, key) in enumerate(known) if n < over or at + TAXII_STATUS_SECONDS < now]


def _by_now(unit: Unit, kept: _Kept) -> Status:
    """Return a status with what a person of the office decided since."""
    status = kept.status
    if not kept.submission:
        return status
    data = unit.documents.get(submissions.SETTLED, f"{kept.audience} {kept.submission}")
    if data is None:
        return status
    settled = msgspec.json.decode(data, type=submissions.Submission)
    came = status.pendings
    if settled.state == ACCEPTED:
        return msgspec.structs.replace(
            status, status=COMPLETE, pendings=(), pending_count=0, successes=came, success_count=len(came)
        )
    refused = tuple(msgspec.structs.replace(one, message=settled.reason) for one in came)
    return msgspec.structs.replace(
        status,
        status=COMPLETE,
        pendings=(),
        pending_count=0,
        failures=(*status.failures, *refused),
        failure_count=status.failure_count + len(refused),
    )


# -- reading an envelope ------------------------------------------------------------------


class _Envelope(msgspec.Struct):
    objects: list[msgspec.Raw] | None = None


def _is_envelope(body: bytes) -> bool:
    try:
        return bool(msgspec.json.decode(body, type=_Envelope).objects)  # an empty list is none (§2)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False


def _is_double(one: Refusal) -> bool:
    return one.rule == "duplicate-key" and one.offset == 0


def _nameless(number: int) -> str:
    return f"object {number} of the envelope"


def _version(modified: int) -> str:
    return taxii.version_stamp(modified) if modified else ""


def _version_said(data: bytes) -> str:
    found = _MODIFIED.search(data, 0, _VERSION_BYTES)
    return found[1].decode() if found else ""
