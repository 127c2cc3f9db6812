"""Which conversation a message belongs to: the number in its subject, then what it answers.

Rules: the tag is the party's own, `[PREFIX #year-number]`, and stays in the subject whoever answers, as ticket systems
of the field have it. A number proves nothing about its sender: whoever asks checks that the sender takes part.
"""

from __future__ import annotations

import re
from typing import Final

from comity.errors import Misuse
from comity.vocab import Tlp

_PREFIX: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,30}[A-Za-z0-9]\Z")
_TAG: Final = re.compile(r"\[([A-Za-z][A-Za-z0-9-]{1,31}) #(\d{4}-\d{1,9})\]")
_REPLY: Final = re.compile(
    r"(?i)^(?:\s*(?:re|aw|sv|antw|rv|fw|fwd|wg|tr|回复|答复|转发|رد|отв)\s*(?:\[\d+\])?\s*[:\uff1a])+\s*"
)
_LABEL: Final = re.compile(r"(?i)\[?\bTLP\s*:\s*(?:RED|AMBER(?:\+STRICT)?|GREEN|CLEAR|WHITE)\b\]?")


def tag(prefix: str, number: str) -> str:
    """Return the tag of a conversation. Raises `Misuse` for a prefix that could be read as something else."""
    if not _PREFIX.match(prefix):
        raise Misuse(f"{prefix!r} is no prefix of ticket numbers", hint="letters, digits and hyphens, 2 to 32 of them")
    return f"[{prefix} #{number}]"


def number(prefix: str, subject: str) -> str:
    """Return the number that a subject bears under this prefix, the first; or nothing."""
    return next((found[2] for found in _TAG.finditer(subject) if found[1].lower() == prefix.lower()), "")


def topic(subject: str) -> str:
    """Return a subject without answers' prefixes, tags and labels: what it is about."""
    bare = " ".join(_LABEL.sub(" ", _TAG.sub(" ", subject)).split())
    return _REPLY.sub("", bare).strip()


def subject(about: str, tlp: Tlp, tagged: str) -> str:
    """Return a subject as FIRST's standard asks for: the label in capitals, in the subject line (TLP 2.0, usage)."""
    return f"[{tlp.label}] {tagged} {topic(about)}".strip()
