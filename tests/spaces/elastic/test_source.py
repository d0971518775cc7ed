"""Networks in files of users, and their weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from spaces.elastic import InvalidNetwork, build_network

NETWORK = """
from torch import nn
from sizes import WIDTH

def build(width=WIDTH):
    return nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 3))

def with_argument(width):
    return nn.Linear(width, width)

def number():
    return 3

def failing():
    raise OSError("no licence")
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of a user, which imports another file of its folder."""
    (tmp_path / "sizes.py").write_text("WIDTH = 8\n")
    path = tmp_path / "network_of_user.py"
    path.write_text(NETWORK)
    return path


def test_network_is_built_with_weights(file: Path, tmp_path: Path) -> None:
    expected = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    torch.save({"state_dict": expected.state_dict()}, tmp_path / "weights.pt")

    network = build_network(f"{file}:build", tmp_path / "weights.pt")

    images = torch.randn(2, 4)
    assert torch.equal(network(images), expected(images))


def test_weights_of_distributed_trainings_and_safetensors_are_read(
    file: Path, tmp_path: Path
) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    state = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)).state_dict()
    torch.save({f"module.{name}": value for name, value in state.items()}, tmp_path / "ddp.pt")
    safetensors.save_file(state, tmp_path / "weights.safetensors")

    first = build_network(f"{file}:build", tmp_path / "ddp.pt")
    second = build_network(f"{file}:build", tmp_path / "weights.safetensors")

    for name, value in state.items():
        assert torch.equal(first.state_dict()[name], value)
        assert torch.equal(second.state_dict()[name], value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("FILE:missing", "has no function 'missing'"),
        ("FILE:with_argument", "callable without arguments; give width a default"),
        ("FILE:number", "must return a torch module, not int"),
        ("FILE:failing", "failed: OSError: no licence"),
        ("FILE", "names no network; write FILE.py:FUNCTION"),
        ("nowhere.py:build", "there is no file nowhere.py"),
    ],
)
def test_unusable_source_is_refused(file: Path, source: str, message: str) -> None:
    with pytest.raises(InvalidNetwork, match=message):
        build_network(source.replace("FILE", str(file)))


def test_weights_of_another_network_are_refused(file: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    torch.save(nn.Sequential(nn.Linear(4, 8)).state_dict(), path)
    with pytest.raises(InvalidNetwork, match=r"other.pt: weights of another network: it lacks '2"):
        build_network(f"{file}:build", path)

    wider = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    torch.save(wider.state_dict(), path)
    with pytest.raises(InvalidNetwork, match=r"'0.weight' has the shape \[16, 4\], not \[8, 4\]"):
        build_network(f"{file}:build", path)


def test_pickled_code_is_never_run(file: Path, tmp_path: Path) -> None:
    torch.save(nn.Linear(4, 8), tmp_path / "module.pt")

    with pytest.raises(InvalidNetwork, match="cannot be read as weights"):
        build_network(f"{file}:build", tmp_path / "module.pt")
