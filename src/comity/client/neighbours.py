"""Who else there is: parties, accords, interests, correspondents and what they send; logs, and the doctor.

Rules: as in `answers`: every field has a default, what is not known here is passed over.
"""

from __future__ import annotations

import msgspec

from comity.client.records import Planned


class Interest(msgspec.Struct, frozen=True):
    """What an office asks the members of an accord for."""

    statement: str = ""
    party: str = ""
    office: str = ""
    accord: str = ""
    at: int = 0
    marking: str = ""
    why: str = ""
    withdrawn: bool = False
    until: int = 0
    types: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    names: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    sectors: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    confidence: int = 0
    text: str = ""


class Interests(msgspec.Struct, frozen=True):
    """Interests, the newest first."""

    interests: tuple[Interest, ...] = ()


class Fitting(msgspec.Struct, frozen=True):
    """One object that fits an interest; `known`: it stands in the interest's accord already."""

    statement: str = ""
    id: str = ""
    type: str = ""
    name: str = ""
    party: str = ""
    source: str = ""
    marking: str = ""
    at: int = 0
    known: bool = False


class Matched(msgspec.Struct, frozen=True):
    """A page of what fits; `before` goes on, 0: nothing is left."""

    found: tuple[Fitting, ...] = ()
    looked: int = 0
    before: int = 0
    planned: tuple[Planned, ...] = ()
    withheld: int = 0


class Line(msgspec.Struct, frozen=True):
    """What is said of one value in an answer."""

    kind: str = ""
    value: str = ""
    said: str = ""
    count: int = 0
    first: int = 0
    last: int = 0
    exact: bool = False
    confidence: int | None = None
    note: str = ""


class Draft(msgspec.Struct, frozen=True):
    """An answer drafted of what is known here, that nobody has sent."""

    question: str = ""
    lines: tuple[Line, ...] = ()
    tlp: str = ""
    pap: str = ""
    to: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


class Correspondent(msgspec.Struct, frozen=True):
    """An organisation or person without a node."""

    audience: str = ""
    title: str = ""
    jurisdiction: str = ""
    ceiling: str = ""
    client: bool = False
    communities: tuple[str, ...] = ()
    state: str = ""
    until: int = 0
    party: str = ""


class Correspondents(msgspec.Struct, frozen=True):
    """The correspondents of an office."""

    correspondents: tuple[Correspondent, ...] = ()


class Delivery(msgspec.Struct, frozen=True):
    """How much of one log got how far by one channel."""

    channel: str = ""
    grade: str = ""
    origin: str = ""
    entries: int = 0
    first: int = 0
    last: int = 0


class Owed(msgspec.Struct, frozen=True):
    """One thing that a correspondent is still to be told."""

    channel: str = ""
    statement: str = ""
    id: str = ""
    what: str = ""
    reason: str = ""


class CorrespondentDetail(msgspec.Struct, frozen=True):
    """One correspondent with its receipts and what it is owed."""

    correspondent: Correspondent = Correspondent()
    deliveries: tuple[Delivery, ...] = ()
    owed: tuple[Owed, ...] = ()
    waiting: int = 0
    more_owed: bool = False


class Submission(msgspec.Struct, frozen=True):
    """What is known of what a correspondent sent."""

    id: str = ""
    correspondent: str = ""
    channel: str = ""
    name: str = ""
    form: str = ""
    at: int = 0
    bytes: int = 0
    digest: str = ""
    state: str = ""
    objects: int = 0
    refused: int = 0
    kept: int = 0
    by: str = ""
    settled: int = 0
    reason: str = ""


class Inbox(msgspec.Struct, frozen=True):
    """Submissions, the oldest first."""

    submissions: tuple[Submission, ...] = ()


class OpenedSubmission(msgspec.Struct, frozen=True):
    """A submission with its bytes, while it waits."""

    submission: Submission = Submission()
    data: bytes = b""


class Office(msgspec.Struct, frozen=True):
    """An office of a party."""

    id: str = ""
    kind: str = ""
    name: str = ""
    contact: str = ""


class Party(msgspec.Struct, frozen=True):
    """A party as its card describes it; `state` is own, known, waiting or succeeded."""

    party: str = ""
    state: str = ""
    name: str = ""
    jurisdiction: str = ""
    serial: int = 0
    offices: tuple[Office, ...] = ()
    address: str = ""
    words: str = ""


class Parties(msgspec.Struct, frozen=True):
    """Every party known here, and every card that waits."""

    parties: tuple[Party, ...] = ()


class AccordMember(msgspec.Struct, frozen=True):
    """Where one member of an accord stands."""

    party: str = ""
    jurisdiction: str = ""
    offices: tuple[str, ...] = ()
    phase: str = ""
    signed: bool = False


class Accord(msgspec.Struct, frozen=True):
    """Where an accord stands, as the node knows it."""

    id: str = ""
    title: str = ""
    phase: str = ""
    version: int = 0
    digest: str = ""
    areas: tuple[str, ...] = ()
    ceiling: str = ""
    members: tuple[AccordMember, ...] = ()
    awaiting: tuple[str, ...] = ()


class Accords(msgspec.Struct, frozen=True):
    """Every accord of which a text is held."""

    accords: tuple[Accord, ...] = ()


class Log(msgspec.Struct, frozen=True):
    """One generation of one log; `held` counts entries by payload, sealed, withheld, erased."""

    origin: str = ""
    own: bool = False
    state: str = ""
    size: int = 0
    signed: int = 0
    root: str = ""
    held: dict[str, int] = {}


class Logs(msgspec.Struct, frozen=True):
    """Every log that the node writes or follows."""

    logs: tuple[Log, ...] = ()


class Checkpoint(msgspec.Struct, frozen=True):
    """The newest signed checkpoint of a log, as a signed note."""

    origin: str = ""
    text: str = ""


class Receipt(msgspec.Struct, frozen=True):
    """Another party's cosignature on a checkpoint of this node's; `current`: entries of the log now."""

    origin: str = ""
    cosigner: str = ""
    size: int = 0
    at: int = 0
    current: int = 0


class Receipts(msgspec.Struct, frozen=True):
    """The newest receipt of each cosigner."""

    receipts: tuple[Receipt, ...] = ()


class Proven(msgspec.Struct, frozen=True):
    """A proof file that was written."""

    statement: str = ""
    party: str = ""


class Ailment(msgspec.Struct, frozen=True):
    """One finding of the doctor."""

    grave: bool = False
    what: str = ""
    advice: str = ""


class Examined(msgspec.Struct, frozen=True):
    """What an operator should know of the node."""

    party: str = ""
    signs: bool = False
    serving: bool = False
    ailments: tuple[Ailment, ...] = ()


class Neighbour(msgspec.Struct, frozen=True):
    """Who is told what happens at the node: what it may see, and how it does."""

    name: str = ""
    office: str = ""
    kind: str = ""
    form: str = ""
    address: str = ""
    to: str = ""
    ceiling: str = ""
    events: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    purpose: str = ""
    login: str = ""
    signed: bool = False
    link: str = ""
    enabled: bool = True
    waiting: int = 0
    sent: int = 0
    dead: int = 0
    attempt: int = 0
    success: int = 0
    due: int = 0
    failures: int = 0
    error: str = ""
    whose: str = ""


class Neighbours(msgspec.Struct, frozen=True):
    """The office's neighbours."""

    neighbours: tuple[Neighbour, ...] = ()


class Message(msgspec.Struct, frozen=True):
    """A message to a neighbour: what it is about, and how far it got (waiting, sent, dead)."""

    id: str = ""
    event: str = ""
    at: int = 0
    about: tuple[str, ...] = ()
    standing: str = ""
    attempts: int = 0
    due: int = 0
    ended: int = 0
    said: str = ""
    whose: str = ""


class Messages(msgspec.Struct, frozen=True):
    """Messages to a neighbour, the newest first."""

    messages: tuple[Message, ...] = ()


class ToldNow(msgspec.Struct, frozen=True):
    """What telling a neighbour now did."""

    neighbour: Neighbour = Neighbour()
    sent: int = 0
    failed: int = 0
    dead: int = 0
    said: str = ""


class Replayed(msgspec.Struct, frozen=True):
    """How many messages are sent again."""

    messages: int = 0


class Ticket(msgspec.Struct, frozen=True):
    """A ticket of a neighbour; without an id nobody knows whether it was opened."""

    subject: str = ""
    reference: str = ""
    id: str = ""
    url: str = ""
    opened: int = 0
    told: int = 0


class Tickets(msgspec.Struct, frozen=True):
    """Tickets of a neighbour, the newest first."""

    tickets: tuple[Ticket, ...] = ()
