"""The table of the API: which route asks which verb, and what each takes and gives.

Rules: a route decides nothing that a verb decides. What `signs` needs a token that may write. Paths on this machine are
no caller's to name, so verbs that take one have no route.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from comity.limits import API_LOOKUP_VALUES_MAX, API_VALUES_MAX
from comity.surfaces.api import shapes
from comity.surfaces.api.shapes import NoQuery
from comity.surfaces.cli.verbs import (
    Ask,
    Verb,
    asking,
    correlating,
    correspondent,
    importing,
    inbox,
    intel,
    interest,
    node,
    release,
)

BASE: Final = "/api/v1"
VERSIONS: Final = ("v1",)


class Route(NamedTuple):
    """One route: a GET takes parameters, a POST a JSON body; `{…}` in its path is a field of what is asked."""

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

    @property
    def asks(self) -> type[Ask] | None:
        """Return what a body stands for; None where there is none."""
        return self.verb.asks if self.verb is not None and self.method == "POST" and self is not INGEST else None

    @property
    def write(self) -> bool:
        """Say whether the token has to be one that may write."""
        return self.verb is not None and self.verb.signs


def _get(path: str, name: str, summary: str, verb: Verb[Any, Any], query: type[msgspec.Struct] = NoQuery) -> Route:
    return Route("GET", path, name, summary, verb.answers, verb, query)


def _post(path: str, name: str, summary: str, verb: Verb[Any, Any], values_max: int = 0) -> Route:
    return Route("POST", path, name, summary, verb.answers, verb, values_max=values_max)


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
    importing.INGEST.answers, importing.INGEST, query=shapes.IngestQuery,
)  # fmt: skip

ROUTES: Final = (
    OBJECTS,
    RAW,
    OBJECT,
    _post("/lookup", "lookup", "Everything that is known of some values.", intel.LOOKUP, API_LOOKUP_VALUES_MAX),
    KNOWN,
    _post("/correlate", "correlate", "What else shares values with objects.", correlating.CORRELATE, API_VALUES_MAX),
    INGEST,
    _get("/sources", "listSources", "The office's sources and their default markings.", intel.SOURCES),
    _get("/imports", "listImports", "What was imported, and what was lost.", importing.IMPORTS, shapes.ImportsQuery),
    _post("/share", "share", "State objects in an accord.", release.SHARE),
    _post("/explain", "explain", "Why an audience may, or may not, have an object.", release.EXPLAIN),
    _post("/retract", "retract", "No longer stand by objects, wherever they went.", release.RETRACT),
    _post("/correct", "correct", "Put a corrected version in an object's place.", release.CORRECT),
    _get("/compliance", "listCompliance", "Acts about content, and who has complied.", release.ACTS, shapes.ActsQuery),
    _post("/narrow", "narrow", "Make the marking of objects narrower.", release.NARROW),
    _post("/compliance", "compliance", "Who has answered acts about objects.", release.COMPLIANCE),
    _post("/sightings", "sight", "Put on record that something was seen, or not.", intel.SIGHT),
    _post("/remarks", "remark", "Put an opinion or a note about objects on record.", intel.REMARK),
    _get(
        "/questions", "listQuestions", "What was asked, and who has answered.", asking.QUESTIONS, shapes.QuestionsQuery
    ),
    _post("/questions", "ask", "Ask the members of an accord.", asking.ASK),
    _get("/questions/{question}/answers", "listAnswers", "All answers as one picture.", asking.ANSWERS),
    _post("/questions/{question}/answers", "answer", "Answer a question, or decline it.", asking.ANSWER),
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
    _get("/correspondents", "listCorrespondents", "The office's correspondents.", correspondent.LIST),
    _get(
        "/correspondents/{name}", "getCorrespondent", "One of them: receipts, and what it is owed.", correspondent.SHOW
    ),
    _get("/inbox", "listInbox", "What correspondents sent, waiting or settled.", inbox.LIST, shapes.InboxQuery),
    _get("/inbox/{id}", "getSubmission", "One submission, with its bytes while it waits.", inbox.SHOW),
    _post("/inbox/{id}/accept", "acceptSubmission", "Take it in, as the correspondent's own.", inbox.ACCEPT),
    _post("/inbox/{id}/refuse", "refuseSubmission", "Keep it out, with the reason.", inbox.REFUSE),
    _get("/log", "listLogs", "The logs that this node writes or follows.", node.LOGS),
    _get("/log/checkpoint", "getCheckpoint", "A log's newest signed checkpoint.", node.CHECKPOINT, shapes.OriginQuery),
    _get("/log/receipts", "listReceipts", "Who has witnessed this party's logs, up to where.", node.RECEIPTS),
)
