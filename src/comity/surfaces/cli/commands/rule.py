"""`comity rule`: what an office shares by itself as it comes, in which accord, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import click

from comity.surfaces.cli.commands.release import decision_lines
from comity.surfaces.cli.session import Session
from comity.surfaces.cli.shape import SETTINGS, Lazy, command
from comity.surfaces.cli.verbs import Nothing
from comity.surfaces.cli.verbs import rule as verbs

_AT: Final = "comity.surfaces.cli.commands.rule:"
COMMANDS: Final = {
    "create": (f"{_AT}create", "See what a rule would share, and make it."),
    "list": (f"{_AT}list_", "Rules, and how far each has come."),
    "show": (f"{_AT}show", "One rule, and what it holds back."),
    "run": (f"{_AT}run", "Carry a rule out now, or see what that would share."),
    "pause": (f"{_AT}pause", "Let a rule rest."),
    "resume": (f"{_AT}resume", "Let a rule go on that rests or has stopped."),
    "delete": (f"{_AT}delete", "Forget a rule; what it shared stays shared."),
}
rule = Lazy("rule", COMMANDS, help="Standing rules: what is shared as it comes.", context_settings=SETTINGS)


@command(
    "create",
    example="comity rule create isac-green --accord energy-isac --source isac --tlp-at-most GREEN\n"
    "comity rule create c2 --accord three-shores --type indicator --confidence 70 --anonymous --yes",
)
@click.argument("name", metavar="NAME")
@click.option("--accord", required=True, metavar="ACCORD", help="Where to state what fits.")
@click.option("--source", default="", metavar="NAME", help="Objects from this source.")
@click.option("--type", "kind", default="", metavar="TYPE", help="Objects of this STIX type, e.g. indicator.")
@click.option("--tlp-at-most", "tlp", default="RED", show_default=True, metavar="TLP", help="None that is stricter.")
@click.option("--confidence", type=click.IntRange(0, 100), default=0, help="At least; none whose producer gave none.")
@click.option("--to", multiple=True, metavar="AUDIENCE", help="Only these of those that each object's marking admits.")
@click.option("--anonymous", is_flag=True, help="State a new object that names nobody; see `comity share`.")
@click.option("--interest", default="", metavar="INTEREST", help="Only what fits this interest, as long as it asks.")
@click.option("--warned", is_flag=True, help="Also what is on warning lists of likely false positives.")
@click.option("--yes", is_flag=True, help="Make it; without, it is only shown.")
def create(
    session: Session,
    name: str,
    accord: str,
    source: str,
    kind: str,
    tlp: str,
    confidence: int,
    to: tuple[str, ...],
    anonymous: bool,
    interest: str,
    warned: bool,
    yes: bool,
) -> None:
    """Show what a rule would share now, to whom and why, and with --yes make it.

    A rule is about what your office collected, and never widens a marking.
    """
    ask = verbs.Create(
        name=name,
        accord=accord,
        source=source,
        type=kind,
        tlp=tlp,
        confidence=confidence,
        to=to,
        anonymous=anonymous,
        interest=interest,
        warned=warned,
        yes=yes,
        **session.who,
    )
    found = session.ask(verbs.CREATE, ask)
    after = (
        f"Made the rule {found.rule.name}. A serving node carries it out by itself; `comity rule run` does now."
        if yes
        else "Nothing was made or stated. Add --yes to make this rule."
    )
    session.put(found, [*_lines(session, found.rule), *_plan_lines(session, found), after])


def _plan_lines(session: Session, found: verbs.PlanShown) -> Iterator[str]:
    yield f"Now: {found.objects} objects fit, {found.known} are there already, {found.withheld} could go to nobody."
    for planned in found.planned:
        yield f"{planned.objects} objects, {planned.marking}:"
        for decision in planned.decisions:
            yield from decision_lines(session, decision, "  ", brief=True)
    yield from _grounds(found.grounds)
    if found.flagged:
        yield f"{found.flagged} are on warning lists and would be held back."
    if found.warnings:
        yield f"{found.warnings}."


def _grounds(grounds: dict[str, int]) -> Iterator[str]:
    for ground, objects in sorted(grounds.items(), key=lambda item: -item[1]):
        yield f"  withheld {objects}: {ground}"


def _lines(session: Session, one: verbs.RuleShown) -> Iterator[str]:
    parts = [f"from {one.source}" if one.source else "from every source", one.type or "any type"]
    parts += [f"{one.tlp} at most"] + ([f"confidence {one.confidence} at least"] if one.confidence else [])
    parts += ([f"to {', '.join(one.to)}"] if one.to else []) + (["anonymised"] if one.anonymous else [])
    parts += [f"what {one.interest} asks for"] if one.interest else []
    parts += ["also what is on warning lists"] if one.warned else []
    yield f"{one.name}: to {one.accord}: {', '.join(parts)}; made by {one.by}"
    if one.stopped:
        yield f"  STOPPED: {one.stopped}"
    elif not one.enabled:
        yield "  paused"
    yield f"  last had something to do {session.time(one.ran)}; {one.stated} stated, {one.withheld} withheld"
    yield from _grounds(one.grounds)
    if one.flagged:
        yield f"  {one.flagged} held back: on warning lists"


@command("list", example="comity rule list\ncomity rule list --json")
def list_(session: Session) -> None:
    """List your office's rules: what each shared, what is withheld and why."""
    found = session.ask(verbs.LIST, Nothing(**session.who))
    lines = [line for one in found.rules for line in _lines(session, one)]
    session.put(found, lines or ["There is no rule; `comity rule create` makes one."])


@command("show", example="comity rule show isac-green")
@click.argument("name", metavar="NAME")
def show(session: Session, name: str) -> None:
    """Show a rule, and the first objects that it holds back because warning lists have their values."""
    found = session.ask(verbs.SHOW, verbs.Named(name=name, **session.who))
    lines = list(_lines(session, found.rule))
    lines += [f"  {one.statement}: {', '.join(one.values)}: {', '.join(one.lists)}" for one in found.held]
    lines += [f"{found.warnings}. `comity rule run {name} --warned` lets them go."] if found.held else []
    session.put(found, lines)


@command("run", example="comity rule run isac-green --dry-run\ncomity rule run isac-green --warned")
@click.argument("name", metavar="NAME")
@click.option("--dry-run", "dry", is_flag=True, help="Say what would be decided for whom, and state nothing.")
@click.option("--warned", is_flag=True, help="Let go what it holds back now for warning lists.")
def run(session: Session, name: str, dry: bool, warned: bool) -> None:
    """Carry a rule out now: what is new since it last looked, and what was withheld before."""
    if dry:
        found = session.ask(verbs.PLAN, verbs.Named(name=name, **session.who))
        session.put(found, [*_lines(session, found.rule), *_plan_lines(session, found), "Nothing was stated."])
        return
    done = session.ask(verbs.RUN, verbs.Run(name=name, warned=warned, **session.who))
    first = f"{done.stated} stated, {done.withheld} withheld."
    session.put(done, [first, *_grounds(done.grounds), *_lines(session, done.rule)])


@command("pause", example="comity rule pause isac-green")
@click.argument("name", metavar="NAME")
def pause(session: Session, name: str) -> None:
    """Let a rule rest until it is resumed; how far it came is kept."""
    shown = session.ask(verbs.ENABLE, verbs.Enable(name=name, enabled=False, **session.who))
    session.put(shown, _lines(session, shown))


@command("resume", example="comity rule resume isac-green")
@click.argument("name", metavar="NAME")
def resume(session: Session, name: str) -> None:
    """Let a rule go on from where it was, also one that has stopped."""
    shown = session.ask(verbs.ENABLE, verbs.Enable(name=name, enabled=True, **session.who))
    session.put(shown, _lines(session, shown))


@command("delete", example="comity rule delete isac-green")
@click.argument("name", metavar="NAME")
def delete(session: Session, name: str) -> None:
    """Forget a rule. What it shared stays shared: `comity retract` takes back."""
    done = session.ask(verbs.DELETE, verbs.Named(name=name, **session.who))
    session.put(done, [done.what])
