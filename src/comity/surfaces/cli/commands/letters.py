"""`comity mail inbox`, `read`, `accept`, `answer`, `send`, `outbox` and what belongs to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from comity.errors import Fault, Misuse
from comity.surfaces.cli.commands.mail import account_option
from comity.surfaces.cli.commands.release import choice_options
from comity.surfaces.cli.files import read_text
from comity.surfaces.cli.markings import instant
from comity.surfaces.cli.session import Session, columns
from comity.surfaces.cli.shape import command
from comity.surfaces.cli.verbs import mail as verbs
from comity.surfaces.cli.verbs.release import Choice

SOME_REFUSED: Final = 77  # exit code: of several, some may not have it
_CLAIMS: Final = {
    "proven": "proven: signed by its key",
    "unkeyed": "NOT PROVEN: it has no key here",
    "forged": "FORGED? it bears that address, and no signature of its key",
    "unknown": "unknown sender",
    "own": "this node's own",
}
_text = click.option("--text", default="", help="What to say; - reads standard input, @FILE a file.")
_tlp = click.option("--tlp", default="", metavar="LABEL", help="The label of the text: CLEAR, GREEN, AMBER …")
_subject = click.option("--subject", "about", default="", help="Hidden where the message is encrypted.")


@command("inbox", example="comity mail inbox\ncomity mail inbox --all --json")
@click.option("--all", "all_", is_flag=True, help="Also what was settled in the last 90 days.")
def inbox(session: Session, all_: bool) -> None:
    """List letters that wait: of unknown senders, forged ones, those that could not be opened, and open requests.

    What is proven to be a correspondent's went on as a submission already: `comity inbox list` has those that wait.
    """
    found = session.ask(verbs.INBOX, verbs.Letters(all=all_, **session.who))
    rows = [
        (
            one.id,
            session.time(one.at),
            f"{one.state} {one.sort}".strip(),
            f"TLP:{one.label}" if one.label else "no label",
            one.claims.rpartition("~")[2] or one.sender or "nobody",
            _CLAIMS.get(one.claim, ""),
            one.subject[:60],
        )
        for one in found.letters
    ]
    session.put(found, columns(rows) or ["No letter waits."])


@command(
    "read", example="comity mail read 5f3a9c0d12e4b678\ncomity mail read 5f3a9c0d12e4b678 --part 2 --out values.csv"
)
@click.argument("ident", metavar="LETTER")
@click.option("--part", default="", metavar="NUMBER", help="Write out this file in it, as it came.")
@click.option("--raw", is_flag=True, help="Write out the whole letter as it came, still encrypted.")
@click.option("--out", default="", metavar="FILE", help="Where to write it.")
def read(session: Session, ident: str, part: str, raw: bool, out: str) -> None:
    """Read a letter: who wrote it and how that is known, its text, its files. No file in it is opened here."""
    if bool(part or raw) != bool(out):
        raise Misuse("--part or --raw is written to a file", hint="--part NUMBER --out FILE")
    found = session.ask(verbs.READ, verbs.LetterNamed(id=ident, part=part, raw=raw, **session.who))
    if out:
        _write(Path(out), found.data)
    session.put(found, _letter_lines(session, found))


def _write(path: Path, data: bytes) -> None:
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError as error:
        raise Misuse(f"{path} is there already") from error
    except OSError as error:
        raise Fault(f"{path} cannot be written: {error.strerror}") from error


def _letter_lines(session: Session, found: verbs.LetterOpened) -> Iterator[str]:
    one = found.letter
    yield f"{one.id}: {one.subject or '(no subject)'}"
    yield f"  from {one.sender or 'nobody'}: {_CLAIMS.get(one.claim, 'not judged yet')} {one.signer}".rstrip()
    if one.why:
        yield f"  {one.why}"
    label = f"TLP:{one.label}" if one.label else "no label"
    yield f"  {label}, came {one.protection or 'unread'} {session.time(one.at)}"
    yield f"  {one.state} {one.sort}".rstrip() + (f", ticket {one.ticket}" if one.ticket else "")
    if one.submissions:
        yield f"  submissions: {' '.join(one.submissions)} (`comity inbox show`)"
    yield from (f"  note: {note}" for note in one.notes)
    if one.by:
        yield f"  {one.state} by {one.by}{f': {one.reason}' if one.reason else ''}"
    yield from (f"  file {each.path}: {each.name or each.media}, {each.bytes} bytes" for each in found.files)
    if found.text:
        yield ""
        yield from found.text.splitlines()


@command(
    "accept",
    example="comity mail accept 5f3a9c0d12e4b678 --sender grid-operator --reason 'called back: it is theirs'\n"
    "comity mail accept 5f3a9c0d12e4b678 --source 'reports by mail' --reason 'plausible'",
)
@click.argument("ident", metavar="LETTER")
@click.option("--sender", default="", metavar="CORRESPONDENT", help="Whose it is, as you found out.")
@click.option("--source", default="", metavar="NAME", help="Take it in under this source of your office instead.")
@click.option("--reason", required=True, help="How you know: it goes on record.")
def accept(session: Session, ident: str, sender: str, source: str, reason: str) -> None:
    """Take in a letter that waits: as a correspondent's whom you vouch for, or under a source of your office."""
    ask = verbs.Accept(id=ident, sender=sender, source=source, reason=reason, **session.who)
    done = session.ask(verbs.ACCEPT, ask)
    session.put(done, [f"{done.id} is {done.state}" + (f", ticket {done.ticket}" if done.ticket else "")])


@command("refuse", example="comity mail refuse 5f3a9c0d12e4b678 --reason 'advertising'")
@click.argument("ident", metavar="LETTER")
@click.option("--reason", required=True, help="It goes on record.")
def refuse(session: Session, ident: str, reason: str) -> None:
    """Refuse a letter that waits. Its first bytes stay in quarantine as evidence; its sender hears nothing."""
    done = session.ask(verbs.REFUSE, verbs.Refuse(id=ident, reason=reason, **session.who))
    session.put(done, [f"{done.id} is {done.state}"])


def _said(text: str) -> str:
    return read_text("-") if text == "-" else read_text(text[1:]) if text.startswith("@") else text


def _choice(
    session: Session,
    names: tuple[str, ...],
    values: tuple[str, ...],
    source: str,
    kind: str,
    since: str,
    collection: str,
) -> Choice:
    at = instant(session, since)
    return Choice(names=names, source=source, type=kind, since=at, values=values, collection=collection)


@command(
    "answer",
    example="comity mail answer 5f3a9c0d12e4b678 --text 'Yes, twice this week.' --tlp AMBER\n"
    "comity mail answer 5f3a9c0d12e4b678 --text @answer.txt --tlp GREEN --value 198.51.100.7",
)
@click.argument("ident", metavar="LETTER")
@_text
@_tlp
@_subject
@choice_options
def answer(
    session: Session,
    ident: str,
    text: str,
    tlp: str,
    about: str,
    names: tuple[str, ...],
    source: str,
    kind: str,
    since: str,
    values: tuple[str, ...],
    collection: str,
) -> None:
    """Answer a letter: to whoever it is known to be from, in its conversation, signed and encrypted.

    The text and every object are released first, or do not go. Nothing is answered by itself, ever.
    """
    choice = _choice(session, names, values, source, kind, since, collection)
    ask = verbs.Send(to=(), letter=ident, about=about, text=_said(text), tlp=tlp, choice=choice, **session.who)
    _put_queued(session, session.ask(verbs.SEND, ask))


@command(
    "send",
    example="comity mail send --to grid-operator --subject 'Exploited now' --text @alert.txt --tlp AMBER \\\n"
    "    indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f",
)
@click.option("--to", multiple=True, required=True, metavar="CORRESPONDENT", help="Who gets it; several, if need be.")
@_text
@_tlp
@_subject
@account_option
@choice_options
def send(
    session: Session,
    to: tuple[str, ...],
    text: str,
    tlp: str,
    about: str,
    account: str,
    names: tuple[str, ...],
    source: str,
    kind: str,
    since: str,
    values: tuple[str, ...],
    collection: str,
) -> int:
    """Write to correspondents: a text, objects that are released to each, or both. One message to each.

    It goes under the strictest label of all that is in it. Who has no valid key gets a notice without content, unless
    all of it is TLP:CLEAR. `comity mail outbox` shows what became of it.
    """
    choice = _choice(session, names, values, source, kind, since, collection)
    ask = verbs.Send(to=to, about=about, text=_said(text), tlp=tlp, account=account, choice=choice, **session.who)
    done = session.ask(verbs.SEND, ask)
    _put_queued(session, done)
    return SOME_REFUSED if done.refused else 0


def _put_queued(session: Session, done: verbs.MessagesShown) -> None:
    lines = [f"{one.id} to {one.to} is {one.state}" + _held(one) for one in done.messages]
    session.put(done, [*lines, *(f"NOT to {name}: {why}" for name, why in done.refused)])


def _held(one: verbs.MessageShown) -> str:
    return f"; {one.withheld} objects are withheld" if one.withheld else ""


@command("outbox", example="comity mail outbox\ncomity mail outbox --all")
@click.option("--all", "all_", is_flag=True, help="Also those of the last 90 days that are over.")
def outbox(session: Session, all_: bool) -> None:
    """List messages, each in exactly one state.

    queued: it is to go. deferred: a server asks to wait. sent: your mail server took it. bounced: a server sent it
    back. failed: it will not go, for the reason shown. acknowledged: whom it was for answered it.
    """
    found = session.ask(verbs.OUTBOX, verbs.Messages(all=all_, **session.who))
    session.put(found, list(_message_lines(session, found)) or ["No message waits."])


def _message_lines(session: Session, found: verbs.MessagesShown) -> Iterator[str]:
    for one in found.messages:
        how = {"notice": "AS A NOTICE ONLY", "": ""}.get(one.protected, one.protected)
        label = f"TLP:{one.label or one.tlp}"
        yield f"{one.id}  {one.state}  {one.sort} to {one.to}  {label}  {how}  {session.time(one.sent or one.at)}"
        yield f"  [{one.ticket}] {one.about}" + (f", {one.objects} objects" if one.objects else "")
        if one.why:
            yield f"  {one.why}" + (f"; next {session.time(one.due)}" if one.due and not one.sent else "")
        yield from (f"  note: {note}" for note in one.notes)


@command("again", example="comity mail again 0c5d7a91be22f034")
@click.argument("ident", metavar="MESSAGE")
def again(session: Session, ident: str) -> None:
    """Queue a message once more that failed, bounced, or went as a notice only. It is decided anew."""
    done = session.ask(verbs.AGAIN, verbs.Again(id=ident, **session.who))
    session.put(done, [f"{done.id} is {done.state}"])


@command("cancel", example="comity mail cancel 0c5d7a91be22f034 --reason 'sent by telephone'")
@click.argument("ident", metavar="MESSAGE")
@click.option("--reason", required=True, help="It goes on record.")
def cancel(session: Session, ident: str, reason: str) -> None:
    """Take a message out of the queue that did not go yet."""
    done = session.ask(verbs.CANCEL, verbs.Again(id=ident, reason=reason, **session.who))
    session.put(done, [f"{done.id} is {done.state}"])
