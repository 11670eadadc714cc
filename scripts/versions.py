"""Run the tests with the newest versions of everything nbflow needs and with the lowest that pyproject.toml allows.

`scripts/versions.py` does both, each in an environment of its own under build/versions/; `newest` or `lowest` does one,
`--layers unit panel` runs only these layers. Where a layer fails, it is run with the versions of
scripts/constraints.txt too, and with mixtures of the two, until the package that breaks it is found. The newest
versions are written to scripts/constraints.txt when they break nothing in the layers that were run.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "build" / "versions"
LOCK = ROOT / "scripts" / "constraints.txt"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OLDEST_PYTHON = PROJECT["requires-python"].removeprefix(">=")
HEADER = f"""\
# The versions that nbflow is tested with: of all that the extras demo, dev and docs install. `make versions` renews it,
# with Python {OLDEST_PYTHON}, whose versions the later ones have as well.
"""
# JavaScript's has nothing to do with versions of Python's packages.
LAYERS = [
    *("unit", "doctests", "panel", "shell", "processes", "properties"),
    *("dask", "kernel", "faults", "notebooks", "browser"),
]


class Environment:
    """A virtual environment in which layers of tests are run."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.folder = PLACE / name
        self.python = self.folder / "bin" / "python"

    def make(self, constraints: Path | None) -> Environment:
        """Install nbflow with all its extras, from nothing."""
        print(f"\n##### {self.name}: installing into {self.folder.relative_to(ROOT)}", flush=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", self.folder], check=True)
        self.pip(
            "install",
            "--editable",
            ".[dev,docs]",
            *(["--constraint", str(constraints)] if constraints else []),
        )
        return self

    def pip(self, *arguments: str) -> None:
        """Call pip."""
        subprocess.run([self.python, "-m", "pip", "-qq", *arguments], cwd=ROOT, check=True)

    def mix(self, versions: dict[str, str]) -> None:
        """Have these very versions and no others, whatever they ask for."""
        self.pip("install", "--no-deps", *(f"{name}=={version}" for name, version in versions.items()))
        if extra := self.versions().keys() - versions.keys():
            self.pip("uninstall", "--yes", *extra)

    def is_consistent(self) -> bool:
        """Whether each package has what it asks for."""
        command = [self.python, "-m", "pip", "check"]
        return subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode == 0

    def versions(self) -> dict[str, str]:
        """Each package with its version, but nbflow and pip."""
        command = [self.python, "-m", "pip", "freeze", "--exclude-editable"]
        return parse(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def passes(self, layer: str) -> bool:
        """Run a layer of the tests."""
        print(f"\n##### {self.name}: {layer}", flush=True)
        command = [self.python, "scripts/test.py", layer]
        return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def main(arguments: list[str]) -> int:
    about, _, how = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(description=about, epilog=how)
    parser.add_argument("which", nargs="?", choices=["both", "newest", "lowest"], default="both")
    parser.add_argument("--layers", nargs="+", default=LAYERS, metavar="LAYER", help="as in scripts/test.py")
    chosen = parser.parse_args(arguments)
    PLACE.mkdir(parents=True, exist_ok=True)

    summary, failed = [], False
    for name in ["newest", "lowest"] if chosen.which == "both" else [chosen.which]:
        environment = Environment(name).make(lowest() if name == "lowest" else None)
        told = [what_breaks(layer, environment, Environment("mixed")) for layer in chosen.layers]
        found = list(filter(None, told))
        summary += [f"{name}: {sentence}" for sentence in found or ["every layer passed"]]
        if name == "newest" and not found:
            summary.append(renew(environment.versions()))
        failed |= bool(found)

    print("", *summary, sep="\n")
    return int(failed)


def lowest() -> Path:
    """Write the lower bounds of pyproject.toml down as constraints; pip finds the rest."""
    lines = [*PROJECT["dependencies"], *chain.from_iterable(PROJECT["optional-dependencies"].values())]
    own = [line.replace(">=", "==") for line in lines if not line.startswith(PROJECT["name"])]
    path = PLACE / "lowest.txt"
    path.write_text("\n".join(own) + "\n")
    return path


def parse(freeze: str) -> dict[str, str]:
    found = re.findall(r"^([\w.-]+)==(\S+)$", freeze, re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


def renew(versions: dict[str, str]) -> str:
    if sys.version_info[:2] != tuple(map(int, OLDEST_PYTHON.split("."))):
        return f"newest: not written down, which only Python {OLDEST_PYTHON} may do"
    before = parse(LOCK.read_text())
    LOCK.write_text(HEADER + "".join(f"{name}=={version}\n" for name, version in versions.items()))
    return f"{LOCK.name} renewed: {', '.join(differences(before, versions)) or 'nothing is newer'}"


def differences(old: dict[str, str], new: dict[str, str]) -> list[str]:
    return [f"{k} {old.get(k, 'absent')} -> {v}" for k, v in new.items() if old.get(k) != v]


def what_breaks(layer: str, bad: Environment, mixed: Environment) -> str | None:
    """Say which package makes a layer fail, found out in a third environment; None when it passes."""
    if bad.passes(layer):
        return None
    mixed.make(LOCK)
    tested, suspected = mixed.versions(), bad.versions()
    if not mixed.passes(layer):
        return f"{layer} fails, and with the tested versions too"
    if bad.passes(layer):
        return f"{layer} failed once and passed when tried again"

    # The first so many of the changes are made, and that only where the packages agree with each other: dask and
    # distributed, say, are changed together.
    changed = [(name, version) for name, version in suspected.items() if tested.get(name) != version]
    cuts = [0]
    for cut in range(1, len(changed)):
        mixed.mix(tested | dict(changed[:cut]))
        if mixed.is_consistent():
            cuts.append(cut)
    cuts.append(len(changed))
    while len(cuts) > 2:
        middle = len(cuts) // 2
        mixed.mix(tested | dict(changed[: cuts[middle]]))
        cuts = cuts[middle:] if mixed.passes(layer) else cuts[: middle + 1]
    culprits = dict(changed[cuts[0] : cuts[1]])
    return f"{layer} is broken by {' or '.join(differences(tested, culprits))}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
