"""A random program of `%%task` cells with what its user does: as `flows`, told in cells."""

from __future__ import annotations

import random
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.properties.programs import shell, steps
from tests.properties.programs.flows import FlowCase
from tests.properties.programs.generate import Generator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.properties.programs import player, reference, verdict
    from tests.properties.programs.text import Program

SEEDS = ("random.seed(", "np.random.seed(")


@dataclass(frozen=True, kw_only=True)
class NotebookCase(FlowCase):
    """A program of cells and the steps of its user."""

    family = "notebooks"
    in_cells = True
    batch = 1  # the shell has no other way to be new

    @classmethod
    def make(cls, seed: int) -> NotebookCase:
        """Return the case of a seed."""
        rng = random.Random(seed)
        program = Generator(rng, plain=True).program
        chosen = steps.choose_steps(program, rng, ops=steps.IN_CELLS)
        return cls(seed=seed, program=program, steps=tuple(_in_cells(step, program) for step in chosen))

    def expect(self) -> list[reference.Outcome]:
        """Return what a plain interpreter gives. A cell that seeds the global generators sets that for all below."""
        outcomes = super().expect()
        names = [task.name for task in self.program.tasks]
        for text, outcome in zip(self._texts(), outcomes, strict=True):
            for number, task in enumerate(self.program.tasks):
                if any(line.startswith(SEEDS) for line in text.bodies.get(task.name, task.body)):
                    outcome.reaches.setdefault(task.name, set()).update(names[number + 1 :])
        return outcomes

    def play(self) -> list[player.Found]:
        """Return what nbflow gives in a shell."""
        return shell.ShellPlayer(self.program, self.steps, shell.ShellHost()).found

    def judge(self, outcomes: list[reference.Outcome], found: list[player.Found]) -> list[verdict.Finding]:
        """Return the differences. What a broken cell leaves is not asked: it may have bound names of others again."""
        for number, step in enumerate(self.steps[: len(found) - 1], 1):
            if step.op == steps.BREAK:
                found[number].forms = outcomes[number].forms
        return super().judge(outcomes, found)

    def text(self) -> str:
        """Return the cells and the steps, to be read and repeated."""
        parts = [
            "\n".join(self.program.prelude),
            *map(shell.cell_of, self.program.tasks),
            f"%flow run {shell.FLOW}",
        ]
        for number, step in enumerate(self.steps, 1):
            parts.append(f"# step {number}: {step.op} {step.task}{step.text}".rstrip())
            for name, body in step.bodies.items():
                parts.append(shell.cell_of(self.program[name], body))
            if step.fixed:
                parts += ["# fixed:", shell.cell_of(self.program[step.task], step.fixed)]
        return "\n\n".join(parts)


def _in_cells(step: steps.Step, program: Program) -> steps.Step:
    """Return a step whose broken cells bind the names of their results, as cells do."""
    if step.op not in (steps.BREAK, steps.HOLD):
        return step
    bodies = {name: shell.broken(program[name], body) for name, body in step.bodies.items()}
    return replace(step, bodies=bodies)


@dataclass(frozen=True, kw_only=True)
class KernelCase(NotebookCase):
    """The same, played in a real kernel."""

    family = "kernels"
    batch = 10
    limit_s = 600

    @classmethod
    def play_all(cls, cases: Sequence[FlowCase]) -> list[list[player.Found]]:
        """Return what nbflow gives in a kernel that is made for these cases."""
        from tests.kernel.conftest import Kernel

        kernel = Kernel(Path(tempfile.mkdtemp()))
        try:
            host, found = shell.KernelHost(kernel), []
            for case in cases:
                found.append(shell.ShellPlayer(case.program, case.steps, host).found)
                host.call("clear")
            return found
        finally:
            kernel.close()
