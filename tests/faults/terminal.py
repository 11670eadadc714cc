"""IPython in a terminal of its own: what is typed is a line of a cell, and it is left by `exit` or by closing it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import sys
import termios
import threading
from typing import TYPE_CHECKING

import psutil

from tests.faults.kernels import Marked, take_interrupts

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.plan import Plan

IPYTHON = ("-m", "IPython", "--no-banner", "--no-confirm-exit", "--HistoryManager.enabled=False", "-i")
GLANCE_S = 0.02


def _control(terminal: int) -> None:
    """Make a terminal the one that controls this process, which leads its session, and hangs up with it."""
    take_interrupts()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


class MarkedTerminal(Marked):
    """A terminal with IPython in it, started when the text is known that comes before the first prompt."""

    def __init__(self, folder: Path, mark: str, home: Path) -> None:
        environ = self.prepare(folder, mark, home)
        self._environ = {**environ, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
        self._keyboard = -1
        self._is_closing = threading.Event()

    def start(self, text: str) -> None:
        """Open it, with the names that a script defines."""
        (self.folder / "script.py").write_text(text)
        self._keyboard, terminal = pty.openpty()
        self.process = psutil.Popen(
            [sys.executable, *IPYTHON, "script.py"],
            cwd=self.folder,
            env=self._environ,
            stdin=terminal,
            stdout=terminal,
            stderr=self._stderr,
            start_new_session=True,
            preexec_fn=lambda: _control(terminal),
        )
        os.close(terminal)
        self._screen = threading.Thread(target=self._show, args=(self._keyboard,), daemon=True)
        self._screen.start()

    def _show(self, keyboard: int) -> None:
        """Take what is written to the terminal, or it would be full; no read may go on when it is closed."""
        with contextlib.suppress(OSError), (self.folder / "screen").open("wb") as screen:
            while not self._is_closing.is_set():
                if select.select([keyboard], [], [], GLANCE_S)[0]:
                    screen.write(os.read(keyboard, 4096))
                    screen.flush()

    def type(self, line: str) -> None:
        """Type a line; it is read at the next prompt."""
        os.write(self._keyboard, f"{line}\r".encode())

    def close(self) -> None:
        """Close it, as its window or connection is closed: what runs in it gets SIGHUP."""
        keyboard, self._keyboard = self._keyboard, -1
        if keyboard >= 0:
            self._is_closing.set()
            self._screen.join()
            os.close(keyboard)

    def discard(self) -> None:
        super().discard()
        self.close()


def leave_terminal(terminal: MarkedTerminal, plan: Plan) -> None:
    """End it in the planned way."""
    if plan.end == "terminal exit":
        terminal.type("exit")
    else:
        terminal.close()
