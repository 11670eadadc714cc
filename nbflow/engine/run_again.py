"""Running again what a run has done, or a part of it, as a new run: methods of `Run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from nbflow.engine.given_parameters import START_OPTIONS, takes_parameters

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nbflow.core.resource import Block
    from nbflow.core.task import Task
    from nbflow.engine.plan import Plan
    from nbflow.engine.run import Run

    What: TypeAlias = str | Iterable[Task | Block] | Task | Block  # that is to run again


@takes_parameters(*START_OPTIONS)
def rerun(  # noqa: D417 - it is a method
    run: Run,
    what: What = "all",
    dry: bool = False,
    *,
    results: Mapping[Task, Any] | None = None,
    **parameters: Any,
) -> Any:
    """Run again, as a new run, what is asked for and what follows from it; the other values are taken over.

    This run is cancelled and cleaned up first if it is still going. The new one has the same parameters unless
    others are given, which runs what depends on them. Unless all is run, the tasks get the newest definitions of
    their functions.

    Args:
        what: "all"; "failed" (with what was cancelled or not reached); "stale" (code or inputs have changed, or
            there is no good result); or tasks and blocks.
        dry: Whether to return the `Plan` and do nothing.
        results: Values that tasks are given in place of their own; they do not run, and what takes them does. With it,
            "all" runs no more than what follows from them.
        **parameters: Values of parameters; options of `Flow.start`, such as `paused`, and `parameters`, a
            dictionary that says what is a parameter where one has the name of an option.

    Returns:
        The new run, or the plan.

    Raises:
        RerunError: If `what` is none of these, or a task in `results` can have no value, or is to run as well.
        NothingToRerunError: If nothing would run.
        UnknownTaskError: If the flow has no such task, or no longer.
        ParameterError, ValueError: As for `Flow.start`.
        RetryError: If the newest definition of a function does not take its task's inputs.

    Example:
        >>> from nbflow import Flow, Parameter, task
        >>> with Flow("sum") as flow:
        ...     doubled = task(lambda x: 2 * x, name="double")(Parameter("x", default=1))
        ...     total = task(lambda y: y + 1, name="add")(doubled)
        >>> _ = flow.run()
        >>> run = flow.runs[-1]
        >>> print(run.rerun([total], dry=True).text())
        plan of 'sum', going on from run 1: 1 task runs, 1 reused
          double  reused  computed in run 1
          add     runs    asked for
        >>> run.rerun(x=5).wait().result[total].result
        11
        >>> fork = run.rerun(results={doubled: 40})
        >>> fork.wait().result[total].result, fork.kind, fork.sources[doubled]
        (41, 'fork', 'edited')
    """
    return run.flow._rerun_of(run, what, dry, results, parameters)


@takes_parameters(*START_OPTIONS)
def plan_rerun(run: Run, what: What = "all", **parameters: Any) -> Plan:
    """Return what `rerun` would do, and do nothing: the earlier word for `rerun(dry=True)`."""
    return run.flow._rerun_of(run, what, True, None, parameters)  # type: ignore[no-any-return]
