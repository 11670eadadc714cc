"""The layout engine: which `dot` there is, and running it.

A system `dot` is used when one is on the PATH. Otherwise it is the executable of the PyPI package
`graphviz-pure`, which takes the same arguments, so that drawing works after `pip install` alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import threading
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nbflow.errors import RenderError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PURE = "graphviz-pure"
_REMEDY = (
    "please install Graphviz: `pip install graphviz-pure`, or `conda install graphviz`, or your system's package; "
    "text and Mermaid need neither"
)
_lock = threading.RLock()


class Engine(NamedTuple):
    """An executable that understands `dot`'s arguments; a `pure` one cannot write PDF."""

    path: str
    pure: bool


def find_engine() -> Engine:
    """Return the layout engine to use.

    Raises:
        RenderError: If there is none.
    """
    # Looked up every time: installing one must help at once, and a lookup is cheap beside a layout.
    if system := shutil.which("dot"):
        return Engine(system, pure=False)
    if pure := _pure_executable():
        return Engine(pure, pure=True)
    raise RenderError(f"no Graphviz executable was found, so nothing can be drawn; {_REMEDY}")


def _pure_executable() -> str | None:
    suffix = sysconfig.get_config_var("EXE") or ""
    places = [Path(sysconfig.get_path("scripts")), Path(sys.executable).parent]
    try:
        files = distribution(_PURE).files or []
        places += [Path(str(file.locate())).parent for file in files if file.name == _PURE + suffix]
    except PackageNotFoundError:
        pass
    for place in places:
        candidate = place / (_PURE + suffix)
        if os.access(candidate, os.X_OK):
            return str(candidate)
    return shutil.which(_PURE)


def run_engine(source: str, format_: str = "json0", timeout_s: float = 60.0) -> str:
    """Lay out the DOT text `source` and return what the engine writes. Safe on any thread.

    Raises:
        RenderError: If there is no engine, it fails, or it takes longer than `timeout_s`.
    """
    engine = find_engine()
    try:
        done = subprocess.run(
            [engine.path, "-Kdot", f"-T{format_}"],
            input=source.encode("utf-8"),
            capture_output=True,
            timeout=timeout_s,
            check=True,
            # A kernel waits at its end for children of its own group; this one may be at work on another thread.
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:
        raise RenderError(f"the layout took longer than {timeout_s:g} s; fold blocks, or show the text") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode("utf-8", "replace").strip()[-500:]
        raise RenderError(f"{engine.path} failed with exit code {error.returncode}: {said}") from error
    except OSError as error:
        raise RenderError(f"{engine.path} could not be started ({error}); {_REMEDY}") from error
    return done.stdout.decode("utf-8", "replace")


@contextmanager
def engine_for_graphviz() -> Iterator[Engine]:
    """Let the `graphviz` package call the engine found here while the block lasts; one thread at a time."""
    engine = find_engine()
    if not engine.pure:
        yield engine
        return
    from graphviz.backend import dot_command

    with _lock:
        before = dot_command.DOT_BINARY
        dot_command.DOT_BINARY = Path(engine.path)
        try:
            yield engine
        finally:
            dot_command.DOT_BINARY = before
