"""The ledger's rows for a reader: a table of text, the same as HTML, and the notice of what was left.

Rows of this kernel show no times and no process ids, so that a notebook that is executed again shows the same; but one
that has been open for long, in a held run most likely, is told with its time. Those of other kernels show times: when a
resource was left is what helps to recognise it.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from nbflow.render.names import escape, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nbflow.ledger import Row

_HEAD = ("id", "resource", "manager", "state", "kernel", "since", "cleanup", "handle", "note")
_ALWAYS = 7  # columns; the others are shown when a row has something to say there
_MOST = 200  # lines; the oldest are left out
_LONG_S = 600  # that a resource is open, until it is worth a word
_TOO_LONG_S = 1e9  # to be true: no clock says so
_NAMED = 3  # resources in the notice; the others are counted
_CSS = (
    ".nbflow-resources table{border-collapse:collapse;color:inherit;margin:6px 0}"
    ".nbflow-resources th,.nbflow-resources td{text-align:left;vertical-align:top;padding:2px 10px 2px 0;"
    "background:none;color:inherit}"
)

NOTHING = "no resources are open, and dead kernels have left none"


def table(rows: Sequence[Row], run_numbers: Mapping[str, int]) -> dict[str, str]:
    """Return a mime bundle that lists the rows, oldest first, and says what can be done about them.

    The numbers are those of this kernel's runs, by their ids.
    """
    if not rows:
        return {"text/plain": NOTHING, "text/html": f"<div>{escape(NOTHING)}</div>"}
    cells = [_HEAD, *(_cells(row, run_numbers) for row in rows[-_MOST:])]
    shown = [i for i in range(len(_HEAD)) if i < _ALWAYS or any(line[i] for line in cells[1:])]
    cells = [tuple(line[i] for i in shown) for line in cells]
    hints = [f"{len(rows) - _MOST} older ones are not shown"] if len(rows) > _MOST else []
    hints += _hints([row for row in rows if row.until is None])
    hints += _long_open(rows, time.time())
    return {"text/plain": "\n".join([*_aligned(cells), *hints]), "text/html": _html(cells, hints)}


def what(row: Row) -> str:
    """Return the resource in words."""
    return f"resource {row.id} ({one_line(row.block, 60)!r} of flow {one_line(row.flow, 60)!r})"


def notice(rows: Sequence[Row]) -> dict[str, str]:
    """Return a mime bundle of two sentences: what dead kernels have left, and how to look at it."""
    named = ", ".join(f"{one_line(row.block, 40)!r} of flow {one_line(row.flow, 40)!r}" for row in rows[-_NAMED:])
    others = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
    which = "1 resource" if len(rows) == 1 else f"{len(rows)} resources"
    text = f"nbflow: dead kernels have left {which} that may be alive: {named}{others}."
    looks = [("%flow resources", " lists them" if len(rows) > 1 else " shows it")]
    if any(row.is_reclaimable for row in rows):
        looks.append(("%flow resources clean --all", " removes what can be reclaimed"))
    plain = f"{text} {', '.join(command + does for command, does in looks)}."
    page = f"{escape(text, 1_000)} {', '.join(f'<code>{escape(one)}</code>{does}' for one, does in looks)}."
    return {"text/plain": plain, "text/html": f'<div class="nbflow-resources">{page}</div>'}


def _cells(row: Row, run_numbers: Mapping[str, int]) -> tuple[str, ...]:
    return (
        str(row.id),
        f"{one_line(row.block, 40)} of {one_line(row.flow, 40)}",
        one_line(row.manager, 40),
        one_line(row.state, 20),
        _kernel(row, run_numbers),
        "" if row.owner == "this kernel" else _since(row.since),
        "reclaimable" if row.is_reclaimable else "best effort",
        "" if row.handle is None else one_line(json.dumps(row.handle, ensure_ascii=False, default=str), 60),
        one_line(row.note, 120),
    )


def _kernel(row: Row, run_numbers: Mapping[str, int]) -> str:
    if row.owner == "this kernel":
        number = run_numbers.get(row.run)
        return "this kernel" if number is None else f"this kernel, run {number}"
    if row.owner == "another kernel":
        return f"another kernel (process {row.pid})"
    if row.owner in ("another host", "another container"):
        return f"{row.owner} ({one_line(row.host, 40)})"
    return row.owner


def _since(seconds: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
    except (OverflowError, ValueError, OSError):  # the clock of another machine, or a damaged row
        return "?"


def _hints(rows: Sequence[Row]) -> list[str]:
    dead = [row for row in rows if row.owner == "dead kernel"]
    mine = [row for row in rows if row.owner == "this kernel"]
    hints = []
    if any(row.is_reclaimable for row in dead):
        hints.append("%flow resources clean --all removes what dead kernels left, where it is reclaimable")
    if failed := [row for row in mine if row.state in ("failed", "abandoned")]:
        hints.append(f"%flow resources clean {failed[-1].id} tries the cleanup again")
    if kept := [row for row in mine if row.is_kept]:
        hints.append(f"%flow resources clean {kept[-1].id} cleans up what was kept")
    if unseen := [row for row in rows if row.owner == "another container" and row.is_reclaimable]:
        hints.append(
            "another container: whether it is alive cannot be seen from here; if you know that it is gone, "
            f"%flow resources clean --gone {unseen[-1].id}"
        )
    if by_hand := [row for row in dead if not row.is_reclaimable]:
        hints.append(
            "best effort: nothing finds such a resource from here; see to it by hand, "
            f"then %flow resources forget {by_hand[-1].id} takes it off the list"
        )
    return hints


def _long_open(rows: Iterable[Row], now: float) -> list[str]:
    """Say which resource of this kernel has been open for long, and for how long: it may cost money meanwhile."""
    own = (row for row in rows if row.owner == "this kernel" and row.until is None and row.state == "open")
    lasting = [row for row in own if _LONG_S <= now - row.since < _TOO_LONG_S]
    if not lasting:
        return []
    oldest = min(lasting, key=lambda row: row.since)
    more = f", {len(lasting) - 1} more for less" if len(lasting) > 1 else ""
    name = one_line(oldest.block, 40)
    return [f"open for {_lasted(now - oldest.since)}: {name} of {one_line(oldest.flow, 40)}{more}"]


def _lasted(seconds: float) -> str:
    minutes = int(seconds // 60)
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def _aligned(cells: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    lines = [cells[0], ["-" * width for width in widths], *cells[1:]]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def _html(cells: Sequence[Sequence[str]], hints: Iterable[str]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in cells[0])
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line)}</tr>" for line in cells[1:])
    said = "".join(f"<div>{escape(hint)}</div>" for hint in hints)
    return (
        f'<div class="nbflow-resources"><style>{_CSS}</style>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{said}</div>"
    )
