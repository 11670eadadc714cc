"""The magic `%%task`: it parses the line, makes the cell a task, and says what it has found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments
from IPython.display import display

from nbflow.errors import NbflowError
from nbflow.notebook.cells.flow_cells import cells_of
from nbflow.notebook.cells.lent_values import give_back
from nbflow.notebook.magics.magic_arguments import parse, split
from nbflow.notebook.shell.lookup import forget_flow
from nbflow.notebook.taskcell.cell_magics import AT_ONCE, CellMagic, cell_magic_of
from nbflow.notebook.taskcell.definition import Definition, ask_for, note_definitions, tie_others
from nbflow.notebook.taskcell.task_cell import CellText, Defined, TaskCell
from nbflow.notebook.tracking.current_cell import CurrentCell
from nbflow.notebook.tracking.execution_order import ExecutionOrder
from nbflow.notebook.tracking.reordering import reorder
from nbflow.registry import flows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from IPython.core.interactiveshell import ExecutionInfo, InteractiveShell

    from nbflow.flow import Flow

DEFAULT_FLOW = "notebook"


@magics_class
class TaskMagics(Magics):
    """`%%task` makes a cell one task of a flow."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._shell = shell
        self._cell: ExecutionInfo | None = None
        # Not IPython's own list: a cell that is executed without being counted, as nbval does, is not in it.
        self.sources: list[str] = list(shell.history_manager.input_hist_raw) if shell.history_manager else []

        self.passes = ExecutionOrder(shell.user_ns)
        self.now = CurrentCell(shell, self.passes)

    def remember_cell(self, info: ExecutionInfo) -> None:
        """Note which cell is about to be executed; IPython calls it."""
        self._cell = info
        self.sources.append(str(info.raw_cell))

    @magic_arguments("%task")  # the other % is IPython's
    @argument("name", nargs="?", help="the task; by default it is called after the names it gives")
    @argument(
        "--flow",
        metavar="FLOW",
        help=f"the flow; by default the only one there is, made as {DEFAULT_FLOW!r} if there is none",
    )
    @argument("--in", dest="block", metavar="BLOCK", help="the block of a resource to put the task into")
    @argument("--needs", nargs="*", metavar="NAME", help="the names it takes, instead of those it is seen to read")
    @argument("--gives", nargs="*", metavar="NAME", help="the names it gives, instead of those it is seen to bind")
    @cell_magic("task")  # type: ignore[arg-type]  # IPython's types know the decorator without a name only
    @no_var_expand
    def cell(self, line: str, cell: str) -> None:
        """Make this cell a task: what it reads from other tasks is its input, what it binds its output.

        Nothing is executed but the cell's imports and plain functions. Executed again, the cell replaces its task.
        Names that no task gives are looked up in the notebook when the task runs.
        """
        options, _ = parse(TaskMagics.cell.parser, split(line, "%%task"), "%%task")
        magic = " ".join(["%%task", *([options.name] if options.name else [])])
        needs, gives = _names(options.needs, magic), _names(options.gives, magic)
        key, label = self.now.part(cell)
        raw = cell if self._cell is None else str(self._cell.raw_cell)
        text = CellText(body=cell, raw=raw, label=label, magic=magic)
        name, is_new = _flow_name(options.flow, magic)
        around = cell_magic_of(cell, magic)
        if around is not None and around.name in AT_ONCE:
            self._at_once(around, name, key)
            return
        task_cell = TaskCell(self._shell, text, needs, gives)
        give_back(self._shell.user_ns)
        flow = flows.get_or_create(name)
        try:
            defined = self._define(flow, task_cell, key, options)
        except BaseException:
            if is_new:
                forget_flow(name)
            raise
        display({"text/plain": _summary(defined)}, raw=True)

    def _at_once(self, magic: CellMagic, flow: str, key: str) -> None:
        """Execute a cell that reads no value, and let it be no task if it was one."""
        self._shell.run_cell_magic(magic.name, magic.line, magic.body)
        if flow in flows:
            cells_of(flows[flow]).remove_cell(key, self._shell.user_ns)
        display({"text/plain": f"%%{magic.name} is executed at once, and no task is needed"}, raw=True)

    def _define(self, flow: Flow, cell: TaskCell, key: str, options: Any) -> Defined:
        magic = cell.text.magic
        definition = Definition(cell=cell, key=key, cell_id=self.now.cell_id, name=options.name, block=options.block)
        ask_for(flow, cell, definition.key)
        cell.execute_ordinary(flow)
        try:
            defined = self._in_some_order(flow, definition)
        except NbflowError as error:
            raise UsageError(f"{magic}: {error}. The flow is as it was before this cell") from error
        note_definitions(flow, cell, definition.key)
        if defined.task is not None:
            tie_others(flow, defined.task, definition.key)
        return defined

    def _in_some_order(self, flow: Flow, definition: Definition) -> Defined:
        """Add the task; if it does not go with the order so far, in that of a pass which has come to this cell."""
        try:
            return definition.add_to(flow)
        except NbflowError:
            one = cells_of(flow).index.id_of(definition.key)
            order = None if one is None else self.passes.order_with(flow, one)
            if order is None or not reorder(flow, order, self._shell.user_ns, left_out=one):
                raise
        return definition.add_to(flow)


def _names(words: list[str] | None, magic: str) -> list[str] | None:
    """Return the names in `a b`, `a, b` or `a,b`."""
    if words is None:
        return None
    names = [name for word in words for name in word.split(",") if name]
    for name in names:
        if not name.isidentifier():
            raise UsageError(f"{magic}: {name!r} is no name")
    return names


def _flow_name(wanted: str | None, magic: str) -> tuple[str, bool]:
    """Return the name of the flow, and whether there is none of that name yet."""
    if wanted is not None:
        return wanted, wanted not in flows
    if len(flows) > 1:
        raise UsageError(f"{magic}: which flow? there are {', '.join(map(repr, flows))}; add --flow NAME")
    name = next(iter(flows), DEFAULT_FLOW)
    return name, name not in flows


def _named(name: str, through: Mapping[str, str]) -> str:
    return f"{name} (through {through[name]})" if name in through else name


def _summary(defined: Defined) -> str:
    """Return what was found, as in `clean: orders, customers -> table`."""
    if defined.task is None:
        return "only imports and functions: they are defined, and no task is needed"
    roles = defined.roles
    line = f"{defined.task.name}:"
    if roles.inputs:
        line += f" {', '.join(_named(name, roles.through) for name in roles.inputs)}"
    line += f" -> {', '.join(roles.outputs)}" if roles.outputs else " -> (shows only)"
    if defined.unknown:
        line += f"\n  not known yet: {', '.join(defined.unknown)}; no task gives it, and the notebook has none"
    return line
