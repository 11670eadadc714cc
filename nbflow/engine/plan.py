"""The plan: what a run or rerun would do, before it does it. Values that show themselves.

`rerun_selection` decides them.
"""

from __future__ import annotations

import weakref
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from nbflow.core.collections import label_of
from nbflow.core.counted_tasks import is_counted
from nbflow.core.parameter import Parameter
from nbflow.engine.compiled_graph import ORDINARY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbflow.core.resource import Block
    from nbflow.core.states import State
    from nbflow.core.task import Task
    from nbflow.engine.compiled_graph import CompiledGraph

RUN, REPLAY, FORK = "run", "replay", "fork"
COMPUTED, REUSED = "computed", "reused"
EDITED, PINNED = "edited", "pinned"
SET = "The value was set by the user."
STICKY = (EDITED, PINNED)  # a value keeps being shown as such, however often it is taken over
_MOST_LINES = 60
_WORTH_SAYING_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What becomes of one task.

    Attributes:
        task: The task.
        runs: Whether its function is called, as far as triggers, branches and caches let it.
        why: Why it runs, or where the value comes from that is taken over.
        source: Where its value will come from: "computed", "cached", "reused", "edited" or "pinned".
        expected_s: How long it worked when it last ended well, in seconds, of a mapped task all its children together;
            None if that is not known, or it does not run.
        children: Which children of a mapped task run; None: all.
        keeps_value: Whether it runs for what it changes alone, and its own value stays as it is.
        is_restored: Whether it runs for its value alone, which was lost or changed, and gives what it gave.
    """

    task: Task
    runs: bool
    why: str
    source: str = COMPUTED
    expected_s: float | None = None
    children: tuple[int, ...] | None = None
    is_restored: bool = False
    keeps_value: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockStep:
    """Whether a block's resource is set up (and cleaned up), and why."""

    block: Block
    opens: bool
    why: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run would do: made by `Flow.plan` and `Run.rerun(dry=True)`; changes nothing.

    Attributes:
        steps: One for each task, in start order.
        blocks: One for each block.
        reused: The states that are taken over; in a mapped one, None stands for each child that runs.
        parameters: The values of the parameters.
        kind: "run" (there is no earlier run to go on from), "replay", or "fork" (an edited or pinned value or a
            changed parameter goes in).
        what: What was asked for.
        lost: What has become of pinned and edited values that nothing can bring back, in words.
        gone: The slugs of tasks that the earlier run had and the flow no longer has.
        graph: The graph it is about.
        apart: The tasks whose values are made again, each with those whose values hold parts of the former one and
            are taken over, and whether they hold all of it.
        given: The tasks whose values are given in place of their own.
        previous_of: Returns `previous`.
        origins_of: Returns what was known of the code that computed the values which are taken over.
    """

    bundle_of: ClassVar[Callable[[Plan], dict[str, Any]] | None] = None  # set by `nbflow.flow`

    steps: tuple[Step, ...]
    blocks: tuple[BlockStep, ...]
    reused: Mapping[Task, State] = field(repr=False)
    parameters: Mapping[str, Any]
    kind: str
    what: str
    gone: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    graph: CompiledGraph = field(repr=False)
    apart: Mapping[Task, Mapping[Task, bool]] = field(repr=False, default_factory=dict)
    given: frozenset[Task] = frozenset()
    previous_of: Callable[[], Any] = field(repr=False, default=lambda: None)
    origins_of: Callable[[], Mapping[Task, Any]] = field(repr=False, default=dict)

    @property
    def previous(self) -> Any:
        """The run it goes on from; None if there is none, or the flow has forgotten it by now."""
        return self.previous_of()

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that run, in start order."""
        return tuple(step.task for step in self.steps if step.runs)

    @property
    def is_empty(self) -> bool:
        """Whether nothing runs."""
        return not any(step.runs for step in self.steps)

    @property
    def expected_s(self) -> float | None:
        """The sum of what is known of the tasks that run, as if one ran after another; None if nothing is known."""
        known = [step.expected_s for step in self.steps if step.runs and step.expected_s is not None]
        return sum(known) if known else None

    @property
    def sources(self) -> dict[Task, str]:
        """Where the values that are taken over come from, as a run says it."""
        return {step.task: step.source for step in self.steps if not step.runs or step.source in STICKY}

    def __getitem__(self, task: Task) -> Step:
        """Return what becomes of one task; KeyError if the plan does not have it."""
        return self.steps[self.graph.index[task]]

    def headline(self) -> str:
        """Return the plan in one sentence."""
        shown = [step for step in self.steps if self._is_shown(step) and is_counted(step.task)]
        runs, opens = sum(step.runs for step in shown), sum(block.opens for block in self.blocks)
        previous = self.previous
        words = [f"plan of {self.graph.name!r}"]
        if previous is not None:
            words.append(f", going on from run {previous.number}")
        if not shown or (not runs and not opens):
            return "".join(words) + ": nothing runs" + self._nothing()
        words.append(f": {_count(runs, 'task')} run{'s' if runs == 1 else ''}")
        given = sum(step.task in self.given for step in shown)
        if given:
            words.append(f", {given} set")
        if len(shown) - runs - given:
            words.append(f", {len(shown) - runs - given} reused")
        if self.blocks:
            words.append(f", {_count(opens, 'block')} open{'s' if opens == 1 else ''}")
        if (expected := said(self.expected_s)) and runs:
            words.append(f", {expected} if one after another")
        return "".join(words)

    def text(self) -> str:
        """Return the plan as a table: what runs and why, what is taken over, which blocks open."""
        shown = [step for step in self.steps if self._is_shown(step)]
        if len(shown) > _MOST_LINES:
            shown = [step for step in shown if step.runs][:_MOST_LINES]
        names = Counter(label_of(step.task) for step in self.steps if self._is_shown(step))
        rows = [
            (self._name(step, names), "set" if step.task in self.given else _what(step), _because(step))
            for step in shown
        ]
        rows += [(step.block.name, "opens" if step.opens else "closed", step.why) for step in self.blocks]
        rows += [(slug, "gone", "the flow no longer has it") for slug in self.gone]
        widths = [max((len(row[i]) for row in rows), default=0) for i in range(2)]
        lines = [f"  {row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]}".rstrip() for row in rows]
        hidden = sum(self._is_shown(step) for step in self.steps) - len(shown)
        return "\n".join([self.headline(), *lines, *([f"  ... and {hidden} more"] if hidden else [])])

    def _name(self, step: Step, names: Counter[str]) -> str:
        label = label_of(step.task)
        # A slug tells tasks of one name apart; constants have no name of their own, and what they hold says enough.
        name = label if names[label] == 1 or label != step.task.name else self.graph.slugs[step.task]
        if step.children is None:
            return name
        few = ", ".join(map(str, step.children[:3])) + (", ..." if len(step.children) > 3 else "")
        return f"{name}[{few}]"

    def _nothing(self) -> str:
        if self.what == "failed":
            return "; nothing has failed"
        return "; everything is up to date" if self.what == "stale" else ""

    def _is_shown(self, step: Step) -> bool:
        node = self.graph.index[step.task]
        return self.graph.role[node] == ORDINARY and (is_counted(step.task) or _is_given(step))

    def __str__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        make = Plan.bundle_of
        return {"text/plain": self.text()} if make is None else make(self)


def weakly(run: Any) -> Callable[[], Any]:
    """Return what gives a run back for as long as somebody else keeps it: plans and reruns do not."""
    try:
        return weakref.ref(run)
    except TypeError:  # such as None
        return lambda: run


def said(seconds: float | None) -> str:
    """Return a duration in words that the next run will not put to shame; nothing for a short one."""
    if seconds is None or seconds < _WORTH_SAYING_S:
        return ""
    for limit, unit_s, unit in ((100, 1, "s"), (6_000, 60, "min"), (float("inf"), 3_600, "h")):
        if seconds < limit:
            return f"about {float(f'{seconds / unit_s:.2g}'):g} {unit}"
    return ""


def _is_given(step: Step) -> bool:
    return step.runs and isinstance(step.task, Parameter)  # whose new value is why others run


def _what(step: Step) -> str:
    return REUSED if not step.runs else "runs" if is_counted(step.task) else "given"


def _because(step: Step) -> str:
    expected = said(step.expected_s) if step.runs else ""
    return f"{step.why} ({expected})" if expected else step.why


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
