"""Snort 3: a rule for each value and protocol that shows it.

Rules: as for Suricata, in Snort's words, with the same signature ids. Snort has no buffer for a name that is asked for,
so the question itself is matched as it stands in a DNS message; it has none for TLS server names, and takes no
lists of hashes. No Snort 3 is in Debian: the syntax is held by a parser in the tests alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from comity.formats.sensors.item import ADDRESSES, About, Item, Skipped, chunks, heading, suited
from comity.formats.sensors.sids import Sids, revision
from comity.formats.sensors.suricata import about_item, content, message, web

KINDS: Final = (*ADDRESSES, "domain", "url", "user-agent")
RULE_BYTES_MAX: Final = 8_000  # bytes of one rule, as for Suricata
_QUESTION: Final = 12  # bytes of a DNS message before its question (RFC 1035 §4.1.1)


def _exact(buffer: str, text: str, modifier: str = "") -> str:
    return f'{buffer}; content:"{content(text)}"{modifier}; bufferlen:{len(text.encode())};'


def _question(domain: str) -> str:
    """Return the content that is a name as DNS messages write it: lengths and labels (RFC 1035 §3.1)."""
    labels = "".join(f"|{len(label):02X}|{label}" for label in domain.split("."))
    return f'content:"{labels}|00|",nocase,offset {_QUESTION},depth {len(domain) + 2};'


def _tests(item: Item, skipped: Skipped) -> tuple[tuple[str, str], ...]:
    value = item.value
    match item.kind:
        case "ipv4" | "ipv6":
            return ((f"ip any any <> {value} any", ""),)
        case "domain":
            return (
                ("udp any any -> any 53", _question(value) + " "),
                ("http", _exact("http_header:field host", value, ",nocase") + " "),
            )
        case "url":
            found = web(item, skipped)
            if found is None:
                return ()
            host = found["host"] + (f":{found['port']}" if found["port"] else "")
            place = _exact("http_header:field host", host, ",nocase")
            return (("http", f"{place} {_exact('http_raw_uri', found['rest'])} "),)
        case _:
            return (("http", _exact("http_header:field user-agent", value) + " "),)


def rules(items: Iterable[Item], about: About, skipped: Skipped) -> Iterator[bytes]:
    """Write Snort 3 rules; each value must be given once, because it has signature ids of its own."""

    def lines() -> Iterator[str]:
        yield heading(about, "#")
        sids = Sids()
        for item in suited(items, KINDS, about, skipped):
            tests = _tests(item, skipped)
            if not tests:
                continue
            name = message(item)
            tail = f"{about_item(item)} rev:{revision(item.modified)};"
            if max(len(options) for _, options in tests) + len(name.encode()) + len(tail) > RULE_BYTES_MAX:
                skipped.add("length", item.kind, item.value, item.ident)
                continue
            sid = sids.first(item.kind, item.value)
            for place, (head, options) in enumerate(tests):
                yield f'alert {head} (msg:"Comity {item.kind} {name}"; {options}{tail} sid:{sid + place};)\n'

    return chunks(lines())
