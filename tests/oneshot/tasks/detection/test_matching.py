"""Assignment of objects to locations."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from oneshot.tasks.detection.boxes import ious
from oneshot.tasks.detection.matching import match_adaptively, match_anchors

NONE = torch.empty(0, 4)


def grid(side: int, stride: float) -> Tensor:
    """Centres of the cells of a map, row by row."""
    steps = (torch.arange(side) + 0.5) * stride
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack([x, y], -1).view(-1, 2)


def anchors() -> Tensor:
    centres = grid(8, 8)
    return torch.cat([centres - 8, centres + 8], 1)


def objects(seed: int, count: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    corners = 48 * torch.rand(count, 2, generator=generator)
    return torch.cat([corners, corners + 4 + 12 * torch.rand(count, 2, generator=generator)], 1)


@given(st.integers(0, 10_000), st.integers(1, 5))
def test_anchors_follow_the_thresholds(seed: int, count: int) -> None:
    boxes = objects(seed, count)
    result = match_anchors(anchors(), boxes, NONE)
    overlaps = ious(anchors(), boxes)
    best = overlaps.amax(1)

    own = set(overlaps.argmax(0).tolist())
    for index, value in enumerate(best.tolist()):
        assert bool(result.positive[index]) == (value >= 0.5 or index in own)
        assert bool(result.negative[index]) == (value < 0.4 and index not in own)
    # Every object has an anchor, unless another one has the same best anchor.
    assert len(set(result.objects[result.positive].tolist())) >= len(own)
    assert own <= set(result.positive.nonzero()[:, 0].tolist())


def test_anchors_of_difficult_objects_do_not_count() -> None:
    difficult = anchors()[:1]
    result = match_anchors(anchors(), NONE, difficult)
    assert not result.positive.any()
    assert not result.negative[0]
    assert result.negative[-1]


def test_image_without_objects_is_background() -> None:
    assert match_anchors(anchors(), NONE, NONE).negative.all()
    adaptive = match_adaptively(
        grid(4, 8), torch.full((16,), 8.0), torch.zeros(16).long(), NONE, NONE
    )
    assert adaptive.negative.all()


def plain_atss(centres: Tensor, strides: Tensor, levels: Tensor, boxes: Tensor) -> dict[int, int]:
    """ATSS by a loop over objects: location -> object."""
    squares = torch.cat([centres - 4 * strides[:, None], centres + 4 * strides[:, None]], 1)
    overlaps = ious(squares, boxes)
    owners: dict[int, int] = {}
    for number, box in enumerate(boxes):
        middle = (box[:2] + box[2:]) / 2
        chosen: list[int] = []
        for level in sorted(set(levels.tolist())):
            members = (levels == level).nonzero()[:, 0]
            distances = (centres[members] - middle).norm(dim=1)
            chosen += members[distances.argsort(stable=True)[:9]].tolist()
        values = overlaps[chosen, number]
        chosen = [
            index
            for index in chosen
            if (centres[index] > box[:2]).all() and (centres[index] < box[2:]).all()
        ]
        best = max((overlaps[index, number] for index in chosen), default=torch.tensor(0.0))
        threshold = min(values.mean() + values.std(), best)
        for index in chosen:
            if overlaps[index, number] >= threshold:
                before = owners.get(index)
                if before is None or overlaps[index, number] > overlaps[index, before]:
                    owners[index] = number
    return owners


@given(st.integers(0, 10_000), st.integers(1, 4))
def test_adaptive_assignment_equals_a_loop(seed: int, count: int) -> None:
    centres = torch.cat([grid(8, 8), grid(4, 16)])
    strides = torch.tensor([8.0] * 64 + [16.0] * 16)
    levels = torch.tensor([0] * 64 + [1] * 16)
    boxes = objects(seed, count)

    result = match_adaptively(centres, strides, levels, boxes, NONE)

    expected = plain_atss(centres, strides, levels, boxes)
    positive = result.positive.nonzero()[:, 0].tolist()
    assert {index: int(result.objects[index]) for index in positive} == expected
    assert torch.equal(result.negative, ~result.positive)
