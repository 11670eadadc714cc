"""The kinds of values that tasks pass on: how one is made, changed in place, read and copied, as source text.

In the texts ``$x`` is the value, ``$a`` and ``$b`` are small numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import Template
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

BOX = """\
class Box:
    def __init__(self, n):
        self.n = n
        self.items = [n]
    def grow(self, k):
        self.items.append(k)
        self.n += k"""
POINT = """\
@dataclass
class Point:
    x: int
    tags: list = field(default_factory=list)"""
HELPERS = """\
def outer(x, k):
    middle(x, k)
def middle(x, k):
    inner(x, k)
def inner(x, k):
    x.append(k)"""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of value.

    Attributes:
        name: What it is called in the figures.
        makes: Expressions that make one.
        changes: Statements that change one in place.
        reads: Expressions that make an immutable value of one.
        copies: Expressions that make another one of one.
        prelude: Imports and definitions that the texts need.
        is_one_shot: Whether a value is used up by who takes it.
    """

    name: str
    makes: tuple[str, ...]
    changes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ("repr($x)",)
    copies: tuple[str, ...] = ("copy.deepcopy($x)",)
    prelude: tuple[str, ...] = ()
    is_one_shot: bool = False


def filled(text: str, rng: random.Random, x: str = "") -> str:
    """Return the text with its places filled."""
    return Template(text).substitute(x=x, a=rng.randrange(1, 9), b=rng.randrange(10, 99))


NUMPY, PANDAS = "import numpy as np", "import pandas as pd"
KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            name="list",
            makes=("[$a, $b, 3]", "list(range($a))", "[$b]"),
            changes=(
                "$x.append($a)",
                "$x += [$b]",
                "$x[:1] = [$a, $b]",
                "$x.sort(reverse=True)",
                "$x.reverse()",
                "del $x[:1]",
                "$x.extend($x[:2])",
                "$x *= 2",
                "$x.insert(0, $a)",
                "outer($x, $a)",
                "middle($x, $b)",
                "other = $x\nother.append($a)",
                "while len($x) > 3:\n    $x.pop()",
                "for i in range(len($x)):\n    $x[i] *= 2",
                "put = $x.append\nput($b)",
            ),
            reads=("sum($x)", "len($x)", "tuple($x)", "$x[-1:] == [$a]"),
            copies=("list($x)", "$x + [$a]", "[i + $a for i in $x]", "sorted($x)"),
            prelude=(HELPERS,),
        ),
        Kind(
            name="dict",
            makes=('{"a": $a, "b": $b}', "dict(b=$a, a=$b, c=1)", "{$a: $b}"),
            changes=(
                '$x["c"] = $a',
                "$x.update(a=$b)",
                '$x.pop("a", None)',
                '$x["a"] = $x.pop("a", 0)',
                '$x |= {"d": $a}',
                '$x.setdefault("e", $b)',
                '$x["n"] = $x.get("n", 0) + $a',
                "for k in list($x):\n    $x[k] += 1",
            ),
            reads=("repr($x)", "list($x)", "sum($x.values())"),
            copies=("dict($x)", '{**$x, "z": $a}', "{k: v + $a for k, v in $x.items()}"),
        ),
        Kind(
            name="set",
            makes=("{$a, $b}", "set(range($a))"),
            changes=(
                "$x.add($b)",
                "$x.discard(min($x, default=0))",
                "$x |= {$a, 100}",
                "$x ^= {$a}",
                "$x.clear()",
            ),
            reads=("sorted($x)", "len($x)"),
            copies=("set($x)", "$x | {$b}"),
        ),
        Kind(
            name="nested",
            makes=('{"rows": [[$a], [$b, 2]], "n": {"k": [$a]}}', '{"n": {"k": [$b]}, "rows": [[1, $a]]}'),
            changes=(
                '$x["rows"][0].append($a)',
                '$x["n"]["k"] += [$b]',
                'rows = $x["rows"]\nrows.reverse()',
                '$x["rows"].append([$a])',
                'outer($x["n"]["k"], $a)',
                'for row in $x["rows"]:\n    row.insert(0, $a)',
                '$x["n"]["m"] = $a',
            ),
            reads=("repr($x)", 'sum(map(len, $x["rows"]))', 'sum($x["n"]["k"])'),
            prelude=(HELPERS, "import copy"),
        ),
        Kind(
            name="bytearray",
            makes=('bytearray(b"ab$b")', "bytearray($a)"),
            changes=(
                "$x.append($a)",
                "$x += b'$a'",
                "$x[:1] = b'xy'",
                "$x.reverse()",
                "memoryview($x)[:1] = b'z'",
            ),
            reads=("bytes($x)", "len($x)"),
            copies=("bytearray($x)",),
        ),
        Kind(
            name="deque",
            makes=("deque([$a, $b])", "deque(range($a), maxlen=5)"),
            changes=(
                "$x.append($a)",
                "$x.appendleft($b)",
                "$x.rotate(1)",
                "$x.extend([$a, $b])",
                "outer($x, $a)",
            ),
            reads=("list($x)", "len($x)", "sum($x)"),
            copies=("deque($x)", "copy.copy($x)"),
            prelude=(HELPERS, "import copy", "from collections import deque"),
        ),
        Kind(
            name="object",
            makes=("Box($a)", "Box($b)"),
            changes=(
                "$x.n += $a",
                "$x.items.append($b)",
                "$x.grow($a)",
                'setattr($x, "n", $x.n * 2)',
                "vars($x).update(n=$b)",
                "outer($x.items, $a)",
                "grow = $x.grow\ngrow($a)",
            ),
            reads=("($x.n, tuple($x.items))", "$x.n", "len($x.items)"),
            prelude=(BOX, HELPERS, "import copy"),
        ),
        Kind(
            name="class attribute",
            makes=('type("Made", (), {"total": $a, "seen": [$b]})()',),
            changes=("type($x).total += $a", "$x.seen.append($b)", "type($x).seen = [$a]"),
            reads=("($x.total, tuple($x.seen))",),
            copies=('type("Copy", (), {"total": $x.total, "seen": list($x.seen)})()',),
        ),
        Kind(
            name="dataclass",
            makes=("Point($a)", "Point($a, [$b])"),
            changes=("$x.x += $a", "$x.tags.append($b)", "$x.tags = [$a]", "outer($x.tags, $a)"),
            reads=("repr($x)", "$x.x", "len($x.tags)"),
            copies=("replace($x, tags=list($x.tags))", "copy.deepcopy($x)"),
            prelude=("from dataclasses import dataclass, field, replace", POINT, HELPERS, "import copy"),
        ),
        Kind(
            name="array",
            makes=(
                "np.arange($a, $b)",
                "np.arange(6.0) * $a",
                "np.arange(6).reshape(2, 3) + $a",
                "np.ones(4)[::2]",
            ),
            changes=(
                "$x += $a",
                "$x[:1] = $b",
                "$x.sort()",
                "np.add($x, $a, out=$x)",
                "view = $x[1:]\nview *= 2",
                "$x.fill($a)",
                "np.multiply($x, $x, $x)",
                "$x.ravel()[:1] = $b",
                "np.copyto($x, $a)",
                "$x.T[...] = $x.T + $a",
            ),
            reads=("float($x.sum())", "$x.shape", "$x.ravel().tolist()"),
            copies=("$x.copy()", "$x + $a", "np.asfortranarray($x) * 2"),
            prelude=(NUMPY,),
        ),
        Kind(
            name="frame",
            makes=(
                'pd.DataFrame({"a": [$a, $b, 2], "b": [1.5, $a, 3]})',
                'pd.DataFrame({"b": ["x", "y$a"], "a": [$a, $b]}, index=[$b, 1])',
            ),
            changes=(
                '$x["c"] = $x["a"] * $a',
                '$x["a"] *= $b',
                '$x.sort_values("a", ascending=False, inplace=True)',
                '$x.pop("b") if "b" in $x else None',
                '$x.loc[$x.index[0], "a"] = $b',
                '$x.drop(columns="b", inplace=True, errors="ignore")',
                '$x.rename(columns={"b": "bb"}, inplace=True)',
                "$x.reset_index(drop=True, inplace=True)",
                '$x.insert(0, "z%d" % sum("z" in str(one) for one in $x.columns), $a)',
                "$x.index = $x.index + $a",
                '$x.iloc[0, $x.columns.get_loc("a")] = $b',
            ),
            reads=('$x["a"].tolist()', "list($x.columns)", 'int($x["a"].sum())', "$x.index.tolist()"),
            copies=("$x.copy()", "$x.assign(d=$a)", '$x[$x["a"] > 2].copy()'),
            prelude=(PANDAS,),
        ),
        Kind(
            name="random object",
            makes=("random.Random($a)", "random.Random($b)"),
            changes=(
                "drawn = $x.random()",
                "$x.shuffle([1, 2, 3])",
                "$x.seed($a)",
                "[$x.randrange(9) for _ in range($a)]",
            ),
            reads=("$x.getstate()[1][:3]",),
            prelude=("import copy", "import random"),
        ),
        Kind(
            name="numpy generator",
            makes=("np.random.default_rng($a)", "np.random.default_rng($b)"),
            changes=("drawn = $x.random()", "$x.shuffle(np.arange(3))", "$x.normal(size=$a)"),
            reads=('$x.bit_generator.state["state"]["state"]',),
            prelude=(NUMPY, "import copy"),
        ),
        Kind(
            name="iterator",
            makes=(
                "iter([$a, $b, 3])",
                "(i * $a for i in range(5))",
                "map(str, [$a, $b])",
                "zip([$a, 2], [3, $b])",
            ),
            reads=("list($x)", "tuple($x)"),
            copies=(),
            is_one_shot=True,
        ),
        Kind(
            name="rows",
            makes=("[[$a], [$b, 2], [3]]", "[[1, $a], [$b]]"),
            changes=(
                "$x[0].append($a)",
                "$x.append([$b])",
                "for row in $x:\n    row.append($a)",
                "$x.reverse()",
            ),
            reads=("repr($x)", "sum(map(sum, $x))"),
            copies=("[list(row) for row in $x]",),
        ),
    )
}
ATOMS = Kind(name="atoms", makes=("$a", '"$b"', "($a, $b)"), copies=())
MUTABLE = tuple(name for name, kind in KINDS.items() if not kind.is_one_shot)
DECLARED = ("list", "dict", "nested", "set")  # as constants and defaults of parameters
PARAMETERS = {
    "number": ("1", "1.0", "True", "2", "0.0", "-0.0"),
    "list": ("[1, 2]", "[1.0, 2]", "[True, 2]", "[2, 1]", "[1, 2, 3]"),
    "dict": ('{"a": 1, "b": 2}', '{"b": 2, "a": 1}', '{"a": True, "b": 2}', '{"a": 1}'),
    "nested": ('{"rows": [[1]], "n": {"k": [2]}}', '{"rows": [[1.0]], "n": {"k": [2]}}'),
}
