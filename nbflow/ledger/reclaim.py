"""Reclaims in a process of their own, one after the other for one class, which is killed when one takes too long.

The kernel and the reaper use `ReclaimProcess`. That runs this file by its path, as a script that does not load nbflow;
the user's class loads what it needs.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping

_KILL_WAIT_S = 5.0
_LONGEST = 1_000  # characters of an error
_READY = b"ready"


def run_reclaim(code: Mapping[str, Any], handle: object) -> str | None:
    """Call a class's `reclaim(handle)` and wait for it; returns None when it is done, else what went wrong.

    Args:
        code: How to find it (see `nbflow.ledger.serialization`), and `deadline_s`, the seconds it may take.
        handle: What it is called with.
    """
    with closing(ReclaimProcess(code)) as process:
        return process.reclaim(handle)


class ReclaimProcess:
    """Where one class's reclaims are called, one at a time. It is started by the first one, and again after a kill.

    Args:
        code: How to find the class, and the seconds that each reclaim may take.
        env: The environment variables to run it with; by default those of this process.
        log: A file descriptor for what it prints; by default that is lost.
        ready: Called when the class is loaded, before the first reclaim begins.
    """

    def __init__(
        self,
        code: Mapping[str, Any],
        *,
        env: Mapping[str, str] | None = None,
        log: int | None = None,
        ready: Callable[[], None] | None = None,
    ) -> None:
        self._code = dict(code)
        self._deadline_s = float(code.get("deadline_s", 60))
        self._env = None if env is None else dict(env)
        self._log = log
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    def reclaim(self, handle: object) -> str | None:
        """Call the class's `reclaim(handle)` and wait for it; returns None when it is done, else what went wrong."""
        try:
            return self._ask(handle)
        except OSError as error:
            self._kill()
            return f"it could not be started: {error}"
        except BaseException:
            self._kill()
            raise

    def close(self) -> None:
        """Let the process end, which has nothing more to do."""
        process, self._process = self._process, None
        if process is not None:
            _end(process)

    def _ask(self, handle: object) -> str | None:
        until = time.monotonic() + self._deadline_s
        process = self._process or self._start()
        with suppress(BrokenPipeError):  # it ended since the last one, or as soon as it had begun
            _write(process, handle)
        answer = self._answer(process, until)
        if answer is None:
            self._kill()
            return f"reclaim took longer than {self._deadline_s:g} s and was stopped"
        if answer:
            return json.loads(answer)  # type: ignore[no-any-return]
        self._process = None
        _end(process)
        return f"reclaim ended its process with status {process.returncode}"

    def _start(self) -> subprocess.Popen[bytes]:
        import subprocess
        from pathlib import Path

        self._process = process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if self._log is None else self._log,
            env=self._env,
            start_new_session=True,  # so that all it starts can be killed with it
        )
        with suppress(BrokenPipeError):
            _write(process, self._code)
        return process

    def _answer(self, process: subprocess.Popen[bytes], until: float) -> bytes | None:
        """Return the line that it answers; an empty one if it has ended, None if it has not answered in time."""
        assert process.stdout is not None
        number = process.stdout.fileno()
        heard = b""
        while True:
            poll = select.poll()
            poll.register(number, select.POLLIN)
            if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
                return None
            data = os.read(number, 1 << 16)
            if not data:
                return b""
            heard += data
            while b"\n" in heard:
                line, _, heard = heard.partition(b"\n")
                if line != _READY:
                    return line
                if self._ready is not None:
                    self._ready()

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            _end(process)


def _write(process: subprocess.Popen[bytes], message: object) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(message).encode() + b"\n")
    process.stdin.flush()


def _end(process: subprocess.Popen[bytes]) -> None:
    from subprocess import TimeoutExpired

    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):  # what could not be sent
            pipe.close()  # type: ignore[union-attr]
    with suppress(TimeoutExpired):
        process.wait(_KILL_WAIT_S)


# -- in that process --------------------------------------------------------------------------------------------------


def _load(code: Mapping[str, Any]) -> Any:
    """Return the `reclaim` of a class."""
    if "pickle" in code:
        import base64
        import pickle

        return pickle.loads(base64.b64decode(code["pickle"]))
    from importlib import import_module

    module, _, path = str(code["import"]).partition(":")
    found: Any = import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    if not isinstance(found, type):
        found = getattr(found, "resource_class", found)  # it was decorated
    return found.reclaim


def _main() -> int:
    # What we ignore, our children would.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    answers = os.dup(1)
    os.dup2(2, 1)  # what the user's code prints is no answer
    code = json.loads(sys.stdin.buffer.readline())
    sys.path[:] = code.get("sys_path") or sys.path
    reclaim: Any = None
    while line := sys.stdin.buffer.readline():
        try:
            if code.get("cwd"):
                with suppress(OSError):
                    os.chdir(code["cwd"])
            if reclaim is None:
                reclaim = _load(code)
                os.write(answers, _READY + b"\n")
            ended = reclaim(json.loads(line))
            if hasattr(ended, "__await__"):
                import asyncio

                asyncio.run(_awaited(ended))
        except BaseException as error:  # noqa: BLE001 - users' code; it is all that this process does
            import traceback

            traceback.print_exc()
            answer: str | None = _words(error)[:_LONGEST]
        else:
            answer = None
        os.write(answers, json.dumps(answer).encode() + b"\n")
    return 0


async def _awaited(ended: Any) -> None:
    await ended


def _words(error: BaseException) -> str:
    try:
        return f"reclaim raised {error!r}"
    except Exception:  # noqa: BLE001 - users' classes
        return f"reclaim raised <{type(error).__name__}>"


if __name__ == "__main__":
    sys.exit(_main())
