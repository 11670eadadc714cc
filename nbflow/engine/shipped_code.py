"""The user's lines in tracebacks of functions that were shipped: to a cluster's worker, to another process, by value.

cloudpickle (from 3.1.3 on) gives all code that it ships the file name `<dynamic-code>`, so a traceback that comes back
says neither the cell nor shows the line. The function is still known here, where it was shipped from. It is looked for
among what the task can reach, then among all that its module (the notebook) has, and the frame is made again with the
right file. Where several functions fit, the frame stays as it is: a wrong line is worse than none.
"""

from __future__ import annotations

import ast
import inspect
import sys
from contextlib import suppress
from functools import partial
from types import CodeType, FunctionType, MethodType, TracebackType
from typing import TYPE_CHECKING, Any

from nbflow.core.codehash.code_snapshot import CodeSnapshot
from nbflow.core.codehash.introspect import MANY, NOTHING, content_of, functions_in, is_a, roots_of, wrapped_by
from nbflow.core.data.value_type import type_of
from nbflow.core.ownership import is_ours
from nbflow.core.task import Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

SHIPPED = "<dynamic-code>"
_Found = list[tuple[str, CodeType]]  # pieces of code, each with the name of its module
_CHAIN = 50  # so many errors: causes, and those of groups
# tblib makes the frames of other processes again by raising this; of the code only the names are true.
_MADE_BY_TBLIB = "__traceback_maker"


def show_users_lines(error: BaseException, task: Task, more: Iterable[Any] = ()) -> None:
    """Give the tracebacks of an error, its causes and its parts the file names of the functions that were shipped.

    Costs a walk through the traceback if nothing in it was shipped. Never raises.

    Args:
        error: What a task raised, or logged.
        task: The task.
        more: What else may be, or hold, a function that was shipped: what the task was given.
    """
    try:
        search = None
        for one in _chain(error):
            trace = one.__traceback__
            if any(link.tb_frame.f_code.co_filename == SHIPPED for link in _links(trace)):
                search = search or _Search(task, more)
                BaseException.with_traceback(one, search.corrected(trace))
    except Exception:  # noqa: BLE001 - users' objects may raise anything; the error itself is what counts
        return


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: dict[int, BaseException] = {}
    waiting: list[BaseException | None] = [error]
    while waiting and len(seen) < _CHAIN:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen[id(one)] = one
        yield one
        waiting += [one.__cause__, one.__context__]
        if is_a(one, BaseExceptionGroup):
            waiting += one.exceptions  # type: ignore[attr-defined]


def _links(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


class _Search:
    """Looks for the functions that a task may have shipped, the nearest first."""

    def __init__(self, task: Task, more: Iterable[Any]) -> None:
        self._task = task
        self._roots = [*roots_of(task), *more]
        self._reached: _Found | None = None
        self._modules: dict[str, _Found] = {}

    def corrected(self, trace: TracebackType | None) -> TracebackType | None:
        """Return the traceback with those frames made again whose function is found."""
        around: list[CodeType] = []  # of the frames further out
        found: list[TracebackType] = list(_links(trace))
        frames: list[tuple[FrameType, int, int]] = []
        for link in found:
            frame, line = link.tb_frame, link.tb_lineno
            code: CodeType | None = frame.f_code
            if frame.f_code.co_filename != SHIPPED:
                frames.append((frame, link.tb_lasti, line))
            elif (code := self._origin(frame, line, around)) is not None:
                frames.append(_frame_of(code, line, frame))
            else:
                frames.append((frame, link.tb_lasti, line))
            if code is not None:
                around.append(code)
        made: TracebackType | None = None
        for frame, instruction, line in reversed(frames):
            made = TracebackType(made, frame, instruction, line)
        return made

    def _origin(self, frame: FrameType, line: int, around: Iterable[CodeType]) -> CodeType | None:
        module = str(frame.f_globals.get("__name__"))
        nested: _Found = [(module, inner) for code in around for inner in _nested(code)]
        for look in (lambda _: nested, self._of_task, self._of_module):
            fitting = {
                (code.co_filename, code.co_firstlineno, code.co_qualname): code
                for name, code in look(module)
                if name == module and _fits(code, frame.f_code, line)
            }
            if fitting:
                return next(iter(fitting.values())) if len(fitting) == 1 else None
        return None

    def _of_task(self, module: str) -> _Found:
        """Return the code that the task can reach: its own, what that names, and functions it was given."""
        if self._reached is None:
            known = _Walk()
            known.look_at([*self._roots, *CodeSnapshot([self._task]).functions()])
            self._reached = known.found
        return self._reached

    def _of_module(self, module: str) -> _Found:
        """Return the code of a module's functions, classes and tasks; of the notebook's, for `__main__`."""
        if module not in self._modules:
            known = _Walk()
            spaces = [vars(sys.modules[module])] if module in sys.modules else []
            spaces += [space for space in _spaces_of(self._roots) if space.get("__name__") == module]
            for space in spaces:
                known.look_at([value for value in list(space.values()) if not is_a(value, list, tuple, dict)])
            self._modules[module] = known.found
        return self._modules[module]


def _spaces_of(roots: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Yield the names that functions look up: a shell's need not be those of `__main__`."""
    for root in roots:
        function = root.__func__ if is_a(root, MethodType) else root
        if is_a(function, FunctionType):
            yield function.__globals__
        else:
            space = _attributes(function).get("namespace")  # of a cell that became a task
            if isinstance(space, dict):
                yield space


class _Walk:
    """Collects the code in functions, classes and tasks, with the module that each belongs to."""

    def __init__(self) -> None:
        self.found: _Found = []
        self._seen: dict[int, Any] = {}

    def look_at(self, values: Iterable[Any]) -> None:
        pending = list(values)
        while pending:
            value = pending.pop(0)
            if id(value) in self._seen:
                continue
            self._seen[id(value)] = value  # alive, so that no other gets its id
            with suppress(Exception):  # a user's object may raise anything
                pending += self._inside(value)

    def _inside(self, value: Any) -> list[Any]:
        if is_a(value, FunctionType):
            module = str(value.__globals__.get("__name__"))
            self.found += [(module, code) for code in (value.__code__, *_nested(value.__code__))]
            wrapped = wrapped_by(value)
            cells = [content_of(cell) for cell in value.__closure__ or ()]
            return cells if wrapped is NOTHING else [wrapped, *cells]
        if is_a(value, MethodType):
            return [value.__func__]
        if is_a(value, partial):
            return [value.func, *value.args]
        if is_a(value, Task):
            return roots_of(value)
        if is_a(value, type):
            return [part for member in vars(value).values() for part in functions_in(member)]
        if is_a(value, list, tuple, set) and len(value) <= MANY:
            return list(value)
        if is_a(value, dict) and len(value) <= MANY:
            return list(value.values())
        wrapped = wrapped_by(value)
        return self._of_object(value) if wrapped is NOTHING else [wrapped]

    def _of_object(self, value: Any) -> list[Any]:
        """Return what is to be looked at of an object: its class, and of a cell that became a task its functions."""
        attributes = _attributes(value)
        codes = [one for one in attributes.values() if is_a(one, CodeType)]
        for code in codes:
            self.found += [("__main__", one) for one in (code, *_nested(code))]
        if codes:
            return [attributes.get("own")]
        return [type(value)] if is_ours(type_of(value).__module__) else []


def _attributes(value: Any) -> dict[str, Any]:
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return found if type(found) is dict else {}


def _nested(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _nested(constant)


def _fits(code: CodeType, shipped: CodeType, line: int) -> bool:
    if code.co_filename == SHIPPED or code.co_name != shipped.co_name:
        return False
    if _MADE_BY_TBLIB in shipped.co_names:
        return any(line == one for _, _, one in code.co_lines())
    return code == shipped  # which does not look at the file name


def _frame_of(code: CodeType, line: int, shipped: FrameType) -> tuple[FrameType, int, int]:
    """Return a frame that stands at `line` of `code`, the instruction it is at, and the line.

    It is that of a generator which never began: such a frame keeps nobody's variables alive but its own.
    """
    tree = ast.parse("def made():\n    yield")
    for node in ast.walk(tree):
        if isinstance(node, (ast.stmt, ast.expr)):
            node.lineno = node.end_lineno = line  # also where it begins: a frame that never began says that it is there
            node.col_offset = node.end_col_offset = -1  # not known: nothing is to be underlined
    made = next(_nested(compile(tree, code.co_filename, "exec", dont_inherit=True)))
    made = made.replace(
        co_name=code.co_name,
        co_qualname=code.co_qualname,
        co_flags=made.co_flags & ~(inspect.CO_OPTIMIZED | inspect.CO_NEWLOCALS),  # it is given its variables
    )
    frame: FrameType = eval(made, shipped.f_globals, dict(shipped.f_locals)).gi_frame
    here = [n for n, place in enumerate(made.co_positions()) if place[0] == line and place[2] is None]
    return frame, 2 * here[0] if here else 0, line
