"""IPython's own syntax in cells that are tasks: cell magics, `await`, what is shown, names in texts."""

from __future__ import annotations

import pytest

from nbflow import flows


@pytest.fixture
def run(notebook):
    """Execute cells and run the flow; gives its text and what was displayed."""

    def execute(*sources):
        for i, source in enumerate(sources):
            cell = notebook(source, cell_id=f"cell-{i}")
            assert cell.error is None, cell.error
        cell = notebook("import nbflow\nstate = nbflow.flows['notebook'].run()")
        state = notebook.names["state"]
        assert state.is_successful(), [one for one in state.result.values() if one.is_failed()]
        shown = [out["text/plain"] for out in cell.outputs if not out["text/plain"].endswith(":")]
        return cell.out.split(), shown

    return execute


def test_what_is_timed_is_the_run_of_the_task(notebook, run):
    for source in ("%%task\n%%time\nx = 1\nprint(x)\nx + 1", "%%time\n%%task\nx = 1\nprint(x)\nx + 1"):
        said, shown = run(source)

        assert said[0] == "1"
        assert "Wall" in said
        assert shown == ["2"]


def test_what_is_captured_is_what_the_task_says(run):
    for source in ("%%task\n%%capture out\nprint('in')", "%%capture out\n%%task\nprint('in')"):
        said, _ = run(source, "%%task\nprint('captured', out.stdout)")

        assert said == ["captured", "in"]


def test_a_file_is_written_at_once_and_without_the_line_of_the_task(notebook, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    cell = notebook("%%writefile m.py\n%%task\nx = 1")

    assert (tmp_path / "m.py").read_text() == "x = 1\n"
    assert cell.outputs[-1]["text/plain"] == "%%writefile is executed at once, and no task is needed"


def test_a_cell_may_await_at_its_top(run):
    later = "import asyncio\nasync def later(x):\n    await asyncio.sleep(0)\n    return x * n"

    said, shown = run(f"%%task\n{later}\nn = 2\ny = await later(3)", "%%task\nprint(y)\nawait later(4)")

    assert (said, shown) == (["6"], ["8"])


def test_it_shows_what_the_shell_is_told_to_show(notebook, run):
    notebook("get_ipython().ast_node_interactivity = 'all'")
    try:
        assert run("%%task\nx = 41\nx\nx + 1")[1] == ["41", "42"]
        notebook("get_ipython().ast_node_interactivity = 'last_expr_or_assign'")
        assert run("%%task\nx = 41", "%%task\nx += 1")[1] == ["41", "42"]
        notebook("get_ipython().ast_node_interactivity = 'none'")
        assert run("%%task\nx = 1\nx")[1] == []
    finally:
        notebook("get_ipython().ast_node_interactivity = 'last_expr'")


@pytest.mark.parametrize(
    "source",
    [
        "class T:\n    def query(self, text): return limit\nprint(T().query('a > @limit'))",
        "print(eval('limit + 0'))",
        "exec('found = limit')\nprint(found)",
        "print('{limit}'.format(**globals()))",
        "print('%(limit)s' % vars())",
        "print(globals()['limit'])",
        "%time print(limit)",
        "%time f = [limit for _ in range(2)]\nprint(f[1])",
    ],
)
def test_names_in_texts_count(run, source):
    said, _ = run("%%task\nlimit = 3", f"%%task\n{source}")

    assert said[0] == "3" or said[-1] == "3"


def test_a_script_that_is_run_with_the_names_of_the_notebook_is_part_of_the_task(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "more.py").write_text("twice = 2 * n\ndef thrice(x):\n    return 3 * x\n")

    said, _ = run("%%task\nn = 3", "%%task\n%run -i more.py", "%%task\nprint(twice, thrice(n))")

    assert said == ["6", "9"]


def test_a_script_or_a_notebook_that_is_run_gives_what_it_binds(run, tmp_path, monkeypatch):
    import nbformat

    monkeypatch.chdir(tmp_path)
    (tmp_path / "more.py").write_text("import math\ndef half(x):\n    return x / two\ntwo = 2\n")
    other = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("k = 4\ndef plus(x):\n    return x + k")])
    nbformat.write(other, tmp_path / "other.ipynb")

    said, _ = run("%%task\n%run more.py\n%run other.ipynb", "%%task\nprint(half(two), plus(1))")

    assert said == ["1.0", "5"]


def test_a_cell_that_only_sets_something_is_followed_by_those_below(notebook, run):
    import numpy as np

    with np.printoptions():
        cells = [
            "import numpy as np\nnp.set_printoptions(precision=2)",
            "a = np.array([1.2345])\na",
            "print(a * 2)",
        ]
        run(*(f"%%task cell_{i}\n{source}" for i, source in enumerate(cells)))
        cell = notebook("%%task cell_0\nimport numpy as np\nnp.set_printoptions(precision=3)", cell_id="cell-0")
        assert cell.error is None

        notebook("again = nbflow.flows['notebook'].runs[-1].rerun('stale')\nagain.wait()")

        again = notebook.names["again"]
        said = {task.name: "".join(line.text for line in lines) for task, lines in again.logs.items()}
        assert said["cell_1"] == "array([1.234])\n"
        assert said["cell_2"] == "[2.469]\n"


def test_a_generator_that_a_cell_seeds_sets_nothing_for_the_cells_below(notebook, run):
    """It is the value of a task, which the cell changes: whoever does not take it is not concerned."""
    cells = ["import random\nown = random.Random(1)", "own.seed(5)\nseeded = own", "alone = 2"]
    run(*(f"%%task cell_{i}\n{source}" for i, source in enumerate(cells)))

    flow = flows["notebook"]
    plan = flow.runs[-1].rerun(flow.get_tasks(name="cell_1"), dry=True)

    assert "cell_2" not in [step.task.name for step in plan.steps if step.runs]
