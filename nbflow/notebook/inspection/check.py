"""`%flow check`: what is wrong with a flow, found before anything runs, with the cells that it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbflow.core.graph import Graph
from nbflow.core.parameter import Parameter
from nbflow.engine.renewal import is_renewed
from nbflow.engine.task_notes import notes_of as run_notes
from nbflow.engine.task_notes import notes_of_flow, stale_tasks
from nbflow.errors import CycleError, NbflowError, ResourceScopeError, UnevenBlockError
from nbflow.notebook.cells.flow_cells import cells_of
from nbflow.notebook.inspection.cell_table import labels, notes_of
from nbflow.notebook.inspection.undefined import undefined
from nbflow.notebook.shell.tables import bundle

if TYPE_CHECKING:
    from nbflow.core.task import Task

ERROR, HINT = "✗ error", "▲ hint"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        level: An error keeps the flow from running, a hint does not.
        what: One word for it.
        cell: The cell that it is about.
        text: What it is, and what helps.
    """

    level: str
    what: str
    cell: str
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """The problems of one flow; true if there are none that keep it from running."""

    flow: str
    tasks: int
    problems: tuple[Problem, ...]

    def __bool__(self) -> bool:
        return not any(problem.level == ERROR for problem in self.problems)

    def __repr__(self) -> str:
        return self._repr_mimebundle_()["text/plain"]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        count = "1 task" if self.tasks == 1 else f"{self.tasks} tasks"
        if not self.problems:
            return bundle(f"{self.flow}: {count}, nothing to complain about")
        errors = sum(1 for problem in self.problems if problem.level == ERROR)
        hints = len(self.problems) - errors
        found = [f"{n} {word}{'s' if n > 1 else ''}" for n, word in ((errors, "error"), (hints, "hint")) if n]
        runs = "; it does not run like this" if errors else ""
        rows = [(p.level, p.what, p.cell, p.text) for p in self.problems]
        return bundle(f"{self.flow}: {count}, {' and '.join(found)}{runs}", ("", "what", "cell", ""), rows)


def check(flow: Graph) -> Report:
    """Look for what is wrong with `flow`: errors first, then hints. Nothing is run or changed."""
    cells = cells_of(flow)
    cells.adopt_strangers()
    cell_of = labels(flow)
    errors = map(cells.index.error, cells.dangling)
    problems = [Problem(ERROR, "missing", error.cell, str(error)) for error in errors]
    problems += _of_graph(flow, cell_of)
    problems += [Problem(ERROR, "undefined", cell_of.get(task, ""), said) for task, said in undefined(flow, flow.tasks)]
    problems += _changed(flow, cell_of)
    problems += [
        Problem(HINT, "unused", cell_of.get(task, ""), f"parameter {task.name!r} is taken by no task")
        for task in flow.tasks
        if isinstance(task, Parameter) and not flow.edges_out(task)
    ]
    problems += [
        Problem(
            HINT,
            "edited",
            cell_of.get(task, ""),
            f"what task {task.name!r} calls was edited after this cell was executed: runs use the newest definition, "
            "with the options and arguments of then",
        )
        for task in flow.tasks
        if is_renewed(task)
    ]
    index = cells.index
    problems += [
        Problem(
            HINT,
            text.partition(":")[0],
            index.label(one),
            f"{text.partition(': ')[2]}; execute it again, or take out what it added: "
            f"%flow prune {flow.name} '{index.label(one).removeprefix('cell ')}'",
        )
        for one, text in notes_of(cells).items()
    ]
    return Report(flow.name, sum(1 for task in flow.tasks if not hasattr(task, "errors")), tuple(problems))


def _changed(flow: Graph, cell_of: dict[Task, str]) -> list[Problem]:
    """Return what makes the newest run something else than what the cells say."""
    found = [
        Problem(HINT, "stale", cell_of.get(task, ""), f"{task.name}: {why}; %flow rerun {flow.name} stale")
        for task, why in stale_tasks(flow).items()
    ]
    runs = getattr(flow, "runs", None)
    run = runs[-1] if runs else None
    words = notes_of_flow(flow) if run is None else run_notes(run)
    for task, note in words.items():
        if "reused" not in note:
            is_to_come = note.startswith("●") and (run is None or run.is_finished)
            where = "in the next run" if is_to_come or run is None else f"in run {run.number}"
            found.append(Problem(HINT, note.partition(" ")[2], cell_of.get(task, ""), f"{task.name}, {where}"))
    return found


def _of_graph(flow: Graph, cell_of: dict[Task, str]) -> list[Problem]:
    try:
        Graph.validate(flow)
    except NbflowError as error:
        what = {CycleError: "cycle", ResourceScopeError: "scope"}.get(type(error), "graph")
        return [Problem(ERROR, what, _cells_named(flow, error, cell_of), str(error))]
    return []


def _cells_named(flow: Graph, error: NbflowError, cell_of: dict[Task, str]) -> str:
    """Return the cells of the tasks that an error about a flow names."""
    match error:
        case CycleError():
            names = error.path
        case ResourceScopeError():
            names = (error.task,)
        case UnevenBlockError():
            names = (error.mapped,)
        case _:
            return ""
    return ", ".join(dict.fromkeys(cell_of[task] for task in flow.tasks if task.name in names and task in cell_of))


def cells_in(flow: Graph, error: NbflowError) -> str:
    """Return, to be put behind an error about a flow, which cells have the tasks that it names."""
    cells = _cells_named(flow, error, labels(flow))
    return f" (in {cells})" if cells else ""
