"""What was taken back, told by page: a note of this node's own about each object that a correspondent had.

A protocol that only hands out objects has no word for "no longer": an author's bytes are never changed, and nobody's
`revoked` is forged. So a note in this node's own name stands behind the objects, at a time of its own.

Rules: a note is made once for each thing that is owed, and stays for everybody who asks with the same credentials. What
it tells counts as told when it is handed out, not when it is made. It names the object and nothing of its content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from comity.formats.taxii import version_stamp
from comity.limits import NOTICE_DAYS, NOTICES_MAX
from comity.node import openings
from comity.node.correspondents import Correspondent
from comity.node.node import Node
from comity.node.openings import ERASED, MICROSECONDS, RETRACTED, WITHHELD
from comity.node.owing import Owed, Owing
from comity.vocab import Channel

SHELF: Final = "notice"  # `<audience> <channel> <added>` -> `_Kept`
WITHDRAWN: Final = "comity-withdrawn"  # label: delete the object, or stop acting on it
_WORDS: Final = {
    RETRACTED: "Its author no longer stands by this object: stop acting on it and delete it.",
    ERASED: "This object is to be erased wherever it is held.",
    WITHHELD: "This object is not released to you any more: delete it.",
}
_DAY: Final = 86_400


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    position: int
    word: str
    id: str
    what: str
    body: bytes


class Notice(NamedTuple):
    """One thing taken back, as an object of STIX 2.1."""

    added: int  # microseconds, in one order with what the correspondent may see
    uuid: bytes
    body: bytes
    owed: Owed


class Notices:
    """Makes, keeps and hands out notes of what was taken back."""

    def __init__(self, node: Node, owing: Owing) -> None:
        self._node = node
        self._owing = owing
        self._known: dict[tuple[str, Channel], list[Notice]] = {}

    def behind(self, who: Correspondent, channel: Channel, after: int) -> list[Notice]:
        """Return the notices added later than a time, the oldest first; what is newly owed is among them."""
        known = self._known.get((who.audience, channel))
        if known is None:
            known = self._known[who.audience, channel] = self._load(who, channel)
        items = self._owing.owed(who, channel)
        if items:
            made = {(one.owed.position, one.owed.word) for one in known}
            fresh = [one for one in items if one.id and (one.position, one.word) not in made]
            if fresh:
                self._make(who, channel, known, fresh)
        return [one for one in known if one.added > after]

    def told(self, who: Correspondent, channel: Channel, notices: Sequence[Notice]) -> None:
        """Note that notices were handed out; before they leave."""
        owed = {(one.position, one.word) for one in self._owing.owed(who, channel)} if notices else set()
        items = [one.owed for one in notices if (one.owed.position, one.owed.word) in owed]
        if items:
            self._owing.told(who, channel, items)

    def _load(self, who: Correspondent, channel: Channel) -> list[Notice]:
        with self._node.store.read() as unit:
            rows = unit.documents.all(SHELF, f"{who.audience} {channel.value} ")
        found = [(int(key.rpartition(" ")[2]), msgspec.msgpack.decode(data, type=_Kept)) for key, data in rows]
        return [_notice(added, one) for added, one in found]

    def _make(self, who: Correspondent, channel: Channel, known: list[Notice], fresh: Sequence[Owed]) -> None:
        now = self._node.now()
        old = (now - NOTICE_DAYS * _DAY) * MICROSECONDS
        with self._node.store.write() as unit:
            base = openings.reserve(self._node, unit, who, len(fresh))
            for added, one in enumerate(fresh, base):
                kept = _Kept(one.position, one.word, one.id, one.what, _note(who.office, added, one))
                unit.documents.put(SHELF, _key(who, channel, added), msgspec.msgpack.encode(kept))
                known.append(_notice(added, kept))
            gone = [one for one in known if one.added < old] or known[: max(0, len(known) - NOTICES_MAX)]
            for each in gone:
                unit.documents.delete(SHELF, _key(who, channel, each.added))
        del known[: len(gone)]


def _key(who: Correspondent, channel: Channel, added: int) -> str:
    return f"{who.audience} {channel.value} {added:020}"


def _notice(added: int, one: _Kept) -> Notice:
    uuid = msgspec.json.decode(one.body, type=_Id).id.partition("--")[2]
    owed = Owed(one.position, "", one.id, one.what, "", None, one.word)
    return Notice(added, UUID(uuid).bytes, one.body, owed)


class _Id(msgspec.Struct):
    id: str


def _note(office: str, added: int, one: Owed) -> bytes:
    """Return a STIX 2.1 note (§4.10) that says what holds of an object now."""
    digest = hashlib.sha256(f"comity notice {office} {one.statement} {one.word}".encode()).digest()
    at = version_stamp(added)
    label = one.marking.tlp.label if one.marking else ""
    said = _WORDS.get(one.what) or f"This object was marked more narrowly by its author: {label or 'see its terms'}."
    labels = [WITHDRAWN] if one.what in _WORDS else []
    note: dict[str, object] = {
        "type": "note",
        "spec_version": "2.1",
        "id": f"note--{UUID(bytes=digest[:16], version=4)}",
        "created": at,
        "modified": at,
        "abstract": f"{one.what.capitalize()}: {one.id}",
        "content": f"{said} Reason: {one.reason}" if one.reason else said,
        "authors": [office],
        "object_refs": [one.id],
        "labels": [*labels, f"comity-{one.what}"],
    }
    return msgspec.json.encode(note)
