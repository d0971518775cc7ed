"""Genotypes of recurrent cells."""

import numpy as np
import pytest

import spaces
from spaces import formats
from spaces.errors import InvalidArchitecture, InvalidFile
from spaces.zoo.publications import published

DARTS_V1 = (
    "Genotype(recurrent=[('relu', 0), ('relu', 1), ('tanh', 2), ('relu', 3), ('relu', 4),"
    " ('identity', 1), ('relu', 5), ('relu', 1)], concat=range(1, 9))"
)
DARTS_V2 = (
    "Genotype(recurrent=[('sigmoid', 0), ('relu', 1), ('relu', 1), ('identity', 1), ('tanh', 2),"
    " ('sigmoid', 5), ('tanh', 3), ('relu', 5)], concat=range(1, 9))"
)
ENAS = (
    "Genotype(recurrent=[('tanh', 0), ('tanh', 1), ('relu', 1), ('tanh', 3), ('tanh', 3), ('relu',"
    " 3), ('relu', 4), ('relu', 7), ('relu', 8), ('relu', 8), ('relu', 8)], concat=[2, 5, 6, 9, 10,"
    " 11])"
)
"""Cells of quark0/darts, rnn/genotypes.py."""


@pytest.mark.parametrize(
    ("text", "name"),
    [(DARTS_V1, "darts-rnn-v1"), (DARTS_V2, "darts-rnn-v2"), (ENAS, "enas-rnn")],
)
def test_published_genotypes_are_the_published_cells(text: str, name: str) -> None:
    assert formats.detect(text) == "darts-rnn"
    assert formats.read(text) == published(name)
    assert formats.read(f"CELL = {text}") == published(name)


@pytest.mark.parametrize("space", ["rnn(nodes=5)", "rnn(nodes=5, output=ends)"])
def test_every_cell_reads_back(space: str) -> None:
    rnn = spaces.get(space)
    for architecture in rnn.decode(rnn.sample(np.random.default_rng(0), 20)):
        text = formats.write(architecture, "darts-rnn", space=rnn)
        assert formats.read(text, space=rnn) == architecture


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("concat=range(1, 9)", "concat=[1, 2]"), "concat must be all nodes, .* not"),
        ((", concat=range(1, 9)", ""), "the genotype lacks 'concat'"),
        (("('tanh', 2)", "('tanh', 3)"), r"recurrent\[2\]: state 3 is not one of 0 ... 2"),
        (("('tanh', 2)", "('tanh',)"), r"recurrent\[2\] is an operation and 1 node"),
    ],
)
def test_wrong_fields_are_named(change: tuple[str, str], message: str) -> None:
    with pytest.raises(InvalidFile, match=message):
        formats.read(DARTS_V1.replace(*change))


def test_cells_of_other_spaces_are_refused() -> None:
    with pytest.raises(InvalidArchitecture, match="node_3_activation: unknown candidate 'gelu'"):
        formats.read(DARTS_V1.replace("tanh", "gelu"))
    with pytest.raises(InvalidArchitecture, match="has 3 nodes, not 8"):
        formats.read(DARTS_V1, space=spaces.get("rnn(nodes=3)"))
    with pytest.raises(InvalidArchitecture, match="mean of all nodes, unlike that of rnn"):
        formats.read(DARTS_V1, space=spaces.get("rnn(output=ends)"))
    with pytest.raises(InvalidArchitecture, match="for cells like those of rnn, not spos-tiny"):
        formats.read(DARTS_V1, space=spaces.get("spos-tiny"))
