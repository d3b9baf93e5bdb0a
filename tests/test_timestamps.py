"""Timestamps as integers and as text: a lost millisecond is a lost recording."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from tap_siro import timestamps

NOON = 1_748_779_200_000  # 2025-06-01T12:00:00Z


@pytest.mark.parametrize(
    ("text", "timestamp", "written"),
    [
        ("2025-06-01T12:00:00.000Z", NOON, None),
        ("2025-06-01T12:00:00.001Z", NOON + 1, None),
        ("2025-06-01T12:00:00Z", NOON, None),
        ("2025-06-01T12:00:00.5Z", NOON + 500, None),
        ("2025-06-01T12:00:00.123999Z", NOON + 123, None),
        ("2025-06-01T12:00:00.1239999Z", NOON + 123, "2025-06-01T12:00:00.123999Z"),
        ("2025-06-01T14:30:00.123+02:30", NOON + 123, "2025-06-01T12:00:00.123Z"),
        ("2025-06-01T14:00:00.123400+02:00", NOON + 123, "2025-06-01T12:00:00.123400Z"),
        ("2025-06-01T12:00:00.5", NOON + 500, "2025-06-01T12:00:00.500Z"),
        ("2025-06-01T12:00:00", NOON, "2025-06-01T12:00:00.000Z"),
        ("2025-06-01t12:00:00.5z", NOON + 500, "2025-06-01T12:00:00.500Z"),
        ("2025-06-01 12:00:00Z", NOON, "2025-06-01T12:00:00.000Z"),
        ("2025-06-01T12:00:00-00:00", NOON, "2025-06-01T12:00:00.000Z"),
        ("2025-06-01T12:00:00.1234567890123Z", NOON + 123, "2025-06-01T12:00:00.123456Z"),
        ("1900-01-01T00:00:00.000Z", -2_208_988_800_000, None),
        ("2025-06-01", NOON - 12 * 3_600_000, "2025-06-01T00:00:00.000Z"),
        ("1969-12-31T23:59:59.999500Z", -1, None),
        ("0001-01-01T00:00:00.000Z", -62_135_596_800_000, None),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999, None),
    ],
)
def test_a_text_is_the_same_moment_as_it_is_read_and_written(text: str, timestamp: int, written: str | None) -> None:
    """Text in UTC with a `Z` stays unchanged; other text would be hours off if a target drops the offset."""
    assert timestamps.parse(text) == timestamp
    assert timestamps.utc_text(text) == (written or text)


def test_a_moment_without_an_offset_is_utc_wherever_the_tap_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a laptop in Denver, a bookmark would move by seven hours."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "MST+7")
        time.tzset()
        assert timestamps.parse("2025-06-01T12:00:00") == NOON
        assert timestamps.utc_text("2025-06-01T12:00:00") == "2025-06-01T12:00:00.000Z"
        assert timestamps.utc_text("2025-06-01T14:00:00+02:00") == "2025-06-01T12:00:00.000Z"
    time.tzset()


@pytest.mark.parametrize(
    "text",
    [
        "", "soon", "2025-02-29T00:00:00Z", "0001-01-01T00:00:00+12:00", "2025-06-01T24:00:00Z", "2025-06-01T12:00:60Z",
        # valid for ISO 8601 or for Python, but not for RFC 3339
        "20240401120000Z", "1712010112345", "1712010112", "20240401", "20240401T120000Z", "2024-04", "2024",
        "2024-W14-1", "2024-W14-1T12:00:00Z", "2024W141", "2024-092", "2024-04-01T12", "2024-04-01T12:00",
        "2024-04-01T1200Z", "2024-04-01T12:00:00,5Z", "2024-04-01T12:00:00.Z", "2024-04-01T12:00:00+0200",
        "2024-04-01T12:00:00+02",
        "2024-04-01T12:00:00+02:00:30", "2024-04-01_12:00:00Z", "2024-04-01T", "2024-04-01Z", "2024-04-01T12:00:00 Z",
        "2024-04-01T12:00:00Z\n", "\u0662\u0660\u0662\u0664-04-01", "+002024-04-01T12:00:00Z",
    ],
)  # fmt: skip
def test_what_says_no_moment_is_none(text: str) -> None:
    """`20240401120000Z` would become eight in the evening, and a number of milliseconds the year 1712."""
    assert timestamps.parse(text) is None
    assert timestamps.utc_text(text) is None


@pytest.mark.parametrize("value", [None, 7, 1.5, True, [], b"2025-06-01"])
def test_what_is_no_text_is_no_moment(value: object) -> None:
    assert timestamps.parse(value) is None


def test_a_timestamp_is_written_as_the_api_takes_it() -> None:
    """The API requires three decimals and a `Z`."""
    assert timestamps.text(NOON) == "2025-06-01T12:00:00.000Z"
    assert timestamps.text(NOON + 7) == "2025-06-01T12:00:00.007Z"
    assert timestamps.text(-1) == "1969-12-31T23:59:59.999Z"


def test_a_datetime_is_cut_to_the_millisecond_and_never_rounded_up() -> None:
    """A bookmark that is rounded up would pass updates within that millisecond."""
    moment = datetime(2025, 6, 1, 12, 0, 0, 1_999, tzinfo=UTC)
    assert timestamps.of(moment) == NOON + 1
    assert timestamps.of(moment.astimezone(timezone(timedelta(hours=5)))) == NOON + 1
