"""Confidence: STIX's number from 0 to 100, the scales in use, the Admiralty code, and several witnesses as one.

Rules: a number goes to a scale's word by the ranges of STIX 2.1 appendix A, and a word to its middle value there;
so a word survives the way there and back, and a number need not. What a scale cannot say is None, never
a guess. Reliability of a source and credibility of what it says are two things and are not made one.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, StrEnum
from typing import Final, NamedTuple

from comity.errors import Misuse

CONFIDENCE_MAX: Final = 100


class Step(NamedTuple):
    """A word of a scale: the number it stands for, and the numbers that are called so."""

    word: str
    value: int
    least: int
    most: int


class Scale(Enum):
    """The scales of STIX 2.1 appendix A, each from the least confidence to the most."""

    WORDS = "none/low/med/high"
    TEN = "0-10"
    ADMIRALTY = "admiralty"
    WEP = "wep"
    DNI = "dni"

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return the words of the scale in ascending order."""
        return _STEPS[self]


_STEPS: Final[dict[Scale, tuple[Step, ...]]] = {  # STIX 2.1 appendix A
    Scale.WORDS: (Step("None", 0, 0, 0), Step("Low", 15, 1, 29), Step("Med", 50, 30, 69), Step("High", 85, 70, 100)),
    Scale.TEN: tuple(Step(str(n), 10 * n, max(0, 10 * n - 5), min(100, 10 * n + 4)) for n in range(11)),
    Scale.ADMIRALTY: (  # 6, truth cannot be judged, has no number
        Step("5 - Improbable", 10, 0, 19),
        Step("4 - Doubtful", 30, 20, 39),
        Step("3 - Possibly True", 50, 40, 59),
        Step("2 - Probably True", 70, 60, 79),
        Step("1 - Confirmed by other sources", 90, 80, 100),
    ),
    Scale.WEP: (
        Step("Impossible", 0, 0, 0),
        Step("Highly Unlikely/Almost Certainly Not", 10, 1, 19),
        Step("Unlikely/Probably Not", 30, 20, 39),
        Step("Even Chance", 50, 40, 59),
        Step("Likely/Probable", 70, 60, 79),
        Step("Highly likely/Almost Certain", 90, 80, 99),
        Step("Certain", 100, 100, 100),
    ),
    Scale.DNI: (
        Step("Almost No Chance / Remote", 5, 0, 9),
        Step("Very Unlikely / Highly Improbable", 15, 10, 19),
        Step("Unlikely / Improbable", 30, 20, 39),
        Step("Roughly Even Chance / Roughly Even Odds", 50, 40, 59),
        Step("Likely / Probable", 70, 60, 79),
        Step("Very Likely / Highly Probable", 85, 80, 89),
        Step("Almost Certain / Nearly Certain", 95, 90, 100),
    ),
}


def word(value: int, scale: Scale) -> str:
    """Return what a scale calls a confidence of 0 to 100. Raises `Misuse` outside of that."""
    for step in scale.steps:
        if step.least <= value <= step.most:
            return step.word
    raise Misuse(f"confidence is 0 to {CONFIDENCE_MAX}, not {value}")


def value(text: str, scale: Scale) -> int | None:
    """Return the confidence that a word of a scale stands for, in any case; None for what the scale cannot number.

    Of an Admiralty step its digit suffices, of a step with two names either. Raises `Misuse` for no word of the scale.
    """
    folded = _fold(text)
    if scale is Scale.ADMIRALTY and folded[:1] == Credibility.CANNOT_BE_JUDGED.value:
        credibility(text)
        return None
    for step in scale.steps:
        names = {_fold(step.word), *map(_fold, step.word.split("/"))}
        if scale is Scale.ADMIRALTY:
            names |= {step.word[0], _fold(step.word[4:])}
        if folded in names:
            return step.value
    words = ", ".join(step.word for step in scale.steps)
    raise Misuse(f"{text[:80]!r} is no word of the scale {scale.value}", hint=f"its words are {words}")


class Reliability(StrEnum):
    """How reliable a source is: the letter of the Admiralty code (NATO AJP-2.1)."""

    COMPLETELY = "A"
    USUALLY = "B"
    FAIRLY = "C"
    NOT_USUALLY = "D"
    UNRELIABLE = "E"
    CANNOT_BE_JUDGED = "F"

    @property
    def words(self) -> str:
        """Return the letter in words."""
        return _RELIABILITY[self]


class Credibility(StrEnum):
    """How credible a piece of information is: the digit of the Admiralty code (NATO AJP-2.1)."""

    CONFIRMED = "1"
    PROBABLY_TRUE = "2"
    POSSIBLY_TRUE = "3"
    DOUBTFUL = "4"
    IMPROBABLE = "5"
    CANNOT_BE_JUDGED = "6"

    @property
    def words(self) -> str:
        """Return the digit in words."""
        return _CREDIBILITY[self]

    @property
    def confidence(self) -> int | None:
        """Return the confidence it stands for (STIX 2.1 appendix A); None where truth cannot be judged."""
        return value(self.value, Scale.ADMIRALTY)


_RELIABILITY: Final = {
    Reliability.COMPLETELY: "completely reliable",
    Reliability.USUALLY: "usually reliable",
    Reliability.FAIRLY: "fairly reliable",
    Reliability.NOT_USUALLY: "not usually reliable",
    Reliability.UNRELIABLE: "unreliable",
    Reliability.CANNOT_BE_JUDGED: "reliability cannot be judged",
}
_CREDIBILITY: Final = {
    Credibility.CONFIRMED: "confirmed by other sources",
    Credibility.PROBABLY_TRUE: "probably true",
    Credibility.POSSIBLY_TRUE: "possibly true",
    Credibility.DOUBTFUL: "doubtful",
    Credibility.IMPROBABLE: "improbable",
    Credibility.CANNOT_BE_JUDGED: "truth cannot be judged",
}


class Grading(NamedTuple):
    """An Admiralty code, e.g. B2: a source's reliability and what it said's credibility."""

    reliability: Reliability
    credibility: Credibility

    @property
    def code(self) -> str:
        """Return the code as it is written, e.g. `B2`."""
        return f"{self.reliability}{self.credibility}"

    @property
    def words(self) -> str:
        """Return the code in words."""
        return f"{self.reliability.words}, {self.credibility.words}"


def reliability(text: str) -> Reliability:
    """Return a source's reliability, by its letter or in words. Raises `Misuse`."""
    folded = _fold(text)
    for each, words in _RELIABILITY.items():
        if folded in {each.value.lower(), words}:
            return each
    raise Misuse(f"{text[:80]!r} is no reliability of a source", hint="A, completely reliable, to F, cannot be judged")


def credibility(text: str) -> Credibility:
    """Return the credibility of a piece of information, by its digit, in words, or both. Raises `Misuse`."""
    folded = _fold(text)
    for each, words in _CREDIBILITY.items():
        if folded in {each.value, words, f"{each.value} - {words}"}:
            return each
    raise Misuse(f"{text[:80]!r} is no credibility of information", hint="1, confirmed, to 6, cannot be judged")


def grading(code: str) -> Grading:
    """Return an Admiralty code such as `B2`. Raises `Misuse`."""
    text = code.strip()
    if len(text) != 2:
        raise Misuse(f"{code[:80]!r} is no Admiralty code", hint="a letter A to F and a digit 1 to 6, for example B2")
    return Grading(reliability(text[0]), credibility(text[1]))


def combined(confidences: Iterable[int | None]) -> int | None:
    """Return one confidence for what several witnesses say, one number each; None where none of them gives one.

    The highest stands, and each other witness of confidence c closes c/200 of what is missing to certainty: half of it
    at the most, because witnesses often have it from the same source. So the order does not matter, a
    further witness never lowers the result, and more confidence of any never does. Raises `Misuse` outside of 0 to 100.
    """
    given = sorted((each for each in confidences if each is not None), reverse=True)
    if not given:
        return None
    if given[0] > CONFIDENCE_MAX or given[-1] < 0:
        raise Misuse(f"confidence is 0 to {CONFIDENCE_MAX}, not {given[0] if given[0] > CONFIDENCE_MAX else given[-1]}")
    missing = float(CONFIDENCE_MAX - given[0])
    for each in given[1:]:
        missing *= 1 - each / (2 * CONFIDENCE_MAX)
    return CONFIDENCE_MAX - round(missing)


def _fold(text: str) -> str:
    return " ".join(text.lower().split())
