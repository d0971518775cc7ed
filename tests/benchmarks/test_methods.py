"""The benchmark of methods next to random networks: its table, its space, its files."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

import spaces
from spaces.registry import SPACES
from tests.benchmarks.scripts import script


@pytest.fixture
def methods(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The benchmark as a module; its spaces are gone afterwards."""
    with SPACES.preserved():
        yield script("methods", monkeypatch)


def test_a_file_of_an_earlier_run_is_shown_again(methods: ModuleType, tmp_path: Path) -> None:
    rows = [
        {"name": "pc-darts", "seed": 0, "score": 90.0, "macs": None, "cpu_seconds": 10.0},
        {"name": "pc-darts", "seed": 1, "score": 92.0, "macs": None, "cpu_seconds": 30.0},
        {"name": "random", "seed": 0, "score": 80.5, "macs": None, "cpu_seconds": 0.0},
    ]
    (tmp_path / "pc-darts.json").write_text(json.dumps(rows))

    result = CliRunner().invoke(methods.main, ["--only", "pc-darts", "-o", str(tmp_path)])

    assert result.exit_code == 0, result.output
    # The mean and its error, s / sqrt(n) = sqrt(2) / sqrt(2).
    assert "91.00 +- 1.00" in result.output
    # One score has no error.
    assert "80.50" in result.output
    assert "80.50 +-" not in result.output


def test_the_space_of_derived_sizes_has_five_decisions(methods: ModuleType) -> None:
    assert spaces.get("benchmark-sizes").size == 3**5


def test_every_method_says_what_it_compares(methods: ModuleType) -> None:
    assert all(method.__doc__ for method in methods.METHODS.values())
    result = CliRunner().invoke(methods.main, ["--help"])
    assert result.exit_code == 0
    for name in methods.METHODS:
        assert name in result.output
