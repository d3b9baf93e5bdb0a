"""The sandbox answers as the live API does or may do: other tests rely on it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.sandbox import Sandbox
from tests.sandbox.data import plain, recordings, unfinished
from tests.sandbox.recording_followup_details import RECORDING
from tests.sandbox.recording_utterances import UTTERANCES
from tests.sandbox.routes import RECORDINGS
from tests.sandbox.streams import expected_details

if TYPE_CHECKING:
    from collections.abc import Callable

AGENT = {"User-Agent": "sandbox-test/1"}
DAY = 86_400_000
NOON = "2025-07-01T12:00:00.000Z"
BESIDE = {"createdAt:gt": NOON, "updatedAt:gte": NOON}
ALONE = {"createdAt:gt": NOON}


def get(sandbox: Sandbox, path: str = RECORDINGS, **params: str) -> requests.Response:
    headers = {"Authorization": f"Bearer {sandbox.token}", **AGENT}
    return requests.get(f"{sandbox.url}{path}", params=params, headers=headers, timeout=10)


def utterances(sandbox: Sandbox, name: str, token: str, **params: str) -> requests.Response:
    url = sandbox.user_api_url + UTTERANCES.replace("{id}", name)
    return requests.get(url, params=params, headers={"x-siro-auth-token": token, **AGENT}, timeout=10)


# Pages


def test_large_pages_have_no_scores() -> None:
    data = recordings(80)
    stored = {row["id"]: row.get("evaluationScore", ...) for row in data}
    with Sandbox(data) as sandbox:
        for size, scored in (("40", True), ("41", False)):
            rows = get(sandbox, pageSize=size, showEvaluationScore="true").json()["data"]
            assert len(rows) == int(size)
            for row in rows:
                score = stored[row["id"]]
                assert row.get("evaluationScore", ...) == (score if scored or score is ... else None)
        assert "evaluationScore" not in get(sandbox, pageSize="41").json()["data"][0]


def test_a_score_lands_without_moving_the_recording() -> None:
    data = plain(1)
    bare = unfinished(data[0])
    with Sandbox([bare]) as sandbox:
        flags = {"showEvaluationScore": "true", "showSummary": "true", "showEntityExtractions": "true"}
        row = get(sandbox, **flags).json()["data"][0]
        assert (row["evaluationScore"], row["summary"], row["entityExtractions"]) == (None, [], [])
        sandbox.enrich(bare["id"], **data[0])
        assert get(sandbox, **flags).json()["data"][0]["evaluationScore"] == data[0]["evaluationScore"]
        assert sandbox.recordings == data


@pytest.mark.parametrize(
    ("created", "beside", "alone"),
    [
        ("taken", "taken", "taken"),
        ("refused_beside", "refused", "taken"),
        ("refused", "refused", "refused"),
        ("ignored_beside", "ignored", "taken"),
        ("ignored", "ignored", "ignored"),
    ],
)
def test_bounds_of_created_at(created: str, beside: str, alone: str) -> None:
    data = [{"id": "old", "createdAt": NOON, "updatedAt": NOON}, {"id": "new", "createdAt": "2025-07-02T00:00:00.000Z"}]
    what = {"taken": ["new"], "ignored": ["new", "old"]}
    with Sandbox(data, created=created) as sandbox:
        for params, outcome in ((BESIDE, beside), (ALONE, alone)):
            answer = get(sandbox, **params)
            assert answer.status_code == (400 if outcome == "refused" else 200)
            if outcome != "refused":
                assert [row["id"] for row in answer.json()["data"]] == what[outcome]
        assert len(get(sandbox, **{"updatedAt:gte": NOON}).json()["data"]) == 2


def test_other_filters_may_be_ignored_and_pages_capped() -> None:
    with Sandbox(plain(60), ignores={"updatedAt:gte"}, page_cap=30) as sandbox:
        page = get(sandbox, **{"updatedAt:gte": "2030-01-01T00:00:00.000Z", "pageSize": "50"}).json()
        assert len(page["data"]) == 30
        assert len(get(sandbox, cursor=page["cursor"], pageSize="50").json()["data"]) == 30
        assert len(get(sandbox, pageSize="10").json()["data"]) == 10
    with pytest.raises(ValueError, match="created must be one of"):
        Sandbox([], created="never")


# Single recordings


def test_a_single_recording_has_its_follow_ups_in_full() -> None:
    data = plain(2)
    first, second = (row["id"] for row in data)
    path = RECORDING.replace("{id}", first)
    with Sandbox(data) as sandbox:
        listed = get(sandbox, showFollowups="true").json()["data"][-1]["followups"]
        whole = get(sandbox, path, showFollowups="true").json()
        assert whole["id"] == first
        assert "summary" not in whole
        assert [(item["followupId"], len(item) > 10) for item in whole["followups"]] == [
            (item["id"], True) for item in listed
        ]
        assert "followups" not in get(sandbox, path).json()
        assert get(sandbox, path, pageSize="5").status_code == 400
        sandbox.details.followups[first] = [{"followupId": "f", "recordingId": first}]
        assert get(sandbox, path, showFollowups="true").json()["followups"] == sandbox.details.followups[first]
        sandbox.details.gone.add(first)
        assert get(sandbox, path).status_code == 410
        sandbox.update(second, deleted=True)
        assert get(sandbox, RECORDING.replace("{id}", second)).status_code == 410
        sandbox.remove(second)
        assert get(sandbox, RECORDING.replace("{id}", second)).status_code == 404
        assert len(sandbox.requests) == 1


def rows_of(sandbox: Sandbox, name: str, token: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Follow the pages of a transcript: its utterances, and the answers."""
    rows: list[dict[str, Any]] = []
    answers = []
    page = None
    while True:
        answer = utterances(sandbox, name, token, **({} if page is None else {"cursor": page}))
        assert answer.status_code == 200, answer.text
        answers.append(answer.json())
        rows += answers[-1]["data"]["utterances"]
        if answers[-1]["cursor"] is None or answers[-1].get("hasNextPage") is False:
            return rows, answers
        page = str(answers[-1]["cursor"])


def test_transcripts_come_in_pages_of_all_kinds() -> None:
    with Sandbox(recordings(120)) as sandbox:
        token = sandbox.oauth.user.issue()
        expected = expected_details(sandbox)["recording_utterances"]
        pages: Counter[int] = Counter()
        endings = set()
        for recording in sandbox.recordings:
            name = recording["id"]
            if utterances(sandbox, name, token).status_code == 404:
                pages[0] += 1
                assert not any(key[0] == name for key in expected)
                continue
            rows, answers = rows_of(sandbox, name, token)
            pages[len(answers)] += 1
            endings.add("hasNextPage" in answers[-1])
            if recording.get("isProcessingDone") is not False:
                wanted = [row["utterance"] for key, row in expected.items() if key[0] == name]
                assert [row["utterance"] for row in rows] == wanted
        assert set(pages) == {0, 1, 2, 3}
        assert endings == {True, False}
        assert {row["redacted"] for row in expected.values()} == {True, False, None}
        assert any(row["speakerName"] is None and row["speakerTag"] for row in expected.values())
        assert any(row["speakerName"] for row in expected.values())


def test_expected_follow_ups_are_those_of_recordings_that_are_there() -> None:
    with Sandbox(recordings(120)) as sandbox:
        rows = expected_details(sandbox)["recording_followup_details"]
        data = {row["id"]: row for row in sandbox.recordings}
        for (key,), row in rows.items():
            assert data[row["recordingId"]].get("deleted") is not True
            assert key in {item.get("id") for item in data[row["recordingId"]]["followups"]}
            assert row["followupId"] == key
        statuses = Counter(row["status"] for row in rows.values())
        assert statuses.keys() == {"TO_DO", "IN_PROGRESS", "COMPLETE", None}


WRONG: dict[str, Callable[[Sandbox], dict[str, str]]] = {
    "none": lambda sandbox: {},
    "made up": lambda sandbox: {"x-siro-auth-token": "user-token-9"},
    "revoked": lambda sandbox: {"x-siro-auth-token": revoked(sandbox)},
    "in the other header alone": lambda sandbox: {"Authorization": f"Bearer {sandbox.oauth.user.issue()}"},
}


def revoked(sandbox: Sandbox) -> str:
    token = sandbox.oauth.client.issue()
    sandbox.oauth.client.revoke()
    return token


@pytest.mark.parametrize("kind", WRONG)
def test_the_second_host_takes_users_tokens_only(kind: str) -> None:
    with Sandbox(plain(1)) as sandbox:
        url = sandbox.user_api_url + UTTERANCES.replace("{id}", sandbox.recordings[0]["id"])
        assert requests.get(url, headers=WRONG[kind](sandbox) | AGENT, timeout=10).status_code == 401
        for token in (sandbox.oauth.user.issue(), sandbox.oauth.client.issue()):
            headers = {"x-siro-auth-token": token, "Authorization": f"Bearer {token}", **AGENT}
            assert requests.get(url, headers=headers, timeout=10).status_code in {200, 404}


@pytest.mark.parametrize("where", ["Authorization", "x-siro-auth-token", "query"])
def test_the_organization_token_on_the_second_host_fails_the_test(where: str) -> None:
    def send() -> None:
        with Sandbox(plain(1)) as sandbox:
            token = sandbox.oauth.user.issue()
            url = sandbox.user_api_url + UTTERANCES.replace("{id}", "a")
            headers = {"x-siro-auth-token": token, **AGENT}
            params = {"token": sandbox.token} if where == "query" else {}
            if where != "query":
                headers[where] = f"Bearer {sandbox.token}"
            requests.get(url, params=params, headers=headers, timeout=10)

    with pytest.raises(AssertionError, match="user host"):
        send()
