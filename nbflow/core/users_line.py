"""The line of the user's code that is being executed, for warnings that come later than what they are about."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

Place = tuple[str, int, str]
"""A file's name, a line and a module's name, as `warnings.warn_explicit` takes them."""


def users_line() -> Place:
    """Return where the user's code called nbflow; of a task's own `__init__`, where that was called."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__") or "<string>"
        if module.partition(".")[0] != "nbflow" and frame.f_code.co_name != "__init__":
            return frame.f_code.co_filename, frame.f_lineno, module
        frame = frame.f_back
    return "<unknown>", 1, "<unknown>"
