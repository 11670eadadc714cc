"""Constants and collections as tasks, and the conversion of any argument to a task."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import TYPE_CHECKING, Any, Self

from nbflow.core.annotations import EdgeAnnotation
from nbflow.core.operators import GetItem
from nbflow.core.task import Task
from nbflow.errors import OptionError

if TYPE_CHECKING:
    from nbflow.core.graph import Graph

__all__ = ["Constant", "Dict", "GetItem", "List", "Set", "Tuple", "as_task"]

_LONGEST_NAME = 8
_NEVER_TASKS = frozenset({int, float, str, bytes, bool, complex, type(None)})


class Constant(Task):
    """A task whose result is known.

    Args:
        value: The result.
        name: By default the repr of the value, or `Constant[type]` if that is long.
        **kwargs: Options of the task.
    """

    def __init__(self, value: Any, name: str | None = None, **kwargs: Any) -> None:
        self.value = value
        super().__init__(name=_constant_name(value) if name is None else name, **kwargs)

    def run(self) -> Any:
        """Return the value."""
        return self.value


def _constant_name(value: Any) -> str:
    kind = type(value)
    # More than eight items never fit: the repr of a large value need not be made.
    is_large = kind in (list, tuple, dict, set, str, bytes) and len(value) > _LONGEST_NAME
    try:
        text = None if is_large else repr(value)
    except BaseException:  # noqa: BLE001 - a user's `__repr__` may raise anything, and values be nested too deeply
        text = None
    return text if text is not None and len(text) <= _LONGEST_NAME else f"Constant[{kind.__name__}]"


class _CollectionTask(Task):
    """A task that gathers any number of results, bound as `arg_1`, `arg_2` and so on."""

    def bind(self, *args: Any, **kwargs: Any) -> Self:
        """Bind the members, in their order."""
        return super().bind(**{f"arg_{i}": value for i, value in enumerate(args, start=1)}, **kwargs)


def _in_order(task_results: dict[str, Any]) -> Iterator[Any]:
    for key in sorted(task_results, key=_number):
        yield task_results[key]


def _number(key: str) -> int:
    return int(key.removeprefix("arg_"))


class List(_CollectionTask):
    """Gather results in a list."""

    def run(self, **task_results: Any) -> list[Any]:
        """Return the results in the order in which they were bound."""
        return list(_in_order(task_results))


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
            raise OptionError(
                f"a dictionary needs as many keys as values, but got {len(keys)} and {len(values)}"
            )
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
            if kind in _NEVER_TASKS:
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
    gathers them, bound in `flow`.

    Raises:
        NoFlowError: If tasks are to be gathered, no flow is given and none is being built.
    """
    if issubclass(type(value), EdgeAnnotation):
        value = value.task
    if issubclass(type(value), Task):
        return value  # type: ignore[no-any-return]
    gathered: Task
    if not contains_task(value):
        gathered = Constant(value)
    elif isinstance(value, dict):
        gathered = Dict().bind(keys=list(value.keys()), values=list(value.values()), flow=flow)
    elif isinstance(value, list):
        gathered = List().bind(*value, flow=flow)
    elif isinstance(value, tuple):
        gathered = Tuple().bind(*value, flow=flow)
    else:
        gathered = Set().bind(*value, flow=flow)
    gathered.auto_generated = True
    return gathered
