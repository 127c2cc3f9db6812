"""`comity attachment`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from comity.surfaces.cli.markings import marking_options, said
from comity.surfaces.cli.session import Session
from comity.surfaces.cli.shape import SETTINGS, Lazy, command
from comity.surfaces.cli.verbs import attachment as verbs

_NONE_SUCH: Final = "None is kept of that which you may read; `comity attachment list` shows all."
NOTHING: Final = 1  # exit code: understood, and there is none
_AT: Final = "comity.surfaces.cli.commands.attachment:"
COMMANDS: Final = {
    "add": (f"{_AT}add", "Take a sample or a document in, encrypted."),
    "list": (f"{_AT}list_", "What is kept, of a hash, of an object, or all."),
    "show": (f"{_AT}show", "What is known of one."),
    "get": (f"{_AT}get", "Write one to a file, in an encrypted ZIP."),
}
attachment = Lazy(
    "attachment", COMMANDS, help="Samples and documents: encrypted, never opened here.", context_settings=SETTINGS
)


@command(
    "add",
    example="comity attachment add dropper.bin --about indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f --tlp AMBER\n"
    "comity attachment add report.pdf --accord three-shores --tlp GREEN --note 'the full analysis'",
)
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False))
@click.option("--about", multiple=True, metavar="OBJECT|VALUE", help="What it is about.")
@click.option("--name", default="", help="What to call it.  [default: the file's name]")
@click.option("--media", default="", metavar="TYPE", help="What it is said to be, e.g. application/pdf.")
@click.option("--note", default="", help="In a few words.")
@click.option("--source", default="", metavar="NAME", help="Where your office has it from.")
@click.option("--accord", default="", metavar="ACCORD", help="State it there too.")
@marking_options
def add(
    session: Session,
    file: str,
    about: tuple[str, ...],
    name: str,
    media: str,
    note: str,
    source: str,
    accord: str,
    tlp: str,
    pap: str,
    to: tuple[str, ...],
) -> None:
    """Take a sample or a document in. It lies here as ciphertext alone, and nothing opens or renders it.

    The key stands in a statement of its own, which is marked, shared, withheld, retracted and erased like any other, by
    the name that is printed; what is done to it is done to the parts. Without --tlp it stays at home.
    """
    ask = verbs.Add(
        path=str(Path(file).absolute()),
        name=name,
        about=about,
        media=media,
        note=note,
        source=source,
        accord=accord,
        marking=said(tlp, pap, to),
        **session.who,
    )
    done = session.ask(verbs.ADD, ask)
    lines = [*_lines(session, done.attachment), f"On record: {done.by}."]
    lines += [f"Stated in {done.accord}."] if done.accord and not done.withheld else []
    lines += [f"Withheld from {done.accord}: {ground}" for ground in done.withheld]
    session.put(done, lines)


@command(
    "list",
    example="comity attachment list\n"
    "comity attachment list e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
)
@click.argument("about", nargs=-1, metavar="[HASH|VALUE|OBJECT…]")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="At most.")
def list_(session: Session, about: tuple[str, ...], limit: int) -> int:
    """List attachments: those of a hash, about an object or a value, or the newest. Leaves with 1 if there is none."""
    found = session.ask(verbs.LIST, verbs.List(about=about, limit=limit, **session.who))
    lines = [line for one in found.attachments for line in _lines(session, one)]
    session.put(found, lines or [_NONE_SUCH if about else "There is none; `comity attachment add` takes one in."])
    return 0 if found.attachments else NOTHING


def _lines(session: Session, one: verbs.AttachmentShown) -> Iterator[str]:
    retracted = "RETRACTED  " if one.retracted else ""
    yield f"{retracted}{one.statement}"
    media = f", said to be {one.media}" if one.media else ""
    source = f", from {one.source!r}" if one.source else ""
    yield f"  {one.name!r}, {one.size} bytes{media}: {one.marking}"
    yield f"  says {one.party}/{one.office}{source}, {session.time(one.at)}"
    yield f"  sha256 {one.sha256}"
    yield from (f"  about {ident}" for ident in one.about)
    if one.note:
        yield f"  {one.note}"
    if one.missing:
        some = ", ".join(map(str, one.missing[:8]))
        yield f"  {len(one.missing)} of {one.parts} parts are not here: {some}"


@command("show", example="comity attachment show 'cert.arcadia.example/home/1#12'")
@click.argument("name", metavar="ATTACHMENT")
def show(session: Session, name: str) -> None:
    """Show one attachment by the name that `add` and `list` print, without opening it."""
    found = session.ask(verbs.SHOW, verbs.Named(name=name, **session.who))
    session.put(found, _lines(session, found))


@command(
    "get",
    example="comity attachment get 'cert.arcadia.example/home/1#12' --out sample.zip\n"
    "comity attachment get 'cert.arcadia.example/home/1#13' --out report.pdf --plain",
)
@click.argument("name", metavar="ATTACHMENT")
@click.option("--out", required=True, metavar="FILE", help="Where to write it.")
@click.option("--plain", is_flag=True, help="The bytes themselves. Of a sample: only where nothing runs it.")
def get(session: Session, name: str, out: str, plain: bool) -> None:
    """Write an attachment to a file: in a ZIP under the customary password, which AES encrypts, or plain.

    All of it is checked before the file is in its place. It is readable by you alone, and not executable.
    """
    ask = verbs.Get(name=name, path=str(Path(out).absolute()), plain=plain, **session.who)
    done = session.ask(verbs.GET, ask)
    how = f"as {done.inside!r} in a ZIP with the password {done.password}" if done.password else "plain"
    lines = [f"{done.attachment.name!r}, {done.attachment.size} bytes, is in {done.path}, {how}."]
    if done.attachment.retracted:
        lines.append(f"RETRACTED: {done.attachment.party}/{done.attachment.office} stands by it no longer.")
    session.put(done, lines)
