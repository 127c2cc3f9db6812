"""Confidence in numbers and words, beside OASIS's own library; several witnesses as one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stix2.confidence import scales

from comity.errors import Misuse
from comity.formats import confidence
from comity.formats.confidence import Credibility, Reliability, Scale, combined, grading, value, word

NUMBERS = st.integers(0, 100)
ORACLES = {
    Scale.WORDS: (scales.none_low_med_high_to_value, scales.value_to_none_low_medium_high),
    Scale.TEN: (scales.zero_ten_to_value, scales.value_to_zero_ten),
    Scale.ADMIRALTY: (scales.admiralty_credibility_to_value, scales.value_to_admiralty_credibility),
    Scale.WEP: (scales.wep_to_value, scales.value_to_wep),
    Scale.DNI: (scales.dni_to_value, scales.value_to_dni),
}


@pytest.mark.parametrize("scale", Scale)
def test_numbers_and_words_are_those_of_the_specification(scale: Scale) -> None:
    to_value, to_word = ORACLES[scale]
    for number in range(101):
        assert word(number, scale) == to_word(number)
        assert to_value(word(number, scale)) == value(word(number, scale), scale)


@pytest.mark.parametrize("scale", Scale)
def test_a_scale_has_one_word_for_every_number_and_a_word_survives(scale: Scale) -> None:
    called = [step.word for step in scale.steps for _ in range(step.least, step.most + 1)]
    assert called == [word(number, scale) for number in range(101)]
    for step in scale.steps:
        assert step.least <= step.value <= step.most
        assert word(step.value, scale) == step.word


@pytest.mark.parametrize(
    ("text", "scale", "number"),
    [
        ("high", Scale.WORDS, 85),
        (" MED ", Scale.WORDS, 50),
        ("10", Scale.TEN, 100),
        ("2", Scale.ADMIRALTY, 70),
        ("probably true", Scale.ADMIRALTY, 70),
        ("6 - Truth cannot be judged", Scale.ADMIRALTY, None),
        ("6", Scale.ADMIRALTY, None),
        ("probable", Scale.WEP, 70),
        ("remote", Scale.DNI, 5),
    ],
)
def test_words_are_read_in_any_case(text: str, scale: Scale, number: int | None) -> None:
    assert value(text, scale) == number


@pytest.mark.parametrize("text", ["", "11", "sure", "6 - Confirmed", "A1", "-1"])
@pytest.mark.parametrize("scale", Scale)
def test_no_word_of_a_scale_is_refused(text: str, scale: Scale) -> None:
    with pytest.raises(Misuse):
        value(text, scale)


@pytest.mark.parametrize("number", [-1, 101])
def test_no_confidence_is_refused(number: int) -> None:
    with pytest.raises(Misuse):
        word(number, Scale.WORDS)
    with pytest.raises(Misuse):
        combined([50, number])


def test_an_admiralty_code_is_two_things() -> None:
    assert grading(" b2 ") == (Reliability.USUALLY, Credibility.PROBABLY_TRUE)
    assert grading("B2").words == "usually reliable, probably true" and grading("b2").code == "B2"
    assert confidence.reliability("Completely reliable") is Reliability.COMPLETELY
    assert [each.confidence for each in Credibility] == [90, 70, 50, 30, 10, None]
    assert len({each.words for each in (*Reliability, *Credibility)}) == 12


@pytest.mark.parametrize("code", ["", "G1", "A7", "A", "1A", "A11", "A0"])
def test_no_admiralty_code_is_refused(code: str) -> None:
    with pytest.raises(Misuse):
        grading(code)


WITNESSES = st.lists(NUMBERS | st.none(), max_size=8)


@given(WITNESSES, st.randoms())
def test_witnesses_count_in_any_order(given_: list[int | None], chance: st.DataObject) -> None:
    mixed = given_[:]
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    assert combined(mixed) == combined(given_)


@given(WITNESSES, NUMBERS)
def test_a_further_witness_never_lowers(given_: list[int | None], further: int) -> None:
    both = combined([*given_, further])
    assert both is not None and both >= max(further, combined(given_) or 0)
    assert combined([*given_, None]) == combined(given_)


@given(st.lists(NUMBERS, min_size=1, max_size=8), st.integers(0, 7), NUMBERS)
def test_more_confidence_of_any_witness_never_lowers(given_: list[int], place: int, more: int) -> None:
    raised = given_[:]
    place %= len(given_)
    raised[place] = max(raised[place], more)
    assert (combined(raised) or 0) >= (combined(given_) or 0)


@given(st.lists(NUMBERS, min_size=1, max_size=8))
def test_what_is_combined_is_a_confidence(given_: list[int]) -> None:
    found = combined(given_)
    assert found is not None and max(given_) <= found <= 100
    assert found < 100 or max(given_) > 95 or len(given_) > 3


def test_the_rule_for_witnesses_is_the_documented_one() -> None:
    assert combined([]) is None and combined([None]) is None
    assert combined([60]) == 60
    assert combined([60, 60]) == 72  # 60 / 200 of the missing 40
    assert combined([60, 0]) == 60
