"""Compares the tap with an OpenAPI document of Siro, a file or an address: `python -m tools.drift OPENAPI`.

There are two documents, one of `api_url` and one of `user_api_url`: the paths in a document show which one it is.
Prints fields of responses and query parameters that only the document has, that only the tap has, or whose types
differ. Ends with status 1 if a difference is unknown.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import requests

from tap_siro import timestamps
from tap_siro.api.client import IDENTITY, ORGANIZATIONS, PATH
from tap_siro.records.scorecards import (
    _AI_METRIC,
    _CITED,
    _CONFIGURATION,
    _METRIC,
    _RUBRIC,
    EVALUATION_LEFT_OUT,
    OUTCOME_LEFT_OUT,
)
from tap_siro.schemas.columns import JSON_TEXT
from tap_siro.schemas.details import FOLLOWUPS, UTTERANCES
from tap_siro.schemas.lists import RECORDING_OUTCOMES
from tap_siro.schemas.recordings import RECORDINGS
from tap_siro.schemas.scorecards import RECORDING_SCORECARD_NODES, RECORDING_SCORECARDS, SCORECARD_NODES, SCORECARDS
from tap_siro.settings import ENRICHMENTS, STATUS_FILTERS
from tap_siro.streams import (
    LISTS,
    EngagementsStream,
    FollowupListStream,
    IntegrationConnectionsStream,
    MobileEventsStream,
    OpportunitiesStream,
    RecordingOutcomesStream,
    ScorecardsStream,
    UsersStream,
)
from tap_siro.sync.evaluations import EVALUATIONS_PATH
from tap_siro.sync.query import Query
from tools.openapi import Document, Types

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tap_siro.sync.stream_kinds import ListStream

SINGLE = f"{PATH}/{{id}}"
_POLLED = "the tap uses updatedAt:gte and updatedAt:lt"
KNOWN = {
    f"{PATH}: parameter updatedAt:gt: string in the document, nothing in the tap": _POLLED,
    f"{PATH}: parameter updatedAt:lte: string in the document, nothing in the tap": _POLLED,
    f"{PATH}: field data[].entityExtractions[].value: array|boolean|number|string in the document, string in the tap": (
        "written as text, because no column of a target holds all of these"
    ),
    f"{PATH}: field data[].entityExtractions[].value[]: boolean|number|string in the document, nothing in the tap": (
        "the same: a list is JSON text"
    ),
    f"{PATH}: field data[].entityExtractions[].valueType: nothing in the document, string in the tap": (
        "a column of the tap's own: the type of the value in JSON"
    ),
    **{
        f"{path}: parameter {name}: nothing in the document, any type in the tap": "the tap requests pages all the same"
        for path, name in (
            (UsersStream.path, "pageSize"),
            (UsersStream.path, "cursor"),
            (IntegrationConnectionsStream.path, "cursor"),
            (ORGANIZATIONS, "cursor"),
        )
    },
    f"{MobileEventsStream.path}: field data[].value: nothing in the document, string in the tap": "the API sends it",
    **{
        f"{path}: field data[].{name}[]{field}: {theirs} in the document, {ours} in the tap": (
            "the document does not describe the items of this list"
        )
        for path, name in (
            (EngagementsStream.path, "engagementUsers"),
            (OpportunitiesStream.path, "opportunityUsers"),
        )
        for field, theirs, ours in (
            ("", "anything", "object"),
            *((f".{each}", "nothing", "string") for each in ("id", "userId", "externalId")),
        )
    },
    **{
        f"{SINGLE}: parameter {each.flag}: false|true in the document, nothing in the tap": "the list has these"
        for each in ENRICHMENTS
        if each.property_name != "followups"
    },
}
"""Intended differences between the tap and the document of `api_url`, each with its reason."""
EVALUATION = f"{EVALUATIONS_PATH}/{{id}}"
USER_HOST_KNOWN = {
    f"{ScorecardsStream.path}: parameter cursor: nothing in the document, any type in the tap": (
        "the response has a cursor all the same"
    ),
}
"""Intended differences between the tap and the document of `user_api_url`."""


OWN = {"otherFields", "recordingUpdatedAt"}
"""Columns that only the tap has."""
ANY = "any type"
"""Type of a query parameter, which is always text."""
UNUSED = {"externalId", "recordingId", "userId", "eventCode", "eventCodeIn", "integrationPlatform"}
"""Filters of lists, which the tap reads in full."""
USER_HOST_UNUSED = {
    *("starred", "statuses", "scores", "userIds", "teamIds", "createdBefore", "conversationTypes"),  # of follow-ups
    *("conversationTypeId", "isActive"),  # of scorecards
    *("conversationType", "result", "organizationId", "teamId", "orderBy", "orderDirection", "crmLinkStatus"),
    *("excludeCrmCustomer", "showCrmCustomer", "showEvaluationScore", "showFollowups"),  # `api_url` has these
    "groupBy",
    "pageSize",
}
"""Filters of lists on the user host, and parameters for data that the tap reads elsewhere."""


class Endpoint(NamedTuple):
    """Fields that the tap reads from an address, and parameters that it can send there."""

    path: str
    """Path as in the document."""
    answer: Mapping[str, Any]
    """JSON schema of the response, as far as the tap reads it."""
    parameters: Types
    within: str | tuple[str, ...] = ""
    """Fields of the response that the tap reads; empty if it reads all."""
    json_text: tuple[str, ...] = ()
    """Fields that the tap keeps as JSON text, or leaves out. Paths pass through lists: `data.event`."""
    unused: frozenset[str] = frozenset(UNUSED)
    """Parameters that the tap does not use."""

    def compares(self, field: str) -> bool:
        """Return True if a field is looked at."""
        name = field.replace("[]", "")
        inside = any(name == each or name.startswith(f"{each}.") for each in self.json_text)
        return field.startswith(self.within) and not inside


def listing(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the response of an endpoint that lists records of a stream's schema."""
    return {"properties": {"data": {"type": "array", "items": _theirs(schema)}, "cursor": {"type": "string"}}}


def _theirs(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stream's schema without the columns that only the tap has."""
    columns = {name: column for name, column in schema["properties"].items() if name not in OWN}
    return {**schema, "properties": columns}


def _json_text(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    """Return the paths of columns with JSON text. Paths pass through lists."""
    inner = schema.get("items", schema)
    for name, column in inner.get("properties", {}).items():
        if JSON_TEXT in column:
            yield f"{path}.{name}"
        yield from _json_text(column, f"{path}.{name}")


def recordings() -> Endpoint:
    """Return the list of recordings."""
    query = Query(
        since=0,
        until=timestamps.DAY,
        created_after=0,
        created_before=timestamps.DAY,
        filters=dict.fromkeys(STATUS_FILTERS.values(), "true"),
        flags=frozenset(each.flag for each in ENRICHMENTS),
        page_size=100,
    )
    sent = query.parameters(query.whole(None))
    parameters = {name: "false|true" if value == "true" else "string" for name, value in sent.items()}
    parameters |= {"pageSize": "string", "cursor": "string"}
    return Endpoint(PATH, listing(RECORDINGS), parameters)


def single_recording() -> Endpoint:
    """Return a single recording, of which only the follow-ups are read."""
    answer = {"properties": {"followups": {"type": "array", "items": _theirs(FOLLOWUPS)}}}
    json_text = tuple(_json_text(FOLLOWUPS, "followups"))
    return Endpoint(SINGLE, answer, {"showFollowups": "false|true"}, within="followups", json_text=json_text)


def listed(stream: type[ListStream]) -> Endpoint:
    """Return a list of objects that recordings point to."""
    unread = (*_json_text(stream.columns, "data"), *(f"data.{name}" for name in stream.left_out))
    parameters = dict.fromkeys(stream.parameters, ANY)
    return Endpoint(stream.path, listing(stream.schema), parameters, within="data", json_text=unread)


def identity() -> Endpoint:
    """Owner of the token."""
    names = ("organizationId", "authorizedOrgGroupId")
    return Endpoint(IDENTITY, {"properties": {key: {"type": "string"} for key in names}}, {}, within=names)


def organizations() -> Endpoint:
    """Return the organizations of a group, of which only the ids are read."""
    schema = {"type": "object", "properties": {"id": {"type": "string"}}}
    return Endpoint(ORGANIZATIONS, listing(schema), {"cursor": ANY}, within=("data[].id",))


def _pick(schema: Mapping[str, Any], *names: str, **fields: Any) -> dict[str, Any]:
    """Return an object with some columns of a schema, and with other fields."""
    columns = schema["properties"]
    return {"type": "object", "properties": {**{name: columns[name] for name in names}, **fields}}


def _array(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_TEXT, _NUMBER = {"type": "string"}, {"type": "number"}
_NODE = ("parentId", "nodeType", "name", "description", "indexNumber")


def user_host(path: str, data: Mapping[str, Any], parameters: Iterable[str], *, unread: Iterable[str]) -> Endpoint:
    """Return an endpoint of the user host."""
    return Endpoint(
        path,
        {"properties": {"data": data}},
        dict.fromkeys(parameters, ANY),
        within="data",
        json_text=tuple(f"data.{each}" for each in unread),
        unused=frozenset(USER_HOST_UNUSED.difference(parameters)),
    )


def followups() -> Endpoint:
    """Return the list of follow-ups."""
    data = _pick({"properties": {}}, followups=_array(_theirs(FollowupListStream.columns)))
    unread = (*_json_text(FollowupListStream.columns, "followups"), "totalCount", "totalRevenue")
    return user_host(FollowupListStream.path, data, FollowupListStream.parameters, unread=unread)


def scorecards() -> Endpoint:
    """Return the list of scorecards, with the columns of `scorecard_nodes`."""
    metadata = _pick(SCORECARD_NODES, *_METRIC, sectionWeight=_NUMBER)
    scorecard = _theirs(SCORECARDS)
    scorecard["properties"] |= {
        "nodes": _array(_pick(SCORECARD_NODES, "id", *_NODE, metadata=metadata)),
        "metricConfigurations": _array(_pick(SCORECARD_NODES, "id", *_CONFIGURATION)),
        "metricRubrics": _array(
            _pick(SCORECARD_NODES, *_RUBRIC, **dict.fromkeys(("scorecardNodeId", "scorecardMetricId"), _TEXT))
        ),
        "sectionWeights": _array(_pick(SCORECARD_NODES, "weight", scorecardNodeId=_TEXT)),
    }
    data = _pick({"properties": {}}, **{ScorecardsStream.list_name: _array(scorecard)})
    # Evaluations have these columns.
    unread = (f"{ScorecardsStream.list_name}.nodes.metadata.{each}" for each in (*_AI_METRIC, "thinkingWithCitation"))
    return user_host(ScorecardsStream.path, data, ScorecardsStream.parameters, unread=unread)


def outcomes() -> Endpoint:
    """Return the list of recordings with their outcomes."""
    extracted = ("outcomes", "outcomeExtractionId")
    names = RECORDING_OUTCOMES["properties"].keys() - {"recordingId", *extracted, *OWN}
    recording = _pick(
        RECORDING_OUTCOMES, *names, id=_TEXT, extractedCustomOutcomes=_pick(RECORDING_OUTCOMES, *extracted)
    )
    unread = (*OUTCOME_LEFT_OUT, "crmCustomer")
    return user_host(PATH, _array(recording), RecordingOutcomesStream.parameters, unread=unread)


def utterances() -> Endpoint:
    """Return the transcript of a recording."""
    own = {"recordingId", "ordinal", "speakerName", *OWN}
    speakers = {"type": "object", "additionalProperties": _TEXT}
    items = _pick(UTTERANCES, *(UTTERANCES["properties"].keys() - own))
    data = _pick({"properties": {}}, utterances=_array(items), speakerMap=speakers)
    return user_host(f"{SINGLE}/utterances", data, ["cursor"], unread=["isLowDataMode"])


def evaluation() -> Endpoint:
    """Return the evaluation of a recording by a scorecard."""
    nodes = RECORDING_SCORECARD_NODES
    own = {"recordingId", "scorecardId", "nodeId", *_METRIC, *_AI_METRIC, *_CITED, *OWN}
    metadata = _pick(nodes, *_METRIC, *_AI_METRIC, sectionWeight=_NUMBER, thinkingWithCitation=_pick(nodes, *_CITED))
    node = _pick(nodes, *(nodes["properties"].keys() - own), id=_TEXT, metadata=metadata)
    names = RECORDING_SCORECARDS["properties"].keys() - {"recordingId", "scorecardId", "scorecardName", *OWN}
    data = _pick(RECORDING_SCORECARDS, *names, id=_TEXT, name=_TEXT, evaluatedNodes=_array(node))
    # `spotlightSummaries` and `tags` summarize many recordings. If the API sends them, they are kept in `otherFields`.
    unread = {*EVALUATION_LEFT_OUT, "spotlightSummaries", "tags"} - {"evaluatedNodes"}
    return user_host(EVALUATION, data, ("startAt", "endAt", "filterBy", "filterByIds"), unread=unread)


class Known(NamedTuple):
    """One of Siro's OpenAPI documents, as far as the tap uses it."""

    endpoints: Sequence[Endpoint]
    differences: Mapping[str, str]
    """Intended differences, each with its reason."""


API = Known(
    (
        recordings(),
        single_recording(),
        identity(),
        organizations(),
        *(listed(stream) for stream in LISTS if not stream.on_user_host),
    ),
    KNOWN,
)
USER_HOST = Known((followups(), scorecards(), outcomes(), utterances(), evaluation()), USER_HOST_KNOWN)


def recognized(document: Mapping[str, Any]) -> Known:
    """Return the known document that shares the most paths."""
    paths = document.get("paths") or {}
    return max((API, USER_HOST), key=lambda known: sum(each.path in paths for each in known.endpoints))


def differences(document: Mapping[str, Any]) -> set[str]:
    """Return the differences, a sentence each."""
    endpoints = recognized(document).endpoints
    return {each for endpoint in endpoints for each in _differences(Document(document), endpoint)}


def _differences(document: Document, endpoint: Endpoint) -> set[str]:
    fields, parameters = document.endpoint(endpoint.path)
    # The document has the list of events inside another list.
    their_fields = {name.replace("data[][]", "data[]"): kind for name, kind in fields.items()}
    their_parameters = {name: kind for name, kind in parameters.items() if name not in endpoint.unused}
    our_fields = Document({}).fields(endpoint.answer)
    return {
        f"{endpoint.path}: {what} {name}: {theirs.get(name, 'nothing')} in the document, "
        f"{mine.get(name, 'nothing')} in the tap"
        for what, theirs, mine in (
            ("field", their_fields, our_fields),
            ("parameter", their_parameters, endpoint.parameters),
        )
        for name in theirs.keys() | mine.keys()
        if what == "parameter" or endpoint.compares(name)
        if not _fits(theirs.get(name), mine.get(name))
    }


def _fits(theirs: str | None, mine: str | None) -> bool:
    # Dates are strings in the document, and a number column accepts integers.
    fits = {("string", "date-time"), ("integer", "number")}
    return theirs == mine or (theirs, mine) in fits or (theirs is not None and mine == ANY)


def read(place: str) -> Any:
    """Return the document at an address or in a file.

    Raises:
        SystemExit: There is no document.
    """
    try:
        if not place.startswith(("https://", "http://")):
            return json.loads(Path(place).read_text(encoding="utf-8"))
        answer = requests.get(place, headers={"User-Agent": "tap-siro"}, timeout=60)
        answer.raise_for_status()
        return answer.json()
    except (OSError, ValueError) as error:  # `requests` raises subclasses of it too
        raise SystemExit(f"{place} is not a JSON document that can be read: {error}") from None


def main() -> None:
    """Compare, and print the differences."""
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program and its argument
        raise SystemExit("Give it the OpenAPI document, a file or an address: python -m tools.drift OPENAPI")
    document = read(sys.argv[1])
    if not isinstance(document, dict):
        raise SystemExit(f"{sys.argv[1]} is not an OpenAPI document.")
    found, known = differences(document), recognized(document).differences
    for difference in sorted(found & known.keys()):
        print(f"Known: {difference} ({known[difference]}).")
    for difference in sorted(found - known.keys()):
        print(f"NEW: {difference}.")
    for difference in sorted(known.keys() - found):
        print(f"GONE: {difference}.")
    if found != known.keys():
        raise SystemExit(
            "The tap and the document differ. For what is new, change the schemas in tap_siro/schemas or "
            "tap_siro/settings.py, or give the reason in tools/drift.py, where what is gone can be taken out."
        )
    print("Otherwise the tap has what the document has.")


if __name__ == "__main__":
    main()
