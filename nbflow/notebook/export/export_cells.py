"""The cells of a flow as parts of a Python module.

A `%%task` cell is a function and its call, a `%%flow` cell a part of the `with` of the flow.
"""

from __future__ import annotations

import ast
import json
import keyword
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbflow.errors import NbflowError
from nbflow.notebook.export.export_text import CellSource, dedented, indented
from nbflow.notebook.source.infer import is_definition, names_of
from nbflow.notebook.source.magic_source import magic_call, texts_of
from nbflow.notebook.source.scripts import parse_run, source_of
from nbflow.notebook.taskcell.cell_function import CellFunction, function_of
from nbflow.notebook.taskcell.cell_magics import captured_name, cell_magic_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from nbflow.core.function_task import FunctionTask
    from nbflow.notebook.cells.contribution import Contribution
    from nbflow.notebook.export.plain_cells import Statement
    from nbflow.notebook.taskcell.cell_magics import CellMagic

# Magics that only set up the notebook.
_LEFT_OUT = frozenset({"matplotlib", "config", "load_ext", "reload_ext", "autoreload", "precision", "pylab"})
SHOW = "show_value"
_WIDTH = 100
_GLOBAL = re.compile(r"^[ \t]+global[ \t]+([\w, \t]+)$", re.MULTILINE)


class ExportError(NbflowError, ValueError):
    """A flow that cannot be written as a module."""


@dataclass(frozen=True, slots=True)
class FlowPart:
    """A cell whose code stands in the `with` of the flow.

    Attributes:
        id: Its contribution.
        label: What it is called in messages.
        source: Its Python.
        block: The block that it adds to, as the user calls it.
    """

    id: str
    label: str
    source: CellSource
    block: str | None

    @property
    def reads(self) -> tuple[str, ...]:
        """The names it reads."""
        block = () if self.block is None else (self.block,)
        return (*names_of(self.source.tree).read, *block)

    @property
    def binds(self) -> frozenset[str]:
        """The names it binds."""
        names = names_of(self.source.tree)
        return frozenset((*names.bound, *names.maybe))

    def body(self, namespace: Mapping[str, Any]) -> str:
        """Return the lines for the `with` of the flow."""
        text = self.source.text.strip("\n")
        return text if self.block is None else in_block(text, self.block, namespace)


@dataclass(frozen=True, slots=True)
class TaskPart:
    """A cell that became a task.

    Attributes:
        id: Its contribution.
        label: What it is called in messages.
        source: Its Python.
        task: The task.
        around: The magic that stands around its run.
    """

    id: str
    label: str
    source: CellSource
    task: FunctionTask
    around: CellMagic | None = None

    @property
    def function(self) -> CellFunction:
        """The function of the task."""
        assert isinstance(self.task.run, CellFunction)
        return self.task.run

    @property
    def ordinary(self) -> list[ast.stmt]:
        """The statements that the notebook has executed, and not the task."""
        own = set(self.function.own)
        found = []
        for node in self.source.tree.body:
            names = names_of(ast.Module([node], []))
            bound = {getattr(node, "name", None) or n for n in (*names.bound, *names.maybe)}
            is_star = isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
            if is_definition(node) and (is_star or (bound and bound <= own)):
                found.append(node)
        return found

    @property
    def reads(self) -> tuple[str, ...]:
        """The names that the function reads, its inputs included."""
        return names_of(self.source.without(self.ordinary).tree).read

    @property
    def read_by_functions(self) -> set[str]:
        """Names that functions may read, apart from what they get: the task's in other cells, and in it by a text."""
        function = self.function
        bodies = (body for name, body in function.bodies.items() if name in function.outputs)
        found = {name for body in bodies for name in (*body.read, *body.stored)}
        return found.union(function.inputs, function.binds) if function.looks_up else found

    def definition(
        self,
        name: str,
        moved: Collection[str],
        defaults: Sequence[str],
        helpers: Sequence[Statement] = (),
        shared: Collection[str] = (),
    ) -> tuple[str, bool]:
        """Return the text of the function, and whether it shows something.

        Args:
            name: What the function is called.
            moved: The texts of statements that stand above all functions.
            defaults: The names of the module that the function binds itself and reads before.
            helpers: The functions that need values of tasks to be defined: they are defined in it.
            shared: The values that functions of the module read: they are names of the module while it runs.
        """
        function = self.function
        cell = self.source
        cell = cell.without([node for node in self.ordinary if cell.of(node) in moved])
        cell = cell.without([node for node in cell.tree.body if isinstance(node, ast.Global)])
        given = function.outputs
        wraps = self._wraps(cell, is_returned=not given)
        shows = any(SHOW in before for before, _ in wraps.values())
        cell = cell.with_wrapped(wraps)
        shared = self._shared(shared, defaults)
        above = [f"global {', '.join(shared)}"] if shared else []
        above += ["globals().update(values)"] if not set(function.inputs).isdisjoint(shared) else []
        unset = [n for n in given if n in function.maybe and n not in (*function.inputs, *defaults)]
        above += [f"{n} = None" for n in unset]
        above += [helper.text for helper in helpers]
        around = _around(self.around, cell.text.strip("\n"))
        body = indented("\n".join(part for part in (*above, around) if part)).rstrip()
        if len(given) == 1:
            end = f"    return {given[0]}"
        else:
            pairs = [f'"{n}": {n}' for n in given]
            end = f"    return {{{', '.join(pairs)}}}" if given else ""
            if len(end) > _WIDTH:
                end = "\n".join(["    return {", *(f"        {pair}," for pair in pairs), "    }"])
        lines = [part for part in (body, end) if part] or ["    pass"]
        decorator = "@nbflow.task" if name == self.task.name else f"@nbflow.task(name={quoted(self.task.name)})"
        taken = [n for n in function.inputs if n not in shared]
        more = ["**values"] if len(taken) < len(function.inputs) else []
        arguments = ", ".join([*taken, *(f"{n}={n}" for n in defaults if n not in shared), *more])
        keyword = "async def" if function.is_async else "def"
        return "\n".join([decorator, f"{keyword} {name}({arguments}):", *lines]), shows

    def _shared(self, shared: Collection[str], defaults: Sequence[str]) -> list[str]:
        """Return the names of the module that the function binds or takes."""
        function = self.function
        names = names_of(self.source.tree)
        late = [n for n in names.definitions if n in function.outputs]
        stored = _GLOBAL.findall(self.source.text)
        wanted = {*shared, *late, *(n.strip() for found in stored for n in found.split(","))}
        bound = dict.fromkeys((*function.inputs, *names.bound, *names.maybe))
        return [n for n in bound if n in wanted and n not in function.own]

    def _wraps(self, cell: CellSource, *, is_returned: bool) -> dict[ast.Expr, tuple[str, str]]:
        """Return what stands around the expressions that the cell shows."""
        function, body = self.function, cell.tree.body
        shows = not function.is_quiet and function.interactivity != "none"
        wraps: dict[ast.Expr, tuple[str, str]] = {}
        for node in body if function.interactivity == "all" else body[-1:]:
            if not isinstance(node, ast.Expr):
                continue
            is_shown = shows and not _prints(node.value, function.namespace)
            before, after = (f"{SHOW}(", ")") if is_shown else ("", "")
            if is_returned and node is body[-1] and self.around is None:
                before = f"return {before}"
            if before:
                wraps[node] = (before, after)
        return wraps

    def call(self, name: str, kept: str | None, after: Sequence[str], shared: Collection[str] = ()) -> list[str]:
        """Return the lines that add the task to the flow, by a call of the function `name`.

        `kept` is the variable for the task itself, if it is needed, `after` are those of the tasks that come first, and
        `shared` the values that functions of the module read.
        """
        together = {*self._shared(shared, ())}
        arguments = [n for n in self.function.inputs if n not in together]
        arguments += [f"{n}={n}" for n in self.function.inputs if n in together]
        if after:
            arguments.append(f"upstream_tasks=[{', '.join(after)}]")
        call = f"{name}({', '.join(arguments)})"
        given = self.function.outputs
        if len(given) > 1:
            kept = kept or f"{name}_values"
            values = ", ".join(f'{kept}["{n}"]' for n in given)
            line = f"{', '.join(given)} = {values}"
            if len(line) > _WIDTH:
                return [f"{kept} = {call}", *(f'{n} = {kept}["{n}"]' for n in given)]
            return [f"{kept} = {call}", line]
        return ["".join(f"{n} = " for n in (kept, *given) if n) + call]


def cells_to_export(
    contributions: Mapping[str, Contribution], transform: Callable[[str], str], namespace: Mapping[str, Any]
) -> list[FlowPart | TaskPart]:
    """Return the cells behind the contributions of a flow; `transform` translates IPython's own syntax.

    Raises:
        ExportError: If one is not from a cell, or holds what is no plain Python.
    """
    found: list[FlowPart | TaskPart] = []
    for one, contribution in contributions.items():
        if contribution.is_empty:
            continue
        if not contribution.source:
            names = ", ".join(repr(task.name) for task in contribution.tasks) or "some edges"
            raise ExportError(f"{names} was made {contribution.label}, which has no source; make it in a cell")
        head, _, rest = contribution.source.partition("\n")
        is_told = head.startswith(("%%task", "--in "))
        around = cell_magic_of(rest, head) if head.startswith("%%task") else None
        if around is not None:
            rest = around.body
            around = around if captured_name(around) is not None else None
        source = _plain(transform(rest if is_told else contribution.source), contribution.label)
        task = next((t for t in contribution.tasks if function_of(t) is not None), None)
        if head.startswith("%%task"):
            if task is not None:
                found.append(TaskPart(one, contribution.label, source, task, around))  # type: ignore[arg-type]
            continue
        block = head.removeprefix("--in ").strip() if is_told else None
        found.append(FlowPart(one, contribution.label, _inside_of_with(source, namespace), block))
    return found


def quoted(text: str) -> str:
    """Return a string literal, in double quotes as the rest of the module."""
    return json.dumps(text, ensure_ascii=False)


def docstring(text: str) -> str:
    """Return a docstring of this text, which may hold any quotes: it must not end before its end."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"""{escaped}"""'


def in_block(text: str, block: str, namespace: Mapping[str, Any]) -> str:
    """Return the text inside of the `with` of a block."""
    manager = f"{block}.block" if hasattr(namespace.get(block), "block") else block
    return f"with {manager}:\n{indented(text)}"


def function_name(name: str, taken: Collection[str]) -> str:
    """Return a name for a function that is like `name`, and neither taken nor a keyword."""
    plain = re.sub(r"\W+", "_", name).strip("_") or "cell"
    if plain[0].isdigit():
        plain = f"cell_{plain}"
    found, number = plain, 1
    while found in taken or keyword.iskeyword(found) or found in (SHOW, "nbflow"):
        found = f"make_{plain}" if number == 1 else f"make_{plain}_{number}"
        number += 1
    return found


def definitions_to_export(contributions: Mapping[str, Contribution], transform: Callable[[str], str]) -> list[str]:
    """Return the Python of the `%%task` cells that needed no task: imports, functions, classes."""
    sources = (c.source.partition("\n") for c in contributions.values() if not c.tasks)
    return [transform(rest) for head, _, rest in sources if head.startswith("%%task")]


def _around(magic: CellMagic | None, text: str) -> str:
    """Return the text of a cell inside of what its cell magic does."""
    name = captured_name(magic)
    if name is None:
        return text
    return f"from IPython.utils.capture import capture_output\n\nwith capture_output() as {name}:\n{indented(text)}"


def _prints(value: ast.expr, namespace: Mapping[str, Any]) -> bool:
    """Tell whether an expression is a call of `print` or `display`, and not of a notebook's own of that name."""
    name = getattr(value.func, "id", "") if isinstance(value, ast.Call) else ""
    module = getattr(namespace.get(name), "__module__", None) or ""
    return name in ("print", "display") and (name not in namespace or module.startswith("IPython."))


def _plain(text: str, label: str) -> CellSource:
    """Return the cell in plain Python: the magics of IPython are left out or resolved."""
    cell = CellSource(text)
    while True:
        node = next((n for n in cell.tree.body if any(magic_call(part) for part in ast.walk(n))), None)
        if node is None:
            return cell
        cell = cell.replaced(node, _without_magic(node, label))


def _without_magic(node: ast.stmt, label: str) -> str:
    call = node.value if isinstance(node, ast.Expr) else None
    if isinstance(call, ast.Call) and magic_call(call) == "run_line_magic":
        magic, line = (*texts_of(call), "", "")[:2]
        if magic == "time" and line:
            return line
        if magic == "run" and (script := parse_run(line)) is not None:
            return source_of(script[0])
        if magic in _LEFT_OUT:
            return f"# %{magic} {line}"
    called = next(part for part in ast.walk(node) if isinstance(part, ast.Call) and magic_call(part))
    what = " ".join(texts_of(called)) or ast.unparse(node)
    raise ExportError(f"{label} uses {what!r}, which only IPython understands; write it in Python")


def _inside_of_with(cell: CellSource, namespace: Mapping[str, Any]) -> CellSource:
    """Return what stands in the `with flow:` of an ordinary cell; any other cell as it is."""
    for node in cell.tree.body:
        if isinstance(node, ast.With) and _is_flow(node.items[0].context_expr, namespace):
            first, last = node.body[0].lineno, node.end_lineno or node.lineno
            return CellSource(dedented("\n".join(cell.lines[first - 1 : last]), node.body[0].col_offset) + "\n")
    return cell


def _is_flow(node: ast.expr, namespace: Mapping[str, Any]) -> bool:
    from nbflow.flow import Flow

    if isinstance(node, ast.Call):
        return getattr(node.func, "attr", getattr(node.func, "id", "")) == "Flow"
    return isinstance(node, ast.Name) and isinstance(namespace.get(node.id), Flow)
