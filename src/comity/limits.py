"""Every limit, by name, with its unit and its reason. Nothing loops or reads without one."""

from __future__ import annotations

from typing import Final

# A STIX object with a whole report in `description` reaches a few hundred kB; what is larger is an attachment.
STATEMENT_BYTES_MAX: Final = 1_048_576  # bytes of one statement, header and body

STATEMENT_HEADER_BYTES_MAX: Final = 8_192  # bytes; a marking with a hundred recipients takes about 6 kB

JSON_DEPTH_MAX: Final = 64  # nested arrays and objects; the deepest published STIX seen has 9

INGEST_BATCH_BYTES_MAX: Final = 16_777_216  # bytes of objects in one unit of work: three copies fit a small node
BATCH_ENTRIES_MAX: Final = 4_096  # entries under one checkpoint: about 60 ms of work (design §3)
BATCH_SECONDS_MAX: Final = 1.0  # seconds an entry may wait for its checkpoint

SYNC_PAGE_ENTRIES_MAX: Final = 4_096  # entries in one answer; each page is proven and kept on its own
SYNC_PAGE_BYTES_MAX: Final = 16_777_216  # bytes unpacked: two of these fit in a small node's memory
SYNC_LOG_ENTRIES_MAX: Final = 50_000_000  # entries accepted in one member's log before an operator is asked
SYNC_FLASH_MAX: Final = 64  # flash statements named ahead of the bulk in one answer
SYNC_FORKS_MAX: Final = 256  # fork certificates in one answer: each is two signatures and a write to check
ACT_SPANS_MAX: Final = 2_048  # runs in one act that passes others on: with the longest origins about 900 kB
ACTS_KEPT_BYTES: Final = 33_554_432  # bytes of acts kept decoded in memory: one act may be a whole statement
LOG_GENERATIONS_MAX: Final = 64  # generations of one log followed: a party that needs more should be called
ACCORD_TEXTS_MAX: Final = 1_024  # accord texts kept before peers' offers are refused: 256 MB at the very most

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

SYNC_LOGS_MAX: Final = 4_096  # logs or accords named in one list of heads
ORIGIN_BYTES_MAX: Final = 400  # bytes of a log's name: a party of 253 and an accord of 64

URL_CHARS_MAX: Final = 8_192  # characters of a URL; browsers and proxies stop near it too
HTTP_HEADER_BYTES_MAX: Final = 16_384  # bytes of a request's first line and headers: a signed one takes under 2 kB
HTTP_CONNECTIONS_MAX: Final = 256  # connections one listener holds; the next is told to come back
HTTP_CONNECTIONS_PER_PEER_MAX: Final = 4  # connections to one peer: more only share the same link
HTTP_PEERS_MAX: Final = 512  # peers whose connections are kept; the longest unused gives way
HTTP_ADDRESSES_MAX: Final = 8  # addresses of one name that are tried
HTTP_IDLE_SECONDS: Final = 10.0  # seconds a client keeps an unused connection: less than the listener does
HTTP_KEEP_ALIVE_SECONDS: Final = 15  # seconds a listener keeps an unused connection
HTTP_START_SECONDS: Final = 10.0  # seconds a listener may take to answer its first call
HTTP_STOP_SECONDS: Final = 10  # seconds requests under way get to finish when a listener stops
SIGNATURE_CHARS_MAX: Final = 4_096  # characters of Signature-Input, Signature or Content-Digest: ours take 300
NONCE_CHARS_MIN: Final = 16  # characters of a request's nonce: 96 bits in base64
NONCE_CHARS_MAX: Final = 128  # characters; longer ones would only fill the replay cache
REPLAY_NONCES_MAX: Final = 65_536  # nonces held per key: 100 requests a second for ten minutes, about 12 MB
PROBLEM_BYTES_MAX: Final = 16_384  # bytes of a problem document that are read
PROBLEM_TEXT_CHARS_MAX: Final = 500  # characters of the far side's words that are shown
TLS_CERTIFICATE_DAYS: Final = 3_650  # days; the pin is what is trusted, and a new card renews it
TLS_CERTIFICATE_CHARS_MAX: Final = 16_384  # characters of a pinned certificate: P-256 takes 900, RSA-4096 3,000

HOLD_SECONDS_MIN: Final = 60  # seconds between routine holdings in one accord: 20 busy members stay under 50 MB a day
HOLD_RUNS_MAX: Final = 4_096  # runs told of one log in one holding; the rest follows in the next

SPLIT_WINDOW_BYTES: Final = 65_536  # bytes of a bundle looked at together: about a hundred objects
STIX_BATCH_OBJECTS: Final = 128  # objects decoded together: more live trees only make the garbage collector work
STIX_NAME_CHARS_MAX: Final = 256  # characters of an object's name kept for display
REFUSAL_REASON_CHARS_MAX: Final = 240  # characters of a reason: a hostile value must not fill a report
OBSERVABLE_CHARS_MAX: Final = 4_096  # characters of one value; the longest URLs met in the wild have about 2,000
OBSERVABLES_OBJECT_MAX: Final = 4_096  # values indexed of one object: what the longest pattern can name
HTTP_CLOSE_SECONDS: Final = 1.0  # seconds an idle TLS peer gets to say goodbye when a listener stops
