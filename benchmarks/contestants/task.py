"""The task of all contestants, which each program reads from its command line."""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

PATH = "/v1/core/recordings"
FLAGS = ("showCrmLinks", "showSummary", "showEntityExtractions", "showFollowups")
USER_AGENT = "tap-siro-benchmark"
LINKS = {
    "users": "user",
    "engagement": "engagement",
    "opportunity": "opportunity",
    "contacts": "contact",
    "account": "account",
    "lead": "lead",
}
# The sandbox spreads the recordings evenly between these times. A tap cannot know that; other contestants use it.
FIRST = datetime(2025, 1, 1, tzinfo=UTC)
LAST = datetime(2026, 2, 6, tzinfo=UTC)


@dataclass(frozen=True)
class Task:
    """Address to read from, number of threads, and directory for output."""

    url: str
    token: str
    threads: int
    scores: bool
    directory: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "User-Agent": USER_AGENT}

    @property
    def parameters(self) -> dict[str, str]:
        """Return the query parameters of each request. The API leaves scores out of pages of more than about 40."""
        scores = {"showEvaluationScore": "true", "pageSize": "25"} if self.scores else {"pageSize": "100"}
        return {**dict.fromkeys(FLAGS, "true"), **scores}

    def parts(self) -> list[dict[str, str]]:
        """Return query parameters that divide the recordings evenly among the threads."""
        if self.threads == 1:
            return [{}]
        edges = [FIRST + (LAST - FIRST) * number / self.threads for number in range(self.threads + 1)]
        return [
            {"createdAt:gt": _text(start - timedelta(milliseconds=1)), "createdAt:lt": _text(end)}
            for start, end in itertools.pairwise(edges)
        ]


def parser() -> argparse.ArgumentParser:
    """Return a parser of the task's arguments."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--scores", action="store_true")
    parser.add_argument("--directory", default=".")
    return parser


def read() -> Task:
    """Read the task from the command line."""
    return Task(**vars(parser().parse_args()))


def _text(moment: datetime) -> str:
    # Whole milliseconds, as the API requires: the end of one part is the start of the next.
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
