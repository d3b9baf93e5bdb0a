"""The columns of lists: users, teams, connections, appointments, deals, events of the app, follow-ups, outcomes.

Names are the API's own. Facts are from Siro's OpenAPI document and from what clients in production have published.
"""

from __future__ import annotations

from tap_siro.schemas.columns import (
    Column,
    flag,
    json_text,
    nested,
    number,
    objects,
    other_fields,
    schema,
    text,
    texts,
    timestamp,
    whole,
)
from tap_siro.schemas.details import followup_columns

_ORGANIZATION = text("organizationId", "Siro's id of the organization.")

USERS = schema(
    text("id", "Siro's id of the user: `userId` of a recording, of a team's member and of an event.", key=True),
    text("email", "Email address."),
    _ORGANIZATION,
    text("phoneNumber", "Phone number."),
    text("firstName", "First name."),
    text("lastName", "Last name."),
    text("memberTeamId", "Id of the team that the user is a member of. As a table: team_members."),
    texts("coachTeamIds", "Ids of the teams that the user is a coach of. As a table: team_members."),
    text("externalId", "The user's id in the CRM, if the two are linked."),
    timestamp("createdAt", "When the user was created."),
    flag("disabled", "Whether the user was disabled. Siro deletes no users."),
    flag("billable", "Whether the user is billed for."),
    nested(
        "contactSettings",
        "What the user wants to receive.",
        flag("suppressEmails", "Whether Siro sends the user no emails."),
        flag("suppressEmailErrors", "Whether Siro goes on when an email to the user fails."),
    ),
    other_fields(),
)

TEAMS = schema(
    text("id", "Siro's id of the team.", key=True),
    text("name", "Name of the team."),
    _ORGANIZATION,
    texts("coachUids", "Ids of the users who coach the team. As a table: team_members."),
    texts("memberUids", "Ids of the users who are its members. As a table: team_members."),
    texts("newUserDefaultConversationTypes", "Ids of the conversation types that new members of the team get."),
    timestamp("createdAt", "When the team was created."),
    other_fields(),
)
MANIFESTS = ("coachManifest", "memberManifest")
"""Fields of a team that are left out: names and addresses by user id, which `users` has too."""

TEAM_MEMBERS = schema(
    text("teamId", "The team's id.", key=True),
    text("userId", "The user's id.", key=True),
    text("role", "What the user is in the team: member or coach. Somebody can be both.", key=True),
    # Also because target-duckdb takes the first row of a table that has nothing but text for the names of its columns.
    whole("ordinal", "Place among the team's members or coaches, from 0. Not part of the key.", key=False),
)

INTEGRATION_CONNECTIONS = schema(
    text("id", "Siro's id of the connection: `integrationConnectionId` of a recording's CRM links.", key=True),
    text("name", "Name of the connection."),
    text("externalAccountId", "Id of the connected account in the CRM."),
    _ORGANIZATION,
    text("integrationPlatform", "Which CRM or platform it is, for example SERVICE_TITAN, SALESFORCE or MERGE."),
    timestamp("createdAt", "When the connection was made."),
    timestamp("updatedAt", "When Siro last changed the connection."),
    flag("isActive", "Whether the connection is active."),
    objects(
        "syncStatus",
        "How far Siro has read each kind of CRM record, in order.",
        text("id", "Siro's id of the entry."),
        text("modelName", "Kind of CRM record."),
        text("modelSyncStatus", "SYNCING, UP_TO_DATE or ERROR."),
        timestamp("modelModifiedAfter", "From when on Siro reads changes."),
        timestamp("createdAt", "When the entry was made."),
        timestamp("updatedAt", "When the entry was last changed."),
    ),
    flag("syncTranscript", "Whether Siro sends transcripts to the CRM."),
    other_fields(),
)

_CRM_USER = (
    text("id", "Siro's id of the entry."),
    text("userId", "Siro's id of the CRM user, which is not the id of a row of `users`."),
    text("externalId", "The user's id in the CRM: join it to `externalId` of `users`."),
)


def _crm_users(parent: str, what: str) -> tuple[Column, ...]:
    return (
        text(parent, f"The {what}'s id.", key=True),
        whole("ordinal", f"Place among the {what}'s users, from 0."),
        *_CRM_USER,
    )


ENGAGEMENTS = schema(
    text("id", "Siro's id of the appointment: `id` of a recording's CRM link of the type `engagement`.", key=True),
    text("externalId", "The appointment's id in the CRM."),
    text("engagementType", "What kind of appointment it is."),
    text("direction", "INBOUND or OUTBOUND."),
    text("subject", "Subject."),
    text("content", "Text that the CRM has on it."),
    timestamp("startTime", "When it begins."),
    text("startTimeLocalized", "When it begins by the clock on the spot: text, because it has no time zone."),
    timestamp("endTime", "When it ends."),
    timestamp("createdAt", "When it was created."),
    timestamp("updatedAt", "When it was last changed."),
    text("recordingId", "Id of its recording; null if it was not recorded."),
    text("opportunityId", "Siro's id of its opportunity."),
    text("accountId", "Siro's id of its account."),
    _ORGANIZATION,
    json_text("account", "The CRM account, as JSON text: Siro does not document what is in it."),
    objects("engagementUsers", "CRM users whose appointment it is, in order. Flat: engagement_users.", *_CRM_USER),
    other_fields(),
)
ENGAGEMENT_USERS = schema(*_crm_users("engagementId", "appointment"))

OPPORTUNITIES = schema(
    text("id", "Siro's id of the deal: `id` of a recording's CRM link of the type `opportunity`.", key=True),
    text("externalId", "The deal's id in the CRM; in some it is the job's."),
    text("name", "Name of the deal."),
    number("amount", "What it is worth, in the CRM's currency."),
    timestamp("closedAt", "When it was closed."),
    text("disposition", "WON, LOST or OPEN."),
    timestamp("createdAt", "When it was created."),
    timestamp("updatedAt", "When it was last changed."),
    text("recordingId", "Id of its recording."),
    text("accountId", "Siro's id of its account."),
    _ORGANIZATION,
    json_text("account", "The CRM account, as JSON text: Siro does not document what is in it."),
    objects("opportunityUsers", "CRM users whose deal it is, in order. Flat: opportunity_users.", *_CRM_USER),
    other_fields(),
)
OPPORTUNITY_USERS = schema(*_crm_users("opportunityId", "deal"))

MOBILE_EVENTS = schema(
    text("id", "Siro's id of the event.", key=True),
    text("recordingId", "Id of the recording that it belongs to, if it belongs to one."),
    texts("externalOpportunityIds", "Ids, in the CRM, of the deals that it belongs to."),
    text("userId", "Siro's id of the user of the app."),
    _ORGANIZATION,
    text("eventCode", "What kind of event it is, for example recorderStateChange."),
    json_text("event", "What happened, as JSON text: what is in it differs by `eventCode`."),
    text("value", "What happened, in a word, for some kinds of event."),
    timestamp("createdAt", "When it happened. The replication key."),
    other_fields(),
)

FOLLOWUPS = schema(*followup_columns(status="this sync"))

RECORDING_OUTCOMES = schema(
    text("recordingId", "The recording's id: `id` of `recordings`.", key=True),
    timestamp("dateCreated", "When the recording was created. The replication key."),
    text("universalOutcomeLabel", "POSITIVE, NEGATIVE or NEUTRAL."),
    objects(
        "outcomes",
        "Outcomes in the organization's own words, for example why a call was lost.",
        text("customLabel", "The organization's label."),
        text("universalLabel", "The label that it maps to: POSITIVE, NEGATIVE or NEUTRAL; null if it maps to none."),
        text("description", "Criteria for the outcome."),
    ),
    text("outcomeExtractionId", "Siro's id of the extraction that found the outcomes."),
    flag("isPrivate", "Whether the recording is private."),
    flag("isVideo", "Whether the recording is a video."),
    flag("discoverable", "Whether the recording is discoverable."),
    text("trigger", "What started the recording: button-press, deeplink, modern-deeplink or mobile-sdk."),
    other_fields(),
)
