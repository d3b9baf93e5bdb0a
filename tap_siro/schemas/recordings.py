"""Columns of `recordings` and its child streams. Names are the API's own; only the key columns are required.

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
        text("id", f"Siro's id of the {what}."),
        text("externalId", f"The {what}'s id in the CRM. Join to your CRM on this."),
    )


_VALUE = (
    text("value", "Extracted value: a string unchanged, anything else as JSON text, null if there is none."),
    text("valueType", "JSON type of the value: string, number, boolean, array, object or null."),
)
_MAPPING = (
    text("crmModelName", "CRM object that the value belongs to, for example Contact."),
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
    text("userId", "Siro's id of the rep, the user who made the recording."),
    text("title", "Title of the recording."),
    number("durationInMilliseconds", "Length of the recording, in milliseconds."),
    number("latitude", "Latitude of the place of recording, in degrees."),
    number("longitude", "Longitude of the place of recording, in degrees."),
    text("result", "Outcome of the conversation: OPEN, WON or LOST."),
    timestamp("createdAt", "Time the recording was created."),
    timestamp("updatedAt", "Time Siro last changed the recording. The replication key."),
    timestamp(
        "rootDataPurgedAt", "Time Siro purged data of the recording, if it did. Siro does not document which data."
    ),
    flag("deleted", "True if the recording was deleted. Siro still returns deleted recordings."),
    timestamp("deletedAt", "Time the recording was deleted, if it was."),
    nested(
        "links", "Web link to the recording.", nested("web", "Web links.", text("self", "The recording in Siro's app."))
    ),
    flag("isProcessingDone", "True once Siro has processed the recording."),
    flag("isEntityExtractionDone", "True once Siro has extracted values from the recording."),
    flag("isSummaryDone", "True once the AI summary is finished."),
    nested(
        "crm",
        "CRM records linked to the recording; null if there are none yet. As a table: recording_crm_links.",
        text(
            "integrationConnectionId",
            "Siro's id of the CRM connection of the links: `id` of `integration_connections`.",
        ),
        objects("users", "CRM users who own the recording.", *_linked("user")),
        nested("engagement", "CRM engagement: the appointment.", *_linked("engagement")),
        nested("opportunity", "CRM opportunity: the deal.", *_linked("opportunity")),
        objects("contacts", "CRM contacts.", *_linked("contact")),
        nested("account", "CRM account.", *_linked("account")),
        nested("lead", "CRM lead.", *_linked("lead")),
    ),
    objects("summary", "Sections of the AI summary, in order. As a table: recording_summary_sections.", *_SECTION),
    objects(
        "entityExtractions",
        "Values extracted from the conversation, in order. As a table: recording_entity_extractions.",
        text("name", "Name of the extracted field. May occur more than once."),
        *_VALUE,
        objects("mappings", "CRM fields that the value belongs in.", *_MAPPING),
    ),
    number("evaluationScore", "Evaluation score of the scorecard."),
    objects("followups", "Follow-ups, in order. As a table: recording_followups.", *_FOLLOWUP),
    other_fields(),
)


def _child(*properties: Column) -> Schema:
    return schema(
        text("recordingId", "Id of the recording.", key=True),
        timestamp(
            "recordingUpdatedAt",
            "`updatedAt` of the recording when this row was written. The replication key. "
            "Only rows where it equals the recording's `updatedAt` are current.",
        ),
        *properties,
    )


CRM_LINKS = _child(
    text("objectType", "Type of CRM record: user, engagement, opportunity, contact, account or lead.", key=True),
    whole("ordinal", "Position among the recording's links of this type, from 0."),
    *_linked("CRM record"),
    text("integrationConnectionId", "Siro's id of the CRM connection of the link: `id` of `integration_connections`."),
)

SUMMARY_SECTIONS = _child(whole("ordinal", "Position in the summary, from 0."), *_SECTION)

ENTITY_EXTRACTIONS = _child(
    whole("ordinal", "Position among the recording's extractions, from 0."),
    text("name", "Name of the extracted field. May occur more than once in a recording."),
    *_VALUE,
)

ENTITY_MAPPINGS = _child(
    whole("extractionOrdinal", "Position of the extraction among the recording's extractions, from 0."),
    whole("ordinal", "Position among the extraction's mappings, from 0."),
    *_MAPPING,
    text("name", "Name of the extracted field."),
    *_VALUE,
)

FOLLOWUPS = _child(whole("ordinal", "Position among the recording's follow-ups, from 0."), *_FOLLOWUP)
