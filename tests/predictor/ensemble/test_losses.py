"""Losses that compare architectures."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from predictor.ensemble import losses
from predictor.ensemble.losses import (
    anytime,
    list_mle,
    loss,
    pairwise_cross_entropy,
    pairwise_hinge,
    squared_error,
)
from spaces.errors import InvalidParameter, UnknownName

COMPARING = ["hinge", "bce", "listmle"]
numbers = st.floats(-5, 5, width=32).map(lambda value: round(value, 2))


def tensor(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@st.composite
def batches(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Scores and values [n] of a few architectures, values with ties."""
    count = draw(st.integers(2, 8))
    scores, values = (draw(arrays(np.float64, count, elements=numbers)) for _ in range(2))
    return torch.from_numpy(scores), torch.from_numpy(values)


def all_pairs(name: str, threshold: float = 0.0) -> losses.Loss:
    """The loss, the hinge over all pairs, so that nothing is drawn."""
    if name == "hinge":
        return lambda s, v, _: pairwise_hinge(s, v, pairs_per_graph=None, threshold=threshold)
    return loss(name, threshold)


# Against the definitions, pair by pair


@given(batches(), st.sampled_from([0.0, 0.5, 2.0]))
def test_pairwise_losses_are_means_over_the_pairs(
    batch: tuple[Tensor, Tensor], threshold: float
) -> None:
    scores, values = batch
    pairs = [
        (float(scores[i] - scores[j]))
        for i, j in itertools.permutations(range(len(scores)), 2)
        if float(values[i] - values[j]) > threshold
    ]
    hinge = sum(max(0.0, 0.1 - gap) for gap in pairs) / max(len(pairs), 1)
    entropy = sum(math.log1p(math.exp(-gap)) for gap in pairs) / max(len(pairs), 1)
    assert all_pairs("hinge", threshold)(scores, values, None).item() == pytest.approx(hinge)
    assert pairwise_cross_entropy(scores, values, threshold=threshold).item() == pytest.approx(
        entropy
    )


def test_listmle_is_the_likelihood_of_the_order() -> None:
    scores, values = tensor([0.3, -1.2, 2.0, 0.7]), tensor([10.0, 40.0, 20.0, 30.0])
    strengths = scores.exp().tolist()
    likelihood = {}
    for order in itertools.permutations(
        range(4)
    ):  # drawn one after the other, in proportion to their strengths
        left = [sum(strengths[index] for index in order[place:]) for place in range(4)]
        likelihood[order] = math.prod(
            strengths[index] / rest for index, rest in zip(order, left, strict=True)
        )
    assert sum(likelihood.values()) == pytest.approx(1)
    assert list_mle(scores, values).item() == pytest.approx(-math.log(likelihood[1, 3, 2, 0]))


@pytest.mark.parametrize("name", [*COMPARING, "mse"])
def test_unknown_values_are_compared_with_no_other(name: str) -> None:
    scores = torch.tensor([0.3, -1.2, 2.0, 0.7], requires_grad=True)
    values = torch.tensor([1.0, torch.nan, 3.0, 2.0])
    known = ~values.isnan()

    value = all_pairs(name)(scores, values, None)
    torch.autograd.backward(value)

    assert value.item() == pytest.approx(all_pairs(name)(scores[known], values[known], None).item())
    assert scores.grad is not None
    assert scores.grad[1] == 0
    assert scores.grad.isfinite().all()


def test_squared_error_by_hand() -> None:
    assert squared_error(tensor([1.0, 2.0, 5.0]), tensor([1.0, 4.0, 4.0])).item() == pytest.approx(
        5 / 3
    )


# Properties


@pytest.mark.parametrize("name", losses.available())
@given(batch=batches(), seed=st.integers(0, 100))
def test_the_order_within_a_batch_means_nothing(
    name: str, batch: tuple[Tensor, Tensor], seed: int
) -> None:
    scores, values = batch
    moved = torch.from_numpy(np.random.default_rng(seed).permutation(len(scores)))
    torch.testing.assert_close(
        all_pairs(name)(scores[moved], values[moved], None), all_pairs(name)(scores, values, None)
    )


@pytest.mark.parametrize("name", COMPARING)
@given(batch=batches(), shift=numbers)
def test_only_differences_of_scores_count(
    name: str, batch: tuple[Tensor, Tensor], shift: float
) -> None:
    scores, values = batch
    torch.testing.assert_close(
        all_pairs(name)(scores + shift, values, None), all_pairs(name)(scores, values, None)
    )


@given(batches())
def test_hinge_is_zero_exactly_where_the_order_is_right_by_the_margin(
    batch: tuple[Tensor, Tensor],
) -> None:
    scores, values = batch
    pairs = values[:, None] > values
    right = bool(((scores[:, None] - scores)[pairs] >= 0.1).all())
    assert (pairwise_hinge(scores, values, pairs_per_graph=None).item() == 0) == right
    assert (
        pairwise_hinge(
            0.11 * values.argsort().argsort().double(), values, pairs_per_graph=None
        ).item()
        == 0
    )


@pytest.mark.parametrize("name", COMPARING)
@given(values=arrays(np.float64, 5, elements=numbers, unique=True))
def test_the_gradient_raises_the_best_and_lowers_the_worst(name: str, values: np.ndarray) -> None:
    scores = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    torch.autograd.backward(all_pairs(name)(scores, torch.from_numpy(values), None))
    assert scores.grad is not None
    assert scores.grad[values.argmax()] < 0 < scores.grad[values.argmin()]
    assert scores.grad.sum().item() == pytest.approx(0, abs=1e-9)


def test_the_gradient_of_the_squared_error_leads_to_the_value() -> None:
    scores = torch.tensor([0.0, 2.0], requires_grad=True)
    torch.autograd.backward(squared_error(scores, torch.tensor([1.0, 1.0])))
    assert scores.grad is not None
    assert scores.grad.tolist() == [-1, 1]


@pytest.mark.parametrize("name", COMPARING)
def test_a_threshold_leaves_out_what_hardly_differs(name: str) -> None:
    scores, values = tensor([0.5, 0.1, -0.2]), tensor([1.0, 1.2, 3.0])
    within = loss(name, 0.5)
    # The first two are not compared: to swap their values changes nothing, to swap them with the
    # third does.
    torch.testing.assert_close(
        within(scores, values[[1, 0, 2]], None), within(scores, values, None)
    )
    assert not torch.isclose(
        loss(name)(scores, values[[1, 0, 2]], None), loss(name)(scores, values, None)
    )
    assert not torch.isclose(within(scores, values[[2, 1, 0]], None), within(scores, values, None))


@pytest.mark.parametrize("name", COMPARING)
@pytest.mark.parametrize(("values", "threshold"), [([3.0, 3.0], 0.0), ([3.0, 3.4], 0.5)])
def test_without_pairs_the_loss_is_zero_and_has_a_gradient(
    name: str, values: list[float], threshold: float
) -> None:
    scores = torch.tensor([1.0, 2.0], requires_grad=True)
    found = loss(name, threshold)(scores, torch.tensor(values), torch.Generator())
    torch.autograd.backward(found)
    assert found.item() == 0
    assert scores.grad is not None
    assert scores.grad.tolist() == [0, 0]


@pytest.mark.parametrize("name", losses.available())
def test_further_dimensions_are_batches_of_their_own(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    scores, values = (
        torch.randn(3, 2, 7, generator=generator),
        torch.randn(3, 2, 7, generator=generator),
    )
    together = all_pairs(name)(scores, values, None)
    assert together.shape == (3, 2)
    for row, column in itertools.product(range(3), range(2)):
        alone = all_pairs(name)(scores[row, column], values[row, column], None)
        torch.testing.assert_close(together[row, column], alone)
    shared = all_pairs(name)(scores, values[0, 0], None)  # one batch of values, many members
    torch.testing.assert_close(shared[1, 1], all_pairs(name)(scores[1, 1], values[0, 0], None))


# Drawn pairs


def test_no_more_pairs_than_asked_for_are_drawn_from_the_generator() -> None:
    values = torch.arange(40.0)
    scores = torch.sin(values)
    state = torch.get_rng_state()
    one, same, other = (
        pairwise_hinge(scores, values, torch.Generator().manual_seed(seed), pairs_per_graph=1)
        for seed in (0, 0, 1)
    )
    assert one == same
    assert one != other
    assert torch.equal(torch.get_rng_state(), state)


def test_drawn_pairs_are_pairs_and_as_many_as_asked_for() -> None:
    # With a margin above all gaps each of k pairs has a gradient of 1 / k: +1 on its worse side, -1
    # on the better.
    values = torch.tensor([1.0, 1.0, 2.0, 3.0, 3.0, 4.0])
    for seed in range(20):
        scores = torch.zeros(2, 6, requires_grad=True)
        found = pairwise_hinge(
            scores, values, torch.Generator().manual_seed(seed), margin=9, pairs_per_graph=1
        )
        assert found.tolist() == [9, 9]
        torch.autograd.backward(found.sum())
        assert scores.grad is not None
        counted = (scores.grad * 6).round(decimals=4)
        assert torch.equal(counted, counted.round())  # 6 pairs
        assert (counted[:, :2] >= 0).all()  # the least are better than none
        assert (counted[:, 5] <= 0).all()


def test_few_pairs_are_all_taken() -> None:
    scores, values = tensor([0.0, 0.05, 0.35]), tensor([1.0, 2.0, 1.0])
    assert pairwise_hinge(
        scores, values, torch.Generator(), pairs_per_graph=1
    ).item() == pytest.approx(0.225)


# Steps


def test_the_anytime_loss_sums_the_steps() -> None:
    scores, values = tensor([[0.0, 1.0], [2.0, 0.0]]), tensor([[1.0, 0.0], [3.0, 2.0]])
    first, second = (squared_error(scores[:, step], values[:, step]).item() for step in range(2))
    assert anytime(squared_error, scores, values).item() == pytest.approx(first + second)
    shares = tensor([0.25, 1.0])
    assert anytime(squared_error, scores, values, weights=shares).item() == pytest.approx(
        first / 4 + second
    )
    same = anytime(squared_error, scores, values[:, 0]).item()
    assert same == pytest.approx(first + squared_error(scores[:, 1], values[:, 0]).item())


# Names


def test_unknown_loss() -> None:
    with pytest.raises(
        UnknownName, match="unknown loss 'mae'; available: hinge, bce, listmle, mse"
    ):
        loss("mae")


@pytest.mark.parametrize(("name", "threshold"), [("hinge", -0.1), ("mse", 0.1)])
def test_refused_thresholds(name: str, threshold: float) -> None:
    with pytest.raises(InvalidParameter, match=f"threshold: .*not {threshold}"):
        loss(name, threshold)
