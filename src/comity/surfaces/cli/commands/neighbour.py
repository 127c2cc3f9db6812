"""`comity neighbour`: who is told what happens here, by webhook, chat, syslog or ticket, and how that goes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from comity.errors import Fault, Misuse
from comity.surfaces.cli.session import Session
from comity.surfaces.cli.shape import SETTINGS, Lazy, command
from comity.surfaces.cli.verbs import Nothing
from comity.surfaces.cli.verbs import neighbour as verbs

_AT: Final = "comity.surfaces.cli.commands.neighbour:"
COMMANDS: Final = {
    "add": (f"{_AT}add", "Add a webhook, a chat, a syslog receiver, a ticket system."),
    "list": (f"{_AT}list_", "Neighbours, what waits for each, and what is wrong."),
    "show": (f"{_AT}show", "One neighbour: what it may see, and how it does."),
    "test": (f"{_AT}test", "Send a message that is marked as a test."),
    "send": (f"{_AT}send", "Tell what is new now; a serving node does by itself."),
    "messages": (f"{_AT}messages", "Messages, and how far each got."),
    "tickets": (f"{_AT}tickets", "Tickets of a ticket system, and where each is."),
    "replay": (f"{_AT}replay", "Send again what was given up, or one message."),
    "pause": (f"{_AT}pause", "Let a neighbour rest; what happens meanwhile is told later."),
    "resume": (f"{_AT}resume", "Tell a neighbour again, from where it stood."),
    "renew": (f"{_AT}renew", "Make a new signing secret; the old one signs, too, for now."),
    "remove": (f"{_AT}remove", "Forget a neighbour and its messages."),
}
neighbour = Lazy(
    "neighbour", COMMANDS, help="Who is told what happens: webhooks, chats, syslog, tickets.", context_settings=SETTINGS
)
EVENTS: Final = (
    "received", "collected", "retracted", "sighted", "asked", "answered", "deadline", "submitted",
    "source-failed", "source-works", "forked",
)  # fmt: skip
FORMS: Final = ("json", "slack", "mattermost", "teams", "matrix", "cef", "text", "rt", "iris", "rest")


@command(
    "add",
    example="comity neighbour add chat --url https://chat.arcadia.example/hooks/… --form mattermost --ceiling GREEN\n"
    "comity neighbour add siem --kind syslog --url tls://siem.arcadia.example --ceiling AMBER --purpose sensor\n"
    "comity neighbour add power --url https://soc.power.example/in --to power --ceiling AMBER --sign",
)
@click.argument("name", metavar="NAME")
@click.option("--url", "address", required=True, metavar="URL", help="https://…, tls://host, udp://…, unix:/dev/log.")
@click.option(
    "--kind", type=click.Choice(("webhook", "syslog", "ticket")), default="webhook", show_default=True, help="By what."
)
@click.option("--form", type=click.Choice(FORMS), default=None, help="How it is written.  [default: json; syslog: cef]")
@click.option("--to", default="own", show_default=True, metavar="WHO", help="own organisation, or a correspondent.")
@click.option("--ceiling", default="CLEAR", show_default=True, metavar="TLP", help="Above it: a number and a label.")
@click.option("--event", "events", multiple=True, type=click.Choice(EVENTS), help="What it is told of.  [repeat]")
@click.option("--field", "fields", multiple=True, metavar="NAME", help="Seen of each: values, names, ids, authors.")
@click.option("--purpose", default="read", show_default=True, metavar="NAME", help="read, sensor or lookup (PAP).")
@click.option("--login", default="", metavar="FILE", help="In the node's `keys`: how it knows us.")
@click.option("--sign", is_flag=True, help="Sign messages (Standard Webhooks); the secret is shown once.")
@click.option("--certificate", default="", metavar="FILE", help="PEM: what it shows, if no public authority issued it.")
@click.option("--link", default="", metavar="URL", help="Where people read what is above the ceiling.")
@click.option("--facility", default="local0", show_default=True, metavar="NAME", help="Of syslog.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Of a ticket system: queue=…")
@click.option("--plain-http", "plain", is_flag=True, help="Over plain http: nothing above TLP:CLEAR, and no login.")
def add(
    session: Session,
    name: str,
    address: str,
    kind: str,
    form: str | None,
    to: str,
    ceiling: str,
    events: tuple[str, ...],
    fields: tuple[str, ...],
    purpose: str,
    login: str,
    sign: bool,
    certificate: str,
    link: str,
    facility: str,
    settings: tuple[str, ...],
    plain: bool,
) -> None:
    """Add a neighbour that is told what happens here from now on, or change one.

    It is told of what your office may read, up to --ceiling; of what is above, only that something is there. Inside
    your organisation nothing else is decided; a correspondent (--to) is told what a recorded release decision lets go
    to it, and learns nothing of the rest. A login is a file that you write: `basic NAME:PASSWORD`, `bearer TOKEN`,
    `header X-API-Key: VALUE`, or a client certificate with its key.
    """
    ask = verbs.Add(
        name=name,
        kind=kind,
        address=address,
        form=form or "",
        to=to,
        ceiling=ceiling,
        events=events,
        fields=fields,
        purpose=purpose,
        login=login,
        sign=sign,
        certificate=_pem(certificate) if certificate else "",
        link=link,
        facility=facility,
        settings=tuple(_setting(one) for one in settings),
        plain=plain,
        **session.who,
    )
    done = session.ask(verbs.ADD, ask)
    session.put(done, [*_lines(session, done.neighbour), *_secret(done)])


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise Misuse(f"{text!r} is no setting", hint="for example --set queue='Incident Reports'")
    return name, value


def _pem(path: str) -> str:
    try:
        return Path(path).read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise Fault(f"{path} cannot be read: {error}") from error


def _secret(done: verbs.Added) -> Iterator[str]:
    if done.secret:
        yield f"Secret, shown this once: {done.secret}"


@command("list", example="comity neighbour list\ncomity neighbour list --json")
def list_(session: Session) -> None:
    """List your office's neighbours: what each is told, what waits for it, what is wrong."""
    found = session.ask(verbs.LIST, Nothing(**session.who))
    lines = [line for one in found.neighbours for line in _lines(session, one)]
    session.put(found, lines or ["Nobody is told what happens; `comity neighbour add` begins."])


@command("show", example="comity neighbour show siem")
@click.argument("name", metavar="NAME")
def show(session: Session, name: str) -> None:
    """Show one neighbour: what it is told, what it may see, and how it does."""
    shown = session.ask(verbs.SHOW, verbs.Named(name=name, **session.who))
    session.put(shown, _lines(session, shown))


def _lines(session: Session, one: verbs.NeighbourShown) -> Iterator[str]:
    where = "inside this organisation" if one.to == "own" else f"for {one.to}, each message a release decision"
    signed = ", signed" if one.signed else ""
    yield f"{one.name}: {one.kind} ({one.form}) at {one.address}{signed}; {where}"
    yield f"  up to {one.ceiling}: {', '.join(one.fields)}; purpose {one.purpose}; told of {', '.join(one.events)}"
    state = "paused" if not one.enabled else f"next not before {session.time(one.due)}" if one.due else "in use"
    counts = f"{one.sent} sent, {one.waiting} waiting, {one.dead} given up"
    yield f"  {counts}; last taken {session.time(one.success)}; {state}"
    if one.error:
        yield f"  FAILED {one.failures} times: {one.whose}: {one.error}"


@command("test", example="comity neighbour test siem")
@click.argument("name", metavar="NAME")
def test(session: Session, name: str) -> int:
    """Send a message that says of itself that it is a test. Leaves with the code of the error where it is not taken."""
    done = session.ask(verbs.TEST, verbs.Named(name=name, **session.who))
    session.put(done, [f"{'FAILED' if done.exit_code else 'Taken'}: {done.said}"])
    return done.exit_code


@command("send", example="comity neighbour send siem")
@click.argument("name", metavar="NAME")
def send(session: Session, name: str) -> int:
    """Look what is new and send what is due now. Leaves with 65 where nothing was taken."""
    done = session.ask(verbs.SEND, verbs.Named(name=name, **session.who))
    lines = [
        f"{done.sent} sent, {done.failed} failed, {done.neighbour.waiting} waiting, {done.neighbour.dead} given up."
    ]
    session.put(done, lines + ([f"FAILED: {done.said}"] if done.failed else []))
    return done.exit_code


@command("messages", example="comity neighbour messages siem --state dead")
@click.argument("name", metavar="NAME")
@click.option("--state", type=click.Choice(("waiting", "sent", "dead")), default=None, help="Only those.")
def messages(session: Session, name: str, state: str | None) -> None:
    """List a neighbour's messages, the newest first: what each is about, how far it got, what was answered."""
    found = session.ask(verbs.MESSAGES, verbs.Messages(name=name, standing=state or "", **session.who))
    lines = [line for one in found.messages for line in _message(session, one)]
    session.put(found, lines or ["No message."])


def _message(session: Session, one: verbs.MessageShown) -> Iterator[str]:
    yield f"{one.id}  {one.standing}  {one.event}  {session.time(one.at)}  {', '.join(one.about)}"
    if one.standing == "waiting" and one.attempts:
        yield f"  tried {one.attempts} times, again at {session.time(one.due)}: {one.whose}: {one.said}"
    elif one.said:
        yield f"  {one.attempts} attempts: {one.said}"


@command("tickets", example="comity neighbour tickets rtir")
@click.argument("name", metavar="NAME")
def tickets(session: Session, name: str) -> None:
    """List the tickets that a neighbour opened, the newest first: what each is about, and where it is."""
    found = session.ask(verbs.TICKETS, verbs.Named(name=name, **session.who))
    lines = [
        f"{one.id or 'perhaps opened'}  {one.reference}  {session.time(one.opened)}  {one.subject}  {one.url}"
        for one in found.tickets
    ]
    session.put(found, lines or ["No ticket."])


@command("replay", example="comity neighbour replay siem\ncomity neighbour replay siem --message msg_…")
@click.argument("name", metavar="NAME")
@click.option("--message", "ident", default="", metavar="ID", help="This one, whatever became of it.")
def replay(session: Session, name: str, ident: str) -> None:
    """Send again what was given up, or one message by its id. It keeps its id: receivers know what they had."""
    done = session.ask(verbs.REPLAY, verbs.Message(name=name, id=ident, **session.who))
    session.put(done, [f"{done.messages} messages are sent again."])


@command("pause", example="comity neighbour pause siem")
@click.argument("name", metavar="NAME")
def pause(session: Session, name: str) -> None:
    """Let a neighbour rest. What happens meanwhile is told when it is resumed."""
    shown = session.ask(verbs.ENABLE, verbs.Enable(name=name, enabled=False, **session.who))
    session.put(shown, _lines(session, shown))


@command("resume", example="comity neighbour resume siem")
@click.argument("name", metavar="NAME")
def resume(session: Session, name: str) -> None:
    """Tell a neighbour again that was paused, from where it stood."""
    shown = session.ask(verbs.ENABLE, verbs.Enable(name=name, enabled=True, **session.who))
    session.put(shown, _lines(session, shown))


@command("renew", example="comity neighbour renew power")
@click.argument("name", metavar="NAME")
def renew(session: Session, name: str) -> None:
    """Make a new signing secret. Messages bear both signatures until the next renewal, so nothing is missed."""
    done = session.ask(verbs.RENEW, verbs.Named(name=name, **session.who))
    session.put(done, list(_secret(done)))


@command("remove", example="comity neighbour remove siem")
@click.argument("name", metavar="NAME")
def remove(session: Session, name: str) -> None:
    """Forget a neighbour and its messages, those that wait too."""
    shown = session.ask(verbs.REMOVE, verbs.Named(name=name, **session.who))
    session.put(shown, [f"Forgot {shown.name}; {shown.waiting + shown.dead} messages were not sent."])
