"""What a cell reads, binds and changes, found by its syntax tree alone."""

from __future__ import annotations

import ast

import pytest

from nbflow.notebook.source.infer import names_of, ordinary_statements, roles

# Names that other tasks give, for the tests that ask for roles.
GIVEN = ("table", "items", "total", "x")


def found(source):
    return names_of(ast.parse(source))


def arrow(source, **options):
    it = roles(found(source), GIVEN, **options)
    return f"{' '.join(it.inputs)} -> {' '.join(it.outputs)}".strip()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("y = x + 1", "x -> y"),
        ("y = 1", "-> y"),
        ("a = b = x", "x -> a b"),
        ("a, (b, *c) = x", "x -> a b c"),
        ("x = x + 1", "x -> x"),
        ("x += 1", "x -> x"),
        ("x: int = 3", "-> x"),
        ("x: int", "->"),
        ("print(x)", "x ->"),
        ("y = (n := len(items)) + 1", "items -> n y"),
        ("y = [x for x in items]", "items -> y"),
        ("y = [x for x in x]", "x -> y"),
        ("y = {a: b for a, b in items for c in total}", "items total -> y"),
        ("y = [last := i for i in items]", "items -> y"),
        ("y = lambda x: x + total", "total -> y"),
        ("y = f'{x!r:>{total}}'", "x total -> y"),
        ("_hidden = x", "x ->"),
        ("import numpy as np\ny = np.array(x)", "x -> y"),
        ("from a import *\ny = x", "x -> y"),
        ("def f(a):\n    return a + total", "total ->"),
        ("class C:\n    size = total\n    def m(self):\n        return x + self.size", "total x ->"),
        ("def f():\n    x = 1\n    return x", "->"),
        ("f = lambda: 1\nf = wrap(f)", "-> f"),
    ],
)
def test_a_cell_takes_what_it_reads_and_gives_what_it_binds(source, expected):
    assert arrow(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("table['n'] = 1", "table -> table"),
        ("table.columns = ['a']", "table -> table"),
        ("table['n'] += 1", "table -> table"),
        ("table.loc[0].name = 'a'", "table -> table"),
        ("del table['n']", "table -> table"),
        ("items.append(1)", "items -> items"),
        ("items.append(1)\nitems", "items -> items"),
        ("y = items.pop()", "items -> y items"),
        ("y = items.popleft()", "items -> y items"),
        ("table.sort_values('n', inplace=True)", "table -> table"),
        ("y = table.drop(columns='n', inplace=False)", "table -> y"),
        ("random.shuffle(items)\nlen(items)", "items -> items"),
        ("for i in range(3):\n    items.append(i)", "items -> items"),
        ("total += 1\ny = total", "total -> total y"),
    ],
)
def test_what_is_changed_in_place_is_given_as_well(source, expected):
    assert arrow(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "table.head()",
        "table.info()\ny_ = 1",
        "table.to_csv('f')\n1",
        "table.plot()",
        "len(items)",
        "print(items)\n1",
    ],
)
def test_looking_changes_nothing(source):
    assert found(source).changed == ()


@pytest.mark.parametrize(
    ("source", "bound", "maybe"),
    [
        ("if a:\n    y = 1", "", "y"),
        ("if a:\n    y = 1\nelse:\n    y = 2", "y", ""),
        ("if a:\n    y = 1\nelse:\n    raise ValueError", "y", ""),
        ("if a:\n    y = 1\nelif b:\n    y = 2\nelse:\n    z = y = 3", "y", "z"),
        ("for i in a:\n    y = i", "", "i y"),
        ("for i in a:\n    pass\nelse:\n    y = 1", "y", "i"),
        ("for i in a:\n    break\nelse:\n    y = 1", "", "i y"),
        ("while a:\n    y = 1", "", "y"),
        ("while True:\n    y = 1\n    if y:\n        break", "y", ""),
        ("while True:\n    if a:\n        break\n    y = 1", "", "y"),
        ("with a as f:\n    y = 1", "f y", ""),
        ("with suppress(KeyError):\n    y = 1", "", "y"),
        ("try:\n    y = 1\nexcept E:\n    y = 2", "y", ""),
        ("try:\n    y = 1\nexcept E:\n    pass", "", "y"),
        ("try:\n    y = 1\nexcept E as e:\n    raise", "y", "e"),
        ("try:\n    a\nexcept E:\n    pass\nelse:\n    y = 1\nfinally:\n    z = 1", "z", "y"),
        (
            "match a:\n case [p, *q]:\n  y = 1\n case {'k': r, **s}:\n  y = 2\n case _:\n  y = 3",
            "y",
            "p q r s",
        ),
        ("match a:\n    case 1:\n        y = 1", "", "y"),
        ("a and (y := 1)", "", "y"),
        ("y = 1 if a else (z := 2)", "y", "z"),
        ("y = 1\ndel y", "", ""),
        ("y = 1\nif a:\n    del y", "", ""),
        ("def f():\n    global y\n    y = 1", "f", "y"),
        ("global y\ny = 1", "y", ""),
    ],
)
def test_a_name_is_bound_if_every_way_binds_it(source, bound, maybe):
    names = found(source)

    assert set(names.bound) == set(bound.split())
    assert set(names.maybe) == set(maybe.split())


@pytest.mark.parametrize(
    ("source", "read"),
    [
        ("y = 1\nz = y", ""),
        ("if a:\n    y = 1\nz = y", "a y"),
        ("for i in a:\n    z = y\n    y = i", "a y"),
        ("try:\n    y = f()\nexcept E:\n    z = y", "f E y"),
        ("def f(a, b=c) -> d:\n    return a + b + e", "c d e"),
        ("@deco\ndef f(): pass", "deco"),
        ("class C(B, metaclass=M): pass", "B M"),
        ("del y", "y"),
        ("y[i] = v", "v y i"),
        ("y.a.b = v", "v y"),
        ("async def f():\n    await g()", "g"),
        (
            "def f():\n    nonlocal_ = y\n    def g():\n        nonlocal nonlocal_\n        nonlocal_ = z",
            "y z",
        ),
        ("y = [i for i in a if i > low]", "a low"),
        ("f = lambda a, *b, c=d, **e: (a, b, c, e)", "d"),
    ],
)
def test_a_name_is_read_if_it_may_not_be_bound_before(source, read):
    assert set(found(source).read) == set(read.split())


def test_a_name_that_may_be_left_as_it_is_passes_through():
    assert arrow("if len(items) > 3:\n    total = 0") == "items total -> total"


def test_loop_variables_are_not_given_unless_asked_for():
    source = "for i, row in enumerate(items):\n    last = row"

    assert arrow(source) == "items ->"
    assert arrow(source, gives=["row", "last"]) == "items -> row last"


def test_the_file_of_a_with_is_not_given():
    assert arrow("with open('f') as file:\n    text = file.read()") == "-> text"


def test_what_is_said_wins_over_what_is_found():
    assert arrow("y = x + total", needs=["x"]) == "x -> y"
    assert arrow("y = 1", needs=["total"]) == "total -> y"
    assert arrow("y = x\nz = 1", gives=["y"]) == "x -> y"
    assert arrow("y = x", gives=[]) == "x ->"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("get_ipython().run_line_magic('time', 'y = f(x)')", "x -> y"),
        ("get_ipython().run_line_magic('timeit', '-n 3 f(x)')", "x ->"),
        ("get_ipython().system('ls {x} $total')", "x total ->"),
        ("y = get_ipython().getoutput('cat {items[0]}')", "items -> y"),
        ("get_ipython().system(\"awk '{print $1}'\")", "->"),
        ("get_ipython().run_line_magic('matplotlib', 'inline')", "->"),
    ],
)
def test_python_in_magics_counts(source, expected):
    assert arrow(source) == expected


def ordinary(source, values=GIVEN):
    tree = ast.parse(source)
    return [ast.unparse(node).partition("\n")[0] for node in ordinary_statements(tree, values)]


def test_imports_and_plain_functions_are_ordinary():
    source = "import os\ny = 1\ndef double(v):\n    return 2 * v\nclass C: pass"

    assert ordinary(source) == ["import os", "def double(v):", "class C:"]


def test_imports_with_a_fallback_are_ordinary():
    assert ordinary("try:\n    import a\nexcept ImportError:\n    import b as a") == ["try:"]


def test_a_function_that_needs_a_value_when_it_is_defined_belongs_to_the_task():
    assert ordinary("def low(v, than=x):\n    return v < than") == []
    assert ordinary("def low(v: x):\n    return v") == []
    assert ordinary("class C:\n    size = total") == []


def test_so_does_one_whose_definition_uses_such_a_function():
    assert ordinary("def a(v=x): return v\ndef b(v=a()): return v\ndef c(v): return v") == ["def c(v):"]


def test_what_a_function_reads_when_it_is_called_does_not_tie_its_definition():
    assert ordinary("def share(v):\n    return v / total") == ["def share(v):"]
    assert ordinary("limit = 3\ndef low(v):\n    return v < limit") == ["def low(v):"]


def test_a_function_that_is_used_above_its_definition_or_defined_twice_belongs_to_the_task():
    assert ordinary("y = a(1)\ndef a(v): return v") == []
    assert ordinary("def a(v): return v\ny = a(1)\ndef a(v): return 2 * v") == []


def test_a_decorated_function_is_ordinary_if_its_decorator_is():
    assert ordinary("@cache\ndef a(v): return v") == ["@cache"]
    assert ordinary("deco = x\n@deco\ndef a(v): return v") == []
