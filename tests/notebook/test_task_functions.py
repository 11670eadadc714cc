"""C3: functions and classes get the values of tasks when tasks call them."""

from __future__ import annotations

import cloudpickle
import pytest

from nbflow import flows


@pytest.fixture
def printed(notebook):
    """Execute cells, run the flow and give what it printed; a cell is known by its place, `T` makes it a task."""

    def execute(*sources, **options):
        for i, source in enumerate(sources):
            text = f"%%task cell_{i}\n{source[2:]}" if source.startswith("T ") else source
            cell = notebook(text, cell_id=f"cell-{i}")
            assert cell.error is None, cell.error
        return run(**options)

    def run(**options):
        names = ", ".join(f"{name}={value!r}" for name, value in options.items())
        cell = notebook(f"import nbflow\nstate = nbflow.flows['notebook'].run({names})")
        assert cell.error is None, cell.error
        state = notebook.names["state"]
        assert state.is_successful(), [one for one in state.result.values() if one.is_failed()]
        return cell.out.split()

    execute.run = run
    return execute


def line(notebook, source, cell_id=None):
    cell = notebook(source, cell_id=cell_id)
    assert cell.error is None, cell.error
    return cell.outputs[-1]["text/plain"]


def test_a_function_of_an_ordinary_cell_gets_the_value_of_a_task_and_the_line_says_so(notebook, printed):
    notebook("%%task rate\nrate = 3")
    notebook("def scaled(x): return rate * x")

    assert line(notebook, "%%task use\nprint(scaled(5))") == "use: rate (through scaled) -> (shows only)"
    assert printed.run() == ["15"]


def test_through_any_number_of_helpers(printed):
    helpers = "def a(x): return rate * x\ndef b(x): return a(x)\ndef c(x): return max(map(b, [x]))"

    assert printed("T rate = 3", helpers, "T print(c(5))") == ["15"]


def test_helpers_that_call_each_other(printed):
    helpers = "def even(n): return n == low or odd(n - 1)\ndef odd(n): return n != low and even(n - 1)"

    assert printed("T low = 0", helpers, "T print(even(4), odd(4))") == ["True", "False"]


def test_a_function_that_was_defined_before_the_value_became_a_task(printed):
    assert printed("def later(x): return x + offset", "T offset = 10", "T print(later(1))") == ["11"]


def test_a_memo_that_a_function_fills_is_given_on(notebook, printed):
    function = (
        "def fact(n):\n    if n not in seen:\n        seen[n] = 1 if n < 2 else n * fact(n - 1)\n    return seen[n]"
    )

    assert printed("T seen = {}", function, "T print(fact(5))", "T print(len(seen))") == ["120", "5"]


def test_a_function_gets_what_the_calling_cell_binds_itself(notebook, printed):
    notebook("def total(): return sum(grid)")

    cell = "%%task\nfor step in range(3):\n    grid = [step, step]\n    t = total()\nprint(t)"
    assert line(notebook, cell).startswith("show: -> ")
    assert printed.run() == ["4"]


def test_a_function_beside_values_is_seen_by_other_cells(printed):
    assert printed("T n = 1\ndef f(): return n + 1", "T print(f())") == ["2"]


def test_a_function_sees_the_newest_value_above_the_cell_that_calls_it(printed):
    cells = ("T n = 1", "T def f(): return n + 1", "T print(f())", "T n = 10", "T print(f())")

    assert printed(*cells) == ["2", "11"]


def test_a_class_whose_body_needs_a_value_is_given(printed):
    assert printed("T n = 1", "T class P:\n    size = n + 1", "T print(P.size)") == ["2"]


def test_a_default_keeps_the_value_of_its_definition(printed):
    assert printed("T n = 1", "T def f(x=n): return x", "T n = 5", "T print(f(), n)") == ["1", "5"]


def test_a_lambda_sees_the_newest_value_too(printed):
    assert printed("T n = 1", "T g = lambda: n", "T n = 5", "T print(g())") == ["5"]


def test_methods_get_the_values_and_objects_keep_their_class(printed):
    account = (
        "class Account:\n"
        "    def __init__(self, owner):\n        self.owner = owner\n        balances[owner] = 0\n"
        "    @property\n    def balance(self):\n        return balances[self.owner]\n"
        "    def put(self, n):\n        balances[self.owner] += n * self.rate()\n        return self\n"
        "    @staticmethod\n    def rate():\n        return rate"
    )
    cells = (
        "T balances = {}\nrate = 2",
        account,
        "T one = Account('a')",
        "T _ = one.put(3)",
        "T print(one.balance, type(one) is Account, isinstance(one, Account), balances)",
    )

    assert printed(*cells) == ["6", "True", "True", "{'a':", "6}"]


def test_decorated_and_wrapped_functions_get_the_values(printed):
    helpers = (
        "import functools\n"
        "def twice(f):\n    @functools.wraps(f)\n    def inner(*a): return 2 * f(*a)\n    return inner\n"
        "@twice\ndef a(x): return rate * x\n"
        "@functools.lru_cache\ndef b(x): return rate + x\n"
        "c = functools.partial(lambda x, y: rate * x + y, 1)\n"
        "table = {'a': lambda x: rate - x}"
    )

    assert printed("T rate = 3", helpers, "T print(a(5), b(5), c(5), table['a'](5))") == [
        "30",
        "8",
        "8",
        "-2",
    ]


def test_functions_made_by_functions_get_the_values(printed):
    cells = (
        "T rate = 3",
        "def make(n):\n    return lambda x: rate * x + n",
        "T f = make(1)",
        "T rate = 5",
        "T print(f(2))",
    )

    assert printed(*cells) == ["11"]


def test_a_function_that_binds_a_global_binds_it_for_the_task(notebook, printed):
    helper = "def setup():\n    global model\n    model = rate + 1"

    assert printed("T rate = 3", helper, "T setup()\nprint(model)", "T print(model)") == ["4", "4"]
    assert not isinstance(notebook.names.get("model"), int)


def test_on_threads_as_well(printed):
    cells = ("T rate = 3", "def a(x): return rate * x", "T print(a(1))", "T print(a(1))")

    assert printed(*cells, executor="threads") == ["3", "3"]


def test_an_edited_value_reaches_through_functions_in_a_rerun(notebook, printed):
    printed("T rate = 3", "def a(x): return rate * x", "T y = a(1)")
    notebook("%%task cell_0\nrate = 4", cell_id="cell-0")

    state = flows["notebook"].runs[-1].rerun("stale").wait()

    assert state.result[notebook.names["y"]].result == 4


def test_a_task_takes_its_functions_along_with_values_and_not_with_tasks(notebook, printed):
    printed("T rate = 3", "def a(x): return rate * x", "T y = a(2)")
    flow = flows["notebook"]
    function = next(task for task in flow.tasks if task.name == "cell_2").run

    again = cloudpickle.loads(cloudpickle.dumps(function))

    assert again(rate=5) == 10


def test_a_function_counts_its_calls_where_it_did(printed):
    helper = "def a(x):\n    a.calls = getattr(a, 'calls', 0) + 1\n    return rate * x"

    assert printed("T rate = 3", helper, "T y = a(2) + a(3)", "T print(y, a.calls)") == ["15", "2"]


@pytest.mark.parametrize(
    ("binding", "read", "expected"),
    [
        ("for i in range(3): pass", "i", "2"),
        ("for i in range(3):\n    last = i", "last", "2"),
        ("if n:\n    z = 2", "z", "2"),
        ("import io\nwith io.StringIO('ab') as f:\n    w = 2", "f.closed", "True"),
        ("try:\n    w = 1 // n\nexcept ZeroDivisionError:\n    pass", "w", "1"),
        ("match [1, 1]:\n    case [a, b]:\n        r = a + b", "r", "2"),
        ("_n = 2", "_n", "2"),
        ("while True:\n    import string\n    break", "string.digits[2]", "2"),
    ],
)
def test_what_a_cell_binds_by_the_way_is_given_when_a_cell_below_reads_it(printed, binding, read, expected):
    assert printed("T n = 1", f"T {binding}", f"T print({read})") == [expected]


def test_it_is_still_given_after_an_edit(notebook, printed):
    printed("T for i in range(3): pass", "T print(i)")

    notebook("%%task cell_0\nfor i in range(5): pass", cell_id="cell-0")

    assert printed.run() == ["4"]


def test_what_a_cell_has_not_bound_this_time_is_missed_by_the_cell_that_reads_it(notebook, printed):
    printed("T n = 1", "T if n:\n    z = 2", "T print(z)")
    notebook("%%task cell_0\nn = 0", cell_id="cell-0")

    state = flows["notebook"].run()

    failed = [one for one in state.result.values() if isinstance(one.result, NameError)]
    assert "binds it on some ways only" in "".join(failed[0].result.__notes__)


def test_c2_a_cell_means_the_definition_above_it_where_another_one_stands_below(notebook, printed):
    cells = ("T def f(): return 'one'", "T print(f())", "T def f(): return 'two'", "T print(f())")

    assert printed(*cells) == ["one", "two"]

    notebook("%%task cell_0\ndef f(): return 'edited'", cell_id="cell-0")

    assert printed.run() == ["edited", "two"]


def test_an_import_from_the_future_counts_for_the_cells_below_it(printed):
    printed(
        "T from __future__ import annotations\nn = 1",
        "T class Tree:\n    def parent(self) -> Tree: ...\ndef grow(tree: Nowhere) -> Tree: ...",
        "T print(Tree.parent.__annotations__)",
    )


LOOKS_UP = "def solve(day):\n    names = globals()\n    return names[f'day{day}'](names[f'in{day}'])"
DAYS = ("T scale = 10", "T in1 = 2\nin2 = 3", "def day1(n): return n * scale", LOOKS_UP)


@pytest.mark.parametrize("make", ["", "T "])
def test_names_that_only_the_run_knows_are_looked_up_among_the_values_above(printed, make):
    cells = [source.replace("def", f"{make}def", 1) if source.startswith("def") else source for source in DAYS]

    assert printed(*cells, "def through(n): return solve(n)", "T print(through(1))") == ["20"]


def test_an_edit_of_a_value_that_is_looked_up_like_this_is_stale_for_it(notebook, printed):
    printed(*DAYS, "T print(solve(1))")

    notebook("%%task cell_0\nscale = 100", cell_id="cell-0")

    assert printed.run() == ["200"]


def test_all_names_are_read_where_all_are_handed_on(printed):
    assert printed("T one = 1", "def pick(one, **rest): return one", "T print(pick(**globals()))") == ["1"]


def test_a_name_that_the_source_says_is_looked_up_alone(notebook, printed):
    printed("T a = 1", "T b = 2")

    cell = notebook("%%task looks\nprint(globals()['a'], 'b' in globals())", cell_id="looks")

    assert cell.outputs == [{"text/plain": "looks: a -> (shows only)"}]


TABLE = (
    "T k = 1",
    "def times(x): return x * k",
    "def by_default(x, f=times): return f(x)\ndef by_word(x, *, f=times, add=0): return (lambda: f(x) + add)()",
    "T table = {'times': times}\nlist_ = [times, abs]\ndeep = {'a': [(times, 1), (own := [])]}\nown.append(deep)",
    "T k = 2",
)


@pytest.mark.parametrize(
    "call",
    [
        "table['times'](3)",
        "list_[0](3)",
        "[one(3) for one in table.values()][0]",
        "deep['a'][0][0](3)",
        "by_default(3)",
        "by_word(3)",
    ],
)
def test_functions_in_a_container_see_the_values_of_the_cell_that_calls_them(printed, call):
    assert printed(*TABLE, f"T print({call})") == ["6"]


def test_a_container_of_functions_keeps_what_a_cell_changes_of_it(printed):
    changes = "T table['add'] = lambda x: x + k\ndel table['times']\nlist_.reverse()\nsame = table"

    lines = printed(*TABLE, changes, "T print(list(table), table['add'](3), list_[1](3), same is table)")

    assert lines == ["['add']", "5", "6", "True"]


def test_a_container_of_functions_that_a_cell_hands_on_is_the_same(printed):
    assert printed(*TABLE, "T also = table", "T print(also is table, also['times'](3))") == ["True", "6"]


SHOWS = """class Shows:
    def __init__(self, *texts):
        self.texts = texts
    def __repr__(self):
        return " ".join(f"{text}={eval(text)}" for text in self.texts)"""


@pytest.mark.parametrize("make", ["", "T "])
def test_a_text_that_only_the_run_knows_is_evaluated_among_the_values_that_the_cell_names(printed, make):
    cells = ("T one = 1", "T two = 2", f"{make}{SHOWS}", "T print(Shows('one', 'one + two'))")

    assert printed(*cells) == ["one=1", "one", "+", "two=3"]


def test_a_text_that_is_put_together_is_evaluated_among_all_values(printed):
    assert printed("T one = 1", "T n = 'o'", "def look(name): return eval(name)", "T print(look(n + 'ne'))") == ["1"]


def test_a_cell_that_looks_names_up_takes_none_that_only_cells_below_it_give(notebook, printed):
    printed("T in1 = 1", "def get(n): return globals()[f'in{n}']", "T x = get(1)", "T in2 = x", "T print(get(2))")

    cell = notebook("%%task cell_2\nx = get(1) + 4", cell_id="cell-2")

    assert cell.error is None
    assert printed.run() == ["5"]
