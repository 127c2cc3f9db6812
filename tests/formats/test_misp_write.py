"""STIX to MISP and back: what PyMISP loads, what comes round whole, what is said where it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comity.formats.convert import Loss, Losses, Made, Outcome
from comity.formats.misp import feed, sheet
from comity.formats.misp.categories import category
from comity.formats.misp.read import read
from comity.formats.misp.types import ROWS, Fate
from comity.formats.misp.write import About, write
from comity.formats.stix.check import Checked, check_many
from comity.vocab import Tlp
from tests.formats import samples
from tests.formats.misp_samples import (
    AT,
    CONTEXT,
    EVENT,
    FILES,
    MD5,
    ORG,
    SHA256,
    Tree,
    attribute,
    encoded,
    event,
    of_event,
    taken,
    thing,
    uuid,
)
from tests.formats.test_misp_tables import example

pymisp = pytest.importorskip("pymisp", reason="pymisp, which judges what is written, is not installed")

ABOUT = About(EVENT, "Phishing against Arcadia", 1_600_000_000, ORG["name"], ORG["uuid"])


def written(objects: list[Any], about: About = ABOUT) -> tuple[Tree, list[Loss]]:
    """Return the event that PyMISP could load, and the losses."""
    losses = Losses()
    data = b"".join(write(objects, about, losses))
    loaded = pymisp.MISPEvent()
    loaded.load(json.loads(data))
    tree: Tree = json.loads(data)["Event"]
    assert len(loaded.attributes) == len(tree["Attribute"])
    assert [one.uuid for one in loaded.attributes] == [one["uuid"] for one in tree["Attribute"]]
    assert len({one["uuid"] for one in tree["Attribute"]}) == len(tree["Attribute"])
    return tree, losses.shown


def round_trip(data: bytes) -> tuple[Tree, list[Loss]]:
    made = [one.data for one in read([data], CONTEXT) if isinstance(one, Made)]
    return written(made)


def core(one: Tree) -> tuple[Any, ...]:
    """Return what of a simple attribute has to come round."""
    tags = tuple(sorted(tag["name"] for tag in one.get("Tag", ())))
    return one["uuid"], one["type"], one["value"], one["to_ids"], one["comment"], tags, one["category"]


SIMPLE = sorted(name for name, row in ROWS.items() if row.fate is not Fate.SEALED)


@pytest.mark.parametrize("to_ids", [True, False])
@pytest.mark.parametrize("kind", SIMPLE)
def test_a_simple_attribute_comes_round(kind: str, to_ids: bool) -> None:
    fate = ROWS[kind].fate
    changed = {"tlsh": "A" * 70, "mac-address": "00:00:5e:00:53:01"}
    value = changed.get(kind, example(kind))
    if kind == "datetime":
        value = "2020-09-13T12:00:00+00:00"
    if kind.startswith("regkey"):
        value = value.replace("HKLM", "HKEY_LOCAL_MACHINE")
    if kind == "filename|tlsh":
        value = f"a.exe|{'A' * 70}"
    tags = [{"name": "osint:lifetime"}, {"name": "tlp:green"}]
    one = attribute(kind, value, comment="seen", to_ids=to_ids and fate is not Fate.NAMED, Tag=tags)
    one["category"] = category(kind)
    tree, losses = round_trip(encoded(event(one)))
    assert [core(each) for each in tree["Attribute"]] == [core(one)]
    assert losses == []


PARTS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["ip-dst", "domain", "sha256", "url", "text", "filename|md5", "domain|ip", "yara"]),
        "to_ids": st.booleans(),
        "comment": st.text(st.characters(codec="utf-8"), max_size=20),
        "tags": st.lists(st.sampled_from(["tlp:green", "PAP:RED", 'a:b="c"', "x"]), unique=True, max_size=3),
        "deleted": st.just(False),
    }
)


@given(st.lists(PARTS, max_size=6))
@settings(max_examples=60)
def test_any_simple_attributes_come_round_and_round_again(parts: list[Tree]) -> None:
    given_ = []
    for at, one in enumerate(parts, 1):
        kind = one["kind"]
        values = {"domain": f"h{at}.bad.example", "url": f"http://h{at}.bad.example/", "text": f"t{at}"}
        # MISP takes no value twice under one type and category, so neither does this.
        values["domain|ip"] = f"h{at}.bad.example|192.0.2.{at}"
        value = values.get(kind, example(kind))
        tags = [{"name": tag} for tag in one["tags"]]
        given_.append(attribute(kind, value, at, to_ids=one["to_ids"], comment=one["comment"], Tag=tags))
        given_[-1]["category"] = category(kind)
    first, losses = round_trip(encoded(event(*given_)))
    assert losses == []
    assert sorted(map(core, first["Attribute"])) == sorted(map(core, given_))
    second, _ = round_trip(json.dumps({"Event": first}).encode())
    assert sorted(map(core, second["Attribute"])) == sorted(map(core, given_))


@pytest.mark.skipif(not FILES, reason="no ../shared/data/eset beside this checkout")
def test_nearly_all_attributes_of_real_events_come_round() -> None:
    whole = total = 0
    for path in FILES:
        try:
            tree = json.loads(path.read_bytes())
        except ValueError:
            continue
        source = tree.get("Event") or tree["response"][0]["Event"]
        about = About(source["uuid"], source["info"], int(source["timestamp"]), "ESET", source["Orgc"]["uuid"])
        made = [one.data for one in read([path.read_bytes()], CONTEXT) if isinstance(one, Made)]
        got = {core(one) for one in written(made, about)[0]["Attribute"]}
        total += len(source["Attribute"])
        whole += sum(core(one) in got for one in source["Attribute"])
    # 23 are registry hives that were abbreviated, one is a name with a space behind it.
    assert (total, total - whole) == (3_025, 24)


@pytest.mark.skipif(not FILES, reason="no ../shared/data/eset beside this checkout")
def test_pymisp_finds_the_same_attributes_in_real_events() -> None:
    for path in FILES:
        loaded = pymisp.MISPEvent()
        try:
            tree = json.loads(path.read_bytes())
        except ValueError:
            continue
        loaded.load(tree.get("Event") or tree["response"][0])
        ids = {json.loads(one.data)["id"][-36:] for one in read([path.read_bytes()], CONTEXT) if isinstance(one, Made)}
        assert {one.uuid for one in loaded.attributes} <= ids
        # What is one rule or vulnerability and nothing else is that, by the attribute's own UUID.
        assert {one.name for one in loaded.objects if one.uuid not in ids} <= {"yara", "vulnerability"}
        assert loaded.uuid in ids


# --- other producers' objects ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("[ipv4-addr:value = '192.0.2.1']", [("ip-dst", "192.0.2.1")]),
        ("[ipv6-addr:value = '2001:db8::1']", [("ip-dst", "2001:db8::1")]),
        (
            f"[file:hashes.MD5 = '{MD5}' OR file:hashes.'SHA-256' = '{SHA256}']",
            [("md5", MD5), ("sha256", SHA256)],
        ),
        (f"[file:name = 'a' AND file:hashes.MD5 = '{MD5}']", [("filename|md5", f"a|{MD5}")]),
        (f"[file:hashes.MD5 = '{MD5}' AND file:name = 'a']", [("filename|md5", f"a|{MD5}")]),
        (
            "[network-traffic:dst_ref.value = '192.0.2.1' AND network-traffic:dst_port = 443]",
            [("ip-dst|port", "192.0.2.1|443")],
        ),
        (
            "[network-traffic:dst_ref.value = 'bad.example' AND network-traffic:dst_port = 443]",
            [("hostname|port", "bad.example|443")],
        ),
        ("[autonomous-system:number = 64500]", [("AS", "AS64500")]),
    ],
)
def test_a_pattern_of_anybody_is_read_by_its_places(pattern: str, expected: list[tuple[str, str]]) -> None:
    tree, losses = written([samples.indicator(pattern=pattern)])
    assert [(one["type"], one["value"]) for one in tree["Attribute"]] == expected
    assert losses == []
    assert tree["Attribute"][0]["uuid"] == samples.UUID


@pytest.mark.parametrize(
    "pattern",
    [
        "[ipv4-addr:value ISSUBSET '192.0.2.0/24']",
        "[url:value = 'x'] FOLLOWEDBY [url:value = 'y']",
        "[url:value = 'x' OR x-thing:own = 'y']",
        "[url:value != 'x']",
        "[url:value = 'x'] REPEATS 5 TIMES",
    ],
)
def test_a_richer_pattern_is_kept_whole(pattern: str) -> None:
    tree, losses = written([samples.indicator(pattern=pattern)])
    assert ([(one["type"], one["value"]) for one in tree["Attribute"]], losses) == ([("stix2-pattern", pattern)], [])


@pytest.mark.parametrize(
    "personal",
    [
        samples.observable("user-account", user_id="ada"),
        samples.domain_object("identity", name="Ada", identity_class="individual"),
        samples.indicator(pattern="[user-account:user_id = 'ada']"),
        samples.indicator(pattern="[email-message:from_ref.display_name = 'Ada']"),
        samples.domain_object("note", content="Ada", object_refs=[samples.IDENTITY], labels=['misp:type="full-name"']),
    ],
)
def test_a_person_is_never_written(personal: Tree) -> None:
    losses = Losses()
    data = b"".join(write([personal], ABOUT, losses))
    assert b"ada" not in data.lower()
    assert [loss.outcome for loss in losses.shown] == [Outcome.SEALED]


def test_a_value_that_only_reads_like_a_person_is_written() -> None:
    tree, losses = written(
        [samples.indicator(pattern="[url:value = 'http://bad.example/?user-account:display_name=1']")]
    )
    assert ([one["type"] for one in tree["Attribute"]], losses) == (["url"], [])


def test_the_event_is_as_strict_as_its_strictest_object_and_closed_without_a_word() -> None:
    marked = [
        samples.indicator(id=f"indicator--{uuid(at)}", object_marking_refs=[samples.TLP1[name]])
        for at, name in enumerate(("WHITE", "AMBER"))
    ]
    other = samples.domain_object("report", name="r", published=samples.TIME, object_refs=[samples.IDENTITY])
    for objects, about, expected in [
        (marked[:1], ABOUT, ("3", "tlp:clear")),
        (marked, ABOUT, ("1", "tlp:amber")),
        (marked, ABOUT._replace(tlp=Tlp.RED), ("0", "tlp:red")),
        ([other | {"object_marking_refs": [samples.STRICT]}], ABOUT, ("0", "tlp:amber+strict")),
        ([samples.indicator()], ABOUT, ("0", "")),
    ]:
        tree, _ = written(objects, about)
        assert (tree["distribution"], "".join(tag["name"] for tag in tree["Tag"])) == expected
        back, _ = taken(json.dumps({"Event": tree}).encode())
        assert all(one.get("object_marking_refs") for one in back)


def test_what_hangs_on_an_attribute_comes_round_whatever_comes_first() -> None:
    sightings = [
        {"uuid": uuid(10), "type": "0", "date_sighting": "1600000500", "source": "sensor"},
        {"uuid": uuid(11), "type": "1", "date_sighting": "1600000600", "source": ""},
        {"type": "2", "date_sighting": "1700000000", "source": ""},
    ]
    galaxy = {"type": "mitre-tool", "GalaxyCluster": [{"uuid": uuid(70), "value": "Tool - S0002", "description": "d"}]}
    objects, _ = of_event(attribute(Sighting=sightings, Galaxy=[galaxy]), Galaxy=[galaxy])
    tree, losses = written(list(reversed(objects)))
    (one,) = tree["Attribute"]
    assert {(each["type"], each["date_sighting"]) for each in one["Sighting"]} == {
        ("0", "1600000500"),
        ("1", "1600000600"),
        ("2", "1700000000"),
    }
    assert [tag["name"] for tag in one["Tag"]] == ['misp-galaxy:mitre-tool="Tool - S0002"']
    (cluster,) = tree["Galaxy"][0]["GalaxyCluster"]
    assert (cluster["uuid"], cluster["value"]) == (uuid(70), "Tool - S0002")
    assert losses == []


def test_a_report_and_the_rest_of_an_object_come_round() -> None:
    report = {"uuid": uuid(71), "name": "Summary", "content": "# c", "timestamp": "1600000000"}
    rest = thing("x", attribute("text", "free", 5, object_relation="odd", to_ids=False))
    tree, losses = round_trip(encoded(event(EventReport=[report], Object=[rest], Tag=[{"name": "a:b"}])))
    assert [(one["name"], one["content"]) for one in tree["EventReport"]] == [("Summary", "# c")]
    (one,) = tree["Object"]
    assert (one["uuid"], one["name"], one["Attribute"][0]["object_relation"]) == (uuid(900), "x", "odd")
    assert [tag["name"] for tag in tree["Tag"]] == ["a:b"]
    assert losses == []


def test_what_has_no_place_is_named() -> None:
    given_ = [
        samples.domain_object("location", country="xx"),
        samples.indicator(pattern="x", pattern_type="pcre"),
        samples.sighting(sighting_of_ref=f"malware--{samples.UUID}"),
        samples.relationship(),
        samples.domain_object("opinion", opinion="agree", object_refs=[samples.IDENTITY]),
        samples.domain_object("identity", name="Borealia", identity_class="organization"),
        samples.domain_object(
            "observed-data",
            first_observed=samples.TIME,
            last_observed=samples.TIME,
            number_observed=1,
            object_refs=[samples.ADDRESS],
        ),
        b"not json",
    ]
    tree, losses = written(given_)
    assert tree["Attribute"] == []
    assert len(losses) == len(given_)
    assert sorted(loss.rule for loss in losses) == sorted(
        ["type", "language", "sighting", "relationship", "opinion", "identity", "observed", "json"]
    )


@given(
    st.lists(
        st.tuples(
            st.sampled_from(samples.OBJECTS),
            st.sampled_from(
                ["labels", "name", "value", "hashes", "object_refs", "x_misp_attributes", "aliases", "x_misp_meta"]
            ),
            st.sampled_from([*samples.WRONG, ['misp:type="md5"'], ["misp-galaxy:x"], [{"type": "md5", "value": "x"}]]),
        ),
        max_size=5,
    )
)
def test_whatever_passes_the_checks_can_be_written(changes: list[tuple[Tree, str, Any]]) -> None:
    trees = [samples.changed(tree, {name: value}) for tree, name, value in changes]
    data = [samples.encoded(tree) for tree in trees]
    good = [one for one, verdict in zip(data, check_many(data), strict=True) if isinstance(verdict, Checked)]
    written(good)


def test_of_two_versions_the_newer_is_written_and_the_stricter_marking_holds() -> None:
    old = samples.indicator(object_marking_refs=[samples.TLP1["RED"]])
    new = samples.indicator(modified=samples.LATER, pattern="[url:value = 'new']")
    for given_ in ([old, new], [new, old]):
        tree, losses = written(given_)
        assert [one["value"] for one in tree["Attribute"]] == ["new"]
        assert [loss.rule for loss in losses] == ["version"]
        assert tree["distribution"] == "0"
        assert {"name": "tlp:red"} in tree["Tag"]


def test_an_event_is_full_one_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "MISP_ATTRIBUTES_MAX", 2)
    given_ = [samples.indicator(id=f"indicator--{uuid(at)}") for at in range(3)]
    tree, losses = written(given_)
    assert len(tree["Attribute"]) == 2
    assert [(loss.outcome, loss.rule, loss.where) for loss in losses] == [
        (Outcome.REFUSED, "too-many", given_[2]["id"])
    ]


# --- feeds ----------------------------------------------------------------------------------------------------


def test_a_feeds_index_files_are_pymisps() -> None:
    given_ = event(attribute("domain|ip", "bad.example|192.0.2.1"), attribute("url", "http://a.example/?a|b", 2))
    objects, _ = taken(encoded(given_))
    tree, _ = written(objects)
    loaded = pymisp.MISPEvent()
    loaded.load({"Event": json.loads(json.dumps(tree))})
    theirs = [f"{digest},{EVENT}\n" for digest in loaded.attributes_hashes("md5")]
    assert sorted(line.decode() for line in feed.hashes(tree)) == sorted(theirs)
    data = feed.manifest([feed.entry(tree)])
    (found,) = feed.read_feed(data)
    assert found == feed.entry(tree)
    mine, other = json.loads(data)[EVENT], loaded.manifest[EVENT]
    assert {name: mine[name] for name in ("info", "date")} == {name: other[name] for name in ("info", "date")}
    assert int(mine["timestamp"]) == int(other["timestamp"])
    assert set(mine) == set(other)


def test_a_manifest_lists_the_oldest_first() -> None:
    events = {uuid(at): {"info": "x", "timestamp": str(AT - at)} for at in range(3)}
    assert [one.uuid for one in feed.read_feed(json.dumps(events).encode()) if isinstance(one, feed.Entry)] == [
        uuid(2),
        uuid(1),
        uuid(0),
    ]
