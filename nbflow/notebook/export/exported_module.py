"""A flow as a plain Python module, made from the sources of its cells: `%flow export`.

The module has the imports, functions and constants of the notebook that the flow needs, a function for each `%%task`
cell, and one `with Flow(...)` in which all cells follow each other so that each name means what it means to its cell.
Run as a script, it runs the flow.
"""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING, Any

from nbflow.core.task import Task
from nbflow.notebook.cells.flow_cells import cells_of
from nbflow.notebook.export.export_cells import (
    SHOW,
    ExportError,
    FlowPart,
    TaskPart,
    cells_to_export,
    definitions_to_export,
    docstring,
    function_name,
    in_block,
    quoted,
)
from nbflow.notebook.export.export_text import indented, without_annotations
from nbflow.notebook.export.plain_cells import PlainCells, Statement, import_of
from nbflow.notebook.source.infer import names_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from IPython.core.interactiveshell import InteractiveShell

    from nbflow.flow import Flow

_SHOW = f'''def {SHOW}(value):
    """Print what a cell of the notebook showed, as the notebook did, and return it."""
    try:
        from IPython.lib.pretty import pretty
    except ImportError:
        pretty = repr
    if value is not None:
        print(pretty(value))
    return value'''
_WITH_OTHER_CELLS = ("time", "capture")


def export(flow: Flow, shell: InteractiveShell) -> str:
    """Return the text of a module that makes this flow, whose cells were executed in `shell`.

    Raises:
        ExportError: If a task was made outside of cells, a cell is no plain Python, or something that a cell uses
            is gone.
    """
    return _Export(flow, shell).text()


class _Export:
    def __init__(self, flow: Flow, shell: InteractiveShell) -> None:
        self.flow = flow
        self.shell = shell
        self.namespace: dict[str, Any] = shell.user_ns
        self.cells_of_flow = cells_of(flow)
        self.cells_of_flow.adopt_strangers()
        self.index = self.cells_of_flow.index
        if self.cells_of_flow.dangling:
            raise ExportError(str(self.index.error(self.cells_of_flow.dangling[0])))
        self.cells = cells_to_export(self.index.contributions, shell.transform_cell, self.namespace)
        if not self.cells:
            raise ExportError(f"flow {flow.name!r} has no cells; build it with %%flow or %%task")
        self.order = self._in_order()
        self.tasks = [cell for cell in self.order if isinstance(cell, TaskPart)]
        self.given = set(self.index.binders) | {
            n for cell in self.cells if isinstance(cell, FlowPart) for n in cell.binds
        }

    def text(self) -> str:
        """Put the module together."""
        statements, future = self._statements()
        statements, self.inner = self._apart(statements)
        if any(self._is_annotated(statement) for statement in statements) and not future:
            future = [Statement.of("from __future__ import annotations")]
        bound = {name for statement in statements for name in statement.binds}
        moved = {statement.text for statement in statements}
        functions, calls = self._functions(bound, moved)
        variable = function_name("flow", {*bound, *self.given})
        parts = [docstring(f"The flow {self.flow.name!r}, exported from the cells of a notebook by nbflow.")]
        parts += [statement.text for statement in future]
        imports = [s.text for s in statements if s.is_import]
        parts.append("\n".join([*(text for text in imports if text != "import nbflow"), "import nbflow"]))
        parts += self._definitions(statements)
        parts += [f"\n{text}" for text in functions]
        parts.append(f"\nwith nbflow.Flow({quoted(self.flow.name)}) as {variable}:\n" + indented("\n".join(calls)))
        parts.append(
            f'if __name__ == "__main__":\n    state = {variable}.run()\n    if not state.is_successful():\n'
            f"        raise SystemExit({variable}.runs[-1].text())"
        )
        return "\n\n".join(parts) + "\n"

    def _apart(self, statements: Sequence[Statement]) -> tuple[list[Statement], list[Statement]]:
        """Part what stands in the module from what needs values to be defined, and so stands in the tasks."""
        values = {name for cell in self.tasks for name in cell.function.binds}
        values |= self.given
        values -= {name for s in statements if not self._reads(s) & values for name in s.binds}
        inner: list[Statement] = []
        needed = set(values)
        while True:
            more = [s for s in statements if s not in inner and not s.is_import]
            more = [s for s in more if self._reads(s, is_lazy=True) & needed]
            if not more:
                break
            inner += more
            needed |= {name for statement in more for name in statement.binds}
        read = {name for statement in statements for name in self._reads(statement)}
        read |= {name for cell in self.tasks for name in cell.read_by_functions}
        self.shared = frozenset(values & read)
        return [s for s in statements if s not in inner], [s for s in statements if s in inner]

    @staticmethod
    def _reads(statement: Statement, *, is_lazy: bool = False) -> set[str]:
        """Return the names that a statement reads but in annotations; if lazy, without those its functions read."""
        tree = ast.Module([without_annotations(statement.node)], [])
        names = names_of(tree, (lambda name: None) if is_lazy else None)
        stored = () if is_lazy else names.maybe
        return {*names.read, *stored}

    def _is_annotated(self, statement: Statement) -> bool:
        named = set(statement.names.read) - self._reads(statement)
        return not named.isdisjoint(self.given)

    def _helpers(self, cell: TaskPart) -> list[Statement]:
        """Return the functions that a cell needs and that read values, in their order."""
        wanted = {*cell.reads, *cell.function.read}
        chosen: list[Statement] = []
        while True:
            more = [s for s in self.inner if s not in chosen and s.binds & wanted]
            if not more:
                return [s for s in self.inner if s in chosen]
            chosen += more
            wanted.update(name for statement in more for name in self._reads(statement))

    @staticmethod
    def _definitions(statements: Sequence[Statement]) -> list[str]:
        parts: list[str] = []
        is_open = False
        for statement in statements:
            if statement.is_import:
                continue
            if statement.is_long:
                parts.append(f"\n{statement.text}")
            elif is_open:
                parts[-1] += f"\n{statement.text}"
            else:
                parts.append(statement.text)
            is_open = not statement.is_long
        return parts

    def _statements(self) -> tuple[list[Statement], list[Statement]]:
        """Return what the ordinary cells must bring, and the imports from `__future__` among it."""
        wanted: dict[str, None] = {}
        for cell in self.order:
            wanted.update(dict.fromkeys(self._from_notebook(cell)))
        ordinary = ["\n".join(cell.source.of(node) for node in cell.ordinary) for cell in self.tasks]
        plain = PlainCells([*self._plain_sources(), *ordinary])
        found, unknown = plain.needed_for(wanted, self.given - set(wanted))
        stars = plain.star_imports()
        unknown -= set(vars(builtins))
        missing = [n for n in sorted(unknown) if n in self.namespace and n not in ("display", "get_ipython")]
        imports = {n: text for n in missing if (text := import_of(n, self.namespace[n])) is not None}
        stars += map(Statement.of, imports.values())
        missing = [n for n in missing if n not in imports]
        if missing and not plain.star_imports():
            raise ExportError(f"no cell defines {', '.join(map(repr, missing))}, which the flow's cells read")
        if "display" in unknown:
            stars.append(Statement.of("from IPython.display import display"))
        future = [s for s in found if s.is_future]
        return [*stars, *(s for s in found if not s.is_future)], future

    def _from_notebook(self, cell: FlowPart | TaskPart) -> list[str]:
        """Return the names that a cell reads, and that no task gives to it."""
        if isinstance(cell, TaskPart):
            function = cell.function
            # A name that a task has taken is bound by the cell itself, below a function that reads it.
            own = {n for n in function.binds if isinstance(self.namespace.get(n), Task)} - {*function.before}
            # So is one that a function of the cell reads when others call it: they give it.
            own |= {n for body in function.bodies.values() for n in body.read} & self.given
            return [n for n in (*cell.reads, *function.own) if n not in function.inputs and n not in own]
        return [n for n in cell.reads if self.index.binder(n, cell.id) in (None, cell.id) and not self._is_bound(n)]

    def _is_bound(self, name: str) -> bool:
        return any(isinstance(cell, FlowPart) and name in cell.binds for cell in self.order)

    def _plain_sources(self) -> list[str]:
        """Return the ordinary cells that were executed, in plain Python as far as IPython can translate them."""
        found = definitions_to_export(self.index.contributions, self.shell.transform_cell)
        for raw in self.shell.magics_manager.registry["TaskMagics"].sources:
            text = raw.lstrip()
            if text.startswith("%%"):
                head, _, text = text.partition("\n")
                if head[2:].split(" ")[0] not in _WITH_OTHER_CELLS or text.lstrip().startswith("%%"):
                    continue
            found.append(self.shell.transform_cell(text))
        return found

    # The cells, one after the other

    def _in_order(self) -> list[FlowPart | TaskPart]:
        """Order the cells so that at each one every name holds what it means to this cell."""
        holds: dict[str, str] = {}
        waiting = list(self.cells)
        order: list[FlowPart | TaskPart] = []
        while waiting:
            ready = next((cell for cell in waiting if self._is_ready(cell, holds, waiting)), None)
            if ready is None:
                cells = ", ".join(cell.label for cell in waiting)
                raise ExportError(
                    f"no order of {cells} gives every name the value that it has in the notebook; "
                    "run the notebook from top to bottom, or give the names of different values different names"
                )
            waiting.remove(ready)
            order.append(ready)
            holds.update((name, ready.id) for name in self.index.contributions[ready.id].binds)
        return order

    def _is_ready(
        self, cell: FlowPart | TaskPart, holds: dict[str, str], waiting: Sequence[FlowPart | TaskPart]
    ) -> bool:
        names = cell.function.inputs if isinstance(cell, TaskPart) else cell.reads
        for name in names:
            binder = self.index.binder(name, cell.id)
            if binder is not None and binder != cell.id and holds.get(name) != binder:
                return False
        if isinstance(cell, TaskPart):
            late = {task for other in waiting for task in self.index.contributions[other.id].tasks}
            own = set(self.index.contributions[cell.id].tasks)
            return not any(e.upstream_task in late - own for e in self.flow.edges_in(cell.task))
        return True

    def _functions(self, bound: set[str], moved: set[str]) -> tuple[list[str], list[str]]:
        """Return the functions of the `%%task` cells, and the lines in the `with` of the flow."""
        taken = {*bound, *self.given}
        functions: list[str] = []
        calls: list[str] = []
        kept = self._kept()
        variables: dict[Task, str] = {}
        for cell in self.order:
            if isinstance(cell, FlowPart):
                calls.append(cell.body(self.namespace))
                held = self.index.contributions[cell.id].binds
                variables.update((b.value, n) for n, b in held.items() if isinstance(b.value, Task))
                continue
            name = function_name(cell.task.name, taken)
            taken.add(name)
            helpers = [] if not self.inner else self._helpers(cell)
            own = {cell.source.of(node) for node in cell.ordinary}
            helpers = [helper for helper in helpers if helper.text not in own]
            text, shows = cell.definition(name, moved, self._defaults(cell, bound), helpers, self.shared)
            if shows and _SHOW not in functions:
                functions.insert(0, _SHOW)
            functions.append(text)
            if cell.task in kept:
                variables[cell.task] = f"{name}_task"
            lines = cell.call(name, variables.get(cell.task), self._after(cell, variables), self.shared)
            text = "\n".join(lines)
            block = self._block_of(cell.task)
            calls.append(text if block is None else in_block(text, block, self.namespace))
        return functions, calls

    def _kept(self) -> set[Task]:
        """Return the tasks that others come after without taking anything from them."""
        return {e.upstream_task for cell in self.tasks for e in self.flow.edges_in(cell.task) if e.key is None}

    def _after(self, cell: TaskPart, variables: dict[Task, str]) -> list[str]:
        automatic = {edge for block in self.flow.blocks for edge in block._made_edges}
        tasks = [e.upstream_task for e in self.flow.edges_in(cell.task) if e.key is None and e not in automatic]
        for task in tasks:
            if task not in variables:
                raise ExportError(f"{cell.label} comes after {task.name!r}, which no name holds; give it one")
        return [variables[task] for task in tasks]

    def _block_of(self, task: Task) -> str | None:
        """Return the name of the resource in whose block the task is."""
        for block in sorted(self.flow.blocks, key=lambda block: -block.depth):
            if task in block.members:
                names = (n for n, held in self.namespace.items() if held in (block, *block.lifecycle))
                found = next((n for n in names if not n.startswith("_")), None)
                if found is None:
                    raise ExportError(f"no name holds the resource of block {block.name!r}; use `with ... as name:`")
                return found
        return None

    def _defaults(self, cell: TaskPart, bound: set[str]) -> list[str]:
        """Return the names of the module that a function reads and that it, or the flow, binds to something else."""
        names = names_of(cell.source.without(cell.ordinary).tree)
        taken = {*names.bound, *names.maybe, *self.given}
        known = bound | set(vars(builtins))
        return [n for n in names.read if n in taken and n in known and n not in cell.function.inputs]
