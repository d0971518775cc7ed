"""Compressions of segmenters and detectors of users, and tasks that do not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import Tensor, nn

from oneshot.compression.compression import Compression
from oneshot.compression.loading import check_task, register
from oneshot.compression.result import CompressionResult
from oneshot.compression.scoring import training_losses
from oneshot.compression.settings import FINE_TUNING, CompressionSettings
from oneshot.compression.training import Distillation
from oneshot.data.registry import load
from oneshot.errors import InvalidOption
from oneshot.search.constraint import Limit
from oneshot.tasks.registry import default_task, make_task
from oneshot.training.passes import Passes
from profiler.backends.base import Conditions
from profiler.backends.registry import make_backend
from spaces.elastic import ElasticSpace, from_network
from spaces.registry import SPACES
from tests.spaces.elastic.example_networks import Detector, UNet

pytest.importorskip("torch_pruning")

FEW = CompressionSettings(
    measured=14,
    rounds=1,
    scored=12,
    checked=2,
    images=32,
    recalibration=64,
    epochs=2,
    recipe=replace(FINE_TUNING, batch_size=16),
)


def space_of(network: nn.Module, name: str) -> ElasticSpace:
    return from_network(network, torch.zeros(1, 3, 32, 32), name)


def compressed(
    network: nn.Module, name: str, data_name: str, folder: Path
) -> tuple[CompressionResult, Any]:
    """Compress a network of images of 32 pixels to half of its products."""
    data = load(data_name, (3, 32, 32), limit=64)
    space = space_of(network, name)
    task = make_task(default_task(space.head), space)
    losses = training_losses(data, task, 32, seed=0)
    assert losses is not None
    ordered = space.ordered_by(losses)
    with SPACES.preserved():
        register(ordered)
        run = Compression(
            ordered,
            data,
            task,
            [
                Limit.parse(f"flops<={ordered.macs(ordered.original) // 2}"),
                Limit.parse("latency_ms<=1000@here"),
            ],
            0.0,
            make_backend("torch", Conditions("cpu")),
            {"backend": "torch", "batch": 1, "threads": 1},
            folder,
            FEW,
        )
        return run.run(), task


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "data", "score", "outputs"),
    [
        (UNet, "shape-masks", "miou", None),
        (Detector, "shapes", "map50", ["boxes", "scores", "labels"]),
    ],
    ids=["segmenter", "detector"],
)
def test_network_of_a_task_is_scored_tuned_tested_and_exported(
    network: Any, data: str, score: str, outputs: list[str] | None, tmp_path: Path
) -> None:
    torch.manual_seed(0)

    result, task = compressed(network(), f"elastic-{data}", data, tmp_path)

    assert task.score == score
    assert result.compressed.macs <= result.original.macs // 2
    assert result.compressed.measured_ms is not None
    assert 0 <= result.compressed.test[score] <= 100
    assert task.title(score) in result.table(task.metrics)
    assert f'"{score}"' in (tmp_path / "scores.jsonl").read_text()
    model = onnx.load(tmp_path / "network.onnx")
    if outputs is not None:
        assert [item.name for item in model.graph.output] == outputs


def test_teacher_of_a_detector_is_added_to_its_targets() -> None:
    torch.manual_seed(0)
    space = space_of(Detector(), "elastic-taught")
    task = make_task("detection", space)
    data = load("shapes", (3, 32, 32), limit=8)
    inputs, targets = data.train.tensors(range(4))
    student = space.network(space.smallest)
    recorded = []

    class Recorder:
        def note(self, loss: Tensor, outputs: Any, targets: Any) -> None:
            recorded.append(outputs)

    losses = []
    for weight in (0.0, 0.5, 1.0):
        teacher = space.network(space.original)
        algorithm = Distillation(student, teacher, FINE_TUNING, weight, Passes(task))
        loss = algorithm.loss(inputs, targets, 0, Recorder())  # type: ignore[arg-type]
        losses.append(loss.item())

    # The whole loss to the targets in each of them, and in the last one all of the teacher's.
    soft = task.soft_targets(space.network(space.original).eval()(inputs), targets)
    taught = task.distillation_loss(recorded[0], soft).item()
    assert losses[1] == pytest.approx(losses[0] + 0.5 * taught, rel=1e-4)
    assert losses[2] == pytest.approx(losses[0] + taught, rel=1e-4)


class Pair(nn.Module):
    """A network that returns two tensors, which no task takes."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 10, 3))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.layers(x).mean((2, 3))
        return features, features


def test_outputs_that_a_task_has_no_loss_of_are_refused() -> None:
    data = load("digits", (1, 8, 8), limit=20)
    space = from_network(Pair(), torch.zeros(1, 1, 8, 8), "elastic-pair")

    with pytest.raises(
        InvalidOption, match=r"classification has no loss of what the network returns for .* digits"
    ):
        check_task(space, make_task("classification", space), data)


@pytest.mark.parametrize(
    ("network", "task", "message"),
    [
        (UNet, "detection", "needs networks with the head 'boxes'; those of elastic-other have"),
        (Detector, "segmentation", "needs networks with the head 'mask'"),
    ],
)
def test_task_of_other_outputs_is_refused(network: Any, task: str, message: str) -> None:
    space = space_of(network(), "elastic-other")

    with pytest.raises(InvalidOption, match=message):
        make_task(task, space)


def test_exported_detector_of_few_locations_has_as_many_rows() -> None:
    space = space_of(Detector(), "elastic-exported")
    task = make_task("detection", space)
    exported = task.exported(space.network(space.original).eval())
    assert exported is not None

    with torch.no_grad():
        found = exported(torch.randn(2, 3, 32, 32))

    # Three classes at 16 locations, which are fewer than the greatest number of objects.
    assert found["boxes"].shape == (2, 48, 4)
    assert found["labels"].shape == (2, 48)
