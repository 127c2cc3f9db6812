"""Atom: a feed of items or reports (RFC 4287).

Rules: text only, no markup inside; everything that XML gives a meaning is escaped, what XML cannot hold is no part of a
name here. An entry's id follows from the object, kind and value, so that a feed reader knows it again; rights
hold the label.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha1
from typing import Final, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from comity.formats import defang
from comity.formats.convert import NAMESPACE
from comity.formats.sensors.account import Account
from comity.formats.sensors.item import FORMS, About, Item, Skipped, chunks, moment, one_line, suited

MEDIA_TYPE: Final = "application/atom+xml"


class Entry(NamedTuple):
    """One entry of a feed; times in seconds since the epoch."""

    ident: str  # any text that names it for ever
    title: str
    updated: int
    published: int
    summary: str
    author: str
    rights: str
    labels: tuple[str, ...] = ()
    link: str = ""


def _iri(*parts: str) -> str:
    """Return a UUID of version 5 as a URN (RFC 9562 §5.5); any text has one."""
    name = "\0".join(parts).encode(errors="backslashreplace")
    digits = sha1(NAMESPACE.bytes + name, usedforsecurity=False).hexdigest()
    variant = int(digits[16], 16) & 3 | 8
    return f"urn:uuid:{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant:x}{digits[17:20]}-{digits[20:32]}"


def _block(text: str) -> str:
    """Return a text of any lines with what XML cannot hold replaced, escaped."""
    if not text.isprintable():
        text = "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)
    return escape(text)


def _text(name: str, text: str) -> str:
    return f"<{name}>{escape(one_line(text))}</{name}>" if text else ""


def _link(relation: str, address: str) -> str:
    if not address or not address.isprintable():
        return ""
    return f"<link rel={quoteattr(relation)} href={quoteattr(address)}/>"


def _date(name: str, seconds: int) -> str:
    return f"<{name}>{moment(seconds) or moment(0)}</{name}>"


def _entry(entry: Entry) -> str:
    return (
        f"<entry><id>{_iri('atom', entry.ident)}</id><title>{escape(one_line(entry.title) or '-')}</title>"
        f"{_date('updated', entry.updated)}{_date('published', entry.published)}"
        f"<author>{_text('name', entry.author or '-')}</author>"
        f"{_link('alternate', entry.link)}"
        f'<content type="text">{_block(entry.summary)}</content>{_text("rights", entry.rights)}'
        + "".join(f"<category term={quoteattr(one_line(label))}/>" for label in entry.labels if label)
        + "</entry>\n"
    )


def feed(entries: Iterable[Entry], about: About) -> Iterator[bytes]:
    """Write a feed of entries: of items (`of_items`), or of reports as the caller made them."""

    def lines() -> Iterator[str]:
        yield (
            '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">\n'
            f"<id>{_iri('feed', about.ident)}</id><title>{escape(one_line(about.title) or '-')}</title>"
            f"{_date('updated', about.at)}<author>{_text('name', about.node or '-')}</author>"
            f"{_link('self', about.link)}{_text('rights', f'TLP:{about.tlp}')}"
            "<generator>Comity</generator>\n"
        )
        yield from map(_entry, entries)
        yield "</feed>\n"

    return chunks(lines())


def of_accounts(accounts: Iterable[Account], about: About) -> Iterator[bytes]:
    """Write a feed of reports: an entry for each, with its text and what to look for, in words alone."""
    return feed(map(_of_account, accounts), about)


def _of_account(one: Account) -> Entry:
    parts = [defang.text(one.text)]
    named = [*one.who, *one.vulnerabilities, *one.techniques]
    parts += ["\n".join(f"{each.ident or each.kind}: {each.name}" for each in named)] if named else []
    parts += ["\n".join(f"{each.kind}: {each.shown}" for each in one.values)] if one.values else []
    parts += [one.says_sealed()]
    parts += [defang.text(note) for note in one.notes]
    link = one.links[0][1] if one.links else ""
    text = "\n\n".join(part for part in parts if part)
    words = (one.kind, *one.words)
    return Entry(one.ident, one.title, one.updated, one.published, text, one.source, one.label.label, words, link)


def of_items(items: Iterable[Item], about: About, skipped: Skipped) -> Iterator[bytes]:
    """Write a feed with one entry for each item: its content is the value alone."""
    return feed(map(_of_item, suited(items, FORMS, about, skipped)), about)


def _of_item(item: Item) -> Entry:
    rights = f"TLP:{item.tlp} {item.marking}".strip()
    title = f"{item.kind}: {item.name or item.value}"
    ident = "\0".join((item.ident, item.kind, item.value))
    return Entry(ident, title, item.modified, item.created, item.value, item.source, rights, (item.kind, *item.labels))
