"""What a run gives to be written: decides how each value is kept, and has that done by the writer's threads."""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nbflow.core.data.value_traits import is_fixed, size_of
from nbflow.core.data.value_type import identity, type_of
from nbflow.engine.error_text import error_text
from nbflow.engine.object_versions import ATOMS
from nbflow.engine.remote_value import Gathered, RemoteValue, is_reference
from nbflow.engine.state_values import held_by
from nbflow.errors import CannotCopyError
from nbflow.store.contents import MOST_INLINE, Contents, Pickled
from nbflow.store.entry import Header, write_entry
from nbflow.store.filenames import content_name, value_name
from nbflow.store.kept import Entry, Kept, Objects
from nbflow.store.safety import SMALL, Safety, copied_ahead
from nbflow.store.writer import Job, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from nbflow.core.states import State
    from nbflow.core.task import Task
    from nbflow.engine.run import Run
    from nbflow.store.folder import FlowStore

MOST_WAITING = 1 << 30  # bytes of values that wait to be written; then the run waits too
UNKNOWN = 1 << 20  # what a value counts whose size nobody knows
MOST_PICKLED = 64 << 20  # bytes of one that was pickled before the run went on, and waits to be written
_SLOW = "its disk does not answer, or its results take too long to pickle"


class Outbox:
    """Takes the entries of one run, on the run's thread.

    Args:
        store: Where.
        folder: That of the run.
        run: The run, before it begins.
        is_hurried: Whether the run was told to stop.
        limit_s: How long one result may take to be pickled and written.

    Attributes:
        writer: Does its jobs.
        objects: What it has kept.
        safety: Which values may be changed while the run goes on.
        trouble: What went wrong, for the run's thread to tell.
    """

    def __init__(
        self, store: FlowStore, folder: Path, run: Run, is_hurried: Callable[[], bool], *, limit_s: float
    ) -> None:
        self._store = store
        self._folder = folder
        self.writer = Writer(f"nbflow-store-{run.graph.name}-{run.number}", is_hurried, limit_s=limit_s)
        self._limit_s = limit_s
        self._numbers: dict[Path, int] = {}
        self._committing = threading.Lock()
        self.safety = Safety(run.graph, lambda task: held_by(run.states[task]))
        self.objects = Objects(run._execution.home, run.id, store.find)
        self.trouble: list[BaseException | str] = []

    def keep(self, header: Header, value: Any, state: State | None, task: Task, *, may_change: bool = False) -> None:
        """Have an entry written, with the value as it is now."""
        path = self._folder / value_name(header.slug, header.index)
        number = self._numbers[path] = self._numbers.get(path, 0) + 1
        entry = Entry(path=path, header=header, state=state, number=number)
        if header.not_kept:
            self._write_later(entry, Contents(not_kept=header.not_kept))
            return
        if identity(type(value)) in ATOMS and not (type_of(value) in (bytes, str) and len(value) > MOST_INLINE):
            atom = Kept(state, "", 0)
            atom.awaits(entry)
            self._later(atom, lambda job: Pickled(self._folder, value, tick=job.tick).kept(), 0)
            return
        kept: Kept | None = self.objects.find(value)
        if kept is not None:
            kept = self._linked(kept, value, state)
        if kept is None:
            kept = self.objects.add(value, state)
            kept.awaits(entry)
            self._pickle(kept, value, task, may_change)
        elif not kept.awaits(entry) and kept.contents is not None:
            self._write_later(_named(entry, kept), kept.contents)

    def withdraw(self, slug: str, index: int | None) -> None:
        """Have no entry of a task or child any more, until another one is kept."""
        path = self._folder / value_name(slug, index)
        number = self._numbers[path] = self._numbers.get(path, 0) + 1

        def remove(job: Job) -> None:
            with self._troubled(), self._committing:
                if self._numbers[path] == number:
                    path.unlink(missing_ok=True)

        self.writer.later(Job(remove, lambda: self.trouble.append(_SLOW)))

    def _linked(self, kept: Kept, value: Any, state: State | None) -> Kept | None:
        """Give what an earlier run has kept a name in this one's folder; None if that is not possible."""
        contents, folder = kept.contents, kept.folder
        if folder == self._folder or contents is None or folder is None:
            return kept
        if contents.data is None:
            name, linked = content_name(contents.digest), []

            def link(job: Job) -> None:
                with suppress(OSError):
                    link_or_copy(folder / name, self._folder / name)
                    linked.append(name)

            if not self.do(link) or not linked:
                return None
        mine = self.objects.add(value, state)
        mine.pickled(contents, self._folder)
        return mine

    def _pickle(self, kept: Kept, value: Any, task: Task, may_change: bool) -> None:
        """Pickle a value behind the run if nobody can change it meanwhile, else at once.

        One that is elsewhere is fetched for that, and not kept here.
        """
        size = value.facts.size if is_reference(value) else size_of(value)
        size = UNKNOWN if size is None else size
        if self.writer.size + size < MOST_WAITING:
            try:
                if type(value) is Gathered:
                    value = value.with_leaves(_as_it_is)
                elif may_change or self.safety.may_be_changed(task, value):
                    value = _as_it_is(value)
            except CannotCopyError:
                pass
            else:
                for one in _references_in(value):  # it is brought if its cluster is closed before it was read
                    one.await_reader()
                self._later(kept, lambda job: self._read(value, job), 0 if size < SMALL else size)
                return
        found: list[Pickled] = []

        def pickle(job: Job) -> None:
            read = value.read() if is_reference(value) else value
            pickled = Pickled(self._folder, read, most_in_memory=MOST_PICKLED, tick=job.tick)
            if job.settle():
                found.append(pickled)
            else:
                pickled.discard()

        if not self.do(pickle):
            self._give_up(kept)
        elif found:
            self._later(kept, lambda _: found.pop().kept(), found[0].size)

    def _read(self, value: Any, job: Job) -> Contents:
        try:
            read = value.read() if is_reference(value) else value
        except Exception as error:  # noqa: BLE001 - it is gone, or cannot be made again here
            return Contents(not_kept=f"it could not be fetched: {error_text(error)}")
        finally:
            for one in _references_in(value):
                one.note_read()
        return Pickled(self._folder, read, tick=job.tick).kept()

    def _later(self, kept: Kept, contents_of: Callable[[Job], Contents], size: int) -> None:
        def write(job: Job) -> None:
            with self._troubled():
                contents = contents_of(job)
                if job.settle():
                    for entry in kept.pickled(contents, self._folder):
                        self._write(_named(entry, kept), contents)

        self.writer.later(Job(write, lambda: self._give_up(kept), size))

    def _give_up(self, kept: Kept) -> None:
        contents = Contents(not_kept=f"it took longer than {self._limit_s:g} s to pickle and write it")
        for entry in kept.pickled(contents, self._folder):
            self._write_later(entry, contents)

    def _write_later(self, entry: Entry, contents: Contents) -> None:
        def write(job: Job) -> None:
            with self._troubled():
                self._write(entry, contents, may_commit=job.settle)

        self.writer.later(Job(write, lambda: self.trouble.append(_SLOW)))

    def _write(self, entry: Entry, contents: Contents, *, may_commit: Callable[[], bool] = lambda: True) -> None:
        has_counted = False

        def counts() -> bool:
            nonlocal has_counted
            has_counted = self._numbers[entry.path] == entry.number and may_commit()
            return has_counted

        with self._committing:  # an older entry must not come between the question and the answer
            written = write_entry(entry.path, entry.header, contents, may_commit=counts)
        if has_counted and entry.state is not None:
            self._store.remember(entry.state, entry.path, written)

    @contextmanager
    def _troubled(self) -> Iterator[None]:
        """Have the run's thread tell what goes wrong on another one."""
        try:
            yield
        except BaseException as error:  # noqa: BLE001 - told later
            self.trouble.append(error)

    def do(self, work: Callable[[Job], None]) -> bool:
        """Do something on the disk while the run waits; False if it took too long."""

        def safely(job: Job) -> None:
            with self._troubled():
                work(job)

        return self.writer.do(safely)


def _as_it_is(value: Any) -> Any:
    """Return a value that nobody can change, with the contents of this one; CannotCopyError if that costs much."""
    return value if is_fixed(value) else copied_ahead(value)


def _references_in(value: Any) -> Sequence[RemoteValue]:
    if type(value) is Gathered:
        return value.references()
    return (value,) if type(value) is RemoteValue else ()


def _named(entry: Entry, kept: Kept) -> Entry:
    return replace(entry, header=replace(entry.header, object=kept.name)) if kept.name else entry


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
