"""A random program of `@task` functions with what its user does: made, played, judged and made smaller."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.properties.programs import player, reference, verdict
from tests.properties.programs.generate import Generator
from tests.properties.programs.steps import SET, Step, Text, choose_steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.properties.programs.text import Program, TaskText


@dataclass(frozen=True, kw_only=True)
class FlowCase:
    """A program and the steps of its user.

    Attributes:
        seed: What it was made from.
        program: The program.
        steps: The steps.
    """

    seed: int
    program: Program
    steps: tuple[Step, ...]
    family = "flows"
    in_cells = False
    batch = 12  # programs in one child: a fork costs as much as playing one
    limit_s = 120  # for all of them

    @classmethod
    def make(cls, seed: int) -> FlowCase:
        """Return the case of a seed."""
        rng = random.Random(seed)
        program = Generator(rng).program
        return cls(seed=seed, program=program, steps=choose_steps(program, rng))

    @property
    def ordered(self) -> bool:
        """Whether all that share a value which one of them changes are ordered, and take it from each other.

        A module-level object that tasks change without taking it is nobody's value: nbflow does not put it back.
        """
        return self.program.ordered and not any(task.touches == "module" for task in self.program.tasks)

    @property
    def ops(self) -> tuple[str, ...]:
        """What the user does, for the figures."""
        return tuple(step.op for step in self.steps)

    def expect(self) -> list[reference.Outcome]:
        """Return what a plain interpreter gives."""
        return reference.outcomes(self.program, self._texts(), self.steps, in_cells=self.in_cells)

    def play(self) -> list[player.Found]:
        """Return what nbflow gives."""
        return player.Player(self.program, self.steps).found

    @classmethod
    def play_all(cls, cases: Sequence[FlowCase]) -> list[list[player.Found]]:
        """Return what nbflow gives for each of the cases, in one process."""
        return [case.play() for case in cases]

    def judge(self, outcomes: list[reference.Outcome], found: list[player.Found]) -> list[verdict.Finding]:
        """Return the differences, up to where a value is set through which alone others are ordered."""
        for number, step in enumerate(self.steps[: len(found) - 1], 1):
            if step.op == SET and not self._is_ordered_without(step.task, outcomes[number].ties):
                found = found[:number]
        return verdict.judge(self.program, self.steps, outcomes, found)

    def _is_ordered_without(self, name: str, ties: dict[str, set[str]]) -> bool:
        """Tell whether tasks whose order counts are ordered, although one of those between them does not run."""
        above: dict[str, set[str]] = {name: set()}
        for task in self.program.tasks:
            if task.name != name:
                upstream = self.program.upstream(task.name)
                above[task.name] = upstream.union(*(above[up] for up in upstream))
        return all(one in above[other] for one, others in ties.items() for other in others)

    def _texts(self) -> list[Text]:
        texts = [Text()]
        for number, step in enumerate(self.steps, 1):
            texts.append(texts[-1].after(step, number, self.program))
        return texts

    def text(self) -> str:
        """Return the program and the steps, to be read and repeated."""
        parts = list(self.program.cells().values())
        for number, step in enumerate(self.steps, 1):
            about = " ".join(filter(None, (step.task, step.parameter, step.text)))
            parts.append(f"# step {number}: {step.op} {about}".rstrip())
            parts += [self.program[name].cell(body) for name, body in step.bodies.items()]
            if step.fixed:
                parts += ["# fixed:", self.program[step.task].cell(step.fixed)]
        return "\n\n".join(parts)

    def smaller(self) -> Iterator[FlowCase]:
        """Yield cases that have one thing less."""
        for index in reversed(range(len(self.steps))):
            yield replace(self, steps=self.steps[:index] + self.steps[index + 1 :])
        for task in reversed(self.program.tasks):
            if self._is_free(task):
                tasks = tuple(one for one in self.program.tasks if one is not task)
                sources = {one.source for left in tasks for one in left.inputs}
                parameters = {name: text for name, text in self.program.parameters.items() if name in sources}
                yield replace(self, program=replace(self.program, tasks=tasks, parameters=parameters))
        if self.program.block:
            yield self._without_block()
        for task in self.program.tasks:
            for body in _shorter(task.body):
                yield self._with(task, replace(task, body=body))
        for index, step in enumerate(self.steps):
            for name, body in step.bodies.items():
                for less in _shorter(body):
                    new = replace(step, bodies={**step.bodies, name: less})
                    yield replace(self, steps=(*self.steps[:index], new, *self.steps[index + 1 :]))
                if len(step.bodies) > 1:
                    new = replace(step, bodies={n: b for n, b in step.bodies.items() if n != name})
                    yield replace(self, steps=(*self.steps[:index], new, *self.steps[index + 1 :]))

    def _without_block(self) -> FlowCase:
        return replace(self, program=replace(self.program, block=frozenset()))

    def _with(self, old: TaskText, new: TaskText) -> FlowCase:
        tasks = tuple(new if one is old else one for one in self.program.tasks)
        return replace(self, program=replace(self.program, tasks=tasks))

    def _is_free(self, task: TaskText) -> bool:
        named = {name for step in self.steps for name in (step.task, *step.bodies)}
        return task.name not in named and not any(
            task.name in self.program.upstream(other.name) for other in self.program.tasks
        )


def _shorter(body: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for index, line in enumerate(body[:-1]):
        if "=" in line.split("(")[0] and line.startswith(("d_", "seen")):
            continue  # what is returned needs it
        if "context" not in line:
            yield body[:index] + body[index + 1 :]
