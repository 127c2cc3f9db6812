"""Part two, first half: three nodes, their cards, and an accord that all three sign."""

from __future__ import annotations

from itertools import permutations
from typing import Final, NamedTuple

from comity.surfaces.cli.demo.alone import KNOWN, found
from comity.surfaces.cli.demo.nodes import Member
from comity.surfaces.cli.demo.stage import Stage
from comity.surfaces.cli.verbs.accord import SHOW, Named

NETWORK: Final = "three-shores"
PAIR: Final = "arcadia-borealia"


class Text(NamedTuple):
    """What a draft is made of."""

    id: str
    template: str
    title: str
    community: str


THREE_SHORES: Final = Text(NETWORK, "csirt-network", "The Three Shores Network", "three-shores")
BILATERAL: Final = Text(PAIR, "bilateral", "Arcadia and Borealia", "the two parties")


def play(stage: Stage) -> None:
    """Serve three nodes, exchange cards, conclude the accord."""
    stage.say.chapter("Three nodes and an accord")
    arcadia, borealia, cascadia = stage.members
    stage.say.step(
        "Borealia and Cascadia make theirs, and all three serve.",
        """Each node is a process of its own with its own keys. They speak HTTPS; each one's certificate is in its
        party card, so that no certificate authority has to be trusted.""",
    )
    for member in (borealia, cascadia):
        found(stage, member, show=1)
    for member in stage.members:
        stage.say.command(stage.shown(["--home", str(member.home), "serve"]))
    stage.start(*stage.members)
    stage.claim("three nodes answer, each on its own port", all(m.process for m in stage.members))
    _cards(stage)
    stage.say.step(
        "Knowing each other is not yet an accord.",
        "Without terms between them, the decision about the same public object is another.",
    )
    explained = stage.run("explain", KNOWN, "--to", borealia.office, home=arcadia.home, show=6).answer
    grounds = {f.rule for one in explained.decisions for f in one.decision.findings if not f.allows}
    stage.claim("Borealia may not have it yet: no accord", "accord" in grounds, grounds)
    stage.say.step(
        "An accord is drafted from a template, reviewed, and signed by all.",
        """It is a plain text that lawyers can read: members, areas, the strictest marking, permitted use, voting. What
        is signed are its very bytes, with each party's root key; it is in force when the last one has signed.""",
    )
    conclude(stage, THREE_SHORES, [arcadia, borealia, cascadia], show=14)


def _cards(stage: Stage) -> None:
    stage.say.step(
        "Cards are exchanged, and the twelve words compared by voice.",
        """A card travels in any way: mail, a web page. What makes it believed is that the other party reads the same
        twelve words on a number one already has. A stranger's card waits until then.""",
    )
    for member in stage.members:
        stage.quietly("party", "card", "--out", str(card_of(stage, member)), home=member.home)
    pairs = list(permutations(stage.members, 2))
    for number, (reader, other) in enumerate(pairs):
        runner = stage.run if number == 0 else stage.quietly
        runner("party", "import", str(card_of(stage, other)), home=reader.home)
        if number == 0:
            wrong = stage.run(
                *("party", "confirm", other.party, "--words", reader.words), home=reader.home, codes=(76, 77, 65, 64)
            )
            stage.claim("other words than the card's are refused", wrong.code != 0)
        runner("party", "confirm", other.party, "--words", other.words, home=reader.home)
    stage.say.aside(f"The same for the other {len(pairs) - 1} directions.")
    for member in stage.members:
        listed = stage.quietly("party", "list", home=member.home).answer.parties
        stage.claim(
            f"{member.name} knows the other two, by the words it compared",
            sorted(p.words for p in listed) == sorted(m.words for m in stage.members),
            listed,
        )


def card_of(stage: Stage, member: Member) -> str:
    """Return the path of a party's card file."""
    return str(stage.root / f"{member.short}.card")


def conclude(stage: Stage, text: Text, members: list[Member], *, show: int) -> None:
    """Draft, review and sign an accord of these members, and wait until it is in force at all of them."""
    first, *others = members
    path = str(stage.root / f"{text.id}.toml")
    named = [word for member in others for word in ("--with", member.party)]
    stage.run(
        *("accord", "draft", "--template", text.template, "--id", text.id, "--title", text.title, *named),
        *("--community", text.community, "--ceiling", "AMBER+STRICT", "--out", path),
        home=first.home,
        show=1,
    )
    stage.run("accord", "review", path, home=first.home, show=show)
    stage.run("accord", "sign", path, home=first.home, show=2)
    for member in others:
        stage.each("the text has come to {who} over the network", [member], lambda m: _known(stage, m, text.id))
        stage.run("accord", "sign", text.id, home=member.home, show=2)
    count = len(members)
    stage.each(f"at {{who}} it is in force, signed by all {count}", members, lambda m: _active(stage, m, text.id))


def _known(stage: Stage, member: Member, name: str) -> bool:
    return stage.ask(member, SHOW, Named(name=name)).id == name


def _active(stage: Stage, member: Member, name: str) -> bool:
    shown = stage.ask(member, SHOW, Named(name=name))
    return shown.phase == "active" and not shown.awaiting and all(one.signed for one in shown.members)
