"""A text becomes a report and one object for each value in it.

Rules: a value is made once, where it is first sighted; ids follow from the source and the value, so that the same
text imported again changes nothing. An indicator says that a value stands in a report, not that it is bad. What is of
no use to anybody else (private addresses) and what belongs to persons (mail addresses that nobody defanged, pages of
persons on social platforms) is not made but named in a `Loss`. The text itself goes into no object; of a value's
line a bounded piece does, with mail addresses, handles and telephone numbers taken out.
"""

from __future__ import annotations

import codecs
import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from comity.formats.convert import Context, Loss, Made, Outcome, encode, ident, loss, object_, pattern
from comity.formats.observables import network
from comity.formats.stix.report import bounded
from comity.formats.text.forms import OVERRIDING
from comity.formats.text.scan import Sighted, scan
from comity.formats.text.values import ATTACK
from comity.limits import REPORT_REFS_MAX, STIX_NAME_CHARS_MAX, TEXT_BYTES_MAX, TEXT_VALUES_MAX
from comity.vocab import Tlp

_LOCAL_ENDINGS: Final = ("local", "localhost", "lan", "internal", "intranet", "home.arpa", "localdomain", "corp")
_PROFILES: Final = frozenset(
    """
    twitter.com x.com facebook.com m.facebook.com fb.com instagram.com linkedin.com t.me telegram.me tiktok.com vk.com
    ok.ru threads.net bsky.app snapchat.com weibo.com pinterest.com reddit.com youtube.com mastodon.social wa.me
    """.split()
)
"""Platforms whose pages are of persons: there an address names an account."""
_PERSONAL: Final = re.compile(
    r"[^\s<>\"'(]*@[^\s<>\"')]+|\+[0-9][0-9 ()/.-]{7,20}[0-9]"
    rf"|\b(?:{'|'.join(host.replace('.', '[^a-z0-9]{1,3}') for host in sorted(_PROFILES))})/[^\s<>\"')]+"
)
_REPLACED: Final = "\ufffd"
_BOMS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_HEAD_BYTES: Final = 4


def read(chunks: Iterable[bytes], context: Context, *, title: str = "") -> Iterator[Made | Loss]:
    """Read a plain text in UTF-8 or UTF-16 and yield a report, and an object for each value in it.

    `title` names the report; without one the first line does. At most TEXT_BYTES_MAX bytes are read.
    """
    findings = Findings(context, title)
    source = Source(chunks, TEXT_BYTES_MAX)
    yield from findings.all(scan(findings.named(source.decoded())))
    yield from source.losses()
    yield from findings.reports()


@dataclass(slots=True)
class Source:
    """Bytes as text: at most `limit` of them, and what could not be decoded counted."""

    chunks: Iterable[bytes]
    limit: int
    encoding: str = ""  # where nothing in the bytes says another
    guess: Callable[[bytes], str] | None = None  # what a format says of its own encoding
    replaced: int = 0
    cut: bool = False

    def decoded(self) -> Iterator[str]:
        """Yield the text in parts."""
        size = 0
        head = b""
        decoder: codecs.IncrementalDecoder | None = None
        for chunk in self.chunks:
            room = self.limit - size
            self.cut = self.cut or len(chunk) > room
            size += min(len(chunk), room)
            data = head + chunk[:room]
            if decoder is None:
                if len(data) < (_HEAD_BYTES if self.guess is None else 1_024) and not self.cut:
                    head = data
                    continue
                decoder, data, head = *self._decoder(data), b""
            yield self._text(decoder, data, final=False)
            if self.cut:
                break
        if decoder is None:
            decoder, head = self._decoder(head)
        yield self._text(decoder, head, final=True)

    def _decoder(self, head: bytes) -> tuple[codecs.IncrementalDecoder, bytes]:
        name, skip = self.encoding or (self.guess(head) if self.guess else "") or "utf-8", 0
        for mark, encoding in _BOMS:
            if head.startswith(mark):
                name, skip = encoding, len(mark)
        if not skip and len(head) >= _HEAD_BYTES and head.count(b"\0") and name == "utf-8":
            # Every other byte of a text in UTF-16 that begins with ASCII is zero.
            name = {b"\0\0": "utf-16-be"}.get(head[:4:2], {b"\0\0": "utf-16-le"}.get(head[1:4:2], name))
        return codecs.getincrementaldecoder(name)("replace"), head[skip:]

    def _text(self, decoder: codecs.IncrementalDecoder, data: bytes, *, final: bool) -> str:
        text = decoder.decode(data, final)
        if not text.isascii():
            self.replaced += text.count(_REPLACED)
        return text

    def losses(self) -> Iterator[Loss]:
        """Yield what was lost on the way from bytes to text."""
        if self.replaced:
            reason = f"{self.replaced} characters could not be decoded and were read as U+FFFD"
            yield loss("text", Outcome.CHANGED, "encoding", reason)
        if self.cut:
            reason = f"longer than {self.limit} bytes; what is behind them was not read"
            yield loss("text", Outcome.REFUSED, "too-large", reason)


@dataclass(slots=True)
class Findings:
    """What is made of one input: objects as values are sighted, at the end the reports that name them."""

    context: Context
    title: str = ""
    unit: str = "line"
    seen: set[tuple[str, str]] = field(default_factory=set)
    refs: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    attack: list[str] = field(default_factory=list)  # ids of ATT&CK that no object of STIX stands for without its name
    full: bool = False
    turned: int = 0  # characters that have a text read in another order than it is shown
    tlp: Tlp | None = None  # that the text bears; None: the source's default is the marking

    def named(self, parts: Iterable[str]) -> Iterator[str]:
        """Pass a text on; its first line with a word in it names the report where nothing else does."""
        head = ""
        for part in parts:
            if not self.title and len(head) < STIX_NAME_CHARS_MAX * 4:
                head += part[: STIX_NAME_CHARS_MAX * 4]
                lines = [line for line in head.split("\n") if any(map(str.isalnum, line))]
                if lines and ("\n" in head or len(head) >= STIX_NAME_CHARS_MAX * 4):
                    self.title = headline(lines[0].lstrip("#=*- \t"))
                    head = ""
            if not part.isascii():
                self.turned += len(OVERRIDING.findall(part))
            yield part
        self.title = self.title or headline(head)

    def all(self, sightings: Iterable[Sighted], *labels: str, where: str = "") -> Iterator[Made | Loss]:
        """Make what is sighted and was not before; `where` names the place instead of a line."""
        for one in sightings:
            known = (one.kind, one.value)
            if self.full or known in self.seen:
                continue
            place = where or f"{self.unit} {one.line}"
            if len(self.seen) >= TEXT_VALUES_MAX:
                self.full = True
                reason = f"more than {TEXT_VALUES_MAX} different values (TEXT_VALUES_MAX): the rest was not taken"
                yield loss(place, Outcome.REFUSED, "too-many", reason)
                continue
            self.seen.add(known)
            yield self._made(one, place, labels)

    def _made(self, one: Sighted, place: str, labels: tuple[str, ...]) -> Made | Loss:
        if one.kind == ATTACK:
            return self._attack(one, place)
        if one.kind == "email" and not one.defanged:
            reason = "a mail address that nobody defanged is taken for a person's and not made an indicator"
            return loss(place, Outcome.SEALED, "mail-address", reason)
        if one.kind == "url" and _is_profile(one.value):
            return loss(place, Outcome.SEALED, "social-account", "a page of an account on a social platform")
        if not _is_global(one):
            reason = f"{one.value} is an address or a name of a private network, or of none"
            return loss(place, Outcome.CHANGED, "not-global", reason)
        if one.kind == "cve":
            tree = self._object("vulnerability", one.value, name=one.value)
            tree["external_references"] = [{"source_name": "cve", "external_id": one.value}]
            return self._keep(tree, one.kind, place)
        observable = one.observable()
        tests = pattern([observable]) if observable else ""
        shown = f"AS{one.value}" if one.kind == "asn" else one.value
        marks = [*labels, *(["defanged"] if one.defanged else [])]
        tree = self._object("indicator", one.kind, one.value, name=bounded(shown), labels=marks)
        tree["description"] = _PERSONAL.sub("[…]", one.context)
        tree |= {"pattern": tests, "pattern_type": "stix", "valid_from": tree["created"]}
        return self._keep(tree, one.kind, place)

    def _object(self, kind: str, *content: str, **properties: Any) -> dict[str, Any]:
        properties["created_by_ref"] = self.context.creator
        at = self.context.at * 1_000_000
        return object_(kind, ident(kind, self.context, *content), at, tlp=self.tlp, **properties)

    def _attack(self, one: Sighted, place: str) -> Made | Loss:
        """An id of a technique or group is an object; of software and tactics only the id is known, not what it is."""
        kind = {"T": "attack-pattern", "G": "intrusion-set"}.get(one.value[0], "")
        if not kind or one.value.startswith("TA"):
            self.attack.append(one.value)
            reason = f"{one.value} is kept as a reference of the report: an id does not say which object it is of"
            return loss(place, Outcome.CHANGED, "attack-id", reason)
        tree = self._object(kind, one.value, name=one.value)
        tree["external_references"] = [{"source_name": "mitre-attack", "external_id": one.value}]
        return self._keep(tree, kind, place)

    def _keep(self, tree: dict[str, Any], kind: str, place: str) -> Made:
        self.refs.append(tree["id"])
        self.counts[kind] += 1
        return Made(encode(tree), place, timeless=True)

    def reports(self) -> Iterator[Made | Loss]:
        """Yield the report, or as many as are needed to name all objects; a loss where there is nothing to name."""
        if self.turned:
            reason = (
                f"{self.turned} characters that turn writing round were passed over; names with them look otherwise"
            )
            yield loss("text", Outcome.CHANGED, "turned-writing", reason)
        if not self.refs:
            yield loss("text", Outcome.UNMAPPED, "nothing-found", "no value was found that an object stands for")
            return
        name = self.title or "Text"
        found = ", ".join(f"{count} {kind}" for kind, count in sorted(self.counts.items()))
        parts = range(0, len(self.refs), REPORT_REFS_MAX)
        for number, start in enumerate(parts, 1):
            shown = name if len(parts) == 1 else f"{name} ({number} of {len(parts)})"
            tree = self._object("report", name, str(number), name=shown, report_types=["indicator"])
            tree |= {"description": f"Found in a text: {found}.", "published": tree["created"]}
            tree["object_refs"] = self.refs[start : start + REPORT_REFS_MAX]
            if number == 1:
                # One reference each, as many as a statement has room for beside the objects.
                tree["external_references"] = [
                    {"source_name": "mitre-attack", "external_id": one} for one in self.attack[: REPORT_REFS_MAX // 16]
                ]
            yield Made(encode(tree), "text", timeless=True)


def headline(text: str) -> str:
    """Return a text as a name: one bounded line, without what names a person's mailbox, handle or telephone."""
    return bounded(_PERSONAL.sub("[…]", " ".join(text[: STIX_NAME_CHARS_MAX * 4].split())))


def _is_profile(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return False
    return host in _PROFILES and len(parts.path) > 1


def _is_global(one: Sighted) -> bool:
    """Return whether a value means the same to everybody: no private address, no name of a network of one's own."""
    host = one.value
    if one.kind == "url":
        try:
            host = urlsplit(one.value).hostname or ""
        except ValueError:
            return False
    elif one.kind == "email":
        host = one.value.rpartition("@")[2]
    elif one.kind not in {"ipv4", "ipv6", "domain"}:
        return True
    found = network(host)
    if found is None or found.kind == "domain":
        return not any(host == ending or host.endswith(f".{ending}") for ending in _LOCAL_ENDINGS)
    prefix = ipaddress.ip_network(found.value)
    lower, upper = prefix.network_address, prefix.broadcast_address
    return not any(lower in other and upper in other for other in _PRIVATE)


# Addresses that everybody has (RFC 1918, 1122, 3927, 4193, 4291, 6598, 5771). Those for documentation are not
# among them: nobody has them, and examples and exercises need something to share.
_PRIVATE: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.168.0.0/16", "224.0.0.0/4", "255.255.255.255/32"),
            *("::/128", "::1/128", "fc00::/7", "fe80::/10", "ff00::/8"),
        ),
    )
)
