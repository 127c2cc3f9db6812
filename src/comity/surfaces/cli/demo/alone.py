"""Part one: a node alone, useful on its first day."""

from __future__ import annotations

import shutil
from typing import Final

from comity.formats.stix import schemas
from comity.surfaces.cli.demo import samples
from comity.surfaces.cli.demo.nodes import LOOPBACK, SYNC_SECONDS, Member, setting
from comity.surfaces.cli.demo.stage import Stage
from comity.surfaces.cli.verbs.release import Explained

SOURCE: Final = "OASIS reports"
KNOWN: Final = "hugesoft.org"  # in the APT1 report
SENSORS: Final = "Arcadia sensors"
OWN: Final = "update.botnet.example"  # Arcadia's own finding
UNKNOWN: Final = "203.0.113.9"


def found(stage: Stage, member: Member, *, show: int) -> None:
    """Make a party's node, reachable on the loopback address."""
    ran = stage.run(
        *("init", member.party, "--name", member.name, "--jurisdiction", member.jurisdiction),
        *("--office", "csirt:csirt:National CSIRT", "--address", member.address),
        *("--listen", f"{LOOPBACK}:{member.port}", "--allow-network", "127.0.0.0/8"),
        home=member.home,
        show=show,
    )
    member.words = ran.answer.words
    setting(member.home, "sync_seconds", str(SYNC_SECONDS))


def play(stage: Stage, arcadia: Member) -> None:
    """One node, no partner: reports in, look-ups, a decision explained, an export, the log verified."""
    stage.say.chapter("One node alone")
    stage.say.step(
        "Arcadia makes its node.",
        """One directory holds keys, store and settings. The root key signs the party's card and can be kept offline;
        the twelve words are how others know the card is Arcadia's: they hear them by voice.""",
    )
    found(stage, arcadia, show=10)
    keys = sorted((arcadia.home / "keys").iterdir())
    stage.claim("every private key is readable by its owner alone", all(k.stat().st_mode & 0o077 == 0 for k in keys))
    _ingest(stage, arcadia)
    _look_up(stage, arcadia)
    _release(stage, arcadia)
    stage.say.step(
        "The log is verified.",
        """Whatever came in or went out stands in an append-only Merkle log. Anybody with the directory can recompute
        it from the stored bytes, offline.""",
    )
    verified = stage.run("log", "verify", home=arcadia.home).answer
    stage.claim(f"{verified.entries} entries give the signed root", verified.entries > 200 and not verified.wrong)


def _ingest(stage: Stage, arcadia: Member) -> None:
    stage.say.step(
        "Two real reports come in: APT1 and Poison Ivy, as OASIS publishes them in STIX 2.1.",
        """Their producers' bytes are kept as they are. The source has a default marking: what comes unmarked, from a
        source without one, stays at home.""",
    )
    reports = stage.root / "reports"
    reports.mkdir()
    for path in schemas.examples():
        shutil.copy(path, reports)
    done = stage.run(
        *("ingest", str(reports)),
        *("--source", SOURCE, "--tlp", "CLEAR", "--pap", "CLEAR"),
        home=arcadia.home,
    ).answer
    stage.claim(f"{done.kept} objects were validated, indexed and put on record", done.kept == done.read > 200)


def _look_up(stage: Stage, arcadia: Member) -> None:
    stage.say.step(
        "An analyst asks: do we know this?",
        "Values may be written as people write them, defanged or not. Every answer says who says so, under which"
        " marking, and for how long.",
    )
    defanged = KNOWN.replace(".", "[.]")
    answers = stage.run("lookup", defanged, UNKNOWN, home=arcadia.home, show=12).answer.answers
    said = [witness.party for found in answers[0].found for witness in found.witnesses]
    stage.claim(f"{defanged} is known, though it was written defanged", said == [arcadia.party])
    stage.claim(f"{UNKNOWN} is not", not answers[1].found)


def _release(stage: Stage, arcadia: Member) -> None:
    stage.say.step(
        "May somebody else have it?",
        """One pure function decides, for every way out, and gives each rule's reason. A utility without a node is
        registered as a correspondent, under the terms it accepted; besides the reports there is something of
        Arcadia's own, from its sensors, for its own office only.""",
    )
    stage.run(
        *("party", "correspondent", "add", "grid-operator", "--jurisdiction", "XA", "--ceiling", "GREEN", "--client"),
        *("--terms", "letter of 2026-03-01"),
        home=arcadia.home,
        show=1,
    )
    own = stage.root / "own.json"
    samples.write(own, samples.domain(OWN, "Command and control seen at our border"))
    stage.run("ingest", str(own), "--source", SENSORS, "--tlp", "AMBER+STRICT", home=arcadia.home, show=1)
    client = f"{arcadia.office}~grid-operator"
    withheld = stage.run("explain", OWN, "--to", client, home=arcadia.home, show=20).answer
    stage.claim("the utility may not have what is for the office only", _outcomes(withheld) == ["withholding"])
    allowed = stage.run("explain", KNOWN, "--to", client, "--for", "sensor", home=arcadia.home, show=20).answer
    stage.claim(
        "it may have what is TLP:CLEAR, for its sensors too: it is PAP:CLEAR", _outcomes(allowed) == ["release"]
    )
    out = stage.root / "block.txt"
    done = stage.run(
        *("export", "--to", client, "--type", "indicator", "--format", "txt"),
        *("--faded", "--out", str(out)),  # the report is years old
        home=arcadia.home,
    ).answer
    lines = set(out.read_text("utf-8").splitlines())
    stage.claim(
        f"{done.values} values are in the file, {KNOWN} among them, {OWN} not", KNOWN in lines and OWN not in lines
    )


def _outcomes(found: Explained) -> list[str]:
    return [one.decision.outcome for one in found.decisions]
