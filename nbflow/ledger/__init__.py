"""The record on disk of resources that may be alive, and the reaper that cleans up what a dead kernel left.

Loaded on first use: ``import nbflow`` does not.
"""

from nbflow.ledger.keeper import keeper_of

__all__ = ["keeper_of"]
