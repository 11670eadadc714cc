"""The processes that run the engines, and the virtual environments of those that are not nbflow's own to need."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "benchmarks"
ENGINES = ("loop", "nbflow", "dask", "hamilton", "prefect", "dagster")

# What pip installs for each. Prefect's own server does not start with newer releases of fastapi.
PEERS = {
    "hamilton": ["sf-hamilton[visualization]"],
    "prefect": ["prefect>=3,<4", "fastapi<0.150"],
    "dagster": ["dagster"],
}
ANSWER_S = 300.0
SCRIPTS = "Scripts" if os.name == "nt" else "bin"


def python_for(engine: str, *, install: bool) -> str | None:
    """Return the interpreter that has the engine, made below build/ where it is a peer; None without one."""
    if engine not in PEERS:
        return sys.executable
    folder = BUILD / "peers" / engine
    python, stamp = folder / SCRIPTS / "python", folder / ".complete"
    wanted = "\n".join([sys.version, *PEERS[engine]])
    if stamp.exists() and stamp.read_text() == wanted and python.exists():
        return str(python)
    if not install:
        return None
    print(f"installing {engine} into {folder.relative_to(ROOT)}", flush=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PEERS[engine]]
    try:
        for command in ([sys.executable, "-m", "venv", "--clear", str(folder)], pip):
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=900)
    except (subprocess.SubprocessError, OSError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        print(f"{engine} could not be installed: {said[-1] if said else error!r}", flush=True)
        return None
    stamp.write_text(wanted)
    return str(python)


def engine_folder() -> str:
    """Return a folder with a `dot`, for the PATH: the system's, else the one that nbflow draws with."""
    if system := shutil.which("dot"):
        return str(Path(system).parent)
    folder = BUILD / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    link, target = folder / "dot", Path(sysconfig.get_path("scripts")) / "graphviz-pure"
    link.unlink(missing_ok=True)
    if target.exists():
        link.symlink_to(target)
    return str(folder)


class Worker:
    """One engine in a process of its own that is asked and answers, one thing at a time.

    Args:
        engine: Its name, which is that of its log as well.
        python: The interpreter.
        command: What is executed; `benchmarks.worker` without any.
        environment: What is set besides the environment of this process.
    """

    def __init__(
        self,
        engine: str,
        python: str,
        command: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
    ) -> None:
        BUILD.mkdir(parents=True, exist_ok=True)
        self.engine = engine
        path = os.pathsep.join([engine_folder(), os.environ.get("PATH", "")])
        with (BUILD / f"{engine}.log").open("w") as log:
            self._process = subprocess.Popen(
                [python, *(command or ("-m", "benchmarks.worker", engine))],
                cwd=ROOT,
                env=os.environ | {"PATH": path} | (environment or {}),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._answers = selectors.DefaultSelector()
        self._answers.register(self._process.stdout, selectors.EVENT_READ)

    def ask(self, ask: str, **details: Any) -> dict[str, Any]:
        """Send a question and wait for its answer; one that does not come is an error like any other."""
        if self._process.poll() is not None:
            return {"error": f"its process ended with {self._process.returncode}"}
        try:
            self._process.stdin.write(json.dumps({"ask": ask, **details}).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return {"error": "its process ended"}
        if not self._answers.select(ANSWER_S):
            self._kill()
            return {"error": f"no answer in {ANSWER_S:g} s"}
        line = self._process.stdout.readline()
        return json.loads(line) if line else {"error": f"its process ended; see {self.engine}.log"}

    def close(self) -> None:
        """Let the process end by itself, with what it has started; in the end make it."""
        self._answers.close()
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._kill()
        self._process.stdout.close()

    def _kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def hire(engines: list[str], *, install: bool) -> tuple[dict[str, Worker], dict[str, str]]:
    """Start a worker for each engine that is there; return them and the versions, or why there is none."""
    workers, words = {}, {}
    for engine in engines:
        python = python_for(engine, install=install)
        if python is None:
            words[engine] = "missing"
            continue
        worker = Worker(engine, python)
        answer = worker.ask("hello")
        if "error" in answer:
            print(f"{engine} is left out: {answer['error']}", flush=True)
            words[engine] = "missing"
            worker.close()
            continue
        workers[engine], words[engine] = worker, answer["version"]
    return workers, words
