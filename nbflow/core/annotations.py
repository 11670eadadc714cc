"""Marks on an argument that say how its edge behaves: mapped over, passed whole, or unnested by one level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from nbflow.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable

from nbflow.core.short_text import short_text


class EdgeAnnotation:
    """An argument together with the properties of the edge it will arrive by.

    Annotations nest; the outermost one wins where two disagree.

    Attributes:
        task: The annotated thing itself: a task, a constant or a collection, never another annotation.
        annotations: The edge properties that are set, such as `{"mapped": False}`.
    """

    __slots__ = ("annotations", "task")

    _sets: ClassVar[dict[str, bool]] = {}

    def __init__(self, task: object) -> None:
        """Annotate `task`, keeping what inner annotations say about other properties."""
        inner: dict[str, bool] = {}
        if isinstance(task, EdgeAnnotation):
            inner = task.annotations
            task = task.task
        self.task: object = task
        self.annotations: dict[str, bool] = {**inner, **self._sets}

    def unwrap(self, mapped: bool = False, flattened: bool = False) -> tuple[object, bool, bool]:
        """Return the bare argument with the final `mapped` and `flattened`; what is not annotated is kept."""
        found = self.annotations
        return self.task, found.get("mapped", mapped), found.get("flattened", flattened)

    def pipe(_self, _task: Callable[..., Any], /, **kwargs: Any) -> Any:
        """Return `_task(this annotation, **kwargs)`, for chains that read from left to right; see `Task.pipe`.

        Raises:
            OptionError: If a keyword is named `self`.
        """
        if "self" in kwargs:
            raise OptionError('You cannot use the keyword argument "self" in .pipe(); it is what is piped')
        return _task(_self, **kwargs)

    def __repr__(self) -> str:
        """Show the annotation around what it annotates."""
        return f"{type(self).__name__}({short_text(self.task)})"


class mapped(EdgeAnnotation):
    """Map over this argument, also when the task is called without `map`."""

    __slots__ = ()
    _sets: ClassVar[dict[str, bool]] = {"mapped": True}


class unmapped(EdgeAnnotation):
    """Give every mapped child this argument whole."""

    __slots__ = ()
    _sets: ClassVar[dict[str, bool]] = {"mapped": False}


class flatten(EdgeAnnotation):
    """Unnest this argument by one level before it is mapped over or passed on."""

    __slots__ = ()
    _sets: ClassVar[dict[str, bool]] = {"flattened": True}
