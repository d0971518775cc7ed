"""Arrays and numbers in pickle files."""

import codecs
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spaces.errors import InvalidFile
from spaces.formats.array_pickle import ARRAYS
from spaces.formats.restricted_pickle import load_plain, loads_plain


def load(value: object, protocol: int = 4) -> Any:
    return loads_plain(pickle.dumps(value, protocol), "file", ARRAYS)


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_and_numbers_come_back(protocol: int) -> None:
    value = {
        "a": np.arange(6.0).reshape(2, 3),
        "f": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "n": np.float32(1.5),
        "b": np.array([True, False]),
        "t": np.array(["x", "yz"]),
        "o": OrderedDict(x=b"\xff", y=(1, 2.5, None)),
    }
    found = load(value, protocol)
    assert found.keys() == value.keys()
    for key in "afnbt":
        np.testing.assert_array_equal(found[key], value[key])
        assert found[key].dtype == value[key].dtype  # type: ignore[attr-defined]
    assert found["o"] == value["o"]


class Malicious:
    def __init__(self, function: Any, *arguments: Any):
        self.reduced = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced


def test_pickles_that_ask_for_memory_without_content_are_refused() -> None:
    from numpy._core.multiarray import _reconstruct, scalar

    refused = [
        (_reconstruct, (np.ndarray, (1 << 40,), b"b")),
        (scalar, (np.dtype("O"), b"x")),
        (np.ndarray, ((1 << 40,),)),
    ]
    for reduced in refused:
        with pytest.raises(InvalidFile, match="refused"):
            load(Malicious(reduced[0], *reduced[1]))
    with pytest.raises(InvalidFile, match="refused to encode as 'utf_7'"):
        load(Malicious(codecs.encode, "x", "utf_7"))


def test_files_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "a.pickle").write_bytes(pickle.dumps([np.arange(3)]))
    assert load_plain(tmp_path / "a.pickle", ARRAYS)[0].tolist() == [0, 1, 2]
    with pytest.raises(InvalidFile, match=r"a\.pickle: refused to load numpy"):
        load_plain(tmp_path / "a.pickle")
