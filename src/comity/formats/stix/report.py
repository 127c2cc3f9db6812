"""What was refused of an input and why: every refusal counted by rule, the first ones named.

Rules: a refusal concerns one object and never stops those behind it. A reason is bounded, because part of
it was written by whoever wrote the object.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from comity.limits import INGEST_REFUSALS_SHOWN_MAX, REFUSAL_REASON_CHARS_MAX


class Refusal(NamedTuple):
    """One object that was not taken."""

    offset: int  # bytes before the object in its input; 0 where the object came alone
    ident: str  # the id it gives itself; empty where none could be read
    rule: str  # a short name to count by, e.g. `schema`
    reason: str  # one line for a person


def refusal(rule: str, reason: str, *, offset: int = 0, ident: str = "") -> Refusal:
    """Return a refusal whose words are bounded and printable: they may quote hostile input."""
    return Refusal(offset, bounded(ident), rule, bounded(reason))


def bounded(text: str) -> str:
    """Return a text cut to REFUSAL_REASON_CHARS_MAX characters, all of them printable."""
    if len(text) > REFUSAL_REASON_CHARS_MAX:
        text = text[: REFUSAL_REASON_CHARS_MAX - 1] + "…"
    return text if text.isprintable() else "".join(char if char.isprintable() else "\ufffd" for char in text)


@dataclass(slots=True)
class Report:
    """Counts of what an ingest took, refused and could not make full use of."""

    accepted: int = 0
    refused: int = 0
    by_rule: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)  # taken, but with this loss
    shown: list[Refusal] = field(default_factory=list)

    def accept(self, note: str = "") -> None:
        """Count an object taken; `note` says what of it could not be used."""
        self.accepted += 1
        if note:
            self.notes[note] += 1

    def refuse(self, refused: Refusal) -> None:
        """Count a refusal; name it while there is room."""
        self.refused += 1
        self.by_rule[refused.rule] += 1
        if len(self.shown) < INGEST_REFUSALS_SHOWN_MAX:
            self.shown.append(refused)
