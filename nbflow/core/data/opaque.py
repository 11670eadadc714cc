"""Types whose instances nobody may look into: lazy, remote, bound to the machine, or standing for something else.

Looking at one may compute it, fetch it, use it up or wait for it. The answer is found in the type alone; the value
itself is asked nothing.
"""

from __future__ import annotations

import types
import weakref
from typing import Any

from nbflow.core.data.value_type import has_plain_metaclass
from nbflow.core.ownership import is_ours

# What computes or fetches when asked for its content, by attribute and by the package it comes from.
_LAZY_ATTRIBUTES = ("__dask_graph__", "__cuda_array_interface__", "__hip_array_interface__")
_LAZY_PACKAGES = frozenset(
    {
        "aiohttp", "asyncpg", "bigframes", "boto3", "botocore", "cudf", "cupy", "dask", "daft", "datafusion",
        "distributed", "duckdb", "fsspec", "h5py", "httpx", "ibis", "jax", "jaxlib", "lazy_object_proxy", "modin",
        "mysql", "netCDF4", "oracledb", "peewee", "psycopg", "psycopg2", "pymongo", "pymysql", "pyodbc", "pyspark",
        "ray", "redis", "requests", "s3fs", "snowflake", "sqlalchemy", "tables", "tensorflow", "vaex", "wrapt",
        "xarray", "zarr", "zmq",
    }
)  # fmt: skip
_COMMON_WORDS = frozenset({"daft", "ray", "requests", "tables"})  # users call their own modules so, too
_LAZY_MODULES = (
    "_asyncio", "_multiprocessing", "_queue", "_socket", "_sqlite3", "_ssl", "_thread", "asyncio", "concurrent",
    "django.db", "ftplib", "http.client", "imaplib", "mmap", "multiprocessing", "queue", "smtplib", "socket",
    "sqlite3", "ssl", "subprocess", "threading", "urllib.request", "urllib.response",
)  # fmt: skip
_LAZY_CLASSES = frozenset(
    {
        ("polars", "LazyFrame"), ("polars", "LazyGroupBy"), ("pandas", "HDFStore"),
        ("nbflow", "RemoteValue"), ("nbflow", "RemoteItem"), ("nbflow", "Gathered"),
    }
)  # fmt: skip
_OPAQUE_TYPES = frozenset(
    {
        types.AsyncGeneratorType, types.CoroutineType, types.FrameType, types.GeneratorType, types.ModuleType,
        types.TracebackType, weakref.CallableProxyType, weakref.ProxyType, weakref.ReferenceType,
    }
)  # fmt: skip


class UnknownError(Exception):
    """The content of a value cannot be known; never leaves the functions that look into values."""


_known: weakref.WeakKeyDictionary[type, bool] = weakref.WeakKeyDictionary()


def is_opaque(kind: type) -> bool:
    """Tell whether instances of `kind` are never looked into.

    Example:
        >>> is_opaque(dict), is_opaque(type(i for i in ()))
        (False, True)
    """
    if not has_plain_metaclass(kind):
        return True
    found = _known.get(kind)
    if found is None:
        found = _known[kind] = any(map(_says_so, kind.__mro__[:-1]))
    return found


def _says_so(kind: Any) -> bool:
    if kind in _OPAQUE_TYPES:
        return True
    members = vars(kind)
    if "__class__" in members or any(name in members for name in _LAZY_ATTRIBUTES):
        return True  # one that claims to be of another class is a proxy
    module = kind.__module__
    if type(module) is not str:
        return True
    root = module.partition(".")[0]
    if root in _COMMON_WORDS and is_ours(module):
        return False
    return (
        root in _LAZY_PACKAGES
        or (root, kind.__name__) in _LAZY_CLASSES
        or any(module == lazy or module.startswith(f"{lazy}.") for lazy in _LAZY_MODULES)
    )
