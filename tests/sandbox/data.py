"""Seeded data sets. The same arguments give the same recordings on every machine."""

from __future__ import annotations

import random
import string
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from tests.sandbox import timestamps
from tests.sandbox.edge_cases import ODD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.sandbox.store import Recording

START = "2025-01-01T00:00:00.000Z"
END = "2026-02-05T00:00:00.000Z"

_DAY = 86_400_000
_SECTIONS = ("Summary", "Needs", "Objections", "Next steps", "Budget", "Decision makers", "Timeline", "Rapport")
_FIELDS = (
    ("Contact", "customer_notes"),
    ("Contact", "preferred_time"),
    ("Account", "roof_type"),
    ("Account", "installed_system"),
    ("Opportunity", "amount"),
    ("Opportunity", "next_step"),
    ("Lead", "source"),
    ("Engagement", "outcome"),
)
_TEXT = (
    "the customer asked about price warranty and timing then compared two offers before they agreed to "
    "measure the roof next week with a follow-up call on Friday because financing was still open"
)
_WORDS = _TEXT.split()
_LIKELY = 0.7

ORGANIZATION = "6f1c2d3e-4b5a-4c7d-8e9f-0a1b2c3d4e5f"


def _users(count: int) -> tuple[str, ...]:
    rng = random.Random("users")
    return tuple("".join(rng.choices(string.ascii_letters + string.digits, k=28)) for _ in range(count))


USERS = _users(40)
"""Ids of users who record: 28 letters and digits each, as at Siro. A recording's id ends with one."""


def unfinished(recording: Recording) -> Recording:
    """Return a recording before Siro has summarized and scored it; `Sandbox.enrich` adds the rest."""
    return recording | {
        "isEntityExtractionDone": False,
        "isSummaryDone": False,
        "summary": [],
        "entityExtractions": [],
        "evaluationScore": None,
    }


def recordings(count: int, *, seed: int = 7, start: str = START, end: str = END, odd: bool = True) -> list[Recording]:
    """Make varied recordings, like those of an organization.

    Args:
        count: How many.
        seed: Another seed is another data set.
        start: The first `createdAt` possible.
        end: The last `createdAt` possible; `updatedAt` goes up to three days further.
        odd: True to replace one recording by each kind of `edge_cases.ODD`, as far as `count` allows.
    """
    rng = random.Random(seed)
    made = [_varied(rng, created, updated) for created, updated in _moments(rng, count, start, end)]
    if odd:
        # A separate generator, so that the other recordings do not depend on the number of kinds.
        places = random.Random(f"odd {seed}").sample(range(count), min(count, len(ODD)))
        for place, spoil in zip(places, ODD.values(), strict=False):
            made[place] = _full(rng, made[place]["createdAt"], made[place]["updatedAt"])
            spoil(made[place])
            # The kinds share values, so copy them.
            made[place] = deepcopy(made[place])
    return made


def plain(
    count: int, *, sections: int = 5, extractions: int = 8, seed: int = 7, start: str = START, end: str = END
) -> list[Recording]:
    """Make regular recordings of equal size, for measurements.

    Args:
        count: How many.
        sections: Summary sections of each.
        extractions: Extractions of each, with one mapping each.
        seed: Another seed is another data set.
        start: The first `createdAt` possible.
        end: The last `createdAt` possible.
    """
    return list(stream_plain(count, sections=sections, extractions=extractions, seed=seed, start=start, end=end))


def stream_plain(
    count: int, *, sections: int = 5, extractions: int = 8, seed: int = 7, start: str = START, end: str = END
) -> Iterator[Recording]:
    """Yield the same recordings as `plain`, so that a large set is not in memory twice."""
    rng = random.Random(seed)
    for created, updated in _moments(rng, count, start, end):
        yield _full(rng, created, updated, sections=sections, extractions=extractions)


def _moments(rng: random.Random, count: int, start: str, end: str) -> Iterator[tuple[str, str]]:
    """Spread `createdAt` evenly, each at random in its share of the range, with an `updatedAt` after it."""
    first, last = timestamps.parse_exact(start), timestamps.parse_exact(end)
    if first is None or last is None or last < first:
        raise ValueError("start and end must be moments of the form YYYY-MM-DDTHH:mm:ss.sssZ, in this order")
    for number in range(count):
        created = first + int((last - first) * (number + rng.random()) / count)
        updated = created + int(3 * _DAY * rng.random() ** 3)
        yield timestamps.from_ms(created), timestamps.from_ms(updated)


def _full(rng: random.Random, created: str, updated: str, *, sections: int = 5, extractions: int = 8) -> Recording:
    """Make a recording with all fields."""
    unique = _id(rng)
    user = USERS[rng.randrange(len(USERS))]
    new_id = f"{unique}-{user}"
    return {
        "id": new_id,
        "organizationId": ORGANIZATION,
        "userId": user,
        "title": _words(rng, 4).capitalize(),
        "durationInMilliseconds": rng.randrange(60_000, 7_200_000),
        "latitude": round(rng.uniform(25, 48), 6),
        "longitude": round(rng.uniform(-124, -68), 6),
        "result": rng.choice(("OPEN", "WON", "LOST")),
        "createdAt": created,
        "updatedAt": updated,
        "rootDataPurgedAt": None,
        "deleted": False,
        "deletedAt": None,
        "links": {"web": {"self": f"https://app.example/recordings/{new_id}"}},
        "isProcessingDone": True,
        "isEntityExtractionDone": True,
        "isSummaryDone": True,
        "crm": {
            "integrationConnectionId": "connection-0001",
            "users": [_link(rng), _link(rng)],
            "engagement": _link(rng),
            "opportunity": _link(rng),
            "contacts": [_link(rng)],
            "account": _link(rng),
            "lead": None,
        },
        "summary": [
            {"id": _id(rng), "name": _SECTIONS[number % len(_SECTIONS)], "content": _words(rng, 60)}
            for number in range(sections)
        ],
        "entityExtractions": [_extraction(rng, number) for number in range(extractions)],
        "evaluationScore": round(rng.uniform(0, 100), 1),
        "followups": [{"id": _id(rng), "score": rng.randrange(101)} for _ in range(2)],
    }


def _varied(rng: random.Random, created: str, updated: str) -> Recording:
    """Make a recording at a random stage of processing."""
    made = _full(rng, created, updated, sections=rng.randrange(1, 7), extractions=rng.randrange(1, 10))
    changes: list[tuple[float, Callable[[], Recording]]] = [
        (0.15, lambda: {"crm": None}),
        (0.1, lambda: {"isSummaryDone": False, "summary": []}),
        (0.1, lambda: {"isEntityExtractionDone": False, "entityExtractions": []}),
        (0.05, lambda: {"isProcessingDone": False, "durationInMilliseconds": 0, "followups": []}),
        (0.02, lambda: {"deleted": True, "deletedAt": updated}),
    ]
    for chance, change in changes:
        if rng.random() < chance:
            made.update(change())
    return made


def _extraction(rng: random.Random, number: int) -> dict[str, Any]:
    model, column = _FIELDS[number % len(_FIELDS)]
    values: tuple[Any, ...] = (_words(rng, 6), rng.randrange(100_000), rng.choice((True, False)), [_words(rng, 2)])
    return {
        "name": column.replace("_", " ").capitalize(),
        # Most values are text.
        "value": values[0] if rng.random() < _LIKELY else rng.choice(values),
        "mappings": [{"crmModelName": model, "crmFieldName": column}],
    }


def _link(rng: random.Random) -> dict[str, str]:
    return {"id": _id(rng), "externalId": f"{rng.randrange(10**9):09d}"}


def _id(rng: random.Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _words(rng: random.Random, count: int) -> str:
    return " ".join(rng.choices(_WORDS, k=count))
