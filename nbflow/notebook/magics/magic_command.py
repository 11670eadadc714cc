"""One command of `%flow`: the words and options it takes, from which parser, completion and help are made."""

from __future__ import annotations

import inspect
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser
from IPython.display import display

from nbflow.engine.given_parameters import GivenParameters
from nbflow.notebook.magics.magic_arguments import TASK, Option, parameters, parse, split
from nbflow.notebook.shell.lookup import find_task, newest_run, unfinished_run
from nbflow.notebook.shell.notify_command import notify

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator, Mapping

    from nbflow.core.task import Task
    from nbflow.engine.run import Run
    from nbflow.flow import Flow


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One use of the magic: the words and options as given, the user's names, and the flow it is about.

    Attributes:
        command: The command.
        words: What stands behind it and is no option, without the flow's name.
        options: The options, each under the name that its `Option` stores it by.
        namespace: The names of the notebook.
        of: The flow; None for a command that is about none.
    """

    command: Command
    words: tuple[str, ...]
    options: Namespace
    namespace: Mapping[str, object]
    of: Flow | None = None

    @property
    def flow(self) -> Flow:
        """The flow that the line names, or the only one."""
        assert self.of is not None, f"{self.magic} is about no flow"
        return self.of

    @property
    def magic(self) -> str:
        """The beginning of the line, which errors name."""
        return self.command.magic

    def word(self, number: int = 0) -> str | None:
        """Return a word behind the flow's name, None if there are not so many."""
        return self.words[number] if number < len(self.words) else None

    def newest_run(self, remedy: str) -> Run:
        """Return the newest run of the flow.

        Raises:
            UsageError: If there is none; `remedy` is what the message ends with.
        """
        run = newest_run(self.flow)
        if run is None:
            raise UsageError(f"{self.magic}: flow {self.flow.name!r} has not run yet{remedy}")
        return run

    @contextmanager
    def announcing(self, words: Callable[[Run], str]) -> Iterator[None]:
        """Say something about the run that begins in this `with`."""
        # Before its first task can print, or this text would fall into a line of theirs.
        silence = self.flow._on_start(lambda run: say(words(run)))
        try:
            yield
        finally:
            silence()

    @contextmanager
    def notifying(self) -> Iterator[None]:
        """Have the command of `--notify` run when the run that begins in this `with` is over.

        Raises:
            UsageError: If the command is empty.
        """
        asked: str | None = self.options.notify
        if asked is None:
            yield
            return
        if not asked.strip():
            raise UsageError(f"{self.magic}: --notify needs a command: --notify 'mail -s $NBFLOW_STATE me < log.txt'")
        silence = self.flow._on_start(lambda run: run.on_end(lambda run: notify(asked, run)))
        try:
            yield
        finally:
            silence()

    def start_options(self) -> dict[str, Any]:
        """Return the keyword arguments of `flow.run` and `flow.start`."""
        given = {"parameters": GivenParameters(parameters(self.options.parameters, self.magic))}
        options = vars(self.options)
        asked = {
            "executor": options.get("executor"),
            "flow_run_name": options.get("run_name"),
            "run_tags": options.get("tags") or None,
            "run_note": options.get("note"),
        }
        return given | {name: value for name, value in asked.items() if value is not None}

    def flag_for_beginning(self) -> str:
        """Return an option that the line has and that only a run that begins can heed; empty if there is none."""
        given = {"run_name": "--name", "tags": "--tag", "note": "--note", "store": "--store"}
        return next((flag for name, flag in given.items() if getattr(self.options, name, None)), "")

    def take_store(self) -> None:
        """Give the flow the store that the line names, for this run and later ones; it stays if it is the same.

        Raises:
            UsageError: If that can be no folder.
        """
        text: str | None = getattr(self.options, "store", None)
        if text is None:
            return
        folder = Path(os.path.abspath(Path(text).expanduser()))
        if not text.strip() or (os.path.lexists(folder) and not folder.is_dir()):
            raise UsageError(f"{self.magic}: --store {text!r} is no folder; name one, it is made if it is missing")
        above = next(path for path in (folder, *folder.parents) if path.exists())
        if not os.access(above, os.W_OK | os.X_OK):
            raise UsageError(f"{self.magic}: --store {text!r} cannot be written to: no rights for {str(above)!r}")
        if folder != self.flow.store:
            self.flow.store = folder
            self.flow._store_goes_on = True

    @property
    def task_text(self) -> str | None:
        """The task as the line names it: by `--task`, or by the word behind the flow's name."""
        named: str | None = getattr(self.options, "task", None)
        return named or self.word()

    def task(self) -> Task:
        """Return the task that the line names.

        Raises:
            UsageError: If it names none, or none of this flow.
        """
        text = self.task_text
        if text is None:
            raise UsageError(f"{self.magic}: which task? add --task NAME")
        run = unfinished_run(self.flow)  # a new one would be of the flow as it is now
        slugs = self.flow.slugs if run is None else run.graph.slugs
        return find_task(self.flow.name, slugs, text, self.namespace, self.magic)


@dataclass(frozen=True)
class Command:
    """A command of `%flow`.

    Attributes:
        name: The word for it.
        act: What carries it out; its docstring is the help.
        words: What may follow the flow's name, as help shows it: `TASK`, `[TASK]`, `[CELL...]`.
        options: The options it takes; any other is refused.
        of_flow: The first word is the name of a flow, which may be left out when there is only one.
        goes_on: A run that is paused goes on, so values that were lent for looking go back first.
    """

    name: str
    act: Callable[[Call], None]
    words: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    of_flow: bool = True
    goes_on: bool = False

    @property
    def magic(self) -> str:
        """The command as it is typed."""
        return f"%flow {self.name}"

    @property
    def takes_run(self) -> bool:
        """True if the words behind the flow's name are runs."""
        return bool(self.words) and self.words[0] == "[RUN]"

    @property
    def usage(self) -> str:
        """The whole line, as help and errors show it."""
        flow = ("[NAME]",) if self.of_flow else ()
        return " ".join([self.magic, *flow, *self.words, *(f"[{one.usage}]" for one in self.options)])

    @property
    def text(self) -> str:
        """The help in a few lines: the docstring of what carries it out."""
        return inspect.getdoc(self.act) or ""

    @property
    def summary(self) -> str:
        """The help in one line, without the full stop."""
        return self.text.partition("\n")[0].rstrip(".")

    @property
    def most_words(self) -> int | None:
        """The number of words that may follow the flow's name; None if any number."""
        return None if any("..." in word for word in self.words) else len(self.words)

    @property
    def takes_task(self) -> bool:
        """True if the first word behind the flow's name is a task."""
        return bool(self.words) and re.search(r"\bTASK\b", self.words[0]) is not None

    @cached_property
    def parser(self) -> MagicArgumentParser:
        """The parser of the options; words are what it does not know."""
        parser = MagicArgumentParser(self.magic)
        parser.allow_abbrev = False
        for option in self.options:
            option.add_to(parser)
        return parser

    def read(self, line: str) -> tuple[list[str], Namespace]:
        """Parse what stands behind the command.

        Returns:
            The words, the name of a flow included, and the options.

        Raises:
            UsageError: If an option is unknown, lacks its value, or there are too many words.
        """
        options, words = parse(self.parser, split(line, self.magic), self.magic, with_words=True)
        most = self.most_words
        if most is not None and len(words) > most + self.of_flow:
            extra = " ".join(words[most + self.of_flow :])
            raise UsageError(f"{self.magic}: unrecognized arguments: {extra}; write {self.usage}")
        return words, options


def command(
    name: str, *words: str, options: tuple[Option, ...] = (), of_flow: bool = True, goes_on: bool = False
) -> Callable[[Callable[[Call], None]], Command]:
    """Make a function a command of `%flow`; see `Command` for the arguments.

    Example:
        >>> @command("greet", "[TASK]")
        ... def greet(call):
        ...     '''Greet a task.'''
        >>> greet.usage
        '%flow greet [NAME] [TASK] [--task TASK]'
    """

    def make(act: Callable[[Call], None]) -> Command:
        found = Command(name, act, words, options, of_flow, goes_on)
        return replace(found, options=(*options, TASK)) if found.takes_task else found

    return make


def say(text: str) -> None:
    """Display one text, as it is."""
    display({"text/plain": text}, raw=True)
