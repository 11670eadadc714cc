"""Sphinx configuration. Notebooks are shown as `make demo` executed them, else as they are."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent

project = "nbflow"
author = copyright = "nbflow developers"
release = re.search(r'^__version__ = "(.+)"$', (ROOT / "nbflow" / "_version.py").read_text(), re.MULTILINE).group(1)

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "changelog.d", "jupyter_execute"]
html_theme = "furo"
html_title = f"nbflow {release}"
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "off"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
# The magics and the %%flow cell are no Python to the highlighter.
suppress_warnings = ["misc.highlighting_failure"]

(HERE / "notebooks").mkdir(exist_ok=True)
for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
    executed = ROOT / "build" / "demo" / notebook.name
    shutil.copyfile(executed if executed.exists() else notebook, HERE / "notebooks" / notebook.name)
