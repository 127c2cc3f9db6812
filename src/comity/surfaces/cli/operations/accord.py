"""Accords: drafting, reviewing, signing, exchanging, amending, moving."""

from __future__ import annotations

import difflib
import importlib.resources
import re
from typing import Final

from comity import accord, canon, dsse
from comity.accord import Accord, Member, SignedText
from comity.canon import AccordId, Digest
from comity.errors import Misuse, NotFound
from comity.limits import ACCORD_BYTES_MAX
from comity.node import accords, parties
from comity.node.node import Node
from comity.node.ports import Unit
from comity.surfaces.cli.desk import Desk, Operation, actor_of
from comity.surfaces.cli.verbs import Done, Nothing
from comity.surfaces.cli.verbs import accord as verbs
from comity.vocab import Phase, Tlp

TEMPLATES: Final = ("bilateral", "csirt-network")
CEILINGS: Final = {"bilateral": Tlp.AMBER_STRICT, "csirt-network": Tlp.AMBER_STRICT}
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{8,64}\Z")


def draft(desk: Desk, ask: verbs.Draft) -> verbs.Drafted:
    """Return a text to be read, edited and signed: from a template, or the next version of one in force."""
    node = desk.services.node
    with node.store.read() as unit:
        if ask.amends:
            text = _next_version(desk.services.accords.get(unit, ask.amends), node, unit, ask.members)
        else:
            text = _from_template(node, unit, ask)
    parsed = accord.parse_text(text.encode()).text
    return verbs.Drafted(parsed.id, parsed.version, text)


def _from_template(node: Node, unit: Unit, ask: verbs.Draft) -> str:
    if ask.template not in TEMPLATES:
        raise Misuse(f"there is no template {ask.template!r}", hint=f"one of {', '.join(TEMPLATES)}")
    name = canon.slug(ask.id, what="an accord")
    ceiling = ask.ceiling or CEILINGS[ask.template]
    values = {
        "id": name,
        "title": _toml(ask.title or name),
        "community": _toml(ask.community or f"the members of {name}"),
        "ceiling": _toml(ceiling),
    }
    parties = [node.me, *(party for party in ask.members if party != node.me)]
    members = [_member(node, unit, party) for party in dict.fromkeys(parties)]
    template = importlib.resources.files("comity.surfaces.cli").joinpath(f"templates/{ask.template}.toml")
    return accords.draft(template.read_text("utf-8"), values, members)


def _member(node: Node, unit: Unit, party: str) -> Member:
    card = node.card(unit, party).card
    return Member(card.party, card.keys.root, card.jurisdiction)


def _toml(text: str) -> str:
    """Escape a text for a basic string of TOML; raises `Misuse` for one that is not a line."""
    if not text.isprintable():
        raise Misuse(f"{text!r} is not one line of printable text")
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _next_version(found: Accord, node: Node, unit: Unit, joining: tuple[str, ...]) -> str:
    """Return the text in force as its next version: its parent named, today's root keys, newcomers added."""
    current = found.current
    text = current.data.decode("utf-8")
    text = re.sub(r"(?m)^parent\s*=.*\n", "", text)
    line = f'version = {current.text.version + 1}\nparent = "{current.digest}"'
    text, changed = re.subn(r"(?m)^version\s*=\s*\d+[ \t]*$", line, text, count=1)
    if not changed:
        raise Misuse("the text in force has no line `version = …` to count up", hint="write the next version by hand")
    for old in current.text.member:
        text = text.replace(old.root, _member(node, unit, old.party).root)
    for party in joining:
        member = _member(node, unit, party)
        text += f'\n[[member]]\nparty = "{member.party}"\nroot = "{member.root}"\n'
        text += f'jurisdiction = "{_toml(member.jurisdiction)}"\n'
    return text


# -- reviewing -------------------------------------------------------------------


def review(desk: Desk, ask: verbs.Text) -> verbs.Reviewed:
    """Return a text as people read it, and what it changes in the text in force."""
    node = desk.services.node
    with node.store.read() as unit:
        text = _text(desk, unit, ask)
        known = desk.services.accords.all(unit).get(text.text.id)
        return _reviewed(desk, unit, text, known)


def _reviewed(desk: Desk, unit: Unit, text: SignedText, known: Accord | None) -> verbs.Reviewed:
    said, terms = text.text, text.text.terms
    phase = known.phase if known is not None and known.current.digest == text.digest else Phase.DRAFT
    return verbs.Reviewed(
        id=said.id,
        title=said.title,
        version=said.version,
        digest=text.digest,
        phase=phase.value,
        binding=said.binding,
        languages=said.languages,
        community=said.community,
        areas=tuple(area.value for area in said.areas),
        ceiling=terms.ceiling.label,
        use=tuple(use.value for use in terms.use),
        legal_basis=terms.legal_basis,
        transfer=terms.transfer,
        refused_kinds=terms.refused_kinds,
        voting=said.voting.rule,
        votes_needed=accord.votes_needed(said.voting.rule, len(said.member)),
        exercise=said.exercise,
        preamble=said.preamble,
        accession=said.accession,
        expulsion=said.expulsion,
        observers=said.observers,
        clocks=said.clocks,
        retention=said.retention,
        members=_members(desk, unit, text, known),
        rows=tuple(verbs.RowShown(row.heading, row.text, row.areas) for row in said.row),
        changes=_changes(text, known),
    )


def _changes(text: SignedText, known: Accord | None) -> tuple[str, ...]:
    if known is None or known.current.digest == text.digest:
        return ()
    before = next((v for v in known.versions if v.digest == text.text.parent), known.current)
    return tuple(
        difflib.unified_diff(
            before.data.decode("utf-8").splitlines(),
            text.data.decode("utf-8").splitlines(),
            f"version {before.text.version}",
            f"version {text.text.version}",
            lineterm="",
        )
    )


def _members(desk: Desk, unit: Unit, text: SignedText, known: Accord | None) -> tuple[verbs.MemberShown, ...]:
    found: list[verbs.MemberShown] = []
    for member in text.text.member:
        state = known.members.get(member.party) if known is not None else None
        phase = state.phase.value if state is not None and known is not None and not known.awaiting else "named"
        signed = desk.services.accords.has_signed(unit, text.digest, member.party)
        root = _root(desk.services.node, unit, member)
        found.append(verbs.MemberShown(member.party, member.jurisdiction, member.offices, phase, signed, root))
    return tuple(found)


def _root(node: Node, unit: Unit, member: Member) -> str:
    try:
        held = node.card(unit, member.party).card.keys.root
    except NotFound:
        return "no card held"
    if held == member.root:
        return "as on its card"
    earlier = {card.card.keys.root for card in parties.history(unit, member.party)}
    return "of an earlier card" if member.root in earlier else "NOT the key on its card"


def _text(desk: Desk, unit: Unit, ask: verbs.Text) -> SignedText:
    """Return the text meant: given itself (plain or with signatures), by a digest, or by an accord's name."""
    if ask.text:
        return accord.parse_text(_plain(ask.text.encode()))
    if _DIGEST.match(ask.name):
        found = [text for text in desk.services.accords.texts(unit) if text.digest.startswith(ask.name)]
        if len(found) != 1:
            raise NotFound(f"{len(found) or 'no'} texts are held whose digest begins with {ask.name}")
        return found[0]
    known = desk.services.accords.get(unit, ask.name)
    try:
        return desk.services.accords.proposal(unit, ask.name)
    except NotFound:
        return known.current


def _plain(data: bytes) -> bytes:
    """Return the text inside an exchanged file, or the bytes as they are where they are no such file."""
    if not data.lstrip().startswith(b"{"):
        return data
    return dsse.parse(data.strip(), media_type=accord.TEXT_MEDIA_TYPE, bytes_max=2 * ACCORD_BYTES_MAX).payload


# -- signing and exchanging --------------------------------------------------------


def sign(desk: Desk, ask: verbs.Text) -> verbs.Signed:
    """Sign a text with the root key and join under it."""
    node, known = desk.services.node, desk.services.accords
    root = desk.keys.root()
    with node.writing() as unit:
        actor = actor_of(desk, unit, ask)
        if ask.text:
            _take(desk, unit, ask.text.encode())
        text = _text(desk, unit, ask)
        known.sign(unit, actor, text.digest, root)
        return verbs.Signed(_shown(desk, unit, known.get(unit, text.text.id)), text.digest, str(actor))


def _take(desk: Desk, unit: Unit, data: bytes) -> SignedText:
    if data.lstrip().startswith(b"{"):
        return desk.services.accords.take_file(unit, data.strip())
    return desk.services.accords.take_text(unit, data)


def import_(desk: Desk, ask: verbs.Text) -> verbs.AccordShown:
    """Keep a text, and the signatures of known parties where the file carries any."""
    node = desk.services.node
    with node.writing() as unit:
        text = _take(desk, unit, ask.text.encode())
        return _shown(desk, unit, desk.services.accords.get(unit, text.text.id))


def export(desk: Desk, ask: verbs.Text) -> verbs.Exported:
    """Return a text with every signature held, as a file to exchange."""
    with desk.services.node.store.read() as unit:
        text = _text(desk, unit, ask)
        data = desk.services.accords.file(unit, text.digest)
        signers = tuple(
            m.party for m in text.text.member if desk.services.accords.has_signed(unit, text.digest, m.party)
        )
    return verbs.Exported(text.text.id, text.text.version, data.decode(), signers)


# -- changing ----------------------------------------------------------------------


def amend(desk: Desk, ask: verbs.Text) -> verbs.Signed:
    """Propose a next version: keep it, sign it so that members get it, and vote for it."""
    node, known = desk.services.node, desk.services.accords
    root = desk.keys.root()
    with node.writing() as unit:
        actor = actor_of(desk, unit, ask)
        text = accord.parse_text(_plain(ask.text.encode()))
        if not text.text.parent:
            raise Misuse(
                "this is a first text, not an amendment", hint="`comity accord draft --amends NAME` begins one"
            )
        now = known.get(unit, text.text.id)
        if text.text.parent != now.current.digest:
            raise Misuse(
                f"this text amends another version of {now.id} than the one in force ({now.current.text.version})",
                hint=f"`comity accord draft --amends {now.id}` begins from the one in force",
            )
        _take(desk, unit, ask.text.encode())
        known.sign(unit, actor, text.digest, root)
        known.ballot(unit, actor, text.digest, yes=True)
        return verbs.Signed(_shown(desk, unit, known.get(unit, now.id)), text.digest, str(actor))


def ballot(desk: Desk, ask: verbs.Ballot) -> Done:
    """Vote on an amendment: once, irrevocably."""
    node, known = desk.services.node, desk.services.accords
    with node.writing() as unit:
        actor = actor_of(desk, unit, ask)
        text = _text(desk, unit, verbs.Text(name=ask.digest)) if ask.digest else known.proposal(unit, ask.name)
        if text.text.id != ask.name:
            raise Misuse(f"{ask.digest} is a text of {text.text.id}, not of {ask.name}")
        if not text.text.parent:
            raise Misuse(f"{ask.name} awaits signatures, not ballots", hint=f"`comity accord sign {ask.name}`")
        known.ballot(unit, actor, text.digest, yes=ask.yes)
        now = known.get(unit, ask.name)
    word = "Yes" if ask.yes else "No"
    state = "which is in force now" if now.current.digest == text.digest else "which is not in force yet"
    return Done(f"{word} to version {text.text.version} of {ask.name}, {state}", str(actor))


def move(desk: Desk, ask: verbs.Move) -> Done:
    """Suspend, resume or leave."""
    if ask.event not in {"suspend", "resume", "leave"}:
        raise Misuse(f"an accord is suspended, resumed or left, not {ask.event!r}")
    node = desk.services.node
    with node.writing() as unit:
        actor = actor_of(desk, unit, ask)
        found = desk.services.accords.move(unit, actor, ask.name, ask.event, ask.reason)
        phase = found.members[node.me].phase if found.phase is Phase.ACTIVE else found.phase
    return Done(f"{ask.name} is {phase} for {node.me}", str(actor))


def withdraw(desk: Desk, ask: verbs.Named) -> Done:
    """Drop a first text that is not in force."""
    node = desk.services.node
    with node.store.write() as unit:
        actor = actor_of(desk, unit, ask)
        desk.services.accords.withdraw(unit, ask.name)
    return Done(f"The text of {ask.name} is withdrawn here", str(actor))


# -- showing -----------------------------------------------------------------------


def list_(desk: Desk, ask: Nothing) -> verbs.AccordsShown:
    """Return every accord of which a text is held, by name."""
    with desk.services.node.store.read() as unit:
        known = desk.services.accords.all(unit)
        return verbs.AccordsShown(tuple(_shown(desk, unit, known[name]) for name in sorted(known)))


def show(desk: Desk, ask: verbs.Named) -> verbs.AccordShown:
    """Return where one accord stands."""
    with desk.services.node.store.read() as unit:
        return _shown(desk, unit, desk.services.accords.get(unit, ask.name))


def _shown(desk: Desk, unit: Unit, found: Accord) -> verbs.AccordShown:
    current = found.current
    proposed = [t.digest for t in desk.services.accords.texts(unit) if _proposes(t, found.id, current.digest)]
    return verbs.AccordShown(
        id=found.id,
        title=current.text.title,
        phase=found.phase.value,
        version=current.text.version,
        digest=current.digest,
        areas=tuple(area.value for area in current.text.areas),
        ceiling=current.text.terms.ceiling.label,
        members=_members(desk, unit, current, found),
        awaiting=found.awaiting,
        proposed=tuple(proposed),
    )


def _proposes(text: SignedText, name: AccordId, parent: Digest) -> bool:
    return text.text.id == name and text.text.parent == parent


OPERATIONS: Final = (
    Operation(verbs.DRAFT, draft),
    Operation(verbs.REVIEW, review),
    Operation(verbs.SIGN, sign),
    Operation(verbs.IMPORT, import_),
    Operation(verbs.EXPORT, export),
    Operation(verbs.AMEND, amend),
    Operation(verbs.BALLOT, ballot),
    Operation(verbs.MOVE, move),
    Operation(verbs.WITHDRAW, withdraw),
    Operation(verbs.LIST, list_),
    Operation(verbs.SHOW, show),
)
