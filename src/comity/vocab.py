"""Closed vocabularies and their order. Nothing here is configurable: an unknown word is refused."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Final


class Tlp(StrEnum):
    """Traffic Light Protocol 2.0 (FIRST, August 2022): who may have it."""

    CLEAR = "CLEAR"
    GREEN = "GREEN"
    AMBER = "AMBER"
    AMBER_STRICT = "AMBER+STRICT"
    RED = "RED"

    @property
    def rank(self) -> int:
        """Return 0 for CLEAR up to 4 for RED: a higher rank is stricter."""
        return _TLP_RANK[self]

    @property
    def label(self) -> str:
        """Return the label exactly as FIRST writes it, e.g. `TLP:AMBER+STRICT`."""
        return f"TLP:{self.value}"


_TLP_RANK: Final[Mapping[Tlp, int]] = MappingProxyType({tlp: rank for rank, tlp in enumerate(Tlp)})


class Pap(StrEnum):
    """Permissible Actions Protocol: what may be done with it."""

    CLEAR = "CLEAR"  # no limit
    GREEN = "GREEN"  # active: ping, block
    AMBER = "AMBER"  # passive cross-check: third-party look-ups
    RED = "RED"  # non-detectable: own logs only

    @property
    def rank(self) -> int:
        """Return 0 for CLEAR up to 3 for RED: a higher rank is stricter."""
        return _PAP_RANK[self]


_PAP_RANK: Final[Mapping[Pap, int]] = MappingProxyType({pap: rank for rank, pap in enumerate(Pap)})


class Use(StrEnum):
    """What shared information may be used for. Only `defence` needs no formal request (mission, rule 2)."""

    DEFENCE = "defence"  # protecting systems, finding and notifying victims
    RESEARCH = "research"  # published or teaching use, anonymised
    INVESTIGATION = "investigation"  # criminal investigation or prosecution
    INTELLIGENCE = "intelligence"  # intelligence services' own purposes
    ATTACK = "attack"  # any act against another's systems


BY_REQUEST_ONLY: Final = frozenset({Use.INVESTIGATION, Use.INTELLIGENCE, Use.ATTACK})
"""Uses that only a formal request granted by the author opens."""


class Channel(StrEnum):
    """By what a correspondent takes part."""

    TAXII = "taxii"
    MISP = "misp"
    MAIL = "mail"
    WEB = "web"
    FEED = "feed"
    WEBHOOK = "webhook"
    FILE = "file"  # an export, handed over by a person


class Purpose(StrEnum):
    """Why a decision is asked for: what the audience will do with it mechanically."""

    READ = "read"  # people and their node read it
    SENSOR = "sensor"  # a blocklist, a detection rule: visible to the adversary (PAP GREEN or below)
    LOOKUP = "lookup"  # a query to an outside service (PAP AMBER or below)


class Area(StrEnum):
    """The areas of cooperation an accord may open."""

    INTEL = "intel"
    RESPONSE = "response"
    REQUESTS = "requests"
    CONSULTATION = "consultation"
    DIRECTORY = "directory"
    EXERCISES = "exercises"
    CAPACITY = "capacity"
    RIGHTS = "rights"


class Priority(IntEnum):
    """How urgent a statement is; a flash statement overtakes the bulk."""

    BULK = 0
    ROUTINE = 1
    FLASH = 2


class Conduct(StrEnum):
    """The closed list of conduct that a request or a notification may be about.

    Expression, opinion and identity are not on it and never will be (mission, rule 3). The groups
    are those of the Budapest Convention, articles 2 to 8, and of the RSIT classes that name attacks on systems.
    """

    ILLEGAL_ACCESS = "illegal-access"  # Budapest art. 2
    ILLEGAL_INTERCEPTION = "illegal-interception"  # art. 3
    DATA_INTERFERENCE = "data-interference"  # art. 4
    SYSTEM_INTERFERENCE = "system-interference"  # art. 5, denial of service
    MISUSE_OF_DEVICES = "misuse-of-devices"  # art. 6
    COMPUTER_FORGERY = "computer-related-forgery"  # art. 7
    COMPUTER_FRAUD = "computer-related-fraud"  # art. 8
    MALWARE = "malware"
    COMMAND_AND_CONTROL = "command-and-control"
    PHISHING = "phishing"
    RANSOMWARE = "ransomware"
    BOTNET = "botnet"
    SUPPLY_CHAIN = "supply-chain-compromise"
    VULNERABLE_SYSTEM = "vulnerable-system"
    CREDENTIAL_THEFT = "credential-theft"


EXPRESSION_CLASSES: Final = frozenset(
    {
        "harmful-speech",
        "content",
        "copyright",
        "defamation",
        "disinformation",
        "expression",
        "extremism",
        "harassment",
        "hate-speech",
        "misinformation",
        "opinion",
        "spam-opinion",
        "trademark",
        "violence",
        "rsit:harmful-speech",
        "rsit:copyright",
        "rsit:(child) sexual exploitation/sexual/violent content",
        "xarf:copyright",
        "xarf:harassment",
    }
)
"""Classes that describe expression, named so that the refusal can say why (RSIT, XARF)."""


class Phase(StrEnum):
    """The life of an accord, from the point of view of one member."""

    DRAFT = "draft"
    SIGNING = "signing"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    LEFT = "left"
    ENDED = "ended"


class Held(StrEnum):
    """What a holder has at one index of a log; every index answers one of these."""

    PAYLOAD = "payload"
    SEALED = "sealed"
    WITHHELD = "withheld"
    ERASED = "erased"


class OfficeKind(StrEnum):
    """What an office is for."""

    CSIRT = "csirt"
    LAW_ENFORCEMENT = "law-enforcement"
    FOREIGN_AFFAIRS = "foreign-affairs"
    TELECOM = "telecom-regulator"
    COORDINATION = "coordination"
    PRIVACY = "privacy"
    SECTOR = "sector"
    OTHER = "other"
