"""Requests for other data than recordings: the same retries, rate limit and secrecy apply."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tap_siro.api.authentication import BearerToken
from tap_siro.api.client import Client, Host
from tap_siro.api.decoding import MalformedPageError
from tap_siro.api.pages import Page, read_page, read_recordings
from tap_siro.errors import CursorRefusedError, RefusedError, RetryableError, StoppedError, TapSiroError
from tap_siro.settings import CONFIG, Settings
from tests.sandbox import Sandbox
from tests.sandbox.data import plain
from tests.support.in_process import Clock
from tests.support.process import config_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATH = "/v1/core/recordings"
DATA = plain(3)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(DATA) as sandbox:
        yield sandbox


@pytest.fixture
def clock() -> Clock:
    return Clock()


@contextmanager
def client_of(sandbox: Sandbox, clock: Clock | None = None, **config: Any) -> Iterator[Client]:
    defaults = {name: one["default"] for name, one in CONFIG["properties"].items() if "default" in one}
    settings, faults = Settings.read({**defaults, **config_for(sandbox, **config)}, version="0")
    assert settings, faults
    client = Client(settings, clock or Clock())
    yield client
    client.close()


def get(client: Client, path: str = PATH, **query: str) -> Page:
    return client.get(path, query, decode=read_page)


def test_what_is_sent_is_what_was_asked_for(sandbox: Sandbox) -> None:
    """A list would get the parameters of recordings, and refuse them."""
    with client_of(sandbox) as client:
        assert get(client, pageSize="2").cursor
        assert len(get(client).records) == len(DATA)
    assert [request.params for request in sandbox.requests] == [{"pageSize": "2"}, {}]


def test_a_fault_that_passes_is_tried_again(sandbox: Sandbox, clock: Clock) -> None:
    """A list would be missing after each fault of the network."""
    for kind in ("reset", "html", "cut", "status"):
        sandbox.fault(kind)
    sandbox.fault("body", body={"data": None})
    with client_of(sandbox, clock) as client:
        assert len(get(client).records) == len(DATA)
    assert len(clock.waits) == 5


def test_a_fault_that_stays_ends_it(sandbox: Sandbox) -> None:
    """A run would never end."""
    sandbox.fault("status", on=None, status=503)
    with (
        client_of(sandbox, max_retry_seconds=10) as client,
        pytest.raises(TapSiroError, match="Gave up after") as error,
    ):
        get(client)
    assert not isinstance(error.value, (RetryableError, RefusedError))


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 409, 410, 422])
def test_a_refusal_says_its_status(sandbox: Sandbox, status: int) -> None:
    """A stream without access would end all others."""
    sandbox.fault("status", on=None, status=status)
    with client_of(sandbox) as client, pytest.raises(RefusedError) as error:
        get(client)
    assert error.value.status == status
    assert len(sandbox.requests) == 1
    assert sandbox.token not in str(error.value)


def test_what_is_not_there_is_a_refusal(sandbox: Sandbox) -> None:
    """An address that does not exist would end all streams."""
    with client_of(sandbox) as client, pytest.raises(RefusedError) as error:
        get(client, "/v1/core/nothing")
    assert error.value.status == 404


def test_a_cursor_that_is_refused_is_not_a_refused_endpoint(sandbox: Sandbox) -> None:
    """Half a list would count as missing."""
    sandbox.fault("status", on=None, status=410)
    with client_of(sandbox) as client, pytest.raises(CursorRefusedError):
        get(client, cursor="old")


def test_a_stopped_sync_sends_no_more(sandbox: Sandbox, clock: Clock) -> None:
    """A signal would have to wait for the last try."""
    sandbox.fault("status", on=None, status=503)
    with client_of(sandbox, clock) as client:
        clock.stop()
        with pytest.raises(StoppedError):
            get(client)
    assert len(sandbox.requests) == 1


def test_another_host_gets_its_own_token_only(sandbox: Sandbox) -> None:
    """The organization token would be sent to another host."""
    with Sandbox(DATA, token="other") as other, client_of(sandbox) as client:
        page = client.get(PATH, {}, decode=read_page, host=Host(other.url, BearerToken("other")))
        assert len(page.records) == len(DATA)
        assert {request.headers["Authorization"] for request in other.requests} == {"Bearer other"}
    assert sandbox.requests == []


# Forms of a list's page


@pytest.mark.parametrize(
    ("answer", "records", "cursor"),
    [
        ([{"id": "a"}], [{"id": "a"}], None),
        ([], [], None),
        ({"data": []}, [], None),
        ({"data": [{"id": "a"}], "cursor": None}, [{"id": "a"}], None),
        ({"data": [1], "cursor": ""}, [1], None),
        ({"data": [1], "cursor": "next"}, [1], "next"),
        ({"data": [1], "cursor": 17, "hasNextPage": True}, [1], "17"),
        ({"data": [1], "cursor": 0, "hasNextPage": True}, [1], "0"),
        ({"data": [1], "cursor": "next", "hasNextPage": None}, [1], "next"),
        ({"data": [1], "cursor": "next", "hasNextPage": False}, [1], None),
        ({"data": [1], "cursor": 17, "hasNextPage": False}, [1], None),
        ({"data": [1], "cursor": None, "hasNextPage": False, "limit": 25, "total": 1}, [1], None),
        ({"data": [1], "hasMore": False, "errors": []}, [1], None),
    ],
    ids=str,
)
def test_a_list_comes_in_any_of_its_forms(answer: Any, records: list[Any], cursor: str | None) -> None:
    """Live responses can differ from the vendor's document: a list would be empty, or half."""
    page = read_page(json.dumps(answer).encode())
    assert (page.records, page.cursor, page.fault) == (records, cursor, "")


@pytest.mark.parametrize(
    ("answer", "records"),
    [
        ({"data": {"items": [1], "other": 2}}, [1]),
        ({"data": {"items": None}}, None),
        ({"data": {"other": [1]}}, None),
        ({"data": [1]}, [1]),
        ({"data": None}, None),
    ],
    ids=str,
)
def test_a_named_list_may_be_missing_only_if_it_is_optional(answer: Any, records: list[Any] | None) -> None:
    """A recording without details would be reported as failed, or a missing list of users would count as empty."""
    body = json.dumps(answer).encode()
    assert read_page(body, "items", optional=True).records == (records or [])
    if records is None:
        with pytest.raises(MalformedPageError):
            read_page(body, "items")
    else:
        assert read_page(body, "items").records == records


@pytest.mark.parametrize(
    "answer",
    [
        None,
        7,
        {},
        {"data": None},
        {"data": {"id": "a"}},
        {"items": []},
        {"error": "internal"},
        {"data": [1], "cursor": True},
        {"data": [1], "cursor": ["a"]},
        {"data": [1], "cursor": {}, "hasNextPage": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("read", [read_page, read_recordings])
def test_what_is_no_page_is_not_taken_for_an_empty_one(answer: Any, read: Callable[[bytes], Page]) -> None:
    """A target would delete all users."""
    with pytest.raises(MalformedPageError):
        read(json.dumps(answer).encode())


@pytest.mark.parametrize("read", [read_page, read_recordings])
@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"hasNextPage": True}, "no cursor"),
        ({"cursor": None, "hasMore": True}, "no cursor"),
        ({"error": "internal"}, "reports an error"),
        ({"cursor": "next", "errors": ["internal"]}, "reports an error"),
    ],
    ids=str,
)
def test_an_answer_that_says_that_records_are_missing_is_believed(
    more: dict[str, Any], fault: str, read: Callable[[bytes], Page]
) -> None:
    """Half a list would count as complete. Its rows are loaded all the same."""
    page = read(json.dumps({"data": [1], **more}).encode())
    assert page.records == [1]
    assert fault in page.fault


def test_a_cursor_that_is_a_number_is_kept_digit_by_digit() -> None:
    """A rounded cursor would skip records."""
    digits = "123456789012345678901234567890"
    assert read_page(b'{"data": [], "cursor": %s}' % digits.encode()).cursor == digits
    assert read_page(b'{"data": [], "cursor": 1700000000.120}').cursor == "1700000000.120"
