"""The worker processes of this process."""

from __future__ import annotations

import contextlib

import psutil


def workers_of_here():
    """Return the worker processes that are alive."""
    found = []
    for one in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if "nbflow.executors.worker" in " ".join(one.cmdline()) and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one)
    return found
