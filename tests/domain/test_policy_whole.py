"""What must hold of every decision, of every name, and of who may make a release."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import comity
from comity import policy
from comity.acts import KINDS, Leave, Standing, Suspend, standing
from comity.canon import AccordId, OfficeId
from comity.errors import Malformed
from comity.policy import EMPTY, Audience, Facts, Terms, decide, terms_of
from comity.statement import INTEL_EVIDENCE, INTEL_OBJECT, Header, Marking
from comity.vocab import EXPRESSION_CLASSES, Conduct, Pap, Phase, Purpose, Tlp, Use
from tests.domain.asking import (
    ASKING,
    AUTHOR,
    EXERCISE,
    HOLDER,
    MEMBER,
    TERMS,
    THREE,
    amended,
    ask,
    facts,
    released,
    when,
)
from tests.domain.makers import (
    ARCADIA,
    AT,
    AUDIENCES,
    BOREALIA,
    CASCADIA,
    JURISDICTIONS,
    OFFICES,
    acts_about,
    instants,
    markings,
    names,
)

# -- names -----------------------------------------------------------------------


@pytest.mark.parametrize("to", [*AUDIENCES[:8]])
def test_an_audiences_name_is_read_back(to: Audience) -> None:
    assert policy.parse_audience(to.name) == (to.office, to.person, to.correspondent)


@pytest.mark.parametrize(
    "name",
    ["", "-", "cert.arcadia.example", "cert.arcadia.example/", "/csirt", "cert.arcadia.example/csirt/", "a.example/b~"]
    + [
        "cert.arcadia.example/csirt/alice/x",
        "a.example/csirt/alice~bank",
        "a.example/CSIRT",
        "a.example/b\n",
        "a.example~b",
    ]
    + ["a.example/csirt/\u202ealice", "a.example/csirt/\ud800", "a.example/csirt~\x00", "~", "//", "a.example//alice"],
)
def test_what_names_no_audience_is_malformed(name: str) -> None:
    with pytest.raises(Malformed):
        policy.parse_audience(name)


pieces = st.sampled_from(["cert.arcadia.example", "csirt", "alice", "/", "~", "//", "", "\n", "é", "-", "a.b"])


@given(st.text(max_size=40) | st.lists(pieces, max_size=7).map("".join))
def test_any_text_is_one_audience_or_malformed(name: str) -> None:
    try:
        ref, person, correspondent = policy.parse_audience(name)
    except Malformed:
        return
    assert Audience(ref, "", person, correspondent).name == name
    assert not (person and correspondent)


def test_facts_are_those_of_the_header() -> None:
    header = Header(1, INTEL_OBJECT, OfficeId("csirt"), 3, AT, "m", Marking(Tlp.RED), conduct="malware", exercise=True)
    made = policy.facts(header, ARCADIA, accord=AccordId("x"), jurisdiction="AA")
    assert made == Facts(AUTHOR, AUTHOR, INTEL_OBJECT, Marking(Tlp.RED), "malware", True, AccordId("x"), 3, "AA")
    assert made.direct
    held = policy.facts(header, ARCADIA, accord=AccordId("x"), jurisdiction="AA", holder=HOLDER)
    assert held == replace(made, holder=HOLDER)
    assert not held.direct


# -- what must hold of every decision --------------------------------------------

worlds = st.sampled_from(
    [
        EMPTY,
        TERMS,
        EXERCISE,
        terms_of(THREE, 9),
        replace(TERMS, accord=AccordId("four-winds")),
        replace(TERMS, texts=()),
    ]
    + [when((BOREALIA, Suspend())), when((CASCADIA, Leave())), when((ARCADIA, Leave()), (CASCADIA, Leave()))]
    + [when(texts=amended({"transfer": '"CC"'}, {"ceiling": Tlp.GREEN}, {"offices": {BOREALIA: ["csirt"]}}), version=2)]
    + [replace(TERMS, phases={}), Terms(phases={CASCADIA: Phase.ACTIVE}, in_force=True)]
)
any_text = st.text(max_size=12) | st.sampled_from([*(word.value for word in Conduct), *EXPRESSION_CLASSES])
any_facts = st.builds(
    Facts,
    author=st.sampled_from(OFFICES),
    holder=st.sampled_from(OFFICES),
    kind=st.sampled_from([INTEL_OBJECT, INTEL_EVIDENCE, *ASKING, *sorted(KINDS), "act.new", "home.x", ""]) | any_text,
    marking=st.none() | markings,
    conduct=any_text,
    exercise=st.booleans(),
    accord=st.sampled_from([None, TERMS.accord, AccordId("four-winds")]),
    version=st.integers(-1, 4),
    jurisdiction=st.sampled_from(["", *JURISDICTIONS.values()]),
)
any_audience = st.builds(
    Audience,
    office=st.sampled_from(OFFICES),
    jurisdiction=st.sampled_from(["", *JURISDICTIONS.values()]),
    person=st.sampled_from(["", "alice", "bob", "~"]),
    correspondent=st.sampled_from(["", "", "bank"]),
    client=st.booleans(),
    communities=st.sampled_from([frozenset(), frozenset({"three-shores"}), frozenset({""})]),
    ceiling=st.sampled_from(Tlp),
    purpose=st.sampled_from(Purpose),
)
any_standing = st.lists(acts_about, max_size=4).map(standing) | st.builds(
    Standing,
    st.booleans(),
    st.booleans(),
    st.sampled_from(Tlp),
    st.sampled_from(Pap),
    st.none() | names,
    consents=st.lists(st.tuples(st.sampled_from(("", "-", MEMBER.name)), instants | st.integers()), max_size=3).map(
        tuple
    ),
)


@given(any_facts, any_audience, worlds, any_standing, st.integers())
@settings(max_examples=500)
def test_there_is_an_answer_to_every_question(
    the_facts: Facts, to: Audience, terms: Terms, known: Standing, at: int
) -> None:
    decision = decide(the_facts, to, terms, known, at)
    assert decision.audience == to
    assert decision.findings
    assert released(decision) is all(finding.allows for finding in decision.findings)
    assert decision.lapses is None or decision.lapses > at
    assert decide(the_facts, to, terms, known, at) == decision


def _narrower(draw: st.DrawFn, marking: Marking) -> Marking:
    """Draw a marking that says no more than this one."""
    changes: dict[str, Any] = {}
    changes["tlp"] = draw(st.sampled_from([tlp for tlp in Tlp if tlp.rank >= marking.tlp.rank]))
    changes["pap"] = draw(st.sampled_from([pap for pap in Pap if pap.rank >= marking.pap.rank]))
    if marking.to:
        changes["to"] = draw(st.lists(st.sampled_from(marking.to), min_size=1, unique=True).map(tuple))
    elif marking.tlp is not Tlp.RED:  # RED to nobody is the narrowest there is
        changes["to"] = draw(st.just(()) | names.filter(bool))
    changes["embargo"] = max(marking.embargo, draw(instants))
    if not set(marking.use) & {Use.INVESTIGATION, Use.INTELLIGENCE, Use.ATTACK}:
        changes["use"] = tuple(u for u in marking.use if draw(st.booleans()))
    changes["transfer"] = tuple(where for where in marking.transfer if draw(st.booleans()))
    changes["personal"] = marking.personal or draw(st.booleans())
    changes["onward"] = marking.onward and draw(st.booleans())
    return msgspec.structs.replace(marking, **changes)


@given(any_facts, worlds, st.lists(acts_about, max_size=3), st.data())
@settings(max_examples=300)
def test_a_narrower_marking_never_opens_anything(
    the_facts: Facts, terms: Terms, said: list[Any], data: st.DataObject
) -> None:
    marking = data.draw(markings)
    narrower = data.draw(st.composite(_narrower)(marking))
    before, after = (replace(the_facts, marking=each, kind=INTEL_OBJECT, conduct="") for each in (marking, narrower))
    for to in AUDIENCES:
        if released(ask(after, to, *said, terms=terms)):
            assert released(ask(before, to, *said, terms=terms)), to.name


@given(markings, st.lists(acts_about, max_size=3), st.sampled_from([AUTHOR, HOLDER]), st.data())
def test_leaving_suspending_and_stricter_versions_never_open_anything(
    marking: Marking, said: list[Any], holder: Any, data: st.DataObject
) -> None:
    the_facts = facts(marking, holder=holder)
    moves = data.draw(
        st.lists(st.sampled_from([(p, m) for p in (ARCADIA, BOREALIA, CASCADIA) for m in (Leave(), Suspend())]))
    )
    wide: dict[str, Any] = {"transfer": '"BB", "CC"', "use": '"defence", "research"'}
    strict = data.draw(
        st.sampled_from(
            [{"ceiling": Tlp.GREEN}, {"refused": '"intel.object"'}, {"transfer": ""}, {"community": "x"}, {}]
        )
    )
    before = when(*moves[:-1], texts=amended(wide))
    for after in (when(*moves, texts=amended(wide)), when(*moves[:-1], texts=amended(wide, wide | strict))):
        for to in AUDIENCES:
            if released(ask(the_facts, to, *said, terms=after)):
                assert released(ask(the_facts, to, *said, terms=before)), to.name


# -- only the policy makes a release ---------------------------------------------

SOURCES = Path(comity.__file__).parent


def _called(tree: ast.AST) -> set[str]:
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", "") for each in calls}


def test_only_the_policy_makes_a_release() -> None:
    makers = {
        path.relative_to(SOURCES).as_posix()
        for path in SOURCES.rglob("*.py")
        if "Release" in _called(ast.parse(path.read_text()))
    }
    assert makers == {"policy/decision.py"}


def test_no_module_renames_subclasses_or_copies_a_release() -> None:
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert all(a.name != "Release" or a.asname in (None, "Release") for a in node.names), path
            if isinstance(node, ast.ClassDef):
                assert all(not (isinstance(b, ast.Name) and b.id == "Release") for b in node.bases), path
            if isinstance(node, ast.Assign):
                assert not (isinstance(node.value, ast.Name) and node.value.id == "Release"), path


def test_no_module_decides_by_fewer_rules() -> None:
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                assert called != "decide" or all(k.arg != "rules" for k in node.keywords), path
