"""Cells that several tests execute: a flow whose resource is a real folder and a real process.

What happens is written to the file `log`, one word a line. Tasks wait for the event `gate`; a cleanup waits for
somebody to write to the named pipe `leave`, if there is one, so that a test can look around while it is going on.
"""

from __future__ import annotations

WORKSHOP = """\
%load_ext nbflow
import os, shutil, subprocess, sys, tempfile, threading
from pathlib import Path
import nbflow
from nbflow import resource_manager, task

gate = threading.Event()

def log(line):
    with open("log", "a") as file:
        file.write(line + "\\n")

@resource_manager
class Workshop:
    def __init__(self, own_session=True):
        self.own_session = own_session
    def setup(self):
        folder = tempfile.mkdtemp(prefix="workshop-", dir=".")
        server = subprocess.Popen(["sleep", "600"], start_new_session=self.own_session)
        log("setup")
        return folder, server
    def cleanup(self, place):
        folder, server = place
        log("closing")
        if os.path.exists("leave"):
            open("leave").read()
        server.terminate()
        server.wait()
        shutil.rmtree(folder)
        log("cleanup")

@task
def first(place):
    log("first")
    return len(os.listdir(place[0]))

@task
def busy(place):
    log("busy")
    while not gate.wait(0.02):
        if nbflow.context.cancelled():
            raise RuntimeError("asked to stop")
    return "done"

@task
def last(place, value):
    log("last")
    return value
"""

FLOW = """\
%%flow work --no-show
with Workshop() as place:
    begun = first(place)
    value = busy(place, upstream_tasks=[begun])
    answer = last(place, value)
"""

# A flow with parameters of all kinds, which fails with its defaults.
REPORT = """\
import threading
from datetime import date
from typing import Annotated, Literal
import nbflow
from nbflow import Flow, Parameter, resource_manager, task

@resource_manager
class Desk:
    def setup(self):
        return "desk"
    def cleanup(self, desk):
        pass

@task
def load(desk, rows: int, share: Annotated[float, (0.0, 1.0)], day: date, limit: int | None):
    return rows

@task
def fit(rows, method: Literal["fast", "exact"], dry: bool, label):
    if method == "fast" and not dry:
        raise ValueError("too fast")
    return f"{rows} rows"

@task
def report(text, by: str):
    return f"{text} by {by}"

with Flow("report") as flow:
    with Desk() as desk:
        loaded = load(desk, Parameter("rows", default=100), Parameter("share", default=0.5),
                      Parameter("day", default=date(2026, 1, 31)), Parameter("limit", default=None))
        fitted = fit(loaded, Parameter("method", default="fast"), Parameter("dry", default=False),
                     Parameter("label", default=["a", 1]))
    result = report(fitted, Parameter("by", default="me"))
"""

RUN = "run = nbflow.flows['work'].runs[-1]"
STATE = f"{RUN}; print(type(run.state).__name__)"
