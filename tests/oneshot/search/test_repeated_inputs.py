"""Predictors and searches on cells of aw_nas, whose nodes may read one input twice."""

import json
from pathlib import Path

import numpy as np
from click.testing import CliRunner

import predictor
import spaces
from oneshot.commands import main
from spaces import formats
from tests.published import AW_NAS_README

SMALL = "darts-tiny(repeated_inputs=True,input_size=8,channels=4,layers=3)"


def test_predictors_and_searches_take_repeated_inputs(tmp_path: Path) -> None:
    space = spaces.get(SMALL)
    codes = space.sample(np.random.default_rng(0), 40)
    model = predictor.make("forest", space)
    model.fit(codes, space.macs(codes).astype(float))
    model.save(tmp_path / "forest.safetensors")
    predicted, _ = model.predict([formats.read(AW_NAS_README, "aw-nas", SMALL)])
    assert 0 < predicted[0] < 2 * space.macs(codes).max()

    arguments = ["search", "--space", SMALL, "--guide", f"predictor:{tmp_path}/forest.safetensors"]
    options = ["--option", "generations=2", "--option", "population=10"]
    output = tmp_path / "result.json"
    result = CliRunner().invoke(main, [*arguments, *options, "-o", str(output)])

    assert result.exit_code == 0, result.output
    assert json.loads(output.read_text())["space"] == space.name
