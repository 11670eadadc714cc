"""Random histories of notebooks, each followed by one Run all, and compared with a kernel that has just been started.

A notebook has cells of `%%flow`, of `%%task`, ordinary ones with `with flow:`, and definitions. They are executed one
by one, edited, copied, deleted, moved, and get other ids; some raise. Then all are executed from top to bottom. The
flows, and what they return, have to be those of the same cells in a fresh shell. A difference that nbflow has named,
in the output of a cell or by `%flow check`, is counted apart.

    python -m tests.properties.histories 500 --seed 1
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import sys
from collections import Counter
from dataclasses import dataclass, field, replace

import nbflow
from nbflow.errors import NbflowError
from nbflow.notebook.inspection.check import check

SETUP = """\
%load_ext nbflow
import nbflow
from nbflow import Flow, Parameter, resource_manager, task
"""
FUNCTIONS = """\
@task
def load(n): return [n{extra}]
@task
def grow(x, k=0): return [*x, k]
@task
def join(x, y): return x + y
@resource_manager
class Box:
    def __init__(self, n): self.n = n
    def setup(self): return [self.n]
    def cleanup(self, box): box.clear()
    def __repr__(self): return f'Box({{self.n}})'"""
FLOWS = {"%%flow": "H", "%%task": "T", "with": "W"}
NAMES = {"%%flow": ("h1", "h2", "h3"), "%%task": ("t1", "t2", "t3"), "with": ("w1", "w2", "w3")}
IDS = ("stable", "renewed", "none")


@dataclass(frozen=True)
class Cell:
    """A cell as it stands in the notebook."""

    id: str
    kind: str
    source: str


@dataclass
class History:
    """A random notebook, and what is done with it.

    Args:
        seed: Decides everything.
        ids: How the front end treats ids: one of `IDS`.
        pauses: Whether there is a pause before each cell that is executed on its own.
    """

    seed: int
    ids: str
    pauses: bool = True
    cells: list[Cell] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    def __post_init__(self):
        self.random = random.Random(self.seed)
        self.count = 0
        self.deleted = []
        kinds = self.random.sample(list(FLOWS), self.random.choice((1, 1, 2, 3)))
        self.kinds = kinds
        self.cells.append(Cell(self.new_id(), "def", FUNCTIONS.format(extra="")))
        for _ in range(self.random.randint(2, 6)):
            self.cells.append(self.new_cell(len(self.cells)))

    def new_id(self):
        self.count += 1
        return f"c{self.count}"

    def new_cell(self, where):
        kind = self.random.choice(self.kinds)
        return Cell(self.new_id(), kind, self.source(kind, where))

    def source(self, kind, where):
        """A cell of this kind that can stand at this place."""
        if kind == "def":
            return FUNCTIONS.format(extra=f", {self.random.randint(1, 3)}")
        above = "\n".join(c.source for c in self.cells[:where] if c.kind == kind)
        bound = [n for n in NAMES[kind] if f"{n} =" in above]
        lines = [self.statement(kind, bound) for _ in range(self.random.choice((1, 1, 2)))]
        if kind == "with":
            head = 'with Flow("W") as flow:' if "Flow(" not in above else "with flow:"
            inner = [part for line in lines for part in line.split("\n")]
            return "\n".join([head, *(f"    {line}" for line in inner)])
        return "\n".join(["%%flow H --no-show" if kind == "%%flow" else "%%task --flow T", *lines])

    def statement(self, kind, bound):
        choose = self.random.choice
        v, k = choose(NAMES[kind]), self.random.randint(1, 3)
        u, w = (choose(bound), choose(bound)) if bound else (None, None)
        if kind == "%%task":
            forms = [f"{v} = [{k}]"] * (1 if bound else 3)
            if bound:
                forms += [
                    f"{v} = {u} + [{k}]",
                    f"{u}.append({k})",
                    f"{v} = {u} + {w}",
                    f"print({u})",
                    f"{u} += [{k}]",
                ]
        else:
            forms = [f"{v} = load({k})", f"load({k});"]
            if bound:
                forms += [f"{v} = grow({u}, {k})", f"{v} = grow({u})", f"{v} = join({u}, {w})", f"grow({u});"]
            forms.append(f"with Box({k}) as box:\n    {v} = grow(box, {choose((4, 5))})")
        line = choose(forms)
        if v not in bound and f"{v} =" in line:
            bound.append(v)
        return line

    # What is done with it

    def play(self, kernel):
        """Play a history of random length; Run all is not a part of it."""
        for _ in range(self.random.randint(2, 10)):
            self.step(kernel)
        if self.ids == "renewed":
            self.renew()

    def step(self, kernel):
        where = self.random.randrange(len(self.cells))
        cell = self.cells[where]
        weights = {"execute": 4, "all": 2, "edit": 3, "insert": 2, "raise": 1, "copy": 1, "edited copy": 1}
        weights |= {"delete": 1, "undo": 1, "move": 1, "renew": 1 if self.ids == "renewed" else 0}
        what = self.random.choices(list(weights), list(weights.values()))[0]
        self.steps.append(f"{what} {where}")
        match what:
            case "execute":
                self.execute(kernel, cell)
            case "all":
                self.run_all(kernel)
            case "edit":
                self.cells[where] = replace(cell, source=self.source(cell.kind, where))
                self.execute(kernel, self.cells[where])
            case "insert":
                where = self.random.randint(1, len(self.cells))
                self.cells.insert(where, self.new_cell(where))
                self.execute(kernel, self.cells[where])
            case "raise":
                self.execute(kernel, replace(cell, source=cell.source + "\n1 / 0"))
            case "copy" | "edited copy":
                new = replace(cell, id=self.new_id())
                if what == "edited copy":
                    new = replace(new, source=self.source(cell.kind, where + 1))
                self.cells.insert(where + 1, new)
                self.execute(kernel, new)
            case "delete" if where:
                self.deleted.append((where, self.cells.pop(where)))
            case "undo" if self.deleted:
                self.cells.insert(*self.deleted.pop())
            case "move" if where:
                self.cells.insert(self.random.randint(1, len(self.cells) - 1), self.cells.pop(where))
            case "renew":
                self.renew()

    def renew(self):
        """Give all cells new ids, as when a page is loaded again."""
        self.cells = [replace(cell, id=self.new_id()) for cell in self.cells]
        self.deleted.clear()

    def execute(self, kernel, cell):
        if self.pauses:
            kernel.pause()
        kernel.run(cell.source, None if self.ids == "none" else cell.id)

    def run_all(self, kernel):
        """Execute all cells; returns what they said, and the cell that raised."""
        kernel.pause()
        said = []
        for cell in self.cells:
            text, is_well = kernel.run(cell.source, None if self.ids == "none" else cell.id)
            said.append(text)
            if not is_well:
                return said, cell
        return said, None


class Kernel:
    """A shell that can be had as if it was new."""

    def __init__(self, shell):
        self.shell = shell
        self.start()

    def start(self):
        """Forget everything."""
        self.shell.run_line_magic("unload_ext", "nbflow") if "nbflow" in self.shell.extension_manager.loaded else None
        nbflow.flows.clear()
        nbflow.flow.newest.clear()
        self.shell.reset(new_session=False)
        self.seconds = 0.0
        self.run(SETUP, "setup")
        passes = self.shell.magics_manager.registry["TaskMagics"].passes
        passes._clock = lambda: self.seconds

    def pause(self):
        self.seconds += 10

    def run(self, source, cell_id):
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            result = self.shell.run_cell(source, cell_id=cell_id, store_history=True)
        return out.getvalue(), result.success

    def picture(self):
        """The flows, and what they return."""
        self.run("None", "look")
        found = {}
        for name in sorted(FLOWS.values()):
            if name in nbflow.flows and nbflow.flows[name].tasks:
                found[name] = _picture(nbflow.flows[name])
        return found

    def checked(self):
        """What `%flow check` complains about."""
        return {f"{name}: {p.what}" for name in nbflow.flows for p in check(nbflow.flows[name]).problems}


def _picture(flow):
    slug = flow.slugs
    edges = sorted((slug[e.upstream_task], slug[e.downstream_task], str(e.key)) for e in flow.edges)
    constants = sorted((slug[t], str(v)) for t, v in flow.constants.items() if v)
    return {"tasks": list(slug.values()), "edges": edges, "constants": constants, "results": _results(flow)}


def _results(flow):
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            state = flow.run()
    except NbflowError as error:
        return repr(error)
    if not isinstance(state.result, dict):
        return state.message
    return {flow.slugs[task]: repr(one.result) for task, one in state.result.items()}


@dataclass(frozen=True)
class Verdict:
    """What came of a history: `same`, `named`, `raised` or `silent`."""

    word: str
    text: str = ""


def judge(shell, seed, ids, pauses=True):
    """Play a history and compare."""
    history = History(seed, ids, pauses)
    kernel = Kernel(shell)
    trace = _Trace(kernel)
    history.play(trace)
    wanted = _fresh(shell, history)
    kernel = Kernel(shell)
    trace.replay(kernel)
    said, failed = history.run_all(kernel)
    got = kernel.picture()
    got = {name: one for name, one in got.items() if name in wanted[0]}  # else all of its cells are deleted
    if failed is None and got == wanted[0]:
        return Verdict("same")
    if failed is not None:
        return Verdict("raised", _report(history, trace, said, got, wanted[0]))
    named = any(word in "\n".join(said) for word in ("▲", "⚠"))
    named = named or bool(kernel.checked() - wanted[1])
    return Verdict("named" if named else "silent", _report(history, trace, said, got, wanted[0]))


def _fresh(shell, history):
    """The flows of the final cells in a fresh kernel; cells that cannot be executed there are deleted first."""
    while True:
        kernel = Kernel(shell)
        _, failed = history.run_all(kernel)
        if failed is None:
            return kernel.picture(), kernel.checked()
        history.cells.remove(failed)


class _Trace:
    """Notes what is executed, and plays it again."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.done = []

    def pause(self):
        self.done.append(None)
        self.kernel.pause()

    def run(self, source, cell_id):
        self.done.append((source, cell_id))
        return self.kernel.run(source, cell_id)

    def replay(self, kernel):
        for one in self.done:
            kernel.pause() if one is None else kernel.run(*one)


def _report(history, trace, said, got, wanted):
    lines = [f"seed {history.seed}, ids {history.ids}, pauses {history.pauses}", "--- history"]
    lines += ["(pause)" if one is None else f"[{one[1]}] {one[0]}" for one in trace.done]
    lines += ["--- Run all", *(f"[{c.id}] {c.source}" for c in history.cells)]
    lines += ["--- said", *[text.strip() for text in said if text.strip()]]
    for name in sorted({*got, *wanted}):
        for part in ("tasks", "edges", "constants", "results"):
            mine, other = got.get(name, {}).get(part), wanted.get(name, {}).get(part)
            if mine != other:
                lines += [f"--- {name} {part}: got", repr(mine), "fresh", repr(other)]
    return "\n".join(lines)


def main(arguments=None):
    """Play histories and say how many differ."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("number", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ids", choices=IDS)
    parser.add_argument("--show", choices=("silent", "named", "raised", "none"), default="silent")
    parser.add_argument("--most", type=int, default=3)
    options = parser.parse_args(arguments)
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "NoColor"
    shell = InteractiveShell.instance(config=config)
    shell.display_pub.publish = lambda data, *a, **k: print(data.get("text/plain", ""))
    shown = 0
    for ids in [options.ids] if options.ids else IDS:
        for pauses in (True, False):
            counts = Counter()
            for seed in range(options.seed, options.seed + options.number):
                verdict = judge(shell, seed, ids, pauses)
                counts[verdict.word] += 1
                if verdict.word == options.show and shown < options.most:
                    shown += 1
                    print(verdict.text, "\n" + "=" * 80)
            print(f"ids {ids:8} pauses {pauses!s:5} {dict(counts)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
