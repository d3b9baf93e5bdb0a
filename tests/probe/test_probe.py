"""`tap-siro-probe` shows how an API behaves, and its output is safe to paste into an issue."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tap_siro.probe import command
from tap_siro.probe.command import ENDPOINTS, MAX_REQUESTS
from tests.sandbox import Route, Sandbox
from tests.sandbox.data import recordings
from tests.sandbox.faults import Answer
from tests.sandbox.followups import FOLLOWUPS
from tests.sandbox.recording_outcomes import OUTCOMES
from tests.sandbox.recording_scorecards import EVALUATIONS
from tests.sandbox.recording_utterances import UTTERANCES
from tests.sandbox.routes import RECORDINGS, USER_API
from tests.sandbox.scorecards import SCORECARDS
from tests.sandbox.tokens import USER_TOKEN
from tests.support.canary import CANARY, sing
from tests.support.process import user_host

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DATA = recordings(300, odd=False)


class Outcome:
    """Output and exit status of a probe."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err
        rows = [line.strip("| ").split(" | ") for line in out.splitlines() if line.startswith("| ")]
        self.marked = {row[1] for row in rows if row[0] == "!"}
        self.found = {row[-3]: row[-2] for row in rows}
        self.meaning = {row[-3]: row[-1] for row in rows}


@pytest.fixture
def probe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    def run(sandbox: Sandbox, **config: Any) -> Outcome:
        path = tmp_path / "config.json"
        path.write_text(json.dumps({"api_url": sandbox.url, "api_token": sandbox.token, **config}))
        status = 0
        capsys.readouterr()
        try:
            command.main(["--config", str(path)])
        except SystemExit as error:
            status = int(error.code or 0)
        assert len(sandbox.all_requests) <= MAX_REQUESTS
        return Outcome(status, *capsys.readouterr())

    return run


# Harmless and harmful findings

BOUNDS = "`createdAt` beside `updatedAt`"
SCORES = "evaluation scores on pages of 25 and 100"
SIZES = "recordings on a page, by what is asked for"
COPES: dict[str, tuple[dict[str, Any], str, str]] = {
    "newest first": ({}, "order of a list", "newest created first"),
    "oldest updated first": ({"order": "oldest_updated"}, "order of a list", "in no order of `createdAt`"),
    "bounds taken": ({}, BOUNDS, "kept"),
    "scores on small pages only": ({}, SCORES, "25 of 25, 0 of 95"),
    "scores on all pages": ({"most_scored": None}, SCORES, "25 of 25, 95 of 95"),
    "large pages": ({}, SIZES, "25: 25, 100: 100, 500: 300"),
    "pages capped": ({"page_cap": 50}, SIZES, "25: 25, 100: 50 and a cursor, 500: 50 and a cursor"),
    "large pages refused": ({"max_page_size": 99}, SIZES, "25: 25, 100: status 400, 500: status 400"),
    "place cursors": ({}, "cursor", "124 characters: base64 of JSON; works twice"),
    "no cursor at the end": ({}, "cursor on the last page", "none"),
    "a cursor at the end": ({"last_page_cursor": True}, "cursor on the last page", "one, to an empty page"),
}
WORSE: dict[str, tuple[dict[str, Any], str, str]] = {
    "bounds refused": ({"created": "refused_beside"}, BOUNDS, "refused with status 400; alone: kept"),
    "bounds refused altogether": (
        {"created": "refused"}, BOUNDS, "refused with status 400; alone: refused with status 400"
    ),
    "bounds ignored beside": ({"created": "ignored_beside"}, BOUNDS, "ignored; alone: kept"),
    "bounds ignored": ({"created": "ignored"}, BOUNDS, "ignored; alone: ignored"),
    "one bound ignored": ({"ignores": {"createdAt:lt"}}, BOUNDS, "ignored; alone: ignored"),
    "updates ignored": ({"ignores": {"updatedAt:gte"}}, "`updatedAt:gte`", "ignored"),
    "end ignored": ({"ignores": {"updatedAt:lt"}}, "`updatedAt:lt`", "ignored"),
    "status ignored": ({"ignores": {"isSummaryDone"}}, "`isSummaryDone`", "ignored"),
    "no scores": ({"most_scored": 24}, SCORES, "0 of 25, 0 of 95"),
}  # fmt: skip


@pytest.mark.parametrize("case", COPES)
def test_what_the_tap_copes_with_is_told_and_ends_well(case: str, probe: Callable[..., Outcome]) -> None:
    rules, assumption, found = COPES[case]
    with Sandbox(DATA, **rules) as sandbox:
        outcome = probe(sandbox)
    assert outcome.found[assumption] == found
    assert (outcome.status, outcome.marked) == (0, set())


@pytest.mark.parametrize("case", WORSE)
def test_what_a_sync_would_be_worse_for_is_marked_and_ends_with_status_1(
    case: str, probe: Callable[..., Outcome]
) -> None:
    rules, assumption, found = WORSE[case]
    with Sandbox(DATA, **rules) as sandbox:
        outcome = probe(sandbox)
    assert outcome.found[assumption] == found
    assert (outcome.status, outcome.marked) == (1, {assumption})


def test_a_filter_that_leaves_out_too_much_is_found(probe: Callable[..., Outcome]) -> None:
    with Sandbox(DATA) as sandbox:
        when = "createdAt:gt"
        sandbox.fault(
            "edit", on=None, when=lambda request: when in request.params, edit=lambda page: page | {"data": []}
        )
        outcome = probe(sandbox)
    assert outcome.found[BOUNDS].startswith("leaves out what it asks for")
    assert (outcome.status, outcome.marked) == (1, {BOUNDS})


def test_an_organization_without_recordings(probe: Callable[..., Outcome]) -> None:
    with Sandbox([]) as sandbox:
        outcome = probe(sandbox)
    assert (outcome.status, outcome.marked) == (0, set())
    assert outcome.found["order of a list"] == "unknown"
    assert outcome.meaning["filters"] == "there are no recordings"
    assert outcome.found["`teams`"].startswith("not asked")


def test_cursors_that_work_once(probe: Callable[..., Outcome]) -> None:
    with Sandbox(DATA) as sandbox:
        used: set[str] = set()

        def again(request: Any) -> bool:
            cursor = request.params.get("cursor")
            if cursor is None or cursor not in used:
                used.add(cursor)
                return False
            return True

        sandbox.fault("status", on=None, when=again, status=400)
        outcome = probe(sandbox)
    assert outcome.found["cursor"].endswith("the second time: status 400")
    assert outcome.status == 0


def test_a_second_page_that_cannot_be_had(probe: Callable[..., Outcome]) -> None:
    with Sandbox(DATA) as sandbox:
        sandbox.fault("status", on=None, when=lambda request: "cursor" in request.params, status=410)
        outcome = probe(sandbox)
    assert (outcome.status, outcome.marked) == (1, {"cursor"})


def test_pages_that_are_too_heavy(probe: Callable[..., Outcome]) -> None:
    with Sandbox(DATA) as sandbox:
        sandbox.heavy(60, status=504)
        outcome = probe(sandbox)
    assert outcome.found[SIZES] == "25: 25, 100: status 504, 500: status 504"
    assert "100 with" not in outcome.found["seconds a page"]
    assert outcome.status == 0


def test_times_and_the_settings_that_follow(probe: Callable[..., Outcome]) -> None:
    # A sync would warn of larger pages with scores, and request 25.
    with Sandbox(DATA, latency=0.03, most_scored=None) as sandbox:
        outcome = probe(sandbox)
    assert outcome.found["seconds a page"].count(" s") == 4
    advice = outcome.meaning["seconds a page"]
    assert advice.startswith("with scores: `page_size` 25 and `concurrency` ")
    assert "without scores: `page_size` 100 and" in advice


def test_headers_of_a_rate_limit(probe: Callable[..., Outcome]) -> None:
    body = json.dumps({"data": DATA[:25], "cursor": None}).encode()
    with Sandbox(DATA) as sandbox:
        headers = {"X-RateLimit-Limit": "1000", "X-RateLimit-Policy": "customer-4711", "X-RateLimit-Reset": "1" * 12}
        sandbox.fault("status", status=200, body=body, headers=headers)
        found = probe(sandbox).found["headers of the rate limit"]
    assert found == "x-ratelimit-limit: 1000, x-ratelimit-policy, x-ratelimit-reset"


def test_fields_that_differ_from_the_columns(probe: Callable[..., Outcome]) -> None:
    odd = {"userId": 4711, "dealGrade": "A", "latitude": "1.5", "createdAt": DATA[-1]["createdAt"], "deletedAt": "soon"}
    changed = {**DATA[-1], **odd, "crm": {"engagement": {"id": 5}, "project": {}}, "summary": ["text"]}
    del changed["title"]
    with Sandbox([*DATA[:-1], changed]) as sandbox:
        outcome = probe(sandbox)
    assert outcome.found["fields that are missing"] == (
        "crm.account (1), crm.contacts (1), crm.engagement.externalId (1), crm.integrationConnectionId (1), "
        "crm.lead (1), crm.opportunity (1), crm.users (1), title (1)"
    )
    assert outcome.found["fields that are unknown"] == "crm.project [object] (1), dealGrade [string] (1)"
    assert outcome.found["fields that are of another type"] == (
        "crm.engagement.id [number] (1), deletedAt [string] (1), latitude [string] (1), summary[] [string] (1), "
        "userId [number] (1)"
    )
    assert outcome.status == 0


def test_which_endpoints_answer(probe: Callable[..., Outcome]) -> None:
    def listing(_: Any) -> Answer:
        return Answer(200, b'{"data":[{},{}],"cursor":7,"hasNextPage":true}')

    routes = [
        Route("/v1/core/users", listing),
        Route("/v1/integrations/engagements", lambda _: Answer(200, b"[{}]")),
        Route("/v1/core/auth/caller-identity", lambda _: Answer(200, b'{"organizationId":"secret"}')),
        Route("/v1/core/organizations/{id}/teams", lambda _: Answer(403, b"{}")),
    ]
    with Sandbox(DATA) as sandbox:
        for route in routes:
            sandbox.route(route)
        outcome = probe(sandbox)
        (teams,) = sandbox.requests_to("/v1/core/organizations/{id}/teams")
    assert outcome.found["`users`"] == "`data` with 2, `hasNextPage`, a cursor (a JSON number)"
    assert outcome.found["`engagements`"] == "a list of 1"
    assert outcome.found["`caller-identity`"] == "an object"
    assert outcome.found["`teams`"] == "status 403"
    assert teams.values == {"id": DATA[0]["organizationId"]}
    assert {f"`{name}`" for name in ENDPOINTS} <= outcome.found.keys()
    assert outcome.status == 0


# The user host

TOKEN = "token for the user host"
CLIENT = "client credentials on the user host"
ONE = "`evaluated-instances` of a scored recording"
GROUPED = "`populations` with 25 ids and `groupBy=RECORDING`"


def test_the_user_host_is_asked_only_with_credentials(probe: Callable[..., Outcome]) -> None:
    with Sandbox(DATA) as sandbox:
        outcome = probe(sandbox, user_api_url=sandbox.user_api_url)
    assert outcome.found["user host"].startswith("not asked")
    assert not [name for name in outcome.found if name.startswith(("`user host", "token"))]


def test_what_the_user_host_answers(probe: Callable[..., Outcome]) -> None:
    with Sandbox(DATA) as sandbox:
        outcome = probe(sandbox, **user_host(sandbox))
        (evaluations, *more) = (request for request in sandbox.requests_to(EVALUATIONS) if "groupBy" in request.params)
    found = {name.removeprefix("`user host: "): what for name, what in outcome.found.items()}
    assert (found[TOKEN], found[CLIENT]) == ("status 201", "not asked: `client_id` is not set")
    assert found["recordings`"].startswith("`data` with 25, a cursor (")
    assert found["followups`"].startswith("`data.followups` with 25, `hasNextPage`, `total`, `limit`, a cursor (")
    assert found["scorecards`"] == "`data.scorecardInstances` with 4, `hasNextPage`, `total`"
    assert found["utterances`"].startswith("`data.utterances` with ")
    assert found[ONE].startswith("one, by scorecard ")
    assert found["`evaluated-instances` with 25 ids and `groupBy=RECORDING`"].startswith("1 evaluations, ")
    assert found[GROUPED] == "status 404"
    assert [name for name, _ in evaluations.pairs].count("filterByIds") == 25
    assert (more, outcome.status) == ([], 0)


def test_evaluations_of_several_recordings_in_one_answer_are_reported(probe: Callable[..., Outcome]) -> None:
    def populations(request: Any) -> Answer:
        ids = [value for name, value in request.pairs if name == "filterByIds"]
        items = [{"recordingsEvaluatedCount": 1, "filterByIds": each} for each in (*ids[1:], [ids[0]], ids[2:4])]
        return Answer(200, json.dumps({"data": {"evaluatedInstances": items}}).encode())

    route = Route(f"{EVALUATIONS}/populations", populations, base=USER_API, allows=lambda _: True)
    with Sandbox(DATA, routes=[route]) as sandbox:
        sandbox.details.unevaluated = 1.0
        outcome = probe(sandbox, **user_host(sandbox))
    assert outcome.found[GROUPED] == "26 evaluations, 25 of which name their recording"
    assert outcome.meaning[GROUPED].startswith("report it")
    assert outcome.found[ONE] == "none by 4 of 4 scorecards"


@pytest.mark.parametrize(
    ("app", "accepted", "found"),
    [(False, True, "accepted"), (True, True, "accepted"), (True, False, "status 401"), (False, False, "status 401")],
)
def test_client_credentials_on_the_user_host(
    app: bool, accepted: bool, found: str, probe: Callable[..., Outcome]
) -> None:
    with Sandbox(DATA, last_page_cursor=True, created="refused") as sandbox:  # the maximum number of requests
        if not accepted:
            sandbox.fault("status", path=OUTCOMES, status=401, on=None, when=lambda request: request.bearer is not None)
        host = user_host(sandbox) if app else {"user_api_url": sandbox.user_api_url}
        outcome = probe(sandbox, **credentials(sandbox), **host)
    assert outcome.found[CLIENT] == found
    assert outcome.found[TOKEN] == ("status 201" if app else "status 200")
    assert outcome.marked == {BOUNDS}


@pytest.mark.parametrize(("status", "found"), [(403, "none, status 403"), (503, "none, status 503")])
def test_without_a_token_the_user_host_is_left_alone(
    status: int, found: str, probe: Callable[..., Outcome], caplog: pytest.LogCaptureFixture
) -> None:
    with Sandbox(DATA) as sandbox:
        sandbox.fault("status", path=USER_TOKEN, status=status, on=None)
        outcome = probe(sandbox, **user_host(sandbox))
        assert len(sandbox.requests_to(USER_TOKEN)) == 1
    assert outcome.found[TOKEN] == found
    assert (outcome.status, outcome.marked) == (1, {TOKEN})
    assert not caplog.records


# Fatal faults


@pytest.mark.parametrize(
    ("kind", "options", "sentence"),
    [
        ("status", {"status": 401}, "the token is invalid"),
        ("status", {"status": 403, "body": b"{}"}, "the token lacks a scope"),
        ("html", {}, "something that is not JSON"),
        ("reset", {}, "did not answer"),
        ("status", {"status": 503}, "503"),
    ],
)
def test_without_a_first_page_there_is_one_sentence(
    kind: str, options: dict[str, Any], sentence: str, probe: Callable[..., Outcome], caplog: pytest.LogCaptureFixture
) -> None:
    with Sandbox(DATA) as sandbox:
        sandbox.fault(kind, on=None, **options)
        outcome = probe(sandbox)
        assert len(sandbox.all_requests) == 1
    assert (outcome.status, outcome.out) == (1, "")
    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert sentence in told
    assert "Traceback" not in outcome.err


def test_bad_settings_end_it_before_the_first_request(
    probe: Callable[..., Outcome], caplog: pytest.LogCaptureFixture
) -> None:
    with Sandbox(DATA) as sandbox:
        assert probe(sandbox, page_size=0).status == 1
        assert sandbox.all_requests == []
    assert "`page_size` must be at least 1" in caplog.text


def test_settings_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with Sandbox(DATA) as sandbox:
        monkeypatch.setenv("TAP_SIRO_API_URL", sandbox.url)
        monkeypatch.setenv("TAP_SIRO_API_TOKEN", sandbox.token)
        command.main(["--config", "ENV"])
        assert all(request.authorized for request in sandbox.requests)
    assert "newest created first" in capsys.readouterr().out


def test_client_credentials_work_too(probe: Callable[..., Outcome]) -> None:
    with Sandbox(DATA) as sandbox:
        outcome = probe(sandbox, **credentials(sandbox))
        assert sandbox.oauth.client.issued == ["client-token-1"]
        assert {request.bearer for request in sandbox.requests} == {"client-token-1"}
    assert (outcome.status, outcome.marked) == (0, set())


def test_a_wrong_client_secret_is_told(probe: Callable[..., Outcome], caplog: pytest.LogCaptureFixture) -> None:
    with Sandbox(DATA) as sandbox:
        outcome = probe(sandbox, **credentials(sandbox) | {"client_secret": CANARY})
        assert sandbox.requests == []
    assert (outcome.status, outcome.out) == (1, "")
    assert "`client_secret`" in caplog.text
    assert CANARY not in caplog.text + outcome.err


def credentials(sandbox: Sandbox) -> dict[str, Any]:
    oauth = sandbox.oauth
    settings = {"client_id": oauth.client_id, "client_secret": oauth.client_secret, "auth_url": sandbox.auth_url}
    return {"api_token": None, **settings}


# Secrecy


def test_nothing_of_a_recording_nor_the_token_is_printed(
    probe: Callable[..., Outcome], caplog: pytest.LogCaptureFixture
) -> None:
    ids = {"organizationId": f"{CANARY}-org", "userId": f"{CANARY}User", "title": CANARY, "result": CANARY}
    nested = {
        "links": {"web": {"self": CANARY, f"{CANARY}4711": CANARY}},
        "summary": [{"id": CANARY, "name": CANARY, "content": CANARY, f"{CANARY} und mehr": 1}],
        "entityExtractions": [{"name": CANARY, "value": CANARY, "mappings": [{"crmModelName": CANARY}, CANARY]}],
        "followups": [{"id": CANARY, "score": CANARY, f"{CANARY}_": 5}],
        "deletedAt": CANARY,
        f"{CANARY}:{CANARY}": {CANARY: CANARY},
        f"{CANARY}xxxxxxxxxxxxxxxx": CANARY,
    }
    data = [each | ids | nested | {"id": f"{CANARY}-{each['id']}"} for each in DATA]
    answer = Answer(200, json.dumps({"data": [{"id": CANARY}], "cursor": CANARY, CANARY: CANARY}).encode())
    for extra in ({}, {"created": "ignored"}, {"max_page_size": 30}):
        with Sandbox(data, token=f"{CANARY}-token", **extra) as sandbox:
            for path, _ in ENDPOINTS.values():
                sandbox.route(Route(path, lambda _: answer))
            sandbox.fault("status", on=3, when=lambda request: "cursor" in request.params, body=CANARY.encode())
            for path in (FOLLOWUPS, SCORECARDS, UTTERANCES, OUTCOMES, EVALUATIONS):
                sandbox.fault("edit", path=path, on=None, edit=lambda body: sing(body) | {CANARY: CANARY})
            outcome = probe(sandbox, **user_host(sandbox))
            assert CANARY in json.dumps(sandbox.recordings)
        assert "fields that are unknown" in outcome.found
        assert "`user host: utterances`" in outcome.found
        assert CANARY not in outcome.out + outcome.err + caplog.text


@pytest.mark.parametrize("status", [401, 403, 404, 418, 500])
def test_nor_in_what_ends_it(status: int, probe: Callable[..., Outcome], caplog: pytest.LogCaptureFixture) -> None:
    with Sandbox(DATA, token=f"{CANARY}-token") as sandbox:
        sandbox.fault("status", on=None, status=status, body=CANARY.encode(), headers={"X-Id": CANARY})
        outcome = probe(sandbox)
    assert outcome.status == 1
    assert CANARY not in outcome.out + outcome.err + caplog.text


def test_it_asks_for_nothing_but_reads(probe: Callable[..., Outcome]) -> None:
    with Sandbox(DATA) as sandbox:
        probe(sandbox)
        assert {request.method for request in sandbox.all_requests} == {"GET"}
        assert len(sandbox.requests_to(RECORDINGS)) > len(ENDPOINTS)
