"""The tables of the MISP format: every type has a row, every level a marking, ids as OASIS's library makes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import stix2
from hypothesis import given
from hypothesis import strategies as st

from comity.formats.convert import TLP_REFS
from comity.formats.misp import seen
from comity.formats.misp.categories import ALLOWED, category
from comity.formats.misp.forms import FORMS
from comity.formats.misp.templates import RELATIONS, SEALED, SEALED_RELATIONS
from comity.formats.misp.types import HASHES, ROWS, Fate, Slot
from comity.formats.stix.pattern import parse_pattern
from comity.vocab import Tlp
from tests.formats.misp_samples import MD5, SHA256, Tree, attribute, event, of_event, only, taken, thing
from tests.tree import ROOT

pymisp = pytest.importorskip("pymisp", reason="pymisp, which carries the standard's own lists, is not installed")

STANDARD = json.loads((Path(pymisp.__file__).parent / "data" / "describeTypes.json").read_text())["result"]
TEMPLATES = {
    path.parent.name: json.loads(path.read_text())
    for path in sorted((Path(pymisp.__file__).parent / "data" / "misp-objects" / "objects").glob("*/definition.json"))
}
PAGE = ROOT / "docs/reference/misp.md"


def test_every_type_of_the_standard_has_a_row_and_no_other_does() -> None:
    assert set(ROWS) == set(STANDARD["types"])


def test_every_category_has_the_standards_types_and_every_type_its_category() -> None:
    written = {name for name, row in ROWS.items() if row.fate is not Fate.SEALED}
    mappings = STANDARD["category_type_mappings"]
    assert {name: written & set(types) for name, types in mappings.items()} == ALLOWED
    assert {name: category(name) for name in written} == {
        name: STANDARD["sane_defaults"][name]["default_category"] for name in written
    }


def test_every_place_can_stand_in_a_pattern_and_has_a_form() -> None:
    slots = [slot for row in ROWS.values() for slot in row.slots]
    slots += [slot for template in RELATIONS.values() for slot in template.values()]
    samples: dict[str, Any] = {"port": 5, "size": 5, "asn": 5, "ip": "192.0.2.1"}
    for slot in slots:
        value = samples.get(slot.form, "a" * int(slot.form[3:]) if slot.form.startswith("hex") else "abc")
        parse_pattern(f"[{seen.compare(slot, value)}]")
        assert slot.form in FORMS


def test_every_template_named_is_one_and_its_relations_are_too() -> None:
    assert set(RELATIONS) <= set(TEMPLATES)
    assert set(SEALED) <= set(TEMPLATES)
    wrong = [
        f"{name}.{relation}"
        for name, relations in RELATIONS.items()
        for relation in relations
        if relation not in TEMPLATES[name]["attributes"]
    ]
    assert wrong == []
    assert {relation for one in TEMPLATES.values() for relation in one["attributes"]} >= set(SEALED_RELATIONS)


def test_the_page_names_every_type_and_template_that_is_sealed() -> None:
    text = PAGE.read_text("utf-8")
    sealed = [name for name, row in ROWS.items() if row.fate is Fate.SEALED]
    assert [name for name in (*sealed, *SEALED, *SEALED_RELATIONS) if f"`{name}`" not in text] == []
    assert [name for name in ROWS if f"`{name}`" not in text] == []


EXAMPLES = {
    **{name: "a" * int(form[3:]) for name, (_, form) in HASHES.items() if form.startswith("hex")},
    "tlsh": "T1" + "A" * 70,
    "ssdeep": "3:abc:def",
    "AS": "AS64500",
    "mac-address": "00-00-5E-00-53-01",
    "port": "443",
    "stix2-pattern": "[url:value = 'x']",
    **dict.fromkeys(("ip-src", "ip-dst"), "192.0.2.1"),
    **dict.fromkeys(("domain", "hostname"), "bad.example"),
    **dict.fromkeys(("email", "email-src", "email-dst", "email-reply-to"), "eve@bad.example"),
    "x509-fingerprint-md5": MD5,
    "x509-fingerprint-sha1": "a" * 40,
    "x509-fingerprint-sha256": SHA256,
    "domain|ip": "bad.example|192.0.2.1",
    "ip-dst|port": "192.0.2.1|443",
    "ip-src|port": "2001:db8::1|443",
    "hostname|port": "bad.example|443",
    "regkey|value": "HKLM\\X|1",
    "malware-sample": f"a.exe|{MD5}",
}


def example(kind: str) -> str:
    """Return a value that fits a type."""
    if kind in EXAMPLES:
        return EXAMPLES[kind]
    if kind.startswith("filename|"):
        return f"a.exe|{EXAMPLES.get(kind.partition('|')[2], 'abc')}"
    return "HKLM\\Software\\X" if kind == "regkey" else "something"


@pytest.mark.parametrize("to_ids", [True, False])
@pytest.mark.parametrize("kind", sorted(ROWS))
def test_a_fitting_value_of_each_type_becomes_what_its_row_says(kind: str, to_ids: bool) -> None:
    fate = ROWS[kind].fate
    objects, losses = of_event(attribute(kind, example(kind), to_ids=to_ids))
    made = {one["type"] for one in objects if one["type"] not in {"report", "identity"}}
    lost = [loss.rule for loss in losses]
    if fate is Fate.SEALED:
        assert (made, lost) == (set(), ["person"])
    elif fate is Fate.NAMED:
        assert (len(made), lost) == (1, [])
    elif fate is Fate.NOTE:
        assert (made, lost) == ({"note"}, ["to-ids"] if to_ids else [])
    elif to_ids:
        assert (made, lost) == ({"indicator"}, [])
    else:
        assert lost == []
        # A port alone is no object, and STIX asks for no way of showing it.
        assert made == {"note"} if fate is Fate.RULE or kind == "port" else "observed-data" in made


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_of_every_template_each_value_is_made_or_named(name: str) -> None:
    parts = []
    for at, (relation, own) in enumerate(TEMPLATES[name]["attributes"].items(), 1):
        value = example(own["misp-attribute"]).replace("something", f"something-{at}-")
        changes: Tree = {"object_relation": relation, "to_ids": at % 2 == 0}
        parts.append(attribute(own["misp-attribute"], value, at, **changes))
    objects, losses = of_event(Object=[thing(name, *parts)])
    sealed = {loss.where for loss in losses if loss.outcome == "sealed"}
    text = json.dumps(objects).lower()
    for at, one in enumerate(parts):
        place = f"Event.Object[0].Attribute[{at}]"
        pieces = [piece.removeprefix("T1").removeprefix("AS") for piece in one["value"].split("|")]
        pieces = [piece.replace("-", ":") if "00-00" in piece else piece for piece in pieces]
        whole = all(json.dumps(piece)[1:-1].lower() in text for piece in pieces)
        hive = "hklm" in one["value"].lower() and "hkey_local_machine" in text
        assert (place in sealed) != (whole or hive), one


# --- markings -------------------------------------------------------------------------------------------------


def level(tree: Tree) -> Tlp | None:
    refs = tree.get("object_marking_refs", [])
    assert len(refs) <= 1
    return next((tlp for tlp, ref in TLP_REFS.items() if ref in refs), None)


@pytest.mark.parametrize(
    ("distribution", "expected", "lost"),
    [
        ("0", Tlp.AMBER_STRICT, []),
        (1, Tlp.AMBER, []),
        ("2", Tlp.GREEN, []),
        (3, None, []),
        ("4", Tlp.RED, ["sharing-group"]),
        ("5", Tlp.RED, ["distribution"]),
        ("6", Tlp.RED, ["distribution"]),
        ("-1", Tlp.RED, ["distribution"]),
        ("all", Tlp.RED, ["distribution"]),
        ([3], Tlp.RED, ["distribution"]),
        (3.0, Tlp.RED, ["distribution"]),
        (True, Tlp.RED, ["distribution"]),
        (None, None, []),
    ],
)
def test_a_distribution_is_a_level_and_an_unknown_one_is_red(distribution: Any, expected: Any, lost: list[str]) -> None:
    objects, losses = of_event(attribute(distribution=None), distribution=distribution)
    assert {level(one) for one in objects} == {expected}
    assert [loss.rule for loss in losses] == lost


def test_a_sharing_group_is_named() -> None:
    group = {"name": "Borealia and friends", "uuid": "x"}
    _, (loss,) = of_event(attribute(), distribution="4", SharingGroup=group)
    assert "Borealia and friends" in loss.reason
    _, (loss,) = of_event(attribute(distribution="4", sharing_group_id="17"))
    assert "17" in loss.reason


SOMEBODY = "55f6ea5e-2c60-40e5-964f-47a8950d2111"
LEVELS = {"0": Tlp.AMBER_STRICT, "1": Tlp.AMBER, "2": Tlp.GREEN, "3": None, "5": None}
TAGS = {
    "tlp:white": Tlp.CLEAR,
    "TLP:CLEAR": Tlp.CLEAR,
    "tlp:green": Tlp.GREEN,
    "tlp:amber": Tlp.AMBER,
    "tlp:amber+strict": Tlp.AMBER_STRICT,
    "tlp:red": Tlp.RED,
    "tlp:ex:chr": Tlp.RED,
}


@given(
    st.sampled_from(["0", "1", "2", "3"]),
    st.lists(st.sampled_from(sorted(TAGS)), max_size=2, unique=True),
    st.sampled_from(sorted(LEVELS)),
    st.lists(st.sampled_from(sorted(TAGS)), max_size=2, unique=True),
    st.booleans(),
)
def test_the_strictest_of_all_that_is_said_counts(
    outer: str, event_tags: list[str], inner: str, own_tags: list[str], to_ids: bool
) -> None:
    one = attribute(distribution=inner, Tag=[{"name": tag} for tag in own_tags], to_ids=to_ids)
    objects, losses = of_event(one, distribution=outer, Tag=[{"name": tag} for tag in event_tags])
    of_all = [said for said in (LEVELS[outer], *(TAGS[tag] for tag in event_tags)) if said is not None]
    of_one = of_all + [said for said in (LEVELS[inner], *(TAGS[tag] for tag in own_tags)) if said is not None]

    def strictest(said: list[Tlp]) -> Tlp | None:
        return max(said, key=lambda tlp: tlp.rank) if said else None

    main = only(objects, "indicator" if to_ids else "observed-data")
    assert level(only(objects, "report")) == strictest(of_all)
    assert level(main) == strictest(of_one)
    assert all(level(one) == strictest(of_one) for one in objects if one["type"] == "ipv4-addr")
    split = [tags for tags in (event_tags, own_tags) if len({TAGS[tag] for tag in tags}) > 1]
    unknown = sum("tlp:ex:chr" in tags for tags in (event_tags, own_tags))
    assert len([loss for loss in losses if loss.rule == "tlp"]) == len(split) + unknown


@pytest.mark.parametrize(
    ("outer", "expected", "lost"),
    [("3", None, []), ("0", Tlp.AMBER_STRICT, []), (None, Tlp.RED, ["distribution"])],
)
def test_what_inherits_from_an_event_that_says_nothing_is_red(outer: Any, expected: Any, lost: list[str]) -> None:
    objects, losses = of_event(attribute(distribution="5"), distribution=outer)
    assert level(only(objects, "indicator")) == expected
    assert [loss.rule for loss in losses] == lost
    # The answer of a server to a search for attributes names each one's event.
    found = {"response": {"Attribute": [attribute(distribution="5", Event={"info": "x", "distribution": outer})]}}
    objects, losses = taken(json.dumps(found).encode())
    assert level(only(objects, "indicator")) == expected
    assert [loss.rule for loss in losses] == ["uuid", "member", *lost]


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [("3", None), ("0", Tlp.AMBER_STRICT), ("5", Tlp.AMBER), (None, Tlp.AMBER), ("x", Tlp.RED)],
)
def test_a_cluster_is_marked_by_its_own_distribution_else_as_the_event(distribution: Any, expected: Any) -> None:
    inner = {"value": "Ours", "uuid": SOMEBODY, "distribution": distribution}
    objects, _ = of_event(attribute(), distribution="1", Galaxy=[{"type": "threat-actor", "GalaxyCluster": [inner]}])
    assert level(only(objects, "threat-actor")) == expected


def test_pap_and_taxonomies_stay_as_labels() -> None:
    tags = [{"name": "PAP:AMBER"}, {"name": 'admiralty-scale:source-reliability="b"'}]
    objects, losses = of_event(attribute(Tag=tags), Tag=tags)
    names = [tag["name"] for tag in tags]
    assert losses == []
    assert only(objects, "indicator")["labels"][-2:] == names
    assert only(objects, "report")["labels"][-2:] == names


def test_creator_and_holder() -> None:
    holder = {"name": "CERT Borealia", "uuid": "55f6ea5e-2c60-40e5-964f-47a8950d2110"}
    objects, losses = of_event(attribute(), Org=holder)
    assert only(objects, "identity")["name"] == "CERT Arcadia"
    assert [(loss.rule, "CERT Borealia" in loss.reason) for loss in losses] == [("org", True)]
    nameless, losses = taken(json.dumps({"Event": event(attribute(), Orgc=None, Org=None)}).encode())
    assert (losses, "created_by_ref" in only(nameless, "indicator")) == ([], False)


# --- ids ------------------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=40)
CASES = st.one_of(
    TEXT.map(lambda value: ("domain-name:value", value, stix2.v21.DomainName)),
    TEXT.map(lambda value: ("mutex:name", value, stix2.v21.Mutex)),
    TEXT.map(lambda value: ("file:name", value, stix2.v21.File)),
    TEXT.map(lambda value: ("directory:path", value, stix2.v21.Directory)),
    st.integers(0, 2**32 - 1).map(lambda value: ("autonomous-system:number", value, stix2.v21.AutonomousSystem)),
)


@given(CASES)
def test_an_id_is_the_one_that_oasis_library_gives(case: tuple[str, Any, Any]) -> None:
    path, value, model = case
    shown, left = seen.compose([(Slot(path), value)])
    assert left == []
    assert [one["id"] for one in shown] == [model(**{path.partition(":")[2]: value}).id]


def test_of_several_hashes_the_specifications_choice_makes_the_id() -> None:
    parts = [(Slot("file:hashes.'SHA-256'"), SHA256), (Slot("file:hashes.MD5"), MD5), (Slot("file:name"), "a.exe")]
    (shown,), _ = seen.compose(parts)
    assert shown["id"] == stix2.v21.File(name="a.exe", hashes={"MD5": MD5, "SHA-256": SHA256}).id
