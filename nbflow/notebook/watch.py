"""Ordinary cells: what they add to a flow in `with flow:` is their contribution, as in a cell of `%%flow`.

IPython tells when a cell begins and ends, and a flow tells when it is entered. In between, a cell that fails leaves
the flow as it was, and one that makes its `Flow` anew brings along what the other cells had added to the former one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from IPython.display import display

from nbflow.core.context import thread
from nbflow.core.task import Task
from nbflow.errors import NbflowError
from nbflow.flow import Flow
from nbflow.notebook.cells import Change, cells_of
from nbflow.notebook.identity import Names, cell_key, names_in
from nbflow.notebook.news import News
from nbflow.notebook.numbering import cell_label
from nbflow.notebook.shield import Shield
from nbflow.notebook.surgery import Snapshot, begin_made, end_made
from nbflow.notebook.tables import warning
from nbflow.registry import flows

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

CONTEXT_KEY = "cell"
_MAGIC_CELL = re.compile(r"\s*(%%(?!flow\b|task\b)[^\n]*\n\s*)*%%(flow|task)\b")


@dataclass(slots=True)
class _Entered:
    """A flow that the cell has entered."""

    change: Change
    news: News
    is_first: bool
    former: Flow | None = None
    former_snapshot: Snapshot | None = None


@dataclass(slots=True)
class _Now:
    """The cell that is being executed."""

    key: str
    cell_id: str | None
    source: str
    names: Names
    is_magic: bool
    before: dict[str, Any]
    numbers: dict[str, int]
    entered: dict[int, _Entered] = field(default_factory=dict)
    left_alone: set[int] = field(default_factory=set)


class CellWatch:
    """Follows the cells of one shell; IPython calls `begin` and `end`, a flow `entering`."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self._now: _Now | None = None
        self._made_by: dict[tuple[str, str], Flow] = {}

    def begin(self, info: ExecutionInfo) -> None:
        """Note which cell is about to be executed."""
        source = str(info.raw_cell)
        is_magic = _MAGIC_CELL.match(source) is not None
        names = (
            names_in(self.shell.transform_cell(source)) if not is_magic and "with" in source else _NO_NAMES
        )
        cell_id = getattr(info, "cell_id", None)
        self._now = _Now(
            key=cell_key(cell_id, source, names),
            cell_id=cell_id,
            source=source,
            names=names,
            is_magic=is_magic,
            before=dict(self.shell.user_ns),
            numbers={name: cells_of(flow)._number for name, flow in flows.items()},
        )
        if not is_magic:
            thread.data[CONTEXT_KEY] = self

    def entering(self, flow: Flow) -> None:
        """Begin the cell's change of `flow`, when it is entered for the first time."""
        now = self._now
        if now is None or id(flow) in now.entered or id(flow) in now.left_alone or flow._entered:
            return
        cells = cells_of(flow)
        former = None if flow.tasks else self._former(flow, now)
        snapshot = None if former is None else Snapshot(former)
        if former is not None:
            cells.take_over(cells_of(former))
            flow.go_on_from(former)
        label = cell_label(self.shell)
        change = Change(
            cells,
            now.key,
            label,
            self.shell.user_ns,
            source=now.source,
            reads=now.names.read,
            binds=now.names.bound,
        )
        entered = _Entered(change, News(flow, label), not cells.book.contributions, former, snapshot)
        with Shield():
            now.entered[id(flow)] = entered
            begin_made(flow)
            change.begin()

    def _former(self, flow: Flow, now: _Now) -> Flow | None:
        """Return the flow that the same cell made before, under the same name."""
        former = self._made_by.get((now.key, flow.name))
        is_new = all(held is not flow for held in now.before.values())
        return former if former is not flow and is_new else None

    def let_go(self, flow: Flow) -> None:
        """Leave `flow` alone in this cell: a magic that the cell calls looks after it."""
        if self._now is not None:
            entered = self._now.entered.pop(id(flow), None)
            if entered is not None:
                entered.change.undo()
            self._now.left_alone.add(id(flow))

    def end(self, result: ExecutionResult) -> None:
        """Keep what the cell has added if it ended well, else undo it."""
        now, self._now = self._now, None
        thread.data.pop(CONTEXT_KEY, None)
        if now is None:
            return
        for entered in now.entered.values():
            with Shield():
                self._finish(entered, now, is_well=bool(result.success))
        if result.success:
            self._drop_stale(now)
            if not now.is_magic:
                self._follow_names(now)

    def _finish(self, entered: _Entered, now: _Now, *, is_well: bool) -> None:
        flow = entered.change.graph
        assert isinstance(flow, Flow)
        is_contribution = is_well and self._keep(entered, now)
        if not is_well:
            entered.change.undo()
        end_made(flow)
        if not is_contribution and entered.former_snapshot is not None:
            entered.former_snapshot.restore()
            assert entered.former is not None
            entered.former.go_on_from(flow)
        is_here = any(held is flow for name, held in self.shell.user_ns.items() if not name.startswith("_"))
        if is_well and is_here and all(held is not flow for held in now.before.values()):
            flows[flow.name] = flow
            if is_contribution:
                self._made_by[now.key, flow.name] = flow
        if is_contribution:
            entered.news.show()

    def _keep(self, entered: _Entered, now: _Now) -> bool:
        """Keep the change as a contribution; False if the flow is not valid with it."""
        change = entered.change
        try:
            change.end(held_before=now.before)
        except NbflowError as error:
            if entered.is_first:
                # A flow that this cell alone makes is what it is, as in any program: running it says why not.
                change.leave()
            else:
                change.undo()
                said = f"{change.graph.name}: {error}. The flow is as it was before this cell"
                display(warning([said]), raw=True)
            return False
        except BaseException:
            change.undo()
            raise
        change.commit()
        return True

    def _drop_stale(self, now: _Now) -> None:
        """Take out what the cell had added to flows that it no longer mentions."""
        if now.cell_id is None:
            return
        for name, flow in list(flows.items()):
            cells = cells_of(flow)
            one = cells.book.id_of(f"id {now.cell_id}")
            if one is None or cells.book.contributions[one].number > now.numbers.get(name, -1):
                continue
            news = News(flow, cell_label(self.shell))
            try:
                cells.remove_cell(f"id {now.cell_id}", self.shell.user_ns)
            except NbflowError as error:
                display(warning([f"{name}: {error}. What this cell had added is still there"]), raw=True)
            news.show()

    def _follow_names(self, now: _Now) -> None:
        """Put a task that the cell made anew, outside of any flow, in the place of the one that its name held."""
        for name in now.before.keys() & self.shell.user_ns.keys():
            old, new = now.before[name], self.shell.user_ns[name]
            if old is new or name.startswith("_") or not (isinstance(old, Task) and type(old) is type(new)):
                continue
            for flow in flows.values():
                if old in flow.tasks and new not in flow.tasks and cells_of(flow).is_shared(old):
                    try:
                        cells_of(flow).substitute(old, new)
                    except NbflowError as error:
                        display(warning([f"{flow.name}: {error}"]), raw=True)


_NO_NAMES = Names(bound=frozenset(), read=frozenset())
