"""Formats that know of no space in particular, over every registered space."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spaces
from spaces import formats
from spaces.choice import Values

ELASTIC = "ofa-mobilenetv3(resolutions=(160, 224))"
NAMES = ("nni", "nni-1.9", "nni-2.10", "nni-3.0", "nni-sample", "pathfit")
# NNI 1.9 has no choice of values.
CASES = [
    (name, space)
    for space in (*spaces.available(), ELASTIC)
    for name in NAMES
    if name != "nni-1.9"
    or not any(isinstance(choice, Values) for choice in spaces.get(space).choices)
]


@pytest.mark.parametrize(("name", "space"), CASES)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=3)
def test_reads_back(name: str, space: str, seed: int) -> None:
    built = spaces.get(space)
    architecture = built.sample(np.random.default_rng(seed))
    text = formats.write(architecture, name)
    assert formats.read(text, name, built) == architecture
    assert formats.read(text, space=space) == architecture


@pytest.mark.parametrize("space", spaces.available())
def test_search_space_reads_back(space: str) -> None:
    built = spaces.get(space)
    assert formats.read_search_space(formats.write_search_space(built)) == built.choices
