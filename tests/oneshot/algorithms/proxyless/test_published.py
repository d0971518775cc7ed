"""ProxylessNAS trains as its release does."""

import contextlib
import dataclasses
import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import spaces
from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.proxyless.algorithm import Proxyless
from oneshot.algorithms.proxyless.options import ProxylessOptions
from oneshot.algorithms.registry import preset
from oneshot.data.images import ImageSplit
from oneshot.run_settings import RunSettings
from oneshot.training.recipe import Recipe
from spaces.modules.choices import LayerChoice
from tests.oneshot.algorithms.proxyless_toys import Net, split
from tests.published import published


class Backward:
    """Engine that records the losses of backward passes and updates nothing."""

    ranks = 1
    fabric = SimpleNamespace(global_rank=0, device=torch.device("cpu"))

    def __init__(self) -> None:
        self.losses: list[float] = []

    @contextlib.contextmanager
    def autocast(self) -> Iterator[None]:
        yield

    def backward(self, loss: Tensor) -> None:
        self.losses.append(float(loss.detach()))
        loss.backward()

    def update(self, index: int = 0, clip: float | None = None) -> None:
        pass


class Graded(nn.Module):
    """Model that classifies a settable fraction of the images correctly, whatever its path.

    The class of an image is the value of its pixels.
    """

    def __init__(self) -> None:
        super().__init__()
        self.choice = LayerChoice([nn.Identity(), nn.Identity(), nn.Identity()], key="choice")
        self.fraction = 0.0

    def forward(self, x: Tensor) -> Tensor:
        labels = self.choice(x).mean((1, 2, 3)).round().long()
        wrong = torch.arange(len(labels)) >= self.fraction * len(labels)
        return functional.one_hot((labels + wrong) % 3, 3).float()


def test_the_architecture_step_takes_the_plain_cross_entropy() -> None:
    recipe = Recipe(batch_size=32, label_smoothing=published("proxylessnas.search.label_smoothing"))
    images = split(96, 1)
    search = Proxyless(Setting(Net(), recipe, images, 192), ProxylessOptions())
    outputs: list[Tensor] = []
    search.model.register_forward_hook(lambda _, inputs, output: outputs.append(output.detach()))
    engine = Backward()

    search.architecture_step(0, engine)  # type: ignore[arg-type]

    _, labels = search.held_out.batch(0)
    smoothing = published("proxylessnas.architecture.label_smoothing")
    expected = functional.cross_entropy(outputs[0], labels, label_smoothing=smoothing)
    assert engine.losses == [pytest.approx(float(expected), rel=1e-6)]


def test_reinforce_moves_its_baseline_nearly_to_the_last_mean_reward() -> None:
    """With equal rewards of all paths, the loss is the advantage times the log-probability."""
    labels = torch.arange(40) % 3
    images = ImageSplit.from_tensors(
        labels[:, None, None, None].float().expand(-1, 3, 2, 2), labels
    )
    model = Graded()
    options = ProxylessOptions(learning="reinforce", arch_init_type="zeros")
    search = Proxyless(Setting(model, Recipe(batch_size=40), images, 40), options)
    engine = Backward()

    for fraction in (0.25, 0.75):
        model.fraction = fraction
        search.architecture_step(0, engine)  # type: ignore[arg-type]

    baseline = 0.25 + published("proxylessnas.reinforce.baseline_weight") * 0.5
    assert search.baseline == pytest.approx(baseline)
    # The first reward is its own baseline.
    assert engine.losses[0] == pytest.approx(0.0)
    assert engine.losses[1] == pytest.approx((0.75 - baseline) * math.log(3), rel=1e-4)


def test_options_and_optimisers_are_the_releases() -> None:
    paper = preset("proxyless", {"preset": "paper"})
    options, recipe = paper.options, paper.recipe
    search = Proxyless(Setting(Net(), recipe, split(256, 1), 256), options)
    weights, logits = (optimizer.param_groups[0] for optimizer, _ in search.optimizers(1000))

    assert logits["lr"] == published("proxylessnas.architecture.learning_rate")
    assert logits["betas"] == published("proxylessnas.architecture.betas")
    assert logits["weight_decay"] == published("proxylessnas.architecture.weight_decay")
    assert weights["weight_decay"] == published("proxylessnas.search.weight_decay")
    assert weights["nesterov"]
    assert options.arch_init_type == "normal"
    assert options.arch_init_ratio == published("proxylessnas.architecture.initial")
    assert options.grad_update_arch_param_every == published("proxylessnas.architecture.every")
    assert options.reward_paths == published("proxylessnas.reinforce.paths")
    assert options.reward_exponent == published("proxylessnas.reinforce.exponent")
    assert options.warmup_epochs == published("proxylessnas.warmup.epochs")
    assert options.warmup_learning_rate == published("proxylessnas.warmup.learning_rate")
    assert recipe.epochs - options.warmup_epochs == published("proxylessnas.search.epochs")
    assert recipe.batch_size == published("proxylessnas.search.batch")
    assert recipe.learning_rate == published("proxylessnas.search.learning_rate")
    assert recipe.label_smoothing == published("proxylessnas.search.label_smoothing")


@pytest.mark.parametrize("name", ["default", "nni"])
def test_every_preset_has_the_releases_moments(name: str) -> None:
    options = preset("proxyless", {"preset": name}).options
    betas = (options.arch_beta1, options.arch_beta2)
    assert betas == published("proxylessnas.architecture.betas")


def test_batch_normalisation_has_the_releases_epsilon_and_momentum() -> None:
    space = spaces.get("proxylessnas-tiny")
    for model in (space.supernet(), space.network(space.architecture([0] * 6))):
        norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
        assert norms
        assert {norm.eps for norm in norms} == {published("proxylessnas.supernet.norm_eps")}
        assert {norm.momentum for norm in norms} == {
            published("proxylessnas.supernet.norm_momentum")
        }


def test_runs_recorded_before_keep_their_smoothing_and_baseline() -> None:
    recorded: dict[str, Any] = dataclasses.asdict(ProxylessOptions(baseline_decay=0.99))
    del recorded["arch_label_smoothing"]
    settings = RunSettings.from_dict(
        {
            "kind": "supernet",
            "space": "proxylessnas-tiny",
            "data": {"name": "digits", "num_classes": 10},
            "seed": 0,
            "algorithm": "proxyless",
            "recipe": {"label_smoothing": 0.1},
            "options": recorded,
        }
    )

    options = Proxyless.recorded_options(settings)

    assert (options.arch_label_smoothing, options.baseline_decay) == (0.1, 0.99)
