"""Decides which tasks a rerun runs, from what is asked for and what is known of an earlier run. Pure.

Runs, whatever is asked for: what is new, has no result, or gets another input or parameter. Then follows:

* everything downstream; of a mapped task over a mapped one, the children below those that run;
* for a task inside a block: the block opens, and so do those around it; a new resource makes every other value that was
  computed inside stale, unless its task is portable. A task that only sets the resource up again (its init has another
  parameter, say) does the same, if anything inside is not portable;
* upstream of a task that needs only successes: what has failed or was cancelled.

A pinned value is taken over, unless its task is asked for by name.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from nbflow.core.states import Cancelled, Failed, Mapped, State, TriggerFailed
from nbflow.engine.compiled_graph import CLEANUP, ORDINARY
from nbflow.engine.plan import COMPUTED, EDITED, STICKY
from nbflow.engine.reuse import NoReuse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbflow.engine.compiled_graph import CompiledGraph

ALL, FAILED, STALE = "all", "failed", "stale"
Children = frozenset[int] | None  # None: all of them
NEW, NO_RESULT = "new", "has no result yet"


class Last(NamedTuple):
    """The last result of a task.

    Attributes:
        state: How it ended.
        input_change: What has changed about its inputs since, in words; empty: nothing.
        code_change: What has changed in its code since.
        source: Where the value comes from.
        files: The nodes that have to write their files again if this one runs, and why.
    """

    state: State
    input_change: str = ""
    code_change: str = ""
    source: str = COMPUTED
    files: tuple[tuple[int, str], ...] = ()


class RerunSelection:
    """The tasks that run: `runs` has the node of each, and which of its children; `why` says why.

    Args:
        last: What is known of each node; None for a new one.
        what: "all", "failed", "stale" or "tasks".
        asked: The nodes asked for by name.
        parameters: The nodes of parameters whose values change, and how.
        number: That of the run that it goes on from, for the words.
        reuse: Knows which values cannot be handed on as they are.
        given: The nodes whose values are given now: they never run, and what takes them does.

    Attributes:
        runs: The children that run by node; None for all, as for tasks that are not mapped.
        why: Why a node runs.
        opens: Why a block opens, by the number of its shape.
        lost: What has become of values that a person has pinned or set and that nothing can bring back.
        from_original: The nodes that begin with the copy of a value that a person has pinned or set.
        for_effect: Those of `made_again` that only change what others give: their own values stay as they are.
        made_again: The nodes that run for their values alone: what they give is what they gave.
        apart: Of those, by node, the nodes whose values stay as they are and hold parts of the former one.
    """

    def __init__(
        self,
        graph: CompiledGraph,
        last: Sequence[Last | None],
        *,
        what: str,
        asked: frozenset[int] = frozenset(),
        parameters: Mapping[int, str] | None = None,
        number: int | None = None,
        reuse: NoReuse | None = None,
        given: frozenset[int] = frozenset(),
    ) -> None:
        self.runs: dict[int, Children] = {}
        self.why: dict[int, str] = {}
        self.opens: dict[int, str] = {}
        self._graph, self._last, self._asked, self._given = graph, last, asked, given
        self._in_run = "" if number is None else f" in run {number}"
        self._below: list[list[int]] = [[] for _ in graph.tasks]
        for node, upstream in enumerate(graph.upstream):
            for up in upstream:
                self._below[up].append(node)
        for up, node in graph.file_ties:
            if node not in self._below[up]:
                self._below[up].append(node)
        self._inside: list[list[int]] = [[] for _ in graph.shapes]
        for node, shape in enumerate(graph.shape_of):
            if shape >= 0 and graph.role[node] == ORDINARY:
                for around in graph.enclosing(shape):
                    self._inside[around].append(node)
        self._reuse = reuse or NoReuse()
        self.made_again: set[int] = set()
        self.for_effect: set[int] = set()
        self.from_original: set[int] = set()
        self.lost: dict[int, str] = {}
        self.apart: dict[int, dict[int, bool]] = {}
        self._pending: deque[int] = deque()
        for node in range(len(graph.tasks)):
            self._begin(node, what, (parameters or {}).get(node, ""))
        for node in given:  # what it has changed in place is to be as if it had not
            for taker, why in self._reuse.reached(node).items():
                self._mark(taker, why)
            for maker in self._reuse.changed_by(node):
                self._make_again(maker, f"{graph.tasks[node].name!r} changed its value in place, and is given one now")
        if what != ALL:
            for node, why in self._reuse.changed_outside().items():
                self._make_again(node, why)
        for node, why in self._reuse.missed().items() if what == STALE else ():
            self._mark(node, why)
        self._follow()
        while self._make_parts_again():
            self._follow()

    def _follow(self) -> None:
        while self._pending:
            node = self._pending.popleft()
            if node in self.made_again:
                self._open_around(node)
                self._need(node)
            else:
                self._spread(node)

    # -- what is asked for ------------------------------------------------------------------------------------

    def _begin(self, node: int, what: str, parameter: str) -> None:
        graph = self._graph
        why, children = self._reason(node, what, parameter)
        if not why:
            why = next((f"{graph.tasks[up].name!r} was set" for up in graph.upstream[node] if up in self._given), "")
        if not why:
            return
        role = graph.role[node]
        if role == ORDINARY:
            self._mark(node, why, children)
        elif role != CLEANUP or node in self._asked:
            self._renew_if_needed(graph.shape_of[node], f"{graph.tasks[node].name}: {why}")

    def _reason(self, node: int, what: str, parameter: str) -> tuple[str, Children]:
        last = self._last[node]
        if node in self._asked:
            return "asked for", None
        if last is None:
            return NEW, None
        if what == ALL:
            return "everything runs", None
        if parameter:
            return parameter, None
        if last.input_change:
            return last.input_change, None
        if what == STALE and last.code_change:
            return f"{last.code_change} has changed", None
        if self._graph.role[node] != ORDINARY and not isinstance(last.state, Failed):
            return "", None  # of blocks that opened or did not, as they were needed
        return self._reason_of_state(last.state, repairs=what in (FAILED, STALE))

    def _reason_of_state(self, state: State, *, repairs: bool) -> tuple[str, Children]:
        if isinstance(state, Mapped):
            bad = self._bad_children(state, repairs=repairs)
            return (f"{_these(bad)} failed{self._in_run}" if repairs else NO_RESULT, bad) if bad else ("", None)
        if not state.is_finished():
            return NO_RESULT, None
        if isinstance(state, Cancelled):
            return f"was cancelled{self._in_run}", None
        if not repairs or not isinstance(state, Failed):
            return "", None
        return f"could not run{self._in_run}" if isinstance(state, TriggerFailed) else f"failed{self._in_run}", None

    def _bad_children(self, state: Mapped, *, repairs: bool) -> frozenset[int]:
        """Return the children without a result; when a failure is to be repaired, the failed ones are among them."""
        bad = (Cancelled, Failed) if repairs else Cancelled
        children = enumerate(state.map_states)
        return frozenset(
            i for i, child in children if child is None or not child.is_finished() or isinstance(child, bad)
        )

    # -- what follows -----------------------------------------------------------------------------------------

    def _mark(self, node: int, why: str, children: Children = None) -> None:
        last = self._last[node]
        if node in self._given or (last is not None and last.source == "pinned" and node not in self._asked):
            return
        if children is not None:
            known = last.state if last is not None else None
            if not isinstance(known, Mapped) or not self._graph.is_map[node]:
                children = None
            else:
                children &= frozenset(range(len(known.map_states)))
                if not children:
                    return
                if len(children) == len(known.map_states):
                    children = None
        if node in self.made_again:
            self.made_again.discard(node)
            self.for_effect.discard(node)
            self._pending.append(node)
            return
        if node in self.runs:
            before = self.runs[node]
            if before is None or (children is not None and children <= before):
                return
            children = None if children is None else children | before
        else:
            self.why[node] = why
        self.runs[node] = children
        self._pending.append(node)

    def _spread(self, node: int) -> None:
        graph, children = self._graph, self.runs[node]
        name, role, shape = graph.tasks[node].name, graph.role[node], graph.shape_of[node]
        for down in self._below[node]:
            if graph.role[down] == CLEANUP:
                continue  # with its block
            if role != ORDINARY and shape in graph.enclosing(graph.shape_of[down]):
                continue  # a new resource: see `_renew`
            if graph.role[down] != ORDINARY:
                self._renew_if_needed(graph.shape_of[down], f"downstream of {name!r}")
            else:
                self._mark(down, f"downstream of {name!r}", children if node in graph.pairs[down] else None)
        last = self._last[node]
        is_new = last is None or bool(last.code_change or last.input_change)
        for taker, why in (
            *self._reuse.reached(node).items(),
            *(self._reuse.about_to_reach(node).items() if is_new else ()),
        ):
            self._mark(taker, why)
        self._open_around(node)
        self._need(node)

    def _open_around(self, node: int) -> None:
        if self._graph.role[node] == ORDINARY:
            for around in self._graph.enclosing(self._graph.shape_of[node]):
                self._renew(around, f"{self._graph.tasks[node].name!r} runs inside")

    def _make_again(self, node: int, why: str, *, changed: int = -1) -> None:
        """Run a task for its value alone, and then those that change that value in place, as they did before.

        One that runs for what it has `changed` of another task's value keeps its own as it is.
        """
        if node in self._given:
            return
        last = self._last[node]
        for_effect = changed >= 0 and not self._graph.is_map[node] and not self._reuse.shares(node, changed)
        if node in self.runs and not (node in self.for_effect and not for_effect):
            return
        if last is not None and last.source in STICKY:
            if self._reuse.has_original(node):
                if node not in self.from_original:
                    self.from_original.add(node)
                    self._change_again(node)
                return
            is_own = last.source != EDITED and not self._reuse.was_set(node)
            if not is_own or last.code_change or last.input_change:
                self.lost[node] = why  # nothing can bring it back: the plan says so
                return
        self.runs[node], self.why[node] = None, why
        self.made_again.add(node)
        self._pending.append(node)
        if for_effect:
            self.for_effect.add(node)
            return
        self.for_effect.discard(node)
        self._change_again(node)

    def _change_again(self, node: int) -> None:
        for changer in self._reuse.changers(node):
            self._make_again(changer, f"changes the value of {self._graph.tasks[node].name!r} in place", changed=node)

    def _make_parts_again(self) -> bool:
        """Make again what holds parts of what is made again, if a change of the one is to be seen in the other.

        In a fresh run the two hold the same objects. Who takes both, one changed and one not, would meet two kinds, and
        so does a person who looks at both.
        """
        before = len(self.runs)
        self.apart = {}
        for node in sorted((self.made_again - self.for_effect) | self.from_original):
            why = f"holds parts of the value of {self._graph.tasks[node].name!r}, which is made again"
            for other, holds_all in self._reuse.sharing(node).items():
                if other in self.runs:
                    continue
                if self._may_be_changed(node, parts=not holds_all) or self._may_be_changed(other):
                    self._make_again(other, why)
                else:
                    self.apart.setdefault(node, {})[other] = holds_all
        return len(self.runs) > before

    def _may_be_changed(self, one: int, *, parts: bool = False) -> bool:
        """Tell whether a task that runs with other code or inputs may change a value, or what is in it.

        It may take it from a task between the two, which hands on what it takes itself.
        """
        pending, seen = [one], {one}
        while pending:
            giver = pending.pop()
            for taker in self._below[giver]:
                if taker not in self.runs or taker in self.made_again:
                    continue
                if self._reuse.may_change(taker, giver, parts=parts):
                    return True
                if taker not in seen and self._reuse.shares(taker, giver):
                    seen.add(taker)
                    pending.append(taker)
        return False

    def _need(self, node: int) -> None:
        if self._graph.role[node] == ORDINARY:
            for up, why in self._reuse.changed_by(node).items():
                self._make_again(up, why)
            for up, why in self._reuse.reasons(node, self.runs[node]).items():
                self._make_again(up, why)
        known = self._last[node]
        for writer, why in known.files if known is not None else ():
            self._mark(writer, why)
        if not self._graph.is_plain[node] or self._graph.role[node] == CLEANUP:
            return
        for up in self._graph.upstream[node]:
            last = self._last[up]
            if up in self.runs or last is None or self._graph.role[up] != ORDINARY:
                continue
            why = f"{self._graph.tasks[node].name!r} needs it"
            if isinstance(last.state, Mapped):
                if bad := self._bad_children(last.state, repairs=True):
                    self._mark(up, why, bad)
            elif not last.state.is_successful():
                self._mark(up, why)

    def _renew_if_needed(self, shape: int, why: str) -> None:
        inside = self._inside[shape]
        if not inside or any(node in self.runs or not self._is_portable(node) for node in inside):
            self._renew(shape, why)

    def _renew(self, shape: int, why: str) -> None:
        """Set a block's resource up again."""
        if shape in self.opens:
            return
        graph = self._graph
        self.opens[shape] = why
        one, name = graph.shapes[shape], graph.blocks[shape].name
        for node in (one.init, one.setup, one.cleanup):
            if node >= 0:
                self.why[node] = why
                self.runs[node] = None
                self._pending.append(node)
        for node in self._inside[shape]:
            if not self._is_portable(node):
                self._mark(node, f"inside {name!r}, whose resource is new")
        for inner, other in enumerate(graph.shapes):
            if other.parent == shape and not self._inside[inner]:
                self._renew(inner, f"inside {name!r}, whose resource is new")
        if one.parent >= 0:
            self._renew(one.parent, f"{name!r} opens inside")

    def _is_portable(self, node: int) -> bool:
        last = self._last[node]
        return bool(self._graph.tasks[node].portable) or (last is not None and last.source in STICKY)


def _these(children: frozenset[int]) -> str:
    return f"child {min(children)}" if len(children) == 1 else f"{len(children)} children"
