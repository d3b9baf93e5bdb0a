"""The SDK's internals that the tap relies on. After a failure, compare tap_siro/singer/sdk.py with the new SDK."""

from __future__ import annotations

import ast
import inspect
import io
import re
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk import Stream, Tap
from singer_sdk.cli import plugin_cli
from singer_sdk.contrib.msgspec import MsgSpecWriter, encoder
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers._catalog import get_selected_schema
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.helpers._state import StateWriter
from singer_sdk.mapper import CustomStreamMap, PluginMapper, SameRecordTransform
from singer_sdk.metrics import Counter
from singer_sdk.plugin_base import JSONSchemaValidator, PluginBase, SingerCommand
from singer_sdk.singerlib import Catalog, StateMessage

from tap_siro.singer import sdk
from tap_siro.singer.sdk import SiroStream, SiroTap
from tap_siro.tap import TapSiro
from tests.support.process import ROOT

if TYPE_CHECKING:
    from pathlib import Path

# Documented by the SDK; any module may use them.
DOCUMENTED = {"singer_sdk", "singer_sdk.exceptions", "singer_sdk.metrics", "singer_sdk.typing"}
# Checked by the tests below. For a further use, add an entry here, with the effect of a change.
INTERNAL_MODULES = {
    "singer_sdk.cli",
    "singer_sdk.contrib.msgspec",
    "singer_sdk.helpers._catalog",
    "singer_sdk.helpers._classproperty",
    "singer_sdk.helpers.capabilities",
    "singer_sdk.mapper",
    "singer_sdk.plugin_base",
    "singer_sdk.singerlib",
    "singer_sdk.singerlib.catalog",
}
INTERNAL_NAMES = {
    "_config",
    "_env_var_prefix",
    "_input_schema",
    "_last_emitted_state",
    "_set_compatible_replication_methods",
    "_tap",
    "_write_schema_message",
}
# The overrides, with the parameters that the SDK passes.
STREAM = {
    "apply_catalog": ["catalog"],
    "emit_activate_version_messages": None,
    "finalize_state_progress_markers": ["state"],
    "get_batch_config": ["config"],
    "get_records": ["context"],
    "get_replication_key_signpost": ["context"],
    "_sync_records": ["context", "write_messages"],
}
TAP: dict[str, list[str] | None] = {
    "__init__": None,  # passes on all arguments
    "append_builtin_config": ["config_jsonschema"],
    "capabilities": None,
    "cb_config": ["ctx", "param", "value"],
    "cb_test": ["ctx", "param", "value"],
    "cli": None,
    "get_singer_command": [],
    "invoke": ["about", "about_format", "config", "state", "catalog"],
    "load_state": ["state"],
    "message_writer_class": None,
    "setup_mapper": [],
    "_env_var_config": None,
    "_handle_termination": ["signum", "frame"],
    "_set_compatible_replication_methods": [],
    "_validate_config": ["raise_errors"],
}
OWN = {"columns", "name", "schema", "replication_key", "needed_flags", "stream_writer"} | {
    "property_name",
    "derived_from",
    "derived_streams",
    "derive",
    "detail",
    "flatten",
    "is_flattened",
    "left_out",
    "on_user_host",
    "batch_files",
    "record_writer",
    "sync_selected",
    "write_state",
}


@cache
def nodes() -> list[tuple[str, ast.AST]]:
    """Return the nodes of all modules, without imports for types alone."""
    found: list[tuple[str, ast.AST]] = []
    for path in (ROOT / "tap_siro").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        tree.body = [node for node in tree.body if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node))]
        found += [(path.name, node) for node in ast.walk(tree)]
    return found


def test_the_internals_are_used_in_one_module_and_all_are_looked_at_here() -> None:
    imports = {
        (name, node.module)
        for name, node in nodes()
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "singer_sdk"
    }
    assert {module for _, module in imports if module not in DOCUMENTED} == INTERNAL_MODULES
    assert {name for name, module in imports if module not in DOCUMENTED} == {"sdk.py"}
    assert not [node for _, node in nodes() if isinstance(node, ast.Import) and "singer_sdk" in ast.dump(node)]
    used = {
        node.attr
        for name, node in nodes()
        if name == "sdk.py" and isinstance(node, ast.Attribute) and re.match(r"_[^_]", node.attr)
    }
    assert used == INTERNAL_NAMES
    # A private name of the SDK's classes is a private attribute that this package does not define itself.
    theirs = {name for kind in (Stream, Tap, StateWriter, PluginMapper) for name in vars(kind) if name.startswith("_")}
    for name, node in nodes():
        if name != "sdk.py" and isinstance(node, ast.Attribute) and re.match(r"_[^_]", node.attr):
            assert node.attr not in theirs, f"{name}: {node.attr}"


def test_what_the_module_was_checked_against_is_what_is_installed_for_development() -> None:
    (newest,) = re.findall(r"^singer-sdk==(.*)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    (oldest,) = re.findall(r'"singer-sdk>=([\d.]+),', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert f"checked against singer-sdk {oldest} and {newest};" in (sdk.__doc__ or "")


@pytest.mark.parametrize(("mine", "theirs", "overrides"), [(SiroStream, Stream, STREAM), (SiroTap, Tap, TAP)])
def test_every_override_still_overrides_what_it_did(
    mine: type, theirs: type, overrides: dict[str, list[str] | None]
) -> None:
    """A method that the SDK renamed would no longer be called, without an error."""
    found = {name for name in vars(mine) if name == "__init__" or not name.startswith(("__", "_abc"))}
    assert found - OWN == set(overrides)
    for name, parameters in overrides.items():
        member = inspect.getattr_static(theirs, name)
        if parameters is not None:
            signature = inspect.signature(getattr(member, "__func__", member))
            assert [each for each in signature.parameters if each not in {"self", "cls"}] == parameters, name
    assert isinstance(inspect.getattr_static(Stream, "emit_activate_version_messages"), property)
    assert isinstance(inspect.getattr_static(Tap, "_env_var_config"), classproperty)


def test_the_sync_still_takes_the_path_that_is_overridden() -> None:
    sync_all = inspect.getsource(Tap.sync_all)
    for line in (
        "self._set_compatible_replication_methods()",
        "if not stream.selected and not stream.has_selected_descendents:",
        "if stream.parent_stream_type:",
        "stream.sync()",
        "stream.finalize_state_progress_markers()",
    ):
        assert line in sync_all
    sync = inspect.getsource(Stream.sync)
    for line in (
        "if signpost := self.get_replication_key_signpost(context):",
        "self._write_schema_message()",
        "self.emit_activate_version_messages",
        "batch_config = self.get_batch_config(self.config)",
        "for _ in self._sync_records(context=context):",
    ):
        assert line in sync
    assert Stream.ABORT_AT_RECORD_COUNT is None
    assert "ABORT_AT_RECORD_COUNT = dry_run_record_limit" in inspect.getsource(Tap.run_sync_dry_run)
    setup = inspect.getsource(PluginBase._setup_signal_handlers)
    assert setup.count("self._handle_termination)") == 2
    made = inspect.getsource(PluginBase.__init__)
    assert "config_dict.update(self._env_var_config)" in made
    assert "self._validate_config(raise_errors=" in made


def test_a_stream_and_the_tap_still_have_what_is_read_from_them() -> None:
    tap = TapSiro(config={"api_token": "t"})
    assert tap._config["concurrency"] == 4
    assert tap._env_var_prefix == "TAP_SIRO_"
    assert isinstance(tap.state_writer, StateWriter)
    assert isinstance(tap.message_writer, sdk.LineWriter)
    stream = tap.streams["recordings"]
    assert stream._tap is tap
    assert {child.name for child in stream.child_streams} == tap.streams.keys() - {"recordings"}
    assert stream.effective_schema == stream.schema
    assert stream._input_schema is None
    assert "self._input_schema = entry.schema.to_dict()" in inspect.getsource(Stream.apply_catalog)
    assert get_selected_schema("recordings", stream.effective_schema, stream.mask)["properties"]
    assert len(stream.stream_maps) == 1
    stream.stream_state["replication_key_value"] = "2026"
    assert tap.state["bookmarks"]["recordings"] == {"replication_key_value": "2026"}
    counter = stream.get_record_counter()
    assert isinstance(counter, Counter)
    counter.increment(3)
    assert counter.value == 3
    assert "super().setup_mapper()\n        self.mapper.register_raw_streams_from_catalog(" in inspect.getsource(
        Tap.setup_mapper
    )


def test_a_catalog_still_says_what_the_user_set(capsys: pytest.CaptureFixture[str]) -> None:
    tap = TapSiro(config={"api_token": "t"})
    written = tap.catalog_dict
    (entry,) = [each for each in written["streams"] if each["tap_stream_id"] == "recordings"]
    (root,) = [each["metadata"] for each in entry["metadata"] if not each["breadcrumb"]]
    root["forced-replication-method"] = "FULL_TABLE"
    read = Catalog.from_dict(written).get_stream(entry["tap_stream_id"])
    assert read is not None
    assert read.metadata.root.forced_replication_method == "FULL_TABLE"
    assert read.replication_method == "INCREMENTAL"
    tap.streams["recordings"]._write_schema_message()
    assert capsys.readouterr().out.count('"SCHEMA"') == 1


def test_a_state_is_still_left_out_if_it_was_the_last_and_only_then() -> None:
    """The last STATE would be missing after its rows, or written twice."""
    written: list[Any] = []

    class Writer:
        write_message = staticmethod(written.append)

    writer = StateWriter(Writer())  # type: ignore[arg-type] # all that it uses
    for _ in range(2):
        writer.write_state({"bookmarks": {}})
    assert [type(each) for each in written] == [StateMessage]
    writer._last_emitted_state = None
    writer.write_state({"bookmarks": {}})
    assert len(written) == 2


def test_settings_are_still_refused_in_the_same_way() -> None:
    (error,) = JSONSchemaValidator({"properties": {"a": {"minimum": 1}}}).iter_errors({"a": 0})
    assert (error.validator, error.validator_value, list(error.absolute_path)) == ("minimum", 1, ["a"])
    assert ConfigValidationError("m", errors=["e"]).errors == ["e"]
    properties: dict[str, Any] = {"properties": {}}
    Tap.append_builtin_config(properties)
    assert "stream_maps" in properties["properties"]


def test_files_of_the_command_line_still_come_as_they_did(tmp_path: Path) -> None:
    """State and catalog are open files, `--config` is a list of paths; the other options act while they are parsed."""
    parameters = {each.name: each for each in TapSiro.cli.params}
    path = tmp_path / "file.json"
    path.write_text("{}", encoding="utf-8")
    context = TapSiro.cli.make_context("tap", [], resilient_parsing=True)
    for name in ("state", "catalog"):
        with parameters[name].type.convert(str(path), parameters[name], context) as file:
            assert file.read() == "{}"
    assert parameters["config"].callback == TapSiro.cb_config
    assert parameters["discover"].callback == TapSiro.cb_discover
    assert parameters["test"].callback == TapSiro.cb_test
    assert isinstance(inspect.getattr_static(Tap, "cli"), plugin_cli)
    assert isinstance(super(SiroTap, TapSiro).get_singer_command(), SingerCommand)
    assert {name for name in vars(sdk.Command) if not name.startswith("__")} == {"make_context"}
    assert list(inspect.signature(SingerCommand.__init__).parameters) == ["self", "args", "logger", "kwargs"]


def test_stream_maps_still_have_what_is_read_from_them() -> None:
    made = SameRecordTransform("s", {"properties": {}}, [], None)
    assert made.flattening_enabled is False
    assert made.raw_schema == {"properties": {}}
    assert made.transformed_schema == {"properties": {}}
    assert made.stream_alias == "s"
    assert made.transform({"a": 1}) == {"a": 1}
    assert list(inspect.signature(CustomStreamMap.get_filter_result).parameters) == ["self", "record"]
    assert list(inspect.signature(PluginMapper.register_raw_stream_schema).parameters)[1:] == [
        "stream_name",
        "schema",
        "key_properties",
    ]


def test_the_writer_still_writes_each_message_as_bytes_with_the_encoder_that_is_used_for_pages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With two buffers, text and bytes would be written in the wrong order."""
    out = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", out)
    MsgSpecWriter().write_message(StateMessage(value={"a": 1}))
    assert out.buffer.getvalue() == encoder.encode_lines([StateMessage(value={"a": 1}).to_dict()])
    assert encoder.encode_lines([{"a": 1}, {}]) == b'{"a":1}\n{}\n'
