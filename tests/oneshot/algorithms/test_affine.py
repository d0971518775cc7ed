"""Scale and shift in the batch normalisation of supernets, by method and by recorded run."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from torch import nn

import spaces
from oneshot.algorithms.registry import algorithm
from oneshot.commands import main
from oneshot.run import Run, read_run
from oneshot.run_settings import RunSettings
from tests.published import published

TINY = (
    "proxylessnas-tiny(channels=(8, 12), first_channels=8, head_channels=16, input_size=8,"
    " repeats=(1, 1), strides=(1, 2))"
)


def norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


def recorded(space: str, **values: Any) -> RunSettings:
    data = {"name": "digits", "num_classes": 10}
    return RunSettings.from_dict(
        {"kind": "supernet", "space": space, "data": data, "seed": 3, **values}
    )


@pytest.mark.parametrize("name", ["proxylessnas-tiny", "fbnet(input_size=32)"])
def test_supernets_of_proxylessnas_and_fbnet_learn_scale_and_shift(name: str) -> None:
    layers = norms(spaces.get(name).supernet())

    assert layers
    assert {layer.affine for layer in layers} == {published("proxylessnas.supernet.affine")}
    # Six choices of six candidates, the stem, the first block of two layers, and the head.
    if name == "proxylessnas-tiny":
        assert len(layers) == 6 * 6 * 3 + 4


@pytest.mark.parametrize(
    ("name", "learns"), [("proxyless", True), ("fbnet", True), ("spos", False), ("darts", False)]
)
def test_the_method_decides_on_scale_and_shift(name: str, learns: bool, tmp_path: Path) -> None:
    settings = recorded("spos-tiny", affine=algorithm(name).affine_supernet)

    assert {layer.affine for layer in norms(Run(tmp_path, settings).build())} == {learns}


def test_a_run_recorded_before_builds_the_supernet_that_it_trained(tmp_path: Path) -> None:
    """Without scale and shift; the weights are the same as with them."""
    before = Run(tmp_path, recorded("proxylessnas-tiny", algorithm="proxyless")).build()
    now = Run(tmp_path, recorded("proxylessnas-tiny", algorithm="proxyless", affine=True)).build()

    assert not any(layer.affine for layer in norms(before))
    state = now.state_dict()
    assert all(value.equal(state[name]) for name, value in before.state_dict().items())
    assert len(state) == len(before.state_dict()) + 2 * len(norms(now))


def test_a_trained_run_of_proxylessnas_is_read_with_its_scales(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    arguments = ["train", "--space", TINY, "--algorithm", "proxyless", "--data", "digits"]
    arguments += ["--limit", "64", "--epochs", "2", "--no-tensorboard", "-o", str(folder)]

    result = CliRunner().invoke(main, arguments)

    assert result.exit_code == 0, result.output
    assert json.loads((folder / "run.json").read_text())["affine"] is True
    layers = norms(read_run(folder).load())
    assert all(layer.affine for layer in layers)
    assert any(bool((layer.weight != 1).any()) for layer in layers)
