"""The pattern in the SDK's documentation: a REST stream, and child streams that get their rows from its context.

State partitions are switched off, as the documentation advises for many parents: with them, the state would list every
recording. Everything else is the SDK's default.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.authenticators import BearerTokenAuthenticator
from singer_sdk.pagination import JSONPathPaginator

from benchmarks.contestants.task import LINKS, PATH, USER_AGENT, read
from tap_siro.schemas import recordings as schemas

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import requests


class RecordingsStream(RESTStream[str]):
    """Parent stream, the only one that sends requests."""

    name = "recordings"
    path = PATH
    primary_keys: ClassVar[tuple[str, ...]] = ("id",)
    replication_key = "updatedAt"
    schema: ClassVar[dict[str, Any]] = schemas.RECORDINGS
    records_jsonpath = "$.data[*]"

    @property
    def url_base(self) -> str:
        return str(self.config["api_url"])

    @property
    def authenticator(self) -> BearerTokenAuthenticator:
        return BearerTokenAuthenticator(token=str(self.config["api_token"]))

    @property
    def http_headers(self) -> dict[str, str]:
        return {"User-Agent": USER_AGENT}

    def get_new_paginator(self) -> JSONPathPaginator:
        return JSONPathPaginator("$.cursor")

    def get_url_params(self, context: Any, next_page_token: str | None) -> dict[str, Any]:  # noqa: ARG002
        cursor = {"cursor": next_page_token} if next_page_token else {}
        return {**self.config["parameters"], **cursor}

    def post_process(self, row: dict[str, Any], context: Any = None) -> dict[str, Any]:  # noqa: ARG002
        for item in row["entityExtractions"]:
            item["value"], item["valueType"] = _value(item["value"])
        return row

    def get_child_context(self, record: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG002
        return {
            "recordingId": record["id"],
            "recordingUpdatedAt": record["updatedAt"],
            "crm": record["crm"],
            "summary": record["summary"],
            "entityExtractions": record["entityExtractions"],
            "followups": record["followups"],
        }


class ChildStream(RESTStream[str]):
    """Child stream. Its rows come from the context, without a request."""

    url_base = ""
    parent_stream_type = RecordingsStream
    ignore_parent_replication_key = True
    state_partitioning_keys: ClassVar[tuple[str, ...]] = ()

    def get_records(self, context: Mapping[str, Any] | None) -> Iterable[dict[str, Any]]:
        assert context is not None
        shared = {"recordingId": context["recordingId"], "recordingUpdatedAt": context["recordingUpdatedAt"]}
        for row in self.rows(context):
            yield {**shared, **row}

    def parse_response(self, response: requests.Response) -> Iterable[dict[str, Any]]:
        raise NotImplementedError

    def rows(self, context: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
        raise NotImplementedError


class CrmLinksStream(ChildStream):
    name = "recording_crm_links"
    primary_keys: ClassVar[tuple[str, ...]] = ("recordingId", "objectType", "ordinal")
    schema: ClassVar[dict[str, Any]] = schemas.CRM_LINKS

    def rows(self, context: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
        crm = context["crm"]
        for name, kind in LINKS.items():
            linked = crm[name]
            for ordinal, item in enumerate(linked if isinstance(linked, list) else [linked] if linked else []):
                connection = crm["integrationConnectionId"]
                yield {"objectType": kind, "ordinal": ordinal, **item, "integrationConnectionId": connection}


class SummarySectionsStream(ChildStream):
    name = "recording_summary_sections"
    primary_keys: ClassVar[tuple[str, ...]] = ("recordingId", "ordinal")
    schema: ClassVar[dict[str, Any]] = schemas.SUMMARY_SECTIONS

    def rows(self, context: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
        for ordinal, item in enumerate(context["summary"]):
            yield {"ordinal": ordinal, **item}


class EntityExtractionsStream(ChildStream):
    name = "recording_entity_extractions"
    primary_keys: ClassVar[tuple[str, ...]] = ("recordingId", "ordinal")
    schema: ClassVar[dict[str, Any]] = schemas.ENTITY_EXTRACTIONS

    def rows(self, context: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
        for ordinal, item in enumerate(context["entityExtractions"]):
            yield {"ordinal": ordinal, **{name: item[name] for name in ("name", "value", "valueType")}}


class EntityMappingsStream(ChildStream):
    name = "recording_entity_mappings"
    primary_keys: ClassVar[tuple[str, ...]] = ("recordingId", "extractionOrdinal", "ordinal")
    schema: ClassVar[dict[str, Any]] = schemas.ENTITY_MAPPINGS

    def rows(self, context: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
        for extraction, item in enumerate(context["entityExtractions"]):
            named = {name: item[name] for name in ("name", "value", "valueType")}
            for ordinal, mapping in enumerate(item["mappings"]):
                yield {"extractionOrdinal": extraction, "ordinal": ordinal, **mapping, **named}


class FollowupsStream(ChildStream):
    name = "recording_followups"
    primary_keys: ClassVar[tuple[str, ...]] = ("recordingId", "ordinal")
    schema: ClassVar[dict[str, Any]] = schemas.FOLLOWUPS

    def rows(self, context: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
        for ordinal, item in enumerate(context["followups"]):
            yield {"ordinal": ordinal, **item}


class DocumentedTap(Tap):
    """The tap."""

    name = "tap-documented"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("api_url", th.StringType, required=True),
        th.Property("api_token", th.StringType, required=True, secret=True),
        th.Property("parameters", th.ObjectType(additional_properties=th.StringType), required=True),
    ).to_dict()

    def discover_streams(self) -> list[RESTStream[str]]:
        kinds = (
            RecordingsStream,
            CrmLinksStream,
            SummarySectionsStream,
            EntityExtractionsStream,
            EntityMappingsStream,
            FollowupsStream,
        )
        return [kind(self) for kind in kinds]


def _value(value: Any) -> tuple[str | None, str]:
    if isinstance(value, str):
        return value, "string"
    if value is None:
        return None, "null"
    kind = {bool: "boolean", int: "number", list: "array", dict: "object"}.get(type(value), "number")
    return json.dumps(value, default=float), kind


if __name__ == "__main__":
    task = read()
    config = Path(task.directory, "config.json")
    settings = {"api_url": task.url, "api_token": task.token, "parameters": task.parameters}
    config.write_text(json.dumps(settings), encoding="utf-8")
    DocumentedTap.cli(["--config", str(config)])
