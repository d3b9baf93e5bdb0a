"""Internals of the Meltano SDK that are overridden or used, each with the reason.

All of it was checked against singer-sdk 0.54.2 and 0.54.9; `tests/singer/test_sdk.py` fails when an upgrade changes
what it relies on.

The SDK syncs one stream after the other and each child once for each parent record. This tap reads pages in threads
and cuts all streams from them, so `RecordingsStream` runs the sync for all streams (`_sync_records`), and no other
runs itself: to the SDK they are its children, those of the directories too.
"""

from __future__ import annotations

import io
import json
import logging
import sys
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import Stream, Tap
from singer_sdk.cli import plugin_cli
from singer_sdk.contrib.msgspec import MsgSpecWriter, encoder
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers._catalog import get_selected_schema
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TapCapabilities
from singer_sdk.mapper import CustomStreamMap, RemoveRecordTransform, SameRecordTransform
from singer_sdk.plugin_base import JSONSchemaValidator, SingerCommand
from singer_sdk.singerlib import SingerMessageType
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL

from tap_siro.clock import Clock
from tap_siro.schemas.columns import OTHER_FIELDS
from tap_siro.settings import ENRICHMENTS, Settings
from tap_siro.singer.batch_config import BATCH_CONFIG, BatchConfig
from tap_siro.singer.catalog import drop_empty_objects, narrow_schema, warn_of_differences
from tap_siro.singer.config import describe_error, parse_config, read_environment
from tap_siro.singer.declaration import Declaration
from tap_siro.singer.exit_status import exit_with_status, exit_without_logging, keep_status
from tap_siro.singer.input_files import check_state, read_object
from tap_siro.singer.log_level import prepare_logging, quiet_sdk, warn_of_log_level
from tap_siro.singer.stdout import write_wholly
from tap_siro.singer.stream_maps import explain_flattening, passes_filter, transform_record, warn_of_unknown_streams
from tap_siro.singer.writer import RecordWriter, StreamWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
    from types import FrameType

    import click
    from singer_sdk.mapper import StreamMap
    from singer_sdk.singerlib import Catalog, Message

    from tap_siro.singer.batch import BatchFiles

logger = logging.getLogger(__name__)


class LineWriter(MsgSpecWriter):
    """The SDK's writer, which flushes after each message, extended by writing many at once."""

    encode_lines = staticmethod(encoder.encode_lines)
    before_state: Callable[[], None] | None = None
    """Called before each STATE message, whoever writes it."""

    def write_message(self, message: Message) -> None:
        """Write a message; before a STATE, call `before_state`."""
        if self.before_state is not None and message.type == SingerMessageType.STATE:
            self.before_state()
        super().write_message(message)

    def write_lines(self, lines: bytes) -> None:
        """Write lines. stdout is looked up each time, because it may be redirected; see `stdout.py`."""
        sys.stdout.buffer.write(lines)
        sys.stdout.flush()


class Command(SingerCommand):
    """Command line. Its options `--config`, `--discover` and `--test` act while it is parsed."""

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        """Parse the command line; errors end it with a message, where the SDK shows a traceback."""
        with exit_with_status(None):
            write_wholly()
            return super().make_context(*args, **options)


class SiroStream(Declaration, Stream):
    """Stream whose records the sync makes from pages of the API."""

    name: str
    replication_key: str | None = None  # a property in the SDK, and the next one

    def get_records(self, context: Any) -> Iterable[Any]:
        """Raise: `_sync_records` is used instead. Abstract in the SDK."""
        raise NotImplementedError

    # Internals of the SDK

    def apply_catalog(self, catalog: Catalog) -> None:
        """Let a catalog remove columns, but change neither their types nor the replication key.

        The SDK would send the catalog's schema to the target, whatever the records hold. And it lets the entry's
        `replication_method`, which discovery wrote, win over the metadata that a user set.
        """
        super().apply_catalog(catalog)
        self.replication_key = type(self).replication_key
        entry = catalog.get_stream(self.name)
        if self._input_schema is not None:
            warn_of_differences(self.name, type(self).schema, self._input_schema)
            self._input_schema = narrow_schema(type(self).schema, self._input_schema)
        wanted = entry and (entry.metadata.root.forced_replication_method or entry.replication_method)
        full = wanted == REPLICATION_FULL_TABLE or self.replication_key is None
        self.forced_replication_method = REPLICATION_FULL_TABLE if full else REPLICATION_INCREMENTAL

    @property
    def emit_activate_version_messages(self) -> bool:
        """Return False: the SDK would send the message after any sync. See `RecordWriter.versioned`."""
        return False

    def get_batch_config(self, config: Mapping[str, Any]) -> None:
        """Return None: the SDK would sync each stream alone and hold a file's records in memory. See `batch_files`."""

    def get_replication_key_signpost(self, context: Any = None) -> None:
        """Return None: the SDK would write a signpost into the state."""

    def finalize_state_progress_markers(self, state: Any = None) -> None:
        """Do nothing: the sync writes bookmarks, and the SDK would change those of streams that were not read."""

    def _sync_records(self, *_: Any, **__: Any) -> Generator[dict[str, Any], Any, Any]:
        """Sync this stream and its children, or with a record limit (`--test`) show a few records of each."""
        yield from ()
        tap = self._tap
        assert isinstance(tap, SiroTap)  # noqa: S101 - made by it
        with exit_with_status(tap.clock):
            for child in self.child_streams:
                if child.selected:
                    child._write_schema_message()  # noqa: SLF001 - once, before the first record; the SDK: per parent
            tap.sync_selected(self.ABORT_AT_RECORD_COUNT)

    def stream_writer(self, flags: frozenset[str]) -> StreamWriter:
        """Return the stream's writer."""
        maps = self.stream_maps
        kept = [each for each in maps if not isinstance(each, RemoveRecordTransform)]
        return StreamWriter(
            type(self),
            flags=flags,
            selected=maps[0].raw_schema,
            aliases=[each.stream_alias for each in kept],
            mapped=None if _are_identity(maps) else partial(transform_record, maps),
            # What is read whole in each run has no state; the SDK would make an empty entry.
            state=self.stream_state if self.replication_key else {},
            counter=self.get_record_counter(),
            full_table=self.replication_method == REPLICATION_FULL_TABLE,
            keeps_others=any(OTHER_FIELDS in each.transformed_schema["properties"] for each in kept),
        )

    def needed_flags(self) -> frozenset[str]:
        """Return the flags without which the stream, or a selected property of it, would be empty."""
        selected = self.stream_maps[0].raw_schema["properties"]
        return frozenset(
            each.flag
            for each in ENRICHMENTS
            if (each.property_name == self.property_name if self.property_name else each.property_name in selected)
        )


class SiroTap(Tap):
    """Tap of the SDK, with this package's settings, sync and error handling."""

    message_writer_class = LineWriter
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG, TapCapabilities.STATE, TapCapabilities.DISCOVER, PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS, PluginCapabilities.FLATTENING, PluginCapabilities.BATCH,
        PluginCapabilities.ACTIVATE_VERSION, PluginCapabilities.STRUCTURED_LOGGING,
    ]  # fmt: skip

    def __init__(self, **options: Any) -> None:
        """Initialize the tap; see the SDK."""
        self.clock = Clock()
        self.settings: Settings | None = None
        self.chosen = frozenset[str]()
        """The streams that are selected: `--test` selects all in the SDK, what the token may not read too."""
        self.batch_config: BatchConfig | None = None
        warn_of_log_level(prepare_logging(self._env_var_prefix))
        quiet_sdk(self.name)
        super().__init__(**options)

    def sync_selected(self, max_records: int | None) -> None:
        """Sync all selected streams; with a record limit, only show a few records of each."""
        raise NotImplementedError

    def record_writer(self, streams: Sequence[SiroStream], source: str) -> RecordWriter:
        """Return the writer of the streams that are derived from a source's records, by the source's name."""
        files = self.batch_files
        maps = self.mapper.stream_maps.get(source)
        primary, writer = maps[0] if maps else None, self.message_writer
        assert isinstance(writer, LineWriter)  # noqa: S101 - see message_writer_class
        return RecordWriter(
            [stream.stream_writer(stream.needed_flags()) for stream in streams],
            passes=partial(passes_filter, primary) if isinstance(primary, CustomStreamMap) else None,
            write_lines=writer.write_lines,
            encode_lines=writer.encode_lines,
            write_state=self.write_state,
            write_to_files=files.write if files else None,
            # Rows from files have no version: a target would drop them.
            versioned=files is None and bool(self.config["emit_activate_version_messages"]),
        )

    @cached_property
    def batch_files(self) -> BatchFiles | None:
        """Files of this run; None without `batch_config`, and for `--test`."""
        if self.batch_config is None or any(each.ABORT_AT_RECORD_COUNT is not None for each in self.streams.values()):
            return None
        from tap_siro.singer.batch import BatchFiles  # noqa: PLC0415 - Windows lacks the locks that it needs

        writer = self.message_writer
        assert isinstance(writer, LineWriter)  # noqa: S101 - see message_writer_class
        files = BatchFiles(self.batch_config, encode_lines=writer.encode_lines, write_lines=writer.write_lines)
        writer.before_state = files.flush
        return files

    def write_state(self) -> None:
        """Write the state, even if it has not changed.

        The SDK would not. But records may have come between, and some targets keep a STATE only if no RECORD follows
        it.
        """
        self.state_writer._last_emitted_state = None  # noqa: SLF001 - what makes it leave out a repetition
        self.state_writer.write_state(self.state)

    # Internals of the SDK

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add this package's declaration of `batch_config`, before the SDK adds its own."""
        for name, declared in BATCH_CONFIG["properties"].items():
            config_jsonschema["properties"].setdefault(name, declared)
        super().append_builtin_config(config_jsonschema)

    def load_state(self, state: dict[str, Any]) -> None:
        """Check the state's form first: the SDK would show a traceback."""
        check_state(state)
        super().load_state(state)

    def setup_mapper(self) -> None:
        """Give deselected streams their whole schema.

        The SDK gives them an empty one, in which a stream map finds no key and fails; but the filter of a deselected
        `recordings` still decides about its child records.
        """
        super(Tap, self).setup_mapper()
        self.chosen = frozenset(stream.name for stream in self.streams.values() if stream.selected)
        for stream in self.streams.values():
            schema = stream.effective_schema
            if stream.selected:
                schema = get_selected_schema(stream.name, schema, stream.mask)
                drop_empty_objects(schema)
            with explain_flattening(stream.name):
                self.mapper.register_raw_stream_schema(stream.name, schema, stream.primary_keys)

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings. Messages name a setting without its value: the SDK's would show the token."""
        self.append_builtin_config(self.config_jsonschema)
        self._config = parse_config(self._config, self.config_jsonschema)
        invalid = JSONSchemaValidator(self.config_jsonschema).iter_errors(self._config)
        errors = sorted({describe_error(error) for error in invalid})
        if not errors:
            self.settings, errors = Settings.read(self._config, version=self.plugin_version)
            self.batch_config, more = BatchConfig.read(self._config)
            errors += more
        if errors and raise_errors:
            raise ConfigValidationError("Invalid configuration.", errors=errors)
        for name in sorted(self._config.keys() - self.config_jsonschema["properties"].keys()):
            logger.warning("Unknown setting `%s` is ignored. Check the spelling.", name)
        return errors

    @classproperty
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805
        """Return settings from the environment, as text: the SDK reads "1" as false, and prefers `.env`."""
        cls.append_builtin_config(cls.config_jsonschema)
        settings = read_environment(cls._env_var_prefix, cls.config_jsonschema["properties"])
        warn_of_log_level(prepare_logging(cls._env_var_prefix))  # `.env` may have brought a level
        return settings

    def _set_compatible_replication_methods(self) -> None:
        """Warn of unknown streams and of an empty selection; the SDK does not. Called once, before the first stream."""
        super()._set_compatible_replication_methods()
        warn_of_unknown_streams(self.config.get("stream_maps", {}), self.streams)
        if not any(stream.selected for stream in self.streams.values()):
            logger.warning(
                "No stream is selected, so nothing is read. Check the catalog; with Meltano, check `select`."
            )

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Set a flag: the SDK would write to stdout from the handler, perhaps into a line, and exit with 0."""
        self.clock.signal = signum

    @plugin_cli
    def cli(cls) -> click.Command:  # noqa: N805
        """Command. The SDK sets up logging here, and would show a traceback for a blank or unknown level."""
        unknown = prepare_logging(cls._env_var_prefix)
        try:
            command = super().cli
        except Exception as error:  # noqa: BLE001 - a logging configuration can fail in any way
            exit_without_logging(error)
        warn_of_log_level(unknown)
        return command

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the SDK's command as a `Command`."""
        made = super().get_singer_command()
        for option in made.params:
            option.is_eager |= option.name == "catalog"  # read before `--test` runs
        parts = ("name", "callback", "context_settings", "help", "params")
        return Command(**{name: getattr(made, name) for name in parts}, logger=cls.logger)

    @classmethod
    def invoke(cls, **options: Any) -> None:
        """Run from the command line; errors end it with a message."""
        try:
            with exit_with_status(None):
                for name in ("state", "catalog"):
                    if (file := options.get(name)) is not None:
                        options[name] = io.StringIO(read_object(name, file.read))
                super().invoke(**options)
        finally:
            keep_status()

    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:
        """Check the files of `--config` first."""
        for path in value:
            if path != "ENV":
                read_object("config", partial(Path(path).read_text, encoding="utf-8"))
        return super().cb_config(ctx, param, value)

    @classmethod
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        """`--test`: with the catalog, which the SDK forgets, and with it what is selected."""
        file = ctx.params.get("catalog") if value == "all" else None
        catalog = file and json.loads(read_object("catalog", file.read))
        Tap.cb_test.__func__(partial(cls, catalog=catalog), ctx, param, value)  # type: ignore[attr-defined]


def _are_identity(maps: Sequence[StreamMap]) -> bool:
    """Return True if records are written unchanged: there is neither a stream map nor flattening."""
    return len(maps) == 1 and type(maps[0]) is SameRecordTransform and not maps[0].flattening_enabled
