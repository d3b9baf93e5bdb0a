-- Views of the tables that tap-siro loads, for BigQuery. Written by `python -m tools`.
--
-- Run the script where the tables are:
--
--     bq query --nouse_legacy_sql < sql/bigquery.sql
--
-- The first section needs the streams that are selected by default. The other sections are commented out, and name the
-- streams that they need. To add a section, delete the line that opens its comment. To add all of them:
--
--     sed '/^\/\* /d' sql/bigquery.sql
--
-- The statements of a section can also be run alone, after the first section. If one of its tables is not loaded, leave
-- out the views that read it.
--
-- Run the script again, with the same sections, after an upgrade of the tap and after another column is selected: until
-- then, a `live_` view may fail.
--
-- Views of BigQuery name the dataset of each table. If yours is not `siro`, replace `siro.` in the script.
--
-- The target does not mark rows that are deleted at Siro.

-- Default streams

-- Recordings that are not deleted.
CREATE OR REPLACE VIEW siro.live_recordings AS
SELECT
  recording.*
FROM siro.recordings AS recording
WHERE
  NOT COALESCE(recording.`deleted`, FALSE) AND recording.`deletedAt` IS NULL;

-- Current rows of `recording_crm_links`, of recordings that are not deleted.
CREATE OR REPLACE VIEW siro.live_recording_crm_links AS
SELECT
  child.*
FROM siro.recording_crm_links AS child
JOIN siro.live_recordings AS recording
  ON recording.`id` = child.`recordingId`
  AND recording.`updatedAt` IS NOT DISTINCT FROM child.`recordingUpdatedAt`;

-- Current rows of `recording_summary_sections`, of recordings that are not deleted.
CREATE OR REPLACE VIEW siro.live_recording_summary_sections AS
SELECT
  child.*
FROM siro.recording_summary_sections AS child
JOIN siro.live_recordings AS recording
  ON recording.`id` = child.`recordingId`
  AND recording.`updatedAt` IS NOT DISTINCT FROM child.`recordingUpdatedAt`;

-- Current rows of `recording_entity_extractions`, of recordings that are not deleted.
CREATE OR REPLACE VIEW siro.live_recording_entity_extractions AS
SELECT
  child.*
FROM siro.recording_entity_extractions AS child
JOIN siro.live_recordings AS recording
  ON recording.`id` = child.`recordingId`
  AND recording.`updatedAt` IS NOT DISTINCT FROM child.`recordingUpdatedAt`;

-- Current rows of `recording_entity_mappings`, of recordings that are not deleted.
CREATE OR REPLACE VIEW siro.live_recording_entity_mappings AS
SELECT
  child.*
FROM siro.recording_entity_mappings AS child
JOIN siro.live_recordings AS recording
  ON recording.`id` = child.`recordingId`
  AND recording.`updatedAt` IS NOT DISTINCT FROM child.`recordingUpdatedAt`;

-- Current rows of `recording_followups`, of recordings that are not deleted.
CREATE OR REPLACE VIEW siro.live_recording_followups AS
SELECT
  child.*
FROM siro.recording_followups AS child
JOIN siro.live_recordings AS recording
  ON recording.`id` = child.`recordingId`
  AND recording.`updatedAt` IS NOT DISTINCT FROM child.`recordingUpdatedAt`;

-- One row for each user, with the current team. A user whom Siro no longer lists keeps the name, but has no team.
CREATE OR REPLACE VIEW siro.reps AS
SELECT
  rep.`id` AS rep_id,
  NULLIF(TRIM(COALESCE(rep.`firstName`, '') || ' ' || COALESCE(rep.`lastName`, '')), '') AS rep,
  team.`id` AS team_id,
  team.`name` AS team,
  rep.`externalId` AS crm_id
FROM siro.users AS rep
LEFT JOIN siro.teams AS team
  ON team.`id` = rep.`memberTeamId`;

-- Labels of outcomes. Empty here; the section "outcomes" fills it.
CREATE OR REPLACE VIEW siro.outcome_labels AS
SELECT
  recording.`id` AS recording_id,
  CAST(NULL AS STRING) AS outcome,
  CAST(NULL AS STRING) AS reason
FROM siro.recordings AS recording
WHERE
  FALSE;

-- One row for each recording that is not deleted. Of several links of one kind, the first one counts.
CREATE OR REPLACE VIEW siro.calls AS
SELECT
  recording.`id` AS recording_id,
  recording.`title` AS title,
  recording.`userId` AS rep_id,
  rep.rep,
  rep.team_id,
  rep.team,
  recording.`createdAt` AS started_at,
  CAST(TIMESTAMP_TRUNC(recording.`createdAt`, MONTH) AS DATE) AS month,
  recording.`durationInMilliseconds` / 60000.0 AS minutes,
  recording.`result` AS result,
  outcome.outcome AS outcome,
  outcome.reason AS reason,
  recording.`evaluationScore` AS score,
  COALESCE(followup.followups, 0) AS followups,
  link.appointment_crm_id,
  link.deal_crm_id,
  link.account_crm_id,
  link.contact_crm_id,
  recording.`links`.web.self AS link
FROM siro.recordings AS recording
LEFT JOIN siro.reps AS rep
  ON rep.rep_id = recording.`userId`
LEFT JOIN siro.outcome_labels AS outcome
  ON outcome.recording_id = recording.`id`
LEFT JOIN (
  SELECT
    each.`recordingId` AS recording_id,
    COUNT(*) AS followups
  FROM siro.live_recording_followups AS each
  GROUP BY
    each.`recordingId`
) AS followup
  ON followup.recording_id = recording.`id`
LEFT JOIN (
  SELECT
    each.`recordingId` AS recording_id,
    MAX(CASE WHEN each.`objectType` = 'engagement' THEN each.`externalId` END) AS appointment_crm_id,
    MAX(CASE WHEN each.`objectType` = 'opportunity' THEN each.`externalId` END) AS deal_crm_id,
    MAX(CASE WHEN each.`objectType` = 'account' THEN each.`externalId` END) AS account_crm_id,
    MAX(CASE WHEN each.`objectType` = 'contact' THEN each.`externalId` END) AS contact_crm_id
  FROM siro.live_recording_crm_links AS each
  WHERE
    each.`ordinal` = 0
  GROUP BY
    each.`recordingId`
) AS link
  ON link.recording_id = recording.`id`
WHERE
  NOT COALESCE(recording.`deleted`, FALSE) AND recording.`deletedAt` IS NULL;

-- One row for each rep and month (UTC).
CREATE OR REPLACE VIEW siro.rep_months AS
SELECT
  rep_id,
  rep,
  team,
  month,
  COUNT(*) AS calls,
  SUM(minutes) / 60 AS hours,
  SUM(CASE WHEN result = 'WON' THEN 1 ELSE 0 END) AS won,
  SUM(CASE WHEN result = 'LOST' THEN 1 ELSE 0 END) AS lost,
  AVG(score) AS average_score
FROM siro.calls
GROUP BY
  rep_id,
  rep,
  team,
  month;

-- Extracted values with the CRM field and the CRM record that each belongs to. If a recording is linked to two contacts, a
-- contact's value has two rows.
CREATE OR REPLACE VIEW siro.values_for_crm AS
SELECT
  mapping.`recordingId` AS recording_id,
  mapping.`name` AS name,
  mapping.`value` AS value,
  mapping.`valueType` AS value_type,
  mapping.`crmModelName` AS crm_model,
  mapping.`crmFieldName` AS crm_field,
  link.`externalId` AS crm_id,
  link.`integrationConnectionId` AS connection_id
FROM siro.live_recording_entity_mappings AS mapping
JOIN siro.live_recording_crm_links AS link
  ON link.`recordingId` = mapping.`recordingId`
  AND link.`objectType` = LOWER(mapping.`crmModelName`);

/* Outcomes, needs recording_outcomes

-- Labels of outcomes, for `calls`. The reason is the first outcome in the organization's own words.
CREATE OR REPLACE VIEW siro.outcome_labels AS
SELECT
  outcome.`recordingId` AS recording_id,
  CAST(outcome.`universalOutcomeLabel` AS STRING) AS outcome,
  outcome.`outcomes`[SAFE_OFFSET(0)].customLabel AS reason
FROM siro.recording_outcomes AS outcome;

-- */

/* Followups, needs followups

-- Follow-ups that nobody has completed, with their current status.
CREATE OR REPLACE VIEW siro.open_followups AS
SELECT
  followup.`followupId` AS followup_id,
  followup.`recordingId` AS recording_id,
  followup.`dateCreated` AS created_at,
  followup.`repName` AS rep,
  followup.`teamName` AS team,
  followup.`followupType` AS followup_type,
  followup.`followupAction` AS followup_action,
  followup.`score` AS score,
  followup.`status` AS status
FROM siro.followups AS followup
LEFT JOIN siro.recordings AS recording
  ON recording.`id` = followup.`recordingId`
WHERE
  COALESCE(followup.`status`, 'TO_DO') <> 'COMPLETE'
  AND NOT COALESCE(recording.`deleted`, FALSE)
  AND recording.`deletedAt` IS NULL;

-- */

/* Followup details, needs recording_followup_details

-- Current rows of `recording_followup_details`, of recordings that are not deleted.
CREATE OR REPLACE VIEW siro.live_recording_followup_details AS
SELECT
  child.*
FROM siro.recording_followup_details AS child
JOIN siro.live_recordings AS recording
  ON recording.`id` = child.`recordingId`
  AND recording.`updatedAt` IS NOT DISTINCT FROM child.`recordingUpdatedAt`;

-- */

/* Transcripts, needs recording_utterances

-- Current rows of `recording_utterances`, of recordings that are not deleted.
CREATE OR REPLACE VIEW siro.live_recording_utterances AS
SELECT
  child.*
FROM siro.recording_utterances AS child
JOIN siro.live_recordings AS recording
  ON recording.`id` = child.`recordingId`
  AND recording.`updatedAt` IS NOT DISTINCT FROM child.`recordingUpdatedAt`;

-- Minutes of each speaker, and the share of the speaking time (0 to 1).
CREATE OR REPLACE VIEW siro.talk_share AS
SELECT
  speaker.recording_id,
  speaker.speaker,
  speaker.minutes,
  speaker.minutes / NULLIF(SUM(speaker.minutes) OVER (PARTITION BY speaker.recording_id), 0) AS share
FROM (
  SELECT
    line.`recordingId` AS recording_id,
    COALESCE(line.`speakerName`, line.`speakerTag`) AS speaker,
    SUM(line.`endTimeInMillis` - line.`startTimeInMillis`) / 60000.0 AS minutes
  FROM siro.live_recording_utterances AS line
  GROUP BY
    line.`recordingId`,
    COALESCE(line.`speakerName`, line.`speakerTag`)
) AS speaker;

-- */

/* Scorecards, needs scorecard_nodes, recording_scorecards and recording_scorecard_nodes

-- Current rows of `recording_scorecards`, of recordings that are not deleted.
CREATE OR REPLACE VIEW siro.live_recording_scorecards AS
SELECT
  child.*
FROM siro.recording_scorecards AS child
JOIN siro.live_recordings AS recording
  ON recording.`id` = child.`recordingId`
  AND recording.`updatedAt` IS NOT DISTINCT FROM child.`recordingUpdatedAt`;

-- Current rows of `recording_scorecard_nodes`, of recordings that are not deleted.
CREATE OR REPLACE VIEW siro.live_recording_scorecard_nodes AS
SELECT
  child.*
FROM siro.recording_scorecard_nodes AS child
JOIN siro.live_recordings AS recording
  ON recording.`id` = child.`recordingId`
  AND recording.`updatedAt` IS NOT DISTINCT FROM child.`recordingUpdatedAt`;

-- Points of each step of the scorecard, by recording. Some steps have their name only in `scorecard_nodes`.
CREATE OR REPLACE VIEW siro.scorecard_steps AS
SELECT
  step.`recordingId` AS recording_id,
  step.`scorecardId` AS scorecard_id,
  scorecard.`scorecardName` AS scorecard,
  section.`name` AS section,
  section.`indexNumber` AS section_number,
  step.`nodeId` AS step_id,
  COALESCE(step.`name`, node.`name`) AS step,
  step.`indexNumber` AS step_number,
  step.`metricType` AS metric_type,
  step.`metricValue` AS metric_value,
  step.`unit` AS unit,
  step.`pointsEarned` AS points_earned,
  step.`pointsPossible` AS points_possible,
  step.`color` AS color
FROM siro.live_recording_scorecard_nodes AS step
LEFT JOIN siro.live_recording_scorecards AS scorecard
  ON scorecard.`recordingId` = step.`recordingId`
  AND scorecard.`scorecardId` = step.`scorecardId`
LEFT JOIN siro.live_recording_scorecard_nodes AS section
  ON section.`recordingId` = step.`recordingId`
  AND section.`scorecardId` = step.`scorecardId`
  AND section.`nodeId` = step.`parentId`
LEFT JOIN siro.scorecard_nodes AS node
  ON node.`scorecardId` = step.`scorecardId` AND node.`id` = step.`nodeId`
WHERE
  step.`nodeType` = 'METRIC';

-- */
