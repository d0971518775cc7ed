"""ProxylessNAS finds what it should, keeps its constraint, and goes on where it was stopped."""

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
from oneshot.algorithms.decoding import most_probable
from oneshot.algorithms.epochs import read_epochs
from oneshot.algorithms.hardware import Lagrange, MultiplyLog, hardware_term
from oneshot.algorithms.proxyless.algorithm import Proxyless
from oneshot.algorithms.proxyless.options import ProxylessOptions
from oneshot.errors import Infeasible, InvalidOption
from oneshot.search.constraint import Constraint, Limit
from oneshot.training import Stopped, fit
from oneshot.training.execution import Execution
from oneshot.training.recipe import Recipe
from spaces.errors import NotAdditive
from spaces.modules.choices import LayerChoice
from tables import LookupTable
from tables.cost.model import counting_model
from tests.oneshot.algorithms.proxyless_toys import Net, Residual, algorithm, split

FAST = {"arch_optim_lr": 0.1, "grad_update_arch_param_every": 1, "warmup_epochs": 1}
TINY = (
    "proxylessnas-tiny(channels=(8, 12), first_channels=8, head_channels=16, input_size=8,"
    " repeats=(2, 2), strides=(1, 2))"
)


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


# Interruptions


def interrupted(search: Proxyless, step: int) -> Proxyless:
    """The search, with Ctrl-C in the middle of an update."""
    loss = search.loss

    def losing(images: Any, labels: Any, now: int, engine: Any) -> Any:
        if now == step:
            os.kill(os.getpid(), signal.SIGINT)
        return loss(images, labels, now, engine)

    search.loss = losing  # type: ignore[method-assign]
    return search


def constrained(
    seed: int,
    options: ProxylessOptions,
    maximum: float,
    folder: Path | None = None,
    epochs: int = 8,
) -> Proxyless:
    """A search on a space of chains under a limit on MACs."""
    space = spaces.get(TINY)
    limit = Limit("flops", maximum).bind(space, lambda name: pytest.fail(name))
    model = space.supernet(3, torch.Generator().manual_seed(seed))
    return algorithm(
        model,
        options,
        seed,
        epochs,
        space=space,
        constraint=limit,
        folder=folder,
        tensorboard=folder is not None,
    )


@pytest.mark.parametrize(
    ("options", "step"),
    [
        ({"binary_mode": "full_v2"}, 20),
        ({"binary_mode": "two"}, 27),
        ({"learning": "reinforce", "reward_paths": 3}, 21),
    ],
)
def test_a_resumed_search_ends_with_the_same_result(
    options: dict[str, Any], step: int, tmp_path: Path
) -> None:
    """Weights, logits, Adam's state, multiplier, baseline and generator, bit for bit; and the same
    log.
    """
    settings = ProxylessOptions(
        arch_optim_lr=0.05, grad_update_arch_param_every=2, warmup_epochs=1, **options
    )
    middle = 0.5 * sum(bound.value for bound in counting_model(spaces.get(TINY), "macs").bounds())

    def run(name: str, stop: int | None = None) -> tuple[Proxyless, dict[str, Any]]:
        search = constrained(3, settings, middle, tmp_path / name, 5)
        images = split(192, side=8)
        search.held_out.images = split(96, 1, side=8)
        if stop is not None:
            interrupted(search, stop)
        fit(search, images, tmp_path / name, seed=3)
        return search, torch.load(tmp_path / name / "last.ckpt", weights_only=True)

    whole, wanted = run("whole")
    with pytest.raises(Stopped):
        run("broken", step)
    resumed, got = run("broken")
    assert json.dumps(plain(wanted)) == json.dumps(plain(got))
    assert resumed.codes() == whole.codes()
    assert read_epochs(tmp_path / "broken") == read_epochs(tmp_path / "whole")
    assert len(read_epochs(tmp_path / "whole")) == 5
    moved = whole.mutator.state_dict()["logits.0"]
    assert not torch.allclose(
        moved, constrained(3, settings, middle).mutator.state_dict()["logits.0"]
    )


def plain(state: Any) -> Any:
    """A checkpoint with its tensors as lists."""
    if isinstance(state, torch.Tensor):
        return [str(state.dtype), state.tolist()]
    if isinstance(state, dict):
        return {str(key): plain(value) for key, value in state.items()}
    return [plain(value) for value in state] if isinstance(state, list | tuple) else state


# Costs and constraints


@pytest.mark.parametrize(("seed", "share"), [(0, 0.35), (1, 0.35), (2, 0.35), (0, 0.7)])
def test_the_constraint_is_met_and_used(seed: int, share: float, tmp_path: Path) -> None:
    """The returned network's cost is below the limit and within 5% of it, and the expectation
    follows it.
    """
    least, greatest = (bound.value for bound in counting_model(spaces.get(TINY), "macs").bounds())
    maximum = least + share * (greatest - least)
    options = ProxylessOptions(arch_optim_lr=0.1, grad_update_arch_param_every=1, warmup_epochs=1)
    search = constrained(seed, options, maximum)
    search.held_out.images = split(96, 1, side=8)
    fit(search, split(192, side=8), tmp_path, seed=seed)
    report = search.report()
    assert 0.95 * maximum <= report["predicted_cost"] <= maximum
    assert report["expected_cost"] == pytest.approx(maximum, rel=0.05)
    assert report["hardware"]["form"] == "lagrange"


def test_a_latency_of_a_table_is_met_with_its_margin(table: LookupTable, tmp_path: Path) -> None:
    space = spaces.get("spos-tiny")
    cost = table.cost_model(space, "latency_ms")
    least, greatest = (bound.value for bound in cost.bounds())
    maximum = (least + greatest) / 2
    constraint = Limit("latency_ms", maximum, "made-up").bind(space, lambda name: table)
    logs = [np.random.default_rng(1).normal(size=count) for count in space.candidates]
    codes = most_probable(logs, constraint)
    assert cost.sigma
    assert constraint.met(codes[None])[0]
    assert maximum * 0.95 <= float(constraint.upper(codes[None])[0]) <= maximum
    assert isinstance(Lagrange(maximum, "ms").excess(torch.tensor(1.0)), torch.Tensor)


def test_the_decoded_architecture_is_the_most_probable_one_that_fits() -> None:
    """Against all architectures of the space, with and without a lower edge; an impossible limit is
    refused.
    """
    space = spaces.get(TINY)
    cost = counting_model(space, "macs")
    rows = np.concatenate(list(space.enumerate_codes()))
    costs = cost.estimate(rows)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        logs = [np.log(rng.dirichlet(np.ones(count))) for count in space.candidates]
        maximum = float(np.quantile(costs, rng.uniform(0.05, 1)))
        constraint = Constraint("macs", maximum, cost)
        chances = np.sum([log[rows[:, column]] for column, log in enumerate(logs)], axis=0)
        for within in (0.05, 1.0):
            fits = (costs <= maximum) & (costs >= maximum * (1 - within))
            best = chances[fits].max()
            codes = most_probable(logs, constraint, within)
            chance = sum(log[code] for log, code in zip(logs, codes, strict=True))
            # Costs are rounded up to 1/20000 of what the limit leaves.
            assert best - 0.05 <= chance <= best + 1e-9
            assert cost.estimate(codes[None])[0] <= maximum
    least = float(costs.min())
    assert cost.estimate(most_probable(logs, Constraint("macs", least, cost))[None])[0] == least
    with pytest.raises(Infeasible):
        most_probable(logs, Constraint("macs", least - 1, cost))


@pytest.mark.parametrize("form", ["mul#log", "add#linear"])
def test_a_target_makes_the_found_network_cheaper(form: str, tmp_path: Path) -> None:
    """The same search with and without: the stronger the term, the lower the expected cost."""
    space = spaces.get(TINY)
    cost = counting_model(space, "params")
    ends = []
    for factor in (0.0, 1.0):
        options = ProxylessOptions(
            form=form, arch_optim_lr=0.1, grad_update_arch_param_every=1, warmup_epochs=1,
            linear_weight=2 * factor, log_beta=8 * factor, log_alpha=1.0,
        )  # fmt: skip
        search = algorithm(space.supernet(3), options, 0, 6, space=space, cost=cost)
        search.held_out.images = split(96, 1, side=8)
        fit(search, split(192, side=8), tmp_path / str(factor), seed=0)
        ends.append(search.report()["expected_cost"])
    assert ends[1] < 0.9 * ends[0]


def test_few_milliseconds_are_told_in_microseconds(table: LookupTable) -> None:
    space = spaces.get("spos-tiny")
    cost = table.cost_model(space, "latency_ms")
    term = hardware_term("mul#log", cost, 0.5)
    assert isinstance(term, MultiplyLog)
    assert term.unit == "microseconds"
    assert term.to_dict()["scale"] == 1e3
    at_reference = term(torch.tensor(2.0), torch.tensor(0.5))
    assert float(at_reference) == pytest.approx(0.2 * 2.0)
    wanted = 0.2 * 2.0 * (np.log(800.0) / np.log(500.0)) ** 0.3
    assert float(term(torch.tensor(2.0), torch.tensor(0.8))) == pytest.approx(wanted, rel=1e-6)
    linear = hardware_term("add#linear", cost, 0.5)
    assert float(linear(torch.tensor(2.0), torch.tensor(0.6))) == pytest.approx(2.0 + 0.1 * 0.2)


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


# Several processes


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
