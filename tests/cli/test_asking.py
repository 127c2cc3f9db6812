"""Requests for information as people make them: through the command line, served and not."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from comity.errors import Misuse, NotFound, Refused
from tests.cli.conftest import Party, accord, acquaint, comity, found, until

ACCORD = "three-shores"


@pytest.fixture
def two(tmp_path: Path) -> Iterator[list[Party]]:
    """Return two parties that know one another and have signed an accord."""
    parties = [found(tmp_path, short) for short in ("arcadia", "borealia")]
    acquaint(parties, tmp_path)
    accord(parties, tmp_path)
    yield parties
    for party in parties:
        party.end()


def ask(party: Party, *arguments: str) -> str:
    asked: dict[str, Any] = party.ask(
        "ask", *arguments, "--accord", ACCORD, "--tlp", "AMBER", "--why", "incident", "--as", "csirt"
    )
    statement: str = asked["question"]["statement"]
    return statement


def listed(party: Party, *arguments: str) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = party.ask("questions", "--as", "csirt", *arguments)["questions"]
    return shown


def test_a_question_is_asked_answered_corrected_and_shown_as_one_picture(three: list[Party]) -> None:
    arcadia, borealia, cascadia = three
    for party in three:
        party.serve()
    values = ["192[.]0[.]2[.]7", "hxxp://evil[.]example/a", "2001:db8::1"]
    question = ask(arcadia, *values, "--deadline", "4h", "--note", "an incident", "--want", "context", "--want", "seen")
    (mine,) = listed(arcadia, "--mine", "--open")
    assert mine["about"] == [["ipv4", "192.0.2.7"], ["url", "http://evil.example/a"], ["ipv6", "2001:db8::1"]]
    assert (mine["asker"], mine["awaited"]) == ("cert.arcadia.example/csirt", [borealia.name, cascadia.name])
    assert 3.9 * 3_600 < mine["deadline"] - mine["at"] <= 4 * 3_600
    assert arcadia("answers", question, "--as", "csirt", code=1).out.startswith(question)

    for party in (borealia, cascadia):
        until(lambda p=party: asked(p), f"{party.name} is asked")
    borealia("answer", question, "--as", "csirt", "--seen", "192.0.2.7:9", "--to-all")
    done = borealia.ask(
        "answer", question, "--as", "csirt", "--seen", "192.0.2.7:3", "--seen", "2001:db8::1", "--not-seen", "*",
        "--first", "2026-03-04T05:06", "--last", "2026-03-05", "--confidence", "80", "--to-all", "--user", "ada",
    )  # fmt: skip
    assert (done["to"], done["late"], done["by"]) == ([], False, "ada for cert.borealia.example/csirt")
    told = cascadia("answer", question, "--as", "csirt", "--decline")
    assert "TLP:AMBER PAP:RED to cert.arcadia.example/csirt" in told.out

    until(lambda: len(_picture(arcadia, question)["thread"]) == 3, "Arcadia has all answers")
    picture = _picture(arcadia, question)
    address, url, six = picture["values"]
    assert (address["count"], address["seen"]) == (3, ["cert.borealia.example/csirt"])
    day = 86_400
    assert address["first"] % day == address["last"] % day == 0
    assert (url["not_seen"], six["count"]) == (["cert.borealia.example/csirt"], 1)
    assert (picture["declined"], picture["awaited"]) == (["cert.cascadia.example/csirt"], [])
    assert sorted(entry["status"] for entry in picture["thread"]) == ["counts", "counts", "replaced"]
    text = arcadia("answers", question, "--as", "csirt").out
    assert "seen 3 times, 2026-03-04" in text
    assert "declined: cert.cascadia.example/csirt" in text
    assert "REPLACED" in text

    until(lambda: offices(cascadia, question).count("cert.borealia.example/csirt") == 2, "Cascadia has both")
    assert "cert.cascadia.example/csirt" not in _picture(borealia, question)["answered"]
    assert listed(cascadia)[0]["by_us"] == "declined"

    (answer,) = [entry["statement"] for entry in picture["thread"] if entry["status"] == "counts" and entry["lines"]]
    back = arcadia.ask("answer", question, "--as", "csirt", "--reply", answer, "--note", "which sensor?")
    assert back["to"] == ["cert.borealia.example/csirt"]
    borealia("retract", answer, "--reason", "a typing error", "--as", "csirt")
    until(lambda: _picture(arcadia, question)["values"][0]["count"] == 9, "the answer before it counts again")
    assert "RETRACTED" in arcadia("answers", question, "--as", "csirt").out
    for party in three:
        assert party.stop() == 0


def asked(party: Party) -> list[dict[str, Any]]:
    """Return the questions a party has, of which there may be none yet."""
    ran = comity("--home", party.home, "questions", "--as", "csirt", "--json")
    assert ran.code == (0 if ran.json["questions"] else 1), ran.err
    shown: list[dict[str, Any]] = ran.json["questions"]
    return shown


def _picture(party: Party, question: str) -> dict[str, Any]:
    ran = comity("--home", party.home, "answers", question, "--as", "csirt", "--json")
    assert ran.code in {0, 1}, ran.err
    shown: dict[str, Any] = ran.json
    return shown


def offices(party: Party, question: str) -> list[str]:
    return [entry["office"] for entry in _picture(party, question)["thread"]]


def test_a_draft_is_shown_as_a_command_that_a_person_runs(two: list[Party]) -> None:
    arcadia, borealia = two
    borealia("sighting", "192.0.2.7", "--count", "3", "--seen", "2026-03-04T05:06", "--tlp", "AMBER", "--as", "csirt")
    question = ask(arcadia, "192.0.2.7", "mutex=Global\\x 7", "evil.example")
    arcadia.serve()
    borealia("sync")
    draft = borealia.ask("answer", question, "--suggest", "--as", "csirt")
    assert [(line["said"], line["value"], line["count"]) for line in draft["lines"]] == [("seen", "192.0.2.7", 3)]
    assert len(draft["basis"]) == 1 and len(draft["remarks"]) == 2
    text = borealia("answer", question, "--suggest", "--as", "csirt").out
    assert "Nothing was sent." in text
    assert not _picture(borealia, question)["thread"]
    typed = shlex.split(text.splitlines()[-1])
    assert typed[:3] == ["comity", "answer", question]
    borealia(*typed[1:], "--as", "csirt")
    assert _picture(borealia, question)["values"][0]["count"] == 3
    borealia("answer", question, "--suggest", "--decline", "--as", "csirt", code=Misuse.exit_code)


def test_what_cannot_be_asked_or_answered_says_why_and_states_nothing(two: list[Party]) -> None:
    arcadia, borealia = two
    base = ("--accord", ACCORD, "--tlp", "AMBER", "--why", "hunt", "--as", "csirt")
    for arguments, code, because in (
        (("ask", "Jane Doe", *base), Misuse.exit_code, "KIND=VALUE"),
        (("ask", "text=Jane Doe", *base), Misuse.exit_code, "KIND=VALUE"),
        (("ask", "user-account--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f", *base), Misuse.exit_code, "KIND=VALUE"),
        (("ask", *base), Misuse.exit_code, "asks nothing"),
        (("ask", "--text", "logins?", *base), Refused.exit_code, "names conduct"),
        (("ask", "--text", "x", "--conduct", "opinion", *base), Misuse.exit_code, "closed list"),
        (("ask", "192.0.2.7", "--deadline", "2020-01-01", *base), Misuse.exit_code, "lies ahead"),
        (("ask", "192.0.2.7", "--deadline", "soon", *base), Misuse.exit_code, "not a time"),
        (("ask", "192.0.2.7", "--to", "cert.stranger.example/csirt", *base), Refused.exit_code, "no office"),
        (("ask", "192.0.2.7", "--accord", "none", *base[2:]), NotFound.exit_code, "none"),
        (("ask", "192.0.2.7", "--accord", ACCORD, "--why", "hunt", "--as", "csirt"), Misuse.exit_code, "--tlp"),
        (("answers", "cert.arcadia.example/accord/three-shores/1#99", "--as", "csirt"), NotFound.exit_code, "#99"),
        (("answers", "nonsense", "--as", "csirt"), Misuse.exit_code, "not a statement"),
        (("answer", "cert.arcadia.example/accord/three-shores/1#0", "--decline", "--as", "csirt"), 66, "no question"),
    ):
        ran = arcadia(*arguments, code=code)
        assert because in ran.err, (arguments, ran.err)
    assert arcadia("questions", "--as", "csirt", code=1).out == "No question.\n"

    question = ask(arcadia, "192.0.2.7")
    arcadia.serve()
    borealia("sync")
    answer = ("answer", question, "--as", "csirt")
    wrong: tuple[tuple[tuple[str, ...], int, str], ...] = (
        ((), Misuse.exit_code, "says nothing"),
        (("--seen", "198.51.100.1"), Misuse.exit_code, "not what was asked"),
        (("--seen", "192.0.2.7:0"), Misuse.exit_code, "at least once"),
        (("--seen", "192.0.2.7", "--not-seen", "192.0.2.7"), Misuse.exit_code, "contradicts itself"),
        (("--decline", "--note", "not allowed"), Misuse.exit_code, "nothing more"),
        (("--not-seen", "*", "--first", "2026-03-04"), Misuse.exit_code, "only what was seen"),
        (("--seen", "*", "--tlp", "GREEN"), Refused.exit_code, "further than"),
        (("--seen", "*", "--to", "cert.borealia.example/csirt"), Refused.exit_code, "could not have it"),
        (("--seen", "*", "--to-all", "--to", "cert.arcadia.example/csirt"), Misuse.exit_code, "--to-all"),
        (("--forward", "cert.borealia.example/police/jane"), Misuse.exit_code, "no office"),
        (("--note", "x", "--reply", question), NotFound.exit_code, "no answer"),
    )
    for given, code, because in wrong:
        ran = borealia(*answer, *given, code=code)
        assert because in ran.err, (given, ran.err)
    assert not _picture(borealia, question)["thread"]
    for hostile in ("a\x1b[2Jb", "\u202egpj.exe"):
        borealia(*answer, "--not-seen", "*", "--note", hostile)
        text = borealia("answers", question, "--as", "csirt").out
        assert all(char.isprintable() or char == "\n" for char in text)


def test_a_served_node_answers_as_the_command_line_alone(two: list[Party]) -> None:
    arcadia, _ = two
    question = ask(arcadia, "--text", "logins from hosting ranges?", "--conduct", "credential-theft")
    questions = (["questions", "--as", "csirt"], ["questions", "--mine", "--as", "csirt"])
    before = [arcadia.ask(*each) for each in questions]
    picture = _picture(arcadia, question)
    arcadia.serve()
    assert [arcadia.ask(*each) for each in questions] == before
    assert _picture(arcadia, question) == picture
    assert picture["values"][0]["kind"] == ""
