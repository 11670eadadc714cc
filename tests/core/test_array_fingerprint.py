"""Values, rule V7: fingerprints of arrays and tables see all that counts, and not how it lies in memory."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbflow.core.data.fingerprint import fingerprint, known_fingerprint

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")

DTYPES = ["f8", "f4", "i8", "u1", "?", "c16", "M8[ns]", "U3", "S2", ">i4", "g", [("a", "i1"), ("b", "f8")]]


def filled(shape, dtype, align=False):
    dtype = np.dtype(dtype, align=align)
    raw = np.arange(int(np.prod(shape))).reshape(shape)
    if dtype.names is None:
        return raw.astype(dtype)
    made = np.empty(shape, dtype)
    for name in dtype.names:
        made[name] = raw
    return made


@settings(deadline=None)
@given(
    shape=st.lists(st.integers(0, 6), min_size=1, max_size=4).map(tuple),
    dtype=st.sampled_from(DTYPES),
    data=st.data(),
)
def test_it_does_not_count_how_an_array_lies_in_memory(shape, dtype, data):
    array = filled(shape, dtype)
    wide = np.zeros(tuple(2 * size + 1 for size in shape), array.dtype)
    view = wide[tuple(slice(1, 2 * size + 1, 2) for size in shape)]
    view[...] = array
    axes = data.draw(st.permutations(range(array.ndim)))
    turned = np.ascontiguousarray(array.transpose(axes)).transpose(np.argsort(axes))
    backwards = np.ascontiguousarray(array[tuple([slice(None, None, -1)] * array.ndim)])

    found = known_fingerprint(array)

    assert found is not None
    assert known_fingerprint(view) == found
    assert known_fingerprint(turned.reshape(shape)) == found
    assert known_fingerprint(backwards[tuple([slice(None, None, -1)] * array.ndim)]) == found


@pytest.mark.parametrize("shape", [(1_000_000,), (3_000, 300), (300, 3_000), (3, 40_000), (40_000, 3), (5, 60, 3_000)])
def test_it_does_not_count_how_a_large_array_lies_in_memory(shape):
    array = np.random.default_rng(1).random(shape)
    wide = np.empty(tuple(2 * size for size in shape))[tuple(slice(None, None, 2) for _ in shape)]
    wide[...] = array
    last = np.empty((*shape[:-1], 2 * shape[-1]))[..., : shape[-1]]
    last[...] = array

    found = {fingerprint(value) for value in (array, np.asfortranarray(array), wide, last, array[::-1].copy()[::-1])}
    array[(-1,) * array.ndim] += 1

    assert len(found) == 1
    assert fingerprint(array) not in found
    assert fingerprint(np.asfortranarray(array)) not in found


def test_shape_and_dtype_of_an_array_count():
    array = np.zeros(6)

    values = [
        array,
        array.reshape(2, 3),
        array.reshape(3, 2),
        array.astype("f4"),
        array.astype("i8"),
        array.tolist(),
    ]
    values += [
        array.astype(">f8"),
        array.view("M8[s]"),
        array.view("M8[ms]"),
        np.array(0.0),
        np.float64(0),
        -array,
    ]

    assert len(set(map(fingerprint, values))) == len(values)


def test_gaps_in_records_and_what_lies_under_a_mask_do_not_count():
    one, other = (np.frombuffer(bytes([byte]) * 64, np.dtype("i1,f8", align=True)).copy() for byte in (1, 2))
    one["f0"] = other["f0"] = 1
    one["f1"] = other["f1"] = 2.0
    masked = [np.ma.masked_array([1, under], [False, True]) for under in (2, 3)]

    assert fingerprint(one) == fingerprint(other)
    assert fingerprint(masked[0]) == fingerprint(masked[1]) != fingerprint(np.ma.masked_array([1, 2]))


def test_objects_in_an_array_count_as_they_do_elsewhere():
    made = [np.array([1, "a", [item]], object) for item in (1, 1, True)]

    assert fingerprint(made[0]) == fingerprint(made[1]) != fingerprint(made[2])
    assert known_fingerprint(np.array([(i for i in ())], object)) is None


def test_a_memory_map_and_what_is_read_only_are_known(tmp_path):
    array = np.arange(10)
    np.save(tmp_path / "x.npy", array)
    mapped = [np.load(tmp_path / "x.npy", mmap_mode="r") for _ in range(2)]
    frozen = array.copy()
    frozen.flags.writeable = False

    assert known_fingerprint(mapped[0]) == known_fingerprint(mapped[1]) is not None
    assert fingerprint(frozen) == fingerprint(array)


def test_generators_of_random_numbers_count_by_their_state():
    for made in (np.random.default_rng, np.random.RandomState):
        one, other, drawn = made(1), made(1), made(1)
        drawn.random(3)

        assert known_fingerprint(one) == known_fingerprint(other) is not None
        assert fingerprint(drawn) != fingerprint(one)
        assert one.random() == other.random()


# ------------------------------------------------------------------------------------------------------- pandas


def frame():
    made = pd.DataFrame(
        {
            "float": [1.5, None, 3.0],
            "int": [1, 2, 3],
            "text": ["a", None, "c"],
            "object": pd.Series([1, "a", [1]], dtype=object),
            "nullable": pd.array([1, None, 3], dtype="Int64"),
            "flag": pd.array([True, None, False], dtype="boolean"),
            "kind": pd.Categorical(["x", "y", "x"]),
            "when": pd.date_range("2026-01-01", periods=3, tz="Europe/Berlin"),
            "span": pd.to_timedelta([1, 2, 3], unit="s"),
            "month": pd.period_range("2026-01", periods=3, freq="M"),
            "between": pd.interval_range(0, 3),
            "sparse": pd.array([1.0, 0.0, 0.0], dtype=pd.SparseDtype("f8", 0.0)),
        },
    )
    return made.set_axis(pd.Index(["p", "q", "r"], name="key"))


def test_an_equal_frame_has_the_same_fingerprint_however_it_was_made():
    found = known_fingerprint(frame())
    by_column = pd.DataFrame(dict(frame().items()))
    longer = pd.concat([frame(), frame()])

    assert found is not None
    assert known_fingerprint(frame().copy()) == found
    assert known_fingerprint(by_column) == found
    assert known_fingerprint(longer.iloc[:3]) == found
    assert known_fingerprint(longer.iloc[3:]) == found


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.__setitem__("float", [1.5, None, 4.0]),
        lambda f: f.__setitem__("int", f["int"].astype("i4")),
        lambda f: f.__setitem__("int", f["int"].astype("Int64")),
        lambda f: f.__setitem__("text", ["a", "b", "c"]),
        lambda f: f["object"].iloc[2].append(2),
        lambda f: f.__setitem__("nullable", pd.array([1, 0, 3], dtype="Int64")),
        lambda f: f.__setitem__("kind", f["kind"].cat.as_ordered()),
        lambda f: f.__setitem__("kind", f["kind"].cat.add_categories("z")),
        lambda f: f.__setitem__("when", f["when"].dt.tz_convert("UTC")),
        lambda f: f.pop("int") is None,
        lambda f: f.rename(columns={"int": "integer"}),
        lambda f: f.sort_values("int", ascending=False),
        lambda f: f.insert(0, "first", 1),
        lambda f: f[f.columns[::-1]],
        lambda f: f.reset_index(drop=True),
        lambda f: setattr(f.index, "name", "other"),
        lambda f: setattr(f.columns, "name", "other"),
        lambda f: f.attrs.update(unit="m"),
        lambda f: f.loc.__setitem__(("p", "int"), 5),
        lambda f: f.iloc[:2],
    ],
)
def test_whatever_can_be_seen_of_a_frame_counts(change):
    changed = frame()
    returned = change(changed)
    changed = returned if isinstance(returned, pd.DataFrame) else changed

    assert known_fingerprint(changed) not in (None, known_fingerprint(frame()))


def test_the_blocks_of_a_frame_do_not_count():
    numbers = np.random.default_rng(1).random((10_000, 5))
    frames = [
        pd.DataFrame(numbers),
        pd.DataFrame(numbers, copy=False),
        pd.DataFrame(np.asfortranarray(numbers), copy=False),
        pd.DataFrame({place: numbers[:, place].copy() for place in range(5)}).set_axis(pd.RangeIndex(5), axis=1),
    ]

    assert len(set(map(fingerprint, frames))) == 1


def test_a_multiindex_counts_by_its_values():
    index = pd.MultiIndex.from_product([["a", "b", "c"], [1, 2]], names=["x", "y"])
    same = pd.MultiIndex.from_tuples(list(index[2:4]), names=["x", "y"])

    assert fingerprint(index[2:4]) == fingerprint(same) != fingerprint(index[3:5])
    assert fingerprint(same) != fingerprint(same.rename(["x", "z"]))
    assert fingerprint(same) != fingerprint(same[::-1])


def test_scalars_of_pandas_are_known():
    for made in (
        pd.Timestamp("2026"),
        pd.Timedelta("1s"),
        pd.NaT,
        pd.NA,
        pd.Period("2026"),
        pd.Interval(0, 1),
    ):
        assert known_fingerprint(made) == known_fingerprint([made][0]) is not None


# --------------------------------------------------------------------------------------- other packages, if there


def test_the_chunks_of_arrow_do_not_count():
    arrow = pytest.importorskip("pyarrow")
    for values, kind in (
        ([1, None, 3], arrow.int32()),
        ([1.5, 2.5, None], arrow.float64()),
        (["a", None, "ccc"], arrow.string()),
        ([b"a", b"", None], arrow.large_binary()),
        ([True, None, False], arrow.bool_()),
        ([1, 2, None], arrow.timestamp("s")),
        ([[1], None, [2, 3]], arrow.list_(arrow.int8())),
        (["x", "y", "x"], arrow.dictionary(arrow.int8(), arrow.string())),
    ):
        whole = arrow.chunked_array([arrow.array(values, kind)])
        parts = arrow.chunked_array([arrow.array(values[:1], kind), arrow.array(values[1:], kind)])
        inside = arrow.chunked_array([arrow.array(values * 2, kind)[3:]])
        tables = [arrow.table({"x": column}) for column in (whole, parts, inside)]

        assert len(set(map(fingerprint, tables))) == 1
        assert known_fingerprint(tables[0]) not in (None, known_fingerprint(tables[0].rename_columns(["y"])))
        assert fingerprint(whole) != fingerprint(whole[:2])


def test_the_chunks_of_texts_that_arrow_keeps_for_pandas_do_not_count():
    pytest.importorskip("pyarrow")
    one = pd.DataFrame({"x": pd.array(["a", None, "b"], dtype="string[pyarrow]")})
    parts = pd.concat([one.iloc[:1], one.iloc[1:]])

    assert known_fingerprint(parts) == known_fingerprint(one) is not None


def test_the_chunks_of_polars_do_not_count_and_nothing_lazy_is_collected():
    polars = pytest.importorskip("polars")
    made = polars.DataFrame({"a": [1, None, 3], "b": ["x", None, "z"], "c": [[1], [2], None], "d": [1.5, 2.5, None]})
    parts = polars.concat([made[:1], made[1:]], rechunk=False)

    assert known_fingerprint(parts) == known_fingerprint(made) is not None
    assert fingerprint(made) != fingerprint(made.with_columns(polars.lit("x").alias("b")))
    assert known_fingerprint(made.lazy()) is None


def test_lazy_collections_of_dask_are_unknown():
    array = pytest.importorskip("dask.array")

    assert known_fingerprint([array.zeros(3)]) is None


def test_sparse_matrices_are_known():
    sparse = pytest.importorskip("scipy.sparse")

    assert fingerprint(sparse.csr_matrix(np.eye(3))) == fingerprint(sparse.csr_matrix(np.eye(3)))
    assert fingerprint(sparse.csr_matrix(np.eye(3))) != fingerprint(sparse.csr_matrix(2 * np.eye(3)))


def test_a_proxy_of_wrapt_is_unknown():
    wrapt = pytest.importorskip("wrapt")

    assert known_fingerprint(wrapt.ObjectProxy([1])) is None
