"""One reclaim in a process of its own, which is killed when it takes too long.

The kernel and the reaper call `run_reclaim`. That runs this file by its path, as a script that does not load nbflow;
the user's class loads what it needs.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_KILL_WAIT_S = 5.0
_LONGEST = 1_000  # characters of an error


def run_reclaim(
    code: Mapping[str, Any], handle: object, *, env: Mapping[str, str] | None = None, log: int | None = None
) -> str | None:
    """Call a class's `reclaim(handle)` and wait for it; returns None when it is done, else what went wrong.

    Args:
        code: How to find it (see `nbflow.ledger.travel`), and `deadline_s`, the seconds it may take.
        handle: What it is called with.
        env: The environment variables to run it with; by default those of this process.
        log: A file descriptor for what it prints; by default that is lost.
    """
    import subprocess
    from pathlib import Path

    deadline_s = float(code.get("deadline_s", 60))
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if log is None else log,
            env=None if env is None else dict(env),
            start_new_session=True,  # so that all it starts can be killed with it
        )
    except OSError as error:
        return f"it could not be started: {error}"
    with process:
        try:
            said, _ = process.communicate(
                json.dumps({"code": dict(code), "handle": handle}).encode(), deadline_s
            )
        except BaseException as error:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_KILL_WAIT_S)
            if isinstance(error, subprocess.TimeoutExpired):
                return f"reclaim took longer than {deadline_s:g} s and was stopped"
            raise
    if process.returncode == 0:
        return None
    return said.decode("utf-8", "replace") or f"reclaim ended its process with status {process.returncode}"


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
    answer = os.dup(1)
    os.dup2(2, 1)  # what the user's code prints is no answer
    job = json.loads(sys.stdin.buffer.read())
    code = job["code"]
    if code.get("cwd"):
        with suppress(OSError):
            os.chdir(code["cwd"])
    sys.path[:] = code.get("sys_path") or sys.path
    try:
        ended = _load(code)(job["handle"])
        if hasattr(ended, "__await__"):
            import asyncio

            asyncio.run(_awaited(ended))
    except BaseException as error:  # noqa: BLE001 - users' code; it is all that this process does
        import traceback

        traceback.print_exc()
        os.write(answer, _words(error)[:_LONGEST].encode("utf-8", "replace"))
        return 1
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
