"""Every numbered point of the flow model has a test that names it in its docstring."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
POINTS_OF_SECTION = {1: 11, 2: 10, 3: 11, 4: 12, 5: 8, 6: 4, 7: 2, 8: 4, 9: 3}


def named_points() -> set[str]:
    named: set[str] = set()
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                named.update(re.findall(r"(?<![\d.])\d\.\d{1,2}(?![\d.]*\d)", ast.get_docstring(node) or ""))
    return named


def test_every_numbered_point_of_the_flow_model_is_named_by_a_test():
    points = {f"{section}.{point}" for section, count in POINTS_OF_SECTION.items() for point in range(1, count + 1)}

    assert points - named_points() == set()
