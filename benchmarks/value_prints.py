"""What fingerprints take, and how much is hashed for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.value_work import MEGABYTE, processor_time, succeed

if TYPE_CHECKING:
    from collections.abc import Callable

Numbers = dict[str, float]


def prints(kind: str, megabytes: int) -> Callable[[], Numbers]:
    """The fingerprint of a value, and the hash of the same bytes, copied where they do not lie in one piece."""
    import numpy as np
    import xxhash

    from nbflow.core.data.fingerprint import known_fingerprint

    value, parts = _sample(kind, megabytes)

    def hashed() -> str:
        whole = xxhash.xxh3_128()
        for part in parts:
            whole.update(np.ascontiguousarray(part) if type(part) is np.ndarray else part)
        return whole.hexdigest()

    def measure() -> Numbers:
        ours, theirs = [], []
        for _ in range(3):
            theirs.append(processor_time(hashed))
            ours.append(processor_time(lambda: known_fingerprint(value)))
        return {"value": min(ours), "beside": min(theirs)}

    assert known_fingerprint(value) is not None
    return measure


def _sample(kind: str, megabytes: int) -> tuple[Any, list[Any]]:
    """Return a value, and the buffers whose bytes it has."""
    import numpy as np

    columns = 20
    rows = megabytes * MEGABYTE // 8 // columns
    numbers = np.random.default_rng(0).random((rows, columns))
    if kind == "array":
        return numbers, [numbers]
    if kind == "fortran":
        turned = np.asfortranarray(numbers)
        return turned, [turned]
    if kind == "strided":
        return numbers[:, ::2], [numbers[:, ::2]]
    import pandas as pd

    if kind == "frame":
        return pd.DataFrame(numbers), [numbers]
    if kind == "mixed":
        made = [(numbers[:, 0] * 1e6).astype("i8"), numbers[:, 1].copy(), numbers[:, 2] > 0.5]
        made += [(numbers[:, 3] * 1e18).astype("i8").astype("M8[ns]"), numbers[:, 4].astype("f4")]
        return pd.DataFrame(dict(zip("abcde", made, strict=True))), [one.view("u1") for one in made]
    texts = [f"text {number}" for number in range(rows)]
    joined = "".join(texts).encode()
    return pd.DataFrame({"text": texts, "number": numbers[:, 0]}), [joined, numbers[:, 0].copy()]


def bytes_hashed(kind: str, megabytes: int) -> Callable[[], Numbers]:
    """How much is hashed during a run, of an array that five tasks take: whoever asks, xxhash is told of it."""
    import numpy as np
    import xxhash

    from nbflow import Flow, task

    seen = [0]
    for name in ("xxh3_128_digest", "xxh3_128_hexdigest"):
        setattr(xxhash, name, _counted(getattr(xxhash, name), seen))
    xxhash.xxh3_128 = _counting(xxhash.xxh3_128, seen)

    ways = {"pass": [lambda x: x] * 5, "read": [lambda x: x.sum(), lambda x: x[0], _largest, _mean, _shape]}
    with Flow("once") as flow:
        made = value = task(lambda: np.ones(megabytes * MEGABYTE // 8), name="made")()
        for number, way in enumerate(ways[kind]):
            taken = task(way, name=f"task {number}")(value)
            value = taken if kind == "pass" else made

    def measure() -> Numbers:
        seen[0] = 0
        succeed(flow)
        return {"value": seen[0], "beside": megabytes * MEGABYTE}

    return measure


def _largest(x: Any) -> Any:
    return x.max()


def _mean(x: Any) -> Any:
    import numpy as np

    return np.mean(x)


def _shape(x: Any) -> Any:
    return x.shape


def _counted(function: Callable[..., Any], seen: list[int]) -> Callable[..., Any]:
    def counting(data: Any = b"", *args: Any, **kwargs: Any) -> Any:
        seen[0] += memoryview(data).nbytes
        return function(data, *args, **kwargs)

    return counting


def _counting(kind: Any, seen: list[int]) -> Callable[..., Any]:
    class Counting:
        def __init__(self, data: Any = b"") -> None:
            self._hash = kind()
            self.update(data)

        def update(self, data: Any) -> None:
            seen[0] += memoryview(data).nbytes
            self._hash.update(data)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._hash, name)

    return Counting
