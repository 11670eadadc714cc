"""Rule C3: what a task's code reads of the notebook makes it stale when it is edited, for all kinds of tasks."""

from __future__ import annotations

import pytest

import nbflow

HELPERS = """
LIMIT = 3
COLUMNS = ["a", "b"]
SETTINGS = {"scale": 1, "deep": {"er": [1, 2]}}
counter = 0
def helper(x):
    return inner(x) + 1
def inner(x):
    return x
class Model:
    factor = 1
    def __init__(self, start=0):
        self.start = start
    def predict(self, x):
        return self.score(x)
    @staticmethod
    def score(x):
        return x
class Sub(Model):
    pass
scaled = lambda x: inner(x)
model = Model()
import abc, dataclasses, enum, functools, typing
T = typing.TypeVar("T")
@dataclasses.dataclass
class Point:
    x: int = 1
    rest: list = dataclasses.field(default_factory=list)
class Color(enum.Enum):
    RED = 1
class Shape(abc.ABC, typing.Generic[T]):
    __slots__ = ("area",)
    names = {}
    lock = __import__("threading").Lock()
    @abc.abstractmethod
    def edge(self): ...
    @property
    def size(self):
        return 1
    @functools.cached_property
    def cached(self):
        return 1
class Pair(typing.NamedTuple):
    one: int = 1
point = Point()
red = Color.RED
@functools.lru_cache
def cached(x):
    return inner(x)
def bump():
    global counter
    counter += 1
"""

# What a task does, and edits of what it reads: of a cell, and whether it is stale then.
READS = {
    "helper": ("helper(1)", "def helper(x):\n    return x"),
    "helper of a helper": ("helper(1)", "def inner(x):\n    return 2 * x"),
    "constant": ("LIMIT", "LIMIT = 4"),
    "constant of another type": ("LIMIT", "LIMIT = 3.0"),
    "list": ("COLUMNS[0]", "COLUMNS = ['a', 'c']"),
    "list changed in place": ("COLUMNS[0]", "COLUMNS.append('c')"),
    "dictionary": ("SETTINGS['scale']", "SETTINGS = {'scale': 2, 'deep': {'er': [1, 2]}}"),
    "inside of a dictionary": ("SETTINGS['deep']", "SETTINGS['deep']['er'].append(3)"),
    "method": ("Model().predict(1)", "class Model:\n    def predict(self, x):\n        return 7"),
    "method of a base": ("Sub().predict(1)", "Model.score = staticmethod(lambda x: 5)"),
    "attribute of a class": ("Model.factor", "Model.factor = 2"),
    "object": ("model.start", "model = Model(5)"),
    "class of an object": ("model.predict(1)", "Model.score = staticmethod(lambda x: 5)"),
    "attribute of an object": ("model.start", "model.start = 5"),
    "lambda": ("scaled(1)", "scaled = lambda x: inner(x) * 2"),
    "what a lambda calls": ("scaled(1)", "def inner(x):\n    return 2 * x"),
    "function in a list": ("[helper][0](1)", "def inner(x):\n    return 2 * x"),
    "comprehension": ("[inner(i) for i in (1, 2)]", "def inner(x):\n    return 2 * x"),
    "name in an f-string": ("f'{LIMIT}'", "LIMIT = 4"),
    "dataclass": ("Point().x", "import dataclasses\n@dataclasses.dataclass\nclass Point:\n    x: int = 2"),
    "enum": ("Color.RED.value", "import enum\nclass Color(enum.Enum):\n    RED = 2"),
    "cached function": ("cached(1)", "import functools\n@functools.lru_cache\ndef cached(x):\n    return 5"),
    "what a cached function calls": ("cached(1)", "def inner(x):\n    return 2 * x"),
    "default": ("(lambda x=LIMIT: x)()", "LIMIT = 4"),
}
SAME = {
    "the same text": HELPERS,
    "a comment": "def inner(x):\n    # says what it does\n\n    return x",
    "a docstring": "def inner(x):\n    'Says what it does.'\n    return x",
    "another name": "unheard_of = 7",
    "an equal list": "COLUMNS = ['a', 'b']",
}
ALL = "(helper(1), LIMIT, COLUMNS[0], SETTINGS['scale'], Model().predict(1), model.start, scaled(1)) and 1"
KINDS_OF_CLASSES = "(Point().x, Color.RED, Shape, Pair(), point.x, red, cached(1)) and 1"


def called(what):
    return "reads_" + what.replace(" ", "_").replace("-", "_")


def decorated(name, reads):
    return f"@task\ndef {name}(x):\n    return {reads}", f"%%flow f --no-show\n{name}_done = {name}(1)"


def of_class(name, reads):
    cell = f"from nbflow import Task\nclass T_{name}(Task):\n    def run(self, x):\n        return {reads}"
    return cell, f"%%flow f --no-show\n{name}_done = T_{name}(name='{name}')(x=1)"


def made_inside(name, reads):
    cell = f"def make_{name}():\n    @task\n    def {name}(x):\n        return {reads}\n    return {name}"
    return cell, f"%%flow f --no-show\n{name}_done = make_{name}()(1)"


def of_cell(name, reads):
    return (f"%%task {name} --flow f\n{name}_done = {reads}",)


KINDS = {"@task": decorated, "class": of_class, "closure": made_inside, "%%task": of_cell}


@pytest.fixture(params=KINDS)
def story(notebook, request):
    """Make a flow of one kind of tasks, each of which reads something, and run it."""

    def cell(source, cell_id=None):
        said = notebook(source, cell_id=cell_id)
        assert said.error is None, said.error

    def make(**reads):
        cell(HELPERS, "helpers")
        for name, text in reads.items():
            for number, source in enumerate(KINDS[request.param](name, text)):
                cell(source, f"{name} {number}")
        cell("%flow run f")
        assert stale() == []
        return cell

    return make


def stale():
    flow = nbflow.flows["f"]
    return [step.task.name for step in flow.plan("stale").steps if step.runs]


def test_c3_an_edit_of_what_a_task_reads_makes_it_stale(story):
    cell = story(**{called(what): reads for what, (reads, _) in READS.items()})
    silent = {}

    for what, (_, edit) in READS.items():
        cell(edit, "edit")
        now = stale()
        if called(what) not in now or "nothing" in now:
            silent[what] = now
        cell(HELPERS, "helpers")
        assert stale() == [], nbflow.flows["f"].plan("stale").text() + what

    assert silent == {}


def test_c3_an_edit_that_changes_nothing_of_it_makes_nothing_stale(story):
    cell = story(work=ALL, classes=KINDS_OF_CLASSES)

    found = {what: cell(edit, "edit") or stale() for what, edit in SAME.items()}

    assert not any(found.values()), found


def test_c3_what_the_tasks_themselves_change_makes_nothing_stale(story):
    cell = story(work="(log.append('work'), bump(), SETTINGS.setdefault('new', 3))[0]", read="log[:0]")

    cell("%flow run f\n%flow run f")

    assert stale() == []


def test_c3_a_plan_says_what_has_changed(story):
    cell = story(work="(helper(1), COLUMNS[0])")

    cell("COLUMNS = ['z']", "edit")

    (step,) = [step for step in nbflow.flows["f"].plan("stale").steps if step.runs]
    assert step.why in ("'COLUMNS' has changed", "'T_work.run' has changed")


def test_c3_a_cell_executed_again_is_not_stale_although_it_is_ordered_by_other_cells_than_before(notebook):
    """A task cell that begins to change its input orders those below by what it hands on."""
    last = "%%task last --flow f\nrows.append(3)\nsize = len(rows)"
    for source, name in (
        ("%%task made --flow f\nrows = [1]", "made"),
        ("%%task seen --flow f\ncount = len(rows)", "seen"),
        (last, "last"),
        ("%flow run f", "run"),
        ("%%task seen --flow f\nrows.append(2)\ncount = len(rows)", "seen"),
    ):
        notebook(source, cell_id=name)
    notebook("%flow run f", cell_id="run")

    notebook(last, cell_id="last")

    assert stale() == []
