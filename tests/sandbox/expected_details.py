"""The oracle for what is asked for recording by recording: follow-ups in full, and transcripts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.sandbox.expected import Row, Rows, _boolean, _each, _known, _moment, _number, _text

if TYPE_CHECKING:
    from tests.sandbox import Sandbox

KEYS = {"followups": ("followupId",), "recording_utterances": ("recordingId", "ordinal")}
"""The key columns of each stream."""


def _json(value: Any) -> str | None:
    return None if value is None else _text(json.dumps(value, separators=(",", ":"), ensure_ascii=False))


_OPPORTUNITY = {
    "id": _text,
    "externalId": _text,
    "name": _text,
    "amount": _number,
    "closedAt": _moment,
    "disposition": _text,
    "createdAt": _moment,
    "updatedAt": _moment,
    "recordingId": _text,
    "accountId": _text,
    "organizationId": _text,
    "account": _json,
    "opportunityUsers": _json,
}
_CUSTOMER = {
    "id": _text,
    "name": _text,
    "crmUrl": _text,
    "customerType": _text,
    "lastActivityAt": _moment,
    "createdAt": _moment,
    "updatedAt": _moment,
    "closedAt": _moment,
    "emailAddress": _text,
    "phoneNumber": _text,
    "externalId": _text,
    "amount": _number,
    "disposition": _text,
    "recordingId": _text,
    "lastRecordingDate": _moment,
    "numRecordings": _number,
    "matchingSource": _text,
    "accountId": _text,
    "opportunityAccountName": _text,
    "contactId": _text,
    "opportunityContactName": _text,
    "opportunityId": _text,
    "engagementId": _text,
    "opportunity": lambda value: _known(value, **_OPPORTUNITY),
    "opportunities": lambda value: _known(
        value, data=lambda items: _each(items, lambda item: _known(item, **_OPPORTUNITY)), cursor=_text
    ),
    "opportunityUsers": _json,
    "contactAccount": lambda value: _known(value, id=_text, name=_text, externalId=_text),
    "address": _text,
    "organizationId": _text,
    "integrationConnectionId": _text,
    "integrationPlatform": _text,
    "integrationName": _text,
}
_FOLLOWUP = {
    "recordingTitle": _text,
    "repName": _text,
    "repId": _text,
    "teamName": _text,
    "teamId": _text,
    "dateCreated": _moment,
    "followupType": _text,
    "score": _number,
    "followupAction": _text,
    "context": lambda value: _each(value, lambda item: _known(item, header=_text, value=_text)),
    "updatedAt": _moment,
    "metadata": _json,
    "starred": _boolean,
    "status": _text,
    "thinking": _text,
    "history": lambda value: _each(
        value,
        lambda item: _known(
            item, id=_text, updatedBy=_text, updatedByUserId=_text, createdAt=_moment, note=_text, status=_text
        ),
    ),
    "crmUrl": _text,
    "crmCustomer": lambda value: _known(value, **_CUSTOMER),
    "hasFollowupComment": _boolean,
    "note": _text,
    "completed": _boolean,
    "completedBy": _text,
    "completedAt": _moment,
}


def expected_details(sandbox: Sandbox) -> dict[str, Rows]:
    """Compute the rows of `followups` and `recording_utterances` for what the sandbox holds now, by their keys.

    A recording that is not processed yet, or is gone, has none.
    """
    followups: Rows = {}
    utterances: Rows = {}
    for recording in sandbox.recordings:
        name = recording.get("id")
        if not isinstance(name, str) or recording.get("isProcessingDone") is False:
            continue
        if sandbox.details.is_gone(recording):
            continue
        parent = {"recordingId": name, "recordingUpdatedAt": _moment(recording.get("updatedAt"))}
        for item in sandbox.details.followups_of(recording):
            followups[(item["followupId"],)] = (
                parent
                | {"followupId": item["followupId"]}
                | {column: clean(item.get(column)) for column, clean in _FOLLOWUP.items()}
                | {"otherFields": None}
            )
        transcript = sandbox.details.transcript_of(recording) or {}
        for ordinal, item in enumerate(transcript.get("utterances") or []):
            utterances[name, ordinal] = parent | {"ordinal": ordinal} | _utterance(item, transcript.get("speakerMap"))
    return {"followups": followups, "recording_utterances": utterances}


def _utterance(item: Row, speakers: Any) -> Row:
    tag = item.get("speakerTag")
    written = None if tag is None else str(tag)
    return {
        "utterance": _text(item.get("utterance")),
        "startTimeInMillis": _number(item.get("startTimeInMillis")),
        "endTimeInMillis": _number(item.get("endTimeInMillis")),
        "speakerTag": _text(written),
        "speakerName": _text((speakers or {}).get(written)),
        "redacted": _boolean(item.get("redacted")),
        "confidence": _number(item.get("confidence")),
        "otherFields": None,
    }
