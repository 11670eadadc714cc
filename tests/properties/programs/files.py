"""Random programs whose tasks are joined by files: in tasks with edges, or in cells that share but a path."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.properties.programs import steps
from tests.properties.programs.flows import FlowCase
from tests.properties.programs.notebooks import NotebookCase
from tests.properties.programs.steps import Step
from tests.properties.programs.text import SOURCE, Input, Program, TaskText

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.properties.programs import player

PRELUDE = (
    "import json",
    "import tempfile",
    "from pathlib import Path",
    "folder = Path(tempfile.mkdtemp())",
    f'(folder / "{SOURCE}").write_text("7")',
)
WRITES = (
    '(folder / "$f").write_text("$k")',
    'with open(folder / "$f", "w") as out:\n    out.write("$k")',
    'with open(folder / "$f", "w") as out:\n    json.dump($k, out)',
    '(folder / "$f").write_bytes(b"$k")',
)
APPENDS = ('with open(folder / "$f", "a") as out:\n    out.write("$k")',)
READS = (
    '(folder / "$f").read_text()',
    'json.loads((folder / "$f").read_text())',
    '(folder / "$f").read_bytes()',
    'open(folder / "$f").readline()',
)


def _make(rng: random.Random) -> Program:
    tasks: list[TaskText] = []
    users: dict[str, list[str]] = {}  # of each file, in order
    for number in range(rng.randrange(3, 7)):
        name, known = f"t{number}", [file for file in users if file != SOURCE]
        way = rng.choice(("write", "read", "read", "append", "source", "take"))
        if way == "write" or not (known or way == "source"):
            file = f"f{number}"
            tasks.append(_task(name, rng, "write", file, ()))
        elif way == "take" and tasks:
            one = Input(arg="x0", kind="atoms", source=rng.choice(tasks).name)
            tasks.append(replace(_task(name, rng, "take", "", ()), inputs=(one,)))
            continue
        else:
            file = SOURCE if way == "source" else rng.choice(known)
            before = () if way == "source" else tuple(users[file])
            tasks.append(_task(name, rng, "read" if way == "source" else way, file, before))
        users.setdefault(file, []).append(name)
    return Program(tasks=tuple(tasks), prelude=PRELUDE, kinds=("files",))


def _task(name: str, rng: random.Random, form: str, file: str, after: tuple[str, ...]) -> TaskText:
    files = (file,) if file else ()
    task = TaskText(
        name=name, form=form, files=files, written=files if form in ("write", "append") else (), after=after
    )
    return replace(task, body=new_body(task, rng))


def new_body(task: TaskText, rng: random.Random) -> tuple[str, ...]:
    """Return the lines of a version of a task."""
    if task.form == "take":
        return (f"return (x0, {rng.randrange(99)})",)
    texts = {"write": WRITES, "append": APPENDS, "read": READS}[task.form]
    text = rng.choice(texts).replace("$f", task.files[0]).replace("$k", str(rng.randrange(1, 99)))
    if task.form == "read":
        return (f"return ({text}, {rng.randrange(99)})",)
    return (text, f"return {rng.randrange(99)}")


@dataclass(frozen=True, kw_only=True)
class FileCase(NotebookCase):
    """A program whose tasks are joined by files, and the steps of its user.

    Attributes:
        in_cells: Whether it is told in cells.
    """

    in_cells: bool
    family = "files"

    @classmethod
    def make(cls, seed: int) -> FileCase:
        """Return the case of a seed."""
        rng = random.Random(seed)
        program = _make(rng)
        chosen: list[Step] = []
        for _ in range(rng.choice((1, 2, 3))):
            name = rng.choice(program.tasks).name
            match rng.choice((steps.RUN, steps.UNCHANGED, steps.RERUN_TASK, *(steps.EDIT_STALE,) * 3, steps.FILE)):
                case steps.EDIT_STALE:
                    chosen.append(Step(op=steps.EDIT_STALE, bodies={name: new_body(program[name], rng)}))
                case steps.RERUN_TASK:
                    chosen.append(Step(op=steps.RERUN_TASK, task=name))
                case steps.FILE:
                    text = f'(folder / "{SOURCE}").write_text("{rng.randrange(10, 99)}")'
                    chosen.append(Step(op=steps.FILE, text=text))
                case op:
                    chosen.append(Step(op=op))
        return cls(seed=seed, program=program, steps=tuple(chosen), in_cells=rng.random() < 0.5)

    def smaller(self) -> Iterator[FileCase]:
        """Yield cases that have one thing less: never a line, as a file that was written stays there."""
        bodies = {task.name: task.body for task in self.program.tasks}
        for case in FlowCase.smaller(self):
            if all(bodies[task.name] == task.body for task in case.program.tasks) and not any(
                len(body) < len(bodies[name]) for step in case.steps for name, body in step.bodies.items()
            ):
                yield case

    def play(self) -> list[player.Found]:
        """Return what nbflow gives."""
        return NotebookCase.play(self) if self.in_cells else FlowCase.play(self)

    def text(self) -> str:
        """Return the program and the steps, to be read and repeated."""
        return NotebookCase.text(self) if self.in_cells else FlowCase.text(self)
