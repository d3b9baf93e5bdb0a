"""The tap."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar

from tap_siro.directory_streams import DIRECTORIES, DIRECTORY_STREAMS, DirectoryStream
from tap_siro.errors import TapSiroError
from tap_siro.settings import CONFIG, ENRICHMENTS, PLUGIN_NAME, Settings
from tap_siro.singer.sdk import SiroStream, SiroTap
from tap_siro.streams import STREAMS, RecordingsStream, UtterancesStream
from tap_siro.sync.run import Sync

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

logger = logging.getLogger(__name__)


class TapSiro(SiroTap):
    """Singer tap for Siro: recordings of sales calls, what was said in them, and the users and deals they point to."""

    name = PLUGIN_NAME
    config_jsonschema: ClassVar[dict[str, Any]] = CONFIG

    def discover_streams(self) -> list[SiroStream]:
        """All streams; needs neither a token nor the network."""
        return [stream(self) for stream in (*STREAMS, *DIRECTORY_STREAMS)]

    def sync_selected(self, max_records: int | None) -> None:
        """Sync all selected streams; with a record limit, only show a few records of each."""
        if self.settings is None:
            return  # the settings were not to be checked, so there is nothing to sync with
        recordings = [stream for stream in self._selected(STREAMS) if self._is_on(stream)]
        directories = [
            directory.directory(self.record_writer(streams, kind.name))
            for kind in DIRECTORIES
            if isinstance(directory := self.streams[kind.name], DirectoryStream)
            and (streams := [each for each in self._selected([kind, *kind.children()]) if each.name in self.chosen])
        ]
        if not recordings and not directories:
            return
        writer = self.record_writer(recordings, RecordingsStream.name)
        sync = Sync(self.settings, writer, directories, self.stop)
        if max_records is None:
            _check_tokens(self.settings, recordings)
            sync.run()
        else:
            sync.sample(max_records)

    def _selected(self, kinds: Sequence[type[SiroStream]]) -> list[SiroStream]:
        """The selected ones of some streams, in their order: a record is written before those that are cut from it."""
        found = (self.streams[kind.name] for kind in kinds)
        return [stream for stream in found if isinstance(stream, SiroStream) and stream.selected]

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
