"""A task that drops some of the results it is given, by default what failed or was skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbflow.core import triggers
from nbflow.core.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def _is_result(value: Any) -> bool:
    return value is not None and not isinstance(value, Exception)


class FilterTask(Task):
    """Keep the results that `filter_func` accepts, whatever became of the tasks they come from.

    Args:
        filter_func: Tells whether to keep a result; the default drops None and exceptions.
        log_func: Called with the list of what is kept; the text it returns, if any, is logged.
        **kwargs: Options of the task.
    """

    _skips_with_its_case = True

    def __init__(
        self,
        filter_func: Callable[[Any], bool] | None = None,
        log_func: Callable[[list[Any]], str | None] | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("skip_on_upstream_skip", False)
        kwargs.setdefault("trigger", triggers.all_finished)
        self.filter_func = filter_func if filter_func is not None else _is_result
        self.log_func = log_func
        super().__init__(**kwargs)

    def run(self, task_results: Iterable[Any]) -> list[Any]:  # type: ignore[override]
        """Return the accepted ones of `task_results`, in their order."""
        kept = [value for value in task_results if self.filter_func(value)]
        if self.log_func is not None:
            text = self.log_func(kept)
            if text is not None:
                self.logger.info("%s", text)
        return kept
