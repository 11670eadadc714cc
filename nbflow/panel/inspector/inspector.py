"""The inspector's side in the kernel: it tells what is known of the selected task, and does what its buttons ask for.

Nothing here is done on the run's thread, and nothing that may take long on the thread that brings the messages.
"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any, ClassVar

from nbflow.errors import NbflowError
from nbflow.panel.background import Background
from nbflow.panel.inspector.actions import perform
from nbflow.panel.inspector.detail import Detail
from nbflow.panel.inspector.log_tail import LogTail
from nbflow.panel.inspector.neighbours import Neighbours, Target
from nbflow.panel.inspector.safe_eval import SafeEvaluator
from nbflow.panel.part import RUN, Json, Part
from nbflow.panel.sanitize import plain, words_of
from nbflow.panel.throttle import Throttle
from nbflow.render.build import foldable

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from nbflow.engine.run import Run
    from nbflow.panel.widget import Panel

INTERVAL_S = 0.2
_MOMENT_S = 0.15  # so long is waited for answers before what is there is told
_PROBLEM_LIMIT = 2_000
_NEWS = "news"


class Inspector(Part):
    """The facts of the selected task, told to the inspector, and the doing of its buttons."""

    handles: ClassVar[Mapping[str, str]] = {"select": "select", "act": "act"}

    def __init__(self, panel: Panel) -> None:
        super().__init__(panel)
        self._lock = threading.Lock()  # around the selection, never held while users' code is called
        self._key = ""
        self._index: int | None = None
        self._turn = object()  # another one with each selection and each run: what was begun before does not count
        self._detail: Detail | None = None
        self._tail: LogTail | None = None
        self._watched: frozenset[Any] = frozenset()
        self._sent: Json = {}
        self._is_whole = False
        # Through a weak reference: neither a timer nor a repr that hangs keeps a panel alive that nobody shows.
        weak = weakref.ref(self)
        self._news = Throttle(lambda keys: _tell(weak(), keys), interval_s=INTERVAL_S)
        self._evaluator = SafeEvaluator(lambda: _mark(weak()))
        self._background = Background(panel.guarded, "act")

    # -- messages of the script ---------------------------------------------------------------------------------

    def select(self, message: Json) -> None:
        """Tell all about another task from now on; of nothing with an empty key."""
        key, index = self.panel.selected
        # To the other views of the panel, before anything that is told of it.
        self.panel.tell("selected", key=key, index=index, by=str(message.get("by", "")))
        self._choose(key, index)

    def act(self, message: Json) -> None:
        """Do what a button asks for, on a thread of its own: the run may take its time to answer."""
        run = self.panel.run
        self._background.ask(lambda _: self._act(run, message))

    def _act(self, run: Run | None, message: Json) -> None:
        problem = ""
        try:
            target = self._target(run, message.get("key"), message.get("index"))
            number = None if run is None else run.number
            if target is None or target.what != "task" or number != message.get("number"):
                problem = "the run is another one by now; look again"
            else:
                perform(self.panel, run, target.task, target.index, message)
        except NbflowError as error:
            problem = plain(str(error), _PROBLEM_LIMIT)
        except BaseException as error:  # noqa: BLE001 - users' expressions, too; it is shown beside the button
            problem = words_of(error, _PROBLEM_LIMIT)
        fields = {name: message.get(name) for name in ("key", "index", "act")}
        self.panel.tell("acted", **fields, problem=problem)
        self.panel.cell_ended()

    # -- the run ------------------------------------------------------------------------------------------------

    def followed(self, run: Run | None) -> None:
        """Tell of the same task in another run."""
        self._choose(self._key, self._index)

    def changed(self, run: Run, keys: tuple[object, ...]) -> None:
        """Tell of the selected task again if it, or what is around it, has changed."""
        watched = self._watched
        if watched and (RUN in keys or not watched.isdisjoint(keys)):
            self._news.mark(_NEWS)

    def ended(self, run: Run) -> None:
        """Tell how it ended."""
        self.look_again()

    def look_again(self) -> None:
        """Tell what is otherwise by now, such as a breakpoint that was set elsewhere."""
        if self._key:
            self._news.mark(_NEWS)

    def close(self) -> None:
        """Keep nothing."""
        self._choose("", None)
        self._news.close()
        self._background.drop()
        self._evaluator.forget()  # once more: what was being told just now has asked

    # -- telling ------------------------------------------------------------------------------------------------

    def _choose(self, key: str, index: int | None) -> None:
        with self._lock:
            self._key, self._index, self._turn = key, index, object()
            self._detail, self._tail, self._watched = None, None, frozenset()
            self._sent, self._is_whole = {}, False
        self._evaluator.forget()
        if key:
            self._news.mark(_NEWS)

    def _target(self, run: Run | None, key: Any, index: Any, neighbours: Neighbours | None = None) -> Target | None:
        if not isinstance(key, str):
            return None
        graph = self.panel.flow if run is None else run.graph
        neighbours = neighbours or Neighbours(graph)
        task = neighbours.tasks.get(key)
        if task is not None:
            return Target(what="task", tasks=(task,), index=index if type(index) is int else None)
        if key.startswith("block--"):
            block = neighbours.block_named(key)
            return None if block is None else Target(what="block", tasks=tuple(block.tasks), block=block)
        if key.startswith("group--"):
            tasks = foldable(graph).groups.get(key)
            return None if not tasks else Target(what="group", tasks=tuple(tasks))
        return None

    def _begin(self, turn: object, key: str, index: int | None) -> Detail | None:
        run = self.panel.run
        neighbours = Neighbours(self.panel.flow if run is None else run.graph)
        target = self._target(run, key, index, neighbours)
        if target is None:
            return None
        detail = Detail(self.panel.flow, neighbours, run, target, self._evaluator)
        with self._lock:
            if turn is not self._turn:
                return None
            self._detail, self._watched = detail, detail.watched()
            if run is not None and target.what == "task":
                self._tail = LogTail(run, target.task, target.index)
        return detail

    def tell_news(self) -> None:
        """Tell what has changed of the selected task since the last time; the first time everything."""
        with self._lock:
            turn, key, index, detail = self._turn, self._key, self._index, self._detail
        if not key:
            return
        detail = detail or self._begin(turn, key, index)
        if detail is None:
            self._send(turn, key, index, {"head": None})
            return
        sections = detail.sections()
        # What is asked of a value may lead to more questions: of the inputs, each one's repr.
        for _ in range(2):
            if not self._evaluator.settle(_MOMENT_S):
                break
            sections = detail.sections()
        self._send(turn, key, index, sections)
        if detail.is_going():
            self._news.mark(_NEWS)  # what it prints is no event

    def _send(self, turn: object, key: str, index: int | None, sections: Json) -> None:
        with self._lock:
            if turn is not self._turn:
                return  # another one was selected, or another run is shown
            whole, self._is_whole = not self._is_whole, True
            changed = {name: section for name, section in sections.items() if whole or section != self._sent.get(name)}
            self._sent |= changed
            news = None if self._tail is None else self._tail.news()
        if changed:
            self.panel.tell("detail", key=key, index=index, whole=whole, sections=changed)
        if news is not None:
            self.panel.tell("log", key=key, index=index, **news)


def _tell(inspector: Inspector | None, keys: tuple[Hashable, ...]) -> None:
    if inspector is not None:
        inspector.panel.guarded(inspector.tell_news)


def _mark(inspector: Inspector | None) -> None:
    if inspector is not None:
        inspector._news.mark(_NEWS)
