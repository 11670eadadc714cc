"""Ctrl-C and the stop button: they reach the user's code at once, and never the lines of a run that hold resources.

While a run blocks the main thread, a handler of ours takes SIGINT. If it interrupts code of the user, it raises there;
if it interrupts code of nbflow, it only counts, and the run loop reads the count when it is safe. So a run is never
torn between the end of a setup and the note that a resource exists.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nbflow.engine.forks import in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from nbflow.engine.attempt import Call

ENDS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGQUIT") if hasattr(signal, name))
HANG_UP = getattr(signal, "SIGHUP", None)  # of a terminal that is closed: it may come from several sides at once

SHIELDED_INTERRUPTS = 3  # a setup or cleanup is left alone until somebody has asked this often


_installed: list[Guard] = []  # the last one stands before the others


class Guard:
    """Takes the interrupts of the main thread while a run blocks it.

    Attributes:
        count: How often the user has asked to stop.
        call: The attempt that runs in this thread now, or None.
        error: What to raise in which call instead of KeyboardInterrupt (a time-out, a cancel), or None.
    """

    def __init__(
        self, on_interrupt: Callable[[int], None], on_missed: Callable[[Call, type[BaseException]], None] | None = None
    ) -> None:
        self.count = 0
        self.call: Call | None = None
        self.in_user_code = False
        self.raises_anywhere = False
        self.error: tuple[Call, type[BaseException]] | None = None
        self.is_installed = False
        self._main = threading.main_thread().ident
        self._before: dict[int, Any] = {}
        self._signal = int(signal.SIGINT)
        self._hung_up = False
        self._on_interrupt, self._on_missed = on_interrupt, on_missed
        self._sending = threading.Lock()

    def retire(self) -> None:
        """Tell nobody any more: the run is over."""
        self._on_interrupt, self._on_missed = lambda _count: None, None

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        asked = None
        if signum == signal.SIGINT:  # the one that `interrupt` sends
            asked, self.error = self.error, None
        if asked is not None:
            if asked[0] is not self.call:  # it ended before the signal came
                return
            error = asked[1]
        else:
            if signum == HANG_UP:
                if self._hung_up:
                    return
                self._hung_up = True
            self.count += 1
            if self._signal not in ENDS:  # who has asked the process to end has its end, whatever comes later
                self._signal = signum
            self._on_interrupt(self.count)
            if self.call is not None:
                self.call.stop_requested = True  # also if it has not begun, or is over
                if (self.call.shielded or self.call.is_setup) and self.count < SHIELDED_INTERRUPTS:
                    return
            error = KeyboardInterrupt
        if self.raises_anywhere or self._is_user_code(frame):
            raise error
        if self.call is not None and self._on_missed is not None:
            self._on_missed(self.call, error)

    def _is_user_code(self, frame: FrameType | None) -> bool:
        if frame is None or not (self.in_user_code or self.call is not None):
            return False
        if frame.f_globals.get("__name__") == "contextlib" and frame.f_back is not None:
            frame = frame.f_back  # the `with` of one of our lines is ours
        return not str(frame.f_globals.get("__name__", "")).startswith(
            ("nbflow.engine", "nbflow.core", "nbflow.exec", "nbflow.ledger", "nbflow.store")
        )

    def interrupt(self, call: Call, error: type[BaseException]) -> bool:
        """Raise `error` in `call` if that is what the guarded thread runs now; from any thread."""
        with self._sending:  # never once the handler is gone: it would hit what the user does next
            if not self.is_installed or self.call is not call or self._main is None:
                return False
            self.error = (call, error)
            signal.pthread_kill(self._main, signal.SIGINT)
            return True

    @contextmanager
    def installed(self) -> Iterator[Guard]:
        """Take SIGINT and what ends a process meanwhile, if this is the main thread; else do nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = self._before
        for number in (signal.SIGINT, *ENDS):
            handler = signal.getsignal(number)
            if handler is not signal.SIG_IGN and handler is not None:
                before[number] = handler
        for taken in before:
            signal.signal(taken, self._handle)
        self.is_installed = signal.SIGINT in before
        _installed.append(self)
        try:
            yield self
        finally:
            if self in _installed:
                _installed.remove(self)
            with self._sending:
                self.is_installed = False
            self._give_back()

    def _give_back(self) -> None:
        for taken, handler in self._before.items():
            if signal.getsignal(taken) == self._handle:  # else a task has set one of its own, to stay
                signal.signal(taken, handler)

    def let_go(self) -> None:
        """Take nothing any more, in a forked child: the run is its parent's."""
        self.is_installed = False
        self._sending = threading.Lock()  # a thread that is not here may have held it
        self._give_back()

    def pass_on(self) -> None:
        """Let the signal that was taken have its usual effect, now that nothing is open any more.

        Raises:
            KeyboardInterrupt: After Ctrl-C or the stop button, unless the user has a handler of their own.
        """
        if not self.count:
            return
        handler = self._before.get(self._signal, signal.default_int_handler)
        if self._signal in ENDS and handler is signal.SIG_DFL:
            signal.raise_signal(self._signal)
        elif callable(handler):
            handler(self._signal, None)
        else:
            raise KeyboardInterrupt


def is_main_thread_blocked() -> bool:
    """Tell whether the main thread performs a run, or waits for one; from any thread."""
    return bool(_installed)


def put_under_guards(number: int, handler: Callable[..., object]) -> Any:
    """Take a signal, but for what guards take of it first; returns who had it, or None if it is ignored or ours.

    A handler above the guards would outlive them, and pass the signal on to one that is gone.
    """
    found, lowest = signal.getsignal(number), None
    for guard in reversed(_installed):
        if found == guard._handle:
            found, lowest = guard._before[number], guard
    if found is None or found is signal.SIG_IGN or found == handler:
        return None
    if lowest is None:
        signal.signal(number, handler)
    else:
        lowest._before[number] = handler
    return found


@in_child
def _let_guards_go() -> None:
    while _installed:
        _installed.pop().let_go()
