"""The parameter: a task whose result is given to the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core.context import thread
from nbflow.core.signals import FAIL
from nbflow.core.task import Task

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from nbflow.core.graph import Graph

_NO_DEFAULT: Any = object()


class Parameter(Task):
    """A value that a run gets from outside, such as `flow.run(x=1)`.

    Args:
        name: Its name, which is its slug too: a flow has one parameter of a name.
        default: The value used if a run gets none; None is a default like any other.
        required: Whether a run needs a value; by default if there is no default.
        tags: Words for finding it.
        annotation: What values it takes, for the form of `flow.panel()`: a type such as `int`, choices
            (`Literal["fast", "exact"]`, an `Enum`), a range (`Annotated[int, range(0, 11)]`, the end left out, or
            `Annotated[float, (0.0, 1.0)]`, with the step as a third number), each `| None` if None will do. If it is
            left out, the annotation of the argument that takes the parameter counts, and then the type of the default.

    Example:
        >>> from typing import Annotated
        >>> Parameter("share", default=0.5, annotation=Annotated[float, (0.0, 1.0)])
        <Parameter: share>
    """

    def __init__(
        self,
        name: str,
        default: Any = _NO_DEFAULT,
        required: bool | None = None,
        tags: Iterable[str] | None = None,
        *,
        annotation: Any = None,
    ) -> None:
        has_default = default is not _NO_DEFAULT
        super().__init__(name=name, slug=name, tags=tags)
        self.required = not has_default if required is None else required
        self.default = default if has_default else None
        self.annotation = annotation

    def __repr__(self) -> str:
        return f"<Parameter: {self.name}>"

    def __call__(self, flow: Graph | None = None) -> Self:  # type: ignore[override]
        """Add the parameter itself, not a copy, to the flow."""
        return self.bind(flow=flow)

    def copy(self, name: str, **task_args: Any) -> Self:  # type: ignore[override]
        """Return a parameter that differs in its name, and in the attributes given."""
        return super().copy(**{"name": name, "slug": name, **task_args})

    def run(self) -> Any:
        """Return the value that the run was given, or the default.

        Raises:
            FAIL: If the run was given none and needs one.
        """
        values = thread.data.get("parameters") or {}
        if self.name in values:
            return values[self.name]
        if self.required:
            raise FAIL(f'Parameter "{self.name}" was required but not provided.')
        return self.default
