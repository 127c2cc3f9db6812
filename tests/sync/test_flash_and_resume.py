"""Pulling as it is meant to go: what comes first, what a cut costs, what comes later, and what it weighs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comity import canon, limits, policy, statement, sync
from comity.accord import Member
from comity.acts import AnyAct, Consent, Narrow, Retract, Span, Standing, Tombstone
from comity.canon import AccordId, Origin, PartyId, accord_origin
from comity.errors import Fault, Unreachable
from comity.node import acting, books, holdings, witness
from comity.node.releases import KIND
from comity.node.sharing import Offer
from comity.party import OfficeRef
from comity.policy import Audience, Release
from comity.statement import Marking
from comity.sync import Answer
from comity.testing.world import Inhabitant, World, amber, indicators
from comity.vocab import Held, Pap, Priority, Tlp, Use
from tests.sync.forger import found, header, held, pulled, refused, stix, value

ALL = AccordId("all")
PAYLOAD, WITHHELD = Held.PAYLOAD, Held.WITHHELD


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(9, 3, tmp_path)
    made.accord(ALL, made.people)
    yield made
    made.close()


def share(world: World, one: Inhabitant, count: int) -> list[int]:
    places = world.collect(one, list(indicators(world.random, count)), amber())
    one.services.sharing.share(one.actor, ALL, places)
    return places


def origin(one: Inhabitant, accord: str = ALL) -> Origin:
    return accord_origin(one.name, AccordId(accord), 1)


class Cut:
    """Answers as the node does, keeps what was asked, and breaks off when `when` says so."""

    def __init__(self, world: World, one: Inhabitant, when: Callable[[sync.AnyRequest], bool] = lambda request: False):
        self.real, self.when = one.services.serving.answer, when
        self.asked: list[sync.AnyRequest] = []
        world.network.nodes[one.name] = self

    def __call__(self, party: PartyId, request: sync.AnyRequest) -> Answer:
        self.asked.append(request)
        answer = self.real(party, request)
        if self.when(request):
            raise Unreachable("the answer broke off")
        return answer

    def pages(self) -> list[int]:
        return [request.start for request in self.asked if isinstance(request, sync.Page)]


# -- order, cuts, nothing new ----------------------------------------------------------


def test_a_flash_statement_is_held_and_found_before_the_bulk(world: World) -> None:
    a, b, _ = world.people
    share(world, a, 40)
    body = stix(world)
    flash = world.collect(a, [body], amber())
    a.services.sharing.share(a.actor, ALL, flash, Offer(priority=Priority.FLASH))
    share(world, a, 40)
    cut = Cut(world, a, lambda request: isinstance(request, sync.Page))
    assert isinstance(world.pull(b, a), Unreachable)
    assert held(b, origin(a)) == [], "the bulk did not come"
    assert found(b, value(body)) == [a.name], "the alert did"
    cut.when = lambda request: False
    pulled(world, b, a)
    assert held(b, origin(a)) == [PAYLOAD] * 82 and found(b, value(body)) == [a.name]
    assert sum(isinstance(request, sync.Ahead) for request in cut.asked) == 1


def test_a_cut_costs_the_page_under_way_and_nothing_else(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b, _ = world.people
    share(world, a, 46)
    monkeypatch.setattr(limits, "SYNC_PAGE_ENTRIES_MAX", 10)
    cut = Cut(world, a, lambda request: isinstance(request, sync.Page) and request.start == 20)
    for _ in range(2):
        assert isinstance(world.pull(b, a), Unreachable)
        assert held(b, origin(a)) == [PAYLOAD] * 20
    cut.when = lambda request: False
    pulled(world, b, a)
    assert cut.pages() == [0, 10, 20, 20, 20, 30, 40]
    assert held(b, origin(a)) == [PAYLOAD] * 47


def test_what_nobody_changed_costs_one_request(world: World) -> None:
    a, b, _ = world.people
    share(world, a, 5)
    world.calm(20)
    before, carried = world.network.asked, world.network.carried
    for _ in range(3):
        assert pulled(world, b, a).unchanged
    assert world.network.asked - before == 3
    assert world.network.carried - carried < 3 * 64


# -- later -------------------------------------------------------------------------------


def state(one: Inhabitant, *heads: bytes) -> list[bytes]:
    """State indicators under given headers, past the question whether anybody could have them."""
    bodies = list(indicators(Random(repr(heads)), len(heads)))
    with one.node.writing() as unit:
        drafts = [books.Draft(head, body) for head, body in zip(heads, bodies, strict=True)]
        books.state(one.node, unit, origin(one), 1, drafts)
    return bodies


def test_what_an_embargo_held_back_comes_when_it_has_passed(world: World) -> None:
    a, b, _ = world.people
    until = world.now + 5_000
    head = header(marking=Marking(Tlp.GREEN, embargo=until))
    _, secret, _ = state(a, header(), head, header())
    pulled(world, b, a)
    assert held(b, origin(a)) == [PAYLOAD, PAYLOAD, WITHHELD, PAYLOAD] and not found(b, value(secret))
    world.now = until - 10
    assert pulled(world, b, a).payloads == 0
    world.now = until
    cut = Cut(world, a)
    assert pulled(world, b, a).payloads == 1
    assert held(b, origin(a)) == [PAYLOAD] * 4 and found(b, value(secret)) == [a.name]
    assert [r for r in cut.asked if isinstance(r, sync.Fill)] == [sync.Fill(origin(a), 2, 3)]


def test_what_a_consent_released_comes_later(world: World) -> None:
    a, b, c = world.people
    (secret,) = state(a, header(marking=amber(f"{b.name}/csirt")))
    for one in (b, c):
        pulled(world, one, a)
    assert held(b, origin(a)) == [PAYLOAD] * 2 and held(c, origin(a)) == [PAYLOAD, WITHHELD]
    with a.node.writing() as unit:
        act = Consent((Span(origin(a), 1, 2),), (f"{c.name}/csirt",))
        draft = books.act_draft(a.node, a.actor.office_id, act, version=1)
        books.state(a.node, unit, origin(a), 1, [draft])
        log = unit.logs.find(origin(a))
        assert log is not None
        entry = unit.entries.read(log.id, 1, 2)[0]
    pulled(world, c, a)
    said = decided(a, c.name, entry.header or b"", entry.standing, world.now)
    assert held(c, origin(a))[1] is (PAYLOAD if said else WITHHELD)
    assert bool(found(c, value(secret))) is said


def test_a_suspended_member_gets_nothing_new_until_it_resumes_but_every_narrowing_act(world: World) -> None:
    a, b, _ = world.people
    places = share(world, a, 3)
    world.calm(20)
    with b.node.writing() as unit:
        b.services.accords.move(unit, b.actor, ALL, "suspend", "a change of government")
    world.calm(20)
    first = len(held(a, origin(a)))
    more = share(world, a, 2)
    acting.retract(a.actor, a.node, places[:1], "false")
    world.calm(20)
    assert held(b, origin(a))[first : first + 2] == [WITHHELD, WITHHELD]
    assert standing(b, a, 1).retracted
    with b.node.writing() as unit:
        b.services.accords.move(unit, b.actor, ALL, "resume", "")
    world.calm(20)
    assert set(held(b, origin(a))) == {PAYLOAD} and len(more) == 2


def test_a_leaver_keeps_what_it_has_and_still_gets_narrowing_acts(world: World) -> None:
    a, b, _ = world.people
    places = share(world, a, 3)
    world.calm(20)
    with b.node.writing() as unit:
        b.services.accords.move(unit, b.actor, ALL, "leave", "")
    world.calm(20)
    first = len(held(a, origin(a)))
    share(world, a, 2)
    acting.retract(a.actor, a.node, places[:1], "false")
    acting.erase(a.actor, a.node, places[1:2], "a law", "")
    world.calm(20)
    assert held(b, origin(a))[1:4] == [PAYLOAD, Held.ERASED, PAYLOAD]
    assert held(b, origin(a))[first : first + 2] == [WITHHELD, WITHHELD]
    assert standing(b, a, 1).retracted


def standing(one: Inhabitant, author: Inhabitant, index: int) -> Standing:
    with one.store.read() as unit:
        log = unit.logs.find(origin(author))
        assert log is not None
        return msgspec.json.decode(unit.entries.read(log.id, index, index + 1)[0].standing, type=Standing)


def test_a_newcomer_gets_every_leaf_and_nothing_stated_before_it_came(tmp_path: Path) -> None:
    world = World(9, 3, tmp_path)
    a, b, c = world.people
    world.accord(ALL, [a, b])
    share(world, a, 3)
    world.calm(20)
    before = len(held(a, origin(a)))
    digest = amend(world, a, [c])
    with b.node.writing() as unit:
        b.services.accords.take_file(unit, file(a, digest))
        b.services.accords.ballot(unit, b.actor, digest, yes=True)
    for _ in range(2):
        pulled(world, c, a)
    with c.node.writing() as unit:
        c.services.accords.sign(unit, c.actor, digest, c.secrets["root"])
    with a.node.writing() as unit:
        a.services.accords.take_file(unit, file(c, digest))
    world.calm(20)
    for one in world.people:
        with one.store.read() as unit:
            accord = one.services.accords.get(unit, ALL)
            assert accord.current.digest == digest and accord.takes_part(c.name)
    new = share(world, a, 2)
    world.calm(20)
    got = held(c, origin(a))
    assert len(got) == len(held(b, origin(a)))
    assert got[1:before].count(WITHHELD) == 3, "leaves of all, payloads of none"
    assert got[before:] == [PAYLOAD] * len(got[before:]) and len(new) == 2
    assert not refused(c)
    world.close()


def amend(world: World, one: Inhabitant, joining: list[Inhabitant]) -> canon.Digest:
    with one.store.read() as unit:
        current = one.services.accords.get(unit, ALL).current
    text = current.data.decode().replace("version = 1", f'version = 2\nparent = "{current.digest}"')
    for member in joining:
        row = Member(member.name, member.card().card.keys.root, member.card().card.jurisdiction)
        text += f'\n[[member]]\nparty = "{row.party}"\nroot = "{row.root}"\njurisdiction = "{row.jurisdiction}"\n'
    with one.node.writing() as unit:
        taken = one.services.accords.take_text(unit, text.encode())
        one.services.accords.sign(unit, one.actor, taken.digest, one.secrets["root"])
        one.services.accords.ballot(unit, one.actor, taken.digest, yes=True)
    return taken.digest


def file(one: Inhabitant, digest: canon.Digest) -> bytes:
    with one.store.read() as unit:
        return one.services.accords.file(unit, digest)


# -- what it weighs ------------------------------------------------------------------------


def test_an_indicator_takes_at_most_155_bytes_on_the_wire_and_450_as_a_relay(tmp_path: Path) -> None:
    world = World(9, 3, tmp_path)
    a, b, c = world.people
    world.accord(AccordId("one"), [a, b])
    world.accord(AccordId("two"), [b, c])
    count = 2_000
    places = world.collect(a, list(indicators(world.random, count)), Marking(Tlp.CLEAR, pap=Pap.CLEAR))
    a.services.sharing.share(a.actor, "one", places)
    pulled(world, b, a)  # accord texts and the like come once, not per indicator
    with b.store.read() as unit:
        log = unit.logs.find(origin(a, "one"))
        assert log is not None and log.size == count + 1
        here = [log.id << 40 | index for index in range(1, count + 1)]
    direct = weight(world, b, a, origin(a, "one"), count)
    assert b.services.sharing.share(b.actor, "two", here).relayed == count
    pulled(world, c, b)
    relayed = weight(world, c, b, origin(b, "two"), count)
    assert direct / count <= 155, direct / count
    assert relayed / count <= 450, relayed / count
    world.close()


def weight(world: World, one: Inhabitant, peer: Inhabitant, log: Origin, count: int) -> int:
    """Return the bytes of the pages that carry a log, asked for as a pull does."""
    before = world.network.carried
    for start in range(0, count, limits.SYNC_PAGE_ENTRIES_MAX):
        end = min(count, start + limits.SYNC_PAGE_ENTRIES_MAX)
        world.network.carry(one.name, peer.name, sync.Page(log, start, end, count))
    return world.network.carried - before


def test_the_home_log_is_witnessed_by_its_checkpoint_and_nothing_of_it_is_shown(world: World) -> None:
    a, b, _ = world.people
    share(world, a, 3)
    world.calm(20)
    home = canon.home_origin(a.name, 1)
    with b.store.read() as unit:
        assert unit.logs.find(home) is None
        seen = witness.read_head(witness.home_note(unit, a.name))
    with a.store.read() as unit:
        log = unit.logs.find(home)
        receipts = {r.cosigner: r.size for r in witness.receipts(a.node, unit, home)}
    assert log is not None and seen.origin == home and 0 < seen.size <= log.size
    assert set(receipts) == {b.name, world.people[2].name} and min(receipts.values()) > 0


def test_of_each_cosigner_the_newest_receipt_is_kept(world: World) -> None:
    a, b, c = world.people
    for _ in range(6):
        share(world, a, 2)
        world.calm(20)
    with a.store.read() as unit:
        rows = [key for key, _ in unit.documents.all(witness.RECEIPTS)]
        size = len(held(a, origin(a)))
        assert {r.cosigner: r.size for r in witness.receipts(a.node, unit, origin(a))} == {b.name: size, c.name: size}
    assert len(rows) == 2 * 2, "two cosigners, two logs"


# -- on record before it leaves ------------------------------------------------------------------


class Failing:
    """A store that reads and cannot write."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def write(self) -> Any:
        raise Fault("no space left on the disk")


def recorded(one: Inhabitant, to: Inhabitant) -> list[tuple[int, int]]:
    """Return the runs of the accord's log that the home log says went to a party, ascending."""
    runs: list[tuple[int, int]] = []
    with one.store.read() as unit:
        log = unit.logs.find(canon.home_origin(one.name, 1))
        assert log is not None
        for entry in unit.entries.read(log.id, 0, log.size):
            if entry.header is None or one.node.header(entry.header).kind != KIND:
                continue
            body = msgspec.json.decode(entry.body or b"")
            if body["to"] == to.name and body["origin"] == origin(one):
                runs += [(s, e) for line in body["classes"] for s, e in line["spans"]]
    return sorted(runs)


def test_nothing_leaves_that_could_not_be_put_on_record(world: World) -> None:
    a, b, _ = world.people
    share(world, a, 3)
    request = sync.Page(origin(a), 0, 4, 4)
    a.node.store = Failing(a.store)
    for asked in (request, sync.Fill(origin(a), 1, 2), sync.Ahead(origin(a), 1, 4)):
        with pytest.raises(Fault, match="no space left"):
            a.services.serving.answer(b.name, asked)
    a.node.store = a.store
    assert recorded(a, b) == []
    page = sync.decode_page(a.services.serving.answer(b.name, request).body)
    assert page.held == bytes(4) and recorded(a, b) == [(0, 1), (1, 4)]


def test_a_page_that_was_cut_to_its_limit_puts_on_record_what_it_carries(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, _ = world.people
    share(world, a, 30)
    monkeypatch.setattr(limits, "SYNC_PAGE_BYTES_MAX", 65_536 + 6_000)
    ends: list[int] = []
    at = 0
    while at < 31:
        page = sync.decode_page(a.services.serving.answer(b.name, sync.Page(origin(a), at, 31, 31)).body)
        at += len(page.held)
        ends.append(at)
        assert max(end for _, end in recorded(a, b)) == at
    assert len(ends) > 2
    pulled(world, b, a)
    assert held(b, origin(a)) == [PAYLOAD] * 31


def test_a_page_of_many_large_headers_stays_within_its_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b, _ = world.people
    names = tuple(f"{b.name}/csirt~{'x' * 40}{n}" for n in range(40))
    state(a, *(header(marking=Marking(Tlp.GREEN, to=(f"{b.name}/csirt", *names)), at=n) for n in range(64)))
    monkeypatch.setattr(limits, "SYNC_PAGE_BYTES_MAX", 65_536 + 60_000)
    outcome = pulled(world, b, a)
    assert not outcome.faults and not refused(b)
    assert held(b, origin(a)) == [PAYLOAD] * 65


# -- deciding by class, in SQL, is deciding -----------------------------------------------------------


def decided(author: Inhabitant, to: PartyId, head: bytes, known: bytes, at: int) -> bool:
    """Decide about one statement alone: no class, no cache, no SQL."""
    with author.store.read() as unit:
        parsed = statement.decode_header(head)
        acts = msgspec.json.decode(known, type=Standing)
        card = author.node.card(unit, to).card
        mine = author.node.card(unit, author.name).card
        facts = policy.facts(
            parsed,
            author.name,
            accord=ALL,
            jurisdiction=mine.jurisdiction,
            holder=OfficeRef(author.name, parsed.office) if parsed.relayed else None,
        )
        terms = policy.terms_of(author.services.accords.get(unit, ALL), parsed.accord)
        names = {*(parsed.marking.to if parsed.marking else ()), *(acts.to or ()), *(t for t, _ in acts.consents)}
        audiences = [Audience(ref, card.jurisdiction) for ref in card.offices_refs]
        for name in names:
            office, person, _ = policy.parse_audience(name)
            if office.party == to and person:
                audiences.append(Audience(office, card.jurisdiction, person=person))
        return any(isinstance(policy.decide(facts, a, terms, acts, at), Release) for a in audiences)


B, C = "cert.borealia.example/csirt", "cert.cascadia.example/csirt"
AUDIENCES = st.sets(st.sampled_from([B, C, f"{B}/n.n", f"{C}/m.m"]), max_size=2).map(lambda s: tuple(sorted(s)))
MARKINGS = st.builds(
    Marking,
    st.sampled_from(Tlp),
    to=AUDIENCES,
    embargo=st.sampled_from([0, 0, 1_790_000_500, 1_790_002_000]),
    use=st.just((Use.DEFENCE,)),
    transfer=st.sampled_from([(), ("XB",)]),
    personal=st.booleans(),
)
SPANS = st.tuples(st.integers(1, 8), st.integers(1, 4))
ACTS = st.one_of(
    st.just(Retract),
    st.builds(lambda: lambda spans: Tombstone(spans, "a law")),
    st.builds(lambda tlp, to: lambda spans: Narrow(spans, tlp, to=to), st.sampled_from(Tlp), AUDIENCES),
    st.builds(lambda to: lambda spans: Narrow(spans, revoke=to), AUDIENCES),
    st.builds(
        lambda to, until: lambda spans: Consent(spans, to or (C,), until),
        AUDIENCES,
        st.sampled_from([0, 1_790_001_000]),
    ),
)


@settings(max_examples=20)
@given(
    st.lists(MARKINGS, min_size=1, max_size=9),
    st.lists(st.tuples(SPANS, ACTS), max_size=5),
    st.sampled_from([0, 900, 3_000]),
)
def test_what_sql_releases_is_what_deciding_one_by_one_releases(
    markings: list[Marking], acts: list[tuple[tuple[int, int], Any]], wait: int
) -> None:
    with TemporaryDirectory() as folder:
        world = World(9, 3, Path(folder))
        world.accord(ALL, world.people)
        a = world.people[0]
        state(a, *(header(marking=marking) for marking in markings))
        for (start, length), make in acts:
            act: AnyAct = make((Span(origin(a), start, start + length),))
            with a.node.writing() as unit:
                books.state(a.node, unit, origin(a), 1, [books.act_draft(a.node, a.actor.office_id, act, version=1)])
            for one in world.people[1:]:  # caches are warm with what was true before
                a.services.serving.answer(one.name, sync.Page(origin(a), 0, 1, 1))
        for moment in (0, wait):
            world.now += moment
            with a.store.read() as unit:
                log = unit.logs.find(origin(a))
                assert log is not None
                entries = unit.entries.read(log.id, 0, log.size)
            for one in world.people[1:]:
                answer = a.services.serving.answer(one.name, sync.Page(origin(a), 0, log.size, log.size))
                got = [sync.CODES[code] for code in sync.decode_page(answer.body).held]
                for entry, what in zip(entries, got, strict=True):
                    if entry.held is not PAYLOAD:
                        assert what is entry.held
                        continue
                    goes = decided(a, one.name, entry.header or b"", entry.standing, world.now)
                    assert what is (PAYLOAD if goes else WITHHELD), (entry.header, entry.standing, one.name)
        world.close()


def test_every_index_answers_and_the_author_hears_it(world: World) -> None:
    a, b, c = world.people
    places = share(world, a, 2)
    state(a, header(marking=amber(f"{b.name}/csirt")))
    acting.erase(a.actor, a.node, places[:1], "a law", "")
    world.calm(20)
    with a.store.read() as unit:
        answers = {one.holder: one for one in holdings.answers(a.node, unit, origin(a))}
    assert [answers[b.name].at_index(n) for n in range(1, 4)] == [Held.ERASED, PAYLOAD, PAYLOAD]
    assert [answers[c.name].at_index(n) for n in range(1, 4)] == [Held.ERASED, PAYLOAD, WITHHELD]
