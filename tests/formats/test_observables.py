"""Observables: one normal form whoever wrote the value and however it was defanged."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from comity.formats import observables
from comity.formats.observables import FREE_KINDS, KEY_BYTES, KINDS, Observable, key, leads, normal, recognise, refang
from comity.limits import OBSERVABLE_CHARS_MAX

MD5 = "d41d8cd98f00b204e9800998ecf8427e"
SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    ("texts", "kind", "value"),
    [
        (
            [
                "192.0.2.7",
                " 192.0.2.7\n",
                "192[.]0[.]2[.]7",
                "192(.)0.2{.}7",
                "192.0.2[.7",
                "192。0．2｡7",
                "192.0.2.7:8080",
                "192.0.2.7/32",
                "192[dot]0(DOT)2 dot 7",
                "'192.0.2.7',",
                "192\u200b.0.2.7",
                "192\\.0\\.2\\.7",
            ],
            "ipv4",
            "192.0.2.7",
        ),
        (["192.0.2.0/24", "192.0.2.9/24", "192[.]0[.]2[.]0[/]24"], "ipv4", "192.0.2.0/24"),
        (
            [
                "2001:db8::1",
                "2001:DB8:0:0::1",
                "[2001:db8::1]",
                "[2001:db8::1]:443",
                "2001[:]db8[:][:]1",
                "2001:0db8:0000:0000:0000:0000:0000:0001",
            ],
            "ipv6",
            "2001:db8::1",
        ),
        (
            ["bad.example", "BAD.example.", "bad[.]example", "bad[dot]example", "bad.example:443", "<bad.example>"],
            "domain",
            "bad.example",
        ),
        (
            ["bücher.example", "BÜCHER.example", "xn--bcher-kva.example", "bücher[.]example", "bu\u0308cher。example"],
            "domain",
            "xn--bcher-kva.example",
        ),
        (["_dmarc.bad.example", "_DMARC.bad.example"], "domain", "_dmarc.bad.example"),
        (
            ["http://bad.example/", "hxxp://bad[.]example", "HXXP[:]//BAD.example:80/", "h**p[://]bad(.)example"],
            "url",
            "http://bad.example/",
        ),
        (
            ["https://bad.example/A%2Fb?q=1#f", "hxxps://Bad[.]Example:443/A%2fb?q=1#f"],
            "url",
            "https://bad.example/A%2Fb?q=1#f",
        ),
        (["http://[2001:db8::1]:8080/x", "hxxp://[2001:DB8:0::1]:8080/x"], "url", "http://[2001:db8::1]:8080/x"),
        (["fxp://bad.example/x", "ftp://bad.example:21/x"], "url", "ftp://bad.example/x"),
        (
            [
                "someone@bad.example",
                "Someone[at]bad[.]example",
                "mailto:someone@BAD.example",
                "someone at bad dot example",
            ],
            "email",
            "someone@bad.example",
        ),
        (["AS64496", "as 64496", "ASN64496"], "asn", "64496"),
        (["00:00:5e:00:53:01", "00-00-5E-00-53-01", "0000.5e00.5301"], "mac", "00:00:5e:00:53:01"),
        ([MD5, MD5.upper(), f" {MD5} ", ":".join(MD5[at : at + 2] for at in range(0, 32, 2))], "md5", MD5),
        ([SHA256, SHA256.upper()], "sha256", SHA256),
        (["cve-2021-44228", "CVE-2021-44228"], "cve", "CVE-2021-44228"),
        (
            [r"HKLM\Software\Run", r"HKEY_LOCAL_MACHINE\SOFTWARE\Run" + "\\"],
            "registry-key",
            r"hkey_local_machine\software\run",
        ),
        ([r"C:\Users\x\.hidden\Evil.exe", r"c:\users\X\.hidden\evil.EXE"], "file-path", r"c:\users\x\.hidden\evil.exe"),
        (["/tmp/.X11/evil"], "file-path", "/tmp/.x11/evil"),
        (["1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"], "wallet", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"),
        (
            ["bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4"],
            "wallet",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        ),
        (
            ["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0X5AAEB6053F3E94C9B9A09F33669435E7EF1BEAED"],
            "wallet",
            "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
        ),
    ],
)
def test_every_way_of_writing_a_value_meets_in_one_form(texts: list[str], kind: str, value: str) -> None:
    assert {text: recognise(text)[0] for text in texts} == dict.fromkeys(texts, Observable(kind, value))


def test_a_text_that_may_be_two_things_is_both() -> None:
    assert [found.kind for found in recognise("update.zip")] == ["domain", "file-name"]
    assert [found.kind for found in recognise(MD5)] == ["md5", "certificate"]
    assert [found.value for found in recognise("bad.example/x")] == ["http://bad.example/x", "https://bad.example/x"]


def test_brackets_that_belong_to_an_address_are_kept_beside_what_they_may_hide() -> None:
    found = [each.value for each in recognise("http://bad.example/a[.]b")]
    assert found == ["http://bad.example/a.b", "http://bad.example/a[.]b"]


def test_any_other_text_is_looked_up_as_each_free_kind_and_unchanged() -> None:
    found = recognise("Global\\Look at me (dot) now")
    assert [each.kind for each in found] == list(FREE_KINDS)
    assert Observable("mutex", "Global\\Look at me (dot) now") in found


@pytest.mark.parametrize("text", ["", " ", "\u200b", "x" * (OBSERVABLE_CHARS_MAX + 1)])
def test_nothing_and_too_much_are_no_values(text: str) -> None:
    assert recognise(text) == ()


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *(
            ("ipv4", text)
            for text in ("256.0.2.1", "192.0.2", "192.0.2.01", "192.0.2.0/33", "2001:db8::1", "0xc0000207")
        ),
        *(("ipv6", text) for text in ("192.0.2.7", "2001:db8::1%eth0", "2001:db8::1::", "g::1")),
        *(
            ("domain", text)
            for text in ("bad", "bad..example", "-.example", "192.0.2.7", "a b.example", "x." * 200 + "example")
        ),
        *(("url", text) for text in ("bad.example", "http://", "http:// x", "http://h:port/", "//bad.example")),
        *(("email", text) for text in ("@bad.example", "a@", "a@b", "a b@bad.example")),
        *(("asn", text) for text in ("AS", "4294967296", "99999999999999", "AS--1")),
        *(("md5", text) for text in (MD5[:-1], SHA256, "g" * 32)),
        *(("cve", text) for text in ("CVE-21-1", "CVE-2021-1")),
        ("registry-key", "Software\\Run"),
        *(
            ("wallet", text)
            for text in (
                *("1BvBMSEYstWetqTFn5Au4m4GFg7xJaNV0O", "bc1Qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "0x5aAeb6"),
                *("2BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "bc1q", "wallet"),
            )
        ),
        ("mac", "00:00:5e:00:53"),
    ],
)
def test_what_does_not_fit_a_kind_is_not_of_it(kind: str, text: str) -> None:
    assert normal(kind, text) is None


def test_leads_of_an_address_are_the_prefixes_around_it() -> None:
    found = leads(Observable("ipv4", "198.51.100.7"))
    assert found[0] == Observable("ipv4", "198.51.100.6/31")
    assert found[23] == Observable("ipv4", "198.0.0.0/8")
    assert leads(Observable("ipv4", "198.51.100.0/24"))[0] == Observable("ipv4", "198.51.100.0/23")
    assert Observable("ipv6", "2001:db8::/32") in leads(Observable("ipv6", "2001:db8::1"))


def test_leads_of_a_url_are_its_page_its_host_and_what_is_above() -> None:
    assert leads(Observable("url", "http://a.b.bad.example/x?y#z")) == (
        Observable("url", "http://a.b.bad.example/x?y"),
        Observable("url", "http://a.b.bad.example/x"),
        Observable("domain", "a.b.bad.example"),
        Observable("domain", "b.bad.example"),
        Observable("domain", "bad.example"),
        Observable("text", "http://a.b.bad.example/x?y#z"),
    )
    assert Observable("ipv4", "198.51.100.0/24") in leads(Observable("url", "http://198.51.100.7/"))
    assert leads(Observable("email", "x@bad.example"))[0] == Observable("domain", "bad.example")
    assert leads(Observable("mutex", "x")) == ()


def test_keys_tell_kinds_and_values_apart() -> None:
    kinds = [kind for kind in KINDS if kind not in FINGERPRINTS]
    observables = [Observable(kind, value) for kind in [*kinds, "sha256"] for value in ("a", "b", "a\0b", "")]
    keys = {key(observable) for observable in observables}
    assert len(keys) == len(observables)
    assert {len(each) for each in keys} == {KEY_BYTES}


def test_a_fingerprint_has_one_key_whatever_it_is_of() -> None:
    assert len({key(Observable(kind, "d41d8cd98f00b204e9800998ecf8427e")) for kind in FINGERPRINTS}) == 1


def test_the_key_of_a_value_is_fixed_because_indexes_hold_it() -> None:
    assert key(Observable("ipv4", "192.0.2.7")).hex() == "6d88ff789a0069bb5020b79263783bf5"


FINGERPRINTS = {"md5", "sha1", "sha256", "sha512", "certificate"}
DEFANGED = {".": ["[.]", "(.)", "[dot]", " dot ", "．", "\\."], ":": [":", "[:]"], "@": ["[at]", "(@)", " at "]}
HOSTS = st.sampled_from(["198.51.100.7", "bad.example", "a-b.c_d.example", "xn--bcher-kva.example"])
PRECISE = st.one_of(
    HOSTS,
    HOSTS.map(lambda host: f"http://{host}/Path.html"),
    st.sampled_from(["bad.example", "a-b.example"]).map(lambda host: f"some.one@{host}"),
)


@given(PRECISE, st.data())
def test_defanging_by_any_mix_of_habits_is_undone(text: str, data: st.DataObject) -> None:
    defanged = "".join(data.draw(st.sampled_from([char, *DEFANGED.get(char, [])])) for char in text)
    defanged = defanged.replace("http", data.draw(st.sampled_from(["http", "hxxp", "HXXP", "h**p"])))
    assert refang(defanged).lower() == text.lower()
    assert recognise(text)[0] in recognise(defanged)


@given(st.text(max_size=60) | st.text(".:/@[]%0a1F-\\x", max_size=40) | PRECISE.map(lambda text: text + "\ud800"))
def test_any_text_is_answered_and_normal_forms_are_final(text: str) -> None:
    for observable in recognise(text):
        assert observable.kind in KINDS
        assert len(key(observable)) == KEY_BYTES
        assert normal(observable.kind, observable.value) == observable
        for lead in leads(observable):
            assert lead != observable
            assert normal(lead.kind, lead.value) == lead


@given(st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(str))
def test_every_address_is_its_own_normal_form(text: str) -> None:
    assert recognise(text)[0] == Observable("ipv6" if ":" in text else "ipv4", text)
    assert normal(recognise(text)[0].kind, text.upper()) == recognise(text)[0]


@given(
    PRECISE
    | st.text(max_size=60)
    | st.from_regex(observables._QUICK, fullmatch=True)
    | st.text("ab.:/-x1", max_size=80)
)
@example("a" * 64 + ".example")
@example("http://" + "a" * 64 + ".example/x")
@example("report.zip")
def test_the_quick_way_to_a_key_says_what_recognising_says(text: str) -> None:
    meant: dict[bytes, Observable] = {}
    for found in recognise(text):
        meant.setdefault(key(found), found)
    assert observables.keyed(text) == tuple((known, *found) for known, found in meant.items())
