from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.errors import Malformed
from comity.http import url


@pytest.mark.parametrize(
    ("text", "whole", "authority", "target", "port"),
    [
        ("https://cert.arcadia.example", "https://cert.arcadia.example/", "cert.arcadia.example", "/", 443),
        (
            "HTTPS://Cert.Arcadia.Example:443/A?b",
            "https://cert.arcadia.example/A?b",
            "cert.arcadia.example",
            "/A?b",
            443,
        ),
        ("http://192.0.2.1:8080/%2F/?", "http://192.0.2.1:8080/%2F/?", "192.0.2.1:8080", "/%2F/?", 8080),
        ("https://[2001:DB8::1]:8443/x", "https://[2001:db8::1]:8443/x", "[2001:db8::1]:8443", "/x", 8443),
        ("https://a.example?x=1", "https://a.example/?x=1", "a.example", "/?x=1", 443),
        ("https://a.example/../b", "https://a.example/../b", "a.example", "/../b", 443),
    ],
)
def test_a_url_is_read_once_and_its_path_stays_as_written(
    text: str, whole: str, authority: str, target: str, port: int
) -> None:
    parsed = url.parse(text)
    assert (str(parsed), parsed.authority, parsed.target, parsed.port) == (whole, authority, target, port)
    assert url.parse(str(parsed)) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cert.arcadia.example",
        "ftp://a.example/",
        "file:///etc/passwd",
        "https://user@a.example/",
        "https://a.example@127.0.0.1/",
        "https://a.example#x",
        "https://a.example\\@127.0.0.1/",
        "https://a.example/ b",
        "https://a.example/%2",
        "https://a.example/\r\nHost: b",
        "https://a.example:0/",
        "https://a.example:65536/",
        "https://a.example:/",
        "https://a.example./",
        "https://-a.example/",
        "https://[::1/",
        "https://[1.2.3.4]/",
        "https://[fe80::1%25eth0]/",
        "https://bücher.example/",
        "https://a.example/ü",
        "https:///x",
        "https://a.example/\n",
        "https://a.example/" + "x" * 9000,
    ],
)
def test_what_two_parsers_could_read_differently_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        url.parse(text)


@given(st.text() | st.from_regex(r"https?://[ -~]{0,40}", fullmatch=True))
def test_any_text_is_a_url_or_malformed(text: str) -> None:
    try:
        parsed = url.parse(text)
    except Malformed:
        return
    assert str(parsed).isascii()
    assert url.parse(str(parsed)) == parsed
