"""The task: one step of a flow, with the options of its running and the calls that put it into a flow.

A task is a value. Calling it makes a copy and binds the copy's arguments to edges of a flow; nothing runs.
"""

from __future__ import annotations

import copy
import inspect
import warnings
from typing import TYPE_CHECKING, Any, ClassVar, Self

from nbflow.core import options, signature, task_class
from nbflow.core.annotations import EdgeAnnotation
from nbflow.core.by_name import unwrapped
from nbflow.core.cache_validators import duration_only, never_use
from nbflow.core.context import thread
from nbflow.core.expression import Expression
from nbflow.core.placement import NO_PLACEMENT, PLACEMENT_OPTIONS, placement_with
from nbflow.core.redefinition import remember
from nbflow.core.short_text import short_text
from nbflow.core.triggers import all_successful
from nbflow.core.users_line import users_line
from nbflow.errors import NoFlowError, NotIterableError, OptionError, OptionTypeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import timedelta

    from nbflow.core.graph import Graph


class Task(Expression, task_class.TaskDefaults):
    """One step of a flow; subclass it and define `run`, or decorate a function with `@task`.

    Args:
        name: What it is called; by default the name of the class.
        slug: Its id in a flow; by default made by the flow of name, tags and a counter.
        tags: Words for finding it; those of an enclosing `tags(...)` are added.
        max_retries: How often it is tried again after a failure.
        retry_delay: How long to wait before that; a timedelta, or seconds.
        retry_on: The exception types that are worth it; by default all.
        timeout: Seconds (or a timedelta of whole seconds) after which an attempt is given up.
        trigger: Decides from the upstream states whether it may run.
        skip_on_upstream_skip: Whether it is skipped, unasked, if a task upstream was.
        cache_for: How long its result may be used again; a timedelta, or seconds.
        cache_validator: Decides whether a cached result still counts.
        cache_key: The key the cached results are kept by; by default the name.
        checkpoint: Kept for flows that set it; there is no result store.
        state_handlers: Functions `handler(task, old, new)`, called at every change of state.
        on_failure: A function `on_failure(task, state)`, called at failures.
        log_stdout: Whether what it prints goes to its logger.
        result: Kept for flows that set it.
        target: Kept for flows that set it.
        task_run_name: What `context.task_run_name` is while it runs, for each mapped child its own: a template such as
            `"{x}-{map_index}"`, or a function of context, parameters and inputs, which gets as many as it takes.
        nout: The number of results, so that it can be unpacked; by default read from the return annotation.
        max_concurrent: How many of its children may run at once when it is mapped; by default no limit of its own.
        portable: Whether its value outlives the resource of the block it is in: a rerun that sets the resource up again
            then need not run the task again.
        inputs: What becomes of inputs that the task may change in place: None, the default, hands them over and sees to
            it that a changed value is not used again (docs/reruns.md); "copy" gives each call copies of its own;
            "share" hands them over and leaves it at that, also where it is tried again.
        keep: Until when its value is kept in memory: "newest" (while the run is the newest of its flow and there is
            room), "needed" (until the last task that takes it has ended) or "all" (as long as the run); by default as
            the flow says.
        files: Whether the files that it opens count: it is stale when one that it read has changed since.
        resources: What a worker of a Dask cluster must have free for it, by name: `{"GPU": 1}`. This and the other
            options of clusters are in docs/scaling.md; where a task runs is no reason to run it again.
        workers: The address or name of the worker of a Dask cluster that may run it, or several; by default any.
        priority: The higher, the sooner it runs on a Dask cluster, among the tasks that could; 0 is usual.
        bundle: Whether it may be sent to a worker together with other tasks, as short ones are.
        rerun_if_lost: Whether it runs again where a Dask cluster has lost its worker after it had begun; else it fails.

    Raises:
        OptionError: If options do not go together.
        OptionTypeError: If an option has the wrong type.
    """

    logger: Any = task_class.LoggerOf()
    __signature__: Any = task_class.SignatureOf()

    _class_signature: ClassVar[signature.RunSignature]
    _overwritten: ClassVar[tuple[str, ...]] = ()
    _is_plain: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        remember(cls)
        if "run" in cls.__dict__:
            found = cls._class_signature = signature.of_method(cls, cls.__dict__["run"])
            if unwrapped(found.function) is not found.function:
                cls.run = found.function  # type: ignore[method-assign]
        # Copying by hand is ten times faster than copy.copy, which is left to the classes that have their own idea.
        cls._is_plain = not task_class.has_copy_hook(cls, Task)
        cls._overwritten = task_class.overwritten(cls, Task, _OPTIONS)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make the object, with a warning if the call looks like one of the task instead of its class."""
        for value in (*args, *kwargs.values()):
            if issubclass(type(value), Task):
                task_class.warn_of_argument(cls.__name__, value.name)
        return super().__new__(cls)

    def __init__(
        self,
        name: str | None = None,
        slug: str | None = None,
        tags: Iterable[str] | None = None,
        max_retries: int | None = None,
        retry_delay: timedelta | float | None = None,
        retry_on: type[BaseException] | Iterable[type[BaseException]] | None = None,
        timeout: int | timedelta | None = None,
        trigger: Callable[..., bool] | None = None,
        skip_on_upstream_skip: bool = True,
        cache_for: timedelta | float | None = None,
        cache_validator: Callable[..., bool] | None = None,
        cache_key: str | None = None,
        checkpoint: bool | None = None,
        state_handlers: Sequence[Callable[..., Any]] | None = None,
        on_failure: Callable[[Task, Any], Any] | None = None,
        log_stdout: bool = False,
        result: Any = None,
        target: Any = None,
        task_run_name: Any = None,
        nout: int | None = None,
        max_concurrent: int | None = None,
        *,
        portable: bool = False,
        inputs: str | None = None,
        keep: str | None = None,
        files: bool = True,
        resources: Mapping[str, float] | None = None,
        workers: str | int | Iterable[str | int] | None = None,
        priority: int | None = None,
        bundle: bool = True,
        rerun_if_lost: bool = True,
    ) -> None:
        if self.__dict__ or self._overwritten:
            task_class.reset_overwritten(self, Task, self._overwritten, _OPTIONS)
        data = thread.data
        self.name = name or type(self).__name__
        if isinstance(tags, str):
            raise OptionTypeError(f"Tags should be a set of tags, not a string: give {{{tags!r}}}")
        self.tags: set[str] = set(tags) if tags else set()
        if "tags" in data:
            self.tags.update(data["tags"])
        self.trigger: Callable[..., bool] = trigger or all_successful
        self.state_handlers: list[Callable[..., Any]] = (
            options.checked_handlers(state_handlers, on_failure) if state_handlers is not None or on_failure else []
        )
        if cache_for is None and cache_validator is not None and cache_validator is not never_use:
            warnings.warn(
                "cache_validator was given without cache_for (how long results count); this Task will not be cached",
                stacklevel=2,
            )
        self.cache_validator: Callable[..., bool] = cache_validator or (
            never_use if cache_for is None else duration_only
        )
        if max_retries or retry_delay is not None or retry_on is not None:
            self.max_retries = max_retries or 0
            self.retry_delay = options.checked_delay("retry_delay", retry_delay)
            self.retry_on = options.checked_retries(self.max_retries, retry_delay, retry_on)
        if max_concurrent is not None:
            self.max_concurrent = options.checked_limit(max_concurrent)
        if timeout is not None:
            self.timeout = options.whole_seconds(timeout)
        if not skip_on_upstream_skip:
            self.skip_on_upstream_skip = skip_on_upstream_skip
        if log_stdout:
            self.log_stdout = log_stdout
        if portable:
            self.portable = portable
        if inputs is not None:
            self._input_mode = options.checked_choice("inputs", inputs, ("copy", "share"))
        if keep is not None:
            self.keep = options.checked_choice("keep", keep, options.KEEP)
        if files is not True:
            self.files = files
        if resources is not None or workers is not None or priority is not None:
            self.placement = placement_with(
                self.name, NO_PLACEMENT, resources=resources, workers=workers, priority=priority
            )
        if bundle is not True:
            self.bundle = options.checked_switch("bundle", self.name, bundle)
        if rerun_if_lost is not True:
            self.rerun_if_lost = options.checked_switch("rerun_if_lost", self.name, rerun_if_lost)
        if nout is None:
            nout = self._run_signature().nout
        if cache_for is not None:
            cache_for = options.checked_delay("cache_for", cache_for)
        kept = (slug, cache_for, cache_key, checkpoint, result, target, task_run_name, nout)
        if kept.count(None) < len(kept):
            self.__dict__.update((n, v) for n, v in zip(_PLAIN_OPTIONS, kept, strict=True) if v is not None)
        flow = data.get("flow")
        if flow is not None and flow._made is not None:
            flow._made[self] = users_line()

    def __repr__(self) -> str:
        return f"<Task: {self.name}>"

    def run(self) -> Any:
        """Do the work; subclasses define it with the arguments they need."""
        return None

    def _run_signature(self) -> signature.RunSignature:
        """Return what `run` takes, found once for each class, or for each task that has a `run` of its own."""
        own = self.__dict__
        if "run" in own:
            run = own["run"]
            found = own.get("_own_signature")
            if found is None or found.function is not run:
                found = own["_own_signature"] = signature.of_instance(run)
                own["run"] = found.function
            return found
        return self._class_signature

    # Calling

    def __call__(
        self,
        *args: Any,
        mapped: bool = False,
        task_args: Mapping[str, Any] | None = None,
        upstream_tasks: Iterable[Any] | None = None,
        flow: Graph | None = None,
        **kwargs: Any,
    ) -> Self:
        """Return a copy of the task, bound to its arguments in the flow.

        Args:
            *args: Arguments of `run`: tasks, constants, or collections that may contain tasks.
            mapped: Whether to map over all of them that are not marked `unmapped`.
            task_args: Attributes of the copy, such as `{"name": "second"}`.
            upstream_tasks: Tasks that come first but give no argument.
            flow: The flow; by default the one being built.
            **kwargs: Arguments of `run` by name.

        Raises:
            TypeError: If `run` could not be called like this.
            NoFlowError: If no flow is given and none is being built.
        """
        new = self.copy(**task_args) if task_args else self.copy()
        return new.bind(*args, mapped=mapped, upstream_tasks=upstream_tasks, flow=flow, **kwargs)

    def bind(
        self,
        *args: Any,
        mapped: bool = False,
        upstream_tasks: Iterable[Any] | None = None,
        flow: Graph | None = None,
        **kwargs: Any,
    ) -> Self:
        """Add the task itself to the flow, with an edge for each argument; see `__call__`."""
        try:
            arguments = self._run_signature().bind(args, kwargs)
        except TypeError as error:
            error.add_note(f"in a call of {self!r}")
            raise
        data = thread.data
        if flow is None:
            flow = data.get("flow")
            if flow is None:
                raise NoFlowError(
                    f"context while creating edge to {self!r}",
                    f"call it inside `with Flow(...)`; to run it right now, use `{self._call_name()}.run(...)`",
                )
        flow.set_dependencies(self, upstream_tasks=upstream_tasks, keyword_tasks=arguments, mapped=mapped)
        if "tags" in data:
            self.tags.update(data["tags"])
        return self

    def _call_name(self) -> str:
        return f"{type(self).__name__}(...)"

    def map(
        self,
        *args: Any,
        upstream_tasks: Iterable[Any] | None = None,
        flow: Graph | None = None,
        task_args: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Return a copy that runs once for each item of its arguments; see `__call__`.

        Raises:
            NotIterableError: If a positional argument has no items.
        """
        for value in args:
            if not isinstance(value, (Task, EdgeAnnotation)) and not hasattr(value, "__getitem__"):
                raise NotIterableError(
                    f"Cannot map over unsubscriptable object of type {type(value).__name__}: {short_text(value)}; "
                    "mark what is to be passed whole with unmapped(...)"
                )
        new = self.copy(**{"nout": None, **(task_args or {})})
        return new.bind(*args, mapped=True, upstream_tasks=upstream_tasks, flow=flow, **kwargs)

    def pipe(_self, _task: Any, /, **kwargs: Any) -> Any:
        """Return `_task(this task, **kwargs)`, for chains that read from left to right.

        Raises:
            OptionError: If a keyword is named `self`.
        """
        if "self" in kwargs:
            raise OptionError('You cannot use the keyword argument "self" in .pipe(); it is the task that is piped')
        return _task(_self, **kwargs)

    def copy(self, **task_args: Any) -> Self:
        """Return a shallow copy with some attributes changed and no edges.

        Raises:
            TaskAttributeError: If the task has no attribute of that name.
        """
        data = thread.data
        flow = data.get("flow")
        if flow is not None and self in flow._declared and flow._is_used(self):
            warnings.warn(
                f"You are making a copy of a task that has dependencies on or to other tasks in the active flow "
                f"context: {self!r}. The copy will not retain those dependencies.",
                stacklevel=2,
            )
        if self._is_plain:
            new = object.__new__(type(self))
            own = self.__dict__.copy()
            own["tags"] = set(self.tags)
            new.__dict__ = own
        else:
            new = copy.copy(self)
            new.tags = set(self.tags)
        if new.slug and "slug" not in task_args:
            new.slug = f"{new.slug}-copy"
        if task_args:
            task_class.set_attributes(new, task_args)
        if "tags" in data:
            new.tags.update(data["tags"])
        if flow is not None and flow._made is not None:
            flow._made.pop(self, None)
            flow._made[new] = users_line()
        return new

    # Dependencies

    def set_upstream(self, task: Any, flow: Graph | None = None, key: str | None = None, mapped: bool = False) -> Self:
        """Let `task` come before this one, its result being the argument `key` if that is given; return self."""
        if key is not None:
            return self.set_dependencies(flow=flow, keyword_tasks={key: task}, mapped=mapped)
        return self.set_dependencies(flow=flow, upstream_tasks=[task], mapped=mapped)

    def set_downstream(
        self, task: Any, flow: Graph | None = None, key: str | None = None, mapped: bool = False
    ) -> Self:
        """Let `task` come after this one, whose result is its argument `key` if that is given; return self."""
        keyed = None if key is None else {key: self}
        upstream = [self] if key is None else None
        flow = self._flow_for_edges(flow)
        flow.set_dependencies(task, upstream_tasks=upstream, keyword_tasks=keyed, mapped=mapped)
        return self

    def set_dependencies(
        self,
        flow: Graph | None = None,
        upstream_tasks: Iterable[Any] | None = None,
        downstream_tasks: Iterable[Any] | None = None,
        keyword_tasks: Mapping[str, Any] | None = None,
        mapped: bool = False,
        validate: bool | None = None,
    ) -> Self:
        """Add the task to the flow with the given neighbours; return self.

        Raises:
            NoFlowError: If no flow is given and none is being built.
        """
        found = self._flow_for_edges(flow)
        found.set_dependencies(self, upstream_tasks, downstream_tasks, keyword_tasks, mapped, validate)
        return self

    def _flow_for_edges(self, flow: Graph | None = None) -> Graph:
        found: Graph | None = thread.data.get("flow") if flow is None else flow
        if found is None:
            raise NoFlowError(f"context while setting dependencies of {self!r}")
        return found

    def inputs(self) -> dict[str, dict[str, Any]]:
        """Return `{argument: {"type", "default", "required"}}` for the arguments of `run`."""
        return self._run_signature().inputs()

    def outputs(self) -> Any:
        """Return the return annotation of `run`, Any if there is none."""
        return self._run_signature().outputs()


# But for those that are kept under another name: a subclass may have attributes of its own called like them.
_OPTIONS = frozenset(inspect.signature(Task.__init__).parameters) - {"self", "inputs", *PLACEMENT_OPTIONS}
_PLAIN_OPTIONS = ("slug", "cache_for", "cache_key", "checkpoint", "result", "target", "task_run_name", "nout")
_OF_A_CALL = inspect.signature(Task.__call__).parameters.values()
task_class.SignatureOf.call_keywords = tuple(p for p in _OF_A_CALL if p.kind is p.KEYWORD_ONLY)
Task._class_signature = signature.of_method(Task, Task.run)
