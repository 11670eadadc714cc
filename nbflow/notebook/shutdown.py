"""Ends the background runs when the kernel is shut down or restarted.

The interpreter's own `atexit` is not enough: a kernel with a living child process in its process group, such as the
workers of a cluster, waits for it when it should end, until it is killed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.engine.handle import finish_live_runs

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell


class _Shutdown:
    """Stands in for a kernel's `do_shutdown`, which is called first, before anything of the kernel has ended."""

    def __init__(self, original: Callable[[bool], Any]) -> None:
        self.original = original

    def __call__(self, restart: bool) -> Any:
        try:
            finish_live_runs()
        finally:
            answer = self.original(restart)  # may be awaitable, which is the caller's to await
        return answer


def watch_shutdown(shell: InteractiveShell) -> None:
    """Have the background runs ended when the shell's kernel is; a shell without a kernel has `atexit`."""
    kernel = getattr(shell, "kernel", None)
    if kernel is not None and not isinstance(kernel.do_shutdown, _Shutdown):
        kernel.do_shutdown = _Shutdown(kernel.do_shutdown)


def unwatch_shutdown(shell: InteractiveShell) -> None:
    """Give the kernel back its own `do_shutdown`, unless somebody else has put theirs around it."""
    kernel = getattr(shell, "kernel", None)
    if kernel is not None and isinstance(kernel.do_shutdown, _Shutdown):
        kernel.do_shutdown = kernel.do_shutdown.original
