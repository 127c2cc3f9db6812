"""The terms that govern a release decision: those under which a statement was made, and all since.

Rules: the version a statement names governs it, and later versions only narrow what is already stated
(design §4), so that every text from that version to the one in force must allow a release. A statement
passed on within its own accord stays under the version its author named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from comity.accord import Accord, Text
from comity.canon import AccordId, PartyId
from comity.party import OfficeRef
from comity.policy.subject import Facts
from comity.vocab import Phase


@dataclass(frozen=True, slots=True)
class Terms:
    """An accord as a decision sees it; `EMPTY` stands for no accord at all."""

    accord: AccordId | None = None
    in_force: bool = False
    why_not: str = "there is no accord with this audience"
    texts: tuple[Text, ...] = ()  # every version that is or was in force, in order
    version: int = 0  # that the statement names, or the statement that passes it on in this accord
    phases: Mapping[PartyId, Phase] = field(default_factory=lambda: MappingProxyType({}))

    def governing(self, facts: Facts) -> tuple[Text, ...]:
        """Return the texts that all must allow a release; none if the version named is not known."""
        version = min(self.version, facts.version) if facts.accord == self.accord else self.version
        if all(text.version != version for text in self.texts):
            return ()
        return tuple(text for text in self.texts if text.version >= version)


EMPTY: Final = Terms()


def terms_of(accord: Accord, version: int) -> Terms:
    """Return the terms for a statement made, or passed on, under `version` of an accord."""
    known = accord.version(version) is not None
    if accord.phase is not Phase.ACTIVE:
        why_not = f"accord {accord.id} is {accord.phase}"
    else:
        why_not = "" if known else f"accord {accord.id} has no version {version} in force"
    return Terms(
        accord=accord.id,
        in_force=not why_not,
        why_not=why_not,
        texts=tuple(signed.text for signed in accord.versions),
        version=version,
        phases=MappingProxyType({party: state.phase for party, state in accord.members.items()}),
    )


def takes_part(text: Text, office: OfficeRef) -> bool:
    """Say whether an office takes part by a text: its party is a member and named it, or named none."""
    member = text.member_of(office.party)
    return member is not None and (not member.offices or office.office in member.offices)
