"""Every limit, by name, with its unit and its reason. Nothing loops or reads without one."""

from __future__ import annotations

from typing import Final

# A STIX object with a whole report in `description` reaches a few hundred kB; what is larger is an attachment.
STATEMENT_BYTES_MAX: Final = 1_048_576  # bytes of one statement, header and body

STATEMENT_HEADER_BYTES_MAX: Final = 8_192  # bytes; a marking with a hundred recipients takes about 6 kB

JSON_DEPTH_MAX: Final = 64  # nested arrays and objects; the deepest published STIX seen has 9

BATCH_ENTRIES_MAX: Final = 4_096  # entries under one checkpoint: about 60 ms of work (design §3)
BATCH_SECONDS_MAX: Final = 1.0  # seconds an entry may wait for its checkpoint

SYNC_PAGE_ENTRIES_MAX: Final = 4_096  # entries in one answer; each page is proven and kept on its own
SYNC_PAGE_BYTES_MAX: Final = 16_777_216  # bytes unpacked: two of these fit in a small node's memory
SYNC_LOG_ENTRIES_MAX: Final = 50_000_000  # entries accepted in one member's log before an operator is asked
SYNC_FLASH_MAX: Final = 64  # flash statements named ahead of the bulk in one answer

HTTP_BODY_BYTES_MAX: Final = 33_554_432  # bytes of any request or answer between nodes
HTTP_SECONDS_MAX: Final = 60.0  # seconds for one request: a page at 64 kbit/s is cut and resumed

ACCORD_BYTES_MAX: Final = 262_144  # bytes of an accord's text
ACCORD_MEMBERS_MAX: Final = 256  # members; above it a community wants several accords
CARD_BYTES_MAX: Final = 65_536  # bytes of a party card
OFFICES_MAX: Final = 64  # offices of one party

CLOCK_SKEW_SECONDS_MAX: Final = 300  # seconds a signed request or a receipt may differ from our clock

QUARANTINE_ROWS_MAX: Final = 10_000  # refused items kept as evidence; older ones are counted, not kept

INGEST_REFUSALS_SHOWN_MAX: Final = 1_000  # refused objects named one by one in a report; all are counted
PATTERN_BYTES_MAX: Final = 65_536  # bytes of one STIX pattern
PATTERN_DEPTH_MAX: Final = 32  # nested parentheses in a STIX pattern
