"""Overlaps and coding of boxes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from oneshot.tasks.detection.boxes import decode, encode, generalised_ious, ious

seeds = st.integers(0, 10_000)


def boxes_of(seed: int, count: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    corners = torch.randint(0, 20, (count, 2), generator=generator)
    sides = torch.randint(1, 15, (count, 2), generator=generator)
    return torch.cat([corners, corners + sides], 1).double()


@given(seeds)
def test_iou_is_that_of_counted_pixels(seed: int) -> None:
    first, second = boxes_of(seed, 2), boxes_of(seed + 1, 3)
    matrix = ious(first, second)
    for i, one in enumerate(first.long().tolist()):
        for j, other in enumerate(second.long().tolist()):
            pixels = torch.zeros(2, 40, 40, dtype=torch.bool)
            for plane, (left, top, right, bottom) in zip(pixels, (one, other), strict=True):
                plane[top:bottom, left:right] = True
            expected = (pixels[0] & pixels[1]).sum() / (pixels[0] | pixels[1]).sum()
            assert matrix[i, j].item() == pytest.approx(expected.item(), rel=1e-6)


@given(seeds)
def test_generalised_iou_is_the_iou_less_the_empty_part_of_the_hull(seed: int) -> None:
    first, second = boxes_of(seed, 5), boxes_of(seed + 1, 5)

    values = generalised_ious(first, second)

    overlaps = ious(first, second).diagonal()
    assert (values <= overlaps + 1e-12).all()
    assert (values > -1).all()
    torch.testing.assert_close(generalised_ious(first, first), torch.ones(5).double())
    hull = torch.cat([torch.minimum(first, second)[:, :2], torch.maximum(first, second)[:, 2:]], 1)
    # Of a box and its own hull the empty part is what the IoU lacks.
    within = generalised_ious(first, hull)
    torch.testing.assert_close(within, ious(first, hull).diagonal())


def test_generalised_iou_has_gradients_towards_a_distant_box() -> None:
    box = torch.tensor([0.0, 0, 1, 1], requires_grad=True)
    (gradient,) = torch.autograd.grad(generalised_ious(box, torch.tensor([5.0, 0, 6, 1])), box)
    assert gradient[2] > 0


@given(seeds)
def test_decoding_inverts_encoding(seed: int) -> None:
    boxes, anchors = boxes_of(seed, 6), boxes_of(seed + 1, 6)
    torch.testing.assert_close(decode(encode(boxes, anchors), anchors), boxes)


def test_huge_offsets_give_finite_boxes() -> None:
    boxes = decode(torch.full((1, 4), 1e6), torch.tensor([[0.0, 0, 8, 8]]))
    assert boxes.isfinite().all()
