"""Segmentation: loss and IoU against plain computations."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from oneshot.data import load
from oneshot.errors import InvalidOption
from oneshot.tasks.registry import make_task
from oneshot.tasks.segmentation import Segmentation

CPU = torch.device("cpu")


def batch(seed: int, count: int = 4, classes: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, classes, 6, 5, generator=generator)
    masks = torch.randint(0, classes, (count, 6, 5), generator=generator, dtype=torch.uint8)
    masks[torch.rand(count, 6, 5, generator=generator) < 0.2] = 255
    return logits, masks


def plain_iou(logits: Tensor, masks: Tensor, classes: int) -> list[float]:
    """The IoU of each class from a confusion matrix, pixel by pixel."""
    confusion = np.zeros((classes, classes))
    for predicted, true in zip(logits.argmax(1).flatten(), masks.flatten(), strict=True):
        if true < classes:
            confusion[true, predicted] += 1
    common = confusion.diagonal()
    return list(100 * common / (confusion.sum(0) + confusion.sum(1) - common))


def test_metrics_are_those_of_one_confusion_matrix_over_all_batches() -> None:
    task = Segmentation()
    tally = task.tally(CPU)
    batches = [batch(seed) for seed in range(3)]
    for logits, masks in batches:
        tally.add(logits, masks)
    logits, masks = (torch.cat(tensors) for tensors in zip(*batches, strict=True))

    metrics = tally.metrics()

    ious = plain_iou(logits, masks, 3)
    assert metrics["miou"] == pytest.approx(np.mean(ious))
    assert list(tally.details(("a", "b", "c"))["iou"].values()) == pytest.approx(ious)
    valid = masks != 255
    correct = logits.argmax(1)[valid] == masks[valid]
    assert metrics["pixel_accuracy"] == pytest.approx(100 * correct.double().mean().item())
    entropy = functional.cross_entropy(logits, masks.long(), ignore_index=255).item()
    assert metrics["cross_entropy"] == pytest.approx(entropy, rel=1e-5)
    # Not the mean over images.
    single = [plain_iou(logits[i : i + 1], masks[i : i + 1], 3) for i in range(12)]
    assert metrics["miou"] != pytest.approx(np.mean(single), abs=1e-3)


def test_ignored_pixels_have_no_loss_and_no_gradient() -> None:
    logits, masks = batch(0)
    logits.requires_grad_()

    loss = Segmentation().loss(logits, masks)
    (gradient,) = torch.autograd.grad(loss, logits)

    images = [
        functional.cross_entropy(image[None], mask[None], ignore_index=255)
        for image, mask in zip(logits, masks.long(), strict=True)
    ]
    torch.testing.assert_close(loss, torch.stack(images).mean())
    ignored = (masks == 255)[:, None].expand_as(gradient)
    assert not gradient[ignored].any()
    assert gradient[~ignored].any()


def test_ignored_class_is_neither_counted_nor_predicted() -> None:
    logits, masks = batch(1)
    task = make_task("segmentation(ignore=2)")
    tally = task.tally(CPU)
    tally.add(logits, masks)

    fewer = Segmentation()
    expected = fewer.tally(CPU)
    two = masks.clone()
    two[masks == 2] = 255
    expected.add(logits[:, :2], two)

    assert tally.metrics()["miou"] == pytest.approx(expected.metrics()["miou"])
    assert tally.details(())["iou"]["2"] is None


def test_batch_of_ignored_pixels_alone_has_no_loss() -> None:
    logits, masks = batch(2)
    assert Segmentation().loss(logits, torch.full_like(masks, 255)).item() == 0


def test_perfect_predictions_have_a_narrow_interval() -> None:
    _, masks = batch(3, count=20)
    perfect = functional.one_hot(masks.long().clamp(max=2), 3).movedim(-1, 1).float()
    tally = Segmentation().tally(CPU)
    tally.add(perfect, masks)
    assert tally.intervals()["miou"] == (100, 100)

    noisy = Segmentation().tally(CPU)
    noisy.add(*batch(4, count=20))
    low, high = noisy.intervals()["miou"]
    assert low < noisy.metrics()["miou"] < high
    assert high - low > 1


def test_rewards_are_fractions_of_correct_pixels() -> None:
    logits, masks = batch(5)
    rewards = Segmentation().rewards(logits, masks)
    for reward, image, mask in zip(rewards, logits, masks, strict=True):
        valid = mask != 255
        correct = (image.argmax(0)[valid] == mask[valid]).double().mean()
        assert reward.item() == pytest.approx(correct.item())


def test_other_targets_and_classes_are_refused() -> None:
    with pytest.raises(InvalidOption, match="mask for each image"):
        Segmentation().check(load("digits", (3, 16, 16), limit=4))
    masks = load("shape-masks", (3, 16, 16), limit=4)
    Segmentation(ignore=3).check(masks)
    with pytest.raises(InvalidOption, match="ignore must be a class of shape-masks"):
        Segmentation(ignore=4).check(masks)
    with pytest.raises(InvalidOption, match="ignore"):
        make_task("segmentation(ignore=-2)")


def test_distillation_from_own_outputs_is_their_entropy() -> None:
    task = Segmentation()
    logits, masks = batch(6)
    soft = task.soft_targets(logits, masks)
    entropy = -(soft * soft.log()).sum(1).mean()
    torch.testing.assert_close(task.distillation_loss(logits, soft), entropy)
