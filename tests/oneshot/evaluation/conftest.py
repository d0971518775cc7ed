"""A supernet that tells architectures apart without a training, and the run of one."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from oneshot.data.registry import load
from oneshot.run import Run
from oneshot.run_settings import RunSettings
from spaces import ChainSpace, Supernet


def lively(space: ChainSpace, num_classes: int) -> Supernet:
    """A supernet with weights at random, of activations that do not vanish."""
    supernet = space.supernet(num_classes, torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in supernet.parameters():
            nn.init.kaiming_normal_(weight, generator=generator)
    return supernet


@pytest.fixture
def supernet(small: ChainSpace) -> Supernet:
    """The small space's."""
    return lively(small, 3)


@pytest.fixture(scope="module")
def run(small: ChainSpace, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run of a supernet on the digits that was never trained."""
    folder: Path = tmp_path_factory.mktemp("runs") / "supernet"
    folder.mkdir()
    data = load("digits", small.input_shape).record()
    settings = {"kind": "supernet", "space": small.name, "data": data, "recipe": {}, "seed": 0}
    (folder / "run.json").write_text(json.dumps(settings))
    found = Run(folder, RunSettings.from_dict(settings))
    found.save(lively(small, 10))
    return found
