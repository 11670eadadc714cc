"""`%flow` in a real shell: every subcommand against the real engine, and what bad input says."""

from __future__ import annotations

import gc
import weakref

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.error import UsageError

from nbflow import flows
from tests.patience import PATIENCE_S

FLOW = """%%flow example --no-show
n = Parameter("n", default=2)
with Cluster() as client:
    first = use(client, n)
    total = double(first)
"""
FAILING = """%%flow broken --no-show
@task
def fail():
    raise ValueError("no data")
bad = fail()
"""


def newest(name="example"):
    return flows[name].runs[-1]


@pytest.fixture
def example(notebook):
    notebook(FLOW)
    return notebook


def test_without_a_command_the_flows_are_listed(example):
    example("%flow run example")

    listed = example("%flow").outputs[-1]["text/plain"]

    assert "example" in listed
    assert "run 1: Success" in listed


def test_without_flows_the_list_says_how_to_make_one(notebook):
    assert "%%flow NAME" in notebook("%flow").outputs[-1]["text/plain"]


def test_show_draws_the_flow(example):
    assert "<svg" in example("%flow show example").outputs[-1]["text/html"]


def test_run_runs_to_the_end_and_shows_the_final_state(example):
    cell = example("%flow run example")

    assert newest().state.is_successful()
    assert "Success" in cell.outputs[-1]["text/plain"]
    assert "<svg" in cell.outputs[-1]["text/html"]
    assert example.names["log"] == ["setup", "use cluster", "double 2", "cleanup"]


def test_the_name_may_be_left_out_when_there_is_one_flow(example):
    example("%flow run")

    assert newest().state.is_successful()


def test_parameters_are_literals_or_else_text(example):
    example("%flow run example -p n=21")
    assert newest().parameters == {"n": 21}

    example("""%flow run example -p 'n=[1, "a b"]'""")
    assert newest().parameters == {"n": [1, "a b"]}

    example("%flow run example -p n=__import__('os')")
    assert newest().parameters == {"n": "__import__(os)"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{log.append('evaluated')}", "{log.append(evaluated)}"),
        ("{1:2}", {1: 2}),
        ("\"{'a': 1}\"", {"a": 1}),
        ("$log", "$log"),
        ("{{1}}", "{{1}}"),
    ],
)
def test_no_parameter_is_evaluated_by_ipython_before_it_is_read(example, text, value):
    example(f"%flow run example -p n={text}")

    assert newest().parameters == {"n": value}
    assert "evaluated" not in example.names["log"]


@pytest.mark.parametrize("line", ["%%flow {log.append('evaluated')} --no-show", "%%task {log.append('evaluated')}"])
def test_no_line_of_a_cell_is_evaluated_by_ipython_before_it_is_read(example, line):
    example(f"{line}\n1")

    assert "evaluated" not in example.names["log"]


def test_run_takes_an_executor(example):
    example("%flow run example --executor threads")

    assert newest().state.is_successful()


def test_start_returns_at_once_and_the_run_goes_on(example):
    cell = example("%flow start example -p n=3")

    assert newest().wait(timeout_s=PATIENCE_S).is_successful()
    assert "run 1 of example" in cell.outputs[-1]["text/plain"]


def test_step_begins_a_run_that_stands_still_and_goes_on_task_by_task(example):
    example("%flow step example")
    example("%flow step example")
    assert example.names["log"] == ["setup"]
    assert newest().open_resources == ["Cluster"]

    example("%flow step")

    assert example.names["log"] == ["setup", "use cluster"]
    assert len(flows["example"].runs) == 1


def test_block_goes_to_the_end_of_the_block(example):
    example("%flow step example")

    example("%flow block example")

    assert example.names["log"][-1] == "cleanup"
    assert newest().open_resources == []


@pytest.mark.parametrize("words", ["example first", "first", "example use-1", "--task use"])
def test_until_runs_up_to_a_task_named_by_variable_name_or_id(example, words):
    cell = example(f"%flow until {words}")

    assert cell.error is None
    assert example.names["log"] == ["setup", "use cluster"]


def test_resume_goes_on_to_the_end(example):
    example("%flow step example")

    example("%flow resume example")

    assert newest().wait(timeout_s=PATIENCE_S).is_successful()


def test_pause_makes_a_started_run_stand_still(example):
    example("%flow start example --paused")

    assert example("%flow pause example").error is None
    assert not newest().is_finished


def test_cancel_cleans_up_and_shows_it(example):
    example("%flow until example first")

    cell = example("%flow cancel example")

    assert newest().is_finished
    assert example.names["log"][-1] == "cleanup"
    assert "Cancelled" in cell.outputs[-1]["text/plain"]


def test_panel_shows_a_widget_and_a_static_copy(example):
    cell = example("%flow panel example -p n=5")

    static, widget, *updates = cell.outputs
    assert "nbflow-static" in static["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in widget
    assert all("nbflow-static" in update["text/html"] for update in updates)  # where no cell's id is told


def test_reset_forgets_the_flow(example):
    example("%flow reset example")

    assert "example" not in flows
    example(FLOW)
    assert example("%flow run").error is None


def test_undo_brings_a_flow_back_with_its_cells_and_runs(example):
    example("%flow run example")
    flow = flows["example"]
    example("%flow reset example")

    said = example("%flow undo example").outputs[-1]["text/plain"]

    assert flows["example"] is flow
    assert "1 run" in said
    assert example("%flow plan example stale").error is None
    example(FLOW)  # its cell replaces what it has added, and adds nothing twice
    assert len(flow.tasks) == len({task.name for task in flow.tasks})


def test_a_flow_that_was_reset_is_not_found_before_it_is_brought_back(example):
    example("%flow reset example")

    assert isinstance(example("%flow show example").error, UsageError)
    assert example("%flow undo").error is None
    assert example("%flow show example").error is None


def test_undo_is_refused_when_a_flow_of_the_name_has_been_made_since(example):
    example("%flow reset example")
    example(FLOW)
    made = flows["example"]

    cell = example("%flow undo example")

    assert isinstance(cell.error, UsageError)
    assert "made since the reset" in cell.err
    assert flows["example"] is made


def test_undo_of_a_flow_that_was_not_reset_says_so(example):
    cell = example("%flow undo nowhere")

    assert isinstance(cell.error, UsageError)
    assert "'nowhere'" in cell.err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("stop example", ["'stop'", "cancel"]),
        ("run exmaple", ["%flow run", "'exmaple'", "'example'"]),
        ("run example -p m=1", ["%flow run", "m", "n"]),
        ("run example -p 7=1", ["'7=1'", "name=value"]),
        ("run example -p n=1 -p n=2", ["'n'", "twice"]),
        ("run example --executor moon", ["moon", "threads"]),
        ("run example --frist", ["--frist"]),
        ("until example", ["which task"]),
        ("until example nothing", ["'nothing'"]),
        ("block example", ["has not run yet", "%flow step example"]),
        ("resume example", ["has not run yet"]),
        ("pause example", ["has not run yet"]),
        ("cancel example", ["has not run yet"]),
    ],
)
def test_bad_input_is_a_usage_error_naming_culprit_and_remedy(example, line, words):
    cell = example(f"%flow {line}")

    assert isinstance(cell.error, UsageError)
    assert [word for word in words if word not in cell.err] == []
    assert len(flows["example"].runs) == 0


def test_with_several_flows_the_name_is_asked_for(example):
    example("%%flow other --no-show\nload(1);")

    cell = example("%flow run")

    assert isinstance(cell.error, UsageError)
    assert "'example', 'other'" in cell.err


def test_step_with_nothing_to_step_is_a_usage_error(notebook):
    notebook("%%flow empty\npass")

    cell = notebook("%flow step empty")

    assert isinstance(cell.error, UsageError)
    assert "nothing to step" in cell.err


def test_stepping_without_any_flow_says_how_to_make_one(notebook):
    cell = notebook("%flow step")

    assert isinstance(cell.error, UsageError)
    assert "%%flow NAME" in cell.err


def test_a_second_run_is_refused_while_one_is_not_over(example):
    example("%flow step example")

    cell = example("%flow run example")

    assert isinstance(cell.error, UsageError)
    assert "%flow cancel example" in cell.err
    assert len(flows["example"].runs) == 1


def test_reset_is_refused_while_a_run_is_not_over(example):
    example("%flow step example")

    assert isinstance(example("%flow reset example").error, UsageError)
    assert "example" in flows


def test_a_usage_error_stops_the_cell(example):
    cell = example("%flow run nothing\nafter = 1")

    assert isinstance(cell.error, UsageError)
    assert "after" not in example.names


# the extension


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%flow st", ["start", "step"]),
        ("%flow run e", ["example"]),
        ("%flow run example --e", ["--executor"]),
        ("%flow run example --executor t", ["threads"]),
        ("%flow run example -p ", ["n="]),
        ("%flow until example dou", ["double-1"]),
        ("%%flow ex", ["example"]),
        ("%%flow example --in C", ["Cluster"]),
        ("%%flow example --no-s", ["--no-show"]),
    ],
)
def test_tab_completes_commands_flows_tasks_and_options(example, line, expected):
    with provisionalcompleter():
        found = [done.text for done in example.shell.Completer.completions(line, len(line))]

    assert found == expected


def test_help_lists_the_commands(example):
    assert "until" in example("%flow?").out + str(example("%flow?").outputs)


def test_unloading_removes_everything(example):
    shell = example.shell
    example("%unload_ext nbflow")

    assert "flow" not in shell.magics_manager.magics["line"]
    assert "flow" not in shell.magics_manager.magics["cell"]
    assert shell.Completer.custom_matchers == []
    assert not [c for c in shell.events.callbacks["pre_run_cell"] if "remember_cell" in repr(c)]
    example("%load_ext nbflow")


def test_unloading_keeps_nothing_alive_of_the_magics(example):
    magics = [weakref.ref(example.shell.magics_manager.registry[name]) for name in ("FlowMagics", "TaskMagics")]

    example("%reload_ext nbflow")
    gc.collect()

    assert [one() for one in magics] == [None, None]


def test_flows_survive_loading_the_extension_again(example):
    example("%reload_ext nbflow")
    example(FLOW)

    assert len(flows["example"].tasks) == 6


def test_a_parameter_may_be_called_like_an_option_of_the_line(notebook):
    notebook(
        '%%flow ports --no-show\nexecutor = Parameter("executor", default="crane")\n'
        'what = Parameter("what", default="coal")\nshipped = use(executor, what)'
    )

    notebook("%flow run ports -p what=salt --executor threads")
    assert newest("ports").parameters == {"executor": "crane", "what": "salt"}
    assert type(newest("ports").executor).__name__ == "ThreadExecutor"
    assert "plan of 'ports'" in notebook("%flow plan ports -p what=tea").outputs[-1]["text/plain"]

    notebook("%flow rerun ports -p executor=truck --executor inline")
    newest("ports").wait(timeout_s=PATIENCE_S)
    assert newest("ports").parameters == {"executor": "truck", "what": "salt"}
    assert type(newest("ports").executor).__name__ == "InlineExecutor"
