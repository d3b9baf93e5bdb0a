"""Findings from the answers to a probe, one for each assumption. Pure; no finding contains data of a recording.

Whatever is shown of an answer is a number, a status, a form, or a name that no id can be: see `fields.shown`.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_siro import timestamps
from tap_siro.api.responses import ANSWERS, parse_date
from tap_siro.probe.fields import NOTHING, Finding, kind, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import requests

NOT_KNOWN = "nothing can be said"
LEAVES_OUT = "leaves out what it asks for"
SCORABLE = 10
"""Processed recordings on a page of which at least one should have a score."""


@dataclass
class Answer:
    """Answer to a request."""

    status: int
    """0 if nothing came."""
    seconds: float
    body: Any = None
    """The decoded JSON, if it was any."""
    response: requests.Response | None = None
    asked_at: int = 0

    @property
    def headers(self) -> Mapping[str, str]:
        """Return its headers."""
        return {} if self.response is None else self.response.headers

    @property
    def ok(self) -> bool:
        """Return True if the answer is a success."""
        return self.status in ANSWERS and self.body is not None

    @property
    def records(self) -> list[dict[str, Any]]:
        """Return the records that it lists."""
        listed = self.body.get("data") if isinstance(self.body, dict) else self.body
        return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []

    @property
    def cursor(self) -> Any:
        """Return its cursor."""
        return self.body.get("cursor") if isinstance(self.body, dict) else None

    @property
    def outcome(self) -> str:
        """Return the reason why the answer is not a success."""
        if self.status in ANSWERS:
            return "an answer that is not JSON"
        return f"status {self.status}" if self.status else "no answer"


def moments(records: Sequence[Mapping[str, Any]], name: str) -> list[int]:
    """Return one date-time of each record, in order; unreadable ones are skipped."""
    found = (timestamps.parse(record.get(name)) for record in records)
    return [moment for moment in found if moment is not None]


def order(page: Answer) -> Finding:
    """Return the order of recordings."""
    created = moments(page.records, "createdAt")
    found = "in no order of `createdAt`"
    if len(set(created)) < 2:  # noqa: PLR2004 - nothing to compare
        found = NOT_KNOWN
    elif created == sorted(created, reverse=True):
        found = "newest created first"
    elif created == sorted(created):
        found = "oldest created first"
    return Finding("order of a list", found, "nothing: the tap relies on no order")


class Wanted(NamedTuple):
    """Condition of a filter: a flag, or a date-time within bounds, to the second."""

    name: str
    start: int | None = None
    end: int | None = None

    def leaves_out(self, record: Mapping[str, Any]) -> bool:
        """Return True if a record certainly fails the filter."""
        if self.start is None and self.end is None:
            return record.get(self.name) is True
        return self._distance(record) > timestamps.SECOND

    def takes(self, record: Mapping[str, Any]) -> bool:
        """Return True if a record certainly passes the filter."""
        if self.start is None and self.end is None:
            return record.get(self.name) is False
        return self._distance(record) < -timestamps.SECOND

    def _distance(self, record: Mapping[str, Any]) -> int:
        """Return the distance of a record from the bounds, in milliseconds: negative inside, 0 if unknown."""
        moment = timestamps.parse(record.get(self.name))
        if moment is None:
            return 0
        return max(
            self.start - moment if self.start is not None else -timestamps.DAY,
            moment - self.end if self.end is not None else -timestamps.DAY,
        )


def kept(answer: Answer, sample: Sequence[Mapping[str, Any]], wanted: Wanted) -> str:
    """Return the effect of a filter.

    Args:
        answer: The answer to a request with it.
        sample: Records that come without it.
        wanted: What it asks for.
    """
    if HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR and answer.status not in {408, 429}:
        return f"refused with status {answer.status}"
    if not answer.ok:
        return f"{NOT_KNOWN}: {answer.outcome}"
    if any(map(wanted.leaves_out, answer.records)):
        return "ignored"
    if not answer.records and any(map(wanted.takes, sample)):
        return LEAVES_OUT
    return "kept" if any(map(wanted.leaves_out, sample)) else f"{NOT_KNOWN}: no recording would be left out"


def bounds(beside: str, alone: str | None) -> Finding:
    """Return the effect of `createdAt` bounds with `updatedAt:gte`, and alone if that does not work."""
    name, found = "`createdAt` beside `updatedAt`", beside if alone is None else f"{beside}; alone: {alone}"
    if beside == "ignored" or beside.startswith("refused"):
        return Finding(
            name, found, "a sync reads in one chain: slower, and begins anew when it is interrupted", bad=True
        )
    return simple(name, found, "")


def simple(name: str, found: str, lost: str) -> Finding:
    """Return the effect of another filter; `lost` says what does not work if it has none."""
    if found.startswith(LEAVES_OUT):
        return Finding(name, found, "recordings would be missing: report it to Siro", bad=True)
    refused = found.startswith("refused")
    return Finding(name, found, lost if refused or found == "ignored" else NOTHING, bad=found == "ignored")


def page_sizes(pages: Mapping[int, Answer]) -> Finding:
    """Return the number of recordings on pages of each requested size."""
    parts = []
    capped = None
    for size, page in pages.items():
        rows = len(page.records)
        parts.append(f"{size}: {rows if page.ok else page.outcome}")
        if page.ok and rows < size and page.cursor is not None:
            parts[-1] += " and a cursor"
            capped = rows
    meaning = NOTHING if capped is None else f"a `page_size` above {capped} does nothing"
    if not all(page.ok for page in pages.values()):
        meaning = "a `page_size` that is not answered is made smaller by the tap itself"
    return Finding("recordings on a page, by what is asked for", ", ".join(parts), meaning)


def scored(page: Answer) -> tuple[int, int]:
    """Return the number of processed recordings on a page with a score, and the number of all processed ones."""
    processed = [record for record in page.records if record.get("isProcessingDone") is not False]
    return sum(kind(record.get("evaluationScore")) == "number" for record in processed), len(processed)


def scores(small: Answer, large: Answer) -> Finding:
    """Compare the evaluation scores on pages of 25 and of 100."""
    name = "evaluation scores on pages of 25 and 100"
    (first, processed), (second, others) = scored(small), scored(large)
    found = f"{first} of {processed}, {second} of {others}"
    if not first and processed >= SCORABLE:
        return Finding(name, found, "no scores will arrive: does the organization have any? If so, report it", bad=True)
    if first and large.ok and not second:
        return Finding(name, found, "left out on large pages: nothing to do, the tap asks for 25 while it wants scores")
    return Finding(name, found, NOTHING if first else NOT_KNOWN)


def cursors(first: Answer, second: Answer | None, again: Answer | None) -> Finding:
    """Return the form of a cursor, and whether it works twice."""
    if second is None or again is None:
        return Finding("cursor", "none: all recordings fit on a page", NOT_KNOWN)
    found, meaning = form(first.cursor), NOTHING
    if not second.ok:
        return Finding("cursor", f"{found}; the next page: {second.outcome}", "no second page can be read", bad=True)
    if not again.ok:
        found += f"; the second time: {again.outcome}"
        meaning = "a page that is lost on the way costs its slice being read again"
    elif [record.get("id") for record in again.records] == [record.get("id") for record in second.records]:
        found += "; works twice"
    else:
        found += "; the second time with other recordings"
        meaning = "report it: a page that is tried again may leave recordings out"
    return Finding("cursor", found, meaning)


def form(cursor: object) -> str:
    """Return the form of a cursor without its content."""
    if not isinstance(cursor, str):
        return f"a JSON {kind(cursor)}"
    text, inside = cursor, ""
    if len(cursor) % 4 == 0 or not cursor.isalnum():
        with_padding = cursor.replace("-", "+").replace("_", "/") + "=" * (-len(cursor) % 4)
        try:
            text = base64.b64decode(with_padding, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            text = cursor
        else:
            inside = "base64 of "
    what = "text"
    if text.isdigit():
        what = "digits"
    elif timestamps.parse(text) is not None:
        what = "an instant"
    elif text[:1] in {"{", "["} and _is_json(text):
        what = "JSON"
    return f"{len(cursor)} characters: {inside}{what}"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def last_page(page: Answer, after: Answer | None) -> Finding:
    """Return whether the last page of a list has a cursor."""
    name = "cursor on the last page"
    if not page.ok:
        return Finding(name, f"{NOT_KNOWN}: {page.outcome}", NOTHING)
    if page.cursor is None:
        return Finding(name, "none", NOTHING)
    if after is not None and after.ok and not after.records and after.cursor is None:
        return Finding(name, "one, to an empty page", "one request more for each slice")
    return Finding(name, NOT_KNOWN, NOTHING)


def clock(answer: Answer) -> Finding:
    """Return the seconds by which the server's clock is ahead."""
    server = parse_date(answer.headers.get("Date"))
    if server is None:
        return Finding("clock", "no `Date` header", "the tap goes by this machine's clock, which must be right")
    middle = answer.asked_at + answer.seconds * timestamps.SECOND / 2
    seconds = round((server - middle) / timestamps.SECOND)
    return Finding("clock", f"the server's is {seconds} s ahead, to the second", "nothing: the tap takes the earlier")


def rate_limit(answer: Answer) -> Finding:
    """Return the rate limit in the headers."""
    named = {name.lower(): value for name, value in answer.headers.items() if "ratelimit" in name.lower()}
    found = [
        f"{name}: {value}" if value.isdigit() and len(value) < len("1700000000") else name
        for name, value in sorted(named.items())
        if re.fullmatch(r"[a-z-]{1,40}", name)
    ]
    return Finding("headers of the rate limit", ", ".join(found) or "none", "nothing: the tap keeps its own count")


def followups(page: Answer, single: Answer | None) -> Finding:
    """Compare the follow-ups in a list with those of a single recording."""
    listed = [item for record in page.records for item in record.get("followups") or () if isinstance(item, dict)]
    names = sorted({shown(name) for item in listed for name in item})
    if single is None or not listed:
        return Finding("follow-ups", "none on the page", NOT_KNOWN)
    found = f"on a list: {', '.join(names)}; of a single recording: "
    whole = single.body.get("data", single.body) if isinstance(single.body, dict) else {}
    items = whole.get("followups") if isinstance(whole, dict) else None
    if not single.ok or not isinstance(items, list):
        return Finding("follow-ups", found + single.outcome, "the stream `recording_followup_details` cannot be read")
    count = len({name for item in items if isinstance(item, dict) for name in item})
    return Finding("follow-ups", f"{found}{count} fields", NOTHING)


def endpoint(name: str, answer: Answer | None) -> Finding:
    """Return whether another endpoint answers."""
    if answer is None:
        return Finding(f"`{name}`", "not asked: what its address needs is not known", NOT_KNOWN)
    if not answer.ok:
        meaning = "deselect the streams that are read from it"
        return Finding(f"`{name}`", answer.outcome, meaning if answer.status in {403, 404} else NOT_KNOWN)
    what = f"a list of {len(answer.records)}"
    if isinstance(answer.body, dict):
        what = f"`data` with {len(answer.records)}" if isinstance(answer.body.get("data"), list) else "an object"
    cursor = f", a cursor ({form(answer.cursor)})" if answer.cursor is not None else ""
    return Finding(f"`{name}`", f"{what}{cursor}", NOTHING)


def speed(times: Mapping[tuple[int, bool], tuple[float, int]], scored: Sequence[int], per_minute: int) -> Finding:
    """Seconds for pages, and the settings that follow.

    Args:
        times: Seconds and recordings, by how many were asked for and whether with enrichments.
        scored: The sizes at which scores come.
        per_minute: Requests that may be made in a minute.
    """
    parts = [
        f"{size} {'with' if enriched else 'without'} enrichments: {seconds:.2f} s"
        for (size, enriched), (seconds, _) in times.items()
    ]

    def advice(sizes: Sequence[int]) -> str | None:
        pace = {size: times[size, True][1] / times[size, True][0] for size in sizes if (size, True) in times}
        if not pace:
            return None
        best = max(pace, key=lambda size: pace[size])
        threads = min(16, max(1, math.ceil(times[best, True][0] * per_minute / 60)))
        return f"`page_size` {best} and `concurrency` {threads}"

    everything, unscored = advice(scored), advice(sorted({size for size, _ in times}))
    meaning = NOT_KNOWN if unscored is None else f"without scores: {unscored}"
    if everything is not None:
        meaning = f"with scores: {everything}; {meaning}"
    return Finding("seconds a page", ", ".join(parts) or NOT_KNOWN, meaning)
