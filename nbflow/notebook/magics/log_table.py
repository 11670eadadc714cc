"""The lines that the tasks of a run said, as text and as HTML: chosen by task, level and words, the newest last."""

from __future__ import annotations

import html
import logging
import re
import time
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from nbflow.engine.log_lines import said_lines
from nbflow.notebook.shell.lookup import find_task
from nbflow.panel.sanitize import plain
from nbflow.render.names import escape, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbflow.core.task import Task
    from nbflow.engine.log_lines import SaidLine
    from nbflow.engine.run import Run

MOST_LINES = 1_000  # unless --tail asks for more
LEVELS = ("debug", "info", "warning", "error", "critical")
_MOST_CHARACTERS = 200_000
_LONGEST = 20_000  # characters of one line or record
_CHILD = re.compile(r"(.+)\[(\d+)\]")
_CSS = (
    ".nbflow-logs pre{max-height:34em;overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere;margin:4px 0;"
    "background:none;color:inherit;font-size:12px;line-height:1.45}"
    ".nbflow-logs .nbflow-urgent{font-weight:700}.nbflow-logs .nbflow-when{opacity:.75}"
)


def read_level(text: str | None, magic: str) -> int:
    """Return the logging level of a word or a number; 0 without one.

    Raises:
        UsageError: If it is none.
    """
    if text is None:
        return 0
    if text.isdecimal():
        return int(text)
    known = logging.getLevelNamesMapping()
    if text.upper() not in known:
        raise UsageError(f"{magic}: --level {text!r} is no level; it takes {', '.join(LEVELS)}, or a number")
    return known[text.upper()]


def log_bundle(
    run: Run,
    text: str | None,
    *,
    namespace: Mapping[str, object],
    magic: str,
    level: int = 0,
    search: str | None = None,
    tail: int | None = None,
) -> dict[str, str]:
    """Return a mime bundle of what the tasks of a run have said so far.

    Args:
        run: The run.
        text: The task that is meant, or a child of it as `task[3]`; None for all.
        namespace: The names of the notebook, which may hold the task.
        magic: The command, which errors name.
        level: The lowest level that is shown; a print counts as INFO, stderr as WARNING.
        search: Words that a line must have, in whatever case.
        tail: How many of the last lines are shown.

    Raises:
        UsageError: If there is no such task.
    """
    task, child = _asked(run, text, namespace, magic)
    lines = said_lines(run, None if task is None else [task])
    if child is not None:
        lines = [line for line in lines if line.map_index == child]
    every = len(lines)
    wanted = "" if search is None else search.casefold()
    lines = [line for line in lines if line.level >= level and wanted in line.text.casefold()]
    found = len(lines)
    shown = _cut(lines, MOST_LINES if tail is None else tail)
    whose = "" if task is None else f"{one_line(text, 80)} in "
    more = " (--tail N shows more)" if tail is None else ""
    heading = f"{whose}run {run.number} of {run.graph.name}: {_how_many(every, found, len(shown), more)}"
    return _bundle(heading, [_parts(line, run) for line in shown], [line.level >= logging.WARNING for line in shown])


def _asked(run: Run, text: str | None, namespace: Mapping[str, object], magic: str) -> tuple[Task | None, int | None]:
    if text is None:
        return None, None
    slugs = run.graph.slugs
    child = _CHILD.fullmatch(text)
    if child is not None and text not in slugs.values():
        return find_task(run.graph.name, slugs, child[1], namespace, magic), int(child[2])
    return find_task(run.graph.name, slugs, text, namespace, magic), None


def _cut(lines: list[SaidLine], most: int) -> list[SaidLine]:
    """Return the last lines that are few and short enough."""
    room = _MOST_CHARACTERS
    first = len(lines)
    while first > 0 and len(lines) - first < most and room > 0:
        first -= 1
        room -= min(len(lines[first].text), _LONGEST)
    return lines[first:]


def _how_many(every: int, found: int, shown: int, more: str) -> str:
    if not every:
        return "nothing was said"
    if not found:
        return f"none of {_lines(every)} fits"
    which = _lines(found) if found == every else f"{found:,} of {_lines(every)}"
    return which if shown == found else f"{which}, the last {shown:,} are shown{more}"


def _lines(number: int) -> str:
    return f"{number:,} line{'' if number == 1 else 's'}"


def _parts(line: SaidLine, run: Run) -> tuple[str, str, str, str]:
    """Return when, who, what kind, and the text of a line."""
    seconds = time.strftime("%H:%M:%S", time.localtime(line.time))
    who = one_line(run.graph.slugs[line.task] if line.map_index is None else line.task.name, 60)
    who += "" if line.map_index is None else f"[{line.map_index}]"
    who += "" if line.attempt < 2 else f" (attempt {line.attempt})"
    kind = "" if line.stream == "stdout" else one_line(line.stream, 20)
    return f"{seconds}.{int(line.time % 1 * 1000):03}", who, kind, plain(line.text, _LONGEST)


def _bundle(heading: str, lines: Sequence[tuple[str, str, str, str]], is_urgent: Sequence[bool]) -> dict[str, str]:
    widths = [max((len(line[i]) for line in lines), default=0) for i in range(3)]
    text, page = [heading], []
    for (when, who, kind, said), urgent in zip(lines, is_urgent, strict=True):
        columns = [part.ljust(width) for part, width in zip((who, kind), widths[1:], strict=True) if width]
        indent = " " * (len(when) + sum(map(len, columns)) + 2 * len(columns) + 2)
        said = said.replace("\n", f"\n{indent}")
        text.append(f"{when}  {'  '.join(columns)}  {said}".rstrip())
        mark = ' class="nbflow-urgent"' if urgent else ""
        rest = f"{html.escape('  '.join(columns))}  {html.escape(said)}"
        page.append(f'<span class="nbflow-when">{when}</span>  <span{mark}>{rest}</span>')
    body = "\n".join(page)
    body = f'<pre tabindex="0" role="region" aria-label="output">{body}</pre>' if body else ""
    top = f"<style>{_CSS}</style><div>{escape(heading, 400)}</div>"
    return {"text/plain": "\n".join(text), "text/html": f'<div class="nbflow-logs nbflow-page">{top}{body}</div>'}
