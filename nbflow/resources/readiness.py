"""Whether a process is ready: a port that it listens on, a text that it prints, or whatever a function finds."""

from __future__ import annotations

import contextlib
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from nbflow.errors import OptionError, OptionTypeError
from nbflow.resources.errors import PortTakenError
from nbflow.resources.resource_processes import MARK

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.resources.process import Process
    from nbflow.resources.resource_processes import ProcessId

    Find = Callable[[], set[ProcessId]]

_CONNECT_TIMEOUT_S = 1
_HIGHEST_PORT = 65_535


class Check(Protocol):
    """One way to tell whether a process is ready."""

    error: Exception | None
    """What the last look ran into."""

    def __str__(self) -> str:
        """What is waited for."""

    def prepare(self) -> None:
        """Look before the process is started, and raise if the answer could not be trusted."""

    def is_ready(self, process: Process, find: Find) -> bool:
        """Tell whether the process is ready; `find` returns the living processes of the resource."""


def check_of(ready: Any) -> Check | None:
    """Return the check that a user asked for, None for no check.

    Raises:
        OptionError: If it is a number that is no port, or no regular expression.
        OptionTypeError: If it is something else.
    """
    match ready:
        case None:
            return None
        case bool():
            pass
        case int():
            if not 0 < ready <= _HIGHEST_PORT:
                raise OptionError(f"ready={ready!r} is no port; give a number from 1 to {_HIGHEST_PORT}")
            return PortOpen(ready)
        case str() | re.Pattern():
            try:
                return TextPrinted(re.compile(ready))
            except (re.error, TypeError) as error:
                raise OptionError(f"ready={ready!r} is no regular expression: {error}") from error
        case _ if callable(ready):
            return Asked(ready)
    raise OptionTypeError(
        f"ready={ready!r} must be a port, a regular expression for the output, or a function of the process"
    )


@dataclass
class TextPrinted:
    """The output contains a match of a regular expression."""

    pattern: re.Pattern[str]
    error: Exception | None = None

    def __str__(self) -> str:
        return f"output that matches {self.pattern.pattern!r}"

    def prepare(self) -> None:
        """Nothing can be in the way."""

    def is_ready(self, process: Process, find: Find) -> bool:
        """The reader of the output has seen it."""
        return process._output.matched


@dataclass
class Asked:
    """A function of the process returns something true; as long as it raises, the answer is no."""

    function: Callable[[Process], object]
    error: Exception | None = None

    def __str__(self) -> str:
        return f"{getattr(self.function, '__name__', repr(self.function))} to return true"

    def prepare(self) -> None:
        """Nothing can be known to be in the way."""

    def is_ready(self, process: Process, find: Find) -> bool:
        """Ask, and keep what the function raises."""
        self.error = None
        try:
            return bool(self.function(process))
        except Exception as error:  # noqa: BLE001 - a server that is not up yet is refused in many ways
            self.error = error
            return False


@dataclass
class PortOpen:
    """A process of the resource accepts connections on a port of this machine.

    Two things keep a stranger's server from being taken for it. Before the start nobody may accept connections there.
    And once somebody does, it is looked up whose port it is: a process that was there before, or that belongs to
    another resource, came first in a race for the port. A listener that cannot be looked up (a container's port is
    opened by a service of another user) is believed.
    """

    port: int
    error: Exception | None = None

    def __str__(self) -> str:
        return f"connections to port {self.port}"

    def prepare(self) -> None:
        """Make sure that nobody listens yet.

        Raises:
            PortTakenError: If somebody does.
        """
        if self._accepts():
            raise PortTakenError(self.port, _described(_listeners(self.port)))

    def is_ready(self, process: Process, find: Find) -> bool:
        """Connect, and look whose port it is."""
        if not self._accepts():
            return False
        listeners = _listeners(self.port)
        if not listeners.isdisjoint(own.pid for own in find()):
            return True
        strangers = {pid for pid in listeners if _is_stranger(pid, process.pid)}
        if strangers:
            self.error = PortTakenError(self.port, _described(strangers))
        return not strangers

    def _accepts(self) -> bool:
        self.error = None
        try:
            with socket.create_connection(("localhost", self.port), timeout=_CONNECT_TIMEOUT_S):
                return True
        except OSError as error:
            self.error = error
            return False


def _listeners(port: int) -> set[int]:
    """Return the pids of the processes that listen on `port`, as far as they can be found out."""
    import psutil

    with contextlib.suppress(psutil.Error, OSError):
        return {
            one.pid
            for one in psutil.net_connections("tcp")
            if one.status == psutil.CONN_LISTEN and one.laddr.port == port and one.pid
        }
    return set()


def _is_stranger(pid: int, own: int) -> bool:
    """Tell whether `pid`, which carries no mark of ours, was there before `own` or carries another's mark."""
    import psutil

    try:
        listener = psutil.Process(pid)
        if listener.create_time() < psutil.Process(own).create_time():
            return True
        return MARK in listener.environ()
    except (psutil.Error, OSError):
        return False


def _described(pids: set[int]) -> str:
    import psutil

    for pid in sorted(pids):
        with contextlib.suppress(psutil.Error):
            return f"process {pid} ({psutil.Process(pid).name()})"
    return "another process"
