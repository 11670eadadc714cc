"""Flows as users meet them: graphs of tasks that can be run, drawn and shown. The place where all rooms meet."""

from nbflow.flow.flow import Flow, newest

__all__ = ["Flow", "newest"]
