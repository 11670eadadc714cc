"""A model of notebooks with `%%flow` cells: what their flow must be, found without nbflow.

A cell is a list of statements. `build` says what flow the contributions make, by one rule: a name means what the
nearest cell before bound to it; if none before does, the nearest after; if none at all, it is missing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

Statement = tuple[Any, ...]
Names = ("a", "b", "c")
ListNames = ("xs", "ys")
BlockNames = ("client", "server")
ParameterNames = ("p", "q")


@dataclass(frozen=True)
class Cell:
    """What a cell says."""

    statements: tuple[Statement, ...]
    block: str | None = None

    @property
    def source(self) -> str:
        lines = [_line(s) for s in self.statements]
        line = "%%flow example --no-show" + (f" --in {self.block}" if self.block else "")
        return "\n".join([line, *(lines or ["# nothing"])])

    @property
    def body(self) -> str:
        lines = [_line(s) for s in self.statements]
        if self.block is None:
            return "\n".join(lines) or "pass"
        inside = [f"    {part}" for line in lines or ["pass"] for part in line.split("\n")]
        return "\n".join([f"with {self.block}.block:", *inside])

    @property
    def binds(self) -> set[str]:
        return {s[1] for s in self.statements if s[0] not in ("quiet", "after", "fail")} | {
            s[2] for s in self.statements if s[0] == "block"
        }

    @property
    def fails(self) -> bool:
        return any(s[0] == "fail" for s in self.statements)


def _line(statement: Statement) -> str:
    match statement:
        case ("load", v, k):
            return f"{v} = load({k})"
        case ("double", v, u):
            return f"{v} = double({u})"
        case ("add", v, u, w):
            return f"{v} = add({u}, {w})"
        case ("quiet", u):
            return f"double({u});"
        case ("after", u, w):
            return f"{u}.set_upstream({w})"
        case ("alias", v, u):
            return f"{v} = {u}"
        case ("list", v, k, n):
            return f"{v} = [{', '.join(f'load({k + i})' for i in range(n))}]"
        case ("item", v, u, i):
            return f"{v} = double({u}[{i}])"
        case ("block", v, c):
            return f"with Cluster() as {c}:\n    {v} = use({c})"
        case ("use", v, c):
            return f"{v} = use({c})"
        case ("parameter", p):
            return f"{p} = Parameter('{p}', default=1)()"
        case ("fail",):
            return "1 / 0"
    raise ValueError(statement)


@dataclass
class Flow:
    """A flow as the model has it: tasks are `(contribution, number)`."""

    names: dict[Any, str] = field(default_factory=dict)
    edges: set[tuple[Any, Any, str | None]] = field(default_factory=set)
    constants: dict[Any, dict[str, Any]] = field(default_factory=dict)
    members: dict[Any, list[Any]] = field(default_factory=dict)
    parents: dict[Any, Any] = field(default_factory=dict)
    resources: dict[Any, Any] = field(default_factory=dict)
    missing: list[tuple[int, str]] = field(default_factory=list)
    unread: list[int] = field(default_factory=list)
    problem: str | None = None

    def slugs(self) -> dict[Any, str]:
        counts: Counter[str] = Counter()
        found = {}
        for task, name in self.names.items():
            if name in ParameterNames:
                found[task] = name
            elif not name.endswith("?"):
                counts[name] += 1
                found[task] = f"{name}-{counts[name]}"
            else:
                found[task] = name
        return found

    def picture(self) -> Any:
        """The flow as a value that is equal for equal flows."""
        slug = self.slugs()
        return {
            "tasks": [slug[task] for task in self.names],
            "edges": {(slug[u], slug[d], key) for u, d, key in self.edges},
            "constants": {slug[t]: values for t, values in self.constants.items() if values},
            "blocks": {
                slug[b]: ([slug[t] for t in inside], slug.get(self.parents.get(b)))
                for b, inside in self.members.items()
            },
        }


class _Unresolved(LookupError):
    pass


class Builder:
    """Evaluates contributions, each `(position, cell)`, to a flow."""

    def __init__(self, cells: list[Cell]) -> None:
        self.cells = cells
        self.flow = Flow()
        # What each name holds at the end of each cell: a task, a list, or ("see", name) of another cell.
        self.final: list[dict[str, Any]] = [{} for _ in cells]
        self.later: list[tuple[Any, Any]] = []  # (block, member)

    def build(self) -> Flow:
        for here, cell in enumerate(self.cells):
            self._names(here, cell)
        for here, cell in enumerate(self.cells):
            self._cell(here, cell)
        self._check()
        return self.flow

    # First, which tasks there are and what the names hold

    def _names(self, here: int, cell: Cell) -> None:
        number = 0

        def new() -> tuple[int, int]:
            nonlocal number
            number += 1
            return here, number

        local = self.final[here]
        for s in cell.statements:
            match s:
                case ("load" | "double" | "add" | "use" | "item", v, *_):
                    local[v] = new()
                case ("quiet", _):
                    new()
                case ("alias", v, u):
                    local[v] = local.get(u, ("see", u))
                case ("list", v, _, n):
                    local[v] = [new() for _ in range(n)]
                case ("block", v, c):
                    _, local[c], _, local[v] = new(), new(), new(), new()
                case ("parameter", p):
                    local[p] = new()

    def lookup(self, here: int, name: str, depth: int = 0) -> Any:
        binders = [i for i, names in enumerate(self.final) if name in names and i != here]
        before = [i for i in binders if i < here]
        if not binders or depth > 20:
            raise _Unresolved(name)
        binder = before[-1] if before else binders[0]
        held = self.final[binder][name]
        if isinstance(held, tuple) and held[0] == "see":
            return self.lookup(binder, held[1], depth + 1)
        return held

    # Then, the edges

    def _cell(self, here: int, cell: Cell) -> None:
        flow, number = self.flow, 0
        local: dict[str, Any] = {}

        def look(name: str) -> Any:
            held = local.get(name, ("see", name))
            return self.lookup(here, held[1]) if isinstance(held, tuple) and held[0] == "see" else held

        def missing(text: str) -> Any:
            if (here, text) not in flow.missing:
                flow.missing.append((here, text))
            return ("missing", text)

        def task(name: str, index: int | None = None) -> Any:
            text = name if index is None else f"{name}[{index}]"
            try:
                held = look(name)
            except _Unresolved:
                return missing(text)
            if index is not None:
                return held[index] if isinstance(held, list) and index < len(held) else missing(text)
            return missing(text) if isinstance(held, list) else held

        home = None
        if cell.block is not None:
            try:
                home = look(cell.block)
            except _Unresolved:
                home = ("missing", cell.block)
                flow.unread.append(here)

        def new(name: str, inside: Any = None, **inputs: Any) -> Any:
            nonlocal number
            number += 1
            made = (here, number)
            flow.names[made] = name
            for block in (inside or home,):
                if block is not None:
                    self.later.append((block, made))
                    if block[0] == "missing" and name not in ParameterNames:
                        missing(cell.block or "")
            for key, upstream in inputs.items():
                flow.edges.add((upstream, made, key))
            return made

        for s in cell.statements:
            match s:
                case ("load", v, k):
                    local[v] = new("load")
                    flow.constants[local[v]] = {"n": k}
                case ("double", v, u):
                    local[v] = new("double", x=task(u))
                case ("add", v, u, w):
                    local[v] = new("add", x=task(u), y=task(w))
                case ("quiet", u):
                    new("double", x=task(u))
                case ("after", u, w):
                    flow.edges.add((task(w), task(u), None))
                case ("alias", v, u):
                    local[v] = local.get(u, ("see", u))
                    try:
                        look(u)
                    except _Unresolved:
                        flow.unread.append(here)  # nobody misses it, yet the cell could not be executed now
                case ("list", v, k, n):
                    local[v] = [new("load") for _ in range(n)]
                    flow.constants |= {one: {"n": k + i} for i, one in enumerate(local[v])}
                case ("item", v, u, i):
                    local[v] = new("double", x=task(u, i))
                case ("block", v, c):
                    init = new("Cluster")
                    setup = new("Cluster.setup")
                    cleanup = new("Cluster.cleanup")
                    flow.members[setup] = []
                    flow.resources[setup] = (init, setup, cleanup)
                    if home is not None:
                        flow.parents[setup] = home
                    local[c] = setup
                    local[v] = new("use", inside=setup, resource=setup)
                case ("use", v, c):
                    local[v] = new("use", resource=task(c))
                case ("parameter", p):
                    local[p] = new(p)
                    self.later = [(b, t) for b, t in self.later if t != local[p]]

    # And whether it can be

    def _check(self) -> None:
        flow = self.flow
        for block, made in self.later:
            if block[0] == "missing":
                flow.edges.add((block, made, None))
            else:
                flow.members[block].append(made)
        flow.parents = {b: p for b, p in flow.parents.items() if p[0] != "missing"}
        for _, text in flow.missing:
            flow.names[("missing", text)] = f"{text}?"
        flow.edges = {e for e in flow.edges if not (e[0] == e[1] and e[0][0] == "missing")}
        parameters = [n for n in flow.names.values() if n in ParameterNames]
        if len(parameters) != len(set(parameters)):
            flow.problem = "two parameters of a name"
        elif any(flow.names[d] in ParameterNames for _, d, _ in flow.edges):
            flow.problem = "something before a parameter"
        elif any(u == d for u, d, _ in flow.edges):
            flow.problem = "an edge to itself"
        elif self._has_cycle():
            flow.problem = "a cycle"
        elif self._leaves_scope():
            flow.problem = "a resource leaves its block"

    def _has_cycle(self) -> bool:
        flow = self.flow
        below: dict[Any, set[Any]] = {task: set() for task in flow.names}
        for u, d, _ in flow.edges:
            below[u].add(d)
        for block, (init, setup, cleanup) in flow.resources.items():
            below[init] |= {setup, cleanup}
            below[setup].add(cleanup)
            for member in flow.members[block]:  # as far as `_tie` goes, or further: no cycle depends on it
                below[setup].add(member)
                below[member].add(cleanup)
        counts: Counter[Any] = Counter(d for inside in below.values() for d in inside)
        ready = [task for task in below if not counts[task]]
        for task in ready:
            for d in below[task]:
                counts[d] -= 1
                if not counts[d]:
                    ready.append(d)
        return len(ready) < len(below)

    def _leaves_scope(self) -> bool:
        flow = self.flow
        home = {t: b for b, inside in flow.members.items() for t in inside}
        home |= {three[2]: b for b, three in flow.resources.items()}
        for u, d, key in flow.edges:
            if u in flow.members and key is not None:
                around = home.get(d)
                while around is not None and around != u:
                    around = flow.parents.get(around)
                if around is None:
                    return True
        return False
