"""Executes the body of a cell magic as the ordinary cell it would be without its first line.

IPython's own machinery transforms and compiles it, its names land in the user's namespace and its last
expression is displayed. Unlike a nested `run_cell`, an error is raised to the caller, so that the cell itself
fails; its traceback shows the user's frames only, with the line numbers of the whole cell.
"""

from __future__ import annotations

import ast
import inspect
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from nbflow.notebook.shell.numbering import cell_number

if TYPE_CHECKING:
    from types import CodeType, TracebackType

    from IPython.core.interactiveshell import InteractiveShell


def execute(shell: InteractiveShell, body: str, *, raw_cell: str, magic: str) -> None:
    """Execute `body` in the user's namespace and display its last expression.

    The whole cell, as the user sees it, gives the line numbers; `magic` is the magic's name, for messages.

    Raises:
        UsageError: If the body awaits at top level.
        BaseException: Whatever the body raises.
    """
    try:
        codes = _compile(shell, body, raw_cell, magic)
    except SyntaxError as error:
        show_without_stack(shell, error)
        raise
    for code in codes:
        try:
            exec(code, shell.user_global_ns, shell.user_ns)
        except BaseException as error:
            show_user_frames_only(shell, error)
            raise


def _compile(shell: InteractiveShell, body: str, raw_cell: str, magic: str) -> list[CodeType]:
    source = aligned(shell, body, raw_cell)
    name = shell.compile.cache(source, cell_number(shell), raw_code=raw_cell)
    tree = shell.transform_ast(shell.compile.ast_parse(source, filename=name))
    nodes: list[ast.stmt] = list(tree.body)
    displayed = _displayed(shell, nodes, body)
    codes = []
    for node in nodes:
        wrapped: ast.mod = ast.Interactive([node]) if node in displayed else ast.Module([node], [])
        with shell.compile.extra_flags(ast.PyCF_ALLOW_TOP_LEVEL_AWAIT):
            # Typed as if it took text only, as codeop's does.
            code = shell.compile(wrapped, name, "single" if node in displayed else "exec")  # type: ignore[arg-type]
        if code.co_flags & inspect.CO_COROUTINE:
            raise UsageError(
                f"{magic}: line {node.lineno} awaits at top level, which a cell magic cannot do; "
                "await in a cell without the magic, or in an `async def` task"
            )
        codes.append(code)
    return codes


def aligned(shell: InteractiveShell, body: str, raw_cell: str) -> str:
    """Return the transformed body, its lines numbered as in the whole cell."""
    whole, part = raw_cell.rstrip(), body.rstrip()  # IPython ends the body with a line break
    above = whole[: -len(part)].splitlines() if part and whole.endswith(part) else []
    lines = body.splitlines()
    blank = next((i for i, line in enumerate(lines) if line.strip()), 0)  # IPython drops these
    head = [f"# {line}" for line in above] + [""] * blank
    transformed: str = shell.transform_cell(body)
    return "".join(line + "\n" for line in head) + transformed


def _displayed(shell: InteractiveShell, nodes: list[ast.stmt], body: str) -> list[ast.stmt]:
    how = shell.ast_node_interactivity
    if not nodes or how == "none":
        return []
    if how == "all":
        return list(nodes)
    if not isinstance(nodes[-1], ast.Expr) or ends_with_semicolon(shell, body):
        return []
    return [nodes[-1]]


def ends_with_semicolon(shell: InteractiveShell, body: str) -> bool:
    """Tell whether a cell ends with a semicolon, so that the value of its last expression is not shown."""
    hook = shell.displayhook
    try:
        return bool(hook.semicolon_at_end_of_expression(body))
    except SyntaxError:  # IPython's own syntax, such as `?name`, is no Python to its tokenizer
        return False


def show_user_frames_only(shell: InteractiveShell, error: BaseException) -> None:
    """Make IPython's traceback of `error` start at the cell, without the frames of the magic."""
    first = error.__traceback__
    users: TracebackType | None = first.tb_next if first is not None else None
    if users is None or hasattr(error, "_render_traceback_"):
        return

    def render() -> list[str]:
        shown: list[str] = shell.InteractiveTB.structured_traceback(type(error), error, users, tb_offset=0)
        return shown

    # IPython asks the exception itself first. A class with slots cannot be told; its traceback is longer then.
    try:
        error._render_traceback_ = render  # type: ignore[attr-defined]
    except AttributeError:
        return


def show_without_stack(shell: InteractiveShell, error: SyntaxError) -> None:
    """Make IPython show `error` as it shows any cell's syntax error: the line, without the frames of the magic."""
    before = shell.custom_exceptions, shell.CustomTB

    def show(shell: InteractiveShell, kind: type, value: BaseException, tb: object, tb_offset: object = None) -> None:
        shell.custom_exceptions, shell.CustomTB = before
        if value is error:
            shell.showsyntaxerror()
        else:
            shell.showtraceback(running_compiled_code=True)

    # IPython gives syntax errors no other way to say how they are shown. The handler takes itself away.
    shell.set_custom_exc((SyntaxError,), show)
