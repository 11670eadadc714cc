"""Functions and methods of Python, numpy and pandas that leave what they are given as it is.

Each is listed with what it returns: an `ATOM` has nothing of the arguments in it, `FRESH` may hold parts of them,
`ALIAS` may be one of them, `DEEP` is a copy through and through. Functions are looked up by identity, so a name that
the user has bound to something else is not taken for them.
"""

from __future__ import annotations

import builtins
import copy
import functools
import itertools
import json
import math
import operator
import random
import re
import statistics
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from typing import TYPE_CHECKING, Any

from nbflow.core.data.value_traits import copies_on_write

if TYPE_CHECKING:
    from types import ModuleType

ATOM, FRESH, ALIAS, DEEP = "atom", "fresh", "alias", "deep"


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


_BUILTINS = {
    ATOM: words(
        "len abs any all str repr ascii int float complex bool bytes isinstance issubclass print hash ord chr format "
        "callable id hasattr bin hex oct pow divmod round range slice object"
    ),
    FRESH: words("sorted list tuple dict set frozenset enumerate zip reversed bytearray vars dir"),
    ALIAS: words("min max sum"),
}
_OTHERS: list[tuple[ModuleType, str, frozenset[str]]] = [
    (math, ATOM, frozenset(vars(math))),
    (statistics, ATOM, frozenset(statistics.__all__) - {"NormalDist"}),
    (json, ATOM, words("dumps dump")),
    (copy, FRESH, words("copy")),
    (copy, DEEP, words("deepcopy")),
    (sys, ATOM, words("getsizeof intern")),
    (re, FRESH, words("sub match search findall fullmatch split escape compile finditer subn")),
    (
        operator,
        FRESH,
        words("add sub mul truediv floordiv mod neg pos matmul concat itemgetter attrgetter and_ or_ xor invert"),
    ),
    (operator, ATOM, words("eq ne lt le gt ge contains countOf indexOf not_ truth is_ is_not index length_hint")),
    (operator, ALIAS, words("getitem")),
    (
        itertools,
        FRESH,
        words(
            "count repeat product permutations combinations combinations_with_replacement islice pairwise zip_longest "
            "batched cycle compress"
        ),
    ),
]
_TYPES = {Counter: FRESH, OrderedDict: FRESH, deque: FRESH}

_NUMPY = {
    FRESH: words(
        "sum mean median std var min max amin amax nanmin nanmax nansum nanmean nanmedian nanstd nanvar prod cumsum "
        "cumprod argmin argmax argsort sort unique dot matmul inner outer vdot tensordot einsum kron cross trace "
        "concatenate stack hstack vstack dstack column_stack where array full_like zeros_like ones_like empty_like "
        "zeros ones full empty arange linspace logspace eye identity clip round around percentile quantile "
        "nanpercentile nanquantile histogram bincount digitize searchsorted interp diff gradient ediff1d convolve "
        "correlate cov corrcoef any all allclose array_equal isclose isin nonzero flatnonzero argwhere count_nonzero "
        "repeat tile roll pad append delete insert take take_along_axis choose select polyfit polyval roots average "
        "ptp shape size ndim copy meshgrid cumulative_sum union1d intersect1d setdiff1d setxor1d rot90 trapezoid "
        "isscalar result_type can_cast unravel_index ravel_multi_index triu tril vander piecewise fix "
        "iscomplexobj isrealobj array2string array_repr array_str lexsort partition argpartition int8 int16 int32 "
        "int64 uint8 uint16 uint32 uint64 float16 float32 float64 bool_ complex64 complex128 str_ save savetxt "
        "savez savez_compressed datetime64 timedelta64 floor_divide"
    ),
    ALIAS: words(
        "asarray asanyarray ascontiguousarray asfortranarray ravel reshape squeeze transpose atleast_1d atleast_2d "
        "atleast_3d expand_dims swapaxes moveaxis rollaxis broadcast_to broadcast_arrays flip fliplr flipud split "
        "array_split hsplit vsplit real imag diagonal diag require permute_dims matrix_transpose"
    ),
}
_NUMPY_LINALG = words("norm inv det solve lstsq eig eigh eigvals eigvalsh svd qr cholesky pinv matrix_rank cond")
# Not `default_rng`, which may give the generator that it is given, whose `shuffle` changes what that one is given.
_NUMPY_RANDOM = words("choice permutation rand randn randint random normal uniform seed")
# Where the array stands that results are written to, if it is given by position; also for methods, after the array.
OUT_PLACES = {
    name: place
    for place, names in (
        (1, "fix"),
        (2, "min max amin amax nanmin nanmax argmin argmax any all round around dot outer choose concatenate stack"),
        (2, "median nanmedian ptp"),
        (3, "clip sum prod cumsum cumprod mean std var nansum nanmean nanstd nanvar nanprod take compress"),
        (3, "percentile quantile nanpercentile nanquantile"),
        (5, "trace"),
    )
    for name in names.split()
}
_PANDAS = words(
    "concat merge merge_asof to_datetime to_numeric to_timedelta isna notna isnull notnull cut qcut get_dummies melt "
    "pivot pivot_table crosstab date_range unique factorize read_csv read_json read_parquet read_excel Timestamp "
    "Timedelta DataFrame Series Index MultiIndex bdate_range period_range"
)

_SEQUENCE = {ATOM: words("count index"), FRESH: words("copy __len__ __contains__ __getitem__")}
_SET = {
    ATOM: words("issubset issuperset isdisjoint"),
    FRESH: words("copy union intersection difference symmetric_difference"),
}
_DICT = {FRESH: words("copy keys values items most_common elements total fromkeys"), ALIAS: words("get")}
_RANDOM = {ATOM: words("getstate get_state")}  # copies of the state
_BYTES = {
    ATOM: words(
        "capitalize center copy count decode endswith expandtabs find hex index isalnum isalpha isascii isdigit "
        "islower isspace istitle isupper ljust lower lstrip partition removeprefix removesuffix replace rfind rindex "
        "rjust rpartition rsplit rstrip split splitlines startswith strip swapcase title translate upper zfill"
    )
}
_ARRAY = {
    FRESH: words(
        "sum mean std var min max prod cumsum cumprod argmin argmax argsort any all copy astype tolist dot round clip "
        "flatten nonzero ptp repeat searchsorted take trace item tobytes choose compress conj conjugate argpartition "
        "dump dumps tofile"
    ),
    ALIAS: words("reshape ravel transpose squeeze swapaxes view diagonal get"),
}
_FRAME = words(
    "abs add add_prefix add_suffix agg aggregate align all any apply applymap asfreq asof assign astype at_time "
    "autocorr between between_time bfill bool clip combine combine_first compare convert_dtypes copy corr corrwith "
    "count cov cummax cummin cumprod cumsum describe diff div divide dot drop drop_duplicates droplevel dropna "
    "duplicated eq equals eval ewm expanding explode ffill fillna filter first first_valid_index floordiv ge groupby "
    "gt head hist idxmax idxmin infer_objects interpolate isin isna isnull join kurt kurtosis last last_valid_index le "
    "lt map mask max mean median melt memory_usage merge min mod mode mul multiply ne nlargest notna notnull nsmallest "
    "nunique pct_change pivot pivot_table plot pow prod product quantile query radd rank rdiv reindex reindex_like "
    "rename rename_axis repeat replace resample reset_index rfloordiv rmod rmul rolling round rpow rsub rtruediv "
    "sample searchsorted select_dtypes sem set_axis set_index shift skew sort_index sort_values squeeze stack std sub "
    "subtract sum swapaxes swaplevel tail take to_csv to_dict to_excel to_feather to_frame to_html to_json to_latex "
    "to_list tolist to_markdown to_parquet to_pickle to_records to_string to_timestamp to_period transform transpose "
    "truediv truncate tz_convert tz_localize unique unstack value_counts var where xs argmax argmin argsort items "
    "iterrows itertuples keys get isetitem_copy info case_when union intersection difference symmetric_difference "
    "get_loc get_indexer strftime floor ceil normalize day_name month_name to_series nbytes item"
)
_FRAME_ALIAS = words("to_numpy ravel view pipe __array__")


@functools.cache
def _standard() -> dict[int, str]:
    found = {}
    for result, names in _BUILTINS.items():
        found.update({id(getattr(builtins, name)): result for name in names})
    for module, result, names in _OTHERS:
        found.update({id(vars(module)[name]): result for name in names if name in vars(module)})
    found.update({id(kind): result for kind, result in _TYPES.items()})
    found[id(itertools.chain)] = found[id(itertools.accumulate)] = FRESH
    return found


@functools.lru_cache(maxsize=4)
def _of_packages(numpy: Any, pandas: Any) -> dict[int, str]:
    found: dict[int, str] = {}
    for result, names in _NUMPY.items():
        _add(found, numpy, names, result)
    _add(found, getattr(numpy, "linalg", None), _NUMPY_LINALG, FRESH)
    _add(found, getattr(numpy, "random", None), _NUMPY_RANDOM, FRESH)
    _add(found, pandas, _PANDAS, FRESH if copies_on_write() else ALIAS)
    return found


def _add(found: dict[int, str], module: Any, names: frozenset[str], result: str) -> None:
    for name in names:
        function = getattr(module, name, None)
        if function is not None:
            found[id(function)] = result


def out_place(function: Any) -> int | None:
    """Return how many arguments a function of numpy takes by position before those that it may write to.

    Example:
        >>> import numpy
        >>> out_place(numpy.add), out_place(numpy.clip), out_place(sum)
        (2, 3, None)
    """
    if not str(getattr(function, "__module__", "numpy")).startswith("numpy"):
        return None
    most: int | None = getattr(function, "nin", None)
    return OUT_PLACES.get(getattr(function, "__name__", "")) if most is None else most


def result_of(function: Any) -> str | None:
    """Return what a known function gives that leaves its arguments as they are, else None."""
    found = _standard().get(id(function))
    if found is not None:
        return found
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    if type(function) is getattr(numpy, "ufunc", None):
        return FRESH
    return _of_packages(numpy, sys.modules.get("pandas")).get(id(function))


def method_result(kind: type, name: str) -> str | None:
    """Return what a method of a known type gives that leaves the object as it is, else None."""
    tables: dict[str, frozenset[str]]
    if kind in (list, tuple, deque):
        tables = _SEQUENCE
    elif kind in (set, frozenset):
        tables = _SET
    elif kind in (dict, OrderedDict, Counter, defaultdict):
        tables = _DICT
    elif kind is random.Random or (kind.__module__.startswith("numpy.random") and kind.__name__ == "RandomState"):
        tables = _RANDOM
    elif kind is bytearray:
        tables = _BYTES
    elif kind.__module__ == "numpy" and kind.__name__ == "ndarray":
        tables = _ARRAY
    elif kind.__module__.partition(".")[0] == "pandas":
        tables = {FRESH: _FRAME, ALIAS: _FRAME_ALIAS}
        if not copies_on_write():
            tables = {ALIAS: _FRAME | _FRAME_ALIAS}
    else:
        return None
    return next((result for result, names in tables.items() if name in names), None)
