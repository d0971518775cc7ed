"""Every format over every registered space."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spaces
from spaces import formats
from spaces.choice import Combination, Values
from spaces.errors import InvalidArchitecture

ELASTIC = "ofa-mobilenetv3(resolutions=(160, 224))"
NAMES = ("nni", "nni-1.9", "nni-2.10", "nni-3.0", "nni-sample", "pathfit")


def is_expressible(space: str, name: str) -> bool:
    """Return whether a format has the kinds of choices of a space."""
    choices = spaces.get(space).choices
    # NNI's inputs are all different, and NNI 1.9 has no choice of values.
    repeated = any(isinstance(choice, Combination) and choice.repeated for choice in choices)
    values = any(isinstance(choice, Values) for choice in choices)
    return name == "pathfit" or not (repeated or (values and name == "nni-1.9"))


CASES = [
    (name, space)
    for space in (*spaces.available(), ELASTIC)
    for name in NAMES
    if is_expressible(space, name)
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


@pytest.mark.parametrize(
    "space", [name for name in spaces.available() if is_expressible(name, "nni")]
)
def test_search_space_reads_back(space: str) -> None:
    built = spaces.get(space)
    assert formats.read_search_space(formats.write_search_space(built)) == built.choices


@pytest.mark.parametrize("space", spaces.available())
@given(seed=st.integers(0, 2**32))
@settings(max_examples=2)
def test_each_format_reads_back_or_refuses_to_write(space: str, seed: int) -> None:
    built = spaces.get(space)
    architecture = built.sample(np.random.default_rng(seed))
    for name in formats.available():
        text, refusal = _written(architecture, name)
        if text is None:
            assert name not in NAMES or not is_expressible(space, name)
            named = (space, "cannot express", "write the format aw-nas, darts or pathfit")
            assert any(text in refusal for text in named)
            continue

        assert formats.read(text, name, built) == architecture
        assert formats.read(text, space=space) == architecture

        # Where the text alone is refused, the refusal asks for the space.
        alone, refusal = _read_alone(text)
        assert formats.names_space(text, architecture) == (alone == architecture)
        assert alone is not None or "name the space" in refusal


def _written(architecture: spaces.Architecture, name: str) -> tuple[str | None, str]:
    try:
        return formats.write(architecture, name), ""
    except InvalidArchitecture as error:
        return None, str(error)


def _read_alone(text: str) -> tuple[spaces.Architecture | None, str]:
    try:
        return formats.read(text), ""
    except InvalidArchitecture as error:
        return None, str(error)


@pytest.mark.parametrize("space", ["spos", "spos-tiny"])
def test_tuple_of_codes_belongs_to_the_space_with_as_many_layers(space: str) -> None:
    architecture = spaces.get(space).sample(np.random.default_rng(0))
    assert formats.read(formats.write(architecture, "spos")) == architecture


def test_strided_identity_of_a_macro_network_has_no_net_config() -> None:
    space = spaces.get("nasbench-macro")
    architecture = space.architecture([0] * len(space.choices))
    with pytest.raises(InvalidArchitecture, match="cannot express"):
        formats.write(architecture, "proxylessnas")


def test_macro_network_with_identities_between_its_strides_reads_back() -> None:
    space = spaces.get("nasbench-macro")
    # The first layers of the stages are strided, the others change nothing.
    architecture = space.architecture([1, 0, 1, 0, 0, 1, 0, 0])
    text = formats.write(architecture, "proxylessnas")
    assert formats.read(text, "proxylessnas", space) == architecture
    with pytest.raises(InvalidArchitecture, match="name the space"):
        formats.read(text)
