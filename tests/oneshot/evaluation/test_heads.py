"""Evaluation of supernets with a head, whose paths share their beginnings."""

import copy
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import spaces
from oneshot.data.images import ImageData
from oneshot.data.registry import load
from oneshot.evaluation.evaluator import Evaluator
from oneshot.evaluation.settings import EvaluationSettings
from oneshot.tasks.registry import make_task
from spaces import SearchSpace, Supernet

FEW = EvaluationSettings(images=8, recalibration_batch_size=4, recalibration_batches=2)

SPACES = [
    "spos-tiny(input_size=32, head=mask(widths=(8, 16)))",
    "ofa-mobilenetv3(depths=(1, 2), input_size=32, width=0.25, kernels=(3,), head=mask)",
]


@pytest.fixture(scope="module")
def scenes() -> ImageData:
    """Shapes on noise with the class of every pixel."""
    return load("shape-masks", (3, 32, 32), limit=16)


def supernet_of(space: SearchSpace, data: ImageData) -> Supernet:
    """A supernet whose activations do not vanish."""
    supernet = space.supernet(data.num_classes, torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(2)
    for module in supernet.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, generator=generator)
    return supernet


@pytest.mark.parametrize("name", SPACES)
def test_shared_beginnings_give_the_metrics_of_each_path_alone(
    name: str, scenes: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = spaces.get(name)
    supernet = supernet_of(space, scenes)
    task = make_task("segmentation", space)
    codes = space.sample(np.random.default_rng(0), 4)
    codes[1, :-1] = codes[0, :-1]

    shared = Evaluator(copy.deepcopy(supernet), scenes, FEW, task=task).evaluate_many(codes)

    monkeypatch.setattr(type(supernet), "is_sequential", False)
    alone = Evaluator(supernet, scenes, FEW, task=task).evaluate_many(codes)
    assert shared == alone
    assert len({metrics[task.score] for metrics in shared}) > 1


def test_layers_that_paths_share_run_once(scenes: ImageData) -> None:
    space = spaces.get(SPACES[0])
    supernet = supernet_of(space, scenes)
    runs: Counter[int] = Counter()

    def count(module: nn.Module, inputs: Any, result: Any) -> None:
        runs[id(module)] += 1

    stem = supernet.get_submodule("layers.0")
    stem.register_forward_hook(count)
    codes = space.sample(np.random.default_rng(1), 3)
    # Paths that differ in the head alone.
    codes[:, :-1] = codes[0, :-1]
    codes[:, -1] = [0, 1, 0]

    Evaluator(supernet, scenes, FEW, task=make_task("segmentation")).evaluate_many(codes)

    # Two batches that recalibrate, one of validation, and one image for the size of features.
    assert runs[id(stem)] == 4


def test_steps_of_a_supernet_are_not_in_its_state(scenes: ImageData) -> None:
    space = spaces.get(SPACES[0])
    supernet = supernet_of(space, scenes)
    names = set(supernet.state_dict())
    supernet.activate(space.sample(np.random.default_rng(0), 1)[0])

    sequence = supernet.sequence()

    assert set(supernet.state_dict()) == names
    assert supernet.sequence() == sequence
    image = torch.randn(2, *space.input_shape)
    with torch.no_grad():
        values: Any = image
        for step in supernet.eval().sequence():
            values = step(values)
        assert torch.equal(values, supernet(image))
