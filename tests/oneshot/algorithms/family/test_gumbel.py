"""Draws by Gumbel-softmax: their distribution, their gradients, and what is run."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from oneshot.algorithms.fbnet import check_scale
from oneshot.errors import InvalidOption
from oneshot.mutators.gumbel import GumbelMutator, HardGumbelMutator
from spaces import ChainSpace
from spaces.modules.choices import LayerChoice
from spaces.modules.input_choice import InputChoice
from tables.cost.model import counting_model


class Counted(nn.Module):
    """The input times a number; counts its runs."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor, self.runs = factor, 0

    def forward(self, x: Tensor) -> Tensor:
        self.runs += 1
        return x * self.factor


def one_choice() -> nn.Module:
    return LayerChoice([Counted(1.0), Counted(2.0), Counted(4.0)], key="only")


def test_the_greatest_weight_falls_on_candidates_by_their_probabilities() -> None:
    """The Gumbel-max trick, whatever the temperature."""
    mutator = GumbelMutator(one_choice(), temperature=3.0, init_type="zeros", seed=1)
    with torch.no_grad():
        mutator.logits[0].copy_(torch.tensor([0.6, 0.3, 0.1]).log())
        counts = torch.zeros(3)
        for _ in range(4000):
            counts[mutator.relaxed("only").argmax()] += 1
    torch.testing.assert_close(counts / 4000, torch.tensor([0.6, 0.3, 0.1]), atol=0.03, rtol=0)


@pytest.mark.parametrize(("temperature", "sharp"), [(100.0, False), (0.01, True)])
def test_the_temperature_decides_how_near_to_one_candidate_a_draw_is(
    temperature: float, sharp: bool
) -> None:
    mutator = GumbelMutator(one_choice(), temperature=temperature, init_type="zeros")
    greatest = torch.stack([mutator.relaxed("only").detach().max() for _ in range(200)])
    if sharp:
        assert float(greatest.median()) > 0.99
    else:
        assert float(greatest.max()) < 0.45


def test_a_hard_draw_runs_one_candidate_and_has_the_gradient_of_its_weight() -> None:
    model = one_choice()
    mutator = HardGumbelMutator(model, init_type="zeros", seed=3)
    mutator.reset()
    x = torch.tensor([3.0])
    output = model(x)
    code = int(mutator.masks["only"].detach().argmax())
    assert [candidate.runs for candidate in model.candidates] == [
        int(index == code) for index in range(3)
    ]  # type: ignore[union-attr]
    assert torch.equal(output, model.candidates[code](x))  # type: ignore[union-attr, operator, index]
    (found,) = torch.autograd.grad(output.sum(), mutator.logits[0])
    # The same draw again, soft: the gradient of the drawn weight times the candidate's output.
    again = GumbelMutator(one_choice(), init_type="zeros", seed=3)
    weights = again.relaxed("only")
    (expected,) = torch.autograd.grad(weights[code] * output.item(), again.logits[0])
    torch.testing.assert_close(found, expected)


def test_without_gradients_a_hard_draw_is_a_plain_path() -> None:
    model = one_choice()
    mutator = HardGumbelMutator(model, init_type="zeros")
    mutator.arch_disable_grad()
    mutator.reset()
    assert mutator.masks["only"].dtype == torch.bool
    model(torch.ones(1))
    assert sum(candidate.runs for candidate in model.candidates) == 1  # type: ignore[union-attr, misc]


@pytest.mark.parametrize("reduction", ["sum", "mean", "concat"])
def test_hard_draws_of_inputs_reduce_as_a_decision_does(reduction: Any) -> None:
    choice = InputChoice(n_candidates=4, n_chosen=2, reduction=reduction, key="inputs")
    mutator = HardGumbelMutator(choice, init_type="zeros", seed=5)
    inputs = [torch.full((1, 2), float(index), requires_grad=True) for index in range(4)]
    mutator.reset()
    output = choice(inputs)
    code = int(mutator.samples["inputs"].detach().argmax())
    mutator.unbind()
    choice.activate(code)
    torch.testing.assert_close(output, choice(inputs))
    output.sum().backward()
    assert mutator.logits[0].grad is not None


def test_the_drawn_cost_is_that_of_the_drawn_weights(small: ChainSpace) -> None:
    """At a low temperature that of the drawn network; differentiable, as finite differences
    tell.
    """
    cost = counting_model(small, "macs")
    mutator = GumbelMutator(small.supernet(3), temperature=1e-4, seed=2)
    mutator.reset()
    codes = {key: int(weights.detach().argmax()) for key, weights in mutator.samples.items()}
    row = small.architecture([codes[choice.key] for choice in small.choices])
    assert mutator.drawn_cost(cost).item() == pytest.approx(small.macs(row), rel=1e-4)
    mutator.temperature = 1.0
    mutator.double()
    state = mutator.generator.get_state()
    mutator.reset()
    gradient = torch.autograd.grad(mutator.drawn_cost(cost), mutator.logits[0])[0]
    for index in range(len(gradient)):
        sides = []
        for sign in (1, -1):
            mutator.generator.set_state(state)
            with torch.no_grad():
                mutator.logits[0][index] += sign * 1e-4
                mutator.reset()
                sides.append(float(mutator.drawn_cost(cost)))
                mutator.logits[0][index] -= sign * 1e-4
        assert float(gradient[index]) == pytest.approx(
            (sides[0] - sides[1]) / 2e-4, rel=1e-4, abs=1e-3
        )


def test_fbnets_loss_follows_the_paper(small: ChainSpace, searches: Any) -> None:
    cost = counting_model(small, "macs")
    algorithm = searches.algorithm("fbnet", small.supernet(3), cost=cost, space=small, scale=2.0)
    algorithm.model.eval()  # without dropout
    algorithm.mutator.reset()
    images, labels = torch.randn(4, 3, 16, 16), torch.tensor([0, 1, 2, 0])
    loss = algorithm.architecture_loss(images, labels)
    error = nn.functional.cross_entropy(algorithm.model(images), labels)
    drawn = algorithm.mutator.drawn_cost(cost)
    torch.testing.assert_close(loss, error * 0.2 * (2 * drawn).log() ** 0.6, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ["snas", "fbnet"])
def test_a_cost_of_choices_that_the_supernet_lacks_is_refused(
    small: ChainSpace, searches: Any, name: str
) -> None:
    cost = counting_model(small, "macs")
    with pytest.raises(InvalidOption, match="the cost depends on the choice"):
        searches.algorithm(name, one_choice(), cost=cost)


def test_a_cost_whose_logarithm_is_not_positive_is_refused(small: ChainSpace) -> None:
    cost = counting_model(small, "macs")
    check_scale(cost, 1.0)
    with pytest.raises(
        InvalidOption, match="scale must make every cost more than 1, not 1e-09: the least macs is"
    ):
        check_scale(cost, 1e-9)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        (
            "gdas",
            {"first_temperature": 10.0, "last_temperature": 0.1},
            [10.0, 5.05, 0.1 + 9.9 / 48],
        ),
        (
            "snas",
            {"first_temperature": 1.0, "last_temperature": 0.03},
            [1.0, 0.515, 0.03 + 0.97 / 48],
        ),
        ("fbnet", {"temperature": 5.0, "annealing": 0.956}, [5.0, 5 * 0.956**3, 5 * 0.956**5]),
    ],
)
def test_temperatures_fall_as_published(
    name: str, options: Any, expected: list[float], searches: Any
) -> None:
    algorithm = searches.algorithm(name, **options)
    algorithm.optimizers(48)  # 6 epochs of 8 updates
    for step, temperature in zip((0, 24, 47), expected, strict=True):
        algorithm.before_step(step)
        assert algorithm.mutator.temperature == pytest.approx(temperature)
