"""The OASIS JSON schemas of STIX 2.1, compiled on first use.

They ship as data in the package `stix2-validator`. Rules: that package is never imported (its import takes
seconds); this is the one module of the formats that reads files, and only package data. A pattern in a
schema runs on an engine of linear time, whatever the object says. `format` stays an annotation, as JSON
Schema 2020-12 has it: a hostile URL that RFC 3986 forbids is intelligence all the same.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import jsonschema_rs

from comity.errors import Fault

_PACKAGE: Final = "stix2validator"
_FOLDERS: Final = ("sdos", "sros", "observables")
_OTHER_TYPES: Final = ("marking-definition", "language-content", "extension-definition")
_TIMESTAMP: Final = "timestamp.json"
_CUSTOM_RULES: Final = "properties"  # the schema with what is asked of every property, also a custom one
_SOMETHING: Final = "^([a-z][a-z0-9_]{2,249})|id$"  # in it: a value that is neither null nor an empty array
_SCALARS: Final = frozenset({"string", "integer", "number", "boolean", "object"})
_TAKEN_APART: Final = frozenset({"$id", "$schema", "title", "description", "properties", "allOf", "definitions"})
# STIX 2.1 §4 to §6, by type; that `modified` is not before `created` holds for all (§3.2).
_ORDER: Final[dict[str, tuple[str, str, bool]]] = {
    "indicator": ("valid_from", "valid_until", False),  # §4.7
    "relationship": ("start_time", "stop_time", False),  # §5.1
    "observed-data": ("first_observed", "last_observed", True),  # §4.14
    "network-traffic": ("start", "end", True),  # §6.12
    **dict.fromkeys(
        ("campaign", "infrastructure", "intrusion-set", "malware", "sighting", "threat-actor"),
        ("first_seen", "last_seen", True),
    ),
}
_REPORTS: Final = ("apt1.json", "poisonivy.json")


@dataclass(frozen=True, slots=True)
class Kind:
    """A type's schema, compiled, and what it says of the type's properties."""

    full: jsonschema_rs.Validator  # the schema of OASIS; takes an object
    quick: jsonschema_rs.Validator  # takes a list of objects; what it takes the other does too, see `_quick`
    known: frozenset[str]  # properties the specification gives the type
    order: tuple[str, str, bool] | None  # two timestamps: the earlier, the later, whether they may be equal
    times: tuple[str, ...]  # the other timestamps, besides `created` and `modified`
    dated: bool  # `created` is required
    versioned: bool  # `modified` too
    custom: bool  # the schema of custom types


def kind(name: str) -> Kind | None:
    """Return the schema of a type of the specification; None for any other name. Raises `Fault`."""
    return _compiled(name) if name in _types() else None


def custom_kind(*, observable: bool) -> Kind:
    """Return the schema that every custom type has to meet: the common properties (STIX 2.1 §3.2)."""
    return _compiled("cyber-observable-core" if observable else "core")


def examples() -> tuple[Path, ...]:
    """Return where the two threat reports that OASIS publishes are: APT1 and Poison Ivy. Raises `Fault`."""
    folder = _folder() / "examples" / "threat-reports"
    return tuple(folder / name for name in _REPORTS)


@cache
def _folder() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "schemas-2.1"
        if (folder / "schemas").is_dir():
            return folder
    raise Fault("the STIX 2.1 schemas are not installed", hint="install the package stix2-validator")


@cache
def _types() -> dict[str, str]:
    """Every type of the specification and the folder its schema is in."""
    schemas = _folder() / "schemas"
    found = {path.stem: folder for folder in _FOLDERS for path in sorted((schemas / folder).glob("*.json"))}
    return found | dict.fromkeys(_OTHER_TYPES, "common")


@cache
def _schemas() -> dict[str, dict[str, Any]]:
    """Every schema file by its name without suffix; names are unique over the folders."""
    try:
        return {path.stem: json.loads(path.read_bytes()) for path in sorted((_folder() / "schemas").glob("*/*.json"))}
    except (OSError, ValueError) as error:
        raise Fault(f"the STIX 2.1 schemas cannot be read: {error}", hint="reinstall stix2-validator") from error


@cache
def _registry() -> jsonschema_rs.Registry:
    return jsonschema_rs.Registry([(schema["$id"], schema) for schema in _schemas().values()])


@cache
def _compiled(name: str) -> Kind:
    schema = _schemas()[name]
    properties = _properties(schema)
    order = _ORDER.get(name)
    read_elsewhere = {"created", "modified", *(order or ())}
    times = [field for field, shapes in properties.items() if _TIMESTAMP in json.dumps(shapes)]
    return Kind(
        full=_validator({"$ref": schema["$id"]}),
        quick=_validator({"type": "array", "items": _quick(schema)}),
        known=frozenset(properties),
        order=order,
        times=tuple(sorted(set(times) - read_elsewhere)),
        dated="created" in properties,
        versioned="modified" in properties,
        custom=name not in _types(),
    )


def _validator(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    try:
        return jsonschema_rs.validator_for(
            dialect, registry=_registry(), pattern_options=jsonschema_rs.RegexOptions(), validate_formats=False
        )
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        raise Fault(f"a STIX 2.1 schema cannot be compiled: {error}", hint="reinstall stix2-validator") from error


def _parts(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a schema and those it extends, down to the rules for custom properties, which are left out."""
    yield schema
    for part in schema.get("allOf", ()):
        name = Path(part.get("$ref", "")).stem
        if name != _CUSTOM_RULES:
            yield from _parts(_schemas()[name] if name else part)


def _properties(schema: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the properties that a schema and those it extends name, each with what is asked of it."""
    found: dict[str, list[Any]] = {}
    for part in _parts(schema):
        for name, shape in part.get("properties", {}).items():
            found.setdefault(name, []).append(shape)
        for name in _chosen(part):
            found.setdefault(name, [])
    return found


def _chosen(schema: dict[str, Any]) -> Iterator[str]:
    """Yield the properties that only the alternatives within a schema name, such as `is_family` of malware."""
    for choice in (*schema.get("oneOf", ()), *schema.get("anyOf", ())):
        yield from choice.get("properties", ())
        yield from _chosen(choice)


def _quick(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that takes no custom property and of the others asks all that the full one asks.

    The full one tries three patterns on the name of every property and then six types on its value, which is
    half its work. Here names are a closed list, whose members were tried once; the rest is the same.
    """
    rules = _schemas()[_CUSTOM_RULES]["patternProperties"]
    properties = {
        name: {"allOf": [*shapes, *(rule for pattern, rule in rules.items() if re.search(pattern, name))]}
        for name, shapes in _properties(schema).items()
    }
    for shape in properties.values():
        shape["allOf"] = [part for part in shape["allOf"] if not _follows(part, shape["allOf"])]
    rest = [{word: rule for word, rule in part.items() if word not in _TAKEN_APART} for part in _parts(schema)]
    return {
        "$id": schema["$id"].replace(".json", "-quick.json"),  # beside the full one: relative references stay right
        "properties": {name: shape for name, shape in properties.items() if shape["allOf"]},
        "additionalProperties": False,
        "allOf": rest,
        "definitions": schema.get("definitions", {}),
    }


def _follows(rule: Any, shapes: list[Any]) -> bool:
    """Whether a rule only says that a value is something, and another shape says more closely what."""
    return rule == _schemas()[_CUSTOM_RULES]["patternProperties"][_SOMETHING] and any(map(_is_something, shapes))


def _is_something(shape: dict[str, Any]) -> bool:
    """Whether a shape leaves no room for null or an empty array."""
    if "$ref" in shape:
        name = Path(shape["$ref"]).stem
        return name in _schemas() and _is_something(_schemas()[name])
    if "allOf" in shape and any(map(_is_something, shape["allOf"])):
        return True
    kind = shape.get("type")
    return kind in _SCALARS or (kind == "array" and shape.get("minItems", 0) > 0)
