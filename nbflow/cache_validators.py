"""Whether a result of an earlier run still counts."""

from nbflow.core.cache_validators import *  # noqa: F403 - the names that `__all__` lists
from nbflow.core.cache_validators import __all__ as __all__
