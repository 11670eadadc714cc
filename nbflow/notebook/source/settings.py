"""Cells that set something for all cells below them: options of a package, a seed, the environment."""

from __future__ import annotations

import ast
from types import ModuleType
from typing import TYPE_CHECKING, Any

from nbflow.core.task import Task
from nbflow.notebook.source.changes import root_name
from nbflow.notebook.source.magic_source import magic_call, texts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

# Calls that set an option of a module.
SETTINGS = frozenset(
    {
        *("seed", "manual_seed", "set_option", "set_printoptions", "set_theme", "set_style", "use", "rc", "set"),
        *("filterwarnings", "simplefilter", "basicConfig", "setLevel", "setlocale", "setrecursionlimit", "chdir"),
        *("register_plotting_backend", "set_seed", "set_random_seed", "set_default_dtype", "set_context"),
        *("set_palette", "set_float_precision", "disable_notebook_logging", "extension", "setcontext", "init_printing"),
    }
)
_MAGICS = frozenset({"config", "precision", "env", "set_env", "cd"})


def sets_something(tree: ast.Module, namespace: Mapping[str, Any]) -> bool:
    """Tell whether a cell sets something that cells below may see without reading a name of it.

    The notebook's names tell what is a module.
    """
    imported = {
        alias.asname or alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }

    def is_outside(node: ast.expr) -> bool:
        name = _root(node)
        if name is None:
            return False
        held = namespace.get(name)
        if isinstance(held, Task):  # the value of a task, which the cell changes
            return False
        if isinstance(held, type) or callable(held):
            return getattr(held, "__module__", "__main__") != "__main__"
        return name in imported or isinstance(held, ModuleType)

    return any(_sets(node, is_outside) for node in _statements(tree))


def _statements(tree: ast.AST) -> list[ast.stmt]:
    """Return the statements of a cell, without those in functions and classes."""
    found: list[ast.stmt] = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            continue
        if isinstance(node, ast.stmt):
            found.append(node)
        found += _statements(node)
    return found


def _sets(node: ast.stmt, is_outside: Any) -> bool:
    if isinstance(node, (ast.Assign, ast.AugAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return any(isinstance(t, (ast.Attribute, ast.Subscript)) and is_outside(t) for t in targets)
    call = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(call, ast.Call):
        return False
    if magic_call(call) == "run_line_magic":
        return texts_of(call)[0] in _MAGICS if texts_of(call) else False
    if isinstance(call.func, ast.Name):
        return call.func.id in SETTINGS and is_outside(call.func)
    if not isinstance(call.func, ast.Attribute) or not is_outside(call.func):
        return False
    method = call.func.attr
    is_part = isinstance(call.func.value, (ast.Attribute, ast.Subscript)) and method in ("update", "append", "insert")
    return method in SETTINGS or is_part


def _root(node: ast.expr) -> str | None:
    """Return the name at the start of `module.part[0].other`, also through a call, as in `getcontext().prec`."""
    while True:
        name = root_name(node)
        if name is not None:
            return name
        while isinstance(node, (ast.Attribute, ast.Subscript)):
            node = node.value
        if not isinstance(node, ast.Call):
            return None
        node = node.func
