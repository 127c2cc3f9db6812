"""Sources that are fetched: the register, what is due, what a poll keeps and tells, and all of it as commands."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.boot.turns import PoliteFetching, Turns
from comity.errors import ComityError, Fault, Malformed, Misuse, NotFound, Unreachable
from comity.formats.convert import Context, Loss, Made, Outcome, Reader, loss
from comity.formats.stix.report import Refusal
from comity.formats.stix.split import Piece, split
from comity.http.fetch import Fetcher
from comity.http.inward import LOOPBACK
from comity.limits import SOURCE_QUIET_SECONDS_MAX, SOURCE_RETRY_AFTER_MAX
from comity.node import doctor, ingest, polling, sources
from comity.node.ingest import Source
from comity.node.polling import Busy, Faults, Part, Polled
from comity.testing.world import START, Inhabitant, World, amber
from comity.transports.caller import Caller, Manners
from comity.transports.discovery import Asked
from comity.transports.taxii import Taxii as Client
from tests.transports.taxii_server import COLLECTION, Taxii, indicator, served

OBJECTS = f"/api1/collections/{COLLECTION}/objects/"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(5, 2, tmp_path)
    yield made
    made.close()


@pytest.fixture
def one(world: World) -> Inhabitant:
    return world.people[0]


@pytest.fixture
def server() -> Taxii:
    return Taxii()


@pytest.fixture
def base(server: Taxii) -> Iterator[str]:
    with served(server) as base:
        yield base


def made(name: str = "isac", **more: object) -> Source:
    given = {"kind": "url", "address": "https://feed.example/x", "every": 3_600, "form": "stix", **more}
    return Source(name, "csirt", amber(), **given)  # type: ignore[arg-type]


def register(one: Inhabitant, source: Source) -> Source:
    with one.node.writing() as unit:
        return sources.register(unit, source)


class Script:
    """A way to a source that gives what it is told to: bytes of STIX, each a part, or an error."""

    def __init__(self, *parts: bytes | ComityError, faults: Sequence[str] = ()) -> None:
        self._parts = parts
        self.faults = Faults(list(faults))
        self.cursors: list[bytes] = []

    def parts(self, cursor: bytes) -> Generator[Part, None, None]:
        self.cursors.append(cursor)
        for number, part in enumerate(self._parts, 1):
            if isinstance(part, ComityError):
                raise part
            yield Part("part", lambda _, number=number: b"%d" % number, chunks=iter((part,)))


class Table:
    """Readers of two formats: one makes an indicator of each line, and loses what is no number."""

    def reader(self, name: str, /) -> Reader:
        if name != "lines":
            raise Misuse(f"there is no reader for {name!r}")
        return read_lines

    def recognise(self, head: bytes, name: str, /) -> str:
        return "stix" if head.startswith(b"{") else "lines"


def read_lines(chunks: Iterator[bytes], context: Context) -> Iterator[Made | Loss]:
    for place, line in enumerate(b"".join(chunks).splitlines(), 1):
        if line.isdigit():
            yield Made(indicator(int(line)), f"line {place}")
        else:
            yield loss(f"line {place}", Outcome.UNMAPPED, "no-number", "is no number")


def poll(one: Inhabitant, source: Source, way: polling.Fetching, **more: object) -> Polled:
    return polling.poll(one.services, one.actor, source, way, Table(), **more)  # type: ignore[arg-type]


def held(one: Inhabitant) -> list[bytes]:
    """Return the objects on the home log, in their order."""
    with one.store.read() as unit:
        places = one.services.queries.home_objects(unit, source="", type_="", after=0)
        return [one.services.queries.body(unit, at) for at, _ in places]


def cursor(one: Inhabitant, source: Source) -> bytes | None:
    with one.store.read() as unit:
        return unit.documents.get(sources.CURSORS, sources.key(source))


# ---- the register ----


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"name": ""}, "a name"),
        ({"name": "a\nb"}, "a name"),
        ({"kind": "ftp"}, "no kind"),
        ({"kind": ""}, "no kind"),
        ({"reliability": "G"}, "Admiralty"),
        ({"reliability": "AB"}, "Admiralty"),
        ({"every": 59}, "60 s"),
        ({"address": "ftp://x.example"}, "no URL"),
        ({"collection": "x"}, "TAXII servers only"),
        ({"match": (("type", "x"),)}, "TAXII servers only"),
        ({"login": "../root.key"}, "no login"),
        ({"login": "root.key"}, "none of its own keys"),
        ({"login": "root.3.retired"}, "none of its own keys"),
        ({"login": ".x"}, "no login"),
        ({"login": "isac", "plain": True}, "plain http"),
        ({"kind": "file", "address": "relative"}, "absolute path"),
        ({"kind": "file", "address": "/x", "login": "isac"}, "absolute path"),
    ],
)
def test_what_cannot_be_fetched_is_not_registered(one: Inhabitant, wrong: dict[str, object], says: str) -> None:
    with pytest.raises(Misuse) as caught:
        register(one, made(**{"name": "isac", **wrong}))  # type: ignore[arg-type]
    assert says in caught.value.says()
    with one.store.read() as unit:
        assert sources.fetched(unit) == []


def test_a_source_that_was_kept_before_is_still_read(one: Inhabitant) -> None:
    old = b'{"name":"feed","office":"csirt","marking":{"tlp":"GREEN","pap":"GREEN"},"note":"old"}'
    with one.node.writing() as unit:
        unit.documents.put(ingest.SOURCES, "csirt/feed", old)
    with one.store.read() as unit:
        known = ingest.source(unit, one.actor, "feed")
        assert (known.note, known.kind, known.enabled) == ("old", "", True)
        assert sources.fetched(unit) == []
        with pytest.raises(NotFound):
            sources.named(unit, one.actor, "feed")


def test_a_new_default_marking_leaves_how_a_source_is_fetched(one: Inhabitant) -> None:
    source = register(one, made(licence="CC0-1.0", reliability="B"))
    with one.node.writing() as unit:
        ingest.put_source(unit, one.actor, "isac", None)
    with one.store.read() as unit:
        (known,) = sources.fetched(unit)
    assert known.marking is None
    assert (known.address, known.licence, known.reliability) == (source.address, "CC0-1.0", "B")


def test_another_question_forgets_where_the_old_one_stood(one: Inhabitant) -> None:
    source = register(one, made())
    poll(one, source, Script(indicator(1)))
    assert cursor(one, source) == b"1"
    register(one, made(every=60, licence="x"))
    assert cursor(one, source) == b"1"
    register(one, made(address="https://other.example/x"))
    assert cursor(one, source) is None


def test_a_removed_source_leaves_what_came_from_it(one: Inhabitant) -> None:
    source = register(one, made())
    poll(one, source, Script(indicator(1)))
    with one.node.writing() as unit:
        sources.remove(unit, source)
    assert (held(one), cursor(one, source)) == ([indicator(1)], None)
    poll(one, source, Script(indicator(2)))  # one that was under way
    assert cursor(one, source) is None
    with one.store.read() as unit:
        assert sources.health_of(unit, source) == sources.Health()


# ---- due ----


def test_sources_come_due_and_rest(world: World, one: Inhabitant) -> None:
    first, second = register(one, made("first")), register(one, made("second", every=600))
    assert sources.due(one.node, world.now) == [first, second]
    poll(one, first, Script())
    poll(one, second, Script())
    assert sources.due(one.node, world.now) == []
    world.now += 600
    assert sources.due(one.node, world.now) == [second]
    world.now += 3_000
    assert sources.due(one.node, world.now) == [second, first]  # the longest due first
    with one.node.writing() as unit:
        sources.enable(unit, second, enabled=False)
    assert sources.due(one.node, world.now) == [first]


def test_a_time_that_a_wrong_clock_wrote_is_not_waited_for(world: World, one: Inhabitant) -> None:
    source = register(one, made())
    world.now += 10 * 365 * 86_400
    poll(one, source, Script())
    world.now = START
    assert sources.due(one.node, world.now) == [source]


def test_a_failing_source_is_put_off_twice_as_long_each_time_and_stops_no_other(world: World, one: Inhabitant) -> None:
    bad, good = register(one, made("bad", every=600)), register(one, made("good", every=600))
    waits = []
    for _ in range(8):
        poll(one, bad, Script(Unreachable("nobody answers", hint="try again later")))
        poll(one, good, Script())
        with one.store.read() as unit:
            waits.append(sources.health_of(unit, bad).due - world.now)
    assert waits == [1_200, 2_400, 4_800, 9_600, 19_200, *[SOURCE_QUIET_SECONDS_MAX] * 3]
    world.now += 600
    assert sources.due(one.node, world.now) == [good]
    with one.store.read() as unit:
        health = sources.health_of(unit, bad)
    assert (health.failures, health.success, health.whose) == (8, 0, "the network")
    assert health.error == "nobody answers → try again later"
    health = poll(one, bad, Script(indicator(1))).health
    assert (health.failures, health.error, health.success, health.due) == (0, "", world.now, world.now + 600)


@given(st.integers(60, 10**7), st.integers(0, 10**6), st.floats(0, 1, exclude_max=True), st.integers(0, 10**12))
def test_a_wait_is_bounded(every: int, failures: int, jitter: float, asked: int) -> None:
    wait = sources.wait(every, failures, jitter, asked)
    longest = max(every, SOURCE_QUIET_SECONDS_MAX, min(asked, SOURCE_RETRY_AFTER_MAX))
    assert every <= wait <= longest * 1.1 or (not failures and wait <= longest * 1.1)
    assert wait >= min(asked, SOURCE_RETRY_AFTER_MAX)


def test_a_server_that_asks_to_be_left_alone_is(world: World, one: Inhabitant) -> None:
    source = register(one, made(every=60))
    busy = Unreachable("busy")
    busy.__cause__ = Busy(5_000)
    health = poll(one, source, Script(busy), jitter=0.5).health
    assert health.due == world.now + 5_250


# ---- what a poll keeps ----


def test_a_poll_keeps_counts_and_remembers_where_it_stands(world: World, one: Inhabitant) -> None:
    source = register(one, made())
    broken = b'{"type":"indicator","id":"indicator--x"}'
    polled = poll(one, source, Script(indicator(1) + b"\n" + broken, indicator(2), indicator(1)))
    assert polled.counts == sources.Counts(read=4, kept=2, known=1, refused=1)
    assert [one.rule for one in polled.report.shown] == list(polled.report.by_rule)
    assert held(one) == [indicator(1), indicator(2)]
    assert cursor(one, source) == b"3"
    way = Script(indicator(3))
    world.now += 5
    health = poll(one, source, way).health
    assert way.cursors == [b"3"]
    assert health.total == sources.Counts(read=5, kept=3, known=1, refused=1)
    assert (health.attempt, health.success, health.last.kept) == (world.now, world.now, 1)


def test_the_cursor_moves_only_over_what_was_kept(one: Inhabitant) -> None:
    source = register(one, made())
    polled = poll(one, source, Script(indicator(1), Malformed("the server lies"), indicator(2)))
    assert (cursor(one, source), held(one)) == (b"1", [indicator(1)])
    assert isinstance(polled.error, Malformed)
    assert polled.health.whose == "their data"
    one.node.signs, one.node.why_not = False, "in doubt"
    polled = poll(one, source, Script(indicator(3)))
    assert isinstance(polled.error, Fault)
    assert cursor(one, source) == b"1"


def test_a_large_cursor_is_written_now_and_then_and_at_the_end(
    one: Inhabitant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "CURSOR_SMALL", 0)
    monkeypatch.setattr(polling, "PARTS_BETWEEN", 4)
    source = register(one, made())
    written: list[bytes] = []
    write = polling._write

    def noting(node: object, source: Source, shelf: str, value: bytes) -> None:
        if shelf == sources.CURSORS:
            written.append(value)
        write(node, source, shelf, value)  # type: ignore[arg-type]

    monkeypatch.setattr(polling, "_write", noting)
    poll(one, source, Script(*map(indicator, range(10)), Unreachable("cut")))
    assert written == [b"4", b"8", b"10"]


def test_a_dry_run_tells_the_same_and_writes_nothing(one: Inhabitant) -> None:
    source = register(one, made())
    poll(one, source, Script(indicator(1)))
    with one.store.read() as unit:
        before, version = sources.health_of(unit, source), unit.version()
    polled = poll(one, source, Script(indicator(1), indicator(2)), dry=True)
    assert polled.counts == sources.Counts(read=2, kept=1, known=1)
    with one.store.read() as unit:
        assert (sources.health_of(unit, source), unit.version()) == (before, version)
    assert held(one) == [indicator(1)]


def test_a_source_of_another_format_goes_through_its_reader_and_keeps_its_losses(one: Inhabitant) -> None:
    source = register(one, made(form="lines"))
    polled = poll(one, source, Script(b"1\n2\nthree\n"))
    assert polled.counts == sources.Counts(read=2, kept=2, lost=1)
    assert [lost.where for lost in polled.losses.shown] == ["line 3"]
    assert poll(one, source, Script(b"1\n2\n")).counts == sources.Counts(read=2, known=2)
    polled = poll(one, register(one, made("other", form="runes")), Script(b"x"))
    assert isinstance(polled.error, Misuse)


def test_a_format_that_nobody_named_is_seen_by_content(one: Inhabitant) -> None:
    source = register(one, made(form=""))
    assert poll(one, source, Script(indicator(1))).counts.kept == 1
    assert poll(one, source, Script(b"7\n8\n")).counts.kept == 2


def test_a_part_of_which_nothing_was_of_use_is_told(one: Inhabitant) -> None:
    source = register(one, made())
    polled = poll(one, source, Script(b"<html>please log in</html>"))
    assert polled.error is None
    assert polled.health.faults == ("nothing of part could be used: is it of another format?",)


def test_pieces_go_to_a_reader_as_lines(one: Inhabitant) -> None:
    class Pieces(Script):
        def parts(self, cursor: bytes) -> Generator[Part, None, None]:
            yield Part("p", lambda _: b"1", pieces=split([b'{"objects":[{"a":1},{"b":2},oops]}']))

    assert poll(one, register(one, made(form="lines")), Pieces()).counts == sources.Counts(refused=1, lost=2)


def test_the_doctor_tells_of_sources(one: Inhabitant) -> None:
    bad, rests = register(one, made("bad")), register(one, made("rests"))
    register(one, made("good"))
    poll(one, bad, Script(Unreachable("nobody answers"), faults=["says nonsense"]))
    with one.node.writing() as unit:
        sources.enable(unit, rests, enabled=False)
    said = [ailment.what for ailment in doctor.examine(one.node, one.services.accords) if "source" in ailment.what]
    assert said == [
        "source 'bad' of csirt: the last poll failed: the network: nobody answers",
        "source 'bad' of csirt: says nonsense",
        "source 'rests' of csirt is paused",
    ]


# ---- with a real server ----


def taxii(base: str, world: World) -> tuple[Client, Fetcher]:
    fetcher = Fetcher(allow=LOOPBACK, seconds=10.0)
    manners = Manners(lambda: world.now, lambda _: None, lambda: 0.0)
    return Client(Caller(fetcher, base + OBJECTS, manners), Asked()), fetcher


def test_a_node_reads_a_collection_on_each_object_once_whatever_is_cut(
    world: World, one: Inhabitant, server: Taxii, base: str
) -> None:
    source = register(one, made(kind="taxii", address=base + OBJECTS))
    for number in range(40):
        server.add(number // 5, indicator(number))
        server.cuts = {server.pages + each: 400 * each for each in range(1, 4)}
        if number % 9 == 8:
            client, fetcher = taxii(base, world)
            poll(one, source, client)
            fetcher.close()
    server.cuts = {}
    for _ in range(2):
        client, fetcher = taxii(base, world)
        polled = poll(one, source, client)
        fetcher.close()
        assert polled.error is None
    assert sorted(held(one)) == sorted(data for _, data in server.objects)
    assert (polled.counts.kept, polled.counts.refused) == (0, 0)


# ---- in turns ----


def test_nobodys_turn_is_kept_while_a_source_is_waited_for() -> None:
    turns, stop, waiting, go = Turns(), threading.Event(), threading.Event(), threading.Event()
    order: list[str] = []

    def slow(things: Sequence[object]) -> Iterator[object]:
        waiting.set()
        assert go.wait(10)
        yield from things

    class Slow(Script):
        def parts(self, cursor: bytes) -> Generator[Part, None, None]:
            yield Part("p", lambda _: b"", pieces=slow([Piece(0, b"{}")]))  # type: ignore[arg-type]

    def take() -> None:
        with turns.mine():
            for part in PoliteFetching(Slow, turns, stop).parts(b""):
                assert part.pieces is not None
                order.extend(piece.data.decode() for piece in part.pieces if not isinstance(piece, Refusal))

    thread = threading.Thread(target=take)
    thread.start()
    assert waiting.wait(10)
    with turns.mine():
        order.append("another's turn")
        go.set()
    thread.join(10)
    assert order == ["another's turn", "{}"]


def test_a_poll_ends_with_the_node_and_keeps_where_it_stood(one: Inhabitant) -> None:
    source = register(one, made())
    stop, turns = threading.Event(), Turns()

    class Long(Script):
        def parts(self, cursor: bytes) -> Generator[Part, None, None]:
            for part in super().parts(cursor):
                yield part
                stop.set()

    with turns.mine():
        polled = poll(one, source, PoliteFetching(lambda: Long(indicator(1), indicator(2)), turns, stop))
    assert isinstance(polled.error, Unreachable)
    assert (held(one), cursor(one, source)) == ([indicator(1)], b"1")


def test_a_way_that_cannot_be_made_is_an_outcome(one: Inhabitant) -> None:
    def make() -> polling.Fetching:
        raise Fault("the login can be read by others", hint="chmod 600")

    turns = Turns()
    with turns.mine():
        polled = poll(one, register(one, made()), PoliteFetching(make, turns, threading.Event()))
    assert polled.health.whose == "this machine"
