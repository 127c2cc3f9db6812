"""Words of a text in any script, as an index keeps them and a question asks for them.

Rules: case, width and accents do not count. Scripts that are written without spaces (Chinese, Japanese, Thai …) are
cut into pairs of characters, which find every piece of two or more without a dictionary. A word has only letters,
digits and marks, so that an index needs no rules of its own; text and question go the same way through here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

VERSION: Final = f"1-{unicodedata.unidata_version}"  # of what is a word: an index of another is made anew
WORD_CHARS_MAX: Final = 64  # characters of a word; what is longer is cut: nobody types it, and a blob is no word
WORDS_MAX: Final = 4_096  # different words of one text: a long report; the rest does not find it

# Accents (Latin, Greek, Cyrillic), the vowel points of Hebrew and Arabic, the tatweel, joiners and selectors.
_UNHEARD: Final = re.compile(
    "[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff\u00ad]"
)
_BETWEEN: Final = re.compile(
    "[\\s\x00-/:-@\\[-`{-\xa9\xab-\xb4\xb6-\xb9\xbb-\xbf\xd7\xf7\u2000-\u206f\u2190-\u2bff"
    "\u3000-\u3004\u3008-\u3020\u3030"
    "\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
    "\u060c\u061b\u061f\u066a-\u066d\u06d4\u0964\u0965\u05be\u05f3\u05f4]+"
)
_UNSPACED: Final = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3021-\u302f\u3031-\u30ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]+)"
)


def words(text: str) -> list[str]:
    """Return the different words of a text, in the order they first stand, at most WORDS_MAX."""
    found: dict[str, None] = {}
    for word in _words(text):
        found[word] = None
        if len(found) == WORDS_MAX:
            break
    return list(found)


def asked(text: str) -> list[str]:
    """Return the words that a question asks for, all of them; one that ends in * is the beginning of a word."""
    found: dict[str, None] = {}
    for part in text.split():
        pieces = list(_pieces(part))
        begins = part.endswith("*")
        for at, (piece, unspaced) in enumerate(pieces):
            last = at == len(pieces) - 1
            if unspaced and len(piece) == 1:
                found[f"{piece}*"] = None  # of every pair that begins with it, and of itself at an end
            elif unspaced:
                found.update(dict.fromkeys(piece[n : n + 2] for n in range(len(piece) - 1)))
            else:
                found[f"{piece[:WORD_CHARS_MAX]}*" if begins and last else piece[:WORD_CHARS_MAX]] = None
    return list(found)


def _words(text: str) -> Iterator[str]:
    for piece, unspaced in _pieces(text):
        if not unspaced:
            yield piece[:WORD_CHARS_MAX]
            continue
        for at in range(len(piece) - 1):
            yield piece[at : at + 2]
        yield piece[-1]


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the runs between separators, each with whether its script is written without spaces."""
    if text.isascii():
        for run in _BETWEEN.split(text.lower()):
            if run:
                yield run, False
        return
    heard = _UNHEARD.sub("", unicodedata.normalize("NFKD", text.casefold()))
    for run in _BETWEEN.split(unicodedata.normalize("NFC", heard).casefold()):
        for piece in _UNSPACED.split(run):
            if piece:
                yield piece, _UNSPACED.fullmatch(piece) is not None
