"""Calls users' code for the inspector, such as a `__repr__`, where it can hang and raise without harm.

It is called on daemon threads, one question after the other. One that takes too long is given up: its thread is left to
itself and another goes on with the rest.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from nbflow.panel.sanitize import words_of
from nbflow.panel.throttle import Timer, call_on_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

_hanging: dict[int, threading.Thread] = {}
"""The threads that were given up, by the id of the value asked; they keep it alive, so that the id stays its own."""


class Answer(NamedTuple):
    """What came of a question: a value, or why there is none."""

    value: Any
    problem: str = ""


class _Question:
    __slots__ = ("answer", "make", "stamp")

    def __init__(self, stamp: tuple[Any, ...], make: Callable[[], Any] | None) -> None:
        self.stamp = stamp
        self.make = make
        self.answer: Answer | None = None


class SafeEvaluator:
    """Answers questions whose answers are made by users' code, and keeps them until `forget`.

    Args:
        on_news: Called after each answer, on the thread that found it.
        limit_s: After how many seconds a question is given up.
        call_later: Calls something after a delay; for tests.
    """

    def __init__(
        self,
        on_news: Callable[[], None],
        *,
        limit_s: float = 2.0,
        call_later: Callable[[float, Callable[[], None]], Timer] = call_on_thread,
    ) -> None:
        self._on_news = on_news
        self._limit_s = limit_s
        self._call_later = call_later
        self._changed = threading.Condition()
        self._known: dict[Hashable, _Question] = {}
        self._waiting: deque[_Question] = deque()
        self._worker: threading.Thread | None = None

    def ask(self, key: Hashable, stamp: tuple[Any, ...], make: Callable[[], Any]) -> Answer | None:
        """Return the answer, or None as long as there is none yet.

        Args:
            key: What is asked.
            stamp: The objects that the answer depends on, the value in question first: while these are the same
                objects, the question is asked once.
            make: Finds the answer; called on another thread.
        """
        with self._changed:
            known = self._known.get(key)
            if known is not None and _are_same(known.stamp, stamp):
                return known.answer
            question = self._known[key] = _Question(stamp, make)
            thread = _hanging.get(id(stamp[0])) if stamp else None
            if thread is not None and thread.is_alive():
                question.make = None
                question.answer = Answer(None, self._too_long())
                return question.answer
            self._waiting.append(question)
            if self._worker is None:
                self._begin()
        return None

    def settle(self, timeout_s: float) -> bool:
        """Wait until every question is answered, but not for long; whether they are."""
        with self._changed:
            return self._changed.wait_for(lambda: self._worker is None, timeout_s)

    def forget(self) -> None:
        """Forget all questions and answers, and the values they were about."""
        with self._changed:
            self._known.clear()
            self._waiting.clear()

    def _begin(self) -> None:
        worker = threading.Thread(target=self._work, name="nbflow-repr", daemon=True)
        worker.start()
        self._worker = worker

    def _work(self) -> None:
        me = threading.current_thread()
        while True:
            with self._changed:
                if self._worker is not me:
                    return
                if not self._waiting:
                    self._worker = None
                    self._changed.notify_all()
                    return
                question = self._waiting.popleft()
            self._find(question, me)
            del question  # while this thread waits for the lock it keeps no value alive
            self._on_news()

    def _find(self, question: _Question, me: threading.Thread) -> None:
        timer = self._call_later(self._limit_s, lambda: self._give_up(question, me))
        try:
            make = question.make
            answer = Answer(None if make is None else make())
        except BaseException as error:  # noqa: BLE001 - users' code; nobody else would see it
            answer = Answer(None, words_of(error))
        timer.cancel()
        with self._changed:
            if question.answer is None:
                question.answer = answer
            question.make = None

    def _give_up(self, question: _Question, worker: threading.Thread) -> None:
        with self._changed:
            if question.answer is not None:
                return
            question.answer = Answer(None, self._too_long())
            for number in [number for number, thread in _hanging.items() if not thread.is_alive()]:
                del _hanging[number]
            if question.stamp:
                _hanging[id(question.stamp[0])] = worker
            if self._worker is worker:
                self._worker = None
                if self._waiting:
                    self._begin()
            self._changed.notify_all()
        self._on_news()

    def _too_long(self) -> str:
        return f"took longer than {self._limit_s:g} s"


def _are_same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))
