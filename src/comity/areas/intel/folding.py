"""What statements of intelligence add up to: rows, from their own bytes and nothing else.

Rules: the same statement folds to the same rows at every node, whatever came before it. What cannot be folded
is named and stops nothing; unknown kinds give no rows and are kept for later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from comity import canon
from comity.areas.intel import attachments
from comity.areas.intel.attachments import ATTACHMENT
from comity.areas.intel.bodies import Sighting
from comity.areas.intel.columns import OBJECT, OBSERVABLE, PERSONAL, SIGHTING, STATED, VERDICTS, object_number
from comity.areas.intel.edges import EDGE, edge_rows
from comity.areas.intel.interests import INTEREST, read_interest
from comity.areas.intel.objects import Facts, check_many
from comity.areas.intel.questions import ANSWER, QUESTION, question_key, read_answer, read_question, refs_of
from comity.areas.intel.verdicts import WORDS, word_rows
from comity.errors import Theirs
from comity.formats.stix.report import Refusal
from comity.statement import (
    INTEL_ANSWER,
    INTEL_ATTACHMENT,
    INTEL_INTEREST,
    INTEL_OBJECT,
    INTEL_PART,
    INTEL_QUESTION,
    INTEL_RELAY,
    INTEL_SIGHTING,
    Header,
)
from comity.view import Row, View

VIEWS: Final = (
    OBJECT,
    STATED,
    OBSERVABLE,
    SIGHTING,
    QUESTION,
    ANSWER,
    EDGE,
    INTEREST,
    ATTACHMENT,
)  # in the order of `Folded`
ASKING: Final = frozenset({INTEL_QUESTION, INTEL_ANSWER, INTEL_INTEREST})  # in accords only, and folded there


class Item(NamedTuple):
    """A statement to fold: where it stands, its header, and the body (for a relay: the original's)."""

    position: int
    header: Header
    body: bytes


class Folded(NamedTuple):
    """The rows of a batch, and what could not be folded: (position, reason)."""

    objects: list[Row]
    stated: list[Row]
    observables: list[Row]
    sightings: list[Row]
    questions: list[Row]
    answers: list[Row]
    edges: list[Row]
    interests: list[Row]
    attachments: list[Row]
    refused: list[tuple[int, str]]

    @classmethod
    def empty(cls) -> Folded:
        """Return what nothing adds up to."""
        return cls([], [], [], [], [], [], [], [], [], [])

    def by_view(self) -> list[tuple[View, list[Row]]]:
        """Return the rows of each view."""
        return list(zip(VIEWS, self[:-1], strict=True))


def kind_of(header: Header) -> str:
    """Return the kind a statement is folded as: a relay counts as what it passes on."""
    return header.relayed.kind if header.kind == INTEL_RELAY and header.relayed else header.kind


def fold(items: Sequence[Item]) -> Folded:
    """Return the rows that statements add up to; unknown kinds give none and are kept for later."""
    folded = Folded.empty()
    objects = [item for item in items if kind_of(item.header) == INTEL_OBJECT]
    for item, facts in zip(objects, check_many([item.body for item in objects]), strict=True):
        if isinstance(facts, Refusal):
            folded.refused.append((item.position, f"{facts.rule}: {facts.reason}"))
        else:
            rows(folded, item.position, facts, item.body)
    for item in items if len(objects) < len(items) else ():
        try:
            _small(folded, item)
        except Theirs as error:
            folded.refused.append((item.position, str(error)))
    return folded


def _small(folded: Folded, item: Item) -> None:
    """Add the row of a sighting, a question, an answer, an interest or an attachment. Raises `Theirs`."""
    if kind_of(item.header) == INTEL_SIGHTING:
        sighting = canon.decode(item.body, Sighting, what="a sighting")
        verdict = VERDICTS.index(sighting.verdict)
        folded.sightings.append((item.position, sighting.key(), sighting.seen, sighting.count, verdict, 0))
    elif item.header.kind == INTEL_QUESTION:  # a relay of one says nothing here: it is asked anew where it is passed on
        question = read_question(item.header, item.body)
        folded.questions.append((item.position, question.deadline, len(question.about)))
    elif item.header.kind == INTEL_ANSWER:
        read_answer(item.header, item.body)
        about, _ = refs_of(item.header)
        folded.answers.append((item.position, question_key(about.origin, about.index)))
    elif item.header.kind == INTEL_INTEREST:
        folded.interests.append((item.position, read_interest(item.header, item.body).until))
    elif kind_of(item.header) == INTEL_PART:
        folded.attachments.append((item.position, hashlib.sha256(item.body).digest(), 1))
    elif kind_of(item.header) == INTEL_ATTACHMENT:
        header = item.header
        if header.relayed:  # the relay's own media type says that it is one
            header = msgspec.structs.replace(header, media=attachments.MANIFEST_MEDIA)
        folded.attachments.extend(attachments.rows(item.position, attachments.read_manifest(header, item.body)))


def rows(folded: Folded, position: int, facts: Facts, data: bytes) -> None:
    """Add the rows of one checked object, whose bytes are `data`."""
    uuid, code, modified, until, flags, _, keys, _, edges = facts
    if flags & PERSONAL:  # sealed, whoever states it as what
        return
    folded.objects.append((position, uuid, code, modified, until, flags))
    number = object_number(uuid)
    folded.stated.append((position, number, modified))
    if keys:
        folded.observables.extend([(position, key, number, code, modified, until, flags) for key in keys])
    if edges:
        folded.edges.extend(edge_rows(position, edges))
    if code in WORDS:
        folded.sightings.extend(word_rows(position, number, data))
