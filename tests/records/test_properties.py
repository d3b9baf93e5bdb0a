"""Recordings of random JSON: cleaning never crashes, the rows fit their SCHEMA, and no text is lost."""

from __future__ import annotations

import contextlib
import json
from copy import deepcopy
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from singer_sdk.contrib.msgspec import encoder

from tap_siro import timestamps
from tap_siro.api.decoding import MalformedPageError
from tap_siro.api.pages import read_recordings
from tap_siro.records.cleaning import FieldWarnings
from tap_siro.records.pruning import pruner
from tap_siro.records.recording import RecordingCleaner
from tap_siro.schemas import recordings as schemas
from tap_siro.streams import STREAMS
from tap_siro.sync.slice_fetcher import RecordingsPage
from tap_siro.sync.slices import Slice
from tap_siro.sync.stream_kinds import ChildStream
from tests.sandbox.data import plain
from tests.support.in_process import validator

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.thorough

FULL = plain(1, sections=2, extractions=2)[0]
VALIDATORS = {stream.name: validator(stream.schema) for stream in STREAMS}
BAD = {chr(0), *map(chr, range(0xD800, 0xE000))}

settings.register_profile(
    "tap-siro", max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
settings.load_profile("tap-siro")

ZONES = ("", "Z", "+00:00", "-11:30", "+14:00", "+02:00:30")
TEXT = st.one_of(
    st.text(max_size=12),
    # With NUL and lone surrogates.
    st.text(st.characters(codec=None), max_size=6),
    st.sampled_from(["", "2025-06-01T12:00:00.000Z", "2025-06-01T12:00:00+02:00", "true", "null", "\x00", "\ud800"]),
    st.builds(lambda moment, zone: moment.isoformat() + zone, st.datetimes(), st.sampled_from(ZONES)),
)
NUMBERS = st.one_of(
    st.integers(),
    st.integers(-(10**400), 10**400),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.sampled_from([Decimal("1E+400"), Decimal("-1E+400"), Decimal("1E-400"), Decimal("-0.0"), 2**64, 1.0]),
)
NAMES = st.one_of(
    TEXT,
    st.sampled_from(
        [
            "id",
            "externalId",
            "users",
            "lead",
            "name",
            "content",
            "value",
            "valueType",
            "mappings",
            "score",
            "web",
            "self",
        ]
    ),
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


def dumps(value: Any) -> str:
    """JSON with every digit, as the API might write it."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, list):
        return "[" + ",".join(map(dumps, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{dumps(inner)}" for name, inner in value.items()) + "}"
    return json.dumps(value)


def cleaned(text: str) -> str:
    return "".join(char for char in text if char not in BAD)


def without_bad(value: Any) -> Any:
    """Return a value without the characters that databases refuse."""
    if isinstance(value, str):
        return cleaned(value)
    if isinstance(value, list):
        return [without_bad(item) for item in value]
    if isinstance(value, dict):
        # A name that had to be cleaned does not replace a correct one.
        right = {name: without_bad(inner) for name, inner in value.items() if name == cleaned(name)}
        return {cleaned(name): without_bad(inner) for name, inner in value.items()} | right
    return value


def exact(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def as_read(recording: dict[str, Any]) -> Any:
    """Return the recording as read from the API's JSON."""
    (read,) = read_recordings(('{"data":[' + dumps(recording) + '],"cursor":null}').encode()).records
    return read


def all_rows(recording: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of all streams as on stdout, each checked against its schema."""
    clean = RecordingCleaner(FieldWarnings())(as_read(recording))
    found: dict[str, list[dict[str, Any]]] = {"recordings": [clean]}
    for stream in STREAMS:
        if issubclass(stream, ChildStream):
            shared = {"recordingId": clean["id"], "recordingUpdatedAt": clean["updatedAt"]}
            found[stream.name] = [shared | row for row in stream.derive(clean)]
    written: dict[str, list[dict[str, Any]]] = json.loads(encoder.encode(found))
    for name, made in written.items():
        for row in made:
            VALIDATORS[name].validate(row)
    return written


def put(path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """Return a full recording with a value in one place."""
    made: Any = deepcopy(FULL)
    inner = made
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return dict(made)


PLACES: list[tuple[str | int, ...]] = [
    *((name,) for name in schemas.RECORDINGS["properties"] if name != "id"),
    ("links", "web"),
    ("links", "web", "self"),
    *(("crm", name) for name in FULL["crm"]),
    ("crm", "users", 0),
    ("crm", "contacts", 0, "externalId"),
    ("crm", "lead"),
    ("crm", "account", "id"),
    ("summary", 1),
    ("summary", 1, "content"),
    ("entityExtractions", 0),
    *(("entityExtractions", 0, name) for name in ("name", "mappings", "value")),
    ("entityExtractions", 0, "mappings", 0),
    ("entityExtractions", 0, "mappings", 0, "crmFieldName"),
    ("followups", 0),
    ("followups", 0, "score"),
    ("unknown",),
    ("crm", "unknown"),
]


@given(st.sampled_from(PLACES), VALUES)
@settings(max_examples=100)
def test_any_json_anywhere_gives_rows_that_fit(path: tuple[str | int, ...], value: Any) -> None:
    """One odd value would stop the sync, or the load in the target."""
    all_rows(put(path, value))


@given(st.dictionaries(st.sampled_from([*schemas.RECORDINGS["properties"], "x"]), VALUES, max_size=8))
def test_a_recording_of_nothing_but_oddities_gives_rows_that_fit(field_warnings: dict[str, Any]) -> None:
    """Several odd values at once must not stop the sync either."""
    all_rows(field_warnings | {"id": "a"})


@given(st.sampled_from(PLACES), VALUES)
@settings(max_examples=100)
def test_the_quick_check_changes_nothing(path: tuple[str | int, ...], value: Any) -> None:
    """Valid recordings are not cleaned field by field; the output must not depend on that."""
    odd = put(path, value)
    for recording in (odd, {**FULL, "title": value}, FULL):
        quick, careful = RecordingCleaner(FieldWarnings()), RecordingCleaner(FieldWarnings())
        careful._valid_type = type(None)  # nothing is valid
        assert repr(quick(as_read(recording))) == repr(careful(as_read(recording)))


@given(st.lists(VALUES, max_size=4))
def test_any_page_is_read_or_refused(data: list[Any]) -> None:
    """An item that is not a recording would crash the tap instead of being reported."""
    page = RecordingsPage(read_recordings(('{"data":' + dumps(data) + ',"cursor":null}').encode()), Slice())
    assert len(page.page.records) == len(page.created) == len(page.updated) == len(data)


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b'{"data":[1e9999999999999999999],"cursor":null}')
@example(b'{"data":[1e-9999999999999999999],"cursor":null}')
@example(b'{"data":["\\u0000",1e9999999999999999999],"cursor":null}')
@example(b'{"data":[' + b"[" * 100_000)
@example(b'{"data":["\\u0000",' + b"[" * 100_000)
@example(b'{"data":["\\u0000",NaN],"cursor":null}')
@example(b'{"data":[' + b"9" * 5_000 + b'],"cursor":null}')
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """A proxy's response would end the sync with a traceback instead of a retry."""
    with contextlib.suppress(MalformedPageError):
        read_recordings(body)


TEXT_PLACES: dict[str, tuple[tuple[str | int, ...], Callable[[dict[str, Any]], Any]]] = {
    "title": (("title",), lambda made: made["recordings"][0]["title"]),
    "user": (("userId",), lambda made: made["recordings"][0]["userId"]),
    "link": (("links", "web", "self"), lambda made: made["recordings"][0]["links"]["web"]["self"]),
    "crm id": (("crm", "users", 1, "externalId"), lambda made: made["recording_crm_links"][1]["externalId"]),
    "connection": (
        ("crm", "integrationConnectionId"), lambda made: made["recording_crm_links"][0]["integrationConnectionId"]
    ),
    "section": (("summary", 1, "content"), lambda made: made["recording_summary_sections"][1]["content"]),
    "nested section": (("summary", 1, "content"), lambda made: made["recordings"][0]["summary"][1]["content"]),
    "extraction": (("entityExtractions", 1, "name"), lambda made: made["recording_entity_extractions"][1]["name"]),
    "mapping": (
        ("entityExtractions", 1, "mappings", 0, "crmFieldName"),
        lambda made: made["recording_entity_mappings"][1]["crmFieldName"],
    ),
    "follow-up": (("followups", 1, "id"), lambda made: made["recording_followups"][1]["id"]),
}  # fmt: skip


@pytest.mark.parametrize("place", TEXT_PLACES)
def test_no_text_is_lost(place: str) -> None:
    """Texts of conversations would be truncated."""
    path, read = TEXT_PLACES[place]

    @given(TEXT)
    @settings(max_examples=30)
    def check(text: str) -> None:
        # json.dumps writes two lone surrogates like the character that they form.
        assert read(all_rows(put(path, text))) == cleaned(json.loads(json.dumps(text)))

    check()


@given(VALUES)
@settings(max_examples=80)
def test_no_extracted_value_is_lost(value: Any) -> None:
    """A value would return to the CRM truncated, rounded or as another type."""
    made = all_rows(put(("entityExtractions", 0, "value"), value))
    (row, *_), (mapped, *_) = made["recording_entity_extractions"], made["recording_entity_mappings"]
    nested = made["recordings"][0]["entityExtractions"][0]
    given = exact(dumps(value))
    kinds = {str: "string", bool: "boolean", int: "number", Decimal: "number", list: "array", dict: "object"}
    assert row["valueType"] == kinds.get(type(given), "null")
    if given is None:
        assert row["value"] is None
    elif isinstance(given, str):
        assert row["value"] == cleaned(given)
    else:
        assert exact(row["value"]) == without_bad(given)
    for other in (mapped, nested):
        assert (other["value"], other["valueType"]) == (row["value"], row["valueType"])


@given(NUMBERS)
def test_a_number_is_kept_or_null(number: Any) -> None:
    """A rounded coordinate or score is wrong; one that does not fit a float breaks the load."""
    written = all_rows(put(("evaluationScore",), number))["recordings"][0]["evaluationScore"]
    if abs(Decimal(str(number))) <= Decimal("1.79E+308"):
        assert written == pytest.approx(float(number))
    else:
        assert written is None or written == pytest.approx(float(number))


@given(TEXT | st.integers().map(str))
def test_a_date_is_the_same_moment_in_utc_or_null(text: str) -> None:
    """A date that is wrong by hours is worse than none."""
    written = timestamps.utc_text(text)
    assert (written is None) == (timestamps.parse(text) is None)
    if written is not None:
        assert written.endswith("Z")
        assert timestamps.parse(written) == timestamps.parse(text)


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_timestamps_survive_being_written(timestamp: int) -> None:
    """A bookmark that is read back as another time loses or repeats rows."""
    assert timestamps.parse(timestamps.text(timestamp)) == timestamp


@given(st.sets(st.sampled_from(sorted(schemas.RECORDINGS["properties"]))), st.sampled_from(PLACES), VALUES)
def test_deselected_columns_never_crash(kept: set[str], path: tuple[str | int, ...], value: Any) -> None:
    """An older catalog and an odd value together would stop the sync."""
    (clean,) = all_rows(put(path, value))["recordings"]
    wanted = deepcopy(schemas.RECORDINGS)
    wanted["properties"] = {name: schema for name, schema in wanted["properties"].items() if name in kept | {"id"}}
    if "crm" in kept:
        wanted["properties"]["crm"]["properties"] = {"lead": wanted["properties"]["crm"]["properties"]["lead"]}
    prune = pruner(schemas.RECORDINGS, wanted)
    row = clean if prune is None else prune(clean)
    assert row.keys() == kept | {"id"}
    validator(wanted).validate(row)
