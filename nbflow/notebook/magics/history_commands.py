"""The subcommands of `%flow` about runs there were, of this kernel and of earlier ones: list, label, compare, read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.display import display

from nbflow.notebook.magics.log_table import log_bundle, read_level
from nbflow.notebook.magics.magic_arguments import LEVEL, NAME, NOTE, RUN, SEARCH, STORE, TAG, TAIL, UNTAG
from nbflow.notebook.magics.magic_command import command, say
from nbflow.notebook.shell.find_run import find_run, known_runs
from nbflow.notebook.shell.tables import bundle, duration_words
from nbflow.panel.runs.runs_json import run_json
from nbflow.panel.runs.stored_json import earlier_json
from nbflow.render.failure_groups import report
from nbflow.render.label_words import label_words, name_words
from nbflow.render.names import one_line

if TYPE_CHECKING:
    from nbflow.engine.run import Run
    from nbflow.notebook.magics.magic_command import Call
    from nbflow.store import StoredRun

_HEAD = ("run", "name", "state", "tasks", "began", "took", "", "tags", "note", "values")


@command("runs", options=(STORE,))
def runs(call: Call) -> None:
    """List the runs of the flow, the newest first: those of this kernel, and those of earlier ones that are stored."""
    call.take_store()
    flow = call.flow
    kept = flow.runs.copy()
    now = time.time()
    earlier, trouble = earlier_json(flow)
    here = [run_json(run, former, now=now) for run, former in zip(kept, [None, *kept], strict=False)]
    listed = sorted([*earlier, *here], key=lambda one: -one["number"])
    heading = f"{flow.name}: {_count(len(here), 'run')}"
    below = []
    if earlier:
        heading += f", and {len(earlier)} of earlier kernels in {str(flow.store)!r}"
        below.append(f"%flow resume {flow.name} --run {earlier[-1]['number']} goes on from a run of an earlier kernel")
    below += [f"in the store: {words}" for words in trouble]
    display(bundle(heading, _HEAD, [_row(one, now) for one in listed], below=below), raw=True)


@command("label", "[RUN]", options=(NAME, TAG, UNTAG, NOTE))
def label(call: Call) -> None:
    """Name a run, tag it, or say something about it; the newest one unless another is named. Alone, show what is said.

    It is kept in the store, if the flow has one, also for a run of an earlier kernel.
    """
    run, options = _chosen(call, call.word()), call.options
    if unknown := [tag for tag in options.untag if tag not in run.tags]:
        there = f"it has {', '.join(map(repr, run.tags))}" if run.tags else "it has none"
        raise UsageError(f"{call.magic}: run {run.number} has no tag {unknown[0]!r}; {there}")
    if options.run_name is not None:
        run.name = options.run_name
    if options.tags or options.untag:
        run.tags = (*(tag for tag in run.tags if tag not in options.untag), *options.tags)
    if options.note is not None:
        run.note = options.note
    words = [f"run {run.number} of {call.flow.name}", name_words(run), *label_words(run)]
    say(" · ".join(filter(None, words)) if any(words[1:]) else f"{words[0]} has no name, tags or note")


@command("compare", "[RUN]", "[OTHER]")
def compare(call: Call) -> None:
    """Put two runs side by side, by number or name: states, times, parameters, whether values and code are the same.

    Without them the last two; with one, that and the newest. A run of an earlier kernel is read from the store.
    """
    one, other = call.word(0), call.word(1)
    if one is not None and other is not None:
        pair = _chosen(call, one), _chosen(call, other)
    else:
        every, trouble = known_runs(call.flow)
        if len(every) < 2:
            there = "has only one run" if every else "has not run yet"
            raise UsageError("; ".join([f"{call.magic}: flow {call.flow.name!r} {there}, it takes two", *trouble]))
        chosen = every[-2] if one is None else _chosen(call, one)
        last = every[-1] if chosen.id != every[-1].id else every[-2]
        first, second = sorted((chosen, last), key=lambda run: run.number)
        pair = first, second
    if pair[0].id == pair[1].id:
        raise UsageError(f"{call.magic}: both are run {pair[0].number}; name two runs, see %flow runs {call.flow.name}")
    display(pair[0].compare(pair[1]))


@command("logs", "[TASK]", options=(RUN, LEVEL, SEARCH, TAIL))
def logs(call: Call) -> None:
    """Show what a task, or the whole run, printed, logged and warned, in the order of time."""
    run: Any = _chosen(call, call.options.run)
    if not hasattr(run, "logs"):
        raise UsageError(
            f"{call.magic}: run {run.number} is of an earlier kernel: the store has what its tasks returned, not "
            "what they said"
        )
    display(
        log_bundle(
            run,
            call.task_text,
            namespace=call.namespace,
            magic=call.magic,
            level=read_level(call.options.level, call.magic),
            search=call.options.search,
            tail=_tail(call),
        ),
        raw=True,
    )


@command("errors", options=(RUN,))
def errors(call: Call) -> None:
    """Print what failed in a run: equal errors together, each with its traceback and all who have it."""
    say(report(_chosen(call, call.options.run)))


def _chosen(call: Call, text: str | None) -> Run | StoredRun:
    if text is not None:
        return find_run(call.flow, text, call.magic)
    if call.flow.runs:
        return call.flow.runs[-1]
    every, trouble = known_runs(call.flow)
    if not every:
        remedy = f"%flow start {call.flow.name} begins a run"
        raise UsageError("; ".join([f"{call.magic}: flow {call.flow.name!r} has not run yet", *trouble, remedy]))
    return every[-1]


def _tail(call: Call) -> int | None:
    text = call.options.tail
    if text is None:
        return None
    if not text.isdecimal() or not int(text):
        raise UsageError(f"{call.magic}: --tail {text!r} is no number of lines; give one, as in --tail 20")
    return int(text)


def _row(one: dict[str, Any], now: float) -> tuple[str, ...]:
    return (
        str(one["number"]),
        one["name"],
        one["line"],
        one["tasks"],
        "" if one["started"] is None else _began(one["started"], now),
        "" if one["seconds"] is None else duration_words(one["seconds"]) + (", goes on" if one["going"] else ""),
        one_line("; ".join(filter(None, (one["kind"], one["parameters"]))), 300),
        one["tags"],
        one["note"],
        one["held"],
    )


def _began(started: float, now: float) -> str:
    """Return the time of a day, and the day if it is not today."""
    try:
        then, today = time.localtime(started), time.localtime(now)
    except (OverflowError, ValueError, OSError):  # a store's file says what no clock can
        return "?"
    return time.strftime("%H:%M:%S" if then[:3] == today[:3] else "%Y-%m-%d %H:%M:%S", then)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


COMMANDS = (runs, label, compare, logs, errors)
