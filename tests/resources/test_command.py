"""Any command as a resource: ready when it is used, and gone afterwards with all that it has started."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import threading

import psutil
import pytest

from nbflow import Flow, Parameter, task
from nbflow.errors import OptionError, OptionTypeError
from nbflow.resources import Subprocess, resource_processes
from nbflow.resources.errors import (
    CommandNotFoundError,
    NotReadyError,
    PortTakenError,
    ProcessEndedError,
    StillRunningError,
)
from tests.patience import PATIENCE_S
from tests.shared import SharedList

PATH = "nbflow.resources.command:Subprocess"
FOREVER = "import threading; threading.Event().wait()"
SERVER = f"""
import socket, sys
listener = socket.create_server(("localhost", int(sys.argv[1])))
print("listening", flush=True)
{FOREVER}
"""
DEAF = f"""
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
{FOREVER}
"""
# Starts one process in its own session, one that leaves it, one that ignores SIGTERM, and tells their pids.
FAMILY = f"""
import subprocess, sys, time
def start(code, **options):
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, **options)
    child.stdout.readline()
    return child
children = [
    start('print("up", flush=True);{FOREVER}'),
    start('print("up", flush=True);{FOREVER}', start_new_session=True),
    start('import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print("up", flush=True); {FOREVER}'),
    start('print("up", flush=True);{FOREVER}', env={{}}),
]
print("family", *[child.pid for child in children], ".", flush=True)
{FOREVER}
"""


def python(code, *args):
    return [sys.executable, "-c", code, *args]


def is_running(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextlib.contextmanager
def started(args, **options):
    """A process that was set up, as within a block."""
    manager = Subprocess.resource_class(args, **options)
    process = manager.setup()
    process.manager = manager
    try:
        yield process
    finally:
        manager.cleanup(process)


@pytest.fixture
def port():
    with socket.create_server(("localhost", 0)) as listener:
        return listener.getsockname()[1]


# -- in a flow --------------------------------------------------------------------------------------------------


@pytest.mark.one_memory("a process of the kernel cannot travel")
def test_the_tasks_of_a_block_use_a_process_that_is_gone_afterwards(executor, port):
    @task
    def connect(process, port):
        with socket.create_connection(("localhost", port)):
            return process.pid, process.poll(), process.output

    with Flow("f") as flow:
        port = Parameter("port", default=port)
        with Subprocess([*python(SERVER), port], ready=port) as server:
            answer = connect(server, port)

    pid, status, output = flow.run(executor=executor).result[answer].result

    assert status is None
    assert output == "listening\n"
    assert not is_running(pid)


def test_a_run_that_is_cancelled_ends_the_process(wait_until):
    began = threading.Event()
    pids = SharedList()

    @task
    def use(process):
        pids.append(process.pid)
        began.set()

    with Flow("f") as flow, Subprocess(python(FOREVER)) as process:
        use(process)
        use(process)
    run = flow.start(paused=True)
    for _ in range(3):  # init, setup, the first use
        run.step()
    assert began.wait(PATIENCE_S)

    run.cancel()
    run.wait(PATIENCE_S)

    assert not is_running(pids[0])


def test_a_run_that_is_cancelled_does_not_wait_for_a_process_to_get_ready(executor, wait_until):
    started = threading.Event()
    with Flow("f") as flow:
        block = Subprocess(python(FOREVER), ready=lambda process: started.set())
        with block:
            task(lambda: None, name="use")()
    run = flow.start(executor=executor)
    assert started.wait(PATIENCE_S)

    run.cancel()
    state = run.wait(PATIENCE_S)

    assert type(state.result[block.setup_task]).__name__ == "Cancelled"
    assert run.open_resources == []


def test_a_process_that_does_not_get_ready_fails_the_setup_and_what_is_inside():
    with Flow("f") as flow:
        block = Subprocess(python("print('no disk'); raise SystemExit(3)"), ready="ready")
        with block as process:
            used = task(lambda process: 1, name="use")(process)

    state = flow.run()

    assert isinstance(state.result[block.setup_task].result, ProcessEndedError)
    assert type(state.result[used]).__name__ == "TriggerFailed"
    assert state.result[block.cleanup_task].is_skipped()


# -- what is started --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["text", "list"])
def test_a_command_is_a_text_or_a_list(form):
    args = "echo 'a b' 1" if form == "text" else ["echo", "a b", 1]

    with started(args) as process:
        assert process.wait(PATIENCE_S) == 0
        process._output.drain(10)

    assert process.output == "a b 1\n"


def test_no_shell_is_asked_about_a_text(tmp_path):
    with started(f"echo $HOME > {tmp_path}/a") as process:
        process.wait(PATIENCE_S)

    assert list(tmp_path.iterdir()) == []


def test_it_runs_in_the_directory_and_environment_that_were_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("KEPT", "kept")
    monkeypatch.setenv("TAKEN", "taken")
    code = "import os; print(os.getcwd(), [os.environ.get(n) for n in ('KEPT', 'TAKEN', 'NEW')])"

    with started(python(code), cwd=tmp_path, env={"TAKEN": None, "NEW": 1}) as process:
        process.wait(PATIENCE_S)

    assert process.output == f"{tmp_path} ['kept', None, '1']\n"


def test_it_has_a_session_of_its_own_and_nothing_to_read():
    with started(python("import os, sys; print(os.getsid(0) == os.getpid(), repr(sys.stdin.read()))")) as process:
        process.wait(PATIENCE_S)

    assert process.output == "True ''\n"


def test_a_process_that_is_started_inside_keeps_the_marks_of_the_ones_around(monkeypatch):
    monkeypatch.setenv(resource_processes.MARK, "outer")

    with started(python(f"import os; print(os.environ['{resource_processes.MARK}'])")) as process:
        process.wait(PATIENCE_S)

    assert process.output == f"outer {process.manager.early_handle()['token']}\n"


def test_a_command_that_does_not_exist_is_named():
    with pytest.raises(CommandNotFoundError, match="command 'no-such-thing' was not found; install it"):
        Subprocess.resource_class(["no-such-thing", "--port", 1]).setup()


def test_a_directory_that_does_not_exist_is_not_taken_for_a_missing_command(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing") as caught:
        Subprocess.resource_class("echo", cwd=tmp_path / "missing").setup()

    assert not isinstance(caught.value, CommandNotFoundError)


def test_a_file_that_cannot_be_executed_is_named(tmp_path):
    (tmp_path / "script").write_text("echo")

    with pytest.raises(PermissionError, match="script"):
        Subprocess.resource_class([tmp_path / "script"]).setup()


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ([], OptionError, "names no command"),
        ("", OptionError, "names no command"),
        (5, OptionTypeError, "must be a command as text"),
        (["echo", None], OptionTypeError, "None in the command"),
        (["echo", True], OptionTypeError, "True in the command"),
    ],
)
def test_what_is_no_command_is_refused(args, error, message):
    with pytest.raises(error, match=message):
        Subprocess.resource_class(args)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"ready": True}, OptionTypeError, "must be a port, a regular expression"),
        ({"ready": 2.5}, OptionTypeError, "must be a port, a regular expression"),
        ({"ready": 70_000}, OptionError, "no port; give a number from 1 to 65535"),
        ({"ready": "("}, OptionError, "is no regular expression"),
        ({"stop_timeout_s": -1}, OptionError, "must not be negative"),
    ],
)
def test_an_impossible_option_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        Subprocess.resource_class("echo", **options)


# -- ready ------------------------------------------------------------------------------------------------------


def test_it_is_ready_when_its_port_accepts_connections(port):
    with started(python(SERVER, port), ready=port):
        socket.create_connection(("localhost", port)).close()


def test_the_port_may_be_opened_by_a_process_that_it_started(port):
    with started(["sh", "-c", '"$@" & wait', "sh", *python(SERVER, port)], ready=port):
        socket.create_connection(("localhost", port)).close()


def test_it_is_ready_when_it_has_printed_what_is_looked_for():
    code = f"print('port: ', end='', flush=True); print('12345', flush=True); {FOREVER}"

    with started(python(code), ready=re.compile(r"port: (\d+)\n")) as process:
        assert process.output == "port: 12345\n"


def test_it_is_ready_when_a_function_says_so_and_an_exception_is_not_yet():
    asked = SharedList()

    def ready(process):
        asked.append(process.pid)
        return len(asked) == 3 or 1 / (len(asked) - 1)  # an exception first

    with started(python(FOREVER), ready=lambda process: ready(process) is True) as process:
        assert asked == [process.pid] * 3


def test_without_a_check_it_is_ready_when_started():
    with started(python(FOREVER)) as process:
        assert process.poll() is None


def test_a_command_that_goes_into_the_background_is_ready_after_its_end():
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SERVER!r}, *sys.argv[1:]])"
    with socket.create_server(("localhost", 0)) as listener:
        port = listener.getsockname()[1]

    with started(python(code, port), ready=port) as process:
        assert process.wait(PATIENCE_S) == 0
        socket.create_connection(("localhost", port)).close()


def test_a_process_that_ends_before_it_is_ready_shows_the_end_of_its_output():
    code = "import sys; print('\\n'.join(map(str, range(99)))); sys.exit('no space left')"

    with pytest.raises(ProcessEndedError) as caught:
        Subprocess.resource_class(python(code), ready="ready").setup()

    first, *shown = str(caught.value).splitlines()
    assert "ended with exit status 1 before it was ready; the end of its output:" in first
    assert shown == [str(number) for number in range(80, 99)] + ["no space left"]


def test_a_process_that_is_killed_before_it_is_ready_says_by_which_signal():
    with pytest.raises(ProcessEndedError, match="signal 9 before it was ready; it printed nothing"):
        Subprocess.resource_class(["sh", "-c", "kill -9 $$"], ready="ready").setup()


def test_a_process_that_is_not_ready_in_time_is_ended_and_shows_its_output():
    manager = Subprocess.resource_class(
        ["sh", "-c", "echo loading; exec sleep 600"],  # which says it long before the time is up
        ready=lambda process: "loading" in process.output and 1 / 0,
        ready_timeout_s=3,
    )

    with pytest.raises(NotReadyError, match=r"(?s)within 3 s \(waited for .* and was ended.*loading") as caught:
        manager.setup()

    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert manager._find() == set()


def test_a_port_that_somebody_else_has_taken_is_refused_before_anything_is_started(port):
    with socket.create_server(("localhost", port)):
        manager = Subprocess.resource_class(python(SERVER, port), ready=port)

        with pytest.raises(PortTakenError, match=rf"port {port} is taken by process {os.getpid()} \(.*python"):
            manager.setup()

    assert manager._process is None


def test_a_stranger_that_takes_the_port_after_the_start_is_not_taken_for_the_process(port):
    """The check is made free, then the port is taken: as if somebody had been quicker."""
    manager = Subprocess.resource_class(python(FOREVER), ready=port, ready_timeout_s=0.3)
    with socket.create_server(("localhost", port)):
        manager._check.prepare = lambda: None

        with pytest.raises(NotReadyError) as caught:
            manager.setup()

    assert isinstance(caught.value.__cause__, PortTakenError)


def test_the_server_of_another_resource_is_not_taken_for_the_process(port):
    with started(python(FOREVER)) as older, started(python(SERVER, port), ready=port) as other:
        assert psutil.Process(older.pid).create_time() <= psutil.Process(other.pid).create_time()
        check = Subprocess.resource_class("echo", ready=port)._check

        assert not check.is_ready(older, older.manager._find)
        assert check.is_ready(other, other.manager._find)


# -- its output -------------------------------------------------------------------------------------------------


def test_only_the_end_of_a_long_output_is_kept_and_the_process_never_waits(tmp_path):
    code = "for i in range(100_000): print(i)"

    with started(python(code), stdout=tmp_path / "all.txt") as process:
        assert process.wait(PATIENCE_S) == 0

    assert len(process.output) == 65_536
    assert process.output.endswith("99998\n99999\n")
    assert len((tmp_path / "all.txt").read_text().split()) == 100_000


def test_errors_and_output_come_in_their_order():
    with started("sh -c 'echo a; echo b >&2; echo c'") as process:
        process.wait(PATIENCE_S)

    assert process.output == "a\nb\nc\n"


def test_what_is_no_text_is_shown_as_far_as_it_goes():
    with started(["printf", r"a\377b"]) as process:
        process.wait(PATIENCE_S)

    assert process.output == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a full disk")
def test_a_file_that_cannot_take_the_output_is_told_by_the_cleanup_and_harms_nothing_else():
    manager = Subprocess.resource_class("echo hello", stdout="/dev/full")
    process = manager.setup()
    process.wait(PATIENCE_S)

    with pytest.raises(OSError, match="No space left") as caught:
        manager.cleanup(process)

    assert process.output == "hello\n"
    assert caught.value.__notes__ == ["while copying the output of 'echo hello'"]


# -- its end ----------------------------------------------------------------------------------------------------


def test_all_that_a_process_has_started_is_ended_with_it():
    with started(python(FAMILY), ready=r"family .* \.", stop_timeout_s=0.3) as process:
        pids = [int(pid) for pid in process.output.split()[1:-1]]
        assert len(pids) == 4
        assert all(map(is_running, pids))

    assert not any(map(is_running, [process.pid, *pids]))


def test_a_process_that_does_not_listen_is_killed_after_a_while():
    with started(python(DEAF), ready="up", stop_timeout_s=0.2) as process:
        pass

    assert process.poll() == -signal.SIGKILL


def test_a_process_that_was_stopped_is_ended_too():
    with started(python(FOREVER)) as process:
        os.kill(process.pid, signal.SIGSTOP)

    assert process.poll() == -signal.SIGTERM


def test_a_process_that_is_dead_already_is_nothing_to_clean_up():
    with started("true") as process:
        process.wait(PATIENCE_S)

    assert process.poll() == 0


def test_what_a_dead_process_has_left_behind_is_ended():
    code = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {FOREVER!r}]).pid, flush=True)"

    with started(python(code)) as process:
        process.wait(PATIENCE_S)
        process._output.drain(0)
        pid = int(process.output)
        assert is_running(pid)

    assert not is_running(pid)


def test_a_cleanup_may_be_called_again():
    with started(python(FOREVER)) as process:
        process.manager.cleanup(process)

    assert process.poll() == -signal.SIGTERM


def test_what_cannot_be_ended_is_told_with_its_pid_and_can_be_tried_again(monkeypatch):
    manager = Subprocess.resource_class(python(FOREVER), stop_timeout_s=0.01)
    process = manager.setup()
    with monkeypatch.context() as patch:
        patch.setattr(resource_processes, "_send", lambda process, number: None)
        patch.setattr(resource_processes, "_KILL_TIMEOUT_S", 0.01)

        with pytest.raises(StillRunningError, match=rf"told to end and then killed: {process.pid};"):
            manager.cleanup(process)

    manager.cleanup(process)
    assert not is_running(process.pid)


def test_no_thread_and_no_descriptor_is_left():
    def count():
        return threading.active_count(), len(os.listdir("/dev/fd"))

    before = count()
    with started(python(FOREVER)):
        assert count() > before

    assert count() == before


def test_a_setup_that_is_interrupted_leaves_nothing_running(wait_until):
    manager = Subprocess.resource_class(python(FOREVER), ready="never")
    caught = SharedList()

    def setup():
        try:
            manager.setup()
        except KeyboardInterrupt as error:
            caught.append(error)

    thread = threading.Thread(target=setup)
    thread.start()
    # Python itself forgets a child if `Popen` is interrupted, and says so later, in whatever test comes then.
    wait_until(lambda: manager._process is not None and manager._find(), what="the process")
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(KeyboardInterrupt))
    thread.join(PATIENCE_S)

    assert len(caught) == 1
    assert manager._find() == set()


# -- the death of the owner -------------------------------------------------------------------------------------


def test_after_the_death_of_its_owner_it_is_reclaimed_with_all_that_it_started(owner, reclaim):
    dying = owner(PATH, python(FAMILY), ready=r"family .* \.", stop_timeout_s=0.3)
    handle = dying.handle()
    ((pid, *_),) = handle["processes"]
    family = psutil.Process(pid).children()
    assert len(family) == 4

    dying.kill()
    assert is_running(pid)
    reclaim(PATH, handle)
    reclaim(PATH, handle)  # and once more changes nothing

    assert not any(is_running(one) for one in [pid, *(child.pid for child in family)])


def test_an_owner_that_dies_in_the_middle_of_the_setup_leaves_what_the_early_handle_finds(owner, reclaim, wait_until):
    dying = owner(PATH, python(FOREVER), ready="never")
    (found,) = wait_until(lambda: resource_processes.processes_of(dying.early["token"]), what="the process")

    dying.kill()
    reclaim(PATH, dying.early)

    assert not is_running(found.pid)


def test_a_process_that_has_got_the_pid_of_another_is_left_alone(reclaim):
    """A handle from before the pid was given away: it names another start, or another start of the machine."""
    with subprocess.Popen(python(FOREVER), start_new_session=True) as stranger:
        real = resource_processes.identity(stranger.pid)
        for old in (real._replace(start=real.start - 1), real._replace(boot="another")):
            reclaim(PATH, {"token": resource_processes.new_token(), "stop_timeout_s": 1, "processes": [list(old)]})

        assert stranger.poll() is None
        stranger.kill()
