"""The Lovász-softmax loss against the IoU itself and a computation pixel by pixel."""

import itertools

import pytest
import torch
from torch import Tensor

from oneshot.errors import InvalidOption
from oneshot.tasks.lovasz import lovasz_softmax
from oneshot.tasks.segmentation import Segmentation


def random_batch(seed: int, count: int = 3, classes: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, classes, 5, 6, generator=generator)
    masks = torch.randint(0, classes - 1, (count, 5, 6), generator=generator)
    masks[torch.rand(count, 5, 6, generator=generator) < 0.2] = 255
    return logits, masks


def lost_iou(wrong: set[int], members: set[int]) -> float:
    """1 - IoU of a class where the pixels of a set are wrong."""
    common = members - wrong
    union = members | wrong
    return 1 - len(common) / len(union)


def plain_loss(logits: Tensor, mask: Tensor) -> float:
    """The extension of one image by its definition: levels of the errors, class by class."""
    counted = (mask.flatten() != 255).nonzero().flatten().tolist()
    shares = logits.softmax(0).flatten(1)
    losses = []
    for label in sorted(set(mask.flatten()[counted].tolist())):
        members = {pixel for pixel in counted if mask.flatten()[pixel] == label}
        errors = {
            pixel: abs(float(pixel in members) - shares[label, pixel].item()) for pixel in counted
        }
        # The integral over thresholds of 1 - IoU, with the pixels above a threshold as wrong ones.
        levels = [0.0, *sorted(errors.values())]
        loss = 0.0
        for below, above in itertools.pairwise(levels):
            wrong = {pixel for pixel, error in errors.items() if error >= above}
            loss += (above - below) * lost_iou(wrong, members)
        losses.append(loss)
    return sum(losses) / len(losses)


@pytest.mark.parametrize("seed", range(4))
def test_loss_is_the_integral_of_the_lost_iou_over_thresholds(seed: int) -> None:
    logits, masks = random_batch(seed)

    losses = lovasz_softmax(logits, masks)

    expected = [plain_loss(image, mask) for image, mask in zip(logits, masks, strict=True)]
    assert losses.tolist() == pytest.approx(expected, rel=1e-5)


def test_loss_of_sure_predictions_is_one_minus_the_mean_iou() -> None:
    logits, masks = random_batch(0, count=1)
    predicted = logits.argmax(1)
    tally = Segmentation().tally(torch.device("cpu"))
    tally.add(logits, masks)

    sure = 1000 * torch.nn.functional.one_hot(predicted, 4).movedim(-1, 1).float()

    # Over the classes that the mask has; a predicted class that it lacks has an IoU of 0.
    ious = [iou for iou in tally.details(())["iou"].values() if iou]
    expected = 1 - sum(ious) / 100 / len(set(masks[masks != 255].tolist()))
    assert lovasz_softmax(sure, masks).item() == pytest.approx(expected, rel=1e-5)


def test_ignored_pixels_change_nothing_and_get_no_gradient() -> None:
    logits, masks = random_batch(1)
    ignored = (masks == 255)[:, None]
    logits.requires_grad_()

    losses = lovasz_softmax(logits, masks)
    (gradient,) = torch.autograd.grad(losses.sum(), logits)
    changed = lovasz_softmax(logits.detach().masked_fill(ignored, 5.0), masks)

    assert torch.allclose(losses, changed)
    assert not gradient.masked_select(ignored.expand_as(logits)).any()
    assert gradient.abs().sum() > 0


def test_image_without_a_class_has_no_loss() -> None:
    logits, masks = random_batch(2)
    masks[1] = 255

    losses = lovasz_softmax(logits, masks)

    assert losses[1] == 0
    assert losses.isfinite().all()


def test_half_precision_counts_all_pixels() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 2, 64, 64, generator=generator).bfloat16()
    masks = torch.randint(0, 2, (1, 64, 64), generator=generator)

    assert torch.equal(lovasz_softmax(logits, masks), lovasz_softmax(logits.float(), masks))


def test_option_adds_the_weighted_loss_of_counted_pixels() -> None:
    logits, masks = random_batch(3)
    without = Segmentation(ignore=2).loss(logits, masks)

    both = Segmentation(ignore=2, lovasz=0.5).loss(logits, masks)

    added = lovasz_softmax(logits, masks.masked_fill(masks == 2, 255)).mean()
    assert both.item() == pytest.approx(without.item() + 0.5 * added.item(), rel=1e-6)


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
def test_weights_that_are_none_are_refused(weight: float) -> None:
    with pytest.raises(InvalidOption, match="lovasz must be a weight from 0 on, not"):
        Segmentation(lovasz=weight)
