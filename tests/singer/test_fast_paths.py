"""Fast paths: the messages are the same as those of the slow path, for all selections and settings.

The slow path cleans each field in Python, passes each row through the SDK's stream maps, and encodes single messages.
"""

from __future__ import annotations

from contextlib import contextmanager
from copy import deepcopy
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
import simplejson  # type: ignore[import-untyped]

from tap_siro.records import cleaning
from tap_siro.singer import sdk
from tap_siro.tap import TapSiro
from tests.sandbox import Sandbox
from tests.sandbox.data import recordings
from tests.sandbox.streams import KEYS
from tests.support.in_process import sync
from tests.support.process import config_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

pytestmark = pytest.mark.thorough

DATA = [
    *recordings(60),
    # Valid dates that are written in another form.
    *({**each, "id": f"{each['id']}-offset", "deletedAt": "2026-01-02T03:04:05+02:00"} for each in recordings(10)),
    *({**each, "id": f"{each['id']}-none", "rootDataPurgedAt": "yesterday"} for each in recordings(10)),
]
Catalog = dict[str, Any]


def everything(catalog: Catalog) -> None:
    """Select all, with the catalog unchanged."""


def only(stream: str) -> Callable[[Catalog], None]:
    def select(catalog: Catalog) -> None:
        for entry in catalog["streams"]:
            root(entry)["selected"] = entry["tap_stream_id"] == stream

    return select


def without_columns(catalog: Catalog) -> None:
    """Leave out a plain column, one inside an object, and one of a child stream."""
    for entry in catalog["streams"]:
        for metadata in entry["metadata"]:
            if metadata["breadcrumb"][-1:] in (["title"], ["content"], ["externalId"], ["latitude"]):
                metadata["metadata"]["selected"] = False


def older(catalog: Catalog) -> None:
    """A catalog that is older than some columns."""
    for entry in catalog["streams"]:
        for name in ("result", "score", "valueType"):
            entry["schema"]["properties"].pop(name, None)
            entry["metadata"] = [one for one in entry["metadata"] if one["breadcrumb"] != ["properties", name]]


def full_table(catalog: Catalog) -> None:
    for entry in catalog["streams"]:
        root(entry)["forced-replication-method"] = entry["replication_method"] = "FULL_TABLE"


def root(entry: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(one["metadata"] for one in entry["metadata"] if not one["breadcrumb"])
    return found


OFF = dict.fromkeys(("show_crm_links", "show_summary", "show_evaluation_score", "show_followups"), False)
HASHED = {"recordings": {"title": "md5(title) if title else None", "latitude": None}}
CASES: dict[str, tuple[dict[str, Any], Callable[[Catalog], None]]] = {
    "everything": ({}, everything),
    **{f"{stream} alone": ({}, only(stream)) for stream in KEYS},
    "columns left out": ({}, without_columns),
    "an older catalog": ({}, older),
    "FULL_TABLE": ({}, full_table),
    "most settings off": (OFF, everything),
    "small pages": ({"page_size": 7}, everything),
    "flattening": ({"flattening_enabled": True, "flattening_max_depth": 2}, everything),
    "flattening and columns left out": ({"flattening_enabled": True, "flattening_max_depth": 1}, without_columns),
    "a hash": ({"stream_maps": HASHED}, everything),
    "a filter": ({"stream_maps": {"recordings": {"__filter__": "result == 'WON'"}}}, everything),
    "another name": ({"stream_maps": {"recordings": {"__alias__": "calls"}}}, everything),
    "a copy": ({"stream_maps": {"calls": {"__source__": "recordings"}}}, everything),
    "a stream removed": ({"stream_maps": {"recordings": None}}, everything),
    "all others removed": ({"stream_maps": {"recordings": {}, "__else__": None}}, everything),
    "a filter on child rows": (
        {"stream_maps": {"recording_crm_links": {"__filter__": "objectType == 'contact'"}}},
        everything,
    ),
}


@contextmanager
def the_long_way() -> Iterator[None]:
    def one_by_one(messages: Sequence[dict[str, Any]]) -> bytes:
        return b"".join(simplejson.dumps(message, use_decimal=True).encode() + b"\n" for message in messages)

    with (
        mock.patch.object(cleaning, "msgspec_type", return_value=type(None)),  # nothing is valid, so all is cleaned
        mock.patch.object(sdk, "_are_identity", return_value=False),
        mock.patch.object(sdk.LineWriter, "encode_lines", staticmethod(one_by_one)),
    ):
        yield


def messages(sandbox: Sandbox, settings: dict[str, Any], select: Callable[[Catalog], None]) -> list[dict[str, Any]]:
    catalog = TapSiro(config=config_for(sandbox)).catalog_dict
    select(catalog)
    run = sync(config_for(sandbox, concurrency=1, **deepcopy(settings)), catalog=catalog)  # the SDK changes them
    assert run.records
    return [
        {key: value for key, value in message.items() if key not in {"time_extracted", "version"}}
        for message in run.messages
        if message["type"] != "STATE"
    ]


@pytest.mark.parametrize("case", CASES)
def test_the_messages_are_those_of_the_long_way(case: str) -> None:
    settings, select = CASES[case]
    with Sandbox(DATA) as sandbox:
        shortcut = messages(sandbox, settings, select)
        with the_long_way():
            assert shortcut == messages(sandbox, settings, select)
