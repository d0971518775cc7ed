"""Heads without anchors from the supernet to the measured file, by the commands."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from profiler.commands import main as profiler
from spaces.registry import get
from tests.oneshot.commands.running import done

SMALL = "channels=(24, 48, 96), head_channels=16, repeats=(1, 1, 1), input_size=64"
HEADS = ["fpn(width=32, extra=0)", "bifpn(width=32, extra=0)"]
RECIPE = ("--batch-size", 16, "--learning-rate", 0.02, "--augment", "--no-tensorboard")
ONE = ("--threads", 1)


@pytest.mark.slow
@pytest.mark.parametrize("head", HEADS)
def test_detector_is_trained_searched_retrained_exported_and_measured(
    head: str, tmp_path: Path
) -> None:
    space = get(f"spos-tiny({SMALL}, head={head})")
    data = ("--data", "shapes", "--task", "detection")
    limit = float(np.median(space.macs(space.sample(np.random.default_rng(0), 100))))

    supernet = tmp_path / "supernet"
    done("train", "--space", space.name, *data, *RECIPE, "--epochs", 8, *ONE, "-o", supernet)
    done(
        *("search", "--space", space.name, "--guide", f"supernet:{supernet}"),
        *("--constraint", f"macs<={limit}", "--images", 50, "--recalibration-batches", 2),
        *("--option", "generations=2", "--option", "population=8", "-o", tmp_path / "found.json"),
    )
    network = tmp_path / "network"
    arch = ("--arch", tmp_path / "found.json")
    done("retrain", *arch, *data, *RECIPE, "--epochs", 20, *ONE, "-o", network)
    file = tmp_path / "network.onnx"
    done("export", network, "-o", file)
    done("test", file, "-o", tmp_path / "test.json")
    measured = CliRunner().invoke(profiler, ["measure", str(file), "--threads", "1"])

    found = json.loads((tmp_path / "found.json").read_text())
    architecture = json.loads((network / "run.json").read_text())["architecture"]
    report = json.loads((network / "test.json").read_text())
    exported = json.loads((tmp_path / "test.json").read_text())
    assert architecture == found["best"][0]["architecture"]
    assert space.macs(space.architecture(architecture["choices"])) <= limit
    # An untrained detector finds next to nothing.
    assert report["map50"] > 30
    assert exported["map50"] == pytest.approx(report["map50"], abs=0.1)
    assert measured.exit_code == 0, measured.output
    assert json.loads(measured.stdout)["measured"][0]["latency_ms"] > 0
