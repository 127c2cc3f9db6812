"""The API as an OpenAPI 3.1 document, made from the types that are decoded and encoded.

Rules: what the document says of a body is what `reading` takes: no field that is not known, none that the token or the
path says, integers as every JSON parser reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final

import msgspec

from comity import __version__
from comity.canon import INTEGER_MAX
from comity.http.problem import MEDIA_TYPE
from comity.limits import API_KEY_CHARS_MAX, API_PAGE_OBJECTS_MAX, API_VALUES_MAX
from comity.surfaces.api import files, routes
from comity.surfaces.api.objects import STIX_ID
from comity.surfaces.api.problems import ProblemDocument
from comity.surfaces.api.routes import ROUTES, Route
from comity.surfaces.api.shapes import Health
from comity.surfaces.cli.verbs import Ask

REF: Final = "#/components/schemas/"
OF_PATH: Final = re.compile(r"\{(\w+)\}")
OF_DOOR: Final = frozenset({"path", "before", "veil"})  # fields by which the node names files of its own
OF_TOKEN: Final = frozenset(field.name for field in msgspec.structs.fields(Ask))
FAILURES: Final = {
    "400": "It cannot be taken as it is; `errors` names the fields.",
    "401": "No token that holds was shown.",
    "403": "The token, an accord, a marking or a rule forbids it.",
    "404": "What was named is not here.",
    "429": "Asked too often; `Retry-After` says when to try again.",
}
UTF8_LINES: Final = "application/x-ndjson"


@cache
def document() -> bytes:
    """Return the document as JSON."""
    kinds = sorted({kind for route in ROUTES for kind in _kinds(route)} | {Health, ProblemDocument}, key=str)
    refs, components = msgspec.json.schema_components(kinds, ref_template=REF + "{name}")
    named = dict(zip(kinds, refs, strict=True))
    _strict(components, [named[route.asks]["$ref"] for route in ROUTES if route.asks])
    for route in ROUTES:
        if route.asks:
            of_door = OF_DOOR if route.gives else frozenset()
            _without(components[_name(named[route.asks])], OF_TOKEN | of_door | set(OF_PATH.findall(route.path)))
    for route in ROUTES:
        if route.asks and route.values_max:
            components[_name(named[route.asks])]["properties"]["values"]["maxItems"] = route.values_max
    paths: dict[str, Any] = {"/health": {"get": _open("health", "That this node answers.", named[Health])}}
    paths["/openapi.json"] = {"get": _open("openapi", "This document.", {"type": "object"})}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, named)
    for query in {route.query for route in ROUTES}:
        components.pop(_name(named[query]), None)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "Comity: a node for its own party's programs", "version": __version__},
            "servers": [{"url": routes.BASE}],
            "security": [{"token": []}],
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "cmt_<id>_<secret>"}},
            },
        }
    )


def _kinds(route: Route) -> Iterator[type]:
    yield route.answers
    yield route.query
    if route.asks:
        yield route.asks


def _name(ref: dict[str, Any]) -> str:
    return str(ref["$ref"]).removeprefix(REF)


def _without(schema: dict[str, Any], fields: Iterable[str]) -> None:
    """Take out what is not the body's to say."""
    for field in fields:
        schema["properties"].pop(field, None)
    schema["required"] = [name for name in schema.get("required", ()) if name not in fields]


def _strict(components: dict[str, Any], refs: list[str]) -> None:
    """Say of bodies, and of all inside them, what `reading` demands beyond their types."""
    waiting, done = [ref.removeprefix(REF) for ref in refs], set()
    while waiting:
        name = waiting.pop()
        if name in done:
            continue
        done.add(name)
        components[name]["additionalProperties"] = False
        waiting += [ref.removeprefix(REF) for ref in _bounded(components[name])]


def _bounded(schema: Any) -> Iterator[str]:
    """Bound every integer and list, and yield what is referred to."""
    if isinstance(schema, list):
        for each in schema:
            yield from _bounded(each)
    elif isinstance(schema, dict):
        if schema.get("type") == "integer":
            schema.setdefault("minimum", -INTEGER_MAX)
            schema.setdefault("maximum", INTEGER_MAX)
        if schema.get("type") == "array":
            schema.setdefault("maxItems", API_VALUES_MAX)
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for each in schema.values():
            yield from _bounded(each)


def _operation(route: Route, named: dict[type, dict[str, Any]]) -> dict[str, Any]:
    said: dict[str, Any] = {"operationId": route.name, "summary": route.summary}
    said["parameters"] = [*_of_path(route), *_of_query(route)]
    if route.write:
        said["description"] = "For a token that may write."
    if route.once:
        schema = {"type": "string", "minLength": 1, "maxLength": API_KEY_CHARS_MAX}
        said["parameters"].append({"name": "Idempotency-Key", "in": "header", "schema": schema})
    if route.takes:
        said["requestBody"] = {"required": True, "content": {"application/octet-stream": {}}}
    elif route.asks:
        said["requestBody"] = {"required": True, "content": {"application/json": {"schema": named[route.asks]}}}
    said["responses"] = {"200": _answer(route, named)} | _failures(FAILURES)
    if route.method == "GET" and route is not routes.PROOF:
        said["responses"]["304"] = {"description": "The answer is the one that If-None-Match names."}
    if route.method == "POST":
        said["responses"] |= _failures(
            {"408": "The body did not come in time.", "413": "Over a named limit.", "415": "Another media type."}
        )
    if route.write:
        said["responses"] |= _failures(
            {
                "409": "Somebody got there first.",
                "422": "The key was another request's.",
                "500": "A fault of the node's.",
            }
        )
    return said


def _answer(route: Route, named: dict[type, dict[str, Any]]) -> dict[str, Any]:
    if route is routes.RAW:
        return {"description": "The bytes.", "content": {"application/stix+json": {"schema": {"type": "object"}}}}
    if route.gives:
        header = {"description": "What else there is to say, as JSON.", "schema": {"type": "string"}}
        return {"description": "The file.", "content": {route.gives: {}}, "headers": {files.HEADER: header}}
    content: dict[str, Any] = {"application/json": {"schema": named[route.answers]}}
    if route.lines:
        content[UTF8_LINES] = {"schema": {"type": "string"}}
    return {"description": "Done.", "content": content}


def _of_path(route: Route) -> Iterator[dict[str, Any]]:
    for name in OF_PATH.findall(route.path):
        of_stix = name == "id" and route.path.startswith(routes.OBJECTS.path)
        schema = {"type": "string"} | ({"pattern": f"^{STIX_ID.pattern}$"} if of_stix else {})
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _of_query(route: Route) -> Iterator[dict[str, Any]]:
    (ref,), components = msgspec.json.schema_components([route.query])
    schema = components[str(ref["$ref"]).rpartition("/")[2]]
    for name, each in schema["properties"].items():
        bounds = {"minimum": 0, "maximum": INTEGER_MAX} if each.get("type") == "integer" else {}
        if name == "limit":
            bounds = {"minimum": 1, "maximum": API_PAGE_OBJECTS_MAX if route is routes.OBJECTS else API_VALUES_MAX}
        yield {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "schema": each | bounds,
        }


def _failures(failures: dict[str, str]) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": {"$ref": f"{REF}{ProblemDocument.__name__}"}}}
    return {status: {"description": why, "content": content} for status, why in failures.items()}


def _open(name: str, summary: str, schema: dict[str, Any]) -> dict[str, Any]:
    answer = {"200": {"description": "Done.", "content": {"application/json": {"schema": schema}}}}
    return {"operationId": name, "summary": summary, "security": [], "responses": answer}
