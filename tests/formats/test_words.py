"""Words of any script: what is asked for is found in what it was taken from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.formats.words import WORD_CHARS_MAX, WORDS_MAX, asked, words


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("Caf\u00e9 R\u00e9sum\u00e9", "cafe RESUME"),
        ("Cafe\u0301", "caf\u00e9"),
        ("\uff21\uff30\uff34\uff12\uff18", "apt28"),  # full width
        ("Operation evil.example[.]com, CVE-2024-1234", "evil cve-2024-1234"),
        ("\u7f51\u7edc\u5b89\u5168\u5a01\u80c1\u60c5\u62a5", "\u5b89\u5168"),
        ("\u7f51\u7edc\u5b89\u5168\u5a01\u80c1\u60c5\u62a5", "\u5b89\u5168\u5a01\u80c1"),
        ("\u7f51\u7edc\u5b89\u5168", "\u5168"),
        ("\u7f51\u7edc\u5b89\u5168", "\u7edc"),
        ("\u30e9\u30b6\u30eb\u30b9 APT38", "\u30b6\u30eb apt*"),
        ("\u0627\u0644\u0647\u064f\u062c\u0648\u0645", "\u0627\u0644\u0647\u062c\u0648\u0645"),  # vowel points
        ("\u0424\u0438\u0448\u0438\u043d\u0433\u043e\u0432\u0430\u044f", "\u0444\u0418\u0448\u0438\u043d\u0433*"),
        ("Stra\u00dfe", "STRASSE"),
    ],
)
def test_a_text_is_found_by_what_people_type(text: str, question: str) -> None:
    assert fits(words(text), asked(question))


@pytest.mark.parametrize(
    ("text", "question"), [("phishing", "phish"), ("abc", "b*"), ("\u7f51\u7edc\u5b89\u5168", "\u7f51\u5b89")]
)
def test_what_does_not_stand_there_is_not_found(text: str, question: str) -> None:
    assert not fits(words(text), asked(question))


def fits(held: list[str], wanted: list[str]) -> bool:
    """Match as an index does: every word, and beginnings for those that end in a star."""
    return bool(wanted) and all(
        any(word.startswith(each[:-1]) for word in held) if each.endswith("*") else each in held for each in wanted
    )


def test_nothing_but_separators_asks_for_nothing() -> None:
    assert asked(" \t*** [.] \u3002") == []
    assert words("") == []


def test_words_are_bounded() -> None:
    assert words("x" * 5_000) == ["x" * WORD_CHARS_MAX]
    assert len(words(" ".join(map(str, range(10_000))))) == WORDS_MAX


@given(st.text(max_size=200))
def test_any_text_gives_words_without_separators(text: str) -> None:
    for word in words(text):
        assert word
        assert words(word)[0] == word, "a word is its own word"
        assert not set(word) & set(" \t\n\"'*.,:;()[]{}<>/|")


@given(st.text(min_size=1, max_size=60))
def test_every_piece_of_a_text_finds_it(text: str) -> None:
    held = words(text)
    for part in text.split():
        question = asked(part.rstrip("*"))
        assert not question or fits(held, question)
