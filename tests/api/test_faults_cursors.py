"""Odd cursors, filters and page sizes of the API: all rows arrive, or the sync fails and says why."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from tap_siro.api import chain
from tap_siro.api.chain import MAX_RESTARTS
from tests.sandbox import Sandbox
from tests.sandbox import recordings as endpoint
from tests.sandbox.data import plain
from tests.sandbox.expected import expected_rows
from tests.sandbox.query import parse_query
from tests.support.in_process import Outcome, loaded, place, served, sync, threads_left
from tests.support.process import config_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.sandbox import Request

DATA = plain(60, sections=1, extractions=1)
EXPECTED = expected_rows(DATA)
SMALL = {"page_size": 5}
MAX_EMPTY = 100
"""Empty pages that are one too many, in place of a thousand."""
NEWEST = max(row["updatedAt"] for row in DATA)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(DATA) as sandbox:
        yield sandbox


def bookmark(outcome: Outcome) -> Any:
    return outcome.state.get("bookmarks", {}).get("recordings", {}).get("replication_key_value")


def check_complete(outcome: Outcome, sandbox: Sandbox) -> None:
    assert loaded(outcome) == EXPECTED
    assert bookmark(outcome) == NEWEST
    assert outcome.errors == []


def check_failed(outcome: Outcome, sandbox: Sandbox, said: str, requests: int) -> None:
    """Check for one sentence, a limited number of requests, no thread left, and no progress in the state."""
    (error,) = outcome.errors
    assert said in error
    assert len(sandbox.requests) <= requests
    assert threads_left() == []
    assert bookmark(outcome) is None


# Cursors


def with_cursor(cursor: str) -> Callable[[Request], bool]:
    return lambda request: request.params.get("cursor") == cursor


def put_empty_pages(sandbox: Sandbox, where: str, count: int) -> None:
    """Put empty pages, each with a cursor, between a page and the next one."""
    bodies: list[dict[str, Any]] = [{"data": [], "cursor": f"hole-{number + 1}"} for number in range(count)]

    def detour(page: Any) -> Any:
        bodies[-1]["cursor"] = page["cursor"]
        return page | {"cursor": "hole-0"}

    sandbox.fault("edit", when=place(sandbox, where), edit=detour)
    for number, body in enumerate(bodies):
        sandbox.fault("body", when=with_cursor(f"hole-{number}"), body=body)


@pytest.mark.parametrize(
    ("where", "threads", "count"), [("first", 1, 1), ("first", 1, MAX_EMPTY - 1), ("first", 4, 10), ("middle", 1, 10)]
)
def test_empty_pages_with_a_cursor_are_not_the_end(
    sandbox: Sandbox, where: str, threads: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """APIs that filter after paging do this: all later rows would be missing, and the bookmark past them."""
    monkeypatch.setattr(chain, "MAX_EMPTY_PAGES", MAX_EMPTY)
    put_empty_pages(sandbox, where, count)
    outcome = sync(config_for(sandbox, concurrency=threads, **SMALL))
    check_complete(outcome, sandbox)
    assert sum(request.fault == "body" for request in sandbox.requests) == count


@pytest.mark.parametrize(("where", "threads"), [("first", 4), ("middle", 1)])
def test_fresh_cursors_on_empty_pages_do_not_go_on_for_ever(
    sandbox: Sandbox, where: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A nightly job would never end, and use up the rate limit that it shares with other programs."""
    assert chain.MAX_EMPTY_PAGES == 1_000, "a filtered store may have that many"
    monkeypatch.setattr(chain, "MAX_EMPTY_PAGES", MAX_EMPTY)
    body: dict[str, Any] = {"data": [], "cursor": ""}
    is_there = place(sandbox, where)

    def endless(request: Request) -> bool:
        if request.params.get("cursor", "").startswith("fresh") or is_there(request):
            body["cursor"] = f"fresh-{request.number}"
            return True
        return False

    fault = sandbox.fault("body", on=None, when=endless, body=body)
    config = config_for(sandbox, concurrency=threads, **SMALL)
    outcome = sync(config, status=1)
    check_failed(outcome, sandbox, "empty pages in a row", 30 + MAX_EMPTY * threads)
    fault.on = 0
    assert loaded(outcome, sync(config, state=outcome.state)) == EXPECTED


@pytest.mark.parametrize("order", ["newest_created", "oldest_updated", "newest_updated", "id"])
@pytest.mark.parametrize(("cursor", "page_size"), [("place", 5), ("count", 60)])
def test_a_cursor_on_the_last_page_is_followed_to_its_end(order: str, cursor: str, page_size: int) -> None:
    """Some APIs send a cursor with every page that has rows: a sync would fail, or read everything repeatedly."""
    with Sandbox(DATA, order=order, cursor=cursor, last_page_cursor=True) as sandbox:
        settings = SMALL | {"page_size": page_size, "show_evaluation_score": False}
        outcome = sync(config_for(sandbox, **settings))
        assert loaded(outcome) == expected_rows([row | {"evaluationScore": None} for row in DATA])
        assert outcome.count()["recordings"] <= served(sandbox)
        assert len(sandbox.requests) <= 4 * (2 + len(DATA) // page_size)


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("distance", [1, 2, 3])
def test_a_cursor_that_comes_back_ends_the_sync(sandbox: Sandbox, distance: int, threads: int) -> None:
    """With a cursor that is repeated at once, or A, B, A, a job would read the same pages endlessly."""
    trail: dict[Any, list[str]] = {}
    sent: list[str] = []

    def has_trail(request: Request) -> bool:
        # Requests come one at a time up to here, so the edit below is for this one.
        chain = trail.setdefault((request.params.get("createdAt:gt"), request.params.get("createdAt:lt")), [])
        if "cursor" in request.params:
            chain.append(request.params["cursor"])
        sent[:] = chain[-distance:][:1] if len(chain) >= distance else []
        return bool(sent)

    def back(page: Any) -> Any:
        return page | {"cursor": sent[0]} if sent else page

    fault = sandbox.fault("edit", on=None, when=has_trail, edit=back)
    config = config_for(sandbox, concurrency=threads, **SMALL)
    outcome = sync(config, status=1)
    check_failed(outcome, sandbox, "same cursor twice", 35)
    fault.on = 0
    assert loaded(outcome, sync(config, state=outcome.state)) == EXPECTED


@pytest.mark.parametrize(("where", "threads"), [("middle", 4), ("last", 1)])
@pytest.mark.parametrize("times", [1, MAX_RESTARTS])
@pytest.mark.parametrize("status", [400, 410])
def test_an_expired_cursor_costs_no_row(sandbox: Sandbox, status: int, times: int, where: str, threads: int) -> None:
    """A cursor may expire while a slow target delays the sync: the rest of the slice would be missing."""
    fault = sandbox.fault("status", on=times, when=place(sandbox, where), status=status, body=b'{"message":"cursor"}')
    outcome = sync(config_for(sandbox, concurrency=threads, **SMALL))
    check_complete(outcome, sandbox)
    assert outcome.count()["recordings"] <= served(sandbox)
    assert len(outcome.warnings) == fault.hits == times


@pytest.mark.parametrize("status", [400, 410])
def test_a_cursor_that_expires_on_the_very_second_page_costs_no_row(sandbox: Sandbox, status: int) -> None:
    """A cursor may expire before the distribution of recordings is known."""
    fault = sandbox.fault("status", when=lambda request: "cursor" in request.params, status=status)
    outcome = sync(config_for(sandbox, **SMALL))
    check_complete(outcome, sandbox)
    assert fault.hits == 1


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("status", [400, 410])
def test_cursors_that_never_work_end_the_sync(sandbox: Sandbox, status: int, threads: int) -> None:
    """A job would divide its slices in an endless loop."""
    fault = sandbox.fault("status", on=None, when=lambda request: "cursor" in request.params, status=status)
    config = config_for(sandbox, concurrency=threads, **SMALL)
    outcome = sync(config, status=1)
    check_failed(outcome, sandbox, f"). That happened {MAX_RESTARTS + 1} times.", 60)
    fault.on = 0
    assert loaded(outcome, sync(config, state=outcome.state)) == EXPECTED


# Filters


@contextmanager
def ignoring(*names: str) -> Iterator[None]:
    """Let the sandbox ignore some parameters."""

    def parse(pairs: Any, **options: Any) -> Any:
        return parse_query([(name, value) for name, value in pairs if name not in names], **options)

    with mock.patch.object(endpoint, "parse_query", parse):
        yield


@pytest.mark.parametrize("names", [("updatedAt:gte",), ("updatedAt:gte", "createdAt:gt", "createdAt:lt")])
def test_an_api_that_ignores_the_update_filter_is_found_out(sandbox: Sandbox, names: tuple[str, ...]) -> None:
    """Each incremental sync would read everything, unnoticed."""
    config = config_for(sandbox, **SMALL)
    first = sync(config)
    sandbox.clear()
    with ignoring(*names):
        outcome = sync(config, state=first.state, status=1)
    (error,) = outcome.errors
    assert "updatedAt:gte" in error
    assert len(sandbox.requests) <= 5
    assert bookmark(outcome) == bookmark(first) == NEWEST
    assert loaded(first, sync(config, state=outcome.state)) == EXPECTED


def test_an_api_that_ignores_the_cursor_is_found_out(sandbox: Sandbox) -> None:
    """The first page would be loaded in an endless loop."""
    with ignoring("cursor"):
        outcome = sync(config_for(sandbox, **SMALL), status=1)
    check_failed(outcome, sandbox, "same cursor twice", 5)


def test_a_filter_that_is_off_by_less_than_a_second_is_let_pass(sandbox: Sandbox) -> None:
    """APIs that store whole seconds would be refused without need."""
    row = DATA[-1] | {"id": "early", "createdAt": "2025-09-30T23:59:59.400Z"}

    def add_early(page: Any) -> Any:
        return page | {"data": [*page["data"], row]}

    sandbox.fault("edit", edit=add_early)
    outcome = sync(config_for(sandbox, created_after="2025-10-01", **SMALL))
    assert ("early",) in loaded(outcome)["recordings"]


# Page sizes


@pytest.mark.parametrize("threads", [1, 4])
def test_an_api_that_caps_its_pages_costs_no_row(threads: int) -> None:
    """A page smaller than requested would count as the last one."""
    data = plain(300, sections=1, extractions=1)
    with Sandbox(data, max_page_size=15, strict=False) as sandbox:
        outcome = sync(config_for(sandbox, page_size=25, concurrency=threads))
        assert loaded(outcome) == expected_rows(data)
        assert outcome.warnings == []
        assert {request.params["pageSize"] for request in sandbox.requests} == {"25"}
        assert max(request.rows for request in sandbox.requests) == 15


@pytest.mark.parametrize("threads", [1, 4])
def test_an_api_that_refuses_the_page_size_is_asked_without_one(threads: int) -> None:
    """If Siro lowered its limit, all syncs would fail until each user had found the setting."""
    data = [row | {"evaluationScore": None} for row in plain(120, sections=1, extractions=1)]
    with Sandbox(data, max_page_size=50) as sandbox:
        outcome = sync(config_for(sandbox, page_size=100, show_evaluation_score=False, concurrency=threads))
        assert loaded(outcome) == expected_rows(data)
        (warning,) = outcome.warnings
        assert "page_size" in warning
        assert [request.number for request in sandbox.requests if "pageSize" in request.params] == [1]


@pytest.mark.parametrize(("page_size", "requests"), [(100, 2), (26, 2), (25, 1), (1, 1)])
def test_a_refusal_that_the_page_size_does_not_explain_ends_the_sync(
    sandbox: Sandbox, page_size: int, requests: int
) -> None:
    """A wrong setting would be retried instead of reported."""
    sandbox.fault("status", on=None, status=400)
    outcome = sync(config_for(sandbox, page_size=page_size, show_evaluation_score=False), status=1)
    check_failed(outcome, sandbox, "the request is invalid", requests)
    assert len(sandbox.requests) == requests
    assert len(outcome.warnings) == requests - 1


def test_an_api_that_ignores_the_page_size_costs_no_row() -> None:
    """The limit can be below the documented default page size."""
    with ignoring("pageSize"), Sandbox(DATA, default_page_size=7) as sandbox:
        check_complete(sync(config_for(sandbox, page_size=25)), sandbox)
