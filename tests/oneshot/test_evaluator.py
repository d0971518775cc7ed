"""Evaluation of sub-networks: recalibrated, on fixed images, one independent of the other."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from oneshot.data.images import ImageData, ImageSplit
from oneshot.errors import InvalidRun
from oneshot.evaluator import BATCH, Evaluator, quality
from oneshot.recalibration import recalibrate
from spaces import ChainSpace, Supernet


@pytest.fixture
def supernet(small: ChainSpace) -> Supernet:
    """A supernet with weights at random, of activations that do not vanish."""
    supernet = small.supernet(3, torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in supernet.parameters():
            nn.init.kaiming_normal_(weight, generator=generator)
    return supernet


def test_order_of_candidates_does_not_matter(supernet: Supernet, images: ImageData, small: ChainSpace) -> None:
    codes = np.array([[0, 1, 2], [3, 3, 3], [0, 0, 0], [3, 1, 0]])
    evaluator = Evaluator(supernet, images)
    forward = [evaluator.evaluate(row) for row in codes]
    backward = [evaluator.evaluate(row) for row in codes[::-1]][::-1]
    assert forward == backward
    fresh = Evaluator(copy.deepcopy(supernet), images)
    assert fresh.evaluate(codes[2]) == forward[2]
    assert len({found["cross_entropy"] for found in forward}) == 4


def test_weights_are_left_alone(supernet: Supernet, images: ImageData) -> None:
    before = {name: value.clone() for name, value in supernet.named_parameters()}
    state = torch.get_rng_state()
    Evaluator(supernet, images).evaluate(np.array([0, 1, 2]))
    assert all(torch.equal(value, before[name]) for name, value in supernet.named_parameters())
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module.training for module in supernet.modules() if not list(module.children()))


def many(count: int) -> ImageData:
    generator = torch.Generator().manual_seed(3)

    def split(size: int) -> ImageSplit:
        return ImageSplit.of(torch.randn(size, 3, 16, 16, generator=generator), torch.arange(size) % 3)

    return ImageData("many", split(count), split(20), split(20), 3, 0)


@pytest.mark.parametrize(("count", "used"), [(2 * BATCH, [BATCH, BATCH]), (2 * BATCH + 7, [BATCH, BATCH]), (60, [60])])
def test_statistics_are_those_of_the_training_images(supernet: Supernet, count: int, used: list[int]) -> None:
    """Layer by layer: what enters a normalisation, its mean and unbiased variance, averaged over batches."""
    data = many(count)
    Evaluator(supernet, data).evaluate(np.array([3, 0, 1]))
    seen: dict[str, list[tuple[torch.Tensor, torch.Tensor]]] = {}

    reference = copy.deepcopy(supernet).eval()
    for layer in [module for module in reference.modules() if isinstance(module, nn.BatchNorm2d)]:
        layer.reset_running_stats()

    def normalise(name: str) -> object:
        def hook(module: nn.Module, given: tuple[torch.Tensor, ...], out: torch.Tensor) -> torch.Tensor:
            x = given[0]
            flat = x.transpose(0, 1).reshape(x.shape[1], -1)
            seen.setdefault(name, []).append((flat.mean(1), flat.var(1)))
            mean, variance = flat.mean(1), flat.var(1, unbiased=False)
            return (x - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()

        return hook

    active = {id(module) for part in reference.path() for module in part.modules()}
    for name, module in reference.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(normalise(name))
    start = 0
    with torch.no_grad():
        for size in used:
            reference(data.train.images[start : start + size])
            start += size
    found = dict(supernet.named_modules())
    norms = {
        name
        for name, module in reference.named_modules()
        if isinstance(module, nn.BatchNorm2d) and id(module) in active
    }
    assert set(seen) == norms
    for name, statistics in seen.items():
        norm = found[name]
        assert isinstance(norm, nn.BatchNorm2d)
        mean, variance = (torch.stack(part).mean(0) for part in zip(*statistics, strict=True))
        torch.testing.assert_close(norm.running_mean, mean, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(norm.running_var, variance, rtol=1e-3, atol=1e-4)
        assert norm.momentum == 0.1


def test_what_does_not_run_keeps_its_statistics(supernet: Supernet, images: ImageData) -> None:
    with torch.no_grad():
        for name, value in supernet.named_buffers():
            if "running_mean" in name:
                value.fill_(7.0)
    Evaluator(supernet, images).evaluate(np.array([0, 0, 0]))
    ran = {id(value) for part in supernet.path() for value in part.buffers()}
    for name, value in supernet.named_buffers():
        if "running_mean" in name:
            assert bool((value == 7.0).all()) is (id(value) not in ran), name


def test_recalibration_is_one_of_the_whole_model_by_default(images: ImageData) -> None:
    norm = nn.BatchNorm2d(3)
    model = nn.Sequential(nn.Dropout(0.9), norm)
    batches = torch.split(images.train.images, 32)
    recalibrate(model, batches)
    flat = [batch.transpose(0, 1).reshape(3, -1) for batch in batches]
    assert norm.running_mean is not None
    torch.testing.assert_close(norm.running_mean, torch.stack([part.mean(1) for part in flat]).mean(0))
    assert not model.training


def test_metrics_are_those_of_the_whole_split(supernet: Supernet, images: ImageData) -> None:
    found = Evaluator(supernet, images).evaluate(np.array([1, 2, 3]))
    with torch.no_grad():
        logits = supernet.eval()(images.validation.images)
    assert found["cross_entropy"] == pytest.approx(
        functional.cross_entropy(logits, images.validation.labels).item(), rel=1e-5
    )
    assert found["top1"] == 100 * (logits.argmax(1) == images.validation.labels).float().mean().item()
    # Batches of any size, also with a short last one, give the same.
    for batch in (1, 7, 48):
        part = quality(supernet, images.validation, batch)
        assert part["cross_entropy"] == pytest.approx(found["cross_entropy"], rel=1e-5)


def test_dropout_is_off(images: ImageData) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(768, 3))
    model.train()
    first = quality(model, images.validation)
    assert [quality(model, images.validation) for _ in range(3)] == [first] * 3


def test_a_diverged_supernet_is_told(supernet: Supernet, images: ImageData) -> None:
    with torch.no_grad():
        next(supernet.parameters()).fill_(float("nan"))
    with pytest.raises(InvalidRun, match="outputs are not finite: its training diverged; lower --learning-rate"):
        Evaluator(supernet, images).evaluate(np.array([0, 0, 0]))
