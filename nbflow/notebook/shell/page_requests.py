"""Answers a page that connects while a run blocks the kernel's main thread, such as one that was reloaded.

A page begins by asking what kernel it is, which widgets there are, and how each of them stands. The main thread would
answer when the cell ends; until then a panel in the page is a picture. Another thread can answer as well: where
ipykernel (7 and later) receives all messages on a thread of its own, that one does. Whatever else a page sends goes its
usual way.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from nbflow.engine.interrupts import is_main_thread_blocked
from nbflow.notebook.shell.cut_off import cut_off_runs, page_of
from nbflow.panel.subshell import subshell

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

_INFO = "kernel_info_request"
_OPEN = "comm_open"
_WIDGETS = "jupyter.widget.control"  # what a page opens to ask for the state of all widgets
_ANSWERED = (_INFO, "comm_info_request", _OPEN)


class PageRequests:
    """Stands before a kernel's handlers.

    Args:
        kernel: A kernel of ipykernel.
    """

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._before: dict[str, Callable[..., Any]] = {}

    def begin(self) -> None:
        """Hear pages from now on."""
        for channel in ("shell_handlers", "control_handlers"):
            handlers = getattr(self._kernel, channel, {})
            if _INFO in handlers:
                self._before[channel] = handlers[_INFO]
                handlers[_INFO] = _noting(handlers[_INFO])
        self._receive_by(self._take)

    def end(self) -> None:
        """Leave everything as it was found."""
        for channel, before in self._before.items():
            getattr(self._kernel, channel)[_INFO] = before
        if (as_before := getattr(self._kernel, "shell_channel_thread_main", None)) is not None:
            self._receive_by(as_before)

    def _receive_by(self, take: Callable[[Any], Any]) -> None:
        thread = getattr(self._kernel, "shell_channel_thread", None)
        if thread and hasattr(self._kernel, "shell_channel_thread_main"):
            # A stream belongs to its loop's thread.
            thread.io_loop.add_callback(lambda: self._kernel.shell_stream.on_recv(take, copy=False))

    async def _take(self, message: Any) -> None:
        if not (is_main_thread_blocked() and await self._answer(message)):
            await self._kernel.shell_channel_thread_main(message)

    async def _answer(self, message: Any) -> bool:
        """Answer a message here if it is a question of a page, and tell whether it was."""
        kernel = self._kernel
        try:
            idents, frames = kernel.session.feed_identities(message, copy=False)
            kind = kernel.session.deserialize(frames, content=False, copy=False)["header"]["msg_type"]
            if kind not in _ANSWERED:
                return False
            request = kernel.session.deserialize(frames, content=False, copy=False)
            request["content"] = kernel.session.unpack(request["content"])
            if kind == _OPEN and request["content"].get("target_name") != _WIDGETS:
                return False
        except Exception:  # noqa: BLE001 - the kernel says what is wrong with it
            return False
        try:
            kernel._publish_status("busy", "shell", parent=request)
            answer = kernel.shell_handlers[kind](kernel.shell_stream, idents, request)
            if inspect.isawaitable(answer):
                await answer
            if kind == _OPEN:
                subshell.take(kernel.comm_manager.get_comm(request["content"]["comm_id"]))
            kernel._publish_status("idle", "shell", parent=request)
        except Exception:  # the page asks again
            kernel.log.exception("nbflow could not answer a %s", kind)
        return True


def _noting(handle: Callable[..., Any]) -> Callable[..., Any]:
    async def note(stream: Any, ident: Any, parent: Any) -> None:
        cut_off_runs.note_page(page_of(parent))
        answer = handle(stream, ident, parent)
        if inspect.isawaitable(answer):
            await answer

    return note


def page_requests_of(shell: InteractiveShell) -> PageRequests | None:
    """Return what is to stand before a shell's kernel; None if it has none."""
    kernel = getattr(shell, "kernel", None)
    return None if kernel is None else PageRequests(kernel)
