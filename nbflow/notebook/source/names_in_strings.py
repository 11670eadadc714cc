"""Names of a notebook in texts that Python or a library evaluates: `eval("x + 1")`, `table.query("kg > @limit")`."""

from __future__ import annotations

import ast
import re
import string

from nbflow.notebook.source.changes import called_name
from nbflow.notebook.source.magic_source import texts_of

# No names: stand among those that are read for all that there are, and for those that some text says.
ANY_NAME = "globals()"
SOME_TEXT = "eval()"

_AT = re.compile(r"@([A-Za-z_]\w*)")
_WORD = re.compile(r"[A-Za-z_]\w*")
_PERCENT = re.compile(r"%\((\w+)\)")
_EVALUATED = frozenset({"query", "eval"})
_SQL = frozenset({"sql", "sqldf", "pysqldf"})


def python_in_call(node: ast.Call) -> list[ast.stmt]:
    """Return the Python in the texts that a call evaluates."""
    function = node.func
    texts = texts_of(node)
    source = ""
    if isinstance(function, ast.Name) and function.id in ("eval", "exec"):
        source = texts[0].strip() if texts else ""
    elif isinstance(function, ast.Attribute) and function.attr in _EVALUATED:
        source = "\n".join(name for text in texts for name in _AT.findall(text))
    elif isinstance(function, ast.Attribute) and function.attr == "format":
        words = [word.value for word in node.keywords if word.arg is None]
        if isinstance(function.value, ast.Constant) and any(map(_is_names, words)):
            source = "\n".join(_fields(str(function.value.value)))
    try:
        return ast.parse(source).body
    except SyntaxError:
        return []


def python_in_format(node: ast.BinOp) -> list[ast.stmt]:
    """Return the names in `"%(a)s" % globals()` as Python."""
    if not (isinstance(node.op, ast.Mod) and isinstance(node.left, ast.Constant) and _is_names(node.right)):
        return []
    return ast.parse("\n".join(_PERCENT.findall(str(node.left.value)))).body


def key_of_names(node: ast.Subscript) -> str | None:
    """Return the name in `globals()["name"]`, None for any other subscript."""
    if _is_names(node.value) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
        return node.slice.value
    return None


def is_any_names(node: ast.Call) -> bool:
    """Tell whether a call gives all names of the notebook, to be asked for one that only the run knows."""
    return getattr(node.func, "id", "") == "globals" and not node.args


def evaluates_text(node: ast.Call) -> bool:
    """Tell whether a call evaluates a text that only the run knows, among the names of the notebook."""
    is_alone = len(node.args) == 1 and not node.keywords
    return is_alone and getattr(node.func, "id", "") in ("eval", "exec") and not isinstance(node.args[0], ast.Constant)


def words_in(tree: ast.AST) -> list[str]:
    """Return the words of all texts in a piece of code."""
    texts = (n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))
    return [word for text in texts for word in _WORD.findall(text)]


def names_asked(node: ast.AST) -> ast.expr | None:
    """Return the call of `globals` that is asked for one name, which the source says; None if there is none."""
    if isinstance(node, ast.Subscript) and key_of_names(node) is not None:
        return node.value
    if isinstance(node, ast.BinOp) and isinstance(node.left, ast.Constant) and isinstance(node.op, ast.Mod):
        return node.right
    if isinstance(node, ast.Compare) and isinstance(node.left, ast.Constant):
        return node.comparators[0]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        return next((word.value for word in node.keywords if word.arg is None), None)
    return None


def hinted_names(node: ast.Call) -> list[str]:
    """Return the words in a text that a library takes for SQL about the notebook's tables."""
    return [word for text in texts_of(node) for word in _WORD.findall(text)] if called_name(node.func) in _SQL else []


def _is_names(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("globals", "locals", "vars") and not node.args
    )


def _fields(text: str) -> list[str]:
    try:
        found = [field for _, field, _, _ in string.Formatter().parse(text) if field]
    except ValueError:
        return []
    return [match[0] for field in found if (match := _WORD.match(field))]
