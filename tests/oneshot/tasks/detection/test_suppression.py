"""Suppression equals the plain loop."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from oneshot.tasks.detection.boxes import ious
from oneshot.tasks.detection.suppression import candidates, detect, suppress


def plain(boxes: Tensor, scores: Tensor, labels: Tensor, overlap: float) -> list[int]:
    """The greedy loop over boxes in the order of their scores."""
    order = scores.argsort(descending=True, stable=True).tolist()
    stay: list[int] = []
    for index in order:
        if not any(
            labels[index] == labels[other]
            and ious(boxes[index : index + 1], boxes[other : other + 1]).item() > overlap
            for other in stay
        ):
            stay.append(index)
    return stay


@given(st.integers(0, 10_000), st.integers(0, 30), st.sampled_from([0.0, 0.3, 0.5, 0.8]))
def test_suppression_equals_the_loop(seed: int, count: int, overlap: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    corners = 10 * torch.rand(count, 2, generator=generator)
    boxes = torch.cat([corners, corners + 1 + 6 * torch.rand(count, 2, generator=generator)], 1)
    # Rounded, so that some scores are equal.
    scores = torch.rand(count, generator=generator).mul(10).round() / 10
    labels = torch.randint(0, 2, (count,), generator=generator)

    assert suppress(boxes, scores, labels, overlap).tolist() == plain(
        boxes, scores, labels, overlap
    )


def test_chain_of_boxes_alternates() -> None:
    # Each box overlaps its neighbours only: the first suppresses the second, which so spares the
    # third, and so on.
    left = torch.arange(60.0)[:, None] * 5
    boxes = torch.cat([left, torch.zeros(60, 1), left + 10, torch.full((60, 1), 10.0)], 1)
    scores = torch.linspace(1, 0, 60)
    stay = suppress(boxes, scores, torch.zeros(60), 0.3)
    assert stay.tolist() == list(range(0, 60, 2))


def test_candidates_are_the_most_probable_pairs() -> None:
    boxes = torch.arange(12.0).view(1, 3, 4)
    probabilities = torch.tensor([[[0.1, 0.9], [0.5, 0.2], [0.3, 0.8]]])
    chosen, scores, labels = candidates(boxes, probabilities, 3)
    assert labels.tolist() == [[1, 1, 0]]
    torch.testing.assert_close(scores, torch.tensor([[0.9, 0.8, 0.5]]))
    assert chosen[0, :, 0].tolist() == [0, 8, 4]
    assert candidates(boxes, probabilities, 100)[1].shape == (1, 6)


def test_improbable_and_surplus_objects_are_left_out() -> None:
    boxes = torch.tensor([[0.0, 0, 1, 1], [5, 5, 6, 6], [9, 9, 10, 10]])
    found = detect(
        boxes,
        torch.tensor([0.9, 0.005, 0.8]),
        torch.tensor([0, 0, 1]),
        confidence=0.01,
        overlap=0.5,
        limit=1,
    )
    assert found.labels.tolist() == [0]
    assert len(found.boxes) == len(found.scores) == 1
