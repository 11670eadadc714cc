"""What a round of the campaign works with: managers of real folders and processes, and tasks that use them.

Its text is executed as a cell, so that the classes travel to the reaper by value, and it is put next to the kernel as
the module `campaign_workload`, so that they travel by their name. Every step is a line of a log outside: what is left
can be told by the tokens in it. It needs nothing of the tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import uuid
from datetime import timedelta

import psutil

from nbflow import Flow, context, resource_manager, task
from tests.patience import PATIENCE_S

TOKEN = "NBFLOW_CAMPAIGN_TOKEN"
ROUND = "NBFLOW_CAMPAIGN_ROUND"  # the settings of this round: where the log is, at which line of it to hold
TWICE = {"max_retries": 1, "retry_delay": timedelta(seconds=0.05)}


def settings():
    return json.loads(os.environ[ROUND])


def note(log, word, token, more=""):
    """Append one line that a dying process can no longer lose."""
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, f"{time.time():.4f} {os.getpid()} {word} {token} {more}".rstrip().encode() + b"\n")
        os.fsync(file)
    finally:
        os.close(file)


def say(word, token="-", more=""):
    """Note a step; stay there for a moment if the round wants to be ended at just this one."""
    now = settings()
    note(now["log"], word, token, more)
    if now["hold_s"]:
        with open(now["log"], "rb") as file:
            if word == now["word"] or sum(1 for _ in file) == now["line"]:
                pause(now["hold_s"])


def pause(seconds):
    """Sleep so that an exception from elsewhere can get in."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, 0.01))


def processes_of(token):
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(TOKEN) == token:
                yield process


def kill_child(process):
    """Kill it, and wait until it is dead; that it is gone is its parent's part, which may be busy, or never wait."""
    with contextlib.suppress(psutil.Error):
        process.kill()
        until = time.monotonic() + PATIENCE_S / 2  # less than a reclaim may take
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < until:
            time.sleep(0.002)


def remove(where):
    """Remove what a handle finds, from any process, as often as one likes; tell whether there was anything."""
    found = False
    if "path" in where:
        found = os.path.exists(where["path"])
        shutil.rmtree(where["path"], ignore_errors=True)
    if "pid" in where:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(where["pid"])
            if where.get("since") in (None, process.create_time()):  # None: our own child, a moment old
                found = process.status() != psutil.STATUS_ZOMBIE
                kill_child(process)
    if "environ" in where:
        for process in processes_of(where["environ"]):
            found = True
            kill_child(process)
    return found


def undo(where, token):
    remove(where)
    say("undone", token)


class Managed:
    """The life of a resource, with a line for every step; the subclasses say what it is."""

    def __init__(self, setup_s=0.0, cleanup_s=0.0, flaky=False):
        self.token = f"{type(self).__name__}-{uuid.uuid4().hex}"
        self.setup_s = setup_s
        self.cleanup_s = cleanup_s
        self.failures = int(flaky)
        say("init", self.token)

    def setup(self):
        say("setting-up", self.token)
        self.defer(undo, self.where(), self.token)  # first: an interrupt may come between two lines
        say("making", self.token)
        resource = self.make()
        pause(self.setup_s)
        say("set-up", self.token)
        return resource

    def cleanup(self, resource):
        say("cleaning", self.token)
        if self.failures:
            self.failures -= 1
            raise OSError("not yet")
        pause(self.cleanup_s / 2)
        remove(self.where())
        pause(self.cleanup_s / 2)
        say("cleaned", self.token)

    def where(self):
        raise NotImplementedError

    def make(self):
        raise NotImplementedError


class Reclaimable(Managed):
    """One that can be found from another process as soon as it is set up."""

    def handle(self, resource):
        say("handle", self.token)
        return self.told()

    def told(self):
        return {**self.where(), "log": settings()["log"], "token": self.token}

    @staticmethod
    def reclaim(handle):
        note(handle["log"], "reclaiming", handle["token"])
        found = remove(handle)
        note(handle["log"], "reclaimed", handle["token"], "it" if found else "nothing")


class Announced(Reclaimable):
    """One that can be found even if the kernel dies in the middle of its setup."""

    def early_handle(self):
        say("early", self.token)
        return self.told()


class Folder:
    def where(self):
        return {"path": os.path.join(settings()["rooms"], self.token)}

    def make(self):
        path = self.where()["path"]
        os.mkdir(path)
        for name in "abc":
            with open(os.path.join(path, name), "w") as file:
                file.write(self.token)
        return path


class Child:
    own_session = True

    def where(self):
        return {"environ": self.token}

    def make(self):
        environ = {**os.environ, TOKEN: self.token}
        self.child = subprocess.Popen(["sleep", "1000"], start_new_session=self.own_session, env=environ)
        return self.child.pid  # which a task in another process can be given

    def cleanup(self, pid):
        super().cleanup(pid)
        self.child.wait()


@resource_manager(cleanup_task_kwargs=TWICE)
class Scratch(Folder, Announced):
    """A folder, announced."""


@resource_manager
class Late(Folder, Reclaimable):
    """A folder that only its handle finds."""


@resource_manager(cleanup_task_kwargs=TWICE)
class Bare(Folder, Managed):
    """A folder that nobody else can find."""


@resource_manager
class Slow(Folder, Announced):
    """A folder whose cleanup takes longer than a kernel may take to end."""


@resource_manager
class Server(Child, Announced):
    """A process in a session of its own."""


@resource_manager
class Insider(Child, Announced):
    """A process in the kernel's own group, which gets the kernel's signals too."""

    own_session = False


@resource_manager
class Stranger(Child, Managed):
    """A process in a session of its own that nobody else can find."""


@resource_manager
class Fork(Reclaimable):
    """A forked child, which holds every file that the kernel has open, the reaper's pipe among them."""

    def __init__(self, setup_s=0.0, cleanup_s=0.0, flaky=False):
        super().__init__(0.0, cleanup_s)
        self.child = {}

    def where(self):
        return dict(self.child)

    def take_back(self):
        undo(self.where(), self.token)

    def setup(self):
        say("setting-up", self.token)
        self.defer(self.take_back)
        say("making", self.token)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            pid = self.child["pid"] = os.fork()
            if not pid:
                try:
                    os.setsid()
                    time.sleep(1000)
                finally:
                    os._exit(0)
            self.child["since"] = psutil.Process(pid).create_time()
            say("set-up", self.token, str(pid))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return pid


class Undeferred:
    """One whose setup trusts in its early handle: it undoes nothing by itself."""

    def setup(self):
        say("setting-up", self.token)
        say("making", self.token)
        resource = self.make()
        pause(self.setup_s)
        say("set-up", self.token)
        return resource


@resource_manager
class Hasty(Undeferred, Folder, Announced):
    """A folder whose setup is cut without having said how to undo it."""


@resource_manager
class Broken(Undeferred, Folder, Announced):
    """A folder whose setup raises when it is half made, as often as it is tried."""

    def setup(self):
        super().setup()
        say("raised", self.token)
        raise OSError("no more room")


@resource_manager
class Deaf(Undeferred, Folder, Announced):
    """A folder whose setup sits in compiled code, where nothing from outside can get in."""

    def make(self):
        path = super().make()
        time.sleep(self.setup_s * 5)
        return path


@resource_manager
class Aired(Folder, Announced):
    """A folder that is made and unmade on the run's event loop."""

    async def setup(self):
        say("setting-up", self.token)
        self.defer(undo, self.where(), self.token)
        say("making", self.token)
        resource = self.make()
        await asyncio.sleep(self.setup_s)
        say("set-up", self.token)
        return resource

    async def cleanup(self, resource):
        say("cleaning", self.token)
        await asyncio.sleep(self.cleanup_s)
        remove(self.where())
        say("cleaned", self.token)


@resource_manager
async def drifting():
    """A folder kept by an asynchronous generator."""
    token = f"drifting-{uuid.uuid4().hex}"
    path = os.path.join(settings()["rooms"], token)
    say("init", token)
    try:
        say("setting-up", token)
        say("making", token)
        os.mkdir(path)
        say("set-up", token)
        yield path
    finally:
        say("cleaning", token)
        shutil.rmtree(path, ignore_errors=True)
        say("cleaned", token)


@resource_manager
def written():
    """A folder kept by a generator."""
    token = f"written-{uuid.uuid4().hex}"
    path = os.path.join(settings()["rooms"], token)
    say("init", token)
    try:
        say("setting-up", token)
        say("making", token)
        os.mkdir(path)
        say("set-up", token)
        yield path
    finally:
        say("cleaning", token)
        shutil.rmtree(path, ignore_errors=True)
        say("cleaned", token)


@task
def work(place, seconds=0.1):
    say("begin")
    pause(seconds)
    say("end")
    return seconds


@task
def sleeper(place, seconds=0.1):
    """It cannot be stopped until it wakes up."""
    say("begin")
    time.sleep(seconds)
    say("end")
    return seconds


@task
def polite(place, seconds=0.1):
    """It looks at the flag."""
    say("begin")
    until = time.monotonic() + seconds
    while time.monotonic() < until and not context.cancelled():
        time.sleep(0.01)
    say("end")
    return seconds


@task(max_retries=2, retry_delay=timedelta(seconds=0.1))
def flaky(place, seconds=0.1):
    say("begin")
    pause(seconds / 2)
    if context.task_run_count < 2:
        raise OSError("not yet")
    say("end")
    return seconds


@task
def failing(place, seconds=0.1):
    say("begin")
    pause(seconds)
    raise ValueError("no")


@task
def forking(place, seconds=0.1):
    """It forks, and the child comes back from the call in one of the ways: it must end there, and touch nothing."""
    say("begin")
    child = os.fork()
    if not child:
        pause(seconds)
        if settings()["fork"] == "raise":
            raise OSError("the child has no more to do")
        if settings()["fork"] == "exit":
            raise SystemExit(3)
        return seconds
    while not os.waitpid(child, os.WNOHANG)[0]:
        time.sleep(0.01)
    say("end")
    return seconds


@task
def nested(place, seconds=0.1):
    """It runs a flow of its own, which has the same name, so that its resources are told with the others."""
    say("begin")
    with Flow(settings()["flow"]) as flow, Scratch(0.05, 0.05) as inner:
        work(inner, seconds)
    flow.run(executor=settings()["inner"])
    say("end")
    return seconds
