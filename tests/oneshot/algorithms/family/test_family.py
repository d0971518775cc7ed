"""What all algorithms of the family promise."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import spaces
from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.architecture import ArchitectureAlgorithm
from oneshot.algorithms.registry import algorithm, make, preset
from oneshot.data.images import ImageData
from oneshot.errors import InvalidOption
from oneshot.mutators.mutator import FixedArchitecture
from oneshot.search.constraint import Constraint
from oneshot.training import Stopped, fit
from oneshot.training.recipe import Recipe
from spaces import ChainSpace
from spaces.modules.choices import LayerChoice
from spaces.modules.input_choice import InputChoice
from tables.cost.model import counting_model

ALGORITHMS = ("darts", "enas", "fairnas", "fbnet", "gdas", "pc-darts", "snas")
VARIANTS = [
    *((name, {}) for name in ALGORITHMS),
    ("darts", {"order": 2}),
    ("enas", {"ppo_clip": 0.2}),
]
every_variant = pytest.mark.parametrize(
    ("name", "options"), VARIANTS, ids=lambda value: str(value) if value else ""
)
every_algorithm = pytest.mark.parametrize("name", ALGORITHMS)


@every_variant
def test_the_known_optimum_is_found(
    name: str, options: dict[str, Any], searches: Any, tmp_path: Path
) -> None:
    for seed in range(3 if options else 5):
        search = searches.algorithm(name, seed=seed, **options)
        searches.train(search, tmp_path / str(seed))
        assert search.mutator.decided() == searches.best, seed


@every_variant
def test_an_interrupted_search_ends_as_an_unbroken_one(
    name: str, options: dict[str, Any], searches: Any, tmp_path: Path
) -> None:
    """Stopped in the middle of an epoch, and taken up by new objects of other first weights."""
    recipe = Recipe(epochs=3, batch_size=32, learning_rate=0.1, label_smoothing=0.0)

    def search(folder: str, first: int = 0) -> ArchitectureAlgorithm:
        found: ArchitectureAlgorithm = searches.algorithm(
            name, searches.model(first), recipe=recipe, folder=tmp_path / folder, **options
        )
        return found

    whole = search("whole")
    searches.train(whole, tmp_path / "whole")
    broken = search("broken")
    loss, stopped = broken.loss, list[int]()

    def losing(images: Any, labels: Any, now: int, engine: Any) -> Any:
        if now == 13 and not stopped:  # some algorithms ask for several losses in an update
            stopped.append(now)
            os.kill(os.getpid(), signal.SIGINT)
        return loss(images, labels, now, engine)

    broken.loss = losing  # type: ignore[method-assign]
    with pytest.raises(Stopped, match="stopped after update 14 of 24"):
        searches.train(broken, tmp_path / "broken")
    again = search("broken", 99)
    searches.train(again, tmp_path / "broken")
    for key, value in whole.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[key]), key
    first, second = whole.mutator.state_dict(), again.mutator.state_dict()
    assert first.keys() == second.keys()
    for key, value in first.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, second[key]), key
    assert whole.report() == again.report()
    logs = [(tmp_path / run / "architectures.jsonl").read_text() for run in ("whole", "broken")]
    assert logs[0] == logs[1]
    assert len(logs[0].splitlines()) == 3


@every_algorithm
def test_the_export_is_json_that_runs(name: str, searches: Any, tmp_path: Path) -> None:
    search = searches.algorithm(name, recipe=Recipe(epochs=1, batch_size=64, learning_rate=0.1))
    searches.train(search, tmp_path)
    exported = json.loads(search.mutator.export_json())
    chosen = search.mutator.decided()
    search.mutator.unbind()
    fixed = FixedArchitecture(search.model, exported)
    assert fixed.decided() == chosen
    assert search.model(torch.randn(4, 3, 2, 2)).shape == (4, 8)
    rows = search.report()["probabilities"]
    assert rows.keys() == searches.best.keys()
    assert all(sum(row.values()) == pytest.approx(1.0, abs=1e-5) for row in rows.values())


class Mixed(nn.Module):
    """A user's own model: choices with a shared key, one inside another's candidate, and a skip
    connection.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.one = LayerChoice(
            {"conv": nn.Conv2d(4, 4, 3, padding=1), "pass": nn.Identity()}, key="shared"
        )
        inner = LayerChoice([nn.ReLU(), nn.Conv2d(4, 4, 1)])
        self.two = LayerChoice(
            {"nested": nn.Sequential(inner, nn.BatchNorm2d(4)), "pool": nn.AvgPool2d(3, 1, 1)}
        )
        self.three = LayerChoice({"conv": nn.Conv2d(4, 4, 1), "pass": nn.Identity()}, key="shared")
        self.skip = InputChoice(n_candidates=3, n_chosen=1)
        self.classify = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        one = self.one(x)
        two = self.two(one)
        x = self.skip([x, self.three(two), two])
        result: torch.Tensor = self.classify(x.mean((2, 3)))
        return result


@every_algorithm
def test_any_model_with_choices_is_searched(
    name: str, images: ImageData, quick: Any, tmp_path: Path
) -> None:
    model = Mixed()
    space = spaces.from_model(model, torch.randn(1, 3, 16, 16))
    recipe = Recipe(epochs=2, batch_size=32, learning_rate=0.05)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    setting = Setting(model, recipe, images.validation, len(images.train), space=space)
    search = make(name, setting, preset(name, quick[name]).options)
    fit(search, images.train, tmp_path, seed=0)
    architecture = space.architecture(search.mutator.decided())
    assert space.network(architecture)(torch.randn(2, 3, 16, 16)).shape == (2, 3)
    assert not torch.equal(before["stem.weight"], model.state_dict()["stem.weight"])
    assert all(weight.requires_grad for weight in model.parameters())
    assert set(search.report()["probabilities"]) == {choice.key for choice in space.choices}


@every_algorithm
def test_a_constraint_is_met(
    name: str, small: ChainSpace, images: ImageData, quick: Any, tmp_path: Path
) -> None:
    """Also after an epoch, when nothing is decided for good."""
    cost = counting_model(small, "macs")
    middle = float(np.median(cost.estimate(next(small.enumerate_codes()))))
    limit = Constraint("macs", middle, cost)
    setting = Setting(
        small.supernet(3),
        Recipe(epochs=2, batch_size=32, learning_rate=0.05),
        images.validation,
        len(images.train),
        space=small,
        cost=cost,
        constraint=limit,
        folder=tmp_path,
    )
    search = make(name, setting, preset(name, quick[name]).options)
    fit(search, images.train, tmp_path, seed=0)
    for line in (tmp_path / "architectures.jsonl").read_text().splitlines():
        report = json.loads(line)
        assert report["predicted_cost"] <= middle
        assert 0 < report["expected_cost"] < cost.bounds()[1].value
        assert small.macs(small.architecture(report["architecture"])) == report["predicted_cost"]


@every_algorithm
def test_presets_have_a_recipe_and_bad_options_are_refused(name: str) -> None:
    for chosen in algorithm(name).presets:
        found = preset(name, {"preset": chosen})
        assert found.recipe.epochs >= 50
    with pytest.raises(InvalidOption, match="has no option 'colour'"):
        preset(name, {"colour": 1})


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("darts", {"order": 3}, "order must be 1 or 2, not 3"),
        ("darts", {"epsilon": 0.0}, "epsilon must be positive"),
        ("darts", {"arch_learning_rate": 0.0}, "arch_learning_rate must be positive"),
        ("darts", {"arch_betas": (0.5, 1.0)}, "arch_betas must be two numbers"),
        ("gdas", {"last_temperature": 0.0}, "first_temperature must be at least last_temperature"),
        ("snas", {"resource": -1.0}, "resource must be at least 0"),
        ("fbnet", {"annealing": 1.5}, "annealing must lie in"),
        ("enas", {"baseline_decay": 1.0}, "baseline_decay must lie in"),
        ("fairnas", {"population": 2}, "population must be at least 4"),
    ],
)
def test_values_out_of_range_are_named(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        preset(name, options)
