"""Rules C1 and C2: every way to run uses the newest definition, and which one that is."""

from __future__ import annotations

import importlib
import sys

import pytest

import nbflow
from nbflow.errors import RetryError
from tests.patience import PATIENCE_S


def results(flow):
    """Return what the tasks gave in the newest run, in their order."""
    run = nbflow.flows[flow].runs[-1]
    run.wait(PATIENCE_S)
    return [run.results[task] for task in run.graph.tasks if task in run.results]


def cells(notebook, **sources):
    for cell_id, source in sources.items():
        said = notebook(source, cell_id=cell_id)
        assert said.error is None, said.error


@pytest.fixture
def loading(notebook):
    """A function in one cell, the flow in another."""
    cells(
        notebook,
        fn="@task\ndef fetch():\n    return 'old'",
        fl="%%flow f --no-show\nfetched = fetch()",
        one="%flow run f",
    )
    return notebook


# -- C1: one truth --------------------------------------------------------------------------------------------

WAYS = (
    "%flow run f",
    "nbflow.flows['f'].run()",
    "nbflow.flows['f'].start().wait()",
    "%flow start f\n%flow wait f",
    "%flow step f\n%flow wait f",
    "%flow rerun f all\n%flow wait f",
    "%flow rerun f stale\n%flow wait f",
    "%flow rerun f fetched\n%flow wait f",
    "%%flow f --run\nother = load()",
)


@pytest.mark.parametrize("way", WAYS)
def test_c1_every_way_to_run_uses_the_newest_definition_of_a_function(loading, way):
    cells(loading, im="import nbflow", fn="@task\ndef fetch():\n    return 'new'")

    cells(loading, two=way)

    assert "new" in results("f")
    assert "old" not in results("f")


@pytest.mark.parametrize("way", WAYS[:3])
def test_c1_a_function_that_is_made_a_task_in_another_cell_counts_as_well(notebook, way):
    cells(
        notebook,
        fn="import nbflow\ndef fetch():\n    return 'old'",
        tk="fetching = task(fetch, name='fetching')",
        fl="%%flow f --no-show\nfetched = fetching()",
        fn2="%flow run f",
    )
    cells(notebook, fn="import nbflow\ndef fetch():\n    return 'new'")

    cells(notebook, two=way)

    assert results("f") == ["new"]


def test_c1_a_resumed_run_sees_and_uses_the_newest_definition(notebook, tmp_path):
    cells(
        notebook,
        fn="@task\ndef fetch():\n    return 'old'",
        fl=f"from nbflow import Flow\nwith Flow('f', store={str(tmp_path)!r}) as flow:\n    fetched = fetch()",
        go="flow.run()",
        fn2="pass",
    )
    assert notebook.names["flow"].resume("stale", dry=True).is_empty

    cells(notebook, fn="@task\ndef fetch():\n    return 'new'", re="flow.resume('stale').wait()")

    assert results("f") == ["new"]


def test_c1_check_says_that_a_task_is_of_another_definition_than_its_cell_had(loading):
    assert "nothing to complain" in loading("%flow check f").outputs[-1]["text/plain"]

    cells(loading, fn="@task\ndef fetch():\n    return 'new'")
    before = loading("%flow check f").outputs[-1]["text/plain"]
    cells(loading, two="%flow run f")
    after = loading("%flow check f").outputs[-1]["text/plain"]
    cells(loading, fl="%%flow f --no-show\nfetched = fetch()")

    assert "'fetch' calls was edited after this cell was executed" in before
    assert "'fetch' calls was edited after this cell was executed" in after
    assert ("stale" in before, "stale" in after) == (True, False)
    assert "nothing to complain" in loading("%flow check f").outputs[-1]["text/plain"]


def test_c1_a_definition_that_is_run_in_its_own_cell_is_the_one_that_runs(loading):
    cells(loading, fn="@task\ndef fetch():\n    return 'new'\n%flow run f")

    assert results("f") == ["new"]


def test_c1_a_task_whose_function_takes_something_else_now_is_refused_before_anything_runs(loading):
    cells(loading, fn="@task\ndef fetch(where):\n    return where")

    said = loading("import nbflow\nnbflow.flows['f'].run()")

    assert isinstance(said.error, RetryError)
    assert "'fetch'" in str(said.error)
    assert len(nbflow.flows["f"].runs) == 1


def test_c1_an_edited_class_of_tasks_is_run_with_its_methods(notebook):
    cell = (
        "from nbflow import Task\nclass Fetch(Task):\n    def run(self, x):\n        return self.made(x)\n"
        "    def made(self, x):\n        return {}"
    )
    cells(notebook, fn=cell.format("x + 1"), fl="%%flow f --no-show\nfetched = Fetch()(x=1)", go="%flow run f")

    cells(notebook, fn=cell.format("x + 100"), go="%flow run f")

    assert results("f") == [101]


MANAGER = """
@resource_manager
class Desk:
    def __init__(self, size=1):
        self.size = size
    def setup(self):
        log.append("setup {0}")
        return "desk {0}"
    def cleanup(self, desk):
        log.append("cleanup {0}")
"""
GENERATOR = """
@resource_manager
def Desk(size=1):
    log.append("setup {0}")
    yield "desk {0}"
    log.append("cleanup {0}")
"""
BLOCK = "%%flow f --no-show\nwith Desk(size=2) as desk:\n    used = use(desk)"


@pytest.mark.parametrize("manager", [MANAGER, GENERATOR], ids=["class", "generator"])
@pytest.mark.parametrize("way", ["%flow run f", "%flow rerun f stale\n%flow wait f", "%flow start f\n%flow wait f"])
def test_c1_an_edited_manager_is_used_by_every_way_to_run(notebook, manager, way):
    cells(notebook, mg=manager.format("old"), fl=BLOCK, go="%flow run f\nlog.clear()")

    cells(notebook, mg=manager.format("new"), go=way)

    results("f")
    assert notebook.names["log"] == ["setup new", "use desk new", "cleanup new"]


@pytest.mark.parametrize("manager", [MANAGER, GENERATOR], ids=["class", "generator"])
def test_c1_what_was_set_up_is_cleaned_up_by_the_code_that_set_it_up(notebook, manager):
    cells(
        notebook,
        bad="@task\ndef bad(desk):\n    raise ValueError(desk)",
        mg=manager.format("old"),
        fl="%%flow f --no-show\nwith Desk(size=2) as desk:\n    used = bad(desk)",
        go="%flow start f --hold\n%flow wait f\nlog.clear()",
    )

    cells(
        notebook,
        mg=manager.format("new"),
        bad="@task\ndef bad(desk):\n    return desk",
        re="%flow retry f\n%flow resume f\n%flow wait f",
    )
    assert notebook.names["log"] == ["cleanup old"]

    cells(notebook, again="%flow run f")
    assert notebook.names["log"] == ["cleanup old", "setup new", "cleanup new"]


@pytest.mark.parametrize("manager", [MANAGER, GENERATOR], ids=["class", "generator"])
def test_c1_a_setup_that_failed_is_tried_again_by_the_newest_manager(notebook, manager):
    broken = manager.format("old").replace('log.append("setup old")', "1 / 0")
    cells(notebook, mg=broken, fl=BLOCK, go="%flow start f --hold\n%flow wait f")

    cells(notebook, mg=manager.format("new"), re="%flow retry f\n%flow resume f\n%flow wait f")

    assert notebook.names["log"] == ["setup new", "use desk new", "cleanup new"]


def test_c1_a_manager_that_takes_something_else_now_is_refused_before_anything_runs(notebook):
    cells(notebook, mg=MANAGER.format("old"), fl=BLOCK)

    cells(notebook, mg=MANAGER.format("new").replace("size=1", "width"))
    said = notebook("import nbflow\nnbflow.flows['f'].run()")

    assert isinstance(said.error, RetryError)
    assert notebook.names["log"] == []


# -- C2: which one is the newest ------------------------------------------------------------------------------


def test_c2_a_function_of_the_same_name_in_another_cell_is_another_function(notebook):
    cells(
        notebook,
        h1="%%flow f --no-show\n@task\ndef clean(x):\n    return f'A{x}'\na = clean(1)",
        h2="%%flow f --no-show\n@task\ndef clean(x):\n    return f'B{x}'\nb = clean(a)",
        go="%flow run f",
    )
    assert results("f") == ["A1", "BA1"]

    said = notebook("%flow plan f stale")
    cells(notebook, again="%flow rerun f a\n%flow wait f")

    assert "nothing runs" in said.outputs[-1]["text/plain"]
    assert results("f") == ["A1", "BA1"]


def test_c2_each_of_two_cells_renews_its_own_function(notebook):
    cell = "@task\ndef clean(x):\n    return f'{}{{x}}'"
    cells(
        notebook,
        c1=cell.format("A"),
        f1="%%flow f --no-show\na = clean(1)",
        c2=cell.format("B"),
        f2="%%flow f --no-show\nb = clean(a)",
        go="%flow run f",
    )
    assert results("f") == ["A1", "BA1"]

    cells(notebook, c1=cell.format("X"), c2=cell.format("B"), go="%flow run f")
    assert results("f") == ["X1", "BX1"]

    cells(notebook, c2=cell.format("Y"), go="%flow run f")
    assert results("f") == ["X1", "YX1"]


def test_c2_two_cells_that_define_one_name_are_named_once_with_the_remedy(notebook):
    cells(
        notebook,
        one_of_two="@task\ndef clean(x):\n    return f'A{x}'",
        f1="%%flow f --no-show\na = clean(1)",
        two_of_two="@task\ndef clean(x):\n    return f'B{x}'",
    )

    with pytest.warns(RuntimeWarning) as said:
        cells(notebook, go="%flow run f\n%flow run f\n%flow plan f")

    (only,) = {str(one.message) for one in said}
    assert only.startswith("'clean' is defined by two cells, cell In [")
    assert "execute the cell again that calls 'clean'" in only
    assert results("f") == ["A1"]


def test_c2_tasks_of_one_loop_stay_apart(notebook):
    loop = (
        "%%flow f --no-show\nfor k in (1, 2, 3):\n    @task(name=f'add{{k}}')\n    def add(x, k=k):\n"
        "        return x + {}\n    add(10)"
    )
    cells(notebook, lp=loop.format("k"), go="%flow run f")
    assert "nothing runs" in notebook("%flow plan f stale").outputs[-1]["text/plain"]

    cells(notebook, go="%flow rerun f all\n%flow wait f")

    assert results("f") == [11, 12, 13]


MADE_IN_A_LOOP = """
made = {{}}
for k in {}:
    @task(name=f"add{{k}}")
    def add(x, k=k):
        return {}
    made[k] = add
"""


def test_c2_each_turn_of_a_loop_is_renewed_by_the_same_turn(notebook):
    cells(
        notebook,
        lp=MADE_IN_A_LOOP.format((1, 2, 3), "x + k"),
        fl="%%flow f --no-show\nfor k in (1, 2, 3):\n    made[k](10)",
        go="%flow run f",
    )

    cells(notebook, lp=MADE_IN_A_LOOP.format((3, 2, 1), "x * k"), go="%flow run f")
    assert results("f") == [10, 20, 30]

    cells(notebook, lp=MADE_IN_A_LOOP.format((2, 3, 4), "-x * k"), go="%flow run f")
    assert results("f") == [10, -20, -30]


def test_c2_turns_that_no_name_tells_apart_keep_what_they_have_when_their_number_changes(notebook):
    loop = "made = []\nfor k in {}:\n    @task\n    def add(x, k=k):\n        return x + k\n    made.append(add)"
    cells(
        notebook,
        lp=loop.format((1, 2)),
        fl="%%flow f --no-show\nfor one in made:\n    one(10)",
        go="%flow run f",
    )

    cells(notebook, lp=loop.format((5, 6)), go="%flow run f")
    assert results("f") == [15, 16]

    cells(notebook, lp=loop.format((0, 7, 8)), go="%flow run f")
    assert results("f") == [15, 16]


def test_c2_functions_made_by_a_function_that_is_called_twice_stay_apart(notebook):
    maker = "def maker(k):\n    @task(name='times')\n    def times(x):\n        return {} * x\n    return times"
    cells(
        notebook,
        mk=maker.format("k"),
        c1="two = maker(2)",
        c2="three = maker(3)",
        fl="%%flow f --no-show\na = two(10)\nb = three(a)",
        go="%flow run f",
    )
    assert results("f") == [20, 60]

    cells(notebook, c1="two = maker(5)", go="%flow run f")
    assert results("f") == [50, 150]

    cells(notebook, mk=maker.format("-k"), c2="three = maker(3)", go="%flow rerun f stale\n%flow wait f")
    assert results("f") == [50, -150]


def test_c2_two_managers_of_one_class_name_stay_apart_also_in_a_retry(notebook):
    other = MANAGER.replace("{0}", "other")
    broken = MANAGER.format("first").replace('log.append("setup first")', "1 / 0")
    cells(
        notebook,
        m1=broken,
        f1=BLOCK,
        m2=other,
        f2="%%flow g --no-show\nwith Desk() as desk2:\n    used2 = use(desk2)",
        go="%flow start f --hold\n%flow wait f",
    )
    said = notebook("%flow retry f")
    assert notebook.names["log"] == []
    assert "Failed" in repr(said.outputs)

    cells(notebook, m1=MANAGER.format("first"), m2=other, re="%flow retry f\n%flow resume f\n%flow wait f")

    assert notebook.names["log"] == ["setup first", "use desk first", "cleanup first"]


@pytest.mark.parametrize("opening", ["if True:", "with open(__import__('os').devnull):"])
def test_c2_a_definition_inside_of_if_or_with_is_one_like_others(notebook, opening):
    cell = opening + "\n    @task\n    def fetch():\n        return {}"
    cells(notebook, fn=cell.format(1), fl="%%flow f --no-show\nfetched = fetch()", go="%flow run f")

    cells(notebook, fn=cell.format(2), go="%flow run f")

    assert results("f") == [2]


def test_c2_of_the_two_branches_of_an_if_the_one_that_was_made_is_used(notebook):
    cell = (
        "if {}:\n    @task\n    def fetch():\n        return 'then'\n"
        "else:\n    @task\n    def fetch():\n        return 'else'"
    )
    cells(notebook, fn=cell.format(True), fl="%%flow f --no-show\nfetched = fetch()", go="%flow run f")

    cells(notebook, fn=cell.format(False), go="%flow run f")

    assert results("f") == ["else"]


def test_c2_a_definition_older_than_the_task_never_replaces_its_function(notebook):
    cells(
        notebook,
        fn="def fetch():\n    return 'older'\nkept = fetch",
        fn2="def fetch():\n    return 'newer'",
        fl="%%flow f --no-show\nfetched = task(fetch)()",
        go="%flow run f",
    )

    cells(notebook, back="fetch = kept", go="%flow run f")

    assert results("f") == ["newer"]


def test_c2_a_function_that_was_moved_to_another_cell_is_the_same(loading):
    cells(loading, fn="x = 1", fn2="@task\ndef fetch():\n    return 'moved'", go="%flow run f")

    assert results("f") == ["moved"]


def test_c2_a_lambda_is_renewed_by_its_own_cell(notebook):
    cells(
        notebook,
        fn="one = task(lambda x: x + 1, name='one')\nother = task(lambda x: x + 2, name='other')",
        fl="%%flow f --no-show\na = one(1)\nb = other(a)",
        go="%flow run f",
    )

    cells(
        notebook,
        fn="other = task(lambda x: x + 20, name='other')\none = task(lambda x: x + 10, name='one')",
        go="%flow run f",
    )

    assert results("f") == [11, 31]


def test_c2_new_ids_for_all_cells_are_the_same_cells_again(loading):
    cells(loading, fn9="@task\ndef fetch():\n    return 'old'", fl9="x = 3", go9="%flow run f")

    cells(loading, fn9="@task\ndef fetch():\n    return 'new'", go9="%flow run f")

    assert results("f") == ["new"]


def test_c2_a_cell_edited_while_its_id_was_renewed_is_known_by_the_names_it_binds(loading):
    cells(
        loading,
        two="@task\ndef second():\n    return 2",
    )
    cells(loading, two9="@task\ndef second():\n    return 2", fn9="@task\ndef fetch():\n    return 'new'")

    cells(loading, go9="%flow run f")

    assert results("f") == ["new"]


# -- C2: modules ----------------------------------------------------------------------------------------------

MODULE = """
from nbflow import resource_manager, task

def helper():
    return {0!r}

@task
def fetch():
    return helper()

def plain():
    return {0!r}

made = []
for k in (1, 2):
    @task(name=f"add{{k}}")
    def add(x, k=k):
        return f"{{x}} {0} {{k}}"
    made.append(add)

@resource_manager
class Desk:
    def setup(self):
        return "desk {0}"
    def cleanup(self, desk):
        pass
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    name = "module_of_c2"
    path = tmp_path / f"{name}.py"
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(word):
        path.write_text(MODULE.format(word))
        importlib.invalidate_caches()

    write("old")
    yield write
    sys.modules.pop(name, None)


MODULES_FLOW = """%%flow f --no-show
a = fetch()
b = task(plain)()
c = made[0]("x")
with Desk() as desk:
    d = use(desk, 1)
"""


@pytest.mark.parametrize("way", ["%flow run f", "%flow rerun f stale\n%flow wait f"])
def test_c2_a_reloaded_module_renews_its_tasks_and_managers(notebook, module, way):
    cells(
        notebook,
        im="import importlib, module_of_c2\nfrom module_of_c2 import *",
        fl=MODULES_FLOW,
        go="%flow run f",
    )
    module("new")

    cells(notebook, rl="importlib.reload(module_of_c2)\nlog.clear()", go=way)

    assert {"new", "x new 1"} <= set(results("f")[:10]) - {None}
    assert "old" not in str(results("f"))
    assert notebook.names["log"] == ["use desk new"]


def test_c2_autoreload_renews_the_tasks_and_managers_of_a_module(notebook, module):
    cells(
        notebook,
        ar="%load_ext autoreload\n%autoreload 2",
        im="import module_of_c2\nfrom module_of_c2 import *",
        fl=MODULES_FLOW,
        go="%flow run f\nlog.clear()",
    )
    module("newer, and longer")

    try:
        cells(notebook, go="%flow run f")
    finally:
        notebook("%autoreload 0")

    assert "old" not in str(results("f"))
    assert notebook.names["log"] == ["use desk newer, and longer"]


def test_c2_a_script_that_is_run_again_renews_its_tasks(notebook, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from nbflow import task\n@task\ndef fetch():\n    return 1")
    cells(notebook, rn=f"%run {script}", fl="%%flow f --no-show\nfetched = fetch()", go="%flow run f")
    script.write_text("from nbflow import task\n@task\ndef fetch():\n    return 22")

    cells(notebook, rn=f"%run {script}", go="%flow run f")

    assert results("f") == [22]


# -- a flow that is made again ---------------------------------------------------------------------------------

WITH_FLOW = "from nbflow import Flow\nwith Flow('f') as flow:\n    loaded = load()\n    doubled = double(loaded)"


def test_a_flow_whose_cell_is_executed_again_keeps_its_runs(notebook):
    cells(notebook, fl=WITH_FLOW, go="flow.run()\nlog.clear()")
    cells(notebook, fl=WITH_FLOW)
    flow = notebook.names["flow"]

    assert [run.number for run in flow.runs] == [1]
    assert flow.plan("stale").is_empty

    cells(
        notebook,
        fl=WITH_FLOW.replace("double(loaded)", "double(x=4)"),
        go="%flow rerun f stale\n%flow wait f",
    )
    flow = notebook.names["flow"]

    assert [run.number for run in flow.runs] == [1, 2]
    assert notebook.names["log"] == ["double 4"]
    assert flow.runs[0].rerun("stale", dry=True).graph.tasks == flow.sorted_tasks()


def test_a_cell_that_fails_to_make_its_flow_again_leaves_the_former_one_its_runs(notebook):
    cells(notebook, fl=WITH_FLOW, go="flow.run()")
    former = notebook.names["flow"]

    notebook(WITH_FLOW + "\n    1 / 0", cell_id="fl")

    assert [run.number for run in former.runs] == [1]
    assert former.runs[0].flow is former
