"""Keeps an interrupt out of the lines that change a flow: the user's code gets it, or it is raised after them."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType, TracebackType


class DeferInterrupt:
    """While it is entered, SIGINT is only noted; inside of `lowered` it is what it was.

    Only in the main thread, where interrupts arrive; in any other it does nothing.
    """

    def __init__(self) -> None:
        self._is_asked = False
        self._before: Any = None
        self._is_active = False

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self._is_asked = True

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGINT)
            if callable(before):  # else it is not Python that handles it, or nobody
                self._before = before
                self._is_active = True
                signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_active:
            self._is_active = False
            signal.signal(signal.SIGINT, self._before)
            if self._is_asked and error is None:
                self._before(signal.SIGINT, None)

    @contextmanager
    def lowered(self) -> Iterator[None]:
        """Let interrupts through to the code in this `with`."""
        if not self._is_active:
            yield
            return
        ours = signal.signal(signal.SIGINT, self._before)
        try:
            if self._is_asked:
                self._is_asked = False
                self._before(signal.SIGINT, None)
            yield
        finally:
            now = signal.getsignal(signal.SIGINT)
            if now is not self._before:  # the user's code has set its own, which it keeps
                self._before = now
            signal.signal(signal.SIGINT, ours)
