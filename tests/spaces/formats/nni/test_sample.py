"""Samples that NNI's tuners send to trials."""

import json

import numpy as np
import pytest

import spaces
from spaces import formats
from spaces.errors import InvalidArchitecture
from spaces.space import SearchSpace


def sample(**changes: object) -> str:
    entries = {
        "op": {"_value": "b", "_idx": 1},
        "numbered": {"_value": "0", "_idx": 1},
        "any": {"_value": ["x", "z"], "_idx": [0, 2]},
        "two": {"_value": ["0", "1"], "_idx": [0, 1]},
        "one": {"_value": ["q"], "_idx": [1]},
        "width": {"_value": 16, "_idx": 1},
    }
    return json.dumps({**entries, **changes})


def test_entries_are_as_nni_writes_them(mixed: SearchSpace) -> None:
    expected = {"op": "b", "numbered": "0", "any": "x+z", "two": "0+1", "one": "q", "width": "16"}
    assert formats.detect(sample()) == "nni-sample"
    assert formats.read(sample()).choices == expected
    assert json.loads(formats.write(mixed.architecture(expected), "nni-sample")) == json.loads(
        sample()
    )


def test_spos_reads_back() -> None:
    architecture = spaces.get("spos").sample(np.random.default_rng(3))
    assert formats.read(formats.write(architecture, "nni-sample")) == architecture


def test_inputs_without_a_name_are_taken_by_index(mixed: SearchSpace) -> None:
    assert formats.read(sample(one={"_value": [""], "_idx": [1]}), space=mixed)["one"] == "q"


@pytest.mark.parametrize(
    ("key", "entry", "named"),
    [
        ("op", "b", "op: an entry has '_value' and '_idx', not 'b'"),
        ("op", {"_value": "b"}, "op: an entry has '_value' and '_idx'"),
        ("op", {"_value": "b", "_idx": 1, "more": 0}, "op: an entry has '_value' and '_idx'"),
        ("op", {"_value": "b", "_idx": 0}, "op: _idx 0 is 'a', but _value is 'b'"),
        ("op", {"_value": "", "_idx": 0}, "op: _idx 0 is 'a', but _value is ''"),
        ("op", {"_value": "d", "_idx": 3}, "op: _idx 3 is not one of 0 ... 2"),
        ("op", {"_value": "b", "_idx": True}, "op: _idx True is not one of"),
        ("op", {"_value": ["b"], "_idx": [1]}, r"op: _idx \[1\] is not one of"),
        ("any", {"_value": "x", "_idx": 0}, "any: an input choice has lists of equal length"),
        (
            "any",
            {"_value": ["x"], "_idx": [0, 1]},
            "any: an input choice has lists of equal length",
        ),
        ("any", {"_value": ["x", "x"], "_idx": [0, 0]}, "any: 'x' occurs twice"),
        ("two", {"_value": ["0"], "_idx": [0]}, r"two: cannot take the inputs \[0\]"),
        ("width", {"_value": 16.0, "_idx": 1}, "width: _idx 1 is 16, but _value is 16.0"),
    ],
)
def test_wrong_entries_are_named(mixed: SearchSpace, key: str, entry: object, named: str) -> None:
    with pytest.raises(InvalidArchitecture, match=f"^{named}"):
        formats.read(sample(**{key: entry}), "nni-sample", mixed)


def test_missing_and_unexpected_choices_are_named(mixed: SearchSpace) -> None:
    with pytest.raises(InvalidArchitecture, match="unexpected choice 'more'"):
        formats.read(sample(more={"_value": "b", "_idx": 1}), "nni-sample", mixed)
    given = json.loads(sample())
    del given["two"]
    with pytest.raises(InvalidArchitecture, match="the choice 'two' is missing"):
        formats.read(json.dumps(given), "nni-sample", mixed)
