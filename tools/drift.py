"""Compares the tap with Siro's OpenAPI document: `python -m tools.drift OPENAPI.json`.

Tells the fields of an answer and the query parameters that only the document has, that only the tap has, or that
have another type. Ends with status 1 unless every difference is one of `KNOWN`.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tap_siro import timestamps
from tap_siro.api.client import PATH
from tap_siro.records.schemas import RECORDINGS
from tap_siro.settings import ENRICHMENTS, STATUS_FILTERS
from tap_siro.sync.query import Query

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Types = dict[str, str]
"""Types by name, several joined with `|`. Names are paths: `data[].links.web.self`."""

_POLLED = "the tap asks with updatedAt:gte alone"
KNOWN = {
    "parameter updatedAt:gt: string in the document, nothing in the tap": _POLLED,
    "parameter updatedAt:lt: string in the document, nothing in the tap": _POLLED,
    "parameter updatedAt:lte: string in the document, nothing in the tap": _POLLED,
    "field data[].entityExtractions[].value: array|boolean|number|string in the document, string in the tap": (
        "written as text, because no column of a target holds all of these"
    ),
    "field data[].entityExtractions[].value[]: boolean|number|string in the document, nothing in the tap": (
        "the same: a list is JSON text"
    ),
    "field data[].entityExtractions[].valueType: nothing in the document, string in the tap": (
        "the tap's own: what the value is in JSON"
    ),
}
"""Differences that are meant, each with its reason."""


class Document:
    """An OpenAPI document, 3.0 or 3.1."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Take the document, decoded."""
        self._document = document

    def endpoint(self) -> tuple[Types, Types]:
        """The fields of an answer of the recordings endpoint, and its query parameters."""
        try:
            path = self._document["paths"][PATH]
            operation = path["get"]
            answer = self.resolved(operation["responses"]["200"])["content"]["application/json"]["schema"]
        except (KeyError, TypeError):
            raise SystemExit(f"The document does not say what GET {PATH} answers.") from None
        listed = [self.resolved(each) for each in [*path.get("parameters", []), *operation.get("parameters", [])]]
        return self.fields(answer), {
            each["name"]: self._parameter_type(each.get("schema", {})) for each in listed if each.get("in") == "query"
        }

    def fields(self, schema: Mapping[str, Any]) -> Types:
        """The type of each field at all depths."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        self._walk(schema, "", found, ())
        del found[""]
        return {name: "|".join(sorted(kinds)) or "anything" for name, kinds in found.items()}

    def resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a `$ref` stands for."""
        seen = set()
        while "$ref" in schema:
            reference = schema["$ref"]
            if not reference.startswith("#/") or reference in seen:
                raise SystemExit(f"The document's reference {reference} leads nowhere in it.")
            seen.add(reference)
            place: Any = self._document
            for part in reference.removeprefix("#/").split("/"):
                try:
                    place = place[int(part) if isinstance(place, list) else part.replace("~1", "/").replace("~0", "~")]
                except (KeyError, IndexError, TypeError, ValueError):
                    raise SystemExit(f"The document's reference {reference} leads nowhere in it.") from None
            schema = place
        return schema

    def _parameter_type(self, schema: Mapping[str, Any]) -> str:
        schema = self.resolved(schema)
        values = [value for value in schema.get("enum", []) if value is not None]
        return "|".join(sorted(map(str, values))) or self.fields({"properties": {"one": schema}})["one"]

    def _walk(self, schema: Mapping[str, Any], path: str, found: dict[str, set[str]], inside: tuple[int, ...]) -> None:
        for part in self._alternatives(schema, ()):
            found[path].update(_kinds(part))
            if id(part) in inside:
                continue  # it holds itself
            within = (*inside, id(part))
            for name, field in part.get("properties", {}).items():
                self._walk(field, f"{path}.{name}" if path else name, found, within)
            if isinstance(part.get("additionalProperties"), dict):
                self._walk(part["additionalProperties"], f"{path}.*", found, within)
            if "items" in part:
                self._walk(part["items"], f"{path}[]", found, within)

    def _alternatives(self, schema: Mapping[str, Any], inside: tuple[int, ...]) -> Iterator[Mapping[str, Any]]:
        """The schema and those that it is made of."""
        schema = self.resolved(schema)
        if id(schema) in inside:
            return
        yield schema
        for word in ("allOf", "anyOf", "oneOf"):
            for each in schema.get(word, []):
                yield from self._alternatives(each, (*inside, id(schema)))


def _kinds(schema: Mapping[str, Any]) -> set[str]:
    types = schema.get("type", [])
    kinds = {types} if isinstance(types, str) else set(types)
    if "string" in kinds and schema.get("format") == "date-time":
        kinds = kinds - {"string"} | {"date-time"}
    return kinds - {"null"}  # anything may be null here


def ours() -> tuple[Types, Types]:
    """The fields that the tap reads, and the parameters that it can send."""
    answer = {"properties": {"data": {"type": "array", "items": RECORDINGS}, "cursor": {"type": "string"}}}
    query = Query(
        since=0,
        created_after=0,
        created_before=timestamps.DAY,
        filters=dict.fromkeys(STATUS_FILTERS.values(), "true"),
        flags=frozenset(each.flag for each in ENRICHMENTS),
        page_size=1,
    )
    sent = query.parameters(query.whole(None), "a cursor")
    return Document({}).fields(answer), {
        name: "false|true" if value == "true" else "string" for name, value in sent.items()
    }


def differences(document: Mapping[str, Any]) -> set[str]:
    """What differs, a sentence each."""
    (their_fields, their_parameters), (our_fields, our_parameters) = Document(document).endpoint(), ours()
    return {
        f"{what} {name}: {theirs.get(name, 'nothing')} in the document, {mine.get(name, 'nothing')} in the tap"
        for what, theirs, mine in (
            ("field", their_fields, our_fields),
            ("parameter", their_parameters, our_parameters),
        )
        for name in theirs.keys() | mine.keys()
        if not _fits(theirs.get(name), mine.get(name))
    }


def _fits(theirs: str | None, mine: str | None) -> bool:
    # The document calls dates strings, and a column for any number takes whole ones.
    return theirs == mine or (theirs, mine) in {("string", "date-time"), ("integer", "number")}


def main() -> None:
    """Compare and tell."""
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program and its argument
        raise SystemExit("Give it the OpenAPI document: python -m tools.drift OPENAPI.json")
    try:
        document = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SystemExit(f"{sys.argv[1]} is not a JSON document that can be read: {error}") from None
    found = differences(document)
    for difference in sorted(found & KNOWN.keys()):
        print(f"Known: {difference} ({KNOWN[difference]}).")
    for difference in sorted(found - KNOWN.keys()):
        print(f"NEW: {difference}.")
    for difference in sorted(KNOWN.keys() - found):
        print(f"GONE: {difference}.")
    if found != KNOWN.keys():
        raise SystemExit(
            "The tap and the document differ. For what is new, change tap_siro/schemas.py or tap_siro/settings.py, or "
            "give the reason in docs/drift.py, where what is gone can be taken out."
        )
    print("Otherwise the tap has what the document has.")


if __name__ == "__main__":
    main()
