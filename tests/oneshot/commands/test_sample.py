"""`python -m oneshot sample`: architectures by the probabilities of a search."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import spaces
from oneshot.algorithms.probable import probable_sample, read_probabilities, thresholded
from oneshot.errors import InvalidRun
from spaces.formats import read_architectures
from tests.oneshot.commands.running import TINY, done, run

PROBABILITIES = {
    "layer_1": {"k3": 0.5, "k5": 0.3, "k7": 0.15, "xcep": 0.05},
    "layer_2": {"k3": 0.05, "k5": 0.05, "k7": 0.1, "xcep": 0.8},
    "layer_3": {"k3": 0.25, "k5": 0.25, "k7": 0.25, "xcep": 0.25},
}


def direct(row: dict[str, float], threshold: float) -> list[float]:
    """The distribution of a choice, computed by hand."""
    kept = {name: value for name, value in row.items() if value >= threshold}
    kept = kept or {max(row, key=lambda name: row[name]): 1.0}
    return [kept.get(name, 0.0) / sum(kept.values()) for name in row]


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.2, 0.9])
def test_thresholds_leave_out_improbable_candidates(threshold: float) -> None:
    space = spaces.get(TINY)
    rows = thresholded(space, PROBABILITIES, threshold)

    for choice, row in zip(space.choices[:2], rows, strict=False):
        np.testing.assert_allclose(row, direct(PROBABILITIES[choice.key], threshold))
    # Of equal candidates below the threshold all remain.
    np.testing.assert_allclose(rows[2], [0.25] * 4)


def test_first_draws_follow_the_distribution() -> None:
    space = spaces.get(TINY)
    rng = np.random.default_rng(0)

    first = [
        tuple(probable_sample(space, PROBABILITIES, rng, 1, 0.1)[0].tolist()) for _ in range(2000)
    ]

    counts = Counter(code for code, _, _ in first)
    expected = direct(PROBABILITIES["layer_1"], 0.1)
    np.testing.assert_allclose(
        [counts[code] / 2000 for code in range(4)], expected, atol=4 * np.sqrt(0.25 / 2000)
    )


def test_all_probable_architectures_are_drawn_once() -> None:
    space = spaces.get(TINY)
    codes = probable_sample(space, PROBABILITIES, np.random.default_rng(0), 500, 0.1)

    # Three, two and four candidates remain.
    assert len(codes) == 3 * 2 * 4
    assert len(np.unique(codes, axis=0)) == len(codes)


def test_command_writes_architectures_that_are_read_again(supernet: Path, tmp_path: Path) -> None:
    folder = tmp_path / "searched"
    folder.mkdir()
    for file in supernet.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    (folder / "probabilities.json").write_text(json.dumps(PROBABILITIES))
    output = tmp_path / "architectures.jsonl"

    text = done("sample", folder, "-n", 7, "--prob-thresh", 0.1, "-o", output)

    assert text == f"wrote {output}: 7 architectures\n"
    architectures = read_architectures(output, spaces.get(TINY))
    assert len(set(architectures)) == 7
    assert all(item.choices["layer_1"] != "xcep" for item in architectures)
    again = tmp_path / "again.jsonl"
    done("sample", folder, "-n", 7, "--prob-thresh", 0.1, "-o", again)
    assert again.read_bytes() == output.read_bytes()
    text = done("sample", folder, "-n", 100, "--prob-thresh", 0.1, "-o", again)
    assert "24 architectures; no more than 24 are probable" in text


def test_run_without_probabilities_is_refused(supernet: Path, tmp_path: Path) -> None:
    output = tmp_path / "architectures.jsonl"

    result = run("sample", supernet, "-o", output)

    assert result.exit_code == 2
    assert "probabilities.json" in result.stderr
    assert not output.exists()


@pytest.mark.parametrize("text", ["[]", '{"layer_1": {"k3": 2}}', '{"layer_1": 1}', "no"])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "probabilities.json").write_text(text)

    with pytest.raises(InvalidRun, match="no file of probabilities"):
        read_probabilities(tmp_path)


def test_missing_choices_are_named() -> None:
    with pytest.raises(InvalidRun, match=r"'layer_3' of .* has no probability of 'k3'"):
        thresholded(spaces.get(TINY), {**PROBABILITIES, "layer_3": {}}, 0.0)
