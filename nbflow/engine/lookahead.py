"""What is known of a node before it runs: which resource it waits for, and whether it will run at all.

This is what laziness (rule 8) asks: a block is set up for tasks that will run, and for no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.nodes import DONE, FAILED, SKIPPED, SUCCEEDED, Nodes

if TYPE_CHECKING:
    from nbflow.engine.resource_lifetime import ResourceLifetime


class Lookahead(Nodes):
    """Looks ahead, at the counts and lifetimes of `Nodes`; changes nothing."""

    def _awaited(self, node: int) -> ResourceLifetime | None:
        """Return the innermost resource around a node that is still to be set up."""
        lifetime = self.lifetime_around(node)
        while (
            lifetime is not None and lifetime.resolved
        ):  # one inside may be first, when its init fails early
            lifetime = lifetime.outer
        return lifetime

    def _is_empty(self, lifetime: ResourceLifetime) -> bool:
        """Whether nothing is inside, so that it is opened for its own sake."""
        return not self.graph.shapes[lifetime.shape].members

    def _is_doomed(self, node: int) -> bool:
        """Whether a node will not run, whatever its block's setup gives (rule 8 needs to know beforehand)."""
        bad = self.bad[node]
        if not bad:
            return False
        is_child = self.child_index[node] >= 0
        return self._refuses(node, bad, self.skipped[node], self.failed[node], is_child=is_child)

    def _refuses(self, node: int, bad: int, skipped: int, failed: int, *, is_child: bool) -> bool:
        """Whether a task, or a child of one, will not run when so many of what is upstream of it ended so."""
        task = self.task_of[node]
        if skipped and self.graph.skips[task]:
            return True
        rule = self.graph.count_rules[task]
        if rule is None or (self.graph.is_map[task] and not is_child):
            return False
        if not self.graph.is_plain[task] and any(
            up in self.children and (not is_child or up not in self.graph.pairs[task])
            for up in self.graph.upstream[task]
        ):
            return False  # the trigger sees the children, the counts one verdict of them all
        lifetime = self.home[node]
        while lifetime is not None:  # the counts know nothing of setups, and one around has failed
            if lifetime.setup_bad:
                return self.graph.is_plain[task] and failed > 0
            lifetime = lifetime.outer
        count = len(self.graph.upstream[task])
        return rule(count, count - bad, skipped, failed) != "run"

    def _will_run(self, node: int, index: int) -> bool:
        """Whether a child of a mapped task, which is not expanded yet, is otherwise ready, as far as is known."""
        bad, skipped, failed = self.bad[node], self.skipped[node], self.failed[node]
        for up in self.graph.pairs[node]:
            if up in self.children:
                upper = self.children[up][index]
                if self.phase[upper] != DONE:
                    return False
                verdict = self.verdict[upper]
                bad += verdict != SUCCEEDED
                skipped += verdict == SKIPPED
                failed += verdict == FAILED
        return not (bad and self._refuses(node, bad, skipped, failed, is_child=True))
