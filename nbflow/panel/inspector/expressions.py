"""What a person types into the inspector: a value, or a condition on a task's inputs."""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING, Any

from IPython.core.getipython import get_ipython

from nbflow.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

LIMIT = 20_000


def value_of(text: str) -> Any:
    """Return the value of a Python expression over the notebook's names; without a notebook, of a literal.

    Raises:
        OptionError: If it is none.
        Exception: What the expression raises.
    """
    shell = get_ipython()
    code = _compiled(text)
    if shell is not None:
        return eval(code, shell.user_ns)  # what the user typed, in the notebook that is his
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise OptionError(f"{text.strip()[:200]!r} is no literal, and there is no notebook to look names up") from None


def condition_of(text: str, arguments: Collection[str]) -> Callable[..., object] | None:
    """Return a condition made of an expression over a task's arguments and the notebook's names; None for no text.

    Raises:
        OptionError: If it is no expression, or asks for a name that nobody knows.
    """
    if not text.strip():
        return None
    code = _compiled(text)
    shell = get_ipython()
    names: dict[str, Any] = {} if shell is None else shell.user_ns
    known = {*arguments, *names, *vars(builtins)}
    tree = ast.walk(ast.parse(text.strip(), mode="eval"))
    asked = [node for node in tree if isinstance(node, ast.Name)]
    bound = {node.id for node in asked if not isinstance(node.ctx, ast.Load)}
    for node in asked:
        if node.id not in known | bound:
            taken = ", ".join(sorted(arguments)) or "nothing"
            raise OptionError(f"the condition asks for {node.id!r}; the task takes {taken}")

    def condition(**inputs: Any) -> object:
        # One namespace: in two, a comprehension would not see the arguments.
        return eval(code, {**names, **inputs})  # what the user typed

    condition.text = text.strip()  # type: ignore[attr-defined]  # what the list of breakpoints shows
    return condition


def _compiled(text: str) -> Any:
    if not text.strip():
        raise OptionError("write a Python expression")
    if len(text) > LIMIT:
        raise OptionError(f"the expression has {len(text):,} characters; assign the value to a name first")
    try:
        return compile(text.strip(), "<inspector>", "eval")
    except SyntaxError as error:
        raise OptionError(f"no Python expression: {error.msg}") from None
    except (ValueError, MemoryError, RecursionError) as error:
        raise OptionError(f"no Python expression: {error}") from None
