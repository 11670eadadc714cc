"""The version, written once: packaging reads it from here, and so does `nbflow.__version__`."""

__version__ = "0.1.0"
