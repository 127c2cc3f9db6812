"""Writing to this party's own logs: headers, salts, commitments, leaves, the tree.

Rules: entries, tree and everything folded from them are written in the caller's unit of work. Every entry
has a fresh salt, also where the same bytes stand in two logs, so that the two cannot be linked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

import msgspec

from comity import acts, canon, limits, statement
from comity.acts import AnyAct
from comity.canon import AccordId, OfficeId, Origin
from comity.errors import TooLarge
from comity.node import folding
from comity.node.folding import Taken
from comity.node.node import Node, generation, own_log
from comity.node.ports import NewEntry, Unit, position
from comity.statement import MEDIA_TYPE, Header
from comity.tlog import leaf
from comity.tlog.merkle import Frontier
from comity.vocab import Held, Priority

SALT_BYTES = 16
HOME_MEDIA = "application/vnd.comity.home+json"


class Draft(NamedTuple):
    """A statement to be: its header's bytes and body; `shared` is a position that holds the same body."""

    header: bytes
    body: bytes
    shared: int | None = None


def home_origin(node: Node, unit: Unit) -> Origin:
    """Return the origin of the home log's newest generation."""
    return canon.home_origin(node.me, generation(unit, node.me, "home"))


def accord_origin(node: Node, unit: Unit, accord: AccordId) -> Origin:
    """Return the origin of this party's newest log in an accord."""
    return canon.accord_origin(node.me, accord, generation(unit, node.me, f"accord/{accord}"))


def append(node: Node, unit: Unit, origin: Origin, version: int, drafts: Sequence[Draft]) -> int:
    """Append statements made under `version` of the log's accord; return the first one's position.

    Nothing is folded: `state` does that too. Raises `TooLarge`, `Conflict` or `Fault`.
    """
    node.require_signing()
    if len(drafts) > limits.BATCH_ENTRIES_MAX:
        raise TooLarge(f"{len(drafts)} statements at once are over BATCH_ENTRIES_MAX")
    log = own_log(unit, node.me, origin)
    payloads = [statement.join(draft.header, draft.body) for draft in drafts]
    random = node.entropy(SALT_BYTES * len(drafts))
    salts = [random[at : at + SALT_BYTES] for at in range(0, len(random), SALT_BYTES)]
    commitments = leaf.commit_many(salts, origin, version, MEDIA_TYPE, payloads)
    frontier = Frontier.decode(log.frontier) if log.frontier else Frontier()
    frontier.extend(leaf.leaf_hashes_of(commitments))
    entries = [
        NewEntry(
            commitments[32 * at : 32 * at + 32],
            Held.PAYLOAD,
            draft.header,
            salts[at],
            draft.body if draft.shared is None else draft.shared,
        )
        for at, draft in enumerate(drafts)
    ]
    unit.entries.append(log.id, log.size, entries)
    unit.logs.advance(log.id, log.size, frontier.size, frontier.root(), frontier.encode())
    return position(log.id, log.size)


def state(node: Node, unit: Unit, origin: Origin, version: int, drafts: Sequence[Draft]) -> int:
    """Append statements, fold them, and pass on what narrows; return the first one's position."""
    first = append(node, unit, origin, version, drafts)
    log = own_log(unit, node.me, origin)
    taken = [Taken(first + at, node.header(draft.header), draft.body) for at, draft in enumerate(drafts)]
    due = folding.fold(node, unit, log, taken)
    pass_on(node, unit, due)
    return first


def pass_on(node: Node, unit: Unit, due: Sequence[folding.Due]) -> None:
    """State narrowing acts about what this party restated or relayed, to the same recipients (design §4)."""
    keyed = sorted(due, key=lambda d: (d.origin, d.office))
    for (origin, office), group in groupby(keyed, key=lambda d: (d.origin, d.office)):
        stated = _joined(group)
        # What stands in a closed generation is narrowed in the one that grows.
        accord = canon.parse_origin(origin)[1]
        target = home_origin(node, unit) if accord is None else accord_origin(node, unit, accord)
        drafts = [act_draft(node, office, one, version=version_of_last(unit, target)) for one in stated]
        for start in range(0, len(drafts), limits.BATCH_ENTRIES_MAX):
            some = drafts[start : start + limits.BATCH_ENTRIES_MAX]
            state(node, unit, target, version_of_last(unit, target), some)


def _joined(due: Iterable[folding.Due]) -> list[AnyAct]:
    """Return the same acts about the same runs, as few as can be: an author's act may hit thousands of relays."""
    about: dict[folding.AboutStatements, list[acts.Span]] = {}
    for one in due:
        about.setdefault(msgspec.structs.replace(one.act, spans=()), []).extend(one.act.spans)
    found: list[AnyAct] = []
    for act, runs in about.items():
        spans = folding.merged(runs)
        for start in range(0, len(spans), limits.ACT_SPANS_MAX):
            some = tuple(spans[start : start + limits.ACT_SPANS_MAX])
            found.append(msgspec.structs.replace(act, spans=some))
    return found


def version_of_last(unit: Unit, origin: Origin) -> int:
    """Return the accord version that the log's newest entry names: acts about it stay under the same terms."""
    log = unit.logs.find(origin)
    if log is None or not log.size or canon.parse_origin(origin)[1] is None:
        return 0
    (last,) = unit.entries.brief(log.id, log.size - 1, log.size)
    return statement.decode_header(unit.entries.header(last.header_id)).accord


def act_draft(
    node: Node, office: OfficeId, act: AnyAct, *, version: int, priority: Priority = Priority.ROUTINE
) -> Draft:
    """Return an act as a statement of an office."""
    header = Header(
        v=1, kind=act.kind, office=office, accord=version, at=node.now(), media=statement.ACT_MEDIA, priority=priority
    )
    return Draft(statement.encode_header(header), acts.encode(act))


def record(node: Node, unit: Unit, office: OfficeId, kind: str, body: object) -> int:
    """Put a record of this node's own on its home log; return its position."""
    header = Header(v=1, kind=kind, office=office, accord=0, at=node.now(), media=HOME_MEDIA)
    draft = Draft(statement.encode_header(header), canon.encode(body))
    return state(node, unit, home_origin(node, unit), 0, [draft])
