"""Requests to MISP's REST interface as bytes and values: paths, bodies, events that are sent, numbers for ids.

Rules: any bytes give a value or `Malformed`. Paths are CakePHP's: steps, and `name:value` for parameters, a name with
`[]` more than once. What comes of them is looked at by whoever asks for it; nothing here knows what is held.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

import msgspec

from comity.errors import Malformed
from comity.formats.misp import fields

Tree = dict[str, Any]

VERSION: Final = "2.5.34"  # of MISP, whose interface this is: clients choose by it what they ask for
PATH_CHARS_MAX: Final = 2_000
STEPS_MAX: Final = 32
DEPTH_MAX: Final = 32  # levels of a body: an object's attribute's tag is at the eighth
_STEP: Final = re.compile(r"[A-Za-z0-9_.\-]{1,128}", re.ASCII)
_NAME: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_.]{0,63})(?:\[[0-9]{0,3}\])?", re.ASCII)
_ID: Final = re.compile(r"[0-9]{1,19}", re.ASCII)
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ENVELOPES: Final = ("request", "response")
NUMBER_MAX: Final = (1 << 63) - 1


class Call(NamedTuple):
    """What a path says: what is asked of whom, of what, and how."""

    who: str  # the controller, in small letters without underscores: `sharinggroups`
    what: str  # the action, in small letters; `index` where none is named
    of: tuple[str, ...]  # further steps: an id or UUID
    named: dict[str, list[str]]

    def flag(self, name: str) -> bool:
        """Say whether a parameter of the path is set to something other than nothing and 0."""
        return any(value not in {"", "0", "false"} for value in self.named.get(name, ()))


def call(path: str) -> Call:
    """Read a path, percent-decoded. Raises `Malformed`."""
    parts = [part for part in path.split("/") if part]
    if len(path) > PATH_CHARS_MAX or len(parts) > STEPS_MAX:
        raise Malformed("the path is longer than any of MISP's")
    steps: list[str] = []
    named: dict[str, list[str]] = {}
    if parts and parts[-1].endswith(".json") and len(parts) > 1:
        parts[-1] = parts[-1].removesuffix(".json")
    for part in parts:
        name, colon, value = part.partition(":")
        if colon:
            found = _NAME.fullmatch(name)
            if found is None:
                raise Malformed(f"{name!r} is no name of a parameter")
            named.setdefault(found[1].lower(), []).append(value)
        elif _STEP.fullmatch(part):
            steps.append(part)
        else:
            raise Malformed("the path has a step that none of MISP's has")
    who = steps[0].lower().replace("_", "") if steps else ""
    what = steps[1].lower() if len(steps) > 1 else "index"
    return Call(who, what, tuple(steps[2:]), named)


def body(data: bytes) -> Any:
    """Read a JSON body: nothing is an empty object, and what old clients put around it is taken off. Raises."""
    if not data.strip(b" \t\r\n"):
        return {}
    try:
        found: Any = msgspec.json.decode(data)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        raise Malformed(f"the body is not JSON: {error}") from error
    if _depth(found) > DEPTH_MAX:
        raise Malformed(f"the body has more than {DEPTH_MAX} levels")
    for name in _ENVELOPES:
        if isinstance(found, dict) and len(found) == 1 and isinstance(found.get(name), dict | list):
            found = found[name]
    return found


def tree(data: bytes) -> Tree:
    """Read a JSON body that is an object. Raises `Malformed`."""
    found = body(data)
    if found == []:  # what PHP makes of an empty object
        return {}
    if not isinstance(found, dict):
        raise Malformed("the body is no JSON object")
    return found


def _depth(value: Any) -> int:
    """Return how many levels a value has, as far as that matters."""
    deep, level = [value], 0
    while deep and level <= DEPTH_MAX:
        level += 1
        inner: list[Any] = []
        for each in deep:
            if isinstance(each, dict):
                inner += [one for one in each.values() if isinstance(one, dict | list)]
            elif isinstance(each, list):
                inner += [one for one in each if isinstance(one, dict | list)]
        deep = inner
    return level


def event(data: bytes) -> Tree:
    """Return the one event of a body, with or without its `Event` around it. Raises `Malformed`."""
    found = body(data)
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if isinstance(found, dict) and isinstance(found.get("Event"), dict):
        found = found["Event"]
    if not isinstance(found, dict):
        raise Malformed("the body is no MISP event")
    return found


def creators(data: bytes) -> list[str]:
    """Return the UUIDs of the creators that the events of a document name; empty for one without a UUID."""
    try:
        found = body(data)
    except Malformed:
        return []
    events = [one.get("Event", one) for one in fields.trees(found)]
    orgs = [one["Orgc"] for one in events if isinstance(one, dict) and isinstance(one.get("Orgc"), dict)]
    return [fields.uuid(org) for org in orgs if fields.hit(org, ("uuid", "name"))]


def dated(found: Tree, now: int) -> None:
    """Give an event and its parts a time where they have none, as a MISP server does: PyMISP leaves out edited ones'.

    `now` is in seconds.
    """
    parts = [found, *fields.trees(found.get("Attribute")), *fields.trees(found.get("EventReport"))]
    for one in fields.trees(found.get("Object")):
        parts += [one, *fields.trees(one.get("Attribute"))]
    for part in parts:
        if fields.seconds(part, "timestamp") is None:
            part["timestamp"] = str(now)


def uuid_of(text: str) -> str:
    """Return a UUID in small letters; empty where a text is none."""
    low = text.lower()
    return low if _UUID.fullmatch(low) else ""


def number_of(text: str) -> int | None:
    """Return the number that a text is; None where it is none that an id can be."""
    found = int(text) if _ID.fullmatch(text) else None
    return found if found is not None and found <= NUMBER_MAX else None


def named_in(found: Tree, names: tuple[str, ...]) -> str:
    """Return the first of some members that names something: a text or a number; empty for none."""
    return next((text for name in names if (text := fields.text(found, name).strip())), "")


def raw(uuid: str) -> bytes:
    """Return the 16 bytes of a UUID that `uuid_of` has passed."""
    return bytes.fromhex(uuid.replace("-", ""))  # a third of what `uuid.UUID` takes
