"""Words for a user's exception that never fail themselves."""

from __future__ import annotations


def error_text(error: BaseException | None) -> str:
    """Return the repr of an exception; its type's name if the repr raises, as that of a strange argument may."""
    try:
        return repr(error)
    except BaseException:  # noqa: BLE001 - users' classes
        return f"<{type(error).__name__}>"
