"""What calls print, log and display on a Dask worker: each thing is told of the call that says it.

Calls are made in several threads there, so what stands in for the streams asks for which one a thread works.
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nbflow.core.context import work_of
from nbflow.engine.forks import in_child
from nbflow.executors.remote_call import telling
from nbflow.executors.remote_display import displays_told
from nbflow.executors.told_records import DIVERTED

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Displays:
    """What stands in for the streams of this process while calls are made here; they run in several threads."""

    def __init__(self) -> None:
        self._streams = sys.stdout, sys.stderr
        self._told = telling(_say, lambda: True)
        self._told.__enter__()
        sys.stdout, sys.stderr = _Stream("stdout", self._streams[0]), _Stream("stderr", self._streams[1])
        self._displays = displays_told(_say)
        self.flush = self._displays.__enter__()

    def end(self) -> None:
        self._displays.__exit__(None, None, None)
        self._told.__exit__(None, None, None)


class _InUse:
    """The streams that stand in, and how many need them."""

    def __init__(self) -> None:
        self.lock, self.users = threading.Lock(), 0
        self.displays: _Displays | None = None


_in_use = _InUse()


@contextmanager
def saying() -> Iterator[None]:
    """Have what calls print, log and display told, for the time of a `with` block."""
    with _in_use.lock:
        _in_use.users += 1
        if _in_use.displays is None:
            _in_use.displays = _Displays()
    try:
        yield
    finally:
        with _in_use.lock:
            _in_use.users -= 1
            if not _in_use.users and _in_use.displays is not None:
                _in_use.displays.end()
                _in_use.displays = None


def flush_figures() -> None:
    """Display what this thread's call has drawn and not shown."""
    displays = _in_use.displays
    if displays is not None:
        displays.flush()


@in_child
def _let_go() -> None:
    """Write to the streams there are: what tells the kernel is the parent's."""
    if _in_use.displays is not None:
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__


def _say(stream: str, text: str) -> None:
    """Tell what a thread says that is busy with a call, or was started by one."""
    say = getattr(work_of.get(), "say", None)
    if say is not None:
        say(stream, text)


class _Stream:
    """Stands in for a standard stream; what no task says goes to the stream itself."""

    def __init__(self, name: str, stream: Any) -> None:
        self._name, self._stream = name, stream

    def write(self, text: str) -> int:
        say = getattr(work_of.get(), "say", None)
        if say is None:
            return self._stream.write(text)  # type: ignore[no-any-return]
        if text and not DIVERTED.takes(text):
            say(self._name, text)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
