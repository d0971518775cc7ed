"""Validation: what it says of a device whose times are known."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from profiler import Settings, build
from profiler.unseen import limit_at, sample_unseen, searched_networks
from profiler.validation import accuracy, validate
from spaces import ChainSpace
from tables import LookupTable

NAMES: dict[str, Any] = {
    "name": "made",
    "device": {"kind": "cpu", "processor": "fake"},
    "conditions": {"backend": "fake", "batch": 1, "precision": "fp32", "threads": 1},
}
Built = tuple[Path, "subprocess.CompletedProcess[str]"]


@pytest.fixture
def table(fake: Any, tiny: ChainSpace) -> LookupTable:
    """Of a fake device with 1% noise."""
    return build(tiny, fake(4, noise=0.01), Settings(budget_s=30, fewest_networks=100), **NAMES)


def test_accuracy_is_the_textbooks() -> None:
    rng = np.random.default_rng(0)
    measured = rng.uniform(5, 10, 40)
    estimates, drift_corrected = measured * rng.normal(1, 0.06, 40), measured * 1.1
    found = accuracy(estimates, measured, drift_corrected)
    assert found.mape_raw == pytest.approx(np.mean(np.abs(estimates - measured) / measured))
    assert found.mape == pytest.approx(
        np.mean(np.abs(estimates - drift_corrected) / drift_corrected)
    )
    assert found.within_5 == np.mean(np.abs(estimates / drift_corrected - 1) <= 0.05)
    assert found.within_10 == np.mean(np.abs(estimates / drift_corrected - 1) <= 0.1)
    assert found.largest == np.abs(estimates / drift_corrected - 1).max()
    assert found.spearman == pytest.approx(spearmanr(estimates, drift_corrected).statistic)
    assert found.kendall == pytest.approx(kendalltau(estimates, drift_corrected).statistic)


def test_fresh_networks_are_not_the_tables(table: LookupTable, tiny: ChainSpace) -> None:
    known = set(map(tuple, table.network_latencies()[0].tolist()))
    fresh = sample_unseen(table, tiny, 40, np.random.default_rng(0))
    rows = set(map(tuple, fresh.tolist()))
    assert len(rows) == 40
    assert not rows & known


def test_searched_networks_press_against_the_limit(table: LookupTable, tiny: ChainSpace) -> None:
    model = table.cost_model(tiny)
    least, greatest = model.bounds()
    limits = [limit_at(model, percentile) for percentile in (0, 10, 50, 90, 100)]
    assert limits == sorted(limits)
    assert limits[0] == pytest.approx(least.value + 1.64 * (model.sigma or 0))
    assert limits[-1] == pytest.approx(greatest.value)
    for limit in limits[1:4]:
        codes = searched_networks(model, limit, 10, np.random.default_rng(1))
        assert 3 <= len(codes) <= 10
        upper = model.upper(codes)
        assert upper.max() <= limit
        random = model.upper(tiny.sample(np.random.default_rng(2), 500))
        within = random[random <= limit]
        assert np.median(upper) > np.quantile(within, 0.8)


@pytest.mark.parametrize(("factor", "noise"), [(1.0, 0.01), (1.4, 0.01)])
def test_drift_is_told_and_divided_out(
    fake: Any, table: LookupTable, tiny: ChainSpace, factor: float, noise: float
) -> None:
    device = fake(4, noise=noise, drift=lambda number: factor)
    told: list[float] = []
    found = validate(
        table,
        tiny,
        device,
        networks=20,
        searched=5,
        rounds=6,
        progress=lambda share, text: told.append(share),
    )
    assert (found.networks, found.rounds) == (20, 6)
    assert told[-1] == 1
    assert found.drift == pytest.approx(factor, rel=0.03)
    assert found.estimate.mape < 0.02
    assert found.estimate.mape_raw == pytest.approx(abs(1 / factor - 1), abs=0.02)
    assert found.estimate.within_5 == 1
    assert found.estimate.spearman > 0.97
    assert 0 < found.ceiling_mape < 0.01
    assert found.ceiling_spearman > 0.97
    assert 0.9 < found.ceiling_kendall <= 1
    # The plain sum lacks the 0.3 ms between blocks.
    assert found.block_sum.mape > 2 * found.estimate.mape
    assert [limit.percentile for limit in found.limits] == [10, 50, 90]
    for limit in found.limits:
        assert limit.within >= 0.8 * limit.networks > 0
        assert (limit.within_raw < limit.within) is (factor > 1.2)


def test_the_ceiling_is_what_a_perfect_estimate_is_off_by(fake: Any, tiny: ChainSpace) -> None:
    exact = build(tiny, fake(4), Settings(budget_s=30, fewest_networks=100), **NAMES)
    found = [
        validate(exact, tiny, fake(4, noise=0.03), networks=20, searched=1, rounds=6, seed=s)
        for s in range(6)
    ]
    ceiling = np.mean([each.ceiling_mape for each in found])
    assert ceiling > 0.002
    assert np.mean([each.estimate.mape for each in found]) == pytest.approx(ceiling, rel=0.35)
    assert validate(exact, tiny, fake(4), networks=20, searched=1, rounds=4).ceiling_mape < 1e-9


def test_a_wrong_table_is_found_out(fake: Any, table: LookupTable, tiny: ChainSpace) -> None:
    device = fake(4, noise=0.01)
    device.truth = lambda block: 0.02 if block.operator == "xception" else 0.3
    found = validate(table, tiny, device, networks=20, searched=2, rounds=5)
    assert found.estimate.spearman < 0.5 < found.ceiling_spearman
    assert found.estimate.within_10 < 0.9


@pytest.mark.slow
def test_the_command_reports(
    built: Built, tmp_path: Path, run_profiler: Callable[..., "subprocess.CompletedProcess[str]"]
) -> None:
    out = tmp_path / "validation.json"
    arguments = ("--networks", "5", "--searched", "2", "--rounds", "4", "-o", str(out))
    done = run_profiler("validate", str(built[0]), *arguments)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert (found["networks"], found["rounds"], found["table"], found["seed"]) == (5, 4, "mine", 1)
    assert found["drift"] > 0
    assert [limit["percentile"] for limit in found["limits"]] == [10, 50, 90]
    for word in ("cost model", "block sum", "ceiling", "Spearman", "within it"):
        assert word in done.stdout


def test_an_interrupted_validation_compares_its_rounds(
    fake: Any, tiny: ChainSpace, table: LookupTable
) -> None:
    backend = fake(4, noise=0.01)

    def stop(fraction: float, text: str) -> None:
        if text.startswith("round 6 "):
            raise KeyboardInterrupt

    options = {"networks": 5, "searched": 1, "progress": stop}
    result = validate(table, tiny, backend, **options, least_rounds=4)
    assert 5 <= result.rounds <= 6
    assert result.estimate.mape < 0.1
    with pytest.raises(KeyboardInterrupt):
        validate(table, tiny, backend, **options)
