"""Branches: `case`, `switch` and `ifelse` skip what does not apply, `merge` brings the branches together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core import signals, triggers
from nbflow.core.collections import Constant, as_task
from nbflow.core.context import context
from nbflow.core.function_task import task as as_function_task
from nbflow.core.parameter import Parameter
from nbflow.core.short_text import short_text
from nbflow.core.tags import tags
from nbflow.core.task import Task
from nbflow.errors import CaseValueError, MergeSkipError, MultipleFlowsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from nbflow.core.graph import Graph


class CompareValue(Task):
    """Skip, and with it what is downstream, unless the value given at run time equals the expected one."""

    def __init__(self, value: Any, **kwargs: Any) -> None:
        self.value = value
        kwargs.setdefault("name", f'CompareValue: "{short_text(value, str)}"')
        super().__init__(**kwargs)

    def run(self, value: Any) -> None:  # type: ignore[override]
        """Raise SKIP if `value` differs."""
        if value != self.value:
            texts = short_text(value, str), short_text(self.value, str)
            raise signals.SKIP('Provided value "{}" did not match "{}"'.format(*texts))


class case:
    """Run the tasks created inside `with case(task, value):` only if the task's result equals the value.

    Args:
        task: The task whose result decides.
        value: What it is compared with; not a task.

    Raises:
        CaseValueError: If `value` is a task.
    """

    def __init__(self, task: Task, value: Any) -> None:
        if isinstance(value, Task):
            raise CaseValueError(value.name)
        self.task = task
        self.value = value
        self._flow: Graph | None = None
        self._members: dict[Task, None] = {}
        self._outer: list[Any] = []

    def __repr__(self) -> str:
        return f"case({self.task!r}, {short_text(self.value)})"

    def add_task(self, task: Task, flow: Graph) -> None:
        """Make `task`, which was added to `flow` just now, a member; Parameters and Constants stay out.

        Raises:
            MultipleFlowsError: If an earlier member belongs to another flow.
        """
        if isinstance(task, (Parameter, Constant)):
            return
        if self._flow is not None and self._flow is not flow:
            raise MultipleFlowsError("case", short_text(self.value, str))
        self._flow = flow
        self._members.setdefault(task)

    def replace(self, old: Task, new: Task, *, is_member: bool) -> None:
        """Let `new` take the place of a member, here or in a case around this one; or only take that out."""
        if old in self._members:
            kept = {new if task is old else task: None for task in self._members if is_member or task is not old}
            self._members = kept
        outer = self._outer[-1] if self._outer else None
        if outer is not None:
            outer.replace(old, new, is_member=is_member)

    def __enter__(self) -> None:
        self._outer.append(context.get("case"))
        context["case"] = self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        outer = self._outer.pop()
        if outer is None:
            context.pop("case", None)
        else:
            context["case"] = outer
        if self._flow is not None:
            self._tie(self._flow)

    def _tie(self, flow: Graph) -> None:
        members = self._members.keys()
        first = [
            t
            for t in members
            if t in flow.tasks and (t._skips_with_its_case or members.isdisjoint(flow.upstream_tasks(t)))
        ]
        compare = CompareValue(self.value, name=f"case({short_text(self.value, str)})")
        compare.bind(value=self.task, flow=flow)
        for task in first:
            flow.add_edge(compare, task)


def switch(condition: Task, cases: Mapping[Any, Any], mapped: bool = False) -> None:
    """Run of several tasks only those whose value equals the result of `condition`.

    Args:
        condition: The task whose result decides.
        cases: The task for each value.
        mapped: Whether condition and tasks are mapped.
    """
    with tags("switch"):
        for value, branch in cases.items():
            task = as_task(branch)
            compare = CompareValue(value=value).bind(value=condition, mapped=mapped)
            task.set_dependencies(upstream_tasks=[compare], mapped=mapped)


@as_function_task
def as_bool(value: Any) -> bool:
    """Return the truth of `value`."""
    return bool(value)


def ifelse(condition: Task, true_task: Any, false_task: Any, mapped: bool = False) -> None:
    """Run one of two tasks, by the truth of the result of `condition`; either may be None.

    Args:
        condition: The task whose result decides.
        true_task: Run if the result counts as true.
        false_task: Run if not.
        mapped: Whether condition and tasks are mapped.
    """
    cases = {truth: task for truth, task in ((True, true_task), (False, false_task)) if task is not None}
    if cases:
        switch(as_bool(condition, mapped=mapped), cases, mapped=mapped)


class Merge(Task):
    """Return the first result that is not None: that of the one branch that was not skipped."""

    _skips_with_its_case = True

    def __init__(self, **kwargs: Any) -> None:
        if kwargs.setdefault("skip_on_upstream_skip", False):
            raise MergeSkipError
        kwargs.setdefault("trigger", triggers.not_all_skipped)
        super().__init__(**kwargs)

    def run(self, **task_results: Any) -> Any:
        """Return the first result that is not None, in the order of the keys as text; None if there is none."""
        in_order = (task_results[key] for key in sorted(task_results))
        # A branch that was skipped by a signal, such as a merge of nested cases, has the signal as its result.
        return next((v for v in in_order if v is not None and not isinstance(v, signals.SKIP)), None)


def merge(*tasks: Any, flow: Graph | None = None, mapped: bool = False, **kwargs: Any) -> Task:
    """Bring branches together again.

    Args:
        *tasks: The last task of each branch.
        flow: The flow; by default the one being built.
        mapped: Whether the branches are mapped.
        **kwargs: Options of the task, such as `name`.

    Returns:
        A task with the result of the branch that ran, Skipped if all were skipped.
    """
    branches = {f"task_{number}": branch for number, branch in enumerate(tasks, start=1)}
    return Merge(**kwargs).bind(**branches, flow=flow, mapped=mapped)
