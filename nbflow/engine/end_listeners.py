"""Those who want to know when a run is over; what users call is `Run.on_end`."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING

from nbflow.engine.error_text import error_text
from nbflow.engine.events import warn_safely

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.run import Run

    Told = Callable[[], object]


def on_end(run: Run, listener: Callable[[Run], object]) -> Callable[[], None]:  # noqa: D417 - it is a method
    """Call `listener(run)` once when the run is over, however it ends, and everything is cleaned up.

    It is called on the run's thread (that of the caller of `Flow.run`); if the run is over already, at once and by
    the caller. One that raises is warned of and harms nothing. Who waits for the run does not wait for it. A
    process that is told to end gives it a few seconds, one that ends by itself 30.

    Args:
        listener: Takes the run, which `is_finished` by then.

    Returns:
        A function that takes the listener back.

    Example:
        >>> from nbflow import Flow, Parameter
        >>> run = Flow("rows", tasks=[Parameter("rows", default=1)]).start()
        >>> _ = run.wait()
        >>> @run.on_end
        ... def told(run):
        ...     print(run.number, run.state.message)
        1 All reference tasks succeeded.
    """
    return run._loop.end_listeners.add(functools.partial(listener, run))


class EndListeners:
    """Calls each listener once, after the end: the run's thread those it finds, the caller's thread those to come.

    No lock is held, so a signal handler or another listener may add one: whoever takes one out calls it.
    """

    def __init__(self) -> None:
        self.are_told = threading.Event()
        self._listeners: dict[object, Told] = {}
        self._is_over = False
        self._teller: int | None = None  # the thread that calls them

    @property
    def are_awaited(self) -> bool:
        """True while somebody is still to be told, and not by this thread: it would wait for itself, in a handler."""
        if self.are_told.is_set() or self._teller == threading.get_ident():
            return False
        return bool(self._listeners) or self._teller is not None

    def add(self, listener: Told) -> Callable[[], None]:
        """Add a listener, which is called at once if the run is over; returns a function that takes it back."""
        key = object()
        self._listeners[key] = listener
        if self._is_over:
            self._call(key)

        def take_back() -> None:
            self._listeners.pop(key, None)

        return take_back

    def tell(self) -> None:
        """Call those there are, first come first served.

        Raises:
            KeyboardInterrupt: What interrupted one of them; the others are called all the same.
        """
        interrupt: KeyboardInterrupt | None = None
        self._is_over = True  # first: one that is added now is called by either side, and not by both
        self._teller = threading.get_ident()
        try:
            for key in list(self._listeners):
                try:
                    self._call(key)
                except KeyboardInterrupt as error:  # the user's, who does not want to wait for this one
                    interrupt = error
        finally:
            self.are_told.set()
            self._teller = None
        if interrupt is not None:
            raise interrupt

    def forget(self) -> None:
        """Call none, in a forked child: they are the parent's to call."""
        self._listeners.clear()
        self.are_told.set()

    def _call(self, key: object) -> None:
        listener = self._listeners.pop(key, None)  # at once: it is called by one thread only
        if listener is None:
            return
        try:
            listener()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a listener never harms the run (rule 17)
            warn_safely(f"a listener for the end of a run raised {error_text(error)}")
