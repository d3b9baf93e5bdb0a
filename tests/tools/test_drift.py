"""Additions to Siro's API are noticed, and an intended difference does not hide another."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from tap_siro.api.client import IDENTITY, ORGANIZATIONS, PATH
from tap_siro.schemas.columns import JSON_TEXT
from tap_siro.schemas.details import FOLLOWUPS
from tap_siro.schemas.recordings import RECORDINGS
from tap_siro.streams import (
    LISTS,
    IntegrationConnectionsStream,
    MobileEventsStream,
    ScorecardsStream,
    UsersStream,
)
from tests.sandbox import Route, Sandbox
from tests.sandbox.faults import Answer
from tests.sandbox.query import DATES, FLAGS, STATUSES
from tests.support.process import ROOT
from tools import drift
from tools.openapi import Document as OpenApi

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tap_siro.sync.stream_kinds import ListStream

API_LISTS = [stream for stream in LISTS if not stream.on_user_host]
Document = dict[str, Any]
TEXT = {"type": "string"}


def document(recording: Document, parameters: list[Document], **more: Any) -> Document:
    answer = {
        "type": "object",
        "properties": {
            "data": {"type": "array", "items": recording},
            "cursor": {"type": "string", "nullable": True},
        },
    }
    content = {"application/json": {"schema": answer}}
    operation = {"parameters": parameters, "responses": {"200": {"content": content}}}
    return {"openapi": "3.0.0", "paths": {PATH: {"get": operation}}, **more}


def parameter(name: str, **schema: Any) -> Document:
    return {"name": name, "in": "query", "schema": schema or TEXT}


@pytest.fixture
def agreeing() -> Document:
    """Return a document with only the intended differences."""
    recording = deepcopy(RECORDINGS)
    del recording["properties"]["otherFields"]
    extraction = recording["properties"]["entityExtractions"]["items"]["properties"]
    del extraction["valueType"]
    scalar = [TEXT, {"type": "number"}, {"type": "boolean"}, {"nullable": True}]
    extraction["value"] = {"anyOf": [*scalar, {"type": "array", "items": {"anyOf": scalar}}]}
    for name in ("createdAt", "updatedAt", "rootDataPurgedAt", "deletedAt"):
        recording["properties"][name] = TEXT
    switches = [parameter(name, type="string", enum=["true", "false"]) for name in (*FLAGS, *STATUSES)]
    header = {"name": "X-Trace", "in": "header", "schema": TEXT}
    whole = document(recording, [header, *switches, *map(parameter, (*DATES, "pageSize", "cursor"))])
    whole["paths"][drift.SINGLE] = {"get": single(switches)}
    ids = {"organizationId": TEXT, "authorizedOrgGroupId": TEXT, "tokenName": TEXT}
    whole["paths"][IDENTITY] = {"get": answering({"properties": ids})}
    group = {"type": "array", "items": {"type": "object", "properties": {"id": TEXT, "disabled": {"type": "boolean"}}}}
    whole["paths"][ORGANIZATIONS] = {"get": answering({"properties": {"data": group, "cursor": TEXT}})}
    for stream in API_LISTS:
        whole["paths"][stream.path] = {"get": listed(stream)}
    return whole


def answering(schema: Document) -> Document:
    """Return an endpoint without parameters."""
    return {"parameters": [], "responses": {"200": {"content": {"application/json": {"schema": schema}}}}}


def listed(stream: type[ListStream]) -> Document:
    """Return a list with unused filters, and with fields whose documentation differs from responses."""
    rows = deepcopy(stream.schema)
    columns = rows["properties"]
    del columns["otherFields"]
    marked = [name for name, column in stream.columns["properties"].items() if JSON_TEXT in column]
    columns |= {key: {"type": "object", "properties": {"some": TEXT}} for key in (*marked, *stream.left_out)}
    for name in {"engagementUsers", "opportunityUsers"} & columns.keys():
        columns[name] = {"type": "array", "items": {"nullable": True}}
    columns.pop("value", None)
    rows = {"type": "array", "items": rows} if stream is MobileEventsStream else rows
    answer = {"properties": {"data": {"type": "array", "items": rows}, "total": {"type": "number"}}}
    undocumented = {UsersStream: {"pageSize", "cursor"}, IntegrationConnectionsStream: {"cursor"}}.get(stream, set())
    sent = [parameter(name, type="integer") for name in stream.parameters if name not in undocumented]
    return {
        "parameters": [*sent, parameter("externalId")],
        "responses": {"200": {"content": {"application/json": {"schema": answer}}}},
    }


def single(switches: list[Document]) -> Document:
    """Return a single recording, with fields that the tap reads only from the list or keeps as JSON text."""
    followup = deepcopy(FOLLOWUPS)
    del followup["properties"]["recordingUpdatedAt"], followup["properties"]["otherFields"]
    customer = followup["properties"]["crmCustomer"]["properties"]
    followup["properties"]["metadata"] = {"type": "array", "items": {"additionalProperties": TEXT}}
    customer["opportunityUsers"] = {"type": "array", "items": {"nullable": True}}
    customer["opportunities"]["properties"]["data"]["items"]["properties"]["account"] = {"nullable": True}
    answer = {"properties": {"id": TEXT, "language": TEXT, "followups": {"type": "array", "items": followup}}}
    shown = [each for each in switches if each["name"] in FLAGS]
    content = {"application/json": {"schema": answer}}
    return {
        "parameters": [{"name": "id", "in": "path", "schema": TEXT}, *shown],
        "responses": {"200": {"content": content}},
    }


def test_other_endpoints_are_compared_too(agreeing: Document) -> None:
    """A new field of follow-ups would only be noticed in `otherFields`."""
    operation = agreeing["paths"][drift.SINGLE]["get"]
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    followup = answer["properties"]["followups"]["items"]["properties"]
    followup["priority"] = TEXT
    followup["metadataVersion"] = TEXT
    del followup["thinking"]
    assert drift.differences(agreeing) - drift.KNOWN.keys() == {
        f"{drift.SINGLE}: field followups[].priority: string in the document, nothing in the tap",
        f"{drift.SINGLE}: field followups[].metadataVersion: string in the document, nothing in the tap",
        f"{drift.SINGLE}: field followups[].thinking: nothing in the document, string in the tap",
    }
    del agreeing["paths"][drift.SINGLE]
    with pytest.raises(SystemExit, match=r"does not say what GET /v1/core/recordings/\{id\} answers"):
        drift.differences(agreeing)


@pytest.fixture
def user_host() -> Document:
    """Return a document of the user host with only the intended differences."""
    paths = {}
    for endpoint in drift.USER_HOST.endpoints:
        answer = deepcopy(dict(endpoint.answer))
        names = [*endpoint.parameters, *endpoint.unused]
        if endpoint.path == ScorecardsStream.path:
            names.remove("cursor")
        data = answer["properties"]["data"]
        data = data.get("items", data)
        for name in (each.removeprefix("data.") for each in endpoint.json_text):
            if "." not in name:  # fields that the tap does not read
                data["properties"][name] = {"type": "object", "properties": {"some": TEXT}}
        paths[endpoint.path] = {"get": {**answering(answer), "parameters": [parameter(each) for each in names]}}
    return {"openapi": "3.0.0", "paths": paths}


@pytest.mark.parametrize(
    ("endpoint", "place"),
    [
        (drift.followups(), "followups[]"),
        (drift.scorecards(), "scorecardInstances[].nodes[].metadata"),
        (drift.outcomes(), "[]"),
        (drift.utterances(), "utterances[]"),
        (drift.evaluation(), "evaluatedNodes[].metadata"),
    ],
    ids=lambda each: each.path if isinstance(each, drift.Endpoint) else each,
)
def test_the_user_hosts_document_is_compared_too(user_host: Document, endpoint: drift.Endpoint, place: str) -> None:
    """A step of a scorecard would lose its weight, unnoticed."""
    assert drift.recognized(user_host) is drift.USER_HOST
    assert drift.differences(user_host) == drift.USER_HOST_KNOWN.keys()
    operation = user_host["paths"][endpoint.path]["get"]
    operation["parameters"][0] = parameter("sortBy")
    part = operation["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["data"]
    for step in re.findall(r"\w+|\[\]", place):
        part = part["items"] if step == "[]" else part["properties"][step]
    fields = part["properties"]
    gone, changed = [name for name, field in fields.items() if "string" in field["type"] and "format" not in field][:2]
    del fields[gone]
    fields |= {"nickname": TEXT, changed: {"type": "boolean"}}
    path = f"{endpoint.path}: field data{'' if place.startswith('[') else '.'}{place}"
    sent = next(iter(endpoint.parameters))
    assert drift.differences(user_host) - drift.USER_HOST_KNOWN.keys() == {
        f"{path}.nickname: string in the document, nothing in the tap",
        f"{path}.{gone}: nothing in the document, string in the tap",
        f"{path}.{changed}: boolean in the document, string in the tap",
        f"{endpoint.path}: parameter sortBy: string in the document, nothing in the tap",
        f"{endpoint.path}: parameter {sent}: nothing in the document, any type in the tap",
    }


def test_what_says_whose_teams_to_ask_for_is_compared_too(agreeing: Document) -> None:
    """Teams would no longer be loaded."""
    operation = agreeing["paths"][IDENTITY]["get"]
    fields = operation["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
    fields["organization"] = fields.pop("organizationId")
    agreeing["paths"][ORGANIZATIONS]["get"]["parameters"] = [parameter("cursor")]
    found = drift.differences(agreeing)
    assert found - drift.KNOWN.keys() == {
        f"{IDENTITY}: field organizationId: nothing in the document, string in the tap"
    }
    assert drift.KNOWN.keys() - found == {
        f"{ORGANIZATIONS}: parameter cursor: nothing in the document, any type in the tap"
    }


@pytest.mark.parametrize("stream", API_LISTS)
def test_lists_are_compared_too(agreeing: Document, stream: type[ListStream]) -> None:
    """A new parameter, or a removed one, would not be noticed."""
    operation = agreeing["paths"][stream.path]["get"]
    operation["parameters"] = [each for each in operation["parameters"] if each["name"] != stream.parameters[0]] + [
        parameter("updatedAt:gte")
    ]
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    rows = answer["properties"]["data"]["items"]
    rows.get("items", rows)["properties"]["nickname"] = TEXT
    found = drift.differences(agreeing) - drift.KNOWN.keys()
    gone = f"{stream.path}: parameter {stream.parameters[0]}: nothing in the document, any type in the tap"
    assert found | {gone} == {
        f"{stream.path}: field data[].nickname: string in the document, nothing in the tap",
        f"{stream.path}: parameter updatedAt:gte: string in the document, nothing in the tap",
        gone,
    }
    assert gone in found | drift.KNOWN.keys()


def parts(whole: Document) -> tuple[Document, list[Document]]:
    """Return the properties of a recording, and the parameters."""
    operation = whole["paths"][PATH]["get"]
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    return answer["properties"]["data"]["items"]["properties"], operation["parameters"]


def new_field(recording: Document, _: list[Document]) -> None:
    recording["language"] = TEXT


def new_block(recording: Document, _: list[Document]) -> None:
    recording["talk"] = {"type": "object", "properties": {"ratio": {"type": "number", "nullable": True}}}


def gone_field(recording: Document, _: list[Document]) -> None:
    del recording["latitude"]


def other_type(recording: Document, _: list[Document]) -> None:
    recording["userId"] = {"type": "integer"}


def another_alternative(recording: Document, _: list[Document]) -> None:
    recording["entityExtractions"]["items"]["properties"]["value"]["anyOf"].append({"type": "object"})


def new_parameter(_: Document, parameters: list[Document]) -> None:
    parameters.append(parameter("teamId"))


def gone_parameter(_: Document, parameters: list[Document]) -> None:
    parameters[:] = [each for each in parameters if each["name"] != "createdAt:gt"]


def gone_known_parameter(_: Document, parameters: list[Document]) -> None:
    parameters[:] = [each for each in parameters if each["name"] != "updatedAt:lte"]


def parameter_of_another_type(_: Document, parameters: list[Document]) -> None:
    parameters[:] = [each for each in parameters if each["name"] != "pageSize"]
    parameters.append(parameter("pageSize", type="integer", maximum=50))


VALUE = f"{PATH}: field data[].entityExtractions[].value"
CHANGES: dict[Callable[[Document, list[Document]], None], tuple[set[str], set[str]]] = {
    new_field: ({f"{PATH}: field data[].language: string in the document, nothing in the tap"}, set()),
    new_block: (
        {
            f"{PATH}: field data[].talk: object in the document, nothing in the tap",
            f"{PATH}: field data[].talk.ratio: number in the document, nothing in the tap",
        },
        set(),
    ),
    gone_field: ({f"{PATH}: field data[].latitude: nothing in the document, number in the tap"}, set()),
    other_type: ({f"{PATH}: field data[].userId: integer in the document, string in the tap"}, set()),
    another_alternative: (
        {f"{VALUE}: array|boolean|number|object|string in the document, string in the tap"},
        {f"{VALUE}: array|boolean|number|string in the document, string in the tap"},
    ),
    new_parameter: ({f"{PATH}: parameter teamId: string in the document, nothing in the tap"}, set()),
    gone_parameter: ({f"{PATH}: parameter createdAt:gt: nothing in the document, string in the tap"}, set()),
    gone_known_parameter: (set(), {f"{PATH}: parameter updatedAt:lte: string in the document, nothing in the tap"}),
    parameter_of_another_type: ({f"{PATH}: parameter pageSize: integer in the document, string in the tap"}, set()),
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_change_is_found(agreeing: Document, change: Callable[[Document, list[Document]], None]) -> None:
    assert drift.differences(agreeing) == drift.KNOWN.keys()
    change(*parts(agreeing))
    found = drift.differences(agreeing)
    assert (found - drift.KNOWN.keys(), drift.KNOWN.keys() - found) == CHANGES[change]


def test_references_are_followed() -> None:
    """Most generators put shared schemas below `components`, and some refer to other parts of the document."""
    page = f"#/paths/{PATH.replace('/', '~1')}/get/parameters/0/schema"
    recording = {"allOf": [{"$ref": "#/components/schemas/Core"}, {"properties": {"next": {"$ref": page}}}]}
    schemas = {
        "Core": {
            "type": "object",
            "properties": {
                "id": {"$ref": "#/components/schemas/a~1b~0c"},
                "related": {"type": "array", "items": {"$ref": "#/components/schemas/Core"}},
                "tags": {"type": "object", "additionalProperties": {"oneOf": [TEXT, {"type": "null"}]}},
                "at": {"type": "string", "format": "date-time"},
                "open": {},
            },
        },
        "a/b~c": TEXT,
    }
    parameters = [parameter("limit", type="integer"), {"$ref": "#/components/parameters/Order"}]
    order = parameter("order", **{"$ref": "#/components/schemas/a~1b~0c"})
    whole = document(recording, parameters, components={"schemas": schemas, "parameters": {"Order": order}})
    whole["paths"][PATH]["parameters"] = [parameter("tenant")]
    assert OpenApi(whole).endpoint(PATH) == (
        {
            "data": "array",
            "data[]": "object",
            "data[].id": "string",
            "data[].related": "array",
            "data[].related[]": "object",
            "data[].tags": "object",
            "data[].tags.*": "string",
            "data[].at": "date-time",
            "data[].open": "anything",
            "data[].next": "integer",
            "cursor": "string",
        },
        {"tenant": "string", "limit": "integer", "order": "string"},
    )


@pytest.mark.parametrize("reference", ["#/components/schemas/Nothing", "other.json#/Recording", "#/components"])
def test_a_reference_that_leads_nowhere_is_told(reference: str) -> None:
    """An unread part of the document would seem to agree."""
    whole = document({"$ref": reference}, [])
    if reference == "#/components":
        whole["components"] = {"$ref": reference}
    with pytest.raises(SystemExit, match=f"reference {reference} leads nowhere"):
        drift.differences(whole)


def fails(place: Path | str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the sentence with which the command ends."""
    monkeypatch.setattr(sys, "argv", ["drift", str(place)])
    with pytest.raises(SystemExit) as end:
        drift.main()
    (sentence,) = str(end.value).splitlines()
    return sentence


def test_the_command_tells_and_its_status_says_whether_all_is_well(agreeing: Document, tmp_path: Path) -> None:
    new_field(*parts(agreeing))
    gone_known_parameter(*parts(agreeing))
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(agreeing))
    command = [sys.executable, "-m", "tools.drift", str(path)]
    drifted = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert drifted.returncode == 1
    assert f"NEW: {PATH}: field data[].language: string in the document, nothing in the tap.\n" in drifted.stdout
    assert f"GONE: {PATH}: parameter updatedAt:lte: string in the document, nothing in the tap.\n" in drifted.stdout
    assert "tools/drift.py" in drifted.stderr


@pytest.mark.parametrize("text", ["", "[]", '{"paths": {}}', None])
def test_what_is_no_such_document_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    path = tmp_path / "openapi.json"
    if text is not None:
        path.write_text(text)
    assert "document" in fails(path, monkeypatch)


def test_the_document_may_be_at_an_address(
    agreeing: Document, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The weekly workflow compares with what Siro has published."""
    path = "/specs/openapi.json"
    body = json.dumps(agreeing).encode()
    with Sandbox([], routes=[Route(path, lambda _: Answer(200, body), base="", allows=lambda _: True)]) as sandbox:
        monkeypatch.setattr(sys, "argv", ["drift", f"{sandbox.host}{path}"])
        drift.main()
        assert capsys.readouterr().out.count("Known: ") == len(drift.KNOWN)
        assert [request.status for request in sandbox.all_requests] == [200]
        assert "Authorization" not in sandbox.all_requests[0].headers
        sandbox.fault("html", path=path)
        for place in ("/elsewhere.json", path):
            assert "is not a JSON document that can be read" in fails(f"{sandbox.host}{place}", monkeypatch)
