"""Draws flows at random: the text of a cell, and how much it will have to say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

LINES_OF_A_RESOURCE = 8
LINES_OF_A_TASK = 2
MOST_RESOURCES = 6
DASK = "DaskCluster"
READY = {  # the arguments of those that take none of ours
    "TemporaryDirectory": "",
    "Subprocess": '["sleep", "1000"]',
    DASK: "n_workers=1, cluster_kwargs={'threads_per_worker': 1}",
    "written": "",
    "drifting": "",
}
TASKS = ("work", "work", "sleeper", "polite", "flaky", "failing", "nested", "forking")


@dataclass
class Draft:
    """A flow being drawn.

    Attributes:
        lines: Its text, inside of ``with Flow(...) as flow:``.
        said: How many lines it writes to the log, about.
        seconds: How long it takes, about, one thing after the other.
        resources: How many it sets up.
    """

    rng: Random
    kinds: Sequence[str]
    lines: list[str] = field(default_factory=list)
    said: int = 0
    seconds: float = 0.0
    resources: int = 0
    names: int = 0

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def name(self, stem: str) -> str:
        self.names += 1
        return f"{stem}{self.names}"

    def write(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def block(self, depth: int, room: int, upstream: str | None = None, times: int = 1, kind: str = "") -> str:
        """Write one block with what is inside; returns the name of its last task."""
        kind = kind or self.rng.choice(self.kinds)
        if kind == "Slow":  # one is slow enough
            self.kinds = [other for other in self.kinds if other != kind]
        place = self.name("place")
        self.write(depth, f"with {kind}({self._arguments(kind, times)}) as {place}:")
        self.said += LINES_OF_A_RESOURCE * times
        self.resources += times
        last = self.task(depth + 1, place, upstream, times)
        if room > 1 and self.rng.random() < 0.7:
            last = self.block(depth + 1, room - 1, last, times)
        if self.rng.random() < 0.5:
            last = self.task(depth + 1, place, last, times)
        return last

    def _arguments(self, kind: str, times: int) -> str:
        if kind in READY:
            return READY[kind]
        setup_s, cleanup_s = (round(self.rng.choice([0, 0.05, 0.3]), 2) for _ in range(2))
        if kind == "Slow":
            cleanup_s = 7.0
        self.seconds += setup_s * times + min(cleanup_s, 1) * times
        flaky = kind in ("Scratch", "Bare") and self.rng.random() < 0.2
        return f"{setup_s}, {cleanup_s}" + (", flaky=True" if flaky else "")

    def task(self, depth: int, place: str, upstream: str | None, times: int = 1) -> str:
        name, seconds = self.name("task"), round(self.rng.choice([0, 0.05, 0.1, 0.4]), 2)
        after = f", upstream_tasks=[{upstream}]" if upstream else ""
        self.write(depth, f"{name} = {self.rng.choice(TASKS)}({place}, {seconds}{after})")
        self.said += LINES_OF_A_TASK * times
        self.seconds += seconds * times
        return name

    def mapped(self, depth: int) -> None:
        """Write blocks that are opened once for each element."""
        times = self.rng.randint(2, 3)
        each = self.name("each")
        self.write(depth, f"def {each}(i):")
        last = self.block(depth + 1, 2 if times == 2 else 1, times=times)
        self.write(depth + 1, f"return {last}")
        self.write(depth, f"nbflow.apply_map({each}, {list(range(times))})")


def draw_flow(rng: Random, kinds: Sequence[str], *, with_dask: bool = False) -> Draft:
    """Draw a flow of nested, separate and mapped blocks of these kinds of managers.

    Args:
        rng: What decides.
        kinds: The names of managers.
        with_dask: Whether one block of it is a Dask cluster, which takes seconds to start.
    """
    draft = Draft(rng, kinds)
    if with_dask:
        draft.seconds += 3
        draft.block(1, room=2, kind=DASK)
    while not draft.resources or (draft.resources < MOST_RESOURCES - 2 and rng.random() < 0.5):
        if rng.random() < 0.25:
            draft.mapped(1)
        else:
            draft.block(1, room=3)
    return draft
