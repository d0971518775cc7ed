"""Strings of NAS-Bench-201."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spaces
from spaces import formats
from spaces.cells.nasbench201 import EDGES, OPERATIONS
from spaces.errors import InvalidArchitecture, InvalidFile
from spaces.formats.nasbench201 import edge_key, format_cell, parse_cell
from spaces.space import SearchSpace

TEXT = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|"
    "+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"
)


def test_edges_of_a_string() -> None:
    assert parse_cell(TEXT) == {
        (0, 1): "nor_conv_3x3",
        (0, 2): "nor_conv_3x3",
        (1, 2): "avg_pool_3x3",
        (0, 3): "skip_connect",
        (1, 3): "nor_conv_3x3",
        (2, 3): "skip_connect",
    }
    assert list(parse_cell(TEXT)) == list(EDGES)
    assert format_cell(parse_cell(TEXT)) == TEXT


def test_every_cell_reads_back() -> None:
    texts = set()
    for operations in itertools.product(OPERATIONS, repeat=6):
        cell = dict(zip(EDGES, operations, strict=True))
        text = format_cell(cell)
        assert parse_cell(text) == cell
        texts.add(text)
    assert len(texts) == 15625


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            ("+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|", ""),
            "3 nodes separated by '[+]', not 2",
        ),
        (("|nor_conv_3x3~0|+", "|nor_conv_3x3~0|+|none~0|+"), "3 nodes separated by '[+]', not 4"),
        (("skip_connect~2|", "skip_connect~2"), "node 3 must be between"),
        (("|skip_connect~2|", "|"), "node 3 has 3 edges, not 2"),
        (("|nor_conv_3x3~0|+", "|nor_conv_3x3~0|none~1|+"), "node 1 has 1 edges, not 2"),
        (("avg_pool_3x3~1", "avg_pool_3x3~0"), "node 2: edge 2 must end in '~1'"),
        (("avg_pool_3x3~1", "avg_pool_3x3"), "node 2: edge 2 must end in '~1'"),
        (
            ("avg_pool_3x3", "max_pool_3x3"),
            "edge 1 -> 2: unknown operation 'max_pool_3x3'; .*: none, skip",
        ),
        (("|nor_conv_3x3~0|+", "||+"), "node 1: edge 1 must end in '~0', not ''"),
    ],
)
def test_wrong_strings_are_named(change: tuple[str, str], named: str) -> None:
    with pytest.raises(InvalidFile, match=named):
        parse_cell(TEXT.replace(*change, 1))


@given(seed=st.integers(0, 2**32))
@settings(max_examples=25)
def test_space_reads_back(seed: int) -> None:
    architecture = spaces.get("nasbench201").sample(np.random.default_rng(seed))
    text = formats.write(architecture, "nasbench201")
    assert formats.detect(text) == "nasbench201"
    assert formats.read(text) == architecture
    assert architecture.choices == {
        edge_key(*edge): operation for edge, operation in parse_cell(text).items()
    }


@pytest.mark.parametrize("name", ["nni", "nni-1.9", "nni-2.10", "nni-3.0", "nni-sample", "pathfit"])
@given(seed=st.integers(0, 2**32))
@settings(max_examples=10)
def test_space_reads_back_in_other_formats(name: str, seed: int) -> None:
    architecture = spaces.get("nasbench201").sample(np.random.default_rng(seed))
    text = formats.write(architecture, name)
    assert formats.read(text, name) == architecture
    assert formats.read(text, space="nasbench201") == architecture


def test_keys_of_nni_cells() -> None:
    architecture = formats.read(TEXT)
    names = ("conv_3x3", "conv_3x3", "avg_pool_3x3", "skip_connect", "conv_3x3", "skip_connect")
    expected = dict(zip(("0_1", "0_2", "1_2", "0_3", "1_3", "2_3"), names, strict=True))
    assert json.loads(formats.write(architecture, "nni-3.0")) == expected
    assert formats.read(json.dumps(expected)) == architecture


@pytest.mark.reference_data
def test_published_cell_of_nni(reference_data: Path) -> None:
    path = reference_data / "nni" / "nasbench201_fixed-architecture.json"
    architecture = formats.read(path)
    assert (
        formats.write(architecture, "nasbench201")
        == "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|"
        "+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
    )
    assert json.loads(formats.write(architecture, "nni")) == json.loads(path.read_text())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"1_2": None}, "the choice '1_2' is missing"),
        ({"3_4": "none"}, "unexpected choice '3_4'"),
        ({"1_2": "max_pool_3x3"}, "edge_1_2: unknown candidate 'max_pool_3x3'"),
        ({"1_2": 3}, "1_2: .* has the name of its operation, not 3"),
        (
            {"1_2": [True, False, False, False, False]},
            "1_2: .* has the name of its operation, not .True",
        ),
    ],
)
def test_wrong_cells_of_nni_are_named(change: dict[str, object], named: str) -> None:
    given = {**dict.fromkeys(("0_1", "0_2", "1_2", "0_3", "1_3", "2_3"), "none"), **change}
    with pytest.raises(InvalidArchitecture, match=named):
        formats.read(
            json.dumps({key: value for key, value in given.items() if value is not None}), "nni"
        )


def test_other_spaces_are_refused(mixed: SearchSpace) -> None:
    with pytest.raises(
        InvalidArchitecture, match="strings of NAS-Bench-201 are for its cells, not for mixed"
    ):
        formats.write(mixed.sample(np.random.default_rng(0)), "nasbench201")
    with pytest.raises(InvalidArchitecture, match="the choice 'op' is missing"):
        formats.read(TEXT, "nasbench201", mixed)
