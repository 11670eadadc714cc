"""A cell becomes a task: what `%%task` does with the cell, from its text to a task in a flow.

The imports, functions and classes at the top of the cell that need no value of a task are executed at once, as in any
cell. The rest is the task's. The names that it gives are bound to tasks in the notebook, so that the next cell that
reads them is tied to it.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import functools
import weakref
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from nbflow.core.block import Block
from nbflow.core.function_task import FunctionTask
from nbflow.core.task import Task
from nbflow.errors import ForeignTaskError
from nbflow.notebook.cells.hints import foreign
from nbflow.notebook.shell.cell_code import aligned, ends_with_semicolon, show_user_frames_only, show_without_stack
from nbflow.notebook.shell.lookup import find_block
from nbflow.notebook.shell.numbering import cell_number
from nbflow.notebook.source.cell_files import file_names
from nbflow.notebook.source.function_body import body_of
from nbflow.notebook.source.infer import CellNames, Roles, is_shell_name, names_of, ordinary_statements, roles
from nbflow.notebook.source.settings import sets_something
from nbflow.notebook.taskcell.cell_function import CellFunction
from nbflow.notebook.taskcell.cell_magics import captured_name, cell_magic_of, in_task, wrapped
from nbflow.notebook.taskcell.task_order import comes_after, giving_cell, is_resource, note_if_notable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from IPython.core.interactiveshell import InteractiveShell

    from nbflow.flow import Flow
    from nbflow.notebook.source.called_code import Body

_NAMES_IN_A_NAME = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CellText:
    """A cell as the user wrote it.

    Attributes:
        body: Without the line of the magic.
        raw: The whole cell; gives the line numbers.
        label: What it is called in messages.
        magic: The magic's name, for messages.
    """

    body: str
    raw: str
    label: str
    magic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Defined:
    """The task that became of a cell.

    Attributes:
        task: Its task; None if there is nothing for one to do.
        roles: What its names are to the task.
        unknown: What it reads and nobody has bound so far.
    """

    task: FunctionTask | None
    roles: Roles = field(default_factory=Roles)
    unknown: tuple[str, ...] = ()


def bodies_in(flow: Flow, namespace: Mapping[str, Any]) -> Callable[[str], Body | None]:
    """Return what tells how a function or class that a name of the notebook stands for uses names when it is used.

    For a name that one of the flow's tasks gives, that is told by the cell of the task.
    """

    @functools.cache
    def body(name: str) -> Body | None:
        held = namespace.get(name)
        if not isinstance(held, Task):
            return None if held is None else body_of(held)
        function = giving_cell(flow, held)
        return None if function is None else function.bodies.get(name)

    return body


class TaskCell:
    """The text of a cell, understood; made once for each execution of the cell.

    Args:
        shell: The shell whose namespace and transformers are used.
        text: The cell.
        needs: The names it takes, if they are not to be found.
        gives: The names it gives, if they are not to be found.

    Raises:
        UsageError: If the cell cannot be a task.
        SyntaxError: If it is no Python.
    """

    def __init__(
        self,
        shell: InteractiveShell,
        text: CellText,
        needs: Sequence[str] | None = None,
        gives: Sequence[str] | None = None,
    ) -> None:
        self.shell = shell
        self.text = text
        self.needs = needs
        self.gives = gives
        if not text.body.strip():
            raise UsageError(f"{text.magic}: the cell is empty")
        self.own: dict[str, Any] = {}
        self.around = cell_magic_of(text.body, text.magic)
        self.body = text.body if self.around is None else self.around.body
        source = aligned(shell, self.body, text.raw)
        self.filename = shell.compile.cache(source, cell_number(shell), raw_code=text.raw)
        try:
            self.tree: ast.Module = shell.transform_ast(shell.compile.ast_parse(source, self.filename))
        except SyntaxError as error:
            show_without_stack(shell, error)
            raise
        self.names: CellNames = names_of(self.tree)
        self.late: frozenset[str] = frozenset()
        self.below: Collection[str] = ()  # names that only cells below give
        self._check_gives()

    def _check_gives(self) -> None:
        names = self.names
        known = {*names.bound, *names.maybe, *names.changed, *names.read}
        has_star = any(isinstance(n, ast.alias) and n.name == "*" for n in ast.walk(self.tree))
        for name in self.gives or () if not has_star else ():
            if name not in known:
                raise UsageError(
                    f"{self.text.magic}: --gives {name}, but the cell binds no {name!r}; it binds "
                    f"{', '.join((*names.bound, *names.maybe)) or 'nothing'}"
                )

    def roles(self, given: Mapping[str, Task], wanted: Collection[str] = ()) -> Roles:
        """Return what the names are, if other tasks give `given`, and cells below read `wanted`."""
        return roles(
            self.names,
            given,
            needs=self.needs,
            gives=self.gives,
            late=self.late,
            at_once=self.own,
            wanted=wanted,
            kept=[name for name in self.names.changed if name in given and is_resource(given[name])],
        )

    def find_names(self, flow: Flow) -> CellNames:
        """Find the names, with what functions of the notebook read, as it is now."""
        self.names = names_of(self.tree, bodies_in(flow, self.shell.user_ns))
        if self.looks_up:
            self.names = replace(self.names, read=(*self.names.read, *self._asked_for(flow)))
        captured = captured_name(self.around)
        if captured is not None:
            self.names = replace(self.names, bound=(*self.names.bound, captured))
        self._refuse_names_of_shell()
        return self.names

    @property
    def looks_up(self) -> bool:
        """True if the cell looks names up that only the run knows."""
        return self.names.reads_any or bool(self.names.in_texts)

    def _asked_for(self, flow: Flow) -> list[str]:
        """Return the names that a cell may look up when it runs: those its texts say, or all if they say none."""
        names = self.shell.user_ns
        known = {*self.names.read, *self.names.bound, *self.below}
        found = [n for n, held in names.items() if n not in known and _may_be_asked(flow, n, held)]
        said = [n for n in found if n in self.names.in_texts]
        is_said = said and any(isinstance(names[n], Task) for n in said)
        return said if is_said and not self.names.reads_any else found

    def _refuse_names_of_shell(self) -> None:
        for name in self.names.read:
            if is_shell_name(name) and name != "In":
                raise UsageError(
                    f"{self.text.magic}: the cell reads {name!r}, which is what another cell has shown in the "
                    "notebook, and no value of a task; give the value a name in the cell that shows it, and read that"
                )

    def execute_ordinary(self, flow: Flow) -> None:
        """Execute the imports and functions that need no value in the notebook, before the flow is entered."""
        shell = self.shell
        self.find_names(flow)
        found = self.roles(self.given(flow))
        nodes = ordinary_statements(self.tree, found.inputs)
        definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        self.late = frozenset(n.name for n in self.tree.body if isinstance(n, definitions) and n not in nodes)
        rest = in_task([node for node in self.tree.body if node not in nodes])
        self.rest = ast.Module(rest if self.around is None else wrapped(self.around, rest), [])
        if not nodes:
            return
        ordinary = ast.Module(list(nodes), [])
        shell.compile.flags |= _future_flags(nodes)
        code = compile(ordinary, self.filename, "exec", shell.compile.flags, dont_inherit=True)
        try:
            exec(code, shell.user_global_ns, shell.user_ns)
        except BaseException as error:
            show_user_frames_only(shell, error)
            raise
        bound = names_of(ordinary)
        self.own = {n: shell.user_ns[n] for n in (*bound.bound, *bound.maybe) if n in shell.user_ns}

    def given(self, flow: Flow) -> dict[str, Task]:
        """Return the tasks of those names of the cell that tasks give."""
        names = self.names
        own = (*names.read, *names.bound, *names.maybe, *names.changed, *names.hinted, *(self.needs or ()))
        return _given_in(self.shell.user_ns, dict.fromkeys(own), flow)

    @property
    def by_the_way(self) -> set[str]:
        """The names that the cell may give or not: it does when a cell below reads them."""
        names = self.names
        private = (name for name in (*names.bound, *names.changed) if name.startswith("_"))
        return {*names.maybe, *names.definitions, *names.passing, *private}

    def add_to(
        self,
        flow: Flow,
        name: str | None = None,
        block: str | None = None,
        later: Collection[Task] = (),
        wanted: Callable[[Collection[str]], Collection[str]] = lambda _: (),
        above: Mapping[str, Any] | None = None,
    ) -> Defined:
        """Add the cell's task to the flow that is being built, and bind the names it gives in the notebook.

        Args:
            flow: The flow; the caller has entered it.
            name: What the task is called; by default the names it gives.
            block: The block to put it into, as the user calls it; by default that of the resource it takes.
            later: The tasks of cells that come after this one.
            wanted: Tells which names those cells read, of those given to it.
            above: The functions and classes that it means, where cells below define others of the same names.

        Raises:
            UsageError: If it is told to need what no task gives.
            ForeignTaskError: If it reads a task of another flow.
        """
        namespace: dict[str, Any] = self.shell.user_ns
        self._check_needs(flow)
        self._refuse_foreign(flow)
        self.find_names(flow)
        given = self.given(flow)
        found = self.roles(given, wanted(self.by_the_way))
        if not self.rest.body and not found.outputs:
            return Defined(task=None)
        unknown = tuple(n for n in self.names.read if n not in found.inputs and not self._is_known(n))
        function = CellFunction(
            name=name or _name_of(self.roles(given)),
            label=self.text.label,
            tree=self.rest,
            filename=self.filename,
            lines=self.text.raw,
            flags=self.shell.compile.flags,
            inputs=found.inputs,
            outputs=found.outputs,
            read=self.names.read,
            changes=found.changes,
            missing=unknown,
            own={**(above or {}), **self.own},
            before={n: namespace[n] for n in self.names.read if n in namespace and n not in given},
            namespace=namespace,
            flow=weakref.ref(flow),
            is_quiet=ends_with_semicolon(self.shell, self.body),
            interactivity=self.shell.ast_node_interactivity,
            files=file_names(self.tree),
            sets=sets_something(self.tree, namespace),
            looks_up=self.looks_up,
            binds=frozenset((*self.names.bound, *self.names.maybe)),
            bodies={n: body for n, body in self.names.bodies.items() if n not in self.own},
            spare=found.spare,
            maybe=frozenset() if self.gives is not None else frozenset(found.outputs) - {*self.names.bound},
        )
        task = FunctionTask(function)
        inputs = {n: given[n] for n in found.inputs}
        with ExitStack() as inside:
            if block is not None:
                inside.enter_context(find_block(flow, block, self.shell.user_ns, self.text.magic))
            else:
                _enter_blocks_of(inputs.values(), inside)
            first = [t for t in comes_after(flow, task, inputs, later) if t not in later]
            flow.set_dependencies(task, upstream_tasks=first, keyword_tasks=inputs)
            results = _results(task, found.outputs)
        namespace.update(results)
        note_if_notable(flow, task)
        return Defined(task=task, roles=found, unknown=unknown)

    def _refuse_foreign(self, flow: Flow) -> None:
        for name in self.names.read:
            found = foreign(self.shell.user_ns.get(name), flow)
            if found is not None:
                raise ForeignTaskError(name, found[1].name, flow.name)

    def _is_known(self, name: str) -> bool:
        own = (*self.names.bound, *self.names.maybe)
        return name in self.shell.user_ns or hasattr(builtins, name) or name in own

    def _check_needs(self, flow: Flow) -> None:
        if not self.needs:
            return
        given = _given_in(self.shell.user_ns, self.shell.user_ns, flow)
        for name in self.needs:
            if name not in given:
                raise UsageError(
                    f"{self.text.magic}: --needs {name}, but no task gives {name!r}; tasks give "
                    f"{', '.join(given) or 'nothing so far'}"
                )


def _given_in(namespace: Mapping[str, Any], names: Iterable[str], flow: Flow) -> dict[str, Task]:
    tasks = flow.tasks
    held = ((name, namespace.get(name)) for name in names)
    return {name: task for name, task in held if isinstance(task, Task) and task in tasks}


def _may_be_asked(flow: Flow, name: str, held: Any) -> bool:
    """Tell whether a cell that looks up names that only the run knows may mean this one."""
    if isinstance(held, Task):
        return held in flow.tasks and not is_resource(held)
    return not is_shell_name(name) and body_of(held) is not None


def _future_flags(nodes: Iterable[ast.stmt]) -> int:
    """Return the compiler's flags for the imports from `__future__`, which count for the cells below too."""
    flags = 0
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            for alias in node.names:
                feature = getattr(__future__, alias.name, None)
                flags |= 0 if feature is None else feature.compiler_flag
    return flags


def _results(task: FunctionTask, outputs: Sequence[str]) -> dict[str, Task]:
    """Return the task of each name: the task itself, or one that takes the name from what it returns."""
    if len(outputs) == 1:
        return {outputs[0]: task}
    results = {}
    for name in outputs:
        results[name] = task[name]
        results[name].auto_generated = True  # drawn small: it only hands a value on
    return results


def _enter_blocks_of(inputs: Iterable[Task], inside: ExitStack) -> None:
    """Enter the block whose resource is among the inputs, the innermost if there are several."""
    blocks = [block for task in inputs if isinstance(block := getattr(task, "block", None), Block)]
    if blocks:
        innermost = max(blocks, key=lambda block: block.depth)
        inside.enter_context(innermost)


def _name_of(found: Roles) -> str:
    names = found.outputs[:_NAMES_IN_A_NAME]
    if not names:
        return f"show_{found.inputs[0]}" if found.inputs else "show"
    more = len(found.outputs) - len(names)
    return "_".join(names) + (f"_and_{more}_more" if more else "")
