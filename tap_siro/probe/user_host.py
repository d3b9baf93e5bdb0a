"""Requests of a probe to the user host, and the findings: tokens, endpoints, and evaluations of several recordings.

Findings show no content, ids or tokens: see `findings`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tap_siro import timestamps
from tap_siro.api.client import PATH, Host
from tap_siro.errors import TapSiroError
from tap_siro.probe.fields import NOTHING, Finding
from tap_siro.probe.findings import NOT_KNOWN, Answer, endpoint, moments, scored
from tap_siro.records.scorecards import is_evaluated
from tap_siro.streams import FollowupListStream, ScorecardsStream, UtterancesStream
from tap_siro.sync.evaluations import EVALUATIONS_PATH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_siro.probe.command import Probe

APP = "`oauth_client_id`, `oauth_client_secret` and `oauth_user_id`"
GROUPED_IDS = 25
"""Recordings whose evaluations are requested at once."""
REPORT = "report it: the tap could request many evaluations at once"


def probe(asking: Probe, page: Answer, organization: str | None) -> list[Finding]:
    """Send the requests to the user host, if there are credentials for it, and return the findings.

    Args:
        asking: Sends requests.
        page: A page of recordings from `api_url`, with scores.
        organization: The organization's id.
    """
    client = asking.client
    settings, host = client.settings, client.user_host
    if not (settings.oauth_client_id or settings.client_id):
        return [Finding("user host", "not asked: no credentials for it", f"to ask it, set {APP}")]
    issuer = "api_url" if settings.oauth_client_id else "auth_url"
    token = "token for the user host"  # noqa: S105 - a name
    try:
        recordings = asking.ask_host(host, limit="25")
    except TapSiroError:
        status = client.token_statuses.get(issuer)
        found = "no answer" if status is None else f"none, status {status}"
        return [Finding(token, found, f"no stream of the user host can be read. Check {APP}", bad=True)]
    of_organization = {} if organization is None else {"organizationId": organization}
    followups = asking.ask_host(
        host, FollowupListStream.path, **of_organization, minimumScore="1", includeHistory="true", limit="25"
    )
    scorecards = asking.ask_host(host, ScorecardsStream.path, **of_organization)
    processed = [each for each in page.records if isinstance(each.get("id"), str) and each.get("isProcessingDone")]
    utterances = asking.ask_host(host, f"{_path(processed[0])}/utterances", pageSize="5") if processed else None
    return [
        Finding(token, f"status {client.token_statuses.get(issuer)}", NOTHING),
        _client_credentials(asking, recordings),
        endpoint("user host: recordings", recordings),
        endpoint("user host: followups", followups, FollowupListStream.list_name),
        endpoint("user host: scorecards", scorecards, ScorecardsStream.list_name),
        endpoint("user host: utterances", utterances, UtterancesStream.field_path),
        *_evaluations(asking, processed, scorecards.listed(ScorecardsStream.list_name)),
    ]


def _path(recording: Mapping[str, Any]) -> str:
    return f"{PATH}/{quote(recording['id'], safe='')}"


def _client_credentials(asking: Probe, recordings: Answer) -> Finding:
    """Return the answer of the user host to client credentials."""
    name, client = "client credentials on the user host", asking.client
    if not client.settings.client_id:
        return Finding(name, "not asked: `client_id` is not set", NOT_KNOWN)
    if client.settings.oauth_client_id:
        recordings = asking.ask_host(Host(client.user_host.url, client.api.auth, client.user_host.setting), limit="1")
    if recordings.ok:
        return Finding(name, "accepted", NOTHING)
    return Finding(name, recordings.outcome, f"for the streams of the user host, set {APP}")


def _evaluations(asking: Probe, processed: Sequence[Mapping[str, Any]], scorecards: list[Any]) -> list[Finding]:
    """Request the evaluation of one recording by each scorecard, then those of several recordings at once."""
    recordings = [each for each in processed if scored([each])[0] and moments([each], "createdAt")][:GROUPED_IDS]
    ids = [each["id"] for each in scorecards if isinstance(each.get("id"), str)]
    cards = sorted(
        ids, key=[each["id"] for each in scorecards if each.get("isActive") is not False].count, reverse=True
    )
    name = "`evaluated-instances` of a scored recording"
    if not recordings or not cards:
        missing = "scorecard" if recordings else "scored recording"
        return [Finding(name, f"not asked: there is no {missing}", NOT_KNOWN)]
    host, path = asking.client.user_host, EVALUATIONS_PATH
    outcome, evaluating = "", cards[0]
    for place, card in enumerate(cards[: max(1, asking.left - 2)], start=1):
        answer = asking.ask_host(host, f"{path}/{quote(card, safe='')}", **_query(recordings[:1]))
        if not answer.ok:
            outcome = answer.outcome
            break
        outcome = f"none by {place} of {len(cards)} scorecards"
        if is_evaluated(answer.data):
            outcome, evaluating = f"one, by scorecard {place} of {len(cards)}", card
            break
    query = {**_query(recordings), "groupBy": "RECORDING"}
    address = f"{path}/{quote(evaluating, safe='')}"
    return [
        Finding(name, outcome, NOTHING if outcome.startswith("one") else NOT_KNOWN),
        _grouped("evaluated-instances", asking.ask_host(host, address, **query), query["filterByIds"]),
        _grouped("populations", asking.ask_host(host, f"{address}/populations", **query), query["filterByIds"]),
    ]


def _query(recordings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    created = moments(recordings, "createdAt")
    return {
        "startAt": timestamps.text(min(created) - 2 * timestamps.DAY),
        "endAt": timestamps.text(max(created) + 2 * timestamps.DAY),
        "filterBy": "RECORDING",
        "filterByIds": [each["id"] for each in recordings],
    }


def _grouped(name: str, answer: Answer, ids: Sequence[str]) -> Finding:
    """Return the number of evaluations in one answer, and of those that name the one recording they are of."""
    name = f"`{name}` with {len(ids)} ids and `groupBy=RECORDING`"
    if not answer.ok:
        return Finding(name, answer.outcome, NOTHING)
    evaluations = answer.listed("evaluatedInstances") or answer.records
    if not evaluations and isinstance(answer.data, dict):
        evaluations = [answer.data]
    own = {tuple(each) if isinstance(each := found.get("filterByIds"), list) else (each,) for found in evaluations}
    named = len(own & {(each,) for each in ids})
    found = f"{len(evaluations)} evaluations, {named} of which name their recording"
    return Finding(name, found, REPORT if named > 1 else NOTHING)
