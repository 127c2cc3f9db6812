"""Intelligence in one node: what comes in, what is found again, what may leave."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from random import Random

import pytest

from comity.areas import intel
from comity.canon import AccordId, accord_origin, parse_origin
from comity.errors import Refused
from comity.formats import observables
from comity.formats.stix import schemas
from comity.formats.stix.report import Refusal
from comity.limits import INGEST_BATCH_BYTES_MAX, STATEMENT_BYTES_MAX
from comity.node import acting, books, correspondents, exporting, ingest, rebuild
from comity.node.actor import Actor
from comity.node.correspondents import Correspondent
from comity.node.sharing import Offer
from comity.policy import Release, Withholding
from comity.statement import STIX_MEDIA, Header, Marking, encode_header
from comity.testing.world import Inhabitant, World, amber, indicators
from comity.vocab import Tlp

PAIR = AccordId("pair")
CLEAR_MARK = "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"  # TLP:CLEAR of TLP 2.0
GOOD = (
    b'{"type":"indicator","spec_version":"2.1","id":"indicator--%s","created":"2026-01-01T00:00:00.000Z",'
    b'"modified":"%s","pattern":"[ipv4-addr:value = \'%s\']","pattern_type":"stix",'
    b'"valid_from":"2026-01-01T00:00:00Z"%s}'
)
NEW_YEAR = b"2026-01-01T00:00:00.000Z"
UUID = b"11111111-2222-4333-8444-555555555555"


def indicator(
    address: bytes = b"192.0.2.7",
    *,
    uuid: bytes = UUID,
    modified: bytes = b"2026-01-01T00:00:00.000Z",
    more: bytes = b"",
) -> bytes:
    """Return a STIX indicator for an address."""
    return GOOD % (uuid, modified, address, more)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two parties that know each other."""
    made = World(3, 2, tmp_path)
    yield made
    made.close()


@pytest.fixture
def one(world: World) -> Inhabitant:
    """The first of them."""
    return world.people[0]


def take(one: Inhabitant, data: bytes, *, source: str = "feed", marking: Marking | None = None) -> ingest.Ingested:
    """Ingest bytes under a source."""
    with one.node.writing() as unit:
        origin = ingest.put_source(unit, one.actor, source, marking)
    return ingest.ingest(one.node, one.actor, origin, [data[at : at + 7_000] for at in range(0, len(data), 7_000)])


def found(one: Inhabitant, value: str) -> list[tuple[str, str, list[str]]]:
    """Return (type, value, sources) of a look-up."""
    with one.store.read() as unit:
        answers = one.services.queries.lookup(unit, one.actor, value)
    values = {key: read for key, _, read in observables.keyed(value)}
    return [(f.type, values[f.key], sorted(w.source for w in f.witnesses)) for f in answers]


def test_what_is_committed_together_is_bounded_in_bytes_too(one: Inhabitant) -> None:
    sizes: list[int] = []

    def weigh(batches: Iterable[Sequence[bytes]]) -> Iterator[Sequence[intel.Facts | Refusal]]:
        for batch in batches:
            sizes.append(sum(map(len, batch)))
            yield intel.check_many(batch)

    large = [
        indicator(uuid=b"%08x-2222-4333-8444-555555555555" % n, more=b',"description":"' + b"x" * 900_000 + b'"')
        for n in range(40)
    ]
    with one.node.writing() as unit:
        origin = ingest.put_source(unit, one.actor, "large", None)
    done = ingest.ingest(one.node, one.actor, origin, large, check=weigh)
    assert (done.kept, len(sizes)) == (40, 3)
    assert max(sizes) < INGEST_BATCH_BYTES_MAX + STATEMENT_BYTES_MAX


def test_both_example_reports_come_in_whole_and_keep_their_bytes(one: Inhabitant) -> None:
    for path in schemas.examples():
        data = path.read_bytes()
        done = take(one, data, source=path.stem, marking=amber())
        objects = json.loads(data)["objects"]
        assert (done.kept, done.report.refused if done.report else None) == (len(objects), 0)
    with one.store.read() as unit:
        for at, _ in one.services.queries.home_objects(unit, source="", type_="indicator", after=0):
            assert one.services.queries.body(unit, at) in data or b"indicator--" in one.services.queries.body(unit, at)
            if one.services.queries.body(unit, at) in data:
                break
        else:
            pytest.fail("no indicator has the very bytes its producer wrote")


def test_a_value_is_found_as_people_write_it(one: Inhabitant) -> None:
    take(one, indicator())
    for written in ("192.0.2.7", "192[.]0[.]2[.]7", " 192.0.2.7 ", "192(.)0(.)2(.)7"):
        assert found(one, written) == [("indicator", "192.0.2.7", ["feed"])], written
    assert found(one, "192.0.2.8") == []


def test_one_object_from_five_sources_is_one_thing_with_five_witnesses(one: Inhabitant) -> None:
    for number in range(5):
        take(one, indicator(), source=f"feed-{number}")
    assert found(one, "192.0.2.7") == [("indicator", "192.0.2.7", [f"feed-{n}" for n in range(5)])]


def test_the_same_bytes_from_the_same_source_are_there_once(one: Inhabitant) -> None:
    assert take(one, indicator()).kept == 1
    again = take(one, indicator() + b"\n" + indicator())
    assert (again.read, again.kept, again.known) == (2, 0, 2)


def test_versions_go_by_modified_and_all_are_kept(one: Inhabitant) -> None:
    take(one, indicator(modified=b"2026-01-02T00:00:00.000Z"))
    take(one, indicator())
    with one.store.read() as unit:
        versions = one.services.queries.versions(unit, one.actor, f"indicator--{UUID.decode()}")
    assert [v.modified for v in versions] == [1_767_312_000_000_000, 1_767_225_600_000_000]


def test_ten_thousand_broken_objects_stop_no_good_one(one: Inhabitant) -> None:
    broken = [
        b'{"type":"indicator","id":"indicator--x"}',
        indicator(more=b',"valid_until":"2025-01-01T00:00:00Z"'),
        indicator(more=b',"modified":"2024-01-01T00:00:00Z"'),
        indicator(b"' OR"),
        b'{"type":"indicator","name":NaN}',
        b'{"type":"x","a":' + b"[" * 200 + b"]" * 200 + b"}",
        indicator().replace(b"indicator--1", b"malware--1"),
        b'{"type":"indicator","name":"\xff\xfe"}',
    ]
    good = list(indicators(Random(5), 40))
    parts = []
    for number in range(10_000):
        parts.append(broken[number % len(broken)])
        if number % 250 == 0:
            parts.append(good[number // 250])
    data = b'{"type":"bundle","id":"bundle--%s","objects":[' % UUID + b",".join(parts) + b"]}"
    done = take(one, data)
    assert done.report is not None
    assert (done.kept, done.report.refused) == (40, 10_000)
    assert len(done.report.by_rule) >= 4, done.report.by_rule
    assert len(done.report.shown) == 1_000


def test_unmarked_objects_of_a_source_without_default_stay_home(world: World, one: Inhabitant) -> None:
    world.accord(PAIR, world.people)
    assert take(one, indicator()).unmarked == 1
    with one.store.read() as unit:
        places = [at for at, _ in one.services.queries.home_objects(unit, source="", type_="", after=0)]
        (explained,) = one.services.explaining.explain(unit, one.actor, "192.0.2.7", f"{world.people[1].name}/csirt")
    assert isinstance(explained.decision, Withholding)
    assert explained.decision.grounds[0].rule == "marking"
    assert one.services.sharing.share(one.actor, PAIR, places).stated == 0


def test_an_objects_own_label_beats_its_sources_default(world: World, one: Inhabitant) -> None:
    world.accord(PAIR, world.people)
    take(one, indicator(more=b',"object_marking_refs":["%s"]' % CLEAR_MARK.encode()), marking=Marking(Tlp.RED))
    with one.store.read() as unit:
        (explained,) = one.services.explaining.explain(unit, one.actor, "192.0.2.7", f"{world.people[1].name}/csirt")
    assert isinstance(explained.decision, Release), explained.decision


def test_sharing_never_widens_what_the_source_allows(world: World, one: Inhabitant) -> None:
    world.accord(PAIR, world.people)
    places = world.collect(one, [indicator()], amber())
    with pytest.raises(Refused, match="widen"):
        one.services.sharing.share(one.actor, PAIR, places, Offer(Marking(Tlp.GREEN)))
    strict = Marking(Tlp.AMBER_STRICT, onward=False)
    assert one.services.sharing.share(one.actor, PAIR, places, Offer(strict)).stated == 1
    assert one.services.sharing.share(one.actor, PAIR, places).known == 1, "it stands in the accord already"


def test_only_its_office_acts_on_a_record(world: World, one: Inhabitant) -> None:
    places = world.collect(one, [indicator()], amber())
    other = Actor(one.actor.office._replace(office="police"), "eve")  # type: ignore[arg-type]
    with pytest.raises(Refused, match="is a record of"):
        acting.retract(other, one.node, places, "not mine")
    with one.store.read() as unit:
        assert one.services.queries.lookup(unit, other, "192.0.2.7") == [], "another office reads nothing by default"


def test_an_export_is_decided_recorded_and_byte_exact(world: World, one: Inhabitant) -> None:
    world.collect(one, [indicator(), indicator(b"192.0.2.9", uuid=UUID.replace(b"1", b"3"))], amber())
    office = str(one.actor.office)
    correspondents.register(one.node, one.actor, Correspondent(office, "bank", "XA", Tlp.AMBER.value, client=True))
    with one.store.read() as unit:
        places = [at for at, _ in one.services.queries.home_objects(unit, source="", type_="", after=0)]
        to = one.services.releases.audience(unit, f"{office}~bank")
        before = sum(log.size for log in unit.logs.all())
    done = exporting.decide_export(one.node, one.services.releases, one.actor, places, to)
    with one.store.read() as unit:
        bundle = b"".join(exporting.bundle(one.services.queries, unit, done, f"bundle--{UUID.decode()}", Counter()))
        log = next(log for log in unit.logs.all() if parse_origin(log.origin)[1] is None)
        (last,) = unit.entries.read(log.id, log.size - 1, log.size)
        assert sum(log.size for log in unit.logs.all()) == before + 1
    assert indicator() in bundle and len(json.loads(bundle)["objects"]) == 2
    record = json.loads(last.body or b"")
    assert record["to"] == f"{office}~bank" and record["classes"][0]["decisions"][0]["outcome"] == "release"


def test_a_kind_nobody_knows_yet_is_kept_and_folded_after_an_upgrade(
    world: World, one: Inhabitant, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.accord(PAIR, world.people)
    header = Header(1, "intel.future", one.actor.office_id, 1, world.now, STIX_MEDIA, amber())
    with one.node.writing() as unit:
        draft = books.Draft(encode_header(header), indicator())
        books.state(one.node, unit, books.accord_origin(one.node, unit, PAIR), 1, [draft])
    other = world.people[1]
    world.calm(20)
    assert found(other, "192.0.2.7") == []
    with other.store.read() as unit:
        log = unit.logs.find(accord_origin(one.name, PAIR, 1))
        assert log is not None
        assert unit.entries.read(log.id, 1, 2)[0].body == indicator(), "kept, byte for byte"
    monkeypatch.setattr("comity.areas.intel.folding.INTEL_OBJECT", "intel.future")  # the program of tomorrow
    rebuild.rebuild(other.node)
    assert found(other, "192.0.2.7") == [("indicator", "192.0.2.7", [""])]
