"""Plays a program of `%%task` cells in a shell of this process, or in a real kernel."""

from __future__ import annotations

import base64
import contextlib
import functools
import io
import pickle
import re
import traceback
import warnings
from typing import TYPE_CHECKING, Any, Protocol

import nbflow
from tests.properties.programs import inside
from tests.properties.programs import steps as do
from tests.properties.programs.inside import FLOW
from tests.properties.programs.player import Found

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from tests.kernel.conftest import Kernel
    from tests.properties.programs.steps import Step
    from tests.properties.programs.text import Program, TaskText

NOTHING = "nothing to run again"
REFUSALS = ("UsageError", "Failed")


@functools.cache
def warm_shell() -> InteractiveShell:
    """Return a shell that has loaded nbflow and executed nothing; children that are forked have it too."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.term_title = False
    shell = InteractiveShell.instance(config=config)
    shell.run_line_magic("load_ext", "nbflow")
    return shell


def cell_of(task: TaskText, body: tuple[str, ...] | None = None) -> str:
    """Return a task as a `%%task` cell: its arguments are the names that other cells bind, and so is its result."""
    text = "\n".join(task.body if body is None else body)
    for one in task.inputs:
        text = re.sub(rf"\b{one.arg}\b", f"v_{one.source}", text)
    return f"%%task {task.name} --flow {FLOW}\n{re.sub('^return ', f'v_{task.name} = ', text, flags=re.M)}"


def broken(task: TaskText, body: tuple[str, ...]) -> tuple[str, ...]:
    """Return a body that fails where this one does, and still binds the name of its result."""
    return (*body[:-1], "1 / 0", task.body[-1])


class Host(Protocol):
    """Where cells are executed."""

    def execute(self, source: str, cell_id: str) -> tuple[str, str]:
        """Execute a cell; returns the name of its error, and its words or its traceback."""

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a function of `inside` there."""


class ShellHost:
    """The shell of this process."""

    def __init__(self) -> None:
        self._shell = warm_shell()
        self.call = inside.call

    def execute(self, source: str, cell_id: str) -> tuple[str, str]:
        """Execute a cell."""
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
            result = self._shell.run_cell(source, cell_id=cell_id, store_history=True)
        error = result.error_before_exec or result.error_in_exec
        return ("", "") if error is None else (type(error).__name__, f"{error}\n{out.getvalue()[-3000:]}")


class KernelHost:
    """A real kernel, in which several programs are played one after the other."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        kernel.run("%load_ext nbflow")

    def execute(self, source: str, cell_id: str) -> tuple[str, str]:
        """Execute a cell."""
        reply = self._kernel.execute(source, cell_id=cell_id)
        return (reply.ename, f"{reply.evalue}\n{reply.traceback}") if reply.status != "ok" else ("", "")

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a function of `inside` in the kernel."""
        given = ", ".join(map(repr, ("pause_after" if name == "pause" else name, *arguments)))
        module = '__import__("tests.properties.programs.inside", fromlist=["inside"])'
        printed = self._kernel.run(f"print({module}.encoded({given}))", cell_id="question").stdout
        return pickle.loads(base64.b64decode(printed.strip().rsplit("\n", 1)[-1]))


class ShellPlayer:
    """Plays one program; `found` has what is found, as far as it goes."""

    def __init__(self, program: Program, steps: tuple[Step, ...], host: Host) -> None:
        self.program = program
        self.host = host
        self.texts = {task.name: cell_of(task) for task in program.tasks}
        self.found: list[Found] = []
        self._play(None)
        for step in steps:
            if self.found[-1].refused or self.found[-1].error:
                break
            self._play(step)

    def _play(self, step: Step | None) -> None:
        found = Found()
        self.found.append(found)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                self.host.call("pause")
                before = 0 if step is None else self.host.call("number")
                if step is None:
                    self._begin(found)
                else:
                    self._perform(step, found)
                if not (found.error or found.refused):
                    self._look(found, began=self.host.call("number") != before)
            except Exception:
                found.error = traceback.format_exc()
        found.said += [str(one.message) for one in told]

    def _begin(self, found: Found) -> None:
        self._execute(found, "\n".join(self.program.prelude), "prelude")
        for task in self.program.tasks:
            self._execute(found, self.texts[task.name], task.name)
        self._execute(found, f"%flow run {FLOW}")

    def _perform(self, step: Step, found: Found) -> None:
        for name, body in step.bodies.items():
            self.texts[name] = cell_of(self.program[name], body)
            self._execute(found, self.texts[name], name)
        if step.op == do.UNCHANGED and step.task:
            self._execute(found, self.texts[step.task], step.task)
        if step.op == do.FILE:
            self._execute(found, step.text, "file")
        match step.op:
            case do.RUN:
                self._execute(found, f"%flow run {FLOW}")
            case do.UNCHANGED | do.EDIT_STALE | do.BREAK | do.FILE:
                self._rerun(found, "stale")
            case do.FIX:
                self._rerun(found, "failed")
            case do.RERUN_TASK | do.EDIT_TASK:
                self._rerun(found, step.task)
            case do.HOLD:
                self._rerun(found, "stale --hold")
                self.texts[step.task] = cell_of(self.program[step.task], step.fixed)
                self._execute(found, self.texts[step.task], step.task)
                is_fixed = False
                while self.host.call("stands_still") and not (found.error or found.refused):
                    if step.task in self.host.call("held") and not is_fixed:
                        self._execute(found, f"%flow retry {FLOW} {step.task}")
                        is_fixed = True
                    else:
                        self._execute(found, f"%flow resume {FLOW}")
                if not (is_fixed or found.error or found.refused):  # nothing failed: see `Player`
                    self._rerun(found, "stale")
                if found.refused:
                    self.host.execute(f"%flow cancel {FLOW}\n%flow wait {FLOW}", "line")

    def _rerun(self, found: Found, words: str) -> None:
        before = self.host.call("number")
        self._execute(found, f"%flow rerun {FLOW} {words}")
        if self.host.call("number") == before:
            found.planned = set()
            return
        found.reruns += 1
        found.planned = self.host.call("planned") & self._names()

    def _execute(self, found: Found, source: str, cell_id: str = "line") -> None:
        if found.error or found.refused:
            return
        error, words = self.host.execute(source, cell_id)
        if not error or NOTHING in words:
            return
        if error in REFUSALS or hasattr(nbflow.errors, error):
            found.refused = f"{error}: {words}"
        else:
            found.error = f"{error}: {words}"

    def _names(self) -> set[str]:
        return {task.name for task in self.program.tasks}

    def _look(self, found: Found, *, began: bool) -> None:
        names = [task.name for task in self.program.tasks]
        found.forms, found.said, found.renamed = self.host.call("look", names)
        if began:
            ran, said = self.host.call("ran")
            found.ran = ran & self._names()
            found.said += said
