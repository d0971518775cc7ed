"""Predictors and searches on cells of aw_nas, whose nodes may read one input twice."""

import json
from pathlib import Path

import numpy as np
from click.testing import CliRunner

import predictor
import spaces
from oneshot.commands import main
from spaces import formats

# The example of aw_nas' README (walkerning/aw_nas, "Final Training of Cell-based Architecture").
README = (
    "CNNGenotype(normal_0=[('dil_conv_3x3', 1, 2), ('skip_connect', 1, 2), ('sep_conv_3x3', 0, 3),"
    " ('sep_conv_3x3', 2, 3), ('skip_connect', 3, 4), ('sep_conv_3x3', 0, 4), ('sep_conv_5x5', 1,"
    " 5), ('sep_conv_5x5', 0, 5)], reduce_1=[('max_pool_3x3', 0, 2), ('dil_conv_5x5', 0, 2),"
    " ('avg_pool_3x3', 1, 3), ('avg_pool_3x3', 2, 3), ('sep_conv_5x5', 1, 4), ('avg_pool_3x3', 1,"
    " 4), ('sep_conv_3x3', 1, 5), ('dil_conv_5x5', 3, 5)], normal_0_concat=[2, 3, 4, 5],"
    " reduce_1_concat=[2, 3, 4, 5])"
)
SMALL = "darts-tiny(repeated_inputs=True,input_size=8,channels=4,layers=3)"


def test_predictors_and_searches_take_repeated_inputs(tmp_path: Path) -> None:
    space = spaces.get(SMALL)
    codes = space.sample(np.random.default_rng(0), 40)
    model = predictor.make("forest", space)
    model.fit(codes, space.macs(codes).astype(float))
    model.save(tmp_path / "forest.safetensors")
    predicted, _ = model.predict([formats.read(README, "aw-nas", SMALL)])
    assert 0 < predicted[0] < 2 * space.macs(codes).max()

    arguments = ["search", "--space", SMALL, "--guide", f"predictor:{tmp_path}/forest.safetensors"]
    options = ["--option", "generations=2", "--option", "population=10"]
    output = tmp_path / "result.json"
    result = CliRunner().invoke(main, [*arguments, *options, "-o", str(output)])

    assert result.exit_code == 0, result.output
    assert json.loads(output.read_text())["space"] == space.name
