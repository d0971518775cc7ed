"""Networks to measure elsewhere, and the table of their latencies."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

import spaces
import tables
from profiler.commands import main
from profiler.offline import collected_table, plan_networks, read_latencies
from spaces.formats import read_architectures
from tables.errors import InvalidTable

SPACE = "spos-tiny"
CONDITIONS = {"backend": "dpu", "batch": 1, "precision": "int8", "threads": 1}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)), env={"COLUMNS": "200"})


def true_latencies(codes: NDArray[np.integer]) -> NDArray[np.float64]:
    """Latencies of a device whose blocks add up: a rate of MACs, and a constant by operator."""
    space = spaces.get(SPACE)
    keys, counts = space.block_counts(codes)
    costs = [
        1e-6 * space.all_blocks[key].macs + (0.3 if key.startswith("xception") else 0.1)
        for key in keys
    ]
    return np.asarray(counts @ np.array(costs))


def test_plan_has_all_blocks_and_no_network_twice() -> None:
    space = spaces.get(SPACE)
    codes = plan_networks(space, 40)

    assert len(codes) == 40
    assert len(np.unique(codes, axis=0)) == 40
    assert (space.block_counts(codes)[1].sum(0) > 0).all()
    assert np.array_equal(plan_networks(space, 40), codes)
    # A plan of few networks has those that its blocks need.
    few = plan_networks(space, 1)
    assert len(few) >= 4
    assert (space.block_counts(few)[1].sum(0) > 0).all()


def test_latencies_elsewhere_become_a_table(tmp_path: Path) -> None:
    space = spaces.get(SPACE)
    plan, latencies, output = tmp_path / "p.jsonl", tmp_path / "l.csv", tmp_path / "dpu.json"
    assert run("plan", "--space", SPACE, "-n", 60, "-o", plan).exit_code == 0
    codes = space.encode(read_architectures(plan, space))
    values = true_latencies(codes)
    # Half of the rows are disturbed upwards, which the median of three leaves out.
    rows = [
        f"{number},{value * factor:.6f},run"
        for number, value in enumerate(values)
        for factor in (1.0, 1.0, 3.0)
    ]
    latencies.write_text("network,latency_ms,note\n" + "\n".join(rows[:-3]) + "\n")

    result = run("collect", plan, latencies, "--space", SPACE, "--device", "my DPU", "-o", output)

    assert result.exit_code == 0, result.output
    assert "59 of 60 networks measured" in result.output
    table = tables.load(str(output))
    assert table.device["processor"] == "my DPU"
    model = table.cost_model(space)
    others = space.sample(np.random.default_rng(9), 100)
    expected = true_latencies(others)
    assert model.sigma is not None
    assert model.sigma < 0.02 * expected.mean()
    np.testing.assert_allclose(model.estimate(others), expected, rtol=0.05)


def test_sigma_covers_what_blocks_do_not_explain() -> None:
    space = spaces.get(SPACE)
    codes = plan_networks(space, 200)
    noise = 0.05 * np.random.default_rng(1).normal(size=len(codes))
    values = true_latencies(codes)
    measured = dict(enumerate((values + noise).tolist()))

    table = collected_table(
        space,
        space.decode(codes),
        measured,
        name="noisy",
        processor="x",
        conditions=CONDITIONS,
        command="",
    )

    assert table.sigma_ms == pytest.approx(0.05, rel=0.3)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("name,latency_ms\n0,1\n", "needs a header with network,latency_ms"),
        ("", "needs a header"),
        ("network,latency_ms\n7,1\n", "line 2: network is '7', not one of 0 ... 4"),
        ("network,latency_ms\n1.5,1\n", "network is '1.5'"),
        ("network,latency_ms\n0,1\n1,-2\n", "line 3: latency_ms is '-2', which is not above 0"),
        ("network,latency_ms\n0,nan\n", "latency_ms is 'nan'"),
        ("network,latency_ms\n0\n", "latency_ms is None"),
    ],
)
def test_broken_latencies_are_named(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "latencies.csv"
    path.write_text(text)

    with pytest.raises(InvalidTable, match=named):
        read_latencies(path, 5)


def test_too_few_networks_leave_no_table(tmp_path: Path) -> None:
    plan, latencies, output = tmp_path / "p.jsonl", tmp_path / "l.csv", tmp_path / "dpu.json"
    run("plan", "--space", SPACE, "-n", 20, "-o", plan)
    latencies.write_text("network,latency_ms\n0,1\n1,2\n")

    result = run("collect", plan, latencies, "--space", SPACE, "-o", output)

    assert result.exit_code == 2
    assert "at least 10 measured networks, not from 2" in result.output
    assert not output.exists()
