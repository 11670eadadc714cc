"""Where code stands, and the source of a task as it ran."""

from __future__ import annotations

import ast
import inspect
import linecache
import os
import time
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from IPython.core.getipython import get_ipython

from nbflow.core.codehash.code_fingerprint import Reader, change, newest_root
from nbflow.core.codehash.introspect import NOTHING, functions_in, is_a, methods_of
from nbflow.core.resource_tasks import ResourceCleanupTask, ResourceInitTask, ResourceSetupTask
from nbflow.panel.sanitize import plain

if TYPE_CHECKING:
    from nbflow.core.task import Task
    from nbflow.engine.run import Run
    from nbflow.panel.part import Json

TEXT_LIMIT = 20_000


def place_of(filename: str, line: int) -> Json:
    """Return where a line stands: `place`, such as "cell [3]" or a file's path, and `line`."""
    return {"place": plain(_cell(filename) or _path(filename), 300), "line": line}


def source_of(task: Task, run: Run | None) -> Json:
    """Return the source of a task's function: `text`, `place`, `line`, `problem`, and what has `changed` since it ran.

    Args:
        task: The task.
        run: The run in which it ran, or will; None for the task as it is now.
    """
    root, changed = _function(task), ""
    if run is not None:
        began = run.timings.get(task)
        memory, then = run._execution.code.origin_of(task, time.time() if began is None else began[0])
        if not isinstance(task, (ResourceSetupTask, ResourceCleanupTask, ResourceInitTask)):
            ran = memory.run_of(then)
            root = root if ran is NOTHING else ran
        changed = change(task, Reader(memory), Reader(), then)
    if not changed and run is None and not isinstance(task, (ResourceSetupTask, ResourceCleanupTask)):
        root = newest_root(task)
    return {**read(root), "changed": plain(changed, 200)}


def doc_of(task: Task) -> str:
    """Return what the task's function says of itself."""
    root = _function(task)
    doc = getattr(root, "__doc__", None)
    return plain(inspect.cleandoc(doc), 2_000) if isinstance(doc, str) and not is_a(root, type) else ""


def read(root: Any) -> Json:
    """Return the source of a function, a class or a cell: `text`, `place`, `line` and `problem`."""
    found: Json = {"text": "", "place": "", "line": 1, "problem": ""}
    try:
        filename, line, text = _lines(root)
    except Exception:  # noqa: BLE001 - users' objects, and files that are gone
        return found | {"problem": "its source can not be found"}
    if len(text) > 2 * TEXT_LIMIT:
        text = text[: 2 * TEXT_LIMIT]
    return found | place_of(filename, line) | {"text": plain(text, TEXT_LIMIT)}


def _function(task: Task) -> Any:
    """Return what a task calls; of a block's tasks that part of the manager."""
    if isinstance(task, (ResourceInitTask, ResourceSetupTask, ResourceCleanupTask)) and task.block is not None:
        made_of = task.block.manager.resource_class
        name = "setup" if isinstance(task, ResourceSetupTask) else "cleanup"
        method = vars(made_of).get(name) if is_a(made_of, type) else None
        is_part = not isinstance(task, ResourceInitTask) and method is not None
        return next(iter(functions_in(method)), made_of) if is_part else made_of
    run = vars(task).get("run", NOTHING)
    return type(task) if run is NOTHING else run


def _lines(root: Any) -> tuple[str, int, str]:
    if is_a(root, MethodType):
        root = root.__func__
    if is_a(root, type):
        return _class_lines(root)
    if not is_a(root, FunctionType):
        cell = vars(root)  # a task made of a cell
        if isinstance(cell.get("filename"), str) and isinstance(cell.get("lines"), str):
            return cell["filename"], 1, cell["lines"]
        root = inspect.unwrap(root)
    root = inspect.unwrap(root)
    lines, line = inspect.getsourcelines(root)
    return root.__code__.co_filename, line, inspect.cleandoc("\n" + "".join(lines))


def _class_lines(cls: type) -> tuple[str, int, str]:
    # Not by `inspect`, which knows no class of a notebook.
    code = next(function.__code__ for value in methods_of(cls).values() for function in functions_in(value))
    lines = linecache.getlines(code.co_filename)
    for node in ast.walk(ast.parse("".join(lines))):
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            if first <= code.co_firstlineno <= (node.end_lineno or 0):
                text = "".join(lines[first - 1 : node.end_lineno])
                return code.co_filename, first, inspect.cleandoc("\n" + text)
    raise LookupError(cls)


def _cell(filename: str) -> str:
    shell = get_ipython()
    named = None if shell is None else shell.compile.format_code_name(filename)
    return "" if named is None else f"cell {named[1].removeprefix('In')}"


def _path(filename: str) -> str:
    if filename.startswith("<"):
        return filename
    try:
        relative = os.path.relpath(filename)
    except ValueError:  # another drive
        return filename
    return filename if relative.startswith("..") else relative
