"""Child rows and cleaned recordings, written out in full."""

from __future__ import annotations

import logging
from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest

from tap_siro.records import children
from tap_siro.records.cleaning import (
    KEPT,
    LARGEST_NUMBER,
    MAX_NAME_CHARACTERS,
    MAX_WARNINGS,
    FieldWarnings,
    RecordCleaner,
    cleaner,
)
from tap_siro.records.pruning import pruner
from tap_siro.records.recording import Record, RecordingCleaner, value_text
from tap_siro.schemas import recordings as schemas

MOMENT = "2025-06-01T12:00:00.000Z"
EXTRACTIONS = [
    {
        "name": "roof",
        "value": ["tile", 1],
        "mappings": [{"crmModelName": "Account", "crmFieldName": "roof_type"}, None, {"crmFieldName": "roof"}],
    },
    "odd",
    {"name": "budget", "value": Decimal("1.50"), "mappings": [{"crmModelName": "Deal", "crmFieldName": "amount"}]},
    {"value": None},
]
RECORDING = {
    "id": "r",
    "createdAt": MOMENT,
    "updatedAt": MOMENT,
    "crm": {
        "integrationConnectionId": "c",
        "users": [{"id": "u0", "externalId": "U0"}, None, {"id": "u2"}],
        "engagement": {"id": "e", "externalId": "E"},
        "opportunity": None,
        "contacts": [],
        "account": {"externalId": "A"},
        "lead": {"id": "l", "externalId": "L"},
    },
    "summary": [{"id": "s0", "name": "Needs", "content": "a roof"}, None, {}],
    "entityExtractions": EXTRACTIONS,
    "followups": [{"id": "f0", "score": 7}, None, {"score": 0}],
}
BARE = {"id": "r", "updatedAt": MOMENT}
ONE = {"recordingId": "r", "recordingUpdatedAt": MOMENT}


def clean(recording: dict[str, Any]) -> Record:
    return RecordingCleaner(FieldWarnings())(recording)


def link(kind: str, ordinal: int, own: str | None, external: str | None) -> Record:
    return {
        **ONE,
        "objectType": kind,
        "ordinal": ordinal,
        "id": own,
        "externalId": external,
        "integrationConnectionId": "c",
    }


def test_every_row_is_cut_with_its_place_and_its_values() -> None:
    """An item that is not an object keeps its position: with another ordinal, a row would overwrite its neighbour."""
    recording = clean(RECORDING)
    roof, budget = '["tile",1]', "1.50"
    none = {"name": None, "value": None, "valueType": "null"}
    assert children.crm_links(recording) == [
        link("user", 0, "u0", "U0"),
        link("user", 2, "u2", None),
        link("engagement", 0, "e", "E"),
        link("account", 0, None, "A"),
        link("lead", 0, "l", "L"),
    ]
    assert children.summary_sections(recording) == [
        {**ONE, "ordinal": 0, "id": "s0", "name": "Needs", "content": "a roof"},
        {**ONE, "ordinal": 2, "id": None, "name": None, "content": None},
    ]
    assert children.entity_extractions(recording) == [
        {**ONE, "ordinal": 0, "name": "roof", "value": roof, "valueType": "array"},
        {**ONE, "ordinal": 2, "name": "budget", "value": budget, "valueType": "number"},
        {**ONE, "ordinal": 3, **none},
    ]
    mapped = {**ONE, "extractionOrdinal": 0, "name": "roof", "value": roof, "valueType": "array"}
    assert children.entity_mappings(recording) == [
        {**mapped, "ordinal": 0, "crmModelName": "Account", "crmFieldName": "roof_type"},
        {**mapped, "ordinal": 2, "crmModelName": None, "crmFieldName": "roof"},
        {
            **ONE,
            "extractionOrdinal": 2,
            "name": "budget",
            "value": budget,
            "valueType": "number",
            "ordinal": 0,
            "crmModelName": "Deal",
            "crmFieldName": "amount",
        },
    ]
    assert children.followups(recording) == [
        {**ONE, "ordinal": 0, "id": "f0", "score": 7},
        {**ONE, "ordinal": 2, "id": None, "score": 0},
    ]
    nested = recording["entityExtractions"]
    assert nested[0] == {**EXTRACTIONS[0], "value": roof, "valueType": "array"}  # type: ignore[dict-item]
    assert nested[1] is None
    assert nested[3] == {**none, "mappings": None}


@pytest.mark.parametrize("nothing", [{}, dict.fromkeys(("crm", "summary", "entityExtractions", "followups"))])
def test_a_recording_without_anything_has_all_columns_and_no_rows(nothing: dict[str, Any]) -> None:
    recording = clean(BARE | nothing)
    assert recording == dict.fromkeys(schemas.RECORDINGS["properties"]) | BARE
    cuts = (
        children.crm_links,
        children.summary_sections,
        children.entity_extractions,
        children.entity_mappings,
        children.followups,
    )
    assert [cut(recording) for cut in cuts] == [[], [], [], [], []]
    assert children.crm_links(clean(BARE | {"crm": {"integrationConnectionId": "c"}})) == []


def test_a_contact_or_a_user_alone_keeps_its_connection_or_none() -> None:
    recording = clean(BARE | {"crm": {"lead": {"id": "l"}}})
    assert children.crm_links(recording) == [link("lead", 0, "l", None) | {"integrationConnectionId": None}]


FITS = {
    "id": "r",
    "title": "T",
    "latitude": Decimal("1.5"),
    "deleted": False,
    "links": {"web": {"self": "s"}},
    "crm": {"users": [{"id": "u"}, None], "lead": {"id": "l"}},
}


def test_a_recording_that_fits_is_checked_at_once_and_written_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cleaning field by field takes several times as long."""
    made = RecordingCleaner(FieldWarnings())
    monkeypatch.delattr(made, "_clean")
    monkeypatch.delattr(made, "_split")
    dates = {"createdAt": "2025-06-01", "updatedAt": "2025-06-01T14:00:00+02:00", "deletedAt": None}
    assert made(FITS | dates) == dict.fromkeys(schemas.RECORDINGS["properties"]) | FITS | {
        "createdAt": "2025-06-01T00:00:00.000Z",
        "updatedAt": MOMENT,
        "deletedAt": None,
    }


@pytest.mark.parametrize(
    ("odd", "left", "named"),
    [
        ({"rootDataPurgedAt": "soon"}, {"rootDataPurgedAt": None}, "rootDataPurgedAt"),
        ({"new": 1}, {"otherFields": '{"new":1}'}, "new"),
        ({"otherFields": "x"}, {"otherFields": '{"otherFields":"x"}'}, "otherFields"),
        ({"new": Decimal("1.50"), "crm": 7}, {"crm": None, "otherFields": '{"new":1.50}'}, "new crm"),
        ({"crm": {"new": {}, "lead": None}}, {"crm": {"lead": None}, "otherFields": '{"crm":{"new":{}}}'}, "crm.new"),
        (
            {"b": [1, {"c": None}], "links": {"a": 10**30, "web": {"b": 1, "self": 2}}},
            {
                "links": {"web": {"self": "2"}},
                "otherFields": '{"links":{"a":1000000000000000000000000000000,"web":{"b":1}},"b":[1,{"c":null}]}',
            },
            "links.a links.web.b b",
        ),
        ({"summary": [{"id": "s", "new": 1}]}, {"summary": [{"id": "s"}]}, "summary.new"),
        ({"latitude": "north"}, {"latitude": None}, "latitude"),
    ],
)
def test_one_odd_field_changes_no_other(
    odd: dict[str, Any], left: dict[str, Any], named: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A field without a column would break the load, or be lost."""
    given = deepcopy(FITS | odd)
    assert clean(given) == dict.fromkeys(schemas.RECORDINGS["properties"]) | FITS | left
    assert [message.split("`")[1] for message in caplog.messages] == named.split()
    assert given == FITS | odd


def test_other_fields_that_are_nested_too_deep_are_null_and_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """One customer's field must not end everybody's sync."""
    assert clean(FITS | {"new": nested(5_000)})["otherFields"] is None
    assert "`otherFields` is not always nested less" in caplog.messages[-1]


def test_an_extracted_value_that_is_no_number_is_null_and_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """The type would say number, but no target could read the value."""
    values = [float("nan"), float("-inf"), [float("nan")]]
    made = clean(BARE | {"entityExtractions": [{"value": value} for value in values]})["entityExtractions"]
    assert [(each["value"], each["valueType"]) for each in made] == [
        (None, "null"),
        (None, "null"),
        ("[null]", "array"),
    ]
    (message,) = caplog.messages
    assert "`entityExtractions.value` is not always a finite number" in message


def test_the_cleaner_of_any_stream_cleans_dates_at_all_depths(caplog: pytest.LogCaptureFixture) -> None:
    """The fast check must not let an odd date through."""
    rows = {"type": ["array", "null"], "items": {"type": "object", "properties": {"at": MOMENTS}}}
    schema = {"properties": {"id": TEXT, "at": MOMENTS, "rows": rows, "otherFields": TEXT}}
    clean_it = RecordCleaner(schema, FieldWarnings(), "users")
    made = clean_it({"id": 7, "at": "2025-06-01 12:00:00z", "rows": [{"at": "2025-06-01T14:00:00+02:00"}], "new": 1})
    assert made == {"id": "7", "at": MOMENT, "rows": [{"at": MOMENT}], "otherFields": '{"new":1}'}
    assert clean_it({"rows": [{"at": "soon"}]}) == dict.fromkeys(schema["properties"]) | {"rows": [{"at": None}]}
    assert [message.split("`")[1] for message in caplog.messages] == ["users.new", "users.rows.at"]


@pytest.mark.parametrize(
    ("value", "text", "kind"),
    [
        ("", "", "string"),
        ("null", "null", "string"),
        (None, None, "null"),
        (True, "true", "boolean"),
        (7, "7", "number"),
        (1.5, "1.5", "number"),
        (Decimal("1.50"), "1.50", "number"),
        (Decimal("123456789.123456789012345678"), "123456789.123456789012345678", "number"),
        ([], "[]", "array"),
        ({"a": [None]}, '{"a":[null]}', "object"),
    ],
)
def test_an_extracted_value_is_text_with_its_kind(value: Any, text: str | None, kind: str) -> None:
    assert value_text(value) == (text, kind)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def test_a_value_nested_too_deep_is_null_and_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """One customer's value must not end everybody's sync."""
    (extraction,) = clean(BARE | {"entityExtractions": [{"name": "n", "value": nested(5_000)}]})["entityExtractions"]
    assert extraction == {"name": "n", "value": None, "valueType": "null", "mappings": None}
    (message,) = caplog.messages
    assert "`entityExtractions.value` is not always nested less" in message


# Cleaning

TEXT, NUMBER, FLAG = ({"type": [kind, "null"]} for kind in ("string", "number", "boolean"))
MOMENTS = {"type": ["string", "null"], "format": "date-time"}
OBJECT = {"type": "object", "properties": {"a": TEXT, "b": {"type": ["object", "null"], "properties": {"c": NUMBER}}}}
LIST = {"type": ["array", "null"], "items": OBJECT}


@pytest.mark.parametrize(
    ("schema", "value", "cleaned", "should"),
    [
        (TEXT, "x", "x", ""),
        (TEXT, "", "", ""),
        (TEXT, None, None, ""),
        (TEXT, 1, "1", ""),
        (TEXT, False, "false", ""),
        (TEXT, True, "true", ""),
        (TEXT, Decimal("-1.50"), "-1.50", ""),
        (TEXT, Decimal("1E400"), "1e+400", ""),
        (TEXT, 10**30, "1" + "0" * 30, ""),
        (TEXT, float("nan"), None, "text"),
        (TEXT, Decimal("NaN"), None, "text"),
        (TEXT, [], None, "text"),
        (TEXT, {}, None, "text"),
        (NUMBER, 0, 0, ""),
        (NUMBER, 1.5, 1.5, ""),
        (NUMBER, Decimal("1.5"), Decimal("1.5"), ""),
        (NUMBER, LARGEST_NUMBER, LARGEST_NUMBER, ""),
        (NUMBER, -LARGEST_NUMBER, -LARGEST_NUMBER, ""),
        (NUMBER, Decimal("1.8E308"), None, "a number"),
        (NUMBER, Decimal("-1.8E308"), None, "a number"),
        (NUMBER, True, None, "a number"),
        (NUMBER, "1", Decimal(1), ""),
        (NUMBER, "-0.50", Decimal("-0.50"), ""),
        (NUMBER, "1e2", Decimal("1e2"), ""),
        (NUMBER, "1" + "0" * 30, Decimal("1" + "0" * 30), ""),
        (NUMBER, "1E400", None, "a number"),
        (NUMBER, "1e9999999999999999999", None, "a number"),
        *((NUMBER, text, None, "a number") for text in ("", " 1", "1 ", "007", "+1", ".5", "1.", "0x1", "1_0", "NaN")),
        *((NUMBER, text, None, "a number") for text in ("Infinity", "\u0661", "1,5", "one")),
        *((NUMBER, float(text), None, "a number") for text in ("nan", "inf", "-inf")),
        (NUMBER, Decimal("NaN"), None, "a number"),
        (FLAG, False, False, ""),
        (FLAG, 0, None, "true or false"),
        (FLAG, "true", True, ""),
        (FLAG, "false", False, ""),
        *((FLAG, text, None, "true or false") for text in ("True", "yes", "1", "", "true ")),
        (MOMENTS, "2025-06-01T14:00:00+02:00", MOMENT, ""),
        *((MOMENTS, f"2025-06-01{t}12:00:00{z}", MOMENT, "") for t in "Tt " for z in ("z", "+00:00")),
        (MOMENTS, None, None, ""),
        (MOMENTS, "soon", None, "a date and time"),
        (MOMENTS, 7, None, "a date and time"),
        (OBJECT, None, None, ""),
        (OBJECT, {}, {}, ""),
        (OBJECT, [], None, "an object"),
        (OBJECT, {"a": None, "b": {"c": 1}}, {"a": None, "b": {"c": 1}}, ""),
        (LIST, None, None, ""),
        (LIST, [], [], ""),
        (LIST, [None, {"a": "x"}], [None, {"a": "x"}], ""),
        (LIST, {}, None, "a list"),
        (LIST, [7], [None], "an object"),
    ],
)
def test_a_value_fits_its_column_or_is_null(
    schema: dict[str, Any], value: Any, cleaned: Any, should: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A value of another type would break the load, but a value that the column can hold must not be lost."""
    found = cleaner(schema, "field", FieldWarnings())(value)
    assert (found, type(found)) == (cleaned, type(cleaned))
    told = f"Siro's field `field` is not always {should}; other values are written as null."
    assert caplog.messages == ([told] if should else [])


def test_fields_are_named_with_those_around_them(caplog: pytest.LogCaptureFixture) -> None:
    """A user can report only the name."""
    odd = {"a": [], "b": {"c": "x", "d": "secret"}, "e": "secret"}
    clean_it = cleaner({"type": "object", "properties": {"list": LIST}}, "", FieldWarnings())
    assert clean_it({"list": [odd, odd], "f": None}) == {"list": [{"a": None, "b": {"c": None}}] * 2}
    names = [message.split("`")[1] for message in caplog.messages]
    assert names == ["list.a", "list.b.c", "list.b.d", "list.e", "f"]
    assert "secret" not in caplog.text


def test_each_field_is_told_of_once_and_not_too_many(caplog: pytest.LogCaptureFixture) -> None:
    """Names may be data, and would fill the log."""
    field_warnings = FieldWarnings()
    for _ in range(2):
        field_warnings.wrong_type("a", "text")
        field_warnings.unknown("a", KEPT)
    assert len(caplog.messages) == 2
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    for number in range(2 * MAX_WARNINGS):
        field_warnings.unknown(f"name {number}", KEPT)
    assert len(caplog.messages) == MAX_WARNINGS


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("n" * MAX_NAME_CHARACTERS, "n" * MAX_NAME_CHARACTERS),
        ("n" * (MAX_NAME_CHARACTERS + 1), "'" + "n" * (MAX_NAME_CHARACTERS - 1) + "…"),
        ("a\nb", "'a\\nb'…"),
    ],
)
def test_a_name_is_shown_in_one_short_line(name: str, shown: str, caplog: pytest.LogCaptureFixture) -> None:
    FieldWarnings().unknown(name, KEPT)
    (message,) = caplog.messages
    assert message.split("`")[1] == shown


# Deselected columns

INNER = {"a": TEXT, "b": {"type": ["object", "null"], "properties": {"c": NUMBER, "d": NUMBER}}}
FULL = {"properties": {"id": TEXT, "one": {"properties": INNER}, "many": {"items": {"properties": INNER}}}}


def wanted(**columns: Any) -> dict[str, Any]:
    return {"properties": {"id": TEXT, **columns}}


ONLY_C = {"properties": {"b": {"properties": {"c": NUMBER}}}}
ROW = {"id": "r", "one": {"a": "x", "b": {"c": 1, "d": 2}}, "many": [{"a": "x", "b": {"c": 3}}, None, {"b": None}]}


@pytest.mark.parametrize(
    ("columns", "left"),
    [
        ({}, {"id": "r"}),
        ({"one": ONLY_C}, {"id": "r", "one": {"b": {"c": 1}}}),
        ({"many": {"items": ONLY_C}}, {"id": "r", "many": [{"b": {"c": 3}}, None, {"b": None}]}),
        ({"one": {"properties": INNER}}, {"id": "r", "one": ROW["one"]}),
        (
            {"one": {"properties": INNER}, "many": {"items": ONLY_C}},
            ROW | {"many": [{"b": {"c": 3}}, None, {"b": None}]},
        ),
        ({"one": {"type": "string"}, "gone": TEXT}, {"id": "r", "one": ROW["one"]}),
        ({"many": {"type": "array"}}, {"id": "r", "many": ROW["many"]}),
    ],
)
def test_deselected_columns_are_left_out_and_no_others(columns: dict[str, Any], left: dict[str, Any]) -> None:
    """A column that the SCHEMA lacks would break the load; a missing one would be lost."""
    prune = pruner(FULL, wanted(**columns))
    assert prune is not None
    assert prune(ROW) == left
    assert prune({"id": "r"}) == {"id": "r"}
    assert prune({"id": "r", "one": None, "many": None}) == {"id": "r"} | {
        name: None for name in columns if name in ROW
    }


def test_nothing_is_done_to_rows_of_which_everything_is_wanted() -> None:
    assert pruner(FULL, FULL) is None
    assert pruner(FULL, {}) is None
    assert pruner({}, FULL) is None
    assert pruner(schemas.RECORDINGS, schemas.RECORDINGS) is None
