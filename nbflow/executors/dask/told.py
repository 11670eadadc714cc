"""What a worker tells the kernel of its bundles, gathered: a message each time would cost more than most tasks."""

from __future__ import annotations

import pickle
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

GATHER_S = 0.05


class Told:
    """What is to be told, in order; from any thread.

    Args:
        send: Sends bytes, in the order in which it is called.
    """

    def __init__(self, send: Callable[[bytes], object]) -> None:
        self._send = send
        self._waiting: list[tuple[Any, ...]] = []
        self._changed, self._is_closed = threading.Condition(), False
        self._sender: threading.Thread | None = None

    def add(self, *message: Any) -> None:
        """Tell something within `GATHER_S` seconds."""
        with self._changed:
            if self._waiting and message[-2] in ("stdout", "stderr") and self._waiting[-1][:-1] == message[:-1]:
                self._waiting[-1] = (*message[:-1], self._waiting[-1][-1] + message[-1])  # a line, piece by piece
                return
            if message[0] == "ended" and self._waiting and self._waiting[-1] == ("begun", *message[1:4]):
                self._waiting[-1] = message  # which says both
            else:
                self._waiting.append(message)
            if self._sender is None:
                self._sender = threading.Thread(target=self._send_on, name="nbflow-told", daemon=True)
                self._sender.start()
            self._changed.notify()

    def flush(self) -> None:
        """Tell all of it now."""
        with self._changed:
            if self._waiting:
                waiting, self._waiting = self._waiting, []
                self._send(pickle.dumps(waiting, 5))

    def close(self) -> None:
        """Tell what is left, and no more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self.flush()

    def _send_on(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closed)
                if self._is_closed:
                    return
                self._changed.wait_for(lambda: self._is_closed, GATHER_S)  # for what else comes
            self.flush()
