"""Runs of spaces whose networks differ in more than their blocks."""

from pathlib import Path

import torch

import spaces
from oneshot.run import Run

ELASTIC = (
    "ofa-mobilenetv3(resolutions=(32, 24), depths=(1, 2), expansions=(3,), kernels=(3,), width=0.5, num_classes=10)"
)


def test_a_network_trains_at_its_own_resolution(tmp_path: Path) -> None:
    space = spaces.get(ELASTIC)
    settings = {
        "space": space.name,
        "data": {"name": "digits", "split_seed": 0, "num_classes": 10},
        "seed": 0,
    }
    assert Run(tmp_path, {**settings, "kind": "supernet"}).input_shape == (3, 32, 32)
    for code, side in ((0, 32), (1, 24)):
        architecture = space.architecture([code] + [0] * (len(space.choices) - 1))
        run = Run(tmp_path, {**settings, "kind": "network", "architecture": architecture.to_dict()})
        data = run.data()
        assert data.test.images.shape[1:] == (3, side, side)
        with torch.no_grad():
            assert run.build().eval()(data.test.images[:2]).shape == (2, 10)
