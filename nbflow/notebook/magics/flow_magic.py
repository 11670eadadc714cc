"""The magics `%flow` and `%%flow`: they parse the line, call the library and display. No more than Python can do."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments
from IPython.display import display

from nbflow.errors import NbflowError
from nbflow.notebook.cells.flow_cells import cells_of
from nbflow.notebook.cells.identity import names_in
from nbflow.notebook.cells.lent_values import give_back
from nbflow.notebook.inspection.check import cells_in
from nbflow.notebook.inspection.dangling_report import DanglingReport, show_undefined
from nbflow.notebook.magics import run_commands
from nbflow.notebook.magics.command_table import find_command, usages
from nbflow.notebook.magics.magic_arguments import NO_RAISE, PARAMETERS, parameters, parse, split
from nbflow.notebook.magics.magic_command import Call, say
from nbflow.notebook.shell.cell_code import execute
from nbflow.notebook.shell.cell_failure import Rendering
from nbflow.notebook.shell.cut_off import cut_off_runs
from nbflow.notebook.shell.live_view import current_page
from nbflow.notebook.shell.lookup import find_block, find_flow, forget_flow
from nbflow.registry import flows
from nbflow.render.focus import part_bundle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from IPython.core.interactiveshell import ExecutionInfo, InteractiveShell

    from nbflow.core.task import Task
    from nbflow.flow import Flow
    from nbflow.notebook.magics.magic_command import Command
    from nbflow.notebook.tracking.current_cell import CurrentCell


@magics_class
class FlowMagics(Magics):
    """`%%flow NAME` adds a cell to a flow; `%flow COMMAND NAME` runs it, steps through it and draws it."""

    def __init__(self, shell: InteractiveShell, now: CurrentCell) -> None:
        super().__init__(shell)
        self._shell = shell
        self.now = now
        self._cell: ExecutionInfo | None = None

    def remember_cell(self, info: ExecutionInfo) -> None:
        """Note which cell is about to be executed; IPython calls it."""
        self._cell = info
        cut_off_runs.note_cell(current_page())

    @line_magic("flow")  # type: ignore[arg-type]  # IPython's types know the decorator without a name only
    @no_var_expand  # else IPython evaluates what stands in braces, and parameters are literals only
    def line(self, line: str) -> None:
        """Show and command the flows of this notebook."""
        _tell_cut_off()
        word, _, rest = line.strip().partition(" ")
        if word.startswith("#"):
            word = rest = ""
        command = find_command(word or "list")
        words, options = command.read(rest)
        flow = _take_flow(words, command) if command.of_flow else None
        call = Call(command=command, words=tuple(words), options=options, namespace=self._shell.user_ns, of=flow)
        if command.goes_on:
            give_back(self._shell.user_ns, only_values=True)
        with _usage_errors(command.magic):
            command.act(call)

    line.__doc__ = usages()  # type: ignore[assignment]  # the same

    @magic_arguments("%flow")  # the other % is IPython's
    @argument("name", help="the flow; made if there is none of this name")
    @argument("--in", dest="block", metavar="BLOCK", help="add to a block of an earlier cell: its resource's name")
    @argument("--run", action="store_true", help="run the flow afterwards")
    @argument("--step", action="store_true", help="run one task afterwards and pause")
    @argument("--no-show", action="store_true", help="do not draw the flow")
    @argument("--no-raise", action="store_true", help=f"for --run: {NO_RAISE.help}")
    @argument("-p", "--param", dest="parameters", action="append", default=[], metavar="K=V", help=PARAMETERS.help)
    @cell_magic("flow")  # type: ignore[arg-type]
    @no_var_expand
    def cell(self, line: str, cell: str) -> None:
        """Execute a cell as usual, with the tasks it calls added to a flow.

        Executed again, the cell replaces what it added before. If it raises, the flow stays as it was.
        """
        options, _ = parse(FlowMagics.cell.parser, split(line, "%%flow"), "%%flow")
        magic = f"%%flow {options.name}"
        _check(options, magic)
        _tell_cut_off()
        is_new = options.name not in flows
        gone = give_back(self._shell.user_ns)
        flow = flows.get_or_create(options.name)
        key, label = self.now.part(cell)
        news = DanglingReport(flow, label)
        try:
            self._add(flow, cell, options.block, magic, key, label)
        except BaseException as error:
            if is_new:
                forget_flow(options.name)
            if isinstance(error, NameError) and error.name in gone:
                error.add_note(f"%flow values had lent {error.name!r} a value, only to be looked at")
            raise
        if not options.no_show and not (options.run or options.step):
            display(part_bundle(flow, _added(flow, key)), raw=True)  # which says what is missing
        else:
            news.show()
        show_undefined(flow, key)
        if options.run or options.step:
            self._proceed(flow, options, magic)

    def _add(self, flow: Flow, body: str, block: str | None, magic: str, key: str, label: str) -> None:
        shell = self._shell
        info = self._cell
        raw_cell = body if info is None else str(info.raw_cell)
        names = names_in(shell.transform_cell(body).rstrip())
        source = body if block is None else f"--in {block}\n{body}"
        was_executed = False
        try:
            with (
                cells_of(flow).executing(
                    key,
                    label,
                    shell.user_ns,
                    source=source,
                    reads={*names.read, *([block] if block else [])},
                    binds=names.bound,
                    cell_id=self.now.cell_id,
                ),
                flow,
            ):
                # Not before: the names mean what they mean to this cell only now.
                with nullcontext() if block is None else find_block(flow, block, shell.user_ns, magic):
                    execute(shell, body, raw_cell=raw_cell, magic=magic)
                was_executed = True
        except NbflowError as error:
            if not was_executed:  # raised by a line of the cell: its traceback shows which
                raise
            where = cells_in(flow, error)
            raise UsageError(f"{magic}: {error}{where}. The flow is as it was before this cell") from error

    def _proceed(self, flow: Flow, options: Any, magic: str) -> None:
        command = run_commands.run if options.run else run_commands.step
        given = command.parser.parse_args([])
        given.parameters, given.no_raise = options.parameters, options.no_raise
        call = Call(command=command, words=(), options=given, namespace=self._shell.user_ns, of=flow)
        with _usage_errors(magic):
            command.act(call)


def _tell_cut_off() -> None:
    for words in cut_off_runs.tell(current_page()):
        say(words)


def _added(flow: Flow, key: str) -> tuple[Task, ...]:
    """Return what the cell `key` has added to a flow."""
    index = cells_of(flow).index
    one = index.id_of(key)
    return () if one is None else index.contributions[one].tasks


def _check(options: Any, magic: str) -> None:
    """Refuse a bad line before the cell is executed."""
    parameters(options.parameters, magic)
    if options.run and options.step:
        raise UsageError(f"{magic}: --run and --step exclude each other; keep one")
    if options.parameters and not (options.run or options.step):
        raise UsageError(f"{magic}: -p is for a run; add --run, or give it to %flow run {options.name}")


def _take_flow(words: list[str], command: Command) -> Flow:
    """Take the flow from the words; with only one flow, the first word may be the next one."""
    most = command.most_words
    fit_without = (command.takes_task or command.takes_run) and most is not None and len(words) <= most
    if words and words[0] not in flows and len(flows) == 1 and fit_without:
        return find_flow(None, command.magic)
    return find_flow(words.pop(0) if words else None, command.magic)


@contextmanager
def _usage_errors(magic: str) -> Iterator[None]:
    """Say what the library refuses as a usage error: one line that names the magic, no traceback of our insides."""
    try:
        yield
    except NbflowError as error:
        if isinstance(getattr(error, "_render_traceback_", None), Rendering):
            raise  # of a task, or of its run
        raise UsageError(f"{magic}: {error}") from error
