"""Kernels that are started in advance, can be told from everything else on the machine, and are ended in every way."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
import uuid
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import psutil

import nbflow
from tests.faults.plan import INTERRUPTS
from tests.kernel.conftest import Kernel, new_manager

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.plan import Plan

HAS_LEDGER = (Path(nbflow.__file__).parent / "ledger" / "__init__.py").exists()
MARK = "NBFLOW_CAMPAIGN"  # in the environment of the kernel and of all that descends from it
HOME = "NBFLOW_HOME"
WORKLOAD = Path(__file__).with_name("workload.py")
MODULE = "campaign_workload"


def marked(token: str) -> list[psutil.Process]:
    """Return the processes that carry the mark of one kernel, or of a campaign when given the start of it."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            mark = process.environ().get(MARK, "")
            if mark.startswith(token) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


class Marked:
    """A process that is being started; its folder and its mark are its own.

    Attributes:
        folder: Where it works; ``rooms`` inside is for resources, ``tmp`` is its folder of temporary files.
        mark: What its environment and that of its descendants contains.
        log: The file to which the managers write.
        process: It itself.
    """

    process: psutil.Process

    def prepare(self, folder: Path, mark: str, home: Path) -> dict[str, str]:
        """Make its folder; returns its environment."""
        self.folder = folder
        self.mark = mark
        self.log = folder / "log"
        for name in ("rooms", "tmp"):
            (folder / name).mkdir(parents=True)
        shutil.copy(WORKLOAD, folder / f"{MODULE}.py")
        self._stderr = (folder / "stderr").open("wb")  # kept open: a restart uses it again
        return {**os.environ, MARK: mark, "TMPDIR": str(folder / "tmp"), HOME: str(home)}

    @property
    def is_alive(self) -> bool:
        with contextlib.suppress(psutil.Error):
            return bool(self.process.status() != psutil.STATUS_ZOMBIE)
        return False

    def left(self) -> list[psutil.Process]:
        """The processes that descend from the ended one (and not from the one that a restart has made)."""
        own = {self.process.pid} if self.is_alive else set()
        return [process for process in marked(self.mark) if process.pid not in own]

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def stderr(self) -> str:
        lines = (self.folder / "stderr").read_text(errors="replace").splitlines()
        return "\n".join(line for line in lines if "without encryption" not in line)

    def discard(self) -> None:
        """End it and everything that carries its mark."""
        if hasattr(self, "process") and self.is_alive:
            self.process.kill()
        for process in marked(self.mark):
            with contextlib.suppress(psutil.Error):
                process.kill()
        self._stderr.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class MarkedKernel(Marked, Kernel):
    """A kernel that is being started."""

    def __init__(self, folder: Path, mark: str, home: Path) -> None:
        environ = self.prepare(folder, mark, home)
        self.manager = new_manager()
        self.manager.start_kernel(cwd=str(folder), env=environ, stdout=self._stderr, stderr=self._stderr)
        self.process = psutil.Process(self.manager.provisioner.pid)

    def get_ready(self) -> None:
        """Wait until it answers."""
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def discard(self) -> None:
        with contextlib.suppress(Exception):
            if hasattr(self, "client"):
                self.client.stop_channels()
            if self.is_alive:
                self.process.kill()
            self.manager.shutdown_kernel(now=True)
            if hasattr(self, "client"):
                self.client.context.destroy(linger=0)
        super().discard()


def take_interrupts() -> None:
    """Who runs the campaign in the background ignores them, and so would the script."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class MarkedScript(Marked):
    """A plain script, started when its text is known."""

    def __init__(self, folder: Path, mark: str, home: Path) -> None:
        self._environ = self.prepare(folder, mark, home)

    def start(self, text: str) -> None:
        """Run it in a session of its own, as a terminal does."""
        (self.folder / "script.py").write_text(text)
        command = [sys.executable, "script.py"]
        self.process = psutil.Popen(
            command,
            cwd=self.folder,
            env=self._environ,
            stdout=self._stderr,
            stderr=self._stderr,
            start_new_session=True,
            preexec_fn=take_interrupts,
        )

    def leave(self) -> None:
        """Have it come to the end of its text."""
        (self.folder / "leave").touch()


Other = TypeVar("Other", bound=Marked)


class Stable:
    """Keeps some kernels on their way, so that a round need not wait for its own. Use it with ``with``.

    Args:
        folder: Under which the kernels have their folders.
        warm: How many to start in advance.
    """

    def __init__(self, folder: Path, warm: int = 2) -> None:
        self.folder = folder
        self.token = uuid.uuid4().hex
        self.home = folder / "nbflow-home"
        self._warm = warm
        self._made = 0
        self._waiting: deque[MarkedKernel] = deque()

    def __enter__(self) -> Stable:
        return self

    def __exit__(self, *_: object) -> None:
        for kernel in self._waiting:
            kernel.discard()
        for process in marked(self.token):
            with contextlib.suppress(psutil.Error):
                process.kill()

    def _start(self) -> MarkedKernel:
        self._made += 1
        return MarkedKernel(self.folder / f"kernel-{self._made}", f"{self.token}-{self._made}-", self.home)

    @contextlib.contextmanager
    def other(self, kind: type[Other]) -> Iterator[Other]:
        """Give a script or terminal that is to be started; it is discarded afterwards."""
        self._made += 1
        made = kind(self.folder / f"other-{self._made}", f"{self.token}-{self._made}-", self.home)
        try:
            yield made
        finally:
            made.discard()

    def rows(self, *, all: bool = False) -> list[Any]:
        """What the ledger of all these kernels lists; nothing while there is no ledger."""
        if not HAS_LEDGER:
            return []
        from nbflow.ledger import resources

        before = os.environ.get(HOME)
        os.environ[HOME] = str(self.home)
        try:
            return resources(all=all)
        finally:
            os.environ.pop(HOME)
            if before is not None:
                os.environ[HOME] = before

    @contextlib.contextmanager
    def kernel(self, *, start_more: bool = True) -> Iterator[MarkedKernel]:
        """Give a kernel that answers, and start another in its place; it is discarded afterwards."""
        kernel = self._waiting.popleft() if self._waiting else self._start()
        try:
            kernel.get_ready()
            while start_more and len(self._waiting) < self._warm:
                self._waiting.append(self._start())
            yield kernel
        finally:
            kernel.discard()


def end_script(script: MarkedScript, plan: Plan) -> None:
    """End the script in the planned way."""
    _, _, name = plan.end.partition(" ")
    if not name:
        script.leave()
    else:
        with contextlib.suppress(psutil.NoSuchProcess):  # it has come to its end by itself
            script.process.send_signal(getattr(signal, name))


def end(kernel: MarkedKernel, plan: Plan) -> None:
    """End the kernel, or its run, in the planned way. Returns when the manager says that it is done."""
    process = kernel.process
    match plan.end:
        case "normal":
            return
        case "restart":
            kernel.manager.restart_kernel()
        case "shutdown":
            kernel.manager.shutdown_kernel()
        case "shutdown now":
            kernel.manager.shutdown_kernel(now=True)
        case "SIGTERM":
            process.terminate()
        case "SIGTERM group":
            os.killpg(process.pid, signal.SIGTERM)
        case "SIGHUP":
            process.send_signal(signal.SIGHUP)
        case "SIGKILL":
            process.kill()
        case "SIGKILL group":
            os.killpg(process.pid, signal.SIGKILL)
        case _:
            for number in range(INTERRUPTS[plan.end]):
                if number:
                    time.sleep(plan.gaps_s[number - 1])
                kernel.interrupt()
