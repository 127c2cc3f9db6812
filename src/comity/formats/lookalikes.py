"""Names that look like others: letters of another script that pass for Latin ones, shown so that nobody takes them.

Rules: only what is shown is changed, never what is kept, compared or handed on. A word of one script is left alone, so
a name wholly in Cyrillic that looks Latin stays: who says something is told by a party's name, which has ASCII only.
"""

from __future__ import annotations

import re
from typing import Final

# Letters that common typefaces draw as a Latin one: from Unicode TR 39, those of scripts met in names. Greek letters of
# units (µ, Ω, β) are not among them.
_CYRILLIC: Final = "АВЕЅЗІЈКМНОРСТУХаеѕіјорсухһԁԛԝүӏ"
_GREEK: Final = "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧονρ"
_OTHERS: Final = "օոսհցԼՏՍ"  # Armenian
_ALIKE: Final = re.escape(_CYRILLIC + _GREEK + _OTHERS)
_LATIN: Final = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f"
_SIDE_BY_SIDE: Final = re.compile(f"[{_LATIN}][{_ALIKE}]|[{_ALIKE}][{_LATIN}]")
_WORD: Final = re.compile(r"[^\W\d_]+")
_IS_LATIN: Final = re.compile(f"[{_LATIN}]")
_IS_ALIKE: Final = re.compile(f"[{_ALIKE}]")


def told(text: str) -> str:
    r"""Return a text in which letters that pass for Latin ones, and stand among such, are written out as `\u0430`."""
    if text.isascii() or not _SIDE_BY_SIDE.search(text):
        return text
    return _WORD.sub(_written, text)


def _written(found: re.Match[str]) -> str:
    word = found[0]
    if not _IS_LATIN.search(word):
        return word
    return _IS_ALIKE.sub(lambda letter: f"\\u{ord(letter[0]):04x}", word)
