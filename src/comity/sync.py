"""The protocol between nodes: what is asked, what is answered, and how every answer is checked.

A node pulls. It asks for *heads* (which logs, how long, under which checkpoints), then for *pages* of what
is new. Nothing here does I/O: transports move `Request` and `Answer`, nodes decide what to do with them.

Rules: every page is proven alone, against the checkpoint and what was held before it, so a cut costs one
page. Leaves come to everybody who may follow the log; payloads only where they are released. Whatever
does not check raises, and names whose fault it is. Packed numbers are little-endian on every machine.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeVar

import msgspec
import zstandard

from comity import canon, limits
from comity.canon import Digest, Origin, PartyId
from comity.errors import Malformed, TooLarge, Unverified
from comity.limits import STATEMENT_BYTES_MAX, STATEMENT_HEADER_BYTES_MAX
from comity.statement import MEDIA_TYPE, join
from comity.tlog import leaf
from comity.tlog.checkpoint import Checkpoint, parse_checkpoint
from comity.tlog.errors import TlogError
from comity.tlog.merkle import Frontier, verify_consistency, verify_inclusion
from comity.tlog.note import Note, Verifier, parse_note, verify
from comity.vocab import Held

WIRE: Final = 1  # the version of everything in this module; another is refused by name
MEDIA: Final = "application/vnd.comity.sync;v=1"
LEVEL: Final = 9  # zstd: 3 is faster by half and a tenth larger; a page is made once per reader
HASH_BYTES: Final = 32
SALT_BYTES: Final = 16
CODES: Final = (Held.PAYLOAD, Held.SEALED, Held.WITHHELD, Held.ERASED)

T = TypeVar("T")
_LITTLE: Final = array("H", [1]).tobytes() == b"\1\0"  # whether this machine writes numbers as the wire does


class Request(msgspec.Struct, frozen=True, tag_field="ask", forbid_unknown_fields=True):
    """What one node asks of another; the asking party is known from the signed request."""


class Heads(Request, frozen=True, tag="heads"):
    """Which logs do you have for me? `etag` is the answer's that I still hold."""

    etag: str = ""


class Page(Request, frozen=True, tag="page"):
    """Entries `start` to at most `end` of a log, proven consistent with its first `size` leaves."""

    origin: Origin
    start: int
    end: int
    size: int
    bare: bool = False  # commitments only: to go on where payloads do not match theirs


class Fill(Request, frozen=True, tag="fill"):
    """Payloads of entries whose leaves I hold (withheld before, perhaps released since)."""

    origin: Origin
    start: int
    end: int


class Ahead(Request, frozen=True, tag="ahead"):
    """One entry ahead of its turn (a flash alert), proven included in the first `size` leaves."""

    origin: Origin
    index: int
    size: int


class Consistency(Request, frozen=True, tag="consistency"):
    """The proof that the tree of `second` leaves extends the tree of `first`."""

    origin: Origin
    first: int
    second: int


class Nodes(Request, frozen=True, tag="nodes"):
    """Hashes of `count` perfect subtrees of 2**level leaves from `start`, within the first `size` leaves."""

    origin: Origin
    size: int
    level: int
    start: int
    count: int


class Card(Request, frozen=True, tag="card"):
    """Your party card."""


class AccordText(Request, frozen=True, tag="accord-text"):
    """An accord's text with the signatures you hold."""

    digest: Digest


AnyRequest = Heads | Page | Fill | Ahead | Consistency | Nodes | Card | AccordText


class LogHead(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One log as the answering node has it: its newest checkpoint, and hints for the asker."""

    note: bytes  # signed by the author; cosigned by the answering node where it is not the author
    flash: tuple[int, ...] = ()
    grant: bytes = b""  # changes when what is released to the asker changes


class AccordHead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An accord's text that names the asker, and whose signatures are held."""

    digest: Digest
    signers: tuple[PartyId, ...]


class HeadsAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Everything a node has for the asker, in one answer."""

    v: int
    party: PartyId
    card: Digest
    logs: tuple[LogHead, ...]
    home: bytes = b""  # the answering node's own home checkpoint
    witnessed: bytes = b""  # the asker's home checkpoint, cosigned
    accords: tuple[AccordHead, ...] = ()
    forks: tuple[bytes, ...] = ()


class PageAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Entries in columns: what a page has many of is packed, so that compression finds it.

    `held` has one code per entry; `headers` the distinct headers, `which` their numbers (u16 each),
    `salts` 16 bytes each, `lengths` (u32 each) and `bodies` for entries with payload; `commitments`
    32 bytes for each entry without.
    """

    v: int
    origin: Origin
    start: int
    held: bytes
    headers: tuple[bytes, ...]
    which: bytes
    salts: bytes
    lengths: bytes
    bodies: bytes
    commitments: bytes
    proof: tuple[bytes, ...] = ()


class HashesAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hashes, 32 bytes each: a proof, or subtree hashes."""

    v: int
    hashes: tuple[bytes, ...]


class Answer(NamedTuple):
    """What came back: `etag` and no body mean that nothing changed."""

    body: bytes
    etag: str = ""
    unchanged: bool = False


def encode_request(request: AnyRequest) -> bytes:
    """Return a request's bytes."""
    return msgspec.msgpack.encode(request)


def decode_request(data: bytes) -> AnyRequest:
    """Read a request. Raises `Malformed`."""
    return _decode(data, AnyRequest, "a request")  # type: ignore[arg-type]


def encode_heads(heads: HeadsAnswer) -> bytes:
    """Return the bytes of a heads answer."""
    return msgspec.msgpack.encode(heads)


def decode_heads(data: bytes) -> HeadsAnswer:
    """Read a heads answer. Raises `Malformed`."""
    heads = _decode(data, HeadsAnswer, "a list of heads")
    _check_wire(heads.v)
    canon.party_id(heads.party)
    if max(len(heads.logs), len(heads.accords)) > limits.SYNC_LOGS_MAX:
        raise TooLarge(f"{len(heads.logs)} logs and {len(heads.accords)} accords are over SYNC_LOGS_MAX")
    if len(heads.forks) > limits.SYNC_FORKS_MAX:
        raise TooLarge(f"{len(heads.forks)} fork certificates in one answer are over SYNC_FORKS_MAX")
    for accord in heads.accords:
        if len(accord.signers) > limits.ACCORD_MEMBERS_MAX:
            raise TooLarge(f"{len(accord.signers)} signers of one accord are over ACCORD_MEMBERS_MAX")
    for log in heads.logs:
        if len(log.flash) > limits.SYNC_FLASH_MAX:
            raise TooLarge(f"{len(log.flash)} flash statements in one answer are over SYNC_FLASH_MAX")
    return heads


def encode_hashes(hashes: Sequence[bytes]) -> bytes:
    """Return the bytes of an answer of hashes."""
    return msgspec.msgpack.encode(HashesAnswer(WIRE, tuple(hashes)))


def decode_hashes(data: bytes) -> HashesAnswer:
    """Read an answer of hashes, 32 bytes each. Raises `Malformed`."""
    answer = _decode(data, HashesAnswer, "an answer of hashes")
    _check_wire(answer.v)
    if any(len(h) != HASH_BYTES for h in answer.hashes):
        raise Malformed("a hash that is not 32 bytes long")
    return answer


class Opened(NamedTuple):
    """An entry of a page: its commitment, and what opens it where it is held.

    An empty commitment is that of a payload nobody can read: it matches no leaf.
    """

    held: Held
    commitment: bytes
    header: bytes | None
    salt: bytes | None
    body: bytes | None


def encode_page(origin: Origin, start: int, entries: Sequence[Opened], proof: Sequence[bytes] = ()) -> bytes:
    """Return a page, compressed; every entry without a payload travels as its commitment."""
    headers: dict[bytes, int] = {}
    which: list[int] = []
    payloads = [entry for entry in entries if entry.held is Held.PAYLOAD]
    for entry in payloads:
        which.append(headers.setdefault(entry.header or b"", len(headers)))
    bodies = [entry.body or b"" for entry in payloads]
    page = PageAnswer(
        v=WIRE,
        origin=origin,
        start=start,
        held=bytes(CODES.index(entry.held) for entry in entries),
        headers=tuple(headers),
        which=_pack("H", which),
        salts=b"".join(entry.salt or b"" for entry in payloads),
        lengths=_pack("I", [len(body) for body in bodies]),
        bodies=b"".join(bodies),
        commitments=b"".join(entry.commitment for entry in entries if entry.held is not Held.PAYLOAD),
        proof=tuple(proof),
    )
    return zstandard.ZstdCompressor(level=LEVEL).compress(msgspec.msgpack.encode(page))


def decode_page(data: bytes) -> PageAnswer:
    """Read a page: within every limit, its columns fitting each other. Raises `Malformed` or `TooLarge`."""
    page = _decode(_inflate(data), PageAnswer, "a page")
    _check_wire(page.v)
    canon.parse_origin(page.origin)
    payloads = page.held.count(0)
    if len(page.held) > limits.SYNC_PAGE_ENTRIES_MAX:
        raise TooLarge(f"{len(page.held)} entries in one page are over SYNC_PAGE_ENTRIES_MAX")
    if page.start < 0 or any(code >= len(CODES) for code in set(page.held)):
        raise Malformed("a page with an unknown code of what is held")
    fits = (
        len(page.which) == 2 * payloads
        and len(page.salts) == SALT_BYTES * payloads
        and len(page.lengths) == 4 * payloads
        and sum(_unpack("I", page.lengths)) == len(page.bodies)
        and len(page.commitments) == HASH_BYTES * (len(page.held) - payloads)
        and set(_unpack("H", page.which)) == set(range(len(page.headers)))
        and all(len(h) == HASH_BYTES for h in page.proof)
    )
    if not fits:
        raise Malformed("a page whose columns do not fit each other")
    return page


def _inflate(data: bytes) -> bytes:
    try:
        size = zstandard.frame_content_size(data)
        if size < 0:
            raise Malformed("a page that does not say how large it is unpacked")
        if size > limits.SYNC_PAGE_BYTES_MAX:
            raise TooLarge(f"a page of {size} bytes unpacked is over SYNC_PAGE_BYTES_MAX")
        # The frame says its size before anything is unpacked, and the library holds it to that.
        return zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Malformed(f"a page cannot be unpacked: {error}") from error


def _pack(code: str, numbers: Sequence[int]) -> bytes:
    packed = array(code, numbers)
    if not _LITTLE:
        packed.byteswap()
    return packed.tobytes()


def _unpack(code: str, data: bytes) -> array[int]:
    numbers = array(code, data)
    if not _LITTLE:
        numbers.byteswap()
    return numbers


def open_page(page: PageAnswer, version_of: Callable[[bytes], int | None]) -> list[Opened]:
    """Return a page's entries, the commitments of its payloads computed from what opens them.

    `version_of` reads the accord version from header bytes; None: nobody can read it. Nothing is proven yet:
    `check_page` does.
    """
    versions = [version_of(header) for header in page.headers]
    which = _unpack("H", page.which)
    salts = [page.salts[at : at + SALT_BYTES] for at in range(0, len(page.salts), SALT_BYTES)]
    bodies: list[bytes] = []
    end = 0
    for length in _unpack("I", page.lengths):
        bodies.append(page.bodies[end : end + length])
        end += length
    computed = [b""] * len(bodies)
    for version in {version for version in versions if version is not None}:
        mine = [
            at
            for at, number in enumerate(which)
            if versions[number] == version and _within_limits(page.headers[number], bodies[at])
        ]
        payloads = [join(page.headers[which[at]], bodies[at]) for at in mine]
        joined = leaf.commit_many([salts[at] for at in mine], page.origin, version, MEDIA_TYPE, payloads)
        for n, at in enumerate(mine):
            computed[at] = joined[HASH_BYTES * n : HASH_BYTES * n + HASH_BYTES]
    opened: list[Opened] = []
    payload = bare = 0
    for code in page.held:
        if code == 0:
            header = page.headers[which[payload]]
            opened.append(Opened(Held.PAYLOAD, computed[payload], header, salts[payload], bodies[payload]))
            payload += 1
        else:
            opened.append(Opened(CODES[code], page.commitments[32 * bare : 32 * bare + 32], None, None, None))
            bare += 1
    return opened


def _within_limits(header: bytes, body: bytes) -> bool:
    return len(header) <= STATEMENT_HEADER_BYTES_MAX and len(header) + len(body) < STATEMENT_BYTES_MAX


def check_page(page: PageAnswer, entries: Sequence[Opened], before: Frontier, head: Checkpoint) -> Frontier:
    """Prove a page: what was held, and these entries, are a prefix of the checkpoint's tree.

    Returns the tree up to the page's end. Raises `Unverified`.
    """
    if page.origin != head.origin or page.start != before.size:
        raise Unverified(f"a page of {page.origin} from {page.start}, where {head.origin} from {before.size} was asked")
    if not entries:
        raise Unverified(f"an empty page of {page.origin}, where entries from {before.size} were asked")
    unread = next((at for at, entry in enumerate(entries) if not entry.commitment), None)
    if unread is not None:
        raise Unverified(f"{page.origin}#{page.start + unread}: nobody can read its header, or it is over the limits")
    after = before.copy()
    after.extend(leaf.leaf_hashes_of(b"".join(entry.commitment for entry in entries)))
    if after.size > head.size:
        raise Unverified(f"a page of {page.origin} that goes beyond its checkpoint")
    check_consistency(after.size, after.root(), head, page.proof)
    return after


def check_consistency(size: int, root: bytes, head: Checkpoint, proof: Sequence[bytes]) -> None:
    """Check that a checkpoint's tree extends the tree of `size` leaves under `root`. Raises `Unverified`."""
    try:
        verify_consistency(size, head.size, root, head.root, list(proof))
    except TlogError as error:
        raise Unverified(f"{head.origin}: entries do not match the signed checkpoint of {head.size} leaves") from error


def check_inclusion(commitment: bytes, index: int, head: Checkpoint, proof: Sequence[bytes]) -> None:
    """Check that a commitment's leaf stands at `index` under a checkpoint. Raises `Unverified`."""
    if not commitment:
        raise Unverified(f"{head.origin}#{index}: nobody can read its header, or it is over the limits")
    try:
        verify_inclusion(leaf.leaf_hashes_of(commitment), index, head.size, list(proof), head.root)
    except TlogError as error:
        raise Unverified(f"{head.origin}#{index}: the entry is not in the signed checkpoint") from error


class Head(NamedTuple):
    """A checkpoint whose author's signature holds, with the note it came in."""

    checkpoint: Checkpoint
    note: Note


def check_head(data: bytes, log_key: bytes, *, origin: str | None = None) -> Head:
    """Read a signed checkpoint and check its author's signature.

    Raises `Malformed` or `Unverified`. `origin` is compared where it is given.
    """
    try:
        note = parse_note(data)
        checkpoint = parse_checkpoint(note.text)
    except TlogError as error:
        raise Malformed(f"a checkpoint cannot be read: {error}") from error
    if origin is not None and checkpoint.origin != origin:
        raise Unverified(f"a checkpoint of {checkpoint.origin}, where one of {origin} was asked")
    try:
        verify(note, Verifier(checkpoint.origin, log_key))
    except TlogError as error:
        raise Unverified(f"{checkpoint.origin}: the checkpoint's signature does not hold") from error
    return Head(checkpoint, note)


def origin_of(data: bytes) -> Origin:
    """Return the origin that a checkpoint claims, before anything of it is believed. Raises `Malformed`."""
    line, _, _ = data[: limits.ORIGIN_BYTES_MAX + 1].partition(b"\n")
    try:
        origin = line.decode("ascii")
    except UnicodeDecodeError as error:
        raise Malformed("a checkpoint's first line is not an origin") from error
    canon.parse_origin(origin)
    return Origin(origin)


def _check_wire(version: int) -> None:
    if version != WIRE:
        raise Malformed(
            f"an answer of wire version {version}; this node speaks version {WIRE}",
            hint="one of the two nodes needs an upgrade",
        )


def _decode(data: bytes, kind: type[T], what: str) -> T:
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise Malformed(f"{what} cannot be read: {error}") from error
