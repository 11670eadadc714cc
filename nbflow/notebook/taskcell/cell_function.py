"""The function of a task that a cell became: it executes the cell's code in names of its own.

The cell is not rewritten to a function. It is executed as it would be in the notebook, in a copy of the notebook's
names in which its inputs are values: so a star import, `global`, a class or a name that is read before it is bound mean
what they mean in any cell, and a traceback shows the cell's own lines.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import linecache
from contextlib import contextmanager
from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING, Any

from nbflow.core.redefinition import replace
from nbflow.core.task import Task
from nbflow.errors import NbflowError
from nbflow.notebook.shell.cell_display import keep_shown
from nbflow.notebook.source.cell_files import NO_NAMES, FileNames
from nbflow.notebook.taskcell.rebinding import Rebinding

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from types import CodeType
    from weakref import ref

    from nbflow.flow import Flow
    from nbflow.notebook.source.called_code import Body

LAST = "last_expr"


class UnboundOutputError(NbflowError, NameError):
    """A task made of a cell did not bind a name that it gives."""

    def __init__(self, task: str, name: str) -> None:
        super().__init__(task, name)
        self.task = task
        self.name = name

    def __str__(self) -> str:
        return (
            f"task {self.task!r} gives {self.name!r}, but has not bound it this time; bind it on every way through "
            "the cell, or say with --gives what the cell gives"
        )


def _interactivity(default: str) -> str:
    """Return which expressions of a cell are shown: as the shell says now, else as it said then."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    return default if shell is None else str(shell.ast_node_interactivity)


@dataclass(frozen=True)
class NotBound:
    """Stands for the value of a name that a cell has left unbound, which it may."""

    task: str
    name: str

    def __repr__(self) -> str:
        return f"<{self.task!r} has not bound {self.name!r}>"


@dataclass(eq=False, repr=False, kw_only=True)
class CellFunction:
    """The function of a task that a cell became: takes the inputs by name, returns what the cell gives.

    It returns the value of the one name it gives, a dictionary if there are several, and the value of the cell's last
    expression if there is none. It may be called from any thread, and be pickled by cloudpickle: then it takes with it
    what the cell reads from the notebook.

    Args:
        name: What the task is called.
        label: What the cell is called in messages.
        tree: The statements to execute, their lines numbered as in the cell.
        filename: Where tracebacks look the lines up.
        lines: The lines they show there.
        flags: The compiler flags of the notebook, from its `from __future__` imports.
        inputs: The names of the arguments.
        outputs: The names whose values are given.
        read: All names that the cell may read from outside.
        changes: The inputs that the cell changes in place.
        missing: What it reads and nobody had bound when it was defined.
        own: What the cell's imports and functions bound, which the notebook has executed already.
        before: What the names it reads held when it was defined; counts where a task has taken the name since.
        namespace: The notebook's names; looked up at each call.
        flow: The flow, as long as it lives.
        is_quiet: Whether the value of the last expression is not to be shown: it ends with a semicolon.
        interactivity: Which expressions the shell shows; where there is a shell when it runs, what that one says.
        files: The files that its source names.
        binds: All names that the cell binds.
        bodies: What the functions and classes among them do to names when they are used.
        spare: Those that it gives only if a cell below reads them.
        maybe: The outputs that it may leave unbound.
        sets: Whether it sets something that the cells below may see: options of a package, a seed.
        looks_up: Whether it looks names up that only the run knows, by `globals()` or `eval`.
    """

    keeps_order = True  # of the cells, where one reads a file that another writes

    name: InitVar[str]
    label: str
    tree: ast.Module
    filename: str
    lines: str
    flags: int = 0
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    own: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)
    namespace: Mapping[str, Any] = field(default_factory=dict)
    flow: ref[Flow] | None = None
    is_quiet: bool = False
    interactivity: str = LAST
    files: FileNames = NO_NAMES
    binds: frozenset[str] = frozenset()
    bodies: Mapping[str, Body] = field(default_factory=dict)
    spare: tuple[str, ...] = ()
    maybe: frozenset[str] = frozenset()
    sets: bool = False
    looks_up: bool = False

    def __post_init__(self, name: str) -> None:
        self.__name__ = self.__qualname__ = name
        self.__module__ = "__main__"
        self.stand_ins: tuple[CellFunction, ...] = ()  # of this version, in runs that are held at older ones
        self.needed: Collection[str] = ()  # the names that a stand-in has to give
        self.define_again: Callable[..., object] | None = None
        self._compile()

    def give_way_to(self, newer: CellFunction, taken: Collection[str] = ()) -> None:
        """Let a run that is held at this version of the cell go on with a newer one, which gives the same names.

        Others take the names in `taken`; of the rest the newer one may leave unbound what it no longer gives.
        """
        stand_ins = []
        for older in (self, *self.stand_ins):
            needed = {*taken, *older.needed}
            found = newer._giving(older.outputs, needed)
            replace(older, found)
            if found is not newer:
                found.needed = needed
                stand_ins.append(found)
        newer.stand_ins = tuple(stand_ins)

    def _giving(self, outputs: tuple[str, ...], taken: Collection[str]) -> CellFunction:
        if outputs == self.outputs:
            return self
        found = object.__new__(type(self))
        unbound = frozenset(outputs) - {*self.outputs, *taken}
        vars(found).update(vars(self), outputs=outputs, maybe=self.maybe | unbound, stand_ins=())
        return found

    def _compile(self) -> None:
        parameter = inspect.Parameter
        self.__signature__ = inspect.Signature(
            [parameter(name, parameter.POSITIONAL_OR_KEYWORD) for name in self.inputs]
        )
        nodes = list(self.tree.body)
        last = nodes[-1] if nodes else None
        self._last = None
        if isinstance(last, ast.Expr):
            self._last = self._code(ast.Expression(last.value), "eval")
            nodes.pop()
        self._body = self._code(ast.Module(nodes, []), "exec")

    def _code(self, tree: ast.Module | ast.Expression, mode: str) -> CodeType:
        flags = self.flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code: CodeType = compile(ast.fix_missing_locations(tree), self.filename, mode, flags, dont_inherit=True)
        return code

    def __repr__(self) -> str:
        return f"<{self.__name__}: {self.label}>"

    def __call__(self, **inputs: Any) -> Any:
        """Execute the cell with these values and return what it gives.

        Raises:
            UnboundOutputError: If it has not bound a name that it gives.
            BaseException: Whatever the cell raises.
        """
        space = self._space(inputs)
        rebinding = Rebinding(space, self.binds)
        rebinding.adopt((*self.read, *self.own, *self.inputs))
        if self.is_async:
            return self._awaiting(space, rebinding)
        shown = None
        with rebinding, self._explaining(space):
            for code, is_shown in self._steps():
                value = eval(code, space)
                if is_shown:
                    shown = self._show(value)
        return self._given(space, rebinding.itself, shown)

    @property
    def is_async(self) -> bool:
        """True if the cell awaits at its top."""
        codes = (self._body, self._last)
        return any(code.co_flags & inspect.CO_COROUTINE for code in codes if code is not None)

    async def _awaiting(self, space: dict[str, Any], rebinding: Rebinding) -> Any:
        """Execute a cell that awaits at its top."""
        shown = None
        with rebinding, self._explaining(space):
            for code, is_shown in self._steps():
                value = eval(code, space)
                if code.co_flags & inspect.CO_COROUTINE:
                    value = await value
                if is_shown:
                    shown = self._show(value)
        return self._given(space, rebinding.itself, shown)

    def _steps(self) -> list[tuple[CodeType, bool]]:
        """Return the code to execute, and of which part the value is shown."""
        how = _interactivity(self.interactivity)
        if how == "all":
            return [
                (self._code(ast.Expression(n.value), "eval"), True)
                if isinstance(n, ast.Expr)
                else (self._code(ast.Module([n], []), "exec"), False)
                for n in self.tree.body
            ]
        steps = [(self._body, False)]
        last = self.tree.body[-1] if self.tree.body else None
        if self._last is not None:
            steps.append((self._last, how != "none"))
        elif how == "last_expr_or_assign" and isinstance(last, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            target = last.targets[0] if isinstance(last, ast.Assign) else last.target
            if isinstance(target, ast.Name):
                value = ast.copy_location(ast.Name(target.id, ast.Load()), target)
                steps.append((self._code(ast.Expression(value), "eval"), True))
        return steps

    def _show(self, value: Any) -> Any:
        if value is not None and not self.is_quiet:
            keep_shown(self.__name__, value)
        return value

    @contextmanager
    def _explaining(self, space: Mapping[str, Any]) -> Iterator[None]:
        try:
            yield
        except NameError as error:
            self._explain(error, space)
            raise

    def _given(self, space: dict[str, Any], itself: Callable[[Any], Any], shown: Any) -> Any:
        """Return what the cell gives, when it has been executed in `space`."""
        if not self.outputs:
            return itself(shown)
        for name in self.outputs:
            if name not in space and name not in self.maybe:
                raise UnboundOutputError(self.__name__, name)
            space.setdefault(name, NotBound(self.__name__, name))
        if len(self.outputs) == 1:
            return itself(space[self.outputs[0]])
        return {name: itself(space[name]) for name in self.outputs}

    def _space(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the names to execute the cell in: the notebook's, its own, and the inputs."""
        space = self._of_notebook(self.namespace)
        space.update(self.own)
        space.update((name, value) for name, value in inputs.items() if type(value) is not NotBound)
        space["__name__"] = "__main__"
        space.setdefault("__builtins__", builtins)
        return space

    def _of_notebook(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the values of notebook's names; one that a task has taken is what it was, if the cell reads it."""
        flow = None if self.flow is None else self.flow()
        tasks: Collection[Task] = () if flow is None else flow.tasks
        found = {}
        for name in list(names):
            value = self.namespace[name]
            if not (isinstance(value, Task) and value in tasks):
                found[name] = value
            elif name in self.before:
                found[name] = self.before[name]
        return found

    def _explain(self, error: NameError, space: Mapping[str, Any]) -> None:
        name = error.name
        if name is None or name in space or name not in self.read:
            return
        if name in self.inputs:
            remedy = "the cell that gives it binds it on some ways only, and has not this time"
        elif isinstance(self.namespace.get(name), Task):
            remedy = "a cell gives it now, but did not when this one was executed; execute this cell again"
        else:
            remedy = "no cell gives it, and the notebook has no such name; execute the cell that makes it first"
        error.add_note(f"in the task {self.__name__!r} of {self.label}: {name!r}: {remedy}")

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        for left in ("_body", "_last", "__signature__", "flow", "define_again"):
            state.pop(left, None)
        state["stand_ins"] = ()
        known = {*self.inputs, *self.own, "get_ipython"}
        wanted = [n for n in self.read if n not in known and n in self.namespace]
        names = self._of_notebook(wanted)
        names["__name__"] = "__main__"
        # Its functions take along what they read from there, which are to be values, and not tasks.
        Rebinding(names, {*self.binds, *self.inputs}).adopt(wanted)
        state.update(namespace=names, before={})
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.flow = self.define_again = None
        if self.filename not in linecache.cache:  # in another process: its tracebacks want the lines too
            lines = self.lines.splitlines(keepends=True)
            linecache.cache[self.filename] = (len(self.lines), None, lines, self.filename)
        self._compile()


def function_of(task: Task) -> CellFunction | None:
    """Return the function of a task that a cell became; None for any other task."""
    run = vars(task).get("run")
    return run if isinstance(run, CellFunction) else None
