"""Every limit, by name, with its unit and its reason. Nothing loops or reads without one."""

from __future__ import annotations

from typing import Final

# A STIX object with a whole report in `description` reaches a few hundred kB; what is larger is an attachment.
STATEMENT_BYTES_MAX: Final = 1_048_576  # bytes of one statement, header and body

STATEMENT_HEADER_BYTES_MAX: Final = 8_192  # bytes; a marking with a hundred recipients takes about 6 kB

JSON_DEPTH_MAX: Final = 64  # nested arrays and objects; the deepest published STIX seen has 9

ORIGINAL_PART_BYTES: Final = 524_288  # bytes of an original in one entry: half of what a statement may have
ORIGINAL_SPOOL_BYTES: Final = 8_388_608  # bytes of an original in memory; the rest of it waits in an unnamed file
ORIGINAL_BYTES_MAX: Final = 1_073_741_824  # bytes of an original that is kept; a larger feed is its publisher's to keep
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

TRY_SECONDS_MAX: Final = 15.0  # seconds for one try of `comity doctor --neighbours`: somebody waits for it
CERTIFICATE_WARNED_DAYS: Final = 30  # days before a certificate ends: time to have a new one issued and told

ACCORD_BYTES_MAX: Final = 262_144  # bytes of an accord's text
ACCORD_MEMBERS_MAX: Final = 256  # members; above it a community wants several accords
CARD_BYTES_MAX: Final = 65_536  # bytes of a party card
OFFICES_MAX: Final = 64  # offices of one party

CLOCK_SKEW_SECONDS_MAX: Final = 300  # seconds a signed request or a receipt may differ from our clock

QUARANTINE_ROWS_MAX: Final = 10_000  # refused items kept as evidence; older ones are counted, not kept

INGEST_DRY_REPEATS_MAX: Final = 500_000  # digests a dry run remembers to tell repeats: about 45 MB
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
WARNING_LIST_BYTES_MAX: Final = 33_554_432  # bytes of one warning list; the largest published has 25 MB
WARNING_LISTS_MAX: Final = 1_024  # warning lists in use; 119 are published
WARNING_ENTRIES_MAX: Final = 8_000_000  # entries of all of them: 64 MB packed; 2.5 million are published
WARNING_ENTRY_CHARS_MAX: Final = 1_024  # characters of one entry; the longest published has 100
WARNING_NETWORKS_MAX: Final = 500_000  # networks of all lists: 60 MB while they are read; 115,000 are published
WARNING_NEEDLES_MAX: Final = 100_000  # texts to be contained, of all lists: 40 MB; 5,000 are published
WARNING_PATTERNS_MAX: Final = 256  # regular expressions of all lists; 34 are published, and each may take 0.5 MB

TABLE_ROW_CHARS_MAX: Final = 1_048_576  # characters of one row of a table, over all its lines: what a statement holds
TABLE_ROW_LINES_MAX: Final = 512  # lines that a quoted cell may run over; beyond it its quote was never closed
TABLE_COLUMNS_MAX: Final = 1_024  # columns of a table; the widest feeds met have about 60
TABLE_TEXT_CHARS_MAX: Final = 65_536  # characters of a description: escaped it still fits a statement
TABLE_WORD_CHARS_MAX: Final = 256  # characters of a label, a family's or a creator's name
TABLE_LABELS_MAX: Final = 64  # labels of one row
TABLE_REFERENCES_MAX: Final = 8  # references of one row: each up to 8,192 characters
TABLE_NAMES_KEPT_MAX: Final = 4_096  # families and creators remembered as made; a forgotten one is made again, the same
TABLE_SAMPLE_BYTES: Final = 262_144  # bytes that a mapping is guessed from: some thousand rows

MISP_BYTES_MAX: Final = 268_435_456  # bytes of one MISP input, read whole: an event of 500,000 attributes
MISP_COMMAS_MAX: Final = 12_000_000  # commas in it, so values: a hostile 256 MB of them would take 10 GB of memory
MISP_MENDED_BYTES_MAX: Final = 33_554_432  # bytes of a broken one that is mended: all of it is decoded at once
MISP_REFS_MAX: Final = 10_000  # objects that one report names: 550 kB of its megabyte; the rest goes into groupings
MISP_ATTRIBUTES_MAX: Final = 250_000  # attributes written into one event: MISP itself gives up before it
MISP_MANIFEST_BYTES_MAX: Final = 67_108_864  # bytes of a manifest: 150,000 events; the largest public one has 2,000
MISP_LABEL_CHARS_MAX: Final = 1_000  # characters of a tag kept as a label; the longest of the taxonomies has 200

SOURCE_SECONDS_MIN: Final = 60  # seconds between two polls of a source: below it nobody's server is asked politely
SOURCE_QUIET_SECONDS_MAX: Final = 21_600  # seconds: a source that fails is asked at least four times a day
SOURCE_RETRY_AFTER_MAX: Final = 86_400  # seconds a server may ask us to stay away: longer ones are asked once a day
SOURCE_WAIT_SECONDS_MAX: Final = 60  # seconds waited within a poll before asking again; longer waits end the poll
SOURCE_ATTEMPTS: Final = 4  # times a request is made before a poll has failed
SOURCE_BYTES_MAX: Final = 17_179_869_184  # bytes of one poll: three pages of 5 GB; the next poll goes on behind them
SOURCE_OBJECTS_MAX: Final = 10_000_000  # objects of one poll
SOURCE_POLL_SECONDS_MAX: Final = 14_400  # seconds of one poll with our own work: 5 GB take about one hour
SOURCE_RATE_MIN: Final = 1_024  # bytes a second of a body: an eighth of what a 64 kbit/s link brings
SOURCE_DOCUMENT_BYTES_MAX: Final = 33_554_432  # bytes of a manifest, a discovery or a list of collections
SOURCE_FAULTS_MAX: Final = 20  # things wrong with a server that are named of one poll
TAXII_PAGES_MAX: Final = 20_000  # pages of one poll: ten million objects at 500 a page
TAXII_LIMIT: Final = 1_000  # objects asked for in one page; servers give fewer as they like
TAXII_LIMIT_MAX: Final = 100_000  # objects asked for where one page does not pass over those of one date
TAXII_EDGE_MAX: Final = 65_536  # objects of the newest date remembered, 20 bytes each; the store knows the others
TAXII_IDLE_PAGES_MAX: Final = 3  # pages in a row that promise more and bring nothing new
TAXII_NEXT_CHARS_MAX: Final = 2_000  # characters of `next`: it goes into a URL
TAXII_FRAME_BYTES_MAX: Final = 65_536  # bytes of an envelope around its objects: `more` and `next` take a hundred
MISP_EVENT_BYTES_MAX: Final = 134_217_728  # bytes of one event in a feed: it is held whole, to check its digest
MISP_FEED_EVENTS_MAX: Final = 200_000  # events named by a manifest: the largest public feed has under 10,000
MISP_INDEX_BYTES_MAX: Final = 134_217_728  # bytes of a minimal index: 700,000 events at 170 bytes each
MISP_INDEX_EVENTS_MAX: Final = 500_000  # events of one MISP that ask at once: a large national one holds 100,000
CATALOGUE_BYTES_MAX: Final = 33_554_432  # bytes of one galaxy or taxonomy; the largest published has 5 MB
CATALOGUE_DESCRIPTION_CHARS_MAX: Final = 4_000  # characters of an entry's description: two screens
CATALOGUE_NAME_CHARS_MAX: Final = 500  # characters of a name, an id or a reference, as shown
CATALOGUE_NAMES_MAX: Final = 1_000  # synonyms, references or relations of one entry; the most published are 900
TEXT_WINDOW_CHARS: Final = 262_144  # characters of running text looked at together: what passes cost at their start
TEXT_LINE_CHARS_MAX: Final = 65_536  # characters of one line; a longer one is cut at a space
TEXT_CONTEXT_CHARS_MAX: Final = 200  # characters of a value's line that are kept with it
TEXT_BYTES_MAX: Final = 67_108_864  # bytes of one text or page read; the longest reports have a few hundred kB
TEXT_VALUES_MAX: Final = 131_072  # different values taken from one text: more is a feed, and has a reader of its own
REPORT_REFS_MAX: Final = 16_384  # objects one report names: twice as many fill a statement
HTML_MARKUP_CHARS_MAX: Final = 65_536  # characters of one tag or comment; longer ones are no markup but an attack
PDF_BYTES_MAX: Final = 67_108_864  # bytes of one PDF, which has to be held whole
PDF_PAGES_MAX: Final = 4_096  # pages of one PDF
PDF_STREAM_BYTES_MAX: Final = 16_777_216  # bytes one compressed stream may unpack to; a page of text has a few kB
PDF_TEXT_CHARS_MAX: Final = 33_554_432  # characters of text of one PDF
PDF_PAGE_OPERATIONS_MAX: Final = 200_000  # operators and operands of one page: a dense one has ten thousand
PDF_OPERATIONS_MAX: Final = 4_000_000  # operators of all pages: five hundred dense ones, half a minute
READ_APART_SECONDS: Final = 60  # seconds of a processor that a reader in a process of its own may use for one input
READ_APART_WAIT_SECONDS: Final = 300.0  # seconds waited for the next thing it reads: a machine five times too busy
READ_APART_MEMORY_MAX: Final = 1_073_741_824  # bytes of its address space: room for the largest PDF many times

MAIL_BYTES_MAX: Final = 33_554_432  # bytes of one message: mail servers commonly take 25 to 50 MB
MAIL_PARTS_MAX: Final = 256  # parts of one message; a report with its attachments has a dozen
MAIL_DEPTH_MAX: Final = 12  # parts within parts; a mail forwarded six times reaches it
MAIL_FIELDS_MAX: Final = 1_024  # header fields read of one message: each hop adds a few
MAIL_HEADER_CHARS_MAX: Final = 1_024  # characters of one field's text that are kept
MAIL_FIELD_CHARS_MAX: Final = 16_384  # characters of one field as it comes: long threads and lists of recipients
MAIL_PARAMS_CHARS_MAX: Final = 4_096  # of a field that says what a part is: its parameters cost their length squared
MAIL_LINES_MAX: Final = 1_048_576  # lines of one message, each an object in memory; 32 MiB of base64 are 440,000
MAIL_STEPS_MAX: Final = 33_554_432  # lines by parts within parts: each line is looked at for each; some seconds
MAIL_NAME_CHARS_MAX: Final = 255  # characters of a file's or a field's name: what file systems take
MAIL_ADDRESSES_MAX: Final = 256  # addresses read of one field
MAIL_REFERENCES_MAX: Final = 64  # message ids of a thread: programs cut the middle out of longer ones
MAIL_TEXT_CHARS_MAX: Final = 4_194_304  # characters of a message's own text; a longer one is an attachment

REPORT_TEXT_CHARS_MAX: Final = 262_144  # characters of one report's text as people read it: a hundred pages
REPORT_VALUES_MAX: Final = 2_000  # values shown with one report: forty pages; lists carry the rest
FEED_KEPT_SECONDS: Final = 2_592_000  # seconds (30 days) for which a list can tell what it took back
FEED_CHANGES_MAX: Final = 250_000  # changes kept of one list, 35 bytes each on disk, 60 MB of memory to add up
FEED_EDITIONS_MAX: Final = 1_000  # editions of one list that it goes on from: one a minute for 16 hours
FEED_SORT_MEMBERS: Final = 65_536  # members of a list sorted in memory together, 60 bytes each
ATTACHMENT_BYTES_MAX: Final = 67_108_864  # bytes of one attachment: samples and reports have some megabytes
MISP_DATA_BYTES_MAX: Final = 268_435_456  # bytes of files in one MISP input: 1 kB of ZIP may hold 1 MB
MISP_SAMPLE_BYTES_MAX: Final = (
    16_777_216  # bytes of a sample's ZIP that is undone: 11 s, for its old cipher goes byte by byte
)
ATTACHMENT_PART_BYTES: Final = 524_288  # bytes of one part: half of what a statement may have
ATTACHMENT_NAME_CHARS_MAX: Final = 255  # characters of its name: what file systems take

TOKENS_MAX: Final = 1_024  # tokens of this party's own programs, with those that ended within 90 days
TOKEN_DAYS_MAX: Final = 730  # days a token may hold: what nobody renews in two years nobody knows of any more
API_BODY_BYTES_MAX: Final = 8_388_608  # bytes of a request's JSON: 10,000 long URLs take about 2 MB
API_BODY_SECONDS_MAX: Final = 30.0  # seconds in which that JSON has to come
API_INGEST_BYTES_MAX: Final = 1_073_741_824  # bytes of one ingest over the API: an original that is kept has no more
API_INGEST_SECONDS_MAX: Final = 300.0  # seconds in which they have to come: 1 GiB at 3.6 MB/s
API_SPOOLS_MAX: Final = 4  # bodies on disk at once: 4 GiB at the very most
API_VALUES_MAX: Final = 10_000  # values in one question: about 0.1 s of the node's time
API_LOOKUP_VALUES_MAX: Final = 1_000  # values answered in full in one question: each may have many versions
API_PAGE_OBJECTS_MAX: Final = 1_000  # objects of one page
API_PAGE_BYTES_MAX: Final = 16_777_216  # bytes of the objects of one page: one object may have a whole megabyte
API_SCAN_ROWS_MAX: Final = 20_000  # rows looked at for one page: about 0.3 s; the page then ends early, with a cursor
API_SENT_SECONDS_MAX: Final = 900.0  # seconds in which a file that is an answer has to be taken: 1 GiB at 1.2 MB/s
API_ANSWER_BYTES_MAX: Final = 8_192  # bytes of what is said beside such a file, in a header that every client takes
API_REQUESTS_PER_SECOND: Final = 50.0  # of one token, lasting
API_REQUESTS_BURST: Final = 200  # requests of one token at once, after some rest
API_ANSWERS_KEPT_MAX: Final = 256  # answers kept of one token for its idempotency keys; the oldest goes first
API_ANSWERS_KEPT_SECONDS: Final = 86_400  # seconds they are kept
API_KEY_CHARS_MAX: Final = 128  # characters of an idempotency key: a UUID has 36
API_NAME_CHARS_MAX: Final = 200  # characters of a file's name given with an ingest

SIDECARS_MAX: Final = 64  # MISP servers beside one node
SIDECAR_EVENTS_AT_ONCE: Final = 20  # events asked for in one request, each bounded by MISP_EVENT_BYTES_MAX together
SIDECAR_GONE_MAX: Final = 20  # events that may be gone at once from a small index before somebody has to look
SIDECAR_GONE_SHARE: Final = 4  # and of a large one: a quarter. An index cut short would take everything back
SIDECAR_MEMBERS_MAX: Final = 20_000  # objects of one event that is written: MISP's own page takes a minute of more
SIDECAR_UNASKED_MAX: Final = 20  # events in an index that turn out not to ask: then the MISP ignores what it is asked

RULES_MAX: Final = 256  # standing rules of sharing of this party: each is looked at every second
RULE_RUNS_MAX: Final = 4_096  # runs of withheld objects kept apart of one rule: about 120 kB with every batch
RULE_SECONDS_MIN: Final = 60  # seconds until withheld objects are tried again, however much changes
RULE_SECONDS: Final = 3_600  # seconds until withheld objects are tried again though nothing changed: embargoes end

CORRESPONDENTS_MAX: Final = 20_000  # correspondents of one office: the constituents of a national sector
CHANNEL_ADDRESSES_MAX: Final = 16  # mail addresses of one correspondent: a list of its own carries more
CHANNEL_CERTIFICATE_BYTES_MAX: Final = 262_144  # bytes of a certificate; OpenPGP ones with many signatures are large
CREDENTIALS_MAX: Final = 16  # credentials of one correspondent that hold at once
CREDENTIAL_DAYS_MAX: Final = 730  # days a credential may hold, as with tokens
CREDENTIAL_NETWORKS_KEPT: Final = 8  # networks remembered that a credential was used from; the longest unused goes
OPENING_RUNS_MAX: Final = 1_024  # runs of entries in one opening: about 16 kB
SEEN_PAGE_OBJECTS_MAX: Final = 10_000  # objects of one page for a correspondent; its protocol may have less
SEEN_PAGE_BYTES_MAX: Final = 16_777_216  # bytes of them: a page is held whole
SEEN_SCAN_ENTRIES_MAX: Final = 65_536  # entries looked at for one page; the page then ends early, with a cursor
OWED_PAGE_MAX: Final = 1_000  # entries told of at once
NOTICES_MAX: Final = 10_000  # notes of what was taken back that are kept for one correspondent and channel
NOTICE_DAYS: Final = 365  # days they are kept: who asks more rarely than once a year begins anew
TAXII_PAGE_OBJECTS: Final = 1_000  # objects of a page of our server's where the client says nothing
TAXII_PAGE_OBJECTS_MAX: Final = 5_000  # and where it says more: some 4 MB
TAXII_PAGES_KEPT_BYTES: Final = 67_108_864  # bytes of pages kept in memory, for clients that ask for the same ones
TAXII_STATUS_SECONDS: Final = 604_800  # seconds that the status of a POST is kept after it was last pending
TAXII_STATUSES_MAX: Final = 10_000  # statuses kept of one reader; the oldest goes first
SUBMISSION_BYTES_MAX: Final = 33_554_432  # bytes of one submission: as many as any request between nodes
SUBMISSION_OBJECTS_MAX: Final = 50_000  # objects of one submission that are answered one by one
SUBMISSIONS_WAITING_MAX: Final = 256  # submissions of one correspondent that wait: more than people look through
SUBMISSIONS_WAITING_BYTES_MAX: Final = 134_217_728  # bytes of them
MISP_CATALOGUE_OBJECTS_MAX: Final = 1_000_000  # objects in the catalogues of MISP readers together: some 1.7 GB
MISP_SCAN_OBJECTS_MAX: Final = 250_000  # objects looked at for one search without a value, a time or an event
MISP_ANSWER_ATTRIBUTES_MAX: Final = 100_000  # attributes in one answer, an event as four: 200 MB of memory
MISP_INDEX_ROWS_MAX: Final = (
    20_000  # whole rows of an index without a limit; of minimal ones there are as many as events
)
MISP_KEPT_BYTES: Final = 67_108_864  # bytes of answers kept in memory, for servers that ask for the same index
MISP_CURSORS_MAX: Final = 256  # searches whose next page is found without looking at those before
MISP_BODY_BYTES_MAX: Final = 33_554_432  # bytes of a request: as many as of one submission
MISP_SIGHTED_MAX: Final = 1_000  # attributes that one sighting by value counts for

NEIGHBOURS_MAX: Final = 64  # neighbours of one office that are told what happens: each is looked after every second
EVENT_ENTRIES_MAX: Final = 1_000  # entries of one event: a million that come together are a thousand messages
EVENT_THINGS_MAX: Final = 50  # things shown in one message for people and webhooks, about 20 kB; the rest is counted
DEADLINE_NEAR_SECONDS: Final = 86_400  # seconds before a deadline that its coming is told: a working day
OUTBOX_WAITING_MAX: Final = 500  # messages of one neighbour that wait; then no more is looked at, and nothing is lost
OUTBOX_SENT_KEPT: Final = 200  # messages of one neighbour that were sent and are shown still; the oldest goes
OUTBOX_DEAD_MAX: Final = 1_000  # messages given up of one neighbour; then it is paused until somebody looks
OUTBOX_ROUND_MAX: Final = 100  # messages of one neighbour sent before others' turn
TELLING_SECONDS: Final = 20.0  # seconds for one message: Standard Webhooks recommends 15 to 30
TELLING_ANSWER_BYTES_MAX: Final = 65_536  # bytes read of an answer: ours is in its status, the rest is for people
MAIL_ACCOUNTS_MAX: Final = 32  # mail accounts of one office
MAIL_SECONDS_MIN: Final = 10  # seconds between two fetches of a mailbox
MAIL_QUIET_SECONDS_MAX: Final = 3_600  # seconds: a mail server that fails is asked at least every hour
MAIL_FETCH_BYTES: Final = 8_388_608  # bytes of letters asked for at once
MAIL_FETCH_LETTERS: Final = 64  # letters asked for at once
MAIL_FETCH_LETTERS_MAX: Final = 10_000  # letters of one fetch; the next goes on behind them
MAIL_SERVER_SECONDS: Final = 60.0  # seconds a mail server may take for one answer
LETTERS_WAITING_MAX: Final = 2_000  # letters to one office that wait for a person: more than people look through
LETTERS_WAITING_BYTES_MAX: Final = 268_435_456  # bytes of them
LETTERS_LEFT_MAX: Final = 10_000  # letters left in a box for want of room that are tried again
LETTER_DAYS: Final = 90  # days a settled letter is kept
LETTER_NOTES_MAX: Final = 64  # things said of one letter
LETTER_PARTS_TAKEN_MAX: Final = 32  # files of one letter that go on by themselves; the others are named
MAIL_OUT_TEXT_CHARS_MAX: Final = 65_536  # characters of a message that a person writes
MAIL_OUT_OBJECTS_MAX: Final = 10_000  # objects of one message
MAIL_OUT_BYTES_MAX: Final = 10_485_760  # bytes of one message: what mail servers commonly take
MAIL_OUT_LISTED_MAX: Final = 50  # objects that a message's text names one by one
MAIL_RETRY_SECONDS: Final = 60  # seconds until a message is tried again; doubled with each attempt
MAIL_RETRY_SECONDS_MAX: Final = 3_600  # seconds between two attempts
MAIL_GIVE_UP_SECONDS: Final = 259_200  # seconds (three days) after which a message has failed: as mail servers have it
MAIL_OUT_QUEUED_MAX: Final = 20_000  # messages of one office that wait to go: one to each of its correspondents
MAIL_DIGEST_SECONDS_MIN: Final = 3_600  # seconds between two digests to one correspondent
MAIL_OPEN_BYTES_MAX: Final = 805_306_368  # bytes of address space in which a letter is opened: eight times the largest
MAIL_OPEN_SECONDS: Final = 60.0  # seconds in which it has to be
