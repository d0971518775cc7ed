"""A detector that begins with the backbone of a trained classifier, by the commands."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import spaces
from oneshot.run import read_run
from tests.oneshot.commands.running import done, run

SMALL = "channels=(8, 16, 32), head_channels=16, repeats=(1, 1, 1), stem_channels=4"
CLASSIFIERS = f"spos-tiny({SMALL}, input_size=32)"
DETECTORS = f"spos-tiny({SMALL}, input_size=64, head=ssdlite(channels=(16,)))"
QUICK = ("--epochs", "1", "--batch-size", "8", "--threads", "1", "--no-tensorboard")


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    """The file of a detector's architecture."""
    space = spaces.get(DETECTORS)
    path = tmp_path / "detector.json"
    path.write_text(space.architecture([1] * len(space.choices)).to_json())
    return path


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Two classes of noise, eight images each for training and for tests."""
    rng = np.random.default_rng(0)
    for part in ("train", "val"):
        for name in ("first", "second"):
            folder = tmp_path / "photographs" / part / name
            folder.mkdir(parents=True)
            for index in range(8):
                pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{index}.png")
    return tmp_path / "photographs"


def test_detector_begins_with_a_trained_classifier(
    detector: Path, photographs: Path, tmp_path: Path
) -> None:
    classifier = tmp_path / "classifier"
    arguments = ("retrain", "--arch", detector, "--space", CLASSIFIERS, "--data", photographs)
    done(*arguments, *QUICK, "--batch-size", 4, "-o", classifier)

    # No update changes the weights, so that those of the classifier remain.
    output = done(
        *("retrain", "--arch", detector, "--data", "shapes", "--task", "detection", "--limit", 8),
        *(*QUICK, "--learning-rate", 1e-12, "--norm-batches", 0, "--init", classifier),
        *("-o", tmp_path / "run"),
    )

    source = read_run(classifier)
    run_settings = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run_settings["init"] == {
        "run": str(classifier),
        "weights": source.weights_digest(),
        "kind": "network",
    }
    assert f"initial weights: the first 4 blocks of {classifier}" in output
    trained, network = source.load().state_dict(), read_run(tmp_path / "run").load().state_dict()
    weights = [name for name in trained if int(name.split(".")[1]) < 4 and "running" not in name]
    assert len(weights) > 10
    for name in weights:
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(network[name], trained[name], rtol=1e-4, atol=1e-6)


def test_network_with_another_beginning_is_refused(
    detector: Path, photographs: Path, tmp_path: Path
) -> None:
    wider = f"spos-tiny({SMALL.replace('stem_channels=4', 'stem_channels=6')}, input_size=32)"
    classifier = tmp_path / "classifier"
    done(
        *("retrain", "--arch", detector, "--space", wider, "--data", photographs, *QUICK),
        *("--batch-size", 4, "-o", classifier),
    )

    result = run(
        *("retrain", "--arch", detector, "--data", "shapes", "--task", "detection", *QUICK),
        *("--limit", 8, "--init", classifier, "-o", tmp_path / "run"),
    )

    assert result.exit_code == 2
    assert "first layers are others than the network's" in result.stderr
    assert not (tmp_path / "run").exists()
