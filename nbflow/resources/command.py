"""Any command as a resource: started, waited for until it is ready, and ended with all that it has started."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from nbflow.core.context import context
from nbflow.core.resource import resource_manager
from nbflow.engine.attempt import TaskCancelled
from nbflow.errors import OptionError, OptionTypeError
from nbflow.resources import resource_processes
from nbflow.resources.errors import CommandNotFoundError, NotReadyError, ProcessEndedError, StillRunningError
from nbflow.resources.output import Output
from nbflow.resources.process import Process
from nbflow.resources.readiness import TextPrinted, check_of
from nbflow.resources.resource_processes import ProcessId

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_KEPT_CHARACTERS = 65_536
_DRAIN_TIMEOUT_S = 1
_LONGEST_PAUSE_S = 0.1


@resource_manager
class Subprocess:
    """A command that runs as long as the tasks of a block need it.

    The resource is a `Process`: `pid`, `poll()`, `wait()`, `output` (the end of what it printed, errors included) and
    `popen`. The cleanup ends it with everything it has started: first SIGTERM, then SIGKILL. It is reclaimable: if
    the kernel dies, also in the middle of the setup, the reaper does the same.

    The command gets a session of its own, so the stop button's signal does not reach it and it does not hold up the
    kernel's exit, an empty standard input, and the variable NBFLOW_RESOURCE in its environment, by which its
    processes are found again. A process that leaves the session and clears its environment is not found.

    Args:
        args: The command and its arguments. A text is split as a shell would do; there is no shell, so for pipes and
            the like give `["sh", "-c", text]`. Numbers and paths are turned into text.
        ready: What tells that it can be used. A number: a port of this machine that it must accept connections on,
            and nobody else before. A regular expression: something it prints. A function: called with the `Process`
            until it returns something true; an exception counts as "not yet". By default, that it has been started.
        ready_timeout_s: How long it may take to be ready.
        stop_timeout_s: How long it may take to end after SIGTERM, before SIGKILL.
        env: Variables beside those of the kernel; None as a value takes one away.
        cwd: The directory it runs in.
        stdout: A file that gets the whole output, of which `output` keeps the last 65,536 characters; it is written
            again.

    Raises:
        CommandNotFoundError: If there is no such program.
        ProcessEndedError: If it ends before it is ready, with the end of its output.
        NotReadyError: If it is not ready in time, with the end of its output. Nothing is left running.
        PortTakenError: If somebody else accepts connections on its port.
        StillRunningError: If the cleanup could not end all of it.
        OptionError: If an option has an impossible value.
        OptionTypeError: If an option has the wrong type.

    Example::

        with Flow("pages") as flow:
            with Subprocess([sys.executable, "-m", "http.server", "8123"], ready=8123) as server:
                page = download("http://localhost:8123", upstream_tasks=[server])
    """

    def __init__(
        self,
        args: str | Sequence[str | os.PathLike[str] | float],
        *,
        ready: int | str | Callable[[Process], object] | None = None,
        ready_timeout_s: float = 30,
        stop_timeout_s: float = 5,
        env: Mapping[str, str | None] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        stdout: str | os.PathLike[str] | None = None,
    ) -> None:
        if ready_timeout_s < 0 or stop_timeout_s < 0:
            raise OptionError(
                f"ready_timeout_s={ready_timeout_s!r} and stop_timeout_s={stop_timeout_s!r} must not be negative"
            )
        self.args = _as_texts(args)
        self.ready = ready
        self.ready_timeout_s = ready_timeout_s
        self.stop_timeout_s = stop_timeout_s
        self.env = env
        self.cwd = cwd
        self.stdout = stdout
        self._check = check_of(ready)
        self._token = resource_processes.new_token()
        self._process: Process | None = None
        self._id: ProcessId | None = None

    def early_handle(self) -> dict[str, Any]:
        """Return what finds the processes as soon as there is one."""
        return {"token": self._token, "stop_timeout_s": self.stop_timeout_s}

    def handle(self, process: Process) -> dict[str, Any]:
        """Return what finds the processes, the first of them also when its environment cannot be read."""
        known = [] if self._id is None else [list(self._id)]
        return {**self.early_handle(), "processes": known}

    def setup(self) -> Process:
        """Start the command and wait until it is ready."""
        if self._check is not None:
            self._check.prepare()
        try:
            process = self._start()
            self._wait(process)
        except BaseException as error:
            # Whatever it was, and wherever an interrupt has hit: nothing is left running.
            if left := self._end():
                error.add_note(str(StillRunningError(repr(shlex.join(self.args)), left)))
            raise
        return process

    def cleanup(self, process: Process) -> None:
        """End the command with all that it has started."""
        left = self._end()
        if left:
            raise StillRunningError(repr(shlex.join(self.args)), left)
        if (error := process._output.error) is not None:
            error.add_note(f"while copying the output of {process.command!r}")
            raise error

    @staticmethod
    def reclaim(handle: dict[str, Any]) -> None:
        """End what is still running, from any process."""
        known = [ProcessId(*one) for one in handle.get("processes", ())]
        token = handle["token"]
        left = resource_processes.end(
            lambda: resource_processes.processes_of(token, known), stop_timeout_s=handle["stop_timeout_s"]
        )
        if left:
            raise StillRunningError("a subprocess", left)

    def _start(self) -> Process:
        copy = None if self.stdout is None else Path(self.stdout).open("wb")  # noqa: SIM115 - `Output` closes it
        try:
            popen = subprocess.Popen(
                self.args,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=self._environment(),
                cwd=self.cwd,
                start_new_session=True,
            )
        except OSError as error:
            if copy is not None:
                copy.close()
            if isinstance(error, FileNotFoundError) and self._is_missing():
                raise CommandNotFoundError(self.args[0]) from None
            error.add_note(f"while starting {shlex.join(self.args)!r}")
            raise
        pattern = self._check.pattern if isinstance(self._check, TextPrinted) else None
        output = Output(cast("BinaryIO", popen.stdout), limit=_KEPT_CHARACTERS, pattern=pattern, copy=copy)
        self._process = Process(popen, self.args, output)
        self._id = resource_processes.identity(popen.pid)
        return self._process

    def _environment(self) -> dict[str, str]:
        changed = {**os.environ, **(self.env or {})}
        return resource_processes.marked(
            {name: str(value) for name, value in changed.items() if value is not None}, self._token
        )

    def _is_missing(self) -> bool:
        """Tell whether it is the program that does not exist, and not the directory to run in."""
        if self.cwd is not None and not os.path.isdir(self.cwd):
            return False
        program = self.args[0]
        path = self._environment().get("PATH")
        return os.sep in program or shutil.which(program, path=path) is None

    def _wait(self, process: Process) -> None:
        check = self._check
        if check is None:
            return
        deadline = time.monotonic() + self.ready_timeout_s
        pause_s = 0.005
        while True:
            status = process.poll()
            # A command may put itself into the background: it ends well, and what it has started runs on.
            if status is not None and (status != 0 or not self._find()):
                process._output.drain(_DRAIN_TIMEOUT_S)
                raise ProcessEndedError(process.command, status, process.output) from check.error
            if check.is_ready(process, self._find):
                return
            if context.cancelled():
                raise TaskCancelled
            if time.monotonic() >= deadline:
                raise NotReadyError(process.command, str(check), self.ready_timeout_s, process.output) from check.error
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def _find(self) -> set[ProcessId]:
        return resource_processes.processes_of(self._token, () if self._id is None else (self._id,))

    def _end(self) -> tuple[int, ...]:
        """End all processes and let go of the first; return the pids of those that could not be ended."""
        left = resource_processes.end(self._find, stop_timeout_s=self.stop_timeout_s)
        process = self._process
        if process is not None and not left:
            process.popen.wait()  # from here on its pid may be another's
            self._id = None
            process._output.close()
        return left


def _as_texts(args: Any) -> list[str]:
    """Return a command as the operating system wants it.

    Raises:
        OptionError: If it is empty.
        OptionTypeError: If it is neither a text nor a list of texts, paths and numbers.
    """
    if isinstance(args, str):
        args = shlex.split(args)
    if isinstance(args, bytes | Mapping) or not hasattr(args, "__iter__"):
        raise OptionTypeError(f"args={args!r} must be a command as text, or a list with its arguments")
    texts = []
    for arg in args:
        if isinstance(arg, bool) or not isinstance(arg, str | os.PathLike | int | float):
            raise OptionTypeError(f"{arg!r} in the command {args!r} is no text, path or number")
        texts.append(str(os.fspath(arg) if isinstance(arg, os.PathLike) else arg))
    if not texts or not texts[0]:
        raise OptionError(f"args={args!r} names no command")
    return texts
