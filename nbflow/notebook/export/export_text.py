"""Changes to the text of a cell that keep its comments and its layout: a statement out, an expression wrapped."""

from __future__ import annotations

import ast
import copy
import io
import tokenize
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping


class CellSource:
    """A cell's Python, with its statements.

    Args:
        text: The Python; IPython's own syntax has been translated.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = ast.parse(text)
        first = [_first_line(node) for node in self.tree.body]
        last = [node.end_lineno or node.lineno for node in self.tree.body]
        if any(end >= begin for end, begin in zip(last[:-1], first[1:], strict=True)):
            # Several statements on one line cannot be told apart by lines.
            self.text = "\n".join(ast.unparse(node) for node in self.tree.body) + "\n"
            self.tree = ast.parse(self.text)
        self.lines = self.text.splitlines()

    def of(self, node: ast.stmt) -> str:
        """Return the text of one of the statements, with the comment lines right above it."""
        return "\n".join(self.lines[_first_line(node) - 1 : node.end_lineno])

    def without(self, nodes: Collection[ast.stmt]) -> CellSource:
        """Return the cell without some of its statements."""
        gone = {line for node in nodes for line in range(_first_line(node), (node.end_lineno or node.lineno) + 1)}
        return CellSource("\n".join(line for i, line in enumerate(self.lines, 1) if i not in gone) + "\n")

    def replaced(self, node: ast.stmt, text: str) -> CellSource:
        """Return the cell with other text in the place of a statement."""
        head, tail = self.lines[: _first_line(node) - 1], self.lines[node.end_lineno or node.lineno :]
        return CellSource("\n".join([*head, *text.splitlines(), *tail]) + "\n")

    def with_wrapped(self, wraps: Mapping[ast.Expr, tuple[str, str]]) -> CellSource:
        """Return the cell with text before and after some of its expressions, in the order of the cell."""
        lines = list(self.lines)
        for node, (before, after) in reversed([*wraps.items()]):
            begin, end = node.lineno - 1, (node.end_lineno or node.lineno) - 1
            if isinstance(node.value, ast.Tuple) and after:  # `a, b` would be two arguments
                before, after = f"{before}(", f"){after}"
            line = lines[end].encode()
            cut = node.end_col_offset or len(line)
            lines[end] = (line[:cut] + after.encode() + line[cut:]).decode()
            line = lines[begin].encode()
            cut = node.col_offset
            lines[begin] = (line[:cut] + before.encode() + line[cut:]).decode()
        return CellSource.as_text("\n".join(lines) + "\n")

    @classmethod
    def as_text(cls, text: str) -> CellSource:
        """Return a source that holds a `return`, and so is no module of its own."""
        new = object.__new__(cls)
        new.text, new.lines, new.tree = text, text.splitlines(), ast.Module([], [])
        return new


def _first_line(node: ast.stmt) -> int:
    decorators: Iterable[ast.expr] = getattr(node, "decorator_list", ())
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def indented(text: str, by: str = "    ") -> str:
    """Indent the lines of Python, but for those inside of a string, which would be another string then."""
    fixed = _lines_in_strings(text)
    return "\n".join(
        line if number in fixed or not line.strip() else by + line for number, line in enumerate(text.splitlines(), 1)
    )


def _lines_in_strings(text: str) -> set[int]:
    found: set[int] = set()
    opened: list[int] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text + "\n").readline):
            kind = tokenize.tok_name[token.type]
            if kind in ("FSTRING_START", "TSTRING_START"):
                opened.append(token.start[0])
            elif kind in ("FSTRING_END", "TSTRING_END"):
                found.update(range(opened.pop() + 1, token.end[0] + 1))
            elif kind == "STRING":
                found.update(range(token.start[0] + 1, token.end[0] + 1))
    except tokenize.TokenError:
        return found
    return found


def dedented(text: str, by: int) -> str:
    """Take `by` spaces from the lines of Python, but for those inside of a string."""
    fixed = _lines_in_strings(f"if True:\n{text}")
    return "\n".join(
        line if number in fixed or line[:by].strip() else line[by:] for number, line in enumerate(text.splitlines(), 2)
    )


def without_annotations(node: ast.stmt) -> ast.stmt:
    """Return a copy of a statement whose functions and names say nothing of types."""
    plain: ast.stmt = _Plain().visit(copy.deepcopy(node))
    return ast.fix_missing_locations(plain)


class _Plain(ast.NodeTransformer):
    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)
