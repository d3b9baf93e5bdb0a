"""Base class of the streams' declarations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from tap_siro.schemas.columns import published

if TYPE_CHECKING:
    from tap_siro.records.recording import Record


class Declaration:
    """Declaration of a stream: its columns, and the source of its records."""

    name: str
    primary_keys: Any
    replication_key: str | None
    selected_by_default: bool
    columns: ClassVar[dict[str, Any]]
    """The schema with this package's own marks; `schema` is what the SDK and a target get."""
    schema: ClassVar[dict[str, Any]]
    property_name: ClassVar[str | None] = None
    """The property of a recording that the stream is made from, unless it is the recording itself."""
    derived_from: ClassVar[type[Declaration] | None] = None
    """The list or the detail whose records the stream is made from."""
    detail: ClassVar[type[Any] | None] = None
    """The stream that requests the details of each recording which it is made from."""
    is_flattened: ClassVar[bool] = False
    """It has a `flatten` of its own."""
    left_out: ClassVar[tuple[str, ...]] = ()
    """Fields without a column, on purpose."""
    on_user_host: ClassVar[bool] = False
    """Its endpoint is on `user_api_url`."""

    def __init_subclass__(cls) -> None:
        """Publish the columns."""
        if "columns" in cls.__dict__:
            cls.schema = published(cls.columns)
        cls.is_flattened = cls.flatten is not Declaration.flatten
        if cls.derived_from is not None:
            cls.detail = cls.derived_from.detail
            cls.on_user_host = cls.derived_from.on_user_host
            cls.property_name = cls.derived_from.property_name
            cls.selected_by_default = cls.derived_from.selected_by_default
            if cls.detail is not None:
                cls.replication_key = cls.derived_from.replication_key

    @staticmethod
    def derive(record: Record, /) -> list[Record]:
        """Return the stream's records of a cleaned record: by default, that record."""
        return [record]

    @staticmethod
    def flatten(item: Any, /) -> list[Any]:
        """Return the stream's rows of an item as the API sent it, to be cleaned: by default, that item."""
        return [item]

    @classmethod
    def derived_streams(cls) -> list[type[Any]]:
        """Return the streams that are made from the same items."""
        found: list[type[Any]] = []
        classes = list(Declaration.__subclasses__())
        while classes:
            found += [each for each in classes if each.derived_from is cls]
            classes = [inner for each in classes for inner in each.__subclasses__()]
        return found
