"""Optimisers of a recipe: their decay, their names and their rate."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from oneshot.data.images import ImageData
from oneshot.errors import InvalidOption
from oneshot.training import Algorithm, fit
from oneshot.training.optimisation import make_optimizer
from oneshot.training.recipe import Recipe
from spaces import ChainSpace


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_decay_is_for_weights_of_more_dimensions(
    small: ChainSpace, short: Recipe, name: str
) -> None:
    network = small.network(small.architecture([0, 1, 3]), 3)
    optimizer, _ = make_optimizer(network, dataclasses.replace(short, optimizer=name), 10)
    decay = {
        id(value): group["weight_decay"]
        for group in optimizer.param_groups
        for value in group["params"]
    }
    parameters = dict(network.named_parameters())
    assert {value.ndim for value in parameters.values()} == {1, 2, 4}
    assert {name: decay[id(value)] for name, value in parameters.items()} == {
        name: 0.01 if value.ndim > 1 else 0.0 for name, value in parameters.items()
    }
    momenta = [
        group.get("momentum", group.get("betas", (0,))[0]) for group in optimizer.param_groups
    ]
    assert set(momenta) == {0.9}


def test_unknown_optimizer_is_refused() -> None:
    with pytest.raises(InvalidOption, match="optimizer must be one of sgd, adamw, not 'adam'"):
        Recipe(optimizer="adam")


def test_the_rate_falls_linearly_to_nothing(
    small: ChainSpace, images: ImageData, short: Recipe, tmp_path: Path
) -> None:
    rates: list[float] = []

    class Told(Algorithm):
        def optimizers(self, steps: int) -> Any:
            self.found = super().optimizers(steps)
            return self.found

        def before_step(self, step: int) -> None:
            rates.append(self.found[0][0].param_groups[0]["lr"])

    algorithm = Told(small.network(small.architecture([0, 0, 0]), 3), short)
    fit(algorithm, images.train, tmp_path, seed=0)
    assert rates == pytest.approx([0.05 * (1 - step / 12) for step in range(12)])
    assert [group["lr"] for group in algorithm.found[0][0].param_groups] == [0, 0]
