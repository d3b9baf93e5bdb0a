"""The command `tap-siro-probe`: its requests, and the table that it prints."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import time
from collections import ChainMap
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tap_siro import timestamps
from tap_siro.api.client import PATH, Client
from tap_siro.api.responses import ANSWERS, failure
from tap_siro.errors import RetryableError, TapSiroError
from tap_siro.probe import findings, user_host
from tap_siro.probe.fields import Finding, fields
from tap_siro.probe.findings import Answer, FilterCheck
from tap_siro.schemas.recordings import RECORDINGS
from tap_siro.settings import ENRICHMENTS, STATUS_FILTERS
from tap_siro.singer.exit_status import exit_with_status
from tap_siro.singer.input_files import read_object
from tap_siro.sync.page_size import SCORED_PAGE
from tap_siro.tap import TapSiro

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import requests

    from tap_siro.api.client import Host
    from tap_siro.api.retries import Request
    from tap_siro.clock import Clock
    from tap_siro.settings import Settings

MAX_REQUESTS = 40
DESCRIPTION = f"Send at most {MAX_REQUESTS} requests, and print a table that is safe to paste into an issue."
"""Requests of a probe, those for tokens included."""
FLAGS = {each.flag: "true" for each in ENRICHMENTS}
SMALL, LARGE, LARGEST = SCORED_PAGE, 100, 500
ENDPOINTS: dict[str, tuple[str, dict[str, str]]] = {
    "caller-identity": ("/v1/core/auth/caller-identity", {}),
    "organizations": ("/v1/core/organizations", {}),
    "users": ("/v1/core/users", {}),
    "users with disabled=true": ("/v1/core/users", {"disabled": "true"}),
    "teams": ("/v1/core/organizations/{organizationId}/teams", {}),
    "connections": ("/v1/core/integrations/connections", {}),
    "engagements": ("/v1/integrations/engagements", {}),
    "opportunities": ("/v1/integrations/opportunities", {}),
    "mobile-events": ("/v1/core/mobile-events", {}),
}
"""Endpoints besides recordings: the path and the query of each."""


class CountedClient(Client):
    """Client that counts its requests, those for tokens included."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Make a client that has sent nothing. It retries nothing, so that each request for a token counts as one."""
        super().__init__(dataclasses.replace(settings, max_retry_seconds=0), clock)
        self.requests = 0
        self.token_statuses: dict[str, int] = {}
        """Status of the answer to a request for a token, by the setting of the address."""

    def send_once(self, request: Request[Any]) -> requests.Response:
        """Send a request, unless `MAX_REQUESTS` have been sent."""
        if self.requests >= MAX_REQUESTS:
            message = f"The probe stops after {MAX_REQUESTS} requests."
            raise TapSiroError(message)
        self.requests += 1
        response = super().send_once(request)
        if request.body is not None:
            self.token_statuses[request.host.setting] = response.status_code
        return response


class Probe:
    """Sends requests one by one."""

    def __init__(self, client: CountedClient) -> None:
        """Take a client with the token, rate limit and user agent of a sync."""
        self.client = client

    @property
    def left(self) -> int:
        """Return the number of requests left."""
        return MAX_REQUESTS - self.client.requests

    def ask(self, path: str = PATH, **query: str) -> Answer:
        """Send one request to `api_url`."""
        return self.ask_host(self.client.api, path, **query)

    def ask_host(self, host: Host, path: str = PATH, /, **query: Any) -> Answer:
        """Send one request to a host."""
        asked_at = timestamps.of(datetime.now(UTC))
        started = time.monotonic()
        try:
            response = self.client.exchange(path, query, host)
        except RetryableError:
            return Answer(0, time.monotonic() - started, asked_at=asked_at)
        seconds = time.monotonic() - started
        body = None
        with contextlib.suppress(ValueError, RecursionError):
            body = json.loads(response.content)
        return Answer(response.status_code, seconds, body, response, asked_at)


def probe(client: CountedClient) -> list[Finding]:
    """Send all requests, and return the findings in the order of the table.

    Raises:
        TapSiroError: The first page cannot be read, so nothing can be found out.
    """
    asking = Probe(client)
    first = asking.ask(pageSize=str(SMALL), **FLAGS)
    if not first.ok:
        raise _failure(first, client.api)
    pages = _pages(asking, first)
    small, large = pages[SMALL, True], pages[LARGE, True]
    largest = asking.ask(pageSize=str(LARGEST))
    sample, size = (large, LARGE) if large.ok else (small, SMALL)
    scored = [SMALL] if findings.scored(small.records)[0] else []  # a sync requests no larger pages with scores
    times = {
        (size, enriched): (page.seconds, len(page.records))
        for (size, enriched), page in pages.items()
        if page.ok and page.records
    }
    return [
        findings.order(sample),
        *_filters(asking, sample.records, size),
        findings.page_sizes({SMALL: small, LARGE: large, LARGEST: largest}),
        findings.scores(small, large),
        *_cursors(asking, small, size),
        findings.clock(first),
        findings.rate_limit(first),
        findings.speed(times, scored, client.settings.requests_per_minute),
        *fields(sample.records, RECORDINGS),
        _followups(asking, small),
        *_endpoints(asking, first),
        *user_host.probe(asking, small, _organization(first)),
    ]


def _failure(answer: Answer, api: Host) -> TapSiroError:
    if answer.response is None:
        return TapSiroError("Siro's API did not answer, so nothing can be found out. Check `api_url`, or try later.")
    if answer.status in ANSWERS:
        return TapSiroError("Siro's API answered with something that is not JSON. Check `api_url`.")
    return failure(answer.response, FLAGS, api)


def _pages(asking: Probe, first: Answer) -> dict[tuple[int, bool], Answer]:
    """Return a page of each size with and without enrichments: the faster of two. `first` is one of them."""
    pages = {}
    for size in (SMALL, LARGE):
        for enriched in (True, False):
            query = {"pageSize": str(size), **(FLAGS if enriched else {})}
            tries = [first] if size == SMALL and enriched else [asking.ask(**query)]
            tries.append(asking.ask(**query))
            pages[size, enriched] = min(tries, key=lambda page: (not page.ok, page.seconds))
    return pages


def _filters(asking: Probe, sample: Sequence[Mapping[str, Any]], size: int) -> list[Finding]:
    created, updated = (sorted(findings.moments(sample, name)) for name in ("createdAt", "updatedAt"))
    if not created or not updated:
        return [Finding("filters", findings.NOT_KNOWN, "there are no recordings")]
    low, high = created[len(created) // 4], created[3 * len(created) // 4]
    middle = updated[len(updated) // 2]

    def ask(wanted: FilterCheck, **query: str) -> str:
        return findings.kept(asking.ask(pageSize=str(size), **query), sample, wanted)

    wanted = FilterCheck("createdAt", low, high)
    bounds = {"createdAt:gt": timestamps.text(low), "createdAt:lt": timestamps.text(high)}
    beside = ask(wanted, **bounds, **{"updatedAt:gte": timestamps.text(updated[0])})
    return [
        findings.bounds(beside, None if beside == "kept" else ask(wanted, **bounds)),
        findings.simple(
            "`updatedAt:gte`",
            ask(FilterCheck("updatedAt", middle, None), **{"updatedAt:gte": timestamps.text(middle)}),
            "each sync ends with an error: report it to Siro",
        ),
        findings.simple(
            "`updatedAt:lt`",
            ask(FilterCheck("updatedAt", None, middle), **{"updatedAt:lt": timestamps.text(middle)}),
            "`end_date` does not work",
        ),
        *(
            findings.simple(f"`{name}`", ask(FilterCheck(name), **{name: "false"}), "the setting for it does not work")
            for name in STATUS_FILTERS.values()
        ),
    ]


def _cursors(asking: Probe, page: Answer, size: int) -> list[Finding]:
    second = again = None
    if page.cursor is not None:
        query = {"pageSize": str(SMALL), **FLAGS, "cursor": str(page.cursor)}
        second, again = asking.ask(**query), asking.ask(**query)
    updated = findings.moments(page.records, "updatedAt")
    if not updated:
        return [findings.cursors(page, second, again)]
    query = {"pageSize": str(size), "updatedAt:gte": timestamps.text(max(updated))}
    last = asking.ask(**query)
    after = None if last.cursor is None else asking.ask(**query, cursor=str(last.cursor))
    return [findings.cursors(page, second, again), findings.last_page(last, after)]


def _followups(asking: Probe, page: Answer) -> Finding:
    names = (record.get("id") for record in page.records if record.get("followups"))
    name = next((each for each in names if isinstance(each, str)), None)
    single = asking.ask(f"{PATH}/{quote(name, safe='')}", showFollowups="true") if name else None
    return findings.followups(page, single)


def _organization(page: Answer) -> str | None:
    organizations = (record.get("organizationId") for record in page.records)
    return next((each for each in organizations if isinstance(each, str)), None)


def _endpoints(asking: Probe, page: Answer) -> list[Finding]:
    organization = _organization(page)
    found = []
    for name, (path, query) in ENDPOINTS.items():
        answer = None
        if organization is not None or "{" not in path:
            answer = asking.ask(path.format(organizationId=quote(organization or "", safe="")), **query)
        found.append(findings.endpoint(name, answer))
    return found


def table(found: Sequence[Finding]) -> str:
    """Return the findings as a Markdown table. Those that harm a sync are marked."""
    lines = ["| | assumption | found | what it means |", "|---|---|---|---|"]
    lines += [f"| {'!' if each.bad else ''} | {each.assumption} | {each.found} | {each.meaning} |" for each in found]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Probe and print. Ends with status 1 if a finding would harm a sync."""
    parser = argparse.ArgumentParser(prog="tap-siro-probe", description=DESCRIPTION)
    parser.add_argument(
        "--config",
        action="append",
        metavar="FILE",
        required=True,
        help="file with the tap's settings, or ENV to read them from the environment and .env; can be repeated",
    )
    config = parser.parse_args(arguments).config
    with exit_with_status(None):
        files = [partial(Path(path).read_text, encoding="utf-8") for path in config if path != "ENV"]
        settings = [json.loads(read_object("config", read)) for read in files]
        tap = TapSiro(config=dict(ChainMap(*reversed(settings))), parse_env_config="ENV" in config)
        assert tap.settings is not None  # noqa: S101 - else the tap raises
        client = CountedClient(tap.settings, tap.clock)
        try:
            found = probe(client)
        finally:
            client.close()
        print(f"tap-siro {tap.plugin_version}\n\n{table(found)}")  # noqa: T201 - the output
    if any(each.bad for each in found):
        raise SystemExit(1)
