"""The child of a fork is another process: the runs and resources that it finds in memory are its parent's (rule 14).

What is to be let go of in a child is said here by those who hold it: `in_child`. A child that comes back from code of
the user's which its parent's run has called ends there, or it would go on with that run and with the script.
"""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

generation = 0
"""How often this process and those it was forked from were forked: whoever finds another one than before is a child."""

_LETTING_GO: list[Callable[[], None]] = []


def in_child(let_go: Callable[[], None]) -> Callable[[], None]:
    """Have a function called in each child, on the thread that has forked, which is the child's only one."""
    _LETTING_GO.append(let_go)
    return let_go


def _after_fork() -> None:
    global generation
    generation += 1
    for let_go in _LETTING_GO:
        try:
            let_go()
        except Exception:  # noqa: BLE001 - the child is the user's, and the others have their turn all the same
            traceback.print_exc()


os.register_at_fork(after_in_child=_after_fork)


def end_child(error: BaseException | None) -> NoReturn:
    """End this process, a child that came back from a call of its parent's run, with the status a script would have.

    Nothing else of the parent's is done here: no ``finally`` of its frames, no function of `atexit`.
    """
    status = 0
    with suppress(BaseException):
        if isinstance(error, SystemExit):
            status = _status_of(error)
        elif error is not None:
            status = 1
            traceback.print_exception(error)
    for stream in (sys.stdout, sys.stderr):
        with suppress(BaseException):
            stream.flush()
    os._exit(status)


def _status_of(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    sys.stderr.write(f"{error.code}\n")
    return 1


def keep_for_ever(value: object) -> None:
    """Let an object of the parent's live until this child is dead, so that its end here does not touch what it holds.

    A suspended generator would run its ``finally`` when it is freed, a client would close its connections.
    """
    import ctypes  # not at the top: few processes need it

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(value))
