"""Transcripts, on the user host. Odd values occur once every few recordings."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from tests.sandbox.detail import SENTENCES, Detail
from tests.sandbox.edge_cases import TEXT
from tests.sandbox.faults import Answer
from tests.sandbox.oracle import columns, row, text
from tests.sandbox.query import BadRequestError
from tests.sandbox.routes import USER_API
from tests.sandbox.store import encode

if TYPE_CHECKING:
    from tests.sandbox.kinds import Details, Recording, Request, Row

UTTERANCES = "/v1/core/recordings/{id}/utterances"


class Utterances(Detail):
    """Numbered pages of a transcript."""

    path = UTTERANCES
    base = USER_API
    keys = {"recording_utterances": ("recordingId", "ordinal")}
    own = "transcripts"

    def make(self, details: Details, recording: Recording) -> Any:
        return _transcript(recording)

    def answer(self, details: Details, request: Request) -> Answer:
        recording = details.recording(request.values["id"])
        transcript = None if recording is None or details.is_gone(recording) else details.of(self, recording)
        if transcript is None:
            return self.error(404)
        size = min(_number(request, "pageSize", 100_000), details.utterances_a_page)
        page = _number(request, "cursor", 1)
        start, end = (page - 1) * size, page * size
        lines = transcript["utterances"]
        more = end < len(lines)
        data = {**transcript, "utterances": lines[start:end]}
        if page > 1 and len(lines) % 3:
            data.pop("speakerMap", None)  # it is not documented for every page
        answer = {"data": data, "cursor": page + 1 if more else None}
        if len(lines) % 2:
            # Other lists of the API may have a cursor on the last page too, with `hasNextPage: false`.
            answer |= {"cursor": page + 1, "hasNextPage": more}
        return Answer(200, encode(answer), rows=len(lines[start:end]))

    def expected(self, details: Details, recording: Recording) -> dict[str, list[Row]]:
        transcript = details.of(self, recording) or {}
        speakers = transcript.get("speakerMap") or {}
        rows = []
        for ordinal, item in enumerate(transcript.get("utterances") or []):
            tag = text(item.get("speakerTag"))
            named = {"speakerTag": tag, "speakerName": speakers.get(tag)}
            rows.append({"ordinal": ordinal} | row({**item, **named}, _COLUMNS))
        return {"recording_utterances": rows}


_COLUMNS = columns(
    "utterance speakerTag speakerName", numbers="startTimeInMillis endTimeInMillis confidence", flags="redacted"
)


def _number(request: Request, name: str, default: int) -> int:
    written = request.params.get(name, str(default))
    if not written.isascii() or not written.isdigit() or int(written) < 1:
        raise BadRequestError(f"{name} is not a number from 1")
    return int(written)


def _transcript(recording: Recording) -> dict[str, Any] | None:
    rng = random.Random(f"transcript {recording['id']}")
    if recording.get("isProcessingDone") is False or recording.get("rootDataPurgedAt"):
        return None
    kind = rng.randrange(10)
    if kind == 0:
        return None
    length = 0 if kind == 1 else rng.randrange(1, 14)
    transcript: dict[str, Any] = {"utterances": [_utterance(rng, number) for number in range(length)]}
    maps: tuple[Any, ...] = ({"0": "Ada Byron", "1": "Customer"}, {"0": TEXT, "1": None}, {}, None, ...)
    speakers = maps[0] if kind > 5 else rng.choice(maps)
    return transcript if speakers is ... else {**transcript, "speakerMap": speakers}


def _utterance(rng: random.Random, number: int) -> dict[str, Any]:
    made: dict[str, Any] = {
        "utterance": rng.choice(SENTENCES),
        "startTimeInMillis": number * 4_000,
        "endTimeInMillis": number * 4_000 + rng.randrange(500, 4_000),
        "speakerTag": rng.choice(("0", "1", "2")),
        "redacted": False,
        "confidence": round(rng.random(), 4),
    }
    changes: tuple[dict[str, Any], ...] = (
        {},
        {},
        {},
        {"redacted": True, "utterance": "[REDACTED]"},
        {"redacted": True, "utterance": None},
        {"speakerTag": rng.randrange(3), "confidence": 1},
        {"speakerTag": None, "confidence": None, "redacted": None, "startTimeInMillis": 1_500.5},
    )
    return made | rng.choice(changes)
