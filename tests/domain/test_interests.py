"""Interests: what one may ask for, and which objects fit, by their own bytes."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity import canon
from comity.areas.intel import interests
from comity.areas.intel.interests import INTEREST_MEDIA, Interest
from comity.areas.intel.questions import Subject, Why
from comity.errors import Theirs
from comity.formats.observables import Observable
from comity.formats.stix import observe
from comity.statement import INTEL_INTEREST, Header, Marking
from comity.vocab import Tlp

HEADER = Header(1, INTEL_INTEREST, canon.OfficeId("csirt"), 1, 1, INTEREST_MEDIA, Marking(Tlp.AMBER))


def indicator(pattern: str, **more: Any) -> dict[str, Any]:
    return {"type": "indicator", "id": "indicator--11111111-2222-4333-8444-555555555555", "pattern": pattern,
            "pattern_type": "stix", **more}  # fmt: skip


def fit(interest: Interest, tree: dict[str, Any]) -> bool:
    assert interests.read_interest(HEADER, canon.encode(interest)) == interest
    seen, _ = observe.of_object(tree)
    return interests.fits(interest, tree, seen)


ADDRESS = indicator("[ipv4-addr:value = '192.0.2.77']", confidence=60)
URL = indicator("[url:value = 'https://mail.arcadia.example/x']")
NAMED = {
    "type": "malware",
    "id": "malware--11111111-2222-4333-8444-555555555555",
    "name": "PIVY",
    "aliases": ["Poison  Ivy"],
}
TECHNIQUE = {"type": "attack-pattern", "id": "attack-pattern--11111111-2222-4333-8444-555555555555", "name": "x",
             "external_references": [{"source_name": "mitre-attack", "external_id": "T1566"}]}  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "tree", "does"),
    [
        ({"networks": ("192.0.2.0/24",)}, ADDRESS, True), ({"networks": ("192.0.2.0/26",)}, ADDRESS, False),
        ({"networks": ("2001:db8::/32",)}, ADDRESS, False), ({"kinds": ("ipv4",)}, ADDRESS, True),
        ({"values": (Subject("ipv4", "192.0.2.77"),)}, ADDRESS, True), ({"types": ("malware",)}, ADDRESS, False),
        ({"types": ("indicator",), "confidence": 60}, ADDRESS, True),
        ({"kinds": ("ipv4",), "confidence": 61}, ADDRESS, False),
        ({"domains": ("arcadia.example",)}, URL, True), ({"domains": ("dia.example",)}, URL, False),
        ({"kinds": ("url",), "confidence": 1}, URL, False), ({"names": ("poison ivy",)}, NAMED, True),
        ({"names": ("ivy",)}, NAMED, False), ({"techniques": ("t1566",)}, TECHNIQUE, True),
        ({"values": (Subject("stix-id", NAMED["id"]),)}, NAMED, True),
        ({"sectors": ("Energy",)}, NAMED | {"sectors": ["energy"]}, True),
        ({"countries": ("XA",)}, {"type": "location", "id": "location--" + NAMED["id"][9:], "country": "XA"}, True),
    ],
)  # fmt: skip
def test_what_fits(wanted: dict[str, Any], tree: dict[str, Any], does: bool) -> None:
    assert fit(Interest(Why.HUNT, **wanted), tree) is does


@pytest.mark.parametrize(
    "wanted",
    [
        {}, {"types": ("identity",)}, {"types": ("user-account",)}, {"kinds": ("text",)}, {"networks": ("0.0.0.0/0",)},
        {"networks": ("192.0.2.7/24",)}, {"domains": ("Arcadia.example",)}, {"values": (Subject("text", "anything"),)},
        {"names": (" ",)}, {"names": ("a", "a")}, {"names": ("x" * 201,)}, {"names": ("a\u202eb",)},
        {"kinds": ("ipv4",), "until": -1},
        {"kinds": ("ipv4",), "confidence": 101}, {"names": tuple(map(str, range(1_001)))},
        {"kinds": ("ipv4",), "text": "x" * 2_001},
    ],
)  # fmt: skip
def test_what_may_not_be_asked_for(wanted: dict[str, Any]) -> None:
    with pytest.raises(Theirs):
        interests.read_interest(HEADER, canon.encode(Interest(Why.HUNT, **wanted)))


_NETWORKS = st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 32)) | st.tuples(
    st.integers(0, 2**128 - 1), st.integers(33, 128)
)


def _network(number: int, bits: int) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    mask = (1 << bits) - 1
    if bits > 32:
        return ipaddress.IPv6Network((number & (mask << (128 - bits)), bits))
    return ipaddress.IPv4Network((number & (mask << (32 - bits)), bits))


@given(st.lists(_NETWORKS, min_size=1, max_size=12), st.lists(_NETWORKS, max_size=6), st.data())
def test_an_address_or_a_network_fits_where_some_network_holds_all_of_it(
    given_: list[tuple[int, int]], others: list[tuple[int, int]], data: st.DataObject
) -> None:
    """By the library's own comparison of each with each; what is asked for may overlap, touch and nest."""
    nets = {_network(*one) for one in given_}
    nets |= {half for net in list(nets) if net.prefixlen < net.max_prefixlen for half in list(net.subnets())[:1]}
    interest = Interest(Why.HUNT, networks=tuple(sorted(map(str, nets))))
    for net in [*(_network(*one) for one in others), *nets]:
        inside = net[data.draw(st.integers(0, min(net.num_addresses - 1, 2**64)))]
        for text in (str(net), str(inside)):
            asked = ipaddress.ip_network(text)
            kind = "ipv4" if asked.version == 4 else "ipv6"
            same = [one for one in nets if one.version == asked.version]
            expected = any(asked.subnet_of(one) for one in same)  # type: ignore[arg-type]
            tree = {"type": "indicator", "id": ADDRESS["id"]}
            assert interests.fits(interest, tree, [Observable(kind, text)]) is expected, (text, nets)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_interest_or_malformed(data: bytes) -> None:
    try:
        interests.read_interest(HEADER, data)
    except Theirs:
        pass
