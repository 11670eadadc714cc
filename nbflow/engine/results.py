"""The values of a run by task, read from its states when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nbflow.core.short_text import short_text
from nbflow.engine.state_values import held_by
from nbflow.errors import ValueReleasedError

if TYPE_CHECKING:
    from nbflow.core.states import State
    from nbflow.core.task import Task

_LONGEST = 10_000


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
        shown = (f"{task!r}: {_shown(state)}" for task, state in self._states.items() if state.is_successful())
        return f"{{{', '.join(shown)}}}"


def _shown(state: State) -> str:
    try:
        return short_text(held_by(state), longest=_LONGEST)
    except ValueReleasedError:
        return "<released>"
