"""The streams' columns. Names are the API's own; nothing but the key columns is required.

Facts are from Siro's OpenAPI document and its page on the recordings endpoint.
"""

from __future__ import annotations

from tap_siro.schemas.columns import (
    Column,
    Schema,
    flag,
    nested,
    number,
    objects,
    other_fields,
    schema,
    text,
    timestamp,
    whole,
)


def _linked(what: str) -> tuple[Column, ...]:
    return (
        text("id", f"Siro's own id of the {what}."),
        text("externalId", f"The {what}'s id in the CRM: join on this."),
    )


_VALUE = (
    text("value", "The extracted value: a string as it is, anything else as JSON text, null if there is none."),
    text("valueType", "What the value is in JSON: string, number, boolean, array, object or null."),
)
_MAPPING = (
    text("crmModelName", "CRM object to write the value to, for example Contact."),
    text("crmFieldName", "Field of that object."),
)
_SECTION = (
    text("id", "Siro's id of the section."),
    text("name", "Title of the section."),
    text("content", "Generated text of the section."),
)
_FOLLOWUP = (
    text("id", "Siro's id of the follow-up."),
    number("score", "Score of the follow-up."),
)

RECORDINGS: Schema = schema(
    text("id", "Siro's id of the recording.", key=True),
    text("organizationId", "Siro's id of the organization."),
    text("userId", "Siro's id of the user who recorded, the rep."),
    text("title", "Title of the recording."),
    number("durationInMilliseconds", "Length of the recording, in milliseconds."),
    number("latitude", "Where it was recorded: latitude in degrees."),
    number("longitude", "Where it was recorded: longitude in degrees."),
    text("result", "Outcome: OPEN, WON or LOST."),
    timestamp("createdAt", "When the recording was created."),
    timestamp("updatedAt", "When Siro last changed the recording. The replication key."),
    timestamp("rootDataPurgedAt", "When Siro purged data of the recording, if it did; Siro does not document which."),
    flag("deleted", "Whether the recording was deleted. Deleted recordings keep being returned."),
    timestamp("deletedAt", "When the recording was deleted, if it was."),
    nested("links", "Links.", nested("web", "Links to web pages.", text("self", "The recording in Siro's web app."))),
    flag("isProcessingDone", "Whether the recording has been processed."),
    flag("isEntityExtractionDone", "Whether values have been extracted from it."),
    flag("isSummaryDone", "Whether its AI summary is done."),
    nested(
        "crm",
        "CRM records that the recording is linked to; null if there are none yet. Flat: recording_crm_links.",
        text("integrationConnectionId", "Siro's id of the CRM connection that the links come from."),
        objects("users", "CRM users who own the recording.", *_linked("user")),
        nested("engagement", "CRM engagement, the appointment.", *_linked("engagement")),
        nested("opportunity", "CRM opportunity.", *_linked("opportunity")),
        objects("contacts", "CRM contacts.", *_linked("contact")),
        nested("account", "CRM account.", *_linked("account")),
        nested("lead", "CRM lead.", *_linked("lead")),
    ),
    objects("summary", "Sections of the AI summary, in order. Flat: recording_summary_sections.", *_SECTION),
    objects(
        "entityExtractions",
        "Values extracted from the conversation, in order. Flat: recording_entity_extractions.",
        text("name", "Name of the extracted field. May repeat."),
        *_VALUE,
        objects("mappings", "CRM fields that the value maps to.", *_MAPPING),
    ),
    number("evaluationScore", "Scorecard evaluation score."),
    objects("followups", "Follow-ups, in order. Flat: recording_followups.", *_FOLLOWUP),
    other_fields(),
)


def _child(*properties: Column) -> Schema:
    return schema(
        text("recordingId", "The recording's id.", key=True),
        timestamp(
            "recordingUpdatedAt",
            "The recording's `updatedAt` when this row was written. The replication key; "
            "only rows where it equals the recording's `updatedAt` are still true.",
        ),
        *properties,
    )


CRM_LINKS = _child(
    text("objectType", "Kind of CRM record: user, engagement, opportunity, contact, account or lead.", key=True),
    whole("ordinal", "Place among the recording's links of this kind, from 0."),
    *_linked("CRM record"),
    text("integrationConnectionId", "Siro's id of the CRM connection that the link comes from."),
)

SUMMARY_SECTIONS = _child(whole("ordinal", "Place in the summary, from 0."), *_SECTION)

ENTITY_EXTRACTIONS = _child(
    whole("ordinal", "Place among the recording's extractions, from 0."),
    text("name", "Name of the extracted field. May repeat within a recording."),
    *_VALUE,
)

ENTITY_MAPPINGS = _child(
    whole("extractionOrdinal", "Place of the extraction among the recording's, from 0."),
    whole("ordinal", "Place among the extraction's mappings, from 0."),
    *_MAPPING,
    text("name", "Name of the extracted field."),
    *_VALUE,
)

FOLLOWUPS = _child(whole("ordinal", "Place among the recording's follow-ups, from 0."), *_FOLLOWUP)
