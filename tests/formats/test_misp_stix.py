"""MISP attributes are found by the same values as misp-stix has them found; where not, it is said here why."""

from __future__ import annotations

import json
import logging

import pytest
from misp_stix_converter import MISPtoSTIX21Parser

from comity.formats.convert import Made
from comity.formats.misp.read import read
from comity.formats.stix.check import Checked, check_many
from tests.formats.misp_samples import CONTEXT, MD5, SHA256, Tree, attribute, event

WALLET = "34Ca8UwUxKcbddicUBt2SMkGQThKJ161gg"
VALUES = {
    "ip-dst": "198.51.100.7", "ip-src": "2001:db8::7", "domain": "c2.example", "hostname": "a.c2.example",
    "url": "http://c2.example/a", "email": "a@c2.example", "email-src": "a@c2.example", "email-dst": "b@c2.example",
    "email-subject": "an invoice", "email-message-id": "<a@b>", "md5": MD5, "sha1": "d" * 40, "sha256": SHA256,
    "sha512": "a" * 128, "sha224": "b" * 56, "sha384": "b" * 96, "imphash": MD5, "ssdeep": "3:a:b", "filename": "a.exe",
    "filename|md5": f"a.exe|{MD5}", "filename|sha256": f"a.exe|{SHA256}", "ip-dst|port": "198.51.100.7|443",
    "ip-src|port": "198.51.100.7|443", "domain|ip": "c2.example|198.51.100.7", "hostname|port": "c2.example|443",
    "AS": "AS64496", "mac-address": "00:11:22:33:44:55", "regkey": "HKLM\\Software\\a", "mutex": "a-mutex",
    "regkey|value": "HKLM\\Software\\a|b", "user-agent": "Mozilla/5.0", "uri": "/a/b", "port": "443",
    "vulnerability": "CVE-2026-1234", "x509-fingerprint-md5": MD5, "x509-fingerprint-sha1": "e" * 40,
    "x509-fingerprint-sha256": SHA256, "size-in-bytes": "5", "malware-type": "x", "attachment": "a.pdf",
    "github-username": "a", "target-email": "v@c2.example", "whois-registrant-email": "a@c2.example",
}  # fmt: skip
# By these both find nothing, or we find more: misp-stix has them as objects of its own without a value in STIX.
MORE = {
    "btc": WALLET, "named pipe": "\\\\.\\pipe\\a", "ja3-fingerprint-md5": MD5, "pattern-in-file": "x",
    "windows-service-name": "svc", "tlsh": "T1" + "A" * 70,
}  # fmt: skip
ONLY_WHERE_ASKED_FOR = {
    "regkey",
    "regkey|value",
    "user-agent",
}  # what it makes of these without `to_ids` is no good STIX


def found_by(objects: list[bytes]) -> set[tuple[str, str]]:
    """Return the values that objects are found by."""
    return {
        (one.kind, one.value) for each in check_many(objects) if isinstance(each, Checked) for one in each.observables
    }


def both(tree: Tree) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """Return what an event is found by as misp-stix converts it, and as we do."""
    logging.disable(logging.CRITICAL)
    try:
        parser = MISPtoSTIX21Parser()
        parser.parse_misp_event({"Event": json.loads(json.dumps(tree))})
        theirs = [one.serialize().encode() if hasattr(one, "serialize") else json.dumps(one).encode()
                  for one in parser.stix_objects]  # fmt: skip
    finally:
        logging.disable(logging.NOTSET)
    ours = [one.data for one in read([json.dumps({"Event": tree}).encode()], CONTEXT) if isinstance(one, Made)]
    return found_by(theirs), found_by(ours)


@pytest.mark.parametrize("to_ids", [True, False])
@pytest.mark.parametrize("kind", VALUES)
def test_an_attribute_is_found_by_the_same_values(kind: str, to_ids: bool) -> None:
    theirs, ours = both(event(attribute(kind, VALUES[kind], to_ids=to_ids)))
    if kind in ONLY_WHERE_ASKED_FOR and not to_ids:
        assert theirs <= ours
    else:
        assert theirs == ours


@pytest.mark.parametrize("kind", MORE)
def test_where_we_find_more(kind: str) -> None:
    theirs, ours = both(event(attribute(kind, MORE[kind])))
    assert theirs < ours, "the difference is gone: it needs no reason any more"


def test_a_link_is_a_reference_and_no_value() -> None:
    theirs, ours = both(event(attribute("link", "https://cert.arcadia.example/1", category="External analysis")))
    assert (theirs, ours) == ({("url", "https://cert.arcadia.example/1")}, set())
