"""The network in which DARTS, GDAS and SNAS search, and how the images are divided."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import nn

import spaces
from oneshot.algorithms.cells import searchable
from oneshot.algorithms.registry import algorithm, preset
from oneshot.commands import main
from oneshot.data.validation_split import validation_size
from oneshot.run import begin, read_run
from oneshot.run_settings import RunSettings
from oneshot.search.result import read_result
from tests.published import published

SMALL = "darts(channels=4, input_size=16, layers=3, stem_multiplier=1)"


def train(folder: Path, *arguments: str) -> Any:
    command = ["train", "--space", SMALL, "--data", "digits", "--limit", "32", "--epochs", "1"]
    command += ["--batch-size", "16", "--no-tensorboard", "-o", str(folder), *arguments]
    return CliRunner().invoke(main, command)


@pytest.mark.parametrize("name", ["darts", "gdas", "snas"])
def test_the_search_network_has_the_published_size(name: str) -> None:
    space = algorithm(name).search_space(spaces.get("darts"), preset(name, {}).options)

    assert space.name == "darts-search"
    channels = {
        block.output[0] for block in space.all_blocks.values() if block.operator == "sep_conv"
    }
    assert min(channels) == published("darts.search.channels")
    cells = {place.partition("/")[0] for place in space.places() if place.startswith("cell_")}
    assert len(cells) == published("darts.search.layers")


def test_networks_keep_the_size_of_the_evaluation() -> None:
    networks = spaces.get("darts").search_space.network_space

    assert networks is spaces.get("darts")
    cells = {place.partition("/")[0] for place in networks.places() if place.startswith("cell_")}
    assert len(cells) == published("darts.network.layers")
    blocks = networks.all_blocks.values()
    channels = {block.output[0] for block in blocks if block.operator == "sep_conv"}
    assert min(channels) == published("darts.network.channels")


def test_the_stem_is_affine_and_every_pool_is_normalised() -> None:
    space = spaces.get(SMALL).search_space
    places = space.supernet(3).places

    for place, module in places.items():
        norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
        if place.startswith("stem_"):
            expected = published("darts.search.affine_stem")
            assert [norm.affine for norm in norms] == [expected]
            continue
        assert {norm.affine for norm in norms} <= {published("darts.search.affine_operations")}
        if "_pool_" in place:
            assert published("darts.search.norm_after_pools")
            assert isinstance(list(module.modules())[-1], nn.BatchNorm2d)
            x = torch.randn(8, 4, 8, 8) * 5 + 3
            if places[place][1].num_features == 4:
                out = module.train()(x)
                assert float(out.mean().abs()) < 1e-4


@pytest.mark.parametrize("name", ["darts", "gdas"])
def test_half_of_the_images_train_the_architecture(name: str) -> None:
    for options in algorithm(name).presets:
        fraction = preset(name, {"preset": options}).held_out
        assert fraction is not None
        size = validation_size(50_000, fraction)
        assert size == 50_000 * (1 - published("darts.search.train_fraction"))


def test_a_search_in_it_finds_an_architecture_of_the_requested_space(tmp_path: Path) -> None:
    result = train(tmp_path, "--algorithm", "darts")

    assert result.exit_code == 0, result.output
    recorded = json.loads((tmp_path / "run.json").read_text())
    assert recorded["space"].startswith("darts-search(")
    assert recorded["data"]["validation"] == 0.5
    few = ["--images", "16", "--recalibration-batches", "1"]
    found = tmp_path / "found.json"
    search = ["search", "--space", SMALL, "--guide", f"supernet:{tmp_path}", *few]
    search += ["--strategy", "random", "--option", "evaluations=2", "-o", str(found)]
    searched = CliRunner().invoke(main, search)
    assert searched.exit_code == 0, searched.output
    assert read_result(found).space == spaces.get(SMALL).name
    resumed = CliRunner().invoke(main, [*search, "--resume"])
    assert resumed.exit_code == 0, resumed.output

    evaluate = ["eval-arch", str(tmp_path), str(tmp_path / "architecture.json"), *few]
    evaluated = CliRunner().invoke(main, evaluate)
    assert evaluated.exit_code == 0, evaluated.output

    architecture = json.loads((tmp_path / "architecture.json").read_text())
    assert architecture["space"] == SMALL
    assert read_run(tmp_path).load().space.name == recorded["space"]


def test_the_network_of_the_deployment_is_retrained(tmp_path: Path) -> None:
    searched = spaces.get(SMALL).search_space
    source = tmp_path / "found.json"
    source.write_text(searched.architecture([0] * len(searched.choices)).to_json())
    command = ["retrain", "--arch", str(source), "--data", "digits", "--limit", "16"]
    command += ["--steps", "1", "--batch-size", "8", "--no-tensorboard", "-o"]

    deployed = CliRunner().invoke(main, [*command, str(tmp_path / "deployed")])
    small = CliRunner().invoke(
        main, [*command, str(tmp_path / "small"), "--space", searched.name, "--norm-batches", "0"]
    )

    assert deployed.exit_code == 0, deployed.output
    assert f"training the network of {SMALL}" in deployed.output
    assert read_run(tmp_path / "deployed").space.name == SMALL
    assert small.exit_code == 0, small.output
    assert "training the network of" not in small.output
    assert read_run(tmp_path / "small").space == searched


def test_its_weights_are_not_offered_as_the_networks(tmp_path: Path) -> None:
    result = train(tmp_path, "--algorithm", "gdas", "--with-network")

    assert result.exit_code == 2
    assert "with_network" in result.output
    assert not (tmp_path / "run.json").exists()


def test_a_search_recorded_before_goes_on_in_the_network_of_its_space(tmp_path: Path) -> None:
    """Its file has neither the later options nor a division of the data."""
    settings = RunSettings.from_dict(
        {
            "kind": "supernet",
            "space": SMALL,
            "data": {"name": "digits", "num_classes": 10},
            "seed": 0,
            "algorithm": "darts",
            "recipe": {"clip": 5.0},
            "options": {"order": 1},
        }
    )
    begin(tmp_path, settings, resume=False)
    later = RunSettings.from_dict(
        {**settings.to_dict(), "affine": True, "options": {"order": 1, "arch_clip": 0.0}}
    )

    run = begin(tmp_path, later, resume=True)

    assert run.settings == settings
    options = algorithm("darts").recorded_options(run.settings)
    assert options.arch_clip == 5.0
    assert not any(
        norm.affine
        for norm in searchable(run.build()).modules()
        if isinstance(norm, nn.BatchNorm2d)
    )
