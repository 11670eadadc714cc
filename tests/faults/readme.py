"""Press stop once while the README's own example starts, in a fresh kernel for each moment, and look for what is left.

`python -m tests.faults.readme` presses at every 0.1 s of the first 6 s; `--at 1.3` at that moment only. It exits with
1 if a process, a row of the ledger or a run that goes on was left anywhere.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from tests.faults.kernels import Stable
from tests.faults.trial import until
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from tests.faults.kernels import MarkedKernel

README = Path(__file__).resolve().parents[2] / "README.md"
NAME = "example"
TELL = f"""\
run = nbflow.flows[{NAME!r}].runs[-1] if nbflow.flows[{NAME!r}].runs else None
print(type(run.state).__name__ if run else "no run", run is None or run.is_finished)
"""


@dataclass
class Pressed:
    """What came of one press.

    Attributes:
        at_s: How long after the cell was sent it came.
        state: That of the run afterwards.
        took_s: From the press until the cell came back.
        problems: Each thing that must not be, in words.
    """

    at_s: float
    state: str = "?"
    took_s: float = 0.0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        verdict = "FAILED" if self.problems else "ok"
        lines = [f"{self.at_s:6.1f} s  {verdict:<7}{self.state}, {self.took_s:.1f} s after the press"]
        return "\n".join(lines + [f"          {problem}" for problem in self.problems])


def cells() -> list[str]:
    """Return the README's cells that make the flow."""
    found = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    return [cell for cell in found if "nbflow" in cell or "%%flow" in cell][:2]


def press(at_s: float, stable: Stable) -> Pressed:
    """Press stop that long after the start of the example."""
    pressed = Pressed(at_s)
    with stable.kernel() as kernel:
        try:
            _press(pressed, kernel, stable)
        except Exception as error:
            pressed.problems.append(f"ODD: {type(error).__name__}: {str(error)[-500:]}")
        if pressed.problems:
            pressed.problems.append(kernel.stderr()[-2000:])
    return pressed


def _press(pressed: Pressed, kernel: MarkedKernel, stable: Stable) -> None:
    for cell in cells():
        kernel.run(cell)
    kernel.run("import nbflow")
    open_before = {row.id for row in stable.rows()}
    kernel.execute(f"%flow run {NAME}", wait=False)
    time.sleep(pressed.at_s)
    kernel.interrupt()
    began = time.monotonic()
    # The answer to a cell that the press met in the kernel's own code is lost; the next one comes all the same.
    pressed.state, is_over = kernel.run(TELL).stdout.rsplit(maxsplit=1)
    pressed.took_s = time.monotonic() - began
    if is_over != "True":
        pressed.problems.append("LEFT: the run goes on")
    until(lambda: not _left(kernel), PATIENCE_S / 6)
    pressed.problems += [f"LEFT: process {' '.join(words)}" for words in _left(kernel)]
    pressed.problems += [
        f"LEFT: row {row.id} of {row.manager} is {row.state}" for row in stable.rows() if row.id not in open_before
    ]
    kernel.manager.shutdown_kernel()
    if not until(lambda: not kernel.left(), PATIENCE_S / 6):
        pressed.problems.append(f"LEFT: processes after the kernel's end: {len(kernel.left())}")


def _left(kernel: MarkedKernel) -> list[list[str]]:
    """The command lines of what is left beside the kernel and what Python itself has started once for it."""
    found: list[Any] = []
    for process in kernel.left():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if not any("resource_tracker" in word or "reaper" in word for word in words):
            found.append(words)
    return found


def main(argv: list[str]) -> int:
    """Press at many moments and print what came of each."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.readme", description=main.__doc__)
    parser.add_argument("--seconds", type=float, default=6.0, help="how long to go on (6)")
    parser.add_argument("--every", type=float, default=0.1, help="the time between two moments (0.1)")
    parser.add_argument("--at", type=float, action="append", help="this moment only; may be given several times")
    options = parser.parse_args(argv)
    moments = options.at or [n * options.every for n in range(round(options.seconds / options.every) + 1)]
    results = []
    with (
        tempfile.TemporaryDirectory(prefix="nbflow-readme-") as folder,
        Stable(Path(folder), warm=1) as stable,
    ):
        for at_s in moments:
            results.append(press(at_s, stable))
            print(results[-1], flush=True)
    failed = [result for result in results if result.problems]
    print(f"{len(results)} presses, {len(failed)} left something")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
