"""What holds for the project as a whole: its packaging, its public names, its imports and its texts."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import networkx
import pytest

import nbflow

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# What conda-forge calls them. Its `graphviz` is the engine itself, which graphviz-pure stands for on PyPI.
CONDA_NAMES = {
    "graphviz": "python-graphviz",
    "graphviz-pure": "graphviz",
    "jupyter-client": "jupyter_client",
    "xxhash": "python-xxhash",
}
EXTRAS_IN_CONDA = ("dask", "lab", "demo")
TOP_LEVEL = {
    "nbflow",
    "notebooks",
    "tests",
    "docs",
    "benchmarks",
    "scripts",
    "pyproject.toml",
    "environment.yml",
}
# Where git, pip, make and the hosts of code look for them, and nowhere else.
ASKED_FOR_BY_TOOLS = {
    *("README.md", "CONTRIBUTING.md", "LICENSE", "Makefile"),
    *(".gitignore", ".pre-commit-config.yaml", ".ci", ".github"),
}


def in_pyproject() -> set[str]:
    """The requirements as conda would write them, without those of nbflow on itself."""
    extras = PROJECT["project"]["optional-dependencies"]
    found = [
        *PROJECT["project"]["dependencies"],
        *(line for extra in EXTRAS_IN_CONDA for line in extras[extra]),
    ]
    found = [line for line in found if not line.startswith("jupyter-nbflow")]
    names_and_bounds = [re.fullmatch(r"([\w-]+)(.*)", line).groups() for line in found]
    return {
        "graphviz" if name == "graphviz-pure" else f"{CONDA_NAMES.get(name, name)}{bound}"
        for name, bound in names_and_bounds
    }


def test_environment_yml_keeps_step_with_pyproject():
    lines = (ROOT / "environment.yml").read_text().splitlines()
    listed = {line.strip()[2:] for line in lines[lines.index("dependencies:") + 1 :] if line.strip().startswith("-")}

    python = f"python{PROJECT['project']['requires-python']}"
    assert listed - {"pip", "pip:"} == in_pyproject() | {python}


def test_the_version_is_the_one_of_the_distribution():
    written = re.search(r'^__version__ = "(.+)"$', (ROOT / "nbflow" / "_version.py").read_text(), re.MULTILINE).group(1)

    assert nbflow.__version__ == written


def test_public_names_are_sorted_and_there():
    assert list(nbflow.__all__) == sorted(nbflow.__all__)
    assert [name for name in nbflow.__all__ if not hasattr(nbflow, name)] == []


@pytest.mark.parametrize("name", [name for name in nbflow.__all__ if not name.startswith("__")])
def test_a_public_name_is_documented(name):
    reference = (ROOT / "docs" / "reference.md").read_text()

    assert inspect.getdoc(getattr(nbflow, name)), f"nbflow.{name} has no docstring"
    assert re.search(rf"\bnbflow\.{name}\b", reference), f"docs/reference.md does not mention nbflow.{name}"


def test_import_nbflow_loads_no_front_end():
    foreign = ["IPython", "ipywidgets", "anywidget", "traitlets", "graphviz", "dask", "distributed"]
    foreign += ["platformdirs", "cloudpickle", "psutil", "sqlite3", "nbflow.ledger", "nbflow.resources"]
    code = f"import sys, nbflow; print([name for name in {foreign} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_imports_go_down_only():
    lint_imports = Path(sys.executable).with_name("lint-imports")

    done = subprocess.run([lint_imports, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def modules() -> dict[str, Path]:
    paths = ((path, path.relative_to(ROOT).with_suffix("").parts) for path in (ROOT / "nbflow").rglob("*.py"))
    return {".".join(parts[:-1] if parts[-1] == "__init__" else parts): path for path, parts in paths}


def imported(tree: ast.AST, names: Container[str]) -> Iterator[str]:
    """The modules that a module imports, also inside of functions, but for those that only a type checker needs."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            whole = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in names else node.module for name in whole)
        yield from imported(node, names)


# Those that are still there, by the last parts of their names; none may come, and none is in `core`.
CIRCLES = [
    {"async_tasks", "attempt", "event_loop"},
    {"infer", "magic_source", "name_visitor", "scripts"},
    {"resuming", "stored_run"},
]


def test_the_drawing_of_the_rooms_is_that_of_the_contracts():
    spec = importlib.util.spec_from_file_location("rooms", ROOT / "scripts/rooms.py")
    rooms = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rooms)

    assert rooms.drawing() in rooms.PAGE.read_text(encoding="utf-8")


def test_imports_go_in_no_circle_also_inside_of_functions():
    found = modules()
    graph = networkx.DiGraph(
        (name, other)
        for name, path in found.items()
        for other in imported(ast.parse(path.read_text()), found)
        if other in found and other != name
    )

    circles = [circle for circle in networkx.strongly_connected_components(graph) if len(circle) > 1]

    assert len(graph) > 200
    assert [one for one in circles if any(name.startswith("nbflow.core.") for name in one)] == []
    assert [one for one in circles if {name.rpartition(".")[2] for name in one} not in CIRCLES] == []


def test_no_module_has_the_name_of_another():
    """But for the rooms' own errors, and the public modules that stand for those of `core`."""
    twice = {"__init__", "errors", "states", "signals", "triggers", "cache_validators"}
    names = [path.stem for path in (ROOT / "nbflow").rglob("*.py") if path.stem not in twice]

    assert sorted(name for name in set(names) if names.count(name) > 1) == []


def test_every_file_of_the_package_that_is_not_python_is_shipped():
    known = {".py", ".typed", ".mjs", ".css"}
    files = [path for path in (ROOT / "nbflow").rglob("*") if path.is_file() and "__pycache__" not in path.parts]

    assert (ROOT / "nbflow" / "py.typed").exists()
    assert [path for path in files if path.suffix not in known and path.name != "py.typed"] == []


def tracked_files() -> list[str]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git clone")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.rstrip("\0").split("\0")


def test_the_top_level_holds_what_a_newcomer_looks_for_and_what_tools_ask_for():
    top = {name.split("/")[0] for name in tracked_files()}

    assert top - TOP_LEVEL - ASKED_FOR_BY_TOOLS == set()


def constraints() -> dict[str, str]:
    lines = (ROOT / "scripts" / "constraints.txt").read_text().splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonical(name): version for name, version in pins}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


@pytest.mark.parametrize("extra", [None, "dask", "lab", "demo", "docs", "dev"])
def test_each_requirement_has_a_tested_version_within_its_bound(extra):
    project = PROJECT["project"]
    lines = project["optional-dependencies"][extra] if extra else project["dependencies"]
    bounds = [re.fullmatch(r"([\w-]+)[>=]=(.+)", line) for line in lines if not line.startswith(project["name"])]
    tested = constraints()

    assert None not in bounds
    unlisted = [bound[1] for bound in bounds if canonical(bound[1]) not in tested]
    assert unlisted == []
    assert [b[1] for b in bounds if numbers(tested[canonical(b[1])]) < numbers(b[2])] == []


def test_no_tracked_file_names_a_machine():
    # In pieces, or this file would name them.
    folders = r"(?<![\w.*-])/(?:ro" + r"ot|wo" + r"rk|opt/py" + r"pi|home/\w+|Users/\w+)/"
    hosts = r"py" + r"pi\.org|pythonho" + r"sted\.org|npm" + r"js\.(?:org|com)|anaconda\.(?:org|com)"
    private = re.compile(f"{folders}|{hosts}")

    found = {}
    for name in tracked_files():
        path = ROOT / name
        if path.is_file() and (hit := private.search(path.read_text(encoding="utf-8", errors="ignore"))):
            found[name] = hit.group()

    assert found == {}
