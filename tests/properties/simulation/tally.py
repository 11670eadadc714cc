"""What became of the resources of all simulated runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.properties.simulation.episode import Episode


@dataclass
class Tally:
    """What became of the resources of all simulated runs."""

    runs: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    resources: Counter[str] = field(default_factory=Counter)
    happened: Counter[str] = field(default_factory=Counter)

    def add(self, episode: Episode) -> None:
        run = episode.run
        assert run is not None
        if episode.simulation.outer is None:
            self.runs += 1
            self.ended[type(run.state).__name__] += 1
        for r in episode.resources:
            self.resources["set up"] += 1
            if r.cleaned > 1:
                self.resources["cleaned twice"] += 1
            elif r.cleaned:
                self.resources["cleaned"] += 1
            elif episode.is_kept(r):
                self.resources["kept"] += 1
            elif not episode._is_named(r):
                self.resources["left"] += 1
            elif "given up" in str(episode._holding(r).error):
                self.resources["given up"] += 1
            else:
                self.resources["cleanup failed"] += 1
            self.happened["setups that came after the run was over"] += r.was_late
        self.happened["setups that raised"] += sum(not a.succeeded for a in episode.attempts)
        self.happened["setups that were cut"] += sum(a.was_cut for a in episode.attempts)
        self.happened["setups that were reclaimed"] += sum(a.reclaimed for a in episode.attempts)
        self.happened["cleanups that went ahead after a grace"] += len(episode.overdue)
        self.happened["runs that were interrupted"] += episode.interrupts > 0
        self.happened["runs that were cancelled"] += episode.cancelled_at is not None
        self.happened["runs that were given up"] += episode.interrupts > 2

    def table(self) -> str:
        lines = [f"{self.runs:>8} simulated runs"]
        for title, counts in (
            ("how they ended", self.ended),
            ("what became of their resources", self.resources),
            ("what happened", self.happened),
        ):
            lines += ["", title]
            names = ["set up", "cleaned", "kept", "cleanup failed", "given up", "left", "cleaned twice"]
            for name in names if counts is self.resources else sorted(counts):
                lines.append(f"{counts[name]:>8} {name}")
        return "\n".join(lines)
