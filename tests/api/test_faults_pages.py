"""Pages that are too large for the API, pages with invalid bytes, and statuses with several meanings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tap_siro.api import retries
from tap_siro.api.chain import Chain
from tap_siro.api.pages import read_recordings
from tap_siro.credentials import read_secret
from tap_siro.errors import BoundsError, RefusedError
from tests.api.test_client import PATH, client_of
from tests.sandbox import Sandbox
from tests.sandbox.data import plain
from tests.sandbox.expected import expected_rows
from tests.support.in_process import Clock, loaded, sync
from tests.support.process import config_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.sandbox.routes import Request

DATA = plain(120, sections=1, extractions=1)
EXPECTED = expected_rows(DATA)
MOMENT = "2025-06-01T12:00:00.000Z"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(DATA) as sandbox:
        yield sandbox


# Pages that are too large


def larger_than(size: int, *, late: bool = False) -> Callable[[Request], bool]:
    return lambda request: (
        int(request.params["pageSize"]) > size and (not late or ("cursor" in request.params and request.number > 3))
    )


@pytest.mark.parametrize(
    ("status", "late", "threads"), [(500, False, 1), (500, True, 4), (502, False, 4), (502, True, 1), (504, False, 4)]
)
def test_pages_that_are_too_much_are_asked_for_in_smaller_parts(
    sandbox: Sandbox, status: int, late: bool, threads: int
) -> None:
    """One large page would end every sync after ten minutes of retries, and later rows would never be loaded."""
    sandbox.fault("status", on=None, when=larger_than(6, late=late), status=status)
    outcome = sync(config_for(sandbox, page_size=25, concurrency=threads), clock=Clock())
    assert loaded(outcome) == EXPECTED
    fewer = [warning for warning in outcome.warnings if "too large" in warning]
    assert [warning.split()[2] for warning in fewer] == ["25", "12"]
    assert {int(request.params["pageSize"]) for request in sandbox.requests} == {25, 12, 6}


def test_a_page_that_is_too_slow_is_asked_for_in_smaller_parts(sandbox: Sandbox) -> None:
    """An API may let a large request time out."""
    sandbox.fault("timeout", on=None, when=larger_than(12), seconds=30.0)
    outcome = sync(config_for(sandbox, page_size=25, request_timeout=0.7))
    assert loaded(outcome) == EXPECTED
    assert sum("too large" in warning for warning in outcome.warnings) == 1


@pytest.mark.parametrize("status", [503, 429])
def test_an_api_that_is_busy_is_not_asked_for_less(sandbox: Sandbox, status: int) -> None:
    """A short outage would make the rest of a full sync four times slower."""
    sandbox.fault("status", on=6, status=status)
    outcome = sync(config_for(sandbox, page_size=25))
    assert loaded(outcome) == EXPECTED
    assert {request.params["pageSize"] for request in sandbox.requests} == {"25"}


def test_pages_of_five_are_the_smallest(sandbox: Sandbox) -> None:
    """A sync would never end if the API answers nothing."""
    sandbox.fault("status", on=None, status=502)
    outcome = sync(config_for(sandbox, page_size=25, max_retry_seconds=60), status=1)
    assert "Gave up after" in outcome.errors[0]
    assert min(int(request.params["pageSize"]) for request in sandbox.requests) == 5


# Meanings of a 400


@pytest.mark.parametrize("status", [400, 422, 404])
def test_bounds_that_are_refused_are_named_as_such(sandbox: Sandbox, status: int) -> None:
    """The run needs to know that the pass can be read without bounds."""
    sandbox.fault("status", on=None, status=status)
    assert type(refusal(sandbox, bounds_optional=True)) is BoundsError


def refusal(sandbox: Sandbox, *, bounds_optional: bool) -> Exception:
    """Error of a chain with bounds of creation."""
    with client_of(sandbox) as client:
        request = retries.Request(client.api, PATH, {"createdAt:gt": MOMENT}, read_recordings)
        pages = iter(Chain(client, request, page_size=25, bounds_optional=bounds_optional))
        with pytest.raises((BoundsError, RefusedError)) as error:
            next(pages)
    return error.value


@pytest.mark.parametrize(("status", "bounds_optional"), [(400, False), (401, True), (403, True)])
def test_bounds_that_cannot_be_the_reason_are_not_blamed(sandbox: Sandbox, status: int, bounds_optional: bool) -> None:
    """A single 400 in the middle of a full sync, or a bad token, would make the rest slow."""
    sandbox.fault("status", on=None, status=status)
    assert type(refusal(sandbox, bounds_optional=bounds_optional)) is RefusedError


# Other statuses


@pytest.mark.parametrize("status", [400, 402, 404, 405, 409, 410, 418, 422])
def test_a_client_error_to_a_cursor_is_the_cursors(sandbox: Sandbox, status: int) -> None:
    """An expired cursor that is answered with 404 would end a sync with advice on `api_url`."""
    fault = sandbox.fault("status", when=lambda request: "cursor" in request.params, status=status)
    outcome = sync(config_for(sandbox, page_size=25))
    assert loaded(outcome) == EXPECTED
    assert fault.hits == 1


@pytest.mark.parametrize("cursor", [False, True])
@pytest.mark.parametrize(
    ("status", "headers"), [(408, {}), (425, {}), (403, {"Retry-After": "7"}), (403, {"Retry-After": "0"})], ids=str
)
def test_what_may_pass_is_tried_again(sandbox: Sandbox, status: int, headers: dict[str, str], cursor: bool) -> None:
    """A firewall that slows clients down, or TLS 1.3's early data, would end a sync."""
    sandbox.fault("status", when=lambda request: ("cursor" in request.params) == cursor, status=status, headers=headers)
    clock = Clock()
    outcome = sync(config_for(sandbox, page_size=25), clock=clock)
    assert loaded(outcome) == EXPECTED
    assert len(clock.waits) == 1


@pytest.mark.parametrize("status", [402, 409, 423])
def test_what_no_setting_causes_is_not_blamed_on_settings(sandbox: Sandbox, status: int) -> None:
    """A user would look for the fault in the wrong place."""
    sandbox.fault("status", on=None, status=status)
    (error,) = sync(config_for(sandbox), status=1).errors
    assert str(status) in error
    assert "Check the settings" not in error


def test_a_wait_that_is_too_long_is_named(sandbox: Sandbox) -> None:
    """ "Gave up after 1 tries in 0 seconds" says nothing of what to do."""
    sandbox.fault("status", on=None, status=429, headers={"Retry-After": "3600"})
    (error,) = sync(config_for(sandbox), status=1).errors
    assert "asked to wait 3600 seconds" in error
    assert "0 seconds (" not in error


# Bad bytes


def page_of(title: bytes, score: bytes = b"1") -> bytes:
    row = b'{"id": "a", "createdAt": "%s", "updatedAt": "%s", "title": "%s", "evaluationScore": %s}'
    return b'{"data": [%s, {"id": "b"}], "cursor": null}' % (row % (MOMENT.encode(), MOMENT.encode(), title, score))


@pytest.mark.parametrize(
    ("title", "arrives", "warnings"),
    [
        (b"a\xffb", "a\N{REPLACEMENT CHARACTER}b", 1),
        (b"caf\xe9", "caf\N{REPLACEMENT CHARACTER}", 1),
        (b"\xed\xa0\x80\xff", "\N{REPLACEMENT CHARACTER}" * 4, 1),
        (b"a\x01b\tc", "a\x01b\tc", 0),
        (b"a\x00b", "ab", 0),
        (b"NaN", "NaN", 0),
    ],
)
def test_a_bad_byte_in_one_record_costs_no_other(sandbox: Sandbox, title: bytes, arrives: str, warnings: int) -> None:
    """Each sync would end after ten minutes of retries, and load nothing."""
    sandbox.fault("body", body=page_of(title))
    outcome = sync(config_for(sandbox))
    rows = {row["id"]: row for row in outcome.records["recordings"]}
    assert rows.keys() == {"a", "b"}
    assert rows["a"]["title"] == arrives
    assert sum("UTF-8" in warning for warning in outcome.warnings) == warnings


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"nan", b"-inf"])
def test_what_is_no_number_becomes_null(sandbox: Sandbox, number: bytes) -> None:
    """Some serializers write values that are not JSON."""
    sandbox.fault("body", body=page_of(b"Infinity and NaN", number))
    outcome = sync(config_for(sandbox))
    row = next(row for row in outcome.records["recordings"] if row["id"] == "a")
    assert row["evaluationScore"] is None
    assert row["title"] == "Infinity and NaN"
    assert sum("NaN" in warning for warning in outcome.warnings) == 1


def test_a_byte_order_mark_is_no_fault(sandbox: Sandbox) -> None:
    sandbox.fault("body", body=b"\xef\xbb\xbf" + json.dumps({"data": DATA, "cursor": None}).encode())
    outcome = sync(config_for(sandbox))
    assert loaded(outcome) == EXPECTED
    assert outcome.warnings == []


def test_a_page_that_cannot_be_read_says_where_it_is(sandbox: Sandbox) -> None:
    """Users could not report it to Siro."""
    sandbox.fault("cut", on=None)
    config = config_for(sandbox, created_after="2025-01-01", created_before="2026-01-01", max_retry_seconds=5)
    (error,) = sync(config, status=1).errors
    assert "createdAt:gt 2025-01-01T00:00:00.000Z, createdAt:lt 2026-01-01T00:00:00.000Z" in error


# Copied tokens


@pytest.mark.parametrize(
    "given", ['"abc.DEF-1"', "'abc.DEF-1'", ' " abc.DEF-1 " ', '"Bearer abc.DEF-1"', "`abc.DEF-1`"]
)
def test_quotes_around_a_token_are_taken_off(given: str) -> None:
    """Docker's `--env-file` keeps quotes: the result would be a 401 without a hint."""
    faults: list[str] = []
    assert read_secret(given, "api_token", faults) == "abc.DEF-1"
    assert faults == []


@pytest.mark.parametrize(
    "given",
    ["${SIRO_TOKEN}", "${}", "<token>", "<your token>", "{{ token }}", "{{token}}", "Bearer ${TOKEN}", '"<token>"'],
)
def test_a_placeholder_is_no_token(given: str) -> None:
    """Copied examples and unset variables would also give a 401 without a hint."""
    faults: list[str] = []
    read_secret(given, "api_token", faults)
    assert len(faults) == 1
    assert "placeholder" in faults[0]


@pytest.mark.parametrize(
    "given",
    ["siro_live_0a1b2c", "eyJhbGciOiJIUzI1NiJ9.e30.abc-DEF_123==", "0f8fad5b-d9cb-469f-a165-70867728950e", "t",
     "myorg0token", "tokenABC123", "idx9", "my-etl", "your-app", "the_client", "token", "secret", "changeme", "todo",
     "xxx", "...", "null", "$TOKEN", "%TOKEN%", "here", "<a", "a>", "{a}"],
)  # fmt: skip
def test_a_token_is_no_placeholder(given: str) -> None:
    """Users with such a token could not use the tap."""
    faults: list[str] = []
    assert read_secret(given, "api_token", faults) == given
    assert faults == []
