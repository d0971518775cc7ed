"""ENAS' controller learns as the release's does."""

import contextlib
import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from oneshot.algorithms.enas import algorithm as module
from oneshot.algorithms.enas.algorithm import Enas
from oneshot.algorithms.enas.controller import Controller, separable_prior
from oneshot.run_settings import RunSettings
from tests.published import published

OPERATIONS = ("sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3", "skip_connect")


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

    def update(self, index: int = 0, clip: float | None = None) -> None:
        pass


def test_the_reward_is_the_accuracy_plus_the_weighted_entropy(
    searches: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first reward starts the baseline, so that the first update shows the rewards."""
    weight = published("enas.controller.entropy_weight")
    search = searches.algorithm("enas", entropy_weight=weight, aggregate=1)
    monkeypatch.setattr(
        module, "rewards", lambda search, codes, numbers, engine: torch.tensor([0.5])
    )

    search.controller_step(0, Backward())

    with torch.no_grad():
        entropy = search.drawing.controller(1, torch.Generator().manual_seed(0)).entropy
    assert float(entropy) > 1
    # The entropy of an untrained controller is nearly the same for all architectures.
    assert search.baseline == pytest.approx(0.5 + weight * float(entropy), rel=1e-6)


def test_every_architecture_of_an_update_has_its_own_batch(
    searches: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers: list[int] = []

    def noted(search: Any, codes: Any, batches: Any, engine: Any) -> Tensor:
        numbers.extend(batches)
        return torch.zeros(len(codes))

    monkeypatch.setattr(module, "rewards", noted)
    search = searches.algorithm("enas", aggregate=3)
    for update in range(2):
        search.controller_step(update, Backward())

    assert published("enas.controller.batch_per_path")
    assert numbers == [0, 1, 2, 3, 4, 5]


def test_the_controllers_adam_is_the_releases(searches: Any) -> None:
    _, (adam, schedule) = searches.algorithm("enas").optimizers(100)

    assert adam.param_groups[0]["betas"] == published("enas.controller.betas")
    assert adam.param_groups[0]["eps"] == published("enas.controller.epsilon")
    assert schedule is None


def test_separable_convolutions_come_first() -> None:
    prior = separable_prior(OPERATIONS, first_cell=True)
    assert prior is not None
    assert prior.learned == published("enas.controller.learned_prior")
    assert prior.fixed == published("enas.controller.fixed_prior")
    later = separable_prior(OPERATIONS, first_cell=False)
    assert later is not None
    assert later.fixed is None
    assert separable_prior(("conv", "skip"), first_cell=True) is None

    bound = published("enas.controller.tanh_constant")
    bound /= published("enas.controller.operation_tanh_reduce")
    controller = Controller([5, 5], 8, 1.0, bound, 0, 2, [prior, later])
    with torch.no_grad():
        first, second = (row[0] for row in controller(1).distributions)
    # The bounded learned bias is 0.44, the fixed one 0.25 - (-0.25).
    assert float(first[0] / first[2]) == pytest.approx(math.exp(0.44 + 0.5), rel=0.1)
    assert float(second[1] / second[2]) == pytest.approx(math.exp(0.44), rel=0.1)


def test_runs_recorded_before_have_the_controller_of_one_layer() -> None:
    settings = RunSettings.from_dict(
        {
            "kind": "supernet",
            "space": "spos-tiny",
            "data": {"name": "digits", "num_classes": 10},
            "seed": 0,
            "algorithm": "enas",
            "options": {"hidden": 8},
        }
    )

    options = Enas.recorded_options(settings)

    assert (options.hidden, options.layers) == (8, 1)
    assert not options.prior
    assert not options.batch_per_path
    one = Controller([2, 3], 8, layers=1).state_dict()
    assert not [name for name in one if name.startswith("upper")]
