"""What one round of the campaign will do, all of it drawn from the seed and the round's number."""

from __future__ import annotations

import random
import textwrap
from dataclasses import dataclass

from tests.faults.flows import DASK, draw_flow

ENDS = (
    "normal",
    "interrupt",
    "interrupt twice",
    "interrupt thrice",
    "twenty interrupts",
    "restart",
    "shutdown",
    "shutdown now",
    "SIGTERM",
    "SIGTERM group",
    "SIGHUP",
    "SIGKILL",
    "SIGKILL group",
    "script",
    "script SIGINT",
    "script SIGTERM",
    "script SIGHUP",
    "script SIGKILL",
    "terminal exit",
    "terminal closed",
)
INTERRUPTS = {"interrupt": 1, "interrupt twice": 2, "interrupt thrice": 3, "twenty interrupts": 20}
STAYS = ("normal", *INTERRUPTS)  # the kernel is there afterwards
GRACEFUL = ("restart", "shutdown")
GIVEN_UP = 3  # interrupts

FOLDERS = ("Scratch", "Scratch", "Late", "Bare", "written", "Hasty", "Broken", "Deaf", "Aired", "drifting")
PROCESSES = ("Server", "Server", "Insider", "Stranger")
DASK_SHARE = 0.04
EXECUTORS = ("inline", "threads", "processes")
STARTS = ("run", "run", "start", "start", "wait", "step")
READY = ("TemporaryDirectory", "Subprocess")
SLOW_FOR = ("interrupt twice", "interrupt thrice", "restart", "shutdown", "SIGTERM", "SIGHUP")
IN_SETUP_SHARE = 0.4  # of the rounds that are ended while something is set up
CELL = """\
with nbflow.Flow({name!r}) as flow:
{flow}
"""


@dataclass(frozen=True)
class Plan:
    """One round.

    Attributes:
        number: Which round of its campaign; with the seed and the end it makes the same plan again.
        end: One of `ENDS`.
        imported: Whether the managers come from a module, not from the notebook.
        flow: The text inside the flow's ``with``.
        start: ``"run"`` (a cell blocks), ``"start"`` (in the background), ``"wait"`` (a cell waits for that) or
            ``"step"`` (some steps, then it is held).
        executor: One of `EXECUTORS`.
        line: At which line of the log to end it; 0 if at the first `word` in it, or after `delay_s` only.
        hold_s: How long the kernel stays at that line.
        delay_s: How long to wait after the line, or after the start.
        gaps_s: The times between interrupts.
        cleans: Whether the user cleans up in the kernel what three interrupts have left.
        word: At which word of the log to end it.
        times: How often the log must have said it.
        inner: The executor of flows that tasks run.
        fork: How a forked child comes back from the call of a task: "return", "raise" or "exit".
    """

    seed: int
    number: int
    end: str
    imported: bool
    flow: str
    start: str
    executor: str
    line: int
    hold_s: float
    delay_s: float
    gaps_s: tuple[float, ...]
    cleans: bool
    word: str = ""
    times: int = 1
    inner: str = "inline"
    fork: str = "return"

    @property
    def is_script(self) -> bool:
        """Whether a plain script runs the flow, instead of a kernel."""
        return self.end.startswith("script")

    @property
    def is_terminal(self) -> bool:
        """Whether it is run by IPython in a terminal."""
        return self.end.startswith("terminal")

    @property
    def reproduce(self) -> str:
        """The command that plays it again."""
        if not self.seed:
            return "the test itself"
        where = f"--only {self.end!r} --executor {self.executor}"
        return f"python scripts/campaign.py --seed {self.seed} --round {self.number} {where}"

    @property
    def patience_s(self) -> float:
        """How long the log may be silent before it is sure that the run has ended, or is paused."""
        return 8.0 if DASK in self.flow else 1.5

    @property
    def moment(self) -> str:
        if self.word:
            which = f" number {self.times}" if self.times > 1 else ""
            return f"{self.delay_s:.3f} s after {self.word!r}{which}, held there"
        if not self.line:
            return f"{self.delay_s:.3f} s after the start"
        return f"{self.delay_s:.3f} s after line {self.line}" + (", held there" if self.hold_s else "")

    def __str__(self) -> str:
        how = f"flow.{self.start}, {self.executor}, {'imported' if self.imported else 'notebook'} managers"
        return f"round {self.number}: {self.end}, {self.moment}; {how}\n{self.flow}"


def draw(seed: int, number: int, end: str) -> Plan:
    """Draw a round.

    Args:
        seed: Of the campaign.
        number: Of the round.
        end: One of `ENDS`.
    """
    rng = random.Random(f"{seed} {number} {end}")
    kinds = [*FOLDERS, *PROCESSES]
    if end != "restart":  # the fork holds the ports that the new kernel needs
        kinds.append("Fork")
    if rng.random() < 0.4:
        kinds += READY * 2
    if end in SLOW_FOR:
        kinds += ["Slow"] * (8 if end == "interrupt thrice" else 2)
    draft = draw_flow(rng, kinds, with_dask=rng.random() < DASK_SHARE)
    in_setup = rng.random() < IN_SETUP_SHARE
    by_line = not in_setup and rng.random() < 0.7
    return Plan(
        seed=seed,
        number=number,
        end=end,
        imported=rng.random() < 0.4,
        flow=draft.text,
        start=rng.choice(["run", "run", "wait", "wait", "start"] if end in INTERRUPTS else STARTS),
        executor=rng.choice(EXECUTORS),
        line=rng.randint(1, draft.said + 2) if by_line else 0,
        hold_s=rng.choice([0.0, 0.3]) if by_line else 0.5 * in_setup,
        delay_s=rng.uniform(0, 0.03) if by_line or in_setup else rng.uniform(0, draft.seconds * 1.1 + 0.2),
        gaps_s=tuple(
            rng.uniform(0.02, 0.6 if end != "twenty interrupts" else 0.08) for _ in range(INTERRUPTS.get(end, 1) - 1)
        ),
        cleans=rng.random() < 0.5,
        word=rng.choice(["setting-up", "making", "making", "set-up"]) if in_setup else "",
        times=rng.randint(1, draft.resources) if in_setup else 1,
        inner=rng.choice(["inline", "threads"]),
        fork=rng.choice(["return", "raise", "exit"]),
    )


def scene(
    end: str, flow: str, word: str, *, start: str = "run", executor: str = "inline", imported: bool = False
) -> Plan:
    """Return the plan of a round that is chosen, not drawn: it is ended where the log says `word` first."""
    return Plan(
        seed=0,
        number=0,
        end=end,
        imported=imported,
        flow=textwrap.indent(textwrap.dedent(flow).strip(), "    "),
        start=start,
        executor=executor,
        line=0,
        hold_s=0.5,
        delay_s=0.0,
        gaps_s=(0.2,) * (INTERRUPTS.get(end, 1) - 1),
        cleans=False,
        word=word,
    )
