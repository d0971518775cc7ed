"""Numpy's arrays and numbers in pickle files, without numpy's own code being called by them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.errors import InvalidFile


def _encode(text: str, encoding: str | bytes) -> bytes:
    # Bytes are written so by Python 2's protocols; other codecs could unpack a small file to a
    # large one.
    if encoding not in ("latin1", b"latin1"):
        raise InvalidFile(
            f"refused to encode as {encoding!r:.60}; only plain containers and arrays are read"
        )
    return text.encode("latin1")


def _ndarray(*arguments: object) -> Any:
    # Named as what `_reconstruct` makes; called by itself it would be memory without content.
    raise InvalidFile("refused an array without content")


def _reconstruct(kind: object, shape: tuple[int, ...], code: object) -> NDArray[Any]:
    # Numpy writes an empty array, whose content follows; any other shape would be allocated without
    # one.
    if kind is not _ndarray or tuple(shape) != (0,):
        raise InvalidFile(f"refused an array of the shape {shape!r:.60} without content")
    return np.empty(0, dtype=np.int8)


def _dtype(code: str | bytes, *flags: object) -> np.dtype[Any]:
    found = np.dtype(code.decode("ascii") if isinstance(code, bytes) else code)
    if found.kind not in "biufSU":
        raise InvalidFile(f"refused an array of {found}; only numbers and text are read")
    return found


def _number(kind: object, content: bytes = b"") -> Any:
    dtype = np.dtype(kind)  # type: ignore[call-overload]
    if dtype.hasobject or not isinstance(content, bytes) or len(content) != dtype.itemsize:
        raise InvalidFile(f"refused a number of the type {kind!r:.60}")
    return np.frombuffer(content, dtype=dtype)[0]


def _array(content: bytes, dtype: Any, shape: tuple[int, ...], order: str) -> NDArray[Any]:
    return np.frombuffer(content, dtype=dtype).reshape(shape, order="F" if order == "F" else "C")


ARRAYS: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _encode,
    ("numpy", "dtype"): _dtype,
    ("numpy", "ndarray"): _ndarray,
}
"""What `restricted_pickle` is to admit so that a file may hold arrays and numbers of numpy's."""

for _module in ("numpy.core", "numpy._core"):  # the module's name before and since numpy 2
    ARRAYS[f"{_module}.multiarray", "_reconstruct"] = _reconstruct
    ARRAYS[f"{_module}.multiarray", "scalar"] = _number
    ARRAYS[f"{_module}.numeric", "_frombuffer"] = _array
