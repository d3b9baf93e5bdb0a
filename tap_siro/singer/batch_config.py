"""The supported part of the SDK's setting `batch_config`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_FILE_RECORDS = 100_000
"""Records in a file. A target merges each file into its table, so larger ones make a warehouse merge seldom."""


def _text(name: str, title: str, description: str, **options: Any) -> th.Property[Any]:
    return th.Property(name, th.StringType(), title=title, description=description, **options)


_ENCODING = (
    _text("format", "Batch Encoding Format", "Format of the files. Default: `jsonl`.", allowed_values=["jsonl"]),
    _text("compression", "Batch Compression", "Compression of the files. Default: `gzip`.", allowed_values=["gzip"]),
)
_STORAGE = (
    _text(
        "root",
        "Batch Storage Root",
        "Directory for the files, such as `file:///var/tmp/siro`, where the target can read them. Switches BATCH "
        "messages on.",
    ),
    _text("prefix", "Batch Storage Prefix", "Prefix of the names of the directories below the root."),
)
BATCH_CONFIG: dict[str, Any] = th.PropertiesList(
    th.Property(
        "batch_config",
        th.ObjectType(
            th.Property("encoding", th.ObjectType(*_ENCODING), title="Batch Encoding", description="Their form."),
            th.Property("storage", th.ObjectType(*_STORAGE), title="Batch Storage", description="Their place."),
            th.Property(
                "batch_size",
                th.IntegerType(minimum=1),
                title="Batch Size",
                description=f"Records in a file. Default: {DEFAULT_FILE_RECORDS:,}.",
            ),
        ),
        title="Batch Configuration",
        description="Records go into files, with BATCH messages, in place of RECORD messages.",
    )
).to_dict()
"""Its declaration. The SDK's own has a format that is not written here, and lacks the `batch_size` that it reads."""


def _path(root: str) -> str:
    """Return the path of a root, with `~` and variables replaced as in a shell; blank if it is not a path."""
    path = re.sub(r"^file:(//(localhost(?=/))?)?", "", root.strip(), flags=re.IGNORECASE)
    path = os.path.expanduser(os.path.expandvars(path))  # noqa: PTH111 - which raises for an unknown user
    return "" if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", path) or "~" in Path(path).parts or path[:1] == "~" else path


@dataclass(frozen=True, slots=True)
class BatchConfig:
    """Value of `batch_config`, checked."""

    root: Path
    """The directory that runs make theirs in, absolute."""
    prefix: str
    """Prefix of their names."""
    records: int
    """The most records in a file."""

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> tuple[BatchConfig | None, list[str]]:
        """Read the setting.

        Args:
            config: All settings, valid by their schema.

        Returns:
            None if BATCH is off, and what is wrong with the setting, in sentences.
        """
        batch: Mapping[str, Any] = config.get("batch_config") or {}
        if not batch:
            return None, []
        storage = batch.get("storage") or {}
        path, prefix = _path(storage.get("root") or ""), storage.get("prefix") or ""
        if (
            not path
            or not (path + prefix).isprintable()
            or set("?#$") & set(path + prefix)
            or "~" in Path(prefix).parts
        ):
            fault = (
                "`batch_config.storage.root` must be a directory on this machine, such as `file:///var/tmp/siro`. "
                "Neither it nor `prefix` may contain `?`, `#`, unknown users or unset variables, because the target "
                "would not find the files."
            )
            return None, [fault]
        # A prefix may have directories in it, as the SDK's.
        *directories, prefix = prefix.split("/")
        return cls(
            Path(path, *filter(None, directories)).absolute(), prefix, batch.get("batch_size") or DEFAULT_FILE_RECORDS
        ), []
