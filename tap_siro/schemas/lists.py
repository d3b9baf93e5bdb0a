"""Columns of lists: users, teams, connections, appointments, deals, events of the app, follow-ups, outcomes.

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
    text("id", "Siro's id of the user: `userId` of `recordings`, `team_members` and `mobile_events`.", key=True),
    text("email", "Email address."),
    _ORGANIZATION,
    text("phoneNumber", "Phone number."),
    text("firstName", "First name."),
    text("lastName", "Last name."),
    text("memberTeamId", "Id of the team that the user is a member of. As a table: team_members."),
    texts("coachTeamIds", "Ids of the teams that the user coaches. As a table: team_members."),
    text("externalId", "The user's id in the CRM, if the user is linked to one."),
    timestamp("createdAt", "Time the user was created."),
    flag("disabled", "True if the user is disabled. Siro never deletes users."),
    flag("billable", "True if Siro bills for the user."),
    nested(
        "contactSettings",
        "Email preferences of the user.",
        flag("suppressEmails", "True if Siro sends the user no emails."),
        flag("suppressEmailErrors", "True if Siro ignores failing emails to the user."),
    ),
    other_fields(),
)

TEAMS = schema(
    text("id", "Siro's id of the team.", key=True),
    text("name", "Name of the team."),
    _ORGANIZATION,
    texts("coachUids", "Ids of the users who coach the team. As a table: team_members."),
    texts("memberUids", "Ids of the members of the team. As a table: team_members."),
    texts("newUserDefaultConversationTypes", "Ids of the conversation types that new members get."),
    timestamp("createdAt", "Time the team was created."),
    other_fields(),
)
MANIFESTS = ("coachManifest", "memberManifest")
"""Fields of a team that are left out: names and addresses by user id, which `users` has too."""

TEAM_MEMBERS = schema(
    text("teamId", "Id of the team.", key=True),
    text("userId", "Id of the user.", key=True),
    text("role", "Role of the user in the team: member or coach. A user can be both.", key=True),
    # Also because target-duckdb takes the first row of a table that has nothing but text for the names of its columns.
    whole("ordinal", "Position among the team's members or coaches, from 0. Not part of the key.", key=False),
)

INTEGRATION_CONNECTIONS = schema(
    text("id", "Siro's id of the connection: `integrationConnectionId` of `recording_crm_links`.", key=True),
    text("name", "Name of the connection."),
    text("externalAccountId", "Id of the connected account in the CRM."),
    _ORGANIZATION,
    text("integrationPlatform", "CRM or platform, for example SERVICE_TITAN, SALESFORCE or MERGE."),
    timestamp("createdAt", "Time the connection was made."),
    timestamp("updatedAt", "Time Siro last changed the connection."),
    flag("isActive", "True if the connection is active."),
    objects(
        "syncStatus",
        "Progress of Siro's own sync with the CRM, by type of CRM record.",
        text("id", "Siro's id of the entry."),
        text("modelName", "Type of CRM record."),
        text("modelSyncStatus", "Status of the sync: SYNCING, UP_TO_DATE or ERROR."),
        timestamp("modelModifiedAfter", "Time since which Siro reads changes."),
        timestamp("createdAt", "Time the entry was made."),
        timestamp("updatedAt", "Time the entry was last changed."),
    ),
    flag("syncTranscript", "True if Siro sends transcripts to the CRM."),
    other_fields(),
)

_CRM_USER = (
    text("id", "Siro's id of the entry."),
    text("userId", "Siro's id of the CRM user. It is not an `id` of `users`."),
    text("externalId", "The user's id in the CRM. Join it to `externalId` of `users`."),
)


def _crm_users(parent: str, what: str) -> tuple[Column, ...]:
    return (
        text(parent, f"Id of the {what}.", key=True),
        whole("ordinal", f"Position among the {what}'s users, from 0."),
        *_CRM_USER,
    )


ENGAGEMENTS = schema(
    text(
        "id",
        "Siro's id of the appointment: `id` of `recording_crm_links` where `objectType` is `engagement`.",
        key=True,
    ),
    text("externalId", "The appointment's id in the CRM."),
    text("engagementType", "Type of appointment."),
    text("direction", "Direction: INBOUND or OUTBOUND."),
    text("subject", "Subject of the appointment."),
    text("content", "Text of the appointment in the CRM."),
    timestamp("startTime", "Start of the appointment."),
    text("startTimeLocalized", "Start in local time. Text, because it has no time zone."),
    timestamp("endTime", "End of the appointment."),
    timestamp("createdAt", "Time the CRM record was created."),
    timestamp("updatedAt", "Time the CRM record was last changed."),
    text("recordingId", "Id of the appointment's recording; null if it was not recorded."),
    text("opportunityId", "Siro's id of the appointment's deal: `id` of `opportunities`."),
    text("accountId", "Siro's id of the CRM account."),
    _ORGANIZATION,
    json_text("account", "CRM account, as JSON text. Siro does not document its fields."),
    objects("engagementUsers", "CRM users of the appointment, in order. As a table: engagement_users.", *_CRM_USER),
    other_fields(),
)
ENGAGEMENT_USERS = schema(*_crm_users("engagementId", "appointment"))

OPPORTUNITIES = schema(
    text("id", "Siro's id of the deal: `id` of `recording_crm_links` where `objectType` is `opportunity`.", key=True),
    text("externalId", "The deal's id in the CRM. In some CRMs it is the id of the job."),
    text("name", "Name of the deal."),
    number("amount", "Amount of the deal, in the CRM's currency."),
    timestamp("closedAt", "Time the deal was closed."),
    text("disposition", "Status of the deal: WON, LOST or OPEN."),
    timestamp("createdAt", "Time the CRM record was created."),
    timestamp("updatedAt", "Time the CRM record was last changed."),
    text("recordingId", "Id of the deal's recording."),
    text("accountId", "Siro's id of the CRM account."),
    _ORGANIZATION,
    json_text("account", "CRM account, as JSON text. Siro does not document its fields."),
    objects("opportunityUsers", "CRM users of the deal, in order. As a table: opportunity_users.", *_CRM_USER),
    other_fields(),
)
OPPORTUNITY_USERS = schema(*_crm_users("opportunityId", "deal"))

MOBILE_EVENTS = schema(
    text("id", "Siro's id of the event.", key=True),
    text("recordingId", "Id of the event's recording, if it has one."),
    texts("externalOpportunityIds", "CRM ids of the event's deals."),
    text("userId", "Siro's id of the user of the app."),
    _ORGANIZATION,
    text("eventCode", "Type of event, for example recorderStateChange."),
    json_text("event", "Data of the event, as JSON text. The fields differ by `eventCode`."),
    text("value", "Short value of the event, for some types of event."),
    timestamp("createdAt", "Time of the event. The replication key."),
    other_fields(),
)

FOLLOWUPS = schema(*followup_columns(status="this sync"))

RECORDING_OUTCOMES = schema(
    text("recordingId", "The recording's id: `id` of `recordings`.", key=True),
    timestamp("dateCreated", "Time the recording was created. The replication key."),
    text("universalOutcomeLabel", "POSITIVE, NEGATIVE or NEUTRAL."),
    objects(
        "outcomes",
        "Outcomes in the organization's own words, for example why a call was lost.",
        text("customLabel", "The organization's label."),
        text("universalLabel", "Siro's label for the outcome: POSITIVE, NEGATIVE or NEUTRAL; null if there is none."),
        text("description", "Criteria for the outcome."),
    ),
    text("outcomeExtractionId", "Siro's id of the extraction that found the outcomes."),
    flag("isPrivate", "True if the recording is private."),
    flag("isVideo", "True if the recording is a video."),
    flag("discoverable", "True if the recording is discoverable."),
    text("trigger", "Trigger of the recording: button-press, deeplink, modern-deeplink or mobile-sdk."),
    other_fields(),
)
