"""What a part of a panel is: a feature with messages of its own, such as the inspector or the list of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbflow.engine.run import Run
    from nbflow.panel.widget import Panel

Json = dict[str, Any]
RUN = "run"
"""What has changed where it was no task and no block."""


class Part:
    """A feature of a panel. Its methods may be called on any thread; what they raise is shown in the panel.

    Args:
        panel: The panel it is part of; `panel.tell(kind, **fields)` sends a message to its script.
    """

    handles: ClassVar[Mapping[str, str]] = {}
    """The kinds of messages from the script, and the methods that take them."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel

    def handle(self, message: Json) -> None:
        """Take a message of one of the kinds in `handles`."""
        method: Callable[[Json], None] = getattr(self, self.handles[message["kind"]])
        method(message)

    def followed(self, run: Run | None) -> None:
        """Another run is shown from now on, or none yet."""

    def changed(self, run: Run, keys: tuple[object, ...]) -> None:
        """These tasks and blocks of the run have changed; called at most as often as patches are sent."""

    def ended(self, run: Run) -> None:
        """The run is over."""

    def close(self) -> None:
        """Let go of everything."""
