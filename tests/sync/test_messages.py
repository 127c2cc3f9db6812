"""The messages between nodes: any bytes give a value or an error that names the sender, and nothing else."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from comity import limits, statement, sync
from comity.canon import Digest, OfficeId, Origin, PartyId
from comity.errors import Malformed, Theirs, TooLarge, Unverified
from comity.limits import STATEMENT_BYTES_MAX, STATEMENT_HEADER_BYTES_MAX
from comity.statement import MEDIA_TYPE, Header, Marking, decode_header, encode_header
from comity.sync import Opened, PageAnswer
from comity.tlog import leaf, note
from comity.tlog.checkpoint import Checkpoint
from comity.tlog.merkle import Frontier, consistency_proof
from comity.tlog.note import Note
from comity.vocab import Held, Tlp

ORIGIN = Origin("cert.arcadia.example/accord/shores/1")
OTHER = Origin("cert.borealia.example/accord/shores/1")
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = KEY.public_key().public_bytes_raw()


def header(at: int = 1_790_000_000, version: int = 1) -> bytes:
    return encode_header(
        Header(1, "intel.object", OfficeId("csirt"), version, at, "application/stix+json", Marking(Tlp.GREEN))
    )


def payload(number: int, head: bytes | None = None, origin: Origin = ORIGIN) -> Opened:
    head = header() if head is None else head
    salt, body = number.to_bytes(16, "big"), b"{}%d" % number
    commitment = leaf.commit(salt, origin, 1, MEDIA_TYPE, head + b"\n" + body)
    return Opened(Held.PAYLOAD, commitment, head, salt, body)


def bare(number: int, held: Held = Held.WITHHELD) -> Opened:
    return Opened(held, number.to_bytes(32, "big"), None, None, None)


def version_of(data: bytes) -> int | None:
    try:
        return decode_header(data).accord
    except Theirs:
        return None


def fields(entries: list[Opened], start: int = 0) -> dict[str, Any]:
    """Return a page's fields as they travel, for a test to change."""
    data = zstandard.ZstdDecompressor().decompress(sync.encode_page(ORIGIN, start, entries))
    return msgspec.msgpack.decode(data)  # type: ignore[no-any-return]


def packed(page: dict[str, Any]) -> bytes:
    return zstandard.ZstdCompressor().compress(msgspec.msgpack.encode(page))


@dataclass(frozen=True)
class Log:
    """A log of a few entries with everything that proves its pages."""

    entries: list[Opened]

    @property
    def hashes(self) -> bytes:
        return leaf.leaf_hashes_of(b"".join(e.commitment for e in self.entries))

    def tree(self, size: int) -> Frontier:
        frontier = Frontier()
        frontier.extend(self.hashes[: 32 * size])
        return frontier

    def head(self) -> Checkpoint:
        return Checkpoint(ORIGIN, len(self.entries), self.tree(len(self.entries)).root())

    def page(self, start: int, end: int, entries: list[Opened] | None = None) -> bytes:
        def read(level: int, index: int) -> bytes:
            tree = Frontier()
            tree.extend(self.hashes[32 * (index << level) : 32 * ((index + 1) << level)])
            return tree.root()

        proof = consistency_proof(end, len(self.entries), read) if end < len(self.entries) else []
        return sync.encode_page(ORIGIN, start, self.entries[start:end] if entries is None else entries, proof)

    def check(self, data: bytes, start: int) -> Frontier:
        page = sync.decode_page(data)
        return sync.check_page(page, sync.open_page(page, version_of), self.tree(start), self.head())


LOG = Log([payload(n) if n % 3 else bare(n) for n in range(40)])


# -- any bytes -----------------------------------------------------------------


def read_page(data: bytes) -> object:
    return sync.open_page(sync.decode_page(data), version_of)


PARSERS: list[Callable[[bytes], object]] = [
    sync.decode_request,
    sync.decode_heads,
    sync.decode_hashes,
    read_page,
    lambda data: read_page(zstandard.ZstdCompressor().compress(data)),
    sync.origin_of,
    lambda data: sync.check_head(data, PUBLIC),
]
GOOD = [
    sync.encode_request(sync.Page(ORIGIN, 0, 4, 9)),
    sync.encode_heads(sync.HeadsAnswer(1, PartyId("cert.arcadia.example"), Digest("sha256:" + "0" * 64), ())),
    sync.encode_hashes([bytes(32)]),
    LOG.page(0, 9),
    zstandard.ZstdDecompressor().decompress(LOG.page(0, 9)),
    f"{ORIGIN}\n1\n{'A' * 43}=\n".encode(),
]


@given(st.sampled_from(PARSERS), st.binary(max_size=300))
def test_any_bytes_give_a_value_or_an_error_of_the_senders(parse: Callable[[bytes], object], data: bytes) -> None:
    try:
        parse(data)
    except (Malformed, TooLarge, Unverified):
        pass


@given(st.sampled_from(PARSERS), st.sampled_from(GOOD), st.data())
def test_a_damaged_message_gives_a_value_or_an_error_of_the_senders(
    parse: Callable[[bytes], object], good: bytes, draw: st.DataObject
) -> None:
    data = bytearray(good)
    for _ in range(draw.draw(st.integers(1, 4))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    cut = draw.draw(st.integers(0, len(data)))
    for changed in (bytes(data), bytes(data[:cut])):
        try:
            parse(changed)
        except (Malformed, TooLarge, Unverified):
            pass


_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=8) | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)


@given(st.sampled_from(["v", "origin", "start", "held", "headers", "which", "salts", "lengths", "bodies", "proof"]),
       _values)  # fmt: skip
def test_any_value_in_any_column_gives_a_value_or_an_error_of_the_senders(name: str, value: object) -> None:
    page = fields(LOG.entries[:9])
    page[name] = value
    try:
        read_page(packed(page))
    except (Malformed, TooLarge):
        pass


# -- pages -----------------------------------------------------------------------


@given(st.integers(0, 39), st.integers(1, 40))
def test_every_page_is_proven_alone_and_gives_back_its_entries(start: int, count: int) -> None:
    end = min(start + count, 40)
    data = LOG.page(start, end)
    page = sync.decode_page(data)
    assert sync.open_page(page, version_of) == LOG.entries[start:end]
    assert LOG.check(data, start).root() == LOG.tree(end).root()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("which", lambda v: v[:-2]),
        ("which", lambda v: v[:-1]),
        ("which", lambda v: b"\x01\x00" + v[2:]),
        ("salts", lambda v: v[:-1]),
        ("salts", lambda v: v + bytes(16)),
        ("lengths", lambda v: v[:-4]),
        ("lengths", lambda v: v[:-1]),
        ("bodies", lambda v: v + b"x"),
        ("bodies", lambda v: v[1:]),
        ("commitments", lambda v: v[:-32]),
        ("commitments", lambda v: v + bytes(32)),
        ("held", lambda v: v + b"\0"),
        ("held", lambda v: v[:-1]),
        ("held", lambda v: b"\x04" + v[1:]),
        ("headers", lambda v: []),
        ("headers", lambda v: [*v, b"{}"]),
        ("proof", lambda v: [bytes(31)]),
        ("start", lambda v: -1),
        ("origin", lambda v: "no origin"),
        ("origin", lambda v: "cert." + "a" * 70_000 + "/accord/x/1"),
    ],
)
def test_columns_that_do_not_fit_each_other_are_malformed(name: str, change: Callable[[Any], Any]) -> None:
    page = fields(LOG.entries[:9])
    assert sync.decode_page(packed(page)).held
    with pytest.raises(Malformed):
        sync.decode_page(packed({**page, name: change(page[name])}))


def test_numbers_are_little_endian_on_every_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [payload(n, header(n)) for n in range(300)]
    page = fields(entries)
    assert page["which"] == struct.pack("<300H", *range(300))
    assert page["lengths"] == struct.pack("<300I", *(len(e.body or b"") for e in entries))
    # What a big-endian machine packs is what its own array holds, swapped: so is what it reads.
    monkeypatch.setattr("comity.sync._LITTLE", False)
    assert sync._pack("H", [1]) == struct.pack("=H", 0x0100)
    assert list(sync._unpack("I", struct.pack("=I", 1))) == [0x01000000]


def test_another_wire_version_is_refused_by_name() -> None:
    heads = {"v": 2, "party": "cert.arcadia.example", "card": "sha256:0", "logs": []}
    for parse, data in [
        (sync.decode_page, packed({**fields(LOG.entries[:2]), "v": 2})),
        (sync.decode_heads, msgspec.msgpack.encode(heads)),
        (sync.decode_hashes, msgspec.msgpack.encode({"v": 2, "hashes": []})),
    ]:
        with pytest.raises(Malformed, match="wire version 2; this node speaks version 1") as caught:
            parse(data)  # type: ignore[operator]
        assert "upgrade" in caught.value.hint


def test_a_page_over_each_named_limit_is_refused_by_that_name() -> None:
    many = PageAnswer(1, ORIGIN, 0, b"\2" * 4_097, (), b"", b"", b"", b"", bytes(32 * 4_097))
    with pytest.raises(TooLarge, match="SYNC_PAGE_ENTRIES_MAX"):
        sync.decode_page(packed(msgspec.structs.asdict(many)))
    bomb = zstandard.ZstdCompressor().compress(bytes(limits.SYNC_PAGE_BYTES_MAX + 1))
    assert len(bomb) < 4_096
    with pytest.raises(TooLarge, match="SYNC_PAGE_BYTES_MAX"):
        sync.decode_page(bomb)
    heads = sync.HeadsAnswer(1, PartyId("cert.arcadia.example"), Digest("sha256:0"), ())
    log, accord = sync.LogHead(b""), sync.AccordHead(Digest("sha256:0"), ())
    for name, changes in [
        ("SYNC_LOGS_MAX", {"logs": (log,) * (limits.SYNC_LOGS_MAX + 1)}),
        ("SYNC_LOGS_MAX", {"accords": (accord,) * (limits.SYNC_LOGS_MAX + 1)}),
        ("SYNC_FORKS_MAX", {"forks": (b"",) * (limits.SYNC_FORKS_MAX + 1)}),
        ("SYNC_FLASH_MAX", {"logs": (sync.LogHead(b"", tuple(range(limits.SYNC_FLASH_MAX + 1))),)}),
        ("ACCORD_MEMBERS_MAX", {"accords": (sync.AccordHead(Digest(""), (PartyId("a.b"),) * 257),)}),
    ]:
        with pytest.raises(TooLarge, match=name):
            sync.decode_heads(sync.encode_heads(msgspec.structs.replace(heads, **changes)))  # type: ignore[arg-type]


def test_a_zip_bomb_that_does_not_say_its_size_is_not_unpacked() -> None:
    silent = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1 << 28))
    with pytest.raises(Malformed, match="does not say how large"):
        sync.decode_page(silent)
    small = zstandard.ZstdCompressor().compress(bytes(100))
    with pytest.raises(Malformed):  # two frames: the second would not be seen
        sync.decode_page(LOG.page(0, 9) + small)
    with pytest.raises(Malformed):  # a frame that holds more than it says
        sync.decode_page(small[:4] + bytes([small[4], 1]) + small[6:])


def test_a_truncated_or_reordered_page_does_not_match_its_checkpoint() -> None:
    assert LOG.check(LOG.page(0, 12), 0).size == 12
    for wrong in (
        LOG.page(0, 12, LOG.entries[:11]),
        LOG.page(0, 12, LOG.entries[1:12]),
        LOG.page(0, 12, [LOG.entries[1], LOG.entries[0], *LOG.entries[2:12]]),
        LOG.page(0, 12, [*LOG.entries[:11], payload(77)]),
        LOG.page(0, 12, [*LOG.entries[:11], bare(11)]),
    ):
        with pytest.raises(Unverified, match="do not match"):
            LOG.check(wrong, 0)
    with pytest.raises(Unverified, match="empty page"):
        LOG.check(LOG.page(0, 12, []), 0)
    with pytest.raises(Unverified, match="beyond its checkpoint"):
        LOG.check(LOG.page(0, 40, [*LOG.entries, payload(99)]), 0)


def test_a_page_of_another_log_or_from_another_index_is_not_what_was_asked() -> None:
    with pytest.raises(Unverified, match="was asked"):
        LOG.check(sync.encode_page(OTHER, 0, LOG.entries), 0)
    with pytest.raises(Unverified, match="was asked"):
        LOG.check(LOG.page(5, 9), 4)


@given(st.integers(1, 39), st.data())
def test_a_flipped_bit_in_a_proof_does_not_hold(end: int, draw: st.DataObject) -> None:
    page = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(LOG.page(0, end)))
    number = draw.draw(st.integers(0, len(page["proof"]) - 1))
    changed = bytearray(page["proof"][number])
    changed[draw.draw(st.integers(0, 31))] ^= 1 << draw.draw(st.integers(0, 7))
    page["proof"][number] = bytes(changed)
    with pytest.raises(Unverified, match="do not match"):
        LOG.check(packed(page), 0)


@pytest.mark.parametrize(
    "head",
    [b"", b"{", b'{"v":1}', header()[:-1], header() + b" ", b"\xff", b"x" * (STATEMENT_HEADER_BYTES_MAX + 1)],
)
def test_a_header_nobody_can_read_opens_no_leaf_and_the_rest_of_the_page_does(head: bytes) -> None:
    entries = [payload(0), payload(1, head), payload(2)]
    page = sync.decode_page(sync.encode_page(ORIGIN, 0, entries))
    opened = sync.open_page(page, version_of)
    assert [entry.commitment for entry in opened] == [entries[0].commitment, b"", entries[2].commitment]
    with pytest.raises(Unverified, match="#1"):
        sync.check_page(page, opened, Frontier(), Log(entries).head())


def test_a_payload_over_its_limit_opens_no_leaf_and_the_rest_of_the_page_does() -> None:
    large = payload(1)._replace(body=bytes(STATEMENT_BYTES_MAX))
    opened = sync.open_page(sync.decode_page(sync.encode_page(ORIGIN, 0, [payload(0), large])), version_of)
    assert [bool(entry.commitment) for entry in opened] == [True, False]
    largest = payload(1)._replace(body=bytes(STATEMENT_BYTES_MAX - len(header()) - 1))
    (entry,) = sync.open_page(sync.decode_page(sync.encode_page(ORIGIN, 0, [largest])), version_of)
    statement.join(header(), entry.body or b"")  # the two agree about the limit
    assert entry.commitment


def test_a_copied_leaf_opens_to_nothing_in_another_log() -> None:
    theirs = payload(0, origin=OTHER)
    (opened,) = sync.open_page(sync.decode_page(sync.encode_page(ORIGIN, 0, [theirs])), version_of)
    assert opened.commitment != theirs.commitment


# -- heads -------------------------------------------------------------------------


def signed(origin: str, size: int = 40, key: Ed25519PrivateKey = KEY, name: str = "") -> bytes:
    text = Checkpoint(origin, size, LOG.head().root).text()
    return Note(text, (note.sign(text, name or origin, key),)).encode()


def test_a_head_is_believed_for_its_authors_signature_alone() -> None:
    assert sync.check_head(signed(ORIGIN), PUBLIC, origin=ORIGIN).checkpoint == LOG.head()
    stranger = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\1")
    for wrong in (
        signed(ORIGIN, key=stranger),
        signed(ORIGIN, name=OTHER),
        signed(ORIGIN).replace(b"\n40\n", b"\n41\n"),
    ):
        with pytest.raises(Unverified, match="signature does not hold"):
            sync.check_head(wrong, PUBLIC)
    with pytest.raises(Unverified, match="where one of"):
        sync.check_head(signed(OTHER), PUBLIC, origin=ORIGIN)


@pytest.mark.parametrize("line", [b"", b"x", b"cert.arcadia.example/accord/Shores/1", b"a" * 500, b"\xff/home/1"])
def test_a_head_without_an_origin_is_malformed(line: bytes) -> None:
    with pytest.raises(Malformed):
        sync.origin_of(line + b"\n1\n")
