"""The failures of a run: their list, equal ones together."""
