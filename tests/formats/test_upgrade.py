"""STIX 2.0 to 2.1: everything made passes the checks of 2.1, keeps its id and times, and what is lost is told."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import stix2
import stix2.v20 as v20
import stix2.v21 as v21
from hypothesis import given
from hypothesis import strategies as st

from comity.formats.convert import TLP_REFS, Context, Loss, Made, Outcome
from comity.formats.stix import check, upgrade
from comity.formats.stix.nested import CONTRIBUTING
from comity.limits import JSON_DEPTH_MAX, STATEMENT_BYTES_MAX
from comity.vocab import Tlp
from tests.formats.samples import LATER, MD5, SHA256, TIME, UUID, WRONG, Tree, encoded, indicator

AT = Context("a source", 1_790_000_000)
OTHER = "11111111-2222-4333-8444-555555555555"


def bundle(*objects: Any) -> bytes:
    """Return a STIX 2.0 bundle around objects of `stix2.v20` or trees."""
    trees = [each if isinstance(each, dict) else json.loads(each.serialize()) for each in objects]
    return json.dumps({"type": "bundle", "id": f"bundle--{UUID}", "spec_version": "2.0", "objects": trees}).encode()


def results(data: bytes, size: int = 1 << 20) -> list[Made | Loss]:
    """Return what comes of an input, having checked that all made passes the checks of STIX 2.1."""
    found = list(upgrade.read((data[at : at + size] for at in range(0, len(data), size)), AT))
    made = [each.data for each in found if isinstance(each, Made)]
    refused = [result for result in check.check_many(made) if not isinstance(result, check.Checked)]
    assert not refused
    return found


def trees(found: Iterable[Made | Loss]) -> list[Tree]:
    return [json.loads(each.data) for each in found if isinstance(each, Made)]


def losses(found: Iterable[Made | Loss]) -> list[Loss]:
    return [each for each in found if isinstance(each, Loss)]


def rules(found: Iterable[Made | Loss]) -> list[str]:
    return [each.rule for each in losses(found)]


def observed(objects: Tree, **more: Any) -> Tree:
    """Return observed data of STIX 2.0."""
    return {
        "type": "observed-data", "id": f"observed-data--{UUID}", "created": TIME, "modified": TIME,
        "first_observed": TIME, "last_observed": TIME, "number_observed": 1, "objects": objects, **more,
    }  # fmt: skip


def old(kind: str, **more: Any) -> Tree:
    """Return any other object of STIX 2.0."""
    return {"type": kind, "id": f"{kind}--{UUID}", "created": TIME, "modified": TIME, **more}


def by_type(found: Iterable[Made | Loss]) -> dict[str, Tree]:
    return {tree["type"]: tree for tree in trees(found)}


# --- objects ---------------------------------------------------------------------------------------------


def test_every_type_of_2_0_comes_over_with_its_id_and_times() -> None:
    common: dict[str, Any] = {"created": TIME, "modified": LATER}
    malware = v20.Malware(name="Example", labels=["worm"], **common)
    actor = v20.ThreatActor(name="Example", labels=["spy"], aliases=["x"], roles=["agent"], **common)
    phase = v20.KillChainPhase(kill_chain_name="x", phase_name="y")
    originals = [
        malware,
        actor,
        v20.AttackPattern(name="x", kill_chain_phases=[phase], **common),
        v20.Campaign(name="x", first_seen=TIME, objective="y", **common),
        v20.CourseOfAction(name="x", **common),
        v20.Identity(name="Arcadia", identity_class="organization", sectors=["energy"], **common),
        v20.IntrusionSet(name="x", goals=["y"], **common),
        v20.Tool(name="x", labels=["remote-access"], tool_version="1", **common),
        v20.Vulnerability(name="CVE-2021-44228", **common),
        v20.Report(name="x", labels=["malware"], published=TIME, object_refs=[malware.id], **common),
        v20.Indicator(labels=["malicious-activity"], pattern="[url:value = 'x']", valid_from=TIME, **common),
        v20.Relationship(malware, "related-to", actor, description="x", **common),
        v20.Sighting(malware.id, count=2, first_seen=TIME, last_seen=LATER, **common),
        v20.MarkingDefinition(definition_type="statement", definition={"statement": "x"}, created=TIME),
        v20.TLP_AMBER,
    ]
    found = results(bundle(*originals))
    upgraded = {tree["id"]: tree for tree in trees(found)}
    assert list(upgraded) == [each.id for each in originals]
    assert rules(found) == ["is-family"]
    for original in originals:
        before = json.loads(original.serialize())
        after = upgraded[original.id]
        assert after["spec_version"] == "2.1"
        assert {name: after[name] for name in before} == before
    assert all(stix2.parse(tree) for tree in upgraded.values())  # the oracle reads them as 2.1


@pytest.mark.parametrize(
    ("kind", "labels", "property_"),
    [
        ("indicator", ["benign"], "indicator_types"),
        ("malware", ["worm"], "malware_types"),
        ("report", ["campaign"], "report_types"),
        ("threat-actor", ["spy"], "threat_actor_types"),
        ("tool", ["remote-access"], "tool_types"),
    ],
)
def test_labels_of_a_vocabulary_become_types_and_stay_labels(kind: str, labels: list[str], property_: str) -> None:
    more = {
        "indicator": {"pattern": "[url:value = 'x']", "valid_from": TIME},
        "report": {"published": TIME, "object_refs": [f"malware--{UUID}"]},
    }.get(kind, {})
    (tree,) = trees(results(bundle(old(kind, name="x", labels=labels, **more))))
    assert (tree[property_], tree["labels"]) == (labels, labels)


def test_a_malware_is_no_family_until_somebody_says_so_and_that_is_told() -> None:
    found = results(bundle(old("malware", name="x", labels=["worm"])))
    assert trees(found)[0]["is_family"] is False
    assert losses(found)[0][:3] == (f"malware--{UUID}", Outcome.CHANGED, "is-family")


def test_an_indicator_without_a_beginning_is_valid_from_when_it_was_made() -> None:
    found = results(bundle(old("indicator", labels=["benign"], pattern="[url:value = 'x']")))
    assert (trees(found)[0]["valid_from"], trees(found)[0]["pattern_type"]) == (TIME, "stix")
    assert rules(found) == ["valid-from"]


def test_what_is_2_1_goes_through_as_its_own_bytes() -> None:
    current = encoded(indicator(name="  spaces stay "))
    address = encoded({"type": "ipv4-addr", "id": f"ipv4-addr--{UUID}", "value": "192.0.2.1"})
    data = b'{"type":"bundle","objects":[ %b , %b ]}' % (current, address)
    assert [each.data for each in results(data) if isinstance(each, Made)] == [current, address]


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (old("indicator", labels=["x"], pattern="[url:value = ", valid_from=TIME), "pattern"),
        (old("indicator", labels=["x"], pattern="[url:value = 'x']", valid_from=LATER, valid_until=TIME), "order"),
        (old("campaign"), "schema"),
        (old("campaign", name="x", spec_version="3.0"), "version"),
        (old("campaign", name="x", id="campaign--5"), "schema"),
        (old("campaign", name="x", type=["campaign"]), "schema"),
        ({"type": "bundle", "id": f"bundle--{UUID}", "created": TIME}, "bundle"),
    ],
)
def test_what_cannot_be_carried_is_a_loss_and_stops_nothing(broken: Tree, rule: str) -> None:
    good = old("campaign", name="good", id=f"campaign--{OTHER}")
    found = results(bundle(broken, good))
    assert [tree["name"] for tree in trees(found)] == ["good"]
    assert [(each.outcome, each.rule) for each in losses(found)] == [(Outcome.REFUSED, rule)]


def test_a_broken_bundle_costs_what_is_broken() -> None:
    data = bundle(old("campaign", name="a")).replace(b'"objects": [', b'"objects": [{"type":"x","a":[1}, ')
    assert [tree["name"] for tree in trees(results(data))] == ["a"]
    assert rules(results(data)) == ["structure"]


def test_a_hash_of_a_reference_has_the_name_of_2_1() -> None:
    reference = {"source_name": "x", "url": "https://x.example/", "hashes": {"ssdeep": "3:AAAA:BBBB", "MD5": MD5}}
    (tree,) = trees(results(bundle(old("campaign", name="x", external_references=[reference]))))
    assert tree["external_references"][0]["hashes"] == {"SSDEEP": "3:AAAA:BBBB", "MD5": MD5}


# --- markings --------------------------------------------------------------------------------------------


def tlp(word: str, uuid: str = OTHER) -> Tree:
    ident = f"marking-definition--{uuid}"
    return {
        "type": "marking-definition", "id": ident, "created": TIME, "definition_type": "tlp",
        "definition": {"tlp": word},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("word", "level"),
    [("white", Tlp.CLEAR), ("green", Tlp.GREEN), ("amber", Tlp.AMBER), ("RED", Tlp.RED), ("purple", Tlp.RED)],
)
def test_a_level_under_another_id_becomes_the_level_of_oasis(word: str, level: Tlp) -> None:
    definition = tlp(word)
    marked = old("campaign", name="x", object_marking_refs=[definition["id"]])
    part = {"marking_ref": definition["id"], "selectors": ["name"]}
    found = results(bundle(definition, marked, old("tool", name="x", labels=["x"], granular_markings=[part])))
    assert rules(found) == ["tlp-marking"]
    assert by_type(found)["campaign"]["object_marking_refs"] == [TLP_REFS[level]]
    assert by_type(found)["tool"]["granular_markings"] == [part | {"marking_ref": TLP_REFS[level]}]


def test_a_level_that_is_defined_after_its_use_is_told_loudly() -> None:
    definition = tlp("red")
    found = results(bundle(old("campaign", name="x", object_marking_refs=[definition["id"]]), definition))
    assert [(each.outcome, each.rule) for each in losses(found)] == [
        (Outcome.CHANGED, "tlp-marking"),
        (Outcome.REFUSED, "tlp-unmarked"),
    ]


def test_of_two_definitions_of_one_id_the_stricter_holds() -> None:
    marked = old("campaign", name="x", object_marking_refs=[tlp("red")["id"]])
    found = results(bundle(tlp("red"), tlp("white"), marked))
    assert by_type(found)["campaign"]["object_marking_refs"] == [TLP_REFS[Tlp.RED]]


def test_a_definition_of_oasis_is_taken_as_oasis_has_it() -> None:
    odd = json.loads(v20.TLP_RED.serialize()) | {"created": TIME, "definition": {"tlp": "white"}}
    found = results(bundle(odd))
    assert trees(found) == [json.loads(v21.TLP_RED.serialize())]
    assert rules(found) == ["tlp-marking"]


# --- observed data ---------------------------------------------------------------------------------------


def test_nested_objects_become_objects_with_the_ids_that_the_oracle_gives() -> None:
    objects = {
        "0": {"type": "ipv4-addr", "value": "198.51.100.7", "resolves_to_refs": ["1"]},
        "1": {"type": "mac-addr", "value": "00:00:5e:00:53:01"},
        "2": {"type": "file", "name": "x.exe", "hashes": {"SHA-256": SHA256, "MD5": MD5}, "parent_directory_ref": "3"},
        "3": {"type": "directory", "path": "C:\\x", "created": TIME, "accessed": TIME},
        "4": {
            "type": "network-traffic",
            "src_ref": "0",
            "dst_port": 80,
            "protocols": ["tcp"],
            "start": "2026-03-01T10:00:00Z",
        },
        "5": {"type": "windows-registry-key", "key": "HKEY_USERS\\x", "modified": TIME, "values": [{"name": "y"}]},
        "6": {"type": "software", "name": "x", "version": "1"},
        "7": {"type": "autonomous-system", "number": 64496},
        "8": {"type": "email-message", "is_multipart": False, "from_ref": "9", "subject": "é", "body": "y"},
        "9": {"type": "email-addr", "value": "a@bad.example"},
        "10": {"type": "x509-certificate", "serial_number": "5", "validity_not_before": TIME},
        "11": {"type": "mutex", "name": "x"},
        "12": {"type": "url", "value": "https://bad.example/ü"},
        "13": {"type": "domain-name", "value": "bad.example", "resolves_to_refs": ["0"]},
        "14": {"type": "artifact", "payload_bin": "eA==", "mime_type": "text/plain"},
    }
    found = results(bundle(observed(objects)))
    assert not losses(found)
    *scos, observation = trees(found)
    assert observation["object_refs"] == [sco["id"] for sco in scos]
    assert "objects" not in observation
    assert [sco["type"] for sco in scos] == [each["type"] for each in objects.values()]
    for sco in scos:
        again = {name: value for name, value in sco.items() if name != "id"}
        assert stix2.parse(again).id == sco["id"], sco["type"]  # the oracle finds the same id from the content
    by = by_type(found)
    assert by["file"]["parent_directory_ref"] == by["directory"]["id"]
    assert (by["directory"]["ctime"], by["directory"]["atime"]) == (TIME, TIME)
    assert by["windows-registry-key"]["modified_time"] == TIME
    assert by["network-traffic"]["src_ref"] == by["domain-name"]["resolves_to_refs"][0] == by["ipv4-addr"]["id"]


def test_an_observation_of_stix2_comes_over() -> None:
    original = v20.ObservedData(
        first_observed=TIME,
        last_observed=TIME,
        number_observed=5,
        objects={"0": {"type": "file", "name": "x", "size": 5}, "1": {"type": "mutex", "name": "y"}},
    )
    found = results(bundle(original))
    assert [tree["type"] for tree in trees(found)] == ["file", "mutex", "observed-data"]
    assert not losses(found)


def test_what_2_1_dropped_is_told_property_by_property() -> None:
    objects = {
        "0": {
            "type": "file", "name": "x", "is_encrypted": True, "encryption_algorithm": "AES128-CBC",
            "decryption_key": "y", "extensions": {
                "archive-ext": {"contains_refs": ["1"], "version": "5", "comment": "c"},
                "raster-image-ext": {"image_height": 5, "image_compression_algorithm": "JPEG"},
            },
        },
        "1": {"type": "file", "hashes": {"ssdeep": "3:AAAA:BBBB"}},
        "2": {"type": "process", "pid": 5, "arguments": ["-x"], "created": TIME, "name": "y.exe", "binary_ref": "0"},
        "3": {
            "type": "network-traffic", "src_ref": "4", "protocols": ["tcp", "http"], "extensions": {
                "http-request-ext": {"request_method": "get", "request_value": "/", "request_header": {"Host": "x"}},
                "socket-ext": {"address_family": "AF_INET", "protocol_family": "PF_INET"},
            },
        },
        "4": {"type": "domain-name", "value": "bad.example"},
    }  # fmt: skip
    found = results(bundle(observed(objects)))
    assert rules(found) == ["property"] * 8
    assert {each.outcome for each in losses(found)} == {Outcome.UNMAPPED}
    files = [tree for tree in trees(found) if tree["type"] == "file"]
    assert files[1]["hashes"] == {"SSDEEP": "3:AAAA:BBBB"}
    assert files[0]["extensions"]["archive-ext"] == {"contains_refs": [files[1]["id"]], "comment": "c"}
    process, traffic = by_type(found)["process"], by_type(found)["network-traffic"]
    assert (process["image_ref"], process["created_time"]) == (files[0]["id"], TIME)
    assert traffic["extensions"]["http-request-ext"]["request_header"] == {"Host": ["x"]}


def test_a_name_of_a_process_is_the_file_it_runs() -> None:
    found = results(bundle(observed({"0": {"type": "process", "name": "x.exe"}})))
    assert rules(found) == ["process-name"]
    assert by_type(found)["process"]["image_ref"] == by_type(found)["file"]["id"] == v21.File(name="x.exe").id


def test_accounts_are_sealed_and_nothing_leads_to_them() -> None:
    objects = {
        "0": {"type": "user-account", "user_id": "ada", "account_login": "ada"},
        "1": {"type": "email-addr", "value": "a@bad.example", "display_name": "Ada", "belongs_to_ref": "0"},
        "2": {"type": "process", "pid": 5, "creator_user_ref": "0"},
    }
    found = results(bundle(observed(objects)))
    assert b"da" not in b"".join(each.data for each in found if isinstance(each, Made)).replace(b"data", b"")
    assert [each.outcome for each in losses(found)].count(Outcome.SEALED) == 2
    alone = results(bundle(observed({"0": objects["0"]})))
    assert not trees(alone)
    assert rules(alone) == ["person", "observed-data"]


def test_a_part_is_marked_as_strictly_as_the_whole_and_as_its_own_marking() -> None:
    objects = {"0": {"type": "mutex", "name": "x"}, "1": {"type": "mutex", "name": "y"}}
    amber, red = v20.TLP_AMBER.id, v20.TLP_RED.id
    parts = [
        {"marking_ref": red, "selectors": ["objects.1.name", "first_observed"]},
        {"marking_ref": v20.TLP_GREEN.id, "selectors": ["objects"]},
    ]
    found = results(bundle(observed(objects, object_marking_refs=[amber], granular_markings=parts)))
    first, second, observation = trees(found)
    assert first["object_marking_refs"] == [amber, v20.TLP_GREEN.id]
    assert second["object_marking_refs"] == [amber, v20.TLP_GREEN.id, red]
    assert observation["granular_markings"] == [{"marking_ref": red, "selectors": ["first_observed"]}]
    assert rules(found) == ["granular-marking"] * 2


def test_the_same_thing_twice_is_one_object_with_both_markings() -> None:
    objects = {"0": {"type": "file", "name": "x"}, "1": {"type": "file", "name": "x", "size": 5}}
    part = {"marking_ref": v20.TLP_RED.id, "selectors": ["objects.1.name"]}
    found = results(bundle(observed(objects, granular_markings=[part])))
    assert len(trees(found)) == 2
    assert by_type(found)["file"]["object_marking_refs"] == [v20.TLP_RED.id]
    assert rules(found) == ["granular-marking", "observable"]


def test_references_that_lead_nowhere_or_round_in_circles_are_told() -> None:
    objects = {
        "0": {"type": "file", "name": "x", "parent_directory_ref": "9"},
        "1": {"type": "process", "pid": 1, "child_refs": ["2"]},
        "2": {"type": "process", "pid": 2, "parent_ref": "1"},
        "3": {"type": "file", "name": "y", "extensions": {"archive-ext": {"contains_refs": ["4"]}}},
        "4": {"type": "file", "name": "z", "extensions": {"archive-ext": {"contains_refs": ["3"], "comment": "c"}}},
    }
    found = results(bundle(observed(objects)))
    assert rules(found) == ["reference"]  # a circle is no loss: one id in it follows from the place
    assert len(trees(found)) == 6
    processes = {tree["pid"]: tree for tree in trees(found) if tree["type"] == "process"}
    assert processes[1]["child_refs"] == [processes[2]["id"]]
    assert processes[2]["parent_ref"] == processes[1]["id"]


def test_a_long_chain_of_containers_is_followed() -> None:
    count = 40 * JSON_DEPTH_MAX
    objects: Tree = {
        str(number): {
            "type": "file",
            "name": str(number),
            "extensions": {"archive-ext": {"contains_refs": [str(number + 1)], "comment": "c"}},
        }
        for number in range(count)
    }
    found = results(bundle(observed({**objects, str(count): {"type": "file", "name": "innermost"}})))
    files = {tree["id"]: tree for tree in trees(found)[:-1]}
    assert len(files) == count + 1
    assert not losses(found)
    held = [tree["extensions"]["archive-ext"]["contains_refs"] for tree in files.values() if "extensions" in tree]
    assert all(ref in files for (ref,) in held)


def test_a_nested_object_that_2_1_refuses_costs_only_itself() -> None:
    objects = {"0": {"type": "url"}, "1": {"type": "url", "value": "https://x.example/"}, "2": 5, "3": {"type": 5}}
    found = results(bundle(observed(objects)))
    assert [tree["type"] for tree in trees(found)] == ["url", "observed-data"]
    assert sorted(rules(found)) == ["observable", "observable", "schema"]


def test_ids_without_content_follow_from_the_place() -> None:
    data = bundle(observed({"0": {"type": "process", "pid": 5}, "1": {"type": "x-thing", "x_y": "z"}}))
    assert trees(results(data)) == trees(results(data))
    assert {tree["type"] for tree in trees(results(data))} == {"process", "x-thing", "observed-data"}


def test_the_table_of_contributing_properties_is_the_oracles() -> None:
    for kind, names in CONTRIBUTING.items():
        cls = stix2.registry.STIX2_OBJ_MAPS["2.1"]["observables"][kind]
        assert tuple(cls._id_contributing_properties) == names


# --- any input -------------------------------------------------------------------------------------------

SAMPLES: list[Tree] = [
    old("indicator", labels=["benign"], pattern="[process:name = 'x']", valid_from=TIME),
    old("malware", name="x", labels=["worm"]),
    tlp("green"),
    observed(
        {
            "0": {
                "type": "file",
                "name": "x",
                "hashes": {"MD5": MD5},
                "extensions": {"archive-ext": {"contains_refs": ["1"]}},
            },
            "1": {"type": "process", "name": "x", "binary_ref": "0", "opened_connection_refs": ["2"]},
            "2": {"type": "network-traffic", "src_ref": "3", "protocols": ["tcp"], "extensions": {"x-ext": {"y": 1}}},
            "3": {"type": "ipv4-addr", "value": "192.0.2.1"},
            "4": {"type": "user-account", "user_id": "x"},
        },
        object_marking_refs=[v20.TLP_RED.id],
        granular_markings=[{"marking_ref": v20.TLP_RED.id, "selectors": ["objects.0.name"]}],
    ),
]
ODD = [
    *WRONG[1:],
    {"0": 5},
    {"0": {"type": "file", "x_ref": "0"}},
    ["0"],
    {"type": "x", "id": 5},
    2**70,
    1e300,
    [[["0"]]],
]


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value of a tree."""
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in pairs:
        yield (*path, key)
        yield from places(value, (*path, key))


@given(st.data())
def test_an_object_with_anything_anywhere_gives_objects_and_losses(data: st.DataObject) -> None:
    tree = json.loads(json.dumps(data.draw(st.sampled_from(SAMPLES))))
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(sorted(places(tree), key=str)))
        inner = tree
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = json.loads(json.dumps(data.draw(st.sampled_from(ODD))))
    found = results(bundle(tree, old("campaign", name="good", id=f"campaign--{OTHER}")))
    assert trees(found)[-1]["name"] == "good"


BUNDLE = bundle(*SAMPLES)


@given(st.binary(max_size=60), st.integers(0, len(BUNDLE)), st.integers(0, 20), st.integers(1, 400))
def test_any_bytes_give_objects_and_losses_whatever_the_chunks(noise: bytes, at: int, gap: int, size: int) -> None:
    mutated = BUNDLE[:at] + noise + BUNDLE[at + gap :]
    assert results(mutated, size) == results(mutated)
    assert results(noise) == results(noise, 1)


def test_a_bundle_of_any_size_takes_bounded_memory() -> None:
    one = encoded(old("campaign", name="x", description="y" * 2_000))

    def input_of(count: int) -> Iterator[bytes]:
        yield b'{"type":"bundle","spec_version":"2.0","objects":['
        for number in range(count):
            yield b"," * bool(number) + one
        yield b"]}"

    list(upgrade.read(input_of(10), AT))  # what is compiled once is not counted
    tracemalloc.start()
    count = sum(isinstance(each, Made) for each in upgrade.read(input_of(5_000), AT))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 5_000
    assert peak < 6 * STATEMENT_BYTES_MAX  # the input has ten times one statement
