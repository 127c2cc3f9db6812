"""Calls that put something on record, or change what the node keeps for the office: for a token that may write.

Rules: `key` among what more is said is an idempotency key of the program's own; without one a call has a new one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from comity.client import answers, neighbours, records, sidecars
from comity.client.calls import Caller


class Recording(Caller):
    """What a node is told."""

    # -- sharing, and the acts about what was shared ------------------------------------

    def share(self, accord: str, names: Sequence[str] = (), **more: Any) -> answers.Shared:
        """State objects in an accord; instead of names a `choice`; `marking`, `flash`, `dry_run` as in the API."""
        choice = more.pop("choice", {"names": names})
        return self._record("/share", answers.Shared, {"accord": accord, "choice": choice, **more})

    def retract(self, names: Sequence[str], reason: str, **more: Any) -> answers.Acted:
        """No longer stand by objects, wherever they went."""
        return self._record("/retract", answers.Acted, {"names": names, "reason": reason, **more})

    def correct(self, name: str, text: str, reason: str, **more: Any) -> answers.Corrected:
        """Put a corrected version in an object's place: one STIX object, as it is to be stated."""
        return self._record("/correct", answers.Corrected, {"name": name, "text": text, "reason": reason, **more})

    def narrow(self, names: Sequence[str], reason: str, **more: Any) -> answers.Acted:
        """Make the marking of objects narrower; `tlp`, `pap`, `to`, `onward`, `revoke` as in the API."""
        return self._record("/narrow", answers.Acted, {"names": names, "reason": reason, **more})

    def consent(self, names: Sequence[str], to: Sequence[str], until: int = 0, **more: Any) -> answers.Acted:
        """Let holders pass objects on to somebody, until a time or until it is withdrawn."""
        return self._record("/consent", answers.Acted, {"names": names, "to": to, "until": until, **more})

    def erase(self, names: Sequence[str], basis: str, reason: str = "", **more: Any) -> answers.Acted:
        """Have the bytes of objects erased everywhere, on a legal basis."""
        return self._record("/erase", answers.Acted, {"names": names, "basis": basis, "reason": reason, **more})

    # -- saying something of what is held -----------------------------------------------

    def sight(self, name: str, count: int = 1, **more: Any) -> answers.Sighted:
        """Put on record that a value or object was seen so often; 0: looked for and not seen."""
        return self._record("/sightings", answers.Sighted, {"name": name, "count": count, **more})

    def remark(self, about: Sequence[str], *, opinion: str = "", text: str = "", **more: Any) -> answers.Remarked:
        """Put an opinion of STIX 2.1's, or without one a note, about objects on record."""
        said = {"about": about, "opinion": opinion, "text": text, **more}
        return self._record("/remarks", answers.Remarked, said)

    # -- asking, answering --------------------------------------------------------------

    def ask(
        self, accord: str, values: Sequence[str], why: str, marking: Mapping[str, Any], **more: Any
    ) -> answers.Question:
        """Ask the members of an accord; `text`, `note`, `wants`, `deadline`, `priority` as in the API."""
        asked = {"accord": accord, "values": values, "why": why, "marking": marking, **more}
        return self._record("/questions", answers.Posed, asked).question

    def answer(self, question: str, lines: Sequence[Mapping[str, str]] = (), **more: Any) -> answers.Answered:
        """Answer a question: lines such as `{"said": "seen", "value": "192.0.2.7:3"}`, or `decline=True`."""
        said = {"lines": lines, **more}
        return self._record("/questions/{question}/answers", answers.Answered, said, question=question)

    def voice(self, accord: str, why: str, marking: Mapping[str, Any], **more: Any) -> neighbours.Interest:
        """Say in an accord what the office asks for; `about`, `techniques`, `sectors`, … as in the API."""
        said = {"accord": accord, "why": why, "marking": marking, **more}
        return self._record("/interests", neighbours.Interest, said)

    # -- collections, models, sources -----------------------------------------------------

    def make_collection(self, name: str, objects: Sequence[str] = (), **more: Any) -> records.Collection:
        """Make a collection, of objects and of a saved search: `source`, `type`, `values`, `words`, … as in the API."""
        return self._record("/collections", records.Collection, {"name": name, "objects": objects, **more})

    def put_in(self, name: str, objects: Sequence[str], **more: Any) -> records.Collection:
        """Put objects into a collection by hand."""
        return self._record("/collections/{name}/add", records.Collection, {"objects": objects, **more}, name=name)

    def take_out(self, name: str, objects: Sequence[str], **more: Any) -> records.Collection:
        """Take objects out of a collection that were put in by hand."""
        said = {"objects": objects, **more}
        return self._record("/collections/{name}/remove", records.Collection, said, name=name)

    def forget_collection(self, name: str, *, key: str = "") -> records.Collection:
        """Forget a collection; its objects stay."""
        return self._delete("/collections/{name}", records.Collection, key, name=name)

    def set_decay(self, table: str, **more: Any) -> records.Models:
        """Put a table of models in TOML in force, or with an empty text the default one."""
        return self._record("/decay", records.Models, {"table": table, **more})

    def poll(self, source: str, *, dry: bool = False, **more: Any) -> records.Polled:
        """Poll a source now; with `dry` nothing is kept."""
        return self._record("/sources/{name}/poll", records.Polled, {"dry": dry, **more}, name=source)

    def enable_source(self, source: str, *, enabled: bool, **more: Any) -> records.Fetched:
        """Let a source rest, or be polled again."""
        return self._record("/sources/{name}/enable", records.Fetched, {"enabled": enabled, **more}, name=source)

    # -- evidence, originals ---------------------------------------------------------------

    def read_evidence(self, name: str, reason: str) -> records.Opened:
        """Read a sealed account. That this token did, when and why is on record first; the call is made once."""
        return self._once("/evidence/{name}/read", records.Opened, {"reason": reason}, name=name)

    def erase_evidence(self, name: str, basis: str, **more: Any) -> records.Done:
        """Erase a sealed account at this node, on a legal basis."""
        return self._record("/evidence/{name}/erase", records.Done, {"basis": basis, **more}, name=name)

    def erase_original(self, digest: str, basis: str, reason: str = "", **more: Any) -> records.ErasedOriginal:
        """Erase the original of an import, on a legal basis; what was made of it stays."""
        said = {"basis": basis, "reason": reason, **more}
        return self._record("/imports/{digest}/erase", records.ErasedOriginal, said, digest=digest)

    # -- standing rules, lists --------------------------------------------------------------

    def make_rule(self, name: str, accord: str, *, yes: bool = False, **more: Any) -> records.Plan:
        """Return what a rule would share now; with `yes` make it. `source`, `type`, `tlp`, `to`, … as in the API."""
        return self._record("/rules", records.Plan, {"name": name, "accord": accord, "yes": yes, **more})

    def run_rule(self, name: str, *, warned: bool = False, **more: Any) -> records.Ran:
        """Carry a rule out now; `warned` lets go what warning lists hold back."""
        return self._record("/rules/{name}/run", records.Ran, {"warned": warned, **more}, name=name)

    def enable_rule(self, name: str, *, enabled: bool, **more: Any) -> records.Rule:
        """Let a rule rest, or go on."""
        return self._record("/rules/{name}/enable", records.Rule, {"enabled": enabled, **more}, name=name)

    def forget_rule(self, name: str, *, key: str = "") -> records.Done:
        """Forget a rule; what it shared stays shared."""
        return self._delete("/rules/{name}", records.Done, key, name=name)

    def make_feed(self, name: str, to: str, form: str, **more: Any) -> records.MadeFeed:
        """Make a list that sensors fetch; its address is in the answer and nowhere else, and the call is made once."""
        return self._once("/feeds", records.MadeFeed, {"name": name, "to": to, "form": form, **more})

    def end_feed(self, name: str, *, key: str = "") -> records.Feed:
        """End a list: its address answers nobody any more."""
        return self._delete("/feeds/{name}", records.Feed, key, name=name)

    # -- side-cars -------------------------------------------------------------------------

    def run_sidecar(self, name: str, **more: Any) -> sidecars.Ran:
        """Make a round of a side-car now."""
        return self._record("/sidecars/{name}/run", sidecars.Ran, more, name=name)

    def release_asked(self, sidecar: str, event: str, **more: Any) -> sidecars.Asking:
        """Let an event go that waits, as far as it may; `state`, if given, is the one that was looked at."""
        return self._record("/sidecars/{name}/{event}/release", sidecars.Asking, more, name=sidecar, event=event)

    def refuse_asked(self, sidecar: str, event: str, reason: str, **more: Any) -> sidecars.Asking:
        """Keep an event back, with the reason."""
        asked = {"reason": reason, **more}
        return self._record("/sidecars/{name}/{event}/refuse", sidecars.Asking, asked, name=sidecar, event=event)

    # -- telling neighbours --------------------------------------------------------------------

    def test(self, neighbour: str, **more: Any) -> neighbours.ToldNow:
        """Send a neighbour what is marked as a test."""
        return self._record("/neighbours/{name}/test", neighbours.ToldNow, more, name=neighbour)

    def tell(self, neighbour: str, **more: Any) -> neighbours.ToldNow:
        """Tell a neighbour now what is new."""
        return self._record("/neighbours/{name}/send", neighbours.ToldNow, more, name=neighbour)

    def replay(self, neighbour: str, message: str = "", **more: Any) -> int:
        """Have what was given up sent again, or one message; return how many are."""
        asked = {"id": message, **more}
        return self._record("/neighbours/{name}/replay", neighbours.Replayed, asked, name=neighbour).messages

    def enable_neighbour(self, neighbour: str, *, enabled: bool, **more: Any) -> neighbours.Neighbour:
        """Let a neighbour rest, or tell it again."""
        asked = {"enabled": enabled, **more}
        return self._record("/neighbours/{name}/enable", neighbours.Neighbour, asked, name=neighbour)

    # -- what correspondents sent -------------------------------------------------------------

    def accept(self, submission: str, reason: str = "", **more: Any) -> neighbours.Submission:
        """Take a submission in, as the correspondent's own."""
        return self._record("/inbox/{id}/accept", neighbours.Submission, {"reason": reason, **more}, id=submission)

    def refuse(self, submission: str, reason: str, **more: Any) -> neighbours.Submission:
        """Keep a submission out, with the reason."""
        return self._record("/inbox/{id}/refuse", neighbours.Submission, {"reason": reason, **more}, id=submission)
