"""Values written so that nobody clicks them: `hxxp://evil[.]example`, for pages and mails that people read.

Rules: `observables.refang` undoes it exactly. A value of a kind that nothing makes a link of stays as it is.
"""

from __future__ import annotations

import re
from typing import Final

_SCHEME: Final = re.compile(r"\bhttp(?=s?://)", re.IGNORECASE)
_HOST: Final = re.compile(r"(?<=://)[^/?#\s]+")


def defang(kind: str, value: str) -> str:
    """Return a value of a kind of `observables.KINDS` as people write it to one another."""
    if kind in {"ipv4", "domain"}:
        return value.replace(".", "[.]")
    if kind == "email":
        name, at, host = value.rpartition("@")
        return f"{name}[{at}]{host.replace('.', '[.]')}" if at else value
    return text(value) if kind == "url" else value


def text(told: str) -> str:
    """Return running text in which no web address can be followed."""
    return _HOST.sub(lambda found: found[0].replace(".", "[.]"), _SCHEME.sub(_wrong, told))


def _wrong(found: re.Match[str]) -> str:
    return "HXXP" if found[0].isupper() else "hxxp"
