"""The comparison of recurrent cells: its baseline and its report."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch

from oneshot.data.text.windows import TextSplit
from oneshot.evaluation.tallies import tally_of
from oneshot.tasks.language import Language

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmark as a module."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("recurrent_cells")


@pytest.fixture
def lstm(script: ModuleType) -> ModuleType:
    """The module of the baseline."""
    return importlib.import_module("character_lstm")


@pytest.mark.parametrize("params", [4000, 54321])
def test_lstm_has_as_many_parameters_as_fit(lstm: ModuleType, params: int) -> None:
    width = lstm.lstm_width(66, params)

    counts = [
        sum(value.numel() for value in lstm.Lstm(66, size).parameters())
        for size in (width, width + 1)
    ]
    assert counts[0] <= params < counts[1]


def test_lstm_carries_its_state(lstm: ModuleType) -> None:
    torch.manual_seed(0)
    network = lstm.Lstm(5, 8).eval()
    split = TextSplit(torch.randint(5, (1000,)), 7)
    whole = TextSplit(split.tokens, 999)

    by_windows, at_once = (
        tally_of(network, text.batches(1), torch.device("cpu"), Language()).metrics()
        for text in (split, whole)
    )

    assert by_windows["cross_entropy"] == pytest.approx(at_once["cross_entropy"], rel=1e-5)


def test_found_cells_are_placed_among_the_random_ones(
    script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    bits = {"darts": 2.0, "enas": 2.5, "random-0": 2.2, "random-1": 2.4, "lstm": 2.3}

    script.show(
        [
            {
                "name": name,
                "params": 10,
                "steps": 5,
                "seconds": 1.0,
                "bits_per_character": value,
                "bits_per_character_interval": [value - 0.1, value + 0.1],
            }
            for name, value in bits.items()
        ]
    )

    output = capsys.readouterr().out
    assert "random cells: 2.300 +- 0.141, best 2.200" in output
    assert "darts: better than 2 of 2 random cells" in output
    assert "enas: better than 0 of 2 random cells" in output
