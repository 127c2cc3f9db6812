"""Leads of indicators: what is worth acting on alone, by any producer's custom."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from comity.formats import observables
from comity.formats.observables import Observable
from comity.formats.stix import leads
from comity.formats.stix.leads import Lead

TEXTS = st.text(max_size=20)
ANY = st.none() | st.booleans() | st.integers() | TEXTS | st.lists(TEXTS, max_size=3) | st.dictionaries(TEXTS, TEXTS)


def body(pattern: str, **more: object) -> bytes:
    return json.dumps(
        {"type": "indicator", "id": "indicator--1", "pattern": pattern, "pattern_type": "stix"} | more
    ).encode()


def values(lead: Lead) -> list[tuple[str, str, bool]]:
    return [(kind, value, warned) for _, kind, value, warned in lead.values]


def test_each_value_of_a_choice_is_a_lead_and_no_part_of_a_combination() -> None:
    one, other = "[domain-name:value = 'evil.example']", "[ipv4-addr:value = '198.51.100.7']"
    assert values(leads.lead_of(body(one))) == [("domain", "evil.example", False)]
    assert [value for _, value, _ in values(leads.lead_of(body(f"{one} OR {other}")))] == [
        "evil.example",
        "198.51.100.7",
    ]
    both = leads.lead_of(body(f"{one} AND {other}"))
    assert (both.values, both.note) == ((), "pattern not simple")
    assert leads.lead_of(body("rule x {}", pattern_type="yara")).note == "pattern not STIX"
    assert leads.lead_of(body("[")).note == leads.NOT_READ


def test_keys_are_those_of_the_index_and_names_are_kept() -> None:
    lead = leads.lead_of(body("[domain-name:value = 'evil.example']", name="Loader", labels=["c2", "dns"]))
    assert [key for key, *_ in lead.values] == [observables.key(Observable("domain", "evil.example"))]
    assert (lead.ident, lead.name, lead.labels) == ("indicator--1", "Loader", ("c2", "dns"))


def test_lists_are_asked_about_the_kinds_that_are_wanted_and_no_other() -> None:
    asked: list[Observable] = []

    def warned(value: Observable) -> bool:
        asked.append(value)
        return value.value == "evil.example"

    bodies = [body("[domain-name:value = 'evil.example']"), body("[ipv4-addr:value = '198.51.100.7']")]
    ((first, second),) = leads.reader(warned, ["domain"])([bodies])
    assert [value.kind for value in asked] == ["domain"]
    assert (values(first)[0][2], values(second)[0][2]) == (True, False)


@given(st.dictionaries(st.sampled_from(["id", "name", "labels", "pattern", "pattern_type", "type", "x"]), ANY))
def test_whatever_the_members_are_there_is_an_answer(tree: dict[str, object]) -> None:
    lead = leads.lead_of(json.dumps(tree).encode())
    assert lead.note or lead.values
    assert all(isinstance(label, str) for label in lead.labels)
