"""What holds for every built-in perturbation: exact resuming, clean removal, seeds."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import spaces
from oneshot.data.images import ImageData, ImageSplit
from oneshot.evaluation.evaluator import Evaluator
from oneshot.evaluation.settings import EvaluationSettings
from oneshot.perturbations import Conditions
from oneshot.perturbations.registry import CLEAN, PERTURBATIONS
from oneshot.retraining.report import report_on_test
from oneshot.training.algorithm import Algorithm
from oneshot.training.execution import Execution
from oneshot.training.fitting import fit
from oneshot.training.passes import Passes
from oneshot.training.recipe import Recipe
from oneshot.training.stop import Stopped
from tests.oneshot.conftest import SMALL

NAMES = [name for name in PERTURBATIONS if PERTURBATIONS.is_built_in(name) and name != CLEAN]


@pytest.fixture(scope="module")
def data() -> ImageData:
    """Images of two classes, which differ in brightness."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(48) % 2
    images = torch.randn(48, 3, 16, 16, generator=generator) + labels.view(-1, 1, 1, 1)
    split = ImageSplit.from_tensors(images, labels)
    return ImageData("made-up", split, split, split, num_classes=2, split_seed=0)


def network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(4, 2),
    )


class Interrupted(Algorithm):
    def after_step(self, step: int) -> None:
        if step == 4:
            raise KeyboardInterrupt


@pytest.mark.parametrize("name", NAMES)
def test_interrupted_training_resumes_to_the_same_bytes(
    name: str, data: ImageData, tmp_path: Path
) -> None:
    recipe = Recipe(steps=8, batch_size=16, learning_rate=0.05)
    execution = Execution(checkpoint_every=3, tensorboard=False)

    def train(kind: type[Algorithm], folder: Path) -> nn.Module:
        conditions = Conditions.parse(["clean=0.5", f"{name}=0.5"]).for_data(data)
        algorithm = kind(network(), recipe, Passes(None, conditions))
        fit(algorithm, data.train, folder, seed=1, execution=execution)
        return algorithm.model

    whole = train(Algorithm, tmp_path / "whole")
    with pytest.raises((KeyboardInterrupt, Stopped)):
        train(Interrupted, tmp_path / "broken")
    resumed = train(Algorithm, tmp_path / "broken")

    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key


@pytest.mark.parametrize("name", NAMES)
def test_network_is_as_before_after_the_context(name: str, data: ImageData) -> None:
    model = network()
    inputs, targets = data.train.tensors()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    kinds = [type(module) for module in model.modules()]
    perturbation = PERTURBATIONS.make(name).for_data(data)

    def loss_at(changed: Tensor, other: nn.Module | None = None) -> Tensor:
        return functional.cross_entropy((other or model)(changed), targets)

    with (
        pytest.raises(ZeroDivisionError),
        perturbation.around(model, inputs, loss_at, torch.Generator()),
    ):
        raise ZeroDivisionError

    assert list(model.state_dict()) == list(before)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert [type(module) for module in model.modules()] == kinds
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("name", NAMES)
def test_evaluation_has_disturbed_metrics_that_do_not_depend_on_other_networks(
    name: str, data: ImageData
) -> None:
    supernet = spaces.get(SMALL).supernet(2, torch.Generator().manual_seed(0))
    settings = EvaluationSettings(
        images=24, recalibration_batches=2, recalibration_batch_size=16, batch_size=12
    )
    codes = np.array([[0, 1, 2], [0, 1, 3], [2, 1, 0]])
    evaluator = Evaluator(supernet, data, settings, conditions=Conditions.parse([f"{name}=1"]))

    together = evaluator.evaluate_many(codes)
    alone = evaluator.evaluate(codes[1])

    assert together[1] == alone
    assert together[1][f"cross_entropy_{name}"] != together[1]["cross_entropy"]


@pytest.mark.parametrize("name", NAMES)
def test_reports_repeat_the_same_disturbed_metrics(name: str, data: ImageData) -> None:
    reports = [
        report_on_test(network(), data, conditions=Conditions.parse([f"{name}=1"]))
        for _ in range(2)
    ]

    assert reports[0] == reports[1]
    assert reports[0][f"cross_entropy_{name}"] != reports[0]["cross_entropy"]


@pytest.mark.parametrize("name", NAMES)
def test_summary_names_the_cost(name: str) -> None:
    assert "pass" in PERTURBATIONS.summary(name)
