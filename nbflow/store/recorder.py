"""The listener that keeps a run's results on disk while it goes on, so that its kernel may die at any moment."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nbflow.core.code import fingerprint_of
from nbflow.core.collections import Constant
from nbflow.core.fingerprint import fingerprint
from nbflow.core.parameter import Parameter
from nbflow.core.states import Finished, Looped, Mapped, Running, State
from nbflow.engine.events import Event, warn_safely
from nbflow.engine.frozen import ORDINARY
from nbflow.engine.holds import EDITED, PINNED
from nbflow.errors import StoreError
from nbflow.store.entry import ANEW, Header, write_entry
from nbflow.store.facts import Facts, hold, let_go, write_facts
from nbflow.store.naming import run_name, value_name
from nbflow.store.prints import inputs_of
from nbflow.store.private import make_folder
from nbflow.store.statenames import message_of, state_name
from nbflow.store.writer import Job, Writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nbflow.core.task import Task
    from nbflow.engine.handle import Run
    from nbflow.store.folder import FlowStore


class Recorder:
    """Keeps one run. Called with each event, on the run's thread; never raises, and never waits without limit.

    Args:
        store: Where.
        run: The run, before it begins.
        given: The states that it starts from.
        sources: Where values come from that the run did not compute; changes while it goes on.
        is_hurried: Whether the run was told to stop.
        limit_s: How long the run waits for one result to be pickled and written.
    """

    def __init__(
        self,
        store: FlowStore,
        run: Run,
        given: dict[Task, State],
        sources: dict[Task, str],
        is_hurried: Callable[[], bool],
        *,
        limit_s: float,
    ) -> None:
        self._store = store
        self._run = run
        self._given = given
        self._sources = sources
        self._folder: Path = store.folder / run_name(run.number, run.id)
        self._facts = Facts(flow=run.graph.name, id=run.id, number=run.number, pid=os.getpid())
        self._writer = Writer(f"nbflow-store-{run.graph.name}-{run.number}", is_hurried, limit_s=limit_s)
        self._limit_s = limit_s
        self._prints: dict[Task, tuple[str, dict[str, str]]] = {}
        self._lock: int | None = None
        self._has_begun = False
        self._is_off = False
        self._has_warned = False

    def __call__(self, event: Event) -> None:
        """Keep what the event tells of, if that is an end."""
        if self._is_off or event.state is None:
            return
        try:
            self._take(event, event.state)
        except Exception as error:  # noqa: BLE001 - such as a user's class that raises when it is looked at
            self._warn(error)
            self._close()

    def _take(self, event: Event, state: State) -> None:
        if event.kind == "task":
            if isinstance(state, Finished) and not isinstance(state, Looped) and event.task is not None:
                self._keep_end(event, event.task, state)
        elif event.kind == "run":
            if isinstance(state, Running) and not self._has_begun:
                self._has_begun = True
                self._begin(event.time)
            elif state.is_finished():
                self._end(state, event.time)

    # -- the run --------------------------------------------------------------------------------------------------

    def _begin(self, now: float) -> None:
        run = self._run
        parameters = {task.name: task for task in run.graph.tasks if isinstance(task, Parameter)}
        parent = run.parent
        self._facts = replace(
            self._facts,
            began=now,
            kind=run.kind,
            parent="" if parent is None else parent.id,
            tasks=[run.graph.slugs[task] for task in run.graph.tasks],
            parameters={
                name: "" if task.required else fingerprint(task.default) for name, task in parameters.items()
            },
        )

        def begin(job: Job) -> None:
            make_folder(self._store.folder)
            make_folder(self._folder)
            self._lock = hold(self._folder)
            write_facts(self._folder, self._facts)

        if not self._do(begin) or self._has_warned:
            self._close()
            return
        for name, parameter in parameters.items():
            if name in run.parameters:
                self._write(self._header(parameter, None, "Success", now), run.parameters[name], None)
        for task, state in self._given.items():
            if task in run.graph.index and isinstance(state, Finished):
                self._keep_given(task, state, now)
        self._given = {}

    def _end(self, state: State, now: float) -> None:
        slugs = self._run.graph.slugs
        # A value may be said to be edited or pinned after it was kept.
        said = {slugs[task]: source for task, source in self._sources.items() if source in (EDITED, PINNED)}
        self._facts = replace(
            self._facts, state=state_name(state), message=message_of(state), ended=now, sources=said
        )

        def end(job: Job) -> None:
            write_facts(self._folder, self._facts)
            self._store.drop_old()

        if self._lock is not None:
            self._do(end)
        self._close()

    def _close(self) -> None:
        self._is_off = True
        self._writer.close()
        if self._lock is not None:
            let_go(self._lock)
            self._lock = None

    # -- tasks ----------------------------------------------------------------------------------------------------

    def _keep_end(self, event: Event, task: Task, state: State) -> None:
        if isinstance(task, Constant) or (isinstance(task, Parameter) and state.is_successful()):
            return  # the flow knows the one, and the other was kept when the run began
        if event.map_index is None or event.attempt > 1:
            self._prints.pop(task, None)  # it may have been mended since
        header = self._header(task, event.map_index, state_name(state), event.time, state)
        value = None if isinstance(state, Mapped) else state.result
        self._write(header, value, state)

    def _keep_given(self, task: Task, state: State, now: float) -> None:
        """Keep what an earlier run has computed: as a link to its file, else as something of unknown code."""
        if isinstance(task, (Constant, Parameter)):
            return
        self._link_or_write(task, None, state, now)
        if isinstance(state, Mapped):
            for index, child in enumerate(state.map_states):
                if isinstance(child, Finished):
                    self._link_or_write(task, index, child, now)

    def _link_or_write(self, task: Task, index: int | None, state: State, now: float) -> None:
        path = self._folder / value_name(self._run.graph.slugs[task], index)
        known = self._store.known(state)
        if known is not None and known[0].name == path.name:
            old, header = known
            linked = []

            def link(job: Job) -> None:
                with suppress(OSError):
                    link_or_copy(old, path)
                    linked.append(path)

            if self._do(link) and linked:
                self._store.remember(state, path, header)
                return
        header = self._header(task, index, state_name(state), now, state)
        like = self._known_child(state) if isinstance(state, Mapped) else None
        if like is not None:  # another parent of the same children
            header = replace(header, code=like.code, inputs=like.inputs, run=like.run)
        else:
            header = replace(header, code="", run="")
        self._write(header, None if isinstance(state, Mapped) else state.result, state)

    def _known_child(self, state: Mapped) -> Header | None:
        found = (self._store.known(child) for child in state.map_states if child is not None)
        return next((known[1] for known in found if known is not None), None)

    def _header(
        self, task: Task, index: int | None, state: str, now: float, told: State | None = None
    ) -> Header:
        run = self._run
        graph = run.graph
        if task not in self._prints:
            self._prints[task] = fingerprint_of(task), inputs_of(graph, task)
        code, inputs = self._prints[task]
        began = run.timings.get(task) if index is None else None
        return Header(
            slug=graph.slugs[task],
            index=index,
            run=run.id,
            state=state,
            message=None if told is None else message_of(told),
            code=code,
            inputs=inputs,
            source="cached" if state == "Cached" else self._sources.get(task, "computed"),
            children=len(told.map_states) if isinstance(told, Mapped) else None,
            began=None if began is None else began[0],
            ended=now,
            not_kept=ANEW if graph.role[graph.index[task]] != ORDINARY else "",
        )

    def _write(self, header: Header, value: Any, state: State | None) -> None:
        path = self._folder / value_name(header.slug, header.index)
        written: list[Header] = []

        def write(job: Job) -> None:
            written.append(write_entry(path, header, value, may_commit=job.settle))

        if not self._do(write):
            slow = replace(header, not_kept=f"it took longer than {self._limit_s:g} s to pickle and write it")
            if not self._do(lambda job: written.append(write_entry(path, slow, may_commit=job.settle))):
                self._warn("its disk does not answer, or its results take too long to pickle")
        if written and state is not None:
            self._store.remember(state, path, written[-1])

    def _do(self, work: Callable[[Job], None]) -> bool:
        """Do something on the disk; False if it took too long. Other trouble is told once."""
        trouble: list[BaseException] = []

        def safely(job: Job) -> None:
            try:
                work(job)
            except BaseException as error:  # noqa: BLE001 - told below
                trouble.append(error)

        was_in_time = self._writer.do(safely)
        if trouble and was_in_time:
            self._warn(trouble[0])
        return was_in_time

    def _warn(self, why: object) -> None:
        if not self._has_warned:
            self._has_warned = True
            if not isinstance(why, (StoreError, str)):
                why = f"{type(why).__name__}: {why}"
            warn_safely(
                f"not all results of run {self._run.number} of {self._run.graph.name!r} are kept ({why}); "
                "the run goes on"
            )


def link_or_copy(old: Path, new: Path) -> None:
    """Give a file a second name, or make a second file of it where the file system has no links.

    Raises:
        OSError: If neither is possible.
    """
    beside = new.with_name(f"{new.name}.{os.getpid()}.partial")
    with suppress(FileNotFoundError):
        os.unlink(beside)
    try:
        os.link(old, beside, follow_symlinks=False)
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise
        shutil.copyfile(old, beside, follow_symlinks=False)
        os.chmod(beside, 0o600)
    os.replace(beside, new)
