"""Independent sources: a failing recording, stream or host does not affect the others."""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING, Any

import pytest

from tap_siro.sync import recordings as passes
from tap_siro.sync.slice_fetcher import MAX_POISON
from tests.sandbox import Sandbox
from tests.sandbox.data import plain, recordings
from tests.sandbox.expected import expected_rows
from tests.sandbox.recording_utterances import UTTERANCES
from tests.sandbox.routes import USER_API
from tests.sandbox.streams import PATHS, expected_details, expected_lists
from tests.support.in_process import Clock, Outcome, sync
from tests.support.process import Warehouse, config_for, selecting, user_host

if TYPE_CHECKING:
    from tests.sandbox import Request
    from tests.sandbox.faults import Fault

DATA = plain(120, sections=1, extractions=1)
FAST: dict[str, Any] = {"page_size": 10}


def poison(sandbox: Sandbox, *names: str) -> Fault:
    """Let every page fail that contains one of these recordings."""

    def is_there(request: Request) -> bool:
        return any(name.encode() in row for row in sandbox.peek(request).rows for name in names)

    return sandbox.fault("status", status=500, on=None, when=is_there)


def without(names: set[str], *runs: Outcome) -> Warehouse:
    """Load the runs, and check that these recordings are missing."""
    warehouse = Warehouse()
    for run in runs:
        warehouse.load(run)
    assert not names & {key[0] for key in warehouse.tables["recordings"]}
    return warehouse


def bookmarks(run: Outcome) -> dict[str, Any]:
    return {name: each.get("replication_key_value") for name, each in run.state.get("bookmarks", {}).items()}


@pytest.mark.parametrize(
    ("is_poll", "place", "order", "threads"),
    [
        (False, 0, "oldest_updated", 4),
        (False, 30, "newest_created", 4),
        (False, 59, "newest_created", 1),
        (True, 0, "oldest_updated", 4),
        (True, 59, "newest_created", 4),
    ],
)
def test_a_recording_that_the_api_cannot_return_costs_only_itself(
    *, is_poll: bool, place: int, order: str, threads: int
) -> None:
    """All recordings and lists would be missing in every run, until Siro repairs one recording."""
    data = DATA[::2]
    bad, other = data[place]["id"], data[(place + 25) % 60]["id"]
    catalog = selecting("recordings", "users")
    with Sandbox(data, order=order) as sandbox:
        config = config_for(sandbox, concurrency=threads, **FAST)
        state: dict[str, Any] = {}
        if is_poll:
            state = sync(config, catalog=catalog).state
            for each in data:
                sandbox.update(each["id"], title="edited")
        fault, clock = poison(sandbox, bad), Clock()
        first = sync(config, catalog=catalog, state=state, clock=clock, status=1)
        expected = expected_rows([each for each in sandbox.recordings if each["id"] != bad])["recordings"]
        assert without({bad}, first).tables["recordings"] == expected
        assert without({bad}, first).lists["users"] == expected_lists(sandbox.lists)["users"]
        assert clock.slept < 60, "an outage would be waited for longer"
        assert f"created at {data[place]['createdAt'][:19]}.000Z (within a second)" in first.errors[0]
        assert bookmarks(first).get("recordings") == (
            (state and state["bookmarks"]["recordings"]["replication_key_value"]) or None
        )
        sandbox.update(other, title="later")
        second = sync(config, catalog=catalog, state=first.state, status=1)
        assert {"later"} <= {row["title"] for row in second.records["recordings"]}
        if not is_poll:
            assert second.count()["recordings"] <= 60 - place + 1, "what was created before came already"
        fault.on = 0
        third = sync(config, catalog=catalog, state=second.state)
        assert (
            without(set(), first, second, third).tables["recordings"] == expected_rows(sandbox.recordings)["recordings"]
        )
        fourth = sync(config, catalog=catalog, state=third.state)
        assert fourth.count()["recordings"] <= 3 + (59 if is_poll else 0), "the bookmark has moved"


@pytest.mark.parametrize("begins_at", [1, 10])
def test_answers_of_other_endpoints_do_not_make_an_outage_a_fault_of_recordings(begins_at: int) -> None:
    """While details arrive, an outage of the list would count as recordings that Siro cannot return."""
    clock = Clock()

    def is_away(request: Request) -> bool:
        assert clock.client is not None
        clock.client.api.successes += 1  # a detail has arrived meanwhile
        return request.number >= begins_at

    catalog = selecting("recordings")
    with Sandbox(DATA) as sandbox:
        fault = sandbox.fault("status", status=500, on=None, when=is_away)
        run = sync(config_for(sandbox, **FAST), catalog=catalog, clock=clock, status=1)
        assert "max_retry_seconds" in run.errors[0]
        fault.on = 0
        second = sync(config_for(sandbox, **FAST), catalog=catalog, state=run.state)
        expected = expected_rows(sandbox.recordings)["recordings"]
        assert without(set(), run, second).tables["recordings"] == expected


def test_an_api_that_fails_on_most_recordings_is_not_asked_for_each() -> None:
    """The tap would request each second of the past separately, for days."""
    with Sandbox(DATA[:40]) as sandbox:
        poison(sandbox, *(each["id"] for each in DATA[:40]))
        run = sync(config_for(sandbox, **FAST), catalog=selecting("recordings", "users"), status=1)
        assert len(sandbox.requests) < 200 * MAX_POISON
        assert run.records["users"]
    assert f"More than {MAX_POISON} recordings" in run.errors[0]


@pytest.mark.parametrize("begins_at", [1, 12])
@pytest.mark.parametrize("seconds", [120, 10_000])
def test_an_outage_is_not_taken_for_such_a_recording(seconds: int, begins_at: int) -> None:
    """After an outage, the message would blame one recording, and the full sync would be incomplete."""
    clock = Clock()

    def is_away(request: Request) -> bool:
        return request.number >= begins_at and clock.slept < seconds

    with Sandbox(DATA) as sandbox:
        fault = sandbox.fault("status", status=502, on=None, when=is_away)
        config = config_for(sandbox, **FAST)
        is_short = seconds < 600
        run = sync(config, catalog=selecting("recordings", "users"), clock=clock, status=0 if is_short else 1)
        assert run.records["users"]
        if is_short:
            assert without(set(), run).tables["recordings"] == expected_rows(DATA)["recordings"]
            return
        assert "Gave up" in run.errors[0]
        assert "however small" not in run.errors[0]
        assert not bookmarks(run).get("recordings")
        fault.on = 0
        rest = sync(config, catalog=selecting("recordings", "users"), state=run.state)
        assert without(set(), run, rest).tables["recordings"] == expected_rows(DATA)["recordings"]


PARTS: dict[str, Any] = {
    "an error": lambda page: {**page, "error": "partial result: shard 3 timed out"},
    "more, and no cursor": lambda page: {**page, "cursor": None, "hasNextPage": True},
    "hasMore": lambda page: {**page, "cursor": None, "hasMore": True},
    "fewer than the total": lambda page: {**page, "total": 5_000},
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("is_poll", [False, True])
def test_recordings_that_are_said_to_be_a_part_move_no_bookmark(part: str, *, is_poll: bool) -> None:
    """35 of 60 recordings would be missing for good, with status 0."""
    catalog = selecting("recordings", "users")
    with Sandbox(DATA) as sandbox:
        config = config_for(sandbox, **FAST)
        begun = sync(config, catalog=catalog) if is_poll else None
        for each in DATA[:40]:
            sandbox.update(each["id"], title="edited")
        sandbox.clear()
        fault = sandbox.fault("edit", on=None, edit=PARTS[part])
        state = begun.state if begun else None
        run = sync(config, catalog=catalog, state=state, status=1)
        assert "incomplete list" in run.errors[0]
        assert len(run.records["recordings"]) >= FAST["page_size"], "what came is loaded"
        assert run.records["users"]
        assert bookmarks(run).get("recordings") == (bookmarks(begun)["recordings"] if begun else None)
        fault.on = 0
        rest = sync(config, catalog=catalog, state=run.state)
        runs = [each for each in (begun, run, rest) if each]
        assert without(set(), *runs).tables["recordings"] == expected_rows(sandbox.recordings)["recordings"]


# Details

VARIED = recordings(50, odd=False)
PROCESSED = [each["id"] for each in VARIED if each["isProcessingDone"]]
UTTERANCE, FOLLOWUP = "recording_utterances", "recording_followup_details"
DETAILS = (UTTERANCE, FOLLOWUP)
API_LISTS = [name for name in PATHS if name not in {"followups", "scorecards", "recording_outcomes"}]
STREAMS = ("recordings", *DETAILS, "users")


def with_details(sandbox: Sandbox, **settings: Any) -> dict[str, Any]:
    return config_for(sandbox, **user_host(sandbox) | FAST | settings)


def check_all_but(sandbox: Sandbox, lost: set[str], *runs: Outcome) -> None:
    """Check that only the utterances of some recordings are missing."""
    warehouse, expected = Warehouse(), expected_details(sandbox)
    for run in runs:
        warehouse.load(run)
    expected[UTTERANCE] = {key: row for key, row in expected[UTTERANCE].items() if key[0] not in lost}
    assert {stream: warehouse.details[stream] for stream in DETAILS} == {stream: expected[stream] for stream in DETAILS}
    assert warehouse.tables["recordings"] == expected_rows(sandbox.recordings)["recordings"]
    assert warehouse.lists["users"] == expected_lists(sandbox.lists)["users"]


REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "403": ("status", {"status": 403}),
    "422": ("status", {"status": 422}),
}
LATER: dict[str, tuple[str, dict[str, Any]]] = {
    "500": ("status", {"status": 500}),
    "no JSON": ("html", {}),
    "time-out": ("timeout", {"seconds": 30.0}),
    "an error beside the data": ("edit", {"edit": lambda page: {**page, "error": "partial result"}}),
    "more without a cursor": ("edit", {"edit": lambda page: {**page, "cursor": None, "hasNextPage": True}}),
    "fewer than the total": ("edit", {"edit": lambda page: {**page, "total": 500}}),
}


@pytest.mark.parametrize("kind", [*REFUSED, *LATER])
def test_a_recording_whose_details_cannot_be_loaded_costs_only_them(kind: str) -> None:
    """One transcript without access would stop all recordings and lists, in every run."""
    fault, options = (REFUSED | LATER)[kind]
    catalog, bad = selecting(*STREAMS), PROCESSED[20]
    with Sandbox(VARIED) as sandbox:
        hit = sandbox.fault(fault, path=UTTERANCES, on=None, when=lambda each: each.values["id"] == bad, **options)
        short = {"request_timeout": 0.7, "max_retry_seconds": 2} if kind == "time-out" else {}
        run = sync(with_details(sandbox, **short), catalog=catalog, status=1)
        check_all_but(sandbox, {bad}, run)
        newest = max(each["updatedAt"] for each in VARIED)
        assert bookmarks(run) == dict.fromkeys(STREAMS[:3], newest) | ({UTTERANCE: None} if kind in LATER else {})
        (error,) = run.errors
        assert f"Failed to load '{UTTERANCE}' of 1 recording(s)" in error
        hit.on = 0
        sandbox.clear()
        healed = sync(with_details(sandbox), catalog=catalog, state=run.state)
        asked = {request.values["id"] for request in sandbox.requests_to(UTTERANCES)}
        assert (bad in asked) is (kind in LATER)
        check_all_but(sandbox, set() if kind in LATER else {bad}, run, healed)


WRONG = ("all 403", "all 500", "all 401", "an unknown path", "HTML 404", "refused", "the other host")


@pytest.mark.parametrize(("kind", "count"), [*((kind, 50) for kind in WRONG), *((kind, 8) for kind in WRONG[2:])])
def test_a_host_that_has_no_details_costs_only_its_stream(kind: str, count: int) -> None:
    """A wrong `user_api_url`, or an outage of that host, would stop everything, or count as no transcripts."""
    catalog, clock = selecting(*STREAMS), Clock()
    with Sandbox(VARIED[:count]) as sandbox, socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        urls = {
            "an unknown path": f"{sandbox.user_api_url}/nowhere",
            "refused": f"http://127.0.0.1:{deaf.getsockname()[1]}",
            "the other host": sandbox.url,
        }
        config = with_details(sandbox, user_api_url=urls.get(kind, sandbox.user_api_url))
        if kind == "HTML 404":
            sandbox.fault("html", status=404, path=None, on=None, when=lambda each: each.path.startswith(USER_API))
        elif kind not in urls:
            sandbox.fault("status", status=int(kind[-3:]), path=UTTERANCES, on=None)
        run = sync(config, catalog=catalog, clock=clock, status=1)
        check_all_but(sandbox, set(PROCESSED), run)
    newest = max(each["updatedAt"] for each in VARIED[:count])
    assert bookmarks(run) == {"recordings": newest, FOLLOWUP: newest, UTTERANCE: None}
    (error,) = run.errors
    assert f"Failed to load '{UTTERANCE}'; all other streams were loaded" in error
    assert f"`!{UTTERANCE}.*`" in error
    assert "user_api_url" in error
    assert clock.slept < 700, "what was waited for in vain is not waited for again"


def test_many_recordings_that_are_gone_are_no_fault() -> None:
    """After a purge of 25 recordings, each poll would fail with wrong advice."""
    catalog = selecting(*STREAMS)
    with Sandbox(VARIED) as sandbox:
        first = sync(with_details(sandbox), catalog=catalog)
        for name in PROCESSED[:25]:
            sandbox.update(name, title="purged")
            sandbox.details.gone.add(name)
        sandbox.clear()
        poll = sync(with_details(sandbox, lookback_seconds=1), catalog=catalog, state=first.state)
        assert len({request.values["id"] for request in sandbox.requests_to(UTTERANCES)}) >= 25
        assert poll.count()["recordings"] >= 25
        assert poll.warnings == []
        assert bookmarks(poll).keys() == {*STREAMS[:3]}
        assert all(moment > bookmarks(first)[name] for name, moment in bookmarks(poll).items())


@pytest.mark.parametrize(
    ("order", "place", "after"),
    [("newest_created", 0, 4), ("newest_created", 12, 4), ("oldest_updated", 0, 38), ("oldest_updated", 0, 44)],
)
def test_a_page_that_waits_for_a_detail_is_not_passed_over(
    order: str, place: int, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later pages are written first: a run that is stopped then would lose the page's recordings."""
    monkeypatch.setattr(passes, "STATE_SECONDS", 0.0)
    catalog, slow, since = selecting(*STREAMS), PROCESSED[place], list[str]()

    def stop(_: Sandbox, request: Request) -> None:
        if request.route == UTTERANCES and (since or request.values["id"] == slow):
            since.append(request.values["id"])
            if len(set(since)) == after:
                os.kill(os.getpid(), signal.SIGTERM)

    with Sandbox(VARIED, order=order) as sandbox:
        wait = sandbox.fault("slow", path=UTTERANCES, on=None, seconds=1, when=lambda each: each.values["id"] == slow)
        sandbox.watch = stop
        config = with_details(sandbox, page_size=3, concurrency=3)
        first = sync(config, catalog=catalog, status=143)
        wait.on, sandbox.watch = 0, None
        check_all_but(sandbox, set(), first, sync(config, catalog=catalog, state=first.state))


@pytest.mark.parametrize("threads", [2, 4])
def test_a_page_that_was_read_twice_waits_for_its_details(threads: int) -> None:
    """The first page is read again as part of a slice, without its recordings: they must still be written."""
    newest = PROCESSED[-1]
    with Sandbox(VARIED) as sandbox:
        sandbox.fault("slow", path=UTTERANCES, seconds=1, when=lambda each: each.values["id"] == newest)
        run = sync(with_details(sandbox, page_size=5, concurrency=threads), catalog=selecting(*STREAMS))
        check_all_but(sandbox, set(), run)


# Lists


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_lists_come_though_the_recordings_do_not(status: int) -> None:
    """Without the scope for recordings, users would be missing too."""
    with Sandbox(DATA) as sandbox:
        sandbox.fault("status", status=status, on=None)
        run = sync(config_for(sandbox, **FAST), catalog=selecting("recordings", "users", "teams"), status=1)
        assert without(set(), run).lists["users"] == expected_lists(sandbox.lists)["users"]
    assert [each["stream"] for each in run.messages if each["type"] == "ACTIVATE_VERSION"] == ["users", "teams"]
    assert not bookmarks(run).get("recordings")
    assert "Failed to load 'recordings'; all other streams were loaded" in run.errors[0]


def test_a_host_that_is_down_is_waited_for_once() -> None:
    """With six lists, a nightly run would take an hour and ten minutes to fail."""
    clock = Clock()
    with Sandbox(DATA) as sandbox:
        sandbox.fault("status", status=502, path=None, on=None)
        run = sync(config_for(sandbox, **FAST), catalog=selecting("recordings", *API_LISTS), clock=clock, status=1)
        for name in API_LISTS:
            assert len(sandbox.requests_to(PATHS[name])) <= 1
    assert clock.slept < 700
    assert "Not retried, because an earlier request to the same host failed" in run.errors[0]
