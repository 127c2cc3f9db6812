"""Attachments: samples and documents, encrypted, never opened here."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.surfaces.cli.verbs import Ask, MarkingSaid, Verb


class Add(Ask, frozen=True):
    """A file to take in."""

    path: str  # absolute, on the node's machine
    name: str = ""  # empty: the file's own
    about: tuple[str, ...] = ()  # objects or values
    media: str = ""
    note: str = ""
    source: str = ""
    accord: str = ""
    marking: MarkingSaid = MarkingSaid()
    veil: str = ""  # the key of the file where it lies veiled (`operations.writing`); empty: it is plain


class Named(Ask, frozen=True):
    """An attachment by its statement."""

    name: str


class List(Ask, frozen=True):
    """Attachments that this office may read; `about`: of these hashes, values or objects."""

    about: tuple[str, ...] = ()
    limit: int = 100


class AttachmentShown(msgspec.Struct, frozen=True):
    """An attachment; its key is never shown."""

    statement: str  # <origin>#<index>
    name: str
    size: int
    sha256: str
    sha1: str
    md5: str
    media: str
    about: tuple[str, ...]
    note: str
    party: str
    office: str
    source: str
    marking: str
    at: int
    retracted: bool
    parts: int
    missing: tuple[int, ...]  # numbers, from 1, of parts that are not here


class AttachmentsShown(msgspec.Struct, frozen=True):
    """Attachments, the newest first."""

    attachments: tuple[AttachmentShown, ...]


class Added(msgspec.Struct, frozen=True):
    """An attachment on record."""

    attachment: AttachmentShown
    by: str
    accord: str
    withheld: tuple[str, ...]


class Get(Ask, frozen=True):
    """An attachment to write to a file: in an encrypted ZIP, or `plain`."""

    name: str
    path: str  # absolute, on the node's machine
    plain: bool = False
    veil: str = ""  # a key to veil the file with that is written plain


class Got(msgspec.Struct, frozen=True):
    """What was written."""

    attachment: AttachmentShown
    path: str
    inside: str  # the name in the ZIP
    password: str  # of the ZIP; empty: it was written plain


ADD: Final = Verb("attachment/add", Add, Added, signs=True)
LIST: Final = Verb("attachment/list", List, AttachmentsShown)
SHOW: Final = Verb("attachment/show", Named, AttachmentShown)
GET: Final = Verb("attachment/get", Get, Got)
