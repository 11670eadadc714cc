"""What counts as a task wherever people read a number of tasks: lists, progress, plans and tables say the same one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.core.collections import Constant
from nbflow.core.parameter import Parameter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbflow.core.task import Task


def is_counted(task: Task) -> bool:
    """Tell whether a task has work of its own: parameters, constants and the collections around values have none.

    The init, setup and cleanup tasks of blocks count: each can take long, and fail.
    """
    return not (task.auto_generated or isinstance(task, (Parameter, Constant)))


def counted(tasks: Iterable[Task]) -> list[Task]:
    """Return the tasks that count, in the order given."""
    return [task for task in tasks if is_counted(task)]


def said_tasks(tasks: Iterable[Task]) -> str:
    """Write how many of them count: `1 task`, `29 tasks`."""
    number = len(counted(tasks))
    return f"{number:,} task{'' if number == 1 else 's'}"
