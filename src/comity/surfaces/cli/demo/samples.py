"""Invented intelligence: indicators about documentation addresses, as STIX that anybody could have written."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec


def indicator(name: str, pattern: str) -> dict[str, object]:
    """Return a STIX 2.1 indicator made now, valid for thirty days."""
    now = datetime.now(UTC)
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{uuid.uuid4()}",
        "created": _stamp(now),
        "modified": _stamp(now),
        "name": name,
        "pattern": pattern,
        "pattern_type": "stix",
        "valid_from": _stamp(now),
        "valid_until": _stamp(now + timedelta(days=30)),
    }


def address(value: str, name: str) -> dict[str, object]:
    """Return an indicator of one IPv4 address."""
    return indicator(name, f"[ipv4-addr:value = '{value}']")


def domain(value: str, name: str) -> dict[str, object]:
    """Return an indicator of one domain name."""
    return indicator(name, f"[domain-name:value = '{value}']")


def write(path: Path, *objects: dict[str, object]) -> str:
    """Write a bundle; return the first object's id."""
    bundle = {"type": "bundle", "id": f"bundle--{uuid.uuid4()}", "objects": objects}
    path.write_bytes(msgspec.json.format(msgspec.json.encode(bundle), indent=2))
    return str(objects[0]["id"])


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
