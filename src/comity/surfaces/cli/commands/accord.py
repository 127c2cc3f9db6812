"""`comity accord`: draft, review, sign, exchange, amend, move."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from comity.errors import Misuse
from comity.surfaces.cli.commands.party import done_lines
from comity.surfaces.cli.files import read_text, write_text
from comity.surfaces.cli.session import Session, columns
from comity.surfaces.cli.shape import SETTINGS, Lazy, command
from comity.surfaces.cli.verbs import Nothing
from comity.surfaces.cli.verbs import accord as verbs

WIDTH: Final = 100  # of prose on a terminal
_AT: Final = "comity.surfaces.cli.commands.accord:"
COMMANDS: Final = {
    "draft": (f"{_AT}draft", "Write a text to be edited, from a template or the text in force."),
    "review": (f"{_AT}review", "Read a text before signing: rows, terms, changes."),
    "sign": (f"{_AT}sign", "Sign a text with the root key."),
    "export": (f"{_AT}export", "Write a text with its signatures, for partners."),
    "import": (f"{_AT}import_", "Take a text, and signatures, from a partner's file."),
    "list": (f"{_AT}list_", "Accords known here."),
    "show": (f"{_AT}show", "Where an accord and its members stand."),
    "amend": (f"{_AT}amend", "Propose a next version, and vote for it."),
    "ballot": (f"{_AT}ballot", "Vote on a proposed version: once, irrevocably."),
    "suspend": (f"{_AT}suspend", "Suspend your part."),
    "resume": (f"{_AT}resume", "End your suspension."),
    "leave": (f"{_AT}leave", "Leave for good."),
    "withdraw": (f"{_AT}withdraw", "Drop a first text that is not in force."),
}
accord = Lazy("accord", COMMANDS, help="Accords: what parties agree to share, and how.", context_settings=SETTINGS)


@command(
    "draft",
    example='comity accord draft --template csirt-network --id three-shores --title "Three Shores" \\\n'
    "    --with cert.borealia.example --with cert.cascadia.example --out three-shores.toml\n"
    "comity accord draft --amends three-shores --out three-shores-2.toml",
)
@click.option("--template", default="", metavar="NAME", help="bilateral or csirt-network.")
@click.option("--id", "ident", default="", help="The accord's short name, e.g. three-shores.")
@click.option("--title", default="", help="Its title.")
@click.option("--with", "members", multiple=True, metavar="PARTY", help="Another member; say it again for more.")
@click.option("--community", default="", help="Whom TLP:GREEN means in it.")
@click.option("--ceiling", default="", metavar="TLP", help="The strictest label that may be stated in it.")
@click.option("--amends", default="", metavar="ACCORD", help="Begin from the text in force; --with adds newcomers.")
@click.option("--out", metavar="FILE", default="-", help="Where to write it.  [default: standard output]")
def draft(
    session: Session,
    template: str,
    ident: str,
    title: str,
    members: tuple[str, ...],
    community: str,
    ceiling: str,
    amends: str,
    out: str,
) -> None:
    """Write a text to be read and edited by people. Nothing is kept and nobody is bound.

    bilateral: the statement in seven areas of cooperation. csirt-network: teams that share and respond together.
    """
    if bool(amends) == bool(template):
        raise Misuse("a draft begins from --template NAME, or from --amends ACCORD")
    made = session.ask(
        verbs.DRAFT,
        verbs.Draft(
            template=template,
            id=ident,
            title=title,
            members=members,
            community=community,
            ceiling=ceiling,
            amends=amends,
            **session.who,
        ),
    )
    if session.as_json:
        session.put(made, ())
        return
    write_text(out, made.text)
    if out != "-":
        step = f"comity accord amend {out}" if amends else f"comity accord sign {out}"
        session.note(
            f"Version {made.version} of {made.id} is drafted. Edit it, `comity accord review {out}`, `{step}`."
        )


@command("review", example="comity accord review three-shores.toml\ncomity accord review three-shores")
@click.argument("what", metavar="FILE|ACCORD")
def review(session: Session, what: str) -> None:
    """Read a text as people do before they sign it, and what it changes in the text in force."""
    read = session.ask(verbs.REVIEW, _text(session, what))
    session.put(read, _review_lines(read))


def _text(session: Session, what: str) -> verbs.Text:
    """Take a name for a file if there is one, else for an accord."""
    if what == "-" or Path(what).is_file():
        return verbs.Text(text=read_text(what), **session.who)
    if "/" in what or what.endswith((".toml", ".json", ".accord")):
        raise Misuse(f"there is no file {what}")
    return verbs.Text(name=what, **session.who)


@command("sign", example="comity accord sign three-shores.toml\ncomity accord sign three-shores")
@click.argument("what", metavar="FILE|ACCORD")
def sign(session: Session, what: str) -> None:
    """Sign a text with your party's root key, and join under it.

    It is in force from the moment that every member has signed the same bytes. Members that reach one another over
    the network get texts and signatures by `comity sync`; others exchange files (`comity accord export`).
    """
    done = session.ask(verbs.SIGN, _text(session, what))
    session.put(done, _signed_lines(done))


def _signed_lines(done: verbs.Signed) -> Iterator[str]:
    yield f"Signed {done.digest} for {done.accord.id}, {done.by}."
    yield from _stand(done.accord)


def _stand(shown: verbs.AccordShown) -> Iterator[str]:
    if shown.awaiting:
        yield f"{shown.id} awaits the signature of {', '.join(shown.awaiting)}."
    else:
        yield f"{shown.id} is {shown.phase}, in version {shown.version}."


@command("export", example="comity accord export three-shores --out three-shores.accord")
@click.argument("what", metavar="ACCORD")
@click.option("--out", metavar="FILE", default="-", help="Where to write it.  [default: standard output]")
def export(session: Session, what: str, out: str) -> None:
    """Write a text with every signature held, as a file for partners that do not reach this node."""
    made = session.ask(verbs.EXPORT, verbs.Text(name=what, **session.who))
    if session.as_json:
        session.put(made, ())
        return
    write_text(out, made.text)
    session.note(f"Version {made.version} of {made.id}, signed by {', '.join(made.signers)}.")


@command("import", example="comity accord import three-shores.accord")
@click.argument("file", metavar="FILE")
def import_(session: Session, file: str) -> None:
    """Take a text from a partner's file, with the signatures of parties whose cards you have confirmed."""
    shown = session.ask(verbs.IMPORT, verbs.Text(text=read_text(file), **session.who))
    session.put(shown, [*_stand(shown), f"Read it with `comity accord review {shown.id}`."])


@command("list", example="comity accord list")
def list_(session: Session) -> None:
    """List the accords known here."""
    found = session.ask(verbs.LIST, Nothing(**session.who))
    rows = [(a.id, a.phase, f"version {a.version}", f"{len(a.members)} members", a.title) for a in found.accords]
    session.put(found, columns(rows) or ["No accord is known here."])


@command("show", example="comity accord show three-shores")
@click.argument("name", metavar="ACCORD")
def show(session: Session, name: str) -> None:
    """Show where an accord and each of its members stand."""
    shown = session.ask(verbs.SHOW, verbs.Named(name=name, **session.who))
    session.put(shown, _accord_lines(shown))


def _accord_lines(shown: verbs.AccordShown) -> Iterator[str]:
    yield f"{shown.title} ({shown.id}), version {shown.version}: {shown.phase}"
    yield f"areas {', '.join(shown.areas)}; up to {shown.ceiling}; text {shown.digest}"
    yield from _member_lines(shown.members)
    if shown.awaiting:
        yield f"awaits the signature of {', '.join(shown.awaiting)}"
    for digest in shown.proposed:
        yield f"proposed: {digest}; `comity accord review {digest[:19]}` shows it"


def _member_lines(members: tuple[verbs.MemberShown, ...]) -> list[str]:
    return columns(
        (
            f"  {m.party}",
            m.jurisdiction,
            "signed" if m.signed else "not signed",
            m.phase,
            ", ".join(m.offices) or "all offices",
            f"root key {m.root}",
        )
        for m in members
    )


@command("amend", example="comity accord draft --amends three-shores --out next.toml\ncomity accord amend next.toml")
@click.argument("file", metavar="FILE")
def amend(session: Session, file: str) -> None:
    """Propose a next version: it is signed, so that members get it, and has your vote."""
    done = session.ask(verbs.AMEND, verbs.Text(text=read_text(file), **session.who))
    session.put(done, [f"Proposed {done.digest}, {done.by}; your ballot is yes.", *_accord_lines(done.accord)])


@command("ballot", example="comity accord ballot three-shores yes")
@click.argument("name", metavar="ACCORD")
@click.argument("vote", type=click.Choice(["yes", "no"]))
@click.option("--text", "digest", default="", metavar="DIGEST", help="Which text, where several are proposed.")
def ballot(session: Session, name: str, vote: str, digest: str) -> None:
    """Vote on the proposed version. One ballot per party and version, irrevocable."""
    ask = verbs.Ballot(name=name, yes=vote == "yes", digest=digest, **session.who)
    done = session.ask(verbs.BALLOT, ask)
    session.put(done, done_lines(done))


@command("suspend", example='comity accord suspend three-shores --reason "our key store is being examined"')
@click.argument("name", metavar="ACCORD")
@click.option("--reason", default="", help="Goes on record and to the members.")
def suspend(session: Session, name: str, reason: str) -> None:
    """Suspend your part: nothing new of yours goes out. Acts that narrow still pass."""
    _move(session, name, "suspend", reason)


@command("resume", example="comity accord resume three-shores")
@click.argument("name", metavar="ACCORD")
def resume(session: Session, name: str) -> None:
    """End your suspension."""
    _move(session, name, "resume", "")


@command("leave", example='comity accord leave three-shores --reason "our mandate ended"')
@click.argument("name", metavar="ACCORD")
@click.option("--reason", default="", help="Goes on record and to the members.")
def leave(session: Session, name: str, reason: str) -> None:
    """Leave an accord for good. You keep what its retention terms let you keep; narrowing acts still reach you."""
    _move(session, name, "leave", reason)


def _move(session: Session, name: str, event: str, reason: str) -> None:
    done = session.ask(verbs.MOVE, verbs.Move(name=name, event=event, reason=reason, **session.who))
    session.put(done, done_lines(done))


@command("withdraw", example="comity accord withdraw three-shores")
@click.argument("name", metavar="ACCORD")
def withdraw(session: Session, name: str) -> None:
    """Drop a first text that not everybody signed yet, so that another can be drafted under its name."""
    done = session.ask(verbs.WITHDRAW, verbs.Named(name=name, **session.who))
    session.put(done, done_lines(done))


# -- a text for people -------------------------------------------------------------


def _review_lines(read: verbs.Reviewed) -> Iterator[str]:
    yield f"{read.title} ({read.id}), version {read.version}: {read.phase}"
    yield "legally binding" if read.binding else "not legally binding: a statement of intent"
    yield f"text {read.digest}"
    yield from _prose("", read.preamble)
    for row in read.rows:
        yield ""
        yield f"{row.heading}" + (f"  [{', '.join(row.areas)}]" if row.areas else "")
        yield from _prose("  ", row.text)
    yield ""
    yield "Terms"
    yield from columns((f"  {name}", value) for name, value in _terms(read) if value)
    yield ""
    yield "Members"
    yield from _member_lines(read.members)
    if read.changes:
        yield ""
        yield "Changes"
        yield from (f"  {line}" for line in read.changes)


def _terms(read: verbs.Reviewed) -> list[tuple[str, str]]:
    clocks = ", ".join(f"{name} {value}" for name, value in sorted(read.clocks.items()))
    retention = ", ".join(f"{name} {value}" for name, value in sorted(read.retention.items()))
    return [
        ("areas opened", ", ".join(read.areas)),
        ("ceiling", read.ceiling),
        ("community", f"{read.community} (whom TLP:GREEN means)"),
        ("permitted use", ", ".join(read.use)),
        ("legal basis", read.legal_basis),
        ("transfer to", ", ".join(read.transfer)),
        ("refused kinds", ", ".join(read.refused_kinds)),
        ("amendments", f"{read.voting}: {read.votes_needed} of {len(read.members)} ballots"),
        ("accession", read.accession),
        ("expulsion", read.expulsion),
        ("observers", ", ".join(read.observers)),
        ("clocks", clocks),
        ("retention", retention),
        ("languages", ", ".join(read.languages)),
        ("exercise", "yes: exercise data only" if read.exercise else ""),
    ]


def _prose(indent: str, text: str) -> Iterator[str]:
    for paragraph in text.strip().split("\n\n"):
        yield from textwrap.wrap(paragraph, WIDTH, initial_indent=indent, subsequent_indent=indent)
