"""Sees which files a task opens: Python tells its audit hook, on the thread that opens them.

The hook is installed when the first run of the process begins, and stays, since Python knows no way to remove one. It
is called for each audited event of the process, so it looks at the name of the event and at the call that the thread
is busy with, and is done with what is none of a task's. While a task runs it notes names only; what became of the
files is looked up when the attempt has ended, still on its thread: see `settle`.

What extensions open by themselves, as databases and array stores written in C do, is not seen, nor is what other
processes open. A thread that a task has started counts as the task's as long as that runs.
"""

from __future__ import annotations

import functools
import os
import site
import stat
import sys
import sysconfig
import threading
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from nbflow.core.context import thread, work_of
from nbflow.engine.files import GONE, Budget, TaskFiles, look_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.attempt import Call

READ, WRITE, APPEND, UPDATE, REMOVE, MOVE = "read", "write", "append", "update", "remove", "move"
Found = tuple[int, int] | None  # size and time of a file; None where there was none
Opened = dict[tuple[str, str, str], Found]
"""What was done to which file (and to which other), in order, and what was found there."""

_NO_FILE: Final = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_PATH", 0)
_helpers: weakref.WeakKeyDictionary[threading.Thread, weakref.ref[Call]] = weakref.WeakKeyDictionary()
_installing = threading.Lock()
_is_installed = False


def watch() -> None:
    """See from now on which files tasks open; once per process."""
    global _is_installed
    with _installing:
        if not _is_installed:
            _is_installed = True
            sys.addaudithook(_hook)


def ignore(folder: str | os.PathLike[str]) -> None:
    """Let no file in a folder count: it is nbflow's own."""
    global _left_out
    prefix = _prefix(os.fspath(folder))
    if prefix not in _left_out:
        _left_out = (*_left_out, prefix)


def settle(call: Call) -> None:
    """Note in `call.files` what has become of the files that it opened, now that it has ended; never raises."""
    opened = call.opened
    if opened is None:
        return
    try:
        outer = _call_of(call.values(call.node, call.task))  # a task may run a flow, whose files are its own as well
        if outer is not None and not outer.is_over:
            known: Opened = vars(outer).setdefault("opened", {})
            for key, found in list(opened.items()):
                known.setdefault(key, found)
        call.files = _Sorter(opened).files()
    except BaseException:  # noqa: BLE001 - the call is over: nothing that comes now may undo its outcome
        pass
    call.opened = None


class _Sorter:
    """Tells from what was done to which file, in order, what an attempt read and what it wrote.

    Attributes:
        read: What it read before it had written it.
        written: What it wrote, and whether there was no such file before.
        made: What it wrote whose former content was of no account.
        before: Size and time of what it may have changed in place.
    """

    def __init__(self, opened: Opened) -> None:
        self.read: dict[str, None] = {}
        self.written: dict[str, bool] = {}
        self.made: set[str] = set()
        self.before: dict[str, Found] = {}
        for (kind, path, other), found in list(opened.items()):
            if kind == READ:
                if path not in self.written:
                    self.read.setdefault(path)
            elif kind == MOVE:
                self._move(path, other, found)
            else:
                self._write(kind, path, found)

    def _write(self, kind: str, path: str, found: Found) -> None:
        is_new = path not in self.written
        self.written.setdefault(path, found is None)
        if kind == WRITE or (kind == UPDATE and is_new and found is None):
            self.made.add(path)
        elif kind == UPDATE and is_new:
            self.read.setdefault(path)
            self.before.setdefault(path, found)

    def _move(self, path: str, other: str, found: Found) -> None:
        """A file or folder gets another name: what the task wrote there it has written here."""
        inside = path + os.sep
        for old in [*self.written]:
            if old == path or old.startswith(inside):
                new = other + old[len(path) :]
                self.written.setdefault(new, self.written[old])
                self.made.add(new)
        if path not in self.written and found is not None:
            self.read.setdefault(path)
            self.written[path] = False
            self.written.setdefault(other, False)
            self.made.add(other)

    def files(self) -> TaskFiles | None:
        """Return what became of the files; None if there are none that count."""
        budget = Budget()
        states = {path: look_at(path, budget) for path in {**self.read, **self.written}}
        inputs = {path: state for path in self.read if (state := states[path]) is not None}
        outputs = {}
        for path, was_missing in self.written.items():
            state = states[path]
            if state is None or (state is GONE and was_missing):  # it was there for a time only
                continue
            if path not in self.before or path in self.made or self._has_changed(path):
                outputs[path] = state
        if not (inputs or outputs):
            return None
        return TaskFiles(inputs, outputs, frozenset(self.made & outputs.keys() - inputs.keys()))

    def _has_changed(self, path: str) -> bool:
        try:
            found = os.stat(path)
        except OSError:
            return True
        return self.before[path] != (found.st_size, found.st_mtime_ns)


# -- the hook -------------------------------------------------------------------------------------------------


def _hook(event: str, args: tuple[Any, ...]) -> None:
    note = _NOTES.get(event)
    if note is None:
        return
    held: Any = thread.held
    call: Any = _call_of(held) if held else work_of.get() or (_of_helper() if _helpers else None)
    if call is None or call.is_over or call.kept is not None or call.shielded or call.task.files is False:
        return
    with suppress(Exception):  # an error here would be one of whoever opens the file
        note(call, *args)


def _call_of(held: Any) -> Call | None:
    """Return the call that a thread is busy with."""
    if type(held) is not dict:
        found: Call = held
        return found
    return getattr(held.get("_cancel_flag"), "__self__", None)  # its task has asked for the context


def _of_helper() -> Call | None:
    """Return the call whose task has started this thread."""
    # Not `current_thread()`, which makes an object for each thread that it does not know.
    known = getattr(threading, "_active", {}).get(threading.get_ident())
    ref = None if known is None else _helpers.get(known)
    return None if ref is None else ref()


def _note_open(call: Call, path: Any, mode: Any, flags: int) -> None:
    if isinstance(path, int) or flags & _NO_FILE or _is_of_interpreter(2):
        return
    how = flags & (os.O_WRONLY | os.O_RDWR)
    if not how:
        kind = READ
    elif flags & (os.O_TRUNC | os.O_EXCL):
        kind = WRITE
    else:
        kind = APPEND if flags & os.O_APPEND and how == os.O_WRONLY else UPDATE
    _note(call, kind, path)


def _note_database(call: Call, path: Any, *_: object) -> None:
    name = os.fsdecode(path)
    if name.startswith("file:"):
        from urllib.parse import unquote, urlsplit

        found = urlsplit(name)
        if "mode=memory" in found.query:
            return
        name = unquote(found.path)
    if name and name != ":memory:":
        _note(call, UPDATE, name)


def _note_removal(call: Call, path: Any, dir_fd: int = -1) -> None:
    if dir_fd == -1:
        _note(call, REMOVE, path)


def _note_move(call: Call, path: Any, other: Any, from_fd: int = -1, to_fd: int = -1) -> None:
    if from_fd == to_fd == -1:
        _note(call, MOVE, path, os.path.abspath(os.fsdecode(other)))


def _note_thread(call: Call, function: Any, *_: object) -> None:
    started = getattr(function, "__self__", None)
    if isinstance(started, threading.Thread):
        _helpers[started] = weakref.ref(call)


_NOTES: dict[str, Callable[..., None]] = {
    "open": _note_open,
    "sqlite3.connect": _note_database,
    "os.remove": _note_removal,
    "os.rename": _note_move,
    "os.truncate": lambda call, path, *_: None if isinstance(path, int) else _note(call, UPDATE, path),
    "_thread.start_new_thread": _note_thread,
    "_thread.start_joinable_thread": _note_thread,
}


def _note(call: Call, kind: str, path: Any, other: str = "") -> None:
    name = os.path.abspath(os.fsdecode(path))
    if (
        name.startswith(_left_out + _home(os.environ.get("NBFLOW_HOME")))
        or name.endswith(".pyc")
        or _CACHES in name
        or _PACKAGES in name
    ):
        return
    opened: Opened = vars(call).setdefault("opened", {})
    if (kind, name, other) in opened:
        return
    try:
        found = os.stat(name)
    except OSError:
        opened[kind, name, other] = None
        return
    if stat.S_ISREG(found.st_mode):
        opened[kind, name, other] = (found.st_size, found.st_mtime_ns)
    elif kind == MOVE:  # of a folder
        opened[kind, name, other] = None


# -- what does not count --------------------------------------------------------------------------------------


def _is_of_interpreter(depth: int) -> bool:
    """Tell whether the interpreter opens the file to import it, or to show a line of it."""
    name = sys._getframe(depth + 1).f_code.co_filename
    return name.startswith(_IMPORTERS) or name in _OF_INTERPRETER


@functools.lru_cache(maxsize=16)
def _home(given: str | None) -> tuple[str, ...]:
    """Return where nbflow keeps its own files."""
    if given:
        return _prefix(given), _prefix(os.path.realpath(os.path.expanduser(given)))
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return tuple(_prefix(os.path.join(folder, "nbflow")) for folder in (data, "~/Library/Application Support"))


def _prefix(folder: str) -> str:
    return os.path.join(os.path.abspath(os.path.expanduser(folder)), "")


def _folders_left_out() -> tuple[str, ...]:
    home, package = os.path.expanduser("~"), os.path.dirname(os.path.dirname(__file__))
    paths = sysconfig.get_paths()
    found = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib", "scripts", "include")]
    found += [package, *site.getsitepackages(), site.getusersitepackages()]
    for prefix in {sys.prefix, sys.base_prefix, sys.exec_prefix}:
        parts = ("lib", "lib64", "bin", "include", "share", "etc", "Lib", "DLLs", "Scripts", "Library")
        found += [os.path.join(prefix, part) for part in parts]
    if os.name == "posix":
        found += ["/dev", "/proc", "/sys", "/etc", "/usr/share", "/usr/lib", "/usr/local/lib", "/System"]
    for variable, usual in (("XDG_CACHE_HOME", ".cache"), ("XDG_CONFIG_HOME", ".config")):
        found.append(os.environ.get(variable) or os.path.join(home, usual))
    for variable, usual in (("IPYTHONDIR", ".ipython"), ("JUPYTER_CONFIG_DIR", ".jupyter")):
        found.append(os.environ.get(variable) or os.path.join(home, usual))
    found += [os.environ.get("MPLCONFIGDIR", ""), os.path.join(home, ".matplotlib"), os.path.join(home, ".aws")]
    return tuple({_prefix(folder): None for folder in found if folder})


_OF_INTERPRETER = frozenset(
    os.path.join(sysconfig.get_path("stdlib"), name) for name in ("linecache.py", "tokenize.py", "inspect.py")
)
_IMPORTERS = ("<frozen importlib", "<frozen zipimport", "<frozen runpy")
_CACHES = f"{os.sep}__pycache__{os.sep}"
_PACKAGES = f"{os.sep}site-packages{os.sep}"
_left_out = _folders_left_out()
