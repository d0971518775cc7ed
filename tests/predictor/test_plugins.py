"""Tests of predictors of plug-ins: a file that cannot be loaded names the plug-in it needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import predictor
import spaces
from predictor.errors import InvalidPredictor
from predictor.registry import PREDICTORS, origins_of
from predictor.serialization import read, write
from spaces.plugins.loading import load_file, registering_from
from spaces.registry import SPACES

PLUGIN = """
import predictor
from predictor.trees.baselines import RandomForest

@predictor.register_predictor("forest-of-plugin")
class Forest(RandomForest):
    kind = "forest-of-plugin"
"""


def test_unknown_predictor_names_its_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = tmp_path / "forest_plugin.py"
    plugin.write_text(PLUGIN)
    file = tmp_path / "p.safetensors"
    space = spaces.get("spos-tiny")
    codes = space.sample(np.random.default_rng(0), 12)
    with monkeypatch.context() as context:
        context.setattr(PREDICTORS, "_objects", dict(PREDICTORS._objects))
        context.setattr(PREDICTORS, "_origins", dict(PREDICTORS._origins))
        load_file(plugin)
        model = predictor.make("forest-of-plugin", space)
        model.fit(codes, -space.macs(codes))
        model.save(file)
        assert type(predictor.load(file)) is type(model)

    with pytest.raises(InvalidPredictor, match=f"add --plugin {plugin.resolve()}"):
        predictor.load(file)


def test_unknown_space_names_its_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as context:
        context.setattr(SPACES, "_objects", dict(SPACES._objects))
        context.setattr(SPACES, "_origins", dict(SPACES._origins))
        with registering_from("file /plugins/my_space.py"):
            SPACES.add("space-of-plugin", lambda width=1: spaces.get("spos-tiny"))
        file = tmp_path / "p.safetensors"
        write(file, {"kind": "gp", "space": "space-of-plugin(width=2)"}, {"a": torch.ones(1)})
    with pytest.raises(InvalidPredictor, match=r"add --plugin /plugins/my_space\.py"):
        predictor.load(file)


def test_file_without_an_origin_hints_at_plugins(tmp_path: Path) -> None:
    file = tmp_path / "p.safetensors"
    write(file, {"kind": "gp", "space": "unknown-space"}, {"a": torch.ones(1)})
    with pytest.raises(InvalidPredictor, match="--plugin"):
        predictor.load(file)


def test_files_of_built_in_entries_have_no_origins(tmp_path: Path) -> None:
    config = {"kind": "graph", "space": "spos-tiny", "encoder": "gates"}
    assert origins_of(config) == {}
    write(tmp_path / "p.safetensors", config, {"a": torch.ones(1)})
    assert "origins" not in read(tmp_path / "p.safetensors")[0]
