"""`comity retract`, `correct`, `narrow`, `consent`, `erase`, `compliance`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import click

from comity.errors import Misuse
from comity.surfaces.cli.files import read_text
from comity.surfaces.cli.markings import instant
from comity.surfaces.cli.session import Session, columns
from comity.surfaces.cli.shape import command
from comity.surfaces.cli.verbs import release as verbs

OBJECTS = click.argument("names", nargs=-1, required=True, metavar="OBJECT…")


@command(
    "retract", example="comity retract indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f --reason 'a false positive'"
)
@OBJECTS
@click.option("--reason", required=True, help="Goes on record and to whoever holds them.")
def retract(session: Session, names: tuple[str, ...], reason: str) -> None:
    """Say that you no longer stand by objects: whoever holds them stops using them, and answers.

    Nothing stops a retraction on its way: no ceiling, no suspension. Who passed an object on passes this on too.
    """
    done = session.ask(verbs.RETRACT, verbs.Retract(names=names, reason=reason, **session.who))
    session.put(done, _acted_lines(session, done))


@command("narrow", example="comity narrow evil.example --tlp RED --to cert.borealia.example/csirt/duty")
@OBJECTS
@click.option("--tlp", default="", metavar="TLP", help="The new, stricter label.")
@click.option("--pap", default="", metavar="PAP", help="The new, stricter label.")
@click.option("--to", multiple=True, metavar="AUDIENCE", help="From now on only these.")
@click.option("--no-onward", is_flag=True, help="Holders pass them on to nobody any more.")
@click.option("--revoke", multiple=True, metavar="AUDIENCE", help="Withdraw a consent to this audience.")
@click.option("--reason", default="", help="Goes on record and to whoever holds them.")
def narrow(
    session: Session,
    names: tuple[str, ...],
    tlp: str,
    pap: str,
    to: tuple[str, ...],
    no_onward: bool,
    revoke: tuple[str, ...],
    reason: str,
) -> None:
    """Make the marking of your objects narrower, wherever they went. It cannot be made wider again."""
    if not (tlp or pap or to or no_onward or revoke):
        raise Misuse("nothing is narrowed", hint="--tlp, --pap, --to, --no-onward or --revoke")
    ask = verbs.Narrow(
        names=names, tlp=tlp, pap=pap, to=to, onward=not no_onward, revoke=revoke, reason=reason, **session.who
    )
    done = session.ask(verbs.NARROW, ask)
    session.put(done, _acted_lines(session, done))


@command("consent", example="comity consent evil.example --to cert.cascadia.example/csirt --until 2027-01-31")
@OBJECTS
@click.option("--to", multiple=True, required=True, metavar="AUDIENCE", help="To whom holders may pass them on.")
@click.option("--until", default="", metavar="TIME", help="Until when.  [default: until you withdraw it]")
def consent(session: Session, names: tuple[str, ...], to: tuple[str, ...], until: str) -> None:
    """Consent that holders pass your shared objects on to somebody; `comity narrow --revoke` withdraws it."""
    ask = verbs.Consent(names=names, to=to, until=instant(session, until), **session.who)
    done = session.ask(verbs.CONSENT, ask)
    session.put(done, _acted_lines(session, done))


@command("erase", example="comity erase indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f --basis 'GDPR art. 17'")
@OBJECTS
@click.option("--basis", required=True, help="The legal basis; goes on record and to whoever holds them.")
@click.option("--reason", default="", help="Further words.")
def erase(session: Session, names: tuple[str, ...], basis: str, reason: str) -> None:
    """Have objects' bytes erased here and at every honest holder, which answers. Proofs of the rest keep holding.

    This is a duty with receipts, not magic: a dishonest holder can keep a copy, and you will see that it is silent.
    """
    done = session.ask(verbs.ERASE, verbs.Erase(names=names, basis=basis, reason=reason, **session.who))
    session.put(done, _acted_lines(session, done))


@command(
    "correct",
    example="comity correct indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f --with mended.json --reason typo",
)
@click.argument("name", metavar="OBJECT")
@click.option("--with", "file", required=True, metavar="FILE", help="The corrected object: one of STIX; - reads it.")
@click.option("--reason", required=True, help="Goes on record and to whoever holds it.")
def correct(session: Session, name: str, file: str, reason: str) -> None:
    """Put a corrected version in the place of an object of yours, wherever that went, also by others' relays.

    FILE is the same object with the same id and a later `modified`. It goes to every accord where the old one stands,
    under no wider marking; the old one is retracted there and names what takes its place. Where the correction may not
    go, the retraction goes all the same.
    """
    done = session.ask(verbs.CORRECT, verbs.Correct(name=name, text=read_text(file), reason=reason, **session.who))
    lines = [f"Corrected by {done.statement}. On record: {done.by}."]
    lines += [f"  {accord} has it." for accord in done.stated]
    lines += [f"  {accord} learns of the retraction only: {why}" for accord, why in sorted(done.withheld.items())]
    session.put(done, [*lines, *answer_lines(session, done.answers)])


@command(
    "compliance",
    example="comity compliance --waiting\ncomity compliance indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f",
)
@click.argument("names", nargs=-1, metavar="[OBJECT…]")
@click.option("--waiting", is_flag=True, help="Of all acts only those that somebody has not complied with.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Acts in one answer.")
@click.option("--after", default="", metavar="CURSOR", help="Go on where an answer ended.")
def compliance(session: Session, names: tuple[str, ...], waiting: bool, limit: int, after: str) -> None:
    """Show who has complied: with every act of your office about content, or who holds objects and what they answered.

    Without an object each retraction, correction, narrowing and erasure is one line, the oldest that still waits first.

    complied: it has the act and keeps to it. holds-the-act: it has it, the bytes are not gone yet. witnessed: it has
    signed for your log up to the act. silent: nothing was heard. Correspondents have no log: what stands beside them
    (sent, fetched, acknowledged) is this node's own word.

    Who has an object by another's relay is shown for accords that your party is in too, while its bytes are there.
    Elsewhere whoever passed it on passes your acts on, and sees who complies.
    """
    if not names:
        acts = session.ask(verbs.ACTS, verbs.Acts(waiting=waiting, limit=limit, after=after, **session.who))
        session.put(acts, _acts_lines(session, acts))
        return
    found = session.ask(verbs.COMPLIANCE, verbs.Compliance(names=names, **session.who))
    lines = [*answer_lines(session, found.answers), *_given_lines(session, found.given)]
    session.put(found, lines or ["They were stated in no accord: nobody has them from you."])


def _acts_lines(session: Session, found: verbs.ActsShown) -> Iterator[str]:
    if not found.total:
        yield "Your office took back, corrected, narrowed and erased nothing that was stated in an accord."
        return
    yield f"{found.total} acts about content, {found.waiting} of them not complied with by everybody."
    for one in found.acts:
        about = "1 statement" if one.statements == 1 else f"{one.statements} statements"
        reason = f": {one.reason}" if one.reason else ""
        yield f"{session.time(one.at)}  {one.act} in {one.accord}, {about}{reason}"
        counts = Counter(one.members.values())
        yield "  " + (", ".join(f"{count} {word}" for word, count in sorted(counts.items())) or "no other member")
        late = sorted(party for party, word in one.members.items() if word != "complied")
        yield from (f"    {party}: {one.members[party]}" for party in late)
        yield f"    {one.statement}"
    if found.next:
        yield f"More: comity compliance --after {found.next}"


def _given_lines(session: Session, given: Sequence[verbs.GivenShown]) -> list[str]:
    """Return which correspondents have it, as aligned lines."""
    return columns(
        (
            f"  {g.correspondent}{f' ({g.party})' if g.party else ''}",
            g.grade,
            f"by {g.channel}",
            {"owed": "to be told still", "told": "told", "": ""}[g.told],
            session.time(g.last),
            g.statement,
        )
        for g in given
    )


def _acted_lines(session: Session, done: verbs.Acted) -> Iterator[str]:
    objects = "1 record" if done.objects == 1 else f"{done.objects} records"
    yield f"{done.act}: {objects}. On record: {done.by}."
    yield from (f"  {origin}" for origin in done.logs)
    yield from answer_lines(session, done.answers)


def answer_lines(session: Session, answers: Sequence[verbs.CompliedShown]) -> list[str]:
    """Return who has answered, as aligned lines."""
    return columns(
        (
            f"  {a.party}",
            a.answer,
            f"{a.act or 'no act'} in {a.accord}" + (f", relayed by {a.relayed_by}" if a.relayed_by else ""),
            f"has: {a.held or 'not told'}",
            session.time(a.at),
            a.statement,
        )
        for a in answers
    )
