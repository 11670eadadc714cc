"""A process that is killed in the moment in which its parent dies, where the system can do that (Linux)."""

from __future__ import annotations

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int, *, is_wanted: bool) -> None:
    """Have the system kill this process when the thread that has started it ends, with its process or alone.

    What a killed kernel leaves the reaper reclaims: no process of that kernel may be at work on it any more then. To
    read that the connection has ended takes this one a moment, and longer if it is busy in compiled code. It is undone
    as soon as nothing is open here: a process that is kept for the next run outlives the thread that has started it.

    Args:
        parent: The number of the process that has started this one.
        is_wanted: Whether it is to be so from now on.
    """
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL if is_wanted else 0)
    if is_wanted and os.getppid() != parent:  # it was dead before
        os._exit(0)
