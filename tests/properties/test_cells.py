"""Cells executed, edited, deleted, copied and moved in any order: the flow is always what they say."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

import nbflow
from nbflow.core.placeholder_task import PlaceholderTask
from nbflow.errors import DanglingTaskError
from nbflow.notebook.cells.flow_cells import cells_of
from tests.properties.notebooks import BlockNames, Builder, Cell, ListNames, Names, ParameterNames

SETUP = """
from nbflow import Parameter, Flow, resource_manager, task

@task
def load(n=1):
    return n

@task
def double(x):
    return 2 * x

@task
def add(x, y):
    return x + y

@resource_manager
class Cluster:
    def setup(self):
        return "cluster"
    def cleanup(self, resource):
        pass

@task
def use(resource):
    return 1
"""

ALL_NAMES = (*Names, *ListNames, *BlockNames, *ParameterNames)
names = st.sampled_from(Names)
readable = st.sampled_from((*Names, *ParameterNames))
lists = st.sampled_from(ListNames)
managed = st.sampled_from(BlockNames)
small = st.integers(1, 3)
statements = st.one_of(
    st.tuples(st.just("load"), names, small),
    st.tuples(st.just("double"), names, readable),
    st.tuples(st.just("add"), names, readable, readable),
    st.tuples(st.just("quiet"), readable),
    st.tuples(st.just("after"), names, readable),
    st.tuples(st.just("alias"), names, readable),
    st.tuples(st.just("list"), lists, small, small),
    st.tuples(st.just("item"), names, lists, st.integers(0, 2)),
    st.tuples(st.just("block"), names, managed),
    st.tuples(st.just("use"), names, managed),
    st.tuples(st.just("parameter"), st.sampled_from(ParameterNames)),
)
bodies = st.lists(statements, max_size=3).map(tuple)
cells = st.builds(Cell, bodies, st.none() | st.none() | managed)


class Entry:
    """A contribution as the model has it."""

    def __init__(self, cell, key):
        self.cell = cell
        self.key = key

    def __eq__(self, other):
        return self.key == other.key

    __hash__ = None


class Notebook(RuleBasedStateMachine):
    """A notebook with a kernel; cells are known by the id that a front end sends."""

    shell = None

    def __init__(self):
        super().__init__()
        nbflow.flows.clear()
        for name in ALL_NAMES:  # a reset of the shell would take longer than all the rest
            self.shell.user_ns.pop(name, None)
        self.notebook = []  # [id, cell], as the user sees it
        self.entries = []  # what has been executed
        self.count = 0
        self.order, self.is_whole = [], False  # of the pass that is going on
        self.keys, self.last_id = {}, {}  # what each id is known by, and the other way round
        now = self.shell.magics_manager.registry["TaskMagics"].now
        now.identities.__init__(now.identities._names)
        passes = now.passes
        passes._passes.clear()
        passes._clock = lambda: self.seconds
        self.seconds = 0.0

    def teardown(self):
        nbflow.flows.clear()

    # What the user does

    @initialize(first=st.lists(cells, min_size=1, max_size=4))
    def begin(self, first):
        for cell in first:
            self.add(cell, 10)

    @precondition(lambda self: len(self.notebook) < 7)
    @rule(cell=cells, where=st.integers(0, 6))
    def add(self, cell, where):
        self.count += 1
        self.notebook.insert(where, [f"c{self.count}", cell])
        self.execute(self.notebook.index([f"c{self.count}", cell]))

    @precondition(lambda self: self.notebook)
    @rule(where=st.integers(0, 6), cell=cells)
    def edit_and_execute(self, where, cell):
        where %= len(self.notebook)
        self.notebook[where][1] = cell
        self.execute(where)

    @precondition(lambda self: self.notebook)
    @rule(where=st.integers(0, 6), data=st.data())
    def edit_a_statement_and_execute(self, where, data):
        where %= len(self.notebook)
        cell = self.notebook[where][1]
        body = list(cell.statements)
        if body and data.draw(st.booleans()):
            del body[data.draw(st.integers(0, len(body) - 1))]
        else:
            body.insert(data.draw(st.integers(0, len(body))), data.draw(statements))
        self.notebook[where][1] = Cell(tuple(body), cell.block)
        self.execute(where)

    @precondition(lambda self: self.notebook)
    @rule(where=st.integers(0, 6))
    def execute_again(self, where):
        self.execute(where % len(self.notebook))

    @precondition(lambda self: self.notebook)
    @rule(where=st.integers(0, 6))
    def execute_with_an_error(self, where):
        cell_id, cell = self.notebook[where % len(self.notebook)]
        before = picture()
        result = self.shell.run_cell(cell.source + "\n1 / 0", cell_id=cell_id)
        self.note_key(cell_id)
        assert (result.error_before_exec or result.error_in_exec) is not None
        assert picture() == before

    @precondition(lambda self: self.notebook and len(self.notebook) < 7)
    @rule(where=st.integers(0, 6), to=st.integers(0, 6))
    def copy(self, where, to):
        self.count += 1
        cell = self.notebook[where % len(self.notebook)][1]
        self.notebook.insert(to, [f"c{self.count}", cell])
        self.execute(self.notebook.index([f"c{self.count}", cell]))

    @precondition(lambda self: len(self.notebook) > 1)
    @rule(where=st.integers(0, 6), to=st.integers(0, 6))
    def move(self, where, to):
        self.notebook.insert(to, self.notebook.pop(where % len(self.notebook)))

    @precondition(lambda self: self.notebook)
    @rule(where=st.integers(0, 6))
    def delete_and_prune(self, where):
        cell_id, _ = self.notebook.pop(where % len(self.notebook))
        entry = next((e for e in self.entries if e.key == self.keys.get(cell_id)), None)
        if entry is None or cell_id != self.last_id[entry.key]:  # the cell is another one's too
            return
        rest = [e for e in self.entries if e is not entry]
        problem = Builder([e.cell for e in rest]).build().problem
        before = picture()
        try:
            cells_of(nbflow.flows["example"]).remove_cell(entry.key, self.shell.user_ns)
        except nbflow.errors.NbflowError:
            assert problem
            assert picture() == before
        else:
            assert not problem
            self.entries = rest

    @rule()
    def run_all_three_times(self):
        # The first time may take what was edited, the second one the order of the cells.
        for _ in range(3):
            before = picture()
            self.pause()
            for where in range(len(self.notebook)):
                if not self.execute(where, pause=False):
                    break
        assert picture() == before

    # What must come of it

    def pause(self):
        """Do nothing for so long that what is executed next is not part of one run of the notebook."""
        self.seconds += 10
        if self.has_most():
            self.put_in_order()
        self.order, self.is_whole = [], False

    def has_most(self):
        return len(self.order) > 1 and 2 * len(self.order) > len(self.entries)

    def take_order(self, mine, is_new):
        """Note a cell of a pass, which may say in which order the cells stand."""
        if mine in self.order:
            del self.order[: self.order.index(mine) + 1]
        if self.is_whole and not is_new:
            self.order = []
        self.order = [e for e in self.order if e in self.entries] + [mine]
        self.is_whole = len(self.order) == len(self.entries)
        if self.is_whole or (self.order[0] == self.entries[0] and self.has_most()):
            self.put_in_order()

    def put_in_order(self):
        order = [e for e in self.order if e in self.entries]
        members = iter(order)
        wanted = [next(members) if e in order else e for e in self.entries]
        wanted = [next(e for e in self.entries if e == one) for one in wanted]
        if not Builder([e.cell for e in wanted]).build().problem:
            self.entries = wanted

    def execute(self, where, *, pause=True):
        """Execute a cell; the model says whether it can be, and what follows."""
        if pause:
            self.pause()
        cell_id, cell = self.notebook[where]
        before = picture()

        result = self.shell.run_cell(cell.source, cell_id=cell_id)

        key = self.note_key(cell_id)
        wanted, position = self.after(key, cell)
        flow = Builder([e.cell for e in wanted]).build()
        unknown = [here for here, _ in flow.missing] + flow.unread
        is_possible = flow.problem is None and position not in unknown
        note(f"{cell_id}, {key}:\n{cell.source}\n-> {'executed' if is_possible else flow.problem or 'missing'}")
        error = result.error_before_exec or result.error_in_exec
        assert (error is None) == is_possible, error
        if error is None:
            is_new = len(wanted) > len(self.entries)
            self.entries = wanted
            self.take_order(wanted[position], is_new)
        else:
            assert picture() == before
        return is_possible

    def note_key(self, cell_id):
        key = self.shell.magics_manager.registry["TaskMagics"].now.key
        self.keys[cell_id], self.last_id[key] = key, cell_id
        return key

    def after(self, key, cell):
        """The contributions if this cell is executed, and which of them is its own."""
        entries = [Entry(e.cell, e.key) for e in self.entries]
        mine = next((e for e in entries if e.key == key), None)
        if mine is None:
            mine = Entry(cell, key)
            entries.append(mine)
        mine.cell = cell
        return entries, entries.index(mine)

    @invariant()
    def the_flow_is_what_the_cells_say(self):
        flow = Builder([e.cell for e in self.entries]).build()
        assert picture() == sorted_missing(flow.picture())

    @invariant()
    def names_lead_to_what_the_last_cell_bound(self):
        builder = Builder([e.cell for e in self.entries])
        flow = builder.build()
        slugs = flow.slugs()
        for name in (*Names, *BlockNames, *ParameterNames):
            try:
                held = builder.lookup(len(self.entries), name)
            except LookupError:
                continue
            assert nbflow.flows["example"].slugs[self.shell.user_ns[name]] == slugs[held], name

    @invariant()
    def it_runs_unless_something_is_missing(self):
        flow = nbflow.flows.get("example")
        missing = Builder([e.cell for e in self.entries]).build().missing
        if flow is None:
            return
        if missing:
            with pytest.raises(DanglingTaskError):
                flow.validate()
        else:
            flow.validate()
            self.compare_with_plain(flow)

    def compare_with_plain(self, flow):
        """If every name was bound before it was read, the cells as one plain program make the same flow."""
        space = {}
        exec(SETUP, space)
        plain = nbflow.Flow("example")
        try:
            with plain:
                for entry in self.entries:
                    exec(entry.cell.body, space)
        except (NameError, IndexError):
            return
        assert picture(plain) == picture(flow)
        if not any(s[0] == "after" for e in self.entries for s in e.cell.statements):
            # Else a later edge has made one of a block's own edges needless, which a closed block does not notice.
            assert edges_of(plain) == edges_of(flow)
            assert [plain.slugs[t] for t in plain.sorted_tasks()] == [flow.slugs[t] for t in flow.sorted_tasks()]


def edges_of(flow):
    return {(flow.slugs[e.upstream_task], flow.slugs[e.downstream_task], e.key) for e in flow.edges}


def picture(flow=None):
    """The flow in the words of the model; without a block's own edges."""
    flow = nbflow.flows.get("example") if flow is None else flow
    if flow is None:
        return {"tasks": [], "edges": set(), "constants": {}, "blocks": {}}
    slug = flow.slugs
    own = {edge for block in flow.blocks for edge in block._made_edges}
    for block in flow.blocks:
        own |= {e for t in (block.setup_task, block.cleanup_task) for e in flow.edges_in(t) if e.key is not None}
    return sorted_missing(
        {
            "tasks": [slug[t] for t in flow.tasks],
            "edges": {(slug[e.upstream_task], slug[e.downstream_task], e.key) for e in flow.edges if e not in own},
            "constants": {
                slug[t]: dict(v) for t, v in flow.constants.items() if v and not isinstance(t, PlaceholderTask)
            },
            "blocks": {
                slug[b.setup_task]: ([slug[t] for t in b.members], b.parent and slug[b.parent.setup_task])
                for b in flow.blocks
            },
        }
    )


def sorted_missing(seen):
    """Put the stand-ins for what is missing in order of name, and leave a block's own edges out of account."""
    tasks = seen["tasks"]
    return seen | {"tasks": [t for t in tasks if not t.endswith("?")] + sorted(t for t in tasks if t.endswith("?"))}


@pytest.mark.slow
def test_the_flow_is_what_the_cells_say_whatever_is_done_with_them(shell, monkeypatch):
    shell.run_line_magic("load_ext", "nbflow")
    shell.run_cell(SETUP)
    monkeypatch.setattr(shell, "showtraceback", lambda *args, **kwargs: None)  # nobody reads them, and they take long
    machine = type("Machine", (Notebook,), {"shell": shell})

    run_machine(
        machine,
        settings=settings(
            max_examples=12,
            stateful_step_count=20,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
