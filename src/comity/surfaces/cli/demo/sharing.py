"""Part two, second half: what is shared, what comes back, what may go on, and what is taken back."""

from __future__ import annotations

from typing import Final

from comity.surfaces.cli.demo import samples
from comity.surfaces.cli.demo.accord import BILATERAL, NETWORK, PAIR, conclude
from comity.surfaces.cli.demo.alone import KNOWN, OWN, SOURCE
from comity.surfaces.cli.demo.nodes import Member
from comity.surfaces.cli.demo.stage import Stage
from comity.surfaces.cli.verbs import Nothing
from comity.surfaces.cli.verbs.intel import LOOKUP, Lookup, WitnessShown
from comity.surfaces.cli.verbs.node import LOGS, RECEIPTS, LogShown
from comity.surfaces.cli.verbs.release import COMPLIANCE, Compliance, CompliedShown

ALERT: Final = "198.51.100.77"  # an address that is active now, in the flash alert
PROOF: Final = "relayed.proof"


def play(stage: Stage, arcadia: Member, borealia: Member, cascadia: Member) -> None:
    """Share, hold, answer, re-share under consent, prove, retract."""
    _reports(stage, arcadia, borealia, cascadia)
    alert = _alert(stage, arcadia, borealia, cascadia)
    _look_up(stage, arcadia, cascadia)
    _relay(stage, arcadia, borealia, cascadia)
    _prove(stage, arcadia, cascadia)
    _retract(stage, arcadia, borealia, cascadia, alert)


def _reports(stage: Stage, arcadia: Member, borealia: Member, cascadia: Member) -> None:
    stage.say.step(
        "Arcadia shares both reports.",
        """Sharing states them in Arcadia's own log under the accord. One signed checkpoint covers them all; the others
        pull what is new and verify every entry: signature, tree, and that each payload opens its own leaf.""",
    )
    done = stage.run("share", "--accord", NETWORK, "--source", SOURCE, home=arcadia.home).answer
    stage.claim(f"{done.stated} objects are stated, none withheld", done.stated > 200 and not done.withheld)
    stage.each(
        "{who} holds every entry of Arcadia's log: nothing was left out",
        (borealia, cascadia),
        lambda member: _whole(stage, arcadia, member, NETWORK),
    )
    stage.run("log", "show", home=borealia.home)


def _whole(stage: Stage, author: Member, holder: Member, accord: str) -> bool:
    theirs, ours = log_of(stage, author, author.log(accord)), log_of(stage, holder, author.log(accord))
    same = theirs is not None and ours is not None and (theirs.size, theirs.root) == (ours.size, ours.root)
    return same and ours is not None and ours.held == {"payload": ours.size}


def log_of(stage: Stage, member: Member, origin: str) -> LogShown | None:
    """Return a log as a node has it."""
    return next((log for log in stage.ask(member, LOGS, Nothing()).logs if log.origin == origin), None)


def _alert(stage: Stage, arcadia: Member, borealia: Member, cascadia: Member) -> str:
    stage.say.step(
        "A flash alert overtakes the bulk, and everybody answers for what it holds.",
        """Every receiver cosigns the checkpoint with a time (a receipt), and states what it durably keeps of each
        entry: payload, sealed, withheld or erased (a holding). An alert is answered at once.""",
    )
    path = stage.root / "alert.json"
    name = samples.write(path, samples.address(ALERT, "Scanning hospitals now"))
    stage.run("ingest", str(path), "--source", "Arcadia duty desk", "--tlp", "GREEN", home=arcadia.home, show=1)
    stage.run("share", "--accord", NETWORK, "--flash", name, home=arcadia.home, show=1)
    stage.until(
        "Borealia and Cascadia say that they hold it", lambda: _answers(stage, arcadia, name) == {"holds"} or None
    )
    stage.run("compliance", name, home=arcadia.home)
    both = {borealia.party, cascadia.party}
    stage.until(
        "both have witnessed Arcadia's log up to its last entry",
        lambda: {r.cosigner for r in stage.ask(arcadia, RECEIPTS, Nothing()).receipts if r.size == r.current} >= both,
    )
    stage.run("receipts", home=arcadia.home)
    return name


def _answers(stage: Stage, author: Member, *names: str) -> set[str]:
    found = complied(stage, author, *names)
    return {one.answer for one in found} if len(found) >= 2 * len(names) else set()


def complied(stage: Stage, author: Member, *names: str) -> tuple[CompliedShown, ...]:
    """Return who has answered about objects."""
    return tuple(stage.ask(author, COMPLIANCE, Compliance(names=names)).answers)


def _look_up(stage: Stage, arcadia: Member, cascadia: Member) -> None:
    stage.say.step(
        "An analyst at Cascadia asks.",
        "The answer names its author, the marking, and the very entry of the very log; the bytes are the producer's.",
    )
    stage.run("lookup", KNOWN.replace(".", "[.]"), home=cascadia.home)
    (witness,) = witnesses(stage, cascadia, KNOWN)
    stage.claim(
        "Arcadia wrote it, under TLP:CLEAR, as the log proves",
        witness.party == arcadia.party
        and witness.marking.startswith("TLP:CLEAR")
        and witness.statement.startswith(arcadia.log(NETWORK)),
        witness,
    )


def witnesses(stage: Stage, member: Member, value: str) -> list[WitnessShown]:
    """Return everybody who says something about a value, as a node knows it."""
    answers = stage.ask(member, LOOKUP, Lookup(values=(value,))).answers
    return [witness for answer in answers for found in answer.found for witness in found.witnesses]


def _relay(stage: Stage, arcadia: Member, borealia: Member, cascadia: Member) -> None:
    stage.say.step(
        "What is for one partner only stays there until its author consents.",
        f"""Arcadia and Borealia conclude a bilateral accord, in the seven areas of cooperation. {OWN} goes to Borealia
        under TLP:AMBER+STRICT; Borealia would like Cascadia to have it too.""",
    )
    conclude(stage, BILATERAL, [arcadia, borealia], show=3)
    stage.run("share", "--accord", PAIR, "--value", OWN, home=arcadia.home, show=1)
    stage.until(f"Borealia holds {OWN}", lambda: witnesses(stage, borealia, OWN))
    ident = stage.ask(borealia, LOOKUP, Lookup(values=(OWN,))).answers[0].found[0].id
    refused = stage.run("share", "--accord", NETWORK, ident, home=borealia.home, codes=(1,)).answer
    stage.claim(
        "Borealia may not pass it on, and is told why",
        refused.withheld == 1 and any("consent" in ground for ground in refused.grounds),
        refused.grounds,
    )
    stage.run("consent", ident, "--to", cascadia.office, home=arcadia.home, show=3)
    stage.until(
        "Arcadia's consent has come to Borealia",
        lambda: stage.quietly("share", "--accord", NETWORK, ident, "--dry-run", home=borealia.home).code == 0,
    )
    stage.run("share", "--accord", NETWORK, ident, "--dry-run", home=borealia.home, show=12)
    relayed = stage.run("share", "--accord", NETWORK, ident, home=borealia.home).answer
    stage.claim("now it is passed on, with Arcadia's own proof inside", relayed.relayed == 1, relayed)
    stage.until(f"Cascadia holds {OWN}", lambda: witnesses(stage, cascadia, OWN))
    stage.run("lookup", OWN, home=cascadia.home)
    authors = [witness.party for witness in witnesses(stage, cascadia, OWN)]
    stage.claim("its author at Cascadia is Arcadia, not Borealia", authors == [arcadia.party], authors)


def _prove(stage: Stage, arcadia: Member, cascadia: Member) -> None:
    stage.say.step(
        "Cascadia proves who wrote it, to somebody who has never seen a node.",
        """A proof file is checked offline, in an empty directory: card, signed checkpoint, place in the tree, the
        bytes. Cascadia never had a connection to that log of Arcadia's.""",
    )
    proof = stage.root / PROOF
    stage.run("log", "prove", OWN, "--out", str(proof), home=cascadia.home)
    empty = stage.root / "elsewhere"
    empty.mkdir()
    checked = stage.elsewhere("log", "check", str(proof), cwd=empty, show=9)
    stage.claim("the proof names Arcadia, by the words that Arcadia reads out", arcadia.words in checked.text)
    stage.claim("and holds the original log", arcadia.log(PAIR) in checked.text)


def _retract(stage: Stage, arcadia: Member, borealia: Member, cascadia: Member, alert: str) -> None:
    stage.say.step(
        "Arcadia was wrong, and says so.",
        """A retraction passes every gate and reaches whoever holds the object, also through a relay that Arcadia has
        no accord with about it. Each holder answers; who is silent is seen to be silent.""",
    )
    ident = stage.ask(borealia, LOOKUP, Lookup(values=(OWN,))).answers[0].found[0].id
    stage.run("retract", ident, alert, "--reason", "a researcher's sinkhole", home=arcadia.home, show=4)
    stage.until(
        "whoever had them from Arcadia has complied: Borealia in both accords, Cascadia in one",
        lambda: _complied_by(stage, arcadia, ident, alert) == [borealia.party, borealia.party, cascadia.party],
    )
    stage.run("compliance", ident, alert, home=arcadia.home)
    stage.until(
        "the retraction has reached Cascadia through Borealia's relay",
        lambda: all(witness.retracted for witness in witnesses(stage, cascadia, OWN)),
    )
    stage.run("lookup", OWN, home=cascadia.home, codes=(0, 1))
    stage.until(
        "and Borealia sees that Cascadia has complied",
        lambda: any(a.party == cascadia.party and a.answer == "complied" for a in complied(stage, borealia, ident)),
    )


def _complied_by(stage: Stage, author: Member, *names: str) -> list[str]:
    return sorted(one.party for one in complied(stage, author, *names) if one.answer == "complied")
