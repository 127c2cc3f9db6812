"""What every form promises: its kinds, its label, its ids, its removals, and why a value is left out."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.formats.observables import KINDS, normal
from comity.formats.sensors.item import FORMS, Gone, Item, Skipped
from comity.formats.sensors.sids import SID_FIRST, SID_LAST, SID_LISTS, SIDS_PER_VALUE, Sids
from comity.formats.sensors.suricata import DATASET_LINE_MAX, RULE_BYTES_MAX
from comity.formats.sensors.table import WRITERS, Form
from tests.formats.consumers import ABOUT, AT, IDENT, item, removed, written
from tests.formats.test_sensors_lines import HASHES, good, items, lines_of, text

LISTS = sorted(name for name in WRITERS if name.startswith("list-") or name in {"suricata-md5", "suricata-ip"})


@pytest.mark.parametrize("form", LISTS)
@given(given_items=st.lists(items, max_size=8))
def test_a_plain_list_has_values_and_nothing_else(form: str, given_items: list[Item]) -> None:
    skipped = Skipped()
    found = Counter(lines_of(written(form, given_items, ABOUT, skipped)))
    assert found <= Counter(one.value for one in given_items if one.kind in WRITERS[form].kinds)
    assert found.total() + skipped.total == len(given_items)


# What must not be left out


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_form_and_its_normal_form_passes(kind: str) -> None:
    samples = {"ipv4": "192.0.2.7", "ipv6": "2001:db8::/32", "domain": "bad.example", "url": "http://bad.example/a#b"}
    samples |= {"email": "a@bad.example", "asn": "64496", "mac": "00:00:5e:00:53:01", "cve": "CVE-2026-0001"}
    samples |= {name: "a" * size for size, name in HASHES.items()} | {"certificate": "b" * 40}
    samples |= {"registry-key": r"hklm\x y", "wallet": f"0x{'a' * 40}"}
    observable = normal(kind, samples.get(kind, "some thing"))
    assert observable is not None
    assert FORMS[kind](observable.value)
    for form in ("csv", "html", "atom", f"list-{kind}"):
        skipped = Skipped()
        assert written(form, [item(kind, observable.value)], ABOUT, skipped) and not skipped.total


@given(good)
def test_the_check_of_form_agrees_with_the_normal_form(pair: tuple[str, str]) -> None:
    kind, value = pair
    if kind != "url":  # of a web address only what breaks lines is checked here
        observable = normal(kind, value)
        assert FORMS[kind](value) == (observable is not None and observable.value == value)


@given(st.sampled_from(["ipv4", "ipv6", "domain", "md5", "sha256", "asn"]), text)
def test_what_is_not_in_normal_form_does_not_pass(kind: str, value: str) -> None:
    observable = normal(kind, value)
    if FORMS[kind](value):
        assert observable is not None and observable.value == value


@pytest.mark.parametrize("form", WRITERS.values(), ids=WRITERS)
def test_a_form_takes_each_of_its_kinds_and_no_other(form: Form) -> None:
    samples = {"ipv4": "192.0.2.7", "ipv6": "2001:db8::7", "domain": "bad.example", "url": "http://bad.example/a"}
    samples |= {name: "a" * size for size, name in HASHES.items()} | {"certificate": "b" * 40, "asn": "64496"}
    skipped = Skipped()
    given_items = [item(kind, samples.get(kind, "abc")) for kind in KINDS]
    assert b"".join(form.write(given_items, ABOUT, skipped))
    assert dict(skipped.counts) == {(kind, "kind"): 1 for kind in KINDS if kind not in form.kinds}


@pytest.mark.parametrize("form", WRITERS)
def test_nothing_stricter_than_the_label_of_a_file_is_in_it(form: str) -> None:
    about, skipped = ABOUT._replace(tlp="GREEN"), Skipped()
    strict = [item(kind, "abc", tlp=tlp) for kind in KINDS for tlp in ("AMBER", "AMBER+STRICT", "RED", "unheard of")]
    samples = [
        item("ipv4", "192.0.2.7", tlp="AMBER"),
        item("domain", "bad.example", tlp="RED"),
        item("md5", "a" * 32, tlp="x"),
    ]
    assert written(form, [*strict, *samples], about, skipped) == written(form, [], about) or form == "html"
    assert skipped.total == len(strict) + len(samples)


def test_an_empty_list_is_a_good_file_in_every_form() -> None:
    for form in WRITERS:
        made = written(form, [])
        assert made or form.startswith(("list-", "elastic", "suricata-"))


# Signature ids


def test_signature_ids_stay_when_others_come_and_go() -> None:
    first = [item("domain", f"h{number}.example") for number in range(500)]
    later = [item("ipv4", "192.0.2.7"), *first[::2], item("domain", "new.example")]

    def ids(given_items: list[Item]) -> dict[str, str]:
        found = re.findall(rb'content:"([a-z0-9.]+)".* sid:(\d+);', written("suricata", given_items))
        return {value.decode() + sid.decode()[-1]: sid.decode() for value, sid in found}

    before, after = ids(first), ids(later)
    assert {key: before[key] for key in before.keys() & after.keys()} == {
        key: after[key] for key in before.keys() & after.keys()
    }
    assert len(before.keys() & after.keys()) == 750


def test_two_values_with_one_hash_get_ids_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Same:
        def __init__(self, _data: bytes, digest_size: int) -> None:
            self.size = digest_size

        def digest(self) -> bytes:
            return b"\xff" * self.size

    monkeypatch.setattr("comity.formats.sensors.sids.blake2b", Same)
    sids = Sids()
    ids = [sids.first("domain", f"{number}.example") for number in range(3)]
    assert ids == [SID_LAST - SIDS_PER_VALUE + 1, SID_FIRST, SID_FIRST + SIDS_PER_VALUE]


def test_the_ids_of_rules_that_load_lists_are_apart_and_do_not_move() -> None:
    made = written("suricata-lists", [item("sha256", "a" * 64), item("ipv4", "192.0.2.7")]).decode()
    found = sorted(map(int, re.findall(r" sid:(\d+);", made)))
    assert found == [SID_LISTS + 4, SID_LISTS + 5, *range(SID_LISTS + 14, SID_LISTS + 18)]
    assert found[-1] < SID_FIRST


@pytest.mark.parametrize(("modified", "revision"), [(AT, AT), (0, 1), (-5, 1), (2**40, 2**31 - 1)])
def test_a_revision_is_the_second_of_the_change(modified: int, revision: int) -> None:
    made = written("suricata", [item("ipv4", "192.0.2.7", modified=modified)])
    assert f" rev:{revision};".encode() in made


def test_what_is_too_long_for_a_line_is_counted() -> None:
    skipped = Skipped()
    long = item("url", f"http://bad.example/{'|' * RULE_BYTES_MAX}")
    agent = item("user-agent", "x" * DATASET_LINE_MAX)
    assert b"alert" not in written("suricata", [long], ABOUT, skipped) + written("snort3", [long], ABOUT, skipped)
    assert written("suricata-user-agent", [agent], ABOUT, skipped) == b""
    assert dict(skipped.counts) == {("url", "length"): 2, ("user-agent", "length"): 1}


@pytest.mark.parametrize(
    ("form", "kind", "value", "rule"),
    [
        ("suricata", "url", "ftp://bad.example/x", "scheme"),
        ("suricata", "url", "http://u:p@bad.example/x", "userinfo"),
        ("suricata", "url", "http://bad.example/x#y", "fragment"),
        ("suricata", "url", "http://bad.example/é", "not-ascii"),
        ("suricata", "url", "http://bücher.example/", "not-ascii"),
        ("suricata", "certificate", "a" * 64, "fingerprint"),
        ("suricata-ip", "ipv4", "192.0.2.0/24", "network"),
        ("zeek", "url", "gopher://bad.example/", "scheme"),
        ("zeek", "url", "http://bad.example/x#y", "fragment"),
        ("zeek", "certificate", "a" * 32, "fingerprint"),
        ("elastic", "ipv6", "2001:db8::/32", "network"),
        ("splunk", "email", "=a@bad.example", "formula"),
        ("nftables", "ipv4", "0.0.0.0/0", "everything"),
        ("rpz", "ipv6", "::/0", "everything"),
        ("pf", "ipv4", "192.0.2.7/24", "form"),
        ("hosts", "domain", "bad.example\n127.0.0.1 bank.example", "unprintable"),
        ("csv", "file-name", "a\u202egpj.exe", "unprintable"),
    ],
)
def test_why_a_value_is_left_out(form: str, kind: str, value: str, rule: str) -> None:
    skipped = Skipped()
    written(form, [item(kind, value)], ABOUT, skipped)
    assert dict(skipped.counts) == {(kind, rule): 1}
    assert skipped.shown[0].rule == rule and skipped.shown[0].where == IDENT


# What is gone


removals = st.builds(Gone, st.sampled_from([*KINDS, "bogus"]), text, text, st.sampled_from([AT, 2**62]))
good_removals = good.map(lambda pair: Gone(*pair, IDENT, AT))


@pytest.mark.parametrize("form", [name for name, form in WRITERS.items() if form.removals])
@given(gone=st.lists(st.one_of(removals, good_removals), max_size=8))
def test_a_removal_names_what_is_gone_or_counts_it(form: str, gone: list[Gone]) -> None:
    skipped = Skipped()
    made = removed(form, gone, skipped)
    if form == "csv":
        (head, *rows) = csv.reader(io.StringIO(made.decode(), newline=""), strict=True)
        assert head == ["kind", "value", "id", "removed_at"]
        assert Counter((row[0], row[1].removeprefix("'")) for row in rows) <= Counter(
            (one.kind, one.value) for one in gone
        )
        assert len(rows) + skipped.total == len(gone)
        return
    lines = lines_of(made)
    assert len(lines) + skipped.total == len(gone)
    patterns = {
        "nftables": r"delete element inet comity ipv[46] \{ ([0-9a-f.:/]+) \}",
        "ipset": r"del comity-v[46] ([0-9a-f.:/]+)",
        "elastic": r'\{"delete":\{"_id":"([0-9a-f]{32})"\}\}',
    }
    found = [re.fullmatch(patterns.get(form, r"(.+)"), line) for line in lines]
    assert all(found)
    if form != "elastic":
        assert Counter(match[1] for match in found if match) <= Counter(one.value for one in gone)


def test_a_removal_of_elastic_has_the_id_of_the_document() -> None:
    made = written("elastic", [item("domain", "bad.example")]).split(b"\n")[0]
    gone = removed("elastic", [Gone("domain", "bad.example", IDENT, AT)])
    assert json.loads(made)["index"] == json.loads(gone)["delete"]
