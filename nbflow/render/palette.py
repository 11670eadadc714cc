"""The looks of states and block statuses: the colours that every picture, badge and style sheet comes from.

A look is an icon, a word and a border besides its colours, so that nothing rests on colour alone. Icons and words of
states are in `core/state_traits.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from nbflow.core.state_traits import STATE_TRAITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Border -> (width, stroke-dasharray).
BORDERS: Mapping[str, tuple[float, str]] = MappingProxyType(
    {
        "thin": (0.8, "none"),
        "solid": (1.3, "none"),
        "thick": (2.4, "none"),
        "heavy": (3.4, "none"),
        "dashed": (1.5, "5 3"),
        "thick dashed": (2.4, "7 3"),
        "dotted": (1.5, "1.5 3"),
        "dash-dot": (1.5, "7 3 1.5 3"),
    }
)


@dataclass(frozen=True, slots=True)
class Colours:
    """Fill, outline and text."""

    fill: str
    stroke: str
    text: str


@dataclass(frozen=True, slots=True)
class Look:
    """How one state or block status is shown."""

    icon: str
    word: str
    border: str
    light: Colours
    dark: Colours

    @property
    def label(self) -> str:
        """Icon and word, as they stand on a task's second line."""
        return f"{self.icon} {self.word}"


def _look(icon: str, word: str, border: str, light: str, dark: str) -> Look:
    return Look(icon, word, border, Colours(*light.split()), Colours(*dark.split()))


# fill, outline, text: first on a light page, then on a dark one.
_TONES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "blank": ("#ffffff #818b98 #57606a", "#161b22 #6e7681 #a5afb9"),
        "grey": ("#f6f8fa #818b98 #3d444d", "#1c2128 #7d8590 #c9d1d9"),
        "blue": ("#d6ebff #0860ca #06315f", "#0d2d52 #58a6ff #cae6ff"),
        "amber": ("#fff1b8 #9a6700 #573a00", "#3b2c05 #d9a318 #f8e3a1"),
        "violet": ("#dcc6ff #5a1fb8 #38127a", "#3d2a66 #d9c2ff #f0e6ff"),
        "green": ("#d3f4e4 #0b7a55 #064330", "#0b3326 #3ec795 #c5f2df"),
        "teal": ("#d2f1f4 #0b7285 #073f4a", "#0a3038 #3fbccf #c8eff5"),
        "slate": ("#dfe5e9 #5a6c76 #3b4951", "#2b333a #93a5b0 #c3d0d8"),
        "red": ("#ffcfc7 #b3130a #650a05", "#5c1510 #ff8a7a #ffd9d3"),
        "rose": ("#ffebe8 #b3130a #7a1008", "#32110e #ff8a7a #ffd9d3"),
        "orange": ("#ffe0c2 #b34700 #642800", "#4a2204 #ff9e4f #ffddbf"),
        "brown": ("#d8cabd #4d3b2f #3a2b21", "#42372d #a08a76 #eadfd4"),
    }
)

STATES: Mapping[str, Look] = MappingProxyType(
    {
        name: _look(traits.icon, traits.word, traits.border, *_TONES[traits.tone])
        for name, traits in STATE_TRAITS.items()
    }
)

BLOCKS: Mapping[str, Look] = MappingProxyType(
    {
        "closed": _look("○", "closed", "dashed", "#fafbfc #818b98 #57606a", "#14191f #6e7681 #a5afb9"),
        "opening": _look("◔", "opening", "thick dashed", "#eef6ff #0860ca #06315f", "#0c1c2f #58a6ff #cae6ff"),
        "open": _look("●", "open", "thick", "#eef6ff #0860ca #06315f", "#0c1c2f #58a6ff #cae6ff"),
        "closing": _look("◕", "closing", "thick dashed", "#f6f0e9 #6a5442 #453528", "#211c17 #b59c86 #e3d5c8"),
        "cleaned": _look("✓", "cleaned", "solid", "#f1fbf6 #0b7a55 #064330", "#0b1f18 #3ec795 #c5f2df"),
        "leaked": _look("▲", "leaked", "heavy", "#fff4f2 #b3130a #650a05", "#240f0d #ff8a7a #ffd9d3"),
        "kept": _look("◆", "kept", "dash-dot", "#fff8e6 #8a5a00 #553800", "#221b0c #e0b252 #f5e3bd"),
        "skipped": _look("»", "skipped", "dotted", "#f4f6f7 #62757f #43525a", "#1b2024 #8a9ba5 #b9c6ce"),
    }
)

# No state: it stands for a task that other tasks use and that nobody makes any more.
MISSING = "Missing"
MISSING_LOOK = _look("?", "missing", "thick dashed", *_TONES["rose"])

LIGHT_PAGE = Colours("#ffffff", "#6e7781", "#24292f")
DARK_PAGE = Colours("#0f1317", "#8b949e", "#d7dde3")


# What a panel's buttons and messages are drawn in: Jupyter's own colour where there is one, else that of a tone.
_ACCENTS = {
    "accent": ("--jp-brand-color1", "blue"),
    "error": ("--jp-error-color1", "red"),
    "warn": ("--jp-warn-color1", "amber"),
}
_FIXED = {"solid": "#0860ca", "solid-hover": "#064ea5", "on-solid": "#ffffff"}


WARNING_CSS = f"border-left:4px solid {STATES['Failed'].light.stroke};background:rgba(200,40,20,.1)"


def state_look(name: str) -> Look:
    """Return the look of a state by its class name; a user's own state looks like Pending, named as it is."""
    if name in STATES:
        return STATES[name]
    if name == MISSING:
        return MISSING_LOOK
    plain = STATES["Pending"]
    return Look(plain.icon, name, plain.border, plain.light, plain.dark)


def palette_css(states: Iterable[str] | None = None, blocks: Iterable[str] | None = None) -> str:
    """Return the rules of `.nbflow-page`, `.nbflow-state-NAME` and `.nbflow-block-STATUS`.

    Each sets the custom properties `--nbflow-fill`, `--nbflow-stroke`, `--nbflow-text`, `--nbflow-width` and
    `--nbflow-dash`, for whoever draws. Dark colours hold where Jupyter's theme is dark and, where no theme is
    named, where the reader prefers dark.

    Args:
        states: The state names to include; all by default.
        blocks: The block statuses to include; all by default.
    """
    looks = {f".nbflow-state-{n}": STATES[n] for n in STATES if states is None or n in set(states)}
    if states is not None and MISSING in states:
        looks[f".nbflow-state-{MISSING}"] = MISSING_LOOK
    looks |= {f".nbflow-block-{n}": BLOCKS[n] for n in BLOCKS if blocks is None or n in set(blocks)}
    light = [f".nbflow-page{{{_colours(LIGHT_PAGE)}}}"]
    light += [f"{name}{{{_colours(look.light)};{_border(look.border)}}}" for name, look in looks.items()]
    dark = {".nbflow-page": DARK_PAGE} | {name: look.dark for name, look in looks.items()}
    themed = [f'[data-jp-theme-light="false"] {name}{{{_colours(c)}}}' for name, c in dark.items()]
    preferred = [f"body:not([data-jp-theme-light]) {name}{{{_colours(c)}}}" for name, c in dark.items()]
    return "\n".join([*light, *themed, "@media (prefers-color-scheme: dark){", *preferred, "}"])


def accents_css(scope: str) -> str:
    """Return the rules that give an element the custom properties `--nbflow-accent`, `--nbflow-error` and so on.

    Args:
        scope: The element's selector.
    """
    light, dark = (
        ";".join(
            f"--nbflow-{name}:var({own},{_TONES[tone][page].split()[1]})" for name, (own, tone) in _ACCENTS.items()
        )
        for page in (0, 1)
    )
    fixed = ";".join(f"--nbflow-{name}:{colour}" for name, colour in _FIXED.items())
    return f"{scope}{{{light};{fixed}}}\n@media (prefers-color-scheme: dark){{{scope}{{{dark}}}}}"


def _colours(colours: Colours) -> str:
    return f"--nbflow-fill:{colours.fill};--nbflow-stroke:{colours.stroke};--nbflow-text:{colours.text}"


def _border(border: str) -> str:
    width, dash = BORDERS[border]
    return f"--nbflow-width:{width}px;--nbflow-dash:{dash}"
