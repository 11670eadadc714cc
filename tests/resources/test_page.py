"""The page of the documentation: its examples do what they say."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "resources.md"
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL))
FENCE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "section",
    [
        pytest.param(name, marks=[pytest.mark.dask, pytest.mark.filterwarnings("ignore")]) if "Dask" in name else name
        for name in SECTIONS
    ],
)
def test_the_examples_of_a_section_work(section, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("localhost", 0)) as listener:
        port = listener.getsockname()[1]
    examples = FENCE.findall(SECTIONS[section].replace("8765", str(port)))
    names = {"__name__": "__main__"}
    exec(FENCE.search(PAGE.read_text())[1], names)

    for example in examples:
        exec(example, names)

    assert len(examples) >= 1
