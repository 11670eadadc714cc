"""Constants and collections as tasks, and the conversion of any argument to a task."""

from __future__ import annotations

import copy
import io
from collections import deque
from collections.abc import Iterator, Sized
from typing import TYPE_CHECKING, Any, Self

from nbflow.core.annotations import EdgeAnnotation
from nbflow.core.context import thread
from nbflow.core.data.shared_iterator import ItemBuffer
from nbflow.core.data.value_type import has_method, identity, ids_of, type_name, type_of
from nbflow.core.operators import GetItem
from nbflow.core.short_text import is_large, short_text
from nbflow.core.task import Task
from nbflow.errors import NestedInItselfError, NoFlowError, OptionError

if TYPE_CHECKING:
    from nbflow.core.graph import Graph

__all__ = ["Constant", "Dict", "GetItem", "List", "Set", "Tuple", "as_task"]

_LONGEST_NAME = 8
_LONGEST_LABEL = 24
_SIZED = (list, tuple, dict, set, frozenset, str, bytes)
_NEVER_TASKS = ids_of((int, float, str, bytes, bool, complex, type(None)))


class Constant(Task):
    """A task whose result is known.

    Args:
        value: The result.
        name: By default the repr of the value, or `Constant[type]` if that is long.
        **kwargs: Options of the task.
    """

    _items: ItemBuffer | None = None

    def __init__(self, value: Any, name: str | None = None, **kwargs: Any) -> None:
        self.value = value
        super().__init__(name=_constant_name(value) if name is None else name, **kwargs)

    def run(self) -> Any:
        """Return the value; of an iterator another one each time, which begins with the first item."""
        if not has_method(self.value, "__next__") or issubclass(type(self.value), io.IOBase):
            return self.value
        if self._items is None:
            self._items = ItemBuffer(self.value)
        return self._items.take()


def _constant_name(value: Any) -> str:
    kind = type_of(value)
    try:
        # More than eight items never fit: the repr of a large value need not be made.
        is_long = kind in (str, bytes) and len(value) > _LONGEST_NAME
        text = None if is_long or is_large(value, _LONGEST_NAME) else repr(value)
    except BaseException:  # noqa: BLE001 - a user's `__repr__` may raise anything, and values be nested too deeply
        text = None
    return text if text is not None and len(text) <= _LONGEST_NAME else _unnamed(value)


def _unnamed(value: Any) -> str:
    return f"Constant[{type_name(value)}]"


def label_of(task: Task) -> str:
    """Return the name of a task as people read it: a constant is called by what it holds, cut short.

    Example:
        >>> label_of(Constant([1, 2, 3])), label_of(Constant(list(range(1_000))))
        ('[1, 2, 3]', 'list of 1000')
    """
    if type(task) is not Constant or task.name != _unnamed(task.value):
        return task.name
    text = short_text(task.value, longest=_LONGEST_LABEL)
    # An address would be another one in each kernel.
    if not text.startswith("<") and not text.endswith("…") and " at 0x" not in text:
        return text
    kind = type_name(task.value)
    return f"{kind} of {len(task.value)}" if type_of(task.value) in _SIZED else kind


class _CollectionTask(Task):
    """A task that gathers any number of results, bound as `arg_1`, `arg_2` and so on."""

    def bind(self, *args: Any, **kwargs: Any) -> Self:
        """Bind the members, in their order."""
        return super().bind(**{f"arg_{i}": value for i, value in enumerate(args, start=1)}, **kwargs)


def _in_order(task_results: dict[str, Any]) -> list[Any]:
    numbered = {int(key.removeprefix("arg_")): result for key, result in task_results.items()}
    return [numbered[number] for number in sorted(numbered)]


class List(_CollectionTask):
    """Gather results in a list."""

    def run(self, **task_results: Any) -> list[Any]:
        """Return the results in the order in which they were bound."""
        return _in_order(task_results)


class Tuple(_CollectionTask):
    """Gather results in a tuple."""

    def run(self, **task_results: Any) -> tuple[Any, ...]:
        """Return the results in the order in which they were bound."""
        return tuple(_in_order(task_results))


class Set(_CollectionTask):
    """Gather results in a set."""

    def run(self, **task_results: Any) -> set[Any]:
        """Return the results."""
        return set(task_results.values())


class Dict(Task):
    """Gather results in a dictionary."""

    def run(self, keys: Any, values: Any) -> dict[Any, Any]:  # type: ignore[override]
        """Return the values by their keys.

        Raises:
            OptionError: If there are more of one than of the other.
        """
        if isinstance(keys, Sized) and isinstance(values, Sized) and len(keys) != len(values):
            raise OptionError(f"a dictionary needs as many keys as values, but got {len(keys)} and {len(values)}")
        return dict(zip(keys, values, strict=True))


def contains_task(value: Any) -> bool:
    """Tell whether `value` is a task or annotation, or a list, tuple, set or dict with one in it at any depth."""
    if issubclass(type(value), (Task, EdgeAnnotation)):
        return True
    if not issubclass(type(value), (list, tuple, set, dict)):
        return False
    # A stack of its own and a memory: values may be nested very deeply, or contain themselves.
    pending = [value]
    seen = set()
    while pending:
        found = pending.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        for member in _members(found):
            kind = type(member)
            if identity(kind) in _NEVER_TASKS:
                continue
            if issubclass(kind, (Task, EdgeAnnotation)):
                return True
            if issubclass(kind, (list, tuple, set, dict)):
                pending.append(member)
    return False


def _members(found: Any) -> Iterator[Any]:
    """Yield the items of a container past what a user's subclass may do when it is asked for them."""
    if issubclass(type(found), dict):
        yield from dict.keys(found)
        yield from dict.values(found)
        return
    for base in (list, tuple, set):
        if issubclass(type(found), base):
            yield from base.__iter__(found)


def as_task(value: Any, flow: Graph | None = None) -> Task:
    """Convert an argument to a task; tasks stay as they are and annotations are unwrapped.

    What contains no task becomes one Constant. A list, tuple, set or dict with tasks in it becomes a task that
    gathers them, bound in `flow`, and so does each container inside of it, however deeply they are nested.

    Raises:
        NoFlowError: If tasks are to be gathered, no flow is given and none is being built.
        NestedInItselfError: If a container with tasks in it contains itself.
    """
    if issubclass(type(value), EdgeAnnotation):
        value = value.task
    if issubclass(type(value), Task):
        return value  # type: ignore[no-any-return]
    if not contains_task(value):
        constant = Constant(value)
        constant.auto_generated = True
        return constant
    flow = flow if flow is not None else thread.data.get("flow")
    if flow is None:
        raise NoFlowError("to gather tasks in a collection")
    return _gathered(value, flow)


def _gathered(value: Any, flow: Graph) -> Task:
    """Make the task of a container, and those of the containers inside of it, outer ones first."""
    with_tasks = _containers_with_tasks(value)
    root = _gatherer(value)
    made = {id(value): root}  # what stands in several places is gathered once
    # A queue of what is to be done, not calls in calls: there may be more levels than Python can go down.
    pending = deque([(root, value)])
    while pending:
        gatherer, container = pending.popleft()
        arguments = _arguments(container)
        for key, member in arguments.items():
            inner = _inner(member)
            if isinstance(container, dict):  # its keys and values are lists that were made just now
                if any(_is_task(one) or id(_inner(one)) in with_tasks for one in inner):
                    arguments[key] = child = _gatherer(inner)
                    pending.append((child, inner))
                continue
            if id(inner) not in with_tasks:
                continue
            found = made.get(id(inner))
            if found is None:
                found = made[id(inner)] = _gatherer(inner)
                pending.append((found, inner))
            arguments[key] = found
            if inner is not member:
                arguments[key] = copy.copy(member)
                arguments[key].task = found
        flow.set_dependencies(gatherer, keyword_tasks=arguments)
    return root


def _is_task(member: Any) -> bool:
    return issubclass(type(member), (Task, EdgeAnnotation))


def _inner(member: Any) -> Any:
    return member.task if issubclass(type(member), EdgeAnnotation) else member


def _gatherer(container: Any) -> Task:
    kind = next(made for base, made in _GATHERERS if isinstance(container, base))
    gatherer: Task = kind()
    gatherer.auto_generated = True
    return gatherer


_GATHERERS: tuple[tuple[type, type[Task]], ...] = ((dict, Dict), (list, List), (tuple, Tuple), (set, Set))


def _arguments(container: Any) -> dict[str, Any]:
    if isinstance(container, dict):
        return {"keys": list(container.keys()), "values": list(container.values())}
    return {f"arg_{number}": member for number, member in enumerate(container, start=1)}


def _containers_with_tasks(value: Any) -> set[int]:
    """Return the ids of `value` and of the containers in it, at any depth, that have a task somewhere inside.

    Raises:
        NestedInItselfError: If one of them contains itself.
    """
    with_tasks: set[int] = set()
    seen = {id(value)}
    repeated: dict[int, Any] = {}  # those that were met inside of themselves
    pending = [(value, _members(value))]  # the way down to where we are
    on_the_way = {id(value)}
    while pending:
        container, members = pending[-1]
        for member in members:
            inner = _inner(member)
            kind = type(inner)
            if inner is not member or issubclass(kind, Task) or id(inner) in with_tasks:
                with_tasks.add(id(container))
            if identity(kind) in _NEVER_TASKS or not issubclass(kind, (list, tuple, set, dict)):
                continue
            if id(inner) in on_the_way:
                repeated[id(inner)] = inner
            if id(inner) not in seen:
                seen.add(id(inner))
                on_the_way.add(id(inner))
                pending.append((inner, _members(inner)))
                break
        else:
            pending.pop()
            on_the_way.discard(id(container))
            if id(container) in with_tasks and pending:
                with_tasks.add(id(pending[-1][0]))
    for one in (one for number, one in repeated.items() if number in with_tasks):
        raise NestedInItselfError(type_name(one))
    return with_tasks
