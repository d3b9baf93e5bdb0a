"""Columns of the details of single recordings: follow-ups in full, and utterances.

Facts on follow-ups are from Siro's OpenAPI document of a single recording, those on utterances from its page on them.
"""

from __future__ import annotations

from tap_siro.schemas.columns import (
    Column,
    Schema,
    flag,
    json_text,
    nested,
    number,
    objects,
    other_fields,
    schema,
    text,
    timestamp,
    whole,
)

_RECORDING_UPDATED_AT = timestamp(
    "recordingUpdatedAt", "`updatedAt` of the recording when this row was written. The replication key."
)

_OPPORTUNITY: tuple[Column, ...] = (
    text("id", "Siro's id of the deal."),
    text("externalId", "The deal's id in the CRM."),
    text("name", "Name of the deal."),
    number("amount", "Amount of the deal, in the CRM's currency."),
    timestamp("closedAt", "Time the deal was closed."),
    text("disposition", "WON, LOST or OPEN."),
    timestamp("createdAt", "Time the deal was created."),
    timestamp("updatedAt", "Time the deal was last changed."),
    text("recordingId", "Id of the deal's recording."),
    text("accountId", "Siro's id of the deal's account."),
    text("organizationId", "Siro's id of the organization."),
    json_text("account", "CRM account, as JSON text. Siro does not document its fields."),
    json_text("opportunityUsers", "CRM users of the deal, as JSON text. Siro does not document its fields."),
)

_CUSTOMER: tuple[Column, ...] = (
    text("id", "Siro's id of the customer."),
    text("name", "Name of the customer."),
    text("crmUrl", "Web link to the customer in the CRM."),
    text("customerType", "ACCOUNT, LEAD, OPPORTUNITY, ENGAGEMENT, CONTACT or DMS_OPPORTUNITY."),
    timestamp("lastActivityAt", "Time of the last activity on the customer."),
    timestamp("createdAt", "Time the customer was created at Siro."),
    timestamp("updatedAt", "Time Siro last changed the customer."),
    timestamp("closedAt", "Time the deal was closed, if the customer is a deal."),
    text("emailAddress", "Email addresses."),
    text("phoneNumber", "Phone numbers."),
    text("externalId", "The customer's id in the CRM."),
    number("amount", "Amount of the deal, in the CRM's currency."),
    text("disposition", "Status of the deal: WON, LOST or OPEN."),
    text("recordingId", "Id of the customer's latest recording."),
    timestamp("lastRecordingDate", "Time of the customer's latest recording."),
    number("numRecordings", "Number of the customer's recordings."),
    text("matchingSource", "Way Siro matched the customer: DIRECT, FUZZY or NOT_FOUND."),
    text("accountId", "Siro's id of the account."),
    text("opportunityAccountName", "Name of the deal's account."),
    text("contactId", "Siro's id of the contact."),
    text("opportunityContactName", "Name of the deal's contact."),
    text("opportunityId", "Siro's id of the deal."),
    text("engagementId", "Siro's id of the appointment."),
    nested("opportunity", "The deal.", *_OPPORTUNITY),
    nested(
        "opportunities",
        "The first page of the customer's deals.",
        objects("data", "The deals.", *_OPPORTUNITY),
        text("cursor", "Siro's cursor for the next page of deals."),
    ),
    json_text("opportunityUsers", "CRM users of the deal, as JSON text. Siro does not document its fields."),
    nested(
        "contactAccount",
        "The contact's account.",
        text("id", "Siro's id of the account."),
        text("name", "Name of the account."),
        text("externalId", "The account's id in the CRM."),
    ),
    text("address", "Postal address."),
    text("organizationId", "Siro's id of the organization."),
    text("integrationConnectionId", "Siro's id of the CRM connection: `id` of `integration_connections`."),
    text("integrationPlatform", "CRM or platform, for example SERVICE_TITAN or MERGE."),
    text("integrationName", "Name of the CRM or platform."),
)


def followup_columns(*more: Column, status: str) -> tuple[Column, ...]:
    """Return the columns of a follow-up in full, with more of them after its ids.

    Args:
        more: Columns of one stream alone.
        status: As of when its `status` is.
    """
    return (
        text("followupId", "Siro's id of the follow-up: `id` of `recording_followups`.", key=True),
        text("recordingId", "Id of the recording."),
        *more,
        text("recordingTitle", "Title of the recording."),
        text("repName", "Name of the rep."),
        text("repId", "Siro's id of the rep: `id` of `users`."),
        text("teamName", "Name of the rep's team."),
        text("teamId", "Siro's id of the rep's team: `id` of `teams`."),
        timestamp("dateCreated", "Time the follow-up was created."),
        text("followupType", "Type of follow-up: REHASH or CROSS_SELL."),
        number("score", "Score of the follow-up, from 1 to 5."),
        text("followupAction", "Recommended action."),
        objects(
            "context",
            "Facts about the customer, in order.",
            text("header", "Topic of the fact, for example MAIN_OBJECTION or OVERALL_COST."),
            text("value", "Text of the fact."),
        ),
        timestamp("updatedAt", "Time Siro last changed the follow-up."),
        json_text("metadata", "Further data on the follow-up, as JSON text. Siro does not document its fields."),
        flag("starred", "True if a user starred the follow-up."),
        text(
            "status",
            f"TO_DO, IN_PROGRESS or COMPLETE, as of {status}.",
        ),
        text("thinking", "Siro's reasons for the follow-up and its score."),
        objects(
            "history",
            "Changes of the status, and notes, in order.",
            text("id", "Siro's id of the change."),
            text("updatedBy", "Name of the user who made the change."),
            text("updatedByUserId", "Siro's id of the user who made the change; null if Siro did."),
            timestamp("createdAt", "Time of the change."),
            text("note", "Text of the note."),
            text("status", "Status after the change: TO_DO, IN_PROGRESS or COMPLETE."),
        ),
        text("crmUrl", "Web link to the customer in the CRM. Deprecated by Siro."),
        nested("crmCustomer", "CRM customer of the follow-up.", *_CUSTOMER),
        flag("hasFollowupComment", "True if the recording has a comment on the follow-up."),
        text("note", "Text of the note. Deprecated by Siro: use `history`."),
        flag("completed", "True if the follow-up is completed. Deprecated by Siro: use `status`."),
        text("completedBy", "Name of the user who completed it. Deprecated by Siro: use `history`."),
        timestamp("completedAt", "Time it was completed. Deprecated by Siro: use `history`."),
        other_fields(),
    )


FOLLOWUPS: Schema = schema(
    *followup_columns(
        _RECORDING_UPDATED_AT,
        status="when the recording was last read: marking a follow-up does not change the recording",
    )
)
UTTERANCES: Schema = schema(
    text("recordingId", "Id of the recording.", key=True),
    _RECORDING_UPDATED_AT,
    whole("ordinal", "Position in the conversation, from 0."),
    text("utterance", "Words of the utterance."),
    number("startTimeInMillis", "Start of the utterance, in milliseconds from the start of the recording."),
    number("endTimeInMillis", "End of the utterance, in milliseconds from the start of the recording."),
    text("speakerTag", "Tag of the speaker, the same throughout the recording."),
    text("speakerName", "Name of the speaker, if Siro has one."),
    flag("redacted", "True if Siro removed something from the utterance."),
    number("confidence", "Confidence of the transcription, from 0 to 1."),
    other_fields(),
)
