"""Names, arguments and resources that the tasks of a flow will miss when they run."""

from __future__ import annotations

import builtins
import dis
import inspect
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from nbflow.core.block import Block
from nbflow.core.codehash.introspect import functions_in, is_a, methods_of, roots_of
from nbflow.core.collections import Constant
from nbflow.core.parameter import Parameter
from nbflow.core.placeholder_task import PlaceholderTask
from nbflow.notebook.taskcell.cell_function import function_of
from nbflow.render.names import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from nbflow.core.graph import Graph
    from nbflow.core.task import Task

_DEEPEST = 50  # so many functions that call each other are read


def undefined(flow: Graph, tasks: Iterable[Task]) -> Iterator[tuple[Task, str]]:
    """Yield what `tasks` will miss, in words that name the task and the remedy. Nothing is executed."""
    for task in tasks:
        if isinstance(task, (Parameter, Constant, PlaceholderTask)):
            continue
        name = one_line(task.name, 60)
        for missing in _names(task):
            yield task, f"{name} reads {missing!r}, and no cell has defined that; execute the cell that does"
        for argument in _arguments(flow, task):
            said = f"{name} is not given {argument!r}, which it requires; give it in the call, or give it a default"
            yield task, said
        for argument, value in flow.constants.get(task, {}).items():
            if isinstance(value, Block):
                said = f"{name} takes {value.name} as {argument!r} without its block, so it would be given no resource"
                yield task, f"{said}; write `with {value.name}(...) as resource:` and give it that"


def _arguments(flow: Graph, task: Task) -> list[str]:
    known = {edge.key for edge in flow.edges_in(task)} | flow.constants.get(task, {}).keys()
    return [name for name, one in task.inputs().items() if _is_required(task, name, one) and name not in known]


def _is_required(task: Task, name: str, described: Mapping[str, Any]) -> bool:
    kind = task._run_signature().signature.parameters[name].kind
    return bool(described["required"]) and kind not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)


def _names(task: Task) -> list[str]:
    run = function_of(task)
    if run is not None:
        space = run.namespace
        return [name for name in run.missing if name not in space and not hasattr(builtins, name)]
    return list(dict.fromkeys(_unknown(_functions(task))))


def _functions(task: Task) -> list[FunctionType]:
    found: list[FunctionType] = []
    for root in roots_of(task):
        members = methods_of(root).values() if is_a(root, type) else [root]
        for member in members:
            found += [inspect.unwrap(one) for one in functions_in(member)]
    return found


def _unknown(functions: Iterable[FunctionType]) -> Iterator[str]:
    """Yield the names that functions of the notebook read, or functions that they call, and that nothing binds."""
    waiting, seen = list(functions), set[int]()
    while waiting and len(seen) < _DEEPEST:
        function = waiting.pop(0)
        names = function.__globals__
        if id(function) in seen or names.get("__name__") != "__main__":
            continue
        seen.add(id(function))
        read, bound = _globals(function.__code__)
        for name in read:
            if name in names:
                held = names[name]
                waiting += [held] if is_a(held, FunctionType) else []
            elif name not in bound and not hasattr(builtins, name):
                yield name


def _globals(code: CodeType) -> tuple[dict[str, None], set[str]]:
    """Return the global names that a function's code reads, and those that it binds itself."""
    read: dict[str, None] = {}
    bound: set[str] = set()
    waiting = [code]
    while waiting:
        one = waiting.pop()
        is_class = not one.co_flags & inspect.CO_OPTIMIZED  # whose body has names of its own
        for step in dis.get_instructions(one):
            if step.opname == "LOAD_GLOBAL":
                read[step.argval] = None
            elif step.opname in ("STORE_GLOBAL", "STORE_NAME", "DELETE_GLOBAL"):
                bound.add(step.argval)
            elif step.opname == "LOAD_NAME" and is_class:
                read.setdefault(step.argval, None)
        waiting += [inner for inner in one.co_consts if isinstance(inner, CodeType)]
    return read, bound | {"__name__", "__qualname__", "__module__", "__file__", "__class__"}
