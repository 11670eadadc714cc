"""The command that `--notify` has run when a run is over: what it is told, and how it is waited for.

What is told stands in the environment, never in the command's own text: a task's name or an error's message cannot
become a part of what the shell executes.
"""

from __future__ import annotations

import contextvars
import os
import signal
import subprocess
import tempfile
import threading
from contextlib import suppress
from typing import IO, TYPE_CHECKING

from nbflow.engine.events import warn_safely
from nbflow.engine.task_counts import has_failed
from nbflow.render.names import one_line

if TYPE_CHECKING:
    from nbflow.engine.run import Run

TIMEOUT_S = 30.0  # for the command; then it is ended, with all that it started
_BLOCKS_S = 1.0  # for a cell to wait, so that one that fails at once says so below it
_MOST_CHARACTERS, _MOST_FAILED = 1_000, 50


def facts_of(run: Run) -> dict[str, str]:
    """Return the variables that tell a command what has become of a run."""
    started, ended = run.timings.started_at, run.timings.ended_at
    seconds = 0.0 if started is None or ended is None else ended - started
    failed = [one_line(task.name, 200) for task, state in run.states.items() if has_failed(state)]
    return {
        "NBFLOW_FLOW": _text(run.graph.name),
        "NBFLOW_RUN": str(run.number),
        "NBFLOW_STATE": type(run.state).__name__,
        "NBFLOW_MESSAGE": _text(run.state.message or ""),
        "NBFLOW_FAILED": "\n".join(map(_encodable, failed[:_MOST_FAILED])),
        "NBFLOW_SECONDS": f"{seconds:.1f}",
    }


def notify(command: str, run: Run, *, timeout_s: float = TIMEOUT_S) -> threading.Thread | None:
    """Run a shell command that is told of a run, and return who waits for it; warn if it fails.

    A blocking run's cell waits a moment for it. The command has a session of its own: a kernel that is shut down
    does not wait for it, and a stop is not for it.
    """
    errors = tempfile.TemporaryFile()  # noqa: SIM115 - a pipe would be read for as long as anything holds it open
    try:
        process = subprocess.Popen(
            command,
            shell=True,
            env={**os.environ, **facts_of(run)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        errors.close()
        warn_safely(f"--notify: {command!r} could not be started: {error}")
        return None
    waiter = threading.Thread(
        target=contextvars.copy_context().run,  # what it says stays in the cell
        args=(_see_to_end, command, process, errors, timeout_s),
        name="nbflow-notify",
        daemon=True,
    )
    waiter.start()
    if run._execution.is_blocking:
        waiter.join(_BLOCKS_S)
    return waiter


def _see_to_end(command: str, process: subprocess.Popen[bytes], errors: IO[bytes], timeout_s: float) -> None:
    """Wait for the command, so that it leaves no zombie, and say what went wrong."""
    with errors:
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            _kill(process)
            process.wait()
            warn_safely(f"--notify: {command!r} was ended, it had taken more than {timeout_s:g} s")
            return
        if code:
            errors.seek(0)
            said = one_line(errors.read(10_000).decode(errors="replace").strip(), 400)
            warn_safely(f"--notify: {command!r} failed with exit status {code}" + (f": {said}" if said else ""))


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the command and what it started: its session is its process group, too."""
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _text(text: str) -> str:
    return _encodable(one_line(text, _MOST_CHARACTERS))


def _encodable(text: str) -> str:
    """Return a text that an environment takes: without what has no bytes."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")
