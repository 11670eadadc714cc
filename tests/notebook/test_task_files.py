"""Rule V8 in the notebook: a `%%task` cell that reads a file comes after the cell above that wrote it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from nbflow import flows
from nbflow.notebook.source.cell_files import file_names


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def cells(notebook, *sources):
    for number, source in enumerate(sources):
        cell = notebook(source, cell_id=f"cell-{number}")
        assert cell.error is None, cell.error
    return flows["notebook"]


def cell_edges(flow):
    return sorted((e.upstream_task.name, e.downstream_task.name) for e in flow.edges if e.key is None)


def why(flow, what="stale"):
    return {step.task.name: step.why for step in flow.plan(what).steps if step.runs}


WRITE = "%%task write\nfrom pathlib import Path\nPath('x.csv').write_text('1')"
READ = "%%task read\nfrom pathlib import Path\ntext = Path('x.csv').read_text()"


@pytest.mark.parametrize(
    ("source", "read", "written"),
    [
        ("open('a')", {"a"}, set()),
        ("open('a', 'rb')", {"a"}, set()),
        ("open('a', mode='w')", set(), {"a"}),
        ("open('a', 'r+')", {"a"}, {"a"}),
        ("open(folder / 'a', 'w')", set(), set()),
        ("open(file='a', mode='a+')", {"a"}, {"a"}),
        ("out.write('75')", set(), set()),
        ("tree.write('a.xml')", set(), {"a.xml"}),
        ("Path('a').open('w')", set(), {"a"}),
        ("Path('a').read_text()", {"a"}, set()),
        ("(Path('d') / 'a').write_text('b')", set(), {"d/a"}),
        ("pd.read_csv('./a.csv', sep=';')", {"a.csv"}, set()),
        ("pd.read_csv(filepath_or_buffer='a.csv')", {"a.csv"}, set()),
        ("table.to_csv(os.path.join('d', 'a.csv'))", set(), {"d/a.csv"}),
        ("np.save('a.npy', x); np.load('a.npy')", set(), {"a.npy"}),
        ("np.load('a.npy'); np.save('a.npy', x)", {"a.npy"}, {"a.npy"}),
        ("json.dump(x, open('a.json', 'w'))", set(), {"a.json"}),
        ("shutil.copy('a', 'b')", {"a"}, {"b"}),
        ("Path('a').rename('b')", {"a"}, {"b"}),
        ("plt.savefig('a.png')", set(), {"a.png"}),
        ("open(path); pd.read_csv(f'{x}.csv'); 'a'; print('a')", set(), set()),
    ],
)
def test_v8_the_files_that_a_cell_names_are_found(source, read, written):
    found = file_names(ast.parse(source))

    assert (found.read, found.written) == (read, written)


def test_v8_a_cell_that_reads_a_file_depends_on_the_cell_above_that_writes_it(notebook):
    flow = cells(notebook, WRITE, "%%task other\na = 1", READ)

    assert cell_edges(flow) == [("write", "read")]
    for executor in ("inline", "threads"):
        state = flow.run(executor=executor)
        assert state.result[notebook.names["text"]].result == "1"


def test_v8_a_cell_does_not_depend_on_one_below(notebook):
    Path("x.csv").write_text("0")
    flow = cells(notebook, READ, WRITE)

    assert cell_edges(flow) == [("read", "write")]


def test_v8_a_cell_that_writes_a_file_later_is_tied_to_its_readers_when_it_is_executed(notebook):
    flow = cells(notebook, "%%task write\npass", READ)
    assert cell_edges(flow) == []

    assert notebook(WRITE, cell_id="cell-0").error is None
    assert cell_edges(flow) == [("write", "read")]

    assert (
        notebook("%%task write\nfrom pathlib import Path\nPath('y.csv').write_text('1')", cell_id="cell-0").error
        is None
    )
    assert cell_edges(flow) == []


def test_v8_a_cell_without_a_name_may_change_what_it_is_called(notebook):
    flow = cells(notebook, "%%task\na = 1", "%%task\nfrom pathlib import Path\nPath('x.csv').write_text(str(a))", READ)
    assert cell_edges(flow) == [("show_a", "read")]

    assert notebook("%%task\nfrom pathlib import Path\nPath('x.csv').write_text('1')", cell_id="cell-1").error is None

    assert cell_edges(flow) == [("show", "read")]
    assert flow.run().is_successful()


def test_v8_cells_that_open_files_whose_names_are_not_known_are_not_tied_by_how_they_open_them(notebook):
    flow = cells(
        notebook,
        "%%task one\nwith open(folder / 'one', 'w') as out:\n    out.write('75')",
        "%%task two\nwith open(folder / 'two', 'w') as out:\n    out.write('75')",
    )

    assert cell_edges(flow) == []


def test_v8_a_rerun_of_the_writer_runs_the_reader_and_an_unchanged_flow_nothing(notebook):
    flow = cells(notebook, WRITE, READ)
    flow.run()
    assert why(flow) == {}

    assert notebook(WRITE.replace("'1'", "'2'"), cell_id="cell-0").error is None
    assert why(flow) == {"write": "its code has changed", "read": "downstream of 'write'"}
    run = flow.runs[-1].rerun("stale")
    assert run.wait().result[notebook.names["text"]].result == "2"


HIDDEN = (WRITE.replace("'x.csv'", "'x.' + 'csv'"), READ.replace("'x.csv'", "'x.' + 'csv'"))


def test_v8_an_order_that_only_a_run_has_shown_is_kept(notebook):
    flow = cells(notebook, *HIDDEN)
    assert cell_edges(flow) == []
    flow.run()

    assert why(flow) == {}
    assert cell_edges(flow.plan().graph) == [("write", "read")]
    run = flow.start(executor="threads")
    assert run.wait().is_successful()
    assert cell_edges(run.graph) == [("write", "read")]
    assert cell_edges(flow) == []
    assert why(flow, [run.graph.tasks[0]]) == {"write": "asked for", "read": "downstream of 'write'"}
    assert why(flow) == {}


def test_v8_a_reader_does_not_run_when_the_writer_failed(notebook):
    flow = cells(notebook, *HIDDEN)
    flow.run()
    notebook(HIDDEN[0] + "\n1 / 0", cell_id="cell-0")

    state = flow.run()

    assert type(state.result[notebook.names["text"]]).__name__ == "TriggerFailed"


def test_v8_a_file_that_was_changed_by_hand_is_written_again(notebook):
    flow = cells(notebook, *HIDDEN)
    flow.run()
    Path("x.csv").write_text("by hand")

    assert set(why(flow)) == {"write", "read"}
    run = flow.runs[-1].rerun("stale")
    assert run.wait().result[notebook.names["text"]].result == "1"


def test_v8_a_cell_that_writes_a_file_again_comes_after_those_that_read_it_before(notebook):
    again = "%%task again\nPath('x.csv').write_text('2')"
    last = "%%task last\nend = Path('x.csv').read_text()"
    flow = cells(notebook, WRITE, READ, again, last)
    flow.run(executor="threads")
    assert cell_edges(flow) == [
        ("again", "last"),
        ("read", "again"),
        ("write", "again"),
        ("write", "last"),
        ("write", "read"),
    ]
    assert why(flow) == {}

    assert notebook(READ + " * 2", cell_id="cell-1").error is None
    run = flow.runs[-1].rerun("stale")
    state = run.wait()

    assert state.result[notebook.names["text"]].result == "11"
    assert state.result[notebook.names["end"]].result == "2"
    assert why(flow) == {}
