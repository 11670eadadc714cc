"""Where the tasks of the next run run, as a list to choose from beside the parameters."""

from __future__ import annotations

import threading
from concurrent import futures
from typing import TYPE_CHECKING, Any

import ipywidgets

from nbflow.flow.launch import executor_names
from nbflow.panel.sanitize import name_of
from nbflow.render.names import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbflow.engine.run import Run
    from nbflow.flow import Flow

# As in the table of docs/scaling.md: where a task runs, and when to choose that.
_HINTS = {
    "inline": "in the run's own thread, one after the other; where order counts, or a connection wants one thread",
    "threads": "on threads of the kernel; for waiting: network, database, files; and for much of numpy and pandas",
    "processes": "in processes of their own; for pure Python that takes a second or more",
    "dask": "in the processes of a Dask cluster that is made for the run; for more, give a DaskExecutor of your own",
}
_OTHER = "an executor that another package offers"
_OWN = "the executor that was given"
_LABEL_LIMIT = 40
# By these a pool of the standard library knows that it takes no more.
_CLOSED = ("_shutdown", "_shutdown_thread")

Given = Any  # a name, or an executor


class ExecutorChoice:
    """The choice of an executor: by name, or one that the run, the panel or the flow was given as an object.

    It shows what the run that is shown was given, else the panel, else the flow, until the user chooses another one;
    that stays until a run has had it.

    Args:
        given: What the panel was given as `executor`, None if nothing.
        on_edit: Called when the user has chosen.

    Attributes:
        input: The list.
        box: The list and its label, to be shown.
        is_edited: Whether the user has chosen another one than is shown by itself.
    """

    def __init__(self, given: Given, on_edit: Callable[[], None]) -> None:
        self._given = given
        self._on_edit = on_edit
        self._names = executor_names()
        self._choices: tuple[Given, ...] = ()
        self._default: Given = "inline"
        self._base: Given = "inline"
        self._setter: int | None = None  # the thread that shows a choice, which is no edit
        self.is_edited = False
        # Without a description: the widget library shows no tooltip at a list that has one. The script names it.
        self.input = ipywidgets.Dropdown()
        self.input.add_class(f"nbflow-field-{self.input.model_id}")
        self.input.observe(lambda _: self._edit(), "value")
        self.box = ipywidgets.HBox([ipywidgets.Label("Executor"), self.input]).add_class("nbflow-executor")

    @property
    def chosen(self) -> Given:
        """What is chosen: a name or an executor."""
        index = self.input.value
        return self._choices[index] if index is not None and index < len(self._choices) else self._base

    @property
    def option(self) -> Given | None:
        """What a run is to be given as `executor`; None if it goes by its flow, whatever that says by then."""
        chosen = self.chosen
        return None if self._given is None and _is_same(chosen, self._default) else chosen

    def renew(self, flow: Flow, run: Run | None) -> None:
        """Look again what there is to choose from, and what is chosen as long as the user does not."""
        of_run = None if run is None else run._asked_executor
        chosen = self.chosen
        self._default = flow.executor or "inline"
        given = (of_run, self._given, self._default)
        found = [one for one in given if one is not None and not _is_closed(one)]
        self._base = next(iter(found), "inline")
        self.is_edited = self.is_edited and not _is_same(chosen, self._base) and not _is_closed(chosen)
        wanted = chosen if self.is_edited else self._base
        own: list[Given] = []
        for one in (*found, wanted):
            if not any(_is_same(one, known) for known in (*self._names, *own)):
                own.append(one)
        self._show((*self._names, *own), wanted)

    def reset(self) -> None:
        """Choose what the panel or the flow was given."""
        found = (one for one in (self._given, self._default) if one is not None and not _is_closed(one))
        wanted = next(found, "inline")
        self.is_edited = not _is_same(wanted, self._base)
        self._show(self._choices, wanted)

    def _show(self, choices: tuple[Given, ...], wanted: Given) -> None:
        index = next(i for i, one in enumerate(choices) if _is_same(one, wanted))
        self._setter = threading.get_ident()
        try:
            if len(choices) != len(self._choices) or not all(map(_is_same, choices, self._choices)):
                self._choices = choices
                labels = _labels(choices)
                with self.input.hold_sync():
                    self.input.options = [(label, i) for i, label in enumerate(labels)]
                    self.input.tooltip = _tooltip(choices, labels)
                    self.input.value = index
            if self.input.value != index:
                self.input.value = index
        finally:
            self._setter = None
        self._mark()

    def _edit(self) -> None:
        if self._setter == threading.get_ident():
            return
        self.is_edited = not _is_same(self.chosen, self._base)
        self._mark()
        self._on_edit()

    def _mark(self) -> None:
        (self.box.add_class if self.is_edited else self.box.remove_class)("nbflow-edited")


def _is_same(one: Given, other: Given) -> bool:
    """Tell whether two are one name or one object; nothing of a user's class is asked."""
    return one is other or (type(one) is str and type(other) is str and one == other)


def _attributes(given: Given) -> Mapping[str, Any]:
    """Return what an object holds, without asking its class."""
    try:
        return vars(given)
    except TypeError:  # it has slots
        return {}


def _is_closed(given: Given) -> bool:
    """Tell whether it is a pool that takes no more, as after the `with` that it was made by."""
    return isinstance(given, futures.Executor) and any(_attributes(given).get(name) is True for name in _CLOSED)


def _labels(choices: tuple[Given, ...]) -> list[str]:
    """Return what each is called, no two the same."""
    labels: list[str] = []
    for one in choices:
        label = _label(one)
        count = sum(known == label or known.startswith(f"{label} #") for known in labels)
        labels.append(f"{label} #{count + 1}" if count else label)
    return labels


def _label(given: Given) -> str:
    """Return a name; of an object that of its class, and how many workers it has: no `__repr__` of users is called."""
    if isinstance(given, str):
        return one_line(given, _LABEL_LIMIT)
    workers = next((n for n in map(_attributes(given).get, ("capacity", "_max_workers")) if type(n) is int), None)
    return one_line(f"{name_of(type(given))}({'' if workers is None else workers})", _LABEL_LIMIT)


def _tooltip(choices: tuple[Given, ...], labels: list[str]) -> str:
    """Return what each is for, line by line."""
    lines = ["Where the tasks of the next run run"]
    for one, label in zip(choices, labels, strict=True):
        hint = (_HINTS.get(one) or _OTHER) if isinstance(one, str) else _OWN
        lines.append(f"{label}: {hint}")
    return "\n".join(lines)
