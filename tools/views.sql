-- The views, in PostgreSQL's SQL. `python -m tools` writes them for each warehouse into sql/ (tools/views.py).
--
-- Columns of tables are in double quotes, columns of views are not. `json_text` reads a text in a nested
-- column, `first_text` one in the first object of a list.
-- Conditions on "_sdc_deleted_at" are dropped where the target does not mark rows.

-- section: default streams

-- Recordings that are not deleted.
CREATE OR REPLACE VIEW live_recordings AS
SELECT recording.*
FROM recordings AS recording
WHERE NOT COALESCE(recording."deleted", FALSE) AND recording."deletedAt" IS NULL;

-- live: recording_crm_links recording_summary_sections recording_entity_extractions
-- live: recording_entity_mappings recording_followups

-- One row for each user, with the current team. A user whom Siro no longer lists keeps the name, but has no team.
CREATE OR REPLACE VIEW reps AS
SELECT
  rep."id" AS rep_id,
  NULLIF(TRIM(COALESCE(rep."firstName", '') || ' ' || COALESCE(rep."lastName", '')), '') AS rep,
  team."id" AS team_id,
  team."name" AS team,
  rep."externalId" AS crm_id
FROM users AS rep
LEFT JOIN teams AS team
  ON team."id" = rep."memberTeamId" AND team."_sdc_deleted_at" IS NULL AND rep."_sdc_deleted_at" IS NULL;

-- Labels of outcomes. Empty here; the section "outcomes" fills it.
CREATE OR REPLACE VIEW outcome_labels AS
SELECT recording."id" AS recording_id, CAST(NULL AS TEXT) AS outcome, CAST(NULL AS TEXT) AS reason
FROM recordings AS recording
WHERE FALSE;

-- One row for each recording that is not deleted. Of several links of one kind, the first one counts.
CREATE OR REPLACE VIEW calls AS
SELECT
  recording."id" AS recording_id,
  recording."title" AS title,
  recording."userId" AS rep_id,
  rep.rep,
  rep.team_id,
  rep.team,
  recording."createdAt" AS started_at,
  CAST(DATE_TRUNC('month', recording."createdAt") AS DATE) AS month,
  recording."durationInMilliseconds" / 60000.0 AS minutes,
  recording."result" AS result,
  outcome.outcome AS outcome,
  outcome.reason AS reason,
  recording."evaluationScore" AS score,
  COALESCE(followup.followups, 0) AS followups,
  link.appointment_crm_id,
  link.deal_crm_id,
  link.account_crm_id,
  link.contact_crm_id,
  JSON_TEXT(recording."links", 'web', 'self') AS link
FROM recordings AS recording
LEFT JOIN reps AS rep ON rep.rep_id = recording."userId"
LEFT JOIN outcome_labels AS outcome ON outcome.recording_id = recording."id"
LEFT JOIN (
  SELECT each."recordingId" AS recording_id, COUNT(*) AS followups
  FROM live_recording_followups AS each
  GROUP BY each."recordingId"
) AS followup ON followup.recording_id = recording."id"
LEFT JOIN (
  SELECT
    each."recordingId" AS recording_id,
    MAX(CASE WHEN each."objectType" = 'engagement' THEN each."externalId" END) AS appointment_crm_id,
    MAX(CASE WHEN each."objectType" = 'opportunity' THEN each."externalId" END) AS deal_crm_id,
    MAX(CASE WHEN each."objectType" = 'account' THEN each."externalId" END) AS account_crm_id,
    MAX(CASE WHEN each."objectType" = 'contact' THEN each."externalId" END) AS contact_crm_id
  FROM live_recording_crm_links AS each
  WHERE each."ordinal" = 0
  GROUP BY each."recordingId"
) AS link ON link.recording_id = recording."id"
WHERE NOT COALESCE(recording."deleted", FALSE) AND recording."deletedAt" IS NULL;

-- One row for each rep and month (UTC).
CREATE OR REPLACE VIEW rep_months AS
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
FROM calls
GROUP BY rep_id, rep, team, month;

-- Extracted values with the CRM field and the CRM record that each belongs to. If a recording is linked to two contacts, a
-- contact's value has two rows.
CREATE OR REPLACE VIEW values_for_crm AS
SELECT
  mapping."recordingId" AS recording_id,
  mapping."name" AS name,
  mapping."value" AS value,
  mapping."valueType" AS value_type,
  mapping."crmModelName" AS crm_model,
  mapping."crmFieldName" AS crm_field,
  link."externalId" AS crm_id,
  link."integrationConnectionId" AS connection_id
FROM live_recording_entity_mappings AS mapping
JOIN live_recording_crm_links AS link
  ON link."recordingId" = mapping."recordingId" AND link."objectType" = LOWER(mapping."crmModelName");

-- section: outcomes, needs recording_outcomes

-- Labels of outcomes, for `calls`. The reason is the first outcome in the organization's own words.
CREATE OR REPLACE VIEW outcome_labels AS
SELECT
  outcome."recordingId" AS recording_id,
  CAST(outcome."universalOutcomeLabel" AS TEXT) AS outcome,
  FIRST_TEXT(outcome."outcomes", 'customLabel') AS reason
FROM recording_outcomes AS outcome;

-- section: followups, needs followups

-- Follow-ups that nobody has completed, with their current status.
CREATE OR REPLACE VIEW open_followups AS
SELECT
  followup."followupId" AS followup_id,
  followup."recordingId" AS recording_id,
  followup."dateCreated" AS created_at,
  followup."repName" AS rep,
  followup."teamName" AS team,
  followup."followupType" AS followup_type,
  followup."followupAction" AS followup_action,
  followup."score" AS score,
  followup."status" AS status
FROM followups AS followup
LEFT JOIN recordings AS recording ON recording."id" = followup."recordingId"
WHERE COALESCE(followup."status", 'TO_DO') <> 'COMPLETE'
  AND NOT COALESCE(recording."deleted", FALSE)
  AND recording."deletedAt" IS NULL
  AND followup."_sdc_deleted_at" IS NULL;

-- section: followup details, needs recording_followup_details

-- live: recording_followup_details

-- section: transcripts, needs recording_utterances

-- live: recording_utterances

-- Minutes of each speaker, and the share of the speaking time (0 to 1).
CREATE OR REPLACE VIEW talk_share AS
SELECT
  speaker.recording_id,
  speaker.speaker,
  speaker.minutes,
  speaker.minutes / NULLIF(SUM(speaker.minutes) OVER (PARTITION BY speaker.recording_id), 0) AS share
FROM (
  SELECT
    line."recordingId" AS recording_id,
    COALESCE(line."speakerName", line."speakerTag") AS speaker,
    SUM(line."endTimeInMillis" - line."startTimeInMillis") / 60000.0 AS minutes
  FROM live_recording_utterances AS line
  GROUP BY line."recordingId", COALESCE(line."speakerName", line."speakerTag")
) AS speaker;

-- section: scorecards, needs scorecard_nodes, recording_scorecards and recording_scorecard_nodes

-- live: recording_scorecards recording_scorecard_nodes

-- Points of each step of the scorecard, by recording. Some steps have their name only in `scorecard_nodes`.
CREATE OR REPLACE VIEW scorecard_steps AS
SELECT
  step."recordingId" AS recording_id,
  step."scorecardId" AS scorecard_id,
  scorecard."scorecardName" AS scorecard,
  section."name" AS section,
  section."indexNumber" AS section_number,
  step."nodeId" AS step_id,
  COALESCE(step."name", node."name") AS step,
  step."indexNumber" AS step_number,
  step."metricType" AS metric_type,
  step."metricValue" AS metric_value,
  step."unit" AS unit,
  step."pointsEarned" AS points_earned,
  step."pointsPossible" AS points_possible,
  step."color" AS color
FROM live_recording_scorecard_nodes AS step
LEFT JOIN live_recording_scorecards AS scorecard
  ON scorecard."recordingId" = step."recordingId" AND scorecard."scorecardId" = step."scorecardId"
LEFT JOIN live_recording_scorecard_nodes AS section
  ON section."recordingId" = step."recordingId"
  AND section."scorecardId" = step."scorecardId"
  AND section."nodeId" = step."parentId"
LEFT JOIN scorecard_nodes AS node ON node."scorecardId" = step."scorecardId" AND node."id" = step."nodeId"
WHERE step."nodeType" = 'METRIC';
