"""Numpy's arrays and numbers in pickle files, without calls of numpy's own functions."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.errors import InvalidFile


def _encode(text: str, encoding: str | bytes) -> bytes:
    # Python 2's protocols write bytes like this; other codecs could turn a small file into a large
    # value.
    if encoding not in ("latin1", b"latin1"):
        raise InvalidFile(
            f"refused to encode as {encoding!r:.60}; only plain containers and arrays are read"
        )
    return text.encode("latin1")


def _ndarray(*arguments: object) -> Any:
    # Files name this class as an argument of `_reconstruct`; a call would allocate memory.
    raise InvalidFile("refused an array without content")


def _reconstruct(kind: object, shape: tuple[int, ...], code: object) -> NDArray[Any]:
    # Numpy writes an empty array whose content follows; another shape would be allocated at once.
    if kind is not _ndarray or tuple(shape) != (0,):
        raise InvalidFile(f"refused an array of the shape {shape!r:.60} without content")
    return np.empty(0, dtype=np.int8)


def _dtype(code: str | bytes, *flags: object) -> np.dtype[Any]:
    dtype = np.dtype(code.decode("ascii") if isinstance(code, bytes) else code)
    if dtype.kind not in "biufSU":
        raise InvalidFile(f"refused an array of {dtype}; only numbers and text are read")
    return dtype


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
"""Functions that `restricted_pickle` must admit for files with numpy's arrays and numbers."""

# The module's name before and since numpy 2.
for _module in ("numpy.core", "numpy._core"):
    ARRAYS[f"{_module}.multiarray", "_reconstruct"] = _reconstruct
    ARRAYS[f"{_module}.multiarray", "scalar"] = _number
    ARRAYS[f"{_module}.numeric", "_frombuffer"] = _array
