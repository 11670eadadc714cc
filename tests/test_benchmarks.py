"""That the benchmark works, not what it finds: tiny graphs, and only the engines that are installed anyway."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import panel, panel_kernel, report, shapes, value_cases, value_worker, values, weights
from benchmarks.targets import judge

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow
def test_a_quick_run_of_the_benchmark_measures_every_case(tmp_path: Path):
    command = [sys.executable, "-m", "benchmarks.compare", "--quick", "--rounds", "1"]
    out = tmp_path / "quick.json"

    done = subprocess.run([*command, "--out", str(out)], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    cases = json.loads(out.read_text())["cases"]
    unmeasured = {key: cell for key, cells in cases.items() for cell in cells.values() if not cell["samples"]}
    assert unmeasured == {}
    assert [key for key, cells in cases.items() if "nbflow" not in cells] == []
    assert "20 layers x 50" in done.stdout
    assert "target" in done.stdout


def test_the_profile_helper_is_not_taken_for_the_standard_one():
    command = [sys.executable, "benchmarks/profile.py", "chain", "--size", "20", "--top", "5"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "function calls" in done.stdout


@pytest.mark.parametrize(("name", "size", "count"), [("layers", 100, 100), ("fan", 10, 12), ("blocks", 40, 40)])
def test_a_shape_counts_the_tasks_that_it_is_asked_for(name: str, size: int, count: int):
    assert shapes.SHAPES[name](size).count == count


def test_a_target_is_met_at_its_limit_and_not_above():
    cells = {"nbflow": {"per_task": 4.0}, "loop": {"per_task": 1.0}, "hamilton": {"per_task": 3.9}}

    verdicts = {verdict.text: verdict.met for verdict in judge({"chain-1k": cells})}

    assert verdicts == {"the floor": True, "Hamilton": False}


def test_a_weight_is_met_at_its_limit_and_not_above():
    lines = weights.table([weights.Weight("a step", 30, 30, "kB"), weights.Weight("a cell", 31, 30, "kB")]).split("\n")

    assert [line.split()[-1] for line in lines] == ["met", "yes", "NO"]


def test_the_cells_that_are_weighed_make_a_flow_of_so_many_tasks():
    cells = weights.cells_of_tasks(2, 3)

    assert [cell.count("work(") for cell in cells] == [3, 3]
    assert "step_1_0 = work(step_0_2," in cells[1]


@pytest.mark.kernel
def test_outputs_are_weighed_in_a_real_kernel():
    with weights.Notebook() as notebook:
        size, seconds = notebook.execute("print('x' * 1000)")

    assert 1000 < size < 1200
    assert seconds > 0


def test_the_docs_keep_all_but_what_stands_between_the_markers(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")

    report.write_docs(page, "new")

    assert page.read_text() == f"before\n{report.BEGIN}\n\nnew\n\n{report.END}\nafter\n"


def test_the_two_tables_of_the_page_do_not_touch_each_other(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(f"{report.BEGIN}\nold\n{report.END}\n{panel.BEGIN}\nold\n{panel.END}\n")

    report.write_docs(page, "of the engine")
    report.write_docs(page, "of the panel", panel.BEGIN, panel.END)

    assert page.read_text().split() == [
        *report.BEGIN.split(),
        *("of", "the", "engine"),
        *report.END.split(),
        *panel.BEGIN.split(),
        *("of", "the", "panel"),
        *panel.END.split(),
    ]


def test_the_page_of_the_docs_has_a_place_for_each_table():
    text = (ROOT / "docs" / "benchmarks.md").read_text()

    for marker in (report.BEGIN, report.END, panel.BEGIN, panel.END, values.BEGIN, values.END):
        assert text.count(marker) == 1


def test_the_driver_changes_a_held_run_as_often_as_it_is_asked_to():
    held = panel_kernel.hold(100)
    heard = []
    held.run.listen(heard.append)

    found = panel_kernel.drive(held.run, rate=1_000, seconds=0.2)
    held.end()

    changed = [event for event in heard if event.kind == "task"][: found.changes]
    assert found.changes == 201
    assert len({event.task for event in changed}) == 100
    assert [event.state.is_failed() for event in changed].count(True) == len(found.told_at) == 1
    assert held.run.state.is_finished()


def test_patches_of_each_sort_are_measured():
    costs = panel_kernel.patch_costs(count=3, children=200, rounds=2)

    assert len(costs) == 3
    assert all(0 < seconds < 5 for seconds in costs.values())


def test_a_target_of_the_panel_is_judged_by_the_median():
    rows = panel.rows({"found": {"frame": [90.0, 95.0, 200.0], "latency": [301.0]}})

    assert [row[-1] for row in rows[1:]] == ["met", "not met"]
    assert [row[3] for row in rows[1:]] == ["200 ms", "301 ms"]


@pytest.mark.slow
def test_a_quick_look_at_values_ends_with_a_verdict_on_each_case(tmp_path: Path):
    out = tmp_path / "values.json"
    command = [
        sys.executable,
        "-m",
        "benchmarks.values",
        "--quick",
        "--baseline",
        str(ROOT),
        "--out",
        str(out),
    ]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())["found"]
    unmeasured = {key: one["error"] for key, one in found.items() if "error" in one}
    assert set(unmeasured) <= {"needed"}  # it needs another engine, which a quick look does not install
    assert len(done.stdout.splitlines()) > len(found) == len(value_cases.CASES)


@pytest.mark.parametrize("case", value_cases.CASES, ids=lambda case: case.key)
def test_a_case_of_values_names_what_measures_it_and_what_stands_beside(case: value_cases.Case):
    assert callable(value_worker.found(case.measure))
    assert case.beside or case.what
    assert case.unit in values.SCALES
    assert set(case.quick) <= set(case.details)
    if case.beside == value_cases.HAMILTON:
        assert callable(value_worker.found(f"{case.measure}_of_hamilton"))


def test_every_sort_of_value_is_measured():
    sorts = {case.key.partition("-")[0] for case in value_cases.CASES}

    assert sorts == {"flow", "print", "once", "plus", "needed", "held", "store"}
    assert [case.key for case in value_cases.CASES if case.limit is None] == ["flow-lists", "print-texts"]


def test_a_ratio_of_values_is_the_median_of_the_pairs_and_not_that_of_the_medians():
    case = value_cases.CASES[0]
    samples = [{"value": ours, "beside": theirs} for ours, theirs in ((1.0, 1.0), (4.0, 2.0), (9.0, 8.0))]

    found = values.summed_up(samples)

    assert found["ratio"] == 9 / 8
    assert values.verdict(case, found) == "not met"
    assert values.verdict(case, found | {"ratio": case.limit}) == "met"
    assert values.verdict(case, {"error": "missing"}) == "not measured"


def test_a_case_without_its_baseline_says_so_and_measures_nothing():
    found = values.measure(value_cases.CASES[0], checkout=None, hamilton=None)

    assert found == {"error": "the engine before is missing"}


def test_what_is_alive_of_the_arrays_is_counted():
    value_memory = pytest.importorskip("benchmarks.value_memory")
    pytest.importorskip("numpy")
    arrays = value_memory.Arrays(1)
    kept = arrays.make()
    arrays.make()

    assert arrays.alive() == kept.nbytes == 1_000_000


@pytest.mark.dask
@pytest.mark.slow
def test_a_quick_look_at_a_cluster_ends_with_a_verdict_on_each_case():
    command = [sys.executable, "-m", "benchmarks.dask", "--quick"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    head, _, *rows = done.stdout.partition("\n\n")[0].splitlines()
    assert head.split() == ["work", "nbflow", "Dask", "directly", "ratio", "at", "most"]
    assert len(rows) == 8
    assert all(row.endswith("met") for row in rows)


def test_the_time_of_work_that_was_not_done_counts_for_nothing():
    dask_work = pytest.importorskip("benchmarks.dask_work")
    dask = pytest.importorskip("benchmarks.dask")

    with pytest.raises(AssertionError, match="it gave 1, not 2"):
        dask.seconds(dask_work.Side(lambda: 1, expected=2), 1)
    assert dask.seconds(dask_work.Side(lambda: [1], 1, lambda given: given[0]), 1) < 5


@pytest.mark.dask
def test_the_cost_of_a_task_on_a_cluster_is_counted():
    command = [sys.executable, "-m", "benchmarks.dask_cost", "300"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    children, _, bundles, messages, *sizes = done.stdout.splitlines()[-1].split()

    assert children == "300"
    assert 0 < float(bundles) <= 1
    assert 0 < float(messages) <= 3
    assert float(sizes[0]) > 0
