"""Decoding of the API's JSON, and repair of JSON that is nearly valid.

Numbers with a fraction or an exponent become `Decimal`, so that every digit survives. NUL characters and lone
surrogates are taken out of all text, keys included: no database stores them.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import msgspec


def _fraction(text: str) -> Decimal | str:
    """Return a number with a fraction or an exponent, as text if no `Decimal` can hold it."""
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
MAX_NESTING = 400
"""Levels of nesting that are kept of a body that is nested too deep: far fewer than any reader of JSON takes."""
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}".encode()
_CONTROL = re.compile(rb"[\x00-\x1f]")
NOT_UTF_8 = "text that is not UTF-8; the invalid bytes are replaced by \N{REPLACEMENT CHARACTER}"
NOT_FINITE = "NaN or infinity as a number; it is written as null"
TOO_LONG = "an integer of more than 4,300 digits; it is read as text"
TOO_DEEP = f"JSON that is nested too deep; values below level {MAX_NESTING} are written as null"


class MalformedPageError(ValueError):
    """The answer has another form than expected. The message names the difference, without content of the answer."""


def decode(body: bytes) -> Any:
    """Return decoded JSON.

    Raises:
        MalformedPageError: It is none.
    """
    try:
        return _decode_cleaned(body) if _needs_cleaning(body) else _decode(body)
    except (ValueError, RecursionError):
        message = f"{len(body)} bytes, not JSON"
        raise MalformedPageError(message) from None


def decode_object(body: bytes) -> dict[str, Any]:
    """Return the object that an answer holds.

    Raises:
        MalformedPageError: It is not JSON, or not an object.
    """
    answer = decode(body)
    if not isinstance(answer, dict):
        message = "JSON that is not an object"
        raise MalformedPageError(message)
    return answer


def pack(items: list[Any]) -> bytes | list[Any]:
    """Return items as JSON again: while they wait to be written, they take a fraction of the memory."""
    try:
        return _encode(items)
    except (ValueError, RecursionError):  # nested too deep
        return items


def unpack(packed: bytes | list[Any]) -> list[Any]:
    """Return the items, with every digit."""
    return _decode(packed) if isinstance(packed, bytes) else packed


def repair(body: bytes) -> tuple[bytes, set[str]]:
    """Turn a body that is nearly JSON into JSON: otherwise, one bad byte in one record would lose all others.

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
    """Replace values nested deeper than `MAX_NESTING` by null. Return the text, and True if there were any."""
    pieces, kept_from, depth = [], 0, 0
    for match in _BRACKETS.finditer(text):
        if match[1]:
            depth += 1
            if depth == MAX_NESTING:
                pieces += [text[kept_from : match.start()], b"null"]
        elif match[0] in b"]}":
            if depth == MAX_NESTING:
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
