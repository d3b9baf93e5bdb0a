"""A page: what one answer of the API holds, and how its JSON is read.

Numbers with a fraction or an exponent become `Decimal`, so that every digit survives. NUL characters and lone
surrogates are taken out of all text, keys included: no database stores them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from tap_siro import timestamps

if TYPE_CHECKING:
    from collections.abc import Mapping


def _fraction(text: str) -> Decimal | str:
    """A number with a fraction or an exponent; one that no `Decimal` can hold stays text."""
    try:
        return Decimal(text)
    except ArithmeticError:
        return text


_decode = msgspec.json.Decoder(float_hook=_fraction).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode
_BAD_ESCAPE = re.compile(rb"\\u0000|\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")
_BAD_TEXT = re.compile("[\x00\ud800-\udfff]")

# Text, in which all this is allowed; an integer that Python refuses to read; or what is no number in JSON, but one for
# many a serializer.
_NEARLY_JSON = re.compile(
    rb'("(?:[^"\\]|\\.)*")|(-?\d{4301,})(?![\d.eE])|[-+]?\b(?:nan|inf(?:inity)?)\b', re.IGNORECASE | re.DOTALL
)
_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|([\[{])|[\]}]', re.DOTALL)
DEEPEST = 400
"""Levels of nesting that are kept of a body that is nested too deep: far fewer than any reader of JSON takes."""
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}".encode()
_CONTROL = re.compile(rb"[\x00-\x1f]")
NOT_UTF_8 = "text that is not UTF-8: the bad bytes were replaced by \N{REPLACEMENT CHARACTER}"
NOT_FINITE = "NaN or an infinity as a number: it was written as null"
TOO_LONG = "an integer of more than 4,300 digits: it was read as text"
TOO_DEEP = f"something nested too deep: from level {DEEPEST} on, it was written as null"


class MalformedPageError(ValueError):
    """The answer is not a page. The message says in what way, and holds nothing out of it."""


@dataclass(slots=True)
class Page:
    """One page of recordings."""

    records: list[Any]
    """The recordings, as decoded: usually objects."""
    cursor: str | None
    """Where the next page begins, or None if there is none."""
    asked_at: int = 0
    """The moment of the request: by the server's clock or the local one, whichever is earlier."""
    whole: bool = False
    """Whether it was asked for without bounds of creation."""
    created: list[int | None] = field(init=False)
    """When each recording was created, as far as that can be read."""
    updated: list[int | None] = field(init=False)
    """When each recording was last updated, as far as that can be read."""
    details: dict[int, dict[str, bytes]] = field(default_factory=dict, init=False)
    """The records of what was asked for of single recordings, by their place on the page and by stream: see `pack`."""

    def __post_init__(self) -> None:
        dicts = [record if isinstance(record, dict) else {} for record in self.records]
        self.created = [timestamps.parse(record.get("createdAt")) for record in dicts]
        self.updated = [timestamps.parse(record.get("updatedAt")) for record in dicts]


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a directory: users, teams and the like."""

    records: list[Any]
    """The records, as decoded: usually objects."""
    cursor: str | None
    """Where the next page begins, or None if there is none."""


def decode(body: bytes) -> Page:
    """Read a page of recordings.

    Raises:
        MalformedPageError: It is not JSON, or not an object with a `data` list and a cursor that is text or null.
    """
    answer = decode_object(body)
    if not isinstance(answer.get("data"), list):
        message = "JSON without a list of recordings"
        raise MalformedPageError(message)
    cursor = answer.get("cursor")
    if cursor is not None and not isinstance(cursor, str):
        message = "JSON whose cursor is not text"
        raise MalformedPageError(message)
    return Page(answer["data"], cursor or None)


def decode_list(body: bytes) -> Listing:
    """Read a page of a directory: `{data: […]}` or a bare list. A number as a cursor is taken as text.

    Raises:
        MalformedPageError: It is not JSON, or holds no list, or says that there is more but not where.
    """
    answer = _decode_any(body)
    if isinstance(answer, list):
        return Listing(answer, None)
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
        message = "JSON without a list of records"
        raise MalformedPageError(message)
    return Listing(answer["data"], _next_cursor(answer))


def _next_cursor(answer: Mapping[str, Any]) -> str | None:
    cursor, more = answer.get("cursor"), answer.get("hasNextPage")
    if isinstance(cursor, (bool, list, dict)):
        message = "JSON whose cursor is neither text nor a number"
        raise MalformedPageError(message)
    if more is False or cursor is None or cursor == "":
        if more is True:
            message = "JSON that names no cursor although it says that there is another page"
            raise MalformedPageError(message)
        return None
    return str(cursor)


@dataclass(frozen=True, slots=True)
class TranscriptPage(Listing):
    """One page of a recording's utterances."""

    speakers: dict[str, Any]
    """`speakerMap`: usually names by speaker tag."""


def decode_transcript(body: bytes) -> TranscriptPage:
    """Read a page of a recording's utterances: `{data: {utterances: […], speakerMap: {…}}, cursor: 2}`.

    Raises:
        MalformedPageError: It is not JSON, or holds no utterances where they should be.
    """
    answer = decode_object(body)
    data = answer.get("data", answer)
    utterances = data.get("utterances") if isinstance(data, dict) else data
    if utterances is not None and not isinstance(utterances, list):
        message = "JSON without a list of utterances"
        raise MalformedPageError(message)
    speakers = data.get("speakerMap") if isinstance(data, dict) else None
    return TranscriptPage(utterances or [], _next_cursor(answer), speakers if isinstance(speakers, dict) else {})


def decode_object(body: bytes) -> dict[str, Any]:
    """Read an answer that is one object.

    Raises:
        MalformedPageError: It is not JSON, or not an object.
    """
    answer = _decode_any(body)
    if not isinstance(answer, dict):
        message = "JSON that is not an object"
        raise MalformedPageError(message)
    return answer


def pack(records: list[dict[str, Any]]) -> bytes:
    """Records as JSON again: while they wait to be written, they take a fraction of the memory."""
    return _encode(records)


def unpack(packed: bytes) -> list[dict[str, Any]]:
    """The records, with every digit."""
    records: list[dict[str, Any]] = _decode(packed)
    return records


def _decode_any(body: bytes) -> Any:
    try:
        return _decode_cleaned(body) if _needs_cleaning(body) else _decode(body)
    except (ValueError, RecursionError):
        message = f"{len(body)} bytes that are not JSON"
        raise MalformedPageError(message) from None


def repair(body: bytes) -> tuple[bytes, set[str]]:
    """Make JSON of a body that is nearly JSON: one bad byte in one record would cost all the others.

    Returns:
        The body, and what was lost by it: `NOT_UTF_8`, `NOT_FINITE`, `TOO_LONG`, `TOO_DEEP`.
    """
    faults = set()
    text = body.decode("utf-8-sig", "replace").encode()
    if text.count(_REPLACEMENT) != body.count(_REPLACEMENT):
        faults.add(NOT_UTF_8)

    def repaired(match: re.Match[bytes]) -> bytes:
        if match[1]:
            return _CONTROL.sub(lambda control: b"\\u%04x" % control[0][0], match[1])
        if match[2]:
            faults.add(TOO_LONG)
            return b'"%s"' % match[2]
        faults.add(NOT_FINITE)
        return b"null"

    shallow, is_cut = _cut_deep(_NEARLY_JSON.sub(repaired, text))
    return shallow, faults | {TOO_DEEP} if is_cut else faults


def _cut_deep(text: bytes) -> tuple[bytes, bool]:
    """Write null for what is nested deeper than `DEEPEST`, and say whether there was something."""
    pieces, kept_from, depth = [], 0, 0
    for match in _BRACKETS.finditer(text):
        if match[1]:
            depth += 1
            if depth == DEEPEST:
                pieces += [text[kept_from : match.start()], b"null"]
        elif match[0] in b"]}":
            if depth == DEEPEST:
                kept_from = match.end()
            depth -= 1
    return b"".join([*pieces, text[kept_from:]]), bool(pieces)


def _needs_cleaning(body: bytes) -> bool:
    # The plain searches are many times faster than the expression, and nearly always enough.
    return (b"\\u" in body or b"\xed" in body) and _BAD_ESCAPE.search(body) is not None


def _decode_cleaned(body: bytes) -> Any:
    # msgspec refuses lone surrogates; the standard library passes them on.
    text = body.decode("utf-8", "surrogatepass")
    return _cleaned(json.loads(text, parse_float=_fraction, parse_constant=_no_constant))


def _no_constant(name: str) -> None:
    message = f"{name} is not JSON"
    raise ValueError(message)


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return _BAD_TEXT.sub("", value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        # A key that had to be cleaned does not take the place of one that is right: the right ones come last.
        cleaned = {key: _cleaned(item) for key, item in value.items()}
        return {_BAD_TEXT.sub("", key): item for key, item in cleaned.items()} | {
            key: item for key, item in cleaned.items() if not _BAD_TEXT.search(key)
        }
    return value
