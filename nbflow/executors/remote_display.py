"""What a task displays in another process: rich output and figures go to the kernel, which shows them as its own.

`display` is a builtin there, as in a notebook. IPython's formatters come with the first object that is shown, and
nothing else of it: libraries that ask for a shell are to find none.
"""

from __future__ import annotations

import base64
import builtins
import io
import os
import pickle
import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_INLINE = "module://matplotlib_inline"


class RemoteDisplay:
    """Tells the kernel what is shown; takes the place of IPython's `display` in a worker.

    Args:
        say: Sends a text of a stream: see `telling`.
    """

    def __init__(self, say: Callable[[str, str], None]) -> None:
        self._say = say
        self._format: Any = None

    def __call__(
        self, *objects: Any, include: Any = None, exclude: Any = None, metadata: Any = None, raw: bool = False, **_: Any
    ) -> None:
        """Show objects, as `IPython.display.display` does; `raw` ones are data by their types."""
        for one in objects:
            data, more = (one, {}) if raw else self._formatted(one, include, exclude)
            self._tell(data, more | (metadata or {}))

    def show_last(self, task: str, value: Any) -> None:
        """Show the value of the last line of a task that was a cell."""
        data, metadata = self._formatted(value)
        self._tell(data, metadata, f"{task}:")

    def flush_figures(self) -> None:
        """Show and close the figures that a task has drawn, as a cell does at its end."""
        pyplot: Any = sys.modules.get("matplotlib.pyplot")
        for number in () if pyplot is None else pyplot.get_fignums():
            figure, drawn = pyplot.figure(number), io.BytesIO()
            figure.savefig(drawn, format="png", bbox_inches="tight")
            picture = base64.b64encode(drawn.getvalue()).decode()
            self._tell({"image/png": picture, "text/plain": repr(figure)}, {})
        if pyplot is not None:
            pyplot.close("all")

    def _formatted(self, value: Any, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        if self._format is None:
            from IPython.core.formatters import DisplayFormatter

            self._format = DisplayFormatter().format
        data, metadata = self._format(value, include=include, exclude=exclude)
        return (data or {"text/plain": repr(value)}), metadata

    def _tell(self, data: dict[str, Any], metadata: dict[str, Any], label: str = "") -> None:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # what was printed before is shown before
        self._say("display", pickle.dumps((data, metadata, label)).hex())


def shown_remotely() -> RemoteDisplay | None:
    """Return what takes `display`s in this process, if it is a worker's."""
    found = getattr(builtins, "display", None)
    return found if isinstance(found, RemoteDisplay) else None


@contextmanager
def displays_told(say: Callable[[str, str], None]) -> Iterator[Callable[[], None]]:
    """Have this process's displays told for the time of a `with` block, which gets what tells and closes figures."""
    if hasattr(builtins, "display"):  # the kernel's own process, on whose threads somebody's executor calls tasks
        yield lambda: None
        return
    if os.environ.get("MPLBACKEND", "").startswith(_INLINE):  # the kernel's, which needs a shell
        os.environ["MPLBACKEND"] = "agg"
    display = RemoteDisplay(say)
    builtins.display = display  # type: ignore[attr-defined]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")  # of `plt.show()`
            yield display.flush_figures
    finally:
        del builtins.display  # type: ignore[attr-defined]


def show_here(packed: str) -> None:
    """Show in the kernel what a worker has told; as text, where there is no notebook."""
    data, metadata, label = pickle.loads(bytes.fromhex(packed))
    display = getattr(builtins, "display", None)
    if display is None:
        sys.stdout.write(f"{label} {data.get('text/plain', '')}".strip() + "\n")
        return
    if label:
        display({"text/plain": label}, raw=True)
    display(data, metadata=metadata, raw=True)
