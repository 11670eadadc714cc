"""The elements of mapped blocks: each has a resource of its own, which is known when the block's init is expanded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.compiled_graph import INIT, SETUP
from nbflow.engine.nodes import DONE
from nbflow.engine.resource_lifetime import ResourceLifetime

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbflow.engine.block_closing import BlockClosing
    from nbflow.engine.block_opening import BlockOpening
    from nbflow.engine.nodes import Nodes


class MappedBlocks:
    """Gives each element its lifetime, and each child of a mapped task inside the lifetime of its element."""

    def __init__(
        self, nodes: Nodes, opening: BlockOpening, closing: BlockClosing, children_known: Callable[[int], None]
    ) -> None:
        self._nodes, self._opening, self._closing, self._children_known = nodes, opening, closing, children_known

    def expanded(self, node: int, children: range) -> None:
        """A mapped task has children: they are inits or setups of elements, or are inside of elements, or neither."""
        nodes, shape = self._nodes, self._nodes.graph.shape_of[node]
        if nodes.role[node] == INIT and nodes.graph.shapes[shape].mapped:
            self._add_lifetimes(shape, children)
        elif nodes.role[node] == SETUP and nodes.graph.shapes[shape].mapped:
            for lifetime, child in zip(nodes.lifetimes[shape], children, strict=False):
                lifetime.setup, nodes.own[child] = child, lifetime
            for lifetime in nodes.lifetimes[shape][len(children) :]:  # an element without a setup never opens
                self._opening.resolve(lifetime)
        self._move_in(node, children)

    def ended_unexpanded(self, node: int) -> None:
        """A mapped task ended without children, or one that is not mapped: each element loses its share of it."""
        shape = self._nodes.graph.shape_of[node]
        if shape >= 0 and self._nodes.role[node] == SETUP and self._nodes.graph.shapes[shape].mapped:
            for lifetime in self._nodes.lifetimes[shape]:
                self._opening.resolve(lifetime)
        self._move_in(node, ())

    def _move_in(self, node: int, children: Sequence[int]) -> None:
        """Make children members of the elements around them; elements without a child have one member less."""
        # Two maps in one block may have different lengths. An element that waited for a child which never comes would
        # never be cleaned up.
        around = self._nodes.shape_around(node)
        if around >= 0 and self._nodes.graph.shapes[around].mapped:
            for lifetime, child in zip(self._nodes.lifetimes[around], children, strict=False):
                self._nodes.home[child] = lifetime
            for lifetime in self._nodes.lifetimes[around][len(children) :]:
                self._closing.member_ended(lifetime)

    def _add_lifetimes(self, number: int, inits: range) -> None:
        nodes, shape = self._nodes, self._nodes.graph.shapes[number]
        # One that was taken over, or refused for what is above it, ended before there was a lifetime to count it.
        gone = sum(nodes.phase[member] == DONE for member in shape.members)
        # Each cleanup has its place before anything opens: what is opened is cleaned up, whatever happens.
        cleanups = nodes.add_children(shape.cleanup, len(inits))
        for k, (init, cleanup) in enumerate(zip(inits, cleanups, strict=True)):
            outer = nodes.enclosing_lifetime(shape.parent, k)
            left = len(shape.members) - gone
            lifetime = ResourceLifetime(number, k, outer, init, shape.setup, cleanup, left, shape.grace_s)
            # A resource nobody is inside of is set up for its own sake: no task would ever demand it.
            lifetime.demanded = self._opening.may_begin_demanded(lifetime)
            nodes.lifetimes[number].append(lifetime)
            nodes.own[init] = nodes.own[cleanup] = lifetime
        self._move_in(shape.cleanup, cleanups)
        self._children_known(shape.cleanup)
