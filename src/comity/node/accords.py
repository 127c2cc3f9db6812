"""Accords as this node knows them: texts, signatures, and where each member stands.

Rules: what is kept are signed bytes; the state is folded from them and from the acts in the logs, and
folded again whenever one of them changes. A text counts for a party once that party's root key signed it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from comity import accord, canon, dsse
from comity.accord import TEXT_MEDIA_TYPE, Accord, Placed, SignedText
from comity.acts import AnyAct, Ballot, Join, Leave, Resume, Suspend
from comity.canon import AccordId, Digest, PartyId
from comity.errors import Conflict, Malformed, Misuse, NotFound, Refused
from comity.limits import ACCORD_BYTES_MAX
from comity.node import books, views
from comity.node.actor import Actor
from comity.node.node import Node
from comity.node.ports import Unit, place
from comity.vocab import Phase

TEXTS: Final = "accord-text"  # digest -> bytes of the TOML
SIGNATURES: Final = "accord-signature"  # digest/party -> 64 bytes
MEMBERSHIP_MAX: Final = 100_000  # acts of one accord read when folding it


class Accords:
    """The accords of a node; folds are kept until `Node.epoch` moves."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._epoch = -1
        self._known: dict[AccordId, Accord] = {}
        self._texts_epoch = -1
        self._texts: list[SignedText] = []
        self._parsed: dict[str, SignedText] = {}

    def all(self, unit: Unit) -> Mapping[AccordId, Accord]:
        """Return every accord of which a text is held, by id."""
        if self._epoch != self._node.epoch:
            self._known = self._fold_all(unit)
            self._epoch = self._node.epoch
        return self._known

    def get(self, unit: Unit, name: str) -> Accord:
        """Return one accord. Raises `NotFound`."""
        found = self.all(unit).get(AccordId(name))
        if found is None:
            raise NotFound(f"no accord {name!r} is known here", hint="`comity accord list` shows those that are")
        return found

    def with_party(self, unit: Unit, party: str) -> list[Accord]:
        """Return the accords that name a party, in order of id."""
        known = self.all(unit).values()
        return sorted((a for a in known if PartyId(party) in a.members), key=lambda a: a.id)

    def texts(self, unit: Unit) -> list[SignedText]:
        """Return every text held, in order of digest."""
        if self._texts_epoch != self._node.epoch:
            held = unit.documents.all(TEXTS)
            self._parsed = {digest: self._parsed.get(digest) or accord.parse_text(data) for digest, data in held}
            self._texts = list(self._parsed.values())
            self._texts_epoch = self._node.epoch
        return self._texts

    def _fold_all(self, unit: Unit) -> dict[AccordId, Accord]:
        texts: dict[AccordId, list[SignedText]] = {}
        for text in self.texts(unit):
            texts.setdefault(text.text.id, []).append(text)
        return {
            name: accord.fold(
                _first(group), [t for t in group if t.text.parent], signatures(unit), placed(self._node, unit, name)
            )
            for name, group in texts.items()
            if any(not t.text.parent for t in group)
        }

    # -- commands ------------------------------------------------------------

    def take_text(self, unit: Unit, data: bytes) -> SignedText:
        """Keep a text for review; it binds nobody before it is signed. Raises `Malformed`, `Refused`, `Conflict`."""
        text = accord.parse_text(data)
        if not self.concerns(unit, text, self._node.me):
            raise Refused(
                f"this text of {text.text.id} does not name {self._node.me} as a member",
                hint="import first the version that does: those before it then come after it",
            )
        known = self.all(unit).get(text.text.id)
        if known is not None and not text.text.parent and known.versions[0].digest != text.digest:
            raise Conflict(
                f"another first text of {text.text.id} is held already",
                hint="agree on one text, or give the new accord another id",
            )
        unit.documents.put(TEXTS, text.digest, data)
        self._node.epoch += 1
        return text

    def withdraw(self, unit: Unit, name: str) -> None:
        """Drop a first text that not everybody signed yet, so that another can be drafted."""
        found = self.get(unit, name)
        if not found.awaiting:
            raise Refused(f"{name} is in force: it is changed by ballot, and left by `comity accord leave`")
        for text in found.versions:
            unit.documents.delete(TEXTS, text.digest)
            for key, _ in unit.documents.all(SIGNATURES, f"{text.digest}/"):
                unit.documents.delete(SIGNATURES, key)
        self._node.epoch += 1

    def sign(self, unit: Unit, actor: Actor, digest: Digest, root: Ed25519PrivateKey) -> Accord:
        """Sign a text with this party's root key and join under it; the act goes on this party's log."""
        text = self.text(unit, digest)
        member = text.text.member_of(self._node.me)
        if member is None:
            raise Refused(f"this text does not name {self._node.me}")
        public = root.public_key().public_bytes_raw()
        if canon.unb64(member.root, what="a root key") != public:
            raise Refused(
                f"the text names another root key for {self._node.me} than the one at hand",
                hint="draft it again with the current party cards",
            )
        if unit.documents.get(SIGNATURES, f"{digest}/{self._node.me}") is None:
            envelope = dsse.sign(TEXT_MEDIA_TYPE, text.data, root)
            (signature,) = envelope.signatures.values()
            unit.documents.put(SIGNATURES, f"{digest}/{self._node.me}", signature)
            self._state(unit, actor, text.text.id, text.text.version, Join(digest))
        self._node.epoch += 1
        return self.get(unit, text.text.id)

    def take_signature(self, unit: Unit, digest: Digest, party: str, signature: bytes) -> bool:
        """Keep a member's signature of a text; return whether it was new. Raises `Unverified` or `Refused`."""
        text = self.text(unit, digest)
        member = text.text.member_of(party)
        if member is None:
            raise Refused(f"{party} is no member by this text of {text.text.id}")
        if unit.documents.get(SIGNATURES, f"{digest}/{party}") is not None:
            return False
        root = canon.unb64(member.root, what="a root key", length=32)
        held = self._node.card(unit, party)
        if held.root != root:
            raise Refused(f"the text names another root key of {party} than the card held", hint="compare the words")
        dsse.check(root, signature, TEXT_MEDIA_TYPE, text.data, who=party)
        unit.documents.put(SIGNATURES, f"{digest}/{party}", signature)
        self._node.epoch += 1
        return True

    def has_signed(self, unit: Unit, digest: Digest, party: str) -> bool:
        """Say whether a party's signature of a text is held."""
        return unit.documents.get(SIGNATURES, f"{digest}/{party}") is not None

    def take_file(self, unit: Unit, data: bytes) -> SignedText:
        """Keep a text and every signature of a known party from an exchanged file."""
        envelope = dsse.parse(data, media_type=TEXT_MEDIA_TYPE, bytes_max=ACCORD_BYTES_MAX)
        text = self.take_text(unit, envelope.payload)
        for member in text.text.member:
            signature = envelope.signatures.get(dsse.key_id(canon.unb64(member.root, what="a root key", length=32)))
            if signature is not None:
                with suppress(NotFound):  # a party whose card is not held here: its signature is asked for again
                    self.take_signature(unit, text.digest, member.party, signature)
        return text

    def file(self, unit: Unit, digest: Digest) -> bytes:
        """Return a text with the signatures held, as a file to exchange."""
        text = self.text(unit, digest)
        found: dict[str, bytes] = {}
        for member in text.text.member:
            signature = unit.documents.get(SIGNATURES, f"{digest}/{member.party}")
            if signature is not None:
                found[dsse.key_id(canon.unb64(member.root, what="a root key"))] = signature
        if not found:
            raise Misuse("nobody has signed this text yet", hint="`comity accord sign` first")
        return dsse.Envelope(TEXT_MEDIA_TYPE, text.data, found).encode()

    def concerns(self, unit: Unit, text: SignedText, party: str) -> bool:
        """Say whether a text names a party, or a held text that names it follows on it: a newcomer needs all."""
        following = [text]
        while following:
            if any(one.text.member_of(party) is not None for one in following):
                return True
            digests = {one.digest for one in following}
            following = [one for one in self.texts(unit) if one.text.parent in digests]
        return False

    def text(self, unit: Unit, digest: str) -> SignedText:
        """Return a held text by digest. Raises `NotFound`."""
        found = next((text for text in self.texts(unit) if text.digest == digest), None)
        if found is None:
            raise NotFound(f"no accord text {digest} is held")
        return found

    def proposal(self, unit: Unit, name: str) -> SignedText:
        """Return the one text of an accord that awaits a signature or ballots. Raises `NotFound` or `Misuse`."""
        found = self.get(unit, name)
        if found.awaiting:
            return found.versions[0]
        digest = found.current.digest
        following = [t for t in self.texts(unit) if t.text.id == found.id and t.text.parent == digest]
        if not following:
            raise NotFound(f"no amendment of {name} is proposed")
        if len(following) > 1:
            raise Misuse(f"{len(following)} amendments of {name} are proposed", hint="name one by its digest")
        return following[0]

    def ballot(self, unit: Unit, actor: Actor, digest: Digest, *, yes: bool) -> None:
        """Vote on an amendment: once, irrevocably. Raises `Conflict` for a second ballot."""
        text = self.text(unit, digest)
        if not text.text.parent:
            raise Misuse("a first text is signed, not voted on")
        for place_ in placed(self._node, unit, text.text.id):
            act = place_.act
            if place_.party == self._node.me and isinstance(act, Ballot) and act.parent == text.text.parent:
                raise Conflict("this party has voted on a successor of that version; a ballot is irrevocable")
        found = self.get(unit, text.text.id)
        act = Ballot(parent=Digest(text.text.parent), proposal=digest, yes=yes)
        self._state(unit, actor, found.id, found.current.text.version, act)

    def move(self, unit: Unit, actor: Actor, name: str, event: str, reason: str) -> Accord:
        """Suspend, resume or leave, as the life cycle's table allows. Raises `Refused`."""
        found = self.get(unit, name)
        phase = found.phase if found.phase is not Phase.ACTIVE else found.members[self._node.me].phase
        if event not in accord.TRANSITIONS[phase]:
            raise Refused(f"{name} is {phase} here: it cannot {event}")
        act: AnyAct
        if event == "resume":
            own = [p.act for p in placed(self._node, unit, found.id) if p.party == self._node.me]
            act = Resume(suspensions=sum(isinstance(a, Suspend) for a in own))
        else:
            act = Suspend(reason) if event == "suspend" else Leave(reason)
        self._state(unit, actor, found.id, found.current.text.version, act)
        return self.get(unit, name)

    def _state(self, unit: Unit, actor: Actor, name: AccordId, version: int, act: AnyAct) -> None:
        node = self._node
        draft = books.act_draft(node, actor.office_id, act, version=version)
        books.state(node, unit, books.accord_origin(node, unit, name), version, [draft])
        node.epoch += 1


def _first(group: list[SignedText]) -> SignedText:
    return min((t for t in group if not t.text.parent), key=lambda t: t.digest)


def signatures(unit: Unit) -> dict[Digest, frozenset[PartyId]]:
    """Return who signed each text."""
    found: dict[Digest, set[PartyId]] = {}
    for key, _ in unit.documents.all(SIGNATURES):
        digest, _, party = key.partition("/")
        found.setdefault(Digest(digest), set()).add(PartyId(party))
    return {digest: frozenset(parties) for digest, parties in found.items()}


def placed(node: Node, unit: Unit, name: AccordId) -> list[Placed]:
    """Return the acts that move an accord, with their places."""
    found: list[Placed] = []
    for row in unit.views.find(views.MEMBERSHIP, {"accord": name}, limit=MEMBERSHIP_MAX):
        log_id, index = place(int(row[0] or 0))
        log = unit.logs.get(log_id)
        try:
            act, _ = node.act(unit, int(row[0] or 0))
        except Malformed:
            continue  # in quarantine since it was folded
        party, _, generation = canon.parse_origin(log.origin)
        found.append(Placed(party, generation, index, act))
    return found


def draft(template: str, values: Mapping[str, str], members: list[accord.Member]) -> str:
    """Return a template's text filled in, ready to be read, edited and signed."""
    table = "\n".join(
        f'[[member]]\nparty = "{m.party}"\nroot = "{m.root}"\njurisdiction = "{m.jurisdiction}"\n' for m in members
    )
    text = template
    for name, value in {**values, "members": table}.items():
        text = text.replace("{{" + name + "}}", value)
    accord.parse_text(text.encode())
    return text
