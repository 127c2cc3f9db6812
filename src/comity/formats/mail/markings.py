"""The TLP label that a message bears, as FIRST writes it: in its subject, in a field, in its text.

Rules: the strictest label that stands anywhere is the message's, for what its writer may have meant by the others. What
is quoted or forwarded counts, and every text that values are read from: an answer below the report it quotes is no
laxer than the report. Labels of TLP 1.0 are read as 2.0 has them (WHITE is CLEAR), in writing other than FIRST's too:
people write `TLP AMBER`, `tlp-amber` and `AMBER-STRICT`.
"""

from __future__ import annotations

import re
from typing import Final

from comity.formats.mail import headers
from comity.formats.mail.message import Message
from comity.vocab import Pap, Tlp

_SEPARATED: Final = r"(?:\s{0,2}[:\uff1a_-]\s{0,2}|\s{1,3})"  # East Asian keyboards write a wide colon
_TLP: Final = re.compile(
    rf"(?i)(?<![a-z0-9])TLP{_SEPARATED}(RED|AMBER\s?[+\uff0b_ -]\s?STRICT|AMBER|GREEN|CLEAR|WHITE)(?![a-z0-9])"
)
_PAP: Final = re.compile(rf"(?i)(?<![a-z0-9])PAP{_SEPARATED}(RED|AMBER|GREEN|CLEAR|WHITE)(?![a-z0-9])")
_ANY: Final = re.compile(
    r"(?i)(?<![a-z0-9])TLP\s{0,2}[:\uff1a]\s{0,2}[a-z]{2,20}(?:\s?[+\uff0b_-]\s?STRICT)?(?![a-z0-9])"
)
_LABELS: Final = frozenset({"tlp", "x-tlp", "x-tlp-label"})  # fields that say nothing else
_FIELDS: Final = _LABELS | {"x-classification", "keywords", "subject"}


def tlp(message: Message) -> Tlp | None:
    """Return the strictest TLP label of a message; None where it bears none.

    A label in a field that FIRST does not know, such as `TLP:PURPLE`, is RED: its writer meant to hold something back.
    """
    found = [_tlp(one) for text in _texts(message) for one in _TLP.findall(text)]
    if any(not _TLP.match(one[0]) for text in _of_fields(message) for one in _ANY.finditer(text)):
        found.append(Tlp.RED)
    return max(found, key=lambda label: label.rank, default=None)


def pap(message: Message) -> Pap | None:
    """Return the strictest PAP label of a message; None where it bears none."""
    found = [Pap(one.upper().replace("WHITE", "CLEAR")) for text in _texts(message) for one in _PAP.findall(text)]
    return max(found, key=lambda label: label.rank, default=None)


def _texts(message: Message) -> list[str]:
    """Return all that may bear the label: what values are read from, and the fields of what was forwarded."""
    texts = (text for _, text in message.texts)
    return [*_of_fields(message), *texts, *(part.name for part in message.files)]


def _of_fields(message: Message) -> list[str]:
    return [
        _field(name, value) for some in (message.fields, *message.forwarded) for name, value in some if name in _FIELDS
    ]


def _field(name: str, value: str) -> str:
    if name == "subject":
        return headers.words(value)
    labelled = f"TLP:{value.strip()}"
    return labelled if not _ANY.search(value) and (name in _LABELS or _TLP.match(labelled)) else value


def _tlp(word: str) -> Tlp:
    label = word.upper()
    return Tlp.AMBER_STRICT if label.endswith("STRICT") else Tlp(label.replace("WHITE", "CLEAR"))
