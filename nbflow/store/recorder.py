"""The listener that keeps a run's results on disk while it goes on, so that its kernel may die at any moment."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from nbflow.core.codehash.code_fingerprint import fingerprint_of
from nbflow.core.collections import Constant
from nbflow.core.data.fingerprint import fingerprint
from nbflow.core.parameter import Parameter
from nbflow.core.states import Finished, Looped, Mapped, Paused, Pending, Running, State
from nbflow.engine.breakpoints import EDITED, PINNED
from nbflow.engine.compiled_graph import ORDINARY
from nbflow.engine.events import Event, warn_safely
from nbflow.engine.remote_value import is_reference
from nbflow.engine.run_label import given_name
from nbflow.engine.state_values import held_by
from nbflow.errors import StoreError, ValueReleasedError
from nbflow.store.entry import SET_UP_AGAIN, Header, contents_of
from nbflow.store.filenames import content_name, run_name, value_name
from nbflow.store.generators import packed
from nbflow.store.input_signature import inputs_of
from nbflow.store.label_file import LabelFile
from nbflow.store.metadata import Facts, hold, let_go, write_facts
from nbflow.store.outbox import Outbox, link_or_copy
from nbflow.store.secure_files import make_folder
from nbflow.store.state_codec import message_of, state_name
from nbflow.store.times_file import write_times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from nbflow.core.task import Task
    from nbflow.engine.run import Run
    from nbflow.store.folder import FlowStore
    from nbflow.store.writer import Job


class Recorder:
    """Keeps one run. Called with each event, on the run's thread; never raises, and never waits without limit.

    Args:
        store: Where.
        run: The run, before it begins.
        given: The states that it starts from.
        sources: Where values come from that the run did not compute; changes while it goes on.
        is_hurried: Whether the run was told to stop.
        limit_s: How long one result may take to be pickled and written.
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
        self._label = LabelFile(self._folder, run)
        run._label_changed = self._keep_label
        self._outbox = Outbox(store, self._folder, run, is_hurried, limit_s=limit_s)
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
            self._tell_trouble()
            self._take(event, event.state)
        except Exception as error:  # noqa: BLE001 - such as a user's class that raises when it is looked at
            self._warn(error)
            self._close()

    def wait(self) -> None:
        """Wait until all that was taken so far is written or given up; from any thread."""
        self._outbox.writer.wait()

    def _take(self, event: Event, state: State) -> None:
        if event.kind == "task":
            if _is_kept(state) and event.task is not None:
                self._keep_end(event, event.task, state)
            elif type(state) is Pending and _is_kept(event.old) and event.task is not None:
                # Undone, or to be tried again: who goes on from the store is not to find what does not count any more.
                self._outbox.withdraw(self._run.graph.slugs[event.task], event.map_index)
        elif event.kind == "run":
            if isinstance(state, Running) and not self._has_begun:
                self._has_begun = True
                self._begin(event.time)
            elif state.is_finished():
                self._end(state, event.time)
            elif isinstance(state, Paused) and self._lock is not None:
                # A kernel ends most often while somebody thinks: what was known until then is there.
                self._outbox.do(lambda job: write_times(self._folder, self._run))

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
            changed=self._store.inherited_by(run),
            tasks=[run.graph.slugs[task] for task in run.graph.tasks],
            parameters={name: "" if task.required else fingerprint(task.default) for name, task in parameters.items()},
        )

        def begin(job: Job) -> None:
            make_folder(self._store.folder)
            make_folder(self._folder)
            self._lock = hold(self._folder)
            write_facts(self._folder, self._facts)
            if run.tags or run.note or given_name(run):
                self._label.write()

        is_there = self._outbox.do(begin)
        self._tell_trouble()
        if not is_there or self._has_warned:
            self._close()
            return
        for name, parameter in parameters.items():
            if name in run.parameters:
                header = self._header(parameter, None, "Success", now)
                self._outbox.keep(header, run.parameters[name], None, parameter, may_change=True)
        self._keep_given(now)
        self._given = {}

    def _keep_label(self) -> None:
        """Keep what the run is called from now on; called where that is said, which may be long after its end."""
        try:
            self._label.update()
        except StoreError as error:
            warn_safely(f"what run {self._run.number} of {self._run.graph.name!r} is called is not kept ({error})")

    def _end(self, state: State, now: float) -> None:
        slugs = self._run.graph.slugs
        # A value may be said to be edited or pinned after it was kept.
        said = {slugs[task]: source for task, source in self._sources.items() if source in (EDITED, PINNED)}
        self._facts = replace(
            self._facts,
            state=state_name(state),
            message=message_of(state),
            ended=now,
            sources=said,
            changed=self._all_changes(),
        )

        def end(job: Job) -> None:
            write_times(self._folder, self._run)
            write_facts(self._folder, self._facts)
            self._store.drop_old()

        if self._lock is not None:
            self._outbox.writer.finish()
            self._outbox.do(end)
            self._tell_trouble()
            self._store.offer(self._outbox.objects.to_be_found())
        self._close()

    def _close(self) -> None:
        self._is_off = True
        self._outbox.writer.close()
        if self._lock is not None:
            let_go(self._lock)
            self._lock = None

    # -- tasks ----------------------------------------------------------------------------------------------------

    def _keep_end(self, event: Event, task: Task, state: State) -> None:
        if isinstance(task, Constant) or (isinstance(task, Parameter) and state.is_successful()):
            return  # the flow knows the one, and the other was kept when the run began
        index = event.map_index
        if index is None or event.attempt > 1:
            self._prints.pop(task, None)  # it may have been fixed since
            if event.attempt > 1:
                self._outbox.safety.redefined()
        held = self._run.states[task]  # an event carries no value
        if index is not None:
            if not isinstance(held, Mapped):
                return
            held = held.map_states[index]
        header = self._header(task, index, state_name(state), event.time, state, self._changed_by(task, index))
        self._keep_state(header, held, task)

    def _keep_given(self, now: float) -> None:
        """Keep what an earlier run has computed: as a link to its file, else as something of unknown code."""
        links: list[tuple[State, Path, Header]] = []
        others: list[tuple[Task, int | None, State]] = []
        for task, index, state in self._given_states():
            name = value_name(self._run.graph.slugs[task], index)
            known = self._store.known(state)
            if known is not None and known[0].name == name:
                links.append((state, *known))
            else:
                others.append((task, index, state))
        linked: set[int] = set()  # their ids: equal states are not the same

        def link(job: Job) -> None:
            for state, old, header in links:
                with suppress(OSError):
                    if header.apart:
                        link_or_copy(contents_of(old, header), self._folder / content_name(header.digest))
                    link_or_copy(old, self._folder / old.name)
                    self._store.remember(state, self._folder / old.name, header)
                    linked.add(id(state))

        if links:
            self._outbox.do(link)
        places = {id(state): (task, index) for task, index, state in self._given_states()}
        others += [(*places[id(state)], state) for state, *_ in links if id(state) not in linked]
        for task, index, state in others:
            self._keep_state(self._header_of_given(task, index, state, now), state, task)
        for task, index, state in self._given_states():
            if not isinstance(state, Mapped):
                self._outbox.objects.own(vars(state).get("result"), task, index, state)

    def _given_states(self) -> Iterable[tuple[Task, int | None, State]]:
        for task, state in self._given.items():
            if task not in self._run.graph.index or isinstance(task, (Constant, Parameter)):
                continue
            if isinstance(state, Finished):
                yield task, None, state
                if isinstance(state, Mapped):
                    for index, child in enumerate(state.map_states):
                        if isinstance(child, Finished):
                            yield task, index, child

    def _header_of_given(self, task: Task, index: int | None, state: State, now: float) -> Header:
        header = self._header(task, index, state_name(state), now, state)
        like = self._known_child(state) if isinstance(state, Mapped) else None
        if like is not None:  # another parent of the same children
            return replace(header, code=like.code, inputs=like.inputs, run=like.run)
        return replace(header, code="", run="")

    def _known_child(self, state: Mapped) -> Header | None:
        found = (self._store.known(child) for child in state.map_states if child is not None)
        return next((known[1] for known in found if known is not None), None)

    def _header(
        self,
        task: Task,
        index: int | None,
        state: str,
        now: float,
        told: State | None = None,
        changed: list[str] | None = None,
    ) -> Header:
        run = self._run
        graph = run.graph
        if task not in self._prints:
            self._prints[task] = fingerprint_of(task), inputs_of(graph, task)
        code, inputs = self._prints[task]
        began = run.timings.get(task) if index is None else None
        place = task, -1 if index is None else index
        return Header(
            slug=graph.slugs[task],
            index=index,
            run=run.id,
            state=state,
            message=None if told is None else message_of(told),
            code=code,
            inputs=inputs,
            source="cached" if state == "Cached" else self._sources.get(task, "computed"),
            children=told.n_map_states if isinstance(told, Mapped) else None,
            began=None if began is None else began[0],
            ended=now,
            changed=changed or [],
            met=packed(run._execution.draws.met.get(place, {})),
            left=packed(run._execution.draws.left.get(place, {})),
            place=run._record.place_of(*place),
            not_kept=SET_UP_AGAIN if graph.role[graph.index[task]] != ORDINARY else "",
        )

    def _keep_state(self, header: Header, state: State, task: Task) -> None:
        value = None
        if not isinstance(state, Mapped):
            try:
                value = held_by(state)
            except ValueReleasedError as error:
                header = replace(header, not_kept=header.not_kept or f"it was given back: {error.why}")
            if not is_reference(value):
                self._outbox.objects.own(value, task, header.index, state)
        self._outbox.keep(header, value, state, task)

    # -- what tasks change in place ---------------------------------------------------------------------------------

    def _changed_by(self, task: Task, index: int | None) -> list[str]:
        """Return the tasks whose values a call was seen to change, by slug."""
        taken = self._run._execution.home.taken.get((task, -1 if index is None else index), {})
        found: dict[str, None] = {}
        for one in taken.values():
            for followed, version in one.parts:
                if any(task in change.by for change in followed.versions[version + 1 :]):
                    for owner in self._outbox.objects.owners_of(followed):
                        found[self._run.graph.slugs[owner]] = None
        return list(found)

    def _all_changes(self) -> dict[str, list[str]]:
        """Return the tasks that changed the value of a task, by slug."""
        graph, found = self._run.graph, dict(self._facts.changed)
        for task, followed in self._outbox.objects.owned():
            by = [one for change in followed.versions[1:] for one in change.by]
            nodes = sorted({graph.index[one] for one in by if one in graph.index and one is not task})
            if nodes:
                changers = (graph.slugs[graph.tasks[node]] for node in nodes)
                slug = graph.slugs[task]
                found[slug] = list(dict.fromkeys((*found.get(slug, ()), *changers)))
        return found

    # -- trouble --------------------------------------------------------------------------------------------------

    def _tell_trouble(self) -> None:
        while self._outbox.trouble:
            self._warn(self._outbox.trouble.pop(0))

    def _warn(self, why: object) -> None:
        if not self._has_warned:
            self._has_warned = True
            if not isinstance(why, (StoreError, str)):
                why = f"{type(why).__name__}: {why}"
            warn_safely(
                f"not all results of run {self._run.number} of {self._run.graph.name!r} are kept ({why}); "
                "the run goes on"
            )


def _is_kept(state: State | None) -> bool:
    return isinstance(state, Finished) and not isinstance(state, Looped)
