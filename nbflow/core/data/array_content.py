"""The content of arrays of numpy's, as plain parts and digests: the same for equal ones, however they lie in memory."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from nbflow.core.data.digest import digest, hasher
from nbflow.core.data.opaque import UnknownError

if TYPE_CHECKING:
    from collections.abc import Callable

# Bytes that fit into a processor's cache, so that what is gathered there is hashed before it leaves.
_BLOCK = 1 << 17
_TILE = 512  # elements
_CHUNK = 4_096  # elements
_WHOLE_ROW = 1 << 12  # bytes; shorter rows are gathered, which costs less than a call for each
_LONG_ROW = 1 << 18  # bytes


def array_content(array: Any, spend: Callable[[int], None]) -> list[Any]:
    """Return what tells arrays apart: dtype, shape, elements; `spend` is told of the bytes before they are read."""
    dtype = array.dtype
    spend(array.nbytes)
    if dtype.names is not None:  # field by field, since there may be anything in the gaps between them
        fields = [part for name in dtype.names for part in array_content(array[name], lambda _: None)]
        return [repr(dtype), str(array.shape), *fields]
    described = dtype.str if dtype.kind in "biufcmMSU" else f"{dtype.str} {dtype!r}"
    if dtype.hasobject or dtype.kind == "T":
        return [described, str(array.shape), array.reshape(-1).tolist()]
    if dtype.kind in "fc" and dtype.char in "gG":
        array = _without_padding(array)
    return [described, str(array.shape), bytes_of(array)]


def subclass_content(array: Any, spend: Callable[[int], None]) -> list[Any]:
    """Return what tells arrays of another class apart: a memory map, a matrix, records, or one with units."""
    numpy: Any = sys.modules["numpy"]
    kept = getattr(array, "__dict__", None)
    own = None if type(array) is numpy.memmap else kept  # where the file lies is not in the array
    return [*array_content(numpy.ndarray.view(array, numpy.ndarray), spend), own or None]


def bytes_of(array: Any) -> bytes:
    """Return the digest of the elements in C order, of an array without objects; long rows are digested first."""
    if array.ndim > 1 and array.nbytes > len(array) * _LONG_ROW:
        if array.ndim > 2 or _has_whole_rows(array):
            return digest(b"".join(map(bytes_of, array)))
        return digest(b"".join(digests_side_by_side(list(array))))
    if array.flags.c_contiguous:
        return digest(_flat(array))
    found = hasher()
    feed(found.update, array)
    made: bytes = found.digest()
    return made


def feed(update: Callable[[Any], None], array: Any) -> None:
    """Hand over the elements in C order, block by block if they do not lie so."""
    if array.flags.c_contiguous:
        update(_flat(array))
        return
    numpy: Any = sys.modules["numpy"]
    row = array.nbytes // len(array) or 1
    if array.ndim > 1 and row >= _WHOLE_ROW and _has_whole_rows(array):
        for part in array:
            update(_flat(part))
        return
    if array.ndim > 2 and row > _BLOCK:
        for part in array:
            feed(update, part)
        return
    # Rows that lie crosswise are gathered many at once, since each line of the cache holds some elements of several.
    step = max(_BLOCK // row, 1) if array.ndim == 1 or _has_whole_rows(array) else max(_BLOCK // row, 64)
    buffer = numpy.empty((min(step, len(array)), *array.shape[1:]), array.dtype)
    for start in range(0, len(array), step):
        part = array[start : start + step]
        gathered = buffer[: len(part)]
        if array.ndim == 2 and abs(array.strides[0]) < abs(array.strides[1]):
            for left in range(0, array.shape[1], _TILE):
                gathered[:, left : left + _TILE] = part[:, left : left + _TILE]
        else:
            gathered[...] = part
        update(_flat(gathered))


def digests_side_by_side(arrays: list[Any]) -> list[bytes]:
    """Return the digests of arrays of one axis that lie crosswise, reading them together: memory is passed once."""
    found: list[bytes] = []
    for first in range(0, len(arrays), 64):
        some = arrays[first : first + 64]
        hashers = [hasher() for _ in some]
        for start in range(0, max(map(len, some)), _CHUNK):
            for one, array in zip(hashers, some, strict=True):
                feed(one.update, array[start : start + _CHUNK])
        found += [one.digest() for one in hashers]
    return found


def _has_whole_rows(array: Any) -> bool:
    return bool(array[0].flags.c_contiguous)


def masked_content(array: Any, spend: Callable[[int], None]) -> list[Any]:
    """Return what tells masked arrays apart, whatever lies under the mask."""
    numpy: Any = sys.modules["numpy"]
    mask = numpy.ma.getmaskarray(array)
    data = numpy.array(numpy.ma.getdata(array), subok=False)
    if data.dtype.names is None:
        data[mask] = numpy.zeros((), data.dtype)
    else:
        for name in data.dtype.names:
            data[name][mask[name]] = numpy.zeros((), data.dtype[name])
    fill = array.fill_value if array.dtype.names is None else repr(array.fill_value)
    return [*array_content(data, spend), *array_content(mask, spend), fill]


def scalar_content(scalar: Any, spend: Callable[[int], None]) -> list[Any]:
    """Return what tells the scalars of numpy apart."""
    numpy: Any = sys.modules["numpy"]
    if scalar.dtype.kind in "biufcmM" and scalar.dtype.char not in "gG":
        return [scalar.dtype.str, scalar.tobytes()]
    return array_content(numpy.asarray(scalar), spend)


def sparse_content(matrix: Any, spend: Callable[[int], None]) -> list[Any]:
    """Return what tells sparse matrices apart, as they are stored."""
    parts = vars(matrix)
    return [matrix.format, [(name, parts[name]) for name in sorted(parts)]]


def tensor_content(tensor: Any, spend: Callable[[int], None]) -> list[Any]:
    """Return what tells tensors apart that lie in this machine's memory.

    Raises:
        UnknownError: If it lies on a device.
    """
    if tensor.device.type != "cpu" or str(tensor.layout) != "torch.strided":
        raise UnknownError("it lies on a device")
    spend(tensor.nelement() * tensor.element_size())
    flat = tensor.detach().contiguous().reshape(-1).view(sys.modules["torch"].uint8).numpy()
    return [str(tensor.dtype), str(tuple(tensor.shape)), bool(tensor.requires_grad), digest(flat)]


def _flat(array: Any) -> Any:
    """Return the bytes of a contiguous array, without copying them."""
    return array.reshape(-1).view("u1") if array.nbytes else b""


def _without_padding(array: Any) -> Any:
    """Return the bytes of long doubles that are theirs: an x86 keeps ten in sixteen."""
    numpy: Any = sys.modules["numpy"]
    if numpy.finfo(numpy.longdouble).nmant != 63:
        return array
    single = numpy.ascontiguousarray(array).reshape(-1).view(numpy.longdouble)
    return single.view("u1").reshape(single.size, single.itemsize)[:, :10]
