"""Mixup: images and losses are the same means of two."""

import pytest
import torch
from torch.nn import functional

from oneshot.retraining.mixup import mixup
from oneshot.tasks import Classification


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(12, 3, 4, 4, generator=torch.Generator().manual_seed(0)), torch.arange(12)


def test_images_and_labels_are_mixed_alike() -> None:
    images, labels = batch()
    torch.manual_seed(1)
    mixed = mixup(images, labels, 0.8)
    assert 0 < mixed.weight < 1
    assert sorted(mixed.others.tolist()) == labels.tolist()  # labels tell which image is which
    expected = mixed.weight * images[mixed.labels] + (1 - mixed.weight) * images[mixed.others]
    torch.testing.assert_close(mixed.images, expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_is_the_cross_entropy_of_the_mixed_target(smoothing: float) -> None:
    images, labels = batch()
    torch.manual_seed(2)
    mixed = mixup(images, labels, 1.0)
    logits = torch.randn(12, 12)
    target = mixed.weight * functional.one_hot(labels, 12) + (
        1 - mixed.weight
    ) * functional.one_hot(mixed.others, 12)
    expected = functional.cross_entropy(logits, target, label_smoothing=smoothing)
    torch.testing.assert_close(mixed.loss(Classification(), logits, smoothing), expected)


def test_nothing_is_mixed_without_alpha() -> None:
    images, labels = batch()
    before = torch.get_rng_state()
    mixed = mixup(images, labels, 0.0)
    assert mixed.images is images
    assert mixed.weight == 1
    assert torch.equal(torch.get_rng_state(), before)
    logits = torch.randn(12, 12)
    assert torch.equal(
        mixed.loss(Classification(), logits, 0.1),
        functional.cross_entropy(logits, labels, label_smoothing=0.1),
    )


def test_shares_are_of_the_beta_distribution() -> None:
    images, labels = batch()
    torch.manual_seed(3)
    shares = torch.tensor([mixup(images, labels, 0.4).weight for _ in range(600)])
    assert abs(shares.mean() - 0.5) < 0.05
    variance = 0.4 * 0.4 / (0.8**2 * 1.8)
    assert abs(shares.var() / variance - 1) < 0.2
    torch.manual_seed(3)
    again = torch.tensor([mixup(images, labels, 0.4).weight for _ in range(600)])
    assert torch.equal(shares, again)
