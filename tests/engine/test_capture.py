"""What tasks print, log and warn is kept with the run, task by task."""

from __future__ import annotations

import logging
import re
import sys
import threading
import warnings

import pytest

from nbflow import Flow, context, task
from nbflow.engine import capture
from nbflow.engine.task_log import KEPT_CHARACTERS, TaskLog
from tests.patience import PATIENCE_S

EXECUTORS = ["inline", "threads"]


def said(run, what, stream="stdout"):
    return "".join(line.text for line in run.logs[what] if line.stream == stream)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_what_a_task_prints_is_kept_and_still_shown(executor, capsys):
    with Flow("f") as flow:
        hello = task(lambda: print("hello"), name="hello")()
        other = task(lambda: print("trouble", file=sys.stderr), name="other")()

    flow.run(executor=executor)

    run = flow.runs[-1]
    assert said(run, hello) == "hello\n"
    assert said(run, other, "stderr") == "trouble\n"
    assert capsys.readouterr() == ("hello\n", "trouble\n")


def test_two_tasks_that_print_at_the_same_time_are_told_apart(capsys):
    both = threading.Barrier(2)

    @task
    def speak(word):
        for _ in range(20):
            both.wait(PATIENCE_S)
            print(word)

    with Flow("f") as flow:
        a, b = speak("a"), speak("b")

    flow.run(executor="threads")

    assert said(flow.runs[-1], a) == "a\n" * 20
    assert said(flow.runs[-1], b) == "b\n" * 20


def test_log_records_are_kept_with_their_level(caplog):
    @task
    def log():
        context.logger.info("all well")
        logging.getLogger("elsewhere").error("not well")

    with Flow("f") as flow:
        logged = log()

    flow.run()

    assert said(flow.runs[-1], logged, "INFO") == "all well"
    assert said(flow.runs[-1], logged, "ERROR") == "not well"


def test_warnings_are_kept():
    @task
    def warn():
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = lambda message, *_: print(message, file=sys.stderr)
            warnings.warn("careful", stacklevel=1)

    with Flow("f") as flow:
        warned = warn()

    flow.run()

    assert "careful" in said(flow.runs[-1], warned, "stderr")


def test_children_and_attempts_are_told_apart():
    with Flow("f") as flow:
        mapped = task(lambda x: print(x)).map(x=[1, 2])

    flow.run()

    assert [(line.map_index, line.text) for line in flow.runs[-1].logs[mapped]] == [(0, "1\n"), (1, "2\n")]


def test_of_a_flood_what_came_first_and_what_came_last_is_kept_with_a_note_between(capsys):
    def flood():
        print("begin")
        for number in range(KEPT_CHARACTERS):
            print(f"line {number}")
        print("end")

    with Flow("f") as flow:
        flooded = task(flood)()
        huge = task(lambda: print("begin", "x" * KEPT_CHARACTERS * 3, "end"))()

    flow.run()

    for made in (flooded, huge):
        text = said(flow.runs[-1], made)
        assert len(text) < KEPT_CHARACTERS * 2
        assert text.startswith("begin")
        assert text.endswith("end\n")
        assert text.count("characters are left out here") == 1


def log_of(*texts):
    log = TaskLog()
    for text in texts:
        log.keep("stdout", text, {})
    return log


@pytest.mark.parametrize("size", [1, 300, 3_000])
@pytest.mark.parametrize("step", [1, 3, 500])
def test_who_reads_a_log_now_and_then_gets_each_line_once_or_learns_that_some_are_left_out(size, step):
    log, read, text = TaskLog(), 0, ""
    count = 3 * KEPT_CHARACTERS // size if size > 1 else 30_000
    for number in range(count):
        log.keep("stdout", f"{number:06}" + "x" * size + "\n", {})
        if number % step == 0 or number == count - 1:
            lines, read = log.since(read)
            text += "".join(line.text for line in lines)

    assert log.since(read)[0] == []
    numbers = [int(found) for found in re.findall(r"\d{6}(?=x)", text)]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == count - 1
    assert (len(numbers) < count) == ("left out" in text)


class Loud:
    """Says something when it is freed, whatever its thread is at."""

    def __init__(self, log):
        self.log, self.itself = log, self

    def __del__(self):
        self.log.keep("stderr", "freed\n", {})


def test_what_is_said_while_a_line_is_kept_waits_for_nobody():
    """By a finalizer, say, or a signal's handler: in the same thread, at any moment."""
    log = TaskLog()

    def flood():
        for number in range(30_000):
            Loud(log)
            log.keep("stdout", f"{number:06}\n", {})

    thread = threading.Thread(target=flood, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)

    assert not thread.is_alive()
    assert sum(len(line.text) for line in log) <= 2 * KEPT_CHARACTERS


def test_children_who_flood_a_log_at_once_lose_neither_its_begin_nor_its_end():
    log, last = TaskLog(), "last of all\n"
    log.keep("stdout", "first of all\n", {})

    def flood():
        for _ in range(20_000):
            log.keep("stdout", "x" * 20 + "\n", {})

    threads = [threading.Thread(target=flood) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.keep("stdout", last, {})

    text = "".join(line.text for line in log)
    assert text.startswith("first of all")
    assert text.endswith(last)
    assert len(text) <= 2 * KEPT_CHARACTERS
    assert text.count("left out here") == 1


def test_a_log_says_how_much_is_left_out():
    log = log_of("a" * KEPT_CHARACTERS, "b" * KEPT_CHARACTERS)

    said = "".join(line.text for line in log)
    left_out = int(re.search(r"([\d,]+) characters are left out", said)[1].replace(",", ""))
    assert said.count("a") + said.count("b") + left_out >= 2 * KEPT_CHARACTERS
    assert said.startswith("a" * (KEPT_CHARACTERS // 2))
    assert said.endswith("b" * (KEPT_CHARACTERS // 2))


def test_the_streams_are_given_back_when_the_last_run_is_over():
    before = sys.stdout, sys.stderr, list(logging.root.handlers)

    with Flow("f") as flow:
        task(lambda: print("x"))()
    run = flow.start(paused=True)
    flow.run()
    assert sys.stdout is not before[0]
    run.resume()
    run.wait()

    assert (sys.stdout, sys.stderr, list(logging.root.handlers)) == before


@pytest.fixture
def root_level():
    """Give back the level of the root logger."""
    before = logging.root.level
    yield
    logging.root.setLevel(before)


@pytest.mark.parametrize("options", [{}, {"force": True}])
def test_a_task_can_set_up_logging(capsys, monkeypatch, root_level, options):
    monkeypatch.setattr(logging.root, "handlers", [])

    def sets_up():
        logging.basicConfig(level=logging.DEBUG, format="mine: %(message)s", **options)
        logging.getLogger("theirs").debug("in detail")

    with Flow("f") as flow:
        one = task(sets_up)()
        two = task(lambda: logging.getLogger("theirs").debug("more"))(upstream_tasks=[one])
    run = flow.start()
    run.wait()
    logging.getLogger("theirs").debug("afterwards")

    assert [(line.stream, line.text) for line in run.logs[one]] == [("DEBUG", "in detail")]
    assert [(line.stream, line.text) for line in run.logs[two]] == [("DEBUG", "more")]
    assert capsys.readouterr().err == "mine: in detail\nmine: more\nmine: afterwards\n"


def test_what_a_run_adds_to_logging_is_not_there_for_who_counts():
    import logging.config

    seen = []

    def looks():
        seen.append((len(logging.root.handlers), logging.root.handlers[:]))
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
        logging.getLogger("theirs").warning("still kept")

    before = list(logging.root.handlers)
    with Flow("f") as flow:
        one = task(looks)()
    flow.run()
    for handler in before:
        logging.root.addHandler(handler)

    assert seen == [(len(before), before)]
    assert [line.text for line in flow.runs[-1].logs[one]] == ["still kept"]


def test_what_libraries_log_is_still_printed_when_nobody_has_set_up_logging(capsys, monkeypatch):
    monkeypatch.setattr(logging.root, "handlers", [])
    with Flow("f") as flow:
        task(lambda: logging.getLogger("lib").warning("seen"))()

    flow.run()

    assert "seen" in capsys.readouterr().err


@pytest.mark.parametrize("is_blocking", [True, False])
def test_a_run_whose_streams_cannot_be_had_ends_all_the_same(monkeypatch, is_blocking):
    def refuse():
        raise OSError("no streams")

    before = sys.stdout
    monkeypatch.setattr(capture, "_take_streams", refuse)
    with Flow("f") as flow:
        task(lambda: 1)()

    if is_blocking:
        with pytest.raises(OSError, match="no streams"):
            flow.run()
    else:
        flow.start().wait(PATIENCE_S)

    assert flow.runs[-1].is_finished
    assert flow.runs[-1].state.is_failed()
    assert sys.stdout is before


def texts_of(run, what):
    return [(line.stream, line.text) for line in run.logs[what]]


def test_what_one_print_writes_in_pieces_is_one_line(capsys):
    with Flow("f") as flow:
        talk = task(lambda: print("n", 1))()

    flow.run()

    assert texts_of(flow.runs[-1], talk) == [("stdout", "n 1\n")]


def test_half_a_line_is_there_at_once_whoever_reads(capsys):
    seen = []

    @task
    def talk():
        print("half", end="")
        seen.extend(line.text for line in flow.runs[-1].logs[talked])
        print(" a line", end="")

    with Flow("f") as flow:
        talked = talk()

    flow.run()

    assert seen == ["half"]
    assert said(flow.runs[-1], talked) == "half a line"


def test_what_was_said_before_a_task_fails_in_the_middle_of_a_line_is_kept(capsys):
    def crash():
        print("10 %", end="\r")
        print("20 %", end="\r")
        raise ValueError("in the middle")

    with Flow("f") as flow:
        crashed = task(crash)()

    flow.run()

    assert said(flow.runs[-1], crashed) == "10 %\r20 %\r"


def test_streams_and_records_stay_in_the_order_in_which_they_came(capsys, monkeypatch):
    monkeypatch.setattr(logging.root, "handlers", [])

    def talk():
        print("out", end="")
        print("err", end="", file=sys.stderr)
        print("out again")
        logging.getLogger("theirs").error("record")
        print("the end")

    with Flow("f") as flow:
        talked = task(talk)()

    flow.run()

    assert texts_of(flow.runs[-1], talked) == [
        ("stdout", "out"),
        ("stderr", "err"),
        ("stdout", "out again\n"),
        ("ERROR", "record"),
        ("stdout", "the end\n"),
    ]


def test_what_a_handler_of_a_flow_in_a_task_prints_is_not_the_tasks(capsys):
    @task
    def outer():
        print("outer")
        with Flow("inner") as inner:
            made = task(lambda: 1, state_handlers=[lambda *_: print("handler")])()
        inner.run()
        print("outer again")
        found.append(said(inner.runs[-1], made))

    found = []
    with Flow("f") as flow:
        outside = outer()

    flow.run()

    assert said(flow.runs[-1], outside) == "outer\nouter again\n"
    assert set(found[0].split()) == {"handler"}


def test_something_that_is_no_text_is_refused_as_by_the_stream_itself(capsys):
    def wrong():
        print("a line")
        sys.stdout.write(5)

    with Flow("f") as flow:
        made = task(wrong)()

    state = flow.run()

    assert isinstance(state.result[made].result, TypeError)
    assert said(flow.runs[-1], made) == "a line\n"


def test_a_line_has_the_time_at_which_it_was_printed(capsys, monkeypatch):
    times = iter(range(1_000, 2_000))
    monkeypatch.setattr("time.time", lambda: float(next(times)))

    def talk():
        print("one")
        print("two")

    with Flow("f") as flow:
        talked = task(talk)()

    flow.run()

    first, second = flow.runs[-1].logs[talked]
    assert first.time < second.time


def test_a_log_that_is_held_grows_while_the_task_speaks(capsys):
    lengths = []

    @task
    def talk():
        log = flow.runs[-1].logs[talked]
        for number in range(3):
            print(number)
            lengths.append(len(log))

    with Flow("f") as flow:
        talked = talk()

    flow.run()

    assert lengths == [1, 2, 3]
