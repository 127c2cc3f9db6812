"""Regular expressions of warning lists, on an engine whose time is linear in the text.

Rules: MISP's lists write them as PHP does, `/…/i`. The engine is the one that `jsonschema-rs` checks patterns with:
it never goes back and tries again, and has no look-around and no back-references. What it does not take is
refused with a reason, as is what would take more than `SIZE_MAX` when compiled.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import jsonschema_rs

from comity.errors import Malformed

SIZE_MAX: Final = 262_144  # bytes of one compiled expression, and of its cache; the published ones take a tenth
_DELIMITED: Final = re.compile(r"([/#~!%@])(.*)\1([A-Za-z]*)", re.DOTALL)
_KEPT: Final = "imsx"  # PCRE modifiers that the engine has too
_IDLE: Final = "guD"  # modifiers that change nothing: all matches, Unicode, `$` at the very end


def expression(entry: str) -> Callable[[Any], bool]:
    """Return a function that says whether a text holds a match of an entry. Raises `Malformed`."""
    found = _DELIMITED.fullmatch(entry.strip())
    body, modifiers = (found[2], found[3]) if found else (entry.strip(), "")
    strange = set(modifiers) - set(_KEPT) - set(_IDLE)
    if strange:
        raise Malformed(f"the modifier {min(strange)!r} is not known here")
    kept = "".join(sorted(set(modifiers) & set(_KEPT)))
    options = jsonschema_rs.RegexOptions(size_limit=SIZE_MAX, dfa_size_limit=SIZE_MAX)
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "pattern": f"(?{kept}){body}" if kept else body,
    }
    try:
        return jsonschema_rs.validator_for(schema, pattern_options=options, validate_formats=False).is_valid
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        reason = "not an expression that can be searched for in linear time (no look-around, no back-references)"
        raise Malformed(reason) from error
