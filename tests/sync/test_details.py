"""Details of recordings arrive complete, without superfluous requests."""

from __future__ import annotations

import json
import logging
import re
import signal
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tap_siro.sync import reader, reporting
from tests.sandbox import Sandbox, timestamps
from tests.sandbox.data import plain, recordings
from tests.sandbox.expected import expected_rows
from tests.sandbox.followups import FOLLOWUPS as FOLLOWUP_LIST
from tests.sandbox.recording_followup_details import RECORDING
from tests.sandbox.recording_outcomes import OUTCOMES
from tests.sandbox.recording_scorecards import EVALUATIONS
from tests.sandbox.recording_utterances import UTTERANCES
from tests.sandbox.scorecards import SCORECARDS
from tests.sandbox.streams import DETAIL_KEYS, expected_details
from tests.sandbox.tokens import CLIENT_TOKEN, USER_TOKEN
from tests.support.canary import CANARY, sing
from tests.support.in_process import sync
from tests.support.process import (
    Run,
    Warehouse,
    client_app,
    config_for,
    run_and_kill,
    run_tap,
    selecting,
    start_tap,
    user_host,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox import Request
    from tests.sandbox.store import Recording

DATA = recordings(80)
FEW = recordings(24, odd=False)
FOLLOWUPS = "recording_followup_details"
STREAMS = ("recordings", *DETAIL_KEYS)


NEWEST = str(max(DATA, key=lambda each: str(each.get("updatedAt") or ""))["id"])


def is_dated(recording: Recording) -> bool:
    return timestamps.parse(recording.get("updatedAt")) is not None


def app(sandbox: Sandbox, **settings: Any) -> dict[str, Any]:
    """Return the settings with an OAuth app for the user host."""
    return config_for(sandbox, **user_host(sandbox), page_size=10, **settings)


def client(sandbox: Sandbox, **settings: Any) -> dict[str, Any]:
    """Return the settings with client credentials."""
    return config_for(sandbox, page_size=10, **client_app(sandbox), **settings)


def check(sandbox: Sandbox, *runs: Run) -> None:
    """Check that the tables equal the source."""
    warehouse = Warehouse()
    for run in runs:
        warehouse.load(run)
    expected = expected_details(sandbox)
    assert expected[FOLLOWUPS]
    assert expected["recording_utterances"]
    assert warehouse.details == expected
    assert warehouse.tables["recordings"] == expected_rows(sandbox.recordings)["recordings"]


def test_every_detail_arrives_with_an_app(tmp_path: Path) -> None:
    """And the organization token does not go to the users' host."""
    with Sandbox(DATA, order="newest_created") as sandbox:
        run = run_tap(tmp_path, app(sandbox, concurrency=4), catalog=selecting(*STREAMS))
        assert sandbox.max_in_flight <= 4
        check(sandbox, run)
        (made,) = sandbox.requests_to(USER_TOKEN)
        assert made.headers["Authorization"] == f"Bearer {sandbox.token}"
        for request in sandbox.requests_to(UTTERANCES):
            assert request.headers["X-Siro-Auth-Token"] == sandbox.oauth.user.issued[0]
            assert sandbox.token not in str(request.headers)


def test_every_detail_arrives_with_client_credentials(tmp_path: Path) -> None:
    """Their token goes in both headers."""
    with Sandbox(DATA, order="oldest_updated") as sandbox:
        check(sandbox, run_tap(tmp_path, client(sandbox, concurrency=1), catalog=selecting(*STREAMS)))
        assert sandbox.max_in_flight == 1
        assert len(sandbox.requests_to(CLIENT_TOKEN)) == 1
        (token,) = sandbox.oauth.client.issued
        for request in sandbox.requests_to(UTTERANCES):
            assert request.headers["X-Siro-Auth-Token"] == token
            assert request.headers["Authorization"] == f"Bearer {token}"


def test_only_recordings_that_can_have_some_are_asked_for_and_each_once(tmp_path: Path) -> None:
    """These streams take a request per recording, so none may be superfluous."""
    with Sandbox(DATA) as sandbox:
        run_tap(tmp_path, app(sandbox, concurrency=1), catalog=selecting(*STREAMS))
        loadable = {str(each["id"]): each for each in DATA if each.get("id")}
        processed = {name for name, each in loadable.items() if each.get("isProcessingDone") is not False}
        followed = {name for name in processed if isinstance(loadable[name].get("followups"), list)}
        asked = [request.values["id"] for request in sandbox.requests_to(RECORDING)]
        assert set(asked) == {name for name in followed if loadable[name]["followups"]}
        assert all(request.params == {"showFollowups": "true"} for request in sandbox.requests_to(RECORDING))
        first = [each.values["id"] for each in sandbox.requests_to(UTTERANCES) if "cursor" not in each.params]
        assert set(first) == processed
        # The poll after a full sync reads recordings without a date and at the bookmark.
        polled = {str(each["id"]) for each in sandbox.recordings if not is_dated(each)} | {NEWEST}
        assert {name for name, times in Counter(first).items() if times > 1} <= polled


def test_nothing_is_asked_for_that_is_not_selected(tmp_path: Path) -> None:
    with Sandbox(FEW) as sandbox:
        run_tap(tmp_path, app(sandbox))
        run_tap(tmp_path, app(sandbox), catalog=selecting("recordings", "recording_followups"))
        assert not sandbox.requests_to(RECORDING)
        assert not sandbox.requests_to(UTTERANCES)
        assert not sandbox.requests_to(USER_TOKEN)


def test_each_works_without_the_recordings_stream(tmp_path: Path) -> None:
    with Sandbox(DATA) as sandbox:
        run = run_tap(tmp_path, app(sandbox), catalog=selecting(FOLLOWUPS))
        assert run.schemas == [FOLLOWUPS]
        warehouse = Warehouse()
        warehouse.load(run)
        assert warehouse.details[FOLLOWUPS] == expected_details(sandbox)[FOLLOWUPS]
        assert not sandbox.requests_to(UTTERANCES)


def test_idle_threads_help_with_the_page_in_hand(tmp_path: Path) -> None:
    """A poll is one page: with one thread, its details would take many times longer."""
    with Sandbox(recordings(25, odd=False), latency=0.02) as sandbox:
        run_tap(tmp_path, app(sandbox, concurrency=4) | {"page_size": 25}, catalog=selecting(*STREAMS))
        assert sandbox.max_in_flight == 4


@pytest.mark.thorough
@pytest.mark.parametrize("at_request", [5, 40, 90])
def test_a_kill_loses_nothing(tmp_path: Path, at_request: int) -> None:
    """A page is done only with its details."""
    with Sandbox(DATA) as sandbox:
        catalog = selecting(*STREAMS)
        config = app(sandbox, concurrency=2) | {"page_size": 5}
        first = run_and_kill(tmp_path, config, sandbox, at_request=at_request // 5 + 1, catalog=catalog)
        assert first.status == -signal.SIGKILL
        second = run_tap(tmp_path, config, state=first.state or None, catalog=catalog)
        check(sandbox, first, second)


def test_a_stop_loses_nothing(tmp_path: Path) -> None:
    """During a page's details, SIGTERM must not wait for the rest, and the page is not done."""
    with Sandbox(DATA) as sandbox:
        catalog = selecting(*STREAMS)
        config = app(sandbox, concurrency=2)
        with start_tap(tmp_path, config, catalog=catalog) as process:

            def stop(_: Sandbox, request: Request) -> None:
                if request.route == UTTERANCES and request.number == 30:
                    process.send_signal(signal.SIGTERM)

            sandbox.watch = stop
            out, err = process.communicate(timeout=60)
            sandbox.watch = None
        assert process.returncode == 128 + signal.SIGTERM
        assert len(sandbox.requests_to(UTTERANCES)) < 40
        first = Run([json.loads(line) for line in out.split("\n") if line], err, process.returncode)
        check(sandbox, first, run_tap(tmp_path, config, state=first.state or None, catalog=catalog))


def test_the_log_says_how_far_the_details_are(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of transcripts takes minutes: the log must show progress, and not call it a hang."""
    monkeypatch.setattr(reporting, "PROGRESS_SECONDS", 0.0)
    monkeypatch.setattr(reader, "QUIET_SECONDS", 1.0)
    with Sandbox(recordings(10, odd=False)) as sandbox, caplog.at_level(logging.INFO):
        for each in sandbox.recordings:
            sandbox.details.transcripts[each["id"]] = {"utterances": []}
        sandbox.fault("slow", seconds=0.15, path=UTTERANCES, on=None)
        sync(app(sandbox, concurrency=1), catalog=selecting(*STREAMS))
    assert "No response" not in caplog.text
    assert re.search(r": 0 recordings and \d+ details;", caplog.text)


@pytest.mark.parametrize("answer", ["an entry without an id", "no list"])
def test_followups_that_cannot_be_loaded_are_told(tmp_path: Path, answer: str) -> None:
    """The run would succeed, and nobody would notice."""
    with Sandbox(recordings(20, odd=False)) as sandbox:
        followed = [each for each in sandbox.recordings if each.get("followups") and each["isProcessingDone"]]
        lost = followed[0]["id"]
        if answer == "no list":
            sandbox.fault(
                "edit", path=RECORDING, on=None, when=lambda request: request.values["id"] == lost,
                edit=lambda body: {name: value for name, value in body.items() if name != "followups"},
            )  # fmt: skip
        else:
            sandbox.details.followups[lost] = [{"score": 1}]
        run = run_tap(tmp_path, app(sandbox), status=1, catalog=selecting(*STREAMS))
        assert "1 record(s) of 'recording_followup_details', of recordings created at " in run.stderr
        sandbox.details.followups[lost] = []
        check(sandbox, run)


def test_an_address_at_which_there_is_no_transcript_at_all_is_told(tmp_path: Path) -> None:
    """A wrong `user_api_url` would make every transcript missing, and the bookmark move."""
    with Sandbox(recordings(60, odd=False)) as sandbox:
        config = app(sandbox) | {"user_api_url": f"{sandbox.user_api_url}/nowhere"}
        run = run_tap(tmp_path, config, status=1, catalog=selecting(*STREAMS))
        assert "Check `user_api_url`" in run.stderr
        assert run.state["bookmarks"]["recordings"]["replication_key_value"]
        assert not run.state["bookmarks"]["recording_utterances"].get("replication_key_value")
        warehouse = Warehouse()
        warehouse.load(run)
        assert warehouse.details[FOLLOWUPS] == expected_details(sandbox)[FOLLOWUPS]


def test_a_cursor_of_a_transcript_that_is_refused_ends_nothing(tmp_path: Path) -> None:
    with Sandbox(FEW) as sandbox:
        fault = sandbox.fault(
            "status", status=410, path=UTTERANCES, on=3, when=lambda request: "cursor" in request.params
        )
        run = run_tap(tmp_path, app(sandbox, concurrency=1), catalog=selecting(*STREAMS))
        assert fault.hits == 3
        assert "Reading a recording's utterances again" in run.stderr
        check(sandbox, run)


def test_a_recording_that_is_filtered_out_saves_its_details(tmp_path: Path) -> None:
    maps = {"recordings": {"__filter__": "result == 'WON'"}}
    with Sandbox(DATA) as sandbox:
        run = run_tap(tmp_path, app(sandbox, stream_maps=maps), catalog=selecting(*STREAMS))
        won = {str(each["id"]) for each in DATA if each.get("result") == "WON"}
        assert {each.values["id"] for each in sandbox.requests_to(UTTERANCES)} <= won
        assert {each.values["id"] for each in sandbox.requests_to(RECORDING)} <= won
        warehouse = Warehouse()
        warehouse.load(run)
        expected = expected_details(sandbox)["recording_utterances"]
        assert warehouse.details["recording_utterances"] == {key: row for key, row in expected.items() if key[0] in won}


def test_what_is_gone_has_none_and_ends_nothing(tmp_path: Path) -> None:
    with Sandbox(FEW) as sandbox:
        sandbox.details.gone.update(str(each["id"]) for each in FEW[::3])
        check(sandbox, run_tap(tmp_path, app(sandbox), catalog=selecting(*STREAMS)))


def test_what_was_not_processed_comes_when_it_is(tmp_path: Path) -> None:
    pending = FEW[0] | {"isProcessingDone": False}
    with Sandbox([pending, *FEW[1:]]) as sandbox:
        first = run_tap(tmp_path, app(sandbox), catalog=selecting(*STREAMS))
        assert pending["id"] not in {row["recordingId"] for row in first.records["recording_utterances"]}
        sandbox.update(pending["id"], isProcessingDone=True)
        sandbox.details.transcripts[pending["id"]] = {"utterances": [{"utterance": "At last."}]}
        sandbox.clear()
        second = run_tap(tmp_path, app(sandbox), state=first.state, catalog=selecting(*STREAMS))
        check(sandbox, first, second)


def test_a_fault_is_tried_again_and_a_refusal_names_the_stream(tmp_path: Path) -> None:
    with Sandbox(recordings(20, odd=False)) as sandbox:
        sandbox.fault("status", status=503, headers={"Retry-After": "0"}, path=UTTERANCES, on=1)
        check(sandbox, run_tap(tmp_path, app(sandbox), catalog=selecting(*STREAMS)))
        sandbox.fault("status", status=403, path=UTTERANCES, on=None)
        run = run_tap(tmp_path, app(sandbox), status=1, catalog=selecting(*STREAMS))
        assert "'recording_utterances'" in run.stderr
        assert "`!recording_utterances.*`" in run.stderr


def test_a_users_token_that_is_refused_is_made_anew_once(tmp_path: Path) -> None:
    with Sandbox(FEW) as sandbox:

        def revoke(_: Sandbox, request: Request) -> None:
            if request.route == UTTERANCES and len(sandbox.oauth.user.issued) == 1 and len(sandbox.all_requests) > 20:
                sandbox.oauth.user.revoke()

        sandbox.watch = revoke
        check(sandbox, run_tap(tmp_path, app(sandbox), catalog=selecting(*STREAMS)))
        assert len(sandbox.requests_to(USER_TOKEN)) == 2
        sandbox.watch = None
        sandbox.oauth.user.lifetime = -1
        run = run_tap(tmp_path, app(sandbox), status=1, catalog=selecting(*STREAMS))
        assert "`oauth_user_id`" in run.stderr


@pytest.mark.parametrize("right", [True, False])
def test_a_test_makes_one_request_for_details(tmp_path: Path, *, right: bool) -> None:
    """`--test` would pass with credentials that load no transcript."""
    with Sandbox(recordings(20, odd=False)) as sandbox:
        config = app(sandbox) | ({} if right else {"oauth_client_secret": "wrong"})
        catalog = selecting("recordings", "recording_utterances")
        for arguments in (("--test",), ("--test=all",)):
            sandbox.clear()
            run = run_tap(tmp_path, config, status=int(not right), catalog=catalog, arguments=arguments)
            assert len(sandbox.requests) == 1
            assert len({request.values["id"] for request in sandbox.requests_to(UTTERANCES)}) == right
            assert run.count().get("recording_utterances", 0) == right
            assert right or "`oauth_client_secret`" in run.stderr


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["scorecard_nodes"], "'scorecard_nodes' cannot be loaded with an organization token. "),
        (["recording_utterances", "followups"], "'recording_utterances' and 'followups' cannot be loaded with "),
    ],
)
def test_the_streams_that_need_other_credentials_are_those_that_are_selected(names: list[str], said: str) -> None:
    """A user who selects the nodes of scorecards would be told to deselect a stream that is not selected."""
    with Sandbox(FEW) as sandbox:
        run = sync(config_for(sandbox), status=1, catalog=selecting(*names))
    assert run.errors[0].startswith(said)
    assert run.errors[0].endswith(f"or deselect {'them' if names[1:] else 'the stream'}.")


def test_without_a_token_for_transcripts_nothing_is_asked_for(tmp_path: Path) -> None:
    with Sandbox(FEW) as sandbox:
        run = run_tap(tmp_path, config_for(sandbox), status=1, catalog=selecting(*STREAMS))
        assert "`oauth_client_id`, `oauth_client_secret` and `oauth_user_id`" in run.stderr
        assert not sandbox.all_requests


def test_nothing_of_a_conversation_is_in_the_log_or_the_state(tmp_path: Path) -> None:
    """Valid values, values of the wrong type, and unknown fields."""
    ids = ("id", "recordingId", "followupId", "organizationId", "filterByIds", "cursor")
    lists = {"followups": FOLLOWUP_LIST, "scorecards": SCORECARDS, "recording_outcomes": OUTCOMES}

    def odd(body: Any) -> Any:
        body = sing(body, ids)
        data = body["data"]
        rows = data if isinstance(data, list) else next(each for each in data.values() if isinstance(each, list))
        rows[0] |= {"history": CANARY, "isActive": CANARY, "dateCreated": CANARY, CANARY: CANARY, "new": {"a": CANARY}}
        return body

    def evaluation(body: Any) -> Any:
        data = sing(body["data"], ids)
        data["evaluatedNodes"][0] |= {"metadata": CANARY, "pointsEarned": CANARY, CANARY: 1}
        return {"data": data | {"spotlightSummaries": [CANARY], "pointsPossible": CANARY}}

    with Sandbox(recordings(12, odd=False)) as sandbox:
        for each in sandbox.recordings:
            line = {"utterance": CANARY, "speakerTag": {"odd": CANARY}, CANARY: 1}
            sandbox.details.transcripts[each["id"]] = {"utterances": [line, CANARY], "speakerMap": {"0": CANARY}}
            sandbox.details.followups[each["id"]] = [{"followupId": {"a": CANARY}, "thinking": [CANARY]}]
        sandbox.fault("edit", path=EVALUATIONS, on=None, edit=evaluation)
        for path in lists.values():
            sandbox.fault("edit", path=path, on=None, edit=odd)
        catalog = selecting(*STREAMS, *lists, "scorecard_nodes")
        debug = {"TAP_SIRO_LOGLEVEL": "DEBUG", "LOGLEVEL": "DEBUG"}
        run = run_tap(tmp_path, app(sandbox), catalog=catalog, environment=debug, status=1)
    said = [line for line in run.stderr.splitlines() if CANARY in line and "Unknown field `" not in line]
    assert not said
    assert CANARY not in str(run.states)
    assert {row["ordinal"] for row in run.records["recording_utterances"]} == {0}
    assert all(row["utterance"] == CANARY for row in run.records["recording_utterances"])
    for stream in (*lists, "scorecard_nodes", "recording_scorecards", "recording_scorecard_nodes"):
        assert CANARY in str(run.records[stream])


def test_a_later_day_goes_on_from_the_bookmark(tmp_path: Path) -> None:
    """With their own bookmarks, the streams request nothing twice that did not change."""
    with Sandbox(FEW, now=lambda: datetime.now(UTC) + timedelta(days=1)) as sandbox:
        first = run_tap(tmp_path, app(sandbox), catalog=selecting(*STREAMS))
        sandbox.clear()
        run_tap(tmp_path, app(sandbox, lookback_seconds=1), state=first.state, catalog=selecting(*STREAMS))
        again = {request.values["id"] for request in sandbox.requests_to(UTTERANCES)}
        assert len(again) <= 3  # recordings at the bookmark itself


def test_an_evaluation_takes_few_requests_and_none_without_a_score(tmp_path: Path) -> None:
    """An organization has a scorecard for each kind of call: trying all of them would take hours of the rate limit."""
    data = plain(250, start="2025-03-01T00:00:00.000Z")
    with Sandbox(data) as sandbox:
        catalog = selecting("recording_scorecards", "recording_scorecard_nodes")
        run = run_tap(tmp_path, app(sandbox) | {"page_size": 100}, catalog=catalog)
        expected = expected_details(sandbox)
        for stream in ("recording_scorecards", "recording_scorecard_nodes"):
            rows = {tuple(row[key] for key in DETAIL_KEYS[stream]): row for row in run.records[stream]}
            assert rows == expected[stream]
        scored = {each["id"] for each in data if each["evaluationScore"] is not None and each["isProcessingDone"]}
        asked = [request.params["filterByIds"] for request in sandbox.requests_to(EVALUATIONS)]
        assert set(asked) == scored
        assert len(asked) <= 1.25 * len(scored)
        assert len(sandbox.requests_to(SCORECARDS)) == 1
        assert {request.params["pageSize"] for request in sandbox.requests} == {"25"}
        assert all(request.params["showEvaluationScore"] == "true" for request in sandbox.requests)


def test_an_evaluation_by_an_inactive_scorecard_is_found_and_a_missing_one_is_none(tmp_path: Path) -> None:
    """Scores of last year would have no steps."""
    data = recordings(40, odd=False)
    with Sandbox(data) as sandbox:
        sandbox.details.unevaluated = 0.2
        catalog = selecting("recording_scorecards")
        run = run_tap(tmp_path, app(sandbox), catalog=catalog)
        expected = expected_details(sandbox)["recording_scorecards"]
        found = {(row["recordingId"], row["scorecardId"]) for row in run.records["recording_scorecards"]}
        assert found == set(expected)
        assert {key[1] for key in expected} > {"scorecard-3"}
        assert run.schemas == ["recording_scorecards"]


def test_a_scorecard_that_was_deleted_meanwhile_costs_no_evaluation_by_another(tmp_path: Path) -> None:
    """The scorecard's 404 would count as a deleted recording: no steps, no error, and the bookmark moves."""
    with Sandbox(recordings(60, odd=False)) as sandbox:
        catalog = selecting("recording_scorecards", "recording_scorecard_nodes")
        expected = expected_details(sandbox)["recording_scorecards"]
        deleted = Counter(scorecard for _, scorecard in expected).most_common(1)[0][0]
        is_deleted = sandbox.fault(
            "status", path=EVALUATIONS, on=None, status=404, body=b'{"message":"Not Found"}',
            when=lambda request: request.values["scorecardId"] == deleted,
        )  # fmt: skip
        run = run_tap(tmp_path, app(sandbox, concurrency=1), catalog=catalog)
        found = {(row["recordingId"], row["scorecardId"]) for row in run.records["recording_scorecards"]}
        assert is_deleted.hits
        assert found == {key for key in expected if key[1] != deleted} != set()


def test_without_the_list_of_scorecards_the_others_load(tmp_path: Path) -> None:
    with Sandbox(recordings(20, odd=False)) as sandbox:
        sandbox.fault("status", path=SCORECARDS, status=403, on=None)
        run = run_tap(tmp_path, app(sandbox), status=1, catalog=selecting(*STREAMS))
        assert "Failed to load 'recording_scorecards' and 'recording_scorecard_nodes'" in run.stderr
        assert len(sandbox.requests_to(SCORECARDS)) == 1
        warehouse = Warehouse()
        warehouse.load(run)
        for stream in ("recording_scorecards", "recording_scorecard_nodes"):
            assert not warehouse.details.pop(stream)
        expected = expected_details(sandbox)
        assert warehouse.details == {stream: expected[stream] for stream in warehouse.details}
