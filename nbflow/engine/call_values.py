"""What a call gets whose inputs are elsewhere: made in the kernel, it fetches them in the thread that makes it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from nbflow.core.collections import Dict, List, Tuple
from nbflow.core.control import Merge
from nbflow.core.data.value_type import identity, ids_of
from nbflow.engine.remote_value import Gathered, fetched, gathered

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.core.task import Task
    from nbflow.engine.attempt import Call

_HANDING_ON = ids_of((List, Tuple, Dict, Merge))


def hands_on(task: Task) -> bool:
    """Tell whether a task looks at nothing that it takes: what stands for a value will do."""
    return identity(type(task)) in _HANDING_ON


def fetch_first(call: Call) -> None:
    """Have the thread that makes a call fetch what it takes: copies of its own, as it would have in another process.

    A task that only hands values on gets what stands for them.
    """
    call.fn = functools.partial(_hand_on if hands_on(call.task) else _call, call.fn)


def send_references(call: Call) -> None:
    """Have the inputs of a call that is made elsewhere be as its session expects them.

    What stands for a value is an argument, or in a list, tuple or dictionary that is one.
    """
    call.kept_inputs = call.inputs
    call.inputs = {key: one.opened() if type(one) is Gathered else one for key, one in call.inputs.items()}


def _call(fn: Callable[..., Any], /, **inputs: Any) -> Any:
    return fn(**fetched(inputs))


def _hand_on(fn: Callable[..., Any], /, **inputs: Any) -> Any:
    if "keys" in inputs:  # of a dictionary, whose keys are looked at, and whose values come in a list
        keys, values = fetched(inputs["keys"]), inputs["values"]
        inputs = {"keys": keys, "values": values.parts if type(values) is Gathered else fetched(values)}
    value = fn(**inputs)
    return gathered(value) if type(value) in (list, tuple, dict) else value
