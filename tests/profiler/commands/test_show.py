"""What is shown of tables: pictures, comparisons, kinds of correction."""

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import spaces
from profiler.commands import main
from profiler.comparison import compare
from spaces import ChainSpace
from tables import LookupTable

Built = tuple[Path, "subprocess.CompletedProcess[str]"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"COLUMNS": "200"})


def test_the_picture_is_a_png_with_marks_on_it(built: Built, tmp_path: Path) -> None:
    from matplotlib.image import imread

    path = tmp_path / "deep" / "plot.png"
    done = run("show", str(built[0]), "--plot", str(path))
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1] == f"wrote {path}"
    pixels = imread(path)
    assert pixels.shape[0] > 600
    assert pixels.shape[1] > 1200
    left, right = pixels[:, : pixels.shape[1] // 2, :3], pixels[:, pixels.shape[1] // 2 :, :3]
    for half in (left, right):
        assert np.mean(half.min(2) < 0.95) > 0.01


def test_corrections_are_compared(built: Built) -> None:
    done = run("show", str(built[0]), "--correction", "best")
    assert done.exit_code == 0, done.output
    assert "5-fold residuals: ridge " in done.output
    assert "linear " in done.output.split("5-fold")[1]
    assert "mlp " in done.output.split("5-fold")[1]


def test_memory_is_shown(built: Built) -> None:
    table = LookupTable.read(built[0])
    assert all((cost.activation_bytes or 0) > 0 for cost in table.blocks.values())
    assert table.measured.memory == "live tensors"
    assert table.measured.blocks == "timed"
    shown = run("show", str(built[0])).output
    assert "activations, MiB" in shown
    least, greatest = table.cost_model(spaces.get(table.space), "memory_bytes").bounds()
    assert (
        f"networks hold {least.value / 2**20:.4g} to {greatest.value / 2**20:.4g} MiB of"
        " activations at once" in shown
    )
    assert " mJ" not in shown


def test_energy_is_shown_where_it_was_counted(built: Built, tmp_path: Path) -> None:
    table = LookupTable.read(built[0])
    counted = tuple(
        replace(sample, energy_mj=5 * sample.latency_ms[0]) for sample in table.networks
    )
    path = tmp_path / "counted.json"
    replace(table, networks=counted, measurement=replace(table.measured, energy="a counter")).save(
        path
    )
    shown = run("show", str(path)).output
    line = next(line for line in shown.splitlines() if " mJ a run" in line)
    assert line.startswith("networks take ")
    assert line.endswith(" mJ (a counter)")


def test_a_table_is_like_itself(built: Built) -> None:
    table = LookupTable.read(built[0])
    found = compare(table, table)
    assert (found.differing, found.only_first, found.only_second) == ({}, (), ())
    assert set(found.blocks.values()) == {1.0}
    assert found.networks == 1
    assert found.spearman == pytest.approx(1)


def test_differences_are_told(built: Built, tmp_path: Path, tiny: ChainSpace) -> None:
    table = LookupTable.read(built[0])
    keys = list(table.blocks)
    twice = {
        key: replace(cost, latency_ms=2 * cost.latency_ms) for key, cost in table.blocks.items()
    }
    other = replace(
        table, name="other", blocks=twice, networks=(), conditions={**table.conditions, "batch": 8}
    )
    found = compare(replace(table, networks=()), other)
    assert found.differing == {"batch": ("1", "8")}
    assert list(found.blocks.values()) == pytest.approx([2.0] * len(keys))
    assert found.networks == pytest.approx(2)
    fewer = replace(other, blocks={key: twice[key] for key in keys[1:]})
    found = compare(table, fewer)
    assert (found.only_first, found.networks, found.spearman) == ((keys[0],), None, None)
    other.save(tmp_path / "other.json")
    done = run("compare", str(built[0]), str(tmp_path / "other.json"))
    assert done.exit_code == 0, done.output
    assert "27 blocks in both; other takes 2 times as long (median)" in done.output
    assert "rank correlation" in done.output


def test_an_imported_table_is_shown(built: Built, tmp_path: Path) -> None:
    table = LookupTable.read(built[0])
    plain = {
        key: replace(cost, latency_iqr_ms=None, samples=None) for key, cost in table.blocks.items()
    }
    path = tmp_path / "phone.json"
    replace(table, name="phone", measurement=None, networks=(), blocks=plain).save(path)
    done = run("show", str(path), "--plot", str(tmp_path / "p.png"))
    assert done.exit_code == 0, done.output
    assert "networks take" in done.output
    refused = run("validate", str(path))
    assert refused.exit_code == 2
    assert (
        refused.output
        == "Error: the table 'phone' was imported: it has no reference network to measure with\n"
    )
