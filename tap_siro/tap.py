"""The tap."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar

from tap_siro.errors import TapSiroError
from tap_siro.settings import CONFIG, ENRICHMENTS, PLUGIN_NAME, Settings
from tap_siro.singer.sdk import SiroStream, SiroTap
from tap_siro.streams import STREAMS, RecordingsStream, UtterancesStream
from tap_siro.sync.run import Sync

if TYPE_CHECKING:
    from collections.abc import Iterable

logger = logging.getLogger(__name__)


class TapSiro(SiroTap):
    """Singer tap for Siro: recordings of sales calls, their CRM links, AI summaries and extracted values."""

    name = PLUGIN_NAME
    config_jsonschema: ClassVar[dict[str, Any]] = CONFIG

    def discover_streams(self) -> list[SiroStream]:
        """All streams; needs neither a token nor the network."""
        return [stream(self) for stream in STREAMS]

    def sync_recordings(self, max_records: int | None) -> None:
        """Sync all selected streams; with a record limit, only show a few records of each."""
        if self.settings is None:
            return  # the settings were not to be checked, so there is nothing to sync with
        streams = [stream for stream in self._in_order() if stream.selected and self._is_on(stream)]
        if not streams:
            return
        sync = Sync(self.settings, self.record_writer(streams, RecordingsStream.name), self.stop)
        if max_records is None:
            _check_tokens(self.settings, streams)
            sync.run()
        else:
            sync.sample(max_records)

    def _in_order(self) -> list[SiroStream]:
        """The streams, `recordings` first: its record is written before those that are cut from it."""
        return [stream for kind in STREAMS if isinstance(stream := self.streams[kind.name], SiroStream)]

    def _is_on(self, stream: SiroStream) -> bool:
        for each in ENRICHMENTS:
            if each.block == stream.block and self.settings and each.flag not in self.settings.flags:
                logger.warning(
                    "'%s' is selected but `%s` is off: it gets no records, and its state stays as it is. Switch the "
                    "setting on, or deselect the stream.",
                    stream.name, each.setting,
                )  # fmt: skip
                return False
        return True


def _check_tokens(settings: Settings, streams: Iterable[SiroStream]) -> None:
    """Transcripts are on a host that takes no organization token."""
    if settings.client_id or settings.oauth_client_id:
        return
    if any(isinstance(stream, UtterancesStream) for stream in streams):
        raise TapSiroError(
            "'recording_utterances' is selected, which an organization token cannot read: set `oauth_client_id`, "
            "`oauth_client_secret` and `oauth_user_id`, or `client_id` and `client_secret` in place of `api_token`, or "
            "deselect the stream."
        )
