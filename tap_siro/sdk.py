"""Everything of the Meltano SDK that is overridden, each with the reason. Checked against singer-sdk 0.54.9.

The SDK syncs one stream after the other and each child once for each parent record. This tap reads pages in threads
and cuts all streams from them, so `RecordingsStream` runs the sync for the whole family (`_sync_records`) and the
children never run themselves.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import signal
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from dotenv import find_dotenv
from singer_sdk import Stream, Tap
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.contrib.msgspec import MsgSpecWriter, encoder
from singer_sdk.exceptions import ConfigValidationError, SingerSDKError
from singer_sdk.helpers._catalog import get_selected_schema
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TapCapabilities
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.plugin_base import JSONSchemaValidator
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL

from tap_siro.errors import StoppedError, TapSiroError
from tap_siro.outlet import Outlet, Outlets
from tap_siro.settings import ENRICHMENTS, Settings
from tap_siro.stopping import Stop

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
    from types import FrameType

    import click
    from jsonschema import ValidationError
    from singer_sdk.singerlib import Catalog

    from tap_siro.rows import Row

logger = logging.getLogger(__name__)


class LineWriter(MsgSpecWriter):
    """The SDK's writer, and a way to write many messages at once: it flushes after each."""

    encode_lines = staticmethod(encoder.encode_lines)

    def write_lines(self, lines: bytes) -> None:
        """Write whole lines. stdout is looked up each time, for those who redirect it."""
        sys.stdout.buffer.write(lines)
        sys.stdout.flush()


class SiroStream(Stream):
    """A stream whose rows are cut from pages of recordings."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # rows are cleaned before, see cleaning.py

    name: str
    schema: ClassVar[dict[str, Any]]  # a property in the SDK
    block: ClassVar[str | None] = None
    """The block of a recording that the stream is cut from, unless it is the recording itself."""

    def make_rows(self, recording: Row) -> list[Row]:
        """The stream's rows of a cleaned recording."""
        raise NotImplementedError

    def get_records(self, context: Any) -> Iterable[Any]:
        """Not used: see `_sync_records`. Abstract in the SDK."""
        raise NotImplementedError

    # Internals of the SDK

    def apply_catalog(self, catalog: Catalog) -> None:
        """A catalog may not take the replication key away, and a forced method in its metadata counts.

        The SDK lets the entry's `replication_method`, which discovery wrote, win over the metadata that a user set.
        """
        super().apply_catalog(catalog)
        self.replication_key = str(type(self).replication_key)
        entry = catalog.get_stream(self.name)
        forced = entry.metadata.root.forced_replication_method if entry else None
        wanted = forced or (entry.replication_method if entry else None)
        full = wanted == REPLICATION_FULL_TABLE
        self.forced_replication_method = REPLICATION_FULL_TABLE if full else REPLICATION_INCREMENTAL

    @property
    def emit_activate_version_messages(self) -> bool:
        """Never: after an incremental sync a target would drop the rows that were not sent again."""
        return False

    def get_batch_config(self, config: Mapping[str, Any]) -> None:
        """None: leaving the capability out does not switch BATCH off."""

    def get_replication_key_signpost(self, context: Any = None) -> None:
        """None: the SDK would write one into the state."""

    def finalize_state_progress_markers(self, state: Any = None) -> None:
        """Nothing to do: the sync writes bookmarks itself, and the SDK's way would touch streams that were not read."""

    def _sync_records(self, *_: Any, **__: Any) -> Generator[dict[str, Any], Any, Any]:
        """Sync this stream and its children, or with a record limit (`--test`) show a few rows of each."""
        yield from ()
        tap = self._tap
        assert isinstance(tap, SiroTap)  # noqa: S101 - made by it
        with exits(tap.stop):
            for child in self.child_streams:
                if child.selected:
                    child._write_schema_message()  # noqa: SLF001 - once, before the first row; the SDK: per parent
            tap.sync_family(self.ABORT_AT_RECORD_COUNT)

    def outlet(self, flags: frozenset[str]) -> Outlet:
        """The stream as the sync sees it."""
        return Outlet(
            self.name,
            bookmark_column=str(self.replication_key),
            flags=flags,
            make_rows=self.make_rows,
            schema=type(self).schema,
            maps=self.stream_maps,
            state=self.stream_state,
            counter=self.get_record_counter(),
            full_table=self.replication_method == REPLICATION_FULL_TABLE,
        )

    def needed_flags(self) -> frozenset[str]:
        """The flags without which the stream, or a selected property of it, would be empty."""
        selected = self.stream_maps[0].raw_schema["properties"]
        return frozenset(
            each.flag for each in ENRICHMENTS if (each.block == self.block if self.block else each.block in selected)
        )


class SiroTap(Tap):
    """The SDK's tap, with this package's settings, sync and manners."""

    message_writer_class = LineWriter
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    def __init__(self, **options: Any) -> None:
        """Initialize the tap; see the SDK."""
        self.stop = Stop()
        self.settings: Settings | None = None
        super().__init__(**options)

    def sync_family(self, most_rows: int | None) -> None:
        """Sync all selected streams; with a row limit, only show a few rows of each."""
        raise NotImplementedError

    def outlets(self, streams: Sequence[SiroStream], recordings: str) -> Outlets:
        """What the sync writes to."""
        maps = self.mapper.stream_maps.get(recordings)
        assert isinstance(self.message_writer, LineWriter)  # noqa: S101 - see message_writer_class
        return Outlets(
            [stream.outlet(stream.needed_flags()) for stream in streams],
            primary_map=maps[0] if maps else None,
            write_lines=self.message_writer.write_lines,
            encode_lines=self.message_writer.encode_lines,
            write_state=lambda: self.state_writer.write_state(self.state),
        )

    # Internals of the SDK

    def setup_mapper(self) -> None:
        """Give deselected streams their whole schema.

        The SDK gives them an empty one, in which a stream map finds no key and fails; but the filter of a deselected
        `recordings` still decides about its child rows.
        """
        super(Tap, self).setup_mapper()
        for stream in self.streams.values():
            schema = stream.effective_schema
            if stream.selected:
                schema = get_selected_schema(stream.name, schema, stream.mask)
            self.mapper.register_raw_stream_schema(stream.name, schema, stream.primary_keys)

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings in sentences that name the setting and hold no value: the SDK's would show the token."""
        self.append_builtin_config(self.config_jsonschema)
        self._config = _typed(self._config, self.config_jsonschema)
        errors = JSONSchemaValidator(self.config_jsonschema).iter_errors(self._config)
        faults = sorted({_sentence(error) for error in errors})
        if not faults:
            self.settings, faults = Settings.read(self._config, version=self.plugin_version)
        if faults and raise_errors:
            message = "The settings are not right."
            raise ConfigValidationError(message, errors=faults)
        for name in sorted(self._config.keys() - self.config_jsonschema["properties"].keys()):
            logger.warning("There is no setting `%s`; it does nothing.", name)
        return faults

    @classproperty
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805
        """Settings from the environment, as text: the SDK reads anything but "true" as false, also a blank one."""
        cls.append_builtin_config(cls.config_jsonschema)
        texts = {name: {"type": ["string"]} for name in cls.config_jsonschema["properties"]}
        found = parse_environment_config({"properties": texts}, cls._env_var_prefix, find_dotenv(usecwd=True))
        return {name: value for name, value in found.items() if value.strip()}

    def _set_compatible_replication_methods(self) -> None:
        """Also warn if there is nothing to do; the SDK would end in silence. Called once, before the first stream."""
        super()._set_compatible_replication_methods()
        if not any(stream.selected for stream in self.streams.values()):
            logger.warning("No stream is selected, so nothing is read: check the catalog, in Meltano `select`.")

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Only set a flag: the SDK writes to stdout from the handler, perhaps into a line, and exits with 0."""
        self.stop.signal = signum

    @classmethod
    def invoke(cls, **options: Any) -> None:
        """Run from the command line; errors end it with a sentence."""
        try:
            with exits(None):
                for name in ("state", "catalog"):
                    if (file := options.get(name)) is not None:
                        options[name] = io.StringIO(_object_in(name, file.read()))
                super().invoke(**options)
        finally:
            _ignore_signals()

    @classmethod
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        """`--test`: errors end it with a sentence, where the SDK shows a traceback."""
        with exits(None):
            super().cb_test(ctx, param, value)

    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:
        """`--config`: the same."""
        with exits(None):
            for path in value:
                if path != "ENV":
                    _object_in("config", Path(path).read_text(encoding="utf-8"))
            return super().cb_config(ctx, param, value)


def _ignore_signals() -> None:
    """What is over needs no signal: Python would die of it while it ends, with a status that says nothing was done."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


@contextlib.contextmanager
def exits(stop: Stop | None) -> Iterator[None]:
    """End the process as a command should: with a sentence instead of a traceback, and with the right status."""
    try:
        yield
    except StoppedError:
        number = (stop.signal if stop else None) or signal.SIGTERM
        logger.warning("Stopped by a signal; the next run goes on from here.")
        raise SystemExit(128 + number) from None
    except BrokenPipeError:
        with contextlib.suppress(OSError):  # stdout may be no file
            # Python would complain once more when it flushes stdout at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        logger.error("The target has closed its input, see its own messages; the next run goes on from the last state.")
        raise SystemExit(1) from None
    except ConfigValidationError as error:
        for fault in error.errors or [str(error)]:
            logger.error("%s", fault)
        raise SystemExit(1) from None
    except (TapSiroError, SingerSDKError) as error:
        logger.error("%s", error)
        raise SystemExit(1) from None
    except OSError as error:
        logger.error("A file cannot be read or written: %s", error)
        raise SystemExit(1) from None


def _object_in(option: str, text: str) -> str:
    """The text of a file from the command line, if it holds a JSON object."""
    with contextlib.suppress(ValueError, RecursionError):
        if isinstance(json.loads(text), dict):
            return text
    # Without the text: it may hold the token.
    raise TapSiroError(f"The file given with `--{option}` is no JSON object: it was cut, or is another file.")


def _typed(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Settings in their JSON types: null means not set, and from the environment all are text."""
    typed = {}
    for name, value in config.items():
        kinds = schema["properties"].get(name, {}).get("type", [])
        if value is None:
            continue
        typed[name] = _from_text(value, kinds) if isinstance(value, str) and "string" not in kinds else value
        if isinstance(value, Decimal):  # the SDK reads fractions in files so
            typed[name] = float(value)
    return typed


def _from_text(text: str, kinds: Sequence[str]) -> Any:
    if "boolean" in kinds:
        return _BOOLEANS.get(text.strip().lower(), text)
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, (int, float, list, dict)) else text


_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def _sentence(error: ValidationError) -> str:
    """What is wrong with a setting, without its value."""
    rule: Any = error.validator_value
    given: Any = error.instance
    if error.validator == "required" and not error.absolute_path:
        missing = ", ".join(f"`{name}`" for name in rule if name not in given)
        return f"{missing} is not set, and nothing can be read without it."
    name = ".".join(str(part) for part in error.absolute_path)
    limits = {"minimum": "at least", "maximum": "at most", "exclusiveMinimum": "more than"}
    if error.validator in limits:
        return f"`{name}` must be {limits[error.validator]} {rule}."
    if error.validator == "type":
        return f"`{name}` must be of type {' or '.join(kind for kind in rule if kind != 'null')}."
    return f"`{name}` is not as it should be; see the documentation of this setting."
