"""A notebook that was left alone: the server shuts its kernel down, and what a held run holds is cleaned up."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.cells import FLOW, WORKSHOP
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.kernel

IDLE_S = 1  # as short as a server lets it be
LONG_S = 3600


async def _leave_alone(folder, cells):
    """Execute cells in a kernel of a server's, and wait until the server has shut it down; tells whether it did."""
    kernels = pytest.importorskip("jupyter_server.services.kernels.kernelmanager")
    manager = kernels.AsyncMappingKernelManager(root_dir=str(folder), cull_idle_timeout=LONG_S, cull_interval=IDLE_S)
    kernel = await manager.start_kernel(path="")
    client = manager.get_kernel(kernel).client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=PATIENCE_S)
        for cell in cells:
            reply = await client.execute_interactive(
                cell, timeout=PATIENCE_S, allow_stdin=False, output_hook=lambda _: None
            )
            assert reply["content"]["status"] == "ok", reply["content"]
        manager.cull_idle_timeout = IDLE_S  # not before: a kernel that starts is idle, too
        until = time.monotonic() + PATIENCE_S
        while kernel in manager and time.monotonic() < until:
            await asyncio.sleep(0.05)
        return kernel not in manager
    finally:
        client.stop_channels()
        await manager.shutdown_all(now=True)


@pytest.mark.parametrize("command", ["%flow until work first", "%flow start work"], ids=["held", "going"])
def test_what_a_run_holds_is_cleaned_up_when_its_idle_kernel_is_culled(tmp_path, log, command):
    """Rule 6."""
    is_culled = asyncio.run(_leave_alone(tmp_path, [WORKSHOP, FLOW, command]))

    assert is_culled
    assert log()[0] == "setup"
    assert log()[-2:] == ["closing", "cleanup"]
    assert list(tmp_path.glob("workshop-*")) == []
