"""The view of a run that goes on, as a small piece of HTML for a cell's output: sent often, so it is short.

What changes with each second is hidden from screen readers, which would read it out each time; they get the bar and
one sentence, which changes seldom.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.core.state_traits import STATE_TRAITS
from nbflow.render.names import escape
from nbflow.render.palette import WARNING_CSS, palette_css, state_look

if TYPE_CHECKING:
    from nbflow.panel.part import Json
    from nbflow.panel.run_progress import Progress

MOST_RUNNING = 4
_MOST_FAILED = 2
_QUARTERS = 4  # a reader is told of each quarter
_CSS = """\
.nbflow-run{font:13px/1.5 system-ui,-apple-system,"Segoe UI",Helvetica,"DejaVu Sans",sans-serif;\
color:var(--nbflow-text);background:var(--nbflow-fill);padding:8px 10px;border-radius:6px;max-width:720px}
.nbflow-run div{overflow-wrap:anywhere}
.nbflow-run .nbflow-line{display:flex;flex-wrap:wrap;gap:0 1em;align-items:baseline}
.nbflow-run .nbflow-time{margin-left:auto;font-variant-numeric:tabular-nums}
.nbflow-run .nbflow-bar{display:flex;height:8px;margin:5px 0;border-radius:4px;overflow:hidden;\
background:color-mix(in srgb,currentColor 14%,transparent)}
.nbflow-run .nbflow-bar i{background:var(--nbflow-stroke);min-width:2px}
.nbflow-run .nbflow-said{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}"""


def progress_html(progress: Progress) -> str:
    """Return one `<div>`: what failed, the bar, what runs now, and what is open."""
    head = progress.head
    counts = [(name, word, n) for name, word, n in head["counts"] if name != "Pending"]
    failed = "".join(
        f'<div style="{WARNING_CSS};padding:3px 8px;margin-bottom:5px">✗ {escape(said, 200)}'
        + (f'<div style="font-family:monospace">{escape(place, 160)}</div>' if place else "")
        + "</div>"
        for said, place in progress.failed[:_MOST_FAILED]
    )
    bar = "".join(
        f'<i class="nbflow-state-{name}" style="flex:{n}"></i>' for name, _, n in counts if name in STATE_TRAITS
    )
    rest = max(0, head["total"] - sum(n for _, _, n in counts))
    label = escape(f"{head['flow']}, run {head['number']}", 140)
    lines = [
        f'<div class="nbflow-line"><b>{label}</b><span>{escape(head["line"])}</span>'
        f"<span>{escape(counted(head))}</span>"
        f'<span class="nbflow-time">{escape(times(head))}</span></div>',
        f'<div class="nbflow-bar">{bar}<i style="flex:{rest};background:none"></i></div>',
    ]
    if now := running(progress):
        lines.append(f"<div>{escape(state_look('Running').icon)} {escape(now, 400)}</div>")
    if head["open"]:
        opened = ", ".join(f"{icon} {name}" for icon, name, _ in head["open"][:MOST_RUNNING])
        more = len(head["open"]) - MOST_RUNNING
        lines.append(f"<div>resources: {escape(opened, 300)}{f' and {more} more' if more > 0 else ''}</div>")
    lines += [f"<div>▲ {escape(leak, 140)}</div>" for leak in head["leaks"][:_MOST_FAILED]]
    css = palette_css([name for name, _, _ in counts], [])
    return (
        f'<div class="nbflow-run nbflow-page"><style>{css}\n{_CSS}</style>{failed}'
        f'<div aria-hidden="true">{"".join(lines)}</div>'
        f'<div class="nbflow-said" role="status">{escape(_said(progress), 200)}</div></div>'
    )


def counted(head: Json) -> str:
    """Return how many tasks are done, and the states that want attention: `3 of 12 done, 1 failed`."""
    others = "".join(f", {n} {word}" for name, word, n in head["counts"] if name in _WORTH_SAYING)
    return f"{head['done']} of {head['total']} done{others}"


_WORTH_SAYING = ("Failed", "TriggerFailed", "Cancelled", "Retrying", "Paused")


def times(head: Json) -> str:
    """Return the time that has passed, and the one that is expected if there is one."""
    passed = clock_time(head["seconds"] or 0.0)
    remaining = head.get("remaining")
    return passed if not remaining or not head["going"] else f"{passed}, about {clock_time(remaining)} left"


def running(progress: Progress) -> str:
    """Return what runs now, and for how long."""
    shown = progress.running[:MOST_RUNNING]
    names = ", ".join(f"{one.name} {clock_time(one.seconds or 0.0)}" for one in shown)
    more = len(progress.running) - len(shown)
    return f"{names} and {more} more" if more else names


def clock_time(seconds: float) -> str:
    """Return a time that goes on, in whole seconds: `7 s`, `2 min 05 s`, `1 h 02 min`."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def _said(progress: Progress) -> str:
    """Return what a screen reader says: another sentence seldom, and when something fails."""
    head = progress.head
    words = f"{head['flow']}, run {head['number']}: {state_look(head['state']).word}"
    if progress.failed:
        words += f", {progress.failed[0][0]}"
    quarter = int(_QUARTERS * head["done"] / head["total"]) if head["total"] else 0
    return f"{words}, {quarter * 100 // _QUARTERS} % done" if quarter else words
