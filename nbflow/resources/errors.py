"""What can go wrong with a ready-made resource.

Each one derives from `NbflowError` and from the built-in that a caller would expect::

    NbflowError
    ├── CommandNotFoundError (FileNotFoundError)   a command that is not installed
    ├── PortTakenError (OSError)                   a port that somebody else listens on
    ├── ProcessEndedError (RuntimeError)           a process that ended before it was ready
    ├── NotReadyError (TimeoutError)               a process that was not ready in time
    ├── StillRunningError (RuntimeError)           processes that could not be ended
    └── NotOurDirectoryError (OSError)             something else where a directory was made
"""

from __future__ import annotations

from nbflow.errors import NbflowError, carries

__all__ = [
    "CommandNotFoundError",
    "NotOurDirectoryError",
    "NotReadyError",
    "PortTakenError",
    "ProcessEndedError",
    "StillRunningError",
]

_SHOWN_LINES = 20
_SHOWN_CHARACTERS = 2_000


@carries
class CommandNotFoundError(NbflowError, FileNotFoundError):
    """The program of a command does not exist."""

    program: str
    _text = "command {self.program!r} was not found; install it, put it on PATH, or give its full path"


@carries
class PortTakenError(NbflowError, OSError):
    """Somebody else listens on the port that tells whether a process is ready."""

    port: int
    holder: str
    _text = "port {self.port} is taken by {self.holder}, so nothing was started; end that, or use another port"


@carries
class ProcessEndedError(NbflowError, RuntimeError):
    """A process ended before it was ready.

    Args:
        command: The command, as text.
        status: Its exit status; the negative number of the signal that ended it.
        output: What it had printed.
    """

    command: str
    status: int
    output: str

    def __str__(self) -> str:
        end = f"exit status {self.status}" if self.status >= 0 else f"signal {-self.status}"
        return f"{self.command!r} ended with {end} before it was ready; {_end_of(self.output)}"


@carries
class NotReadyError(NbflowError, TimeoutError):
    """A process was not ready in time, and was ended.

    Args:
        command: The command, as text.
        waited_for: What did not happen.
        timeout_s: How long it was waited for.
        output: What the process had printed.
    """

    command: str
    waited_for: str
    timeout_s: float
    output: str

    def __reduce__(self) -> tuple[type[NotReadyError], tuple[str, str, float, str]]:
        # An OSError keeps no more than two of its arguments.
        return type(self), (self.command, self.waited_for, self.timeout_s, self.output)

    def __str__(self) -> str:
        return (
            f"{self.command!r} was not ready within {self.timeout_s:g} s (waited for {self.waited_for}) "
            f"and was ended; {_end_of(self.output)}"
        )


@carries
class StillRunningError(NbflowError, RuntimeError):
    """Processes of a resource could not be ended."""

    what: str
    pids: tuple[int, ...]

    def __str__(self) -> str:
        pids = ", ".join(map(str, self.pids))
        return (
            f"processes of {self.what} are still running, although they were told to end and then killed: {pids}; "
            "they belong to another user, or hang in the operating system"
        )


@carries
class NotOurDirectoryError(NbflowError, OSError):
    """What is found where a directory was made is not that directory, and is left alone."""

    path: str
    found: str
    _text = "{self.path!r} is {self.found}, not the directory that was made there; it is left as it is"


def _end_of(output: str) -> str:
    text = output.rstrip()
    if not text:
        return "it printed nothing"
    shown = "\n".join(text.splitlines()[-_SHOWN_LINES:])[-_SHOWN_CHARACTERS:]
    return f"the end of its output:\n{shown}"
