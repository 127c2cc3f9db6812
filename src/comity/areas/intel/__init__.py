"""Intelligence: STIX objects with their producer's bytes, sightings, relays, questions; what they add up to.

Rules: an object's rows come from its own bytes and nothing else, so every node folds the same statement
to the same rows. An object is known by (uuid, type) and its versions by `modified`; the same version
from five sources is five rows with one key: one thing, five witnesses.
"""

from __future__ import annotations

from typing import Final

from comity.areas.intel.bodies import Relay, RelayLine, Sighting, body_of, cut_relay, join_relay
from comity.areas.intel.columns import (
    CUSTOM,
    OBJECT,
    OBSERVABLE,
    PERSONAL,
    REVOKED,
    SIGHTING,
    STATED,
    STIX_TYPES,
    VERDICTS,
    confidence_of,
    object_key,
    object_number,
    type_code,
    type_name,
    uuid_of,
)
from comity.areas.intel.edges import EDGE, End, edge_rows, end_key, ends_of
from comity.areas.intel.folding import ASKING, VIEWS, Folded, Item, fold, kind_of, rows
from comity.areas.intel.interests import INTEREST, Interest, read_interest
from comity.areas.intel.objects import Checker, Facts, check_each, check_many, facts_of
from comity.areas.intel.verdicts import as_stix

NAME: Final = "intel"
VERSION: Final = 13  # of these views: a store folded by another version is folded again

__all__ = [
    "ASKING",
    "CUSTOM",
    "EDGE",
    "INTEREST",
    "NAME",
    "OBJECT",
    "OBSERVABLE",
    "PERSONAL",
    "REVOKED",
    "SIGHTING",
    "STATED",
    "STIX_TYPES",
    "VERDICTS",
    "VERSION",
    "VIEWS",
    "Checker",
    "End",
    "Facts",
    "Folded",
    "Interest",
    "Item",
    "Relay",
    "RelayLine",
    "Sighting",
    "as_stix",
    "body_of",
    "check_each",
    "check_many",
    "confidence_of",
    "cut_relay",
    "edge_rows",
    "end_key",
    "ends_of",
    "facts_of",
    "fold",
    "join_relay",
    "kind_of",
    "object_key",
    "object_number",
    "read_interest",
    "rows",
    "type_code",
    "type_name",
    "uuid_of",
]
