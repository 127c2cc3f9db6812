"""What goes out: sharing, explaining, exporting."""

from __future__ import annotations

import csv
import os
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

import msgspec

from comity.accord import Accord
from comity.acts import Standing
from comity.errors import Fault, Misuse
from comity.formats import observables
from comity.formats.stix import check
from comity.formats.stix.report import Refusal
from comity.node import exporting
from comity.node.actor import Actor
from comity.node.exporting import Exported
from comity.node.ports import Unit, place
from comity.node.sharing import Offer, Shared
from comity.policy import Decision, Release
from comity.statement import Header, Marking
from comity.surfaces.cli.desk import Desk, Operation, actor_of
from comity.surfaces.cli.operations import acting
from comity.surfaces.cli.operations.choosing import chosen, marking_text, narrower, one_of
from comity.surfaces.cli.verbs import MarkingSaid
from comity.surfaces.cli.verbs import release as verbs
from comity.vocab import Held, Priority, Purpose

SHARE_BATCH: Final = 2_048  # objects between two turns of others
FORMS: Final = ("stix", "csv", "txt")
EXPORT_BATCH: Final = 512  # objects read of the store at once


# -- sharing ---------------------------------------------------------------------


def share(desk: Desk, ask: verbs.Share) -> verbs.Shared:
    """State objects in an accord: own ones anew, others' as relays with their authors' proof."""
    services, node = desk.services, desk.services.node
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        accord = services.accords.get(unit, ask.accord)
        places = chosen(services, unit, actor, ask.choice, received=False)
        groups = _by_marking(desk, unit, places)
        if ask.dry_run:
            return _plan(desk, unit, actor, accord, groups, ask)
    priority = Priority.FLASH if ask.flash else Priority.ROUTINE
    total = Shared(accord.id)
    shared = 0
    for marking, group in groups:
        offer = Offer(_offered(marking, ask.marking), priority)
        for start in range(0, len(group), SHARE_BATCH):
            _add(total, services.sharing.share(actor, ask.accord, group[start : start + SHARE_BATCH], offer))
            shared += len(group[start : start + SHARE_BATCH])
            desk.report("sharing", shared, len(places))
            desk.pause()
    return verbs.Shared(
        accord=accord.id,
        by=str(actor),
        chosen=len(places),
        stated=total.stated,
        relayed=total.relayed,
        known=total.known,
        withheld=total.withheld,
        grounds=total.grounds,
    )


def _add(total: Shared, more: Shared) -> None:
    total.stated += more.stated
    total.relayed += more.relayed
    total.known += more.known
    total.withheld += more.withheld
    for ground, count in more.grounds.items():
        total.grounds[ground] = total.grounds.get(ground, 0) + count


def _by_marking(desk: Desk, unit: Unit, places: Sequence[int]) -> list[tuple[Marking | None, list[int]]]:
    groups: dict[Marking | None, list[int]] = {}
    for at in places:
        groups.setdefault(_header(desk, unit, at)[0].marking, []).append(at)
    return list(groups.items())


def _header(desk: Desk, unit: Unit, at: int) -> tuple[Header, Standing, Held]:
    log_id, index = place(at)
    (brief,) = unit.entries.brief(log_id, index, index + 1)
    standing = msgspec.json.decode(unit.entries.standing(brief.standing_id), type=Standing)
    return desk.services.node.header(unit.entries.header(brief.header_id)), standing, brief.held


def _offered(marking: Marking | None, said: MarkingSaid) -> Marking | None:
    """Return the marking to state under, or None for the one each object has."""
    if said == MarkingSaid():
        return None
    if marking is None:
        raise Misuse(
            "an object without a marking is not shared, and a label of today does not change that",
            hint="give its source a default marking (`comity ingest --source NAME --tlp …`) and ingest it again",
        )
    return narrower(marking, said)


def _plan(
    desk: Desk,
    unit: Unit,
    actor: Actor,
    accord: Accord,
    groups: Sequence[tuple[Marking | None, list[int]]],
    ask: verbs.Share,
) -> verbs.Shared:
    """Say what sharing would decide, class by class, and state nothing."""
    planned: list[verbs.Planned] = []
    withheld = 0
    for marking, group in groups:
        offer = Offer(_offered(marking, ask.marking))
        classes: dict[tuple[int, Header, Standing], int] = {}
        for at in group:
            header, standing, _ = _header(desk, unit, at)
            key = (place(at)[0], header, standing)
            classes[key] = classes.get(key, 0) + 1
        for (log_id, header, standing), count in classes.items():
            decisions = desk.services.sharing.would(unit, unit.logs.get(log_id), header, standing, accord, offer)
            withheld += 0 if any(isinstance(d, Release) for d in decisions) else count
            text = marking_text(offer.marking or marking)
            planned.append(verbs.Planned(count, text, tuple(decision_shown(d) for d in decisions)))
    return verbs.Shared(
        accord=accord.id,
        by=str(actor),
        chosen=sum(len(group) for _, group in groups),
        stated=0,
        relayed=0,
        known=0,
        withheld=withheld,
        grounds={},
        planned=tuple(planned),
    )


# -- explaining ------------------------------------------------------------------


def explain(desk: Desk, ask: verbs.Explain) -> verbs.Explained:
    """Return every rule's finding about an object for an audience, as it stands now."""
    with desk.services.node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        purpose = one_of(Purpose, ask.purpose, what="a purpose")
        found = desk.services.explaining.explain(unit, actor, ask.name, ask.to, purpose)
    return verbs.Explained(
        ask.name,
        ask.to,
        tuple(verbs.ExplainedShown(f"{e.origin}#{e.index}", e.as_if, decision_shown(e.decision)) for e in found),
    )


def decision_shown(decision: Decision) -> verbs.DecisionShown:
    """Return a decision as people read it."""
    return verbs.DecisionShown(
        audience=decision.audience.name,
        purpose=decision.audience.purpose.value,
        outcome="release" if isinstance(decision, Release) else "withholding",
        lapses=decision.lapses or 0,
        findings=tuple(verbs.FindingShown(f.rule, f.allows, f.because) for f in decision.findings),
    )


# -- exporting -------------------------------------------------------------------


def export(desk: Desk, ask: verbs.Export) -> verbs.Exported:
    """Write what may go to an audience into a file; the decision is on record before the first byte."""
    if ask.form not in FORMS:
        raise Misuse(f"there is no format {ask.form!r}", hint=f"one of {', '.join(FORMS)}")
    services, node = desk.services, desk.services.node
    with node.store.read() as unit:
        actor = actor_of(desk, unit, ask)
        audience = services.releases.audience(unit, ask.to, one_of(Purpose, ask.purpose, what="a purpose"))
        places = chosen(services, unit, actor, ask.choice, received=True)
    exported = exporting.decide_export(node, services.releases, actor, places, audience)
    with node.store.read() as unit:
        values = _write(desk, unit, exported, ask)
    return verbs.Exported(
        audience=audience.name,
        purpose=audience.purpose.value,
        by=str(actor),
        form=ask.form,
        objects=len(exported.places),
        values=values,
        withheld=exported.withheld,
        grounds=exported.grounds,
    )


def _write(desk: Desk, unit: Unit, exported: Exported, ask: verbs.Export) -> int:
    """Write beside the file and rename, so that nobody reads half of it; return how many values were written."""
    path = Path(ask.path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        if ask.form == "stix":
            with partial.open("wb") as file:
                file.writelines(exporting.bundle(desk.services.queries, unit, exported, f"bundle--{uuid.uuid4()}"))
            values = 0
        else:
            with partial.open("w", encoding="utf-8", newline="") as text:
                values = _write_values(desk, unit, exported, ask.form, text)
        partial.replace(path)
    except OSError as error:
        raise Fault(f"{path} cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
    return values


def _write_values(desk: Desk, unit: Unit, exported: Exported, form: str, file: IO[str]) -> int:
    written: dict[tuple[str, str], None] = {}
    table = csv.writer(file, lineterminator="\n")
    if form == "csv":
        table.writerow(("value", "kind", "object", "name", "valid_until", "marking"))
    for at, checked in _objects(desk, unit, exported.places):
        marking = marking_text(_header(desk, unit, at)[0].marking)
        for observable in checked.observables:
            if not observable.value.isprintable() or (
                form == "txt" and (observable in written or observable.kind in observables.FREE_KINDS)
            ):
                continue
            written[observable] = None
            if form == "txt":
                file.write(f"{observable.value}\n")
            else:
                row = (observable.value, observable.kind, checked.id, checked.name, checked.valid_until or "", marking)
                table.writerow([_inert(str(cell)) for cell in row])
    return len(written)


def _inert(cell: str) -> str:
    """Keep a spreadsheet from taking a producer's text for a formula."""
    return f"'{cell}" if cell[:1] in {"=", "+", "-", "@"} else cell


def _objects(desk: Desk, unit: Unit, places: Sequence[int]) -> Iterator[tuple[int, check.Checked]]:
    for start in range(0, len(places), EXPORT_BATCH):
        batch = places[start : start + EXPORT_BATCH]
        bodies = [desk.services.queries.body(unit, at) for at in batch]
        for at, checked in zip(batch, check.check_many(bodies), strict=True):
            if not isinstance(checked, Refusal):
                yield at, checked
        desk.report("writing", start + len(batch), len(places))


OPERATIONS: Final = (
    Operation(verbs.SHARE, share),
    Operation(verbs.EXPLAIN, explain),
    Operation(verbs.EXPORT, export),
    Operation(verbs.RETRACT, acting.retract),
    Operation(verbs.NARROW, acting.narrow),
    Operation(verbs.CONSENT, acting.consent),
    Operation(verbs.ERASE, acting.erase),
    Operation(verbs.COMPLIANCE, acting.compliance),
)
