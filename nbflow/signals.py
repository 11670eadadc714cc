"""What a task, trigger or handler raises to say which state comes next."""

from nbflow.core.signals import *  # noqa: F403 - the names that `__all__` lists
from nbflow.core.signals import __all__ as __all__
