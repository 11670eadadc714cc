"""A run that has failed ends the cell with the task's own error: its traceback, then the end of what the task said.

The error that the task raised is raised again, so that the cell fails as it would if it had done the work itself: "Run
all" and programs that execute notebooks stop there, and `%tb` and `%debug` show the task's frames.
"""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.getipython import get_ipython

from nbflow.core.users_traceback import chained, users_traceback
from nbflow.errors import RunFailedError
from nbflow.render.failures import Failure, failures
from nbflow.render.names import one_line

if TYPE_CHECKING:
    from types import TracebackType

    from nbflow.engine.run import Run

_LOG_LINES = 20
_MOST_OTHERS = 5
# IPython shows these in a way of its own, or takes them for a request to stop.
_SHOWN_OTHERWISE = (SyntaxError, UsageError, BaseExceptionGroup, GeneratorExit, StopIteration)


def raise_failure(run: Run) -> None:
    """Raise what a finished run has failed by; does nothing if it has not failed.

    Raises:
        RunFailedError: If no task has raised an error, or one that IPython would not show with its traceback.
        BaseException: The error of the task that failed first.
    """
    if not run.state.is_failed():
        return
    found = failures(run.states)
    if not found:
        bare = RunFailedError(run.number, run.graph.name, _why(run))
        bare._render_traceback_ = Rendering(bare, None, None, [])  # type: ignore[attr-defined]
        raise bare
    ended = {task: times[1] or 0.0 for task, times in run.timings.items()}
    first = min(found, key=lambda one: (ended.get(one.task, 0.0), one.index or 0))
    error, cause = first.error, None
    trace = _trimmed(error)
    if isinstance(error, _SHOWN_OTHERWISE) or not isinstance(error, Exception):
        said = f"{one_line(first.name, 60)}: {first.text()}"
        error, cause = RunFailedError(run.number, run.graph.name, said), error
        error.__cause__ = cause
    rendering = Rendering(error, cause, trace, _said(run, first, [one for one in found if one is not first]))
    object.__setattr__(error, "_render_traceback_", rendering)  # past a class that forbids it
    raise error.with_traceback(trace)


def _trimmed(error: BaseException) -> TracebackType | None:
    """Take nbflow's frames out of the tracebacks of an error and what it came from."""
    for one in chained(error):
        trace = users_traceback(one.__traceback__)
        if trace is not None or one is not error:
            BaseException.with_traceback(one, trace)
    return users_traceback(error.__traceback__) or error.__traceback__


@dataclass(eq=False, repr=False)
class Rendering:
    """Shows an error as IPython shows any, without the frames through which the magic raised it.

    IPython asks the exception itself for its text, at first and for `%tb`, and then has `%debug` look at what it has
    noted of it. So this is the moment to note the task's own frames there.
    """

    error: BaseException
    cause: BaseException | None
    trace: TracebackType | None
    said: list[str]

    def __reduce__(self) -> tuple[Any, ...]:
        return Elsewhere, (self.said,)  # a stored error leaves its notebook behind

    def __call__(self) -> list[str]:
        """Return the lines, and have the debugger look at the task's own frames."""
        if self.trace is not None:
            BaseException.with_traceback(self.error, self.trace)
        if self.trace is not None and getattr(sys, "last_value", None) is self.error:
            sys.last_traceback = self.trace
        return [*self._traceback(), *self.said]

    def _traceback(self) -> list[str]:
        shell = get_ipython()
        if self.cause is not None or self.trace is None or shell is None:
            shown = self.error if self.cause is None else self.cause
            lines = traceback.format_exception(type(shown), shown, users_traceback(self.trace))
            if self.cause is not None:
                lines += ["\n", *traceback.format_exception_only(self.error)]
            return "".join(lines).splitlines()
        stb: list[str] = shell.InteractiveTB.structured_traceback(
            type(self.error), self.error, users_traceback(self.trace), tb_offset=0
        )
        return stb


@dataclass(eq=False, repr=False)
class Elsewhere:
    """Takes the place of a `Rendering` in another process."""

    said: list[str]

    def __call__(self) -> list[str]:
        """Return the lines for the error that is being handled."""
        kind, error, trace = sys.exc_info()
        return [*traceback.format_exception(kind, error, trace), *self.said]


def _why(run: Run) -> str:
    """Return the words of the first task that failed, else those of the run."""
    for task, state in run.states.items():
        if state.is_failed():
            return f"{one_line(task.name, 60)}: {one_line(state.message or type(state).__name__, 300)}"
    return one_line(run.state.message or "", 300)


def _said(run: Run, first: Failure, others: list[Failure]) -> list[str]:
    """Return what follows the traceback: the end of the task's log, and what else has failed."""
    lines: list[str] = []
    log = run.logs.get(first.task, ())
    text = "".join(
        line.text if line.text.endswith("\n") or line.stream in ("stdout", "stderr") else f"{line.text}\n"
        for line in log
        if first.index is None or line.map_index == first.index
    )
    tail = text.splitlines()
    if tail:
        count = len(tail)
        head = f"the last {_LOG_LINES} of {count} lines" if count > _LOG_LINES else "all"
        lines += ["", f"{head} that {one_line(first.name, 60)} printed and logged:"]
        lines += [f"    {one_line(line, 300)}" for line in tail[-_LOG_LINES:]]
    if others:
        lines.append("")
        lines += [
            f"also failed: {one_line(one.name, 60)}: {one.text()}" + (f" ({place})" if place else "")
            for one in others[:_MOST_OTHERS]
            for place in [one.place()]
        ]
        if len(others) > _MOST_OTHERS:
            lines.append(f"and {len(others) - _MOST_OTHERS} more")
    return [*lines, ""] if lines else lines
