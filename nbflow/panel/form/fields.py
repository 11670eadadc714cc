"""Which field of the form a parameter gets: by its annotation, and else by its default. Makes none of the widgets."""

from __future__ import annotations

import enum
import math
import types
import typing
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from nbflow.core.data.safe_equality import same
from nbflow.errors import CycleError
from nbflow.render.names import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbflow.core.parameter import Parameter
    from nbflow.flow import Flow


class _NotGiven(enum.Enum):
    NOT_GIVEN = "not given"


NOT_GIVEN = _NotGiven.NOT_GIVEN
_BIGGEST = 2**53  # whole numbers above it are not exact in a browser
_LONGEST = 10_000
_TYPES = {bool: "bool", int: "int", float: "float", str: "text", datetime: "datetime", date: "date", time: "time"}
# The widget of ipywidgets that gives a value of such a kind as it is, or None.
PICKERS = {"date": "DatePicker", "time": "TimePicker", "datetime": "NaiveDatetimePicker", "aware": "DatetimePicker"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What can be given for one parameter.

    Attributes:
        name: The parameter.
        kind: "bool", "int", "float", "text", "lines", "choice", "date", "time", "datetime", "aware" (one with a time
            zone), or "literal": anything that Python can read.
        choices: Labels and values of a "choice".
        bounds: The lowest and highest number, and the step.
        optional: Whether None will do as well.
        default: What is used if nothing is given; NOT_GIVEN if it is required.
    """

    name: str
    kind: str
    choices: tuple[tuple[str, Any], ...] = ()
    bounds: tuple[Any, Any, Any] | None = None
    optional: bool = False
    default: Any = NOT_GIVEN

    @property
    def required(self) -> bool:
        """Whether a run needs a value."""
        return self.default is NOT_GIVEN

    def is_like(self, other: Field) -> bool:
        """Tell whether what was entered for the one can stand for the other."""
        return self._looks() == other._looks()

    def _looks(self) -> tuple[object, ...]:
        """Return what says which widgets it gets."""
        labels = [label for label, _ in self.choices]
        return self.name, self.kind, self.optional, self.required, self.bounds, labels


def fits(field: Field, value: Any) -> bool:
    """Tell whether a field can show a value."""
    if value is NOT_GIVEN or field.kind == "literal":
        return True
    if field.kind == "choice":
        return _is_among(value, field.choices, field.optional)
    if value is None:
        return field.optional
    own = _kind_of(value)
    if field.kind == "float" and own == "int":
        own = "float"
    if field.kind == "lines" and own == "text":
        own = "lines"
    return own == field.kind and (field.bounds is None or field.bounds[0] <= value <= field.bounds[1])


def fields(flow: Flow) -> tuple[Field, ...]:
    """Return the fields of a flow's parameters, in the order of their declaration."""
    parameters = flow.parameters()
    if not parameters:
        return ()
    try:
        ordered: Iterable[Any] = (task for task in flow.sorted_tasks() if task in parameters)
    except CycleError:
        ordered = sorted(parameters, key=lambda parameter: parameter.name)
    return tuple(field(one, _annotation(flow, one)) for one in ordered)


def field(parameter: Parameter, annotation: Any = None) -> Field:
    """Return the field of one parameter; never raises because of an annotation.

    Example:
        >>> from nbflow import Parameter
        >>> field(Parameter("n", default=3), typing.Annotated[int, range(0, 11)]).bounds
        (0, 10, 1)
        >>> field(Parameter("method", default="fast"), typing.Literal["fast", "exact"]).kind
        'choice'
    """
    default = NOT_GIVEN if parameter.required else parameter.default
    try:
        kind, choices, bounds, optional = _read(annotation)
    except Exception:  # noqa: BLE001 - users' classes
        kind, choices, bounds, optional = "", (), None, False
    if kind == "choice" and default is not NOT_GIVEN and not _is_among(default, choices, optional):
        kind = ""
    if default is not NOT_GIVEN and not (default is None and optional and kind):
        kind, bounds = _fitting(kind, bounds, default)
        if kind == "choice" and not choices:  # a member of an Enum, as default
            members: Any = type(default)
            choices = tuple((member.name, member) for member in members)
    if kind != "choice":
        choices = ()
    return Field(
        name=parameter.name,
        kind=kind or "literal",
        choices=choices,
        bounds=bounds,
        optional=optional and kind not in ("", "literal"),
        default=default,
    )


def _annotation(flow: Flow, parameter: Parameter) -> Any:
    """Return what the parameter says of itself, or else what all of those who take it agree on."""
    if parameter.annotation is not None:
        return parameter.annotation
    found: list[Any] = []
    for edge in flow.edges_from(parameter):
        if edge.key is None or edge.mapped or edge.flattened:
            continue
        try:
            annotation = edge.downstream_task.inputs()[edge.key]["type"]
        except Exception:  # noqa: BLE001 - a signature of the user's own making
            continue
        if annotation is not Any and not any(same(annotation, known) for known in found):
            found.append(annotation)
    return found[0] if len(found) == 1 else None


def _read(annotation: Any) -> tuple[str, tuple[tuple[str, Any], ...], tuple[Any, Any, Any] | None, bool]:
    """Return kind (empty if unknown), choices, bounds, and whether None will do."""
    bounds, optional = None, False
    while True:
        origin, args = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is typing.Annotated:
            annotation = args[0]
            bounds = next((b for one in args[1:] if (b := _bounds(one)) is not None), bounds)
        elif origin in (typing.Union, types.UnionType) and type(None) in args and len(args) == 2:
            annotation, optional = next(one for one in args if one is not type(None)), True
        else:
            break
    if origin is typing.Literal:
        return "choice", tuple((_label(value), value) for value in args), None, optional
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum) and len(annotation):
        return "choice", tuple((member.name, member) for member in annotation), None, optional
    kind = _TYPES.get(annotation, "") if isinstance(annotation, type) else ""
    if kind == "int" and bounds is not None and not all(isinstance(number, int) for number in bounds):
        bounds = None  # no slider of whole numbers has such steps
    return kind, (), bounds if kind in ("int", "float") else None, optional


def _bounds(one: Any) -> tuple[Any, Any, Any] | None:
    """Return the lowest and highest number and the step that an annotation says: by a range or a tuple."""
    if isinstance(one, range) and len(one):
        return min(one), max(one), abs(one.step)
    is_numbers = isinstance(one, tuple) and all(
        isinstance(number, (int, float)) and math.isfinite(number) for number in one
    )
    if not is_numbers or len(one) not in (2, 3) or one[0] >= one[1]:
        return None
    if len(one) == 3:
        return one if one[2] > 0 else None
    return (*one, 1 if all(isinstance(number, int) for number in one) else (one[1] - one[0]) / 100)


def _fitting(kind: str, bounds: Any, default: Any) -> tuple[str, Any]:
    """Return the kind that can show the default: that of the annotation if it does, else that of the default."""
    if kind == "choice":
        return kind, None
    own = _kind_of(default)
    if kind == "float" and own == "int":
        own = "float"
    is_within = bounds is not None and own == kind and bounds[0] <= default <= bounds[1]
    return own, bounds if is_within else None


def _kind_of(value: Any) -> str:
    kind = type(value)
    if isinstance(value, enum.Enum):
        return "choice"
    if kind is str:
        return "literal" if len(value) > _LONGEST else "lines" if "\n" in value else "text"
    if (kind is int and abs(value) > _BIGGEST) or (kind is float and not math.isfinite(value)):
        return "literal"
    if kind is datetime and value.tzinfo is not None:
        return "aware"
    return _TYPES.get(kind, "literal")


def _is_among(value: Any, choices: Iterable[tuple[str, Any]], optional: bool) -> bool:
    return (value is None and optional) or any(same(value, one) for _, one in choices)


def _label(value: Any) -> str:
    return one_line(value, 80) if isinstance(value, str) and value else one_line(repr(value), 80)
