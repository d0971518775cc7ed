"""The command `oneshot compress`."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from oneshot.commands import main
from oneshot.compression.scoring import Scorer
from spaces.registry import SPACES

pytest.importorskip("torch_pruning")

NETWORK = """
import torch
from torch import nn

def build():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)
    )
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A user's file."""
    path = tmp_path / "mymodel.py"
    path.write_text(NETWORK)
    return path


def run(*arguments: str) -> Result:
    with SPACES.preserved():
        return CliRunner().invoke(main, ["compress", *arguments])


def options(folder: Path, limit: str = "flops<=1e5") -> list[str]:
    return [
        *("--data", "digits", "--limit", "100", "--input-shape", "1", "8", "8"),
        *("--constraint", limit, "--backend", "torch", "--scored", "12", "--epochs", "0"),
        *("--importance", "64", "--images", "50", "-o", str(folder)),
    ]


def test_compressed_network_is_written_and_printed(file: Path, tmp_path: Path) -> None:
    result = run(f"{file}:build", *options(tmp_path / "small"))

    assert result.exit_code == 0, result.output
    assert "original  compressed" in result.output
    assert "6 stays whole: its channels are the network's output" in result.output
    for name in ("network.onnx", "network.safetensors", "architecture.json", "result.json"):
        assert (tmp_path / "small" / name).is_file()

    again = run(f"{file}:build", *options(tmp_path / "small"))
    assert again.exit_code == 2
    assert "resume it with --resume" in again.output


@pytest.mark.parametrize(
    ("source", "limit", "message"),
    [
        ("FILE:nothing", "flops<=1e5", "has no function 'nothing'"),
        ("FILE:build", "flops<=10", "the smallest network of elastic-mymodel-build has"),
        ("FILE:build", "latency_ms<=8", "a measured cost needs a device's table"),
        ("FILE:build", "speed<=8", "unknown metric 'speed'"),
    ],
)
def test_bad_input_is_one_sentence(
    file: Path, tmp_path: Path, source: str, limit: str, message: str
) -> None:
    result = run(source.replace("FILE", str(file)), *options(tmp_path / "small", limit))

    assert result.exit_code == 2
    assert message in result.output
    assert len(result.output.strip().splitlines()[-1]) < 400


def test_help_says_that_code_is_run() -> None:
    result = run("--help")

    assert "Its code is run" in " ".join(result.output.split())


def test_interrupted_scores_end_with_a_hint(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Scorer, "_evaluate", interrupt)
    result = run(f"{file}:build", *options(tmp_path / "small"))

    assert result.exit_code == 130
    assert "add --resume" in result.output
