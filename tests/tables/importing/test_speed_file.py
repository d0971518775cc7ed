"""Speed files: BBSSP's own, and the table of a space."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import spaces
from spaces import Block, ChainSpace
from spaces.chains.additive_space import ChoiceLayer
from spaces.modules.initialisers import torch_initialiser
from tables.errors import InvalidTable
from tables.importing.importer import import_table
from tables.importing.speed_file import read_numbers, rows_of_speed_file

CONDITIONS = {"backend": "dpu", "batch": 1, "precision": "int8", "threads": 1}
SPEED_FILE = "aw_nas/examples/research/bbssp/rl_config/speed_cifar_allblock.txt"


def layered(choices: int, candidates: int) -> ChainSpace:
    """A chain of choices among convolutions of different inner widths, as BBSSP has blocks."""
    layout: list[Block | ChoiceLayer] = [Block("conv", (3, 8, 8), (4, 8, 8), 3, stride=1)]
    for number in range(choices):
        shape = (4 + number, 8, 8)
        output = (5 + number, 8, 8)
        blocks = {
            f"block_{index}": (Block("mbconv", shape, output, 3, hidden=8 + index, stride=1),)
            for index in range(candidates)
        }
        layout.append(ChoiceLayer(f"layer_{number + 1}", blocks))

    def classifier(classes: int) -> Block:
        return Block("linear", (4 + choices, 8, 8), (classes,))

    return ChainSpace(
        "layered", [*layout, classifier(10)], (3, 8, 8), 10, classifier, lambda: torch_initialiser
    )


@pytest.mark.reference_data
def test_file_of_bbssp_is_a_table_with_its_numbers(reference_data: Path) -> None:
    path = reference_data / SPEED_FILE
    numbers = np.array(read_numbers(path))
    space = layered(*numbers.shape)

    imported = import_table(
        [path], space, name="dpu", processor="Xilinx DPU", conditions=CONDITIONS, command=""
    )

    assert numbers.shape == (5, 31)
    assert imported.source == "pathfit"
    model = imported.table.cost_model(space)
    codes = space.sample(np.random.default_rng(0), 50)
    np.testing.assert_allclose(model.estimate(codes), numbers[np.arange(5), codes].sum(1))
    least, greatest = model.bounds()
    # What aw_nas prints as the least and the greatest latency of the file.
    assert least.value == pytest.approx(5 * 0.090)
    assert greatest.value == pytest.approx(5 * 0.148)


def test_candidates_without_blocks_take_nothing(tmp_path: Path) -> None:
    space = spaces.get("nasbench-macro(input_size=16, repeats=(1, 1, 1))")
    path = tmp_path / "speed.txt"
    lines = [
        " ".join("0" if not blocks else f"{number}.{index}" for index, blocks in enumerate(names))
        for number, names in enumerate(
            (layer.candidates.values() for layer in space.choice_layers), 1
        )
    ]
    path.write_text("\n\n".join(lines) + "\n")

    rows = rows_of_speed_file(path, space)

    second = space.choice_layers[1].candidates
    assert [rows[block.key].latency_ms for blocks in second.values() for block in blocks] == [
        2 + index / 10 for index, blocks in enumerate(second.values()) if blocks
    ]
    assert all(rows[block.key].latency_ms == 0 for block in space.fixed_blocks)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("1 2\n3 x\n", "line 2: a latency is 'x'"),
        ("1 2\n3 -4\n", "a latency is '-4'"),
        ("1 2\n", "has 1 rows of numbers; layered has 2 choices"),
        ("1 2\n3 4 5\n", "layer_2 has 2 candidates, its row 3 numbers"),
        ("\n", "has no numbers"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "speed.txt"
    path.write_text(text)

    with pytest.raises(InvalidTable, match=named):
        rows_of_speed_file(path, layered(2, 2))


def test_two_latencies_of_one_block_are_refused(tmp_path: Path) -> None:
    space = spaces.get("spos-tiny")
    path = tmp_path / "speed.txt"
    path.write_text("\n".join(f"{row} 1 1 1" for row in range(len(space.choices))))

    with pytest.raises(InvalidTable, match="which another choice has for the same block"):
        rows_of_speed_file(path, spaces.get("spos-tiny(repeats=(3, 2, 1))"))


def test_space_of_cells_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "speed.txt"
    path.write_text("1 2\n")

    with pytest.raises(InvalidTable, match="no sums over its choices"):
        rows_of_speed_file(path, spaces.get("darts-tiny"))
