"""The task: one step of a flow, with the options of its running and the calls that put it into a flow.

A task is a value. Calling it makes a copy and binds the copy's arguments to edges of a flow; nothing runs.
"""

from __future__ import annotations

import copy
import inspect
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Self

from nbflow.core import signature
from nbflow.core.annotations import EdgeAnnotation
from nbflow.core.cache_validators import duration_only, never_use
from nbflow.core.context import thread
from nbflow.core.triggers import all_successful
from nbflow.errors import NoFlowError, NotIterableError, OptionError, OptionTypeError, TaskAttributeError

if TYPE_CHECKING:
    from nbflow.core.graph import Graph

__all__ = ["OnFailure", "Task", "checked_handlers"]


class OnFailure:
    """A state handler that calls `function(obj, state)` when a task or flow fails."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        self.function = function

    def __call__(self, obj: Any, old: Any, new: Any) -> Any:
        """Call the function if the new state is a failed one; the state stays as it is."""
        if new.is_failed():
            self.function(obj, new)
        return new


def checked_handlers(
    handlers: object, on_failure: Callable[[Any, Any], Any] | None
) -> list[Callable[..., Any]]:
    """Return the state handlers as a new list, `on_failure` among them.

    Raises:
        OptionTypeError: If `handlers` is not a sequence.
    """
    if handlers is not None and (not isinstance(handlers, Sequence) or isinstance(handlers, str)):
        raise OptionTypeError(
            f"state_handlers should be iterable: give a list of functions, not {handlers!r}"
        )
    found = list(handlers) if handlers else []
    if on_failure is not None:
        found.append(OnFailure(on_failure))
    return found


class _SignatureOf:
    """What `inspect.signature` finds: of a task what a call takes, of a task class what makes one.

    A class has `__new__`, which would hide the arguments of `__init__`; a task has `__call__`, which would hide
    those of `run`.
    """

    def __get__(self, task: Task | None, cls: type[Task]) -> inspect.Signature:
        if task is None:
            found = inspect.signature(cls.__init__)
            return found.replace(parameters=list(found.parameters.values())[1:])
        parameters = list(task._run_signature().signature.parameters.values())
        rest = (
            [parameters.pop()] if parameters and parameters[-1].kind is inspect.Parameter.VAR_KEYWORD else []
        )
        return inspect.Signature([*parameters, *_CALL_KEYWORDS, *rest], return_annotation="Task")


class _LoggerOf:
    """The logger of a task, named after it; a task may replace it by an attribute of its own."""

    def __get__(self, task: Task | None, cls: type[Task]) -> logging.Logger:
        return logging.getLogger("nbflow" if task is None else f"nbflow.{task.name}")


class Task:
    """One step of a flow; subclass it and define `run`, or decorate a function with `@task`.

    Args:
        name: What it is called; by default the name of the class.
        slug: Its id in a flow; by default made by the flow of name, tags and a counter.
        tags: Words for finding it; those of an enclosing `tags(...)` are added.
        max_retries: How often it is tried again after a failure.
        retry_delay: How long to wait before that.
        retry_on: The exception types that are worth it; by default all.
        timeout: Seconds (or a timedelta of whole seconds) after which an attempt is given up.
        trigger: Decides from the upstream states whether it may run.
        skip_on_upstream_skip: Whether it is skipped, unasked, if a task upstream was.
        cache_for: How long its result may be used again.
        cache_validator: Decides whether a cached result still counts.
        cache_key: The key the cached results are kept by; by default the name.
        checkpoint: Kept for flows that set it; there is no result store.
        state_handlers: Functions `handler(task, old, new)`, called at every change of state.
        on_failure: A function `on_failure(task, state)`, called at failures.
        log_stdout: Whether what it prints goes to its logger.
        result: Kept for flows that set it.
        target: Kept for flows that set it.
        task_run_name: Kept for flows that set it.
        nout: The number of results, so that it can be unpacked; by default read from the return annotation.

    Raises:
        OptionError: If options do not go together.
        OptionTypeError: If an option has the wrong type.
    """

    logger: Any = _LoggerOf()
    __signature__: Any = _SignatureOf()

    _class_signature: ClassVar[signature.RunSignature]
    _overwritten: ClassVar[tuple[str, ...]] = ()
    _is_plain: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "run" in cls.__dict__:
            cls._class_signature = signature.of_method(cls, cls.__dict__["run"])
        # Copying by hand is ten times faster than copy.copy, which is left to the classes that have their own idea.
        cls._is_plain = not any(name in base.__dict__ for base in _own_bases(cls) for name in _COPY_HOOKS)
        cls._overwritten = tuple(
            name
            for name in _OPTIONS
            if any(name in base.__dict__ for base in _own_bases(cls))
            and not isinstance(inspect.getattr_static(cls, name), property)
        )

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make the object, with a warning if the call looks like one of the task instead of its class."""
        for value in (*args, *kwargs.values()):
            if isinstance(value, Task):
                warnings.warn(
                    f"A Task was passed as an argument to {cls.__name__}, which makes a task and does not call it. "
                    f"You likely want to give it its constants first and then call it with the results of tasks: "
                    f"{cls.__name__}(...)({value.name})",
                    stacklevel=2,
                )
        return super().__new__(cls)

    def __init__(
        self,
        name: str | None = None,
        slug: str | None = None,
        tags: Iterable[str] | None = None,
        max_retries: int | None = None,
        retry_delay: timedelta | None = None,
        retry_on: type[BaseException] | Iterable[type[BaseException]] | None = None,
        timeout: int | timedelta | None = None,
        trigger: Callable[..., bool] | None = None,
        skip_on_upstream_skip: bool = True,
        cache_for: timedelta | None = None,
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
    ) -> None:
        if self.__dict__ or self._overwritten:
            self._warn_of_overwritten()
        self.name = name or type(self).__name__
        self.slug = slug
        if isinstance(tags, str):
            raise OptionTypeError(f"Tags should be a set of tags, not a string: give {{{tags!r}}}")
        self.tags: set[str] = set(tags) if tags else set()
        data = thread.data
        if "tags" in data:
            self.tags.update(data["tags"])

        self.max_retries = max_retries or 0
        self.retry_delay = retry_delay
        self.retry_on: set[type[BaseException]] | None = None
        if max_retries or retry_delay is not None or retry_on is not None:
            self.retry_on = _checked_retries(self.max_retries, retry_delay, retry_on)
        self.timeout: int | None = None if timeout is None else _whole_seconds(timeout)
        self.trigger = trigger or all_successful
        self.skip_on_upstream_skip = skip_on_upstream_skip

        if cache_for is None and cache_validator is not None and cache_validator is not never_use:
            warnings.warn(
                "cache_validator was given without cache_for (how long results count); this Task will not be cached",
                stacklevel=2,
            )
        self.cache_for = cache_for
        self.cache_key = cache_key
        self.cache_validator = cache_validator or (never_use if cache_for is None else duration_only)
        self.checkpoint = checkpoint
        self.result = result
        self.target = target
        self.task_run_name = task_run_name

        self.state_handlers: list[Callable[..., Any]] = (
            []
            if state_handlers is None and on_failure is None
            else checked_handlers(state_handlers, on_failure)
        )
        self.log_stdout = log_stdout
        self.auto_generated = False
        self.nout = self._run_signature().nout if nout is None else nout

        flow = data.get("flow")
        if flow is not None:
            flow._note_made(self, None)

    def _warn_of_overwritten(self) -> None:
        for name in dict.fromkeys((*self._overwritten, *self.__dict__)):
            if name in _OPTIONS:
                warnings.warn(
                    f"`{type(self).__name__}` sets a `{name}` attribute, which is overwritten by `Task`; "
                    "call `super().__init__` first, or choose another name",
                    stacklevel=3,
                )

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
        arguments = self._run_signature().bind(args, kwargs)
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
                    f"Cannot map over unsubscriptable object of type {type(value).__name__}: {value!r:.60}; "
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
            raise OptionError(
                'You cannot use the keyword argument "self" in .pipe(); it is the task that is piped'
            )
        return _task(_self, **kwargs)

    def copy(self, **task_args: Any) -> Self:
        """Return a shallow copy with some attributes changed and no edges.

        Raises:
            TaskAttributeError: If the task has no attribute of that name.
        """
        data = thread.data
        flow = data.get("flow")
        if flow is not None and flow._is_used(self):
            warnings.warn(
                f"You are making a copy of a task that has dependencies on or to other tasks in the active flow "
                f"context: {self!r}. The copy will not retain those dependencies.",
                stacklevel=2,
            )
        if self._is_plain:
            new = object.__new__(type(self))
            new.__dict__.update(self.__dict__)
        else:
            new = copy.copy(self)
        tags = set(self.tags)
        if new.slug and "slug" not in task_args:
            new.slug = f"{new.slug}-copy"
        for name, value in task_args.items():
            if not hasattr(new, name):
                raise TaskAttributeError(f"{self!r} does not have {name} as an attribute")
            setattr(new, name, value)
        if "tags" in task_args:
            tags.update(new.tags)
        if "tags" in data:
            tags.update(data["tags"])
        new.tags = tags
        if flow is not None:
            flow._note_made(new, self)
        return new

    # Dependencies

    def set_upstream(
        self, task: Any, flow: Graph | None = None, key: str | None = None, mapped: bool = False
    ) -> Self:
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
        self._flow_for_edges(flow).set_dependencies(
            self,
            upstream_tasks=upstream_tasks,
            downstream_tasks=downstream_tasks,
            keyword_tasks=keyword_tasks,
            mapped=mapped,
            validate=validate,
        )
        return self

    def _flow_for_edges(self, flow: Graph | None) -> Graph:
        found: Graph | None = thread.data.get("flow") if flow is None else flow
        if found is None:
            raise NoFlowError(f"context while setting dependencies of {self!r}")
        return found

    def inputs(self) -> dict[str, dict[str, Any]]:
        """Return `{argument: {"type", "default", "required"}}` for the arguments of `run`."""
        found = {}
        for name, parameter in self._run_signature().signature.parameters.items():
            required = parameter.default is parameter.empty
            found[name] = {
                "type": Any if parameter.annotation is parameter.empty else parameter.annotation,
                "default": None if required else parameter.default,
                "required": required,
            }
        return found

    def outputs(self) -> Any:
        """Return the return annotation of `run`, Any if there is none."""
        found = self._run_signature().signature.return_annotation
        return Any if found is inspect.Signature.empty else found

    # Operators: each makes a task; comparison for equality and truth stay Python's.

    def __iter__(self) -> Iterator[Task]:
        if self.nout is None:
            raise NotIterableError(
                f"Task is not iterable: {self!r}. If it returns several results, tell their number with `nout`, "
                "as in @task(nout=2), or with a return annotation such as tuple[int, str]"
            )
        return map(self.__getitem__, range(self.nout))

    def __getitem__(self, key: Any) -> Task:
        label = key.name if isinstance(key, Task) else repr(key)
        return self._operate("GetItem", self, key, name=f"{self.name}[{label}]")

    def __or__(self, other: Any) -> Task:
        return self._flow_for_edges(None).add_edge(self, other).downstream_task

    def __ror__(self, other: Any) -> Task:
        return self._flow_for_edges(None).add_edge(other, self).downstream_task

    @staticmethod
    def _operate(operator: str, *operands: Any, **task_args: Any) -> Task:
        from nbflow.core import operators

        cls: type[Task] = getattr(operators, operator)
        return cls(**task_args).bind(*operands)

    def is_equal(self, other: Any) -> Task:
        """Return a task that compares the results: `self == other`."""
        return self._operate("Equal", self, other)

    def is_not_equal(self, other: Any) -> Task:
        """Return a task that compares the results: `self != other`."""
        return self._operate("NotEqual", self, other)

    def not_(self) -> Task:
        """Return a task that negates the result: `not self`."""
        return self._operate("Not", self)

    def or_(self, other: Any) -> Task:
        """Return a task for the truth of `self or other`."""
        return self._operate("Or", self, other)

    def __add__(self, other: Any) -> Task:
        return self._operate("Add", self, other)

    def __radd__(self, other: Any) -> Task:
        return self._operate("Add", other, self)

    def __sub__(self, other: Any) -> Task:
        return self._operate("Sub", self, other)

    def __rsub__(self, other: Any) -> Task:
        return self._operate("Sub", other, self)

    def __mul__(self, other: Any) -> Task:
        return self._operate("Mul", self, other)

    def __rmul__(self, other: Any) -> Task:
        return self._operate("Mul", other, self)

    def __truediv__(self, other: Any) -> Task:
        return self._operate("Div", self, other)

    def __rtruediv__(self, other: Any) -> Task:
        return self._operate("Div", other, self)

    def __floordiv__(self, other: Any) -> Task:
        return self._operate("FloorDiv", self, other)

    def __rfloordiv__(self, other: Any) -> Task:
        return self._operate("FloorDiv", other, self)

    def __mod__(self, other: Any) -> Task:
        return self._operate("Mod", self, other)

    def __rmod__(self, other: Any) -> Task:
        return self._operate("Mod", other, self)

    def __pow__(self, other: Any) -> Task:
        return self._operate("Pow", self, other)

    def __rpow__(self, other: Any) -> Task:
        return self._operate("Pow", other, self)

    def __and__(self, other: Any) -> Task:
        return self._operate("And", self, other)

    def __rand__(self, other: Any) -> Task:
        return self._operate("And", other, self)

    def __lt__(self, other: Any) -> Task:
        return self._operate("LessThan", self, other)

    def __le__(self, other: Any) -> Task:
        return self._operate("LessThanOrEqual", self, other)

    def __gt__(self, other: Any) -> Task:
        return self._operate("GreaterThan", self, other)

    def __ge__(self, other: Any) -> Task:
        return self._operate("GreaterThanOrEqual", self, other)


_OPTIONS = frozenset(inspect.signature(Task.__init__).parameters) - {"self"}
_COPY_HOOKS = ("__copy__", "__getstate__", "__reduce__", "__reduce_ex__", "__slots__", "__getnewargs_ex__")
_CALL_KEYWORDS = tuple(
    p
    for p in inspect.signature(Task.__call__).parameters.values()
    if p.kind is inspect.Parameter.KEYWORD_ONLY
)
Task._class_signature = signature.of_method(Task, Task.run)


def _own_bases(cls: type[Task]) -> list[type]:
    """Return the classes whose attributes are not Task's own."""
    return [base for base in cls.__mro__ if base not in (Task, object)]


def _checked_retries(
    max_retries: int,
    retry_delay: timedelta | None,
    retry_on: type[BaseException] | Iterable[type[BaseException]] | None,
) -> set[type[BaseException]] | None:
    if max_retries > 0 and retry_delay is None:
        raise OptionError("A datetime.timedelta `retry_delay` must be provided if max_retries > 0")
    if retry_delay is not None and not max_retries:
        raise OptionError(
            "A `max_retries` argument greater than 0 must be provided if specifying a retry delay"
        )
    if retry_on is None:
        return None
    if not max_retries:
        raise OptionError("A `max_retries` argument greater than 0 must be provided if specifying `retry_on`")
    kinds = {retry_on} if isinstance(retry_on, type) else set(retry_on)
    for kind in kinds:
        if not isinstance(kind, type):
            raise OptionTypeError(
                f"`retry_on` should be an exception type or several: expected an exception type but got an "
                f"instance of {type(kind).__name__}"
            )
        if not issubclass(kind, BaseException):
            raise OptionTypeError(f"`retry_on` should hold exception types, but {kind.__name__} is not one")
    return kinds


def _whole_seconds(timeout: object) -> int:
    if isinstance(timeout, timedelta):
        if timeout.microseconds > 0:
            warnings.warn("Task timeouts do not support a sub-second component; it is dropped", stacklevel=3)
        return int(timeout.total_seconds())
    if not isinstance(timeout, int):
        raise OptionTypeError(
            f"Only integer timeouts (representing seconds) and timedeltas are supported, not {timeout!r}"
        )
    return timeout
