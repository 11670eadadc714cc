"""The text of a program: tasks, their inputs, and the cells that define them."""

from __future__ import annotations

from dataclasses import dataclass, field

SOURCE = "source"  # the file that no task writes
PRELUDE = (
    "from datetime import timedelta",
    "from nbflow import Flow, Parameter, context, resource_manager, signals, task",
)
RESOURCE = """\
@resource_manager
class Resource:
    def setup(self):
        return []
    def cleanup(self, resource):
        resource.clear()"""


@dataclass(frozen=True, kw_only=True)
class Input:
    """One argument of a task.

    Attributes:
        arg: Its name.
        kind: The kind of value.
        source: The task or parameter that it comes from; empty for a constant.
        constant: The text of a constant.
        path: What leads from the argument to the value of that kind, such as ``[0]``.
        may_change: Whether some version of the task may change it in place; everything else is ordered by that.
    """

    arg: str
    kind: str
    source: str = ""
    constant: str = ""
    path: str = ""
    may_change: bool = False


@dataclass(frozen=True, kw_only=True)
class TaskText:
    """A task.

    Attributes:
        name: Of its function; `v_name` is the task in the flow.
        inputs: Its arguments.
        after: Tasks that come before it, although it takes nothing from them.
        kind: The kind of value that it returns.
        form: How it comes by that: ``make``, ``same``, ``copy``, ``read`` or ``hold``.
        feature: What is special about it: ``retry``, ``loop``, ``loop result``, ``cached``, ``mapped`` or nothing.
        touches: Global state that it draws on or changes.
        files: The files that it reads or writes.
        written: Those of them that it writes.
        body: The lines of its function.
    """

    name: str
    inputs: tuple[Input, ...] = ()
    after: tuple[str, ...] = ()
    kind: str = "atoms"
    form: str = "make"
    feature: str = ""
    touches: str = ""
    files: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    body: tuple[str, ...] = ()

    @property
    def options(self) -> str:
        match self.feature:
            case "retry":
                return "(max_retries=1, retry_delay=timedelta(0))"
            case "cached":
                return "(cache_for=timedelta(hours=1))"
        return ""

    def cell(self, body: tuple[str, ...] | None = None) -> str:
        """Return the cell that defines the function, with this body or its own."""
        lines = [line for text in (self.body if body is None else body) for line in text.split("\n")]
        arguments = ", ".join(one.arg for one in self.inputs)
        head = [f"@task{self.options}", f"def {self.name}({arguments}):"]
        return "\n".join([*head, *(f"    {line}" for line in lines)])

    def call(self) -> str:
        """Return the line that puts it into the flow."""
        given = [f"v_{one.source}" if one.source else one.constant for one in self.inputs]
        if self.after:
            given.append(f"upstream_tasks=[{', '.join(f'v_{name}' for name in self.after)}]")
        dot_map = ".map" if self.feature == "mapped" else ""
        return f"v_{self.name} = {self.name}{dot_map}({', '.join(given)})"


@dataclass(frozen=True, kw_only=True)
class Program:
    """A flow as its user writes it.

    Attributes:
        tasks: In the order of declaration, which is an order in which they can run.
        parameters: The text of each parameter's default.
        prelude: Imports and definitions.
        block: The tasks inside the block of a resource, which stand one after the other.
        ordered: Whether all that share a value which one of them changes are ordered.
        kinds: The kinds of values that it deals with.
    """

    tasks: tuple[TaskText, ...]
    parameters: dict[str, str] = field(default_factory=dict)
    prelude: tuple[str, ...] = ()
    block: frozenset[str] = frozenset()
    ordered: bool = True
    kinds: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> TaskText:
        return next(task for task in self.tasks if task.name == name)

    def cells(self) -> dict[str, str]:
        """Return the cells by name: the prelude, one for each task, the flow."""
        lines = [f'v_{name} = Parameter("{name}", default={text})' for name, text in self.parameters.items()]
        inside = False
        for task in self.tasks:
            if task.name in self.block and not inside:
                lines.append("with Resource():")
            inside = task.name in self.block
            lines.append("    " * inside + task.call())
        body = "\n".join(f"    {line}" for line in lines)
        return {
            "prelude": "\n".join([*PRELUDE, *self.prelude]),
            **{task.name: task.cell() for task in self.tasks},
            "flow": f'with Flow("program") as flow:\n{body}',
        }

    def upstream(self, name: str) -> set[str]:
        """Return the tasks directly before one."""
        task = self[name]
        return {one.source for one in task.inputs if one.source and one.source not in self.parameters} | set(task.after)

    def below(self, names: set[str]) -> set[str]:
        """Return the tasks with what is downstream of them, and with what a new resource of the block makes new."""
        found = set(names)
        for _ in range(2):
            for task in self.tasks:
                if self.upstream(task.name) & found:
                    found.add(task.name)
            if found & self.block:
                found |= self.block
        return found

    def takers(self, name: str) -> list[str]:
        """Return the tasks that take the value of a task or parameter."""
        return [task.name for task in self.tasks if any(one.source == name for one in task.inputs)]
