"""Pictures with the probabilities of a search."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import spaces
from spaces.commands import main
from spaces.drawing.probabilities import read_probabilities
from spaces.drawing.sketch import Sketch
from spaces.errors import InvalidFile, InvalidParameter

CELL = "nasbench201-best-cifar10"


def sketch_of(name: str) -> Sketch:
    architecture = spaces.published(name)
    return spaces.get(architecture.space).sketch(architecture)


def test_boxes_of_cells_have_the_probability_of_their_operation() -> None:
    probabilities = {
        "normal_0_0": {"sep_conv_3x3": 0.625, "none": 0.375},
        "normal_0_1": {"sep_conv_3x3": 0.25, "none": 0.75},
        "normal_0_edges": {"0": 0.5, "1": 0.5},
    }
    sketch = sketch_of("darts-v2").with_probabilities(probabilities)
    operations = [box for box in sketch.boxes if box.decision.startswith("normal_0")]
    assert [box.details for box in operations] == [
        ("p 0.62, edge 0.50",),
        ("p 0.25, edge 0.50",),
    ]
    # Edges that the probabilities lack stay as they are.
    others = [box for box in sketch.boxes if box.decision.startswith("normal_1")]
    assert all(box.details == () for box in others)


def test_boxes_of_the_benchmark_have_their_edges() -> None:
    sketch = sketch_of(CELL).with_probabilities({"edge_0_1": {"nor_conv_3x3": 1.0}})
    assert [box.details for box in sketch.boxes if box.decision == "edge_0_1"] == [("p 1.00",)]


def test_boxes_of_chains_have_their_layers() -> None:
    architecture = spaces.published("proxyless-gpu")
    space = spaces.get(architecture.space)
    probabilities = {
        choice.key: {name: 1 / len(choice.candidates) for name in choice.candidates}
        for choice in space.choices
    }
    sketch = space.sketch(architecture).with_probabilities(probabilities)
    decided = [box for box in sketch.boxes if box.decision]
    assert [box.kind for box in decided] == list(architecture.choices.values())
    assert all(box.details[-1].startswith("p 0.1") for box in decided)


def test_probabilities_of_another_space_are_refused() -> None:
    with pytest.raises(InvalidParameter, match=r"of layer_1 \.\.\. are for none of the choices"):
        sketch_of(CELL).with_probabilities({"layer_1": {"k3": 1.0}})


@pytest.mark.parametrize("engine", ["matplotlib"])
def test_the_command_draws_them(engine: str, tmp_path: Path) -> None:
    path = tmp_path / "probabilities.json"
    path.write_text(json.dumps({"edge_0_1": {"nor_conv_3x3": 0.875, "none": 0.125}}))
    picture = tmp_path / "cell.svg"
    command = ["draw", CELL, "--engine", engine, "--probabilities", str(path), "-o", str(picture)]

    result = CliRunner().invoke(main, command)

    assert result.exit_code == 0, result.output
    assert "p 0.88" in picture.read_text()


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ([1], "an object of choices"),
        ({"edge_0_1": {}}, "edge_0_1 has candidates"),
        ({"edge_0_1": {"none": 2}}, "numbers from 0 to 1"),
        ({"edge_0_1": {"none": True}}, "numbers from 0 to 1"),
    ],
)
def test_other_files_are_refused(value: Any, named: str, tmp_path: Path) -> None:
    path = tmp_path / "probabilities.json"
    path.write_text(json.dumps(value))
    with pytest.raises(InvalidFile, match=named):
        read_probabilities(path)
