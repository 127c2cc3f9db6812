"""Syslog and CEF: read back by parsers of their own and by the real rsyslog; what it must never carry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.errors import ComityError, Malformed, Unreachable
from comity.formats.telling import cef, syslog
from comity.formats.telling.message import Message, Thing, Value
from comity.http.inward import LOOPBACK
from comity.http.tls import PUBLIC
from comity.transports.syslog import Syslog, parse
from tests.cli.conftest import Party, until
from tests.neighbours.conftest import indicator, ingest
from tests.neighbours.siem import SYSLOG, Siem, octets, read_cef, rsyslog

ANY = st.text(max_size=60)
KINDS = st.sampled_from(["ipv4", "ipv6", "url", "text", "sha256"])
THINGS = st.lists(
    st.builds(
        Thing, statement=ANY, id=ANY, type=ANY, name=ANY, author=ANY, tlp=st.sampled_from(["", "TLP:GREEN"]), note=ANY,
        values=st.lists(st.builds(Value, KINDS, ANY), max_size=3).map(tuple),
    ),
    max_size=3,
).map(tuple)  # fmt: skip
MESSAGES = st.builds(
    Message, id=st.just("msg_1"), event=st.just("received"), at=st.just(1_790_000_000), party=ANY, office=ANY,
    title=ANY, subject=ANY, severity=st.integers(0, 10), things=THINGS, more=st.integers(0, 3),
    hidden=st.integers(0, 3), hidden_tlp=st.sampled_from(["", "TLP:AMBER"]),
)  # fmt: skip


def message(**more: Any) -> Message:
    usual: dict[str, Any] = {
        "id": "msg_1", "event": "received", "at": 1_790_000_000, "party": "cert.arcadia.example", "office": "csirt",
        "title": "intelligence received", "subject": "x#1", "severity": 3,
    }  # fmt: skip
    return Message(**usual | more)


@given(MESSAGES)
def test_any_text_is_one_message_that_a_strict_parser_reads(told: Message) -> None:
    for form in syslog.FORMS:
        for most in (syslog.STREAM_BYTES_MAX, syslog.DATAGRAM_BYTES_MAX):
            frames = syslog.frames(told, form, 16, most)
            assert frames
            assert octets(b"".join(map(syslog.counted, frames))) == frames
            for frame in frames:
                assert len(frame) <= most
                found = SYSLOG.fullmatch(frame)
                assert found, frame
                assert 128 <= int(found["pri"]) <= 135
                assert b"\n" not in frame
                assert b"\r" not in frame
                frame.decode("utf-8")
                if form == "json":
                    json.loads(found["msg"])


@given(MESSAGES)
def test_cef_gives_back_what_was_put_in(told: Message) -> None:
    lines = [read_cef(line) for line in cef.lines(told)]
    values = [value for thing in told.things for value in thing.values]
    assert [one.header[1] for one in lines] == ["Comity"] * len(lines)
    found = [_custom(one.extension, "value") for one in lines]
    clean = [text for text in found if text is not None]
    wanted = [value.value[: cef.VALUE_CHARS_MAX].translate(_SPACES) for value in values if value.value]
    assert [text.translate(_SPACES) for text in clean] == wanted


_SPACES = dict.fromkeys((*range(32), 127, 133, 8232, 8233), " ")


def _custom(extension: dict[str, str], label: str) -> str | None:
    for key, told in extension.items():
        if key.endswith("Label") and told == label and key.startswith("cs"):
            return extension[key.removesuffix("Label")]
    return None


def test_cef_escapes_exactly_what_the_standard_says() -> None:
    thing = Thing(name="a=b|c\\d", values=(Value("url", "http://x.example/?a=1|2\\3"),))
    (line,) = cef.lines(message(title="one|two\\three=four", things=(thing,)))
    assert "|one\\|two\\\\three=four|" in line
    assert "request=http://x.example/?a\\=1|2\\\\3" in line
    assert "msg=a\\=b|c\\\\d" in line
    read = read_cef(line)
    assert read.extension["request"] == "http://x.example/?a=1|2\\3"


@pytest.mark.parametrize(
    "text",
    ["", "tls://", "tls://h:0", "tls://h:99999", "tls://u@h", "tls://h/x", "tls://h?x", "http://h", "unix:x",
     "unix://h/x", "tls://[::1"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        parse(text)


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_malformed(text: str) -> None:
    for candidate in (text, f"tls://{text}"):
        try:
            parse(candidate)
        except Malformed:
            continue


@pytest.mark.parametrize("scheme", ["tls", "tcp", "udp"])
def test_a_siem_is_told_value_by_value(alone: Party, tmp_path: Path, scheme: str) -> None:
    with Siem(tmp_path, scheme).serve() as siem:
        alone(
            "neighbour", "add", "siem", "--kind", "syslog", "--url", siem.url, "--certificate", siem.certificate,
            "--ceiling", "GREEN", "--event", "collected", "--facility", "local3",
        )  # fmt: skip
        ingest(alone, tmp_path, indicator("198.51.100.2"), indicator("198.51.100.3", name="a|b=c\\d\ne"))
        ingest(alone, tmp_path, indicator("198.51.100.9"), tlp="AMBER", source="other")
        assert alone.ask("neighbour", "send", "siem")["sent"] in (1, 2)
        until(lambda: len(siem.frames) >= 3, "the messages come")
        frames = [SYSLOG.fullmatch(frame) for frame in siem.frames]
    assert b"198.51.100.9" not in b"".join(siem.frames)
    assert all(frame is not None and int(frame["pri"]) // 8 == 19 for frame in frames)
    told = [read_cef(frame["msg"].decode()) for frame in frames if frame]
    assert {one.extension.get("dst") for one in told} >= {"198.51.100.2", "198.51.100.3"}
    assert "a|b=c\\d e" in {one.extension.get("msg") for one in told}
    assert any(_custom(one.extension, "tlp") == "TLP:AMBER" and "dst" not in one.extension for one in told)


@pytest.mark.parametrize("scheme", ["tls", "tcp", "udp"])
@pytest.mark.parametrize("form", ["cef", "json", "text"])
def test_the_real_rsyslog_reads_it(alone: Party, tmp_path: Path, scheme: str, form: str) -> None:
    with rsyslog(tmp_path, scheme) as (url, certificate, out):
        alone(
            "neighbour", "add", "siem", "--kind", "syslog", "--form", form, "--url", url, "--certificate", certificate,
            "--ceiling", "GREEN", "--event", "collected",
        )  # fmt: skip
        many = [indicator(f"198.51.100.{number}") for number in range(1, 41)]
        ingest(alone, tmp_path, *many)
        assert alone.ask("neighbour", "send", "siem")["sent"] == 1
        until(lambda: out.exists() and len(out.read_text("utf-8").splitlines()) == 40, "rsyslog writes every line")
    for line in out.read_text("utf-8").splitlines():
        pri, _, host, app, proc, msgid, text = line.split("\t", 6)
        assert (int(pri) // 8, host, app, proc, msgid) == (16, "cert.arcadia.example", "comity", "-", "collected")
        if form == "cef":
            assert read_cef(text.strip()).extension["dst"].startswith("198.51.100.")
        elif form == "json":
            assert len(json.loads(text)["things"]) == 1
        else:
            assert "198[.]51[.]100[.]" in text


def test_who_never_reads_costs_bounded_time_and_is_an_outcome(tmp_path: Path) -> None:
    with Siem(tmp_path, "tls", reads=False).serve() as siem:
        way = Syslog(parse(siem.url), "cef", 16, LOOPBACK, PUBLIC, seconds=0.5)
        with pytest.raises(Unreachable):
            way.send(message())
    with Siem(tmp_path, "tcp", reads=False).serve() as siem:
        way = Syslog(parse(siem.url), "cef", 16, LOOPBACK, PUBLIC, seconds=0.5)
        thing = Thing(name="x", values=tuple(Value("url", f"http://x.example/{'y' * 900}/{n}") for n in range(400)))
        with pytest.raises(Unreachable):
            way.send(message(things=(thing,) * 50))


def test_a_certificate_that_was_not_pinned_and_an_inward_address_are_refused(tmp_path: Path) -> None:
    with Siem(tmp_path, "tls").serve() as siem:
        with pytest.raises(ComityError) as refused:
            Syslog(parse(siem.url), "cef", 16, LOOPBACK, PUBLIC).send(message())
        assert "certificate" in str(refused.value)
        with pytest.raises(ComityError) as refused:
            Syslog(parse(siem.url), "cef", 16, (), PUBLIC).send(message())
        assert "inside this machine" in str(refused.value)
    assert siem.streams == []
