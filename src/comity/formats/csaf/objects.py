"""The STIX objects of one CSAF document.

Rules: a relationship from a vulnerability to software is named as CSAF names the status (`known-affected`, `fixed`
and so on), because STIX has no word for it. Scores stand in the description: STIX has no property for them.
One remedy that several vulnerabilities share is one course of action. Everything is dated as the document's tracking
says, and withdrawn and superseded documents revoke what they made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, Final

import msgspec

from comity.formats import fields
from comity.formats.convert import Context, Loss, Made, Outcome, ident, loss, object_
from comity.formats.csaf import wording
from comity.formats.csaf.products import Catalogue
from comity.formats.csaf.shape import Advisory, Note, Remediation, Vulnerability
from comity.vocab import Tlp

OBJECTS_MAX: Final = 100_000  # objects of one document; groups let a small file name every product everywhere
REPORT_REFS_MAX: Final = 10_000  # references of the report: 600 kB of the 1 MB that an object may have
NOTE_REFS_MAX: Final = 1_000  # references of one note
REMEDIES: Final = frozenset({"vendor_fix", "mitigation", "workaround", "optional_patch"})

_REVOKED: Final = frozenset({"csaf_withdrawn", "csaf_superseded"})  # CSAF 2.1 §4.6, §4.7
# Of statuses that contradict one another the first stands (CSAF 2.0 §6.1.6): rather warned than not.
_STATUSES: Final = (
    ("known_affected", "first_affected", "last_affected"),
    ("under_investigation",),
    ("unknown",),
    ("fixed", "first_fixed"),
    ("known_not_affected",),
)
_ALL_STATUSES: Final = frozenset(name for group in _STATUSES for name in group) | {"recommended"}


def of(advisory: Advisory, catalogue: Catalogue, context: Context, tlp: Tlp | None) -> Iterator[Made | Loss]:
    """Yield the objects of a document, the report last, and the losses."""
    maker = _Maker(advisory, catalogue, context, tlp)
    for found in maker.all():
        yield from maker.told()
        yield found
    yield from maker.told()


class _Maker:
    """One document on its way to objects."""

    def __init__(self, advisory: Advisory, catalogue: Catalogue, context: Context, tlp: Tlp | None) -> None:
        self.document = document = advisory.document
        self.vulnerabilities = advisory.vulnerabilities
        self.catalogue, self.context, self.tlp = catalogue, context, tlp
        self.losses: list[Loss] = []
        self.key = (document.publisher.namespace, document.tracking.id)
        dates = [
            fields.moment(date)
            for date in (document.tracking.initial_release_date, document.tracking.current_release_date)
        ]
        known = [date for date in dates if date is not None]
        at = context.at * fields.MICROSECONDS
        self.created, self.modified = (known[0], max(known)) if known else (at, at)
        self.timeless = len(known) < len(dates)
        self.publisher = fields.organisation(document.publisher.name, context, document.publisher.namespace)
        self.refs: dict[str, None] = {self.publisher["id"]: None}
        self._seen: set[str] = set()
        self._linked: set[tuple[str, str, str]] = set()
        self._titles: dict[tuple[str, str], int] = {}
        self._full = False

    def told(self) -> Iterator[Loss]:
        """Yield what was lost since it was last asked."""
        yield from self.losses
        self.losses.clear()

    def lose(self, where: str, outcome: Outcome, rule: str, reason: str) -> None:
        """Note a loss."""
        self.losses.append(loss(where, outcome, rule, reason))

    def all(self) -> Iterator[Made | Loss]:
        """Yield every object, each id once."""
        report = ident("report", self.context, *self.key)
        yield fields.made(self.publisher, "document.publisher", timeless=True)
        yield from self._software()
        seen: dict[str, int] = {}
        for number, raw in enumerate(self.vulnerabilities):
            where = f"vulnerabilities[{number}]"
            one = self._vulnerability(raw, where)
            if one is not None:
                yield from self._of_vulnerability(one, where, self._name(one, where, seen))
        for number, note in enumerate(wording.other_notes(self.document)):
            yield from self.note(f"document.notes[{number}]", note, [report])
        yield from self._report()

    def give(self, tree: dict[str, Any], where: str) -> Iterator[Made | Loss]:
        """Yield an object unless it was yielded before or the document has too many."""
        if tree["id"] in self._seen:
            return
        if len(self._seen) >= OBJECTS_MAX:
            if not self._full:
                self.lose(where, Outcome.REFUSED, "too-many", f"more than {OBJECTS_MAX} objects (OBJECTS_MAX)")
            self._full = True
            return
        self._seen.add(tree["id"])
        yield fields.made(tree, where, timeless=self.timeless and "created" in tree)

    def make(self, kind: str, key: Iterable[str], **properties: Any) -> dict[str, Any]:
        """Return a domain object of the document; its id follows from the document and `key`."""
        made = ident(kind, self.context, *self.key, *key)
        revoked = True if self.document.category in _REVOKED else None
        common = {"created_by_ref": self.publisher["id"], "revoked": revoked, "lang": wording.language(self.document)}
        return object_(kind, made, self.created, self.modified, tlp=self.tlp, **common, **properties)

    def link(self, kind: str, source: str, target: str, where: str, own: str = "") -> Iterator[Made | Loss]:
        """Yield a relationship once, with an id of its own where one is given."""
        key = (kind, source, target)  # asked before anything is made: groups name the same ends over and over
        if key in self._linked or self._full:
            return
        self._linked.add(key)
        made = fields.related(kind, source, target, self.context, self.created, self.modified, tlp=self.tlp)
        made |= {"created_by_ref": self.publisher["id"], "id": own or made["id"]}
        yield from self.give(made, where)

    def note(self, where: str, note: Note, about: list[str]) -> Iterator[Made | Loss]:
        """Yield a note about objects."""
        content = fields.told(note.text, where, self.losses)
        if not content:
            return
        if len(about) > NOTE_REFS_MAX:
            self.lose(where, Outcome.CHANGED, "note-refs", f"about {len(about)} objects; {NOTE_REFS_MAX} are named")
        title = f"{note.category}: {note.title}" if note.title else note.category
        # By title and not by text: a note that is written anew is a new version of itself.
        self._titles[about[0], title] = count = self._titles.get((about[0], title), 0) + 1
        made = self.make(
            "note",
            (about[0], title, str(count)),
            abstract=fields.line(title),
            content=content,
            object_refs=about[:NOTE_REFS_MAX],
        )
        yield from self.give(made, where)

    def _software(self) -> Iterator[Made | Loss]:
        software = self.catalogue.software
        for tree in software.values():
            self.refs[tree["id"]] = None
            yield from self.give(tree, "product_tree")
        for each in self.catalogue.composites:
            parts = [software[name]["id"] for name in each.parts]
            for kind, (part, other) in zip(each.kinds, pairwise(parts), strict=True):
                yield from self.link(wording.dashed(kind), part, other, "product_tree")
            for part in dict.fromkeys(parts):
                if part != software[each.product_id]["id"]:
                    yield from self.link("consists-of", software[each.product_id]["id"], part, "product_tree")

    def _vulnerability(self, raw: msgspec.Raw, where: str) -> Vulnerability | None:
        try:
            return msgspec.json.decode(raw, type=Vulnerability)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            self.lose(where, Outcome.REFUSED, "required", str(error))
            return None

    def _name(self, one: Vulnerability, where: str, seen: dict[str, int]) -> tuple[str, ...]:
        """Return what a vulnerability is known by within the document."""
        name = one.cve or (f"{one.ids[0].system_name}\0{one.ids[0].text}" if one.ids else one.title)
        seen[name] = seen.get(name, 0) + 1
        if seen[name] == 1 and name:
            return (name,)
        if name:  # CSAF 2.0 §6.1.23
            self.lose(where, Outcome.CHANGED, "duplicate", f"{fields.line(name)!r} stands again: kept apart")
        return (name, str(seen[name]))

    def _of_vulnerability(self, one: Vulnerability, where: str, name: tuple[str, ...]) -> Iterator[Made | Loss]:
        described, others = wording.split_notes(one.notes)
        parts = [described.text if described else "", *wording.scores(one, where, self.losses), *wording.dates(one)]
        tree = self.make(
            "vulnerability",
            name,
            name=fields.line(one.cve or one.title or (one.ids[0].text if one.ids else "")) or fields.line(self.key[1]),
            description=fields.told("\n\n".join(part for part in parts if part), where, self.losses),
            external_references=fields.references(wording.vulnerability_references(one), where, self.losses),
        )
        self.refs[tree["id"]] = None
        yield from self.give(tree, where)
        yield from self._statuses(one, tree["id"], f"{where}.product_status")
        for number, remedy in enumerate(one.remediations):
            yield from self._remedy(remedy, tree["id"], f"{where}.remediations[{number}]")
        for place, note in [
            *((f"notes[{number}]", note) for number, note in enumerate(others)),
            *wording.as_notes(one),
        ]:
            about = self.catalogue.named(note.product_ids, note.group_ids, f"{where}.{place}", self.losses)
            yield from self.note(f"{where}.{place}", note, [tree["id"], *about])
        if any(each.product_ids or each.group_ids for each in one.ids):
            self.lose(where, Outcome.CHANGED, "id-products", "for which products it is called so is not kept")
        for rule, what in wording.sealed_of(one):
            self.lose(where, Outcome.SEALED, rule, what)

    def _statuses(self, one: Vulnerability, vulnerability: str, where: str) -> Iterator[Made | Loss]:
        for status in sorted(one.product_status.keys() - _ALL_STATUSES):
            self.lose(where, Outcome.UNMAPPED, "product-status", f"{status!r} is no status of CSAF")
        taken: dict[str, str] = {}
        for group in (*_STATUSES, ("recommended",)):
            now: dict[str, str] = {}
            for status in group:
                for software in self.catalogue.named(one.product_status.get(status, ()), (), where, self.losses):
                    if status != "recommended" and software in taken:
                        reason = f"{software} is {taken[software]} and {status}: the first is taken"
                        self.lose(where, Outcome.CHANGED, "product-status", reason)
                        continue
                    # A product has one status at a time: another one later is a new version of the relationship.
                    first = status != "recommended" and software not in now
                    made = ident("relationship", self.context, vulnerability, "status" if first else status, software)
                    now.setdefault(software, status)
                    yield from self.link(wording.dashed(status), vulnerability, software, where, made)
            taken |= now

    def _remedy(self, remedy: Remediation, vulnerability: str, where: str) -> Iterator[Made | Loss]:
        about = self.catalogue.named(remedy.product_ids, remedy.group_ids, where, self.losses)
        text = wording.remedy(remedy)
        if remedy.category not in REMEDIES:  # none_available, no_fix_planned, fix_planned …: a state, nothing to do
            yield from self.note(where, Note(f"remediation: {remedy.category}", text), [vulnerability, *about])
            return
        tree = self.make(
            "course-of-action",
            (remedy.category, text, remedy.url),
            name=fields.line(f"{remedy.category.replace('_', ' ')}: {remedy.details}"),
            description=fields.told(text, where, self.losses),
            labels=[remedy.category],
            external_references=[fields.reference("csaf", url=remedy.url)] if remedy.url else [],
        )
        self.refs[tree["id"]] = None
        yield from self.give(tree, where)
        yield from self.link("mitigates", tree["id"], vulnerability, where)
        for software in about:
            yield from self.link("applies-to", tree["id"], software, where)

    def _report(self) -> Iterator[Made | Loss]:
        document = self.document
        refs = [ref for ref in self.refs if ref in self._seen or ref == self.publisher["id"]]
        if len(refs) > REPORT_REFS_MAX:
            reason = f"{len(refs)} objects; the report names {REPORT_REFS_MAX} (REPORT_REFS_MAX)"
            self.lose("document", Outcome.CHANGED, "report-refs", reason)
        for rule, what in wording.sealed_document(document):
            self.lose("document", Outcome.SEALED, rule, what)
        for rule, what in wording.unmapped_document(document):
            self.lose("document", Outcome.UNMAPPED, rule, what)
        summary, _ = wording.split_notes(document.notes)
        parts = [summary.text if summary else "", wording.severity(document)]
        tree = self.make(
            "report",
            (),
            name=fields.line(document.title),
            description=fields.told("\n\n".join(part for part in parts if part), "document", self.losses),
            report_types=["vulnerability"] if self.vulnerabilities else ["threat-report"],
            published=None,
            labels=fields.labels([document.category, f"status:{document.tracking.status}"]),
            external_references=fields.references(wording.document_references(document), "document", self.losses),
            object_refs=refs[:REPORT_REFS_MAX],
        )
        tree["published"] = tree["created"]
        yield fields.made(tree, "document", timeless=self.timeless)
