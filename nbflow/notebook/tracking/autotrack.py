"""Ordinary cells: what they add to a flow in `with flow:` is their contribution, as in a cell of `%%flow`.

IPython tells when a cell begins and ends, and a flow tells when it is made, entered and run. In between, a cell that
fails leaves the flow as it was, and one that makes its `Flow` again brings along what the other cells had added to the
former one. What a module adds while it is imported is the module's, not that of the cell which imports it.
"""

from __future__ import annotations

import sys
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbflow.core.context import thread
from nbflow.core.graph_edit import GraphSnapshot, begin_made, end_made
from nbflow.core.task import Task
from nbflow.errors import ForeignTaskError, NbflowError
from nbflow.flow import Flow
from nbflow.notebook.cells.cell_change import CellChange
from nbflow.notebook.cells.flow_cells import cells_of
from nbflow.notebook.cells.identity import NO_NAMES, Names, is_of_cell
from nbflow.notebook.cells.lent_values import give_back
from nbflow.notebook.cells.namespace import rebound
from nbflow.notebook.cells.reach import is_reached
from nbflow.notebook.inspection.dangling_report import DanglingReport, show_undefined
from nbflow.notebook.shell.defer_interrupt import DeferInterrupt
from nbflow.notebook.shell.numbering import cell_label
from nbflow.notebook.shell.tables import show_warning
from nbflow.registry import flows

if TYPE_CHECKING:
    from types import FrameType

    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

    from nbflow.notebook.tracking.current_cell import CurrentCell

CONTEXT_KEY = "cell"
_IMPORT = "<frozen importlib._bootstrap>"


@dataclass(slots=True)
class _Entered:
    """A flow that the cell has entered."""

    change: CellChange
    news: DanglingReport
    key: str
    is_first: bool
    is_made_here: bool
    former: Flow | None = None
    former_snapshot: GraphSnapshot | None = None


@dataclass(slots=True)
class _Now:
    """The cell that is being executed."""

    names: Names
    is_magic: bool
    before: dict[str, Any]
    entered: dict[int, _Entered] = field(default_factory=dict)
    left_alone: set[int] = field(default_factory=set)
    made: list[weakref.ref[Flow]] = field(default_factory=list)


class CellWatch:
    """Follows the cells of one shell, which `cell` knows; IPython calls `begin` and `end`, a flow the others."""

    def __init__(self, shell: InteractiveShell, cell: CurrentCell) -> None:
        self.shell = shell
        self.cell = cell
        self._now: _Now | None = None
        self._made_by: dict[tuple[str, str], Flow] = {}

    def begin(self, info: ExecutionInfo) -> None:
        """Note which cell is about to be executed."""
        if self.cell.depth > 1:
            return
        is_magic = self.cell.is_magic
        names = NO_NAMES if is_magic or "with" not in self.cell.source else self.cell.names()
        self._now = _Now(names=names, is_magic=is_magic, before=dict(self.shell.user_ns))
        if not is_magic:
            thread.data[CONTEXT_KEY] = self

    def making(self, flow: Flow) -> None:
        """Note a flow that the cell has made."""
        if self._now is not None:
            self._now.made.append(weakref.ref(flow))

    def made(self, name: str) -> Flow | None:
        """Return the newest flow of this name that the cell has made so far."""
        found = [flow for one in ([] if self._now is None else self._now.made) if (flow := one()) is not None]
        return next((flow for flow in reversed(found) if flow.name == name), None)

    def entering(self, flow: Flow) -> None:
        """Begin the cell's change of `flow`, when it is entered for the first time."""
        now = self._now
        if now is None or id(flow) in now.entered or id(flow) in now.left_alone or flow._entered:
            return
        give_back(self.shell.user_ns)
        module = _module_being_imported(sys._getframe(1))
        if module is None:
            key, label = self._part(flow)
        else:
            key = label = f"module {module}"
        cells = cells_of(flow)
        former = None if flow.tasks else self._former(flow, now, key)
        snapshot = None if former is None else GraphSnapshot(former)
        if former is not None:
            cells.take_over(
                cells_of(former), lambda c: self.cell.has_left(c) and not any(is_of_cell(one, key) for one in c.cells)
            )
            flow._take_over_runs(former)
        change = CellChange(
            cells,
            key,
            label,
            self.shell.user_ns,
            source=self.cell.source,
            reads=now.names.read,
            binds=now.names.bound,
            cell_id=self.cell.cell_id if module is None else None,
        )
        is_new = all(held is not flow for held in now.before.values())
        news = DanglingReport(flow, label)
        is_first = not cells.index.contributions
        with DeferInterrupt():
            now.entered[id(flow)] = _Entered(change, news, key, is_first, is_new, former, snapshot)
            begin_made(flow)
            change.begin()

    def _part(self, flow: Flow) -> tuple[str, str]:
        """Return the key and label of what the cell is about to add: a further part if it has added to the flow."""
        one = cells_of(flow).index.id_of(self.cell.key)
        if one is not None and cells_of(flow).contributions[one].number > self.cell.started:
            return self.cell.next_part()
        return self.cell.key, cell_label(self.shell)

    def _former(self, flow: Flow, now: _Now, key: str) -> Flow | None:
        """Return the flow that the same cell made before, under the same name."""
        former = self._made_by.get((key, flow.name))
        is_new = all(held is not flow for held in now.before.values())
        is_earlier = all(former is not one() for one in now.made)
        return former if former is not flow and is_new and is_earlier else None

    def let_go(self, flow: Flow) -> None:
        """Leave `flow` alone in this cell: a magic that the cell calls looks after it."""
        if self._now is not None:
            entered = self._now.entered.pop(id(flow), None)
            if entered is not None:
                entered.change.undo()
            self._now.left_alone.add(id(flow))

    def running(self, flow: Flow) -> None:
        """Keep what the cell has added so far, before a run begins in the cell itself."""
        now = self._now
        if now is None or id(flow) not in now.entered or flow._entered:
            return
        with DeferInterrupt():
            self._finish(now.entered.pop(id(flow)), now, is_well=True, is_over=False)

    def end(self, result: ExecutionResult | None) -> None:
        """Keep what the cell has added if it ended well, else undo it; an `await` that was cut short has no result."""
        is_well = result is not None and bool(result.success)
        if self.cell.depth:
            return
        now, self._now = self._now, None
        thread.data.pop(CONTEXT_KEY, None)
        if now is None:
            return
        for entered in now.entered.values():
            with DeferInterrupt():
                self._finish(entered, now, is_well=is_well)
        if is_well:
            for one in now.made:
                flow = one()
                if flow is not None and flow.name not in flows and is_reached(flow, self.shell.user_ns):
                    flows[flow.name] = flow
            self._drop_stale()
            if not now.is_magic:
                self._follow_names(now)

    def _finish(self, entered: _Entered, now: _Now, *, is_well: bool, is_over: bool = True) -> None:
        flow = entered.change.graph
        assert isinstance(flow, Flow)
        is_contribution = is_well and self._keep(entered, now)
        if not is_well:
            entered.change.undo()
        end_made(flow)
        if not is_contribution and entered.former_snapshot is not None:
            entered.former_snapshot.restore()
            assert entered.former is not None
            entered.former._take_over_runs(flow)
        is_here = entered.is_made_here and (not is_over or is_reached(flow, self.shell.user_ns))
        if is_well and is_here:
            self._register(flow, entered, is_contribution=is_contribution)
        if is_contribution:
            entered.news.show()
            show_undefined(flow, entered.key)

    def _register(self, flow: Flow, entered: _Entered, *, is_contribution: bool) -> None:
        other = flows.get(flow.name)
        flows[flow.name] = flow
        if not is_contribution:
            return
        self._made_by[entered.key, flow.name] = flow
        if other is None or other is flow or other is entered.former:
            return
        makers = [key for (key, name), made in self._made_by.items() if name == flow.name and made is other]
        index = cells_of(other).index
        ones = [index.id_of(key) for key in makers]
        labels = [index.label(one) for one in ones if one is not None]
        if labels and all(index.contributions[one].source != self.cell.source.strip() for one in ones if one):
            show_warning(
                f"{labels[0]} has made a flow {flow.name!r} too. %flow and nbflow.flows mean the one of "
                f"{entered.change.label} from now on; give one of them another name if both are wanted"
            )

    def _keep(self, entered: _Entered, now: _Now) -> bool:
        """Keep the change as a contribution; False if the flow is not valid with it."""
        change = entered.change
        try:
            change.end(held_before=now.before)
        except NbflowError as error:
            if entered.is_first:
                # A flow that this cell alone makes is what it is, as in any program: running it says why not.
                change.leave()
                if isinstance(error, ForeignTaskError):
                    show_warning(f"{change.graph.name}: {error}")
            else:
                change.undo()
                show_warning(f"{change.graph.name}: {error}. The flow is as it was before this cell")
            return False
        except BaseException:
            change.undo()
            raise
        change.commit()
        return True

    def _drop_stale(self) -> None:
        """Take out what the cell had added to flows that it no longer mentions."""
        for name, flow in list(flows.items()):
            cells = cells_of(flow)
            of_cell = cells.index.of_cell(self.cell.key)
            left = [one for one in of_cell if cells.contributions[one].number < self.cell.started]
            if not left:
                continue
            news = DanglingReport(flow, cell_label(self.shell))
            try:
                cells.remove(left, self.shell.user_ns)
            except NbflowError as error:
                show_warning(f"{name}: {error}. What this cell had added is still there")
            news.show()

    def _follow_names(self, now: _Now) -> None:
        """Put a task that the cell made again, outside of any flow, in the place of the one that its name held."""
        names = self.shell.user_ns
        for name in rebound(now.before, names):
            old, new = now.before.get(name), names[name]
            if name.startswith("_") or not (isinstance(old, Task) and type(old) is type(new)):
                continue
            for flow in flows.values():
                if old in flow.tasks and new not in flow.tasks and cells_of(flow).is_shared(old):
                    try:
                        cells_of(flow).substitute(old, new)
                    except NbflowError as error:
                        show_warning(f"{flow.name}: {error}")


def _module_being_imported(frame: FrameType | None) -> str | None:
    """Return the module whose import or reload has led here, if one has."""
    module = None
    while frame is not None:
        if frame.f_code.co_filename == _IMPORT:
            return module
        if frame.f_code.co_name == "<module>":
            module = str(frame.f_globals.get("__name__"))
        if frame.f_code.co_name == "run_code":
            return None
        frame = frame.f_back
    return None
