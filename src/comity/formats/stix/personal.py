"""Which STIX objects are, or test for, somebody's account: such things are sealed evidence, and no intelligence.

Rules: a person is not infrastructure. An account, an observation that holds one and a pattern that tests one count; who
wrote an object does not. What cannot be read as a pattern is judged by its words, and rather sealed than shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from comity.errors import Malformed
from comity.formats.stix import pattern

ACCOUNT: Final = "user-account"
_WORDS: Final = ("user", "display_name", "belongs_to")  # one of them stands in every pattern that tests an account


def is_account(tree: Mapping[str, Any]) -> bool:
    """Say whether a checked object is an account, holds one, or tests for one."""
    name = tree["type"]
    if name == "indicator":
        text = tree.get("pattern")
        return tree.get("pattern_type") == "stix" and isinstance(text, str) and is_personal(text)
    if name == "observed-data":
        nested = tree.get("objects")
        return isinstance(nested, dict) and any(
            isinstance(one, dict) and one.get("type") == ACCOUNT for one in nested.values()
        )
    return bool(name == ACCOUNT)


def is_personal(text: str) -> bool:
    """Say whether a pattern tests an account or a person's name."""
    if not any(word in text for word in _WORDS):
        return False
    try:
        found = pattern.comparisons(pattern.parse_pattern(text))
    except Malformed:
        return True
    return any(
        one.path.type == ACCOUNT
        or any(word in one.path.text() for word in ("user_ref", "belongs_to_ref"))
        or "display_name" in one.path.steps
        for one in found
    )


def holds_account(data: bytes) -> bool:
    """Say whether an object's bytes are somebody's account, before anything else of them is checked."""
    # JSON may write any of these words with escapes: then only reading it tells.
    if not any(word in data for word in (b"user-account", b"user_ref", b"belongs_to_ref", b"display_name", b"\\u")):
        return False
    try:
        tree = msgspec.json.decode(data)
        return isinstance(tree, dict) and isinstance(tree.get("type"), str) and is_account(tree)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
