"""The values of a run by task, read from its states when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbflow.core.states import State
    from nbflow.core.task import Task


class Results(Mapping["Task", Any]):
    """The results of the tasks that have ended well; live. One that was given back raises `ValueReleasedError`."""

    def __init__(self, states: Mapping[Task, State]) -> None:
        self._states = states

    def __getitem__(self, task: Task) -> Any:
        state = self._states[task]
        if not state.is_successful():
            raise KeyError(task)
        return state.result

    def __iter__(self) -> Iterator[Task]:
        return iter([task for task, state in self._states.items() if state.is_successful()])

    def __len__(self) -> int:
        return sum(state.is_successful() for state in self._states.values())

    def __repr__(self) -> str:
        shown = {
            task: "<released>" if s.released else s.result
            for task, s in self._states.items()
            if s.is_successful()
        }
        return repr(shown)
