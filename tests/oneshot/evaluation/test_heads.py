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

OFA = "ofa-mobilenetv3(depths=(1, 2), input_size=32, width=0.25, kernels=(3,), head={})"
SPACES = [
    ("spos-tiny(input_size=32, head=mask(widths=(8, 16)))", "segmentation"),
    ("spos-tiny(input_size=32, head=ssdlite(channels=(16,)))", "detection"),
    ("spos-tiny(input_size=32, head=fpn(width=8, extra=0))", "detection"),
    ("spos-tiny(input_size=32, head=bifpn(width=8, extra=0))", "detection"),
    (OFA.format("mask"), "segmentation"),
    (OFA.format("ssdlite(channels=(16,))"), "detection"),
]
MASKS = SPACES[0][0]


@pytest.fixture(scope="module")
def scenes() -> dict[str, ImageData]:
    """Shapes on noise with boxes, and with the class of every pixel, by the task."""
    return {
        "detection": load("shapes", (3, 32, 32), limit=16),
        "segmentation": load("shape-masks", (3, 32, 32), limit=16),
    }


def supernet_of(space: SearchSpace, data: ImageData) -> Supernet:
    """A supernet whose activations do not vanish."""
    supernet = space.supernet(data.num_classes, torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(2)
    for module in supernet.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, generator=generator)
    return supernet


@pytest.mark.parametrize(("name", "task_name"), SPACES)
def test_shared_beginnings_give_the_metrics_of_each_path_alone(
    name: str, task_name: str, scenes: dict[str, ImageData], monkeypatch: pytest.MonkeyPatch
) -> None:
    space = spaces.get(name)
    data = scenes[task_name]
    supernet = supernet_of(space, data)
    task = make_task(task_name, space)
    codes = space.sample(np.random.default_rng(0), 4)
    codes[1, :-1] = codes[0, :-1]

    shared = Evaluator(copy.deepcopy(supernet), data, FEW, task=task).evaluate_many(codes)

    monkeypatch.setattr(type(supernet), "is_sequential", False)
    alone = Evaluator(supernet, data, FEW, task=task).evaluate_many(codes)
    assert shared == alone
    assert len({metrics[task.score] for metrics in shared}) > 1


def test_layers_that_paths_share_run_once(scenes: dict[str, ImageData]) -> None:
    space = spaces.get(MASKS)
    data = scenes["segmentation"]
    supernet = supernet_of(space, data)
    runs: Counter[int] = Counter()

    def count(module: nn.Module, inputs: Any, result: Any) -> None:
        runs[id(module)] += 1

    stem = supernet.get_submodule("layers.0")
    stem.register_forward_hook(count)
    codes = space.sample(np.random.default_rng(1), 3)
    # Paths that differ in the head alone.
    codes[:, :-1] = codes[0, :-1]
    codes[:, -1] = [0, 1, 0]

    Evaluator(supernet, data, FEW, task=make_task("segmentation")).evaluate_many(codes)

    # Two batches that recalibrate, one of validation, and one image for the size of features.
    assert runs[id(stem)] == 4


def test_steps_of_a_supernet_are_not_in_its_state(scenes: dict[str, ImageData]) -> None:
    space = spaces.get(MASKS)
    supernet = supernet_of(space, scenes["segmentation"])
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
