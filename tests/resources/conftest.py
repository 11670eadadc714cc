"""Owners that are killed, reclaims from other processes, and a look at whether anything was left."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import uuid

import psutil
import pytest

from nbflow.core.block_outcome import BlockOutcome
from nbflow.resources.resource_processes import MARK
from tests.patience import PATIENCE_S

# Sets the named manager up as a kernel does, and lives on with it until it is killed.
OWNER = """
import importlib, json, sys, threading

import nbflow.resources.resource_processes

path, arguments, keywords = json.loads(sys.argv[1])
module, name = path.split(":")
manager = getattr(importlib.import_module(module), name).resource_class(*arguments, **keywords)
print(json.dumps(manager.early_handle()), flush=True)
resource = manager.setup()
print(json.dumps(manager.handle(resource)), flush=True)
threading.Event().wait()
"""

# What the reaper does for a dead kernel, and the next kernel for a dead machine.
RECLAIM = """
import importlib, json, sys

path, handle = json.loads(sys.argv[1])
module, name = path.split(":")
getattr(importlib.import_module(module), name).resource_class.reclaim(handle)
"""


_RUN = "NBFLOW_TEST_RUN"
os.environ[_RUN] = uuid.uuid4().hex


class Owner:
    """A process that owns a resource.

    Its `early` handle is there at once; `handle()` waits for the end of the setup.
    """

    def __init__(self, path, *arguments, **keywords):
        self.path = path
        text = json.dumps([path, arguments, keywords])
        self.process = subprocess.Popen([sys.executable, "-c", OWNER, text], stdout=subprocess.PIPE)
        self.early = json.loads(self.process.stdout.readline())

    def handle(self):
        return json.loads(self.process.stdout.readline())

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def reclaim():
    """Reclaim in a process that has never seen the resource."""

    def run(path, handle):
        subprocess.run([sys.executable, "-c", RECLAIM, json.dumps([path, handle])], check=True, timeout=PATIENCE_S)

    return run


@pytest.fixture
def owner():
    """Make owners; all are gone at the end."""
    owners = []

    def make(path, *arguments, **keywords):
        owners.append(Owner(path, *arguments, **keywords))
        return owners[-1]

    yield make
    for one in owners:
        one.kill()


@pytest.fixture
def wait_until():
    """Wait for a condition; return what it returned."""

    def wait(condition, *, what, timeout_s=PATIENCE_S):
        deadline = time.monotonic() + timeout_s
        while not (found := condition()):
            assert time.monotonic() < deadline, f"waited for {what} in vain"
            time.sleep(0.005)
        return found

    return wait


@pytest.fixture
def outcome():
    """Say how a block ended: `outcome(failed=["a"])`."""

    def make(**tasks):
        return BlockOutcome(**{name: tuple(value) for name, value in tasks.items()})

    return make


@pytest.fixture
def ordinary_user():
    """Run as somebody who may not write everywhere; give a folder of theirs."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65_534)
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield folder
    finally:
        if is_root:
            os.seteuid(0)


@pytest.fixture(autouse=True)
def _nothing_is_left():
    """No test leaves a process with a mark, or a child."""
    before = _marked() | _children()
    yield
    left = (_marked() | _children()) - before
    assert [one.cmdline() for one in left] == []


def _marked():
    found = set()
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            is_ours = environment.get(_RUN) == os.environ[_RUN]  # and not of another test run on this machine
            if is_ours and MARK in environment and process.status() != psutil.STATUS_ZOMBIE:
                found.add(process)
        except psutil.Error:
            continue
    return found


def _children():
    """The children of this process, but for Python's and nbflow's own helpers, which are started once and kept."""
    found = set()
    for child in psutil.Process().children():
        try:
            if not re.search(r"resource_tracker|reaper\.py", " ".join(child.cmdline())):
                found.add(child)
        except psutil.Error:  # it has ended, and nobody has asked how
            continue
    return found
