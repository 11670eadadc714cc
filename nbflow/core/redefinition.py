"""The newest definition of a function or class: people edit in notebooks and expect the next run to use it.

A definition is known by where it was made: in which cell, script or module, under which name, and as which one
there. Executing that place again gives it a new version. What has the same name elsewhere, or came from another turn of
the same loop, is something else and never takes its place (rule C2); nor does what is older.
"""

from __future__ import annotations

import functools
import itertools
import sys
import weakref
from collections import Counter
from dataclasses import dataclass, field
from types import CodeType, FrameType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

_MOST = 20_000  # of one execution: what a program makes on and on is not kept in mind
_OPTIMIZED = 0x1  # the flag of a function's code, as opposed to that of a module or cell

Key = tuple[str, ...]


@dataclass(eq=False, slots=True)
class Execution:
    """One execution of a place where definitions are made.

    Attributes:
        place: Which cell, script or module.
        number: The later, the greater.
        label: What the place is called in messages.
        namespace: The names of the notebook, if it is a cell.
        code: The code that is executed, if it is none.
        counts: How many definitions it has made, by name.
        total: How many in all.
        is_whole: Whether it came to its end, so that what it has not made it makes no more.
    """

    place: Hashable
    number: int
    label: str = ""
    namespace: dict[str, Any] | None = None
    code: CodeType | None = None
    counts: Counter[Key] = field(default_factory=Counter)
    total: int = 0
    is_whole: bool = False


class _Made(NamedTuple):
    """The place of a definition: as which one of its name it was made, and of its name and the task's."""

    execution: Execution
    by_task: tuple[Key, int]
    by_name: tuple[Key, int]


class _ById:
    """A dictionary from objects to values by identity, which keeps none of the objects alive."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[Any], Any]] = {}

    def get(self, one: Any) -> Any:
        found = self._known.get(id(one))
        return found[1] if found is not None and found[0]() is one else None

    def set(self, one: Any, value: Any) -> bool:
        number, known = id(one), self._known

        def drop(ref: weakref.ref[Any]) -> None:
            held = known.get(number)
            if held is not None and held[0] is ref:
                del known[number]

        try:
            known[number] = weakref.ref(one, drop), value
        except TypeError:  # it cannot be referred to weakly
            return False
        return True


_numbers = itertools.count(1)
_cell: list[Execution] = []  # the one that is being executed
_executions: dict[Hashable, Execution] = {}  # the newest by place
_made = _ById()  # _Made by definition
_newer = _ById()  # the next version of a definition, by name and task
_newer_by_name = _ById()  # the same by the name alone
_said: set[tuple[str, Hashable, Hashable]] = set()  # of what two cells define it has been said
_latest: dict[tuple[Hashable, Key, int], weakref.ref[Any]] = {}


# -- where something is made ----------------------------------------------------------------------------------


def execute_cell(place: Hashable, label: str, namespace: dict[str, Any]) -> Execution:
    """Note that a cell of a notebook begins to be executed.

    Args:
        place: What it is known by; equal for the same cell, whenever it is executed.
        label: What it is called in messages.
        namespace: The notebook's names.
    """
    execution = Execution(place, next(_numbers), label, namespace)
    _cell[:] = [execution]
    _executions[place] = execution
    return execution


def leave_cell(*, is_whole: bool = True) -> None:
    """Note that the cell is over, and whether it came to its end."""
    for execution in _cell:
        execution.is_whole = is_whole
    _cell.clear()


def remember(definition: Any, name: str = "", execution: Execution | None = None) -> None:
    """Note where a function or class has been made, if it is not known yet.

    Args:
        definition: It.
        name: What is made of it: the name of the task, or the one it is bound to.
        execution: Of which place; by default the one that is being executed.
    """
    if _made.get(definition) is not None:
        return
    named = _name_of(definition)
    if named is None:
        return
    if execution is None:
        execution = _execution_of(definition, named)
    if execution is None or execution.total > _MOST:
        return
    execution.total += 1
    by_task, by_name = _counted((*named, "as", name), execution), _counted(named, execution)
    if not _made.set(definition, _Made(execution, by_task, by_name)):
        return
    for newer, (key, number) in ((_newer, by_task), (_newer_by_name, by_name)):
        slot = execution.place, key, number
        before = _latest.get(slot)
        old = None if before is None else before()
        if old is not None and _made.get(old).execution is not execution:
            newer.set(old, definition)
        _latest[slot] = weakref.ref(definition)


def replace(old: Any, new: Any) -> None:
    """Note that a cell which is a task's function was executed again, edited perhaps."""
    _newer.set(old, new)


def place_of(definition: Any) -> Execution | None:
    """Return the execution of a place that made a definition, None if it is not known."""
    made = _made.get(definition)
    return None if made is None else made.execution


def _counted(key: Key, execution: Execution) -> tuple[Key, int]:
    execution.counts[key] += 1
    return key, execution.counts[key]


def _name_of(definition: Any) -> Key | None:
    if not isinstance(definition, (FunctionType, type)) and _wrapped_by(definition) is None:
        return None
    try:
        named = definition.__module__, definition.__qualname__
    except Exception:  # noqa: BLE001 - a user's object may raise anything when it is looked at
        return None
    return named if all(type(part) is str for part in named) else None


def _wrapped_by(definition: Any) -> Any:
    try:
        return object.__getattribute__(definition, "__wrapped__")
    except Exception:  # noqa: BLE001 - as above
        return None


def _execution_of(definition: Any, named: Key) -> Execution | None:
    """Find the place that is being executed; None if there is none: a thread, or code that is executed only once."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        # A class is made in a frame like this, too, but its names are its own.
        if not frame.f_code.co_flags & _OPTIMIZED and frame.f_locals is frame.f_globals:
            break
        frame = frame.f_back
    if frame is None:
        return None
    names, code = frame.f_globals, frame.f_code
    if _cell and _cell[0].namespace is names:
        # An imported function is not of the cell that makes a task of it.
        return _cell[0] if "<" in named[1] or named[0] == names.get("__name__") else None
    module = names.get("__name__")
    if "<" not in named[1] and named[0] != module:
        return None
    file = code.co_filename
    place = ("module", module) if module != "__main__" else ("file", "" if file.startswith("<") else file)
    known = _executions.get(place)
    if known is None or known.code is not code:
        label = str(module) if module != "__main__" else file
        known = _executions[place] = Execution(place, next(_numbers), label, code=code)
    return known


# -- what has its place now -----------------------------------------------------------------------------------


def newest(definition: Any) -> Any:
    """Return the newest version of a function or class; itself if there is no newer one.

    A bound method or partial is one of the newest version of what is inside.
    """
    if type(definition) is functools.partial:
        inner = newest(definition.func)
        if inner is definition.func:
            return definition
        return functools.partial(inner, *definition.args, **definition.keywords)
    if type(definition) is MethodType:
        return _newest_method(definition)
    best = definition
    for one in _later(definition):
        if _is_same(definition, one):
            best = one
    return _bound(best)


def _later(definition: Any) -> Iterator[Any]:
    one = definition
    while (found := _newer.get(one) or _newer_by_name.get(one)) is not None:
        yield (one := found)


def _is_same(old: Any, new: Any) -> bool:
    """Tell whether the places count alike: one turn of a loop more, and nobody knows which one is which."""
    then: _Made | None = _made.get(old)
    now: _Made | None = _made.get(new)
    if then is None or now is None:
        return True  # it was said to be
    key, number = then.by_task
    if now.by_task == then.by_task and then.execution.counts[key] == now.execution.counts[key]:
        return True
    key, number = then.by_name
    return now.by_name == then.by_name and then.execution.counts[key] == now.execution.counts[key] == number == 1


def _newest_method(method: MethodType) -> Any:
    owner = method.__self__
    cls = owner if isinstance(owner, type) else type(owner)
    found = newest(cls)
    if found is cls:
        return method
    new = getattr(found, method.__name__, None) if isinstance(owner, type) else vars(found).get(method.__name__)
    if isinstance(owner, type):
        return new if isinstance(new, MethodType) else method
    return MethodType(new, owner) if isinstance(new, FunctionType) else method


def _bound(definition: Any) -> Any:
    """Return what is bound to the name of a definition in its module now, if that is a version of it."""
    named = _name_of(definition)
    if named is None or "<" in named[1]:
        return definition
    bound: Any = sys.modules.get(named[0])
    for name in named[1].split("."):
        bound = _named(bound, name)
    bound = _unwrapped(bound)
    if bound is definition or type(bound) is not type(definition) or _name_of(bound) != named:
        return definition
    if isinstance(definition, FunctionType) and (
        definition.__globals__ is not bound.__globals__ or definition.__code__ is bound.__code__
    ):  # it only bears the name, as one that is wrapped; or it is of another turn of a loop
        return definition
    then, now = _made.get(definition), _made.get(bound)
    if then is None:
        return bound
    key, place = then.by_name[0], then.execution.place
    if now is None:
        is_here = not _cell or _cell[0].place == place or then.execution.namespace is None
        return bound if is_here and then.execution.counts[key] == 1 else definition
    is_other = now.execution.place != place and now.execution.number > then.execution.number
    return bound if is_other and not _still_makes(then.execution, key) else definition


def _still_makes(execution: Execution, key: Key) -> bool:
    """Tell whether a place makes a definition of this name, the last time that it was executed."""
    latest = _executions[execution.place]
    return latest is execution or not latest.is_whole or latest.counts[key] > 0


def rival(definition: Any) -> tuple[str, str, str] | None:
    """Return, once, what a definition is called, its cell, and the other cell that has defined the name since.

    None if no other cell has, or it has been said.
    """
    then = _made.get(definition)
    if then is None or "<" in then.by_name[0][1]:
        return None
    module, name = then.by_name[0][:2]
    bound = _unwrapped(_named(sys.modules.get(module), name))
    now = None if bound is None or bound is definition else _made.get(bound)
    if now is None or now.by_name[0] != then.by_name[0]:
        return None
    here, there = then.execution, now.execution
    if here.place == there.place or here.number > there.number or None in (here.namespace, there.namespace):
        return None
    said = name, here.place, there.place
    if said in _said:
        return None
    _said.add(said)
    return name, here.label, there.label


def _unwrapped(bound: Any) -> Any:
    """Return what a task or manager was made of that has taken the name of its function or class."""
    if str(type(bound).__module__).startswith("nbflow."):
        return _named(bound, "run") or _named(bound, "resource_class")
    return bound


def _named(owner: Any, name: str) -> Any:
    try:
        return vars(owner).get(name)
    except TypeError:
        return None
