"""What a value has to look like to stand at its place, and how it is written there.

Rules: a form answers for any text with the value or None, and raises nothing. It keeps the producer's spelling
where STIX lets it stand; what is defanged is refanged, and `read` says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from comity.formats import observables
from comity.formats.misp import fields
from comity.formats.misp.types import Slot
from comity.formats.observables import normal
from comity.limits import OBSERVABLE_CHARS_MAX

Value = str | int


class Moment(str):
    """A timestamp as STIX writes it: in a pattern it stands as `t'…'`."""

    __slots__ = ()


def _any(text: str) -> str | None:
    return text or None


def _ip(text: str) -> str | None:
    found = normal("ipv4", text) or normal("ipv6", text)
    return found.value if found else None


def _same(kind: str) -> Callable[[str], str | None]:
    """Return a form that keeps a text as it is where it can be of a kind."""
    return lambda text: text if normal(kind, text) else None


def _hex(length: int) -> Callable[[str], str | None]:
    fits = re.compile(f"[0-9a-fA-F]{{{length}}}").fullmatch
    return lambda text: text if fits(text) else None


def _asn(text: str) -> int | None:
    found = normal("asn", text)
    return int(found.value) if found else None


def _mac(text: str) -> str | None:
    found = normal("mac", text)
    return found.value if found else None


def _whole(limit: int) -> Callable[[str], int | None]:
    def read(text: str) -> int | None:
        found = fields.number({"": text}, "")
        return found if found is not None and found <= limit else None

    return read


def _time(text: str) -> Moment | None:
    found = fields.moment(text)
    if found is None:
        found = fields.seconds({"": text}, "")
    return Moment(fields.timestamp(found)) if found is not None else None


_SSDEEP: Final = re.compile("[a-zA-Z0-9/+:.]{1,128}")
_TLSH: Final = re.compile("(?:T1)?([a-zA-Z0-9]{70})")


def _ssdeep(text: str) -> str | None:
    return text if _SSDEEP.fullmatch(text) else None


def _tlsh(text: str) -> str | None:
    """STIX 2.1 §10.6 takes the 70 digits without the `T1` that later versions of TLSH put before them."""
    found = _TLSH.fullmatch(text)
    return found[1] if found else None


FORMS: Final[dict[str, Callable[[str], Value | None]]] = {
    "any": _any,
    "ip": _ip,
    "domain": _same("domain"),
    "url": _same("url"),
    "email": _same("email"),
    "regkey": _any,
    "asn": _asn,
    "mac": _mac,
    "port": _whole(65_535),
    "size": _whole(2**53 - 1),
    "time": _time,
    "ssdeep": _ssdeep,
    "tlsh": _tlsh,
    **{f"hex{length}": _hex(length) for length in (32, 40, 56, 64, 96, 128)},
}
_DEFANGED: Final = frozenset({"ip", "domain", "url", "email"})


def shaped(slot: Slot, text: str) -> tuple[Value | None, bool]:
    """Return a value as it stands at a place, None where it cannot; and whether it had to be refanged."""
    text = text.strip()
    if not 0 < len(text) <= OBSERVABLE_CHARS_MAX:
        return None, False
    form = FORMS[slot.form]
    value = form(text)
    if value is None and slot.form in _DEFANGED:
        clean = observables.refang(text)
        value = form(clean)
        if value is not None:
            return value, True
        if slot.form == "url":
            return text, False  # a path or `host/path`: many write a URL so
    return value, False


def split(text: str, parts: int) -> list[str]:
    """Return a composite value's parts; a file's name may hold the bar itself, so the last one counts."""
    return [text] if parts == 1 else text.rsplit("|", parts - 1)
