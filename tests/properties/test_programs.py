"""V1: after edits, reruns, retries, pins and edited values a flow gives what a fresh interpreter gives.

And nothing runs needlessly.

`tests.properties.programs` says how. ``python -m tests.properties.programs 20000 --seed 1`` plays more of them.
"""

from __future__ import annotations

import collections
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.properties.programs import steps as do
from tests.properties.programs.flows import FlowCase
from tests.properties.programs.normal import normal
from tests.properties.programs.notebooks import NotebookCase
from tests.properties.programs.player import Found
from tests.properties.programs.steps import Step
from tests.properties.programs.text import Input, Program, TaskText
from tests.properties.programs.verdict import ERROR, NEEDLESS, REFUSED, WARNED, WRONG

SHARE, SEED = 150, 1
ROOT = Path(__file__).parents[2]


def test_a_share_of_the_programs_gives_what_a_fresh_interpreter_gives():
    """V1 to V4, V8."""
    command = [
        sys.executable,
        "-m",
        "tests.properties.programs",
        str(SHARE),
        "--seed",
        str(SEED),
        "--show",
        "3",
    ]

    # In an interpreter of its own: it forks, and nothing that other tests left may be in its children.
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stdout + done.stderr


# -- the test itself: it finds what is wrong, and only that ---------------------------------------------------------


@pytest.fixture(autouse=True)
def _no_module_left(monkeypatch):
    monkeypatch.setitem(sys.modules, "program", None)
    yield
    monkeypatch.undo()


def three_tasks(*steps, change="x0.append(1)"):
    """`t0` makes a list, `t1` changes it in place, `t2` takes what `t1` returned, `t3` takes nothing."""
    taken = Input(arg="x0", kind="list", source="t0", may_change=True)
    tasks = (
        TaskText(name="t0", kind="list", body=("return [5]",)),
        TaskText(name="t1", inputs=(taken,), form="read", body=(change, "return len(x0)")),
        TaskText(name="t2", inputs=(Input(arg="x0", kind="atoms", source="t1"),), body=("return x0 + 1",)),
        TaskText(name="t3", body=("return 3",)),
    )
    return FlowCase(seed=0, program=Program(tasks=tasks, kinds=("list",)), steps=steps)


EDIT_T1 = Step(op=do.EDIT_STALE, bodies={"t1": ("x0.append(2)", "return sum(x0)")})
EDIT_T2 = Step(op=do.EDIT_STALE, bodies={"t2": ("return x0 + 2",)})


def sorts(case, *, after_step=1, **found):
    """Judge a case in which everything is right but what is given."""
    outcomes = case.expect()
    right = [Found(forms=dict(outcome.forms)) for outcome in outcomes]
    for name, value in found.items():
        setattr(right[after_step], name, value)
    return [finding.sort for finding in case.judge(outcomes, right)]


def test_a_program_is_the_same_for_the_same_seed():
    assert FlowCase.make(7).text() == FlowCase.make(7).text()
    assert FlowCase.make(7).text() != FlowCase.make(8).text()


def test_programs_run_to_their_end_in_a_plain_interpreter():
    outcomes = [outcome for seed in range(40) for outcome in FlowCase.make(seed).expect()[:1]]

    assert not [outcome.failed for outcome in outcomes if outcome.failed]


def test_nothing_is_found_in_a_flow_that_changes_nothing_in_place():
    case = three_tasks(EDIT_T2, Step(op=do.UNCHANGED), Step(op=do.RERUN_TASK, task="t1"), change="pass")

    found = case.play()

    assert case.judge(case.expect(), found) == []
    assert found[1].ran == {"t2"}


def test_a_value_that_is_not_the_one_of_a_fresh_run_is_found():
    case = three_tasks(EDIT_T1)
    forms = {**case.expect()[1].forms, "t1": ("ok", normal(8))}

    assert sorts(case, forms=forms) == [WRONG]
    assert sorts(case, forms=forms, said=["t1 may differ"]) == [WARNED]


def test_a_value_may_read_as_its_task_returned_it():
    case = three_tasks(EDIT_T1)

    assert sorts(case, forms={**case.expect()[1].forms, "t0": ("ok", normal([5]))}) == []


def test_the_producer_of_a_value_that_was_changed_may_run_and_nothing_else():
    assert sorts(three_tasks(EDIT_T1), ran={"t0", "t1", "t2"}) == []
    assert sorts(three_tasks(EDIT_T1), ran={"t0", "t1", "t2", "t3"}) == [NEEDLESS]
    assert sorts(three_tasks(EDIT_T2), ran={"t1", "t2"}) == [NEEDLESS]
    assert sorts(three_tasks(Step(op=do.UNCHANGED)), ran={"t0"}) == [NEEDLESS]


def test_a_cell_that_leaves_a_value_as_it_was_still_made_it():
    taken = Input(arg="x0", kind="list", source="t0", may_change=True)
    tasks = (
        TaskText(name="t0", kind="list", body=("return [5]",)),
        TaskText(name="t1", inputs=(taken,), body=("x0.reverse()", "return len(x0)")),
        TaskText(name="t2", inputs=(taken,), body=("x0.append(1)", "return len(x0)")),
    )
    case = FlowCase(seed=0, program=Program(tasks=tasks), steps=(Step(op=do.RERUN_TASK, task="t2"),))
    in_cells = NotebookCase(seed=0, program=case.program, steps=case.steps)

    assert sorts(case, ran={"t0", "t1", "t2"}) == [NEEDLESS]
    assert sorts(in_cells, ran={"t0", "t1", "t2"}) == []


def test_tasks_that_are_ordered_by_a_task_whose_value_is_set_have_no_order():
    taken = Input(arg="x0", kind="list", source="t0", may_change=True)
    between = Input(arg="x1", kind="atoms", source="t1")
    tasks = (
        TaskText(name="t0", kind="list", body=("return [5]",)),
        TaskText(name="t1", inputs=(taken,), body=("x0.append(1)", "return len(x0)")),
        TaskText(name="t2", inputs=(between,), body=("return x1",)),
        TaskText(name="t3", inputs=(taken, replace(between, source="t2")), body=("return len(x0)",)),
    )
    case = FlowCase(seed=0, program=Program(tasks=tasks), steps=(Step(op=do.SET, task="t2", text="7"),))
    forms = {**case.expect()[1].forms, "t3": ("ok", normal(1))}

    assert sorts(case, forms=forms) == []
    assert sorts(replace(case, steps=(Step(op=do.RUN),)), forms=forms) == [WRONG]


def test_refusals_and_exceptions_are_told_apart():
    assert sorts(three_tasks(EDIT_T1), refused="RetryError: no") == [REFUSED]
    assert sorts(three_tasks(EDIT_T1), error="KeyError") == [ERROR]


def test_a_second_attempt_is_expected_to_see_what_the_first_one_saw():
    taken = Input(arg="x0", kind="list", source="t0", may_change=True)
    fails = 'if context.get("task_run_count", 1) < 2:\n    raise OSError("first")'
    tasks = (
        TaskText(name="t0", kind="list", body=("return [5]",)),
        TaskText(name="t1", inputs=(taken,), feature="retry", body=("x0.append(1)", fails, "return len(x0)")),
    )
    case = FlowCase(seed=0, program=Program(tasks=tasks), steps=())

    assert case.expect()[0].forms["t1"] == ("ok", normal(2))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (1, True),
        (0.0, -0.0),
        ([1], [True]),
        ([1], (1,)),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (collections.deque([1]), collections.deque([1], maxlen=3)),
        (random.Random(1), random.Random(2)),
    ],
)
def test_the_normal_form_tells_apart_what_a_program_can_tell_apart(one, other):
    assert normal(one) != normal(other)
    assert normal(one) == normal(one)


def test_the_normal_form_uses_no_iterator_up():
    items = iter([1, 2])

    assert normal(items) == ("iterator",)
    assert list(items) == [1, 2]


def test_a_case_is_made_smaller_only():
    case = FlowCase.make(3)

    assert all(len(smaller.text()) < len(case.text()) for smaller in case.smaller())
