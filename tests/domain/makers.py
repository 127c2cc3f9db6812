"""Makers and strategies that the tests of the domain share: parties, keys, cards, accord texts, bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import strategies as st

from comity import canon, party
from comity.accord import Accord, Placed, SignedText, fold, parse_text
from comity.acts import Ballot, Consent, Narrow, Retract, Span, Tombstone
from comity.canon import AccordId, OfficeId, PartyId
from comity.party import Card, Keys, Office, OfficeRef
from comity.policy import Audience
from comity.statement import Marking
from comity.vocab import OfficeKind, Pap, Tlp, Use

ARCADIA = PartyId("cert.arcadia.example")
BOREALIA = PartyId("cert.borealia.example")
CASCADIA = PartyId("cert.cascadia.example")
DORIA = PartyId("cert.doria.example")
PARTIES = (ARCADIA, BOREALIA, CASCADIA, DORIA)
JURISDICTIONS = {ARCADIA: "AA", BOREALIA: "BB", CASCADIA: "CC", DORIA: "DD"}
AT = 1_900_000_000


@cache
def key(name: str) -> Ed25519PrivateKey:
    """Return the same private key for the same name, so that a failure replays."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def public(name: str) -> bytes:
    return key(name).public_key().public_bytes_raw()


def office(name: PartyId, office_id: str = "csirt") -> OfficeRef:
    return OfficeRef(name, OfficeId(office_id))


def card(
    party_name: PartyId = ARCADIA, /, *, serial: int = 1, root: int = 0, next_root: int = 1, **changes: Any
) -> Card:
    """Return a card whose root is the party's root number `root`, announcing number `next_root`."""
    fields: dict[str, Any] = {
        "v": 1,
        "party": party_name,
        "serial": serial,
        "issued": AT,
        "name": "CERT of the tests",
        "jurisdiction": JURISDICTIONS[party_name],
        "languages": ("en",),
        "time_zone": "Etc/UTC",
        "offices": (Office(OfficeId("csirt"), "CSIRT", OfficeKind.CSIRT),),
        "keys": keys(party_name, root, next_root),
    }
    return Card(**fields | changes)


def keys(name: PartyId = ARCADIA, root_number: int = 0, next_number: int = 1, **changes: str) -> Keys:
    fields = {role: canon.b64(public(f"{name}/{role}")) for role in ("log", "witness", "request")}
    fields["root"] = canon.b64(public(f"{name}/root/{root_number}"))
    fields["next_root"] = party.root_digest(public(f"{name}/root/{next_number}"))
    return Keys(**fields | changes)


def signed(the_card: Card, root: int = 0) -> party.SignedCard:
    return party.sign_card(the_card, key(f"{the_card.party}/root/{root}"))


def toml(
    members: Sequence[PartyId] = (ARCADIA, BOREALIA, CASCADIA),
    *,
    version: int = 1,
    parent: str = "",
    ceiling: Tlp = Tlp.RED,
    rule: str = "majority",
    offices: dict[PartyId, list[str]] | None = None,
    areas: str = '"intel", "response", "requests"',
    refused: str = "",
    use: str = '"defence"',
    transfer: str = "",
    community: str = "three-shores",
    exercise: bool = False,
    title: str = "Three shores",
) -> bytes:
    """Return the TOML of an accord's text."""
    named = offices or {}
    tables = "".join(
        f'[[member]]\nparty = "{name}"\nroot = "{canon.b64(public(f"{name}/root/0"))}"\n'
        f'jurisdiction = "{JURISDICTIONS.get(name, "XX")}"\noffices = {named.get(name, [])!r}\n'
        for name in members
    )
    return f"""form = 1
id = "three-shores"
title = "{title}"
version = {version}
parent = "{parent}"
binding = false
languages = ["en"]
community = "{community}"
areas = [{areas}]
exercise = {str(exercise).lower()}
[terms]
ceiling = "{ceiling.value}"
use = [{use}]
transfer = [{transfer}]
refused_kinds = [{refused}]
[voting]
rule = "{rule}"
{tables}""".encode()


def text(members: Sequence[PartyId] = (ARCADIA, BOREALIA, CASCADIA), **changes: Any) -> SignedText:
    return parse_text(toml(members, **changes))


def in_force(*texts: SignedText, acts: Sequence[Placed] = ()) -> Accord:
    """Return an accord with these texts, each voted for by every member of the one before and signed by all."""
    votes: list[Placed] = []
    for before, after in pairwise(texts):
        votes += [ballot(m.party, before, after, index=1_000 + after.text.version) for m in before.text.member]
    signatures = {t.digest: frozenset(m.party for m in t.text.member) for t in texts}
    return fold(texts[0], texts[1:], signatures, [*votes, *acts])


def ballot(name: PartyId, parent: SignedText, proposal: SignedText, *, yes: bool = True, index: int = 0) -> Placed:
    return Placed(name, 1, index, Ballot(parent.digest, proposal.digest, yes))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@st.composite
def mangled(draw: st.DrawFn, whole: bytes) -> bytes:
    """Return bytes near a valid document: cut, doubled, overwritten or spliced, or altogether different ones."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        end = draw(st.integers(at, min(len(data), at + 24)))
        piece = draw(st.one_of(st.binary(max_size=8), st.just(bytes(data[at:end]) * 2), st.sampled_from(_PIECES)))
        data[at:end] = piece
    return bytes(data)


_PIECES = (b"null", b"-1", b"1e400", b"NaN", b"9" * 40, b"9" * 5_000, b'"\\ud800"', b"[" * 2_000, b'{"a":' * 2_000)
_PIECES += (b"\xff", b"\xed\xa0\x80", b"\x00", b"true", b'""', b"{}", b"[]", b" ", b"\n", b"0.5", b"-0")


# Versions of one accord that the tests of its life move between.
V1 = text()
V2 = text((ARCADIA, BOREALIA, DORIA), version=2, parent=V1.digest)  # Cascadia out, Doria in
V2B = text((ARCADIA, BOREALIA, CASCADIA), version=2, parent=V1.digest, title="Three other shores")
V3 = text((ARCADIA, BOREALIA, CASCADIA), version=3, parent=V2.digest)  # Cascadia back


# -- what decisions are about ------------------------------------------------

STATED = canon.accord_origin(ARCADIA, AccordId("three-shores"), 1)
SPAN = (Span(STATED, 0, 1),)
OFFICES = tuple(office(name, which) for name in PARTIES for which in ("csirt", "police"))


def audience(ref: OfficeRef, person: str = "", correspondent: str = "", **changes: Any) -> Audience:
    """Return an audience; a correspondent is a client of its office with the highest ceiling unless said otherwise."""
    fields: dict[str, Any] = {"person": person, "correspondent": correspondent}
    if correspondent:
        fields |= {"client": True, "ceiling": Tlp.RED}
    return Audience(ref, JURISDICTIONS[ref.party], **fields | changes)


AUDIENCES = tuple(
    each
    for ref in OFFICES[:6]
    for each in (
        audience(ref),
        audience(ref, person="alice"),
        audience(ref, correspondent="bank"),
        audience(ref, correspondent="ada", individual=True),
        audience(ref, correspondent="isac", client=False, communities=frozenset({"three-shores"})),
    )
)
NAMES = tuple(sorted({each.name for each in AUDIENCES}))
names = st.lists(st.sampled_from(NAMES[:8]), max_size=3, unique=True).map(tuple)
instants = st.sampled_from((0, AT - 10, AT, AT + 10, AT + 20))

markings = st.builds(
    Marking,
    tlp=st.sampled_from(Tlp),
    pap=st.sampled_from(Pap),
    to=st.just(()) | names,
    embargo=instants,
    use=st.sampled_from([(Use.DEFENCE,), (Use.DEFENCE, Use.RESEARCH), (Use.RESEARCH,), (Use.INVESTIGATION,), ()]),
    transfer=st.sampled_from([(), ("BB",), ("BB", "CC")]),
    personal=st.booleans(),
    onward=st.booleans(),
)
consents = st.builds(Consent, st.just(SPAN), names, instants)
narrows = st.builds(
    Narrow,
    st.just(SPAN),
    tlp=st.sampled_from(Tlp),
    pap=st.sampled_from(Pap),
    to=st.just(()) | names,
    onward=st.booleans(),
    revoke=names,
)
instead = st.none() | st.integers(1, 3).map(lambda at: Span(STATED, at, at + 1))
retracts = st.builds(Retract, st.just(SPAN), by=instead)
narrowing = narrows | retracts | st.builds(Tombstone, st.just(SPAN), st.just("law"))
acts_about = narrowing | consents
