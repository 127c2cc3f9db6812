"""Suricata: rules for single values, datasets and lists for many, and the rules that load those.

Rules: written for Suricata 7 and later; `suricata -T` is a test. A rule matches exactly its value: a name itself and
not those below it, an address with its port and path. Whatever could end a content, an option or a line is
written in hexadecimal; names in messages are made harmless, and nothing of them is matched.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from comity.formats.sensors.item import (
    ADDRESSES,
    About,
    Item,
    Skipped,
    Writer,
    chunks,
    heading,
    inert,
    suited,
)
from comity.formats.sensors.sids import SID_LISTS, Sids, revision

KINDS: Final = (*ADDRESSES, "domain", "url", "user-agent", "certificate")
LISTED: Final = (*ADDRESSES, "domain", "user-agent", "md5", "sha1", "sha256")
RULE_BYTES_MAX: Final = 8_000  # bytes of one rule: Suricata 7 reads lines of 8,191
DATASET_LINE_MAX: Final = 1_000  # characters of base64: Suricata 7 reads lines of 1,023
_MESSAGE: Final = (('"', "'"), (";", ","), ("\\", "/"), ("|", "/"), (":", " "), ("(", "["), (")", "]"))
_QUIET: Final = re.compile(r"""[^";\\|:()]*+""").fullmatch
_PLAIN: Final = re.compile(r"[A-Za-z0-9 ._/~@#$%^&*()=+\[\]{}<>?'`-]+").fullmatch
_SPECIAL: Final = re.compile(r"[^A-Za-z0-9 ._/~@#$%^&*()=+\[\]{}<>?'`-]+")
WEB: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*+)://(?P<user>[^/?#@]*@)?"
    r"(?P<host>[a-z0-9_.-]++|\[[0-9a-f:.]++\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<rest>/[^#]*+)(?P<fragment>#.*+)?"
)
# What Suricata's normalised path shows as it was sent: no escape, no backslash, no step up, no doubled slash.
_NORMAL_PATH: Final = re.compile(r"(?:/(?![/.])[A-Za-z0-9._~!$&*=:@-]*+)++(?:\?[A-Za-z0-9._~!$&*=:@/-]*+)?+").fullmatch
_TOKEN: Final = re.compile(r"[^A-Za-z0-9._+-]+")
_IS_TOKEN: Final = re.compile(r"[A-Za-z0-9._+-]*+").fullmatch


def content(text: str) -> str:
    """Return a content's text: what has a meaning in a rule, and all beyond printable ASCII, in hexadecimal."""
    if _PLAIN(text):
        return text
    return _SPECIAL.sub(lambda found: f"|{found[0].encode().hex(' ').upper()}|", text)


def exact(buffer: str, text: str, *modifiers: str) -> str:
    """Return options that match a buffer which is exactly `text`."""
    more = "".join(f" {modifier};" for modifier in modifiers)
    return f'{buffer}; content:"{content(text)}";{more} bsize:{len(text.encode())};'


def web(item: Item, skipped: Skipped) -> re.Match[str] | None:
    """Return the parts of a web address that a sensor can match exactly, or count why it cannot."""
    found = WEB.fullmatch(item.value)
    rule = ""
    if found is None:
        rule = "form" if item.value.isascii() else "not-ascii"
    elif found["scheme"] not in {"http", "https"}:
        rule = "scheme"
    elif found["user"]:
        rule = "userinfo"
    elif found["fragment"] is not None:
        rule = "fragment"
    elif not item.value.isascii():
        rule = "not-ascii"
    if rule:
        skipped.add(rule, item.kind, item.value, item.ident)
        return None
    return found


def message(item: Item) -> str:
    """Return what a message calls an item: its name, or its value, without the signs that mean something in a rule."""
    text = inert(item.name or item.value)
    if not _QUIET(text):
        for sign, other in _MESSAGE:
            if sign in text:
                text = text.replace(sign, other)
    return text


def about_item(item: Item) -> str:
    """Return the metadata of a rule: what an analyst wants beside an alert, as words without any sign."""
    stix = f", stix {_token(item.ident)[:128]}" if item.ident else ""
    return f"metadata:{_facts(item.tlp, item.confidence)}{stix};"


@lru_cache(maxsize=1_024)
def _facts(tlp: str, confidence: int | None) -> str:
    sure = "" if confidence is None else f", confidence {confidence}"
    return f"tlp {_token(tlp)[:16]}{sure}"


def _token(text: str) -> str:
    return text if _IS_TOKEN(text) else _TOKEN.sub("_", text)


def _tests(item: Item, skipped: Skipped) -> tuple[tuple[str, str], ...]:
    """Return header and matching options of each rule for one item."""
    value = item.value
    match item.kind:
        case "ipv4" | "ipv6":
            return ((f"ip any any <> {value} any", ""),)
        case "url":
            found = web(item, skipped)
            if found is None:
                return ()
            host, rest = found["host"], found["rest"]
            if found["port"]:  # only the raw header has the port
                place = exact("http.host.raw", f"{host}:{found['port']}", "nocase")
            else:
                place = exact("http.host", host)
            path = exact("http.uri" if _NORMAL_PATH(rest) else "http.uri.raw", rest)
            return (("http any any -> any any", f"{place} {path} "),)
        case "user-agent":
            return (("http any any -> any any", exact("http.user_agent", value) + " "),)
        case _:
            if len(value) != 40:
                skipped.add("fingerprint", item.kind, value, item.ident)
                return ()
            pairs = ":".join(value[at : at + 2] for at in range(0, 40, 2))
            return (("tls any any -> any any", f'tls.cert_fingerprint; content:"{content(pairs)}"; '),)


def _of_domain(item: Item, sids: Sids) -> str:
    """Return the rules for a name: most of a long list are names, and no name in its normal form is too long."""
    value, size, said = item.value, len(item.value), message(item)
    tail = f"{about_item(item)} rev:{revision(item.modified)}; sid:"
    sid = sids.first("domain", value)
    return (
        f'alert dns any any -> any any (msg:"Comity domain {said}"; '
        f'dns.query; content:"{value}"; nocase; bsize:{size}; {tail}{sid};)\n'
        f'alert tls any any -> any any (msg:"Comity domain {said}"; '
        f'tls.sni; content:"{value}"; nocase; bsize:{size}; {tail}{sid + 1};)\n'
        f'alert http any any -> any any (msg:"Comity domain {said}"; '
        f'http.host; content:"{value}"; bsize:{size}; {tail}{sid + 2};)\n'
    )


def rules(items: Iterable[Item], about: About, skipped: Skipped) -> Iterator[bytes]:
    """Write rules for single values; each value must be given once, because it has signature ids of its own."""

    def lines() -> Iterator[str]:
        yield heading(about, "#")
        sids = Sids()
        for item in suited(items, KINDS, about, skipped):
            if item.kind == "domain":
                yield _of_domain(item, sids)
                continue
            tests = _tests(item, skipped)
            if not tests:
                continue
            name = message(item)
            tail = f"{about_item(item)} rev:{revision(item.modified)}; sid:"
            if max([len(options) for _, options in tests]) + len(name.encode()) + len(tail) > RULE_BYTES_MAX:
                skipped.add("length", item.kind, item.value, item.ident)
                continue
            sid, said = sids.first(item.kind, item.value), f'(msg:"Comity {item.kind} {name}"; '
            yield "".join(
                [f"alert {head} {said}{options}{tail}{sid + place};)\n" for place, (head, options) in enumerate(tests)]
            )

    return chunks(lines())


def dataset(kind: str) -> Writer:
    """Return the writer of a dataset of type string: one value a line, in base64. No comment is allowed there."""

    def write(items: Iterable[Item], about: About, skipped: Skipped) -> Iterator[bytes]:
        def lines() -> Iterator[str]:
            for item in suited(items, (kind,), about, skipped):
                line = b64encode(item.value.encode()).decode()
                if len(line) > DATASET_LINE_MAX:
                    skipped.add("length", kind, item.value, item.ident)
                else:
                    yield line + "\n"

        return chunks(lines())

    return write


def addresses(items: Iterable[Item], about: About, skipped: Skipped) -> Iterator[bytes]:
    """Write a dataset of type ip: single addresses of both families."""

    def lines() -> Iterator[str]:
        for item in suited(items, ADDRESSES, about, skipped):
            if "/" in item.value:
                skipped.add("network", item.kind, item.value, item.ident)
            else:
                yield item.value + "\n"

    return chunks(lines())


_LIST_RULES: Final = (  # which list, protocol, options; the place is the signature id and never changes
    ("domain", "dns", "dns.query; dataset:isset,comity-domain,type string,load comity-domain.lst;"),
    ("domain", "tls", "tls.sni; dataset:isset,comity-domain,type string,load comity-domain.lst;"),
    ("domain", "http", "http.host; dataset:isset,comity-domain,type string,load comity-domain.lst;"),
    ("user-agent", "http", "http.user_agent; dataset:isset,comity-user-agent,type string,load comity-user-agent.lst;"),
    ("ip", "ip", "ip.src; dataset:isset,comity-ip,type ip,load comity-ip.lst;"),
    ("ip", "ip", "ip.dst; dataset:isset,comity-ip,type ip,load comity-ip.lst;"),
    *(
        (digest, protocol, f"file{digest}:comity-{digest}.lst;")
        for digest in ("md5", "sha1", "sha256")
        for protocol in ("http", "smtp", "ftp-data", "smb")
    ),
)


def list_rules(items: Iterable[Item], about: About, skipped: Skipped) -> Iterator[bytes]:
    """Write the rules that load the lists for the kinds among these items.

    Lists stand beside the rules as `comity-domain.lst`, `comity-user-agent.lst`, `comity-ip.lst`,
    `comity-md5.lst`, `comity-sha1.lst` and `comity-sha256.lst`. A list of which there is no item is not asked for.
    """

    def lines() -> Iterator[str]:
        yield heading(about, "#")
        found = {"ip" if item.kind in ADDRESSES else item.kind for item in suited(items, LISTED, about, skipped)}
        tail = f"rev:{revision(1)};"
        for place, (name, protocol, options) in enumerate(_LIST_RULES):
            if name in found:
                message = f'msg:"Comity list of {name} over {protocol}";'
                yield f"alert {protocol} any any -> any any ({message} {options} {tail} sid:{SID_LISTS + place};)\n"

    return chunks(lines())
