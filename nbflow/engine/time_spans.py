"""The time of a task, told apart: work, the delay before a retry, waiting for a person, and waiting for a place.

Derived from the events of a run when somebody asks, so that a run itself pays nothing for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nbflow.core.states import Finished, Looped, Paused, Retrying, Running

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nbflow.core.states import State

WORK, DELAY, HOLD, SLOT = "work", "delay", "hold", "slot"
Interval = tuple[float, float | None]
"""A begin and an end, in seconds since the epoch; None: not yet."""


class Span(NamedTuple):
    """A part of a task's time.

    Attributes:
        kind: "work" (one attempt of it), "delay" (before it is tried again), "hold" (a person is waited for) or
            "slot" (it is ready, and waits for a place).
        start: When it began, in seconds since the epoch.
        end: When it ended; None: not yet.
        attempt: The number of the attempt that it is, or that it is waited for.
        state: The name of the state in which an attempt ended; empty for the others, and while it goes on.
    """

    kind: str
    start: float
    end: float | None
    attempt: int
    state: str = ""


class Sums(NamedTuple):
    """The time of a task, summed up by kind, in seconds; what goes on is not in the sums.

    Attributes:
        work, delay, hold, slot: The sums; see `Span`.
        attempts: How many attempts it had.
        grows: The kind of what goes on; empty if nothing does.
        since: When that began, in seconds since the epoch.
    """

    work: float
    delay: float
    hold: float
    slot: float
    attempts: int
    grows: str
    since: float


class Change(NamedTuple):
    """A task's or child's new state, when it got it, and in which attempt."""

    time: float
    state: State
    attempt: int


def spans_of(
    changes: Sequence[Change],
    *,
    ready: float | None = None,
    held: Sequence[Interval] = (),
    pauses: Sequence[Interval] = (),
    now: float | None = None,
) -> list[Span]:
    """Divide the time of a task or child into spans, which follow each other without a gap.

    Args:
        changes: Its states, in order.
        ready: When all that it takes was there, if that is known; else its time begins with its first attempt.
        held: When it was held, by a breakpoint or at its failure, in order.
        pauses: When the run was paused, in order.
        now: What time it is: of one that waits, what it waits for may have changed since its last state.
    """
    found: list[Span] = []
    at = ready
    mode, due, attempt, begun_at = "", 0.0, 1, 0.0
    if not any(isinstance(change.state, Running) for change in changes):
        return found  # it was never called, and took no time
    for number, change in enumerate(changes):
        then = change.time if at is None else max(at, change.time)  # a worker's clock may be behind
        begun = isinstance(change.state, Running)
        if at is not None and mode == HOLD and isinstance(change.state, Retrying):
            then = at  # nobody was waited for: the failure of an attempt is told, and at once that there is another
        if at is not None and then > at:
            if mode == WORK:
                found.append(Span(WORK, at, then, attempt, type(change.state).__name__))
            else:
                _join(found, _idle(at, then, mode, due, change.attempt if begun else attempt, held, pauses))
        if isinstance(change.state, Finished) and number == len(changes) - 1:
            return _join(found, _held_after(then, attempt, begun_at, held))
        if begun:
            at, mode, attempt, begun_at = then, WORK, change.attempt or attempt, then
        elif isinstance(change.state, Retrying):
            start = change.state.start_time
            at, mode, attempt = then, DELAY, change.state.run_count + 1
            due = then if start is None else start.timestamp()
        else:
            # After a turn of a loop nobody is waited for: the next turn follows as soon as there is a place.
            is_held = isinstance(change.state, (Finished, Paused)) and not isinstance(change.state, Looped)
            at, mode = then, HOLD if is_held else ""
    if at is not None:
        is_known = mode in (WORK, HOLD)
        _join(
            found,
            [Span(mode, at, None, attempt)] if is_known else _so_far(at, now, mode, due, attempt, held, pauses),
        )
    return found


def waiting_of(ready: float, now: float, held: Sequence[Interval] = (), pauses: Sequence[Interval] = ()) -> list[Span]:
    """Divide the time of a task or child that could start and has not: it waits for a place, or for a person."""
    return _so_far(ready, now, "", 0.0, 1, held, pauses)


def work_of(spans: Iterable[Span], now: float | None = None) -> float:
    """Return how long attempts have worked, in seconds; of one that goes on, up to `now`."""
    ends = ((span.start, now if span.end is None else span.end) for span in spans if span.kind == WORK)
    return sum(max(0.0, end - start) for start, end in ends if end is not None)


def sums_of(spans: Iterable[Span]) -> Sums:
    """Return how long work and each kind of waiting have taken together."""
    sums = dict.fromkeys((WORK, DELAY, HOLD, SLOT), 0.0)
    attempts, grows, since = 0, "", 0.0
    for span in spans:
        attempts += span.kind == WORK
        if span.end is None:
            grows, since = span.kind, span.start
        else:
            sums[span.kind] += max(0.0, span.end - span.start)
    return Sums(sums[WORK], sums[DELAY], sums[HOLD], sums[SLOT], attempts, grows, since)


def length_of(intervals: Iterable[Interval], now: float) -> float:
    """Return the length of intervals, in seconds; of one that goes on, up to `now`."""
    return sum(max(0.0, (now if end is None else end) - start) for start, end in intervals)


def _join(found: list[Span], more: list[Span]) -> list[Span]:
    """Put spans after others; waiting that goes on for the same reason is one span."""
    if found and more and found[-1].kind == more[0].kind != WORK:
        found[-1] = more[0]._replace(start=found[-1].start)
        more = more[1:]
    found += more
    return found


def _held_after(end: float, attempt: int, begun: float, held: Sequence[Interval]) -> list[Span]:
    """Return the hold at what has ended: at its failure, or at a breakpoint after it."""
    over = next((over for start, over in reversed(held) if start >= begun), end)
    return [Span(HOLD, end, over, attempt)] if over is None or over > end else []


def _so_far(
    start: float,
    now: float | None,
    mode: str,
    due: float,
    attempt: int,
    held: Sequence[Interval],
    pauses: Sequence[Interval],
) -> list[Span]:
    """Divide the time of what still waits; the last span has no end yet."""
    found = _idle(start, now, mode, due, attempt, held, pauses) if now is not None and now > start else []
    if not found:
        return [Span(mode or SLOT, start, None, attempt)]
    return [*found[:-1], found[-1]._replace(end=None)]


def _idle(
    start: float,
    end: float,
    mode: str,
    due: float,
    attempt: int,
    held: Sequence[Interval],
    pauses: Sequence[Interval],
) -> list[Span]:
    """Divide the time between two attempts, or before the first."""
    if mode == HOLD:
        return [Span(HOLD, start, end, attempt)]
    found = []
    if mode == DELAY and due > start:
        found.append(Span(DELAY, start, min(due, end), attempt))
        start = min(due, end)
    stops = [(begun, end if over is None else min(over, end)) for begun, over in (*pauses, *held) if begun < end]
    for begun, over in sorted(stops):
        begun = max(begun, start)
        if over > begun:
            if begun > start:
                found.append(Span(SLOT, start, begun, attempt))
            found.append(Span(HOLD, begun, over, attempt))
            start = over
    if end > start:
        found.append(Span(SLOT, start, end, attempt))
    return found
