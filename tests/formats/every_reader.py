"""Every reader of strangers' bytes, by name: how it is called, and good input for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

import comity.formats.taxii as protocol
from comity.formats import decay, lookalikes, observables, readers, xml
from comity.formats.catalogues import Catalogue, Taxonomy
from comity.formats.convert import Attached, Context, Loss, Made
from comity.formats.mail import headers, message, protected
from comity.formats.misp import document, feed, files, filters, rest, reverse
from comity.formats.rules import indicator as rules
from comity.formats.stix import check, pattern, personal, split, strict
from comity.formats.tables import dialect, guess, mapping, records
from comity.formats.telling import standard
from comity.formats.text import html, scan
from comity.formats.warninglists import checking, expressions, reading
from tests.formats import samples, test_iodef, test_mail, test_misp_hostile, test_openioc, test_rules_sigma
from tests.formats import test_catalogues as catalogues
from tests.formats import test_rules_suricata as suricata
from tests.formats import test_rules_yara as yara
from tests.formats.advisories import advisory
from tests.formats.test_upgrade import bundle

CONTEXT = Context("borealia-feed", 1_790_000_000)
TABLE = b'ip,first_seen,confidence,note\n192.0.2.1,2026-01-02,90,a\n198.51.100.2,2026-01-03,80,"b, c"\n' * 3
RECORDS = b'{"ioc":"198.51.100.7","seen":"2026-01-02","tags":["a"]}\n{"ioc":"c2.example","seen":"2026-01-03"}\n'
TEXT = "The loader, see hxxp://bad[.]example/a.php, talks to 192.0.2.7 (CVE-2026-1234, T1059.001).\n加载器.\n".encode()
PAGE = (
    b'<!DOCTYPE html><html><head><title>A page</title><script>x</script></head><body><p class="a">c2.example &amp; '
    b'<a href="http://192.0.2.7/x">more</a><!-- no --><pre> a\n b</pre><p hidden>x</p></body></html>'
)
STIX = json.dumps({"type": "bundle", "id": f"bundle--{samples.UUID}", "objects": [samples.indicator()] * 2}).encode()
PATTERN = b"[ipv4-addr:value = '198.51.100.7' OR url:value LIKE 'a%'] FOLLOWEDBY [file:name IN ('a', 'b')]"
WARNINGS = json.dumps(
    {"name": "a", "type": "cidr", "version": 7, "description": "d", "list": ["192.0.2.0/24", "2001:db8::/32"]}
).encode()
MANIFEST = json.dumps(
    {"5b773e07-e694-458b-b99c-27f30a016219": {"info": "x", "timestamp": "1600000000", "Orgc": {"name": "CERT Arcadia"}}}
).encode()
MODELS = b'[[model]]\nname = "a"\nkinds = ["ipv4"]\nlifetime = 30\n[[model]]\nname = "all"\nkinds = []\nlifetime = 90\n'
QUERY = b"added_after=2026-01-01T00:00:00Z&limit=5&match[type]=indicator,malware&match[version]=all"
SEARCH = b'{"returnFormat": "json", "type": "ip-dst", "limit": 5, "tags": ["tlp:green"]}'
SECRETS = standard.made(bytes(range(32))).encode() + b"\n"
OF_RECORDS = guess.guess(RECORDS).mapping
MAPPING = mapping.encode(guess.guess(TABLE).mapping)
VALUES = (b"hxxp://bad[.]example/a?b", b"C:\\a\\b.exe", b"192.0.2.7:80", b"AS64496", b"2001:db8::1/64")
FIELDS = frozenset({"added_after", "limit", "next", "match[id]", "match[type]", "match[version]"})


class Row(NamedTuple):
    """One reader."""

    read: Callable[[bytes], object]  # takes all of an input; raises `ComityError` at most
    good: tuple[bytes, ...]


def of_form(name: str, *good: bytes) -> Row:
    """Return the row of a reader by its name: what it makes passes the checks of STIX 2.1."""

    def read(data: bytes) -> list[Made | Loss | Attached]:
        found = list(readers.reader(name, "title")(iter([data[:7], data[7:]]), CONTEXT))
        assert all(isinstance(one, Made | Loss | Attached) for one in found)
        refused = [one for one in check.check_many([one.data for one in found if isinstance(one, Made)])
                   if not isinstance(one, check.Checked)]  # fmt: skip
        assert not refused
        return found

    return Row(read, good)


def text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def all_of(read: Callable[..., Iterable[object]]) -> Callable[[bytes], object]:
    return lambda data: list(read([data[:7], data[7:]]))


def of_text(read: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda data: read(text(data))


def of_stix(data: bytes) -> object:
    return check.check_many([one.data for one in split.split([data]) if isinstance(one, split.Piece)])


def pdf() -> tuple[bytes, ...]:
    from tests.formats.test_text_pdf import GOOD

    return (GOOD,)


FORMS = {
    "stix20": of_form("stix20", bundle(samples.indicator())),
    "misp": of_form("misp", test_misp_hostile.GOOD),
    "csaf": of_form("csaf", json.dumps(advisory()).encode()),
    "iodef": of_form("iodef", *(each.encode() for each in test_iodef.GOOD)),
    "openioc": of_form("openioc", test_openioc.GOOD.encode()),
    "sigma": of_form("sigma", f"{test_rules_sigma.RULE}---\n{test_rules_sigma.SECOND}".encode()),
    "yara": of_form("yara", yara.FILE.encode()),
    "suricata": of_form("suricata", f"{suricata.RULE}\n{suricata.SMALL}\n".encode()),
    "snort": of_form("snort", f"{suricata.RULE}\n{suricata.SMALL}\n".encode()),
    "table": of_form("table", TABLE),
    "json": of_form("json", RECORDS, b"[" + RECORDS.strip().replace(b"\n", b",") + b"]"),
    "mail": of_form("mail", test_mail.REPORT.encode(), test_mail.FORWARD % (b"message/rfc822", b"Subject: x\n\ny")),
    "text": of_form("text", TEXT),
    "html": of_form("html", PAGE),
    "pdf": Row(of_form("pdf").read, ()),  # its good input is made where the library is: see `pdf`
    "opaque": of_form("opaque", b"PK\x03\x04" + b"\0" * 300),
    "stix": Row(of_stix, (STIX,)),
}
"""Every reader of `readers.FORMS`."""

PARSERS = {
    "catalogues.Catalogue": Row(Catalogue, (catalogues.GOOD,)),
    "catalogues.Taxonomy": Row(Taxonomy, (catalogues.SCALE,)),
    "decay.read_models": Row(of_text(decay.read_models), (MODELS,)),
    "lookalikes.told": Row(of_text(lookalikes.told), (TEXT,)),
    "mail.headers.decoded": Row(lambda data: headers.decoded(data, "utf-8"), (TEXT,)),
    "mail.message.read": Row(message.read, (test_mail.REPORT.encode(),)),
    "mail.protected.der": Row(protected.der, (b"-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n",)),
    "mail.protected.encrypted": Row(protected.encrypted, (test_mail.REPORT.encode(),)),
    "mail.protected.signed": Row(protected.signed, (test_mail.REPORT.encode(),)),
    "mail.protected.within": Row(
        lambda data: protected.within(test_mail.REPORT.encode(), data), (test_mail.REPORT.encode(),)
    ),
    "misp.document.events": Row(lambda data: list(document.events(data)), (test_misp_hostile.GOOD,)),
    "misp.document.is_empty": Row(document.is_empty, (b"[]", b"{}")),
    "misp.feed.read_feed": Row(lambda data: list(feed.read_feed(data)), (MANIFEST,)),
    "misp.files.unwrapped": Row(lambda data: files.unwrapped(data, 100_000), (files.wrapped(b"MZ" * 40, "a.exe"),)),
    "misp.reverse.comparisons": Row(of_text(reverse.comparisons), (PATTERN,)),
    "misp.filters.filters": Row(lambda data: filters.filters(rest.tree(data), 1_790_000_000), (SEARCH,)),
    "misp.rest.body": Row(rest.body, (SEARCH,)),
    "misp.rest.call": Row(of_text(rest.call), (b"/events/view/1", b"/attributes/restSearch.json")),
    "misp.rest.creators": Row(rest.creators, (test_misp_hostile.GOOD,)),
    "misp.rest.event": Row(rest.event, (test_misp_hostile.GOOD,)),
    "misp.rest.tree": Row(rest.tree, (SEARCH,)),
    "observables.keyed": Row(
        of_text(observables.keyed), (b"hxxp://bad[.]example/a?b", b"C:\\a\\b.exe", b"192.0.2.7:80")
    ),
    "observables.recognise": Row(of_text(observables.recognise), (b"hxxp://bad[.]example/a?b", b"AS64496")),
    "readers.recognise": Row(lambda data: readers.recognise(data, "x"), (TABLE, TEXT, PAGE, STIX)),
    "rules.indicator.lines_of": Row(lambda data: rules.lines_of([data]), (TEXT,)),
    "stix.check.check_many": Row(lambda data: check.check_many([data]), (samples.encoded(samples.indicator()),)),
    "stix.pattern.parse_pattern": Row(of_text(pattern.parse_pattern), (PATTERN,)),
    "stix.pattern.simple": Row(of_text(pattern.simple), (b"[ipv4-addr:value = '198.51.100.7']", PATTERN)),
    "stix.personal.holds_account": Row(personal.holds_account, (b'{"type":"user-account","account_login":"a"}', STIX)),
    "stix.split.split": Row(all_of(split.split), (STIX,)),
    "stix.strict.decode": Row(strict.decode, (STIX,)),
    "stix.strict.decode_many": Row(lambda data: strict.decode_many([data, STIX]), (STIX,)),
    "stix.strict.ident_of": Row(strict.ident_of, (samples.encoded(samples.indicator()),)),
    "tables.dialect.marked_encoding": Row(dialect.marked_encoding, (TABLE,)),
    "tables.dialect.text_of": Row(lambda data: list(dialect.text_of([data], "utf-8")), (TABLE,)),
    "tables.guess.guess": Row(guess.guess, (TABLE, RECORDS)),
    "tables.mapping.decode": Row(mapping.decode, (MAPPING,)),
    "tables.records.elements": Row(
        lambda data: list(records.elements([data], guess.guess(RECORDS).mapping)), (RECORDS,)
    ),
    "tables.records.lines": Row(lambda data: list(records.lines([data], guess.guess(RECORDS).mapping)), (RECORDS,)),
    "taxii.filters": Row(of_text(partial(protocol.filters, fields=FIELDS)), (QUERY,)),
    "taxii.instant": Row(of_text(protocol.instant), (b"2026-01-01T00:00:00.000000Z",)),
    "telling.standard.secrets_of": Row(lambda data: standard.secrets_of(data, "x"), (SECRETS,)),
    "text.html.shown": Row(of_text(html.shown), (PAGE,)),
    "text.scan.scan": Row(of_text(lambda said: list(scan.scan(said))), (TEXT,)),
    "warninglists.checking.build": Row(lambda data: checking.build([("x", data)]), (WARNINGS,)),
    "warninglists.expressions.expression": Row(of_text(expressions.expression), (b"/^a+\\.example$/i", b"[a-z]{3}")),
    "warninglists.reading.read_head": Row(lambda data: reading.read_head(data, "x"), (WARNINGS,)),
    "xml.parse": Row(xml.parse, tuple(each.encode() for each in test_iodef.GOOD)),
}
"""Every other function of `comity.formats` that is given strangers' bytes or text."""

OTHERS = {
    "misp.document.items": "takes JSON that `misp.document.events` has cut out",
    "misp.document.members": "takes JSON that `misp.document.events` has cut out",
    "misp.document.tree": "takes JSON that `misp.document.events` has cut out",
    "misp.crossing.entering": "takes what `misp.write` wrote",
    "misp.crossing.leaving": "any bytes of it are tried in `tests/formats/test_misp_crossing.py`",
    "misp.crossing.parts_of": "any bytes of it are tried in `tests/formats/test_misp_crossing.py`",
    "misp.write.laid_out": "writes what has passed the checks",
    "stix.leads.lead_of": "takes what has passed the checks",
    "stix.leads.leads_of": "takes what has passed the checks",
    "stix.observe.of_pattern": "`stix.check.check_many` calls it",
    "telling.standard.headers": "writes",
    "telling.standard.made": "writes",
    "telling.syslog.counted": "writes",
    "convert.whole": "joins chunks and looks at none",
    "csaf.read": "of `FORMS`",
    "iodef.read": "of `FORMS`",
    "mail.reading.read": "of `FORMS`",
    "misp.read.read": "of `FORMS`",
    "opaque.read": "of `FORMS`",
    "openioc.read": "of `FORMS`",
    "rules.sigma.read": "of `FORMS`",
    "rules.suricata.read": "of `FORMS`",
    "rules.yara.read": "of `FORMS`",
    "stix.upgrade.read": "of `FORMS`",
    "tables.reading.read": "of `FORMS`",
    "text.html.read_html": "of `FORMS`",
    "text.pdf.read_pdf": "of `FORMS`",
    "text.read.read": "of `FORMS`",
    "mail.write.pgp_encrypted": "writes",
    "mail.write.pgp_signed": "writes",
    "mail.write.smime": "writes",
    "mail.write.smime_signed": "writes",
    "misp.files.wrapped": "writes",
    "misp.write.write": "writes what has passed the checks; `tests/formats/test_misp_write.py` has any of it",
    "opaque.what": "compares the first bytes; `opaque.read` calls it",
    "stix.observe.of_object": "takes what `stix.check` has checked, which calls it",
    "tables.mapping.convert": "`tables.mapping.decode` calls it",
    "taxii.begins": "takes what `taxii.filters` gave; `tests/formats/test_taxii.py` has forged ones",
    "taxii.envelope": "writes",
    "text.wallets.keccak256": "a digest",
}
"""Functions that are given bytes and are no parsers of their own, and why."""
