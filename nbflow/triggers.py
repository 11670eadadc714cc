"""Whether a task may run, given how the tasks upstream of it ended."""

from nbflow.core.triggers import *  # noqa: F403 - the names that `__all__` lists
from nbflow.core.triggers import __all__ as __all__
