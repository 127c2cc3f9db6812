"""`comity party correspondent`: organisations and persons that take part without a node."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from comity.errors import Misuse
from comity.surfaces.cli.commands.party import done_lines
from comity.surfaces.cli.files import read_text, write_text
from comity.surfaces.cli.markings import instant, marking_options, said
from comity.surfaces.cli.session import Session, columns
from comity.surfaces.cli.shape import SETTINGS, Lazy, command
from comity.surfaces.cli.verbs import Nothing
from comity.surfaces.cli.verbs import correspondent as verbs

CERTIFICATE_BYTES_MAX: Final = 262_144
CHANNELS: Final = click.Choice(["taxii", "misp", "mail", "web", "feed", "webhook"])
_AT: Final = "comity.surfaces.cli.commands.correspondent:"
_LOGINS: Final = "comity.surfaces.cli.commands.login:login"
COMMANDS: Final = {
    "add": (f"{_AT}add", "Register one, with the terms it accepted."),
    "list": (f"{_AT}list_", "Those of your office."),
    "show": (f"{_AT}show", "One of them: channels, credentials, what it was given and is owed."),
    "change": (f"{_AT}change", "Change its ceiling, title, end of terms …"),
    "terms": (f"{_AT}terms", "Put on record that a text of terms was accepted."),
    "allow": (f"{_AT}allow", "Let it use a channel."),
    "forbid": (f"{_AT}forbid", "Take a channel away."),
    "login": (_LOGINS, "Its credentials: make, list, revoke."),
    "source": (f"{_AT}source", "How what it sends is marked by default, and how reliable it is."),
    "suspend": (f"{_AT}suspend", "Give it nothing and take nothing, for now."),
    "resume": (f"{_AT}resume", "Let it take part again."),
    "end": (f"{_AT}end", "End its part; what is retracted is told to it all the same."),
    "promote": (f"{_AT}promote", "Put on record which party it has become."),
    "import": (f"{_AT}import_", "Register or change many from a CSV table."),
    "export": (f"{_AT}export", "Write them as a CSV table."),
}
correspondent = Lazy(
    "correspondent",
    COMMANDS,
    help="Organisations and persons that take part without a node: by TAXII, lists and files.",
    context_settings=SETTINGS,
)
_name = click.argument("name", metavar="NAME")


@command(
    "add",
    example="comity party correspondent add grid-operator --jurisdiction XA --ceiling AMBER --client "
    '--terms "letter of 2026-03-01"',
)
@_name
@click.option("--title", default="", help="Its full name.")
@click.option("--jurisdiction", required=True, help="Under whose law it is.")
@click.option("--ceiling", required=True, metavar="TLP", help="The strictest label it may be given.")
@click.option("--client", is_flag=True, help="It is a client or constituent of your office (TLP:AMBER).")
@click.option("--individual", is_flag=True, help="It is a person: TLP:RED reaches it where a marking names it.")
@click.option("--community", "communities", multiple=True, help="A declared community it belongs to (TLP:GREEN).")
@click.option("--terms", default="", help="What it accepted, and when.")
@click.option("--until", default="", metavar="TIME", help="When its terms run out.  [default: open end]")
@click.option("--no-wait", is_flag=True, help="What it sends comes in at once, without anybody accepting it.")
def add(
    session: Session,
    name: str,
    title: str,
    jurisdiction: str,
    ceiling: str,
    client: bool,
    individual: bool,
    communities: tuple[str, ...],
    terms: str,
    until: str,
    no_wait: bool,
) -> None:
    """Register an organisation or person without a node under your office, with a ceiling and the terms it accepted.

    It may have nothing yet by itself: `allow` opens a channel, `login create` makes a credential for one.
    """
    ask = verbs.Add(
        name=name,
        title=title,
        jurisdiction=jurisdiction,
        ceiling=ceiling,
        client=client,
        individual=individual,
        communities=communities,
        terms=terms,
        until=instant(session, until),
        waits=not no_wait,
        **session.who,
    )
    done = session.ask(verbs.ADD, ask)
    session.put(done, done_lines(done))


@command("list", example="comity party correspondent list")
def list_(session: Session) -> None:
    """List your office's correspondents. Those of other offices are not yours to see."""
    found = session.ask(verbs.LIST, Nothing(**session.who))
    rows = [
        (
            c.audience,
            "" if c.state == "active" else c.state,
            f"up to TLP:{c.ceiling}",
            c.jurisdiction,
            " ".join(each.channel for each in c.channels),
            c.title or c.terms,
        )
        for c in found.correspondents
    ]
    session.put(found, columns(rows) or ["No correspondent is registered."])


@command("show", example="comity party correspondent show grid-operator")
@_name
def show(session: Session, name: str) -> None:
    """Show one correspondent: terms, channels, credentials, receipts, and what it is still to be told.

    Receipts are graded. sent: it left here. fetched: the correspondent asked and got it. acknowledged: it said so.
    They are this node's own word; no party has witnessed them.
    """
    found = session.ask(verbs.SHOW, verbs.Named(name=name, **session.who))
    session.put(found, _whole_lines(session, found))


@command("change", example="comity party correspondent change grid-operator --ceiling GREEN")
@_name
@click.option("--title", default=None, help="Its full name.")
@click.option("--jurisdiction", default=None, help="Under whose law it is.")
@click.option("--ceiling", default=None, metavar="TLP", help="The strictest label it may be given.")
@click.option("--client/--no-client", default=None, help="Whether it is a client or constituent of your office.")
@click.option("--community", "communities", multiple=True, help="Its communities, instead of those before.")
@click.option("--until", default=None, metavar="TIME", help="When its terms run out; empty for an open end.")
@click.option("--wait/--no-wait", "waits", default=None, help="Whether what it sends waits for somebody to accept it.")
@click.option("--identity", "identities", multiple=True, metavar="ID", help="STIX identities that are its own.")
def change(
    session: Session,
    name: str,
    title: str | None,
    jurisdiction: str | None,
    ceiling: str | None,
    client: bool | None,
    communities: tuple[str, ...],
    until: str | None,
    waits: bool | None,
    identities: tuple[str, ...],
) -> None:
    """Change what is on record of a correspondent; what it may have is decided anew from then on.

    What it was given and may not have any more is owed to it as *withheld*.
    """
    ask = verbs.Change(
        name=name,
        title=title,
        jurisdiction=jurisdiction,
        ceiling=ceiling,
        client=client,
        communities=communities or None,
        until=None if until is None else instant(session, until),
        waits=waits,
        identities=identities or None,
        **session.who,
    )
    done = session.ask(verbs.CHANGE, ask)
    session.put(done, done_lines(done))


@command("terms", example='comity party correspondent terms grid-operator terms.txt --by "Ada Example, security"')
@_name
@click.argument("file", metavar="FILE")
@click.option("--by", "accepted_by", required=True, help="Who accepted them for the correspondent, and how.")
@click.option("--called", default="", help="What the terms are called.")
def terms(session: Session, name: str, file: str, accepted_by: str, called: str) -> None:
    """Put on record that this very text of terms was accepted: its digest, by whom, and now."""
    text = read_text(file)
    ask = verbs.Accept(name=name, text=text, accepted_by=accepted_by, called=called, **session.who)
    done = session.ask(verbs.ACCEPT, ask)
    session.put(done, done_lines(done))


@command(
    "allow",
    example="comity party correspondent allow grid-operator taxii --send\n"
    "comity party correspondent allow grid-operator mail --address soc@grid.example --pgp grid.pgp",
)
@_name
@click.argument("channel", type=CHANNELS)
@click.option("--send", is_flag=True, help="It may send by it, too.")
@click.option("--address", "addresses", multiple=True, help="Of mail.")
@click.option("--pgp", default="", metavar="FILE", help="Its OpenPGP certificate.")
@click.option("--smime", default="", metavar="FILE", help="Its S/MIME certificate.")
def allow(
    session: Session, name: str, channel: str, send: bool, addresses: tuple[str, ...], pgp: str, smime: str
) -> None:
    """Let a correspondent use a channel, or change the channel's settings as a whole.

    This version speaks TAXII and MISP, has mail (`comity mail`), and keeps lists that a correspondent fetches (feed).
    Web is kept for when it does: until then nothing goes or comes by it.
    """
    ask = verbs.Allow(
        name=name,
        channel=channel,
        send=send,
        addresses=addresses,
        pgp=certificate(pgp),
        smime=certificate(smime),
        **session.who,
    )
    done = session.ask(verbs.ALLOW, ask)
    session.put(done, done_lines(done))


@command("forbid", example="comity party correspondent forbid grid-operator misp")
@_name
@click.argument("channel", type=CHANNELS)
def forbid(session: Session, name: str, channel: str) -> None:
    """Take a channel away; its credentials do not hold from now on."""
    done = session.ask(verbs.FORBID, verbs.Forbid(name=name, channel=channel, **session.who))
    session.put(done, done_lines(done))


@command("source", example="comity party correspondent source grid-operator --tlp AMBER --reliability B")
@_name
@marking_options
@click.option("--reliability", default="", metavar="A-F", help="By the Admiralty code.")
def source(session: Session, name: str, tlp: str, pap: str, to: tuple[str, ...], reliability: str) -> None:
    """Say how what a correspondent sends is marked where it is unmarked, and how reliable it is.

    Without a marking, what comes unmarked stays at home. What it sends is always its own word, whoever an object names
    as its creator.
    """
    if not tlp and (pap or to):
        raise Misuse("a default marking begins with --tlp")
    marking = said(tlp, pap, to) if tlp else None
    ask = verbs.Source(name=name, marking=marking, reliability=reliability, **session.who)
    done = session.ask(verbs.SOURCE, ask)
    session.put(done, done_lines(done))


def _move(session: Session, name: str, state: str, reason: str) -> None:
    done = session.ask(verbs.MOVE, verbs.Move(name=name, state=state, reason=reason, **session.who))
    session.put(done, done_lines(done))


@command("suspend", example="comity party correspondent suspend grid-operator --reason 'terms under review'")
@_name
@click.option("--reason", required=True, help="Goes on record.")
def suspend(session: Session, name: str, reason: str) -> None:
    """Give a correspondent nothing and take nothing from it, until `resume`. Retractions still reach it."""
    _move(session, name, "suspended", reason)


@command("resume", example="comity party correspondent resume grid-operator")
@_name
@click.option("--reason", default="", help="Goes on record.")
def resume(session: Session, name: str, reason: str) -> None:
    """Let a suspended or ended correspondent take part again."""
    _move(session, name, "active", reason)


@command("end", example="comity party correspondent end grid-operator --reason 'left the sector'")
@_name
@click.option("--reason", required=True, help="Goes on record.")
def end(session: Session, name: str, reason: str) -> None:
    """End a correspondent's part. Its history stays, and what is retracted or erased is told to it all the same."""
    _move(session, name, "ended", reason)


@command("promote", example="comity party correspondent promote grid-operator --party cert.grid.example")
@_name
@click.option("--party", required=True, help="Its name as a party, whose card is confirmed here.")
def promote(session: Session, name: str, party: str) -> None:
    """Put on record that a correspondent runs a node now: its history stays tied to it, under both names.

    Its channels stay, too, until you `end` it, so that nothing is lost between the two ways.
    """
    done = session.ask(verbs.PROMOTE, verbs.Promote(name=name, party=party, **session.who))
    session.put(done, done_lines(done))


@command("import", example="comity party correspondent import constituents.csv --dry-run")
@click.argument("file", metavar="FILE")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def import_(session: Session, file: str, dry_run: bool) -> None:
    """Register or change many correspondents from a CSV table (- reads standard input).

    Its first line names columns: name, jurisdiction and ceiling are needed; title, client, individual, communities,
    terms, until, waits, channels (such as `taxii mail+send`) and mail may be there. A line that cannot be stops none.
    """
    found = session.ask(verbs.IMPORT, verbs.Table(text=read_text(file), dry=dry_run, **session.who))
    rows = [(f"line {one.line}", one.name, one.outcome, one.reason) for one in found.lines]
    session.put(found, columns(rows) or ["The table has no rows."])
    if any(one.outcome == "refused" for one in found.lines):
        raise click.exceptions.Exit(65)


@command("export", example="comity party correspondent export --out constituents.csv")
@click.option("--out", metavar="FILE", default="-", help="Where to write it.  [default: standard output]")
def export(session: Session, out: str) -> None:
    """Write your office's correspondents as a CSV table that `import` reads. Certificates and credentials stay here."""
    found = session.ask(verbs.EXPORT, Nothing(**session.who))
    if session.as_json:
        session.put(found, ())
        return
    write_text(out, found.text)


def certificate(name: str) -> bytes:
    """Return a small file's bytes; nothing for no file. Raises `Misuse`."""
    if not name:
        return b""
    try:
        with Path(name).open("rb") as file:
            data = file.read(CERTIFICATE_BYTES_MAX + 1)
    except OSError as error:
        raise Misuse(f"{name} cannot be read: {error.strerror}") from error
    if len(data) > CERTIFICATE_BYTES_MAX:
        raise Misuse(f"{name} has more than {CERTIFICATE_BYTES_MAX} bytes")
    return data


# -- lines ---------------------------------------------------------------------------


def _whole_lines(session: Session, found: verbs.Whole) -> Iterator[str]:
    one = found.correspondent
    about = [word for word, is_so in (("client", one.client), ("individual", one.individual)) if is_so]
    rows = [
        ("correspondent", one.audience + ("" if one.state == "active" else f"  ({one.state.upper()})")),
        ("name", one.title),
        ("jurisdiction", one.jurisdiction),
        ("may have", " ".join([f"up to TLP:{one.ceiling}", *about, *one.communities])),
        ("terms", one.terms + (f", until {session.time(one.until)}" if one.until else "")),
        ("accepted", f"{one.accepted_by}, {session.time(one.accepted_at)}, {one.accepted}" if one.accepted else ""),
        ("what it sends", "waits for your office to accept it" if one.waits else "comes in at once"),
        ("party now", one.party),
        *(("channel", _channel_line(each)) for each in one.channels),
    ]
    yield from columns([row for row in rows if row[1]])
    for login in found.credentials:
        yield from login_lines(session, login)
    yield from columns(
        (f"  {d.channel}", d.grade, f"{d.entries} of {d.origin}", f"{session.time(d.first)} to {session.time(d.last)}")
        for d in found.deliveries
    )
    if found.owed:
        yield f"To be told still{' (the first ones)' if found.more_owed else ''}:"
        yield from columns((f"  {o.channel}", o.what, o.id or o.statement, o.reason) for o in found.owed)
    if found.waiting:
        yield f"{found.waiting} of its submissions wait: `comity inbox list`."


def _channel_line(one: verbs.ChannelShown) -> str:
    words = [one.channel, "fetches and sends" if one.send else "fetches", *one.addresses, *one.certificates]
    if not one.carried:
        words.append("NOT IN THIS VERSION YET")
    return ", ".join(words)


def login_lines(session: Session, one: verbs.LoginShown) -> Iterator[str]:
    """Return a credential as people read it."""
    state = "" if one.holds else (f" REVOKED {session.time(one.revoked)}" if one.revoked else " EXPIRED")
    roams = " USED FROM SEVERAL NETWORKS WITHIN A DAY" if one.roams else ""
    yield f"{one.form} {one.id} for {one.channel}{f' as {one.user}' if one.user else ''}{state}{roams}"
    yield f"  made {session.time(one.created)} by {one.by}; until {session.time(one.expires)}"
    yield f"  last used {session.time(one.used)}"
    for network in one.networks:
        yield f"  from {network.network}: {session.time(network.first)} to {session.time(network.last)}"
