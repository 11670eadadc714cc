"""The drawing of the package's rooms in CONTRIBUTING.md, from the import contracts in pyproject.toml.

`python scripts/rooms.py` writes it there; a test holds the two equal.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "CONTRIBUTING.md"
BEGIN, END = "<!-- rooms: made by scripts/rooms.py -->\n", "<!-- end of rooms -->"


def drawing() -> str:
    """Return the floors of each container, the highest first; imports go down only."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = [one for one in contracts if one["type"] == "layers"]
    return "\n".join(f"```text\n{_building(one)}\n```\n" for one in layers)


def page_with(rooms: str) -> str:
    """Return CONTRIBUTING.md with a drawing in its place."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    return before + BEGIN + rooms + END + rest.split(END, 1)[1]


def _building(contract: dict[str, list[str]]) -> str:
    home = ROOT.joinpath(*contract["containers"][0].split("."))
    rooms = [re.findall(r"\w+", layer) for layer in contract["layers"]]
    floors = ["   ".join(room for room in floor if any(home.glob(f"{room}*"))) for floor in rooms]
    title = " and ".join(contract["containers"])
    width = max(len(title) + 2, *map(len, floors))
    wall = f"+{'-' * (width + 2)}+"
    lines = [f"+- {title} {'-' * (width - len(title) - 1)}+"]
    for floor in floors:
        lines += [f"| {floor.center(width)} |", wall]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page_with(drawing()), encoding="utf-8")
