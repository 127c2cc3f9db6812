"""The OASIS schemas: judged here as by OASIS's own validator, and the quick form never more lenient than the full."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from comity.errors import Fault
from comity.formats.stix import schemas
from comity.formats.stix.check import check_many
from comity.formats.stix.report import Refusal
from tests.formats.samples import ABSENT, OBJECTS, WRONG, Tree, changed, domain_object, encoded


def rule(tree: Tree) -> str:
    (result,) = check_many([encoded(tree)])
    if isinstance(result, Refusal):
        return result.rule
    return "accepted"


@pytest.fixture(scope="module")
def oracle() -> Callable[[Tree], bool]:
    """Return what the validator of OASIS says of an object by the schema alone."""
    from stix2validator import ValidationOptions
    from stix2validator.validator import _schema_validate

    options = ValidationOptions(version="2.1")

    def valid(tree: Tree) -> bool:
        return not any(True for errors, _ in _schema_validate(tree, options) for _ in errors)

    return valid


@pytest.mark.parametrize("tree", OBJECTS, ids=[tree["type"] for tree in OBJECTS])
def test_schemas_judge_as_the_validator_of_oasis_does(tree: Tree, oracle: Callable[[Tree], bool]) -> None:
    assert rule(tree) == "accepted"
    assert check_many([encoded(tree)])[0].custom is tree["type"].startswith("x-")  # type: ignore[union-attr]
    corpus = [changed(tree, {name: wrong}) for name in tree if name != "type" for wrong in WRONG]
    corpus += [
        tree | {name: "x"} for name in ("severity", "username", "x", "X_big", "x-hyphen", "ab", "x_hex", "x_bin", "1ab")
    ]
    verdicts = [rule(each) in {"schema", "version"} for each in corpus]
    differing = [each for each, refused in zip(corpus, verdicts, strict=True) if refused is oracle(each)]
    assert not differing
    assert any(verdicts) and not all(verdicts)


@pytest.mark.parametrize("tree", [tree for tree in OBJECTS if tree["type"] != "x-thing"], ids=lambda tree: tree["type"])
def test_what_the_quick_schema_takes_the_full_one_takes_too(tree: Tree) -> None:
    kind = schemas.kind(tree["type"])
    assert kind is not None
    assert kind.quick.is_valid([changed(tree, {"x_thing": ABSENT})])
    corpus = [changed(tree, {name: wrong}) for name in (*kind.known, "severity", "x_hex") for wrong in WRONG]
    taken = [each for each in corpus if kind.quick.is_valid([each])]
    assert [each for each in taken if not kind.full.is_valid(each)] == []
    # And it is the same for everything that has no custom property.
    plain = [each for each in corpus if kind.known.issuperset(each)]
    assert [each for each in plain if kind.full.is_valid(each) and each not in taken] == []


@pytest.mark.parametrize("name", sorted(schemas._types()))
def test_every_type_that_has_a_time_of_creation_or_change_requires_it(name: str) -> None:
    # `check` reads these without asking whether they are there.
    kind = schemas.kind(name)
    assert kind is not None
    assert not kind.versioned or kind.dated
    for field, required in (("created", kind.dated), ("modified", kind.versioned)):
        messages = [error.message for error in kind.full.iter_errors(domain_object(name, **{field: ABSENT}))]
        told = any(f'"{field}" is a required property' in message for message in messages)
        assert told or not required or name == "marking-definition"  # there it stands in a choice of two forms


def test_absent_schemas_are_this_machines_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    schemas._folder.cache_clear()
    monkeypatch.setattr(schemas, "_PACKAGE", "no_such_package")
    with pytest.raises(Fault, match="not installed"):
        schemas.examples()
    schemas._folder.cache_clear()


@pytest.mark.parametrize("name", sorted(schemas._types()))
def test_the_properties_known_of_a_type_are_those_of_the_specification(name: str) -> None:
    from stix2.registry import STIX2_OBJ_MAPS

    model = STIX2_OBJ_MAPS["2.1"]["objects"].get(name) or STIX2_OBJ_MAPS["2.1"]["observables"][name]
    kind = schemas.kind(name)
    assert kind is not None
    # STIX 2.1 §4.8 keeps the incident a stub; the schemas of meta objects have all common properties.
    assert set(model._properties) - kind.known <= ({"kill_chain_phases"} if name == "incident" else set())
    assert kind.known - set(model._properties) <= {"extensions", "lang", "confidence"}
