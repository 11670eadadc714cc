"""The graphs that every runner gets, and the work of their tasks.

A shape says which values each task takes, and nothing of how; each module in `benchmarks.runners` makes of it what
its users would write.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

NAP_S = 0.05
_MODULUS = 1_000_003


def add(*values: int) -> int:
    """The work of every task: next to nothing, so that what is measured is the overhead."""
    return (sum(values) + 1) % _MODULUS


def nap(*values: int) -> int:
    """The same after a sleep."""
    time.sleep(NAP_S)
    return add(*values)


@dataclass(frozen=True)
class Shape:
    """A graph: for each task, in declaration order, the numbers of the tasks it takes values from.

    Attributes:
        name: What it is called on the command line.
        upstream: The tasks that each one takes values from.
        naps: Whether the tasks sleep.
        blocks: For each block the numbers of its opening and of its closing task; runners without blocks see two
            ordinary tasks.
        reclaimable: Whether each block's resource can be found and removed from another process.
        mapped: Whether all but the first and the last task are one mapped over the list that the first returns.
    """

    name: str
    upstream: tuple[tuple[int, ...], ...]
    naps: bool = False
    blocks: tuple[tuple[int, int], ...] = ()
    mapped: bool = False
    reclaimable: bool = False

    @property
    def work(self) -> Callable[..., int]:
        """What each task calls."""
        return nap if self.naps else add

    @property
    def count(self) -> int:
        """The tasks whose time is counted: openings and closings of blocks belong to the tasks between them."""
        return len(self.upstream) - 2 * len(self.blocks)

    @property
    def last(self) -> list[int]:
        """The tasks whose values make the sum by which all runners are seen to do the same."""
        closing = {number for _, number in self.blocks}
        used = {other for number, others in enumerate(self.upstream) if number not in closing for other in others}
        return [number for number in range(len(self.upstream)) if number not in used | closing]


def chain(count: int) -> Shape:
    return Shape("chain", ((), *((number - 1,) for number in range(1, count))))


def fan(count: int) -> Shape:
    """One task, `count` that take its value, one that takes theirs."""
    return Shape("fan", ((), *((0,) for _ in range(count)), tuple(range(1, count + 1))))


def layers(count: int, width: int = 50, each: int = 3) -> Shape:
    """Layers of tasks, each of which takes three values of the layer above."""

    def above(number: int) -> tuple[int, ...]:
        row, column = divmod(number, width)
        return tuple((row - 1) * width + (column + step) % width for step in range(each)) if row else ()

    return Shape("layers", tuple(above(number) for number in range(count)))


def mapped(count: int) -> Shape:
    """As a fan, but the middle is one task mapped over a list."""
    return Shape("map", fan(count).upstream, mapped=True)


def blocks(count: int, size: int = 20) -> Shape:
    """Blocks of 20 tasks in a row, each of which takes the block's resource and the value of the one before."""
    upstream: list[tuple[int, ...]] = []
    ends = []
    for _ in range(count // size):
        opening = len(upstream)
        upstream += [(), (opening,), *((opening, opening + step) for step in range(1, size))]
        upstream.append((opening, len(upstream) - 1))
        ends.append((opening, len(upstream) - 1))
    return Shape("blocks", tuple(upstream), blocks=tuple(ends))


def reclaimable(count: int) -> Shape:
    """The same, and each resource has a handle, which the ledger and the reaper are told."""
    return replace(blocks(count), name="reclaimable", reclaimable=True)


def opened(count: int) -> Shape:
    """The same as tasks only: opening and closing are ordinary ones."""
    return replace(blocks(count), name="opened", blocks=())


def rows(count: int, size: int = 20) -> Shape:
    """The tasks of `blocks` without any block: each takes the value of the one before."""
    return Shape("rows", tuple((number - 1,) if number % size else () for number in range(count)))


def naps(count: int) -> Shape:
    """Tasks that know nothing of each other and sleep."""
    return Shape("naps", ((),) * count, naps=True)


SHAPES = {
    "chain": chain,
    "fan": fan,
    "layers": layers,
    "map": mapped,
    "blocks": blocks,
    "reclaimable": reclaimable,
    "opened": opened,
    "rows": rows,
    "naps": naps,
}


def map_values(count: int) -> list[int]:
    """What the first task of a map returns."""
    return list(range(count))
