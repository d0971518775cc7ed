"""Genotypes as architectures of the space `darts`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spaces
from spaces import formats
from spaces.errors import InvalidArchitecture
from spaces.formats.genotype import parse_genotype
from spaces.space import SearchSpace

DARTS_V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0),"
    " ('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0),"
    " ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0),"
    " ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0),"
    " ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)


def test_published_genotype() -> None:
    architecture = formats.read(DARTS_V2)
    assert formats.detect(DARTS_V2) == "darts"
    assert architecture == spaces.published("darts-v2")
    chosen = {
        key: architecture[key] for key in ("normal_2_inputs", "normal_2_op_0", "normal_2_op_1")
    }
    # The text names input 1 first; operations stand in the order of their inputs.
    assert chosen == {
        "normal_2_inputs": "0+1",
        "normal_2_op_0": "skip_connect",
        "normal_2_op_1": "sep_conv_3x3",
    }
    assert architecture["normal_3_inputs"] == "0+2"
    assert architecture["reduce_3_op_0"] == "max_pool_3x3"
    written = formats.write(architecture, "darts")
    for name in ("normal", "reduce"):
        nodes = [set(node) for node in getattr(parse_genotype(written), name)]
        assert nodes == [set(node) for node in getattr(parse_genotype(DARTS_V2), name)]


@pytest.mark.parametrize("name", ["darts", "aw-nas"])
@given(
    seed=st.integers(0, 2**32),
    space=st.sampled_from(["darts", "darts-imagenet", "darts-tiny(layers=8)"]),
)
@settings(max_examples=25)
def test_reads_back(name: str, seed: int, space: str) -> None:
    architecture = spaces.get(space).sample(np.random.default_rng(seed))
    text = formats.write(architecture, name)
    assert text.startswith("Genotype(" if name == "darts" else "CNNGenotype(")
    assert formats.read(text, name, space) == architecture
    assert formats.read(text).items == architecture.items


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            ("'dil_conv_3x3', 2", "'dil_conv_9x9', 2"),
            "normal_3_op_1: unknown candidate 'dil_conv_9x9'",
        ),
        (("'dil_conv_3x3', 2", "'dil_conv_3x3', 5"), "normal_3: input 5 is not one of 0 ... 4"),
        (("'dil_conv_3x3', 2", "'dil_conv_3x3', -1"), "normal_3: input -1 is not one of"),
        (("'dil_conv_3x3', 2", "'dil_conv_3x3', 0"), "normal_3 has the input 0 twice"),
        (
            (
                ", ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5]",
                "], normal_concat=[2, 3, 4]",
            ),
            "normal: a cell of darts has 4 nodes, not 3",
        ),
    ],
)
def test_genotypes_of_other_spaces_are_named(change: tuple[str, str], named: str) -> None:
    assert change[0] in DARTS_V2
    with pytest.raises(InvalidArchitecture, match=f"^{named}"):
        formats.read(DARTS_V2.replace(*change), "darts", "darts")


def test_wrong_number_of_entries_of_a_node_is_named() -> None:
    text = formats.write(spaces.get("darts").sample(np.random.default_rng(0)), "aw-nas")
    first = text.index("('", text.index("3), ("))
    second = text.index("), ", first) + 3
    with pytest.raises(InvalidArchitecture, match=r"^normal_\d has 2 entries, not 1"):
        formats.read(text[:first] + text[second:], "darts")


def test_spaces_without_such_cells_are_refused(mixed: SearchSpace) -> None:
    with pytest.raises(
        InvalidArchitecture, match="genotypes are for cells like those of darts, not mixed"
    ):
        formats.read(DARTS_V2, "darts", mixed)
    with pytest.raises(InvalidArchitecture, match="not spos-tiny"):
        formats.write(spaces.get("spos-tiny").sample(np.random.default_rng(0)), "darts")
