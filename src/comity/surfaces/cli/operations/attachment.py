"""Attachments: taken in, listed, written out in an encrypted ZIP.

Rules: what is inside is never opened or rendered. A file is written out readable by its owner alone and never
executable, under no name of a stranger's, and stands in its place only when all of it was checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from comity.areas import intel
from comity.errors import Misuse
from comity.formats import observables
from comity.node import attachments
from comity.node.actor import Actor
from comity.node.attachments import Kept, Offered
from comity.node.ports import Unit, place
from comity.node.sharing import Offer
from comity.surfaces.cli.desk import Desk, Operation, actor_of
from comity.surfaces.cli.operations.choosing import ident_at, marking_of, marking_text
from comity.surfaces.cli.operations.writing import PRIVATE, beside, veil
from comity.surfaces.cli.verbs import attachment as verbs

PASSWORD: Final = "infected"  # noqa: S105  # the custom of the field: it keeps scanners and hands off, and nobody out
READ_BYTES: Final = 262_144
NAME_CHARS: Final = 100  # of a name inside a ZIP
_UNSAFE: Final = re.compile(r"[^\w.()+=@-]+")


def add(desk: Desk, ask: verbs.Add) -> verbs.Added:
    """Take a file in, and share it where an accord is named."""
    services, node = desk.services, desk.services.node
    if ask.accord and not ask.marking.tlp:
        raise Misuse("an attachment that is shared carries a marking", hint="--tlp AMBER")
    path = Path(ask.path)
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        about = tuple(dict.fromkeys(ident for name in ask.about for ident in _idents(desk, unit, actor, name)))
    marking = marking_of(ask.marking) if ask.marking.tlp else None
    offered = Offered(ask.name or path.name, about, ask.media, ask.note, ask.source, marking)
    at = attachments.add(node, actor, map(veil(ask.veil), _read(path)), offered)
    with node.store.read() as unit:
        kept = attachments.named(node, services.queries, unit, actor, at)
        shown = _shown(unit, kept)
    withheld: dict[str, int] = {}
    if ask.accord:
        withheld = services.sharing.share(actor, ask.accord, [at, *kept.parts], Offer(marking)).grounds
    return verbs.Added(shown, str(actor), ask.accord, tuple(withheld))


def _idents(desk: Desk, unit: Unit, actor: Actor, name: str) -> Iterator[str]:
    for witness in desk.services.queries.entries_of(unit, actor, name):
        yield ident_at(unit, witness.position)


def _read(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while data := file.read(READ_BYTES):
                yield data
    except OSError as error:
        raise Misuse(f"{path} cannot be read: {error.strerror}") from error


def list_(desk: Desk, ask: verbs.List) -> verbs.AttachmentsShown:
    """Return attachments, all or those of some hashes, values or objects."""
    services, node = desk.services, desk.services.node
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        if ask.about:
            keys = [key for name in ask.about for key in _keys(desk, unit, actor, name)]
            found = attachments.by_keys(node, services.queries, unit, actor, keys, ask.limit)
        else:
            found = attachments.every(node, services.queries, unit, actor, ask.limit)
        return verbs.AttachmentsShown(tuple(_shown(unit, one) for one in found))


def _keys(desk: Desk, unit: Unit, actor: Actor, name: str) -> list[bytes]:
    """Return the keys by which attachments are found: of a hash, of an object, or of the objects that say a value.

    Raises `Misuse`, `Malformed`.
    """
    if "--" in name:
        return [intel.object_key(intel.object_number(intel.uuid_of(name)))]
    found = [key for key, *_ in observables.keyed(name)]
    if not found:
        raise Misuse(f"{name!r} is no hash, value or object", hint="a SHA-256, SHA-1 or MD5, or a STIX id")
    said = desk.services.queries.lookup(unit, actor, name)
    return [*found, *dict.fromkeys(intel.object_key(one.object) for one in said)]


def show(desk: Desk, ask: verbs.Named) -> verbs.AttachmentShown:
    """Return one attachment by its statement."""
    services, node = desk.services, desk.services.node
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        at = services.queries.parse_place(unit, ask.name)
        return _shown(unit, attachments.named(node, services.queries, unit, actor, at))


def get(desk: Desk, ask: verbs.Get) -> verbs.Got:
    """Write an attachment to a file, checked whole."""
    services, node = desk.services, desk.services.node
    path = Path(ask.path)
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        kept = attachments.named(node, services.queries, unit, actor, services.queries.parse_place(unit, ask.name))
        inside = safe(kept.found.name)
        chunks = attachments.contents(node, unit, kept)
        with beside(path, PRIVATE) as file:
            if ask.plain:
                file.writelines(map(veil(ask.veil), chunks))
            else:
                _zip(file, inside, chunks)
        return verbs.Got(_shown(unit, kept), str(path), "" if ask.plain else inside, "" if ask.plain else PASSWORD)


def _zip(file: object, inside: str, chunks: Iterator[bytes]) -> None:
    """Write one member, encrypted by AES-256 under the customary password. Raises `Misuse` without the library."""
    try:
        import pyzipper
    except ImportError as error:
        hint = "pip install 'comity[samples]', or --plain for the bytes themselves"
        raise Misuse("an encrypted ZIP needs the package pyzipper", hint=hint) from error
    with pyzipper.AESZipFile(file, "w", compression=pyzipper.ZIP_STORED, encryption=pyzipper.WZ_AES) as archive:
        archive.setpassword(PASSWORD.encode())
        info = archive.zipinfo_cls(inside)
        with archive.open(info, "w", force_zip64=True) as member:
            for chunk in chunks:
                member.write(chunk)


def safe(name: str) -> str:
    """Return a name that is no path, hides nothing and begins no option."""
    return _UNSAFE.sub("_", name.replace("\\", "/").rpartition("/")[2]).lstrip(".-")[:NAME_CHARS] or "attachment"


def _shown(unit: Unit, kept: Kept) -> verbs.AttachmentShown:
    found, who = kept.found, kept.witness
    log_id, index = place(kept.position)
    return verbs.AttachmentShown(
        f"{unit.logs.get(log_id).origin}#{index}",
        found.name,
        found.size,
        found.sha256,
        found.sha1,
        found.md5,
        found.media,
        found.about,
        found.note,
        who.party,
        who.office,
        who.source,
        marking_text(who.marking),
        who.at,
        who.retracted,
        len(kept.parts),
        tuple(kept.missing),
    )


OPERATIONS: Final = (
    Operation(verbs.ADD, add),
    Operation(verbs.LIST, list_),
    Operation(verbs.SHOW, show),
    Operation(verbs.GET, get),
)
