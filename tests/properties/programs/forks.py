"""Calls a function in a forked child: a clean interpreter that has imported everything and run nothing."""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import time
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class ChildError(RuntimeError):
    """The child did not answer: it hung, was ended, or could not say what it found."""


def forked(call: Callable[[], Any], *, limit_s: float = 60) -> Callable[[], Any]:
    """Begin `call()` in a child; what is returned waits for its result.

    Raises:
        ChildError: When waiting, if there is no result within `limit_s`.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _answer(call, writer)
    os.close(writer)
    return lambda: _result(child, reader, limit_s)


def _answer(call: Callable[[], Any], writer: int) -> None:
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        try:
            data = pickle.dumps((True, call()))
        except BaseException:
            data = pickle.dumps((False, traceback.format_exc()))
        with os.fdopen(writer, "wb") as stream:
            stream.write(data)
    finally:
        os._exit(0)  # without what the parent has registered for its end


def _result(child: int, reader: int, limit_s: float) -> Any:
    until, parts = time.monotonic() + limit_s, []
    try:
        while True:
            if not select.select([reader], [], [], max(0.0, until - time.monotonic()))[0]:
                raise ChildError(f"no answer within {limit_s} s")
            part = os.read(reader, 1 << 20)
            if not part:
                break
            parts.append(part)
        if not parts:
            raise ChildError("it ended without an answer")
        answered, result = pickle.loads(b"".join(parts))
        if not answered:
            raise ChildError(result)
        return result
    finally:
        os.close(reader)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
