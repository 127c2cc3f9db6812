"""The TLP label that a message bears, as FIRST writes it: in its subject, in a field, in its text.

Rules: the strictest label that stands anywhere is the message's, for what its writer may have meant by the others. What
is quoted counts: an answer below the report it quotes is no laxer than the report. Labels of TLP 1.0 are read as
2.0 has them (WHITE is CLEAR), in writing other than FIRST's too: people write `TLP AMBER` and `tlp-amber`.
"""

from __future__ import annotations

import re
from typing import Final

from comity.formats.mail.message import Message
from comity.vocab import Pap, Tlp

_TLP: Final = re.compile(
    r"(?i)(?<![a-z0-9])TLP\s{0,2}[:_ -]\s{0,2}(RED|AMBER\s?\+\s?STRICT|AMBER|GREEN|CLEAR|WHITE)(?![a-z0-9])"
)
_PAP: Final = re.compile(r"(?i)(?<![a-z0-9])PAP\s{0,2}[:_ -]\s{0,2}(RED|AMBER|GREEN|CLEAR|WHITE)(?![a-z0-9])")
_FIELDS: Final = frozenset({"tlp", "x-tlp", "x-classification", "x-tlp-label", "keywords", "subject"})


def tlp(message: Message) -> Tlp | None:
    """Return the strictest TLP label of a message; None where it bears none."""
    found = [_tlp(one) for text in _texts(message) for one in _TLP.findall(text)]
    return max(found, key=lambda label: label.rank, default=None)


def pap(message: Message) -> Pap | None:
    """Return the strictest PAP label of a message; None where it bears none."""
    found = [Pap(one.upper().replace("WHITE", "CLEAR")) for text in _texts(message) for one in _PAP.findall(text)]
    return max(found, key=lambda label: label.rank, default=None)


def _texts(message: Message) -> list[str]:
    fields = [f"TLP:{value}" if name != "subject" else value for name, value in message.fields if name in _FIELDS]
    return [message.subject, *fields, message.text, *(part.name for part in message.files)]


def _tlp(word: str) -> Tlp:
    return Tlp("".join(word.upper().split()).replace("WHITE", "CLEAR"))
