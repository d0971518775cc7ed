"""ProxylessNAS finds what it should, in one process and in two."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import spaces
from oneshot.algorithms.epochs import read_epochs
from oneshot.algorithms.hardware import hardware_term
from oneshot.algorithms.proxyless.options import ProxylessOptions
from oneshot.errors import InvalidOption
from oneshot.training import fit
from oneshot.training.execution import Execution
from oneshot.training.recipe import Recipe
from spaces.errors import NotAdditive
from spaces.modules.choices import LayerChoice
from tables.cost.model import counting_model
from tests.oneshot.algorithms.proxyless_toys import TINY, Net, Residual, algorithm, split

FAST = {"arch_optim_lr": 0.1, "grad_update_arch_param_every": 1, "warmup_epochs": 1}


def found(options: ProxylessOptions, seed: int, folder: Path, epochs: int = 10) -> dict[str, str]:
    """What a search on the toy finds."""
    torch.manual_seed(seed)
    search = algorithm(Net(), options, seed, epochs)
    fit(search, split(192), folder, seed=seed)
    return search.mutator.decided()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("mode", ["full", "full_v2", "two"])
def test_the_best_path_is_found_in_every_mode(mode: str, seed: int, tmp_path: Path) -> None:
    options = ProxylessOptions(binary_mode=mode, **FAST)  # type: ignore[arg-type]
    assert found(options, seed, tmp_path) == {"a.first": "pass", "second": "pass"}


@pytest.mark.parametrize("seed", range(5))
def test_the_best_path_is_found_by_reinforce(seed: int, tmp_path: Path) -> None:
    options = ProxylessOptions(
        learning="reinforce",
        arch_optim_lr=0.03,
        grad_update_arch_param_every=1,
        warmup_epochs=6,
        baseline_decay=0.9,
    )
    assert found(options, seed, tmp_path, 20) == {"a.first": "pass", "second": "pass"}


def test_an_architecture_step_leaves_the_weights(tmp_path: Path) -> None:
    """No gradient either; and the logits stay in the warm-up and in the epoch behind it."""
    search = algorithm(Residual(), ProxylessOptions(**{**FAST, "warmup_epochs": 2}), epochs=4)  # type: ignore[arg-type]
    step, architecture_step = search.step, search.architecture_step
    moved: list[int] = []

    def watched(batches: Any, number: int, engine: Any) -> None:
        before = [logits.detach().clone() for logits in search.mutator.arch_parameters()]
        step(batches, number, engine)
        if not all(
            torch.equal(*pair)
            for pair in zip(before, search.mutator.arch_parameters(), strict=True)
        ):
            moved.append(number)

    def frozen(number: int, engine: Any) -> None:
        before = [weight.detach().clone() for weight in search.model.parameters()]
        architecture_step(number, engine)
        assert all(
            weight.grad is None and weight.requires_grad for weight in search.model.parameters()
        )
        assert all(
            torch.equal(*pair) for pair in zip(before, search.model.parameters(), strict=True)
        )

    search.step, search.architecture_step = watched, frozen  # type: ignore[method-assign]
    fit(search, split(192), tmp_path, seed=0)
    assert search.setting.steps_per_epoch == 6
    assert moved == list(range(18, 24))


def test_architecture_steps_come_every_few_updates_on_their_own_batches(tmp_path: Path) -> None:
    options = ProxylessOptions(
        arch_optim_lr=0.1, warmup_epochs=1, grad_update_arch_param_every=4, grad_update_steps=2
    )
    search = algorithm(Residual(), options, epochs=6)
    asked: list[tuple[int, int]] = []
    batch = search.held_out.batch
    now = [0]
    search.before_step = lambda step: now.__setitem__(0, step)  # type: ignore[method-assign]
    search.held_out.batch = lambda number, rank, ranks: (
        asked.append((now[0], number)),
        batch(number, rank, ranks),
    )[1]  # type: ignore[method-assign]
    fit(search, split(192), tmp_path, seed=0)
    assert [step for step, _ in asked] == [
        step for step in range(12, 36) if step % 4 == 3 for _ in range(2)
    ]
    numbers = [number for _, number in asked]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_the_schedule_begins_anew_behind_the_warm_up() -> None:
    recipe = Recipe(epochs=8, batch_size=32, learning_rate=0.025, schedule="cosine")
    search = algorithm(Net(), ProxylessOptions(warmup_epochs=2, warmup_learning_rate=0.05))
    search.recipe = recipe
    rate = search.rate_fraction(48)
    rates = [0.025 * rate(step) for step in range(48)]
    assert rates[0] == pytest.approx(0.05)
    assert rates[6] == pytest.approx(0.025)
    assert 0 < rates[11] < 0.002
    assert rates[12] == pytest.approx(0.025)
    assert rates[30] == pytest.approx(0.0125)
    assert sorted(rates[:12], reverse=True) == rates[:12]


def test_mistakes_are_named() -> None:
    space = spaces.get(TINY)
    cost = counting_model(space, "macs")
    for options, said in (
        ({"form": "log"}, "form must be one of mul#log, add#linear, mul#power, not 'log'"),
        ({"binary_mode": "one"}, "binary_mode must be one of full_v2, full, two, not 'one'"),
        ({"grad_update_steps": 0}, "grad_update_steps must be at least 1, not 0"),
        ({"arch_optim_lr": -1.0}, "arch_optim_lr must be positive, not -1.0"),
        ({"arch_beta1": 1.0}, r"arch_beta1 must lie in \[0, 1\), not 1.0"),
        ({"warmup_epochs": 1.5}, "warmup_epochs must be a whole number, not 1.5"),
    ):
        with pytest.raises(InvalidOption, match=said):
            ProxylessOptions(**options)  # type: ignore[arg-type]
    with pytest.raises(
        InvalidOption, match=r"mul#log: reference must be above 1 multiply-accumulates, not 0.5"
    ):
        hardware_term("mul#log", cost, 0.5)
    with pytest.raises(
        InvalidOption, match="reference: there is no target that it could be a cost of"
    ):
        algorithm(Net(), ProxylessOptions(reference=3.0))
    with pytest.raises(
        InvalidOption, match="warmup_epochs must leave epochs for the architecture; 9 of 4 do not"
    ):
        algorithm(Net(), ProxylessOptions(warmup_epochs=9)).warmup(24)
    cells = spaces.get("nasbench101")
    with pytest.raises(NotAdditive):
        hardware_term("add#linear", counting_model(cells, "macs"))


def test_reinforce_needs_no_sums_over_choices(tmp_path: Path) -> None:
    """A choice inside a candidate: the costs have no gradient, and are learned from rewards."""

    class Nested(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            inner = LayerChoice([nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 5, padding=2)], key="inner")
            self.outer = LayerChoice([nn.Sequential(inner), nn.Identity()], key="outer")
            self.head = nn.Linear(3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.head(self.outer(x).mean((2, 3)))
            return out

    space = spaces.from_model(Nested(), torch.randn(1, 3, 4, 4))
    cost = counting_model(space, "macs")
    with pytest.raises(NotAdditive):
        algorithm(space.supernet(), ProxylessOptions(), space=space, cost=cost)
    options = ProxylessOptions(
        learning="reinforce",
        reference=300.0,
        reward_exponent=1.0,
        arch_optim_lr=0.1,
        grad_update_arch_param_every=1,
    )
    search = algorithm(space.supernet(), options, space=space, cost=cost)
    fit(search, split(192), tmp_path, seed=0)
    assert search.mutator.decided()["outer"] == "1"
    assert search.report()["expected_cost"] is None


@pytest.mark.slow
def test_two_processes_search_as_one(tmp_path: Path) -> None:
    """Over gloo: they draw the same paths, average logits' gradients, and end with the same
    architecture.
    """
    ends = []
    for devices in (1, 2):
        torch.manual_seed(0)
        search = algorithm(
            Net(), ProxylessOptions(**FAST), epochs=6, folder=tmp_path / str(devices)
        )  # type: ignore[arg-type]
        images = split(192)
        fit(
            search,
            images,
            tmp_path / str(devices),
            seed=0,
            execution=Execution(devices=devices, accelerator="cpu"),
        )
        ends.append(search)
    one, two = (search.mutator.state_dict() for search in ends)
    # No batch normalisation, so only the order of sums differs; Adam's first steps magnify that.
    assert torch.allclose(one["logits.0"], two["logits.0"], atol=0.05)
    assert ends[0].codes() == ends[1].codes() == {"a.first": 1, "second": 0}
    assert len(read_epochs(tmp_path / "2")) == 6
