"""Calls that read: what a node holds, what it would decide, how it does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from comity.client import answers, neighbours, records, sidecars
from comity.client.answers import Answer, Bytes, Correlated, Held, Known, Version
from comity.client.calls import Caller, batches
from comity.errors import Malformed
from comity.limits import API_LOOKUP_VALUES_MAX, API_VALUES_MAX


class Reading(Caller):
    """What a node is asked without anything being put on record."""

    # -- intelligence -------------------------------------------------------------

    def objects(
        self, *, kind: str = "", source: str = "", since: int = 0, updated_since: int = 0, limit: int = 500
    ) -> Iterator[Held]:
        """Yield every object that fits, page after page, in the order in which the node holds them."""
        filters = {"type": kind, "source": source, "since": since, "updated_since": updated_since, "limit": limit}
        cursor: str | None = ""
        while cursor is not None:
            page = self._get("/objects", answers.Page, filters | {"cursor": cursor})
            said = [*page.witnesses, *[answers.Witness()] * (len(page.objects) - len(page.witnesses))]
            yield from (Held(bytes(raw), one) for raw, one in zip(page.objects, said, strict=False))
            if page.next is not None and page.next == cursor:
                raise Malformed("the node gives the same page again and again")
            cursor = page.next or None

    def object(self, ident: str) -> tuple[Version, ...]:
        """Return every version of an object, the newest first, with who says so. Raises `NotFound`."""
        return self._get("/objects/{id}", answers.Versions, id=ident).versions

    def raw(self, ident: str, *, modified: int = 0, tag: str = "") -> Bytes | None:
        """Return an object's own bytes, of the newest version or the one of a time in microseconds.

        None where the node's answer would have the `tag` of an earlier one. Raises `NotFound`.
        """
        had = {"If-None-Match": tag} if tag else {}
        reply = self._call("GET", "/objects/{id}/raw", had, asked={"modified": modified}, path={"id": ident})
        return None if reply.status == 304 else Bytes(reply.body, reply.headers.get("etag", ""))

    def lookup(self, values: Iterable[str]) -> Iterator[Answer]:
        """Yield everything that is known of each value, in their order."""
        for some in batches(values, API_LOOKUP_VALUES_MAX):
            yield from self._ask("/lookup", answers.Answers, {"values": some}).answers

    def known(self, values: Iterable[str]) -> Iterator[Known]:
        """Yield what is known of each value on one line, as many as there are, in their order."""
        for some in batches(values, API_VALUES_MAX):
            yield from self._ask("/known", answers.KnownMany, {"values": some}).lines

    def correlate(self, names: Sequence[str] = (), *, values: Sequence[str] = (), **more: int) -> Correlated:
        """Return what else shares values with objects, or with values; `start`, `limit`, `common` as in the API."""
        choice = {"choice": {"names": names}} if names else {}
        return self._ask("/correlate", Correlated, {**choice, "values": values, **more})

    def search(self, text: str, *, limit: int = 100) -> Iterator[records.Hit]:
        """Yield every entry that has all words, the newest first, `limit` of them in a call."""
        before = 0
        while True:
            page = self._get("/search", records.Searched, {"text": text, "limit": limit, "before": before})
            yield from page.hits
            if not page.more or page.more == before:
                return
            before = page.more

    def graph(self, name: str, *, depth: int = 1, **more: int) -> records.Graph:
        """Return what an object is tied to; `limit`, `start`, `edges` as in the API."""
        return self._get("/graph", records.Graph, {"name": name, "depth": depth, **more})

    def collections(self) -> tuple[records.Collection, ...]:
        """Return the office's collections."""
        return self._get("/collections", records.Collections).collections

    def collection(self, name: str, *, limit: int = 100) -> records.Evaluated:
        """Return what a collection means now, with the first of its members."""
        return self._get("/collections/{name}", records.Evaluated, {"limit": limit}, name=name)

    def decay(self) -> records.Models:
        """Return by which models confidence wears off."""
        return self._get("/decay", records.Models)

    def entries(self, text: str) -> records.Entries:
        """Return what catalogues have under an id, name, synonym or UUID: ATT&CK, DISARM, actors, tools."""
        return self._get("/catalogues/entries", records.Entries, {"text": text})

    def tag(self, tag: str) -> records.Tag:
        """Return what a machine tag says."""
        return self._get("/catalogues/tag", records.Tag, {"tag": tag})

    def warnings(self, values: Iterable[str]) -> Iterator[records.Checked]:
        """Yield which warning lists have each value, in their order."""
        for some in batches(values, API_VALUES_MAX):
            yield from self._ask("/warnings", records.CheckedMany, {"values": some}).values

    # -- what came in ---------------------------------------------------------------

    def sources(self) -> tuple[answers.Source, ...]:
        """Return the sources of the token's office."""
        return self._get("/sources", answers.Sources).sources

    def fetched(self) -> tuple[records.Fetched, ...]:
        """Return the sources that are fetched on a schedule, and how each does."""
        return self._get("/sources/fetched", records.FetchedMany).sources

    def imports(self, source: str = "") -> tuple[answers.Import, ...]:
        """Return what was imported, oldest first."""
        return self._get("/imports", answers.Imports, {"source": source}).imports

    def attachments(self, *about: str, limit: int = 100) -> tuple[records.Attachment, ...]:
        """Return attachments of some hashes, values or objects, or the newest."""
        return self._get("/attachments", records.Attachments, {"about": about, "limit": limit}).attachments

    def attachment(self, name: str) -> records.Attachment:
        """Return what is known of an attachment."""
        return self._get("/attachments/{name}", records.Attachment, name=name)

    def evidence(self) -> tuple[records.Sealed, ...]:
        """Return what the office has sealed, without what it says; `read_evidence` opens one."""
        return self._get("/evidence", records.SealedMany).evidence

    # -- what would go out, and what became of what went --------------------------------

    def explain(self, name: str, to: str, purpose: str = "read") -> answers.Explanation:
        """Return every rule's finding for an object and an audience."""
        return self._ask("/explain", answers.Explanation, {"name": name, "to": to, "purpose": purpose})

    def acts(self, *, waiting: bool = False, limit: int = 100) -> Iterator[answers.Act]:
        """Yield acts about content, those that somebody has not complied with first, `limit` of them in a call."""
        after = ""
        while True:
            page = self._get("/compliance", answers.Acts, {"waiting": waiting, "limit": limit, "after": after})
            yield from page.acts
            if not page.next or page.next == after:
                return
            after = page.next

    def compliance(self, names: Sequence[str]) -> answers.Compliance:
        """Return who has answered acts about objects."""
        return self._ask("/compliance", answers.Compliance, {"names": names})

    def rules(self) -> tuple[records.Rule, ...]:
        """Return the office's standing rules."""
        return self._get("/rules", records.Rules).rules

    def rule(self, name: str) -> records.RuleDetail:
        """Return a rule, and the first of what it holds back."""
        return self._get("/rules/{name}", records.RuleDetail, name=name)

    def plan(self, name: str) -> records.Plan:
        """Return what a rule would share now, with the decisions."""
        return self._get("/rules/{name}/plan", records.Plan, name=name)

    def feeds(self) -> tuple[records.Feed, ...]:
        """Return the lists that sensors fetch by themselves."""
        return self._get("/feeds", records.Feeds).feeds

    # -- asking -----------------------------------------------------------------------

    def questions(
        self, *, mine: bool = False, still_open: bool = False, limit: int = 50
    ) -> tuple[answers.Question, ...]:
        """Return the newest questions."""
        asked = {"mine": mine, "open": still_open, "limit": limit}
        return self._get("/questions", answers.Questions, asked).questions

    def picture(self, question: str) -> answers.Picture:
        """Return all answers to a question as one picture."""
        return self._get("/questions/{question}/answers", answers.Picture, question=question)

    def draft(self, question: str) -> neighbours.Draft:
        """Return an answer drafted of what is known at the node; nothing is sent."""
        return self._get("/questions/{question}/draft", neighbours.Draft, question=question)

    def interests(self, *, mine: bool = False, ended: bool = False) -> tuple[neighbours.Interest, ...]:
        """Return what offices ask one another for."""
        return self._get("/interests", neighbours.Interests, {"mine": mine, "ended": ended}).interests

    def arrived(self, *, since: int = 0, limit: int = 1_000) -> Iterator[neighbours.Fitting]:
        """Yield what came from others since a time that fits the office's interests, `limit` looked for in a call."""
        return self._fitting("/interests/arrived", {"since": since, "limit": limit})

    def matches(self, interest: str, *, limit: int = 1_000, before: int = 0) -> neighbours.Matched:
        """Return what of the office's own fits an interest, and what would be decided about sharing it."""
        asked = {"limit": limit, "before": before}
        return self._get("/interests/{name}/matches", neighbours.Matched, asked, name=interest)

    def _fitting(self, route: str, asked: dict[str, Any]) -> Iterator[neighbours.Fitting]:
        before = 0
        while True:
            page = self._get(route, neighbours.Matched, asked | {"before": before})
            yield from page.found
            if not page.before or page.before == before:
                return
            before = page.before

    # -- who else there is, and the node itself ----------------------------------------

    def correspondents(self) -> tuple[neighbours.Correspondent, ...]:
        """Return the office's correspondents."""
        return self._get("/correspondents", neighbours.Correspondents).correspondents

    def correspondent(self, name: str) -> neighbours.CorrespondentDetail:
        """Return one of them, with its receipts and what it is owed."""
        return self._get("/correspondents/{name}", neighbours.CorrespondentDetail, name=name)

    def inbox(self, *, settled: bool = False) -> tuple[neighbours.Submission, ...]:
        """Return what correspondents sent and waits, or what was settled."""
        return self._get("/inbox", neighbours.Inbox, {"settled": settled}).submissions

    def submission(self, ident: str) -> neighbours.OpenedSubmission:
        """Return one submission with its bytes, while it waits."""
        return self._get("/inbox/{id}", neighbours.OpenedSubmission, id=ident)

    def all_neighbours(self) -> tuple[neighbours.Neighbour, ...]:
        """Return who is told what happens at the node."""
        return self._get("/neighbours", neighbours.Neighbours).neighbours

    def neighbour(self, name: str) -> neighbours.Neighbour:
        """Return one of them."""
        return self._get("/neighbours/{name}", neighbours.Neighbour, name=name)

    def messages(self, neighbour: str, *, standing: str = "") -> tuple[neighbours.Message, ...]:
        """Return the messages to a neighbour: those that stand so (waiting, sent, dead), or all."""
        asked = {"standing": standing}
        return self._get("/neighbours/{name}/messages", neighbours.Messages, asked, name=neighbour).messages

    def tickets(self, neighbour: str) -> tuple[neighbours.Ticket, ...]:
        """Return the tickets that a neighbour opened."""
        return self._get("/neighbours/{name}/tickets", neighbours.Tickets, name=neighbour).tickets

    def message(self, neighbour: str, ident: str) -> neighbours.Message:
        """Return one of them, and how far it got."""
        return self._get("/neighbours/{name}/messages/{id}", neighbours.Message, name=neighbour, id=ident)

    def all_sidecars(self) -> tuple[sidecars.Sidecar, ...]:
        """Return the office's own MISP servers beside the node."""
        return self._get("/sidecars", sidecars.Sidecars).sidecars

    def sidecar(self, name: str) -> sidecars.Whole:
        """Return one of them with its books."""
        return self._get("/sidecars/{name}", sidecars.Whole, name=name)

    def asked_beside(self) -> tuple[sidecars.Outlook, ...]:
        """Return what asks in the office's side-cars and waits for a person."""
        return self._get("/sidecars/waiting", sidecars.Waiting).waiting

    def parties(self) -> tuple[neighbours.Party, ...]:
        """Return the parties known to the node."""
        return self._get("/parties", neighbours.Parties).parties

    def party(self, name: str) -> neighbours.Party:
        """Return one of them."""
        return self._get("/parties/{party}", neighbours.Party, party=name)

    def accords(self) -> tuple[neighbours.Accord, ...]:
        """Return the accords of which the node holds a text."""
        return self._get("/accords", neighbours.Accords).accords

    def accord(self, name: str) -> neighbours.Accord:
        """Return where one of them stands."""
        return self._get("/accords/{name}", neighbours.Accord, name=name)

    def logs(self) -> tuple[neighbours.Log, ...]:
        """Return the logs that the node writes or follows."""
        return self._get("/log", neighbours.Logs).logs

    def checkpoint(self, origin: str) -> neighbours.Checkpoint:
        """Return a log's newest signed checkpoint."""
        return self._get("/log/checkpoint", neighbours.Checkpoint, {"origin": origin})

    def receipts(self) -> tuple[neighbours.Receipt, ...]:
        """Return who has witnessed this party's logs, up to where."""
        return self._get("/log/receipts", neighbours.Receipts).receipts

    def doctor(self) -> neighbours.Examined:
        """Return what an operator should know of the node."""
        return self._get("/doctor", neighbours.Examined)
