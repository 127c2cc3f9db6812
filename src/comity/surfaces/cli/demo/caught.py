"""Part three: a dishonest node tries four things for real, and each is caught."""

from __future__ import annotations

from pathlib import Path

import msgspec

from comity.surfaces.cli.demo import attacks, samples
from comity.surfaces.cli.demo.accord import NETWORK
from comity.surfaces.cli.demo.nodes import Member, free_port
from comity.surfaces.cli.demo.sharing import PROOF, log_of, witnesses
from comity.surfaces.cli.demo.stage import Stage
from comity.surfaces.cli.verbs import Nothing
from comity.surfaces.cli.verbs.node import DOCTOR, LOGS, Examine

SMEAR = "hospital.cascadia.example"  # what a forger has Arcadia accuse


def play(stage: Stage, arcadia: Member, borealia: Member, cascadia: Member) -> None:
    """Copy a leaf, forge a creator, rewrite a history, show two histories."""
    stage.say.chapter("A dishonest node, and how it is caught")
    stage.say.aside(
        """Each of these is done to real stores with real keys and served over the same wire, by somebody who has a
        node's whole directory. What an honest node refuses it keeps as evidence: `comity doctor` shows it."""
    )
    _borealia_cheats(stage, arcadia, borealia, cascadia)
    _proof_altered(stage)
    _history_rewritten(stage, arcadia, borealia, cascadia)
    _two_views(stage, arcadia, borealia, cascadia)
    _afterwards(stage)


def refusals(stage: Stage, member: Member, *words: str) -> list[str]:
    """Return what the doctor says was refused, in lines that hold all the words."""
    found = stage.ask(member, DOCTOR, Examine()).ailments
    return [one.what for one in found if one.what.startswith("refused") and all(word in one.what for word in words)]


def _pull(stage: Stage, member: Member, peer: Member) -> None:
    """Have a node pull now: it asks a peer that was away more and more rarely."""
    stage.run("sync", peer.party, home=member.home, show=4)


def _doctor(stage: Stage, member: Member, *words: str) -> None:
    """Run the doctor, and show what it says of one thing."""
    ran = stage.run("doctor", home=member.home, codes=(0, 1), show=0)
    lines = [line for line in ran.text.splitlines() if any(word in line for word in words)]
    stage.say.answer("\n".join(lines), 4)


# -- a copied leaf, a forged creator ---------------------------------------------


def _borealia_cheats(stage: Stage, arcadia: Member, borealia: Member, cascadia: Member) -> None:
    stage.say.step(
        "Borealia copies a leaf of Arcadia's into its own log, and invents words of Arcadia's.",
        f"""The first would make Arcadia's finding Borealia's. The second is a relay that says: Arcadia accuses {SMEAR},
        with a true proof of something else that Arcadia wrote. Borealia's own log is signed and whole. No command
        does such things: `surfaces/cli/demo/attacks.py` does, on a stopped node's store.""",
    )
    stage.stop(borealia)
    body = msgspec.json.encode(samples.domain(SMEAR, "Command and control, says Arcadia"))
    with stage.host.desk(borealia.home) as desk:
        copied = attacks.copy_leaf(desk, arcadia.log(NETWORK), 16, borealia.log(NETWORK))
        forged = attacks.forge_relay(desk, arcadia.log(NETWORK), 17, borealia.log(NETWORK), body)
    _states(stage, borealia.home, 1, "203.0.113", "an honest finding, behind the others")
    stage.start(borealia)
    _pull(stage, cascadia, borealia)
    _pull(stage, arcadia, borealia)
    leaf = f"{borealia.log(NETWORK)}#{copied}"
    stage.each(
        "{who}: the copied leaf opens to nothing in another log",
        (cascadia, arcadia),
        lambda m: refusals(stage, m, leaf, "does not match its commitment"),
    )
    stage.each(
        "{who}: the invented words are refused: Arcadia's log does not prove them",
        (cascadia, arcadia),
        lambda m: refusals(stage, m, borealia.party, "a relay proves nothing"),
    )
    _doctor(stage, cascadia, "commitment", "relay proves")
    stage.claim("nobody says anything of it at Cascadia", not witnesses(stage, cascadia, SMEAR))
    stage.claim(
        "what stands behind them in Borealia's log has arrived all the same",
        [w.party for w in witnesses(stage, cascadia, "203.0.113.1")] == [borealia.party],
    )
    held = log_of(stage, cascadia, borealia.log(NETWORK))
    stage.claim(
        "both leaves stay on Borealia's record, without their payloads",
        held is not None and held.size > forged and held.held.get("withheld", 0) == 2,
        held,
    )


def _proof_altered(stage: Stage) -> None:
    stage.say.step(
        "Somebody alters one letter in Cascadia's proof file.",
        "A proof is checked against the bytes themselves, on any machine.",
    )
    proof, altered = stage.root / PROOF, stage.root / "altered.proof"
    text = proof.read_text("utf-8")
    at = text.index('"payload":"') + 600
    altered.write_text(f"{text[:at]}{'A' if text[at] != 'A' else 'B'}{text[at + 1 :]}", "utf-8")
    ran = stage.elsewhere("log", "check", str(altered), cwd=stage.root / "elsewhere", codes=(76, 65))
    stage.claim("the altered file proves nothing", "does not hold" in ran.errors, ran.errors)


# -- a rewritten history -----------------------------------------------------------


def _history_rewritten(stage: Stage, arcadia: Member, borealia: Member, cascadia: Member) -> None:
    stage.say.step(
        "A thief with Cascadia's keys rolls its log back and writes another history of the same length.",
        """Signatures are all valid: the key is the right one. But Arcadia and Borealia hold the checkpoint that was
        signed before, and two signed trees of one log are proof in themselves.""",
    )
    origin, stolen = cascadia.log(NETWORK), stage.root / "cascadia-stolen"
    stage.stop(cascadia)
    attacks.impostor(cascadia.home, stolen)
    _states(stage, cascadia.home, 1, "192.0.2", "what Cascadia really wrote")
    stage.start(cascadia)
    own = log_of(stage, cascadia, origin)
    _pull(stage, arcadia, cascadia)
    _pull(stage, borealia, cascadia)
    stage.each(
        "{who} holds what Cascadia really wrote",
        (arcadia, borealia),
        lambda m: own is not None and _size(stage, m, origin) >= own.size,
    )
    stage.stop(cascadia)
    _states(stage, stolen, _size(stage, arcadia, origin) - _size_in(stage, stolen, origin), "198.51.100", "rewritten")
    stage.claim(
        "the thief's log is as long as the one that Arcadia holds",
        _size_in(stage, stolen, origin) == _size(stage, arcadia, origin),
    )
    stage.say.command(stage.shown(["--home", str(stolen), "serve"]))
    thief = stage.serve(stolen)
    stage.ready(stolen, thief)
    _pull(stage, arcadia, cascadia)
    _pull(stage, borealia, cascadia)
    stage.each(
        "{who} has proof of the fork, and believes nothing more of that log",
        (arcadia, borealia),
        lambda m: _state(stage, m, origin) == "frozen",
    )
    stage.end(thief)
    _doctor(stage, arcadia, origin)
    _certificate(stage, arcadia, origin, cascadia)
    stage.start(cascadia)
    stage.until("Cascadia itself learns of it when it is back", lambda: _state(stage, cascadia, origin) == "frozen")
    stage.run("party", "rotate", "--key", "log", "--stolen", home=cascadia.home)
    _pull(stage, arcadia, cascadia)
    _pull(stage, borealia, cascadia)
    _follows(stage, cascadia, arcadia, borealia)


def _states(stage: Stage, home: Path, count: int, network: str, name: str) -> None:
    """State invented indicators in the network's accord, from a node that nobody serves."""
    path = stage.root / f"{home.name}.json"
    objects = [samples.address(f"{network}.{n}", name) for n in range(1, count + 1)]
    samples.write(path, *objects)
    stage.run("ingest", str(path), "--source", home.name, "--tlp", "GREEN", home=home, show=0)
    done = stage.run("share", "--accord", NETWORK, "--source", home.name, home=home, show=1).answer
    stage.claim(f"{home.name} states {count} more", done.stated == count, done)


def _size(stage: Stage, member: Member, origin: str) -> int:
    log = log_of(stage, member, origin)
    return log.size if log is not None else 0


def _size_in(stage: Stage, home: Path, origin: str) -> int:
    logs = stage.host.call(home, LOGS, Nothing(office="csirt", user="thief"), lambda _: None).logs
    return next(log.size for log in logs if log.origin == origin)


def _state(stage: Stage, member: Member, origin: str) -> str:
    log = log_of(stage, member, origin)
    return log.state if log is not None else ""


def _certificate(stage: Stage, holder: Member, origin: str, author: Member) -> None:
    """Take the fork certificate out, and verify it where no node ever was."""
    path = stage.root / f"{holder.short}-has-{author.short}.fork"
    stage.run("log", "fork", origin, "--out", str(path), home=holder.home)
    checked = stage.elsewhere("log", "check", str(path), cwd=stage.root / "elsewhere", show=6)
    stage.claim(
        f"anybody can verify it offline, and the words are those that {author.name} reads out",
        author.words in checked.text and origin in checked.text and "The fork is proven" in checked.text,
        checked.text,
    )


def _follows(stage: Stage, author: Member, *others: Member) -> None:
    """See that a new generation of a log has begun, and that the others follow it."""
    following = author.log(NETWORK).removesuffix("/1") + "/2"
    stage.each(
        f"{{who}} follows the next generation of {author.name}'s log", others, lambda m: _size(stage, m, following) > 0
    )


# -- a split view --------------------------------------------------------------------


def _two_views(stage: Stage, arcadia: Member, borealia: Member, cascadia: Member) -> None:
    stage.say.step(
        "Arcadia shows Borealia one history and Cascadia another.",
        """At Arcadia's address, with Arcadia's certificate, a front looks at who asks and answers from one of two nodes
        with the same keys. Each of the two sees a log without a fault. They compare checkpoints at every sync.""",
    )
    origin = arcadia.log(NETWORK)
    stage.stop(arcadia)
    ports, homes = {}, []
    for member, network in ((borealia, "192.0.2"), (cascadia, "198.51.100")):
        home = stage.root / f"arcadia-for-{member.short}"
        ports[member.party] = free_port()
        attacks.impostor(arcadia.home, home)
        attacks.behind(home, ports[member.party])
        _states(stage, home, 1, network, f"for {member.name}'s eyes")
        homes.append(home)
    faces = [stage.serve(home) for home in homes]
    for home, face in zip(homes, faces, strict=True):
        stage.ready(home, face)
    front = attacks.TwoFaced(arcadia.home, arcadia.port, ports)
    front.start()
    try:
        for member in (borealia, cascadia, borealia):
            stage.run("sync", home=member.home)
        stage.each("{who} has proof of the fork", (borealia, cascadia), lambda m: _state(stage, m, origin) == "frozen")
    finally:
        front.stop()
        stage.end(*faces)
    roots = [log.root for member in (borealia, cascadia) if (log := log_of(stage, member, origin)) is not None]
    stage.claim("they had been shown different trees, each signed by Arcadia", len(set(roots)) == 2, roots)
    _doctor(stage, cascadia, origin)
    _certificate(stage, cascadia, origin, arcadia)
    stage.start(arcadia)
    stage.until("Arcadia's own node is told so too", lambda: _state(stage, arcadia, origin) == "frozen")
    stage.run("log", "renew", "home", NETWORK, "--reason", "two histories were shown", home=arcadia.home)
    _pull(stage, borealia, arcadia)
    _pull(stage, cascadia, arcadia)
    _follows(stage, arcadia, borealia, cascadia)


def _afterwards(stage: Stage) -> None:
    stage.say.step(
        "Afterwards the accord goes on.",
        """The forked generations stay frozen, with their certificates, at everybody; the next ones are followed. What
        was refused stays in the doctor's list.""",
    )
    stage.each("{who} signs, and finds nothing grave", stage.members, lambda m: _is_well(stage, m))
    verified = stage.run("log", "verify", home=stage.members[0].home, show=0).answer
    stage.claim("Arcadia's node still verifies, every entry, offline", not verified.wrong, verified)
    stage.run("log", "show", home=stage.members[1].home, show=12)


def _is_well(stage: Stage, member: Member) -> bool:
    found = stage.ask(member, DOCTOR, Examine())
    return found.signs and found.serving and not any(one.grave for one in found.ailments)
