"""That the benchmark works, not what it finds: tiny graphs, and only the engines that are installed anyway."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import report, shapes
from benchmarks.targets import judge

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow
def test_a_quick_run_of_the_benchmark_measures_every_case(tmp_path: Path):
    command = [sys.executable, "-m", "benchmarks.compare", "--quick", "--rounds", "1"]
    out = tmp_path / "quick.json"

    done = subprocess.run(
        [*command, "--out", str(out)], cwd=ROOT, capture_output=True, text=True, check=False
    )

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


@pytest.mark.parametrize(
    ("name", "size", "count"), [("layers", 100, 100), ("fan", 10, 12), ("blocks", 40, 40)]
)
def test_a_shape_counts_the_tasks_that_it_is_asked_for(name: str, size: int, count: int):
    assert shapes.SHAPES[name](size).count == count


def test_a_target_is_met_at_its_limit_and_not_above():
    cells = {"nbflow": {"per_task": 4.0}, "loop": {"per_task": 1.0}, "hamilton": {"per_task": 3.9}}

    verdicts = {verdict.text: verdict.met for verdict in judge({"chain-1k": cells})}

    assert verdicts == {"the floor": True, "Hamilton": False}


def test_the_docs_keep_all_but_what_stands_between_the_markers(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")

    report.write_docs(page, "new")

    assert page.read_text() == f"before\n{report.BEGIN}\n\nnew\n\n{report.END}\nafter\n"
