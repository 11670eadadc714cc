"""The functions that know what is in the arrays and tables of other packages, found by the names of their classes.

Nothing is imported: a value brings its package along.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from nbflow.core.data import frame_content as frames
from nbflow.core.data.array_content import (
    array_content,
    masked_content,
    scalar_content,
    sparse_content,
    subclass_content,
    tensor_content,
)
from nbflow.core.data.arrow_content import (
    arrow_content,
    arrow_table_content,
    polars_frame_content,
    polars_series_content,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    Content = Callable[[Any, Callable[[int], None]], list[Any]]

_CONTENTS: dict[tuple[str, str], Content] = {
    ("numpy", "MaskedArray"): masked_content,
    ("numpy", "ndarray"): array_content,
    ("numpy", "generic"): scalar_content,
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
    ("pyarrow", "Table"): arrow_table_content,
    ("pyarrow", "RecordBatch"): arrow_table_content,
    ("pyarrow", "ChunkedArray"): arrow_content,
    ("pyarrow", "Array"): arrow_content,
    ("polars", "DataFrame"): polars_frame_content,
    ("polars", "Series"): polars_series_content,
    ("scipy", "_spbase"): sparse_content,
    ("torch", "Tensor"): tensor_content,
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
            return subclass_content if content is array_content and base is not kind else content
    return None
