"""Sigma rules are taken where pySigma takes them and refused where it refuses them; where not, it is said here why."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError
from sigma.filters import SigmaFilter
from sigma.rule import SigmaRule

from comity.formats.convert import Loss, Made
from comity.formats.rules import sigma
from tests.formats.reading import CONTEXT

ID = "2f1f3c52-7a55-4f0e-9c61-0b6f0a1c2d3e"
RULE = f"""title: A rule
id: {ID}
status: test
logsource: {{product: windows}}
detection:
  selection: {{Image: a}}
  filter1: {{Image: b}}
  filter2: {{Image: c}}
  _hidden: {{Image: d}}
  condition: selection
level: high
"""
EVERY = ", condition: {gte: 5}"
COUNT = f"title: c\ncorrelation: {{type: event_count, rules: [a], group-by: [b], timespan: 5m{EVERY}}}\n"
FILTER = "title: f\nlogsource: {product: a}\nfilter: {rules: [x], selection: {a: b}, condition: selection}\n"


def theirs(text: str) -> bool:
    """Say whether pySigma takes a rule and each of its conditions."""
    try:
        tree = yaml.safe_load(text)
        if "correlation" in tree:
            SigmaCorrelationRule.from_dict(tree)  # alone: what it correlates may be elsewhere
        elif "filter" in tree:
            for condition in SigmaFilter.from_dict(tree).filter.parsed_condition:
                assert condition.parsed
        else:
            (rule,) = SigmaCollection.from_yaml(text).rules
            assert isinstance(rule, SigmaRule)
            for condition in rule.detection.parsed_condition:
                assert condition.parsed
    except (SigmaError, TypeError):  # what its parser did not expect is no good rule either
        return False
    return True


def ours(text: str) -> bool:
    """Say whether a rule becomes an indicator; where not, it is one refusal."""
    found = list(sigma.read([text.encode()], CONTEXT))
    made = [one for one in found if isinstance(one, Made) and b'"type":"indicator"' in one.data]
    refused = [one for one in found if isinstance(one, Loss) and one.outcome == "refused"]
    assert len(made) + len(refused) == 1
    return bool(made)


def but(old: str, new: str, text: str = RULE) -> str:
    assert old in text
    return text.replace(old, new, 1)


CONDITIONS = [
    "selection", "selection and not filter1", "(selection or filter1) and filter2", "1 of filter*", "all of filter*",
    "1 of them", "all of them", "any of filter*", "not not selection", "[selection, filter1]", "1 of selection",
    "selection and (not filter1 or 1 of filter*)", "1 of _h*", "_hidden",
    "missing", "selection and", "and selection", "selection filter1", "(selection", "selection)", "1 of missing*",
    "1 of", "all selection", "not", "''", "[]", "{a: b}", "5", "selection AND filter1", "SELECTION", "1 OF filter*",
    "2 of filter*", "filter* and selection", "()", "selection or or filter1", "'1 of (filter1)'", "sel-x",
    "1 of hidden*",
]  # fmt: skip
BODIES = [
    *(RULE, COUNT, FILTER, but(f"id: {ID}\n", ""), but("title: A rule\n", ""), but("title: A rule", "title: [a]")),
    *(but("logsource: {product: windows}\n", ""), *(but("{product: windows}", each) for each in (
        "{}", "windows", "{definition: x}", "{foo: x}", "{product: null}", "{product: [a]}",
        "{category: a, product: b}",
    ))),
    *(but("  condition: selection\n", ""), but("  condition", "  timeframe: 5m\n  condition")),
    *(f"title: x\nlogsource: {{product: a}}\ndetection: {each}\n" for each in ("x", "[x]", "{condition: selection}")),
    *(but("{Image: a}", each) for each in (
        "{}", "", "[]", "[a, b]", "[{a: b}, {c: d}]", "5", "text", "{Image: null}", "{Image: [a, b]}", "{Image: []}",
        "{Image: {a: b}}", "{Image: [[a]]}", "{Image|re: 'a+'}", "{Image|cidr: 192.0.2.0/24}", "{Image|gt: 5}",
        "{Image|contains|all: [x, y]}", "{Image|base64offset|contains: x}", "{'|all': [x, y]}", "{Image|exists: true}",
    )),
    *(but("level", f"{each}\nlevel") for each in (
        "date: 2024-01-01", "date: 2024/01/01", "tags: [attack.t1059]", "fields: [a]", "custom: {a: b}",
        f"related: [{{id: {ID}, type: derived}}]",
    )),
    *(but("type: event_count", f"type: {each}", COUNT) for each in ("foo", "temporal", "value_count", "value_sum")),
    *(but(each, "", COUNT) for each in ("type: event_count, ", "rules: [a], ", ", timespan: 5m", EVERY)),
    *(but("gte: 5", each, COUNT) for each in ("foo: 5", "gte: 5, lt: 9", "gte: 5, field: x")),
    *(but("timespan: 5m", f"timespan: {each}", COUNT) for each in ("soon", "5", "5x", "90s", "2M")),
    but("event_count", "temporal", but(EVERY, "", COUNT)),
    but("event_count", "value_count", but("gte: 5", "gte: 5, field: x", COUNT)),
    *(but(each, "", FILTER) for each in ("rules: [x], ", "logsource: {product: a}\n", ", condition: selection")),
    *(but("rules: [x]", f"rules: {each}", FILTER) for each in ("any", "[]")),
    but("condition: selection", "condition: missing", FILTER),
]  # fmt: skip


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_condition_is_good_for_both_or_for_neither(condition: str) -> None:
    text = but("condition: selection", f"condition: {condition}")
    assert ours(text) is theirs(text)


@pytest.mark.parametrize("text", BODIES)
def test_a_rule_is_good_for_both_or_for_neither(text: str) -> None:
    assert ours(text) is theirs(text)


WORDS = "selection filter1 filter* _hidden missing and or not ( ) 1 all any of them".split()


@given(st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join))
def test_any_condition_is_good_for_both_or_for_neither(condition: str) -> None:
    text = but("condition: selection", f"condition: '{condition}'")
    assert ours(text) is theirs(text)


# The text of a rule goes on as its author wrote it, so nothing that only concerns those who run it or show it is
# a reason to keep it from them.
TAKEN_BY_US = {
    "Sigma 1's aggregations, which many published rules have": but("n: selection", "n: selection | count() > 5"),
    "an id that is no UUID: one follows from it": but(ID, "rule-7"),
    "a level that is not known": but("high", "severe"),
    "a status that is not known": but("status: test", "status: new"),
    "a date that is none: told as changed": but("level", "date: yesterday\nlevel"),
    "a tag without a namespace": but("level", "tags: [phishing]\nlevel"),
    "one text where a list belongs": but("level", "references: https://cert.arcadia.example/\nlevel"),
    "a title of more than 256 characters: it is cut for display": but("A rule", "x" * 300),
    "a relation that is not known": but("level", f"related: [{{id: {ID}, type: cousin}}]\nlevel"),
    "a modifier of a later Sigma": but("Image: a", "Image|modern: a"),
    "an expression, never tried here, that some engines cannot read": but("Image: a", "Image|re: '(a'"),
    "a network that is none": but("Image: a", "Image|cidr: here"),
    "YAML has no types here: a number is a text": but("product: windows", "product: 11"),
}  # fmt: skip


@pytest.mark.parametrize("why", TAKEN_BY_US)
def test_where_we_take_more(why: str) -> None:
    assert ours(TAKEN_BY_US[why])
    assert not theirs(TAKEN_BY_US[why]), "the difference is gone: it needs no reason any more"


REFUSED_BY_US = {
    "an anchor and an alias, which make bombs": but("{Image: b}", "&a {Image: b}").replace("{Image: c}", "*a"),
    "a tag of YAML, which names classes": but("title: A rule", "title: !!str A rule"),
}


@pytest.mark.parametrize("why", REFUSED_BY_US)
def test_where_we_take_less(why: str) -> None:
    assert not ours(REFUSED_BY_US[why])
    assert theirs(REFUSED_BY_US[why]), "the difference is gone: it needs no reason any more"
