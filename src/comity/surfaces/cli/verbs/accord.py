"""Accords: drafting, reviewing, signing, exchanging, amending, moving."""

from __future__ import annotations

from typing import Final

import msgspec

from comity.surfaces.cli.verbs import Ask, Done, Nothing, Verb


class Draft(Ask, frozen=True):
    """A text to be drafted: from a template for new partners, or from the text in force for its next version."""

    template: str = ""
    id: str = ""
    title: str = ""
    members: tuple[str, ...] = ()  # other parties; this one is always a member
    community: str = ""
    ceiling: str = ""
    amends: str = ""  # an accord in force


class Drafted(msgspec.Struct, frozen=True):
    """A text ready to be read and edited; nothing is kept of it yet."""

    id: str
    version: int
    text: str


class Text(Ask, frozen=True):
    """An accord by name, by the digest of a text, or by the text itself."""

    name: str = ""
    text: str = ""


class MemberShown(msgspec.Struct, frozen=True):
    """Where one member stands; `root` says whether its card here has the root key the text names."""

    party: str
    jurisdiction: str
    offices: tuple[str, ...]
    phase: str
    signed: bool
    root: str


class RowShown(msgspec.Struct, frozen=True):
    """One row of the text for people."""

    heading: str
    text: str
    areas: tuple[str, ...]


class Reviewed(msgspec.Struct, frozen=True):
    """A text as people read it before they sign, and what it changes."""

    id: str
    title: str
    version: int
    digest: str
    phase: str
    binding: bool
    languages: tuple[str, ...]
    community: str
    areas: tuple[str, ...]
    ceiling: str
    use: tuple[str, ...]
    legal_basis: str
    transfer: tuple[str, ...]
    refused_kinds: tuple[str, ...]
    voting: str
    votes_needed: int
    exercise: bool
    preamble: str
    accession: str
    expulsion: str
    observers: tuple[str, ...]
    clocks: dict[str, str]
    retention: dict[str, str]
    members: tuple[MemberShown, ...]
    rows: tuple[RowShown, ...]
    changes: tuple[str, ...]  # a unified diff against the text in force; empty for a first text


class Exported(msgspec.Struct, frozen=True):
    """A text with the signatures held, as the text of a file to exchange."""

    id: str
    version: int
    text: str
    signers: tuple[str, ...]


class AccordShown(msgspec.Struct, frozen=True):
    """Where an accord stands, as this node knows it."""

    id: str
    title: str
    phase: str
    version: int
    digest: str
    areas: tuple[str, ...]
    ceiling: str
    members: tuple[MemberShown, ...]
    awaiting: tuple[str, ...]
    proposed: tuple[str, ...]  # digests of amendments not in force


class AccordsShown(msgspec.Struct, frozen=True):
    """Every accord of which a text is held."""

    accords: tuple[AccordShown, ...]


class Signed(msgspec.Struct, frozen=True):
    """A text this party has signed."""

    accord: AccordShown
    digest: str
    by: str


class Ballot(Ask, frozen=True):
    """A vote on the amendment that is proposed, or on the one of a digest."""

    name: str
    yes: bool
    digest: str = ""


class Move(Ask, frozen=True):
    """Suspending, resuming or leaving, with the reason that goes on record."""

    name: str
    event: str
    reason: str = ""


class Named(Ask, frozen=True):
    """An accord by name."""

    name: str


DRAFT: Final = Verb("accord/draft", Draft, Drafted)
REVIEW: Final = Verb("accord/review", Text, Reviewed)
SIGN: Final = Verb("accord/sign", Text, Signed, signs=True)
IMPORT: Final = Verb("accord/import", Text, AccordShown)
EXPORT: Final = Verb("accord/export", Text, Exported)
AMEND: Final = Verb("accord/amend", Text, Signed, signs=True)
BALLOT: Final = Verb("accord/ballot", Ballot, Done, signs=True)
MOVE: Final = Verb("accord/move", Move, Done, signs=True)
WITHDRAW: Final = Verb("accord/withdraw", Named, Done)
LIST: Final = Verb("accord/list", Nothing, AccordsShown)
SHOW: Final = Verb("accord/show", Named, AccordShown)
