"""`%flow export`: the module that is written makes the same flow, and gives the same when it is run."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from IPython.core.error import UsageError

from nbflow import flows
from nbflow.core.task import Task
from nbflow.notebook.export.export_text import CellSource, dedented, indented
from nbflow.notebook.export.exported_module import export

HERE = Path(__file__).parent
NOTEBOOK = HERE.parent.parent / "notebooks" / "03-cell-by-cell.ipynb"


@pytest.fixture
def exported(notebook, tmp_path):
    """Execute cells and export their flow; gives the text of the module and the flow that it makes."""

    def export(*sources, name="notebook"):
        for i, source in enumerate(sources):
            cell = notebook(source, cell_id=f"cell-{i}")
            assert cell.error is None, cell.error
        path = tmp_path / "exported.py"
        assert notebook(f"%flow export {name} -o {path}").error is None
        names = {"__name__": "exported"}
        exec(compile(path.read_text(), path, "exec"), names)
        assert shape(names["flow"]) == shape(flows[name])
        return path.read_text(), names["flow"]

    return export


def shape(flow):
    edges = {(flow.slugs[e.upstream_task], flow.slugs[e.downstream_task], e.key) for e in flow.edges}
    constants = {flow.slugs[task]: values for task, values in flow.constants.items() if values}
    blocks = [(block.name, sorted(flow.slugs[t] for t in block.members)) for block in flow.blocks]
    return flow.name, sorted(flow.slugs.values()), edges, constants, blocks


def results(flow):
    state = flow.run()
    assert state.is_successful(), state.message
    return {flow.slugs[task]: one.result for task, one in state.result.items()}


def test_task_cells_become_functions(exported):
    text, flow = exported(
        "%%task load\norders = [3, 1]  # from the till\nn = len(orders)",
        "%%task clean\n\n# in order\ntable = sorted(orders)",
        "%%task report\nprint(n)\ntable",
    )

    assert "def clean(orders):\n    # in order\n    table = sorted(orders)\n    return table\n" in text
    assert "orders = [3, 1]  # from the till" in text
    assert "    return table" in text
    assert results(flow)["report-1"] == [1, 3]


@pytest.mark.parametrize(
    "name",
    [
        'x"""+str(print("executed"))+"""',
        "x''' + str(print('executed')) + '''",
        'ends with "',
        "ends with \\\\",
        '"""\\',
        "\\N{DEGREE SIGN} {print('executed')}",
    ],
)
def test_no_name_of_a_flow_is_code_in_the_module(notebook, tmp_path, name, capsys):
    notebook("from nbflow import task\n\n@task\ndef one():\n    return 1")
    cell = notebook(f"%%flow {shlex.quote(name)} --no-show\na = one()")
    assert cell.error is None, cell.error
    text = export(flows[name], notebook.shell)
    capsys.readouterr()
    names = {"__name__": "exported"}

    exec(compile(text, "exported.py", "exec"), names)

    assert capsys.readouterr().out == ""
    assert names["flow"].name == name
    assert repr(name) in names["__doc__"]


def test_what_it_needs_of_the_other_cells_comes_with_it(exported):
    text, flow = exported(
        "from math import floor as down\nimport json, os\nUNUSED = 1\nLIMIT = down(2.5)",
        "def low(x):\n    return min(x, LIMIT)\n\nprint('not this')",
        "NAMES = []\nNAMES.append('a')",
        "%%task load\nimport string\nx = low(len(string.digits)) + len(NAMES)",
    )

    assert "UNUSED" not in text
    assert "not this" not in text
    assert results(flow) == {"load-1": 3}


def test_a_cell_that_was_executed_again_counts_as_it_is_now(notebook, exported):
    notebook("LIMIT = 1", cell_id="limit")
    notebook("LIMIT = 7", cell_id="limit")

    text, flow = exported("%%task\nx = LIMIT")

    assert text.count("LIMIT =") == 1
    assert results(flow) == {"x-1": 7}


def test_options_of_modules_come_with_them(exported):
    text, _ = exported("import random", "random.seed(3)", "%%task\nx = random.random()", "random.choice([1])")

    assert "random.seed(3)" in text
    assert "choice" not in text


def test_versions_of_a_name_follow_each_other(exported):
    _, flow = exported(
        "%%task\nx = [1]",
        "%%task before\nn = len(x)",
        "%%task\nx.append(2)",
        "%%task\nx = x + [n]",
    )

    assert results(flow)["x-3"] == [1, 2, 1]


def test_flow_cells_and_blocks_are_written_as_they_are(exported, notebook):
    text, flow = exported(
        "%%flow work --no-show\nn = Parameter('n', default=2)\nwith Cluster() as client:\n    first = use(client, n)",
        "%%flow work --in client --no-show\nsecond = use(client, first)",
        "%%task ask\nanswer = (client, first)",
        "%%flow work --no-show\nlast = double(second)",
        name="work",
    )

    assert "    with Cluster() as client:\n        first = use(client, n)" in text
    assert "    with client.block:\n        second = use(client, first)" in text
    assert results(flow)["double-1"] == 4


def test_texts_of_several_lines_keep_their_lines(exported):
    _, flow = exported('%%task\ntext = """a\n  b\n"""\nx = f"""{1}\nc"""')

    assert results(flow)["text_x-1"] == {"text": "a\n  b\n", "x": "1\nc"}


def test_names_that_a_function_would_take_for_its_own(exported):
    _, flow = exported("count = 1", "%%task\ncount = count + 1\nmin = min(4, 5)")

    assert results(flow)["count_min-1"] == {"count": 2, "min": 4}


def test_a_name_that_a_task_takes_later_is_kept_for_the_cells_before(exported):
    _, flow = exported("n = 3", "%%task before\na = n", "%%task take\nn = n + 10", "%%task after\nb = n")

    assert results(flow) == {"before-1": 3, "take-1": 13, "after-1": 13}


def test_functions_do_not_take_the_names_of_values(exported):
    text, _ = exported("%%task table\ntable = [1]", "%%task 'size of it!'\nn = len(table)")

    assert '@nbflow.task(name="table")\ndef make_table():' in text
    assert '@nbflow.task(name="size of it!")\ndef size_of_it(table):' in text


def test_helpers_of_the_same_name_stay_with_their_cells(exported):
    _, flow = exported(
        "%%task\ndef norm(x): return x + 1\na = norm(1)", "%%task\ndef norm(x): return x * 10\nb = norm(1)"
    )

    assert results(flow) == {"a-1": 2, "b-1": 10}


def test_magics_of_the_notebook_are_left_out_or_resolved(exported):
    text, flow = exported("%%task\n%config Completer.use_jedi = False\n%time x = 1 + 1\n{'y': x}")

    assert results(flow) == {"x-1": 2}
    assert "# %config Completer.use_jedi = False" in text


def test_several_statements_on_a_line(exported):
    _, flow = exported("%%task\nimport math; x = math.floor(1.5); y = 2")

    assert results(flow)["x_y-1"] == {"x": 1, "y": 2}


def test_what_was_shown_is_printed(exported, capsys):
    _, flow = exported("%%task\nx = 1\nx + 41  # the answer", "%%task\ny = 2\ny;")

    capsys.readouterr()
    results(flow)

    assert capsys.readouterr().out == "42\n"


def test_without_a_file_it_is_shown(notebook):
    notebook("%%task\nx = 1")

    cell = notebook("%flow export")

    assert "def make_x():" in cell.outputs[-1]["text/plain"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("%%task\nx = !ls", "uses 'ls', which only IPython understands"),
        (
            "flow = __import__('nbflow').flows.get_or_create('notebook')\nload(7, flow=flow)",
            "'load' was made",
        ),
        ("__import__('nbflow').flows.get_or_create('notebook');", "has no cells"),
    ],
)
def test_what_cannot_be_written_is_refused(notebook, source, message):
    assert notebook(source).error is None

    cell = notebook("%flow export notebook")

    assert isinstance(cell.error, UsageError)
    assert message in str(cell.error)


def test_a_name_that_no_cell_defines_is_refused(notebook):
    notebook("get_ipython().user_ns['hidden'] = 1")
    notebook("%%task\nx = hidden")

    assert "no cell defines 'hidden'" in str(notebook("%flow export").error)


def test_a_file_that_cannot_be_written_is_named(notebook):
    notebook("%%task\nx = 1")

    cell = notebook("%flow export -o /no/such/folder/x.py")

    assert "cannot write '/no/such/folder/x.py': No such file" in str(cell.error)


def test_indenting_leaves_strings_alone():
    text = 'a = """1\n2"""\nb = (3 +\n4)\n\nc = f"""{a}\nd"""'

    assert dedented(indented(text), 4) == text
    assert "\n2" in indented(text)
    assert "\n    4)" in indented(text)


def test_wrapping_counts_characters_and_not_bytes():
    cell = CellSource("x = 'é'\n'é' + x  # ü\n")
    cell = cell.with_wrapped({cell.tree.body[-1]: ("show(", ")")})

    assert cell.text == "x = 'é'\nshow('é' + x)  # ü\n"


# The notebook of the documentation.


def cells_of(path):
    return [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


def without_line(source):
    head, _, rest = source.partition("\n")
    return rest if head.startswith("%%task") else source


def test_the_notebook_is_the_plain_one_with_a_line_more_in_some_cells():
    plain, flow = cells_of(HERE / "data" / "plain.ipynb"), cells_of(NOTEBOOK)

    start = flow.index(plain[0])

    assert len(plain) >= 10
    assert [without_line(source) for source in flow[start : start + len(plain)]] == plain


def test_the_notebook_gives_the_numbers_of_the_plain_one_and_so_does_its_export(notebook, tmp_path):
    from pandas.testing import assert_frame_equal, assert_series_equal

    plain, sources = cells_of(HERE / "data" / "plain.ipynb"), cells_of(NOTEBOOK)
    expected = {}
    for source in plain:
        exec(source, expected)
    for i, source in enumerate(sources[: sources.index(plain[0]) + len(plain)]):
        assert notebook(source, cell_id=f"cell-{i}").error is None
    flow = flows["notebook"]
    path = tmp_path / "cars.py"

    run = flow.start()
    assert run.wait().is_successful()
    assert notebook(f"%flow export -o {path}").error is None

    compared = 0
    for name, value in expected.items():
        task = notebook.names.get(name)
        if not isinstance(task, Task) or task not in run.results:
            continue
        found = run.results[task]
        compared += 1
        if hasattr(value, "columns"):
            assert_frame_equal(found, value)
        elif hasattr(value, "index") and not isinstance(value, (str, list)):
            assert_series_equal(found, value)
        else:
            assert str(found) == str(value)
    assert compared > 15
    script = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=True)
    assert expected["answer"] in script.stdout
    assert str(expected["origins"].round(1)) in script.stdout
    names = {"__name__": "cars"}
    exec(path.read_text(), names)
    assert shape(names["flow"]) == shape(flow)


def printed(notebook, tmp_path, *sources):
    """Execute `%%task` cells, or others, and give what their exported module prints."""
    for i, source in enumerate(sources):
        text = f"%%task cell_{i}\n{source[2:]}" if source.startswith("T ") else source
        cell = notebook(text, cell_id=f"cell-{i}")
        assert cell.error is None, cell.error
    path = tmp_path / "module.py"
    assert notebook(f"%flow export notebook -o {path}").error is None
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (("T a, b = 41, 42\na, b",), "(41, 42)"),
        (("T n = 12344", "T n + 1"), "12345"),
        (("T 'quoted'",), "'quoted'"),
        (("T n = 3", "def f(x=n):\n    return x", "T print(f(4))"), "4"),
        (("T n = 3", "def f(x=n):\n    return x", "T print(f())"), "3"),
        (("T Limit = int", "def f(x: Limit) -> Limit:\n    return x", "T print(f(3))"), "3"),
        (("T n = 3", "T def f():\n    return n", "T n = 4", "T print(f())"), "4"),
        (("T n = 1\ndef f():\n    global n\n    n += 1", "T f()\nprint(n)"), "2"),
        (("T n = 3", "T class C:\n    size = n", "T print(C.__qualname__, C.size)"), "C 3"),
        (("T for i in range(3): pass", "T print(i)"), "2"),
        (("T %%time\nx = 2", "T print(x)"), "2"),
        (("T %%capture out\nprint('in')", "T print(out.stdout)"), "in"),
        (
            ("def value(n): return globals()[f'n{n}']", "T n1 = 4", "T n2 = 5\nprint(value(1) + value(2))"),
            "9",
        ),
        (
            (
                "class display:\n    def __init__(self, text): self.text = text\n    def __repr__(self):\n"
                "        return str(eval(self.text))",
                "T n = 4",
                "T m = 5\ndisplay('n + m')",
            ),
            "9",
        ),
        (("T import asyncio\nx = await asyncio.sleep(0, 5)", "T print(x)"), "5"),
    ],
)
def test_a_module_prints_what_the_notebook_printed(notebook, tmp_path, sources, expected):
    assert printed(notebook, tmp_path, *sources) == expected.split()


def test_scripts_that_cells_run_are_in_the_module(notebook, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "helpers.py").write_text("two = 2\ndef helped():\n    return two\n")

    assert printed(notebook, tmp_path, "%run helpers.py", "T n = helped() + 1", "T print(n)") == ["3"]
    (tmp_path / "helpers.py").unlink()
