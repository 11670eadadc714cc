"""A process that measures one case of `benchmarks.values`: a line of JSON in, a line of JSON out.

    python -m benchmarks.value_worker FUNCTION DETAILS [CHECKOUT]

With a checkout it is the nbflow of there that is measured, by the benchmark of here.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MODULES = tuple(f"benchmarks.value_{name}" for name in ("work", "prints", "memory", "store"))


def found(name: str) -> Callable[..., Any]:
    """Return the function of that name."""
    modules = map(importlib.import_module, MODULES)
    function: Callable[..., Any] = next(getattr(module, name) for module in modules if hasattr(module, name))
    return function


def main(name: str, details: str, checkout: str = "") -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a flow prints must not come between the answers
    # One that was started in the background may be deaf to Ctrl-C, and then runs go another way.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    prepare = found(name)
    if checkout:
        sys.path.insert(0, checkout)
    measure: Callable[[], dict[str, float]] | None = None
    for _ in sys.stdin:
        try:
            measure = measure or prepare(**json.loads(details))
            answer: dict[str, Any] = measure()
        except NotImplementedError:
            answer = {"error": "not on this system"}
        except Exception as error:  # noqa: BLE001 - one that cannot be measured is a row of the table
            answer = {"error": f"{type(error).__name__}: {error}"[:200]}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
