"""The second order of DARTS against gradients that torch computes through the step."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from oneshot.algorithms.darts import unrolled_gradient

Loss = Callable[[Tensor, Tensor], Tensor]


def losses(seed: int) -> tuple[Loss, Loss]:
    """Quadratics of weights [5] and logits [3], coupled."""
    generator = torch.Generator().manual_seed(seed)

    def quadratic() -> Loss:
        matrix = torch.randn(8, 8, generator=generator, dtype=torch.float64)
        matrix = matrix @ matrix.T / 8
        centre = torch.randn(8, generator=generator, dtype=torch.float64)

        def loss(weights: Tensor, logits: Tensor) -> Tensor:
            off = torch.cat([weights, logits]) - centre
            return off @ matrix @ off / 2

        return loss

    return quadratic(), quadratic()


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_equals_the_exact_gradient_through_the_step_on_a_quadratic(
    seed: int, decay: float
) -> None:
    """The finite difference is exact there: the gradient by the logits is linear in the weights."""
    train, held_out = losses(seed)
    generator = torch.Generator().manual_seed(10 + seed)
    weights = nn.Parameter(torch.randn(5, generator=generator, dtype=torch.float64))
    logits = nn.Parameter(torch.randn(3, generator=generator, dtype=torch.float64))
    rate = 0.3
    optimizer = torch.optim.SGD([weights], lr=rate, weight_decay=decay)
    before = weights.detach().clone()
    found = unrolled_gradient(
        lambda: train(weights, logits), lambda: held_out(weights, logits), optimizer, [logits], 0.01
    )[0]

    (step,) = torch.autograd.grad(train(weights, logits), weights, create_graph=True)
    ahead = weights - rate * (step + decay * weights)
    (exact,) = torch.autograd.grad(held_out(ahead, logits), logits)
    torch.testing.assert_close(found, exact, rtol=1e-8, atol=1e-10)
    (first_order,) = torch.autograd.grad(held_out(weights, logits), logits)
    assert not torch.allclose(found, first_order, rtol=1e-2)
    assert torch.equal(weights.detach(), before)
    assert weights.grad is None
    assert logits.grad is None


@pytest.mark.parametrize("nesterov", [False, True])
def test_the_step_is_the_optimisers_own(nesterov: bool) -> None:
    """With momentum: the held-out loss is taken where SGD then really goes, and momentum is left as
    it was.
    """
    train, held_out = losses(3)
    weights, logits = (nn.Parameter(torch.ones(count, dtype=torch.float64)) for count in (5, 3))
    optimizer = torch.optim.SGD(
        [weights], lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=nesterov
    )
    for _ in range(2):
        weights.grad = torch.autograd.grad(train(weights, logits), weights)[0]
        optimizer.step()
    seen: list[Tensor] = []

    def watched() -> Tensor:
        seen.append(weights.detach().clone())
        return held_out(weights, logits)

    momentum = optimizer.state[weights]["momentum_buffer"].clone()
    unrolled_gradient(lambda: train(weights, logits), watched, optimizer, [logits])
    assert torch.equal(optimizer.state[weights]["momentum_buffer"], momentum)
    weights.grad = torch.autograd.grad(train(weights, logits), weights)[0]
    optimizer.step()
    assert len(seen) == 1
    torch.testing.assert_close(seen[0], weights.detach(), rtol=1e-12, atol=1e-12)


def test_a_loss_without_weights_has_the_plain_gradient() -> None:
    weights, logits = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([weights], lr=0.1)
    found = unrolled_gradient(
        lambda: (weights * logits[:2]).sum(),
        lambda: (logits**2).sum() + 0 * weights.sum(),
        optimizer,
        [logits],
    )
    torch.testing.assert_close(found[0], 2 * torch.ones(3))


def test_weights_come_back_where_the_loss_fails() -> None:
    weights, logits = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weights], lr=0.1)

    def failing() -> Tensor:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        unrolled_gradient(lambda: (weights * logits).sum(), failing, optimizer, [logits])
    assert torch.equal(weights.detach(), torch.ones(2))


def test_an_architecture_step_of_second_order_leaves_weights_and_statistics(
    searches: Any, tmp_path: Any
) -> None:
    """Until the weights' own step: then both orders have done the same to the weights in the first
    update.
    """
    recipe = searches.short
    states = []
    for order in (1, 2):
        algorithm = searches.algorithm("darts", recipe=recipe, order=order, arch_learning_rate=1e-9)
        searches.train(algorithm, tmp_path / str(order))
        states.append(algorithm.model.state_dict())
    for key, value in states[0].items():
        torch.testing.assert_close(value, states[1][key], rtol=1e-4, atol=1e-5)
