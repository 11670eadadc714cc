"""The functions that know what is in the arrays and tables of other packages, found by the names of their classes.

Nothing is imported: a value brings its package along.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from nbflow.core.data import array_content as arrays
from nbflow.core.data import arrow_content as arrow
from nbflow.core.data import frame_content as frames

if TYPE_CHECKING:
    from collections.abc import Callable

    Content = Callable[[Any, Callable[[int], None]], list[Any]]

_CONTENTS: dict[tuple[str, str], Content] = {
    ("numpy", "MaskedArray"): arrays.masked_content,
    ("numpy", "ndarray"): arrays.array_content,
    ("numpy", "generic"): arrays.scalar_content,
    ("pandas", "DataFrame"): frames.frame_content,
    ("pandas", "Series"): frames.series_content,
    ("pandas", "MultiIndex"): frames.multi_index_content,
    ("pandas", "Index"): frames.index_content,
    ("pandas", "Categorical"): frames.categorical_content,
    ("pandas", "IntervalArray"): frames.interval_content,
    ("pandas", "SparseArray"): frames.sparse_column_content,
    ("pandas", "DatetimeLikeArrayMixin"): frames.time_column_content,
    ("pandas", "BaseMaskedArray"): frames.masked_column_content,
    ("pandas", "BaseStringArray"): frames.string_column_content,
    ("pandas", "NumpyExtensionArray"): frames.column_content,
    ("pandas", "ArrowExtensionArray"): frames.arrow_column_content,
    ("pyarrow", "Table"): arrow.arrow_table_content,
    ("pyarrow", "RecordBatch"): arrow.arrow_table_content,
    ("pyarrow", "ChunkedArray"): arrow.arrow_content,
    ("pyarrow", "Array"): arrow.arrow_content,
    ("polars", "DataFrame"): arrow.polars_frame_content,
    ("polars", "Series"): arrow.polars_series_content,
    ("scipy", "_spbase"): arrays.sparse_content,
    ("torch", "Tensor"): arrays.tensor_content,
}
_found: weakref.WeakKeyDictionary[type, Content | None] = weakref.WeakKeyDictionary()


def foreign_content(value: Any, spend: Callable[[int], None]) -> list[Any] | None:
    """Return the content of an array or table as plain parts, None if the value is neither.

    Args:
        value: Any value.
        spend: Is told of the bytes before they are read.
    """
    kind = type(value)
    if kind not in _found:
        _found[kind] = _content_of(kind)
    content = _found[kind]
    return None if content is None else content(value, spend)


def _content_of(kind: type) -> Content | None:
    for base in kind.__mro__:
        content = _CONTENTS.get((base.__module__.partition(".")[0], base.__name__))
        if content is not None:
            return arrays.subclass_content if content is arrays.array_content and base is not kind else content
    return None
