"""Where a task or a run is: the state classes."""

from nbflow.core.states import *  # noqa: F403 - the names that `__all__` lists
from nbflow.core.states import __all__ as __all__
from nbflow.core.states import _MetaState as _MetaState
