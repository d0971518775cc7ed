"""What a training of paths does to the weights of a supernet."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from oneshot.algorithms.spos import PathAlgorithm
from oneshot.data.images import ImageData
from oneshot.samplers import Fair, Uniform
from oneshot.training import fit
from oneshot.training.recipe import Recipe
from spaces import ChainSpace
from spaces.modules.supernet import Supernet
from spaces.space import Codes

Weights = dict[str, torch.Tensor]


class Given:
    """A sampler that takes paths in turn."""

    def __init__(self, *paths: list[int]):
        self.given = paths

    def paths(self, step: int) -> Codes:
        return np.array([self.given[step % len(self.given)]])


class Watched(PathAlgorithm):
    """Keeps the weights and momenta before every update."""

    def __init__(self, supernet: Supernet, recipe: Recipe, sampler: Any):
        super().__init__(supernet, recipe, sampler)
        self.before: list[tuple[Weights, dict[int, torch.Tensor]]] = []

    def optimizers(self, steps: int) -> Any:
        found = super().optimizers(steps)
        self.optimizer = found[0][0]
        return found

    def before_step(self, step: int) -> None:
        self.before.append(self.now())

    def now(self) -> tuple[Weights, dict[int, torch.Tensor]]:
        states = self.optimizer.state.items()
        momenta = {id(weight): state["momentum_buffer"].clone() for weight, state in states}
        return {name: value.clone() for name, value in self.model.state_dict().items()}, momenta


@pytest.mark.parametrize("nesterov", [False, True])
def test_what_is_not_drawn_stays_bit_for_bit(
    small: ChainSpace, images: ImageData, short: Recipe, tmp_path: Path, nesterov: bool
) -> None:
    """Also where it was drawn before, and has momentum and decay to take."""
    paths = [[0, 1, 2], [0, 1, 2], [3, 1, 0], [3, 2, 0], [0, 3, 1]]
    recipe = dataclasses.replace(short, epochs=2, nesterov=nesterov, clip=1.0)
    supernet = small.supernet(3)
    algorithm = Watched(supernet, recipe, Given(*paths))
    fit(algorithm, images.train, tmp_path, seed=0)
    states = [*algorithm.before, algorithm.now()]
    assert len(states) == 2 * 3 + 1
    parameters = {name: id(value) for name, value in supernet.named_parameters()}
    for step, (before, after) in enumerate(itertools.pairwise(states)):
        supernet.activate(paths[step % len(paths)])
        drawn = {
            id(value)
            for part in supernet.path()
            for value in part.state_dict(keep_vars=True).values()
        }
        for name, value in supernet.state_dict(keep_vars=True).items():
            assert torch.equal(before[0][name], after[0][name]) is (id(value) not in drawn), (
                step,
                name,
            )
        for number in set(parameters.values()) - drawn:
            if number in before[1]:
                assert torch.equal(before[1][number], after[1][number])
            else:
                assert number not in after[1]
    assert all(value.grad is None for value in supernet.parameters())


def test_a_supernet_trains_as_its_networks_do(
    small: ChainSpace, images: ImageData, tmp_path: Path
) -> None:
    """Three updates of single paths, written out with torch alone."""
    recipe = Recipe(epochs=1, batch_size=32, learning_rate=0.05, momentum=0.0, weight_decay=0.02)
    one, other = small.supernet(3), small.supernet(3)
    for module in (*one.modules(), *other.modules()):
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    fit(PathAlgorithm(one, recipe, Uniform(small, 5)), images.train, tmp_path, seed=5)
    other.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    loader = images.train.epochs(32, 5)
    for step, (pictures, labels) in enumerate(loader):
        other.activate(Uniform(small, 5).paths(step)[0])
        loss = nn.functional.cross_entropy(other(pictures), labels, label_smoothing=0.1)
        found = torch.autograd.grad(loss, list(other.parameters()), allow_unused=True)
        with torch.no_grad():
            for weight, gradient in zip(other.parameters(), found, strict=True):
                if gradient is not None:
                    decay = 0.02 * weight if weight.ndim > 1 else 0.0
                    weight -= 0.05 * (1 - step / 3) * (gradient + decay)
    for name, value in other.state_dict().items():
        torch.testing.assert_close(one.state_dict()[name], value, rtol=1e-4, atol=1e-6)


def test_fair_updates_train_every_candidate_once(
    small: ChainSpace, images: ImageData, tmp_path: Path
) -> None:
    recipe = Recipe(epochs=1, batch_size=32, learning_rate=0.05)
    supernet = small.supernet(3)
    algorithm = Watched(supernet, recipe, Fair(small, 0))
    fit(algorithm, images.train, tmp_path, seed=0)
    counts = {
        name: int(value)
        for name, value in supernet.state_dict().items()
        if name.endswith("num_batches_tracked")
    }
    shared = {value for name, value in counts.items() if "candidates" not in name}
    assert {value for name, value in counts.items() if "candidates" in name} == {
        3
    }  # once in each of three updates
    assert shared == {3 * 4}
    before, after = algorithm.before[0][0], algorithm.now()[0]
    assert all(
        not torch.equal(before[name], after[name]) for name, _ in supernet.named_parameters()
    )
