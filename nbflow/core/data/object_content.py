"""The content of an object, a class or a function: what the value itself holds, or gives to pickle."""

from __future__ import annotations

import copyreg
import enum
import itertools
import sys
from types import CodeType, FunctionType, GetSetDescriptorType, MemberDescriptorType, ModuleType
from typing import TYPE_CHECKING, Any

from nbflow.core.data.opaque import UnknownError
from nbflow.core.ownership import is_ours

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PROTOCOL = 5
_NOTHING: dict[str, None] = {}
_VIEWS: tuple[type, ...] = (type(_NOTHING.keys()), type(_NOTHING.values()), type(_NOTHING.items()))
_CONTAINERS: tuple[type, ...] = (list, tuple, dict, set, frozenset)

# They give to pickle what is left of them, and stay where they are.
PLAIN_ITERATORS = frozenset(
    {
        enumerate, filter, map, reversed, zip,
        type(iter([])), type(reversed([])), type(iter(())), type(iter("")), type(iter(b"")), type(iter(bytearray())),
        type(iter(range(0))), type(iter(range(1 << 70))), type(iter(set())),
        type(iter({})), type(iter({}.values())), type(iter({}.items())),
        type(reversed({})), type(reversed({}.values())), type(reversed({}.items())),
    }
)  # fmt: skip
if sys.version_info < (3, 12):  # later ones warn when they are asked, then refuse
    PLAIN_ITERATORS |= {
        itertools.accumulate, itertools.chain, itertools.combinations, itertools.compress, itertools.count,
        itertools.cycle, itertools.dropwhile, itertools.filterfalse, itertools.islice, itertools.permutations,
        itertools.product, itertools.repeat, itertools.starmap, itertools.takewhile, itertools.zip_longest,
    }  # fmt: skip


class Unordered:
    """Parts in no order."""

    __slots__ = ("items",)

    def __init__(self, items: Iterable[Any]) -> None:
        self.items = list(items)


class IfKnown(Unordered):
    """Parts of which the unknown ones do not make the whole unknown."""

    __slots__ = ()


def name_of(kind: type) -> tuple[str, str]:
    """Return the module and the name of a class, whatever its metaclass says."""
    module = kind.__module__
    return (module if type(module) is str else "", type.__dict__["__qualname__"].__get__(kind))


def object_content(value: Any) -> list[Any]:
    """Return the parts of an object.

    Raises:
        UnknownError: If it is not to be looked into. Whatever its own methods raise gets out, too.
    """
    kind: Any = type(value)
    if issubclass(kind, enum.Enum):
        return [value._name_, value._value_]
    if kind is itertools.count:
        return [repr(value)]  # all that newer Pythons say
    if hasattr(kind, "__next__") and kind not in PLAIN_ITERATORS and not is_ours(kind.__module__):
        raise UnknownError(f"a {kind.__qualname__} is used up by looking")
    if kind in _VIEWS:
        return list(value)
    if _is_plain(kind):
        for base in _CONTAINERS:
            if issubclass(kind, base):
                return [*_items(base, value), _attributes(kind, value)]
    if _pickles_itself(kind):
        return _looked_into(kind, value)
    reducer = copyreg.dispatch_table.get(kind)
    reduced = kind.__reduce_ex__(value, _PROTOCOL) if reducer is None else reducer(value)
    return _reduced_content(reduced)


def _pickles_itself(kind: type) -> bool:
    """Tell whether a class of the user's has its own idea of pickling, which may take for ever or do anything."""
    return any(
        is_ours(base.__module__) and not _HOOKS.isdisjoint(vars(base)) for base in kind.__mro__ if base is not object
    )


_HOOKS = frozenset({"__reduce__", "__reduce_ex__", "__getstate__"})


def _looked_into(kind: type, value: Any) -> list[Any]:
    """Return what an object is made of without asking it.

    Raises:
        UnknownError: If one of its classes keeps more than attributes and items.
    """
    content: list[Any] = []
    for base in kind.__mro__:
        if base in _CONTAINERS:
            content += _items(base, value)
        elif base is not object and not is_ours(base.__module__) and base.__module__ not in ("abc", "typing"):
            raise UnknownError(f"a {kind.__qualname__} is only known to itself")
    attributes = _attributes(kind, value)
    return [*content, IfKnown(part for pair in attributes.items() for part in pair)]


def _is_plain(kind: Any) -> bool:
    """Tell whether a class leaves to Python what its instances are made of."""
    base: Any = next(base for base in (set, frozenset, object) if issubclass(kind, base))
    return (
        kind.__reduce_ex__ is object.__reduce_ex__
        and kind.__reduce__ is base.__reduce__
        and kind.__getstate__ is object.__getstate__
        and kind not in copyreg.dispatch_table
    )


def _items(base: Any, value: Any) -> list[Any]:
    """Return what a container holds, without asking its own class."""
    if base is dict:
        return [list(dict.keys(value)), list(dict.values(value))]
    items = list(base.__iter__(value))
    return [Unordered(items) if base in (set, frozenset) else items]


def attributes_of(value: Any) -> dict[str, Any] | None:
    """Return the very dictionary of an object's attributes, without asking its class; None if it has none."""
    try:
        found: dict[str, Any] = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return None
    return found


def slots_of(value: Any, kind: type) -> Iterator[tuple[str, Any, Any]]:
    """Yield what an object has in slots, without asking its class: the name, the slot and what is in it."""
    for base in kind.__mro__:
        for name, member in vars(base).items():
            if type(member) is MemberDescriptorType and name not in ("__dict__", "__weakref__"):
                try:
                    yield name, member, member.__get__(value)
                except AttributeError:
                    continue


def _attributes(kind: type, value: Any) -> dict[str, Any]:
    """Return the attributes of an object in the order of their names, without asking its class."""
    found: dict[str, Any] = {}
    base: Any
    for base in kind.__mro__:
        members: Any = vars(base)
        if type(members.get("__dict__")) is GetSetDescriptorType:
            found.update(members["__dict__"].__get__(value))
        for name, member in members.items():
            if type(member) is MemberDescriptorType and type(name) is str and name not in ("__dict__", "__weakref__"):
                try:
                    found[name] = member.__get__(value)
                except AttributeError:
                    continue
    ordered: dict[str, Any] = _in_order(found)
    return ordered


def _in_order(state: Any) -> Any:
    """Return attributes in the order of their names: which was set first does not count."""
    if type(state) is dict and set(map(type, state)) <= {str}:
        return {name: state[name] for name in sorted(state)}
    return state


def _reduced_content(reduced: Any) -> list[Any]:
    if type(reduced) is str:
        return [reduced]
    if type(reduced) is not tuple or not 2 <= len(reduced) <= 6:
        raise UnknownError("it gives pickle nothing to go by")
    made, arguments, state, items, pairs, setter = (*reduced, None, None, None, None)[:6]
    if type(state) is tuple and len(state) == 2:
        state = (_in_order(state[0]), state[1])
    return [
        _named(made),
        arguments,
        _in_order(state),
        None if items is None else list(items),
        None if pairs is None else list(pairs),
        _named(setter),
    ]


def _named(function: Any) -> Any:
    """Return what stands for a function that builds a value: of one that is installed, its name will do."""
    if type(function) is FunctionType and not is_ours(function.__module__):
        return (function.__module__, function.__qualname__)
    return function


def class_data(kind: type) -> Iterator[tuple[str, Any]]:
    """Yield the plain data in the body of a user's own class, which a task may change for all of its instances."""
    if not is_ours(kind.__module__) or issubclass(kind, enum.Enum):
        return
    members = {name: value for name, value in list(vars(kind).items()) if type(name) is str}
    for name in sorted(members):
        value = members[name]
        cls = type(value)
        if name[:2] == name[-2:] == "__" or name == "_abc_impl":
            continue
        if hasattr(cls, "__get__") or hasattr(cls, "__next__") or issubclass(cls, (type, ModuleType)):
            continue  # methods, properties and slots; counters that are no part of any instance
        yield name, value


def function_content(function: FunctionType) -> list[Any]:
    """Return what tells functions apart: code, defaults and what they close over."""
    cells = [content_of(cell) for cell in function.__closure__ or ()]
    return [
        function.__module__,
        function.__qualname__,
        _code_content(function.__code__),
        function.__defaults__,
        function.__kwdefaults__,
        cells,
    ]


def content_of(cell: Any) -> Any:
    """Return what a closure holds, None if it holds nothing yet."""
    try:
        return cell.cell_contents
    except ValueError:  # nothing yet
        return None


def _code_content(code: CodeType) -> tuple[object, ...]:
    constants = [_code_content(part) if isinstance(part, CodeType) else part for part in code.co_consts]
    return code.co_code, code.co_names, constants
