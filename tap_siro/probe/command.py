"""The command: asks the API at most `MOST_REQUESTS` times, and prints a table that can be pasted into an issue."""

from __future__ import annotations

import argparse
import contextlib
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
from tap_siro.probe import findings
from tap_siro.probe.fields import Finding, fields
from tap_siro.probe.findings import Answer, Wanted
from tap_siro.schemas.recordings import RECORDINGS
from tap_siro.settings import ENRICHMENTS, STATUS_FILTERS
from tap_siro.singer.exit_status import exit_with_status
from tap_siro.singer.input_files import read_object
from tap_siro.tap import TapSiro

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_siro.api.client import Host

MOST_REQUESTS = 40
FLAGS = {each.flag: "true" for each in ENRICHMENTS}
SMALL, LARGE, LARGEST = 25, 100, 500
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
"""Besides recordings: the path of each, and its query."""


class Probe:
    """Asks, and keeps what one question finds out for the next."""

    def __init__(self, client: Client) -> None:
        """Take the client of a sync: its token, rate limit and user agent."""
        self._client = client
        self.requests = 0

    def ask(self, path: str = PATH, **query: str) -> Answer:
        """Send one request."""
        assert self.requests < MOST_REQUESTS  # noqa: S101 - no answer leads to more
        self.requests += 1
        asked_at = timestamps.of(datetime.now(UTC))
        started = time.monotonic()
        try:
            response = self._client.exchange(path, query)
        except RetryableError:
            return Answer(0, time.monotonic() - started, asked_at=asked_at)
        seconds = time.monotonic() - started
        body = None
        with contextlib.suppress(ValueError, RecursionError):
            body = json.loads(response.content)
        return Answer(response.status_code, seconds, body, response, asked_at)


def probe(client: Client, *, per_minute: int) -> list[Finding]:
    """Ask everything: the findings, in the order of the table.

    Raises:
        TapSiroError: The very first page cannot be had, so nothing can be asked.
    """
    asking = Probe(client)
    first = asking.ask(pageSize=str(SMALL), **FLAGS)  # not timed: it opens the connection
    if not first.ok:
        raise _failure(first, client.api)
    pages = _pages(asking)
    small, large = pages[SMALL, True], pages[LARGE, True]
    largest = asking.ask(pageSize=str(LARGEST))
    sample, size = (large, LARGE) if large.ok else (small, SMALL)
    scored = [size for size, page in ((SMALL, small), (LARGE, large)) if findings.scored(page)[0]]
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
        findings.speed(times, scored, per_minute),
        *fields(sample.records, RECORDINGS),
        _followups(asking, small),
        *_endpoints(asking, first),
    ]


def _failure(answer: Answer, api: Host) -> TapSiroError:
    if answer.response is None:
        return TapSiroError("Siro's API did not answer, so nothing can be found out: check `api_url`, or try later.")
    if answer.status in ANSWERS:
        return TapSiroError("Siro's API answered with something that is not JSON: check `api_url`.")
    return failure(answer.response, FLAGS, api)


def _pages(asking: Probe) -> dict[tuple[int, bool], Answer]:
    """A page of each size with and without enrichments: of two, the faster."""
    pages = {}
    for size in (SMALL, LARGE):
        for enriched in (True, False):
            query = {"pageSize": str(size), **(FLAGS if enriched else {})}
            tries = [asking.ask(**query) for _ in range(2)]
            pages[size, enriched] = min(tries, key=lambda page: (not page.ok, page.seconds))
    return pages


def _filters(asking: Probe, sample: Sequence[Mapping[str, Any]], size: int) -> list[Finding]:
    created, updated = (sorted(findings.moments(sample, name)) for name in ("createdAt", "updatedAt"))
    if not created or not updated:
        return [Finding("filters", findings.NOT_KNOWN, "there are no recordings")]
    low, high = created[len(created) // 4], created[3 * len(created) // 4]
    middle = updated[len(updated) // 2]

    def ask(wanted: Wanted, **query: str) -> str:
        return findings.kept(asking.ask(pageSize=str(size), **query), sample, wanted)

    wanted = Wanted("createdAt", low, high)
    bounds = {"createdAt:gt": timestamps.text(low), "createdAt:lt": timestamps.text(high)}
    beside = ask(wanted, **bounds, **{"updatedAt:gte": timestamps.text(updated[0])})
    return [
        findings.bounds(beside, None if beside == "kept" else ask(wanted, **bounds)),
        findings.simple(
            "`updatedAt:gte`",
            ask(Wanted("updatedAt", middle, None), **{"updatedAt:gte": timestamps.text(middle)}),
            "every sync ends with an error: report it to Siro",
        ),
        findings.simple(
            "`updatedAt:lt`",
            ask(Wanted("updatedAt", None, middle), **{"updatedAt:lt": timestamps.text(middle)}),
            "`end_date` does not work",
        ),
        *(
            findings.simple(f"`{name}`", ask(Wanted(name), **{name: "false"}), "the setting of that name does not work")
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


def _endpoints(asking: Probe, page: Answer) -> list[Finding]:
    organizations = (record.get("organizationId") for record in page.records)
    organization = next((each for each in organizations if isinstance(each, str)), None)
    found = []
    for name, (path, query) in ENDPOINTS.items():
        answer = None
        if organization is not None or "{" not in path:
            answer = asking.ask(path.format(organizationId=quote(organization or "", safe="")), **query)
        found.append(findings.endpoint(name, answer))
    return found


def table(found: Sequence[Finding]) -> str:
    """The findings in Markdown; what a sync is worse for is marked."""
    lines = ["| | assumption | found | what it means |", "|---|---|---|---|"]
    lines += [f"| {'!' if each.bad else ''} | {each.assumption} | {each.found} | {each.meaning} |" for each in found]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Probe and print; status 1 if a sync would be worse for what was found."""
    parser = argparse.ArgumentParser(prog="tap-siro-probe", description=__doc__)
    parser.add_argument(
        "--config",
        action="append",
        metavar="FILE",
        required=True,
        help="the tap's settings, or ENV to read them from TAP_SIRO_… variables; may be given more than once",
    )
    config = parser.parse_args(arguments).config
    with exit_with_status(None):
        files = [partial(Path(path).read_text, encoding="utf-8") for path in config if path != "ENV"]
        settings = [json.loads(read_object("config", read)) for read in files]
        tap = TapSiro(config=dict(ChainMap(*reversed(settings))), parse_env_config="ENV" in config)
        assert tap.settings is not None  # noqa: S101 - or there would have been an error
        client = Client(tap.settings, tap.clock)
        try:
            found = probe(client, per_minute=tap.settings.requests_per_minute)
        finally:
            client.close()
        print(f"tap-siro {tap.plugin_version}\n\n{table(found)}")  # noqa: T201 - what it is for
    if any(each.bad for each in found):
        raise SystemExit(1)
