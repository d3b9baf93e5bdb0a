"""What the tap relies on in the SDK's internals. A failure here means: read tap_siro/sdk.py against the new SDK."""

from __future__ import annotations

import inspect

from singer_sdk import Stream, Tap
from singer_sdk.contrib.msgspec import MsgSpecWriter, encoder
from singer_sdk.mapper import CustomStreamMap, PluginMapper, SameRecordTransform
from singer_sdk.plugin_base import PluginBase

from tap_siro.sdk import SiroStream, SiroTap


def test_every_override_still_overrides_something() -> None:
    """A method that the SDK renamed would silently not be called any more."""
    own = {"make_rows", "outlet", "needed_flags", "block", "sync_family", "outlets", "schema", "name"}
    for mine, theirs in ((SiroStream, Stream), (SiroTap, Tap)):
        for name in vars(mine):
            if name in own or (name.startswith("__") and name != "__init__") or name == "_abc_impl":
                continue
            assert inspect.getattr_static(theirs, name, None) is not None, f"{mine.__name__}.{name}"


def test_the_sync_still_takes_the_path_that_is_overridden() -> None:
    sync_all = inspect.getsource(Tap.sync_all)
    assert "self._set_compatible_replication_methods()" in sync_all
    assert "has_selected_descendents" in sync_all
    assert "stream.sync()" in sync_all
    assert "stream.finalize_state_progress_markers()" in sync_all
    sync = inspect.getsource(Stream.sync)
    for call in ("self._sync_records(context=context)", "self.get_batch_config(", "self._write_schema_message()"):
        assert call in sync
    assert "self.emit_activate_version_messages" in sync
    assert "self.get_replication_key_signpost(" in sync
    assert "ABORT_AT_RECORD_COUNT = dry_run_record_limit" in inspect.getsource(Tap.run_sync_dry_run)
    assert "self._handle_termination" in inspect.getsource(PluginBase._setup_signal_handlers)
    assert "self._env_var_config" in inspect.getsource(PluginBase.__init__)
    assert "self._validate_config(" in inspect.getsource(PluginBase.__init__)


def test_stream_maps_still_have_what_is_read_from_them() -> None:
    made = SameRecordTransform("s", {"properties": {}}, [], None)
    assert made.flattening_enabled is False
    assert made.raw_schema == {"properties": {}}
    assert made.transformed_schema == {"properties": {}}
    assert made.stream_alias == "s"
    assert "include" in (CustomStreamMap.get_filter_result.__doc__ or "")
    assert list(inspect.signature(PluginMapper.register_raw_stream_schema).parameters)[1:] == [
        "stream_name",
        "schema",
        "key_properties",
    ]


def test_the_writer_still_writes_bytes_with_the_encoder_that_is_used_for_pages() -> None:
    assert "sys.stdout.buffer.write" in inspect.getsource(MsgSpecWriter.write_message)
    assert encoder.encode_lines([{"a": 1}]) == b'{"a":1}\n'
