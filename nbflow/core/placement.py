"""Where on a cluster a task may run, and how soon: what `@task(resources=, workers=, priority=)` becomes.

Most tasks say nothing of it and share one object. Whether a worker has what a task asks for is the cluster's to know.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

from nbflow.errors import OptionError, OptionTypeError

PLACEMENT_OPTIONS = ("resources", "workers", "priority")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What a task asks of the worker that runs it. Equal ones can go to the same worker together.

    Attributes:
        resources: What the worker must have free, as pairs of a name and an amount, sorted.
        workers: The addresses or names of the workers that may run it, sorted; none: all may.
        priority: The higher, the sooner.

    Example:
        >>> dict(placement_with("fit", NO_PLACEMENT, resources={"GPU": 1}).resources)
        {'GPU': 1}
    """

    resources: tuple[tuple[str, float], ...] = ()
    workers: tuple[str | int, ...] = ()
    priority: int = 0


NO_PLACEMENT = Placement()
"""That of the tasks that run anywhere, in their turn."""


def placement_with(task: str, before: Placement, **given: object) -> Placement:
    """Return a placement with other options; None stands for the default.

    Args:
        task: The name of the task, for errors.
        before: What holds for the options that are not given.
        **given: Any of `resources`, `workers` and `priority`, as the user gave them.

    Raises:
        OptionError: If one has an impossible value.
        OptionTypeError: If one has the wrong type.
    """
    checked: dict[str, Any] = {name: _CHECKS[name](task, value) for name, value in given.items()}
    found = replace(before, **checked)
    return NO_PLACEMENT if found == NO_PLACEMENT else found


def _checked_resources(task: str, given: object) -> tuple[tuple[str, float], ...]:
    how = 'give a mapping of names to amounts, such as {"GPU": 1}'
    if given is None:
        return ()
    if not isinstance(given, Mapping):
        raise OptionTypeError(f"resources of task {task!r} is {given!r}; {how}")
    for name, amount in given.items():
        if not isinstance(name, str):
            raise OptionTypeError(f"resources of task {task!r} has the name {name!r}; {how}")
        if not name.strip():
            raise OptionError(f"resources of task {task!r} has an empty name; {how}")
        if isinstance(amount, bool) or not isinstance(amount, Real):
            raise OptionTypeError(f"resources of task {task!r} asks for {amount!r} of {name!r}; {how}")
        if not 0 < amount < math.inf:  # type: ignore[operator]  # mypy knows only that it is a number of some kind
            raise OptionError(
                f"resources of task {task!r} asks for {amount!r} of {name!r}; give a number above 0, or leave it out"
            )
    # Numbers of Python: those of other packages need not travel to a scheduler that lacks the package.
    return tuple(sorted((name, int(n) if isinstance(n, Integral) else float(n)) for name, n in given.items()))


def _checked_workers(task: str, given: object) -> tuple[str | int, ...]:
    how = "give the address or name of a worker, or a list of them"
    if given is None:
        return ()
    one_or_more = [given] if isinstance(given, (str, Integral)) else given
    if isinstance(one_or_more, (bytes, Mapping)) or not isinstance(one_or_more, Iterable):
        raise OptionTypeError(f"workers of task {task!r} is {given!r}; {how}")
    found: set[str | int] = set()
    for worker in one_or_more:
        if isinstance(worker, bool) or not isinstance(worker, (str, Integral)):
            raise OptionTypeError(f"workers of task {task!r} has {worker!r}; {how}")
        if isinstance(worker, str) and not worker.strip():
            raise OptionError(f"workers of task {task!r} has an empty name; {how}")
        found.add(worker if isinstance(worker, str) else int(worker))
    if not found:
        raise OptionError(f"workers of task {task!r} is empty, so it could run nowhere; {how}, or leave it out for any")
    return tuple(sorted(found, key=lambda worker: (isinstance(worker, str), str(worker))))


def _checked_priority(task: str, given: object) -> int:
    if given is None:
        return 0
    if isinstance(given, bool) or not isinstance(given, Integral):
        raise OptionTypeError(
            f"priority of task {task!r} is {given!r}; give a whole number: the higher, the sooner, and 0 is usual"
        )
    return int(given)


_CHECKS: dict[str, Callable[[str, object], object]] = {
    "resources": _checked_resources,
    "workers": _checked_workers,
    "priority": _checked_priority,
}
