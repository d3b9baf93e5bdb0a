"""Lists: every row arrives, in any form that the API sends, and a failing list does not stop others."""

from __future__ import annotations

import logging
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tap_siro.sync import lists, reader
from tap_siro.tap import TapSiro
from tests.sandbox import Sandbox, timestamps
from tests.sandbox.connections import CONNECTIONS
from tests.sandbox.data import recordings
from tests.sandbox.expected import expected_rows
from tests.sandbox.followups import FOLLOWUPS
from tests.sandbox.mobile_events import EVENTS, MobileEvents
from tests.sandbox.routes import Route
from tests.sandbox.scorecards import SCORECARDS
from tests.sandbox.streams import DEFAULT, KEYS, LIST_KEYS, PATHS, Lists, expected_lists
from tests.sandbox.teams import IDENTITY, ORGANIZATIONS, TEAMS
from tests.sandbox.tokens import USER_TOKEN
from tests.sandbox.users import USERS
from tests.support.in_process import Outcome, check_rows, sync
from tests.support.process import Warehouse, config_for, selecting, user_host

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sandbox import Request
    from tests.sandbox.faults import Answer
    from tests.support.process import Table

DATA = recordings(40, odd=False)
EVERYTHING = Lists(DATA, page_size=7)
CHILDREN = {
    "team_members": "teams",
    "engagement_users": "engagements",
    "opportunity_users": "opportunities",
    "scorecard_nodes": "scorecards",
}
ON_USER_HOST = {"followups", "scorecards", "scorecard_nodes", "recording_outcomes"}
INCREMENTAL = {"mobile_events", "recording_outcomes"}
WHOLE = [stream for stream in LIST_KEYS if stream not in INCREMENTAL]
NO_WAITING = {"max_retry_seconds": 0}


def host_config(sandbox: Sandbox, **settings: Any) -> dict[str, Any]:
    return config_for(sandbox, **user_host(sandbox), **settings)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(DATA, lists=EVERYTHING.copy()) as sandbox:
        yield sandbox


ALL = (*KEYS, *LIST_KEYS)


def loaded(run: Outcome) -> dict[str, Table]:
    """Return the tables of lists, and check that they have no duplicates."""
    warehouse = Warehouse()
    warehouse.load(run)
    for stream, rows in warehouse.lists.items():
        assert len(run.records[stream]) == len(rows), f"{stream} has doubles"
    return warehouse.lists


def activated(run: Outcome) -> list[str]:
    """Return the streams whose earlier rows a target may delete."""
    return [message["stream"] for message in run.messages if message["type"] == "ACTIVATE_VERSION"]


def test_every_row_arrives_with_every_column(sandbox: Sandbox) -> None:
    """Joins would miss reps, teams or deals."""
    run = sync(host_config(sandbox), catalog=selecting(*ALL))
    expected = expected_lists(sandbox.lists)
    assert loaded(run) == expected
    assert all(expected.values())
    assert run.warnings == []
    check_rows(run)
    assert len(run.schemas) == len(set(run.schemas)) == len(ALL)
    assert all(len(sandbox.requests_to(PATHS[stream])) > 1 for stream in ("users", "engagements", "mobile_events"))


def test_lists_in_other_wrappings_are_the_same_rows(sandbox: Sandbox) -> None:
    """Live responses differ from the OpenAPI document in two of three places."""
    sandbox.lists.bare = True
    sandbox.lists.page_size = 100
    assert loaded(sync(host_config(sandbox), catalog=selecting(*ALL))) == expected_lists(sandbox.lists)


def test_values_that_are_not_as_documented_lose_nothing(sandbox: Sandbox) -> None:
    """A number as an id would lose the row, and a new field its value."""
    made = sandbox.lists
    made.users += [
        {"id": 17, "firstName": "Nul\x00l", "externalId": 4711, "disabled": "true", "locale": {"zone": [1.50, None]}},
        {"id": "bare", "coachTeamIds": None, "contactSettings": None, "createdAt": "2024-03-01 09:00:00+02:00"},
    ]
    made.teams.append({"id": "odd", "memberUids": ["a", 7, "a", None, ""], "coachUids": ["a"], "memberManifest": None})
    made.engagements.append({"id": "odd", "accountId": 7, "account": [], "engagementUsers": [None, {"id": 1.5}, {}]})
    made.opportunities.append({"id": "odd", "amount": "12.50", "account": "text"})
    run = sync(host_config(sandbox), catalog=selecting(*ALL))
    expected = expected_lists(made)
    expected["engagement_users"][("odd", 1)]["id"] = "1.5"
    expected["users"][("17",)]["otherFields"] = '{"locale":{"zone":[1.5,null]}}'
    expected["users"][("bare",)]["createdAt"] = "2024-03-01T07:00:00.000Z"
    assert loaded(run) == expected
    check_rows(run)
    (warning,) = run.warnings
    assert "users.locale" in warning


def test_only_some_are_selected_by_default(sandbox: Sandbox) -> None:
    """Users who want only the names of their reps would read years of appointments and deals."""
    run = sync(host_config(sandbox))
    assert {stream for stream in run.records if stream not in KEYS} == set(DEFAULT)
    assert not [stream for stream in PATHS if stream not in DEFAULT and sandbox.requests_to(PATHS[stream])]
    catalog = TapSiro(config={"api_token": "t"}).catalog_dict
    for stream in catalog["streams"]:
        root = next(entry["metadata"] for entry in stream["metadata"] if not entry["breadcrumb"])
        on = stream["tap_stream_id"] in {*KEYS, *DEFAULT}
        assert root["selected"] is root["selected-by-default"] is on


@pytest.mark.parametrize("stream", LIST_KEYS)
def test_each_works_alone_and_nothing_else_is_asked_for(sandbox: Sandbox, stream: str) -> None:
    """A user who wants one list would wait for all recordings."""
    run = sync(host_config(sandbox), catalog=selecting(stream))
    assert {name: rows for name, rows in loaded(run).items() if rows} == {stream: expected_lists(sandbox.lists)[stream]}
    path = PATHS[CHILDREN.get(stream, stream)]
    asked = {request.route for request in sandbox.all_requests}
    assert asked - {IDENTITY, USER_TOKEN} == {path}
    assert len(sandbox.requests_to(IDENTITY)) == (path in {TEAMS, FOLLOWUPS, SCORECARDS})
    assert len(sandbox.requests_to(USER_TOKEN)) == (stream in ON_USER_HOST)


def test_without_them_nothing_is_asked_for(sandbox: Sandbox) -> None:
    """A token for recordings alone would be refused."""
    sync(host_config(sandbox), catalog=selecting(*KEYS))
    assert sandbox.all_requests == sandbox.requests


# Faults of a list


FAULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "403": ("status", {"status": 403, "body": b'{"message":"Forbidden"}'}),
    "404": ("status", {"status": 404}),
    "another shape": ("body", {"body": {"items": []}}),
    "never": ("reset", {}),
    "the same cursor": ("body", {"body": {"data": [], "cursor": "9", "hasNextPage": True}}),
}


@pytest.mark.parametrize(
    ("stream", "fault"),
    [
        *((stream, "403") for stream in PATHS),
        *((stream, fault) for stream in ("users", "mobile_events") for fault in FAULTS if fault != "403"),
    ],
)
def test_one_that_cannot_be_read_costs_only_itself(sandbox: Sandbox, stream: str, fault: str) -> None:
    """A token that lacks a scope would load nothing, or hide existing rows."""
    kind, options = FAULTS[fault]
    sandbox.fault(kind, path=PATHS[stream], on=None, **options)
    run = sync(host_config(sandbox, **NO_WAITING), catalog=selecting(*ALL), status=1)
    lost = {stream, *(child for child, parent in CHILDREN.items() if parent == stream)}
    assert loaded(run) == expected_lists(sandbox.lists) | {name: {} for name in lost}
    for name, rows in expected_rows(DATA).items():
        assert {tuple(row[key] for key in KEYS[name]) for row in run.records[name]} == rows.keys()
    assert activated(run) == [name for name in WHOLE if name not in lost]
    assert run.messages[-1]["type"] == "STATE"
    assert run.state["bookmarks"].keys() == {*KEYS, *INCREMENTAL}
    assert all(each["replication_key_value"] for name, each in run.state["bookmarks"].items() if name not in lost)
    (error,) = run.errors
    assert all(f"'{name}'" in error and f"!{name}.*" in error for name in lost)


MORE = {"cursor": None, "hasNextPage": True}
PARTS: dict[str, Any] = {
    "an error": lambda page: {**page, "error": "partial result: shard 3 timed out"},
    "more, and no cursor": lambda page: {**page, **(MORE if page["cursor"] is None else {})},
    "hasMore": lambda page: {**page, "hasMore": True} if page["cursor"] is None else page,
    "fewer than the total": lambda page: {**page, "total": 5_000},
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("stream", ["users", "teams", "mobile_events"])
def test_a_list_that_says_that_it_is_a_part_is_loaded_but_hides_nothing(
    sandbox: Sandbox, stream: str, part: str
) -> None:
    """An error of Siro beside the data would mark half of the users as deleted."""
    sandbox.fault("edit", path=PATHS[stream], on=None, edit=PARTS[part])
    run = sync(config_for(sandbox), catalog=selecting("users", "teams", "mobile_events"), status=1)
    expected = expected_lists(sandbox.lists)
    rows = loaded(run)
    assert {name: rows[name] for name in ("users", "teams", "mobile_events")} == {
        name: expected[name] for name in ("users", "teams", "mobile_events")
    }
    assert activated(run) == [name for name in ("users", "teams") if name != stream]
    bookmark = run.state["bookmarks"]["mobile_events"].get("replication_key_value")
    assert (bookmark is None) is (stream == "mobile_events")
    (error,) = run.errors
    assert "incomplete list" in error
    assert f"'{stream}'" in error


def test_a_list_that_is_too_heavy_is_read_in_smaller_pages(sandbox: Sandbox) -> None:
    """The users of a large organization would never be loaded."""
    made = sandbox.lists
    made.page_size = 1_000
    made.users = [{**made.users[0], "id": f"user-{number}"} for number in range(130)]
    made.mobile_events = [
        {**made.mobile_events[0], "id": f"e-{number}", "createdAt": timestamps.from_ms(1_750_000_000_000 + number)}
        for number in range(1_300)
    ]
    for stream, most in (("users", 50), ("mobile_events", 999)):

        def is_heavy(request: Request, most: int = most) -> bool:
            return int(request.params["pageSize"]) > most

        sandbox.fault("status", path=PATHS[stream], status=504, on=None, when=is_heavy)
    run = sync(config_for(sandbox), catalog=selecting("users", "mobile_events"))
    assert {row["id"] for row in run.records["users"]} == {row["id"] for row in made.users}
    assert {row["id"] for row in run.records["mobile_events"]} == {row["id"] for row in made.mobile_events}
    assert [warning for warning in run.warnings if "requesting 50 at a time" in warning]
    assert [warning for warning in run.warnings if "requesting 500 at a time" in warning]
    assert len(sandbox.requests_to(PATHS["users"])) <= 3 + 3 + 3, "three in vain, the users, and the disabled ones"


def test_a_part_is_loaded_but_hides_nothing(sandbox: Sandbox) -> None:
    """Rows of missing pages would be marked as deleted."""
    for path in PATHS.values():
        sandbox.fault("status", path=path, on=None, status=403, when=lambda request: "cursor" in request.params)
    run = sync(host_config(sandbox, **NO_WAITING), catalog=selecting("users", "engagements"), status=1)
    assert [len(loaded(run)[stream]) for stream in ("users", "engagements")] == [7, 7]
    assert activated(run) == []


def test_an_empty_answer_hides_nothing(sandbox: Sandbox) -> None:
    """A fault at Siro would empty the tables."""
    sandbox.lists.users.clear()
    sandbox.lists.teams.clear()
    run = sync(host_config(sandbox))
    assert activated(run) == ["integration_connections"]
    users, teams = run.warnings
    assert "'users'" in users
    assert "'teams' and 'team_members'" in teams


def test_rows_without_an_id_are_reported_and_hide_nothing(sandbox: Sandbox) -> None:
    """The row that lost its id would be marked as deleted."""
    sandbox.lists.users.insert(3, {"firstName": "No", "lastName": "Id"})
    sandbox.lists.users.insert(3, "no object")
    run = sync(host_config(sandbox), catalog=selecting("users", "teams"), status=1)
    assert len(run.records["users"]) == len(sandbox.lists.users) - 2
    assert activated(run) == ["teams"]
    (error,) = run.errors
    assert "2 record(s) of 'users'" in error


def test_a_cursor_that_is_refused_begins_the_list_again(sandbox: Sandbox) -> None:
    """Cursors expire after an unknown time."""
    sandbox.fault("status", path=PATHS["users"], status=410, when=lambda request: request.params.get("cursor") == "7")
    run = sync(host_config(sandbox), catalog=selecting("users"))
    assert {row["id"] for row in run.records["users"]} == {row["id"] for row in sandbox.lists.users}
    assert activated(run) == ["users"]
    sandbox.fault("status", path=PATHS["users"], on=None, status=410, when=lambda request: "cursor" in request.params)
    assert "Run the sync again" in sync(host_config(sandbox), catalog=selecting("users"), status=1).errors[0]


def test_a_page_size_that_is_refused_is_not_asked_for(sandbox: Sandbox) -> None:
    """Siro documents no page size for users."""
    sandbox.fault("status", path=PATHS["users"], on=None, status=400, when=lambda request: "pageSize" in request.params)
    run = sync(host_config(sandbox), catalog=selecting("users"))
    assert loaded(run)["users"] == expected_lists(sandbox.lists)["users"]


def test_a_signal_ends_it_with_a_state(sandbox: Sandbox) -> None:
    """The recordings before the list would be read again."""
    sandbox.watch = lambda _, request: (
        os.kill(os.getpid(), signal.SIGTERM) if request.route == PATHS["users"] and request.number == 2 else None
    )
    run = sync(host_config(sandbox), status=143)
    assert len(run.records["users"]) < len(sandbox.lists.users)
    assert activated(run) == []
    assert run.messages[-1]["type"] == "STATE"
    assert run.state["bookmarks"].keys() == {*KEYS}


def test_a_slow_list_says_so(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that takes minutes would look like a hang."""
    monkeypatch.setattr(lists, "PROGRESS_SECONDS", 0.0)
    monkeypatch.setattr(reader, "QUIET_SECONDS", 0.5)
    sandbox.fault("slow", path=PATHS["users"], on=None, seconds=0.9, when=lambda request: request.number == 3)
    run = sync(config_for(sandbox), catalog=selecting("users"))
    assert [warning for warning in run.warnings if "No response from Siro's API" in warning]
    assert "users: 14 records so far." in run.told(logging.INFO)


# Versions


def test_a_version_is_activated_after_all_its_rows(sandbox: Sandbox) -> None:
    """A target would delete rows that arrive later, or keep deleted ones."""
    first, second = (sync(host_config(sandbox), catalog=selecting(*ALL)) for _ in range(2))
    versions: dict[str, int] = {}
    for run in (first, second):
        open_versions: dict[str, int] = {}
        for message in run.messages:
            if message["type"] == "RECORD" and "version" in message:
                assert open_versions.setdefault(message["stream"], message["version"]) == message["version"]
            if message["type"] == "ACTIVATE_VERSION":
                assert open_versions.pop(message["stream"]) == message["version"] > versions.get(message["stream"], 0)
                versions[message["stream"]] = message["version"]
        assert not open_versions
        assert activated(run) == WHOLE
    assert versions.keys() == set(WHOLE)


@pytest.mark.parametrize("off", [False, "false"])
def test_no_version_is_named_where_the_target_takes_none(sandbox: Sandbox, off: Any) -> None:
    """Some targets fail on the message; in others, rows with an inactive version stay hidden."""
    run = sync(host_config(sandbox, emit_activate_version_messages=off), catalog=selecting(*ALL))
    assert run.records.keys() >= set(WHOLE)
    assert activated(run) == []
    assert not [message for message in run.messages if "version" in message]


def test_recordings_have_no_version_whatever_is_set(sandbox: Sandbox) -> None:
    """The SDK would activate a version after each sync, which deletes all unchanged rows."""
    run = sync(host_config(sandbox, emit_activate_version_messages=True), catalog=selecting(*KEYS, "users"))
    assert activated(run) == ["users"]
    assert {message["stream"] for message in run.messages if "version" in message} == {"users"}


def test_a_few_records_for_a_test_hide_nothing(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """`--test` would empty the tables, or fail on deselected lists without access."""
    sandbox.fault("status", path=PATHS["engagements"], on=None, status=403)
    assert TapSiro(config=host_config(sandbox)).run_connection_test()
    assert "ACTIVATE_VERSION" not in (out := capsys.readouterr().out)
    assert '"version"' not in out
    assert [request.route for request in sandbox.all_requests] == [
        "/v1/core/recordings", USERS, IDENTITY, TEAMS, CONNECTIONS,
    ]  # fmt: skip


def test_stream_maps_flattening_and_selection_work(sandbox: Sandbox) -> None:
    """Personal data of reps would reach the warehouse under an unexpected name."""
    catalog = selecting("users", "teams", "team_members", "integration_connections")
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            if entry["breadcrumb"] == ["properties", "memberUids"]:
                entry["metadata"]["selected"] = False
    maps = {
        "users": {"email": "md5(email)", "__alias__": "reps"},
        "teams": {"__filter__": "name != 'North'"},
        "integration_connections": None,
    }
    config = host_config(sandbox, stream_maps=maps, flattening_enabled=True, flattening_max_depth=2)
    run = sync(config, catalog=catalog)
    assert run.records.keys() == {"reps", "teams", "team_members"}
    assert activated(run) == ["reps", "teams", "team_members"]
    assert all("@" not in row["email"] and "contactSettings__suppressEmails" in row for row in run.records["reps"])
    assert all("memberUids" not in row and row["name"] != "North" for row in run.records["teams"])
    expected = expected_lists(sandbox.lists)
    assert len(run.records["team_members"]) == len(
        [row for row in expected["team_members"].values() if row["teamId"] != "team-0"]
    )


def test_state_has_no_entry_for_what_is_read_whole(sandbox: Sandbox) -> None:
    """A state entry would mean that there is more to read."""
    assert sync(host_config(sandbox), catalog=selecting(*WHOLE)).state.get("bookmarks", {}).keys() <= {"recordings"}


# Users and teams


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("excluded", [False, True])
def test_disabled_users_come_once_and_staff_if_wanted(sandbox: Sandbox, *, apart: bool, excluded: bool) -> None:
    """Calls of former reps would have no name."""
    sandbox.lists.disabled_apart = apart
    run = sync(host_config(sandbox, exclude_siro_users=excluded), catalog=selecting("users"))
    expected = expected_lists(sandbox.lists)["users"]
    staff = [key for key, row in expected.items() if row["email"].endswith("@siro.ai")]
    assert len(staff) == 1
    for key in staff if excluded else ():
        del expected[key]
    assert loaded(run)["users"] == expected
    sent = [request.params for request in sandbox.requests_to(PATHS["users"])]
    assert {params.get("excludeSiroUsers") for params in sent} == {"true" if excluded else None}
    assert bool([params for params in sent if "disabled" in params]) is apart


def test_where_nobody_is_disabled_nobody_comes_twice(sandbox: Sandbox) -> None:
    """An API that ignores `disabled` returns all users again."""
    for user in sandbox.lists.users:
        user["disabled"] = False
    sandbox.fault("edit", path=PATHS["users"], on=None, edit=lambda _: sandbox.lists.users)
    run = sync(host_config(sandbox), catalog=selecting("users"))
    assert len(sandbox.requests_to(PATHS["users"])) == 2
    assert len(loaded(run)["users"]) == len(sandbox.lists.users)


def test_a_group_of_organizations_has_the_teams_of_all(sandbox: Sandbox) -> None:
    """Teams of all but one organization would be missing."""
    made = sandbox.lists
    made.group = [made.organization, "second", "third/with a slash"]
    made.teams += [{"id": f"of {each}", "organizationId": each, "memberUids": ["a"]} for each in made.group[1:]]
    run = sync(host_config(sandbox), catalog=selecting("teams", "team_members"))
    assert loaded(run) == {stream: {} for stream in LIST_KEYS} | {
        stream: expected_lists(made)[stream] for stream in ("teams", "team_members")
    }
    assert activated(run) == ["teams", "team_members"]
    made.refused = {"second"}
    run = sync(host_config(sandbox), catalog=selecting("teams"))
    assert {row["id"] for row in run.records["teams"]} == {team["id"] for team in made.teams} - {"of second"}
    assert activated(run) == []
    (warning,) = run.warnings
    assert "2 of its 3 organizations" in warning


def test_a_group_that_may_not_be_listed_has_the_teams_of_its_own_organization(sandbox: Sandbox) -> None:
    """No team would be loaded, although the token has access to some."""
    made = sandbox.lists
    made.group = [made.organization, "second"]
    sandbox.fault("status", path=ORGANIZATIONS, status=403, on=None)
    run = sync(host_config(sandbox), catalog=selecting("teams", "team_members"))
    assert loaded(run)["teams"] == expected_lists(made)["teams"]
    assert activated(run) == []
    (warning,) = run.warnings
    assert "Only the teams of its own organization" in warning


def test_a_token_of_no_organization_has_no_teams(sandbox: Sandbox) -> None:
    """The tap would request the teams of no organization."""
    sandbox.fault("body", path=IDENTITY, on=None, body={"organizationId": None})
    run = sync(host_config(sandbox), catalog=selecting("teams", "users"), status=1)
    assert "which organization" in run.errors[0]
    assert run.records["users"]
    assert sandbox.requests_to(PATHS["teams"]) == []


# Events of the app


def test_events_of_one_millisecond_are_not_lost_between_pages(sandbox: Sandbox) -> None:
    """The cursor is a timestamp, and skips other events of that millisecond."""
    expected = expected_lists(sandbox.lists)["mobile_events"]
    for size in (2, 3, 4, 5):
        sandbox.lists.page_size = size
        sandbox.clear()
        assert loaded(sync(host_config(sandbox), catalog=selecting("mobile_events")))["mobile_events"] == expected
        assert len(sandbox.requests_to(PATHS["mobile_events"])) < 2 * len(expected) / (size - 1)


def test_a_millisecond_with_more_events_than_a_page_is_passed(sandbox: Sandbox) -> None:
    """The sync would repeat the same request endlessly."""
    crowd = [{**sandbox.lists.mobile_events[0], "id": f"crowd-{number}"} for number in range(20)]
    sandbox.lists.mobile_events += crowd
    run = sync(host_config(sandbox), catalog=selecting("mobile_events"))
    missing = {row["id"] for row in sandbox.lists.mobile_events} - {row["id"] for row in run.records["mobile_events"]}
    moment = crowd[0]["createdAt"]
    assert missing <= {row["id"] for row in sandbox.lists.mobile_events if row["createdAt"] == moment}


def test_events_in_another_order_are_read_by_cursor(sandbox: Sandbox) -> None:
    """A request for events before the oldest of a page would skip events in between."""
    events = sandbox.lists.mobile_events
    for number, event in enumerate(events):
        event["createdAt"] = timestamps.from_ms(1_700_000_000_000 + number)
    sandbox.fault("edit", path=PATHS["mobile_events"], on=None, edit=lambda page: {**page, "data": page["data"][::-1]})
    run = sync(host_config(sandbox), catalog=selecting("mobile_events"))
    assert loaded(run)["mobile_events"] == expected_lists(sandbox.lists)["mobile_events"]


@pytest.mark.parametrize("fault", ["a refused cursor", "an ignored bound"])
def test_events_in_another_order_all_come_at_a_usual_price(sandbox: Sandbox, fault: str) -> None:
    """A refused cursor would end the stream, or an ignored `createdAtLt` would read all pages again."""
    made, requests = sandbox.lists, []
    for count in (70, 280):
        made.mobile_events = [
            {**made.mobile_events[0], "id": f"e-{number}", "createdAt": timestamps.from_ms(1_750_000_000_000 + number)}
            for number in range(count)
        ]
        sandbox.clear()
        if fault == "a refused cursor":
            turn = sandbox.fault("status", path=PATHS["mobile_events"], status=410, when=lambda each: each.number == 5)
            turned = sandbox.fault(
                "edit", path=PATHS["mobile_events"], on=None, edit=lambda page: {**page, "data": page["data"][::-1]}
            )
        else:
            events = MobileEvents()

            def answer(request: Request, events: MobileEvents = events) -> Answer:
                request.params.pop("createdAtLt", None)
                return events.answer(made, request)

            sandbox.route(Route(EVENTS, answer))
        run = sync(config_for(sandbox), catalog=selecting("mobile_events"))
        assert {row["id"] for row in run.records["mobile_events"]} == {row["id"] for row in made.mobile_events}
        if fault == "a refused cursor":
            assert turn.hits == 1
            turned.on = 0
        requests.append(len(sandbox.all_requests))
    assert requests[1] <= requests[0] * 4 + 6


@pytest.mark.parametrize("status", [400, 422])
def test_an_api_without_disabled_users_has_all_others(sandbox: Sandbox, status: int) -> None:
    """Such an API cannot be asked for disabled users, so they would be missing."""
    for user in sandbox.lists.users:
        user["disabled"] = False
    sandbox.fault("status", path=PATHS["users"], on=None, status=status, when=lambda each: "disabled" in each.params)
    run = sync(config_for(sandbox), catalog=selecting("users"))
    assert loaded(run)["users"] == expected_lists(sandbox.lists)["users"]
    assert activated(run) == ["users"]
    assert run.warnings == []


def test_events_are_read_on_from_the_bookmark(sandbox: Sandbox) -> None:
    """All events of the app would be read each hour."""
    events = sandbox.lists.mobile_events
    moments = sorted(event["createdAt"] for event in events)
    catalog = selecting("mobile_events")
    first = sync(host_config(sandbox, start_date=moments[10]), catalog=catalog)
    assert sorted(row["createdAt"] for row in first.records["mobile_events"]) == moments[moments.index(moments[10]) :]
    assert first.state["bookmarks"]["mobile_events"]["replication_key_value"] == moments[-1]
    latest = timestamps.from_ms((timestamps.parse(moments[-1]) or 0) + 1)
    events.append({**events[0], "id": "new", "createdAt": latest})
    sandbox.clear()
    config = host_config(sandbox, lookback_seconds=60, daily_recheck_days=0)
    second = sync(config, state=first.state, catalog=catalog)
    since = (timestamps.parse(moments[-1]) or 0) - 60_000
    assert sandbox.requests_to(PATHS["mobile_events"])[0].params["createdAtGt"] == timestamps.from_ms(since - 1)
    assert {row["id"] for row in second.records["mobile_events"]} == {
        event["id"] for event in events if (timestamps.parse(event["createdAt"]) or 0) >= since
    }
    assert second.state["bookmarks"]["mobile_events"]["replication_key_value"] == latest
    assert "version" not in str(second.messages)


def test_an_end_date_is_the_end_for_events_too(sandbox: Sandbox) -> None:
    """A window would contain later events, and each run would read them again, because the bookmark cannot pass it."""
    moments = sorted(event["createdAt"] for event in sandbox.lists.mobile_events)
    end = moments[10]
    catalog = selecting("mobile_events")
    first = sync(host_config(sandbox, end_date=end), catalog=catalog)
    before = {event["id"] for event in sandbox.lists.mobile_events if event["createdAt"] < end}
    assert {row["id"] for row in first.records["mobile_events"]} == before
    bookmark = {"replication_key_value": moments[-1]}
    sandbox.clear()
    run = sync(host_config(sandbox, end_date=end), state={"bookmarks": {"mobile_events": bookmark}}, catalog=catalog)
    assert not sandbox.requests_to(PATHS["mobile_events"])
    assert "`end_date` is earlier than the bookmark of 'mobile_events'" in run.warnings[0]
    assert run.state["bookmarks"]["mobile_events"]["replication_key_value"] == moments[-1]


@pytest.mark.parametrize(
    ("bookmark", "says"),
    [("2999-01-01T00:00:00.000Z", "A bookmark is in the future"), ("yesterday", "'mobile_events' in the state is not")],
)
def test_a_strange_bookmark_of_events_is_told(sandbox: Sandbox, bookmark: str, says: str) -> None:
    """No event would be loaded for years, without a message."""
    state = {"bookmarks": {"mobile_events": {"replication_key_value": bookmark}}}
    (warning,) = sync(host_config(sandbox), state=state, catalog=selecting("mobile_events")).warnings
    assert says in warning


def test_the_bookmark_of_events_stays_where_a_read_breaks_off(sandbox: Sandbox) -> None:
    """The newest events come first: missing older ones would never be loaded."""
    path = PATHS["mobile_events"]
    sandbox.fault("status", path=path, on=None, status=403, when=lambda request: request.number == 2)
    run = sync(host_config(sandbox), catalog=selecting("mobile_events"), status=1)
    assert run.records["mobile_events"]
    assert "replication_key_value" not in run.state["bookmarks"]["mobile_events"]
