"""Calls that change an object in place, as far as their names tell.

Python does not say it, so this goes by what is usual: a method that is called for nothing but its effect changes its
object, unless it is known to look only.
"""

from __future__ import annotations

import ast

# They change their object, wherever they are called.
_ALWAYS = frozenset(
    {
        *("pop", "popitem", "popleft", "setdefault", "appendleft", "extendleft"),
        # Connections, cursors, files, models: they go on from where they are.
        *("execute", "executemany", "executescript", "fetchone", "fetchmany", "fetchall", "commit"),
        *("rollback", "close", "readline", "readlines", "seek", "write", "writelines", "send", "recv"),
        "partial_fit",
    }
)
# They do when nothing is made of what they return, also at the end of a cell, where it would be displayed.
_ALONE = frozenset(
    {
        *("append", "clear", "discard", "extend", "insert", "remove", "reverse", "sort", "update", "add"),
        *("shuffle", "fill", "set_index_names", "fit", "compile", "train", "eval", "step", "backward"),
        *("zero_grad", "load_state_dict", "fit_generator", "connect", "disconnect", "open", "start", "stop"),
        *("restart", "shutdown", "cancel", "register", "flush", "put", "push", "read", "reset", "scale"),
        *("rotate", "seed", "simulate", "run", "delete", "mkdir", "unlink"),
    }
)
_ALONE_BEGINNINGS = ("add_", "set_", "remove_", "insert_", "create_", "delete_", "update_", "append_")
# They begin like that, and return something new.
_RETURNS_NEW = frozenset({"set_index", "set_axis", "set_flags", "set_names", "add_prefix", "add_suffix"})
# They show or save, and leave their object as it is.
_LOOKS = frozenset(
    {
        *("info", "describe", "head", "tail", "show", "plot", "hist", "boxplot", "savefig", "dump", "print"),
        *("items", "keys", "values", "sample", "count", "save", "display", "validate"),
    }
)
# Functions that change their first argument.
_FUNCTIONS = frozenset(
    {
        *("shuffle", "heappush", "heappop", "heapify", "heapreplace", "insort", "insort_left"),
        *("insort_right", "fill_diagonal", "copyto", "put", "place", "putmask", "setattr", "delattr"),
    }
)


def root_name(node: ast.expr) -> str | None:
    """Return the name at the start of `name.part[0].other`, None if it starts with something else."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def called_name(function: ast.expr) -> str:
    """Return the last name of what is called: `sum` in `sum(x)`, `mean` in `table.mean()`; empty if it has none."""
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def is_assignment_free_call(node: ast.Call) -> bool:
    """Tell whether a call whose value is dropped is likely to change the object it is called on."""
    function = node.func
    if not isinstance(function, ast.Attribute):
        return False
    return function.attr not in _LOOKS and not function.attr.startswith(("to_", "plot", "assert", "is_"))


def _changes_alone(method: str) -> bool:
    return method in _ALONE or (method.startswith(_ALONE_BEGINNINGS) and method not in _RETURNS_NEW)


def changed_by_call(node: ast.Call, *, is_displayed: bool) -> list[str]:
    """Return the names whose objects a call changes, whatever is made of its value.

    The value is displayed if the call is the last expression of the cell.
    """
    function = node.func
    found = []
    if isinstance(function, ast.Attribute):
        in_place = any(
            word.arg == "inplace" and isinstance(word.value, ast.Constant) and word.value.value is True
            for word in node.keywords
        )
        if in_place or function.attr in _ALWAYS or (is_displayed and _changes_alone(function.attr)):
            found.append(root_name(function))
    if called_name(function) in _FUNCTIONS and node.args:
        found.append(root_name(node.args[0]))
    return [name for name in found if name is not None]
