"""A real kernel in a process of its own, spoken to as a front end does."""

from __future__ import annotations

import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from jupyter_client.manager import KernelManager

from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jupyter_client.blocking.client import BlockingKernelClient


@dataclass
class Reply:
    """What one execution gave: its outcome, its streams, and the mime bundles it showed, in order."""

    status: str = "?"
    ename: str = ""
    evalue: str = ""
    traceback: str = ""
    stdout: str = ""
    stderr: str = ""
    shown: list[dict[str, Any]] = field(default_factory=list)
    updated: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.status == "ok"

    @property
    def text(self) -> str:
        """Everything it showed and printed, as text."""
        return self.stdout + "".join(f"{data.get('text/plain', '')}\n" for data in self.shown)


def new_manager() -> KernelManager:
    """A manager whose kernel is spoken to through files; ports may be taken by others before the kernel has them."""
    # Short: the path of a socket has 107 bytes at most.
    place = Path(tempfile.gettempdir(), f"kernel-{uuid.uuid4().hex}")
    return KernelManager(kernel_name="python3", transport="ipc", ip=str(place))


class Kernel:
    """A running ipykernel with helpers to execute, interrupt, restart, kill and look at its processes."""

    def __init__(self, cwd: Path) -> None:
        self.manager = new_manager()
        self.manager.start_kernel(cwd=str(cwd))
        self.client: BlockingKernelClient = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.process = psutil.Process(self.manager.provisioner.pid)

    def execute(
        self, code: str, *, wait: bool = True, timeout_s: float = PATIENCE_S, cell_id: str | None = None
    ) -> Reply | str:
        """Execute a cell; with `wait=False` give the message id for `reply` at once."""
        message = self.client.session.msg(
            "execute_request",
            {
                "code": code,
                "silent": False,
                "store_history": True,
                "user_expressions": {},
                "allow_stdin": False,
                # Else a kernel may for a moment after an error abort the next cell too, although it came later.
                "stop_on_error": False,
            },
            metadata={"cellId": cell_id} if cell_id else {},
        )
        self.client.shell_channel.send(message)
        message_id: str = message["header"]["msg_id"]
        return self.reply(message_id, timeout_s=timeout_s) if wait else message_id

    def run(self, code: str, *, timeout_s: float = PATIENCE_S, cell_id: str | None = None) -> Reply:
        """Execute a cell that must not fail."""
        reply = self.execute(code, timeout_s=timeout_s, cell_id=cell_id)
        assert isinstance(reply, Reply)
        assert reply.ok, f"{reply.traceback}\n{reply.stderr}"
        return reply

    def reply(self, message_id: str, *, timeout_s: float = PATIENCE_S) -> Reply:
        """Collect what belongs to one execution until the kernel is idle again and has answered."""
        reply, deadline, idle = Reply(), time.monotonic() + timeout_s, False
        while not idle:
            message = self._next(self.client.get_iopub_msg, deadline)
            if message["parent_header"].get("msg_id") == message_id:
                idle = self._take(reply, message)
        while True:
            message = self._next(self.client.get_shell_msg, deadline)
            if message["parent_header"].get("msg_id") == message_id:
                content = message["content"]
                reply.status = content["status"]
                if content["status"] == "error" and not reply.ename:  # a usage error is told here alone
                    reply.ename, reply.evalue = content.get("ename", ""), content.get("evalue", "")
                return reply

    def _next(self, get: Callable[..., dict[str, Any]], deadline: float) -> dict[str, Any]:
        try:
            return get(timeout=max(deadline - time.monotonic(), 0.001))
        except Empty:
            raise TimeoutError("the kernel did not finish the cell in time") from None

    def _take(self, reply: Reply, message: dict[str, Any]) -> bool:
        """Put one message into the reply; True when it is the last."""
        content = message["content"]
        match message["msg_type"]:
            case "stream":
                setattr(reply, content["name"], getattr(reply, content["name"]) + content["text"])
            case "execute_result" | "display_data":
                reply.shown.append(content["data"])
            case "update_display_data":
                reply.updated.append(content["data"])
            case "error":
                reply.ename, reply.evalue = content["ename"], content["evalue"]
                reply.traceback = "\n".join(content["traceback"])
            case "status":
                return bool(content["execution_state"] == "idle")
        return False

    def reply_only(self, message_id: str, *, timeout_s: float = PATIENCE_S) -> tuple[str, str]:
        """The outcome of one execution whose output somebody has already taken: its status and error's name."""
        deadline = time.monotonic() + timeout_s
        while True:
            message = self._next(self.client.get_shell_msg, deadline)
            if message["parent_header"].get("msg_id") == message_id:
                return message["content"]["status"], message["content"].get("ename", "")

    def interrupt(self) -> None:
        """Press the stop button."""
        self.manager.interrupt_kernel()

    def shutdown(self, *, restart: bool = False) -> None:
        """Shut down (or restart) as the menu of JupyterLab does."""
        if restart:
            self.manager.restart_kernel()
            self.client.wait_for_ready(timeout=60)
            self.process = psutil.Process(self.manager.provisioner.pid)
        else:
            self.manager.shutdown_kernel()

    def kill(self) -> None:
        """Kill it without any warning (SIGKILL)."""
        self.process.kill()
        self.process.wait(timeout=PATIENCE_S)

    def children(self) -> list[psutil.Process]:
        """All processes that the kernel has started and that are still there."""
        return [child for child in self.process.children(recursive=True) if child.is_running()]

    def close(self) -> list[psutil.Process]:
        """End it, whatever it does; give the child processes that it left, which are ended too."""
        children = self.children() if self.process.is_running() else []
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.client.context.destroy(linger=0)
        _, left = psutil.wait_procs(children, timeout=3)
        for child in left:
            child.kill()
        psutil.wait_procs(left, timeout=PATIENCE_S)
        return left


@pytest.fixture
def make_kernel(tmp_path: Path) -> Iterator[Callable[[], Kernel]]:
    """Start as many kernels as the test wants; all are ended with it."""
    kernels: list[Kernel] = []

    def make() -> Kernel:
        kernels.append(Kernel(tmp_path))
        return kernels[-1]

    yield make
    for kernel in kernels:
        kernel.close()


@pytest.fixture
def kernel(make_kernel: Callable[[], Kernel]) -> Kernel:
    """A real kernel in a temporary folder."""
    return make_kernel()


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """Wait for a condition outside of this process, and say which one did not come."""

    def wait(condition: Callable[[], object], *, what: str, timeout_s: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {timeout_s:g} s in vain for {what}")
            time.sleep(0.02)

    return wait


@pytest.fixture
def log(tmp_path: Path) -> Callable[[], list[str]]:
    """The lines that cells have written to the file `log` so far."""
    path = tmp_path / "log"
    return lambda: path.read_text().splitlines() if path.exists() else []
