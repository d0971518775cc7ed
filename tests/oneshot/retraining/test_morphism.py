"""Grown networks compute the function of the trained one, and train on from there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from torch import nn

import spaces
from oneshot.commands import main
from oneshot.errors import InvalidRun
from oneshot.retraining.morphism import ChannelMap, align, morph
from oneshot.run import read_run
from spaces.architecture import Architecture
from spaces.console.progress import Bar
from spaces.modules.network import ChainNetwork
from spaces.space import SearchSpace

SMALL = "proxylessnas-tiny(input_size=16)"
ELASTIC = "ofa-mobilenetv3(resolutions=(32,), depths=(1, 2), width={width})"


def trained(space: SearchSpace, architecture: Architecture, seed: int = 0) -> nn.Module:
    """Return a network with random weights, also in normalisation and its statistics."""
    generator = torch.Generator().manual_seed(seed)
    network = space.network(architecture, generator=generator)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                for value in (module.weight, module.bias, module.running_mean):
                    value.add_(0.3 * torch.randn(value.shape, generator=generator))
                module.running_var.mul_(
                    0.5 + torch.rand(module.running_var.shape, generator=generator)
                )
    return network


def largest_difference(one: nn.Module, other: nn.Module, space: SearchSpace) -> float:
    """Return the largest difference of scores relative to their size, in both modes."""
    images = torch.randn(8, *space.input_shape, generator=torch.Generator().manual_seed(1))
    differences = []
    for mode in (False, True):
        scores = []
        for network in (one.train(mode), other.train(mode)):
            # Dropout draws other channels in either network.
            for module in network.modules():
                if isinstance(module, nn.Dropout):
                    module.eval()
            with torch.no_grad():
                scores.append(network(images))

        expected, found = scores
        differences.append(float((expected - found).abs().max() / expected.abs().max()))
    return max(differences)


def uniform(space: SearchSpace, candidate: str) -> Architecture:
    """Return the architecture of one candidate in all layers that have it, or else of the last."""
    return space.architecture(
        {
            choice.key: candidate if candidate in choice.candidates else choice.candidates[-1]
            for choice in space.choices
        }
    )


def grown(
    space: SearchSpace,
    architecture: Architecture,
    source: tuple[SearchSpace, Architecture, nn.Module],
) -> nn.Module:
    network = space.network(architecture, generator=torch.Generator().manual_seed(9))
    morph(network, source[2], space.blocks(architecture), source[0].blocks(source[1]), seed=3)
    return network


def test_larger_kernels_and_expansions_compute_the_same() -> None:
    space = spaces.get(SMALL)
    small, large = uniform(space, "k3e3"), uniform(space, "k7e6")
    assert small != large
    source = trained(space, small)
    network = grown(space, large, (space, small, source))
    assert largest_difference(source, network, space) < 1e-5


def test_added_layers_compute_the_same() -> None:
    space = spaces.get(ELASTIC.format(width=0.25))
    deep = uniform(space, "k3e3")
    shallow = space.architecture(
        {choice.key: "skip" if "skip" in choice.candidates else "k3e3" for choice in space.choices}
    )
    assert len(space.blocks(shallow)) < len(space.blocks(deep))
    source = trained(space, shallow)
    network = grown(space, deep, (space, shallow, source))
    assert largest_difference(source, network, space) < 1e-5


def test_wider_stages_with_squeeze_and_excitation_compute_the_same() -> None:
    narrow, wide = (spaces.get(ELASTIC.format(width=width)) for width in (0.25, 0.5))
    small, large = uniform(narrow, "k3e3"), uniform(wide, "k5e4")
    source = trained(narrow, small)
    network = grown(wide, large, (narrow, small, source))
    assert largest_difference(source, network, narrow) < 1e-5


def test_copies_of_a_channel_get_other_gradients() -> None:
    """Otherwise a wider network would never learn more than the narrow one."""
    space = spaces.get(SMALL)
    small, large = uniform(space, "k3e3"), uniform(space, "k3e6")
    network = grown(space, large, (space, small, trained(space, small)))
    images = torch.randn(8, *space.input_shape, generator=torch.Generator().manual_seed(1))
    network.train()(images).square().sum().backward()

    repeating = 0
    for module in network.modules():
        if not isinstance(module, nn.Conv2d):
            continue
        gradients = module.weight.grad
        assert gradients is not None
        filters = len(torch.unique(module.weight.flatten(1), dim=0))
        if filters < len(module.weight):
            repeating += 1
            # A few channels may be dead, with gradients of 0.
            different = len(torch.unique(gradients.flatten(1), dim=0))
            assert different > (filters + len(module.weight)) / 2

    assert repeating


def test_fractions_of_copies_have_the_sum_one() -> None:
    wide = ChannelMap.widened(5, 17, torch.Generator().manual_seed(0))
    totals = torch.zeros(5).index_add(0, wide.source, wide.fraction)
    assert torch.allclose(totals, torch.ones(5))
    assert ChannelMap.widened(5, 5, torch.Generator()).is_identity


def test_equal_networks_are_copied_exactly() -> None:
    space = spaces.get("spos-tiny")
    architecture = uniform(space, "k5")
    source = trained(space, architecture)
    network = grown(space, architecture, (space, architecture, source))
    for name, value in source.state_dict().items():
        assert torch.equal(value, network.state_dict()[name])


@pytest.mark.parametrize(
    ("source", "target", "named"),
    [("k7e3", "k3e3", "k7 e3"), ("k3e6", "k3e3", "k3 e6")],
)
def test_what_cannot_be_grown_is_named(source: str, target: str, named: str) -> None:
    space = spaces.get(SMALL)
    before, after = uniform(space, source), uniform(space, target)
    with pytest.raises(InvalidRun, match=named):
        align(space.blocks(after), space.blocks(before))


def test_other_networks_are_refused() -> None:
    space = spaces.get("nasbench201")
    architecture = space.architecture([0] * 6)
    network = space.network(architecture)
    assert not isinstance(network, ChainNetwork)
    with pytest.raises(InvalidRun, match="chains of blocks"):
        morph(network, network, [], [])


QUICK = ("--data", "digits", "--limit", 64, "--batch-size", 32, "--threads", 1, "--no-tensorboard")


def retrain(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["retrain", *map(str, arguments)])


@pytest.fixture(scope="module")
def small_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of the smallest kernels and expansions after a few updates."""
    folder = tmp_path_factory.mktemp("morphism")
    space = spaces.get(SMALL)
    for name, candidate in (("small", "k3e3"), ("large", "k5e6"), ("other", "k3e6")):
        text = json.dumps(uniform(space, candidate).to_dict())
        (folder / f"{name}.json").write_text(text)
    result = retrain("--arch", folder / "small.json", *QUICK, "--steps", 4, "-o", folder / "small")
    assert result.exit_code == 0, result.output
    return folder / "small"


def test_training_begins_with_the_function_of_the_smaller_network(
    small_network: Path, tmp_path: Path
) -> None:
    folder = small_network.parent
    grown_run = tmp_path / "grown"
    result = retrain(
        *("--arch", folder / "large.json", "--init-from", small_network, *QUICK),
        # So small a rate changes nothing that can be seen.
        *("--steps", 1, "--learning-rate", 1e-12, "--weight-decay", 0, "-o", grown_run),
    )
    assert result.exit_code == 0, result.output
    assert json.loads((grown_run / "run.json").read_text())["init"]["kind"] == "morphism"

    space = spaces.get(SMALL)
    before, after = read_run(small_network).load(), read_run(grown_run).load()
    # Both have statistics of the same training images.
    images = torch.randn(8, *space.input_shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected, found = before.eval()(images), after.eval()(images)
    assert torch.allclose(expected, found, atol=1e-4 * float(expected.abs().max()))


def test_interrupted_training_of_a_grown_network_resumes(
    small_network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (
        *("--arch", small_network.parent / "large.json", "--init-from", small_network, *QUICK),
        *("--steps", 6, "--checkpoint-every", 1, "--report-every", 1),
    )
    assert retrain(*arguments, "-o", tmp_path / "whole").exit_code == 0

    def interrupt(self: Bar, fraction: float, text: str) -> None:
        if fraction >= 0.5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Bar, "update", interrupt)
        assert retrain(*arguments, "-o", tmp_path / "broken").exit_code != 0
    assert not (tmp_path / "broken" / "weights.safetensors").exists()

    assert retrain(*arguments, "-o", tmp_path / "broken", "--resume").exit_code == 0
    whole, broken = (tmp_path / name / "weights.safetensors" for name in ("whole", "broken"))
    assert whole.read_bytes() == broken.read_bytes()


def test_command_refuses_what_cannot_be_grown(small_network: Path, tmp_path: Path) -> None:
    folder = small_network.parent
    both = retrain(
        *("--arch", folder / "large.json", "--init-from", small_network, "--init", small_network),
        *(*QUICK, "-o", tmp_path / "run"),
    )
    assert both.exit_code == 2
    assert "exclude each other" in both.output

    large = tmp_path / "large"
    assert (
        retrain("--arch", folder / "large.json", *QUICK, "--steps", 1, "-o", large).exit_code == 0
    )
    shrunk = retrain(
        *("--arch", folder / "other.json", "--init-from", large, *QUICK, "-o", tmp_path / "run")
    )
    assert shrunk.exit_code == 2
    assert "cannot be grown" in shrunk.output
    assert not (tmp_path / "run").exists()
