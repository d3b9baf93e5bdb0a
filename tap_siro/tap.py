"""The tap."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar

from tap_siro.errors import TapSiroError
from tap_siro.settings import CONFIG, ENRICHMENTS, PLUGIN_NAME, Settings
from tap_siro.singer.sdk import SiroStream, SiroTap
from tap_siro.streams import LISTS, RECORDING_STREAMS, STREAMS, RecordingsStream
from tap_siro.sync.reporting import listed
from tap_siro.sync.run import Sync

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tap_siro.singer.declaration import Declaration

logger = logging.getLogger(__name__)


class TapSiro(SiroTap):
    """Singer tap for Siro: recordings of sales calls, what was said in them, and the users and deals they point to."""

    name = PLUGIN_NAME
    config_jsonschema: ClassVar[dict[str, Any]] = CONFIG

    def discover_streams(self) -> list[SiroStream]:
        """Return all streams, without a token or the network."""
        return [stream(self) for stream in STREAMS]

    def sync_selected(self, max_records: int | None) -> None:
        """Sync all selected streams, or with a record limit, a few records of each."""
        if self.settings is None:
            return  # the settings were not to be checked, so there is nothing to sync with
        recordings = [
            stream
            for stream in self._selected(RECORDING_STREAMS)
            if (stream.detail is None or stream.name in self.chosen) and self._is_on(stream)
        ]
        lists = [
            (kind, self.record_writer(streams, kind.name))
            for kind in LISTS
            if (
                streams := [
                    each for each in self._selected([kind, *kind.derived_streams()]) if each.name in self.chosen
                ]
            )
        ]
        if not recordings and not lists:
            return
        _check_tokens(self.settings, [*recordings, *(each.stream for _, writer in lists for each in writer.streams)])
        sync = Sync(self.settings, self.record_writer(recordings, RecordingsStream.name), lists, self.clock)
        if max_records is None:
            sync.run()
        else:
            sync.sample(max_records)

    def _selected(self, kinds: Sequence[type[SiroStream]]) -> list[SiroStream]:
        """Return the selected streams in their order: records are written before those derived from them."""
        found = (self.streams[kind.name] for kind in kinds)
        return [stream for stream in found if isinstance(stream, SiroStream) and stream.selected]

    def _is_on(self, stream: SiroStream) -> bool:
        for each in ENRICHMENTS:
            if each.property_name == stream.property_name and self.settings and each.flag not in self.settings.flags:
                logger.warning(
                    "'%s' is selected but `%s` is off. It gets no records, and its state does not change. Turn the "
                    "setting on, or deselect the stream.",
                    stream.name, each.setting,
                )  # fmt: skip
                return False
        return True


def _check_tokens(settings: Settings, streams: Iterable[SiroStream | type[Declaration]]) -> None:
    """Raise a `TapSiroError` for streams of the user host without credentials: it accepts no organization token."""
    names = [f"'{stream.name}'" for stream in streams if stream.on_user_host]
    if names and not (settings.client_id or settings.oauth_client_id):
        raise TapSiroError(
            f"{listed(names)} cannot be loaded with an organization token. Set `oauth_client_id`, "
            "`oauth_client_secret` and `oauth_user_id`, or `client_id` and `client_secret` in place of `api_token`, or "
            f"deselect {'them' if names[1:] else 'the stream'}."
        )
