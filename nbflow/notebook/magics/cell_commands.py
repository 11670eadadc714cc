"""The commands of `%flow` about cells: `cells`, `check`, `prune`, `export`, and the drawing of `show`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from IPython.core.error import UsageError
from IPython.core.getipython import get_ipython
from IPython.display import Code, display

from nbflow.notebook.cells.flow_cells import cells_of
from nbflow.notebook.export.exported_module import export
from nbflow.notebook.inspection.cell_table import GONE, PASSED_OVER, cell_table, labels
from nbflow.notebook.inspection.check import check as find_problems
from nbflow.notebook.inspection.dangling_report import DanglingReport
from nbflow.notebook.inspection.deleted_cells import saved_notebook
from nbflow.notebook.magics.magic_arguments import Option
from nbflow.notebook.magics.magic_command import command, say
from nbflow.notebook.taskcell.definition import repair_order
from nbflow.render.build import draw
from nbflow.render.html import html
from nbflow.render.text import text

if TYPE_CHECKING:
    from nbflow.notebook.inspection.cell_table import Cell
    from nbflow.notebook.magics.magic_command import Call

CELLS = Option(("--cells",), "a box around what each cell made")
OUTPUT = Option(("-o", "--output"), "the file to write; shown below the cell if left out", "FILE")


@command("show", options=(CELLS,))
def show(call: Call) -> None:
    """Draw the flow, with boxes around what each cell made if asked for; say which cells may be gone."""
    flow = call.flow
    old = [cell for cell in cell_table(flow) if cell.note]
    if not call.options.cells:
        display(flow)
    else:
        marked = {task: "gone" if cell.note == GONE else "old" for cell in old for task in cell.tasks}
        named = {task: f"{label} · {marked[task]}" if task in marked else label for task, label in labels(flow).items()}
        drawing = draw(flow, cells=named)
        display({"text/html": html(drawing), "text/plain": text(drawing)}, raw=True)
    if old:
        said = [f"{cell.label}: {cell.note}" for cell in old]
        say("\n".join([*said, f"%flow prune {flow.name} takes out what they added"]))


@command("cells")
def cells(call: Call) -> None:
    """Say which cell adds what."""
    display(cell_table(call.flow))


@command("check")
def check(call: Call) -> None:
    """List what is wrong with the flow, before anything runs."""
    display(find_problems(call.flow))


@command("prune", "[CELL...]")
def prune(call: Call) -> None:
    """Take out what cells added that are no longer in the notebook, or what the cells given added."""
    flow = call.flow
    every = list(cell_table(flow))
    chosen = [_find(word, every, call) for word in call.words] if call.words else _no_longer_there(every)
    if not chosen:
        say(f"{flow.name}: no cell is known to be gone; %flow prune {flow.name} 3 takes out what In [3] added")
        return
    news = DanglingReport(flow, "")
    cells_of(flow).remove([cell.id for cell in chosen], call.namespace)  # type: ignore[arg-type]
    repair_order(flow)
    for cell in chosen:
        names = ", ".join(task.name for task in cell.tasks if not task.auto_generated) or "no tasks"
        say(f"{flow.name}: what {cell.label} added is taken out: {names}")
    news.show()


@command("export", options=(OUTPUT,))
def export_flow(call: Call) -> None:
    """Write the flow as a Python module, to the file after -o or below the cell."""
    shell = get_ipython()
    assert shell is not None
    text = export(call.flow, shell)
    if call.options.output is None:
        display(Code(text, language="python"))
        return
    path = Path(call.options.output)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{call.magic}: cannot write {str(path)!r}: {error.strerror}") from error
    lines = text.count("\n")
    say(f"{call.flow.name} is written to {path} ({lines} lines)")


def _no_longer_there(every: list[Cell]) -> list[Cell]:
    """Return the cells that the saved notebook says are gone; those passed over where there is no such notebook."""
    known = GONE if saved_notebook() is not None else PASSED_OVER
    return [cell for cell in every if cell.note == known]


def _find(word: str, every: list[Cell], call: Call) -> Cell:
    number = word.lower().removeprefix("in").strip("[] ")
    for cell in every:
        if cell.label == f"cell In [{number}]" or cell.label == f"cell {word}":
            return cell
    known = ", ".join(cell.label.removeprefix("cell ") for cell in every) or "none"
    raise UsageError(f"{call.magic}: no cell {word!r} has added anything to {call.flow.name!r}; there are {known}")


COMMANDS = (show, cells, check, prune)
