"""The content of the tables of pandas, as plain parts and digests: equal for equal ones, however they lie in memory."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from nbflow.core.data.array_content import array_content, digests_side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable

    Spend = Callable[[int], None]


def frame_content(frame: Any, spend: Spend) -> list[Any]:
    """Return labels, columns and attributes of a DataFrame."""
    columns = [_column(frame.iloc[:, place]) for place in range(frame.shape[1])]
    crosswise = [place for place, column in enumerate(columns) if _lies_crosswise(column)]
    if len(crosswise) > 1:
        arrays = [columns[place] for place in crosswise]
        spend(sum(array.nbytes for array in arrays))
        for place, found in zip(crosswise, digests_side_by_side(arrays), strict=True):
            columns[place] = [columns[place].dtype.str, str(columns[place].shape), found]  # as `array_content` does
    contents = [_content(column, spend) for column in columns]
    return [frame.columns, frame.index, frame.attrs, _metadata(frame), *contents]


def series_content(series: Any, spend: Spend) -> list[Any]:
    """Return name, index, values and attributes of a Series."""
    return [series.name, series.index, series.attrs, _metadata(series), _content(_column(series), spend)]


def index_content(index: Any, spend: Spend) -> list[Any]:
    """Return names and values of an Index."""
    if type(index).__name__ == "RangeIndex":
        return [index.name, index.start, index.stop, index.step]
    frequency = getattr(index, "freq", None)
    return [index.name, None if frequency is None else str(frequency), _content(_column(index), spend)]


def multi_index_content(index: Any, spend: Spend) -> list[Any]:
    """Return names and values of a MultiIndex, whatever else its levels hold."""
    pandas: Any = sys.modules["pandas"]
    found: list[Any] = [list(index.names)]
    for level, codes in zip(index.levels, index.codes, strict=True):
        places, used = pandas.factorize(codes)  # in the order in which they appear
        found += [array_content(places, spend), level.take(used)]
    return found


def column_content(column: Any, spend: Spend) -> list[Any]:
    """Return the elements of a column that is an array of numpy's."""
    return array_content(column.to_numpy(), spend)


def categorical_content(column: Any, spend: Spend) -> list[Any]:
    """Return codes and categories of a categorical column."""
    return [bool(column.ordered), column.categories, *array_content(column.codes, spend)]


def interval_content(column: Any, spend: Spend) -> list[Any]:
    """Return the ends of a column of intervals."""
    return [str(column.dtype), column.left, column.right]


def sparse_column_content(column: Any, spend: Spend) -> list[Any]:
    """Return the values of a sparse column and where they are."""
    places = column.sp_index.to_int_index().indices
    return [repr(column.dtype), len(column), column.fill_value, column.sp_values, places]


def time_column_content(column: Any, spend: Spend) -> list[Any]:
    """Return the moments, periods or spans of a column."""
    return [str(column.dtype), *array_content(column.asi8, spend)]


def masked_column_content(column: Any, spend: Spend) -> list[Any]:
    """Return the values of a nullable column, whatever lies where they are missing."""
    missing = column.isna()
    plain = column.to_numpy(dtype=column.dtype.numpy_dtype, na_value=column.dtype.numpy_dtype.type(0))
    return [str(column.dtype), *array_content(plain, spend), *array_content(missing, spend)]


def string_column_content(column: Any, spend: Spend) -> list[Any]:
    """Return the texts of a column, however they are stored."""
    missing = column.isna()
    texts = column.to_numpy(dtype=object, na_value="").tolist()
    return [repr(column.dtype), texts, *array_content(missing, spend)]


def arrow_column_content(column: Any, spend: Spend) -> list[Any]:
    """Return the values of a column that is stored by arrow, texts among them."""
    arrow: Any = sys.modules["pyarrow"]
    return [repr(column.dtype), arrow.chunked_array(column.__arrow_array__())]


def _column(column: Any) -> Any:
    """Return the array in a Series or Index: numpy's own where there is one."""
    values = column.array
    return values.to_numpy() if type(values).__name__ == "NumpyExtensionArray" else values


def _content(column: Any, spend: Spend) -> Any:
    numpy: Any = sys.modules["numpy"]
    return array_content(column, spend) if type(column) is numpy.ndarray else column


def _metadata(table: Any) -> list[Any]:
    """Return what a subclass declares as its own."""
    return [getattr(table, name, None) for name in type(table)._metadata if name != "_name"]


def _lies_crosswise(column: Any) -> bool:
    """Tell whether a column has the elements of other columns between its own."""
    numpy: Any = sys.modules["numpy"]
    return (
        type(column) is numpy.ndarray
        and column.ndim == 1
        and column.dtype.kind in "biufcmM"
        and column.dtype.char not in "gG"
        and not column.flags.c_contiguous
    )
