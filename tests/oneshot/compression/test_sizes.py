"""Compressions that choose the side of the images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import onnx
import pytest
import torch
from torch import Tensor, nn

from oneshot.compression.compression import Compression
from oneshot.compression.settings import FINE_TUNING, CompressionSettings
from oneshot.compression.sizes import SizedData
from oneshot.compression.training import Distillation, Sandwich
from oneshot.data.registry import load
from oneshot.errors import InvalidOption
from oneshot.search.constraint import Limit
from oneshot.tasks.registry import make_task
from oneshot.training.execution import Execution
from oneshot.training.fitting import fit
from oneshot.training.recipe import Recipe
from profiler.backends.base import Conditions
from profiler.backends.registry import make_backend
from spaces.elastic import from_network
from spaces.registry import SPACES
from tests.spaces.elastic.example_networks import UNet

pytest.importorskip("torch_pruning")

FEW = CompressionSettings(
    measured=14,
    rounds=1,
    scored=12,
    checked=2,
    images=50,
    recalibration=128,
    epochs=1,
    recipe=replace(FINE_TUNING, batch_size=64),
)
CONDITIONS = {"backend": "torch", "batch": 1, "threads": 1}


class Digits(nn.Module):
    """A network of digits that records the images it has run."""

    sides: ClassVar[set[tuple[str, int]]] = set()

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 16, 3, padding=1)
        self.norm = nn.BatchNorm2d(16)
        self.second = nn.Conv2d(16, 16, 3, padding=1)
        self.classifier = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        # The count of channels identifies smaller networks.
        kind = "original" if self.first.out_channels == 16 else "smaller"
        Digits.sides.add((f"{kind} {'training' if self.training else 'evaluation'}", x.shape[-1]))
        features = self.second(self.norm(self.first(x)).relu()).relu()
        result: Tensor = self.classifier(features.mean((2, 3)))
        return result


@pytest.fixture(autouse=True)
def _preserved() -> Iterator[None]:
    Digits.sides.clear()
    with SPACES.preserved():
        yield


@pytest.mark.slow
def test_network_is_trained_exported_and_measured_at_its_size(tmp_path: Path) -> None:
    torch.manual_seed(0)
    space = from_network(Digits(), torch.zeros(1, 1, 8, 8), "elastic-sized", resolutions=(4,))
    SPACES.add(space.name, lambda name, /: space)
    data = load("digits", (1, 8, 8), limit=128)
    # Only the smallest widths at 4 pixels have so few.
    limit = space.macs(space.smallest)
    Digits.sides.clear()
    run = Compression(
        space,
        data,
        make_task("classification", space),
        [Limit.parse(f"flops<={limit}"), Limit.parse("latency_ms<=1000@here")],
        0.0,
        make_backend("torch", Conditions("cpu")),
        CONDITIONS,
        tmp_path,
        FEW,
    )

    result = run.run()

    assert result.architecture["choices"]["resolution"] == "4"
    assert result.compressed.macs == limit
    assert (result.original.input_shape, result.compressed.input_shape) == ((1, 8, 8), (1, 4, 4))
    assert "side of images (pixels)" in result.table(run.task.metrics)
    assert result.compressed.measured_ms is not None
    # Training at its own size, and the teacher at the size that it was trained with.
    assert {side for kind, side in Digits.sides if kind == "smaller training"} == {4}
    assert {side for kind, side in Digits.sides if kind.startswith("original")} >= {8}
    for name, side in (("original.onnx", 8), ("network.onnx", 4)):
        image = onnx.load(tmp_path / name).graph.input[0].type.tensor_type.shape.dim
        assert [dim.dim_value for dim in image[1:]] == [1, side, side]


def test_all_widths_are_trained_at_all_sizes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    space = from_network(Digits(), torch.zeros(1, 1, 8, 8), "elastic-sized", resolutions=(6, 4))
    supernet = space.supernet()
    original = space.network(space.original)
    algorithm = Sandwich(supernet, original, Recipe(epochs=1, batch_size=32), weight=0.5)
    Digits.sides.clear()

    fit(
        algorithm,
        load("digits", (1, 8, 8), limit=64).train,
        tmp_path,
        seed=0,
        augment=False,
        execution=Execution(accelerator="cpu"),
    )

    sides = {side for kind, side in Digits.sides if kind == "smaller training"}
    assert {4} <= sides <= {8, 6, 4}
    assert {side for kind, side in Digits.sides if kind == "original evaluation"} == {8}
    assert not torch.equal(supernet.model.first.weight, original.first.weight)


def test_teacher_gets_images_of_its_own_size() -> None:
    torch.manual_seed(0)
    student, teacher = Digits(), Digits()
    algorithm = Distillation(student, teacher, FINE_TUNING, weight=0.5, teacher_side=8)

    soft = algorithm._soft_targets(torch.randn(3, 1, 4, 4), torch.zeros(3, dtype=torch.int64))

    assert soft.shape == (3, 10)
    assert Digits.sides == {("original evaluation", 8)}


def test_parts_have_the_same_examples_at_every_size() -> None:
    data = load("digits", (1, 8, 8), limit=64)
    sized = SizedData(data, (1, 8, 8))

    small = sized.at((1, 4, 4))

    assert sized.at((1, 8, 8)) is data
    assert sized.at((1, 4, 4)) is small
    for part in ("train", "validation", "test"):
        assert getattr(small, part).labels.tolist() == getattr(data, part).labels.tolist()


def test_data_of_one_size_is_refused() -> None:
    data = replace(load("digits", (1, 8, 8), limit=64), request=None)

    with pytest.raises(InvalidOption, match="digits has images of one size only; leave out"):
        SizedData(data, (1, 8, 8)).at((1, 4, 4))


def test_masks_and_a_training_of_all_widths_have_one_size(tmp_path: Path) -> None:
    space = from_network(
        UNet(width=8), torch.zeros(1, 3, 32, 32), "elastic-masks", resolutions=(16,)
    )
    SPACES.add(space.name, lambda name, /: space)
    run = Compression(
        space,
        load("shape-masks", (3, 32, 32), limit=8),
        make_task("segmentation", space),
        [Limit.parse("flops<=1e6")],
        0.0,
        None,
        CONDITIONS,
        tmp_path,
        replace(FEW, supernet_epochs=1),
    )

    with pytest.raises(InvalidOption, match="targets of the task segmentation have the size"):
        run.run()
