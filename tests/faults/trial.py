"""Plays one round: a real kernel, a flow with real resources, an end at its moment, and the account of it."""

from __future__ import annotations

import json
import textwrap
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil

from tests.faults.kernels import HAS_LEDGER, MODULE, WORKLOAD, MarkedScript, Stable, end, end_script
from tests.faults.plan import CELL, GIVEN_UP, GRACEFUL, INTERRUPTS, STAYS, Plan
from tests.faults.tally import READY_MADE, Ended, Tally, lives, remove_listed, take_tally
from tests.faults.terminal import MarkedTerminal, leave_terminal
from tests.faults.workload import ROUND
from tests.kernel.conftest import Reply
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable

DEADLINE_S = PATIENCE_S  # for the reaper to be done
RUN_DEADLINE_S = PATIENCE_S  # for a run that was interrupted
DEATH_DEADLINE_S = PATIENCE_S  # for a kernel that was told to end
BUDGET_S = 1.9  # from being asked to end until a run gives up what is left
FINISH = """\
if flow.runs and not flow.runs[-1].is_finished:
    flow.runs[-1].resume()
print(not flow.runs or flow.runs[-1].wait(%g).is_finished())  # it may have been ended before it began
"""
STEPS = 8
STEP = f"""\
for _ in range({STEPS}):
    if not run.is_finished:
        run.step_nowait()
"""
CLEAN = """\
import nbflow.ledger
for row in nbflow.ledger.resources():
    if row.flow == flow.name and row.state == "abandoned":
        try:
            state = nbflow.ledger.clean(row.id).state
        except nbflow.ledger.ReclaimError:  # of a manager whose first cleanup fails
            state = nbflow.ledger.clean(row.id).state
        print("cleaned:", state)
"""


@dataclass
class Result:
    """What came of a round.

    Attributes:
        plan: What was planned.
        account: What became of the resources.
        log: What they wrote.
        stderr: What the kernel and the reaper wrote to the terminal.
        end_s: How long the end took, in seconds: of the kernel, or of the run if the kernel stayed.
        settle_s: How long the reaper took after that.
        in_setup: Whether a resource was being set up when the end came.
    """

    plan: Plan
    account: Tally = field(default_factory=Tally)
    log: list[str] = field(default_factory=list)
    stderr: str = ""
    end_s: float = 0.0
    settle_s: float = 0.0
    in_setup: bool = False

    @property
    def problems(self) -> list[str]:
        return self.account.problems

    def __str__(self) -> str:
        lines = [str(self.plan), *self.problems, *self.log, self.stderr, f"reproduce: {self.plan.reproduce}"]
        return "\n".join(lines)


def play(plan: Plan, stable: Stable) -> Result:
    """Play one round, and leave nothing of it behind."""
    result = Result(plan)
    others = {_ScriptRound: MarkedScript, _TerminalRound: MarkedTerminal}
    kind = _ScriptRound if plan.is_script else _TerminalRound if plan.is_terminal else _Round
    with stable.other(others[kind]) if kind in others else stable.kernel() as kernel:
        try:
            kind(plan, kernel, stable, result).play()
        except Exception as error:
            result.problems.append(f"ODD: {type(error).__name__}: {str(error)[-500:]}")
        result.log = kernel.lines()
        result.stderr = kernel.stderr()
        remove_listed(kernel)
    return result


class _Round:
    def __init__(self, plan: Plan, kernel: Any, stable: Stable, result: Result) -> None:
        self.plan = plan
        self.kernel = kernel
        self.result = result
        self.stable = stable
        self.flow = f"{kernel.mark}-{plan.number}"
        self.given_up_at = 0.0

    def play(self) -> None:
        self._prepare()
        self._start()
        self._await_moment()
        if self.plan.end in STAYS:
            self._end_run()
        else:
            self._end_kernel()

    # -- before -----------------------------------------------------------------------------------------------

    def _settings(self) -> str:
        settings = {
            "log": str(self.kernel.log),
            "rooms": str(self.kernel.folder / "rooms"),
            "line": self.plan.line,
            "word": self.plan.word,
            "hold_s": self.plan.hold_s,
            "flow": self.flow,
            "inner": self.plan.inner,
            "fork": self.plan.fork,
        }
        return f"import os, nbflow\nos.environ[{ROUND!r}] = {json.dumps(json.dumps(settings))}\n"

    def _prepare(self) -> None:
        self.kernel.run(f"%load_ext nbflow\n{self._settings()}")
        self.kernel.run(f"from {MODULE} import *" if self.plan.imported else WORKLOAD.read_text())
        self.kernel.run(self._imports())
        self.kernel.run(CELL.format(name=self.flow, flow=self.plan.flow))

    def _imports(self) -> str:
        ready = [name for name in READY_MADE if f"{name}(" in self.plan.flow]
        return f"from nbflow.resources import {', '.join(ready)}" if ready else ""

    def _start(self) -> None:
        executor = repr(self.plan.executor)
        if self.plan.start == "run":
            self.kernel.execute(f"say('run')\nflow.run(executor={executor})", wait=False)
            return
        if self.plan.start == "step":
            self.kernel.run(f"say('run')\nrun = flow.start(executor={executor}, paused=True)\n{STEP}")
            return
        self.kernel.run(f"say('run')\nrun = flow.start(executor={executor})")
        if self.plan.start == "wait":
            self.kernel.execute("run.wait()", wait=False)

    def _await_moment(self) -> None:
        if self.plan.end == "normal":
            return
        # A run that ends before it has written so much is ended after its end.
        began = last_news = time.monotonic()
        seen = 0
        while not self._is_moment(lines := self.kernel.lines()) and time.monotonic() - last_news < self.plan.patience_s:
            is_young = not lines and self.kernel.is_alive and time.monotonic() - began < PATIENCE_S
            if len(lines) > seen or is_young:
                last_news, seen = time.monotonic(), len(lines)
            time.sleep(0.002)
        time.sleep(self.plan.delay_s)
        self.result.in_setup = any(
            life.count("setting-up") > life.count("set-up") + life.count("undone")
            for life in lives(self.kernel.lines())
        )

    def _is_moment(self, lines: list[str]) -> bool:
        if self.plan.word:
            return sum(line.split()[2] == self.plan.word for line in lines) >= self.plan.times
        return len(lines) >= max(1, self.plan.line)

    # -- the run ends, and the kernel later -------------------------------------------------------------------

    def _end_run(self) -> None:
        began = time.monotonic()
        end(self.kernel, self.plan)
        if INTERRUPTS.get(self.plan.end, 0) >= GIVEN_UP:
            self.given_up_at = time.time() - sum(self.plan.gaps_s[GIVEN_UP - 1 :])
        # The blocked cell is not waited for: the reply to one that the interrupt met in the kernel's own code is lost.
        finished = self.kernel.run(FINISH % RUN_DEADLINE_S, timeout_s=RUN_DEADLINE_S + 15)
        self.result.end_s = time.monotonic() - began
        if finished.stdout.strip() != "True":
            self.result.problems.append(f"ODD: the run has not ended: {finished.stdout}{finished.stderr}")
        if self.given_up_at:
            self._clean_abandoned()
        else:
            self._check_living()
        died_at = time.time()
        self.kernel.manager.shutdown_kernel(now=True)
        self._settle(Ended(died_at=died_at, cut_off=False, given_up_at=self.given_up_at))

    def _check_living(self) -> None:
        """Rule 6 and the sentence behind rule 12: a run that is over has nothing open, but for failed cleanups."""
        rows = self._rows()
        failed = {row.manager for row in rows if row.state == "failed"}
        for life in lives(self.kernel.lines()):
            if life.count("set-up") and not (life.closings or life.count("raised")) and life.kind not in failed:
                self.result.problems.append(f"LEFT: {life.token} is open although the run is over ({life})")
        self.result.problems.extend(
            f"LEFT: row {row.id} of {row.manager} is {row.state} although the run is over"
            for row in rows
            if row.state != "failed"
        )

    def _clean_abandoned(self) -> None:
        """What three interrupts have left is reclaimed while the kernel lives; the rest is the user's to clean."""

        def waits() -> list[Any]:
            return [row for row in self._rows() if row.state not in ("failed", "abandoned") or row.handle is not None]

        if not until(lambda: not waits(), DEADLINE_S):
            self.result.problems.extend(
                f"LEFT: row {row.id} of {row.manager} is {row.state} after three interrupts ({row.note})"
                for row in waits()
            )
        if self.plan.cleans and HAS_LEDGER:
            reply = self.kernel.execute(CLEAN)
            assert isinstance(reply, Reply)
            told = [line for line in reply.stdout.splitlines() if line.startswith("cleaned:")]
            if not reply.ok or set(told) - {"cleaned: closed"}:
                self.result.problems.append(f"ODD: clean: {reply.stdout} {reply.ename} {reply.evalue}")

    # -- the kernel ends --------------------------------------------------------------------------------------

    def _end_kernel(self) -> None:
        process, began, asked_at = self.kernel.process, time.monotonic(), time.time()
        end(self.kernel, self.plan)
        if self.plan.end.startswith("SIG"):
            self._wait_for_death(process)
        died_at = asked_at if "SIGKILL" in self.plan.end else time.time()
        if self.plan.end == "restart":
            self.kernel.process = psutil.Process(self.kernel.manager.provisioner.pid)
        self.result.end_s = time.monotonic() - began
        is_graceful = self.plan.end in GRACEFUL
        given_up_at = asked_at + BUDGET_S if is_graceful else 0.0
        self._settle(Ended(died_at=died_at, cut_off=True, given_up_at=given_up_at, hold_s=self.plan.hold_s))

    def _wait_for_death(self, process: psutil.Process) -> None:
        try:
            process.wait(timeout=DEATH_DEADLINE_S)
        except psutil.TimeoutExpired:
            self.result.problems.append(f"ODD: the kernel has not ended within {DEATH_DEADLINE_S:g} s")
            process.kill()
            process.wait(timeout=PATIENCE_S)

    # -- afterwards -------------------------------------------------------------------------------------------

    def _settle(self, ended: Ended) -> None:
        """Wait until everything is accounted for, or the deadline is over."""
        began = time.monotonic()
        while True:
            account = take_tally(self.kernel, self._rows(all=True), ended)
            if not account.problems or time.monotonic() - began > DEADLINE_S:
                break
            time.sleep(0.1)
        self.result.settle_s = time.monotonic() - began
        self.result.account.fates = account.fates
        self.result.account.problems += account.problems

    def _rows(self, *, all: bool = False) -> list[Any]:
        """The rows that the ledger lists for this round's flow; with `all` also those of what has ended."""
        return [row for row in self.stable.rows(all=all) if row.flow == self.flow]


class _ScriptRound(_Round):
    """One whose flow is run by a plain script."""

    def play(self) -> None:
        executor = repr(self.plan.executor)
        blocks = self.plan.start == "run"
        text = [
            *self._begin(),
            "def main():",
            textwrap.indent(CELL.format(name=self.flow, flow=self.plan.flow), "    "),
            "    say('run')",
            f"    flow.run(executor={executor})" if blocks else f"    run = flow.start(executor={executor})",
            "    run.wait()" if self.plan.start == "wait" else "",
            "    while not os.path.exists('leave'):",
            "        time.sleep(0.01)",
            "    print('the end')",
            "if __name__ == '__main__':",  # a cluster's workers import it, too
            "    main()",
        ]
        self.kernel.start("\n".join(text))
        self._await_moment()
        self._end_process(end_script)

    def _begin(self) -> list[str]:
        return [
            f"from {MODULE} import *" if self.plan.imported else WORKLOAD.read_text(),
            "import time",
            self._settings(),
            self._imports(),
        ]

    def _end_process(self, end: Callable[[Any, Plan], None]) -> None:
        process, began = self.kernel.process, time.monotonic()
        end(self.kernel, self.plan)
        asked_at = time.time()
        self._wait_for_death(process)
        if not self.kernel.lines():
            self.result.problems.append("ODD: it did not come to its flow")
        self.result.end_s = time.monotonic() - began
        cut_off = self.plan.end not in ("script", "script SIGINT", "terminal exit")
        died_at = asked_at if "SIGKILL" in self.plan.end else time.time()
        self._settle(Ended(died_at=died_at, cut_off=cut_off, hold_s=self.plan.hold_s))


class _TerminalRound(_ScriptRound):
    """One whose flow is run by lines that are typed into a terminal."""

    def play(self) -> None:
        cell = CELL.format(name=self.flow, flow=self.plan.flow)
        self.kernel.start("\n".join([*self._begin(), "get_ipython().run_line_magic('load_ext', 'nbflow')", cell]))
        executor = repr(self.plan.executor)
        if self.plan.start == "run":
            self.kernel.type(f"say('run'); flow.run(executor={executor})")
        else:
            paused = self.plan.start == "step"
            self.kernel.type(f"say('run'); run = flow.start(executor={executor}, paused={paused})")
        if self.plan.start == "step":
            self.kernel.type(f"[run.step_nowait() for _ in range({STEPS}) if not run.is_finished]")
        elif self.plan.start == "wait":
            self.kernel.type("run.wait()")
        self._await_moment()
        self._end_process(leave_terminal)


def until(condition: Callable[[], object], timeout_s: float) -> bool:
    """Wait for a condition; tells whether it came in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
