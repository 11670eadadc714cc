"""The records that tasks log in another process: told to the kernel, with what handlers of theirs made of them."""

from __future__ import annotations

import logging
import pickle
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nbflow.engine.capture import SHOWN
from nbflow.engine.uncounted_handlers import UncountedHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Say = Callable[[str, str], None]


class Diverted:
    """Takes what threads write while handlers of the task's own are busy with a record: the record is told with it."""

    def __init__(self) -> None:
        self._texts: dict[int, list[str]] = {}

    def takes(self, text: str) -> bool:
        """Take a text, if this thread's are taken."""
        texts = self._texts.get(threading.get_ident()) if self._texts else None
        if texts is not None:
            texts.append(text)
        return texts is not None

    @contextmanager
    def taking(self) -> Iterator[list[str]]:
        """Take what this thread writes for the time of a `with` block."""
        me = threading.get_ident()
        before, texts = self._texts.get(me), list[str]()
        self._texts[me] = texts
        try:
            yield texts
        finally:
            if before is None:
                del self._texts[me]
            else:
                self._texts[me] = before


DIVERTED = Diverted()  # one for all: a handler that a task has set up keeps the stream that there was then


class ToldRecords(UncountedHandler):
    """Tells each record, its arguments put into its text, with what other handlers have written of it."""

    tells = True

    def __init__(self, say: Say) -> None:
        super().__init__()
        self._say = say
        self._shown = threading.local()

    @contextmanager
    def around(self) -> Iterator[None]:
        """Take what others write of a record."""
        with DIVERTED.taking() as texts:
            yield
        self._shown.text = "".join(texts)

    def emit(self, record: logging.LogRecord) -> None:
        """Tell a record, with what other handlers have written of it in this thread."""
        facts = {key: value for key, value in vars(record).items() if type(value) in (int, float, str)}
        facts |= {"msg": record.getMessage(), "args": ()}
        if record.exc_info:
            facts["exc_text"] = logging.Formatter().formatException(record.exc_info)
        shown = vars(self._shown).pop("text", "")
        if shown:
            facts[SHOWN] = shown
        self._say("log", pickle.dumps(facts).hex())
