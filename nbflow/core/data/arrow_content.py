"""The content of the tables of arrow and polars, the same for equal ones, whatever their chunks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from nbflow.core.data.array_content import array_content
from nbflow.core.data.digest import digest

if TYPE_CHECKING:
    from collections.abc import Callable

    Spend = Callable[[int], None]


def arrow_table_content(table: Any, spend: Spend) -> list[Any]:
    """Return schema and columns of a table or batch."""
    metadata = table.schema.metadata
    return [str(table.schema), metadata and dict(metadata), table.num_rows, *table.columns]


def arrow_content(column: Any, spend: Spend) -> list[Any]:
    """Return type and values of an array of arrow's, also where one is missing."""
    arrow: Any = sys.modules["pyarrow"]
    spend(column.nbytes)
    whole = column.combine_chunks() if isinstance(column, arrow.ChunkedArray) else column
    if isinstance(whole, arrow.ChunkedArray):
        whole = arrow.concat_arrays(whole.chunks) if whole.num_chunks else arrow.array([], whole.type)
    return [str(whole.type), len(whole), *_arrow_values(whole)]


def _arrow_values(array: Any) -> list[Any]:
    arrow: Any = sys.modules["pyarrow"]
    kinds = arrow.types
    if kinds.is_dictionary(array.type):
        return _arrow_values(array.dictionary_decode())
    missing = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    found: list[Any] = [None if missing is None else array_content(missing, _nothing)]
    if kinds.is_string(array.type) or kinds.is_binary(array.type) or kinds.is_large_string(array.type):
        array = array.cast(arrow.large_binary())
    if kinds.is_large_binary(array.type):
        array = array.fill_null(b"") if array.null_count else array
        return [*found, *_texts(array)]
    if kinds.is_floating(array.type) or kinds.is_integer(array.type) or kinds.is_boolean(array.type):
        array = array.fill_null(False if kinds.is_boolean(array.type) else 0) if array.null_count else array
        return [*found, *array_content(array.to_numpy(zero_copy_only=False), _nothing)]
    if kinds.is_timestamp(array.type) or kinds.is_duration(array.type) or kinds.is_time64(array.type):
        return [*found, *_arrow_values(array.cast(arrow.int64()))]
    return [*found, array.to_pylist()]


def _texts(array: Any) -> list[Any]:
    """Return the bytes of texts, and where each ends."""
    numpy: Any = sys.modules["numpy"]
    _, ends, data = array.buffers()
    if ends is None or not len(array):
        return [b""]
    places = numpy.frombuffer(ends, "i8")[array.offset : array.offset + len(array) + 1]
    first, last = int(places[0]), int(places[-1])
    text = b"" if data is None else digest(memoryview(data)[first:last])
    return [array_content(places - first, _nothing), text]


def polars_frame_content(frame: Any, spend: Spend) -> list[Any]:
    """Return the columns of a DataFrame of polars."""
    return [frame.height, *frame.get_columns()]


def polars_series_content(column: Any, spend: Spend) -> list[Any]:
    """Return name, type and values of a Series of polars, also where one is missing."""
    spend(int(column.estimated_size()))
    kind = column.dtype
    missing = array_content(column.is_null().to_numpy(), _nothing) if column.null_count() else None
    about = [column.name, str(kind), len(column), missing]
    name = kind.base_type().__name__
    if name in ("String", "Categorical", "Enum"):
        texts = column.cast(sys.modules["polars"].String).fill_null("")
        lengths = texts.str.len_bytes().to_numpy()
        return [*about, *array_content(lengths, _nothing), texts.str.join("").item() or ""]
    if name in ("Date", "Datetime", "Duration", "Time"):
        column = column.to_physical()
    elif name != "Boolean" and not kind.is_integer() and not kind.is_float():
        return [*about, column.to_list()]
    return [*about, *array_content(column.fill_null(False if name == "Boolean" else 0).to_numpy(), _nothing)]


def _nothing(size: int) -> None:
    """Spend nothing: it was spent for the whole."""
