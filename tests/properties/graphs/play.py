"""Runs random graphs and says what is wrong: one that hangs, breaks nbflow, or leaves a resource."""

from __future__ import annotations

import argparse
import collections
import os
import re
import sys
import tempfile
import threading
import time
import traceback
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

from nbflow.errors import CycleError, InternalError, NbflowError, ResourceScopeError
from nbflow.states import Cancelled, Pending
from tests.properties.graphs.build import Builder, Misuse

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow import Flow
    from nbflow.states import State

LIMIT_S = 60
REFUSED, ENDED, WRONG = "refused", "ended", "wrong"
NAME = re.compile(
    r"\b[tr]\d+|List|Constant|Merge|FilterTask|CompareValue|case\("
)  # what the tasks of a graph are called


class Verdict(NamedTuple):
    """What became of a graph: `kind` is REFUSED, ENDED or WRONG; `why` says more."""

    seed: int
    kind: str
    why: str
    steps: tuple[str, ...] = ()


def play(seed: int) -> Verdict:
    """Build a graph and run it.

    Args:
        seed: What it is made from, and where it runs: here, in a background thread, or with its tasks on threads.
    """
    builder = Builder(seed)
    try:
        flow = builder.build()
        flow.validate()
    except NbflowError as error:
        if isinstance(error, (CycleError, ResourceScopeError)) and not NAME.search(str(error)):
            return Verdict(seed, WRONG, f"no task is named: {error}", tuple(builder.steps))
        return Verdict(seed, REFUSED, type(error).__name__)
    except Exception:
        return Verdict(seed, WRONG, traceback.format_exc(), tuple(builder.steps))
    why = _wrong(builder, HOW[seed % len(HOW)])
    return Verdict(seed, WRONG if why else ENDED, why, tuple(builder.steps) if why else ())


def _here(flow: Flow) -> State:
    timer = threading.Timer(LIMIT_S, lambda: flow.runs[-1].cancel())
    timer.start()
    state = flow.run()
    timer.cancel()
    return state if timer.finished.is_set() and not isinstance(state, Cancelled) else Pending("cancelled after all")


HOW: tuple[Any, ...] = (
    _here,
    lambda flow: flow.start().wait(timeout_s=LIMIT_S),
    lambda flow: flow.start(executor="threads").wait(timeout_s=LIMIT_S),
)


def _wrong(builder: Builder, run_it: Callable[[Flow], State]) -> str:
    try:
        state = run_it(builder.flow)
        run = builder.flow.runs[-1]
    except Exception:
        return traceback.format_exc()
    if isinstance(state.result, InternalError) or "cannot go on" in str(run.state.message):
        return f"the run has failed: {state.message}"
    if not state.is_finished():
        run.cancel()
        return f"the run has not ended: {state!r}"
    for task in builder.flow.tasks:
        one = run.states[task]
        for each in (one, *getattr(one, "map_states", ())):
            if not each.is_finished():
                return f"task {task.name!r} has not ended: {each!r}"
            if isinstance(error := each.__dict__.get("result"), (Misuse, InternalError)):
                return f"{task.name!r}: {error!r}"
    left = builder.resources.left()
    return f"resources {left} were not cleaned up once" if left else ""


def main(arguments: list[str] | None = None) -> int:
    """Play many graphs; returns whether something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.properties.graphs", description=__doc__)
    parser.add_argument("count", type=int, help="how many graphs")
    parser.add_argument("--seed", type=int, default=0, help="that of the first one; the others follow")
    parser.add_argument("--show", type=int, default=5, help="how many of those that are wrong are shown")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as home:
        os.environ["NBFLOW_HOME"] = home
        began, kinds, shown = time.monotonic(), collections.Counter[str](), 0
        for seed in range(options.seed, options.seed + options.count):
            verdict = play(seed)
            kinds[f"{verdict.kind} ({verdict.why})" if verdict.kind == REFUSED else verdict.kind] += 1
            if verdict.kind == WRONG and shown < options.show:
                shown += 1
                sys.stdout.write("\n".join([f"--- seed {seed}", *verdict.steps, verdict.why, ""]))
                sys.stdout.flush()
    for kind, count in sorted(kinds.items()):
        sys.stdout.write(f"{count:7} {kind}\n")
    sys.stdout.write(f"{options.count} graphs from seed {options.seed} in {time.monotonic() - began:.0f} s\n")
    return 1 if kinds[WRONG] else 0
