"""A compression from a trained network to files, and an interrupted one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from oneshot.compression.choosing import sample_near, uniform_network
from oneshot.compression.compression import Compression
from oneshot.compression.folder import begin_folder
from oneshot.compression.planning import FEWEST_SCORED
from oneshot.compression.result import CompressionResult
from oneshot.compression.settings import FINE_TUNING, CompressionSettings
from oneshot.data.images import ImageData
from oneshot.data.registry import load
from oneshot.errors import Infeasible, InvalidOption, InvalidRun
from oneshot.search.constraint import Limit
from oneshot.tasks.registry import make_task
from profiler.backends.base import Conditions
from profiler.backends.registry import make_backend
from spaces.elastic import ElasticSpace, from_network
from spaces.registry import SPACES
from tests.spaces.elastic.example_networks import UNet

pytest.importorskip("torch_pruning")

CONDITIONS = {"backend": "torch", "batch": 1, "threads": 1}
FEW = CompressionSettings(
    measured=14,
    rounds=1,
    scored=12,
    checked=2,
    images=100,
    recalibration=128,
    epochs=1,
    recipe=replace(FINE_TUNING, batch_size=64),
)


class Interrupted(Exception):
    """Stands for a process that ends."""


@pytest.fixture(scope="module")
def space() -> ElasticSpace:
    """The space of a small network of digits."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 24, 3, stride=2, padding=1),
        nn.BatchNorm2d(24),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 10),
    )
    return from_network(network, torch.zeros(1, 1, 8, 8), "elastic-digits")


@pytest.fixture(scope="module")
def data() -> ImageData:
    """Some of the digits."""
    return load("digits", (1, 8, 8), limit=128)


@pytest.fixture(autouse=True)
def _registered(space: ElasticSpace) -> Iterator[None]:
    with SPACES.preserved():
        SPACES.add(space.name, lambda name, /: space)
        yield


def compression(
    space: ElasticSpace, data: ImageData, folder: Path, limit: str, **changes: Any
) -> Compression:
    folder.mkdir(parents=True, exist_ok=True)
    return Compression(
        space,
        data,
        make_task("classification", space),
        [Limit.parse(limit)],
        0.0,
        make_backend("torch", Conditions("cpu")),
        CONDITIONS,
        folder,
        replace(FEW, **changes),
    )


def test_result_meets_a_limit_of_macs(space: ElasticSpace, data: ImageData, tmp_path: Path) -> None:
    limit = space.macs(space.original) * 0.6

    result = compression(space, data, tmp_path, f"flops<={limit}").run()

    assert result.compressed.macs <= limit < result.original.macs
    assert result.compressed.file_bytes < result.original.file_bytes
    assert result.compressed.measured_ms is None
    written = json.loads((tmp_path / "result.json").read_text())
    assert written["compressed"]["macs"] == result.compressed.macs
    assert "MACs" in result.table(make_task("classification").metrics)
    network = space.network(space.architecture(result.architecture["choices"]))
    assert sum(value.numel() for value in network.parameters()) == result.compressed.params


def test_result_keeps_a_limit_of_latency(
    space: ElasticSpace, data: ImageData, tmp_path: Path
) -> None:
    result = compression(space, data, tmp_path, "latency_ms<=1000@here", epochs=0).run()

    # And one of the first search, unless it found none that is new.
    assert 14 <= result.measured <= 15
    assert result.compressed.estimate_ms is not None
    assert result.compressed.estimate_ms <= 1000
    assert result.compressed.measured_ms is not None
    assert result.compressed.measured_ms > 0


def test_least_latency_is_named_where_no_network_meets_the_limit(
    space: ElasticSpace, data: ImageData, tmp_path: Path
) -> None:
    with pytest.raises(Infeasible, match="the fastest network of elastic-digits takes"):
        compression(space, data, tmp_path, "latency_ms<=1e-9@here").run()


def test_interrupted_compression_ends_with_the_same_result(
    space: ElasticSpace, data: ImageData, tmp_path: Path
) -> None:
    limit = f"flops<={space.macs(space.original) * 0.6}"
    whole = compression(space, data, tmp_path / "whole", limit).run()

    def stop_in(step: str) -> Callable[[str, float, str], None]:
        def stop(title: str, fraction: float, state: str) -> None:
            if title == step and fraction >= 0.5:
                raise Interrupted

        return stop

    for step in ("score", "fine-tune"):
        broken = compression(space, data, tmp_path / "broken", limit)
        broken.progress = stop_in(step)
        with pytest.raises(Interrupted):
            broken.run()
    resumed = compression(space, data, tmp_path / "broken", limit).run()

    assert comparable(resumed) == comparable(whole)
    for name in ("scores.jsonl", "network.safetensors"):
        first = (tmp_path / "whole" / name).read_bytes()
        assert (tmp_path / "broken" / name).read_bytes() == first


def comparable(result: CompressionResult) -> dict[str, Any]:
    """A result without the times of its run."""
    return {name: value for name, value in result.to_dict().items() if name != "seconds"}


def test_data_of_other_classes_is_refused(
    space: ElasticSpace, data: ImageData, tmp_path: Path
) -> None:
    other = replace(data, num_classes=7)

    with pytest.raises(InvalidOption, match="has 7 classes, but the network's output has 10"):
        compression(space, other, tmp_path, "flops<=1e5").run()


def test_scores_of_another_compression_are_refused(
    space: ElasticSpace, data: ImageData, tmp_path: Path
) -> None:
    limit = f"flops<={space.macs(space.original) * 0.9}"
    compression(space, data, tmp_path, limit, epochs=0).run()

    with pytest.raises(InvalidRun, match=r"scores.jsonl has scores of other weights or images"):
        compression(space, data, tmp_path, limit, epochs=0, images=50).run()


def test_folder_of_another_compression_is_refused(tmp_path: Path) -> None:
    begin_folder(tmp_path / "run", {"constraints": ["flops<=1"]}, resume=False)

    begin_folder(tmp_path / "run", {"constraints": ["flops<=1"]}, resume=True)
    with pytest.raises(InvalidRun, match="resume it with --resume"):
        begin_folder(tmp_path / "run", {"constraints": ["flops<=1"]}, resume=False)
    with pytest.raises(InvalidRun, match=r"with constraints \['flops<=1'\], not \['flops<=2'\]"):
        begin_folder(tmp_path / "run", {"constraints": ["flops<=2"]}, resume=True)


def test_half_of_a_sample_is_near_the_limit(space: ElasticSpace) -> None:
    limit = Limit("macs", space.macs(space.original) * 0.5)
    constraint = limit.bind(space, lambda name: pytest.fail(name))

    codes = sample_near(space, [constraint], np.random.default_rng(0), 6)

    fractions = space.macs(codes) / constraint.maximum
    assert len(codes) == 6
    assert ((fractions >= 0.6) & (fractions <= 1.05)).sum() >= 3


def test_beginning_of_a_sample_is_a_sample_as_well(space: ElasticSpace) -> None:
    limit = Limit("macs", space.macs(space.original) * 0.5)
    constraint = limit.bind(space, lambda name: pytest.fail(name))

    codes = sample_near(space, [constraint], np.random.default_rng(0), 14)

    fractions = space.macs(codes) / constraint.maximum
    near = (fractions >= 0.6) & (fractions <= 1.05)
    # As many in both halves, except for one of an odd number.
    assert 2 <= near.sum() < 14
    assert abs(int(near[:7].sum()) - int(near[7:].sum())) <= 1


def test_number_of_scores_follows_from_the_minutes_and_is_resumed(
    space: ElasticSpace, data: ImageData, tmp_path: Path
) -> None:
    limit = f"flops<={space.macs(space.original) * 0.6}"
    settings = {"scored": None, "minutes": 0.01}
    sentences: list[str] = []

    first = compression(space, data, tmp_path, limit, **settings)
    first.announce = sentences.append
    result = first.run()
    # Much time is left now, but a resumed compression has the plan of its beginning.
    later = compression(space, data, tmp_path, limit, **settings)
    later.started += 1e6
    again = later.run()

    assert json.loads((tmp_path / "plan.json").read_text())["scored"] == FEWEST_SCORED
    assert "24 networks are scored, the fewest" in sentences[0]
    assert result.scored >= FEWEST_SCORED
    assert comparable(again) == comparable(result)


def test_uniform_scaling_is_the_widest_that_fits(space: ElasticSpace) -> None:
    limit = Limit("macs", space.macs(space.original) * 0.5)
    constraint = limit.bind(space, lambda name: pytest.fail(name))

    codes = uniform_network(space, [constraint])

    assert constraint.met(codes).all()
    wider = np.maximum(codes - 1, 0)
    assert not constraint.met(space.check(wider)).any()


def test_all_widths_are_trained_before_they_are_scored(
    space: ElasticSpace, data: ImageData, tmp_path: Path
) -> None:
    limit = f"flops<={space.macs(space.original) * 0.6}"
    settings = {"supernet_epochs": 1, "epochs": 0}

    first = compression(space, data, tmp_path, limit, **settings).run()
    again = compression(space, data, tmp_path, limit, **settings).run()

    weights = load_file(tmp_path / "supernet" / "weights.safetensors")
    original = space.network(space.original).state_dict()
    assert not torch.equal(weights["0.weight"], original["0.weight"])
    assert comparable(again) == comparable(first)


def test_segmenter_is_compressed(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = UNet(width=8, classes=4)
    space = from_network(network, torch.zeros(1, 3, 32, 32), "elastic-segmenter")
    masks = load("shape-masks", (3, 32, 32), limit=32)
    assert masks.num_classes == space.num_classes
    SPACES.add(space.name, lambda name, /: space)
    run = Compression(
        space,
        masks,
        make_task("segmentation", space),
        [Limit.parse(f"flops<={space.macs(space.original) // 2}")],
        0.0,
        None,
        CONDITIONS,
        tmp_path,
        replace(FEW, epochs=0, images=16, recalibration=16),
    )

    result = run.run()

    assert result.compressed.macs <= result.original.macs // 2
    assert "miou" in result.compressed.test
