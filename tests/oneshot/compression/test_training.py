"""Trainings of a compression: distillation from the original, and all widths together."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from oneshot.compression.training import Distillation, Sandwich
from oneshot.data.images import ImageSplit
from oneshot.training.execution import Execution
from oneshot.training.fitting import fit
from oneshot.training.recipe import Recipe
from spaces.elastic import from_network

pytest.importorskip("torch_pruning")

CPU = Execution(accelerator="cpu")


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 3),
    )


@pytest.fixture
def images() -> ImageSplit:
    """Random images whose class is random, so that only a teacher can be learned."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (96,), generator=generator)
    return ImageSplit.from_tensors(torch.randn(96, 1, 6, 6, generator=generator), labels)


def test_student_approaches_its_teacher(images: ImageSplit, tmp_path: Path) -> None:
    teacher, student = network(0), network(1)
    teacher.eval()

    def distance() -> float:
        student.eval()
        with torch.no_grad():
            soft = teacher(images.images).softmax(1)
            return float(functional.cross_entropy(student(images.images), soft))

    before = distance()
    recipe = Recipe(epochs=8, batch_size=32, learning_rate=0.1)
    algorithm = Distillation(student, teacher, recipe, weight=1.0)
    fit(algorithm, images, tmp_path, seed=0, execution=CPU)

    assert distance() < before


def test_teacher_is_not_trained(images: ImageSplit, tmp_path: Path) -> None:
    teacher = network(0)
    state = {name: value.clone() for name, value in teacher.state_dict().items()}

    algorithm = Distillation(network(1), teacher, Recipe(epochs=1, batch_size=32), weight=0.5)
    fit(algorithm, images, tmp_path, seed=0, execution=CPU)

    assert all(torch.equal(value, state[name]) for name, value in teacher.state_dict().items())


def test_sandwich_trains_the_smallest_network_with_the_original(
    images: ImageSplit, tmp_path: Path
) -> None:
    original = network(0)
    space = from_network(original, torch.zeros(1, 1, 6, 6), "elastic-trained")
    supernet = space.supernet()

    def loss_of_smallest(model: nn.Module) -> float:
        small = space.with_weights(model).network(space.smallest).train()
        with torch.no_grad():
            soft = original.eval()(images.images).softmax(1)
            return float(functional.cross_entropy(small(images.images), soft))

    before = loss_of_smallest(supernet.model)
    recipe = Recipe(epochs=8, batch_size=32, learning_rate=0.05)
    algorithm = Sandwich(supernet, space.network(space.original), recipe, 1.0, paths=1)
    fit(algorithm, images, tmp_path, seed=0, execution=CPU)

    assert loss_of_smallest(supernet.model) < before
