"""The columns of what is asked for recording by recording: follow-ups in full, and what was said.

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
    "recordingUpdatedAt", "The recording's `updatedAt` when this row was written. The replication key."
)

_OPPORTUNITY: tuple[Column, ...] = (
    text("id", "Siro's id of the deal."),
    text("externalId", "The deal's id in the CRM."),
    text("name", "Name of the deal."),
    number("amount", "What it is worth, in the CRM's currency."),
    timestamp("closedAt", "When it was closed."),
    text("disposition", "WON, LOST or OPEN."),
    timestamp("createdAt", "When it was created."),
    timestamp("updatedAt", "When it was last changed."),
    text("recordingId", "Id of its recording."),
    text("accountId", "Siro's id of its account."),
    text("organizationId", "Siro's id of the organization."),
    json_text("account", "The CRM account, as JSON text: Siro does not document what is in it."),
    json_text("opportunityUsers", "The CRM users of the deal, as JSON text: Siro does not document what is in it."),
)

_CUSTOMER: tuple[Column, ...] = (
    text("id", "Siro's id of the customer."),
    text("name", "Name of the customer."),
    text("crmUrl", "The customer's page in the CRM."),
    text("customerType", "ACCOUNT, LEAD, OPPORTUNITY, ENGAGEMENT, CONTACT or DMS_OPPORTUNITY."),
    timestamp("lastActivityAt", "When something was last done about the customer."),
    timestamp("createdAt", "When the customer was created at Siro."),
    timestamp("updatedAt", "When Siro last changed the customer."),
    timestamp("closedAt", "When the deal was closed, if it is one."),
    text("emailAddress", "Email addresses."),
    text("phoneNumber", "Phone numbers."),
    text("externalId", "The customer's id in the CRM."),
    number("amount", "What the deal is worth, in the CRM's currency."),
    text("disposition", "Of the deal: WON, LOST or OPEN."),
    text("recordingId", "Id of the customer's latest recording."),
    timestamp("lastRecordingDate", "When that was made."),
    number("numRecordings", "How many recordings the customer has."),
    text("matchingSource", "How Siro found the customer: DIRECT, FUZZY or NOT_FOUND."),
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
        text("cursor", "Where Siro's next page would begin."),
    ),
    json_text("opportunityUsers", "The CRM users of the deal, as JSON text: Siro does not document what is in it."),
    nested(
        "contactAccount",
        "The contact's account.",
        text("id", "Siro's id of the account."),
        text("name", "Name of the account."),
        text("externalId", "The account's id in the CRM."),
    ),
    text("address", "Address."),
    text("organizationId", "Siro's id of the organization."),
    text("integrationConnectionId", "Siro's id of the CRM connection: `id` of `integration_connections`."),
    text("integrationPlatform", "Which CRM or platform it is, for example SERVICE_TITAN or MERGE."),
    text("integrationName", "Name of the CRM or platform."),
)


def followup_columns(*more: Column, status: str) -> tuple[Column, ...]:
    """Return the columns of a follow-up in full, with more of them after its ids.

    Args:
        more: Columns of one stream alone.
        status: As of when its `status` is.
    """
    return (
        text("followupId", "Siro's id of the follow-up: `id` in `recording_followups`.", key=True),
        text("recordingId", "The recording's id."),
        *more,
        text("recordingTitle", "Title of the recording."),
        text("repName", "Name of the rep."),
        text("repId", "Siro's id of the rep: `id` of `users`."),
        text("teamName", "Name of the rep's team."),
        text("teamId", "Siro's id of that team: `id` of `teams`."),
        timestamp("dateCreated", "When the follow-up was created."),
        text("followupType", "REHASH or CROSS_SELL."),
        number("score", "Score of the follow-up, from 1 to 5."),
        text("followupAction", "What to do."),
        objects(
            "context",
            "What is known of the customer, in order.",
            text("header", "What it is about, for example MAIN_OBJECTION or OVERALL_COST."),
            text("value", "What was found."),
        ),
        timestamp("updatedAt", "When Siro last changed the follow-up."),
        json_text("metadata", "More on the follow-up, as JSON text: Siro does not document what is in it."),
        flag("starred", "Whether somebody starred it."),
        text(
            "status",
            f"TO_DO, IN_PROGRESS or COMPLETE, as of {status}.",
        ),
        text("thinking", "How Siro came to the follow-up and its score."),
        objects(
            "history",
            "Changes of its status, and notes, in order.",
            text("id", "Siro's id of the change."),
            text("updatedBy", "Who made it."),
            text("updatedByUserId", "Siro's id of that user; null if it was Siro."),
            timestamp("createdAt", "When it was made."),
            text("note", "Note."),
            text("status", "TO_DO, IN_PROGRESS or COMPLETE."),
        ),
        text("crmUrl", "The customer's page in the CRM. Deprecated by Siro."),
        nested("crmCustomer", "The CRM customer that the follow-up is about.", *_CUSTOMER),
        flag("hasFollowupComment", "Whether the recording has a comment on it."),
        text("note", "Note. Deprecated by Siro: see history."),
        flag("completed", "Whether it was completed. Deprecated by Siro: see status."),
        text("completedBy", "Who completed it. Deprecated by Siro: see history."),
        timestamp("completedAt", "When it was completed. Deprecated by Siro: see history."),
        other_fields(),
    )


FOLLOWUPS: Schema = schema(
    *followup_columns(
        _RECORDING_UPDATED_AT,
        status="when the recording was last read: marking a follow-up does not change the recording",
    )
)
UTTERANCES: Schema = schema(
    text("recordingId", "The recording's id.", key=True),
    _RECORDING_UPDATED_AT,
    whole("ordinal", "Place in the conversation, from 0."),
    text("utterance", "What was said."),
    number("startTimeInMillis", "When it begins, in milliseconds from the recording's beginning."),
    number("endTimeInMillis", "When it ends, in milliseconds from the recording's beginning."),
    text("speakerTag", "Who speaks: a tag that is the same throughout the recording."),
    text("speakerName", "Name of the speaker, if Siro has one."),
    flag("redacted", "Whether Siro took something out of it."),
    number("confidence", "How sure the transcription is, from 0 to 1."),
    other_fields(),
)
