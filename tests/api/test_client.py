"""Requests for other data than recordings: the same retries, rate limit and secrecy apply."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tap_siro.api.authentication import BearerToken
from tap_siro.api.client import Client, Host
from tap_siro.api.pages import Page, read_page
from tap_siro.errors import CursorRefusedError, RefusedError, RetryableError, StoppedError, TapSiroError
from tap_siro.settings import CONFIG, Settings
from tests.sandbox import Sandbox
from tests.sandbox.data import plain
from tests.support.in_process import Clock
from tests.support.process import config_for

if TYPE_CHECKING:
    from collections.abc import Iterator

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
