"""Tuples of the SPOS release."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spaces
from spaces import formats
from spaces.errors import InvalidArchitecture, InvalidFile
from spaces.space import SearchSpace

TEXT = "(2, 1, 0, 1, 2, 0, 2, 0, 2, 0, 2, 3, 0, 0, 0, 0, 3, 2, 3, 3)"


@pytest.mark.parametrize(
    "text", [TEXT, TEXT.replace(" ", ""), f"[{TEXT[1:-1]}]", f" {TEXT[:-1]},)\n"]
)
def test_published_architecture(text: str) -> None:
    architecture = formats.read(text)
    assert formats.detect(text) == "spos"
    assert architecture == spaces.published("spos")
    assert spaces.get("spos").macs(architecture) == 322918720
    assert formats.write(architecture, "spos") == TEXT


@given(
    seed=st.integers(0, 2**32), name=st.sampled_from(["spos", "spos-tiny", "spos(input_size=160)"])
)
@settings(max_examples=20)
def test_reads_back(seed: int, name: str) -> None:
    architecture = spaces.get(name).sample(np.random.default_rng(seed))
    assert formats.read(formats.write(architecture, "spos"), "spos", name) == architecture


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("(0, 1, 2)", "spos-tiny has 6 codes, not 3"),
        ("(0, 1, 2, 3, 0, 1, 2)", "spos-tiny has 6 codes, not 7"),
        ("(0, 1, 4, 3, 0, 1)", "layer_3: the code 4 is not one of 0 ... 3"),
        ("(0, 1, 2, 3, 0, -1)", "layer_6: the code -1"),
    ],
)
def test_wrong_codes_are_named(text: str, named: str) -> None:
    with pytest.raises(InvalidArchitecture, match=named):
        formats.read(text, "spos", "spos-tiny")


@pytest.mark.parametrize(
    "text",
    [
        "()",
        "(1, 2",
        "(1, 2]",
        "1, 2",
        "(1, 2.0)",
        "(1, True)",
        "(1,, 2)",
        "(1, 2 3)",
        "(1, 2,,)",
        "{}",
        f"({' ' * 100_000}",
        "," * 100_000,
    ],
)
def test_what_is_no_tuple_of_integers_is_refused(text: str) -> None:
    with pytest.raises(InvalidFile):
        formats.read(text, "spos", "spos-tiny")


def test_entry_at_fault_is_named() -> None:
    with pytest.raises(InvalidFile, match="entry 3 is '2 3', not an integer"):
        formats.read("(0, 1, 2 3, 0)", "spos")


def test_other_spaces_are_refused(mixed: SearchSpace) -> None:
    named = "for spaces of the operations k3, k5, k7, xcep, not for mixed"
    with pytest.raises(InvalidArchitecture, match=named):
        formats.write(mixed.sample(np.random.default_rng(0)), "spos")
    with pytest.raises(InvalidArchitecture, match=named):
        formats.read(TEXT, "spos", mixed)
