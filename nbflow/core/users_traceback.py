"""The user's part of a traceback: without nbflow's frames, and the line where the user's own code failed."""

from __future__ import annotations

import linecache
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from nbflow.core.ownership import is_ours

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHAIN = 50  # so many errors: causes, and those of groups


class FailedLine(NamedTuple):
    """A line of the user's code: `filename` as Python knows it, `line` from 1, and `code`, the line itself."""

    filename: str
    line: int
    code: str


def users_traceback(trace: TracebackType | None) -> TracebackType | None:
    """Return the traceback without nbflow's frames, beginning at the user's own code where that is in it.

    The frames themselves are kept, so that a debugger can look into them.
    """
    links = [link for link in _links(trace) if str(_module(link)).partition(".")[0] != "nbflow"]
    first = next((n for n, link in enumerate(links) if _is_users(link)), 0)
    made: TracebackType | None = None
    for link in reversed(links[first:]):
        made = TracebackType(made, link.tb_frame, link.tb_lasti, link.tb_lineno)
    return made


def failed_line(error: BaseException) -> FailedLine | None:
    """Return the innermost line of the user's code that `error` came through; None if there is none."""
    own = [link for link in _links(error.__traceback__) if _is_users(link)]
    if not own:
        return None
    filename, line = own[-1].tb_frame.f_code.co_filename, own[-1].tb_lineno
    return FailedLine(filename, line, linecache.getline(filename, line).strip())


def chained(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, its causes and contexts, and the parts of groups among them, each once."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting and len(seen) < _CHAIN:
        one = waiting.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__]
        if issubclass(type(one), BaseExceptionGroup):
            waiting += one.exceptions  # type: ignore[attr-defined]


def _links(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _module(link: TracebackType) -> object:
    return link.tb_frame.f_globals.get("__name__")


def _is_users(link: TracebackType) -> bool:
    return is_ours(_module(link)) and not link.tb_frame.f_code.co_filename.startswith("<frozen")
