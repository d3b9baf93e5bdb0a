"""Reader of OpenAPI documents: the fields of an endpoint's responses, its query parameters, and their types."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Types = dict[str, str]
"""Types by name, several joined with `|`. Names are paths: `data[].links.web.self`."""


class Document:
    """An OpenAPI document, 3.0 or 3.1."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Take the document, decoded."""
        self._document = document

    def endpoint(self, name: str) -> tuple[Types, Types]:
        """Return the fields of an endpoint's response to GET, and its query parameters."""
        try:
            path = self._document["paths"][name]
            operation = path["get"]
            answer = self.resolved(operation["responses"]["200"])["content"]["application/json"]["schema"]
        except (KeyError, TypeError):
            raise SystemExit(f"The document does not say what GET {name} answers.") from None
        listed = [self.resolved(each) for each in [*path.get("parameters", []), *operation.get("parameters", [])]]
        return self.fields(answer), {
            each["name"]: self._parameter_type(each.get("schema", {})) for each in listed if each.get("in") == "query"
        }

    def fields(self, schema: Mapping[str, Any]) -> Types:
        """Return the type of each field at all depths."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        self._walk(schema, "", found, ())
        found.pop("", None)
        return {name: "|".join(sorted(kinds)) or "anything" for name, kinds in found.items()}

    def resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the schema that a `$ref` refers to."""
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
                continue  # the schema contains itself
            within = (*inside, id(part))
            for name, field in part.get("properties", {}).items():
                self._walk(field, f"{path}.{name}" if path else name, found, within)
            if isinstance(part.get("additionalProperties"), dict):
                self._walk(part["additionalProperties"], f"{path}.*", found, within)
            if "items" in part:
                self._walk(part["items"], f"{path}[]", found, within)

    def _alternatives(self, schema: Mapping[str, Any], inside: tuple[int, ...]) -> Iterator[Mapping[str, Any]]:
        """Yield the schema and its parts."""
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
    return kinds - {"null"}  # any field may be null here
