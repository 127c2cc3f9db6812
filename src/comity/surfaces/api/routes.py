"""The table of the API: which route asks which verb, and what each takes and gives.

Rules: a route decides nothing that a verb decides. What puts something on record, or changes what the office keeps,
needs a token that may write. Paths on this machine are no caller's to name: a file comes in as a body, and goes out as
one. What has no route, and why, stands in `UNROUTED`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec

from comity.limits import API_INGEST_BYTES_MAX, API_LOOKUP_VALUES_MAX, API_VALUES_MAX, ATTACHMENT_BYTES_MAX
from comity.surfaces.api import shapes
from comity.surfaces.api.shapes import NoQuery
from comity.surfaces.cli.verbs import (
    Ask,
    Verb,
    accord,
    asking,
    attachment,
    catalogue,
    collection,
    correlating,
    correspondent,
    decay,
    evidence,
    feed,
    graph,
    importing,
    inbox,
    intel,
    interest,
    mail,
    neighbour,
    node,
    party,
    release,
    rule,
    searching,
    sidecar,
    source,
    warning,
)

BASE: Final = "/api/v1"
VERSIONS: Final = ("v1",)


class Route(NamedTuple):
    """One route: a POST takes a JSON body, the others parameters; `{…}` in its path is a field of what is asked."""

    method: str
    path: str
    name: str  # in OpenAPI: operationId
    summary: str
    answers: type[msgspec.Struct]
    verb: Verb[Any, Any] | None = None  # None: `objects` answers itself
    query: type[msgspec.Struct] = NoQuery
    separate: bool = False  # serves tokens for sensors and look-ups too
    values_max: int = 0  # of the field `values`; 0: it has none
    lines: bool = False  # also as application/x-ndjson, one line for each value
    changes: bool = False  # changes what the office keeps, though nothing is put on record
    secret: bool = False  # answers with what is kept nowhere in the clear, and so for no idempotency key
    takes: int = 0  # bytes of a file that is the body, at most; 0: the body is JSON, or there is none
    gives: str = ""  # media type (range) of the file that is the answer; empty: the answer is JSON

    @property
    def asks(self) -> type[Ask] | None:
        """Return what a JSON body stands for; None where there is none."""
        return self.verb.asks if self.verb is not None and self.method == "POST" and not self.takes else None

    @property
    def write(self) -> bool:
        """Say whether the token has to be one that may write."""
        return self.changes or (self.verb is not None and self.verb.signs)

    @property
    def once(self) -> bool:
        """Say whether an answer is kept for an idempotency key."""
        return self.write and not self.secret and not self.gives


def _get(path: str, name: str, summary: str, verb: Verb[Any, Any], query: type[msgspec.Struct] = NoQuery) -> Route:
    return Route("GET", path, name, summary, verb.answers, verb, query)


def _post(path: str, name: str, summary: str, verb: Verb[Any, Any], values_max: int = 0) -> Route:
    return Route("POST", path, name, summary, verb.answers, verb, values_max=values_max)


def _change(path: str, name: str, summary: str, verb: Verb[Any, Any], method: str = "POST") -> Route:
    return Route(method, path, name, summary, verb.answers, verb, changes=True)


OBJECTS: Final = Route(
    "GET", "/objects", "listObjects", "Objects by page, in their producers' own bytes.",
    shapes.ObjectPage, query=shapes.ObjectsQuery, separate=True,
)  # fmt: skip
RAW: Final = Route(
    "GET", "/objects/{id}/raw", "getObjectBytes", "One object's own bytes; the ETag is their SHA-256.",
    shapes.ObjectPage, query=shapes.RawQuery, separate=True,
)  # fmt: skip
OBJECT: Final = _get("/objects/{id}", "getObject", "Every version of an object, and who says so.", intel.SHOW)
KNOWN: Final = _post(
    "/known", "known", "What is known of many values, one line each.", intel.KNOW, API_VALUES_MAX
)._replace(lines=True)
INGEST: Final = Route(
    "POST", "/ingest", "ingest", "Bring a file of any format in; the body is the file.",
    importing.INGEST.answers, importing.INGEST, query=shapes.IngestQuery, takes=API_INGEST_BYTES_MAX,
)  # fmt: skip
REPORT: Final = INGEST._replace(
    path="/ingest/report",
    name="ingestReported",
    summary="The same, answered with the whole report: every loss by itself.",
    gives="application/json",
)
ATTACH: Final = Route(
    "POST", "/attachments", "attach", "Take a sample or a document in; the body is the file.",
    attachment.ADD.answers, attachment.ADD, query=shapes.AttachQuery, takes=ATTACHMENT_BYTES_MAX,
)  # fmt: skip
CONTENT: Final = _get(
    "/attachments/{name}/content", "getAttachmentContent", "It in a ZIP under the customary password, or `plain`.",
    attachment.GET, shapes.ContentQuery,
)._replace(gives="*/*")  # fmt: skip
EXPORT: Final = _post(
    "/export", "export", "A file for somebody without a node, decided and recorded first.", release.EXPORT
)._replace(gives="*/*")
PROOF: Final = _get(
    "/log/proof", "getProof", "A file by which anybody checks one statement offline.", node.PROVE, shapes.NameQuery
)._replace(gives="application/json")

_INTEL: Final = (
    OBJECTS,
    RAW,
    OBJECT,
    _post("/lookup", "lookup", "Everything that is known of some values.", intel.LOOKUP, API_LOOKUP_VALUES_MAX),
    KNOWN,
    _post("/correlate", "correlate", "What else shares values with objects.", correlating.CORRELATE, API_VALUES_MAX),
    _get("/search", "search", "Objects by their words, in any script.", searching.SEARCH, shapes.SearchQuery),
    _get("/graph", "walkGraph", "What an object is tied to, in both directions.", graph.WALK, shapes.GraphQuery),
    _post("/sightings", "sight", "Put on record that something was seen, or not.", intel.SIGHT),
    _post("/remarks", "remark", "Put an opinion or a note about objects on record.", intel.REMARK),
    _get("/collections", "listCollections", "The office's named sets and saved searches.", collection.LIST),
    _change("/collections", "createCollection", "Make one, of objects and of a saved search.", collection.CREATE),
    _get("/collections/{name}", "getCollection", "What one means now.", collection.SHOW, shapes.LimitQuery),
    _change("/collections/{name}/add", "addToCollection", "Put objects in by hand.", collection.ADD),
    _change("/collections/{name}/remove", "removeFromCollection", "Take objects out again.", collection.REMOVE),
    _change("/collections/{name}", "deleteCollection", "Forget one; its objects stay.", collection.DELETE, "DELETE"),
    _get("/decay", "getDecay", "How confidence wears off with time, by kind of value.", decay.SHOW),
    _post("/decay", "setDecay", "Put a table of the office's own in force, or the default.", decay.SET),
    _get(
        "/catalogues/entries", "findEntries", "ATT&CK, DISARM, actors, tools by name.", catalogue.FIND, shapes.TextQuery
    ),
    _get("/catalogues/tag", "explainTag", "What a machine tag says.", catalogue.TAG, shapes.TagQuery),
    _post("/warnings", "checkWarnings", "Which warning lists have values.", warning.CHECK, API_VALUES_MAX),
)
_IN: Final = (
    INGEST,
    REPORT,
    _get("/sources", "listSources", "The office's sources and their default markings.", intel.SOURCES),
    _get("/sources/fetched", "listFetched", "Sources that are fetched on a schedule, and how each does.", source.LIST),
    _post("/sources/{name}/poll", "pollSource", "Poll one now, or see what it would bring.", source.POLL),
    _change("/sources/{name}/enable", "enableSource", "Let one rest, or be polled again.", source.ENABLE),
    _get("/imports", "listImports", "What was imported, and what was lost.", importing.IMPORTS, shapes.ImportsQuery),
    _post("/imports/{digest}/erase", "eraseOriginal", "Erase an original, on a legal basis.", importing.ERASE),
    CONTENT,
    _get("/attachments", "listAttachments", "Samples and documents.", attachment.LIST, shapes.AttachmentsQuery),
    ATTACH,
    _get("/attachments/{name}", "getAttachment", "What is known of one.", attachment.SHOW),
    _get("/evidence", "listEvidence", "Sealed accounts, without what they say.", evidence.LIST),
    _post("/evidence/{name}/read", "readEvidence", "Read one: with a reason, on record.", evidence.READ)._replace(
        secret=True
    ),
    _post("/evidence/{name}/erase", "eraseEvidence", "Erase one, on a legal basis.", evidence.ERASE),
)
_OUT: Final = (
    _post("/share", "share", "State objects in an accord.", release.SHARE),
    _post("/explain", "explain", "Why an audience may, or may not, have an object.", release.EXPLAIN),
    _post("/retract", "retract", "No longer stand by objects, wherever they went.", release.RETRACT),
    _post("/correct", "correct", "Put a corrected version in an object's place.", release.CORRECT),
    _post("/narrow", "narrow", "Make the marking of objects narrower.", release.NARROW),
    _post("/consent", "consent", "Let holders pass objects on.", release.CONSENT),
    _post("/erase", "erase", "Have objects' bytes erased everywhere, on a legal basis.", release.ERASE),
    _get("/compliance", "listCompliance", "Acts about content, and who has complied.", release.ACTS, shapes.ActsQuery),
    _post("/compliance", "compliance", "Who has answered acts about objects.", release.COMPLIANCE),
    EXPORT,
    _get("/rules", "listRules", "The office's standing rules of sharing.", rule.LIST),
    _post("/rules", "createRule", "See what one would share; with `yes` make it.", rule.CREATE),
    _get("/rules/{name}", "getRule", "One of them, and what it holds back.", rule.SHOW),
    _get("/rules/{name}/plan", "planRule", "What it would share now, with the decisions.", rule.PLAN),
    _post("/rules/{name}/run", "runRule", "Carry it out now.", rule.RUN),
    _post("/rules/{name}/enable", "enableRule", "Let it rest, or go on.", rule.ENABLE),
    Route(
        "DELETE", "/rules/{name}", "deleteRule", "Forget it; what it shared stays shared.",
        rule.DELETE.answers, rule.DELETE,
    ),
    _get("/feeds", "listFeeds", "Lists that sensors fetch by themselves.", feed.LIST),
    _post("/feeds", "createFeed", "Make one; its address is shown this once.", feed.CREATE)._replace(secret=True),
    Route(
        "DELETE", "/feeds/{name}", "revokeFeed", "End one: its address answers nobody any more.",
        feed.REVOKE.answers, feed.REVOKE,
    ),
)  # fmt: skip
_ASKING: Final = (
    _get(
        "/questions", "listQuestions", "What was asked, and who has answered.", asking.QUESTIONS, shapes.QuestionsQuery
    ),
    _post("/questions", "ask", "Ask the members of an accord.", asking.ASK),
    _get("/questions/{question}/answers", "listAnswers", "All answers as one picture.", asking.ANSWERS),
    _post("/questions/{question}/answers", "answer", "Answer a question, or decline it.", asking.ANSWER),
    _get("/questions/{question}/draft", "draftAnswer", "An answer drafted of what is known here.", asking.SUGGEST),
    _get("/interests", "listInterests", "What is asked for, by whom.", interest.LIST, shapes.InterestsQuery),
    _post("/interests", "voiceInterest", "Say in an accord what the office asks for.", interest.VOICE),
    _get("/interests/arrived", "listArrived", "What came that fits them.", interest.ARRIVED, shapes.ArrivedQuery),
    _get(
        "/interests/{name}/matches",
        "listMatches",
        "What fits one, and what might go.",
        interest.MATCH,
        shapes.MatchesQuery,
    ),
)
_NODE: Final = (
    _get("/correspondents", "listCorrespondents", "The office's correspondents.", correspondent.LIST),
    _get(
        "/correspondents/{name}", "getCorrespondent", "One of them: receipts, and what it is owed.", correspondent.SHOW
    ),
    _get("/inbox", "listInbox", "What correspondents sent, waiting or settled.", inbox.LIST, shapes.InboxQuery),
    _get("/inbox/{id}", "getSubmission", "One submission, with its bytes while it waits.", inbox.SHOW),
    _post("/inbox/{id}/accept", "acceptSubmission", "Take it in, as the correspondent's own.", inbox.ACCEPT),
    _post("/inbox/{id}/refuse", "refuseSubmission", "Keep it out, with the reason.", inbox.REFUSE),
    _get("/parties", "listParties", "Parties known here, and cards that wait.", party.LIST),
    _get("/parties/{party}", "getParty", "One of them, as its card describes it.", party.SHOW),
    _get("/accords", "listAccords", "Accords of which a text is held.", accord.LIST),
    _get("/accords/{name}", "getAccord", "Where one stands, as this node knows it.", accord.SHOW),
    _get("/neighbours", "listNeighbours", "Who is told what happens, and how that goes.", neighbour.LIST),
    _get(
        "/neighbours/{name}/messages",
        "listMessages",
        "Messages, and how far each got.",
        neighbour.MESSAGES,
        shapes.MessagesQuery,
    ),
    _get("/neighbours/{name}/messages/{id}", "getMessage", "One message of a neighbour.", neighbour.MESSAGE),
    _get("/neighbours/{name}", "getNeighbour", "One of them: what it may see, and how it does.", neighbour.SHOW),
    _get("/neighbours/{name}/tickets", "listTickets", "Tickets that it opened.", neighbour.TICKETS),
    _post("/neighbours/{name}/test", "testNeighbour", "Send it what is marked as a test.", neighbour.TEST),
    _post("/neighbours/{name}/send", "tellNeighbour", "Tell it now what is new.", neighbour.SEND),
    _post("/neighbours/{name}/enable", "enableNeighbour", "Let it rest, or go on.", neighbour.ENABLE),
    _post("/neighbours/{name}/replay", "replay", "Send again what was given up, or one message.", neighbour.REPLAY),
    _get("/sidecars", "listSidecars", "The office's MISP servers beside this node, and how each does.", sidecar.LIST),
    _get("/sidecars/waiting", "listAsked", "What asks in them and waits for a person.", sidecar.WAITING),
    _get("/sidecars/{name}", "getSidecar", "One of them, with its books.", sidecar.SHOW),
    _post("/sidecars/{name}/run", "runSidecar", "Make a round now.", sidecar.RUN),
    _post("/sidecars/{name}/{event}/release", "releaseAsked", "Let an event go that waits.", sidecar.RELEASE),
    _post("/sidecars/{name}/{event}/refuse", "refuseAsked", "Keep an event back.", sidecar.REFUSE),
    _get("/log", "listLogs", "The logs that this node writes or follows.", node.LOGS),
    _get("/log/checkpoint", "getCheckpoint", "A log's newest signed checkpoint.", node.CHECKPOINT, shapes.OriginQuery),
    _get("/log/receipts", "listReceipts", "Who has witnessed this party's logs, up to where.", node.RECEIPTS),
    PROOF,
    _get("/doctor", "examine", "Everything an operator should know.", node.DOCTOR),
)
ROUTES: Final = (*_INTEL, *_IN, *_OUT, *_ASKING, *_NODE)

_KEYS: Final = "uses the party's keys in people's name: a person does it, at the node"
_MACHINE: Final = "is about this machine, and its operator's"
_REGISTER: Final = "decides who takes part, or with which secret: a person does it, at the node"
_INSIDE: Final = "is asked by the address of a list alone"
_LETTERS: Final = "letters are read, answered and sent by people at the node, where the keys for them lie; no route yet"
UNROUTED: Final[Mapping[str, str]] = MappingProxyType(
    dict.fromkeys(("accord/sign", "accord/amend", "accord/ballot", "accord/move", "accord/withdraw"), _KEYS)
    | dict.fromkeys(("accord/draft", "accord/review", "accord/import", "accord/export"), _KEYS)
    | dict.fromkeys(("party/import", "party/confirm", "party/refuse", "party/rotate", "party/card"), _KEYS)
    | dict.fromkeys(
        ("node/sync", "node/verify", "node/fork", "node/renew", "node/rebuild", "node/neighbours"), _MACHINE
    )
    | dict.fromkeys(("source/add", "source/remove"), "says what this machine fetches, and with which of its logins")
    | dict.fromkeys(("neighbour/add", "neighbour/renew", "neighbour/remove"), _REGISTER)
    | dict.fromkeys(("sidecar/add", "sidecar/enable", "sidecar/remove"), _REGISTER)
    | {verb.name: _LETTERS for verb in vars(mail).values() if isinstance(verb, Verb)}
    | dict.fromkeys(("token/create", "token/list", "token/revoke"), _REGISTER)
    | dict.fromkeys(("taxii/collections", "taxii/offer"), _REGISTER)
    | {verb.name: _REGISTER for verb in vars(correspondent).values() if isinstance(verb, Verb) and verb.signs}
    | dict.fromkeys(("correspondent/source", "correspondent/logins", "correspondent/export"), _REGISTER)
    | {"importing/original": "may hold accounts that are sealed: people read it, at the node"}
    | dict.fromkeys(("feed/edition", "feed/changes"), _INSIDE)
)
"""Verbs that no route asks, and why."""
