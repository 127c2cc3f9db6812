from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.errors import Refused, Unreachable
from comity.http.inward import LOOPBACK, is_inward, judge, system_addresses

INWARD = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
    "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1",
    "203.0.113.1", "224.0.0.251", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1", "100::1", "2001::1", "2001:2::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "5f00::1",
    "fc00::1", "fd12:3456::1", "fe80::1", "fec0::1", "ff02::1", "ff0e::1",
]  # fmt: skip
OUTWARD = ["1.1.1.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "223.255.255.255", "2606:4700::1", "2a00:1450::1"]


@pytest.mark.parametrize("text", INWARD)
def test_special_addresses_are_inward_and_refused(text: str) -> None:
    assert is_inward(ipaddress.ip_address(text))
    with pytest.raises(Refused, match="inside this machine"):
        judge("a.example", [text], (), loopback_only=False)


@pytest.mark.parametrize("text", [*OUTWARD, "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_outward(text: str) -> None:
    assert judge("a.example", [text], (), loopback_only=False) == (ipaddress.ip_address(text),)


@given(st.ip_addresses())
def test_an_outward_address_is_global_for_python_too(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    inner = getattr(address, "ipv4_mapped", None) or address
    if not is_inward(address):
        assert inner.is_global
        assert not inner.is_multicast


def test_one_inward_address_refuses_the_whole_name() -> None:
    with pytest.raises(Refused):
        judge("a.example", ["8.8.8.8", "127.0.0.1"], (), loopback_only=False)


def test_an_allowed_network_is_allowed_and_no_other() -> None:
    allowed = [ipaddress.ip_network("10.2.0.0/16")]
    assert judge("a.example", ["10.2.3.4"], allowed, loopback_only=False)
    assert judge("a.example", ["::ffff:10.2.3.4"], allowed, loopback_only=False)
    with pytest.raises(Refused):
        judge("a.example", ["10.3.0.1"], allowed, loopback_only=False)


def test_plain_http_is_for_loopback_even_where_more_is_allowed() -> None:
    everything = [ipaddress.ip_network("0.0.0.0/0")]
    assert judge("a.example", ["127.0.0.1"], LOOPBACK, loopback_only=True)
    for text in ("10.0.0.1", "8.8.8.8"):
        with pytest.raises(Refused, match="plain http"):
            judge("a.example", [text], everything, loopback_only=True)


def test_the_system_resolver_finds_localhost_and_says_when_a_name_leads_nowhere() -> None:
    assert {"127.0.0.1", "::1"} & set(system_addresses("localhost"))
    with pytest.raises(Unreachable, match=r"nowhere\.invalid"):
        system_addresses("nowhere.invalid")
    with pytest.raises(Unreachable):
        system_addresses("a" * 70 + ".example")
