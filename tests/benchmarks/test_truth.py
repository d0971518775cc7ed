"""The figures of rankings where the truth is known."""

import sys
from pathlib import Path

import numpy as np
import pytest

import spaces

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from ranking_truth import Truth, baselines

ACCURACIES = "nas-bench-macro_cifar10.json"


@pytest.fixture(scope="module")
def macro() -> Truth:
    """NAS-Bench-Macro's networks with invented accuracies."""
    space = spaces.get("nasbench-macro")
    codes = np.concatenate(list(space.enumerate_codes()))
    macs = space.macs(codes).astype(float)
    return Truth(space, codes, 60 + 10 * np.log(macs / macs.min()), macs)


def test_a_perfect_ranking_has_no_regret(macro: Truth) -> None:
    assert macro.figures(macro.accuracies) == {"tau": 1.0, "p_top5": 1.0, "regret": 0.0}


def test_a_reversed_ranking_prefers_the_worst_network_under_each_limit(macro: Truth) -> None:
    figures = macro.figures(-macro.accuracies)

    best = [macro.accuracies[macro.macs <= limit].max() for limit in macro.limits]
    assert figures["tau"] == -1
    assert figures["p_top5"] == 0
    assert figures["regret"] == pytest.approx(np.mean(best) - 60)


def test_a_constant_ranking_is_as_good_as_a_random_network(macro: Truth) -> None:
    figures = macro.figures(np.zeros(len(macro.codes)))

    assert figures["regret"] == pytest.approx(macro.random_regret())
    assert figures["p_top5"] == pytest.approx(0.05, abs=0.001)


def test_errors_have_the_requested_tau_and_copies_have_equal_scores(macro: Truth) -> None:
    scores = macro.with_errors(0.8, np.random.default_rng(0))

    assert macro.figures(scores)["tau"] == pytest.approx(0.8, abs=0.01)
    for network in macro.network_numbers[:50]:
        assert np.ptp(scores[macro.network_numbers == network]) == 0


@pytest.mark.reference_data
def test_rankings_without_training_have_the_figures_of_the_documentation(
    reference_data: Path,
) -> None:
    truth = Truth.load("nasbench-macro", reference_data / "nasbench_macro" / ACCURACIES)
    rows = baselines(truth)

    assert len(truth.distinct) == 3964
    assert rows["random under the limit"]["regret"] == pytest.approx(3.76, abs=0.01)
    assert rows["random at 95 to 100% of the limit"]["regret"] == pytest.approx(1.89, abs=0.01)
    assert rows["most MACs"]["tau"] == pytest.approx(0.546, abs=0.001)
    assert rows["most blocks that are no identity"]["tau"] == pytest.approx(0.679, abs=0.001)
    assert rows["most blocks, then most MACs"]["regret"] == pytest.approx(0.52, abs=0.01)
