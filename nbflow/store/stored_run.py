"""A run that a store has kept, perhaps of a kernel that is no more: read when asked; only its label may change."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nbflow.core.collections import Constant
from nbflow.core.states import Cancelled, Mapped, Pending, State
from nbflow.engine.compare import Comparison, compare
from nbflow.engine.compiled_graph import ORDINARY, CompiledGraph
from nbflow.engine.given_parameters import START_OPTIONS, takes_parameters
from nbflow.engine.map_expansion import mapped_over
from nbflow.engine.random_state import drawn_in
from nbflow.engine.record import Timings
from nbflow.engine.run_label import Labelled
from nbflow.errors import DamagedStoreError, NotKeptError
from nbflow.store.entry import NOT_MISSED, PYTHON, Header, contents_of, read_header, read_value
from nbflow.store.filenames import VALUE, value_name
from nbflow.store.generators import unpacked
from nbflow.store.label_file import LabelFile, read_label
from nbflow.store.metadata import Facts, is_going, read_facts
from nbflow.store.secure_files import check_folder, in_our_words
from nbflow.store.state_codec import named_state
from nbflow.store.times_file import read_times

if TYPE_CHECKING:
    from pathlib import Path

    from nbflow.core.task import Task
    from nbflow.store.folder import FlowStore

KEPT = "Kept in the store."
NOT_THERE = "its result was not kept"


class StoredRun(Labelled):
    """A run as a store has kept it; made by `Flow.stored_runs` and found as `parent` of a run that goes on from it.

    It has much of what a `Run` has: states, results, times. Tasks are those of the flow as it is now, found by slug.

    Attributes:
        flow: The flow.
        store: Where it is kept.
        folder: The folder of the run.
        id: The run's id.
        number: Its number.
        kind: ``"run"``, ``"replay"`` or ``"fork"``.
        parent_id: The id of the run that it went on from; empty if it did not.
        started_at: When it began, in seconds since the epoch.
        ended_at: When it ended; None if its kernel died before.
        name: What it is called, as tags and note; setting one of them writes it to the store.
        tags: Short texts to find it by.
        note: What is to be remembered about it.

    Example:
        >>> import tempfile
        >>> from nbflow import Flow, task
        >>> with Flow("sum", store=tempfile.mkdtemp()) as flow:
        ...     total = task(lambda: 1 + 1, name="total")()
        >>> state = flow.run()
        >>> stored = flow.stored_runs()[-1]
        >>> stored, stored.results[total]
        (<StoredRun 1 of 'sum': Success>, 2)
    """

    def __init__(self, store: FlowStore, folder: Path, facts: Facts, label: Mapping[str, Any]) -> None:
        self.flow = store.flow
        self.graph = CompiledGraph(store.flow)
        self.facts = facts
        self.id = facts.id
        self.number = facts.number
        self.kind = facts.kind
        self.parent_id = facts.parent
        self.started_at = facts.began
        self.ended_at = facts.ended
        self.store = store
        self.folder = folder
        self._headers: dict[str, dict[int | None, Header]] | None = None
        self._states: dict[Task, State] | None = None
        self._objects: dict[tuple[str, str], Any] = {}
        vars(self).update(label)
        self._label_changed = LabelFile(folder, self).write

    def __repr__(self) -> str:
        return f"<StoredRun {self.number} of {self.flow.name!r}: {type(self.state).__name__}>"

    @classmethod
    def read(cls, store: FlowStore, folder: Path) -> StoredRun:
        """Read what is known of a run as a whole.

        Raises:
            StoreUnavailableError: If it cannot be read, is damaged, newer, or can be somebody else's.
        """
        check_folder(folder)
        facts = read_facts(folder)
        if facts.flow != store.flow.name:
            raise DamagedStoreError(str(folder), f"it is of the flow {facts.flow!r}")
        return cls(store, folder, facts, read_label(folder, facts.flow, facts.number))

    def again(self) -> StoredRun:
        """Return the same run with nothing of it unpickled: for a run that may change what it takes over."""
        label = {"name": self.name, "tags": self.tags, "note": self.note}
        other = StoredRun(self.store, self.folder, self.facts, label)
        other._headers = self._headers
        return other

    # -- what is known --------------------------------------------------------------------------------------------

    @property
    def is_going(self) -> bool:
        """Whether it has not ended, and the process that it is in is alive."""
        return self.ended_at is None and is_going(self.folder, self.facts.pid)

    @property
    def state(self) -> State:
        """The state it ended with; Cancelled if its kernel died before."""
        if self.ended_at is None and not self.is_going:
            return Cancelled("Its kernel ended before it did.")
        found = named_state(self.facts.state, self.facts.message)
        if found is None:
            raise DamagedStoreError(str(self.folder), f"a run can not be {self.facts.state!r}")
        return found

    @property
    def headers(self) -> dict[str, dict[int | None, Header]]:
        """What is known of each task, by slug and then by child (None: the task itself); nothing is unpickled.

        Raises:
            StoreUnavailableError: If a file cannot be read, is damaged, newer, or can be somebody else's.
        """
        if self._headers is None:
            check_folder(self.folder)
            with in_our_words(self.folder):
                paths = sorted(path for path in self.folder.iterdir() if path.name.endswith(VALUE))
            found: dict[str, dict[int | None, Header]] = {}
            for path in paths:
                header = read_header(path)
                if path.name != value_name(header.slug, header.index):
                    raise DamagedStoreError(str(path), f"it is of the task {header.slug!r}")
                found.setdefault(header.slug, {})[header.index] = header
            self._headers = found
        return self._headers

    @property
    def states(self) -> dict[Task, State]:
        """The state of each task of the flow that the run had; a result is in it only when it has been read.

        Raises:
            StoreUnavailableError: As for `headers`.
        """
        if self._states is None:
            self._states = {task: self._state_of(task) for task in self.graph.tasks}
        return self._states

    @property
    def results(self) -> Mapping[Task, Any]:
        """The results of the tasks that ended well, each unpickled when it is asked for.

        Raises (when asked):
            NotKeptError: If it was not kept, or cannot be unpickled here.
            StoreUnavailableError: As for `headers`.
        """
        return _Results(self)

    @property
    def not_kept(self) -> dict[str, str]:
        """Why results of tasks that ended well are not there, by slug; `slug[i]` for a child of a mapped task."""
        return {
            slug if index is None else f"{slug}[{index}]": header.not_kept
            for slug, parts in self.headers.items()
            for index, header in parts.items()
            if header.not_kept not in NOT_MISSED and header.state in ("Success", "Cached")
        }

    @property
    def timings(self) -> Timings:
        """The times at which each task was first started and ended, in seconds since the epoch; see `Run.timings`."""
        found = Timings()
        found.started_at, found.ended_at = self.started_at, self.ended_at
        for task in self.graph.tasks:
            header = self.header(task)
            if header is not None and header.began is not None:
                found[task] = (header.began, header.ended)
        read_times(self.folder, self.graph, found)
        return found

    @property
    def sources(self) -> dict[Task, str]:
        """Where each value comes from: "computed", "cached", "reused", "edited" or "pinned"."""
        found = {}
        for task, state in self.states.items():
            header = self.header(task)
            if header is not None and state.is_successful():
                source = self.facts.sources.get(header.slug, header.source)
                found[task] = "reused" if source == "computed" and header.run != self.id else source
        return found

    @property
    def parameters(self) -> dict[str, Any]:
        """The values of the parameters that were kept.

        Raises:
            NotKeptError, StoreUnavailableError: As for `results`.
        """
        return self._parameters()

    def small_parameters(self, most: int = 10_000) -> dict[str, Any]:
        """Return the values of the parameters that have no more bytes than that, to be listed; errors as above."""
        return self._parameters(most)

    def _parameters(self, most: float = float("inf")) -> dict[str, Any]:
        found = {}
        for name in self.facts.parameters:
            header = self.headers.get(name, {}).get(None)
            if header is not None and not header.not_kept and header.size <= most:
                found[name] = self._value(header)
        return found

    @property
    def changes(self) -> dict[str, list[str]]:
        """By slug, the tasks that changed the value of a task in place, as far as that was seen."""
        found = {slug: list(changers) for slug, changers in self.facts.changed.items()}
        for slug, parts in self.headers.items():
            for header in parts.values():
                for owner in header.changed:
                    if slug not in found.setdefault(owner, []):
                        found[owner].append(slug)
        return found

    @property
    def draws(self) -> StoredDraws:
        """Who drew on the global generators of random numbers."""
        return StoredDraws(self)

    def header(self, task: Task) -> Header | None:
        """Return what is known of a task; None if the run did not get to it, or did not have it."""
        return self.headers.get(self.graph.slugs[task], {}).get(None)

    def place_of(self, task: Task, child: int = -1) -> str:
        """Return the name of the worker that had a task or child in this run; empty: the kernel, or no run of it."""
        header = self.headers.get(self.graph.slugs[task], {}).get(None if child < 0 else child)
        return header.place if header is not None and header.run == self.id else ""

    def compare(self, other: Any) -> Comparison:
        """Put this run and another one side by side; see `Run.compare`."""
        return compare(self, other)

    def code_of(self, task: Task) -> str:
        """Return a short text that is equal for equal code: that of `task` in this run; empty if it is not known."""
        header = self.header(task)
        return "" if header is None else header.code

    # -- reading --------------------------------------------------------------------------------------------------

    def load(self, task: Task) -> State:
        """Read the result of a task, and of each child that has one, into its state, and return that.

        Raises:
            NotKeptError: If it was not kept, or cannot be unpickled here.
            StoreUnavailableError: As for `headers`.
        """
        state = self.states[task]
        parts = self.headers.get(self.graph.slugs[task], {})
        if isinstance(state, Mapped):
            for index, child in enumerate(state.map_states):
                if index in parts and child.is_finished():
                    self._load(child, parts[index])
        elif None in parts and state.is_finished():
            self._load(state, parts[None])
        return state

    def _load(self, state: State, header: Header) -> None:
        if state.message != KEPT:
            return  # it is there, or there is nothing to be read
        state.result = self._value(header)
        state.message = header.message

    def _value(self, header: Header) -> Any:
        key = header.object, header.digest
        if key in self._objects:
            return self._objects[key]  # tasks that handed on one object do so again
        value = read_value(self.folder / value_name(header.slug, header.index), header)
        if header.object:
            self._objects[key] = value
        return value

    def _state_of(self, task: Task) -> State:
        if isinstance(task, Constant):
            return named_state("Success", "A constant.", task.value) or Pending()
        parts = self.headers.get(self.graph.slugs[task], {})
        whole = parts.get(None)
        if whole is None:
            return Pending("Task not run.")
        if whole.state != "Mapped":
            return self._named(whole)
        count = max(whole.children or 0, 0)
        count = min(count, max((i for i in parts if i is not None), default=-1) + 1) if count > 1 << 24 else count
        states = [self._named(parts[i]) if i in parts else Pending("Task not run.") for i in range(count)]
        if self.graph.role[self.graph.index[task]] != ORDINARY and not all(map(State.is_finished, states)):
            return Pending("Task not run.")  # of resources no part is taken over
        return Mapped(mapped_over(len(states)), map_states=states)

    def _named(self, header: Header) -> State:
        path = self.folder / value_name(header.slug, header.index)
        reason = header.not_kept
        if not reason and header.python != PYTHON:
            reason = f"it was pickled by Python {header.python}"
        if not reason and header.apart and not os.path.lexists(contents_of(path, header)):
            reason = "its file is gone"
        has_value = not reason and header.state in ("Success", "Cached", "Skipped")
        state = named_state(header.state, KEPT if has_value else header.message)
        if state is None:
            raise DamagedStoreError(str(path), f"a task can not be {header.state!r}")
        if has_value:
            self.store.remember(state, path, header)
        elif reason not in NOT_MISSED and state.is_successful() and not state.is_skipped():
            state = Pending(f"{NOT_THERE}: {reason}")
        return state

    @takes_parameters(*START_OPTIONS)
    def resume(
        self, what: Any = None, *, dry: bool = False, results: Mapping[Task, Any] | None = None, **parameters: Any
    ) -> Any:
        """Go on from this run; see `Flow.resume_stored`."""
        from nbflow.store.resuming import resume

        return resume(self, what, dry=dry, given=parameters, results=results)


class StoredDraws:
    """The states of global generators of random numbers that tasks of a stored run met and left; see `Draws`.

    Raises:
        DamagedStoreError: If one can be no state.
    """

    def __init__(self, run: StoredRun) -> None:
        self.met: dict[tuple[Task, int], dict[str, Any]] = {}
        self.left: dict[tuple[Task, int], dict[str, Any]] = {}
        self._drawn: dict[Task, frozenset[str]] | None = None
        for task in run.graph.tasks:
            for index, header in run.headers.get(run.graph.slugs[task], {}).items():
                place = task, -1 if index is None else index
                try:
                    self.met[place], self.left[place] = unpacked(header.met), unpacked(header.left)
                except (ValueError, TypeError, OverflowError) as error:
                    path = run.folder / value_name(header.slug, header.index)
                    raise DamagedStoreError(str(path), f"a state of a generator can not be read ({error})") from error

    def names_of(self, task: Task) -> frozenset[str]:
        """Return the generators that a task may have drawn on."""
        if self._drawn is None:
            self._drawn = drawn_in(self)
        return self._drawn.get(task, frozenset())


class _Results(Mapping["Task", Any]):
    """The results of a stored run, unpickled one by one."""

    def __init__(self, run: StoredRun) -> None:
        self._run = run

    def __getitem__(self, task: Task) -> Any:
        header = self._run.header(task)
        if header is not None and header.not_kept:
            raise NotKeptError(header.slug, header.not_kept)
        if not self._run.states[task].is_successful():
            raise KeyError(task)
        return self._run.load(task).result

    def __iter__(self) -> Iterator[Task]:
        for task, state in self._run.states.items():
            header = self._run.header(task)
            if state.is_successful() and not (header is not None and header.not_kept):
                yield task

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<results of {self._run!r}>"
