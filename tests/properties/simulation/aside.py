"""A thread that makes one call of a simulated run, and takes turns with the simulation: never do both go on at once.

So a task can be in the midst of a flow of its own while the outer run goes on, and all is still decided by one
source of numbers. An exception that is sent to the thread meets it where it rests.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.attempt import Outcome


class Killed(BaseException):
    """Raised in a thread whose process is no more."""


class Aside:
    """Makes a call in a thread of its own, from one rest to the next.

    Args:
        make: Makes the call.

    Attributes:
        outcome: What the call gave, once it `is_over`.
        until: Until when the thread has nothing to do by itself, on the simulation's clock; None: for ever.
        has_news: Tells whether something has come for it before that.
        is_let_go: Whether nobody waits for the call any more, so that what hangs in it ends.
        is_killed: Whether its process is no more: it does nothing, and ends.
    """

    def __init__(self, make: Callable[[], Outcome]) -> None:
        self.outcome: Outcome | None = None
        self.is_over = False
        self.until: float | None = 0.0
        self.has_news: Callable[[], bool] = bool
        self.is_let_go = False
        self.is_killed = False
        self._make = make
        # Locks and no semaphores, which count in Python: an exception that is sent to the thread would meet it there.
        self._turn, self._end_of_turn = threading.Lock(), threading.Lock()
        self._turn.acquire()
        self._end_of_turn.acquire()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def _work(self) -> None:
        self._turn.acquire()
        try:
            if not self.is_killed:
                self.outcome = self._make()
        except Killed:
            pass
        finally:
            self.is_over = True
            self._end_of_turn.release()

    def go_on(self) -> None:
        """Let it go on to its next rest, or its end."""
        if not self._thread.ident:
            self._thread.start()
        self._turn.release()
        self._end_of_turn.acquire()

    def rest(self, until: float | None, has_news: Callable[[], bool] = bool) -> None:
        """Let the simulation go on; in the thread itself. What was sent to it meanwhile is raised here."""
        if self.is_killed:
            raise Killed
        self.until, self.has_news = until, has_news
        self._end_of_turn.release()
        self._turn.acquire()
        for _ in range(2):  # looks for what was sent
            continue
        if self.is_killed:
            raise Killed

    @property
    def is_here(self) -> bool:
        """Whether it is this thread."""
        return threading.current_thread() is self._thread

    def kill(self) -> None:
        """End it where it rests, from another thread."""
        self.is_killed = True
        while not self.is_over:
            self.go_on()

    def can_go_on(self, now: float) -> bool:
        """Whether it has something to do."""
        return self.is_let_go or (self.until is not None and self.until <= now) or self.has_news()
