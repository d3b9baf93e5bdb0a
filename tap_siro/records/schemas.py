"""The streams' columns. Names are the API's own; nothing but the key columns is required.

Facts are from Siro's OpenAPI document and its page on the recordings endpoint.
"""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th

Schema = dict[str, Any]


def _text(name: str, description: str, *, key: bool = False) -> th.Property[Any]:
    return th.Property(name, th.StringType(), required=key, description=description)


def _number(name: str, description: str) -> th.Property[Any]:
    return th.Property(name, th.NumberType(), description=description)


def _whole(name: str, description: str) -> th.Property[Any]:
    return th.Property(name, th.IntegerType(), required=True, description=description)


def _flag(name: str, description: str) -> th.Property[Any]:
    return th.Property(name, th.BooleanType(), description=description)


def _timestamp(name: str, description: str) -> th.Property[Any]:
    return th.Property(name, th.DateTimeType(), description=description)


def _object(name: str, description: str, *properties: th.Property[Any]) -> th.Property[Any]:
    return th.Property(name, th.ObjectType(*properties), description=description)


def _list(name: str, description: str, *properties: th.Property[Any]) -> th.Property[Any]:
    # An item that is no object becomes null, so that the others keep their place.
    item = th.ObjectType(*properties, nullable=True)
    return th.Property(name, th.ArrayType(item), description=description)


def _linked(what: str) -> tuple[th.Property[Any], ...]:
    return (
        _text("id", f"Siro's own id of the {what}."),
        _text("externalId", f"The {what}'s id in the CRM: join on this."),
    )


_VALUE = (
    _text("value", "The extracted value: a string as it is, anything else as JSON text, null if there is none."),
    _text("valueType", "What the value is in JSON: string, number, boolean, array, object or null."),
)
_MAPPING = (
    _text("crmModelName", "CRM object to write the value to, for example Contact."),
    _text("crmFieldName", "Field of that object."),
)
_SECTION = (
    _text("id", "Siro's id of the section."),
    _text("name", "Title of the section."),
    _text("content", "Generated text of the section."),
)
_FOLLOWUP = (
    _text("id", "Siro's id of the follow-up."),
    _number("score", "Score of the follow-up."),
)

OTHER_FIELDS = "otherFields"
"""The column of what the API sends and the schema does not know."""


def other_fields() -> th.Property[Any]:
    """The column `otherFields`, the last one of each stream that is read from the API."""
    return _text(OTHER_FIELDS, "Fields that tap-siro does not know yet, as JSON text; null if there are none.")


RECORDINGS: Schema = th.PropertiesList(
    _text("id", "Siro's id of the recording.", key=True),
    _text("organizationId", "Siro's id of the organization."),
    _text("userId", "Siro's id of the user who recorded, the rep."),
    _text("title", "Title of the recording."),
    _number("durationInMilliseconds", "Length of the recording, in milliseconds."),
    _number("latitude", "Where it was recorded: latitude in degrees."),
    _number("longitude", "Where it was recorded: longitude in degrees."),
    _text("result", "Outcome: OPEN, WON or LOST."),
    _timestamp("createdAt", "When the recording was created."),
    _timestamp("updatedAt", "When Siro last changed the recording. The replication key."),
    _timestamp("rootDataPurgedAt", "When Siro purged data of the recording, if it did; Siro does not document which."),
    _flag("deleted", "Whether the recording was deleted. Deleted recordings keep being returned."),
    _timestamp("deletedAt", "When the recording was deleted, if it was."),
    _object(
        "links", "Links.", _object("web", "Links to web pages.", _text("self", "The recording in Siro's web app."))
    ),
    _flag("isProcessingDone", "Whether the recording has been processed."),
    _flag("isEntityExtractionDone", "Whether values have been extracted from it."),
    _flag("isSummaryDone", "Whether its AI summary is done."),
    _object(
        "crm",
        "CRM records that the recording is linked to; null if there are none yet. Flat: recording_crm_links.",
        _text("integrationConnectionId", "Siro's id of the CRM connection that the links come from."),
        _list("users", "CRM users who own the recording.", *_linked("user")),
        _object("engagement", "CRM engagement, the appointment.", *_linked("engagement")),
        _object("opportunity", "CRM opportunity.", *_linked("opportunity")),
        _list("contacts", "CRM contacts.", *_linked("contact")),
        _object("account", "CRM account.", *_linked("account")),
        _object("lead", "CRM lead.", *_linked("lead")),
    ),
    _list("summary", "Sections of the AI summary, in order. Flat: recording_summary_sections.", *_SECTION),
    _list(
        "entityExtractions",
        "Values extracted from the conversation, in order. Flat: recording_entity_extractions.",
        _text("name", "Name of the extracted field. May repeat."),
        *_VALUE,
        _list("mappings", "CRM fields that the value maps to.", *_MAPPING),
    ),
    _number("evaluationScore", "Scorecard evaluation score."),
    _list("followups", "Follow-ups, in order. Flat: recording_followups.", *_FOLLOWUP),
    other_fields(),
).to_dict()


def _child(*properties: th.Property[Any]) -> Schema:
    return th.PropertiesList(
        _text("recordingId", "The recording's id.", key=True),
        _timestamp(
            "recordingUpdatedAt",
            "The recording's `updatedAt` when this row was written. The replication key; "
            "only rows where it equals the recording's `updatedAt` are still true.",
        ),
        *properties,
    ).to_dict()


CRM_LINKS = _child(
    _text("objectType", "Kind of CRM record: user, engagement, opportunity, contact, account or lead.", key=True),
    _whole("ordinal", "Place among the recording's links of this kind, from 0."),
    *_linked("CRM record"),
    _text("integrationConnectionId", "Siro's id of the CRM connection that the link comes from."),
)

SUMMARY_SECTIONS = _child(_whole("ordinal", "Place in the summary, from 0."), *_SECTION)

ENTITY_EXTRACTIONS = _child(
    _whole("ordinal", "Place among the recording's extractions, from 0."),
    _text("name", "Name of the extracted field. May repeat within a recording."),
    *_VALUE,
)

ENTITY_MAPPINGS = _child(
    _whole("extractionOrdinal", "Place of the extraction among the recording's, from 0."),
    _whole("ordinal", "Place among the extraction's mappings, from 0."),
    *_MAPPING,
    _text("name", "Name of the extracted field."),
    *_VALUE,
)

FOLLOWUPS = _child(_whole("ordinal", "Place among the recording's follow-ups, from 0."), *_FOLLOWUP)
