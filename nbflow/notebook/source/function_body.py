"""The effects that functions, classes and objects of the notebook have on names, by their source, else their code.

The namespace of the notebook has functions of ordinary cells. What they read when a task calls them, the task reads.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
import weakref
from types import CodeType, FunctionType, MethodType
from typing import Any

from nbflow.core.codehash.introspect import content_of, functions_in, is_a, used_names, wrapped_by
from nbflow.core.task import Task
from nbflow.notebook.source.called_code import Body
from nbflow.notebook.source.name_visitor import body_of_function
from nbflow.notebook.source.names_in_strings import ANY_NAME, SOME_TEXT

_DEEPEST = 4
_MOST_ITEMS = 20
_of_code: weakref.WeakKeyDictionary[CodeType, Body] = weakref.WeakKeyDictionary()


def is_of_notebook(function: FunctionType) -> bool:
    """Tell whether a function looks its names up in the notebook, or in a task's copy of it.

    One of a script that `%run` has executed has names of its own.
    """
    names = function.__globals__
    return names.get("__name__") == "__main__" and "__file__" not in names


def body_of(value: Any, depth: int = 0) -> Body | None:
    """Return what using `value` does to names of the notebook; None if it is no function, class or object of one."""
    if depth > _DEEPEST or is_a(value, Task):
        return None
    if is_a(value, FunctionType):
        if not is_of_notebook(value):
            return _of_all(inner_functions(value), depth)
        body = _of_function(value)
        return body | _of_all(inner_functions(value), depth)
    if is_a(value, type):
        return _of_class(value, depth)
    if type(value) in (list, tuple, set, frozenset):
        return _of_all([*value][:_MOST_ITEMS], depth)
    if type(value) is dict:
        return _of_all([*value.values()][:_MOST_ITEMS], depth)
    inner = inner_functions(value)
    if inner:
        return _of_all(inner, depth)
    return _of_class(type(value), depth, makes=False)


def inner_functions(value: Any) -> list[Any]:
    """Return the functions, classes and objects inside of a function or of what wraps one."""
    if is_a(value, FunctionType):
        held = [content_of(cell) for cell in value.__closure__ or ()]
        held += [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
        return [one for one in held if callable(one) or _is_ours(type(one))]
    if is_a(value, MethodType):
        return [value.__func__, value.__self__]
    if type(value).__name__ == "partial" and hasattr(value, "func"):
        return [value.func, *(one for one in (*value.args, *value.keywords.values()) if callable(one))]
    if is_a(value, type):
        return []
    wrapped = wrapped_by(value)
    if is_a(wrapped, FunctionType):
        return [wrapped]
    for name in ("pyfunc", "py_func"):  # of numpy's vectorize, of numba
        inner = _attribute(value, name)
        if is_a(inner, FunctionType):
            return [inner]
    return []


def _attribute(value: Any, name: str) -> Any:
    try:
        return object.__getattribute__(value, name)
    except Exception:  # noqa: BLE001 - the user's object may raise anything
        return None


def _is_ours(cls: type) -> bool:
    return getattr(cls, "__module__", None) == "__main__"


def _of_all(values: list[Any], depth: int) -> Body | None:
    found: Body | None = None
    for value in values:
        body = body_of(value, depth + 1)
        if body is not None:
            found = body if found is None else found | body
    return found


def _of_class(cls: type, depth: int, *, makes: bool = True) -> Body | None:
    found: Body | None = None
    for base in cls.__mro__:
        if not _is_ours(base):
            continue
        found = found or Body(makes=makes)
        for member in [*vars(base).values()]:
            for function in functions_in(member):
                function = getattr(function, "__nbflow_method__", function)
                if is_a(function, FunctionType) and is_of_notebook(function):
                    found |= _of_function(function) | _of_all(inner_functions(function), depth)
    return found


def _of_function(function: FunctionType) -> Body:
    code = function.__code__
    body = _of_code.get(code)
    if body is None:
        body = _of_code[code] = _of_source(function) or Body(read=used_names(code))
    return body


def _of_source(function: FunctionType) -> Body | None:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function.__code__)))
    except (OSError, TypeError, SyntaxError, ValueError, IndexError):
        return None
    node = tree.body[0] if len(tree.body) == 1 else None
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or node.name != function.__code__.co_name:
        return None
    body = body_of_function(node)
    known = {*used_names(function.__code__), *body.stored, ANY_NAME, SOME_TEXT}
    # The names of the functions around it are no names of the notebook.
    return Body(
        read=tuple(name for name in body.read if name in known),
        changed=tuple(name for name in body.changed if name in known),
        stored=body.stored,
        makes=body.makes,
    )
