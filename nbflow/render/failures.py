"""The failures of a run, as one reads them first: which task, which error, and in which line of which cell."""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbflow.core.states import Mapped, State
from nbflow.core.users_traceback import failed_line
from nbflow.engine.task_counts import has_failed
from nbflow.render.names import one_line

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from nbflow.core.task import Task


@dataclass(frozen=True, slots=True)
class Failure:
    """A task, or child `index` of a mapped one, that failed by `error`."""

    task: Task
    index: int | None
    error: BaseException

    @property
    def name(self) -> str:
        """What it is called: `clean`, or `clean[3]`."""
        return self.task.name if self.index is None else f"{self.task.name}[{self.index}]"

    def text(self) -> str:
        """Return the error in one line, as in `KeyError: 'b'`."""
        try:
            said = "".join(traceback.format_exception_only(self.error)).strip().partition("\n")[0]
        except Exception:  # noqa: BLE001 - users' classes
            said = type(self.error).__name__
        return one_line(said, 300)

    def place(self) -> str:
        """Return where the user's code failed, as in `cell In [3], line 2: y = x["b"]`; empty if nowhere in it."""
        line = failed_line(self.error)
        if line is None:
            return ""
        where = f"{_called(line.filename, self.task)}, line {line.line}"
        return f"{where}: {one_line(line.code, 200)}" if line.code else where


def failures(states: Mapping[Task, State]) -> list[Failure]:
    """Return what failed by an error of its own, in the order of `states`; not what had to be left out for it."""
    return list(_failures(states))


def _failures(states: Mapping[Task, State]) -> Iterator[Failure]:
    for task, state in states.items():
        parts = enumerate(state.map_states or ()) if isinstance(state, Mapped) else [(None, state)]
        for index, one in parts:
            error = _error_of(one)
            if error is not None:
                yield Failure(task, index, error)


def _error_of(state: object) -> BaseException | None:
    if not isinstance(state, State) or not has_failed(state):
        return None
    error = None if state.released is not None else state.result
    return error if isinstance(error, BaseException) else None


def first_failure(states: Mapping[Task, State], among: Container[Task]) -> tuple[Task, int | None] | None:
    """Return the first task of some that failed by itself, and which child of it; None if none did."""
    for task, state in states.items():
        if task not in among:
            continue
        if not isinstance(state, Mapped):
            if has_failed(state):
                return task, None
            continue
        for index, child in enumerate(state.map_states or ()):
            if child is not None and has_failed(child):
                return task, index
    return None


def _called(filename: str, task: Task) -> str:
    """Return what the reader calls a file: the cell, else the file's own name."""
    run = vars(task).get("run")
    if getattr(run, "filename", None) == filename and isinstance(getattr(run, "label", None), str):
        return str(run.label)  # type: ignore[union-attr]
    # Where there is a shell, it knows its cells; it is not imported for that.
    module = sys.modules.get("IPython.core.getipython")
    shell = None if module is None else module.get_ipython()
    named = None if shell is None else shell.compile.format_code_name(filename)
    if named is not None:
        number = str(named[1]).removeprefix("In").strip(" []")
        return f"cell In [{number}]"
    return filename.replace("\\", "/").rpartition("/")[2]
