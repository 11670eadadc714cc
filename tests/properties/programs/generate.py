"""Makes a random program, and other versions of its tasks.

Tasks that share an object which one of them may change are ordered, by what they take of each other or by an edge of
their own, unless the program is meant to be an unordered one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.properties.programs.kinds import (
    ATOMS,
    DECLARED,
    HELPERS,
    KINDS,
    MUTABLE,
    NUMPY,
    PARAMETERS,
    Kind,
    filled,
)
from tests.properties.programs.text import RESOURCE, Input, Program, TaskText

if TYPE_CHECKING:
    import random

GLOBALS = {
    "random": ("random.seed($b)", "random.random()", "random.randrange(1000)"),
    "numpy.random": ("np.random.seed($b)", "float(np.random.random())", "int(np.random.randint(1000))"),
    "module": ("SHARED[:] = [$a]", "SHARED.append($b) or sum(SHARED)", "len(SHARED)"),
}
GLOBAL_PRELUDE = {"random": "import random", "numpy.random": NUMPY, "module": "SHARED = [0]"}
FEATURES = ("retry", "loop", "loop result", "cached", "constant", "parameter")


@dataclass(frozen=True, kw_only=True)
class Handle:
    """What a task can take: the value of a task or parameter, and the objects that it shares with others."""

    source: str
    kind: str
    groups: frozenset[str]
    path: str = ""


class Generator:
    """Makes one program; `program` is it.

    Args:
        rng: What it is made from.
        plain: Whether tasks have no features and all takers are ordered, so that it can be told in cells.
    """

    def __init__(self, rng: random.Random, *, plain: bool = False) -> None:
        self.rng, self.plain = rng, plain
        self.palette = tuple(dict.fromkeys(rng.choices(tuple(KINDS), k=rng.choice((1, 2, 2, 3)))))
        self.features = () if plain else tuple(rng.sample(FEATURES, rng.choice((0, 1, 1, 2))))
        self.touched = rng.choice(tuple(GLOBALS)) if rng.random() < 0.12 else ""
        self.ordered = plain or rng.random() > 0.05
        self.handles: list[Handle] = []
        self.closed: set[str] = set()
        self.takers: dict[str, list[tuple[str, bool]]] = {}
        self.before: dict[str, set[str]] = {}
        self.parameters: dict[str, str] = {}
        self.tasks: list[TaskText] = []
        self.fresh = 0
        for _ in range(rng.randrange(3, 8)):
            self._add()
        used = {task.kind for task in self.tasks} | {one.kind for task in self.tasks for one in task.inputs}
        prelude = [line for name in used if name in KINDS for line in KINDS[name].prelude]
        prelude += [GLOBAL_PRELUDE[task.touches] for task in self.tasks if task.touches]
        prelude += ["import copy"] + [HELPERS] * any("outer(" in line for t in self.tasks for line in t.body)
        block = self._block()
        prelude += [RESOURCE] * bool(block)
        kinds = tuple(sorted(used - {"atoms"})) + ((f"global {self.touched}",) if self.touched else ())
        self.program = Program(
            tasks=tuple(self.tasks),
            parameters=self.parameters,
            prelude=tuple(
                sorted(dict.fromkeys(prelude), key=lambda text: (not text.startswith(("import ", "from ")), text))
            ),
            block=block,
            ordered=self.ordered,
            kinds=kinds,
        )

    def _block(self) -> frozenset[str]:
        """Choose tasks that stand one after the other."""
        if self.plain or self.rng.random() > 0.15:
            return frozenset()
        first = self.rng.randrange(len(self.tasks))
        return frozenset(task.name for task in self.tasks[first : first + self.rng.choice((1, 2, 3))])

    def _add(self) -> None:
        rng, name = self.rng, f"t{len(self.tasks)}"
        feature = ""
        if self.tasks and self.features and rng.random() < 0.5:
            feature = rng.choice(self.features)
        if self.touched and rng.random() < 0.6:
            self._add_touching(name)
        elif not self.handles or rng.random() < 0.2 or feature == "cached":
            self._add_root(name, "cached" if feature == "cached" else "")
        else:
            self._add_taker(name, feature)

    def _add_root(self, name: str, feature: str) -> None:
        kind = self.rng.choice(self.palette)
        if KINDS[kind].is_one_shot:
            feature = ""
        self._finish(TaskText(name=name, kind=kind, form="make", feature=feature), frozenset({name}))

    def _add_touching(self, name: str) -> None:
        after = self._order(name, {}, [f"global {self.touched}"], True)
        self._finish(TaskText(name=name, form="draw", touches=self.touched, after=after), frozenset())

    def _add_taker(self, name: str, feature: str) -> None:
        rng = self.rng
        if feature == "constant":
            kind = rng.choice(DECLARED)
            made = Input(arg="x0", kind=kind, constant=filled(KINDS[kind].makes[0], rng), may_change=True)
            form = rng.choice(("read", "same"))
            groups = frozenset({name}) if form == "same" else frozenset()
            task = TaskText(name=name, inputs=(made,), kind=kind if form == "same" else "atoms", form=form)
            self._finish(task, groups)
            return
        if feature == "parameter":
            kind = rng.choice(tuple(PARAMETERS))
            parameter = f"p{len(self.parameters)}"
            self.parameters[parameter] = rng.choice(PARAMETERS[kind])
            made = Input(arg="x0", kind=kind, source=parameter, may_change=kind in KINDS)
            self._finish(TaskText(name=name, inputs=(made,), form="read"), frozenset())
            return
        usable = [one for one in self.handles if self._may_take(one, feature)]
        if not usable:
            self._add_root(name, "")
            return
        chosen = rng.sample(usable, min(len(usable), rng.choice((1, 1, 1, 2, 2, 3))))
        if feature.startswith("loop"):
            chosen = [one for one in chosen if one.kind in MUTABLE and one.kind not in ("rows", "class attribute")][:1]
            if chosen:  # whether the turns take one object or copies of it is nobody else's to see
                self.closed |= chosen[0].groups
            else:
                feature, chosen = "", [rng.choice(usable)]
        if not self.plain and feature == "" and chosen[0].kind == "rows" and not chosen[0].path and rng.random() < 0.5:
            feature = "mapped" if not self._has_takers(chosen[0]) else ""
            chosen = chosen[:1] if feature else chosen
        inputs, changed = [], {}
        for index, one in enumerate(chosen):
            changes = bool(one.groups) and (rng.random() < 0.6 or feature in ("retry", "loop", "loop result"))
            changes = changes or (one.kind in KINDS and KINDS[one.kind].is_one_shot)
            kind = "list" if feature == "mapped" else one.kind
            inputs.append(Input(arg=f"x{index}", kind=kind, source=one.source, path=one.path, may_change=changes))
            for group in one.groups:
                changed[group] = changed.get(group, False) or changes
        form, kind, groups, path = self._result(chosen, feature, name)
        after = self._order(name, changed, [], False, [one.source for one in chosen])
        if feature == "mapped" and after:
            return
        task = TaskText(name=name, inputs=tuple(inputs), after=after, kind=kind, form=form, feature=feature)
        self._finish(task, groups, path)

    def _may_take(self, one: Handle, feature: str) -> bool:
        if one.groups & self.closed:
            return False
        if self.plain and KINDS.get(one.kind, ATOMS).is_one_shot and self._has_takers(one):
            return False  # in cells the second taker goes on where the first one stopped
        return not (feature.startswith("loop") and self._has_takers(one))

    def _has_takers(self, one: Handle) -> bool:
        return any(self.takers.get(group) for group in one.groups)

    def _result(self, chosen: list[Handle], feature: str, name: str) -> tuple[str, str, frozenset[str], str]:
        rng, first = self.rng, chosen[0]
        if feature == "loop":
            return "read", "atoms", frozenset(), ""
        if feature == "loop result":
            return "same", first.kind, frozenset({name}), first.path
        if feature == "mapped":
            return (
                ("same", "rows", first.groups | {name}, "")
                if rng.random() < 0.4
                else ("read", "atoms", frozenset(), "")
            )
        known = first.kind in KINDS and not KINDS[first.kind].is_one_shot
        if not known:
            return "read", "atoms", frozenset(), ""
        form = rng.choice(("same", "same", "copy", "read", "read", "read", "hold", "make"))
        if form == "copy" and not KINDS[first.kind].copies:
            form = "read"
        if form == "same":
            return form, first.kind, first.groups, first.path
        if form == "copy":
            return form, first.kind, frozenset({name}), ""
        if form == "hold" and not first.path:
            return form, first.kind, first.groups | {name}, rng.choice(("[0]", '["held"]'))
        if form == "make":
            return form, rng.choice(self.palette), frozenset({name}), ""
        return "read", "atoms", frozenset(), ""

    def _order(
        self,
        name: str,
        changed: dict[str, bool],
        touched: list[str],
        changes: bool,
        sources: list[str] | None = None,
    ) -> tuple[str, ...]:
        """Put the task after all that take one of its objects before it, if one of the two changes it."""
        before: set[str] = set()
        for source in sources or ():
            if source in self.before:
                before |= {source} | self.before[source]
        after: list[str] = []
        for group, mine in [*changed.items(), *((group, changes) for group in touched)]:
            one_shot = any(one.groups == {group} and KINDS[one.kind].is_one_shot for one in self.handles)
            for other, theirs in reversed(self.takers.get(group, [])):
                if (mine or theirs) and other not in before and self.ordered and not one_shot:
                    after.append(other)
                    before |= {other} | self.before[other]
            self.takers.setdefault(group, []).append((name, mine))
        self.before[name] = before
        return tuple(sorted(after))

    def _finish(self, task: TaskText, groups: frozenset[str], path: str = "") -> None:
        self.before.setdefault(task.name, set())
        if task.form == "hold":
            task = replace(task, body=(path,))  # for the first body, which is made of it
        task = replace(task, body=new_body(task, self.rng, path))
        self.tasks.append(task)
        self.handles.append(Handle(source=task.name, kind=task.kind, groups=groups, path=path))


def kind_of(name: str) -> Kind:
    """Return the kind of a value, for its texts."""
    return KINDS.get(name, ATOMS)


def new_body(task: TaskText, rng: random.Random, path: str = "", *, fails: bool = False) -> tuple[str, ...]:
    """Return the lines of a version of a task: other changes, constants and reads, the same kind of result."""
    if task.form == "draw":
        seed, *draws = GLOBALS[task.touches]
        if task.name == "t0" or not task.after:
            return (filled(seed, rng), f"return {rng.randrange(9)}")
        picked = [filled(rng.choice(draws), rng) for _ in range(rng.choice((1, 2)))]
        return (f"return ({', '.join(picked)}, {rng.randrange(9)})",)
    if task.feature.startswith("loop"):
        return _loop_body(task, rng)
    lines: list[str] = []
    drawn: list[str] = []
    for one in task.inputs:
        kind = kind_of(one.kind)
        place = one.arg + one.path
        if kind.is_one_shot:
            drawn.append(f"d_{one.arg}")
            lines.append(f"d_{one.arg} = {filled(rng.choice(kind.reads), rng, place)}")
        elif one.may_change and kind.changes and rng.random() < 0.8:
            lines += [_change(kind, rng, place) for _ in range(rng.choice((1, 1, 2)))]
    if task.feature == "retry":
        lines.append('if context.get("task_run_count", 1) < 2:\n    raise OSError("the first attempt")')
        lines += [
            _change(kind_of(one.kind), rng, one.arg + one.path)
            for one in task.inputs
            if one.may_change and kind_of(one.kind).changes and rng.random() < 0.4
        ]
    if fails:
        lines.append(f'raise ValueError("version {rng.randrange(99)}")')
        return tuple(lines)
    return (*lines, f"return {_result_text(task, rng, drawn, path)}")


def _result_text(task: TaskText, rng: random.Random, drawn: list[str], path: str) -> str:
    first = task.inputs[0].arg if task.inputs else ""
    place = first + task.inputs[0].path if task.inputs else ""
    match task.form:
        case "make":
            return filled(rng.choice(kind_of(task.kind).makes), rng)
        case "same":
            return first
        case "copy":
            return filled(rng.choice(kind_of(task.kind).copies), rng, place)
        case "hold":
            held = path or (task.body[-1] if task.body else "")
            return (
                f'{{"held": {place}, "n": {rng.randrange(9)}}}' if "held" in held else f"[{place}, {rng.randrange(9)}]"
            )
    reads = [
        filled(
            "repr($x)" if one.source.startswith("p") else rng.choice(kind_of(one.kind).reads),
            rng,
            one.arg + one.path,
        )
        for one in task.inputs
        if not kind_of(one.kind).is_one_shot
    ]
    return f"({', '.join([*reads, *drawn, str(rng.randrange(99))])})"


def _change(kind: Kind, rng: random.Random, place: str) -> str:
    text = rng.choice(kind.changes)
    return filled(text, rng, place)


def _loop_body(task: TaskText, rng: random.Random) -> tuple[str, ...]:
    one = task.inputs[0]
    kind, place, turns = kind_of(one.kind), one.arg + one.path, rng.choice((2, 3))
    again = f'if context.get("task_loop_count", 1) < {turns}:\n    raise signals.LOOP(result='
    if task.feature == "loop result":
        change = _change(kind, rng, f"{one.arg}{one.path}")
        return (
            f'{one.arg} = context.get("task_loop_result", {one.arg})',
            change,
            f"{again}{one.arg})",
            f"return {one.arg}",
        )
    return (
        'seen = context.get("task_loop_result", ())',
        _change(kind, rng, place),
        f"seen = (*seen, {filled(rng.choice(kind.reads), rng, place)})",
        f"{again}seen)",
        "return seen",
    )
