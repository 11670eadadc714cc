"""Opening something that an interrupt must not hit halfway."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from nbflow.core.context import context
from nbflow.engine.attempt import TaskCancelled

if TYPE_CHECKING:
    from collections.abc import Callable

_WAIT_S = 0.1


class InterruptSafeOpen:
    """A start on a thread of its own, which somebody waits for, or gives up."""

    def __init__(self, open: Callable[[], Any]) -> None:
        self._open = open
        self._lock = threading.Lock()
        self._close: Callable[[Any], None] | None = None
        self._client: Any = None
        self._error: BaseException | None = None
        # Not `Thread.join`: interrupted, it may take the thread for ended (CPython 3.11).
        self._is_over = threading.Event()
        threading.Thread(target=self._run, name="nbflow opens a cluster", daemon=True).start()

    def wait(self) -> Any:
        """Return what was opened, or raise what went wrong; `TaskCancelled` if the run was cancelled meanwhile."""
        while not self._is_over.wait(_WAIT_S):  # in slices, for an interrupt to be noticed
            if context.cancelled():
                raise TaskCancelled
        if self._error is not None:
            raise self._error
        return self._client

    def give_up(self, close: Callable[[Any], None]) -> None:
        """Have it closed as soon as it is open, and wait for that."""
        with self._lock:
            self._close = close
            client, self._client = self._client, None
        if client is not None:
            close(client)
        self._is_over.wait()

    def _run(self) -> None:
        try:
            client = self._open()
            with self._lock:
                close = self._close
                if close is None:
                    self._client = client
            if close is not None:
                close(client)
        except BaseException as error:  # noqa: BLE001 - it is raised where the start is waited for
            self._error = error
        finally:
            self._is_over.set()
