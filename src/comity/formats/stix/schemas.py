"""The OASIS JSON schemas of STIX 2.1, compiled on first use.

They ship as data in the package `stix2-validator`. Rules: that package is never imported (its import takes
seconds); this is the one module of the formats that reads files, and only package data. A pattern in a
schema runs on an engine of linear time, whatever the object says. `format` stays an annotation, as JSON
Schema 2020-12 has it: a hostile URL that RFC 3986 forbids is intelligence all the same.
"""

from __future__ import annotations

import importlib.util
import json
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
_REPORTS: Final = ("apt1.json", "poisonivy.json")


@dataclass(frozen=True, slots=True)
class Kind:
    """A type's schema, compiled, and what it says of the type's properties."""

    one: jsonschema_rs.Validator  # takes an object
    many: jsonschema_rs.Validator  # takes a list of objects: one call for a batch
    known: frozenset[str]  # properties the specification gives the type
    times: tuple[str, ...]  # those of them that are timestamps, besides `created` and `modified`
    dated: bool  # `created` is required
    versioned: bool  # `modified` too
    custom: bool  # the schema of custom types


def kind(name: str) -> Kind | None:
    """Return the schema of a type of the specification; None for any other name. Raises `Fault`."""
    return _compiled(name) if name in _types() else None


def custom_kind(*, observable: bool) -> Kind:
    """Return the schema that every custom type has to meet: the common properties (STIX 2.1 §3.2)."""
    return _compiled("cyber-observable-core" if observable else "core")


def is_observable(name: str) -> bool:
    """Whether the specification lists the type among the cyber-observable objects (STIX 2.1 §6)."""
    return _types().get(name) == "observables"


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
    return Kind(
        one=_validator({"$ref": schema["$id"]}),
        many=_validator({"type": "array", "items": {"$ref": schema["$id"]}}),
        known=frozenset(properties),
        times=tuple(
            sorted(
                field
                for field, shapes in properties.items()
                if field not in {"created", "modified"} and _TIMESTAMP in json.dumps(shapes)
            )
        ),
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


def _properties(schema: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the properties that a schema and the common ones it extends name, each with what is asked of it."""
    found: dict[str, list[Any]] = {}
    if "$ref" in schema:
        return _properties(_schemas()[Path(schema["$ref"]).stem])
    for part in schema.get("allOf", ()):
        for name, shapes in _properties(part).items():
            found.setdefault(name, []).extend(shapes)
    for name, shape in schema.get("properties", {}).items():
        found.setdefault(name, []).append(shape)
    return found
