"""What reading, calling and combining abstract objects gives, and whether the argument may be changed by it."""

from __future__ import annotations

import builtins
import copy
import functools
import inspect
import random
import sys
from collections import defaultdict, deque
from types import BuiltinFunctionType, CellType, FunctionType, MethodDescriptorType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from nbflow.core.codehash.introspect import content_of
from nbflow.core.data.value_shape import DICTS, SEQUENCES, Shape, is_atomic_type, package_type, shape_of
from nbflow.core.effects.abstract_frame import Frame
from nbflow.core.effects.abstract_heap import ATOM, NOTHING, OUTER, Heap, MayChangeError, Obj, Value
from nbflow.core.effects.pure_calls import (
    ALIAS,
    DEEP,
    FRESH,
    copies_on_write,
    method_out_place,
    method_result,
    out_place,
    result_of,
)
from nbflow.core.effects.pure_calls import ATOM as GIVES_ATOM
from nbflow.core.ownership import is_ours

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import CodeType

__all__ = ["Calls"]

_MOST_STEPS = 30_000
_DEEPEST = 8
_GENERATOR = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
_MISSING = object()
_SEES_NAMES = {id(one) for one in (eval, exec, globals, locals, vars, sys._getframe, builtins.__import__)}
# They look at their arguments, and go through none.
_LOOKS_ONLY = {
    id(one)
    for one in (
        len,
        str,
        repr,
        ascii,
        isinstance,
        print,
        id,
        callable,
        hasattr,
        hash,
        bool,
        format,
        copy.copy,
    )
}
_INERT = {id(one) for one in (isinstance, issubclass, id, callable)}
_SHALLOW = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    sorted: list,
    deque: deque,
    iter: None,
    reversed: None,
}
_LAZY = {id(one) for one in (map, filter, zip, enumerate, reversed, iter)}
_STORING = frozenset(
    [
        "append",
        "add",
        "extend",
        "insert",
        "update",
        "setdefault",
        "appendleft",
        "extendleft",
        "put",
        "push",
        "write",
    ]
)
_TAKING = frozenset(["pop", "popitem", "popleft", "get", "setdefault"])
_READING = (
    *("__iter__", "__len__", "__getitem__", "__contains__", "__eq__", "__ne__", "__lt__", "__le__", "__gt__"),
    *(
        "__ge__",
        "__hash__",
        "__str__",
        "__repr__",
        "__bool__",
        "__format__",
        "__index__",
        "__float__",
        "__int__",
    ),
    *("__array__", "__reversed__", "__neg__", "__abs__", "__round__", "__copy__", "__deepcopy__"),
    *(
        f"__{side}{name}__"
        for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul")
        for side in ("", "r")
    ),
    *(f"__{side}{name}__" for name in ("and", "or", "xor", "lshift", "rshift") for side in ("", "r")),
)
_ARRAY_FACTS = frozenset(["shape", "size", "ndim", "dtype", "nbytes", "itemsize", "flags", "strides"])
_FRAME_FACTS = frozenset(
    [
        "shape",
        "size",
        "empty",
        "ndim",
        "dtypes",
        "dtype",
        "name",
        "names",
        "nbytes",
        "is_unique",
        "hasnans",
        "is_monotonic_increasing",
        "is_monotonic_decreasing",
        "nlevels",
        "inferred_type",
    ]
)
_FRAME_ACCESSORS = frozenset(["str", "dt", "cat", "plot", "sparse", "list", "struct"])


_CHANGED_BY_METHODS = (bytearray, random.Random)


# What shows the memory behind a derived frame or an array that cannot be written to otherwise.
_BEHIND = frozenset(["array", "_values", "_mgr", "_data", "setflags", "base"])


class Calls:
    """The effects of what a function does, through all functions of the user's that it calls.

    Args:
        dependencies: Gets what the answer depends on: names, and what they stood for.
    """

    def __init__(self, dependencies: list[tuple[Any, Any, Any]]) -> None:
        self.heap = Heap()
        self.dependencies = dependencies
        self.seen_names: set[tuple[int, str]] = set()
        self.steps = 0
        self.active: list[CodeType] = []
        self._raised: set[Obj] = set()
        self._shared_reads: set[str] = set()

    # What frames ask

    def count_step(self) -> None:
        """Stop where the code is too long to follow."""
        self.steps += 1
        if self.steps > _MOST_STEPS:
            raise MayChangeError

    def raised(self) -> Value:
        """Return what an exception that is handled may be."""
        return frozenset(self._raised) | OUTER

    def add_raised(self, value: Value) -> None:
        """Note what may be raised."""
        if not value <= self._raised:
            self._raised |= value
            self.heap.has_grown = True

    def depend(self, space: Mapping[str, Any], name: str, value: Any) -> Value:
        """Note that the answer depends on a name; returns what it stands for."""
        key = (id(space), name)
        if key not in self.seen_names:
            self.seen_names.add(key)
            self.dependencies.append((space, name, kept(value)))
        return self.heap.existing(value)

    def share(self, shared: dict[str, Value], name: str, value: Value) -> None:
        """Bind a name in a cell that the cell's functions see."""
        before = shared.get(name, NOTHING)
        if not value <= before:
            shared[name] = before | value
            if name in self._shared_reads:
                self.heap.has_grown = True

    def shared(self, shared: dict[str, Value], name: str) -> Value:
        """Return what a name of a cell is to its functions."""
        self._shared_reads.add(name)
        return shared[name]

    def in_cells(self, value: Value) -> Value:
        """Return what closures hold."""
        found: set[Obj] = set()
        for one in value:
            if one.role == "known" and one.kind is CellType:
                found |= self.heap.existing(one.value.cell_contents) if _is_full(one.value) else OUTER
            else:
                found |= self.heap.contents([one])
        return frozenset(found)

    # Changing

    def change(self, value: Value) -> None:
        """Change objects in place."""
        for one in value:
            if one.role == "argument":
                raise MayChangeError(depends_on_shape=one.kind is None, is_seen=one.kind is not None)
            if one.role == "bound" and self.heap.holds_argument([one.value[0]]):
                raise MayChangeError

    def store(self, holder: Value, value: Value) -> None:
        """Put objects into others."""
        self.change(holder)
        for one in holder:
            if one.role in ("new", "function", "bound"):
                self.heap.add(one, value)
            elif one.role != "atom" and self.heap.holds_argument(value):
                raise MayChangeError(depends_on_shape=True)

    def store_item(self, frame: Frame, owner: Value, value: Value) -> None:
        """Assign to an item, or delete it."""
        for one in owner:
            function = self._method_of(one, "__setitem__")
            if one.role == "new" and function is not None:
                self.call_function(frame, function, [frozenset({one})], {}, value)
            else:
                self.store(frozenset({one}), value)

    def store_attribute(self, frame: Frame, owner: Value, name: str, value: Value) -> None:
        """Assign to an attribute."""
        if name == "writeable":
            raise MayChangeError
        for one in owner:
            if isinstance(one.value, type) and is_ours(one.value.__module__):
                raise MayChangeError
            if one.role == "new" and one.kind is not None and is_ours(one.kind.__module__):
                found = inspect.getattr_static(one.kind, name, None)
                if isinstance(found, property) or self._method_of(one, "__setattr__") is not None:
                    if self.heap.holds_argument(value | {one}):
                        raise MayChangeError
                    continue
            self.store(frozenset({one}), value)

    def tested(self, frame: Frame, value: Value) -> None:
        """Ask whether objects are true."""
        for one in value:
            for name in ("__bool__", "__len__"):
                function = self._method_of(one, name)
                if function is not None:
                    self.call_function(frame, function, [frozenset({one})], {})

    # Reading

    def attribute(self, frame: Frame, value: Value, name: str) -> Value:
        """Return what an attribute may be."""
        found: set[Obj] = set()
        if name in _BEHIND and any(one.role != "known" for one in value):
            raise MayChangeError
        for one in value:
            if one.role == "argument":
                found |= self._part(frame, one, name)
            elif one.role == "known":
                found |= self._known_attribute(one, name)
            elif one.role == "new" and one.kind is not None and is_ours(one.kind.__module__):
                found |= self._own_attribute(frame, one, name)
            elif one.role in ("new", "atom"):
                found.add(self._bound(one, name))
            elif one.role == "bound":
                receiver = one.value[0]
                if receiver.role == "argument":
                    raise MayChangeError
                found.add(self._bound(receiver, name))
            else:
                found |= OUTER
        return frozenset(found)

    def _bound(self, receiver: Obj, name: str, function: Any = None) -> Obj:
        found = self.heap.interned("bound", (receiver, name), None, (receiver, name, function))
        self.heap.add(found, [receiver])
        return found

    def _part(self, frame: Frame, one: Obj, name: str) -> Value:
        kind = one.kind
        if kind is None:
            raise MayChangeError(depends_on_shape=True)
        if kind is package_type("ndarray"):
            if name in _ARRAY_FACTS:
                return ATOM
            return (
                frozenset({one})
                if name in ("T", "flat", "real", "imag")
                else frozenset({self._bound(one, name)})
            )
        if _is_frame(kind):
            return self._frame_part(frame, one, name)
        if is_ours(kind.__module__):
            return self._own_attribute(frame, one, name)
        if kind.__module__.startswith("numpy.random") and name in ("bit_generator", "state"):
            return (
                ATOM if name == "state" else frozenset({one})
            )  # a copy of the state; what is inside is as good as it
        return frozenset({self._bound(one, name)})

    def _frame_part(self, frame: Frame, one: Obj, name: str) -> Value:
        if name in _FRAME_FACTS:
            return ATOM
        if name in ("loc", "iloc", "at", "iat"):
            return frozenset({one})
        if name in ("index", "columns"):
            return self.heap.argument(Shape(package_type("Index") or object, frozenset({_atom_shape()})))
        if name in ("values", "array"):
            return self.heap.argument(Shape(package_type("ndarray") or object))
        if name in _FRAME_ACCESSORS:
            return frame.fresh(None, self._leaves([one]), name)
        if callable(inspect.getattr_static(one.kind, name, None)):
            return frozenset({self._bound(one, name)})
        if name in ("attrs", "flags", "axes", "_data", "_mgr"):
            return self.heap.argument(None)
        return self._derived(frame, one, name)

    def _derived(self, frame: Frame, one: Obj, tag: str) -> Value:
        """Return what pandas makes of a frame: with copy-on-write nothing of the frame but its elements."""
        leaves = self._leaves([one]) | ATOM
        found = frame.fresh(None, leaves, tag) | leaves
        return found if copies_on_write() else found | {one}

    def _own_attribute(self, frame: Frame, one: Obj, name: str) -> Value:
        kind = one.kind
        assert kind is not None
        found = inspect.getattr_static(kind, name, _MISSING)
        me = frozenset({one})
        if isinstance(found, FunctionType):
            self._depend_on_class(kind, name, found)
            return frozenset({self._bound(one, name, found)})
        if isinstance(found, property):
            self._depend_on_class(kind, name, found)
            if not isinstance(found.fget, FunctionType):
                raise MayChangeError
            return self.call_function(frame, found.fget, [me], {})
        if isinstance(found, staticmethod):
            return self.heap.known(found.__func__)
        if isinstance(found, classmethod):
            return frozenset({self._bound(next(iter(self.heap.known(kind))), name, found.__func__)})
        if name == "__class__":
            return self.heap.known(kind)
        if name == "__dict__":
            return self.heap.contents(me) if one.role == "new" else self.heap.argument(None)
        for special in ("__getattr__", "__getattribute__"):
            if isinstance(inspect.getattr_static(kind, special, None), FunctionType):
                raise MayChangeError
        is_descriptor = found is not _MISSING and hasattr(type(found), "__get__")
        if is_descriptor and not inspect.isdatadescriptor(found):
            if inspect.isroutine(found):
                return frozenset({self._bound(one, name)})
            raise MayChangeError
        if is_descriptor and not inspect.ismemberdescriptor(found) and not inspect.isgetsetdescriptor(found):
            raise MayChangeError
        if one.role == "new":
            return self.heap.contents(me) | (NOTHING if found is _MISSING else OUTER)
        attributes = one.shape.attributes if one.shape is not None else None
        if attributes is not None:
            shapes = dict(attributes).get(name)
            if shapes is not None:
                return frozenset().union(*map(self.heap.argument, shapes))
            if found is not _MISSING and not is_descriptor:
                if is_atomic_type(type(found)):
                    return self.heap.known(found)
                self._depend_on_class(kind, name, found)
                return self.heap.argument(shape_of(found))
        return self.heap.argument(None)  # what is in its class is part of it: see `object_content.class_data`

    def _known_attribute(self, one: Obj, name: str) -> Value:
        value = one.value
        if type(value) is ModuleType:
            found = vars(value).get(name, _MISSING)
            if found is _MISSING:
                return OUTER
            return (
                self.depend(vars(value), name, found) if is_ours(value.__name__) else self.heap.known(found)
            )
        if isinstance(value, type):
            found = inspect.getattr_static(value, name, _MISSING)
            if is_ours(value.__module__) and isinstance(found, FunctionType):
                self._depend_on_class(value, name, found)
                return self.heap.known(found)
            if isinstance(found, staticmethod):
                return self.heap.known(found.__func__)
            if isinstance(found, classmethod) and isinstance(found.__func__, FunctionType):
                return frozenset({self._bound(one, name, found.__func__)})
            if isinstance(found, MethodDescriptorType):
                return self.heap.known(found)
            if found is not _MISSING and is_atomic_type(type(found)):
                return ATOM
            is_data = (
                found is not _MISSING and not name.startswith("__") and not hasattr(type(found), "__get__")
            )
            if (
                is_ours(value.__module__) and is_data
            ):  # part of all of its instances, the argument perhaps among them
                return self.heap.argument(None)
            return OUTER
        kind = type(value)
        function = inspect.getattr_static(kind, name, None)
        if isinstance(function, FunctionType) and is_ours(kind.__module__):
            self._depend_on_class(kind, name, function)
            return frozenset({self._bound(one, name, function)})
        if kind.__module__ == "numpy.random" or "numpy.random" in kind.__module__:
            return frozenset({self._bound(one, name)})
        return OUTER

    def _depend_on_class(self, kind: type, name: str, found: Any) -> None:
        for base in kind.__mro__:
            if name in vars(base):
                self.depend(vars(base), name, found)
                return

    def _method_of(self, one: Obj, name: str) -> FunctionType | None:
        """Return a method that the user wrote for an object's class, if any."""
        if one.kind is None or one.role not in ("argument", "new") or not is_ours(one.kind.__module__):
            return None
        found = inspect.getattr_static(one.kind, name, None)
        if isinstance(found, FunctionType):
            self._depend_on_class(one.kind, name, found)
            return found
        return None

    def iterated(self, frame: Frame, value: Value) -> Value:
        """Return what going through objects gives; an iterator that is the argument is used up by it."""
        found: set[Obj] = set()
        for one in value:
            function = self._method_of(one, "__iter__")
            if function is not None:
                found |= self.heap.contents(self.call_function(frame, function, [frozenset({one})], {}))
                continue
            if one.role == "argument":
                if one.kind is None:
                    raise MayChangeError(depends_on_shape=True)
                if not _is_plain(one.kind) and not self._is_own_container(one.kind):
                    raise MayChangeError
                if one.kind is package_type("DataFrame"):
                    found |= ATOM
                    continue
            found |= self.heap.contents([one])
        return frozenset(found)

    def _is_own_container(self, kind: type) -> bool:
        return (
            is_ours(kind.__module__)
            and not hasattr(kind, "__next__")
            and kind.__iter__ in (*(list.__iter__, tuple.__iter__, dict.__iter__, set.__iter__),)
            if hasattr(kind, "__iter__")
            else False
        )

    def item(self, frame: Frame, owner: Value, key: Value) -> Value:
        """Return what subscripting gives."""
        found: set[Obj] = set()
        may_slice = any(one.kind is slice or one.role not in ("atom",) for one in key)
        for one in owner:
            inner = self.heap.contents([one])
            kind = one.kind
            function = self._method_of(one, "__getitem__")
            if function is not None:
                found |= self.call_function(frame, function, [frozenset({one}), key], {})
            elif one.role == "argument":
                found |= self._item_of_argument(frame, one, key, may_slice)
            elif one.role == "new":
                found |= inner
                if kind not in DICTS and (may_slice or kind is None):
                    found |= frame.fresh(kind, inner, "slice")
            else:
                found |= inner
        return frozenset(found)

    def _item_of_argument(self, frame: Frame, one: Obj, key: Value, may_slice: bool) -> Value:
        kind, inner = one.kind, self.heap.contents([one])
        if kind is None:
            raise MayChangeError(depends_on_shape=True)
        if kind in (list, tuple, deque):
            return inner | frame.fresh(kind, inner, "slice") if may_slice else inner
        if kind in DICTS and kind is not defaultdict:
            return inner
        if kind is package_type("ndarray"):
            if all(k.role == "new" and k.kind in (list, None) for k in key):
                return frame.fresh(None, self._leaves([one]), "picked")
            if all(k.role == "atom" and k.kind is not slice for k in key):
                return inner
            return inner | {one}
        if _is_frame(kind):
            return self._derived(frame, one, "item")
        if (
            is_ours(kind.__module__)
            and issubclass(kind, (list, tuple, dict))
            and not hasattr(kind, "__missing__")
        ):
            return self.heap.argument(None)
        raise MayChangeError

    def _leaves(self, value: Iterable[Obj]) -> Value:
        """Return what arrays and frames may hold of the argument: their elements, if these are objects."""
        found: set[Obj] = set()
        pending, seen = list(value), set()
        while pending:
            one = pending.pop()
            if one in seen:
                continue
            seen.add(one)
            if one.role == "argument" and not (one.kind is not None and _is_array(one.kind)):
                found.add(one)
            elif one.role != "atom":
                pending += self.heap.contents([one])
        return frozenset(found)

    def use(self, frame: Frame, value: Value) -> None:
        """Show, compare or combine objects and all that is in them."""
        pending, seen = list(value), set()
        while pending:
            one = pending.pop()
            if one in seen:
                continue
            seen.add(one)
            if one.role == "argument":
                if one.kind is None:
                    raise MayChangeError(depends_on_shape=True)
                if is_ours(one.kind.__module__):
                    self._probe(frame, one, value)
                elif not _is_plain(one.kind):
                    raise MayChangeError
                elif one.kind is not package_type("ndarray"):
                    pending += self.heap.contents([one])
            elif one.role in ("new", "bound"):
                if one.kind is not None and is_ours(one.kind.__module__):
                    self._probe(frame, one, value)
                pending += self.heap.contents([one])

    def _probe(self, frame: Frame, one: Obj, others: Value) -> Value:
        """Call what a class of the user's defines for operators and functions that read."""
        found: set[Obj] = set()
        for name in _READING:
            function = self._method_of(one, name)
            # One that is being followed already is not followed again: what it does is found out there.
            if function is not None and function.__code__ not in self.active:
                found |= self.call_function(frame, function, [frozenset({one})], {}, others)
        return frozenset(found)

    def operate(self, frame: Frame, value: Value, *, is_comparison: bool = False) -> Value:
        """Combine objects by an operator."""
        if all(one.role == "atom" for one in value):
            return ATOM
        if all(one.role in ("atom", "outer") for one in value):
            return OUTER
        found: set[Obj] = set()
        for one in value:
            if one.role in ("argument", "new") and one.kind is not None and is_ours(one.kind.__module__):
                found |= self._probe(frame, one, value) | {one}
            elif one.role == "argument" and (one.kind is None or not _is_plain(one.kind)):
                raise MayChangeError(depends_on_shape=one.kind is None)
        if is_comparison:
            self.use(frame, frozenset(one for one in value if one.kind is not package_type("DataFrame")))
        if not is_comparison and any(
            self._leaves([one]) for one in value if one.kind and _is_array(one.kind)
        ):
            self.use(frame, value)
        kinds = {one.kind for one in value if one.kind in (list, tuple, set, dict)}
        kind = kinds.pop() if len(kinds) == 1 and len(value) == 2 else None
        held: Value = self._leaves(value) if kind is None else self.heap.contents(value)
        if kind is None and any(one.kind in SEQUENCES or one.kind in DICTS for one in value):
            held |= self.heap.contents(one for one in value if not (one.kind and _is_array(one.kind)))
        return frozenset(found) | frame.fresh(kind, held | ATOM, "result")

    def operate_in_place(self, frame: Frame, one: Value, other: Value) -> Value:
        """Combine objects by an operator such as `+=`."""
        for each in one:
            if each.role == "argument" and each.kind not in (tuple, frozenset):
                raise MayChangeError(depends_on_shape=each.kind is None)
            if each.role == "bound":
                self.change(frozenset({each}))
            function = next(
                (
                    f
                    for name in ("add", "sub", "mul", "or", "and")
                    if (f := self._method_of(each, f"__i{name}__"))
                ),
                None,
            )
            if function is not None and self.heap.holds_argument(one | other):
                raise MayChangeError
        held = (
            self.iterated(frame, other)
            if any(each.kind in (list, set, dict, deque) for each in one)
            else NOTHING
        )
        held |= self._leaves(other)
        self.store(frozenset(each for each in one if each.role in ("new", "outer", "known")), held)
        fixed = frozenset(
            each for each in one if each.role not in ("new",) or each.kind in (tuple, frozenset)
        )
        kept = one - fixed
        return kept | (self.operate(frame, fixed | other) if fixed else NOTHING)

    def entered(self, frame: Frame, manager: Value) -> Value:
        """Return what `with` gives."""
        self.change(manager)
        for one in manager:
            if self._method_of(one, "__enter__") is not None and self.heap.holds_argument([one]):
                raise MayChangeError
        return OUTER | self.heap.contents(manager) | frozenset(one for one in manager if one.role == "new")

    # Calling

    def function(self, frame: Frame, code: CodeType, closure: Value, defaults: Value) -> Value:
        """Return the function that is made here."""
        found = self.heap.interned("function", (id(code), id(frame.code)), None, (code, frame))
        self.heap.add(found, self._cells(code, frame) | defaults)
        found.value = (code, frame)
        return frozenset({found})

    def set_function_attribute(self, function: Value, flag: int, value: Value) -> None:  # noqa: D102
        if flag in (1, 2):
            for one in function:
                self.heap.add(one, value)

    def _cells(self, code: CodeType, frame: Frame) -> Value:
        return frozenset().union(*(self._cell(name, frame) for name in code.co_freevars))

    def _cell(self, name: str, frame: Frame) -> Value:
        index = frame.locals.index(name)
        if name in frame.code.co_cellvars:
            return frozenset({self.heap.new((id(frame.code), "cell", index))})
        return frame.start.get(index, OUTER)

    def call(
        self,
        frame: Frame,
        function: Value,
        positional: list[Value],
        keywords: dict[str, Value],
        rest: Value = NOTHING,
    ) -> Value:
        """Return what a call may return.

        Args:
            frame: Where it is called.
            function: What is called.
            positional: The arguments by position.
            keywords: The arguments by name.
            rest: What may be at any place beyond them, by `*` and `**`.
        """
        found: set[Obj] = set()
        for one in function:
            if one.role == "function":
                code, outside = one.value
                closure = {name: self._cell(name, outside) for name in code.co_freevars}
                defaults = self.heap.contents([one]) if one.held else NOTHING
                found |= self._inline(
                    frame,
                    code,
                    outside.space,
                    closure,
                    outside.shared,
                    positional,
                    keywords,
                    rest,
                    defaults,
                    [one],
                )
            elif one.role == "bound":
                found |= self._call_bound(frame, one, positional, keywords, rest)
            elif one.role == "known":
                found |= self._call_known(frame, one.value, positional, keywords, rest)
            elif one.role == "new" and (method := self._method_of(one, "__call__")) is not None:
                found |= self.call_function(frame, method, [frozenset({one}), *positional], keywords, rest)
            elif one.role == "new" and one.kind is None and not one.held:
                found |= self._result(frame, FRESH, None, positional, keywords, rest)
            elif one.role == "argument":
                method = self._method_of(one, "__call__")
                if method is None:
                    raise MayChangeError(depends_on_shape=one.kind is None)
                found |= self.call_function(frame, method, [frozenset({one}), *positional], keywords, rest)
            else:
                found |= self._unknown(positional, keywords, rest)
        return frozenset(found)

    def _unknown(self, positional: list[Value], keywords: dict[str, Value], rest: Value) -> Value:
        if self.heap.holds_argument(rest.union(*positional, *keywords.values())):
            raise MayChangeError(depends_on_shape=True)
        return OUTER

    def call_function(
        self,
        frame: Frame,
        function: FunctionType,
        positional: list[Value],
        keywords: dict[str, Value],
        rest: Value = NOTHING,
    ) -> Value:
        """Call a function of the user's."""
        cells = {
            name: self.heap.known(cell)
            for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        }
        for cell in function.__closure__ or ():
            self.dependencies.append((cell, None, kept(content_of(cell))))
        self.dependencies.append((function, "__code__", function.__code__))
        defaults = frozenset().union(
            *map(
                self.heap.existing,
                (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()),
            )
        )
        return self._inline(
            frame,
            function.__code__,
            function.__globals__,
            cells,
            None,
            positional,
            keywords,
            rest,
            defaults,
            [],
        )

    def _inline(
        self,
        frame: Frame,
        code: CodeType,
        space: Mapping[str, Any],
        closure: dict[str, Value],
        shared: dict[str, Value] | None,
        positional: list[Value],
        keywords: dict[str, Value],
        rest: Value,
        defaults: Value,
        function: list[Obj],
    ) -> Value:
        given = rest.union(*positional, *keywords.values())
        if code in self.active or len(self.active) >= _DEEPEST:
            if self.heap.holds_argument(given.union(function)):
                raise MayChangeError(depends_on_shape=True)
            return OUTER
        names = bind(self.heap, code, positional, keywords, rest, defaults)
        self.active.append(code)
        try:
            found = Frame(self, code, space, names, closure, shared).run()
        finally:
            self.active.pop()
        if code.co_flags & _GENERATOR:
            held = self.heap.new((id(code), "arguments"), None, given.union(*closure.values()))
            made = self.heap.new((id(code), "generator"), None, found, ("lazy", held))
            return frozenset({made})
        return found

    def _call_bound(
        self, frame: Frame, one: Obj, positional: list[Value], keywords: dict[str, Value], rest: Value
    ) -> Value:
        receiver, name, function = one.value
        me = frozenset({receiver})
        if function is not None:
            return self.call_function(frame, function, [me, *positional], keywords, rest)
        if receiver.role == "known":
            return self._unknown(positional, keywords, rest)
        if receiver.role == "atom":
            return ATOM | self._result(frame, FRESH, None, positional, keywords, rest)
        if receiver.role == "argument":
            kind = receiver.kind
            if is_ours(kind.__module__):
                kind = next((base for base in kind.__mro__ if not is_ours(base.__module__)), object)
            result = method_result(kind, name)
            if result is None:
                raise MayChangeError(is_seen=_is_plain(kind) or kind in _CHANGED_BY_METHODS)
            most = method_out_place(name) if kind is package_type("ndarray") else None
            if most is not None and len(positional) >= most:
                self.change(frozenset().union(*positional[most - 1 :]))
            if result == GIVES_ATOM and not (positional or keywords or rest):
                return ATOM  # nothing is compared, nothing handed on
            return self._result(frame, result, None, [me, *positional], keywords, rest)
        return self._call_new(frame, receiver, name, positional, keywords, rest)

    def _call_new(
        self,
        frame: Frame,
        receiver: Obj,
        name: str,
        positional: list[Value],
        keywords: dict[str, Value],
        rest: Value,
    ) -> Value:
        """Call a method of an object that the code has made, of a type that keeps what it is given at most."""
        me = frozenset({receiver})
        given = rest.union(*positional, *keywords.values())
        self._call_back(frame, given, self.heap.contents(me))
        if name in _STORING:
            held = given
            if name not in ("append", "add", "appendleft", "insert"):
                held |= self.iterated(frame, given)
            self.heap.add(receiver, held)
        else:
            self.use_given(frame, given)
        inner = self.heap.contents(me)
        if name in _TAKING:
            return inner | given
        if name == "copy" and receiver.kind is not None:
            return frame.fresh(receiver.kind, inner, "copy")
        made = self.heap.new((id(frame.code), frame.offset, "method"), None, inner | self._leaves(given))
        self.heap.add(made, [made])
        return frozenset({made})

    def use_given(self, frame: Frame, given: Value) -> None:
        """Show arguments to a method that reads them at most."""
        self.use(frame, frozenset(one for one in given if one.role not in ("function", "known", "bound")))
        for one in given:
            if one.role == "argument":
                self.iterated(frame, frozenset({one}))

    def _call_known(
        self, frame: Frame, function: Any, positional: list[Value], keywords: dict[str, Value], rest: Value
    ) -> Value:
        if id(function) in _SEES_NAMES:
            raise MayChangeError
        special = self._call_special(frame, function, positional, keywords, rest)
        if special is not None:
            return special
        try:
            result = result_of(function)
        except TypeError:
            result = None
        if result is not None:
            return self._result(frame, result, function, positional, keywords, rest)
        if isinstance(function, FunctionType):
            if is_ours(function.__module__) and result_of(function) is None:
                return self.call_function(frame, function, positional, keywords, rest)
        elif isinstance(function, MethodType) and isinstance(function.__func__, FunctionType):
            if is_ours(function.__func__.__module__):
                me = self.heap.known(function.__self__)
                return self.call_function(frame, function.__func__, [me, *positional], keywords, rest)
        elif isinstance(function, functools.partial):
            first = [self.heap.known(one) for one in function.args]
            more = {name: self.heap.known(one) for name, one in function.keywords.items()} | keywords
            return self.call(frame, self.heap.known(function.func), [*first, *positional], more, rest)
        elif isinstance(function, MethodDescriptorType):
            if positional:
                bound = self.attribute(frame, positional[0], function.__name__)
                return self.call(frame, bound, positional[1:], keywords, rest)
        elif isinstance(function, type):
            return self._instance(frame, function, positional, keywords, rest)
        else:
            method = inspect.getattr_static(type(function), "__call__", None)
            if isinstance(method, FunctionType) and is_ours(type(function).__module__):
                return self.call_function(
                    frame, method, [self.heap.known(function), *positional], keywords, rest
                )
        return self._unknown(positional, keywords, rest)

    def _call_special(
        self, frame: Frame, function: Any, positional: list[Value], keywords: dict[str, Value], rest: Value
    ) -> Value | None:
        count = len(positional)
        if rest:
            return None
        if function is type and count == 1:
            if any(one.kind is None and one.role == "argument" for one in positional[0]):
                raise MayChangeError(depends_on_shape=True)  # its class is a part of it
            kinds = {one.kind for one in positional[0]}
            return frozenset().union(*(OUTER if kind is None else self.heap.known(kind) for kind in kinds))
        if function in (getattr, setattr, delattr) and count >= 2:
            names = [one.value for one in positional[1]]
            if len(names) == 1 and isinstance(names[0], str):
                if function is getattr:
                    return self.attribute(frame, positional[0], names[0]).union(*positional[2:])
                self.store_attribute(frame, positional[0], names[0], positional[-1])
                return ATOM
            if self.heap.holds_argument(frozenset().union(*positional)):
                raise MayChangeError
            return OUTER
        if function is next and count:
            self.change(positional[0])
            return self.iterated(frame, positional[0]).union(*positional[1:])
        if function is iter and count == 1:
            return self.iterator(frame, self.iterated(frame, positional[0]), positional[0])
        if function in (map, filter) and count >= 2:
            given = [self.iterated(frame, one) for one in positional[1:]]
            made = self.call(frame, positional[0], given, {}) if positional[0] != ATOM else NOTHING
            held = made if function is map else given[0]
            return self.iterator(frame, held, frozenset().union(*positional))
        if function is functools.reduce and count >= 2:
            given = [self.iterated(frame, positional[1]).union(*positional[2:])]
            once = self.call(frame, positional[0], given * 2, {})
            return given[0] | once | self.call(frame, positional[0], [once | given[0], given[0]], {})
        if function is defaultdict:
            made = self.call(frame, positional[0], [], {}) if positional else NOTHING
            more = frozenset().union(*positional[1:])
            return frame.fresh(
                defaultdict, made | self.iterated(frame, self.iterated(frame, more)), "default"
            )
        return None

    def iterator(self, frame: Frame, held: Value, source: Value) -> Value:
        """Return what goes through objects when it is asked to."""
        behind = self.heap.new((id(frame.code), frame.offset, "source"), None, source)
        place = (id(frame.code), frame.offset, "lazy")
        return frozenset({self.heap.new(place, None, held, ("lazy", behind))})

    def _call_back(self, frame: Frame, given: Value, parts: Value) -> Value:
        """Call the functions among arguments with parts of the others."""
        found: set[Obj] = set()
        for one in given:
            if one.role == "function" or (one.role == "bound" and one.value[0].role != "atom"):
                found |= self.call(frame, frozenset({one}), [], {}, parts)
            elif one.role == "known" and callable(one.value) and type(one.value) is not ModuleType:  # noqa: SIM102
                if not (isinstance(one.value, type) and is_atomic_type(one.value)):
                    found |= self.call(frame, frozenset({one}), [], {}, parts)
        return frozenset(found)

    def _result(
        self,
        frame: Frame,
        result: str,
        function: Any,
        positional: list[Value],
        keywords: dict[str, Value],
        rest: Value,
    ) -> Value:
        """Call a function that is known to leave its arguments as they are, and return what it gives."""
        for name in ("out", "inplace", "overwrite_input", "overwrite_x", "casting_out"):
            value = keywords.get(name, NOTHING)
            if any(one.role != "atom" or one.kind not in (bool, type(None)) or one.value for one in value):
                self.change(
                    frozenset().union(*positional) if name != "out" else value | self.heap.contents(value)
                )
                if name == "out":
                    return value
        given = rest.union(*positional, *keywords.values())
        most = out_place(function)
        if most is not None and len(positional) > most:  # the further arguments are where results go
            self.change(frozenset().union(*positional[most:]))
        if self.heap.holds_argument(given):
            self._look(frame, function, given)
        parts = self.heap.contents(given)
        back = NOTHING
        if function not in (isinstance, issubclass, print):
            back = self._call_back(frame, given, parts | given if function is None else parts)
        if result == DEEP:
            return frame.fresh(next(iter({one.kind for one in positional[0]})), ATOM) if positional else OUTER
        if result == GIVES_ATOM:
            return ATOM
        copy_kw = keywords.get("copy", NOTHING)
        if result == ALIAS or any(one.kind is not bool or one.value is not True for one in copy_kw):
            made = parts | given | back
            if made == ATOM:
                return ATOM
            if function is None or function not in (min, max, sum):
                return made | frame.fresh(None, parts, "alias")
            summed = self.operate(frame, parts) if function is sum and parts - ATOM else NOTHING
            return parts | summed | frozenset().union(*keywords.values()) | self._several(positional)
        if function in _SHALLOW:
            found = frame.fresh(_SHALLOW[function], parts, "shallow")
            return self.iterator(frame, parts, given) if id(function) in _LAZY else found
        if function in (zip, enumerate) or (function is not None and _module_of(function) == "itertools"):
            inner = parts | self.heap.contents(parts)
            return self.iterator(frame, inner | frame.fresh(tuple, inner, "tuples"), given)
        if any(one.role == "argument" and one.kind is not None and _is_array(one.kind) for one in given) or (
            function is not None and _module_of(function).partition(".")[0] in ("numpy", "pandas")
        ):
            held = self._leaves(given) | back | ATOM
            array = self.heap.new((id(frame.code), frame.offset, "array"), None, held)
            self.heap.add(array, [array])
            return frozenset({array})
        other = self.heap.new((id(frame.code), frame.offset, "made"), None, parts | back)
        self.heap.add(other, [other, *self.heap.contents(parts)])
        return frozenset({other})

    def known_only(self, value: Value) -> None:
        """Let nothing pass that is of a type of which nothing is known."""
        for one in value:
            if one.role == "argument":
                if one.kind is None:
                    raise MayChangeError(depends_on_shape=True)
                if not _is_plain(one.kind) and not is_ours(one.kind.__module__):
                    raise MayChangeError

    def matched(self, frame: Frame, subject: Value) -> Value:
        """Return what the attributes that a class pattern reads may be."""
        self.known_only(subject)
        for one in subject:
            if one.role in ("argument", "new") and one.kind is not None and is_ours(one.kind.__module__):  # noqa: SIM102
                if any(isinstance(v, property) for base in one.kind.__mro__ for v in vars(base).values()):
                    raise MayChangeError
        return frame.fresh(tuple, self.heap.contents(subject) | subject, "matched")

    def _several(self, positional: list[Value]) -> Value:
        return frozenset().union(*positional) if len(positional) > 1 else NOTHING

    def _look(self, frame: Frame, function: Any, given: Value) -> None:
        """Follow how a known function looks at its arguments: which it goes through, and which methods it calls."""
        if id(function) in _INERT:
            return
        if function is len:
            self.tested(frame, given)
            self.known_only(given)
            return
        for one in given:
            if one.role != "argument":
                continue
            me = frozenset({one})
            if function is None or id(function) not in _LOOKS_ONLY:  # noqa: SIM102
                if not (one.kind is not None and is_ours(one.kind.__module__)) or self._method_of(
                    one, "__iter__"
                ):
                    self.iterated(frame, me)
            if one.kind is not None and is_ours(one.kind.__module__):
                self._probe(frame, one, given)
            elif (
                one.kind is not None
                and not _is_plain(one.kind)
                and function not in (isinstance, id, callable)
            ):
                raise MayChangeError
        if function not in (
            copy.copy,
            copy.deepcopy,
            list,
            tuple,
            enumerate,
            zip,
            reversed,
            iter,
            any,
            all,
            dict,
        ) and (function is not None or not all(one.kind in SEQUENCES or one.kind in DICTS for one in given)):
            self.use(frame, frozenset(one for one in given if one.role not in ("function", "known", "bound")))

    def _instance(
        self, frame: Frame, kind: type, positional: list[Value], keywords: dict[str, Value], rest: Value
    ) -> Value:
        given = rest.union(*positional, *keywords.values())
        if issubclass(kind, BaseException) and "__init__" not in vars(kind):
            return frame.fresh(None, given, kind.__name__)
        if not is_ours(kind.__module__) or type(kind).__call__ is not type.__call__:
            return self._unknown(positional, keywords, rest)
        made = frozenset({self.heap.new((id(frame.code), frame.offset, "instance"), kind)})
        if issubclass(kind, tuple) and hasattr(kind, "_fields"):
            self.heap.add(next(iter(made)), given)
            return made
        function = inspect.getattr_static(kind, "__init__", None)
        if kind.__new__ is not object.__new__:  # type: ignore[comparison-overlap]
            return self._unknown(positional, keywords, rest)
        if isinstance(function, FunctionType):
            self._depend_on_class(kind, "__init__", function)
            self.call_function(frame, function, [*([made]), *positional], keywords, rest)
        elif given and function is not object.__init__:
            return self._unknown(positional, keywords, rest)
        return made


def bind(
    heap: Heap,
    code: CodeType,
    positional: list[Value],
    keywords: dict[str, Value],
    rest: Value = NOTHING,
    defaults: Value = NOTHING,
) -> dict[str, Value]:
    """Return what the parameters of a function are in a call."""
    count = code.co_argcount
    parameters = code.co_varnames[: count + code.co_kwonlyargcount]
    found = dict(zip(parameters[:count], positional, strict=False))
    extra_names = []
    for name, value in keywords.items():
        if name in parameters:
            found[name] = value
        else:
            extra_names.append(value)
    for name in parameters:
        if name not in found:
            found[name] = rest | defaults or OUTER
        elif rest:
            found[name] |= rest
    index = len(parameters)
    if code.co_flags & inspect.CO_VARARGS:
        held = rest.union(*positional[count:])
        found[code.co_varnames[index]] = frozenset({heap.new((id(code), "*"), tuple, held)})
        index += 1
    if code.co_flags & inspect.CO_VARKEYWORDS:
        held = rest.union(ATOM, *extra_names)
        found[code.co_varnames[index]] = frozenset({heap.new((id(code), "**"), dict, held)})
    return found


def kept(value: Any) -> Any:
    """Return what an answer keeps of a value that it depends on: data is not held on to, its type is enough."""
    kinds = (FunctionType, MethodType, type, ModuleType, functools.partial, BuiltinFunctionType)
    if isinstance(value, kinds) or type(value).__name__ == "ufunc":
        return value
    if isinstance(value, (property, staticmethod, classmethod, MethodDescriptorType)):
        return value
    return OfType(type(value))


class OfType:
    """Stands for any value of a type."""

    __slots__ = ("kind",)

    def __init__(self, kind: type) -> None:
        self.kind = kind


def _is_full(cell: CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - it raises if there is nothing in it
    except ValueError:
        return False
    return True


def _module_of(function: Any) -> str:
    return str(getattr(function, "__module__", None) or type(function).__module__)


def _atom_shape() -> Shape:
    from nbflow.core.data.value_shape import ATOM_SHAPE

    return ATOM_SHAPE


def _is_array(kind: type) -> bool:
    return kind is package_type("ndarray") or _is_frame(kind)


@functools.lru_cache(maxsize=1_000)
def _is_frame(kind: type) -> bool:
    if kind.__module__.partition(".")[0] != "pandas":
        return False
    bases = [package_type(name) for name in ("DataFrame", "Series", "Index")]
    return any(base is not None and issubclass(kind, base) for base in bases)


def _is_plain(kind: type) -> bool:
    """Tell whether reading, comparing and going through objects of a type leaves them as they are."""
    return kind in SEQUENCES or kind in DICTS or _is_array(kind)
