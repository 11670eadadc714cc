"""What a campaign counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.properties.programs.verdict import ERROR, FAULTS, NEEDLESS, REFUSED, WARNED, WRONG

SORTS = (WRONG, NEEDLESS, ERROR, REFUSED, WARNED)


@dataclass
class Figures:
    """The counts of a campaign, and what it found.

    Attributes:
        counts: Programs, steps, reruns, tasks and the like.
        played: How often each thing was done by a user.
        by_op: Findings by what the user did.
        by_kind: Findings by kinds of values and features; one finding counts for each of its task.
        unordered: Findings in programs whose takers have no order; no faults.
        findings: The cases in which a fault was found.
    """

    counts: Counter[str] = field(default_factory=Counter)
    played: Counter[str] = field(default_factory=Counter)
    by_op: Counter[tuple[str, str]] = field(default_factory=Counter)
    by_kind: Counter[tuple[str, str]] = field(default_factory=Counter)
    unordered: Counter[str] = field(default_factory=Counter)
    findings: list[tuple[Any, Any]] = field(default_factory=list)

    def add(self, other: Figures) -> None:
        """Add the counts of another part of the campaign."""
        for name in ("counts", "played", "by_op", "by_kind", "unordered"):
            getattr(self, name).update(getattr(other, name))
        self.findings += other.findings

    def note(self, case: Any, found: list[Any], findings: list[Any]) -> None:
        """Count one program."""
        self.counts["programs"] += 1
        self.counts["steps"] += len(found) - 1
        self.counts["reruns"] += sum(one.reruns for one in found)
        self.counts["task runs"] += sum(len(one.ran) for one in found)
        self.counts["reruns that ran more than their plan says"] += sum(
            one.planned is not None and not one.ran <= one.planned for one in found
        )
        self.played.update(("first run", *case.ops[: len(found) - 1]))
        if not case.ordered:
            self.counts["programs without an order"] += 1
            self.unordered.update(finding.sort for finding in findings)
            return
        if any(finding.sort == WRONG for finding in findings):
            self.counts["programs with a wrong value"] += 1
        for finding in findings:
            self.by_op[finding.sort, finding.op] += 1
            self.by_kind.update((finding.sort, about) for about in finding.about)
            if finding.sort in FAULTS:
                self.findings.append((case, finding))

    @property
    def faults(self) -> int:
        """How many findings are faults."""
        return sum(number for (sort, _), number in self.by_op.items() if sort in FAULTS)

    def text(self) -> str:
        """Return the tables."""
        lines = [f"{number:8,} {name}" for name, number in self.counts.items()]
        lines += ["", *_table("by step", self.by_op, self.played), "", *_table("by kind", self.by_kind, None)]
        if self.unordered:
            lines += [
                "",
                "without an order: " + ", ".join(f"{n} {name}" for name, n in self.unordered.items()),
            ]
        return "\n".join(lines)


def _table(title: str, counts: Counter[tuple[str, str]], played: Counter[str] | None) -> list[str]:
    names = sorted({name for _, name in counts} | set(played or ()))
    width = max([len(title), *map(len, names)])
    heads = [*(["played"] if played is not None else []), *SORTS]
    lines = ["  ".join([title.ljust(width), *(head.rjust(12) for head in heads)])]
    for name in names:
        cells = [played[name]] if played is not None else []
        cells += [counts[sort, name] for sort in SORTS]
        lines.append("  ".join([name.ljust(width), *(f"{cell or '':>12}" for cell in cells)]))
    total = [sum(played.values())] if played is not None else []
    if played is not None:
        total += [sum(n for (one, _), n in counts.items() if one == sort) for sort in SORTS]
        lines.append("  ".join(["all".ljust(width), *(f"{cell:>12,}" for cell in total)]))
    return lines
