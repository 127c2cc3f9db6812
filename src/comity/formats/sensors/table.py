"""Every form in which items go out to sensors and people, by name.

Rules: a form's name is part of addresses that consumers have in their settings: it never changes its meaning. Kinds
that a form does not take are counted as left out, so any items may be given to any form.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from comity.formats.sensors import atom, elastic, filters, names, page, snort, suricata, tables, zeek
from comity.formats.sensors.item import ADDRESSES, FORMS, Remover, Writer

_TEXT: Final = "text/plain; charset=utf-8"
_CSV: Final = "text/csv; charset=utf-8; header=present"


class Form(NamedTuple):
    """One form: its writer, and what a door or a command has to know of it."""

    name: str
    help: str  # one line
    media: str
    suffix: str  # of a file, with its dot
    kinds: tuple[str, ...]
    write: Writer
    comments: bool = True  # the file says of itself what it is, under which label
    distinct: bool = False  # a value given twice makes the file wrong: the caller gives each (kind, value) once
    ordered: bool = False  # a list in another order is another file beyond its order: give a lasting one
    removals: Remover | None = None  # what consumers that only take what is new are to remove


_LISTS: Final = {f"list-{kind}": (kind,) for kind in FORMS} | {
    "list-ip": ADDRESSES,
    "list-hash": ("md5", "sha1", "sha256", "sha512"),
}


def _list(name: str, kinds: tuple[str, ...]) -> Form:
    said = f"one {' or '.join(kinds)} a line and nothing else"
    write, gone = tables.plain(*kinds), tables.plain_gone(*kinds)
    return Form(name, said, _TEXT, ".txt", kinds, write, comments=False, removals=gone)


def _dataset(kind: str) -> Form:
    said = f"Suricata dataset of type string: {kind}, in base64"
    return Form(f"suricata-{kind}", said, _TEXT, ".lst", (kind,), suricata.dataset(kind), comments=False)


def _hashes(kind: str) -> Form:
    said = f"Suricata list of {kind} for file{kind}, or dataset of that type"
    return Form(f"suricata-{kind}", said, _TEXT, ".lst", (kind,), tables.plain(kind), comments=False)


_FORMS: Final = (
    Form(
        "suricata",
        "Suricata rules, one for each value and protocol that shows it",
        *(_TEXT, ".rules", suricata.KINDS, suricata.rules),
        distinct=True,
        ordered=True,
    ),
    Form(
        "suricata-lists",
        "the few Suricata rules that load the lists",
        _TEXT,
        ".rules",
        suricata.LISTED,
        suricata.list_rules,
    ),
    Form("suricata-ip", "Suricata dataset of type ip", _TEXT, ".lst", ADDRESSES, suricata.addresses, comments=False),
    *map(_dataset, ("domain", "user-agent")),
    *map(_hashes, ("md5", "sha1", "sha256")),
    Form(
        "snort3",
        "Snort 3 rules, one for each value and protocol that shows it",
        *(_TEXT, ".rules", snort.KINDS, snort.rules),
        distinct=True,
        ordered=True,
    ),
    Form(
        "zeek", "file of Zeek's intelligence framework", _TEXT, ".intel", tuple(zeek.TYPES), zeek.intel, comments=False
    ),
    Form(
        "rpz",
        "response policy zone: these names and these addresses in answers do not exist",
        *("text/dns", ".zone", (*ADDRESSES, "domain"), names.zone()),
    ),
    Form(
        "rpz-below",
        "response policy zone that takes every name below these with them",
        *("text/dns", ".zone", (*ADDRESSES, "domain"), names.zone(below=True)),
    ),
    Form("hosts", "hosts file that leads names nowhere", _TEXT, ".hosts", ("domain",), names.hosts),
    Form(
        "nftables",
        "nftables sets ipv4 and ipv6 of the table inet comity",
        *(_TEXT, ".nft", ADDRESSES, filters.nftables),
        removals=filters.nftables_gone,
    ),
    Form(
        "ipset",
        "ipset sets comity-v4 and comity-v6, for `ipset -exist restore`",
        *(_TEXT, ".ipset", ADDRESSES, filters.ipset),
        comments=False,
        removals=filters.ipset_gone,
    ),
    Form("pf", "table file of pf", _TEXT, ".pf", ADDRESSES, filters.pf, removals=filters.pf_gone),
    Form(
        "csv",
        "every value with all that is said of it",
        *(_CSV, ".csv", tuple(FORMS), tables.csv),
        comments=False,
        removals=tables.csv_gone,
    ),
    Form(
        "splunk",
        "threat list of Splunk Enterprise Security",
        *(_CSV, ".csv", tuple(tables.SPLUNK_KINDS), tables.splunk),
        comments=False,
    ),
    Form(
        "elastic",
        "bulk requests of Elasticsearch, documents of the Elastic Common Schema",
        *("application/x-ndjson", ".ndjson", elastic.KINDS, elastic.bulk),
        comments=False,
        removals=elastic.bulk_gone,
    ),
    Form(
        "atom",
        "Atom feed, an entry for each value",
        atom.MEDIA_TYPE,
        ".atom",
        tuple(FORMS),
        atom.of_items,
        ordered=True,
    ),
    Form(
        "html",
        "report to read and to print",
        "text/html; charset=utf-8",
        ".html",
        tuple(FORMS),
        page.page,
        ordered=True,
    ),
    *(_list(name, kinds) for name, kinds in _LISTS.items()),
)
WRITERS: Final[Mapping[str, Form]] = MappingProxyType({form.name: form for form in _FORMS})
"""Every form by its name."""
