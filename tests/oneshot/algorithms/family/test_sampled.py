"""ENAS's controller and losses, FairNAS's paths, and how drawn architectures are rated."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from oneshot.algorithms.batch_statistics import by_batch, untracked
from oneshot.algorithms.enas.controller import Controller, surrogate
from oneshot.algorithms.enas.mutator import EnasMutator
from oneshot.algorithms.enas.options import PAPER, EnasOptions
from oneshot.algorithms.fairnas import FairMutator
from oneshot.algorithms.registry import algorithm as registered
from oneshot.algorithms.sampled import rewards
from oneshot.samplers import Fair
from oneshot.training.recipe import Recipe
from spaces import ChainSpace


def test_the_controllers_log_probabilities_are_a_distribution() -> None:
    """Over all 24 architectures they sum up to 1, and draws have them."""
    controller = Controller([2, 3, 4], hidden=8, seed=1)
    with torch.no_grad():
        for weight in controller.parameters():
            weight.mul_(10)  # far from uniform
        codes = torch.cartesian_prod(torch.arange(2), torch.arange(3), torch.arange(4))
        judged = controller.judged(codes)
        chances = judged.log_probability.exp()
        drawn = controller(6000, torch.Generator().manual_seed(0))
    assert float(chances.sum()) == pytest.approx(1.0, abs=1e-5)
    assert float(chances.max() / chances.min()) > 2
    index = drawn.codes @ torch.tensor([12, 4, 1])
    torch.testing.assert_close(
        torch.bincount(index, minlength=24) / 6000, chances, atol=0.025, rtol=0
    )
    torch.testing.assert_close(
        drawn.log_probability, controller.judged(drawn.codes).log_probability.detach()
    )
    # The entropy of the whole distribution is the mean of the summed conditional ones.
    exact = -(chances * chances.log()).sum()
    assert float(drawn.entropy.mean()) == pytest.approx(float(exact), abs=0.05)


def test_logits_are_bounded_by_the_tanh_constant() -> None:
    controller = Controller([5], hidden=4, tanh_constant=0.44)
    with torch.no_grad():
        for weight in controller.parameters():
            weight.mul_(1000)
        probabilities = controller(1).distributions[0][0]
    assert float(probabilities.max() / probabilities.min()) <= np.exp(0.88) * 1.0001


def test_reinforce_is_the_gradient_of_the_expected_reward() -> None:
    """Enumerated: the surrogate weighted by chances has the gradient of sum p R."""
    controller = Controller([2, 3], hidden=4, seed=2)
    codes = torch.cartesian_prod(torch.arange(2), torch.arange(3))
    rewards = torch.tensor([0.1, 0.9, 0.3, 0.2, 0.5, 0.7])
    logs = controller.judged(codes).log_probability
    weights = list(controller.parameters())
    exact = torch.autograd.grad((logs.exp() * rewards).sum(), weights, retain_graph=True)
    chances = logs.exp().detach()
    # Advantages times chances times n, for the surrogate is a mean; any baseline leaves the sum as
    # it is.
    found = torch.autograd.grad(
        surrogate(logs, logs.detach(), 6 * chances * (rewards - 0.4), None), weights
    )
    for one, other in zip(exact, found, strict=True):
        torch.testing.assert_close(one, -other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("advantage", "ratio", "slope"),
    [(1.0, 1.5, 0.0), (1.0, 1.1, 1.1), (-1.0, 0.5, 0.0), (-1.0, 1.5, -1.5)],
)
def test_ppo_stops_where_the_ratio_has_gone_far_enough(
    advantage: float, ratio: float, slope: float
) -> None:
    now = torch.tensor([np.log(ratio)], dtype=torch.float64, requires_grad=True)
    loss = surrogate(
        now,
        torch.zeros(1, dtype=torch.float64),
        torch.tensor([advantage], dtype=torch.float64),
        0.2,
    )
    (found,) = torch.autograd.grad(loss, now)
    assert float(found) == pytest.approx(-slope)


def test_the_paper_preset_differs_from_the_scripts() -> None:
    assert (PAPER.controller_learning_rate, PAPER.hidden) == (0.00035, 100)
    assert EnasOptions().controller_learning_rate == 0.0035


def test_probabilities_of_the_controller_are_its_marginals(searches: Any) -> None:
    mutator = EnasMutator(searches.model(), EnasOptions(hidden=8), seed=4)
    first, second = mutator.probabilities(), mutator.probabilities()
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    codes = torch.cartesian_prod(*[torch.arange(3)] * 3)
    with torch.no_grad():
        chances = mutator.controller.judged(codes).log_probability.exp()
    for column, row in enumerate(first):
        exact = torch.stack([chances[codes[:, column] == code].sum() for code in range(3)])
        torch.testing.assert_close(row, exact, atol=0.02, rtol=0)


def test_fair_paths_take_every_candidate_once_and_are_those_of_the_sampler(
    tiny: ChainSpace,
) -> None:
    mutator = FairMutator(tiny.supernet(), seed=3)
    sampler = Fair(tiny, 3)
    for step in range(5):
        paths = mutator.paths(step)
        assert np.array_equal(paths, sampler.paths(step))
        assert all(sorted(column) == list(range(len(paths))) for column in paths.T.tolist())


def test_an_update_trains_every_candidate_once(searches: Any, tmp_path: Path) -> None:
    """Counted by hooks over a whole training, without the final rating."""
    algorithm = searches.algorithm("fairnas")
    counts: dict[str, int] = {}
    for name, module in algorithm.model.named_modules():
        if "candidates." in name:

            def counted(part: nn.Module, inputs: Any, output: Any, name: str = name) -> None:
                if part.training:
                    counts[name] = counts.get(name, 0) + 1

            module.register_forward_hook(counted)
    searches.train(algorithm, tmp_path)
    assert set(counts.values()) == {6 * 8}  # epochs x updates
    assert len(counts) == 9


class Normalised(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.drop = nn.BatchNorm1d(2), nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.drop(self.norm(x))
        return result


def test_rating_normalises_by_the_batch_and_leaves_the_model_alone() -> None:
    model = Normalised().train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    x = 5 + 3 * torch.randn(64, 2)
    with by_batch(model):
        y = model(x)
    torch.testing.assert_close(y.mean(0), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.std(0, unbiased=False), torch.ones(2), atol=1e-3, rtol=0)
    with untracked(model):
        model(x)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(module.training for module in model.modules())
    model(x)
    assert not torch.equal(model.norm.running_mean, before["norm.running_mean"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "images", "batches"), [("fairnas", 2048, 8), ("fairnas", 100, 4), ("enas", 256, 8)]
)
def test_what_is_kept_is_the_best_on_the_held_out_images(
    name: str,
    images: int,
    batches: int,
    searches: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All candidates are rated on the same ones, as many as were asked for and are there: 256 in
    batches of 32.
    """
    module = importlib.import_module(registered(name).__module__)
    rated: dict[tuple[int, ...], float] = {}
    numbers: list[list[int]] = []

    def noted(algorithm: Any, codes: Any, batch: Any, engine: Any) -> Tensor:
        found = rewards(algorithm, codes, batch, engine)
        if algorithm.drawing.final is None and len(batch) > 1:
            numbers.append(list(batch))
            rated.update(zip(map(tuple, codes), found.tolist(), strict=True))
        return found

    monkeypatch.setattr(module, "rewards", noted)
    algorithm = searches.algorithm(
        name, recipe=Recipe(epochs=2, batch_size=32, learning_rate=0.2), final_images=images
    )
    searches.train(algorithm, tmp_path)
    assert all(batch == list(range(batches)) for batch in numbers)
    kept = tuple(algorithm.drawing.final.values())
    assert rated[kept] == max(rated.values())
    assert len(rated) > 2


def test_the_controller_waits_for_the_weights(searches: Any, tmp_path: Path) -> None:
    """Of three epochs it learns in the last one; before, what it draws is as good as uniform."""
    algorithm = searches.algorithm(
        "enas", recipe=Recipe(epochs=3, batch_size=32, learning_rate=0.2), controller_warmup=2
    )
    before = [row.clone() for row in algorithm.drawing.distributions()]
    updates: list[int] = []
    learn, done = algorithm.controller_step, algorithm.before_step
    algorithm.before_step = lambda step: (updates.append(0), done(step))[1]

    def noted(number: int, engine: Any) -> None:
        updates[-1] += 1
        if sum(updates) == 1:
            assert all(
                torch.equal(one, row)
                for one, row in zip(before, algorithm.drawing.distributions(), strict=True)
            )
        learn(number, engine)

    algorithm.controller_step = noted
    searches.train(algorithm, tmp_path)
    assert updates == [0] * 23 + [10]
