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
from nbflow.notebook.cellfunction import CellFunction
from nbflow.notebook.exporttext import CellSource, dedented, indented
from nbflow.notebook.infer import is_definition, names_of
from nbflow.notebook.magictext import magic_call, texts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from nbflow.core.function_task import FunctionTask
    from nbflow.notebook.contributions import Contribution

# Magics that only set up the notebook.
_LEFT_OUT = frozenset({"matplotlib", "config", "load_ext", "reload_ext", "autoreload", "precision", "pylab"})
SHOW = "show_value"
_WIDTH = 100


class ExportError(NbflowError, ValueError):
    """A flow that cannot be written as a module."""


@dataclass(frozen=True, slots=True)
class FlowCell:
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
class TaskCell:
    """A cell that became a task.

    Attributes:
        id: Its contribution.
        label: What it is called in messages.
        source: Its Python.
        task: The task.
    """

    id: str
    label: str
    source: CellSource
    task: FunctionTask

    @property
    def function(self) -> CellFunction:
        """What the task runs."""
        assert isinstance(self.task.run, CellFunction)
        return self.task.run

    @property
    def ordinary(self) -> list[ast.stmt]:
        """The statements that the notebook has executed, and not the task."""
        own = set(self.function.own)
        found = []
        for node in self.source.tree.body:
            names = names_of(ast.Module([node], []))
            bound = {*names.bound, *names.maybe}
            is_star = isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
            if is_definition(node) and (is_star or (bound and bound <= own)):
                found.append(node)
        return found

    @property
    def reads(self) -> tuple[str, ...]:
        """The names that the function reads, its inputs included."""
        return names_of(self.source.without(self.ordinary).tree).read

    def definition(self, name: str, moved: Collection[str], defaults: Sequence[str]) -> tuple[str, bool]:
        """Return the text of the function, and whether it shows something.

        Args:
            name: What the function is called.
            moved: The texts of statements that stand above all functions.
            defaults: The names of the module that the function binds itself and reads before.
        """
        function = self.function
        cell = self.source
        cell = cell.without([node for node in self.ordinary if cell.of(node) in moved])
        cell = cell.without([node for node in cell.tree.body if isinstance(node, ast.Global)])
        shows = False
        last = cell.tree.body[-1] if cell.tree.body else None
        if isinstance(last, ast.Expr) and not function.outputs:
            cell = cell.with_last_wrapped("return ")
        elif isinstance(last, ast.Expr) and not function.is_quiet and not _prints(last.value):
            cell, shows = cell.with_last_wrapped(f"{SHOW}(", ")"), True
        body = cell.indented()
        given = function.outputs
        if len(given) == 1:
            end = f"    return {given[0]}"
        else:
            pairs = [f'"{n}": {n}' for n in given]
            end = f"    return {{{', '.join(pairs)}}}" if given else ""
            if len(end) > _WIDTH:
                end = "\n".join(["    return {", *(f"        {pair}," for pair in pairs), "    }"])
        lines = [part for part in (body, end) if part] or ["    pass"]
        decorator = (
            "@nbflow.task" if name == self.task.name else f"@nbflow.task(name={quoted(self.task.name)})"
        )
        arguments = ", ".join([*function.inputs, *(f"{n}={n}" for n in defaults)])
        return "\n".join([decorator, f"def {name}({arguments}):", *lines]), shows

    def call(self, name: str, kept: str | None, after: Sequence[str]) -> list[str]:
        """Return the lines that add the task to the flow.

        Args:
            name: What the function is called.
            kept: The variable for the task itself, if it is needed.
            after: The variables of tasks that come first.
        """
        arguments = [*self.function.inputs]
        if after:
            arguments.append(f"upstream_tasks=[{', '.join(after)}]")
        call = f"{name}({', '.join(arguments)})"
        given = self.function.outputs
        if len(given) > 1:
            kept = kept or f"{name}_values"
            values = ", ".join(f'{kept}["{n}"]' for n in given)
            together = f"{', '.join(given)} = {values}"
            if len(together) > _WIDTH:
                return [f"{kept} = {call}", *(f'{n} = {kept}["{n}"]' for n in given)]
            return [f"{kept} = {call}", together]
        return ["".join(f"{n} = " for n in (kept, *given) if n) + call]


def cells_to_export(
    contributions: Mapping[str, Contribution], transform: Callable[[str], str], namespace: Mapping[str, Any]
) -> list[FlowCell | TaskCell]:
    """Return the cells behind the contributions.

    Args:
        contributions: Those of the flow, by id.
        transform: Translates IPython's own syntax.
        namespace: The notebook's names.

    Raises:
        ExportError: If one is not from a cell, or holds what is no plain Python.
    """
    found: list[FlowCell | TaskCell] = []
    for one, contribution in contributions.items():
        if contribution.is_empty:
            continue
        if not contribution.source:
            names = ", ".join(repr(task.name) for task in contribution.tasks) or "some edges"
            raise ExportError(
                f"{names} was made {contribution.label}, which has no source; make it in a cell"
            )
        head, _, rest = contribution.source.partition("\n")
        is_told = head.startswith(("%%task", "--in "))
        source = _plain(transform(rest if is_told else contribution.source), contribution.label)
        task = next((t for t in contribution.tasks if isinstance(vars(t).get("run"), CellFunction)), None)
        if head.startswith("%%task"):
            if task is not None:
                found.append(TaskCell(one, contribution.label, source, task))  # type: ignore[arg-type]
            continue
        block = head.removeprefix("--in ").strip() if is_told else None
        found.append(FlowCell(one, contribution.label, _inside_of_with(source, namespace), block))
    return found


def quoted(text: str) -> str:
    """Return a string literal, in double quotes as the rest of the module."""
    return json.dumps(text, ensure_ascii=False)


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


def _prints(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and getattr(value.func, "id", "") in ("print", "display")


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
            return CellSource(
                dedented("\n".join(cell.lines[first - 1 : last]), node.body[0].col_offset) + "\n"
            )
    return cell


def _is_flow(node: ast.expr, namespace: Mapping[str, Any]) -> bool:
    from nbflow.flow import Flow

    if isinstance(node, ast.Call):
        return getattr(node.func, "attr", getattr(node.func, "id", "")) == "Flow"
    return isinstance(node, ast.Name) and isinstance(namespace.get(node.id), Flow)
