"""The folder of one flow in a store: its runs, oldest first."""

from __future__ import annotations

import os
import shutil
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbflow.errors import StoreError
from nbflow.store.filenames import FACTS, number_of, safe_name
from nbflow.store.metadata import is_going, read_facts
from nbflow.store.recorder import Recorder
from nbflow.store.secure_files import check_folder, in_our_words
from nbflow.store.stored_reuse import AlsoStored, StoredReuse
from nbflow.store.stored_run import StoredRun
from nbflow.store.writer import LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nbflow.core.states import State
    from nbflow.core.task import Task
    from nbflow.engine.compiled_graph import CompiledGraph
    from nbflow.engine.reuse import NoReuse
    from nbflow.engine.run import Run
    from nbflow.store.entry import Header
    from nbflow.store.kept import Kept

KEPT_RUNS = 5


class FlowStore:
    """Where the results of a flow's runs are kept. Its methods may be called from any thread.

    Args:
        path: The folder of the store; that of the flow is inside, named after it.
        flow: The flow, a `Flow`: not named here, since it is in a room above.

    Attributes:
        limit_s: How long one result may take to be pickled and written, in seconds.
    """

    def __init__(self, path: str | os.PathLike[str], flow: Any) -> None:
        self.path = Path(path)
        self.flow = flow
        self.limit_s = LIMIT_S
        self._files: weakref.WeakKeyDictionary[State, tuple[Path, Header]] = weakref.WeakKeyDictionary()
        self._objects: dict[int, tuple[Kept, str]] = {}
        self._recorders: weakref.WeakSet[Recorder] = weakref.WeakSet()
        self._inherited: weakref.WeakKeyDictionary[Run, dict[str, list[str]]] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    @property
    def folder(self) -> Path:
        """The folder of the flow; it need not exist."""
        return self.path / safe_name(self.flow.name)

    def keep(
        self, run: Run, given: dict[Task, State], sources: dict[Task, str], is_hurried: Callable[[], bool]
    ) -> None:
        """Have the results of a run kept; to be called before it begins. For the arguments see `Recorder`."""
        with self._lock:
            self._inherited[run] = self._inheritance_of(run)
        recorder = Recorder(self, run, given, sources, is_hurried, limit_s=self.limit_s)
        self._recorders.add(recorder)
        run._record.log.listen(recorder)

    def wait_until_written(self) -> None:
        """Wait until all is on disk that runs have given to be written; from any thread."""
        for recorder in tuple(self._recorders):
            recorder.wait()

    def runs(self) -> list[StoredRun]:
        """Return the runs that are kept, oldest first; none if nothing was ever kept.

        Raises:
            StoreUnavailableError: If one cannot be read, is damaged, newer, or can be somebody else's.
        """
        return [StoredRun.read(self, folder) for folder in self._folders()]

    def readable_runs(self) -> tuple[list[StoredRun], list[StoreError]]:
        """Return the runs that can be read, oldest first, and what is said of the others, or of the whole folder."""
        found: list[StoredRun] = []
        trouble: list[StoreError] = []
        try:
            folders = self._folders()
        except StoreError as error:
            return [], [error]
        for folder in folders:
            try:
                found.append(StoredRun.read(self, folder))
            except StoreError as error:
                trouble.append(error)
        return found, trouble

    def newest(self) -> StoredRun | None:
        """Return the newest run that is kept.

        Raises:
            StoreUnavailableError: As for `runs`; older ones are not looked at.
        """
        folders = self._folders()
        return StoredRun.read(self, folders[-1]) if folders else None

    def last_number(self) -> int:
        """Return the number of the newest run, 0 if there is none or it cannot be found out."""
        try:
            folders = self._folders()
        except StoreError:
            return 0
        return (number_of(folders[-1].name) or 0) if folders else 0

    def remember(self, state: State, path: Path, header: Header) -> None:
        """Note which file holds the result of a state."""
        with self._lock:
            self._files[state] = path, header

    def known(self, state: State) -> tuple[Path, Header] | None:
        """Return the file that holds the result of a state, if it is in this store."""
        with self._lock:
            return self._files.get(state)

    def inherited_by(self, run: Run) -> dict[str, list[str]]:
        """Return who changes whose value in place, of what a run takes over as it once was on disk; by slug."""
        with self._lock:
            return self._inherited.get(run, {})

    def reuse_after(self, run: Run, graph: CompiledGraph, reuse: NoReuse) -> NoReuse:
        """Return what knows which values of a run may be handed on, in memory and as they once were on disk."""
        inherited = self.inherited_by(run)
        return AlsoStored(reuse, StoredReuse(graph, inherited)) if inherited else reuse

    def offer(self, kept: Iterable[tuple[int, Kept, str]]) -> None:
        """Note what a run has kept, for those that come after it: by identity, with the fingerprints."""
        found = {key: (one, print_of) for key, one, print_of in kept}
        with self._lock:
            self._objects = {k: one for k, one in self._objects.items() if one[0].value() is not None} | found

    def find(self, value: Any, print_of: Callable[[], str | None]) -> Kept | None:
        """Return what an earlier run has kept of the same object with the same contents."""
        with self._lock:
            known = self._objects.get(id(value))
        if known is None or not known[0].holds(value) or known[1] != print_of():
            return None
        return known[0]

    def drop_old(self) -> None:
        """Remove all runs but the newest ones and those that go on; what cannot be removed stays."""
        for folder in self._folders()[:-KEPT_RUNS]:
            try:
                facts = read_facts(folder)
                if facts.ended is None and is_going(folder, facts.pid):
                    continue
            except StoreError:
                continue  # whatever it is, it is not ours to remove
            shutil.rmtree(folder, ignore_errors=True)

    def _inheritance_of(self, run: Run) -> dict[str, list[str]]:
        parent, plan = run.parent, run.plan
        if parent is None or plan is None:
            return {}
        changes = parent.changes if isinstance(parent, StoredRun) else self._inherited.get(parent, {})
        kept = {run.graph.slugs[step.task] for step in plan.steps if not step.runs}
        found = {
            owner: [one for one in changers if one in kept] for owner, changers in changes.items() if owner in kept
        }
        return {owner: changers for owner, changers in found.items() if changers}

    def _folders(self) -> list[Path]:
        folder = self.folder
        if not folder.exists():
            return []
        check_folder(folder)
        with in_our_words(folder):
            found = [
                (number, path)
                for path in folder.iterdir()
                # Without facts it is being made, or its kernel died while it was.
                if (number := number_of(path.name)) is not None and os.path.lexists(path / FACTS)
            ]
        return [path for _, path in sorted(found)]
