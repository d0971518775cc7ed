"""ProxylessNAS and costs: constraints, targets, and the architecture that is returned."""

from pathlib import Path

import numpy as np
import pytest
import torch

import spaces
from oneshot.algorithms.decoding import most_probable
from oneshot.algorithms.hardware import Lagrange, MultiplyLog, hardware_term
from oneshot.algorithms.proxyless.options import ProxylessOptions
from oneshot.errors import Infeasible
from oneshot.search.constraint import Constraint, Limit
from oneshot.training import fit
from tables import LookupTable
from tables.cost.model import counting_model
from tests.oneshot.algorithms.proxyless_toys import TINY, algorithm, constrained, split


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
