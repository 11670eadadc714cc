"""Triggers, which decide whether a task may run, given how the tasks upstream of it ended.

A trigger takes ``{Edge: State}`` and returns True or raises a signal. Each built-in one carries `counts`, the
rule it follows, as a function of four numbers: upstream states, successful ones without the skipped, skipped
ones, failed ones. The scheduler asks it what a task will do before all of its upstream tasks have ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, Protocol

from nbflow.core.context import context
from nbflow.core.signals import PAUSE, SKIP, TRIGGERFAIL
from nbflow.core.states import Failed, Mapped, Skipped, State, Success

__all__ = [
    "all_failed", "all_finished", "all_successful", "always_run", "any_failed", "any_successful", "manual_only",
    "not_all_skipped", "some_failed", "some_successful",
]  # fmt: skip

if TYPE_CHECKING:
    from nbflow.core.edge import Edge

Verdict = Literal["run", "fail", "skip"]
Counts = Callable[[int, int, int, int], Verdict]
UpstreamStates = Mapping["Edge", State]  # or, where there are none, any empty container


class Trigger(Protocol):
    """A trigger whose rule is known."""

    @property
    def __name__(self) -> str: ...

    @property
    def counts(self) -> Counts:
        """The rule, as a function of counts."""
        ...

    def __call__(self, upstream_states: UpstreamStates, /) -> bool:
        """Return True if the task may run, else raise the signal that says what happens instead."""
        ...


def _states(upstream_states: UpstreamStates) -> set[State]:
    """Return the states that count: each once, however many edges it came by, and children for their parent."""
    states: set[State] = set()
    for state in () if not upstream_states else upstream_states.values():
        if isinstance(state, Mapped):
            states.update(state.map_states)
        else:
            states.add(state)
    return states


def _tally(states: set[State]) -> tuple[int, int, int, int]:
    skipped = successful = failed = 0
    for state in states:
        if isinstance(state, Skipped):
            skipped += 1
        elif isinstance(state, Success):
            successful += 1
        elif isinstance(state, Failed):
            failed += 1
    return len(states), successful, skipped, failed


def _judge(upstream_states: UpstreamStates, trigger: Trigger, otherwise: str) -> bool:
    verdict = trigger.counts(*_tally(_states(upstream_states)))
    if verdict == "run":
        return True
    if verdict == "skip":
        raise SKIP("All upstream tasks were skipped.", result=None)
    raise TRIGGERFAIL(f'Trigger was "{trigger.__name__}" but {otherwise}.')


def _follows(counts: Counts) -> Callable[[Callable[[UpstreamStates], bool]], Trigger]:
    """Let a function carry the rule it follows."""

    def decorate(function: Callable[[UpstreamStates], bool]) -> Trigger:
        function.counts = counts  # type: ignore[attr-defined]
        return function  # type: ignore[return-value]

    return decorate


def _run_if(met: bool) -> Verdict:
    return "run" if met else "fail"


@_follows(lambda n, successful, skipped, failed: _run_if(successful + skipped == n))
def all_successful(upstream_states: UpstreamStates) -> bool:
    """Run if every upstream task succeeded; a skipped one did. The default of every task."""
    return _judge(upstream_states, all_successful, "some of the upstream tasks failed")


@_follows(lambda n, successful, skipped, failed: _run_if(failed == n))
def all_failed(upstream_states: UpstreamStates) -> bool:
    """Run if every upstream task failed."""
    return _judge(upstream_states, all_failed, "some of the upstream tasks succeeded")


@_follows(lambda n, successful, skipped, failed: _run_if(n == 0 or successful + skipped > 0))
def any_successful(upstream_states: UpstreamStates) -> bool:
    """Run if at least one upstream task succeeded, or if there is none."""
    return _judge(upstream_states, any_successful, "none of the upstream tasks succeeded")


@_follows(lambda n, successful, skipped, failed: _run_if(n == 0 or failed > 0))
def any_failed(upstream_states: UpstreamStates) -> bool:
    """Run if at least one upstream task failed, or if there is none."""
    return _judge(upstream_states, any_failed, "none of the upstream tasks failed")


@_follows(lambda n, successful, skipped, failed: "run")  # the counts are those of ended tasks
def all_finished(upstream_states: UpstreamStates) -> bool:
    """Run however the upstream tasks ended, as soon as all have."""
    for state in _states(upstream_states):
        if not state.is_finished():
            raise TRIGGERFAIL('Trigger was "all_finished" but some of the upstream tasks were not finished.')
    return True


always_run = all_finished


@_follows(lambda n, successful, skipped, failed: "run")  # it will, once somebody resumes it
def manual_only(upstream_states: UpstreamStates) -> bool:
    """Pause until the task is resumed, then run however the upstream tasks ended."""
    if context.get("resume"):
        return True
    raise PAUSE('Trigger was "manual_only" and the task was not resumed yet.')


@_follows(lambda n, successful, skipped, failed: "skip" if skipped == n else _run_if(successful + skipped == n))
def not_all_skipped(upstream_states: UpstreamStates) -> bool:
    """Run if no upstream task failed and at least one was not skipped; skip if all were."""
    return _judge(upstream_states, not_all_skipped, "some of the upstream tasks failed")


def some_failed(at_least: float | None = None, at_most: float | None = None) -> Trigger:
    """Return a trigger that runs if the number of failed upstream tasks lies between two limits, inclusive.

    Args:
        at_least: The lower limit; below 1 it is a fraction of all upstream tasks.
        at_most: The upper limit, likewise.
    """
    return _SomeFailed(at_least, at_most)


def some_successful(at_least: float | None = None, at_most: float | None = None) -> Trigger:
    """Return a trigger that runs if the number of successful upstream tasks lies between two limits, inclusive.

    Args:
        at_least: The lower limit; below 1 it is a fraction of all upstream tasks. Skipped tasks count.
        at_most: The upper limit, likewise.
    """
    return _SomeSuccessful(at_least, at_most)


class _Some:
    """A trigger with limits. A class, not a closure: tasks that carry one can be pickled."""

    __name__ = "some"

    def __init__(self, at_least: float | None, at_most: float | None) -> None:
        self.at_least = at_least
        self.at_most = at_most

    def __call__(self, upstream_states: UpstreamStates) -> bool:
        return _judge(upstream_states, self, "thresholds were not met")

    def __repr__(self) -> str:
        return f"{self.__name__}(at_least={self.at_least!r}, at_most={self.at_most!r})"

    def counts(self, n: int, successful: int, skipped: int, failed: int) -> Verdict:
        raise NotImplementedError

    def _within(self, count: int, n: int) -> Verdict:
        # Compared as a share, not as a product: 0.7 * 10 is more than 7.
        low, high = self.at_least, self.at_most
        enough = low is None or (count / n if low < 1 else count) >= low
        few_enough = high is None or (count / n if high < 1 else count) <= high
        return _run_if(enough and few_enough)


class _SomeFailed(_Some):
    __name__ = "some_failed"

    def counts(self, n: int, successful: int, skipped: int, failed: int) -> Verdict:
        return "run" if n == 0 else self._within(failed, n)


class _SomeSuccessful(_Some):
    __name__ = "some_successful"

    def counts(self, n: int, successful: int, skipped: int, failed: int) -> Verdict:
        return "run" if n == 0 else self._within(successful + skipped, n)
