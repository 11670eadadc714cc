"""What the inspector is told of a selected task, as messages, and what its buttons do to the run."""

from __future__ import annotations

import gc
import json
import threading
import weakref

import pytest

from nbflow import Flow, Parameter, context, resource_manager, task
from nbflow.panel.inspector import expressions, inspector, log_tail
from nbflow.panel.widget import Panel
from tests.panel import hostile
from tests.panel.conftest import told, until
from tests.patience import PATIENCE_S


class Browser:
    """What a view of the panel knows: the newest of each section, and the log."""

    def __init__(self, panel, sent):
        self.panel, self.sent, self._read = panel, sent, 0
        self.sections, self.lines, self.acted, self.sizes = {}, [], [], []
        self.key, self.index = "", None

    def read(self):
        messages, self._read = self.sent[self._read :], len(self.sent)
        for comm_id, data in messages:
            if comm_id != self.panel._body.model_id or data.get("method") != "custom":
                continue
            told = data["content"]
            if told["kind"] == "acted":
                self.acted.append(told)
            if told["kind"] not in ("detail", "log") or (told["key"], told["index"]) != (
                self.key,
                self.index,
            ):
                continue
            text = json.dumps(told, allow_nan=False, ensure_ascii=False)
            self.sizes.append(len(text.encode("utf-8")))
            if told["kind"] == "log":
                self.lines += told["lines"]
            else:
                self.sections = told["sections"] if told["whole"] else self.sections | told["sections"]
        return self

    def select(self, key, index=None):
        self.read()
        self.key, self.index, self.sections, self.lines = key, index, {}, []
        self.panel._hear({"kind": "select", "key": key, "index": index})
        self.until(lambda: "head" in self.sections and not self.is_pending())
        return self

    def is_pending(self):
        return '"pending": true' in json.dumps(self.sections)

    def until(self, condition):
        until(lambda: self.read() and condition())

    def act(self, act, **fields):
        told = len(self.acted)
        number = None if self.panel.run is None else self.panel.run.number
        self.panel._hear({"kind": "act", "act": act, "key": self.key, "index": self.index, "number": number, **fields})
        self.until(lambda: len(self.acted) > told)
        return self.acted[-1]["problem"]

    def why(self, act):
        return self.sections["actions"][act]["why"]


@pytest.fixture
def browse(make_panel, sent, monkeypatch):
    monkeypatch.setattr(inspector, "INTERVAL_S", 0.02)
    return lambda source, run=None, **options: Browser(make_panel(source, run, **options), sent)


@task
def number(n):
    """Give a number."""
    print("the number is", n)
    return n


@task
def divide(x, by=0):
    return x / by


@task
def keep(x):
    return x


@pytest.fixture
def failing():
    with Flow("failing") as flow:
        divide(number(Parameter("n", default=7)))
    return flow


@pytest.fixture
def held(failing):
    run = failing.start(hold_on_failure=True)
    run.wait(timeout_s=PATIENCE_S, or_held=True)
    return run


# What is told


def test_a_task_that_ended_well_is_told_whole(browse, failing):
    run = failing.start()
    run.wait(timeout_s=PATIENCE_S)

    told = browse(failing, run).select("number-1").sections

    assert {k: told["head"][k] for k in ("name", "kind", "state", "line", "value", "number")} == {
        "name": "number", "kind": "task", "state": "Success", "line": "✓ Success", "value": "computed", "number": 1,
    }  # fmt: skip
    assert (told["result"]["text"], told["result"]["type"]) == ("7", "int")
    assert [(row["name"], row["text"], [up["name"] for up in row["from"]]) for row in told["inputs"]["rows"]] == [
        ("n", "7", ["n"])
    ]
    assert [up["key"] for up in told["around"]["up"]] == ["n"]
    assert [down["key"] for down in told["around"]["down"]] == ["divide-1"]
    assert [change[1] for change in told["history"]["changes"]] == ["Running", "Success"]
    assert told["history"]["attempts"][0][0] == 1
    assert "def number(n):" in told["source"]["text"]
    assert told["source"]["doc"] == "Give a number."
    assert told["source"]["place"].endswith("test_inspector.py")
    assert told["error"] is None


def test_a_failed_task_tells_its_error_from_the_users_frame_on(browse, failing):
    run = failing.start()
    run.wait(timeout_s=PATIENCE_S)

    told = browse(failing, run).select("divide-1").sections

    link = told["error"]["chain"][0]
    assert (link["type"], link["message"]) == ("ZeroDivisionError", "division by zero")
    assert (link["frames"][0]["code"], link["frames"][0]["name"]) == ("return x / by", "divide")
    assert link["others"] == []  # what called the task is neither the user's nor a library's
    assert "Traceback" in told["error"]["text"]
    assert told["result"] is None


def test_before_any_run_source_and_inputs_by_name_are_told(browse, failing):
    told = browse(failing).select("divide-1").sections

    assert told["head"]["state"] == "NotRun"
    assert [(row["name"], [up["key"] for up in row["from"]]) for row in told["inputs"]["rows"]] == [("x", ["number-1"])]
    assert "return x / by" in told["source"]["text"]
    assert [name for name, action in told["actions"].items() if not action["why"]] == ["break"]


def test_a_parameter_tells_its_value_and_before_a_run_its_default(browse, failing):
    assert browse(failing).select("n").sections["result"] | {"title": ""} == {
        "type": "int", "size": "", "mime": "text/plain", "data": "", "text": "7", "note": "", "title": "",
    }  # fmt: skip
    run = failing.start(n=8)
    run.wait(timeout_s=PATIENCE_S)

    assert browse(failing, run).select("n").sections["result"]["text"] == "8"


def test_what_changes_is_told_as_it_changes(browse, flow, gate):
    browser = browse(flow, flow.start())
    browser.select("wait-1")
    browser.until(lambda: browser.sections["head"]["state"] == "Running")
    assert browser.sections["result"] is None
    assert browser.sections["around"]["block"]["status"] == "open"

    gate.set()
    browser.until(lambda: browser.sections["head"]["state"] == "Success")

    browser.until(lambda: browser.sections["result"] is not None and not browser.is_pending())
    assert browser.sections["result"]["text"] == "1"


def test_only_changed_sections_are_sent(browse, sent, flow, gate):
    browser = browse(flow, flow.start())
    browser.select("wait-1")
    browser.until(lambda: browser.sections["head"]["state"] == "Running")
    before = len(sent)
    gate.set()
    browser.until(lambda: browser.sections["head"]["state"] == "Success")

    names = [set(d["content"]["sections"]) for _, d in sent[before:] if d.get("content", {}).get("kind") == "detail"]
    assert names
    assert not any("inputs" in sections for sections in names)


def test_output_comes_while_the_task_runs_and_word_by_word_belongs_together(browse, gate):
    said = threading.Event()

    @task
    def talk():
        print("one", 1)
        print("to stderr", file=__import__("sys").stderr)
        context.logger.warning("careful")
        said.set()
        assert gate.wait(PATIENCE_S)
        print("two")

    with Flow("talking") as flow:
        talk()
    browser = browse(flow, flow.start())
    assert said.wait(PATIENCE_S)
    browser.select("talk-1")
    browser.until(lambda: len(browser.lines) >= 3)
    assert [(line[1], line[2]) for line in browser.lines] == [
        ("stdout", "one 1\n"), ("stderr", "to stderr\n"), ("WARNING", "careful"),
    ]  # fmt: skip

    gate.set()
    browser.until(lambda: browser.lines[-1][2] == "two\n")


def test_of_a_long_log_the_end_is_told_and_what_is_left_out(browse, sent):
    @task
    def talk():
        for i in range(12_000):
            print(f"{i:06d}")

    with Flow("talking") as flow:
        talk()
    run = flow.start()
    run.wait(timeout_s=PATIENCE_S)
    browser = browse(flow, run).select("talk-1")
    browser.until(lambda: browser.lines)

    logs = [d["content"] for _, d in sent if d.get("content", {}).get("kind") == "log"]
    said = sum(len(line[2]) for line in browser.lines)
    assert said <= log_tail.LIMIT + 200
    assert logs[0]["omitted"] + said == 84_000
    assert browser.lines[-1][2] == "011999\n"


def test_the_children_of_a_map_are_counted_and_each_can_be_chosen(browse):
    with Flow("mapped") as flow:
        divide.map([1, 2, 3, 4], [1, 0, 1, 0])
    run = flow.start()
    run.wait(timeout_s=PATIENCE_S)
    browser = browse(flow, run).select("divide-1")

    assert browser.sections["children"] == {"total": 4, "failed": 2, "done": 4}
    assert (browser.sections["head"]["state"], browser.sections["head"]["line"]) == (
        "Failed",
        "✗ 4/4, 2 failed",
    )
    browser.select("divide-1", 1)
    assert browser.sections["error"]["chain"][0]["type"] == "ZeroDivisionError"
    assert [row["text"] for row in browser.sections["inputs"]["rows"]] == ["2", "0"]
    browser.select("divide-1", 2)
    assert browser.sections["result"]["text"] == "3.0"


def test_a_block_tells_its_status_its_tasks_and_why_its_cleanup_failed(browse):
    @resource_manager
    class Cluster:
        def setup(self):
            return "cluster"

        def cleanup(self, resource):
            raise OSError("still busy")

    with Flow("blocks") as flow, Cluster() as client:
        keep(client)
    run = flow.start()
    with pytest.warns(RuntimeWarning, match="still busy"):
        run.wait(timeout_s=PATIENCE_S)

    told = browse(flow, run).select("block--Cluster-1").sections

    assert told["head"]["status"] == "leaked"
    assert [one["key"] for one in told["members"]["listed"]] == [
        "Cluster-1", "Cluster.setup-1", "keep-1", "Cluster.cleanup-1",
    ]  # fmt: skip
    assert told["error"]["chain"][0]["message"] == "still busy"
    assert [change[1] for change in told["history"]["changes"]][-1] == "block-leaked"


def test_a_group_tells_how_many_of_its_tasks_are_in_which_state(browse):
    with Flow("many") as flow:
        for i in range(5):
            divide(1, i % 2)
    run = flow.start()
    run.wait(timeout_s=PATIENCE_S)

    told = browse(flow, run).select("group--divide-1").sections

    assert told["members"]["counts"] == [["Failed", "✗ Failed", 3], ["Success", "✓ Success", 2]]
    assert told["members"]["listed"][0]["state"] == "Failed"


def test_every_attempt_is_told_with_its_time(browse):
    tries = []

    @task(max_retries=1, retry_delay=0)
    def flaky():
        tries.append(1)
        assert len(tries) > 1

    with Flow("flaky") as flow:
        flaky()
    run = flow.start()
    run.wait(timeout_s=PATIENCE_S)

    history = browse(flow, run).select("flaky-1").sections["history"]

    assert [(attempt[0], attempt[3]) for attempt in history["attempts"]] == [(1, "Failed"), (2, "Success")]


def test_what_is_not_there_is_told_to_be_gone(browse, failing):
    browser = browse(failing)
    browser.key = "nothing-1"

    browser.panel._hear({"kind": "select", "key": "nothing-1", "index": None})

    browser.until(lambda: browser.sections == {"head": None})


@pytest.mark.parametrize("message", [{}, {"key": 7}, {"key": None, "index": "x"}, {"key": "divide-1", "index": 10**9}])
def test_a_strange_selection_breaks_nothing(browse, failing, message):
    run = failing.start()
    run.wait(timeout_s=PATIENCE_S)
    browser = browse(failing, run)

    browser.panel._hear({"kind": "select", **message})

    assert browser.select("number-1").sections["head"]["name"] == "number"


def test_a_function_of_a_cell_is_told_as_it_ran_and_that_it_was_redefined(browse, shell):
    shell.run_cell("from nbflow import Flow, task\n@task\ndef twice(x):\n    return x * 2", store_history=True)
    shell.run_cell("with Flow('cells') as flow:\n    twice(2)\nrun = flow.start()\nrun.wait(timeout_s=60)")
    browser = browse(shell.user_ns["flow"], shell.user_ns["run"]).select("twice-1")
    assert browser.sections["source"]["place"].startswith("cell [")
    assert browser.sections["source"]["changed"] == ""

    shell.run_cell("@task\ndef twice(x):\n    return x + x")
    told = browser.select("twice-1").sections["source"]

    assert "return x * 2" in told["text"]
    assert told["changed"] == "its code"


# What a person does


def test_retry_runs_the_newest_definition(browse, held, monkeypatch):
    browser = browse(held.flow, held).select("divide-1")
    assert browser.why("retry") == ""
    monkeypatch.setitem(held.parameters, "unused", 0)
    divided = next(one for one in held.graph.tasks if one.name == "divide")
    divided.run = lambda x, by=1: x

    assert browser.act("retry") == ""

    browser.until(lambda: browser.sections["head"]["state"] == "Success")
    assert browser.sections["history"]["attempts"][-1][0] == 2


def test_skip_leaves_the_held_task_out(browse, held):
    browser = browse(held.flow, held).select("divide-1")

    assert browser.act("skip") == ""

    browser.until(lambda: browser.sections["head"]["state"] == "Skipped")


def test_a_value_is_given_as_an_expression_over_the_notebooks_names(browse, held, shell):
    shell.user_ns["answer"] = 40
    browser = browse(held.flow, held).select("divide-1")

    assert browser.act("set", text=" [answer + i for i in range(3)] ") == ""

    browser.until(lambda: (browser.sections["result"] or {}).get("text") == "[40, 41, 42]")
    assert browser.sections["head"]["value"] == "edited"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "write a Python expression"),
        ("1 +", "no Python expression: invalid syntax"),
        ("x = 1", "no Python expression"),
        ("nowhere", "nowhere"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("'\ud800", "no Python expression"),
        ("(" * 1_000, "no Python expression"),
    ],
)
def test_an_expression_that_is_none_is_told_and_changes_nothing(browse, held, shell, text, said):
    browser = browse(held.flow, held).select("divide-1")

    assert said in browser.act("set", text=text)

    assert browser.read().sections["head"]["state"] == "Failed"


def test_without_a_notebook_a_value_is_a_literal(browse, held, monkeypatch):
    monkeypatch.setattr(expressions, "get_ipython", lambda: None)
    browser = browse(held.flow, held).select("divide-1")

    assert "is no literal" in browser.act("set", text="list(range(3))")
    assert browser.act("set", text="{'a': [1, 2]}") == ""

    browser.until(lambda: (browser.sections["result"] or {}).get("text") == "{'a': [1, 2]}")


def test_a_value_is_pinned_and_shown_as_pinned(browse, held):
    browser = browse(held.flow, held).select("number-1")

    assert browser.act("pin") == ""

    browser.until(lambda: browser.sections["actions"]["pin"]["is_on"])
    assert browser.sections["head"]["value"] == "pinned"
    assert browser.why("pin") != ""


def test_a_breakpoint_with_a_condition_is_set_shown_and_cleared(browse, failing):
    run = failing.start(paused=True)
    browser = browse(failing, run).select("divide-1")

    assert "asks for 'z'" in browser.act("break", text="z > 1")
    assert browser.act("break", text="x > 1") == ""
    browser.until(lambda: browser.sections["actions"]["break"]["is_on"])
    assert browser.sections["actions"]["break"]["places"] == ["before it, if x > 1"]
    run.resume()
    run.wait(timeout_s=PATIENCE_S, or_held=True)
    assert [one.name for one in run.held] == ["divide"]

    assert browser.act("unbreak") == ""
    browser.until(lambda: not browser.sections["actions"]["break"]["is_on"])


def test_a_breakpoint_is_set_before_any_run_and_listed_until_all_are_cleared(browse, failing, sent):
    browser = browse(failing).select("divide-1")

    assert "asks for 'z'" in browser.act("break", text="z > 1")
    assert browser.act("break", text="x > 0") == ""

    listed = told(sent, browser.panel, "breakpoints")[-1]
    assert listed["rows"] == [{"key": "divide-1", "name": "divide", "text": "before divide, if x > 0"}]
    run = failing.start()
    run.wait(timeout_s=PATIENCE_S, or_held=True)
    assert [one.name for one in run.held] == ["divide"]
    browser.panel._hear({"kind": "clear_breakpoints"})
    assert not failing.breakpoints
    assert not run.breakpoints
    run.cancel()


def test_a_value_set_on_a_run_that_is_over_is_a_plan_first(browse, failing, sent):
    run = failing.start()
    run.wait(timeout_s=PATIENCE_S)
    browser = browse(failing, run).select("divide-1")
    assert "parameter" in browse(failing, run).select("n").why("set")

    assert "no Python expression" in browser.act("set", text="1 +")
    assert browser.act("set", text="7") == ""

    until(lambda: told(sent, browser.panel, "plan"))
    plan = told(sent, browser.panel, "plan")[-1]
    assert plan["title"] == "Go on with another value of divide"
    assert [row[2] for row in plan["rows"] if row[1] == "divide"] == [2]
    browser.panel._hear({"kind": "follow"})
    until(lambda: len(failing.runs) == 2)
    assert failing.runs[-1].wait(PATIENCE_S).is_successful()
    assert failing.runs[-1].kind == "fork"


def test_actions_that_make_no_sense_say_why(browse, held, flow, gate):
    browser = browse(held.flow, held).select("number-1")
    assert browser.why("retry") == "the run is not paused at it"
    assert browser.why("skip") == "it has ended well already"
    assert browser.why("debug") == "it has not failed"
    held.cancel()
    held.wait(timeout_s=PATIENCE_S)
    browser.until(lambda: "over" in browser.why("retry"))
    assert browser.why("set") == ""
    assert browser.why("rerun") == ""

    gate.set()
    run = flow.start()
    run.wait(timeout_s=PATIENCE_S)
    browser = browse(flow, run).select("Cluster.cleanup-1")
    assert "over" in browser.why("skip")


def test_the_line_that_opens_the_debugger_is_told(browse, held):
    browser = browse(held.flow, held).select("divide-1")

    assert browser.why("debug") == ""
    assert browser.sections["actions"]["debug"]["line"] == "%flow debug failing --task divide-1"


def test_an_action_for_another_run_is_refused(browse, held):
    browser = browse(held.flow, held).select("divide-1")

    assert "another" in browser.act("retry", number=99)
    assert "no action" in browser.act("<b>explode</b>")


# What users' code does meanwhile


def test_a_repr_that_hangs_holds_nothing_up(browse):
    value = hostile.ReprHangs()
    with Flow("hanging") as flow:
        keep(task(lambda: value, name="make")())
    run = flow.start()
    run.wait(timeout_s=PATIENCE_S)
    browser = browse(flow, run)

    give_up = []  # the time is up when we say so
    (evaluator,) = [part._evaluator for part in browser.panel.parts if isinstance(part, inspector.Inspector)]
    evaluator._call_later = lambda delay_s, call: give_up.append(call) or threading.Timer(0, call)
    browser.panel._hear({"kind": "select", "key": "make-1", "index": None})
    browser.key = "make-1"
    browser.until(lambda: browser.sections.get("result") == {"pending": True})
    assert value.begun.wait(PATIENCE_S)
    give_up[-1]()
    browser.until(lambda: browser.sections["result"] != {"pending": True})

    assert browser.sections["result"] == {"problem": "its repr took longer than 2 s"}
    value.end.set()


def test_a_message_of_an_error_that_hangs_or_raises_holds_nothing_up(browse):
    def fail(error):
        raise error

    hanging = hostile.MessageHangs()
    with Flow("hanging") as flow:
        task(fail, name="raises")(hostile.MessageRaises())
    run = flow.start()
    run.wait(timeout_s=PATIENCE_S)

    told = browse(flow, run).select("raises-1").sections

    assert told["error"]["chain"][0]["message"] == "(its message can not be shown: __str__ raised RuntimeError)"
    hanging.end.set()


def test_whatever_tasks_return_the_messages_can_be_sent(browse):
    with Flow("hostile") as flow:
        for number, make in enumerate(hostile.OBJECTS):
            keep(task(lambda make=make: make(), name=f"make {number}")())
    run = flow.start()
    run.wait(timeout_s=PATIENCE_S)
    browser = browse(flow, run)

    for name in browser.panel._body.picture["rows"]:
        told = browser.select(name["key"]).sections
        assert told["head"]["name"] == name["name"]
        assert told["result"].keys() & {"text", "problem"}
    assert max(browser.sizes) < 200_000


@pytest.mark.parametrize("text", hostile.TEXTS.values(), ids=hostile.TEXTS)
def test_whatever_a_task_says_the_message_can_be_sent(browse, text):
    def say():
        """Say."""
        print(text)
        error = ValueError(text)
        error.add_note(text)
        raise error

    say.__doc__ = text
    with Flow(text.strip() or "hostile") as flow:
        task(say, name=text.strip() or "say")(upstream_tasks=[Parameter("<b>p</b>", default=text)])
    run = flow.start()
    run.wait(timeout_s=PATIENCE_S)
    browser = browse(flow, run)
    keys = [row["key"] for row in browser.panel._body.picture["rows"]]

    browser.select(keys[0])
    browser.until(lambda: browser.lines)
    browser.select(browser.sections["around"]["up"][0]["key"])

    assert max(browser.sizes) < 200_000


def test_nothing_of_a_value_is_kept_once_another_task_is_selected(browse, failing):
    class Value:
        pass

    with Flow("weak") as flow:
        task(Value, name="make")()
        keep(1)
    run = flow.start()
    run.wait(timeout_s=PATIENCE_S)
    browser = browse(flow, run).select("make-1")
    made = next(one for one in run.states if one.name == "make")
    gone = weakref.ref(run.states[made].result)

    browser.select("keep-1")
    run.forget()
    until(lambda: gc.collect() is not None and gone() is None)


def test_a_result_that_was_given_back_says_so(browse):
    with Flow("given back") as flow:
        task(lambda: [1, 2], name="make")()
    run = flow.start()
    run.wait(timeout_s=PATIENCE_S)
    run.forget()

    told = browse(flow, run).select("make-1").sections["result"]

    assert "told to forget its values" in told["problem"]
    assert "rerun 'make'" in told["problem"]


def test_a_closed_panel_leaves_no_thread(sent, failing):
    run = failing.start()
    run.wait(timeout_s=PATIENCE_S)
    panel = Panel(failing, run)
    browser = Browser(panel, sent).select("number-1")
    panel.close()

    until(
        lambda: (
            not [t for t in threading.enumerate() if t.name.startswith(("nbflow-repr", "nbflow-act", "nbflow-panel"))]
        )
    )
    assert browser.sections


def test_what_was_begun_for_a_former_run_is_not_told_of_the_new_one(browse, monkeypatch):
    with Flow("twice") as flow:
        number(1)
    former, newer = flow.start(), flow.start()
    former.wait()
    newer.wait()
    browser = browse(flow, former)
    make, turns = inspector.Detail, []

    def late(*args):
        if not turns:
            turns.append(browser.panel.follow(newer))
        return make(*args)

    monkeypatch.setattr(inspector, "Detail", late)
    browser.select("number-1")

    browser.until(lambda: browser.sections["head"]["number"] == newer.number)
