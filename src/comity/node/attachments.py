"""Attachments at a node: taken in part by part, found by hash and by object, given back as they came.

Rules: plaintext is in memory one part at a time and never on this node's disk. A manifest is stated when all its parts
are, so that what is found can be opened; parts of an attempt that failed are erased. Whatever is done about a manifest
is done about its parts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from comity import canon, statement
from comity.areas import intel
from comity.areas.intel import attachments as area
from comity.areas.intel.attachments import ATTACHMENT, MANIFEST_MEDIA, PART_MEDIA, Attachment
from comity.areas.intel.columns import OBJECT, object_key, object_number
from comity.errors import ComityError, Malformed, NotFound, Theirs, TooLarge
from comity.formats import observables
from comity.formats.observables import Observable
from comity.limits import ATTACHMENT_BYTES_MAX, ATTACHMENT_PART_BYTES
from comity.node import acting, books
from comity.node.actor import Actor
from comity.node.node import Node
from comity.node.ports import Unit, place
from comity.node.queries import Queries, Witness
from comity.statement import INTEL_ATTACHMENT, INTEL_PART, Header, Marking
from comity.vocab import Held

LISTED_MAX: Final = 10_000  # attachments of one list, the newest
ROWS_AT_ONCE: Final = 262_144  # of the view, read in one step: each step reads the whole table
CHUNK: Final = 4_096  # objects looked at in one step


class Kept(NamedTuple):
    """An attachment as it stands."""

    position: int
    witness: Witness
    found: Attachment
    parts: tuple[int, ...]  # positions; -1: not here

    @property
    def missing(self) -> list[int]:
        """Return the numbers, from 1, of the parts that are not here."""
        return [number for number, at in enumerate(self.parts, 1) if at < 0]


class Offered(NamedTuple):
    """What its sender says of an attachment."""

    name: str
    about: tuple[str, ...] = ()  # STIX ids
    media: str = ""
    note: str = ""
    source: str = ""
    marking: Marking | None = None  # None: it stays at home


def add(node: Node, actor: Actor, chunks: Iterable[bytes], offered: Offered) -> int:
    """Take an attachment in; return the position of its manifest in the home log.

    Raises `Malformed`, or `TooLarge` over ATTACHMENT_BYTES_MAX; parts that were taken by then are erased.
    """
    key, ident = node.entropy(area.KEY_BYTES), node.entropy(area.IDENT_BYTES)
    hashes = [hashlib.sha256(), hashlib.sha1(usedforsecurity=False), hashlib.md5(usedforsecurity=False)]
    size = 0
    places: list[int] = []
    digests: list[str] = []
    header = _header(node, actor, INTEL_PART, PART_MEDIA, offered)
    try:
        for number, (data, last) in enumerate(_pieces(chunks, offered.name)):
            size += len(data)
            for one in hashes:
                one.update(data)
            nonce = node.entropy(area.NONCE_BYTES)
            body = area.seal(data, key=key, nonce=nonce, ident=ident, number=number, last=last)
            digests.append(hashlib.sha256(body).hexdigest())
            places.append(_state(node, header, body))
        sha256, sha1, md5 = (one.hexdigest() for one in hashes)
        found = Attachment(
            offered.name, size, sha256, sha1, md5, canon.b64(ident), canon.b64(key), tuple(digests), offered.media,
            offered.about, offered.note,
        )  # fmt: skip
        manifest, body = _header(node, actor, INTEL_ATTACHMENT, MANIFEST_MEDIA, offered), canon.encode(found)
        area.read_manifest(statement.decode_header(manifest), body)
        return _state(node, manifest, body)
    except BaseException:  # an interrupt too: what has no manifest nobody finds, nor erases
        with suppress(ComityError):
            if places:
                acting.erase(actor, node, places, "not kept", "the attachment was not taken in whole")
        raise


def holds(node: Node, unit: Unit, office: str, offered: Offered, data: bytes) -> bool:
    """Say whether an office took these bytes in from this source before, under this name and about these objects."""
    key = observables.key(Observable("sha256", hashlib.sha256(data).hexdigest()))
    rows: Sequence[tuple[Any, ...]] = unit.views.find_many(ATTACHMENT, "key", [key])
    for at, _, is_part in rows:
        log = unit.logs.get(place(at)[0])
        if is_part or not log.own or canon.parse_origin(log.origin)[1] is not None:
            continue
        try:
            header, body = _opened(node, unit, at)
            found = area.read_manifest(header, body)
        except (NotFound, Theirs):
            continue
        same = (header.office, header.source, found.name) == (office, offered.source, offered.name)
        if same and set(offered.about) <= set(found.about):
            return True
    return False


def _pieces(chunks: Iterable[bytes], name: str) -> Iterator[tuple[bytes, bool]]:
    """Yield parts of equal size, the last one marked; an empty file has one empty part. Raises `TooLarge`."""
    buffer = bytearray()
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > ATTACHMENT_BYTES_MAX:
            raise TooLarge(f"{name!r} is over ATTACHMENT_BYTES_MAX ({ATTACHMENT_BYTES_MAX} bytes)")
        buffer += chunk
        while len(buffer) > ATTACHMENT_PART_BYTES:
            yield bytes(buffer[:ATTACHMENT_PART_BYTES]), False
            del buffer[:ATTACHMENT_PART_BYTES]
    yield bytes(buffer), True


def _header(node: Node, actor: Actor, kind: str, media: str, offered: Offered) -> bytes:
    header = Header(
        v=1,
        kind=kind,
        office=actor.office_id,
        accord=0,
        at=node.now(),
        media=media,
        marking=offered.marking,
        source=offered.source,
    )
    return statement.encode_header(header)


def _state(node: Node, header: bytes, body: bytes) -> int:
    with node.writing() as unit:
        return books.state(node, unit, books.home_origin(node, unit), 0, [books.Draft(header, body)])


# -- finding -------------------------------------------------------------------------------


def named(node: Node, queries: Queries, unit: Unit, actor: Actor, at: int) -> Kept:
    """Return the attachment whose manifest stands at a position, as this actor may read it. Raises `NotFound`."""
    witness = queries.witness_at(unit, actor, at)
    log_id, index = place(at)
    name = f"{unit.logs.get(log_id).origin}#{index}"
    if witness is None:
        raise NotFound(f"{name} is not here for {actor.office}")
    header, body = _opened(node, unit, at)
    try:
        kind = header.relayed.kind if header.relayed else header.kind
        if kind != INTEL_ATTACHMENT:
            raise Malformed("another kind of statement")
        media = header if header.relayed is None else Header(1, kind, header.office, 0, 0, MANIFEST_MEDIA)
        found = area.read_manifest(media, body)
    except Theirs as error:
        raise NotFound(f"{name} is no attachment: {error}", hint="`comity attachment list` names them") from error
    return Kept(at, witness, found, parts_of(node, queries, unit, actor, at, found))


def parts_of(node: Node, queries: Queries, unit: Unit, actor: Actor, at: int, found: Attachment) -> tuple[int, ...]:
    """Return where the parts stand that this actor may read, those in the manifest's own log first; -1: not here."""
    keys = [area.part_key(digest) for digest in found.parts]
    rows: Sequence[tuple[Any, ...]] = unit.views.find_many(ATTACHMENT, "key", list(dict.fromkeys(keys)))
    log_id = place(at)[0]
    first: dict[bytes, int] = {}
    # A peer may state one part any number of times: the first that may be read is enough.
    for position, key, is_part in sorted(rows, key=lambda row: (place(row[0])[0] != log_id, row[0])):
        if is_part and key not in first and queries.witness_at(unit, actor, position) is not None:
            first[key] = position
    return tuple(first.get(key, -1) for key in keys)


def by_keys(
    node: Node, queries: Queries, unit: Unit, actor: Actor, keys: Sequence[bytes], most: int | None = None
) -> list[Kept]:
    """Return the attachments found by any of some keys: of a hash, or of an object (`columns.object_key`)."""
    rows: Sequence[tuple[Any, ...]] = unit.views.find_many(ATTACHMENT, "key", keys)
    places = sorted({position for position, _, is_part in rows if not is_part}, reverse=True)
    return _kept(node, queries, unit, actor, places, most)


def every(node: Node, queries: Queries, unit: Unit, actor: Actor, most: int = LISTED_MAX) -> list[Kept]:
    """Return the attachments that this actor may read, the newest first, `most` of them."""
    places: set[int] = set()
    after = -1
    while rows := unit.views.find(ATTACHMENT, {"part": 0}, limit=ROWS_AT_ONCE, after=after):
        # After a position, and not after a row: an attachment about much has many rows, and all are of one position.
        places |= {int(row[0] or 0) for row in rows}
        after = max(places)
    return _kept(node, queries, unit, actor, sorted(places, reverse=True), most)


def about(node: Node, queries: Queries, unit: Unit, actor: Actor, places: Sequence[int]) -> list[int]:
    """Return where the attachments about some objects stand, with their parts."""
    found: set[int] = set()
    for start in range(0, len(places), CHUNK):
        rows: Sequence[tuple[Any, ...]] = unit.views.find_many(OBJECT, "position", places[start : start + CHUNK])
        keys = sorted({object_key(object_number(row[1])) for row in rows})
        for one in by_keys(node, queries, unit, actor, keys):
            found |= {one.position, *(at for at in one.parts if at >= 0)}
    return sorted(found)


def _kept(
    node: Node, queries: Queries, unit: Unit, actor: Actor, places: Sequence[int], most: int | None
) -> list[Kept]:
    found: list[Kept] = []
    seen: set[tuple[str, str, str]] = set()
    for at in places:
        if len(found) == most:
            break
        try:
            one = named(node, queries, unit, actor, at)
        except NotFound:
            continue
        who = one.found.ident, one.witness.party, one.witness.office
        if who not in seen:  # stated in several accords it is still one
            seen.add(who)
            found.append(one)
    return found


def with_parts(node: Node, queries: Queries, unit: Unit, actor: Actor, places: Sequence[int]) -> list[int]:
    """Return entries together with the parts of those that are attachments: what is done to one is done to all."""
    found = set(places)
    rows: Sequence[tuple[Any, ...]] = unit.views.find_many(OBJECT, "position", list(found))
    for at in found.difference(row[0] for row in rows):
        try:
            kept = named(node, queries, unit, actor, at)
        except NotFound:
            continue
        log_id = place(at)[0]
        found = found | {part for part in kept.parts if part >= 0 and place(part)[0] == log_id}
    return sorted(found)


def contents(node: Node, unit: Unit, kept: Kept) -> Iterator[bytes]:
    """Yield an attachment's plaintext, part by part. Raises `NotFound` for parts not here, `Unverified`."""
    if kept.missing:
        some = ", ".join(map(str, kept.missing[:8]))
        raise NotFound(
            f"of {len(kept.parts)} parts of {kept.found.name!r} {len(kept.missing)} are not here: {some}",
            hint="`comity sync`; a part may be withheld, or erased",
        )
    yield from area.opened(kept.found, (_opened(node, unit, at)[1] for at in kept.parts))


def _opened(node: Node, unit: Unit, at: int) -> tuple[Header, bytes]:
    """Return header and body of an entry; of a relay the original's body. Raises `NotFound` without its bytes."""
    log_id, index = place(at)
    (entry,) = unit.entries.read(log_id, index, index + 1)
    if entry.held is not Held.PAYLOAD or entry.header is None or entry.body is None:
        raise NotFound(f"{unit.logs.get(log_id).origin}#{index}: its bytes are not held here")
    header = node.header(entry.header)
    return header, intel.body_of(header, entry.body)
