"""A draft of an answer, from what this office itself put on record; a person confirms it or does not.

Rules: nothing is stated here. Only this office's own records are offered: what others stated is theirs to tell, and
is named to the person beside the draft. A record goes into the draft only where its own marking lets it go to the
asker. That nothing is on record is never offered as *not seen*: nobody has looked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from comity.areas.intel import questions
from comity.areas.intel.merging import Posed
from comity.areas.intel.questions import STIX_ID, Answer, Line, Said, Subject
from comity.formats.decay import Verdict
from comity.node.actor import Actor
from comity.node.arrivals import wider
from comity.node.asking import default_marking
from comity.node.node import Node
from comity.node.ports import Unit
from comity.node.queries import Found, Queries, Witness
from comity.statement import Marking

# STIX 2.1 §10.6, indicator-type-ov: what its producer says of a value by the word it chose.
_VERDICTS: Final = {"malicious-activity": Said.MALICIOUS, "compromised": Said.MALICIOUS, "benign": Said.BENIGN}


class Basis(NamedTuple):
    """One record that a draft rests on, and the marking it has; None: unmarked, it stayed at home."""

    subject: Subject
    statement: str  # <origin>#<index>
    marking: Marking | None


class Suggestion(NamedTuple):
    """A draft, what it rests on, the marking that fits it, and what a person should know besides."""

    answer: Answer
    marking: Marking
    basis: tuple[Basis, ...]
    remarks: tuple[str, ...]


class Suggesting:
    """Drafts answers for one office."""

    def __init__(self, node: Node, queries: Queries, unit: Unit, actor: Actor) -> None:
        self._node = node
        self._queries = queries
        self._unit = unit
        self._actor = actor
        self._basis: list[Basis] = []
        self._remarks: list[str] = []

    def suggest(self, posed: Posed) -> Suggestion:
        """Return a draft of this office's answer to a question; one without lines where nothing is on record."""
        marking = default_marking(posed, None, self._actor)
        lines: list[Line] = []
        for subject, found in zip(posed.question.about, self._found(posed.question.about), strict=True):
            begun = len(lines)
            seen, marking = self._seen(subject, marking)
            said, marking = self._said(subject, found, marking)
            lines += [*seen, *said]
            if len(lines) == begun:
                self._remarks.append(f"{subject.value}: no record of this office to answer from; that says nothing yet")
        answer = Answer(tuple(questions.coarse(line) for line in lines))
        return Suggestion(answer, marking, tuple(self._basis), tuple(self._remarks))

    def _found(self, subjects: Sequence[Subject]) -> list[Sequence[Found]]:
        """Return what is known here of each subject."""
        values = [subject.value for subject in subjects if subject.kind != STIX_ID]
        known = iter(self._queries.lookup_many(self._unit, self._actor, values))
        found: list[Sequence[Found]] = []
        for subject in subjects:
            if subject.kind == STIX_ID:
                found.append(self._queries.versions(self._unit, self._actor, subject.value)[:1])
                continue
            (key,) = questions.keys_of(subject)
            found.append([one for one in next(known) if one.key == key])
        return found

    # -- sightings -----------------------------------------------------------

    def _seen(self, subject: Subject, marking: Marking) -> tuple[list[Line], Marking]:
        count, times, looked = 0, [], False
        for key in questions.keys_of(subject):
            for witness, seen, number, verdict, is_stix in self._queries.sightings(self._unit, self._actor, key):
                if is_stix or verdict is not Verdict.SEEN:  # somebody else's word, or no word of having looked
                    continue
                fits, marking = self._usable(subject, witness, marking)
                if not fits:
                    continue
                looked = True
                count += number
                times += [seen] if number else []
        if count:
            return [Line(Said.SEEN, *subject_fields(subject), count, min(times), max(times))], marking
        return ([Line(Said.NOT_SEEN, *subject_fields(subject))] if looked else []), marking

    # -- verdicts ------------------------------------------------------------

    def _said(self, subject: Subject, found: Sequence[Found], marking: Marking) -> tuple[list[Line], Marking]:
        said: set[Said] = set()
        for one in found:
            verdicts = self._verdicts(one) if one.current(self._node.now()) else set()
            for witness in one.witnesses if verdicts else ():
                fits, marking = self._usable(subject, witness, marking)
                said |= verdicts if fits else set()
        if len(said) > 1:
            self._remarks.append(
                f"{subject.value}: this office's records call it malicious and benign: not in the draft"
            )
            said.clear()
        return [Line(one, *subject_fields(subject)) for one in sorted(said)], marking

    def _verdicts(self, found: Found) -> set[Said]:
        if found.type != "indicator":
            return set()
        body: Any = msgspec.json.decode(self._queries.body(self._unit, found.witnesses[0].position))
        words = body.get("indicator_types", ())
        return {_VERDICTS[word] for word in words if word in _VERDICTS}

    def _usable(self, subject: Subject, witness: Witness, marking: Marking) -> tuple[bool, Marking]:
        """Say whether a record may go into the draft, and the marking that it leaves."""
        if witness.retracted:
            return False, marking
        about = f"{subject.value}: {witness.party}/{witness.office}"
        if (witness.party, witness.office) != tuple(self._actor.office):
            self._remarks.append(f"{about} has stated something of it: theirs to tell")
            return False, marking
        where = f"{witness.origin}#{witness.index}"
        if witness.marking is None:
            self._remarks.append(f"{subject.value}: {where} is unmarked and stayed at home: yours to tell or not")
            self._basis.append(Basis(subject, where, None))
            return True, marking
        narrowed = msgspec.structs.replace(
            marking,
            tlp=max(marking.tlp, witness.marking.tlp, key=lambda tlp: tlp.rank),
            pap=max(marking.pap, witness.marking.pap, key=lambda pap: pap.rank),
            onward=marking.onward and witness.marking.onward,
            personal=marking.personal or witness.marking.personal,
        )
        if wider(narrowed, witness.marking):
            self._remarks.append(f"{subject.value}: {where} is marked for others than the asker: not in the draft")
            return False, marking
        self._basis.append(Basis(subject, where, witness.marking))
        return True, narrowed


def subject_fields(subject: Subject) -> tuple[str, str]:
    """Return the kind and value of a subject, as a line takes them."""
    return subject.kind, subject.value
