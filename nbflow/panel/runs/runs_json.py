"""Runs, and two of them side by side, as plain data for the script; of a size that does not grow with the flow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.data.safe_equality import same
from nbflow.core.parameter import Parameter
from nbflow.engine.task_counts import task_counts
from nbflow.panel.form.literals import in_short
from nbflow.render.label_words import name_words, note_words, tag_words
from nbflow.render.names import bytes_in_words, one_line, safe_key
from nbflow.render.palette import state_look

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.engine.compare import Comparison, ParameterPair, TaskPair
    from nbflow.engine.run import Run
    from nbflow.panel.part import Json
    from nbflow.store import StoredRun

MOST_PAIRS = 500
_MOST_PARAMETERS = 12
_WORTH_A_WORD = 100_000  # bytes


def run_json(run: Run, former: Run | None, *, now: float) -> Json:
    """Describe a run in the list of runs.

    Args:
        run: The run.
        former: The one before it in the list, to tell which parameters differ.
        now: Seconds since the epoch.
    """
    name = type(run.state).__name__
    started, ended = run.timings.started_at, run.timings.ended_at
    return {
        "number": run.number,
        "state": name,
        "line": state_look(name).label,
        "started": started,
        "seconds": None if started is None else round(max(0.0, (ended or now) - started), 3),
        "going": started is not None and ended is None,
        "kind": _kind(run),
        "parameters": _parameters(run, None if former is None else former.parameters),
        "held": _held(run),
        "tasks": task_counts(run.graph, run.states).words(),
        **label_json(run),
    }


def label_json(run: Run | StoredRun) -> Json:
    """Describe what a run is called and what is said of it; empty where nobody has said anything."""
    return {"name": name_words(run), "tags": tag_words(run.tags), "note": note_words(run)}


def comparison_json(comparison: Comparison, one: Run, other: Run) -> Json:
    """Describe two runs side by side: what differs first, then in start order."""
    hidden = {run.graph.slugs[t] for run in (one, other) for n, t in enumerate(run.graph.tasks) if run.graph.free[n]}
    pairs = [pair for pair in comparison.tasks if pair.slug not in hidden or pair.differs]
    ranks = {name: rank for rank, name in enumerate(dict.fromkeys([*_in_order(one), *_in_order(other)]))}
    parameters = sorted(
        comparison.parameters, key=lambda pair: (pair.value == "same", ranks.get(pair.name, len(ranks)))
    )
    given = {pair.name for pair in parameters}
    pairs = [pair for pair in pairs if pair.slug not in given]
    pairs.sort(key=lambda pair: not pair.differs)  # stable: each half stays in start order
    names = {
        run.graph.slugs[task]: task.name for run in (other, one) for task in run.graph.tasks
    }  # fmt: skip
    often = [names.get(pair.slug, pair.slug) for pair in pairs]
    twice = {name for name in set(often) if often.count(name) > 1} if len(often) < 2_000 else set(often)
    return {
        "names": [one_line(name, 40) for name in comparison.names],
        "states": [[state, state_look(state).label] for state in comparison.states],
        "seconds": list(comparison.seconds),
        "parameters": [[one_line(p.name, 60), *_values(p, one, other), p.value] for p in parameters[:MOST_PAIRS]],
        "tasks": [_pair_json(pair, names, twice) for pair in pairs[:MOST_PAIRS]],
        "differing": sum(pair.differs for pair in pairs),
        "total": len(pairs),
    }


def _values(pair: ParameterPair, *runs: Run) -> list[str]:
    return [
        in_short(run.parameters[pair.name], 120) if pair.name in run.parameters else text
        for text, run in zip(pair.values, runs, strict=True)
    ]


def _pair_json(pair: TaskPair, names: Mapping[str, str], twice: set[str]) -> list[Any]:
    name = names.get(pair.slug, pair.slug)
    words = [state.partition(" ") for state in pair.states]
    return [
        safe_key(pair.slug),
        one_line(pair.slug if name in twice else name, 80),
        [[word, f"{state_look(word).label} {counts}".strip() if word != "-" else "-"] for word, _, counts in words],
        [None if seconds is None else round(seconds, 3) for seconds in pair.seconds],
        pair.value,
        pair.code,
        list(pair.sources),
        int(pair.differs),
    ]


def _kind(run: Run) -> str:
    plan = run.plan
    if plan is None:
        return "fork" if run.kind == "fork" else ""
    parent = run.parent
    stored = "" if parent is None or hasattr(parent, "wait") else "stored run "
    of = "" if parent is None else f" of {stored}{parent.number}"
    what = {"all": "everything", "tasks": "what was selected"}.get(plan.what, plan.what)
    return f"rerun{of}: {what}" + (", forked" if run.kind == "fork" else "")


def _in_order(run: Run) -> list[str]:
    """Return the names of a run's parameters in the order of the graph."""
    names = dict.fromkeys(task.name for task in run.graph.tasks if isinstance(task, Parameter))
    return [name for name in names if name in run.parameters]


def _held(run: Run) -> str:
    """Say what the values of a run that is over take in memory, if that is worth a word."""
    if not run.is_finished:
        return ""
    size = run._loop.retention.held_bytes()
    if size >= _WORTH_A_WORD:
        return f"{bytes_in_words(size)} in memory"
    return "given back" if any(state.released for state in tuple(run.states.values())) else ""


def _parameters(run: Run, before: Mapping[str, Any] | None) -> str:
    return parameters_json({name: run.parameters[name] for name in _in_order(run)}, before)


def parameters_json(values: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> str:
    """Describe the values of parameters in a line: those that differ from the ones before, if these are given."""
    shown = [
        f"{one_line(name, 40)} = {in_short(value)}"
        for name, value in values.items()
        if before is None or name not in before or not same(before[name], value)
    ]
    more = f", and {len(shown) - _MOST_PARAMETERS} more" if len(shown) > _MOST_PARAMETERS else ""
    return ", ".join(shown[:_MOST_PARAMETERS]) + more
