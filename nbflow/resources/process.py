"""A running process, as the tasks of a block see it."""

from __future__ import annotations

import os
import shlex
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

    from nbflow.resources.output import Output

_LONGEST_PAUSE_S = 0.05


class Process:
    """A command that runs; the resource of `Subprocess`.

    Attributes:
        args: The command.
        popen: The `subprocess.Popen` behind it. Its `poll` and `wait` work too, but make the pid free for others;
            those of this class do not, which is why nothing else can be hit when the process is ended.
    """

    def __init__(self, popen: subprocess.Popen[bytes], args: list[str], output: Output) -> None:
        self.popen = popen
        self.args = args
        self._output = output

    def __repr__(self) -> str:
        status = self.poll()
        return f"<Process: {self.command!r}, {'running' if status is None else f'ended with {status}'}>"

    @property
    def command(self) -> str:
        """The command as text."""
        return shlex.join(self.args)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self.popen.pid

    @property
    def output(self) -> str:
        """The end of what it has printed so far, errors included."""
        return self._output.text

    def poll(self) -> int | None:
        """Return the exit status, the negative number of the signal that ended it, or None while it runs."""
        if self.popen.returncode is not None:
            return self.popen.returncode
        try:
            end = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:  # somebody else has waited for it
            return self.popen.poll()
        if end is None:
            return None
        return end.si_status if end.si_code == os.CLD_EXITED else -end.si_status

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for the end and return the exit status.

        Raises:
            TimeoutError: If it is still running after `timeout_s`.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        pause_s = 0.001
        while (status := self.poll()) is None:
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"{self.command!r} is still running after {timeout_s:g} s")
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
        return status
