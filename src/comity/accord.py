"""Accords: the text that parties sign, its life cycle as a table, amendment by ballot.

Rules: the text is TOML, signed as bytes; two parties have agreed when both signed the same bytes.
The version a statement names governs it, and later versions only narrow what is already stated.
The state of an accord is a fold over sets (texts, signatures, acts): order of arrival never matters.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Final, NamedTuple

import msgspec

from comity import acts as spine
from comity import canon
from comity.acts import AnyAct, Ballot, Join, Leave, Resume, Suspend
from comity.canon import AccordId, Digest, PartyId
from comity.errors import Malformed, Misuse, Refused, TooLarge
from comity.limits import ACCORD_BYTES_MAX, ACCORD_MEMBERS_MAX
from comity.statement import area_of
from comity.vocab import BY_REQUEST_ONLY, Area, Phase, Tlp, Use

TEXT_MEDIA_TYPE: Final = "application/vnd.comity.accord+toml"

# Every phase has a row: an absent one would be a silent gap. An accord is draft, signing, active or ended; a
# member of it is active, suspended or left.
TRANSITIONS: Final[Mapping[Phase, Mapping[str, Phase]]] = MappingProxyType(
    {
        Phase.DRAFT: {"sign": Phase.SIGNING, "last-but-one-leaves": Phase.ENDED},
        Phase.SIGNING: {
            "sign": Phase.SIGNING,
            "last-signature": Phase.ACTIVE,
            "last-but-one-leaves": Phase.ENDED,
        },
        Phase.ACTIVE: {
            "suspend": Phase.SUSPENDED,
            "leave": Phase.LEFT,
            "expelled": Phase.LEFT,
            "amend": Phase.ACTIVE,
            "last-but-one-leaves": Phase.ENDED,
        },
        Phase.SUSPENDED: {"resume": Phase.ACTIVE, "leave": Phase.LEFT, "expelled": Phase.LEFT},
        # Leaving is final. Whom an amendment left out, a later one may name again, and it signs anew.
        Phase.LEFT: {"readmitted": Phase.ACTIVE},
        # Ballots cast before the others left may arrive after their leaving did.
        Phase.ENDED: {"late-amendment": Phase.ACTIVE},
    }
)

_DURATION: Final = re.compile(r"([1-9][0-9]{0,5})(m|h|d)\Z")
_SECONDS: Final = MappingProxyType({"m": 60, "h": 3_600, "d": 86_400})


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A party to the accord: its name, root key and the offices that take part (none named: all)."""

    party: PartyId
    root: str
    jurisdiction: str
    offices: tuple[str, ...] = ()


class TermsBlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The `[terms]` table: what may be said and what may be done with it."""

    ceiling: Tlp
    use: tuple[Use, ...] = (Use.DEFENCE,)
    legal_basis: str = ""
    transfer: tuple[str, ...] = ()
    refused_kinds: tuple[str, ...] = ()


class Voting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How amendments pass: `majority` is more than half of all members, never of those who vote."""

    rule: Annotated[str, msgspec.Meta(pattern="^(majority|two-thirds|unanimous)$")] = "majority"


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One row of the text for people: what is agreed, and by which area it is carried."""

    heading: str
    text: str
    areas: tuple[str, ...] = ()


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An accord's text as the TOML says it."""

    form: int
    id: AccordId
    title: str
    version: int
    binding: bool
    languages: tuple[str, ...]
    community: str
    areas: tuple[Area, ...]
    terms: TermsBlock
    member: tuple[Member, ...]
    parent: str = ""
    template: str = ""
    exercise: bool = False
    observers: tuple[str, ...] = ()
    accession: str = ""
    expulsion: str = ""
    preamble: str = ""
    clocks: dict[str, str] = {}
    retention: dict[str, str] = {}
    voting: Voting = Voting()
    row: tuple[Row, ...] = ()

    def member_of(self, party: str) -> Member | None:
        """Return the member of that name, or None."""
        return next((member for member in self.member if member.party == party), None)

    def opens(self, kind: str) -> bool:
        """Say whether a kind of content may be stated under this text."""
        return area_of(kind) in {area.value for area in self.areas} and kind not in self.terms.refused_kinds


class SignedText(NamedTuple):
    """A text, its exact bytes and their digest."""

    text: Text
    data: bytes
    digest: Digest


def parse_text(data: bytes) -> SignedText:
    """Read an accord's text. Raises `Malformed`, `TooLarge` or `Refused`, naming the line or field."""
    if len(data) > ACCORD_BYTES_MAX:
        raise TooLarge(f"an accord of {len(data)} bytes is over ACCORD_BYTES_MAX")
    try:
        table: dict[str, Any] = tomllib.loads(data.decode("utf-8"))
        text = msgspec.convert(table, Text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError, RecursionError, ValueError) as error:
        raise Malformed(f"the accord's text cannot be read: {error}") from error
    _check_text(text)
    return SignedText(text, data, canon.digest(data))


def _check_text(text: Text) -> None:
    if text.form != 1:
        raise Malformed(f"form: {text.form}; this node reads form 1", hint="upgrade this node")
    canon.slug(text.id, what="an accord")
    if not 1 <= text.version <= 9_999 or (text.version == 1) != (text.parent == ""):
        raise Malformed("parent: version 1 has no parent; every later version names the digest of the text it replaces")
    _check_members(text.member)
    if not text.community.strip():
        raise Malformed("community: an accord names the one that TLP:GREEN means in it")
    if not text.areas:
        raise Malformed("areas: an accord opens at least one")
    forbidden = set(text.terms.use) & BY_REQUEST_ONLY
    if forbidden:
        words = ", ".join(sorted(forbidden))
        raise Refused(
            f"terms.use: no accord can permit {words} in general; that takes a formal request which the author grants"
        )
    for name, value in {**text.clocks, **text.retention}.items():
        try:
            seconds(value)
        except Malformed as error:
            raise Malformed(f"{name}: {error}") from error


def _check_members(members: tuple[Member, ...]) -> None:
    if not 2 <= len(members) <= ACCORD_MEMBERS_MAX:
        raise Malformed(f"member: {len(members)} parties, where 2 to {ACCORD_MEMBERS_MAX} are allowed")
    for member in members:
        canon.party_id(member.party)
        canon.unb64(member.root, what=f"the root key of {member.party}", length=32)
        for office in member.offices:
            canon.slug(office, what="an office")
    if len({member.party for member in members}) != len(members):
        raise Malformed("member: a party is named twice")
    if len({member.root for member in members}) != len(members):
        # One signature would count for two, and one holder of a key would vote twice.
        raise Malformed("member: two parties share one root key")


def seconds(duration: str) -> int:
    """Read a duration such as `30m`, `72h` or `730d` as seconds. Raises `Malformed`."""
    match = _DURATION.match(duration)
    if not match:
        raise Malformed(f"{duration!r} is not a duration", hint="write 30m, 72h or 730d")
    return int(match[1]) * _SECONDS[match[2]]


@dataclass(frozen=True, slots=True)
class Placed:
    """An act with its place: whose log, which generation, which index."""

    party: PartyId
    generation: int
    index: int
    act: AnyAct


@dataclass(frozen=True, slots=True)
class MemberState:
    """Where one member stands: the version since which it is one without a break, and whether it takes part now."""

    member: Member
    since: int
    phase: Phase


@dataclass(frozen=True, slots=True)
class Accord:
    """The state of an accord: its versions in force in order, and where each member stands."""

    id: AccordId
    phase: Phase
    versions: tuple[SignedText, ...]
    members: Mapping[PartyId, MemberState]
    awaiting: tuple[PartyId, ...]
    doubles: tuple[Placed, ...] = ()

    @property
    def current(self) -> SignedText:
        """Return the text in force, or the draft while there is none."""
        return self.versions[-1]

    def version(self, number: int) -> SignedText | None:
        """Return the text of that version if it is or was in force."""
        return next((v for v in self.versions if v.text.version == number), None)

    def takes_part(self, party: str) -> bool:
        """Say whether the party is a member that neither left nor suspended itself."""
        state = self.members.get(PartyId(party))
        return self.phase is Phase.ACTIVE and state is not None and state.phase is Phase.ACTIVE


def fold(
    first: SignedText,
    amendments: Iterable[SignedText],
    signatures: Mapping[Digest, Set[PartyId]],
    acts: Iterable[Placed],
) -> Accord:
    """Add up an accord from its first text, later texts, who signed which, and the acts in its logs.

    1. The first text is in force once every member signed it. 2. From each text in force, at most
    one successor passes: one ballot per party and parent, the earliest in its log, none after it left.
    3. Newcomers of an amendment sign it themselves. 4. Suspensions and leavings are counted per member.
    """
    placed = sorted(set(acts), key=_place)
    chain = [first]
    awaiting = tuple(m.party for m in first.text.member if m.party not in signatures.get(first.digest, frozenset()))
    by_parent: dict[str, list[SignedText]] = {}
    for text in amendments:
        by_parent.setdefault(text.text.parent, []).append(text)
    ballots, doubles = _ballots(placed)
    while not awaiting:
        following = [
            text
            for text in by_parent.get(chain[-1].digest, [])
            if _passes(chain[-1].text, text, ballots) and _signed_by_newcomers(chain[-1].text, text, signatures)
        ]
        if not following:
            break
        chain.append(min(following, key=lambda text: text.digest))
    members = {
        member.party: MemberState(member, _since(chain, member.party), _member_phase(member.party, placed))
        for member in chain[-1].text.member
    }
    for text in chain[:-1]:
        for member in text.text.member:
            members.setdefault(member.party, MemberState(member, _since(chain, member.party), Phase.LEFT))
    return Accord(
        id=first.text.id,
        phase=_accord_phase(first, awaiting, members),
        versions=tuple(chain),
        members=MappingProxyType(members),
        awaiting=awaiting,
        doubles=doubles,
    )


def _place(placed: Placed) -> tuple[PartyId, int, int, bytes]:
    # A forked log has two acts at one place: their bytes decide, never which came first.
    return placed.party, placed.generation, placed.index, spine.encode(placed.act)


def _accord_phase(first: SignedText, awaiting: tuple[PartyId, ...], members: Mapping[PartyId, MemberState]) -> Phase:
    if sum(state.phase is not Phase.LEFT for state in members.values()) < 2:
        return Phase.ENDED
    if awaiting:
        return Phase.DRAFT if len(awaiting) == len(first.text.member) else Phase.SIGNING
    return Phase.ACTIVE


def _member_phase(party: PartyId, placed: Iterable[Placed]) -> Phase:
    suspensions = resumed = 0
    for place in placed:
        if place.party != party:
            continue
        match place.act:
            case Leave():
                return Phase.LEFT
            case Suspend():
                suspensions += 1
            case Resume(suspensions=ended):
                # It ends those before it in its log, and none that is yet to come.
                resumed = max(resumed, min(ended, suspensions))
    return Phase.SUSPENDED if suspensions > resumed else Phase.ACTIVE


def _since(chain: list[SignedText], party: str) -> int:
    since = 0
    for text in reversed(chain):
        if text.text.member_of(party) is not None:
            since = text.text.version
        elif since:
            break
    return since


def _ballots(placed: list[Placed]) -> tuple[dict[tuple[PartyId, Digest], Ballot], tuple[Placed, ...]]:
    first: dict[tuple[PartyId, Digest], Ballot] = {}
    doubles: list[Placed] = []
    left: set[PartyId] = set()
    for place in placed:
        if isinstance(place.act, Leave):
            left.add(place.party)
        if not isinstance(place.act, Ballot) or place.party in left:
            continue
        key = (place.party, place.act.parent)
        if key in first:
            # The earliest in the party's own log counts; a later one is shown, and changes nothing.
            doubles.append(place)
        else:
            first[key] = place.act
    return first, tuple(doubles)


def votes_needed(rule: str, members: int) -> int:
    """Return how many yes-ballots pass an amendment among `members` parties."""
    match rule:
        case "majority":
            return members // 2 + 1
        case "two-thirds":
            # Never half or less, or two successors of one version could both pass.
            return max(-(-2 * members // 3), members // 2 + 1)
        case "unanimous":
            return members
    raise Misuse(f"no voting rule {rule!r}")


def _passes(parent: Text, text: SignedText, ballots: Mapping[tuple[PartyId, Digest], Ballot]) -> bool:
    if text.text.id != parent.id or text.text.version != parent.version + 1:
        return False
    yes = 0
    for member in parent.member:
        ballot = ballots.get((member.party, Digest(text.text.parent)))
        yes += ballot is not None and ballot.yes and ballot.proposal == text.digest
    return yes >= votes_needed(parent.voting.rule, len(parent.member))


def _signed_by_newcomers(parent: Text, text: SignedText, signatures: Mapping[Digest, Set[PartyId]]) -> bool:
    signed = signatures.get(text.digest, frozenset())
    return all(parent.member_of(m.party) is not None or m.party in signed for m in text.text.member)


def joined(placed: Iterable[Placed], party: PartyId, digest: Digest) -> bool:
    """Say whether the party's log says it joined the text of that digest."""
    return any(p.party == party and isinstance(p.act, Join) and p.act.text == digest for p in placed)
