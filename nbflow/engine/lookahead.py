"""A look ahead at a node that has not run yet: which resource it waits for, and whether it will run at all.

This is what laziness (docs/guarantee.md, rule 8) asks: a block is set up for tasks that will run, and for no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.nodes import DONE, FAILED, SKIPPED, SUCCEEDED

if TYPE_CHECKING:
    from nbflow.engine.nodes import Nodes
    from nbflow.engine.resource_lifetime import ResourceLifetime


class Lookahead:
    """Looks ahead, at the counts and lifetimes of the nodes; changes nothing."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes, self._graph = nodes, nodes.graph

    def awaited(self, node: int) -> ResourceLifetime | None:
        """Return the innermost resource around a node that is still to be set up."""
        lifetime = self._nodes.lifetime_around(node)
        # Not only the outermost counts: one inside may be resolved first, when its init fails early.
        while lifetime is not None and lifetime.resolved:
            lifetime = lifetime.outer
        return lifetime

    def is_empty(self, lifetime: ResourceLifetime) -> bool:
        """Tell whether nothing is inside of a block, so that it is opened for its own sake."""
        return not self._graph.shapes[lifetime.shape].members

    def is_doomed(self, node: int) -> bool:
        """Tell whether a node will not run, whatever its block's setup gives."""
        nodes = self._nodes
        bad = nodes.bad[node]
        # Whatever its trigger says: one that wants a failure may still get it, from the very setup that is asked for.
        if not bad:
            return False
        is_child = nodes.child_index[node] >= 0
        return self._refuses(node, bad, nodes.skipped[node], nodes.failed[node], is_child=is_child)

    def will_run(self, node: int, index: int) -> bool:
        """Tell whether a child of a mapped task, which is not expanded yet, will run, as far as is known."""
        nodes = self._nodes
        bad, skipped, failed = nodes.bad[node], nodes.skipped[node], nodes.failed[node]
        for up in self._graph.pairs[node]:
            if up in nodes.children:
                upper = nodes.children[up][index]
                # No reason yet, but it may become one: `BlockOpening.child_ended` asks again.
                if nodes.phase[upper] != DONE:
                    return False
                verdict = nodes.verdict[upper]
                bad += verdict != SUCCEEDED
                skipped += verdict == SKIPPED
                failed += verdict == FAILED
        return not (bad and self._refuses(node, bad, skipped, failed, is_child=True))

    def _refuses(self, node: int, bad: int, skipped: int, failed: int, *, is_child: bool) -> bool:
        """Tell whether a task, or a child of one, will not run when so many of what is upstream of it ended so."""
        graph, task, children = self._graph, self._nodes.task_of[node], self._nodes.children
        if skipped and graph.skips[task]:
            return True
        rule = graph.count_rules[task]
        # A user's own trigger has no such rule, and is not called to look ahead, as what it does may have effects: its
        # task counts as one that will run. A map is asked child by child.
        if rule is None or (graph.is_map[task] and not is_child):
            return False
        # Its trigger sees the children, the counts one verdict of them all: nobody can tell before it is asked.
        if not graph.is_plain[task] and any(
            up in children and (not is_child or up not in graph.pairs[task]) for up in graph.upstream[task]
        ):
            return False
        lifetime = self._nodes.home[node]
        while lifetime is not None:  # the counts know nothing of setups, and one around has failed
            if lifetime.setup_bad:
                return graph.is_plain[task] and failed > 0
            lifetime = lifetime.outer
        count = len(graph.upstream[task])
        return rule(count, count - bad, skipped, failed) != "run"
