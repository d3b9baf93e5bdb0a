"""Odd recordings: each row arrives and fits its SCHEMA, or the sync fails and says why. Nothing is dropped."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tap_siro.schemas import recordings as schemas
from tap_siro.tap import TapSiro
from tests.sandbox import Sandbox
from tests.sandbox.data import plain, recordings
from tests.sandbox.expected import expected_rows
from tests.sandbox.store import ORDERS
from tests.support.in_process import Outcome, check_rows, loaded, recording, sync, threads_left
from tests.support.process import config_for

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALL = {"page_size": 5}
MOMENT = "2025-06-01T12:00:00.000Z"
FULL = plain(1)[0]
LITTLE = plain(1, sections=1, extractions=1)[0]


@pytest.fixture
def empty() -> Iterator[Sandbox]:
    with Sandbox([]) as sandbox:
        yield sandbox


def send(sandbox: Sandbox, *rows: Any, status: int = 0, **settings: Any) -> Outcome:
    """Sync one page of recordings, which may be raw text of the page."""
    texts = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    body = '{"data":[' + ",".join(texts) + '],"cursor":null}'
    sandbox.fault("status", on=None, status=200, body=body.encode("utf-8", "surrogatepass"))
    outcome = sync(config_for(sandbox, **settings), status=status)
    check_rows(outcome)
    return outcome


def bookmark(outcome: Outcome) -> Any:
    return outcome.state["bookmarks"]["recordings"].get("replication_key_value")


# Without an id

WITHOUT_ID: dict[str, Any] = {
    "no id": {"title": "T", "createdAt": MOMENT, "updatedAt": MOMENT},
    "id null": recording("x", id=None),
    "id empty": recording("x", id=""),
    "id an object": recording("x", id={"id": "x"}),
    "id a list": recording("x", id=["x"]),
    "id nothing but NUL": recording("x", id="\x00"),
    "nothing in it": {},
    "null": None,
    "a number": 1.5,
    "a text": '"x"',
    "a list": [recording("x")],
}


@pytest.mark.parametrize("kind", WITHOUT_ID)
def test_a_recording_without_an_id_fails_the_sync_after_all_others_have_arrived(empty: Sandbox, kind: str) -> None:
    """The recording would be dropped silently, or break the target without its key."""
    good = [LITTLE | {"id": name} for name in "ab"]
    outcome = send(empty, good[0], WITHOUT_ID[kind], good[1], status=1)
    assert loaded(outcome) == expected_rows(good)
    (error,) = outcome.errors
    assert error.startswith("1 recording")
    assert "without an id" in error
    assert bookmark(outcome) in {LITTLE["updatedAt"], MOMENT}
    assert threads_left() == []


@pytest.mark.parametrize("threads", [1, 4])
def test_recordings_without_an_id_are_counted_once_each(threads: int) -> None:
    """Users report the sentence to Siro: with a wrong number or wrong dates, nobody would find the recordings."""
    data = plain(60, sections=1, extractions=1)
    spoiled = [data[3], data[30], data[57]]
    for row in spoiled:
        row["id"] = None
    with Sandbox(data) as sandbox:
        outcome = sync(config_for(sandbox, concurrency=threads, **SMALL), status=1)
        (error,) = outcome.errors
        assert error.startswith("3 recording"), error
        assert spoiled[0]["createdAt"] in error
        assert spoiled[2]["createdAt"] in error
        assert spoiled[1]["createdAt"] not in error
        assert loaded(outcome) == expected_rows(data)
        check_rows(outcome)
        # With nothing new, the next run reports nothing.
        again = sync(config_for(sandbox, concurrency=threads, lookback_seconds=1, **SMALL), state=outcome.state)
        assert again.errors == []


@pytest.mark.parametrize(
    ("created", "said"),
    [
        ([None], "1 recording(s) undated came"),
        ([MOMENT], f"1 recording(s) created at {MOMENT} came"),
        ([MOMENT, None, MOMENT], f"3 recording(s) created at {MOMENT} came"),
        (
            [MOMENT, "2025-06-02T12:00:00.000Z", "2025-05-31T12:00:00.000Z", None, MOMENT],
            "5 recording(s) created between 2025-05-31T12:00:00.000Z and 2025-06-02T12:00:00.000Z came",
        ),
    ],
)
def test_the_sentence_says_when_recordings_without_an_id_were_created(
    empty: Sandbox, created: list[str | None], said: str
) -> None:
    """Siro could not find them."""
    rows = [recording("x", id=None, createdAt=moment, title=str(number)) for number, moment in enumerate(created)]
    (error,) = send(empty, *rows, status=1).errors
    assert error.startswith(said)


# Dates

DATES: dict[str, tuple[str, str | None]] = {
    '"2025-06-01T12:00:00.123Z"': ("as documented", "2025-06-01T12:00:00.123Z"),
    "null": ("null", None),
    '""': ("empty", None),
    '"soon"': ("no date", None),
    '"2025-06-01"': ("a day", "2025-06-01T00:00:00.000Z"),
    '"2025-06-01T12:00:00Z"': ("whole seconds", "2025-06-01T12:00:00.000Z"),
    '"2025-06-01T12:00:00.123456Z"': ("microseconds", "2025-06-01T12:00:00.123456Z"),
    '"2025-06-01T12:00:00.123456789Z"': ("nanoseconds", "2025-06-01T12:00:00.123456Z"),
    '"2025-06-01T14:00:00.123+02:00"': ("another zone", "2025-06-01T12:00:00.123Z"),
    '"2025-05-31T22:15:00-13:45"': ("an odd zone", "2025-06-01T12:00:00.000Z"),
    '"2025-06-01T12:00:00+00:00"': ("an offset of none", "2025-06-01T12:00:00.000Z"),
    '"2025-06-01T12:00:00"': ("no zone", "2025-06-01T12:00:00.000Z"),
    '"2025-06-01 12:00:00"': ("a space", "2025-06-01T12:00:00.000Z"),
    '"20250601T120000Z"': ("basic format", None),
    '"20240401120000Z"': ("digits that would be another hour", None),
    '"1712010112345"': ("digits that would be the year 1712", None),
    '"1900-01-01T00:00:00Z"': ("before 1970", "1900-01-01T00:00:00.000Z"),
    '"2025-13-01T00:00:00Z"': ("an impossible month", None),
    '"2025-02-29T00:00:00Z"': ("an impossible day", None),
    '"2025-06-01T25:00:00Z"': ("an impossible hour", None),
    '"0001-01-01T00:00:00Z"': ("the first day", "0001-01-01T00:00:00.000Z"),
    '"0001-01-01T00:00:00+12:00"': ("before the first day", None),
    '"9999-12-31T23:59:59.999Z"': ("the last day", "9999-12-31T23:59:59.999Z"),
    '"9999-12-31T23:59:59.999-12:00"': ("after the last day", None),
    '"+012025-06-01T12:00:00Z"': ("a large year", None),
    '"1748779200000"': ("digits", None),
    "1748779200000": ("a number", None),
    "1748779200.5": ("a fraction", None),
    "true": ("a boolean", None),
    "[]": ("a list", None),
    '{"$date":"2025-06-01T12:00:00Z"}': ("an object", None),
}


def test_a_date_is_written_in_utc_or_as_null(empty: Sandbox) -> None:
    """One odd date would break the load of a whole table, or be hours off in Snowflake."""
    texts = []
    columns = ("createdAt", "updatedAt", "deletedAt", "rootDataPurgedAt")
    for given, (kind, _) in DATES.items():
        for column in columns:
            whole = {"id": f'"{kind} {column}"', "createdAt": f'"{MOMENT}"', "updatedAt": f'"{MOMENT}"'}
            whole |= {column: given, "followups": '[{"id":"f"}]'}
            texts.append("{" + ",".join(f'"{name}":{text}' for name, text in whole.items()) + "}")
    outcome = send(empty, *texts)
    rows = {row["id"]: row for row in outcome.records["recordings"]}
    for kind, expected in DATES.values():
        for column in columns:
            text = rows[f"{kind} {column}"][column]
            moments = [each and datetime.fromisoformat(each) for each in (text, expected)]
            assert moments[0] == moments[1], f"{kind} in {column}"
    children = {row["recordingId"]: row["recordingUpdatedAt"] for row in outcome.records["recording_followups"]}
    assert children == {name: row["updatedAt"] for name, row in rows.items()}
    # An unreadable or future date does not move the bookmark.
    assert MOMENT <= bookmark(outcome) <= datetime.now(UTC).isoformat()
    assert len(outcome.warnings) == 1 + len(columns), "once for each, and of recordings without a creation date"


@pytest.mark.parametrize(("order", "threads"), [("newest_created", 4), ("oldest_updated", 1), ("id", 4)])
@pytest.mark.parametrize(
    "created", ["0001-01-01T00:00:00.000Z", "1970-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z", "", None]
)
def test_a_few_impossible_creation_dates_do_not_hide_other_recordings(
    created: str | None, order: str, threads: int
) -> None:
    """Some backends write `0001-01-01` for "none": a division there would crash, or lose the rest."""
    data = plain(60, sections=1, extractions=1)
    for row in (data[0], data[29], data[59]):
        row["createdAt"] = created
    with Sandbox(data, order=order) as sandbox:
        outcome = sync(config_for(sandbox, concurrency=threads, **SMALL))
        assert loaded(outcome) == expected_rows(data)


@pytest.mark.parametrize(("order", "threads"), [("newest_created", 4), ("oldest_updated", 1)])
@pytest.mark.parametrize(
    "created", ["0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z", "2025-06-01T00:00:00.000Z"]
)
def test_many_recordings_of_one_impossible_moment_do_not_hide_others(created: str, order: str, threads: int) -> None:
    """Old recordings with unknown dates would make the division crash, or never end."""
    data = plain(60, sections=1, extractions=1)
    for number, row in enumerate(data[10:40]):
        row["createdAt"] = created if number % 2 else created.replace(":00:00.000Z", f":00:{number:02d}.000Z")
    with Sandbox(data, order=order) as sandbox:
        sandbox.fault("status", when=lambda request: "cursor" in request.params and request.number > 3, status=410)
        outcome = sync(config_for(sandbox, concurrency=threads, **SMALL))
        assert loaded(outcome) == expected_rows(data)
        assert len(sandbox.requests) < 120


@pytest.mark.parametrize("updated", ["0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z", "", None])
def test_an_impossible_update_date_moves_no_bookmark(updated: str | None) -> None:
    """With a bookmark in the year 9999, no recording would be loaded again."""
    data = plain(60, sections=1, extractions=1)
    data[29]["updatedAt"] = updated
    newest = max(row["updatedAt"] for row in data if row["updatedAt"] and row["updatedAt"] < "9999")
    with Sandbox(data) as sandbox:
        outcome = sync(config_for(sandbox, **SMALL))
        assert loaded(outcome) == expected_rows(data)
        assert newest <= bookmark(outcome) <= datetime.now(UTC).isoformat()
        sandbox.update(data[5]["id"], title="changed")
        again = sync(config_for(sandbox, **SMALL), state=outcome.state)
        assert "changed" in {row["title"] for row in again.records["recordings"]}


# Values of another type

VALUES = (
    "null", '""', '"12"', '"x"', "0", "-12", "12.5", "1.10", "1e3", "1E400", "-1e400", "1e-400",
    "1.7976931348623157e308",
    "1.7976931348623159e308", "123456789012345678901234567890", "9" * 320, "true", "false", "[]", "{}", "[null]", "[1]",
    '["x",[{}]]', '{"a":1}', '[{"id":5,"name":[],"content":{},"value":true,"mappings":{},"score":"1"}]',
    '[{"mappings":[null,5,{"crmModelName":7}]}]', '[[],"x",null,{"id":"i","externalId":1.5}]',
    '{"users":{},"contacts":"x","engagement":[],"lead":7,"account":{"id":[],"externalId":{}}}',
    '{"users":[null,7,{"id":7}],"integrationConnectionId":7}', '{"web":[]}', '{"web":{"self":7}}',
)  # fmt: skip


@pytest.mark.parametrize("column", [name for name in schemas.RECORDINGS["properties"] if name != "id"])
def test_any_value_in_any_column_gives_a_row_that_fits(empty: Sandbox, column: str) -> None:
    """A row that the target refuses stops the load of its whole table."""
    texts = []
    for number, value in enumerate(VALUES):
        full = json.dumps(LITTLE | {"id": f"{number:03d}", column: "PLACE"})
        texts.append(full.replace('"PLACE"', value))
    outcome = send(empty, *texts)
    rows = loaded(outcome)["recordings"]
    assert len(rows) == len(VALUES)
    for given in json.loads("[" + ",".join(texts) + "]", parse_float=Decimal):
        row, value = rows[given["id"],][column], given[column]
        kind = set(schemas.RECORDINGS["properties"][column]["type"]) - {"null"}
        number = isinstance(value, int | Decimal) and not isinstance(value, bool)
        if column == "otherFields":
            assert json.loads(row, parse_float=Decimal) == {column: value}
        elif column.endswith("At"):
            assert row is None
        elif kind == {"string"}:
            assert row == (str(value).lower() if isinstance(value, bool) else value if isinstance(value, str) else row)
            assert (row is None) == isinstance(value, list | dict | None)
            assert not number or Decimal(row) == value
        elif kind == {"boolean"}:
            assert row is (value if isinstance(value, bool) else None)
        elif kind == {"number"} and (number or value == "12"):
            if abs(Decimal(value)) < 10**300:
                assert row == pytest.approx(float(value))
            else:
                assert row is None or abs(row) <= 1.7976931348623157e308
    assert all(column in warning for warning in outcome.warnings)


def test_a_field_is_told_of_once_by_its_name(empty: Sandbox) -> None:
    """A log line per recording would hide other lines, and cost money."""
    rows = [recording(f"{n}", durationInMilliseconds=f"SECRET {n}", crm={"lead": {"id": [n]}}) for n in range(50)]
    outcome = send(empty, *rows)
    assert len(outcome.warnings) == 2
    assert any("`durationInMilliseconds`" in warning for warning in outcome.warnings)
    assert any("`crm.lead.id`" in warning for warning in outcome.warnings)
    assert "SECRET" not in outcome.stderr


def test_numbers_keep_what_they_are(empty: Sandbox) -> None:
    """A fraction must not be truncated where integers are usual, and no digit may be lost."""
    text = json.dumps(recording("a")).replace(
        "{", '{"durationInMilliseconds":60000.75,"latitude":33.1234567890123456789,"longitude":-7,'
        '"evaluationScore":123456789012345678901234567890,', 1
    )  # fmt: skip
    outcome = send(empty, text)
    (row,) = outcome.records["recordings"]
    assert row["durationInMilliseconds"] == 60000.75
    assert row["latitude"] == 33.1234567890123456789
    assert row["longitude"] == -7
    assert row["evaluationScore"] == 123456789012345678901234567890
    assert outcome.warnings == []


def test_an_empty_crm_list_is_no_crm(empty: Sandbox) -> None:
    """Some backends write an empty object as an empty list: the rest of the recording must still be loaded."""
    outcome = send(empty, FULL | {"crm": []})
    (row,) = outcome.records["recordings"]
    assert row["crm"] is None
    assert row["title"] == FULL["title"]
    assert outcome.count().get("recording_crm_links", 0) == 0
    assert len(outcome.records["recording_summary_sections"]) == 5


def test_every_value_keeps_its_digits_and_its_kind(empty: Sandbox) -> None:
    """Values must return to the CRM to the last digit."""
    values = {
        "1e400": "number", "-0.0": "number", "1.10": "number", "123456789012345678901234567890": "number",
        "0.1000000000000000055511151231257827": "number", "true": "boolean", "null": "null", "[]": "array",
        '["a",null,[1.50]]': "array", '{"a":{"b":"c"}}': "object", '"1.10"': "string", '""': "string",
    }  # fmt: skip
    extractions = ",".join(f'{{"name":"n","value":{value},"mappings":[{{}}]}}' for value in values)
    outcome = send(empty, f'{{"id":"a","updatedAt":"{MOMENT}","entityExtractions":[{extractions}]}}')
    for stream in ("recording_entity_extractions", "recording_entity_mappings"):
        rows = outcome.records[stream]
        assert [row["valueType"] for row in rows] == list(values.values())
        for given, row in zip(values, rows, strict=True):
            if row["valueType"] == "string":
                assert row["value"] == json.loads(given)
            elif row["valueType"] == "null":
                assert row["value"] is None
            else:
                assert json.loads(row["value"], parse_float=Decimal) == json.loads(given, parse_float=Decimal)
    (whole,) = outcome.records["recordings"]
    assert [(each["value"], each["valueType"]) for each in whole["entityExtractions"]] == [
        (row["value"], row["valueType"]) for row in outcome.records["recording_entity_extractions"]
    ]


HUGE = {
    "exponent beyond any library": "1e9999999999999999999",
    "exponent below any library": "1e-9999999999999999999",
    "many digits": "9" * 4000,
    "too many digits": "9" * 5000,
    "a long fraction": "0." + "1" * 100_000,
    **{f"{depth} lists deep": "[" * depth + "]" * depth for depth in (400, 960, 990, 1500)},
    **{f"{depth} objects deep": '{"a":' * depth + "1" + "}" * depth for depth in (960, 1500)},
    "100,000 lists deep": "[" * 100_000 + "]" * 100_000,
}


@pytest.mark.parametrize(
    ("column", "dirty"), [("value", False), ("value", True), ("evaluationScore", False), ("new", True)]
)
@pytest.mark.parametrize("kind", HUGE)
def test_a_monstrous_value_arrives_or_is_told_of(empty: Sandbox, kind: str, dirty: bool, column: str) -> None:
    """A sync would end with the same traceback each night."""
    text = HUGE[kind]
    members = {
        "id": '"a"',
        "updatedAt": f'"{MOMENT}"',
        "title": '"a\\u0000"' if dirty else '"a"',
        "entityExtractions": f'[{{"name":"n","value":{text}}}]' if column == "value" else "[]",
    }
    if column != "value":
        members[column] = text
    body = '{"data":[{' + ",".join(f'"{name}":{value}' for name, value in members.items()) + '}],"cursor":null}'
    empty.fault("status", on=None, status=200, body=body.encode())
    outcome = sync(config_for(empty, max_retry_seconds=0))
    check_rows(outcome)
    assert len(outcome.records["recordings"]) == 1
    if column == "value":
        (row,) = outcome.records["recording_entity_extractions"]
        if row["value"] is None:
            assert any("entityExtractions.value" in warning for warning in outcome.warnings)
        else:
            assert row["value"].replace("E+", "e").lower() == text
    elif column == "new" and outcome.records["recordings"][0]["otherFields"] is None:
        assert any("`otherFields` is not always" in warning for warning in outcome.warnings)


# Unknown fields


def test_an_unknown_field_is_kept_and_named_once(empty: Sandbox) -> None:
    """A new field must not break the load or be lost; its name is logged, but not its content."""
    rows = []
    for name in "abc":
        row = deepcopy(FULL) | {"id": name, "brandNew": {"x": "SECRET"}}
        row["crm"]["another"] = "SECRET"
        row["crm"]["users"][0]["email"] = "SECRET"
        row["summary"][0]["author"] = "SECRET"
        row["entityExtractions"][0]["confidence"] = 0.5
        row["entityExtractions"][0]["mappings"][0]["label"] = "SECRET"
        row["followups"][0]["note"] = "SECRET"
        row["links"]["web"]["embed"] = "SECRET"
        rows.append(row)
    outcome = send(empty, *rows)
    names = (
        "brandNew", "crm.another", "crm.users.email", "summary.author", "entityExtractions.confidence",
        "entityExtractions.mappings.label", "followups.note", "links.web.embed",
    )  # fmt: skip
    assert len(outcome.warnings) == len(names)
    for name in names:
        assert sum(f"`{name}`" in warning for warning in outcome.warnings) == 1
    assert "SECRET" not in outcome.stderr
    assert loaded(outcome) == expected_rows(rows)
    others = {json.dumps(json.loads(row["otherFields"])) for row in outcome.records["recordings"]}
    kept = {"brandNew": {"x": "SECRET"}, "crm": {"another": "SECRET"}, "links": {"web": {"embed": "SECRET"}}}
    assert [json.loads(text) for text in others] == [kept]
    # Deselected, or with an older catalog, it adds no column to rows.
    catalog: dict[str, Any] = TapSiro(config={"api_token": "t"}).catalog_dict
    for entry in catalog["streams"]:
        entry["schema"]["properties"].pop("otherFields", None)
    older = sync(config_for(empty), catalog=catalog)
    check_rows(older)
    assert "brandNew" not in json.dumps(older.messages)


def test_other_fields_lose_no_digit(empty: Sandbox) -> None:
    """A new grade or amount must have the same value as in a later column."""
    new = '{"a":1.50,"b":123456789012345678901234567890,"c":[-0.10,{"d":"\u00e9"}],"e":null,"f":true,"otherFields":"g"}'
    outcome = send(empty, f'{{"id":"x","updatedAt":"{MOMENT}","new":{new},"otherFields":[1]}}')
    (row,) = outcome.records["recordings"]
    assert row["otherFields"] == f'{{"new":{new},"otherFields":[1]}}'


def test_a_number_where_text_is_declared_is_written_as_it_was(empty: Sandbox) -> None:
    """Tables are joined by `externalId`: null, or another spelling, would join nothing."""
    texts = ("4711", "1.50", "-0.10", "123456789012345678901234567890", "true", "0")
    link = ",".join(f'{{"id":{text},"externalId":{text}}}' for text in texts)
    outcome = send(
        empty,
        f'{{"id":777000250,"userId":1.50,"crm":{{"integrationConnectionId":12,"users":[{link}]}},"followups":[{{}}]}}',
        '{"id":12.50,"title":false,"summary":[{"id":7,"content":1}],"entityExtractions":[{"name":3,"mappings":[{}]}]}',
    )
    first, second = outcome.records["recordings"]
    assert (first["id"], first["userId"], second["id"], second["title"]) == ("777000250", "1.50", "12.50", "false")
    links = outcome.records["recording_crm_links"]
    assert [(row["id"], row["externalId"]) for row in links] == [(text, text) for text in texts]
    assert {(row["recordingId"], row["integrationConnectionId"]) for row in links} == {("777000250", "12")}
    assert [(row["id"], row["content"]) for row in outcome.records["recording_summary_sections"]] == [("7", "1")]
    for stream in ("recording_summary_sections", "recording_entity_extractions", "recording_entity_mappings"):
        assert [row["recordingId"] for row in outcome.records[stream]] == ["12.50"]
    assert [row["recordingId"] for row in outcome.records["recording_followups"]] == ["777000250"]
    assert ["`createdAt`" in warning for warning in outcome.warnings] == [True]


def test_text_where_something_else_is_declared_is_taken_as_that(empty: Sandbox) -> None:
    """Many backends write numbers as text: the columns would be empty for all recordings."""
    outcome = send(
        empty,
        '{"id":"a","durationInMilliseconds":"60000","latitude":"33.10","deleted":"false","isSummaryDone":"true",'
        '"createdAt":"2025-06-01 12:00:00z","updatedAt":"2025-06-01t14:00:00.5+02:00","followups":[{"score":"-7"}]}',
    )
    (row,) = outcome.records["recordings"]
    assert (row["durationInMilliseconds"], row["latitude"]) == (60_000, 33.10)
    assert (row["deleted"], row["isSummaryDone"]) == (False, True)
    assert (row["createdAt"], row["updatedAt"]) == (MOMENT, "2025-06-01T12:00:00.500Z")
    assert bookmark(outcome) == "2025-06-01T12:00:00.500Z"
    assert outcome.records["recording_followups"][0]["score"] == -7
    assert outcome.warnings == []


def test_names_that_are_data_do_not_flood_the_log(empty: Sandbox) -> None:
    """An API that uses ids as keys would write content into the log, one line each."""
    long = "x" * 5_000
    rows = [recording(f"{n}", **{f"key {n}\n\x1b[31m": 1, long + str(n): 2}) for n in range(300)]
    outcome = send(empty, *rows)
    assert 1 <= len(outcome.warnings) <= 60
    assert all(len(warning) < 300 and warning.isprintable() for warning in outcome.warnings)


# Text

TEXTS = {
    "emoji": "\U0001f469\u200d\U0001f4bb \U0001f44d",
    "right to left": "\u05e9\u05dc\u05d5\u05dd \u202eabc\u202c \u0645\u0631\u062d\u0628\u0627",
    "line separators": "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1dh\x1ei\r\nj\rk\nl",
    "control characters": "".join(map(chr, range(1, 32))) + "\x7f\x80\x9f",
    "what looks like an escape": "\\u0000 \\ud800 \\\\u0000 \\n",
    "quotes": "\"'`\\",
    "not characters": "\ufffe\uffff\U0010ffff\ufeff",
    "composed and not": "e\u0301 \u00e9",
    "next to the surrogates": "\ud7ff\ue000\U00010000",
}


def with_text(name: str, text: str) -> dict[str, Any]:
    """Return a recording with a text in each field."""
    link = {"id": text, "externalId": text}
    return recording(name) | {
        "organizationId": text,
        "userId": text,
        "title": text,
        "result": text,
        "links": {"web": {"self": text}},
        "crm": {"integrationConnectionId": text, "users": [link], "contacts": [link], "lead": link},
        "summary": [{"id": text, "name": text, "content": text}],
        "entityExtractions": [
            {"name": text, "value": text, "mappings": [{"crmModelName": text, "crmFieldName": text}]},
            {"name": text, "value": [text, {text: text}], "mappings": [{"crmModelName": text, "crmFieldName": text}]},
        ],
        "followups": [{"id": text, "score": 1}],
    }


@pytest.mark.parametrize("escaped", [False, True])
def test_text_arrives_as_it_is(empty: Sandbox, escaped: bool) -> None:
    """Names and quotes in other scripts would be garbled, or a line would break in two and stop the target."""
    rows = [with_text(name, text) for name, text in TEXTS.items()]
    outcome = send(empty, *(json.dumps(row, ensure_ascii=escaped) for row in rows))
    assert loaded(outcome) == expected_rows(rows)
    assert {row["id"]: row["title"] for row in outcome.records["recordings"]} == TEXTS
    assert outcome.warnings == []


REFUSED = {
    "a\x00b": "ab",
    "\x00": "",
    "a\ud800b": "ab",
    "\udfff\ud800": "",
    "\U0001f44d\ud83d": "\U0001f44d",
    "a\x00\\u0000\udc4db \U0001f44d": "a\\u0000b \U0001f44d",
}


@pytest.mark.parametrize("escaped", [False, True])
def test_what_no_database_stores_is_taken_out(empty: Sandbox, escaped: bool) -> None:
    """Postgres refuses NUL and lone surrogates: one recording would stop the load of all of them."""
    rows = [with_text(str(number), text) for number, text in enumerate(REFUSED)]
    outcome = send(empty, *(json.dumps(row, ensure_ascii=escaped) for row in rows))  # NUL is escaped in any case
    assert loaded(outcome) == expected_rows(rows)
    titles = {row["id"]: row["title"] for row in outcome.records["recordings"]}
    assert titles == {str(number): text for number, text in enumerate(REFUSED.values())}
    everything = json.dumps(outcome.messages, ensure_ascii=False)
    assert "\\u0000" not in everything.replace("\\\\u0000", "")
    assert not any("\ud800" <= char <= "\udfff" for char in everything)


@pytest.mark.parametrize("bad", ["\x00", "\ud800"])
@pytest.mark.parametrize("first", [True, False])
def test_a_key_that_is_cleaned_takes_no_other_keys_place(empty: Sandbox, bad: str, first: bool) -> None:
    """A key that is equal only after cleaning would replace the real title."""
    row = recording("a")
    for name, text in (("title", "real"), (f"title{bad}", "other")) if first else (
        (f"title{bad}", "other"), ("title", "real")
    ):  # fmt: skip
        row[name] = text
    outcome = send(empty, row)
    assert outcome.records["recordings"][0]["title"] == "real"


def test_a_text_of_five_megabytes_arrives(empty: Sandbox) -> None:
    """A long summary must not be truncated."""
    text = "five megabytes \U0001f44d " * 260_000
    row = recording("a", summary=[{"id": "s", "name": "n", "content": text}])
    outcome = send(empty, row)
    assert len(text.encode()) > 5_000_000
    assert outcome.records["recording_summary_sections"][0]["content"] == text


DIGITS, BOTTOM = "9" * 5_000, "[" * 1_500 + "]" * 1_500
MONSTERS: dict[str, tuple[str, dict[str, Any], str]] = {
    "digits as text": (f'"title":{DIGITS}', {"title": DIGITS}, "4,300 digits"),
    "negative digits": (f'"title":-{DIGITS}', {"title": f"-{DIGITS}"}, "4,300 digits"),
    "digits as a number": (f'"evaluationScore":{DIGITS}', {"evaluationScore": None}, "4,300 digits"),
    "digits in a list": (f'"new":[1,{DIGITS}]', {"otherFields": f'{{"new":[1,"{DIGITS}"]}}'}, "4,300 digits"),
    "digits inside text": (f'"title":"{DIGITS}\\u0000"', {"title": DIGITS}, ""),
    "lists": (f'"title":{BOTTOM},"result":"[{{"', {"title": None, "result": "[{"}, "nested too deep"),
    "unknown lists": (f'"new":{BOTTOM},"title":"]}}"', {"otherFields": None, "title": "]}"}, "nested too deep"),
    "lists and NUL": (f'"title":"a\\u0000","crm":{BOTTOM}', {"title": "a", "crm": None}, "nested too deep"),
}


@pytest.mark.parametrize("kind", MONSTERS)
def test_what_python_cannot_read_costs_no_more_than_its_field(empty: Sandbox, kind: str) -> None:
    """One such field would make its whole page invalid JSON, in each sync."""
    field, expected, warned = MONSTERS[kind]
    odd = f'{{"id":"odd","createdAt":"{MOMENT}","updatedAt":"{MOMENT}",{field}}}'
    outcome = send(empty, recording("before"), odd, recording("after"))
    rows = {row["id"]: row for row in outcome.records["recordings"]}
    assert rows.keys() == {"before", "odd", "after"}
    assert {name: rows["odd"][name] for name in expected} == expected
    assert bookmark(outcome) == MOMENT
    assert any(warned in message for message in outcome.warnings) or not warned
    assert not any(DIGITS[:50] in message for message in outcome.warnings)


# All of the sandbox's odd recordings


def test_every_odd_recording_gives_rows_that_fit() -> None:
    """The data set has each odd value that the vendor's page allows: a row that does not fit would stop a target."""
    data = recordings(70)
    with Sandbox(data) as sandbox:
        outcome = sync(config_for(sandbox, page_size=70))
    check_rows(outcome)
    assert loaded(outcome) == expected_rows(data)


@pytest.mark.parametrize("order", ORDERS)
def test_dates_far_off_are_not_asked_for(order: str) -> None:
    """A slice would begin or end at a time that the API cannot express, and every sync would fail."""
    data = plain(180, sections=1, extractions=1)
    for number, row in enumerate(data[::3]):
        row["createdAt"] = ("0001-01-01T00:00:00.000Z", "1969-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z")[
            number % 3
        ]
    with Sandbox(data, order=order) as sandbox:
        assert loaded(sync(config_for(sandbox, **SMALL))) == expected_rows(data)
        bounds = {request.params.get(name) for request in sandbox.requests for name in ("createdAt:gt", "createdAt:lt")}
    assert len(bounds) > 5, "nothing was cut"
    assert all(bound is None or "1970" < bound < "9000" for bound in bounds)
