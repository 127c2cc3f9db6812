"""What a writer takes, and how it tells what it left out.

Rules: a value is written exactly or is skipped under a named rule. The form of a value is checked again here, because
a value that is not in its kind's normal form could break out of a line. Text that is no value (names,
labels, sources) is made one printable line, and each format replaces what would mean something there.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from itertools import islice
from types import MappingProxyType
from typing import Final, NamedTuple

from comity.formats.convert import Loss, Outcome, loss
from comity.limits import INGEST_REFUSALS_SHOWN_MAX
from comity.vocab import Tlp

LINES_CHUNK: Final = 512  # lines of one chunk: 50 to 200 kB, so that a reader downstream has few of them
INERT_CHARS_MAX: Final = 120  # characters of a name inside a rule or comment: what fits a line of an alert
LINE_CHARS_MAX: Final = 1_024  # characters of a name or statement in a table or page: four times the longest name kept
_RANKS: Final = {tlp.value: tlp.rank for tlp in Tlp}
_EPOCH: Final = date(1970, 1, 1)
DAYS_KEPT: Final = 4_096  # days whose text is kept: items of eleven years, 400 kB


class Item(NamedTuple):
    """One value to look for, decided and filtered; times in seconds since the epoch."""

    kind: str  # of `observables.KINDS`
    value: str  # in the normal form of its kind
    ident: str  # STIX id of the object it is of
    name: str
    confidence: int | None  # 0 to 100
    valid_from: int | None
    until: int | None  # when it stops being valid
    tlp: str  # a word of `vocab.Tlp`
    marking: str  # a statement that goes with it; may be empty
    source: str
    labels: tuple[str, ...]
    created: int
    modified: int


class Gone(NamedTuple):
    """One value that was given out and is so no more: retracted, revoked or expired."""

    kind: str
    value: str
    ident: str
    at: int  # seconds since the epoch


class About(NamedTuple):
    """What a file says of itself."""

    title: str
    ident: str  # of the list: the same for every edition
    at: int  # seconds since the epoch: the moment the list was made
    node: str  # the party's name, a domain
    serial: int  # of this edition; a later edition has a higher one
    ttl: int  # seconds until a consumer should ask again
    total: int | None = None  # items, where known
    tlp: str = "RED"  # the strictest label of the items; unknown fails closed
    link: str = ""  # where this list is fetched


REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "kind": "the format has no place for this kind",
        "form": "not in the normal form of its kind",
        "unprintable": "has a character that could break a line or be shown as another",
        "network": "the format takes single addresses only",
        "everything": "a prefix of length 0 is every address",
        "covered": "lies inside a network of the same list, which matches it",
        "length": "longer than the format takes",
        "formula": "begins as a spreadsheet's formula does",
        "fragment": "a fragment never crosses the network",
        "userinfo": "a user in an address is not sent as written",
        "scheme": "the sensor sees no traffic of this scheme",
        "not-ascii": "characters beyond ASCII are sent in another form",
        "reserved": "the format gives this name a meaning of its own",
        "fingerprint": "the sensor computes another hash of certificates",
        "label": "under a stricter label than the list bears",
        "technique": "not the id of an ATT&CK technique",
    }
)
"""Why a value is left out, by rule."""


@dataclass(slots=True)
class Skipped:
    """What a writer left out: counted by kind and rule, the first ones named."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    shown: list[Loss] = field(default_factory=list)

    def add(self, rule: str, kind: str, value: str, ident: str = "") -> None:
        """Count a value left out under a rule of `REASONS`; name it while there is room."""
        self.counts[kind, rule] += 1
        if len(self.shown) < INGEST_REFUSALS_SHOWN_MAX:
            self.shown.append(loss(ident, Outcome.UNMAPPED, rule, f"{REASONS[rule]}: {kind} {value}"))

    @property
    def total(self) -> int:
        """Return how many values were left out."""
        return self.counts.total()


Writer = Callable[[Iterable[Item], About, Skipped], Iterator[bytes]]
"""Writes a list in chunks. Raises nothing for what items hold: what cannot be written is `Skipped`."""
Remover = Callable[[Iterable[Gone], About, Skipped], Iterator[bytes]]
"""Writes what consumers that only take what is new are to remove."""

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_NAME = r"(?:[a-z0-9_]++(?:-++[a-z0-9_]++)*+\.)++(?:[a-z]{2,63}|xn--[a-z0-9-]{1,59})"
_V4: Final = re.compile(rf"(?:{_OCTET}\.){{3}}{_OCTET}").fullmatch
_DOMAIN: Final = re.compile(_NAME).fullmatch
_HASH: Final = re.compile(r"[0-9a-f]++").fullmatch
_LABEL_CHARS_MAX: Final = 63  # RFC 1035 §2.3.4
_NAME_CHARS_MAX: Final = 253


def _is_v4(value: str) -> bool:
    return _V4(value) is not None or ("/" in value and _is_network(value, 4))


def _is_v6(value: str) -> bool:
    if "%" in value:  # a scope means something on one machine only
        return False
    if "/" in value:
        return _is_network(value, 6)
    try:
        return str(ipaddress.IPv6Address(value)) == value
    except ValueError:
        return False


def _is_network(value: str, version: int) -> bool:
    try:
        network = ipaddress.ip_network(value)
    except ValueError:
        return False
    return network.version == version and network.prefixlen < network.max_prefixlen and str(network) == value


def _is_domain(value: str) -> bool:
    if len(value) > _NAME_CHARS_MAX or _DOMAIN(value) is None:
        return False
    return len(value) <= _LABEL_CHARS_MAX or max(map(len, value.split("."))) <= _LABEL_CHARS_MAX


def is_line(value: str) -> bool:
    """Return whether a text is one printable line without blanks around it."""
    return value.isprintable() and value != "" and value[0] != " " and value[-1] != " "


def _is_url(value: str) -> bool:
    return is_line(value) and " " not in value and 0 < value.find("://")


ADDRESSES: Final = ("ipv4", "ipv6")
FORMS: Final[Mapping[str, Callable[[str], bool]]] = MappingProxyType(
    {
        "ipv4": _is_v4,
        "ipv6": _is_v6,
        "domain": _is_domain,
        "url": _is_url,
        "md5": lambda value: len(value) == 32 and _HASH(value) is not None,
        "sha1": lambda value: len(value) == 40 and _HASH(value) is not None,
        "sha256": lambda value: len(value) == 64 and _HASH(value) is not None,
        "sha512": lambda value: len(value) == 128 and _HASH(value) is not None,
        "certificate": lambda value: len(value) in {32, 40, 64, 128} and _HASH(value) is not None,
        "asn": lambda value: value.isascii() and value.isdigit() and str(int(value[:11])) == value,
        **dict.fromkeys(("email", "mac", "file-name", "file-path", "registry-key", "mutex"), is_line),
        **dict.fromkeys(("user-agent", "cve", "text", "wallet"), is_line),
    }
)
"""Whether a value is in its kind's normal form, or at least cannot break a line."""


def suited(items: Iterable[Item], kinds: Iterable[str], about: About, skipped: Skipped) -> Iterator[Item]:
    """Yield the items of these kinds whose values are in their normal form; count the others as left out.

    An item under a stricter label than the list bears is left out too: no file says less than what is in it.
    """
    limit = _RANKS.get(about.tlp, Tlp.RED.rank)
    forms = {kind: FORMS[kind] for kind in kinds}
    under = {tlp for tlp, rank in _RANKS.items() if rank <= limit}
    for item in items:
        form = forms.get(item.kind)
        if form is None:
            rule = "kind"
        elif not form(item.value):
            rule = "form" if item.value.isprintable() else "unprintable"
        elif item.value[-2:] == "/0" and item.kind in ADDRESSES:
            rule = "everything"
        elif limit == Tlp.RED.rank or item.tlp in under:
            yield item
            continue
        else:
            rule = "label"
        skipped.add(rule, item.kind, item.value, item.ident)


def gone_values(gone: Iterable[Gone], kinds: Iterable[str], skipped: Skipped) -> Iterator[Gone]:
    """Yield what is gone of these kinds and in its normal form; count the rest as left out."""
    forms = {kind: FORMS[kind] for kind in kinds}
    for one in gone:
        form = forms.get(one.kind)
        if form is not None and form(one.value):
            yield one
        else:
            skipped.add("kind" if form is None else "form", one.kind, one.value, one.ident)


def chunks(lines: Iterable[str]) -> Iterator[bytes]:
    """Return lines, each with its end, as chunks of UTF-8."""
    remaining = iter(lines)
    while block := "".join(islice(remaining, LINES_CHUNK)):
        yield block.encode()


def inert(text: str, harmful: Mapping[int, str | None] = MappingProxyType({})) -> str:
    """Return one printable line of at most INERT_CHARS_MAX characters, with the format's own signs replaced.

    For names and labels only: a value is never changed. Raises nothing.
    """
    line = one_line(text, INERT_CHARS_MAX)
    return line.translate(harmful) if harmful else line


def one_line(text: str, chars: int = LINE_CHARS_MAX) -> str:
    """Return a text as one printable line, cut with `…` after so many characters. For what is no value."""
    if len(text) > chars:
        text = text[: chars - 1] + "…"
    return text if text.isprintable() else "".join(char if char.isprintable() else "\ufffd" for char in text)


def moment(seconds: int | None) -> str:
    """Return seconds since the epoch as RFC 3339 writes them, in UTC; empty where None or beyond the year 9999."""
    if seconds is None:
        return ""
    days, second = divmod(seconds, 86_400)
    day = _day(days)
    return day and f"{day}T{second // 3_600:02}:{second // 60 % 60:02}:{second % 60:02}Z"


@lru_cache(maxsize=DAYS_KEPT)
def _day(days: int) -> str:
    try:
        return (_EPOCH + timedelta(days=days)).isoformat()
    except OverflowError:
        return ""


def heading(about: About, sign: str) -> str:
    """Return the lines of comment at the head of a file, each begun with `sign`."""
    facts = (
        f"{inert(about.title)}",
        f"TLP:{inert(about.tlp)}",
        f"from {inert(about.node)}, edition {about.serial} of {moment(about.at)}; ask again after {about.ttl} seconds",
        *(() if about.total is None else (f"{about.total} values before this form's own choice",)),
    )
    return "".join(f"{sign} {fact}\n" for fact in facts)
