"""Each row of the table "What an edit does" is true (rules C1 to C3)."""

from __future__ import annotations

import importlib
import re
import sys
import warnings
from pathlib import Path

import pytest

import nbflow
from tests.patience import PATIENCE_S

PAGE = (Path(__file__).parents[2] / "docs" / "debugging.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("## What an edit does")[2]
ROWS = {edit: (uses, stale) for edit, uses, stale in re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", TABLE, re.M)}
del ROWS["You edit, and execute its cell"]

CALL = "%%flow f --no-show\nworked = work(1)"
MANAGER = (
    "@resource_manager\nclass Desk:\n    def __init__(self):\n        self.word = '{0}'\n"
    "    def setup(self):\n        return self.word\n    def cleanup(self, desk):\n        log.append('{0}')"
)
BLOCK = "%%flow f --no-show\nwith Desk() as desk:\n    worked = use(desk, desk)"

# The cells, with "old" in what is edited, the cell that is edited; and what it says then, if it is not just "new".
PLAYS = {
    "the function of a task": (["@task\ndef work(x):\n    return 'old'", CALL], 0),
    "a function that it calls": (
        ["def help(x):\n    return 'old'", "@task\ndef work(x):\n    return help(x)", CALL],
        0,
    ),
    "a function that the called one calls": (
        [
            "def deep():\n    return 'old'",
            "def help(x):\n    return deep()\n@task\ndef work(x):\n    return help(x)",
            CALL,
        ],
        0,
    ),
    "a class whose objects it makes": (
        [
            "class Model:\n    def word(self):\n        return 'old'",
            "@task\ndef work(x):\n    return Model().word()",
            CALL,
        ],
        0,
    ),
    "a number, text, list or dictionary that it reads": (
        ["WORDS = {'a': ['old']}", "@task\ndef work(x):\n    return WORDS['a'][0]", CALL],
        0,
    ),
    'a list, in place (`columns.append("c")`)': (
        ["columns = ['old']", "@task\ndef work(x):\n    return columns[-1]", CALL],
        0,
        "columns.append('new')",
    ),
    "a list that the tasks themselves change": (
        ["seen = ['old']", "@task\ndef work(x):\n    seen.append(1)\n    return seen[0]", CALL],
        0,
    ),
    "a comment or a docstring": (
        ["@task\ndef work(x):\n    return word", CALL, "word = 'new'"],
        0,
        "@task\ndef work(x):\n    'Says a word.'\n    # the only one\n    return word",
    ),
    "the class of a task (`class Load(Task)`)": (
        [
            "from nbflow import Task\nclass Load(Task):\n    def run(self, x):\n        return 'old'",
            "%%flow f --no-show\nworked = Load(name='work')(x=1)",
        ],
        0,
    ),
    "a `%%task` cell": (["%%task work --flow f\nworked = 'old'"], 0),
    "a manager's `__init__`, `setup` or `cleanup`": (
        [MANAGER.format("old"), BLOCK],
        0,
        MANAGER.format("new"),
    ),
    "a manager that is a generator function": (
        ["@resource_manager\ndef Desk():\n    yield 'old'", BLOCK],
        0,
    ),
    "a module, and reload it (`importlib.reload`, `%autoreload 2`)": (
        ["import importlib, edited_module\nfrom edited_module import work", CALL],
        0,
        "importlib.reload(edited_module)",
    ),
    "a function in a loop or in a function that makes it": (
        [
            "made = []\nfor k in (1, 2):\n    @task(name='work')\n    def work(x, k=k):\n"
            "        return 'old' * k\n    made.append(work)",
            "%%flow f --no-show\nworked = made[0](1)",
        ],
        0,
    ),
    "the default of an argument": (["@task\ndef work(x, word='old'):\n    return word", CALL], 0),
    "what arguments the function takes": (
        ["@task\ndef work(x):\n    return 'old'", CALL],
        0,
        "@task\ndef work(y):\n    return 'new'",
    ),
    "another cell that defines a function of the same name": (
        ["@task\ndef work(x):\n    return 'old'", CALL],
        None,
        "@task\ndef work(x):\n    return 'new'",
    ),
    "the options in `@task(...)`": (
        ["@task(max_retries=0)\ndef work(x):\n    return 'new'", CALL],
        0,
        "@task(max_retries=3, retry_delay=__import__('datetime').timedelta(0))\ndef work(x):\n    return 'new'",
    ),
}


def test_every_row_is_played():
    assert ROWS.keys() == PLAYS.keys()


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(word):
        text = f"from nbflow import task\n@task\ndef work(x):\n    return {word!r}"
        (tmp_path / "edited_module.py").write_text(text)
        importlib.invalidate_caches()

    write("old")
    yield write
    sys.modules.pop("edited_module", None)


@pytest.mark.parametrize("edit", PLAYS)
def test_the_row_is_true(notebook, module, edit):
    cells, edited, *then = PLAYS[edit]
    uses, stale = ROWS[edit]

    def cell(source, cell_id):
        said = notebook(source, cell_id=f"{edit} {cell_id}")
        assert said.error is None, said.error

    for number, source in enumerate(cells):
        cell(source, number)
    cell("%flow run f", "run")
    flow = nbflow.flows["f"]

    module("new")
    cell(then[0] if then else cells[edited].replace("old", "new"), edited)

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        steps = [step.task.name for step in flow.plan("stale").steps if step.runs]
        assert ("work" in steps or "use" in steps) == (stale != "nothing"), steps
        if "refused" in uses:
            with pytest.raises(nbflow.errors.RetryError):
                flow.run()
            cell(cells[-1], len(cells) - 1)
        run = flow.start()
        assert run.wait(PATIENCE_S).is_successful()
    (word,) = [run.results[task] for task in run.graph.tasks if task.name in ("work", "use")]
    assert word == ("old" if uses.startswith("the old one,") else "new")
    assert any("two cells" in str(one.message) for one in told) == ("warning" in uses)
    if uses.startswith("the old ones"):
        assert [task.max_retries for task in flow.tasks] == [0]
        cell(cells[-1], len(cells) - 1)
        assert [task.max_retries for task in flow.tasks] == [3]
