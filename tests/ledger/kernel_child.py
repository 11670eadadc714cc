"""What runs as "the kernel": a process that executes the code it is sent, in ``__main__``, and answers in JSON."""

import json
import sys
import traceback
import warnings

from nbflow import resource_manager
from nbflow.core.block import Block
from nbflow.engine.open_resources import OpenResource
from nbflow.flow import Flow
from nbflow.ledger import tracker_of
from tests.ledger import managers  # noqa: F401 - for the code that is sent

held = {}


def hold(cls, path, *, deadline_s=20.0, name=None):
    """Return what a run would hold of a block, before its setup."""
    with Flow("example"):
        made = resource_manager(cls, name=name, cleanup_timeout_s=deadline_s)("?")
    assert isinstance(made, Block)
    one = OpenResource(made, -1)
    one.manager = cls(path)
    return one


def set_up(cls, path, **options):
    """Set a resource up as a run does."""
    one = held[path] = hold(cls, path, **options)
    tracker.intend(one)
    one.resource = one.manager.setup()
    tracker.opened(one)
    return one


def clean_up(path):
    """Clean it up as a run does."""
    one = held[path]
    tracker.closing(one)
    one.manager.cleanup(one.resource)
    tracker.closed(one)


tracker = tracker_of("example", "run-1")

if __name__ == "__main__":
    for line in sys.stdin:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            answer = {"error": None}
            value = None
            try:
                exec(compile(json.loads(line), "<cell>", "exec"), globals())
            except BaseException:
                answer["error"] = traceback.format_exc()
        answer |= {"value": value if isinstance(value, (str, int, float, list, dict)) else None}
        answer["warnings"] = [str(one.message) for one in caught]
        print(json.dumps(answer), flush=True)
