"""Columns of scorecards, and of the scores of each recording.

Facts are from Siro's OpenAPI document of the user host and from what clients in production have published.
"""

from __future__ import annotations

from tap_siro.schemas.columns import (
    Column,
    Schema,
    flag,
    number,
    objects,
    other_fields,
    schema,
    text,
    timestamp,
)

_RECORDING = text("recordingId", "The recording's id: `id` of `recordings`.", key=True)
_RECORDING_UPDATED_AT = timestamp(
    "recordingUpdatedAt", "The recording's `updatedAt` when this row was written. The replication key."
)
_SCORECARD = text("scorecardId", "Siro's id of the scorecard: `id` of `scorecards`.", key=True)
_NODE: tuple[Column, ...] = (
    text("parentId", "Id of the parent node; empty for the root."),
    text("nodeType", "ROOT, SECTION or METRIC."),
    text("name", "Name of the node."),
    text("description", "Description of the node."),
    number("indexNumber", "Position among the nodes with the same parent."),
    text("metricId", "Siro's id of the metric, if the node is one."),
    text("metricType", "Type of metric, for example AI_METRIC or REP_SPEAKER_SHARE."),
    text("bookmarkConfigId", "Siro's id of the bookmark that the metric counts, if it counts bookmarks."),
)
_UNIT: tuple[Column, ...] = (
    text("unit", "Unit of the metric, for example percentage."),
    text("unitAbbreviated", "Abbreviation of the unit, for example %."),
)

SCORECARDS: Schema = schema(
    text("id", "Siro's id of the scorecard.", key=True),
    text("organizationId", "Siro's id of the organization."),
    text("name", "Name of the scorecard."),
    text("description", "Description of the scorecard."),
    text("conversationType", "Type of conversation that the scorecard scores."),
    flag("isActive", "True if the scorecard scores new recordings."),
    flag("editable", "True if the scorecard can be edited."),
    flag("hasScoredRecordings", "True if the scorecard has scored recordings."),
    number("minDurationMs", "Minimum length of a recording to be scored, in milliseconds."),
    text("scorecardTemplateId", "Siro's id of the scorecard's template."),
    text("scorecardConfigId", "Siro's id of the scorecard's configuration."),
    timestamp("createdAt", "Time the scorecard was created."),
    timestamp("updatedAt", "Time the scorecard was last changed."),
    objects(
        "colorConfigurations",
        "Ranges of points and their colors.",
        text("color", "RED, YELLOW or GREEN."),
        number("lowRange", "Lowest number of points."),
        number("highRange", "Highest number of points."),
    ),
    other_fields(),
)
SCORECARD_NODES: Schema = schema(
    _SCORECARD,
    text("id", "Siro's id of the node.", key=True),
    *_NODE,
    *_UNIT,
    text("llmPrompt", "Prompt of an AI metric."),
    number("metricPointTotal", "Points that the metric can earn."),
    number("minTarget", "Lowest value of the target."),
    number("maxTarget", "Highest value of the target."),
    number("targetTolerance", "Distance from the target at which a value still earns points."),
    number("weight", "Weight of a section among the sections of the scorecard."),
    other_fields(),
)
RECORDING_SCORECARDS: Schema = schema(
    _RECORDING,
    _SCORECARD,
    _RECORDING_UPDATED_AT,
    text("scorecardName", "Name of the scorecard."),
    number("pointsEarned", "Points that the recording earned."),
    number("pointsPossible", "Maximum number of points."),
    number("recordingsEvaluatedCount", "Number of recordings that were scored: 1."),
    number("recordingsWonCount", "Number of these that were won: 1 or 0."),
    other_fields(),
)
RECORDING_SCORECARD_NODES: Schema = schema(
    _RECORDING,
    _SCORECARD,
    text("nodeId", "Siro's id of the node: `id` of `scorecard_nodes`.", key=True),
    _RECORDING_UPDATED_AT,
    *_NODE,
    number("metricValue", "Value of the metric in this recording."),
    *_UNIT,
    number("pointsEarned", "Points that the node earned, from 0 to 100."),
    number("pointsPossible", "Maximum number of points."),
    text("color", "RED, YELLOW or GREEN."),
    text("score", "Score of an AI metric."),
    text("impact", "Impact of an AI metric on the result, as Siro sees it."),
    text("thinking", "Siro's reasons for the score of an AI metric."),
    text("recommendation", "Siro's recommendation to the rep."),
    text("citedThinking", "Siro's reasons for the score, with references to the citations."),
    objects(
        "citations",
        "**Quotes of the conversation** that the score rests on.",
        text("quote", "Words of the quote."),
        number("startTimeInMillis", "Start of the quote, in milliseconds from the start of the recording."),
        number("endTimeInMillis", "End of the quote, in milliseconds from the start of the recording."),
    ),
    other_fields(),
)
