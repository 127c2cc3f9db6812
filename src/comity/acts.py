"""Acts: spine statements without content, and what they add up to.

Rules: acts pass every gate (no ceiling, suspension or leaving stops one that narrows). An act about a
statement counts only if the statement's own author made it. Acts fold as sets: the same acts in any
order give the same standing, ties going by nothing at all because nothing here depends on order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final, get_args

import msgspec

from comity import canon
from comity.canon import Digest, Instant, Origin
from comity.errors import Malformed
from comity.statement import Marking
from comity.vocab import Held, Pap, Tlp


class Span(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True, order=True):
    """A run of statements of one log: from `start` up to but not including `end`."""

    origin: Origin
    start: int
    end: int

    def __post_init__(self) -> None:
        """Refuse an empty or negative run."""
        _check_run(self.start, self.end)


def _check_run(start: int, end: int) -> None:
    if not 0 <= start < end:
        raise ValueError(f"a run {start}..{end} holds nothing")


class Act(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="act"):
    """What every act has in common: its kind is `act.` and its tag."""

    narrows: ClassVar[bool] = False

    @property
    def kind(self) -> str:
        """Return the statement kind of this act."""
        return f"act.{self.__struct_config__.tag}"


class Join(Act, frozen=True, tag="join"):
    """The party has signed this text and takes part from here on."""

    text: Digest


class Leave(Act, frozen=True, tag="leave"):
    """The party leaves; narrowing acts still reach it."""

    reason: str = ""
    narrows: ClassVar[bool] = True


class Suspend(Act, frozen=True, tag="suspend"):
    """The party suspends its part: nothing new of its goes out, nothing new is asked."""

    reason: str = ""
    narrows: ClassVar[bool] = True


class Resume(Act, frozen=True, tag="resume"):
    """The party ends its own suspension; `suspensions` counts those it ends, so that sets suffice."""

    suspensions: int


class Ballot(Act, frozen=True, tag="ballot"):
    """One vote per party and parent version, irrevocable (design §4)."""

    parent: Digest
    proposal: Digest
    yes: bool


class Rotate(Act, frozen=True, tag="rotate"):
    """The party's card is now the one of this digest."""

    card: Digest
    serial: int


class Consent(Act, frozen=True, tag="consent"):
    """The author lets these statements be passed on to `to`, until `until` (0: until narrowed)."""

    spans: tuple[Span, ...]
    to: tuple[str, ...]
    until: Instant = 0


class Narrow(Act, frozen=True, tag="narrow"):
    """The author narrows who may have these statements; what is left out stays as it was."""

    spans: tuple[Span, ...]
    tlp: Tlp = Tlp.CLEAR
    pap: Pap = Pap.CLEAR
    to: tuple[str, ...] = ()
    onward: bool = True
    revoke: tuple[str, ...] = ()  # consents to these are withdrawn
    reason: str = ""
    narrows: ClassVar[bool] = True


class Retract(Act, frozen=True, tag="retract"):
    """The author no longer stands by these statements: stop using them, tell whoever has them.

    `by` is the one statement that takes their place, where it corrects them: of the same party, in the same accord.
    """

    spans: tuple[Span, ...]
    reason: str = ""
    by: Span | None = None
    narrows: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse a correction by more than one statement, by itself, or by what stands in logs of others.

        Whoever passed the old ones on passes on what takes their place, without being asked: an author that could name
        any statement could have others state theirs.
        """
        if self.by is None:
            return
        if self.by.end != self.by.start + 1:
            raise ValueError("one statement takes the place of others")
        for span in self.spans:
            if _stem(span.origin) != _stem(self.by.origin):
                raise ValueError("what takes the place of a statement stands in the logs where that stands")
            if span.origin == self.by.origin and span.start <= self.by.start < span.end:
                raise ValueError("nothing takes its own place")


def _stem(origin: Origin) -> str:
    """Return what the generations of a log have in common: its party and its accord."""
    return origin.rpartition("/")[0]


class Tombstone(Act, frozen=True, tag="tombstone"):
    """Bytes and salts of these statements are to be erased everywhere (design §6, *Erasure*)."""

    spans: tuple[Span, ...]
    basis: str
    reason: str = ""
    narrows: ClassVar[bool] = True


class HeldRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True, order=True):
    """What a holder has from `start` up to but not including `end`."""

    start: int
    end: int
    held: Held

    def __post_init__(self) -> None:
        """Refuse an empty or negative run."""
        _check_run(self.start, self.end)


class Holding(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True, order=True):
    """What a receiver keeps of one log: every index up to `size` has an answer, in ascending runs."""

    origin: Origin
    size: int
    runs: tuple[HeldRun, ...]


class Hold(Act, frozen=True, tag="hold"):
    """A receiver says what it durably keeps of others' logs: one act for all that one sync brought."""

    logs: tuple[Holding, ...]


class Closed(Act, frozen=True, tag="closed"):
    """The party closes an earlier generation of its log at `size`: forked, lost or doubted."""

    origin: Origin
    size: int
    root: str
    reason: str = ""


class Forked(Act, frozen=True, tag="forked"):
    """The party holds proof that a log was shown in two contradictory versions."""

    origin: Origin
    certificate: Digest


AnyAct = (
    Join | Leave | Suspend | Resume | Ballot | Rotate | Consent | Narrow | Retract | Tombstone | Hold | Closed | Forked
)
KINDS: Final = frozenset(f"act.{kind.__struct_config__.tag}" for kind in get_args(AnyAct))
ABOUT_STATEMENTS: Final = (Consent, Narrow, Retract, Tombstone)


def encode(act: AnyAct) -> bytes:
    """Return the body of an act."""
    return canon.encode(act)


def decode(body: bytes, kind: str) -> AnyAct:
    """Read an act's body; its tag must agree with the header's kind. Raises `Malformed`."""
    act: AnyAct = canon.decode(body, AnyAct, what=f"an {kind}")  # type: ignore[arg-type]
    if act.kind != kind:
        raise Malformed(f"the header says {kind}, the body {act.kind}")
    return act


class Standing(msgspec.Struct, frozen=True, omit_defaults=True):
    """Every act known that bears on one statement, added up. Equal sets of acts give equal values.

    `tlp`, `pap`, `to` and `onward` are the narrowest said so far; `to` is None while no act names recipients.
    `unnamed` says that an act narrowed to RED without naming anybody: only persons the marking names are left.
    """

    retracted: bool = False
    erased: bool = False
    tlp: Tlp = Tlp.CLEAR
    pap: Pap = Pap.CLEAR
    to: tuple[str, ...] | None = None
    unnamed: bool = False
    onward: bool = True
    consents: tuple[tuple[str, Instant], ...] = ()
    revoked: tuple[str, ...] = ()
    by: tuple[tuple[Origin, int], ...] = ()  # what takes its place, where it was corrected

    def consents_to(self, audience: str) -> Instant | None:
        """Return until when the author consents to `audience` (0: open end), or None if it does not."""
        if audience in self.revoked:
            # A withdrawal beats every consent to the same audience, in whatever order they arrive.
            return None
        ends = [until for to, until in self.consents if to == audience]
        if not ends:
            return None
        return 0 if 0 in ends else max(ends)


UNTOUCHED: Final = Standing()

NOBODY: Final = "-"
"""A recipient that names nobody: an empty `to` would read as "no restriction"."""


def standing(acts: Iterable[AnyAct]) -> Standing:
    """Add up the author's own acts about one statement, in any order."""
    retracted = erased = unnamed = False
    tlp, pap, onward = Tlp.CLEAR, Pap.CLEAR, True
    to: frozenset[str] | None = None
    consents: set[tuple[str, Instant]] = set()
    revoked: set[str] = set()
    by: set[tuple[Origin, int]] = set()
    for act in acts:
        match act:
            case Retract():
                retracted = True
                by.update([(act.by.origin, act.by.start)] if act.by is not None else ())
            case Tombstone():
                erased = True
            case Narrow():
                tlp = max(tlp, act.tlp, key=lambda t: t.rank)
                pap = max(pap, act.pap, key=lambda p: p.rank)
                onward = onward and act.onward
                revoked.update(act.revoke)
                if act.to:
                    to = frozenset(act.to) if to is None else to & frozenset(act.to)
                elif act.tlp is Tlp.RED:
                    unnamed = True
            case Consent():
                consents.update((audience, act.until) for audience in act.to)
            case _:
                continue
    return Standing(
        retracted=retracted,
        erased=erased,
        by=tuple(sorted(by)),
        tlp=tlp,
        pap=pap,
        to=None if to is None else tuple(sorted(to)),
        unnamed=unnamed,
        onward=onward,
        consents=tuple(sorted(consents)),
        revoked=tuple(sorted(revoked)),
    )


def narrowed(marking: Marking, standing: Standing) -> Marking:
    """Return the marking in force: the statement's own, narrowed by what its author said since.

    Under RED an empty `to` names nobody, under every other label it leaves all whom the label admits. So names
    that come with a narrowing act count for a marking without names only if nothing had made it RED before.
    """
    to = marking.to
    if standing.to is not None or standing.unnamed:
        if marking.to:
            to = tuple(name for name in marking.to if standing.to is None or name in standing.to)
        elif standing.to is not None and marking.tlp is not Tlp.RED and not standing.unnamed:
            to = standing.to
        to = to or (NOBODY,)
    return msgspec.structs.replace(
        marking,
        tlp=max(marking.tlp, standing.tlp, key=lambda t: t.rank),
        pap=max(marking.pap, standing.pap, key=lambda p: p.rank),
        to=to,
        onward=marking.onward and standing.onward,
    )
