"""CARS: its front on a toy whose front is known, hypervolume against random, resuming."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

import spaces
from oneshot.algorithms.cars import Cars
from oneshot.algorithms.pareto_survival import select
from oneshot.algorithms.registry import preset
from oneshot.commands import main
from oneshot.errors import InvalidOption
from oneshot.training import Stopped
from oneshot.training.recipe import Recipe
from tests.published import published

COSTS = {"zero": 0.0, "abs": 3.0, "pass": 2.0}
"""A function that tells nothing costs most, so that no front has it."""

MOST = 10.0
"""Cost above that of every network."""


class ToyCost:
    """Costs of the toy: the sum of those of its functions."""

    metric, unit = "macs", "MACs"

    def __init__(self) -> None:
        orders = {
            "first": ("zero", "abs", "pass"),
            "second": ("pass", "zero", "abs"),
            "third": ("abs", "pass", "zero"),
        }
        self.space: Any = type("Space", (), {})()
        self.space.choices = [spaces.Choice(key, names) for key, names in orders.items()]

    def estimate(self, codes: Any) -> Any:
        rows = [
            [
                COSTS[choice.candidates[code]]
                for choice, code in zip(self.space.choices, row, strict=True)
            ]
            for row in np.asarray(codes)
        ]
        return np.array(rows).sum(1)

    def expected(self, probabilities: Any) -> Tensor:
        return torch.zeros(())


def search(searches: Any, seed: int = 0, **options: Any) -> Cars:
    recipe = Recipe(epochs=8, batch_size=32, learning_rate=0.2, label_smoothing=0.0)
    values = {"population": 8, "warmup": 2, "every": 1, "images": 256, "mutation": 0.3, **options}
    made = searches.algorithm("cars", seed=seed, recipe=recipe, cost=ToyCost(), **values)
    assert isinstance(made, Cars)
    return made


def hypervolume(scores: Any, costs: Any) -> float:
    """Return the area that (reward, cost) dominate above reward 0 and below cost `MOST`."""
    area, best = 0.0, 0.0
    # From the cheapest on, each better one adds a rectangle up to the greatest cost.
    for cost, score in sorted(zip(costs, scores, strict=True)):
        if score > best:
            area += (score - best) * (MOST - cost)
            best = score
    return area


def test_the_front_of_the_toy_is_found(searches: Any, tmp_path: Path) -> None:
    algorithm = search(searches)
    searches.train(algorithm, tmp_path)
    front = algorithm.front()
    # Each channel that passes costs 2 and doubles the share of the classes told apart.
    assert [row["cost"] for row in front] == [0, 2, 4, 6]
    assert front[-1]["reward"] > 0.95
    assert algorithm.mutator.decided() == searches.best
    counts = [list(row["architecture"].values()).count("pass") for row in front]
    assert counts == [0, 1, 2, 3]


@pytest.mark.parametrize("seed", range(5))
def test_its_hypervolume_is_larger_than_that_of_random_networks(
    seed: int, searches: Any, tmp_path: Path
) -> None:
    algorithm = search(searches, seed=seed)
    searches.train(algorithm, tmp_path / "cars")
    found = hypervolume(algorithm.rewards, algorithm.costs(algorithm.population))

    # As many updates, on uniform paths alone, and as many random networks.
    uniform = search(searches, seed=seed, warmup=1000)
    searches.train(uniform, tmp_path / "uniform")
    rng = np.random.default_rng(seed)
    random = rng.integers(3, size=(8, 3))
    scores = scores_of(uniform, random)
    assert found > hypervolume(scores, uniform.costs(random))


def scores_of(algorithm: Cars, codes: Any) -> Any:
    """Return the accuracies of architectures with the trained weights on the held-out images."""
    inputs, targets = algorithm.held_out.batch(0, 0, 1)
    scores = []
    algorithm.model.train()
    with torch.no_grad():
        for row in codes.tolist():
            algorithm.drawing.run(row)
            scores.append(float((algorithm.model(inputs).argmax(1) == targets).double().mean()))
    return np.array(scores)


def test_survivors_are_the_first_fronts_of_both() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.1, 0.2])
    costs = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    # The first dominates all by reward; the last one grows fastest.
    growths = np.array([0.0, 0.1, 0.2, 0.3, 0.9])
    found = select(scores, growths, costs, 3, np.random.default_rng(0))
    assert 0 in found
    assert len(found) == len(set(found)) == 3
    assert select(scores, growths, costs, 9, np.random.default_rng(0)) == [0, 1, 2, 3, 4]


def test_an_interrupted_search_ends_as_an_unbroken_one(searches: Any, tmp_path: Path) -> None:
    whole = search(searches)
    searches.train(whole, tmp_path / "whole")
    broken, stopped = search(searches), list[int]()
    loss = broken.loss

    def interrupting(inputs: Any, targets: Any, now: int, engine: Any) -> Any:
        # In the fifth of eight epochs, when the population has evolved.
        if now == 37 and not stopped:
            stopped.append(now)
            os.kill(os.getpid(), signal.SIGINT)
        return loss(inputs, targets, now, engine)

    broken.loss = interrupting  # type: ignore[method-assign]
    with pytest.raises(Stopped, match="stopped after update 38 of 64"):
        searches.train(broken, tmp_path / "broken")
    again = search(searches)
    searches.train(again, tmp_path / "broken")

    assert (again.population == whole.population).all()
    assert again.report() == whole.report()
    for key, value in whole.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[key])


def test_the_command_writes_the_front(tmp_path: Path) -> None:
    command = ["train", "--space", "spos-tiny", "--algorithm", "cars", "--data", "digits"]
    command += ["--limit", "32", "--epochs", "2", "--batch-size", "16", "--no-tensorboard"]
    for option in ("population=6", "warmup=1", "every=1", "images=16"):
        command += ["--option", option]
    result = CliRunner().invoke(main, [*command, "-o", str(tmp_path / "run")])
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "run" / "architecture-report.json").read_text())
    costs = [row["cost"] for row in report["front"]]
    assert costs == sorted(costs)
    assert len(costs) >= 1

    refused = CliRunner().invoke(
        main,
        [
            *(text.replace("spos-tiny", "darts-tiny") for text in command),
            "-o",
            str(tmp_path / "other"),
        ],
    )
    assert refused.exit_code == 2
    assert "such as nasbench201" in " ".join(refused.output.split())


def test_the_preset_is_the_release() -> None:
    chosen = preset("cars", {})
    for row in ("epochs", "batch_size", "learning_rate", "weight_decay", "clip"):
        assert getattr(chosen.recipe, row) == published(f"cars.{row}"), row
    for row in ("population", "warmup", "every", "images", "least_learning_rate"):
        assert getattr(chosen.options, row) == published(f"cars.{row}"), row
    for option, value in (("population", 3), ("mutation", 2), ("every", 0)):
        with pytest.raises(InvalidOption, match=option):
            preset("cars", {option: value})
