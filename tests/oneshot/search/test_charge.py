"""Charges: costs that multiply the loss of a search and of a training."""

import numpy as np
import pytest
import torch

import spaces
from oneshot.algorithms.hardware import MultiplyPower, hardware_term
from oneshot.errors import InvalidCharge
from oneshot.search.charge import Charge, ChargedGuide
from oneshot.search.loop import run_search
from oneshot.search.problem import SearchProblem
from spaces import ChainSpace
from spaces.errors import UnknownName
from spaces.space import Codes
from tables import LookupTable
from tables.cost.model import counting_model

SPACE = spaces.get("spos-tiny")
CODES = SPACE.sample(np.random.default_rng(0), 20)


class Fixed:
    """A guide whose scores are all the same."""

    def __init__(self, value: float):
        self.value = value

    def score(self, codes: Codes) -> tuple[np.ndarray, np.ndarray]:
        return np.full(len(codes), self.value), np.full(len(codes), 0.1)

    def to_dict(self) -> dict[str, object]:
        return {"kind": "fixed", "metric": "top1", "unit": "percent", "higher_is_better": True}


def charged(text: str, value: float) -> ChargedGuide:
    return ChargedGuide(Fixed(value), [Charge.parse(text).bind(SPACE, load=pytest.fail)])


def test_loss_is_multiplied_by_the_power_of_the_ratio() -> None:
    scores, deviations = charged("macs=1e6^0.07", -0.5).score(CODES)
    factors = (SPACE.macs(CODES) / 1e6) ** 0.07
    assert np.allclose(scores, -0.5 * factors, rtol=1e-12)
    assert np.allclose(deviations, 0.1 * factors, rtol=1e-12)


def test_reward_is_divided_by_the_power_of_the_ratio() -> None:
    scores, _ = charged("flops=1e6^0.07", 80.0).score(CODES)
    assert np.allclose(scores, 80.0 / (SPACE.macs(CODES) / 1e6) ** 0.07, rtol=1e-12)


@pytest.mark.parametrize("value", [-0.5, 80.0])
def test_greater_cost_never_raises_a_score(value: float) -> None:
    scores, _ = charged("params=1e5^0.5", value).score(CODES)
    order = np.argsort(SPACE.params(CODES), kind="stable")
    assert (np.diff(scores[order]) <= 0).all()


def test_exponent_of_zero_below_the_budget_rewards_nothing() -> None:
    budget = float(np.median(SPACE.macs(CODES)))
    scores, _ = charged(f"macs={budget}^0.5/0", -0.5).score(CODES)
    below = SPACE.macs(CODES) <= budget
    assert (scores[below] == -0.5).all()
    assert (scores[~below] < -0.5).all()


def test_several_charges_are_multiplied() -> None:
    charges = [
        Charge.parse(text).bind(SPACE, load=pytest.fail) for text in ("macs=1e6^1", "params=1e5^1")
    ]
    scores, _ = ChargedGuide(Fixed(-1.0), charges).score(CODES)
    assert np.allclose(scores, -(SPACE.macs(CODES) / 1e6) * (SPACE.params(CODES) / 1e5))


def test_measured_cost_is_charged_by_its_table(table: LookupTable, tiny: ChainSpace) -> None:
    charge = Charge.parse("latency_ms=2^1@made-up").bind(tiny, lambda name: table)
    latencies = table.cost_model(tiny, "latency_ms").estimate(CODES)
    assert np.allclose(charge.factors(CODES), latencies / 2)


def test_search_is_pulled_to_cheaper_networks_and_records_its_charges() -> None:
    class Large(Fixed):
        """A loss that falls a little with the MACs, so that without a charge the largest wins."""

        def score(self, codes: Codes) -> tuple[np.ndarray, np.ndarray]:
            return -1 / (1 + 1e-7 * SPACE.macs(codes)), np.zeros(len(codes))

    options = {"population": 20, "generations": 4}
    free = run_search(SearchProblem(SPACE, Large(0)), options=options)
    guide = ChargedGuide(Large(0), [Charge.parse("macs=1e6^0.5").bind(SPACE, load=pytest.fail)])
    result = run_search(SearchProblem(SPACE, guide), options=options)
    assert result.best.costs["macs"] < free.best.costs["macs"]
    assert result.guide["charges"] == ["macs=1e+06^0.5"]
    # Charged scores are no values of a metric.
    assert "unit" not in result.guide
    assert "higher_is_better" not in result.guide


def test_charged_cost_is_among_the_costs_of_a_result(table: LookupTable, tiny: ChainSpace) -> None:
    charge = Charge.parse("latency_ms=2^1@made-up").bind(tiny, lambda name: table)
    problem = SearchProblem(tiny, ChargedGuide(Fixed(-1.0), [charge]))
    assert list(problem.costs) == ["macs", "params", "latency_ms"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("macs", "not a charge: 'macs'"),
        ("macs=2e8", "not a charge"),
        ("macs=2e8^", "not a charge"),
        ("macs=1.2.3^1", "not a charge"),
        ("macs=0^0.07", "the budget must be above 0"),
        ("macs=2e8^11", "from 0 to 10, not 11"),
        ("latency_ms=3^1", "name its table"),
        ("macs=3^1@phone", "a count needs no table"),
        ("accuracy=3^1", "the score is no cost"),
    ],
)
def test_charge_that_cannot_be_read_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidCharge, match="charge") as error:
        Charge.parse(text).bind(SPACE, load=pytest.fail)
    assert words in str(error.value)


def test_unknown_metric_of_a_charge_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'macs'"):
        Charge.parse("mcas=3^1").bind(SPACE, load=pytest.fail)


@pytest.mark.parametrize("text", ["macs=2e+08^0.07", "macs=2e+08^0.07/0", "latency_ms=3^1@a b"])
def test_text_of_a_charge_reads_back(text: str) -> None:
    assert str(Charge.parse(text)) == text


def test_loss_of_a_training_is_charged_with_its_gradient() -> None:
    model = counting_model(SPACE, "macs")
    term = hardware_term("mul#power", model, 1e6, above=0.5, below=0.0)
    assert isinstance(term, MultiplyPower)
    loss = torch.tensor(2.0)
    cost = torch.tensor(4e6, requires_grad=True)
    charged_loss = term(loss, cost)
    assert float(charged_loss.detach()) == pytest.approx(4.0)
    charged_loss.backward()
    # d/dE of 2 (E / B)^0.5 is (E / B)^-0.5 / B.
    assert cost.grad is not None
    assert float(cost.grad) == pytest.approx(0.5 / 1e6)
    assert float(term(loss, torch.tensor(5e5))) == 2.0
