"""What a key of the selection means in the graph that is shown: a task, a block or several tasks; its neighbours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from nbflow.core.collections import Constant, Dict, List, Set, Tuple, label_of
from nbflow.core.parameter import Parameter
from nbflow.core.resource_tasks import ResourceCleanupTask, ResourceInitTask, ResourceSetupTask
from nbflow.render.names import one_line, safe_key
from nbflow.render.palette import state_look
from nbflow.render.status_marks import state_name

if TYPE_CHECKING:
    from nbflow.core.resource import Block
    from nbflow.core.task import Task
    from nbflow.engine.run import Run
    from nbflow.panel.part import Json
    from nbflow.render.build import GraphLike

NAME_LIMIT = 200
MOST = 60  # so many tasks are listed on each side


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is selected: one task (or child `index` of it), a block with its tasks, or tasks of one name."""

    what: Literal["task", "block", "group"]
    tasks: tuple[Task, ...]
    index: int | None = None
    block: Block | None = None

    @property
    def task(self) -> Task:
        """The task; of a block or a group the first."""
        return self.tasks[0]


@dataclass(slots=True)
class Neighbours:
    """The tasks of a graph by key, and their neighbours."""

    graph: GraphLike
    tasks: dict[str, Task] = field(init=False)
    keys: dict[Task, str] = field(init=False)
    _up: dict[Task, dict[Task, list[str]]] = field(init=False)
    _down: dict[Task, dict[Task, None]] = field(init=False)

    def __post_init__(self) -> None:
        slugs = self.graph.slugs
        self.keys = {task: safe_key(slugs.get(task, task.name)) for task in self.graph.tasks}
        self.tasks = {key: task for task, key in self.keys.items()}
        self._up, self._down = {}, {}
        for edge in self.graph.edges:
            keys = self._up.setdefault(edge.downstream_task, {}).setdefault(edge.upstream_task, [])
            if edge.key is not None:
                keys.append(edge.key)
            self._down.setdefault(edge.upstream_task, {})[edge.downstream_task] = None

    def upstream(self, task: Task) -> dict[Task, list[str]]:
        """Return the tasks that one waits for, and the arguments that their values become."""
        return self._up.get(task, {})

    def downstream(self, task: Task) -> list[Task]:
        """Return the tasks that wait for one."""
        return list(self._down.get(task, ()))

    def block_key(self, block: Block) -> str:
        """Return the key of a block's box."""
        return f"block--{self.keys[block.init_task]}"

    def block_of(self, task: Task) -> Block | None:
        """Return the innermost block around a task."""
        own: Block | None = getattr(task, "block", None) if kind_of(task) in _LIFECYCLE else None
        if own is not None:
            return own
        around = [block for block in self.graph.blocks if task in block.members]
        return max(around, key=lambda block: block.depth, default=None)

    def block_named(self, key: str) -> Block | None:
        """Return the block whose box has this key."""
        known = (block for block in self.graph.blocks if block.init_task in self.keys)
        return next((block for block in known if self.block_key(block) == key), None)

    def block_chip(self, block: Block | None, run: Run | None) -> Json | None:
        """Describe a block as it is listed: key, name and status; None if there is none in the graph."""
        if block is None or block.init_task not in self.keys:
            return None
        status = "" if run is None else str(run.block_status.get(block, ""))
        return {"key": self.block_key(block), "name": one_line(block.name, NAME_LIMIT), "status": status}

    def chips(self, tasks: list[Task], run: Run | None) -> list[Json]:
        """Describe tasks as they are listed: key, name, state and line."""
        return [self.chip(task, run) for task in tasks[:MOST]]

    def chip(self, task: Task, run: Run | None) -> Json:
        """Describe a task in one line."""
        state = state_name(run.states.get(task) if run is not None else None)
        name = one_line(label_of(task), NAME_LIMIT)
        return {"key": self.keys[task], "name": name, "state": state, "line": state_look(state).label}


_LIFECYCLE = frozenset({"init", "setup", "cleanup"})
_KINDS = (
    (ResourceInitTask, "init"),
    (ResourceSetupTask, "setup"),
    (ResourceCleanupTask, "cleanup"),
    (Parameter, "parameter"),
    (Constant, "constant"),
    (List, "collection"),
    (Tuple, "collection"),
    (Set, "collection"),
    (Dict, "collection"),
)


def kind_of(task: Task) -> str:
    """Return what sort of task it is, in a word."""
    return next((word for cls, word in _KINDS if isinstance(task, cls)), "task")
