"""Values that can be neither fingerprinted nor copied, or whose methods raise or lie: `VALUES` makes each."""

from __future__ import annotations

import collections
import contextvars
import dataclasses
import enum
import functools
import io
import sqlite3
import threading
import types
import weakref
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

from nbflow import Task
from nbflow.states import Success


class Raises(BaseException):
    """What a test must never meet."""


def raising(*args, **kwargs):
    raise Raises


def with_methods(**methods):
    return lambda: type("Odd", (), {"__module__": __name__, **methods})()


def with_base(base, **methods):
    return lambda: type("Odd", (base,), {"__module__": __name__, **methods})()


class Lazy:
    """Pulls its data when it is asked for nearly anything, as a Dask collection or a query does."""

    __module__ = "somewhere.far"

    def __init__(self):
        object.__setattr__(self, "asked", [])

    def compute(self):
        raise Raises

    __len__ = __iter__ = __bool__ = __array__ = __reduce__ = __reduce_ex__ = compute

    def __getattr__(self, name):
        raise Raises(name)


class Proxy:
    """Says to be a list, and raises when anybody looks further."""

    @property
    def __class__(self):
        return list

    def __getattribute__(self, name):
        if name == "__class__":
            return list
        raise Raises(name)


class LiesAboutClass:
    @property
    def __class__(self):
        raise Raises


class OddMeta(type):
    def __eq__(cls, other):
        raise Raises

    def __hash__(cls):
        raise Raises

    def __instancecheck__(cls, other):
        raise Raises


class LyingMeta(type):
    """Says to be equal to everything, of anything's kind."""

    def __eq__(cls, other):
        return True

    def __hash__(cls):
        return hash(int)

    def __instancecheck__(cls, other):
        return True

    __subclasscheck__ = __instancecheck__

    def mro(cls):
        return [cls, object]


class BlindMeta(type):
    def __getattribute__(cls, name):
        raise Raises(name)


ODD = OddMeta("ODD", (), {"__module__": __name__})


class Odd:
    __eq__ = __bool__ = __len__ = __iter__ = __reduce__ = __reduce_ex__ = raising
    __repr__ = __str__ = __sizeof__ = __deepcopy__ = __copy__ = __getstate__ = raising
    __hash__ = object.__hash__

    def method(self):
        """Do nothing."""


class Holder:
    def __init__(self, odd):
        self.odd = odd


class Slotted:
    __slots__ = ("__weakref__", "_a")
    a = property(raising)


class Descriptor:
    __get__ = __set__ = raising


class Forbidding:
    odd = Descriptor()
    __init_subclass__ = classmethod(raising)


class OddModule(types.ModuleType):
    __getattribute__ = raising


class OddArray(np.ndarray):
    __eq__ = __len__ = __iter__ = __getitem__ = __reduce__ = copy = view = tobytes = raising
    dtype = shape = nbytes = property(raising)


class OddFrame(pd.DataFrame):
    copy = memory_usage = __len__ = __getitem__ = raising
    shape = columns = property(raising)


@dataclasses.dataclass
class Data:
    odd: Any


Named = collections.namedtuple("Named", "one other")


class Colour(enum.Enum):
    RED = 1
    __eq__ = __hash__ = __repr__ = raising


KEPT = Holder(3)


def one_self(it):
    return it


def stops(it):
    raise StopIteration


def leaving(*args):
    raise SystemExit


def of_objects(*objects):
    found = np.empty(len(objects), object)
    for place, one in enumerate(objects):
        found[place] = one
    return found


def with_attributes(frame, odd):
    frame.attrs["odd"] = odd
    return frame


def nested():
    found = []
    for _ in range(2_000):
        found = [found]
    return found


def circle():
    found = []
    found.append(found)
    return found


def connection():
    return sqlite3.connect(":memory:", check_same_thread=False)


def cursor():
    return connection().execute("select 1 union select 2")


def endless():
    n = 0
    while True:
        yield n
        n += 1


VALUES = {
    "__eq__ raises": with_methods(__eq__=raising, __hash__=object.__hash__),
    "__eq__ lies": with_methods(__eq__=lambda self, other: True, __hash__=lambda self: 1),
    "__hash__ raises": with_methods(__hash__=raising),
    "__reduce__ raises": with_methods(__reduce__=raising, __reduce_ex__=raising),
    "__reduce__ is nonsense": with_methods(__reduce__=lambda self: 3, __reduce_ex__=lambda self, n: "x"),
    "__getstate__ raises": with_methods(__getstate__=raising),
    "__len__ raises": with_methods(__len__=raising),
    "__len__ lies": with_methods(__len__=lambda self: -5),
    "__bool__ raises": with_methods(__bool__=raising),
    "__iter__ raises": with_methods(__iter__=raising),
    "__deepcopy__ raises": with_methods(__deepcopy__=raising, __copy__=raising),
    "__deepcopy__ lies": with_methods(__deepcopy__=lambda self, memo: None, __copy__=lambda self: None),
    "__repr__ raises": with_methods(__repr__=raising),
    "__sizeof__ raises": with_methods(__sizeof__=raising),
    "__getattribute__ raises": with_methods(__getattribute__=raising),
    "__dict__ raises": with_methods(__dict__=property(raising)),
    "__array__ raises": with_methods(__array__=raising, __array_interface__=property(raising)),
    "a list that raises": with_base(list, __iter__=raising, __len__=raising, __getitem__=raising, __eq__=raising),
    "a dict that raises": with_base(dict, items=raising, keys=raising, __iter__=raising, copy=raising),
    "a set that raises": with_base(set, __iter__=raising, copy=raising, __eq__=raising),
    "a tuple that raises": with_base(tuple, __iter__=raising, __len__=raising),
    "a str that raises": with_base(str, __eq__=raising, __hash__=raising, encode=raising),
    "an int that raises": with_base(int, __eq__=raising, __hash__=raising, __index__=raising),
    "lazy": Lazy,
    "proxy": Proxy,
    "__class__ raises": LiesAboutClass,
    "class of an odd metaclass": lambda: OddMeta("Odd", (), {}),
    "lock": threading.Lock,
    "event": threading.Event,
    "thread": lambda: threading.Thread(target=raising),
    "local": threading.local,
    "context variable": lambda: contextvars.ContextVar("v"),
    "context": contextvars.copy_context,
    "connection": connection,
    "cursor": cursor,
    "open file": lambda: io.BytesIO(b"abc"),
    "memoryview": lambda: memoryview(bytearray(b"abc")),
    "endless generator": endless,
    "module": lambda: types.ModuleType("m"),
    "weak reference": lambda: weakref.ref(VALUES["lock"]),
    "nested deeply": nested,
    "a circle": circle,
    "inside a list": lambda: [Proxy(), threading.Lock(), Lazy(), LiesAboutClass()],
    "inside a dictionary": lambda: {"a": Proxy(), "b": (Lazy(),)},
    "an exception": lambda: ValueError([1]),
    "an object of an odd metaclass": lambda: OddMeta("Odd", (), {})(),
    "objects of an odd metaclass": lambda: [ODD(), {"a": ODD()}, (ODD(),), types.SimpleNamespace(odd=ODD())],
    "attributes of an odd metaclass": lambda: Holder(ODD()),
    "a list of an odd metaclass": lambda: OddMeta("Odd", (list,), {})([1]),
    "a dict of an odd metaclass": lambda: OddMeta("Odd", (dict,), {})(a=1),
    "a tuple of an odd metaclass": lambda: OddMeta("Odd", (tuple,), {})([1]),
    "an int of an odd metaclass": lambda: OddMeta("Odd", (int,), {})(3),
    "a str of an odd metaclass": lambda: OddMeta("Odd", (str,), {})("a"),
    "an array of an odd metaclass": lambda: np.arange(3).view(OddMeta("Odd", (np.ndarray,), {})),
    "an exception of an odd metaclass": lambda: OddMeta("Odd", (ValueError,), {})("a"),
    "an iterator of an odd metaclass": lambda: OddMeta("Odd", (), {"__iter__": one_self, "__next__": stops})(),
    "a generator that raises": lambda: (1 / 0 for _ in range(2)),
    "a metaclass that lies": lambda: LyingMeta("Lies", (), {})(),
    "a class of a metaclass that lies": lambda: LyingMeta("Lies", (), {}),
    "a metaclass that shows nothing": lambda: BlindMeta("Blind", (), {})(),
    "a class of a metaclass that shows nothing": lambda: BlindMeta("Blind", (), {}),
    "a class with odd names": lambda: type("Odd", (), {"__module__": 3, "__qualname__": "x" * 100_000})(),
    "a module that raises": lambda: OddModule("odd"),
    "__getattr__ raises": with_methods(__getattr__=raising),
    "__getattr__ lies": with_methods(__getattr__=lambda self, name: self),
    "__class__ lies: array": with_methods(__class__=property(lambda self: np.ndarray)),
    "__class__ lies: frame": with_methods(__class__=property(lambda self: pd.DataFrame)),
    "__class__ lies: dict": with_methods(__class__=property(lambda self: dict)),
    "__class__ lies: task": with_methods(__class__=property(lambda self: Task)),
    "__class__ lies: state": with_methods(__class__=property(lambda self: Success)),
    "__slots__ and descriptors that raise": lambda: Slotted(),
    "__dict__ lies": with_methods(__dict__=property(lambda self: {"a": self})),
    "__getstate__ lies": with_methods(__getstate__=lambda self: self),
    "__reduce__ never ends": with_methods(__reduce__=lambda self: (with_methods(), (), endless())),
    "__reduce__ ends the process": with_methods(__reduce__=leaving, __reduce_ex__=leaving, __getstate__=leaving),
    "__init_subclass__ and __set_name__ raise": lambda: Forbidding(),
    "__del__ raises": with_methods(__del__=lambda self: None),
    "__format__ and __str__ raise": with_methods(__format__=raising, __str__=raising, __repr__=raising),
    "_repr_html_ raises": with_methods(_repr_html_=raising, _repr_mimebundle_=raising, _ipython_display_=raising),
    "__repr__ is no text": with_methods(__repr__=lambda self: 3, __str__=lambda self: 3),
    "__repr__ is huge": with_methods(__repr__=lambda self: "x" * 1_000_000),
    "__await__": with_methods(__await__=raising),
    "__enter__ raises": with_methods(__enter__=raising, __exit__=raising),
    "__call__ raises": with_methods(__call__=raising),
    "__wrapped__ raises": with_methods(__wrapped__=property(raising), __call__=raising),
    "__dataclass_fields__ lies": with_methods(__dataclass_fields__=property(raising)),
    "shape and dtype lie": with_methods(shape=(3, "x"), dtype=property(raising), nbytes=-1, size=raising),
    "a dataclass that raises": lambda: Data(Odd()),
    "a named tuple that raises": lambda: Named(Odd(), ODD()),
    "a member of an enum that raises": lambda: Colour.RED,
    "a float that raises": with_base(float, __eq__=raising, __hash__=raising, __float__=raising, hex=raising),
    "a bytes that raises": with_base(bytes, __eq__=raising, __hash__=raising, __len__=raising),
    "a bytearray that raises": with_base(bytearray, __eq__=raising, __len__=raising, __iter__=raising),
    "a frozen set that raises": with_base(frozenset, __eq__=raising, __hash__=raising, __iter__=raising),
    "a deque that raises": with_base(collections.deque, __iter__=raising, __len__=raising, __copy__=raising),
    "an ordered dict that raises": with_base(collections.OrderedDict, items=raising, __iter__=raising),
    "a default dict that raises": lambda: collections.defaultdict(raising, a=1),
    "a counter that raises": with_base(collections.Counter, items=raising, __iter__=raising, __len__=raising),
    "a user list that raises": with_base(collections.UserList, __iter__=raising, __len__=raising),
    "a user dict that raises": with_base(collections.UserDict, __iter__=raising, __getitem__=raising),
    "an exception that raises": with_base(ValueError, __str__=raising, __repr__=raising, __reduce__=raising),
    "an iterator that raises": with_methods(__iter__=raising, __next__=raising),
    "a mapping proxy": lambda: types.MappingProxyType({"a": Odd()}),
    "a partial": lambda: functools.partial(raising, Odd(), odd=ODD()),
    "a bound method": lambda: Odd().method,
    "a namespace": lambda: types.SimpleNamespace(odd=Odd()),
    "keys that raise when they are compared": lambda: {Odd(): 1, ODD(): 2},
    "a set of what raises when it is compared": lambda: {Odd(), ODD()},
    "a mock": mock.MagicMock,
    "a weak proxy": lambda: weakref.proxy(KEPT),
    "an array of them": lambda: of_objects(Odd(), ODD(), Proxy(), Lazy(), threading.Lock()),
    "an array that raises": lambda: np.arange(3).view(OddArray),
    "a masked array of them": lambda: np.ma.MaskedArray(of_objects(Odd(), ODD()), mask=[True, False]),
    "a structured array of them": lambda: np.array([(1, Odd())], dtype=[("a", int), ("b", object)]),
    "a series of them": lambda: pd.Series(of_objects(Odd(), ODD(), Proxy()), index=["a", "b", "c"]),
    "a frame of them": lambda: pd.DataFrame({"a": of_objects(Odd(), ODD()), "b": [1, 2]}),
    "a frame that raises": lambda: OddFrame({"a": [1]}),
    "attributes of a frame": lambda: with_attributes(pd.DataFrame({"a": [1]}), Odd()),
}
