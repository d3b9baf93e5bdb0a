"""Follow-ups in full and utterances, derived from responses about a single recording."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from tap_siro.api.decoding import pack
from tap_siro.records.cleaning import FieldWarnings
from tap_siro.records.utterances import name_speakers
from tap_siro.schemas import details as detail_schemas
from tap_siro.singer.writer import StreamWriter
from tap_siro.streams import FollowupDetailsStream, UtterancesStream
from tap_siro.sync.details import Detail, DetailRequest

if TYPE_CHECKING:
    from tap_siro.singer.sdk import SiroStream

MOMENT = "2026-11-02T11:06:00.000Z"
RECORDING: dict[str, Any] = {"id": "r", "updatedAt": MOMENT}
PARENT = {"recordingId": "r", "recordingUpdatedAt": MOMENT}


def records(stream: type[SiroStream], items: tuple[Any, ...]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the records of a recording's items, and the warnings about items without one."""
    writer = StreamWriter(
        stream,
        flags=frozenset(),
        selected=stream.schema,
        aliases=[stream.name],
        mapped=None,
        state={},
        counter=mock.Mock(),
        full_table=False,
        keeps_others=True,
    )
    detail = Detail([writer], mock.Mock(), FieldWarnings())
    request = DetailRequest(detail, None, 0, RECORDING, None, items=pack(list(items)))
    ((_, made),) = detail.records(request)
    return made, [fault.message for fault in detail.faults()]


def followups(*items: Any) -> list[dict[str, Any]]:
    return records(FollowupDetailsStream, items)[0]


def utterances(*items: Any) -> list[dict[str, Any]]:
    return records(UtterancesStream, items)[0]


def test_a_followup_belongs_to_the_recording_that_was_asked_for() -> None:
    """A follow-up's own `recordingId` may be missing or outdated."""
    (record,) = followups({"followupId": "f", "recordingId": "another", "score": 4, "context": [{"header": "h"}]})
    empty = dict.fromkeys(detail_schemas.FOLLOWUPS["properties"])
    assert record == empty | PARENT | {"followupId": "f", "score": 4, "context": [{"header": "h"}]}


def test_what_is_not_documented_is_kept_as_json_text_at_every_depth() -> None:
    deal = {"id": "o", "account": {"name": "A", "size": 1.50}, "opportunityUsers": [1, "two"]}
    customer = {"opportunity": deal, "opportunities": {"data": [deal, None, deal]}, "opportunityUsers": [{"id": 1}]}
    (record,) = followups({"followupId": "f", "metadata": [{"a": [1]}], "crmCustomer": customer})
    assert record["metadata"] == '[{"a":[1]}]'
    as_text = {"id": "o", "account": '{"name":"A","size":1.5}', "opportunityUsers": '[1,"two"]'}
    assert record["crmCustomer"] == {
        "opportunity": as_text,
        "opportunities": {"data": [as_text, None, as_text]},
        "opportunityUsers": '[{"id":1}]',
    }


def test_a_followup_without_an_id_has_no_key_and_hides_no_other() -> None:
    """A target would refuse the row; without a message, nobody would notice that it is left out."""
    items = ({"followupId": None}, {"followupId": ""}, "text", None, {"followupId": 7})
    made, (fault,) = records(FollowupDetailsStream, items)
    assert [each["followupId"] for each in made] == ["7"]
    assert fault.startswith("2 record(s)"), "as far as their content tells them apart"


def test_a_field_that_siro_adds_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        (record,) = followups({"followupId": "f", "mood": {"level": 3}})
        (line,) = utterances({"utterance": "Hello.", "language": "en"})
    assert record["otherFields"] == '{"mood":{"level":3}}'
    assert line["otherFields"] == '{"language":"en"}'
    assert "`followups.mood`" in caplog.text
    assert "`utterances.language`" in caplog.text
    assert "Hello" not in caplog.text


def test_utterances_keep_their_place(caplog: pytest.LogCaptureFixture) -> None:
    """The position is the key, so that a transcript overwrites itself."""
    with caplog.at_level(logging.WARNING):
        lines = utterances({"utterance": "a", "speakerTag": 1}, "no object", {"utterance": "b", "redacted": True})
    assert "`utterances` is not always a list of objects" in caplog.text
    assert "no object" not in caplog.text
    empty = dict.fromkeys(detail_schemas.UTTERANCES["properties"])
    assert lines == [
        empty | PARENT | {"ordinal": 0, "utterance": "a", "speakerTag": "1"},
        empty | PARENT | {"ordinal": 2, "utterance": "b", "redacted": True},
    ]


@pytest.mark.parametrize(
    ("speakers", "names"),
    [({"0": "Ada", "1": None}, ["Ada", None, None, "Bo"]), ({}, [None, None, None, "Bo"])],
)
def test_speakers_have_the_name_that_siro_has_for_their_tag(speakers: dict[str, Any], names: list[str | None]) -> None:
    items = [{"speakerTag": 0}, {"speakerTag": "1"}, {"speakerTag": None}, {"speakerName": "Bo"}, "no object"]
    lines = utterances(*name_speakers(items, speakers))
    assert [line["speakerName"] for line in lines] == names
