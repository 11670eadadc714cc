"""The kernel fixture itself: what other tests rely on."""

from __future__ import annotations

import pytest

from tests.patience import PATIENCE_S

pytestmark = pytest.mark.kernel


def test_a_cell_gives_its_streams_result_and_error(kernel):
    reply = kernel.execute("import sys; print('out'); print('err', file=sys.stderr); 6 * 7")
    broken = kernel.execute("1 / 0")

    assert (reply.ok, reply.stdout, reply.stderr) == (True, "out\n", "err\n")
    assert reply.shown[-1]["text/plain"] == "42"
    assert (broken.ok, broken.ename) == (False, "ZeroDivisionError")


def test_the_stop_button_ends_a_busy_cell(kernel, wait_until, tmp_path):
    busy = kernel.execute("import pathlib, time\npathlib.Path('busy').touch()\ntime.sleep(60)", wait=False)
    wait_until((tmp_path / "busy").exists, what="the cell to begin")

    kernel.interrupt()

    assert kernel.reply(busy, timeout_s=PATIENCE_S).ename == "KeyboardInterrupt"


def test_child_processes_that_outlive_the_kernel_are_seen_and_ended(kernel):
    kernel.run("from subprocess import Popen\nPopen(['sleep', '60'])\nPopen(['sleep', '60'], start_new_session=True)")
    children = kernel.children()

    left = kernel.close()

    assert len(children) == 2
    assert len(left) == 1
    assert not any(child.is_running() for child in children)


def test_cells_are_executed_with_the_identifier_that_front_ends_send(kernel):
    kernel.run("seen = []\nget_ipython().events.register('pre_run_cell', lambda info: seen.append(info.cell_id))")
    kernel.run("1", cell_id="cell-one")

    assert kernel.run("print(seen)").stdout.startswith("['cell-one'")
