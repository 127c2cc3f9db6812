"""`comity ask`, `questions`, `answer`, `answers`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import click

from comity.errors import Misuse
from comity.surfaces.cli.files import read_text
from comity.surfaces.cli.markings import instant, marking_options, said
from comity.surfaces.cli.session import Session
from comity.surfaces.cli.shape import command
from comity.surfaces.cli.verbs import asking as verbs

NOTHING: Final = 1  # exit code: understood, and there is nothing to show
WHYS: Final = ("incident", "hunt", "triage", "victims", "assessment")
WANTS: Final = ("seen", "context", "sample", "action")
PRIORITIES: Final = ("bulk", "routine", "flash")
_SECONDS: Final = {"m": 60, "h": 3_600, "d": 86_400}
QUESTION = click.argument("question", metavar="QUESTION")


def ahead(session: Session, text: str) -> int:
    """Return a time to come as seconds: `4h` from now, or a date and time. Raises `Misuse`."""
    if text[-1:] in _SECONDS and text[:-1].isascii() and text[:-1].isdigit() and len(text) <= 7:
        return int(datetime.now(UTC).timestamp()) + _SECONDS[text[-1]] * int(text[:-1])
    return instant(session, text)


# -- asking --------------------------------------------------------------------------


@command(
    "ask",
    example="comity ask 198.51.100.7 'evil[.]example' --accord three-shores --tlp AMBER --deadline 4h --why incident\n"
    "comity ask mutex='Global\\x7' --accord three-shores --to cert.borealia.example/csirt --tlp AMBER --why triage",
)
@click.argument("values", nargs=-1, metavar="[VALUE…]")
@click.option("--file", "name", default="", metavar="FILE", help="Values one a line; - reads standard input.")
@click.option("--accord", required=True, metavar="ACCORD", help="Whom to ask: its members.")
@marking_options
@click.option("--deadline", default="", metavar="TIME", help="Until when an answer helps: 4h, or a time to come.")
@click.option("--why", required=True, type=click.Choice(WHYS), help="Why you ask.")
@click.option("--note", default="", help="Why, in a few words.")
@click.option("--text", default="", help="What else is asked; without a value it needs --conduct.")
@click.option("--conduct", default="", help="The conduct it is about, from the closed list, e.g. phishing.")
@click.option("--want", "wants", multiple=True, type=click.Choice(WANTS), help="What helps.  [default: seen]")
@click.option("--priority", default="routine", show_default=True, type=click.Choice(PRIORITIES), help="How urgent.")
def ask(
    session: Session,
    values: tuple[str, ...],
    name: str,
    accord: str,
    tlp: str,
    pap: str,
    to: tuple[str, ...],
    deadline: str,
    why: str,
    note: str,
    text: str,
    conduct: str,
    wants: tuple[str, ...],
    priority: str,
) -> None:
    """Ask the members of an accord about values or STIX ids: all of them, or with --to the offices you name.

    Values are given as they are, to whoever the marking admits: asking in hashes is not offered. A text that is no
    address, name, URL or hash says its kind: file-name=…, mutex=…, user-agent=….
    """
    lines = [line.strip() for line in read_text(name).splitlines()] if name else []
    asked = verbs.Pose(
        accord=accord,
        values=(*values, *(line for line in lines if line and not line.startswith("#"))),
        text=text,
        why=why,
        note=note,
        wants=wants,
        deadline=ahead(session, deadline),
        priority=priority,
        conduct=conduct,
        marking=said(tlp, pap, to),
        **session.who,
    )
    done = session.ask(verbs.ASK, asked)
    session.put(done, _asked_lines(session, done))


def _asked_lines(session: Session, done: verbs.Posed) -> Iterator[str]:
    yield f"Asked in {done.question.accord}, on record: {done.by}."
    yield from _question_lines(session, done.question)


def _question_lines(session: Session, question: verbs.QuestionShown) -> Iterator[str]:
    flash = "FLASH  " if question.priority == "flash" else ""
    retracted = "RETRACTED  " if question.retracted else ""
    yield f"{retracted}{flash}{question.statement}"
    asked = ", ".join(question.to) or "all members"
    yield f"  {question.asker} asks {asked}, {session.time(question.at)}: {question.marking}"
    for kind, value in question.about:
        yield f"    {kind} {value}"
    if question.text:
        yield f"    {question.text}"
    conduct = f", about {question.conduct}" if question.conduct else ""
    note = f": {question.note}" if question.note else ""
    yield f"  why: {question.why}{conduct}{note}; what helps: {', '.join(question.wants)}"
    over = " (past)" if question.overdue else ""
    deadline = f"{session.time(question.deadline)}{over}" if question.deadline else "none"
    awaited = ", ".join(question.awaited) or "nobody"
    yield f"  deadline: {deadline}; answered: {len(question.answered)}, awaited: {awaited}"
    if question.by_us:
        yield f"  your office: {question.by_us}"


@command("questions", example="comity questions --open\ncomity questions --mine --json")
@click.option("--open", "open_", is_flag=True, help="Only what is neither retracted nor past its deadline.")
@click.option("--mine", is_flag=True, help="Only what your office asked.")
@click.option("--limit", default=50, show_default=True, help="At most so many, the newest first.")
def questions(session: Session, open_: bool, mine: bool, limit: int) -> int:
    """List questions: what is asked, by whom, until when, who has answered, and whether your office has.

    Leaves with 1 if there is none.
    """
    found = session.ask(verbs.QUESTIONS, verbs.ListQuestions(mine=mine, open=open_, limit=limit, **session.who))
    session.put(found, _list_lines(session, found))
    return 0 if found.total else NOTHING


def _list_lines(session: Session, found: verbs.Questions) -> Iterator[str]:
    for question in found.questions:
        yield from _question_lines(session, question)
        yield ""
    shown = len(found.questions)
    more = f", {found.total - shown} older ones not shown" if found.total > shown else ""
    yield f"{found.total} questions{more}." if found.total else "No question."
    if found.unread:
        yield f"{found.unread} older ones are not read: their party asked too many."


# -- answering -----------------------------------------------------------------------


@command(
    "answer",
    example="comity answer cert.arcadia.example/accord/three-shores/1#12 --seen 198.51.100.7:3 --not-seen '*'\n"
    "comity answer cert.arcadia.example/accord/three-shores/1#12 --decline\n"
    "comity answer cert.arcadia.example/accord/three-shores/1#12 --suggest",
)
@QUESTION
@click.option("--seen", multiple=True, metavar="VALUE[:COUNT]", help="Seen at least so often; '*' is all the others.")
@click.option("--not-seen", multiple=True, metavar="VALUE", help="Looked for and not seen.")
@click.option("--malicious", multiple=True, metavar="VALUE", help="Known as malicious.")
@click.option("--benign", multiple=True, metavar="VALUE", help="Known as benign.")
@click.option("--no-answer", multiple=True, metavar="VALUE", help="No answer about this value, without a reason.")
@click.option("--first", default="", metavar="TIME", help="When it was first seen.")
@click.option("--last", default="", metavar="TIME", help="When it was last seen.")
@click.option("--exact", is_flag=True, help="Tell times to the second.  [default: to the day, UTC]")
@click.option("--confidence", type=click.IntRange(0, 100), default=None, help="In all of it, from 0 to 100.")
@click.option("--note", default="", help="In a few words.")
@click.option("--action", default="", help="What was done about it.")
@click.option("--see", multiple=True, metavar="ID", help="A STIX id of what you shared about it.")
@click.option("--forward", default="", metavar="OFFICE", help="Not yours: PARTY/OFFICE that should be asked.")
@click.option("--decline", is_flag=True, help="A polite no: counted as answered, without a reason.")
@click.option("--reply", default="", metavar="ANSWER", help="Clarify this answer, or ask back about it, by --note.")
@click.option("--suggest", is_flag=True, help="Draft an answer from your office's own records, and state nothing.")
@marking_options
@click.option("--to-all", is_flag=True, help="To everybody who could read the question.  [default: the asker alone]")
def answer(
    session: Session,
    question: str,
    seen: tuple[str, ...],
    not_seen: tuple[str, ...],
    malicious: tuple[str, ...],
    benign: tuple[str, ...],
    no_answer: tuple[str, ...],
    first: str,
    last: str,
    exact: bool,
    confidence: int | None,
    note: str,
    action: str,
    see: tuple[str, ...],
    forward: str,
    decline: bool,
    reply: str,
    suggest: bool,
    tlp: str,
    pap: str,
    to: tuple[str, ...],
    to_all: bool,
) -> None:
    """Answer a question: value by value, by declining, or by naming the office that should be asked.

    The answer has the question's marking and goes to the asker's office alone, unless --tlp, --pap, --to or --to-all
    say otherwise; never further than the question went. A new answer of your office corrects the one before;
    `comity retract` takes one back.
    """
    said_of = {"seen": seen, "not-seen": not_seen, "malicious": malicious, "benign": benign, "no-answer": no_answer}
    lines = tuple(verbs.LineSaid(said=word, value=value) for word, values in said_of.items() for value in values)
    if suggest:
        if lines or decline or note or action or see or forward or reply:
            raise Misuse("a suggestion says nothing yet", hint="--suggest alone, then the answer it drafts")
        _suggest(session, question)
        return
    given = verbs.GiveAnswer(
        question=question,
        lines=lines,
        first=instant(session, first),
        last=instant(session, last),
        exact=exact,
        confidence=confidence,
        decline=decline,
        forward=forward,
        note=note,
        action=action,
        see=see,
        reply=reply,
        marking=said(tlp, pap, to),
        to_all=to_all,
        **session.who,
    )
    done = session.ask(verbs.ANSWER, given)
    late = ", after the deadline" if done.late else ""
    session.put(done, [f"Answered{late}: {done.marking}.", f"  {done.statement}", f"On record: {done.by}."])


def _suggest(session: Session, question: str) -> None:
    draft = session.ask(verbs.SUGGEST, verbs.Suggest(question=question, **session.who))
    session.put(draft, _draft_lines(session, draft))


def _draft_lines(session: Session, draft: verbs.Suggested) -> Iterator[str]:
    yield f"A draft for {draft.question}. Nothing was sent."
    for line in draft.lines:
        yield f"  {_named(session, line)}"
    for basis in draft.basis:
        yield f"    {basis.value} rests on {basis.statement}: {basis.marking}"
    for remark in draft.remarks:
        yield f"  {remark}"
    if not draft.lines:
        yield "No record of your office answers it."
        return
    yield "To send it:"
    yield f"  {_command(draft)}"


def _command(draft: verbs.Suggested) -> str:
    """Return the draft as a person types it."""
    typed = ["comity", "answer", draft.question]
    for line in draft.lines:
        typed += [f"--{line.said}", f"{line.value}:{line.count}" if line.said == "seen" else line.value]
    typed += ["--tlp", draft.tlp, "--pap", draft.pap]
    return shlex.join(typed)


def _line_text(session: Session, line: verbs.LineShown) -> str:
    """Return what is said of a value on one line."""
    words = {"seen": f"seen {line.count} times" if line.count > 1 else "seen", "not-seen": "looked for and not seen"}
    text = words.get(line.said, line.said.replace("-", " "))
    times = [_moment(session, at, exact=line.exact) for at in (line.first, line.last) if at]
    text += f", {' to '.join(dict.fromkeys(times))}" if times else ""
    text += f", confidence {line.confidence}" if line.confidence is not None else ""
    return f"{text}: {line.note}" if line.note else text


def _named(session: Session, line: verbs.LineShown) -> str:
    """Return a line with the value it is about."""
    text = _line_text(session, line)
    return f"{line.value}: {text}" if line.value else text


def _moment(session: Session, at: int, *, exact: bool) -> str:
    """Return a time, or where it is coarse its day in UTC."""
    if exact:
        return session.time(at)
    try:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"
    except (ValueError, OverflowError, OSError):
        return f"{at} s"


# -- the picture ---------------------------------------------------------------------


@command("answers", example="comity answers cert.arcadia.example/accord/three-shores/1#12")
@QUESTION
def answers(session: Session, question: str) -> int:
    """Show all answers to a question that your office may read as one picture, then the thread they came in.

    Leaves with 1 while nobody has answered.
    """
    found = session.ask(verbs.ANSWERS, verbs.Picture(question=question, **session.who))
    session.put(found, _picture_lines(session, found))
    return 0 if found.answered else NOTHING


def _picture_lines(session: Session, found: verbs.PictureShown) -> Iterator[str]:
    yield from _question_lines(session, found.question)
    for value in found.values:
        yield from _value_lines(session, value)
    rows = (
        ("declined", found.declined),
        ("forwarded", tuple(f"{office} to {to}" for office, to in found.forwarded)),
        ("after the deadline", found.late),
        ("not asked, and answered", found.volunteered),
        ("not yet", found.awaited),
    )
    yield from (f"{what}: {', '.join(offices)}" for what, offices in rows if offices)
    if found.thread:
        yield "The thread:"
    for entry in found.thread:
        yield from _entry_lines(session, entry)
    if found.unread:
        yield f"{found.unread} older answers are not read: their party gave too many."


def _value_lines(session: Session, value: verbs.ValueShown) -> Iterator[str]:
    name = f"{value.kind} {value.value}" if value.value else "The question as a whole"
    against = "  CONTRADICTED" if value.contradicted else ""
    sums = f"seen by {len(value.seen)}"
    sums += f", {value.count} times at least" if value.count else ""
    times = [_moment(session, at, exact=False) for at in (value.first, value.last) if at]
    sums += f", {' to '.join(dict.fromkeys(times))}" if times else ""
    yield f"{name}: {sums}; not seen by {len(value.not_seen)}{against}"
    for voice in value.voices:
        late = " (after the deadline)" if voice.late else ""
        yield f"  {voice.office}: {_line_text(session, voice.line)}{late}  [{voice.marking}]"


def _entry_lines(session: Session, entry: verbs.EntryShown) -> Iterator[str]:
    status = "" if entry.status == "counts" else f"{entry.status.upper()}  "
    late = ", after the deadline" if entry.late else ""
    yield f"  {status}{entry.office}, {session.time(entry.at)}{late}: {entry.marking}"
    yield f"    {entry.statement}" + (f", about {entry.reply}" if entry.reply else "")
    if entry.why:
        yield f"    not counted: {entry.why}"
    if entry.declined:
        yield "    declines to answer"
    if entry.forward:
        yield f"    not theirs: ask {entry.forward}"
    yield from (f"    {_named(session, line)}" for line in entry.lines)
    if entry.note:
        yield f"    {entry.note}"
    if entry.action:
        yield f"    done: {entry.action}"
    yield from (f"    see {ident}" for ident in entry.see)
