"""What correspondents sent: what waits, and how it was settled."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.surfaces.cli.verbs import Ask, Verb


class List(Ask, frozen=True):
    """What waits, or what was settled."""

    settled: bool = False


class Named(Ask, frozen=True):
    """One submission, by id."""

    id: str


class Settle(Ask, frozen=True):
    """A submission, and why it is accepted or refused."""

    id: str
    reason: str = ""


class SubmissionShown(msgspec.Struct, frozen=True):
    """What is known of one submission."""

    id: str
    correspondent: str
    channel: str
    name: str
    form: str
    at: int
    bytes: int
    digest: str
    state: str
    objects: int
    refused: int
    others: int  # objects that name another creator: the correspondent's word
    kept: int
    by: str
    settled: int
    reason: str


class Inbox(msgspec.Struct, frozen=True):
    """Submissions, the oldest first."""

    submissions: tuple[SubmissionShown, ...]


class Opened(msgspec.Struct, frozen=True):
    """A submission with its bytes, as they came; empty where it waits no more."""

    submission: SubmissionShown
    data: bytes


LIST: Final = Verb("inbox/list", List, Inbox)
SHOW: Final = Verb("inbox/show", Named, Opened)
ACCEPT: Final = Verb("inbox/accept", Settle, SubmissionShown, signs=True)
REFUSE: Final = Verb("inbox/refuse", Settle, SubmissionShown, signs=True)
