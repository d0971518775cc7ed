"""Runs: their folders, their settings, their weights."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import spaces
from oneshot import run as runs
from oneshot.algorithms.training import train_supernet
from oneshot.data.images import ImageData
from oneshot.errors import InvalidRun
from oneshot.run import Run, begin
from oneshot.run_settings import RunSettings
from oneshot.samplers.settings import SamplerSettings
from oneshot.training import Execution
from oneshot.training.recipe import Recipe
from spaces import ChainSpace

ELASTIC = (
    "ofa-mobilenetv3(resolutions=(32, 24), depths=(1, 2), expansions=(3,), kernels=(3,), width=0.5,"
    " num_classes=10)"
)


class Interrupted(Exception):
    """Stops a training at once."""


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(value, other[name]) for name, value in one.items()
    )


def test_a_network_trains_at_its_own_resolution(tmp_path: Path) -> None:
    space = spaces.get(ELASTIC)
    settings = {
        "space": space.name,
        "data": {"name": "digits", "split_seed": 0, "num_classes": 10},
        "seed": 0,
    }
    assert Run(tmp_path, RunSettings.from_dict({**settings, "kind": "supernet"})).input_shape == (
        3,
        32,
        32,
    )
    for code, side in ((0, 32), (1, 24)):
        architecture = space.architecture([code] + [0] * (len(space.choices) - 1))
        network = {**settings, "kind": "network", "architecture": architecture.to_dict()}
        run = Run(tmp_path, RunSettings.from_dict(network))
        images, _ = run.data().test.tensors([0, 1])
        assert images.shape == (2, 3, side, side)
        with torch.no_grad():
            assert run.build().eval()(images).shape == (2, 10)


@pytest.fixture
def settings(small: ChainSpace, images: ImageData, monkeypatch: pytest.MonkeyPatch) -> RunSettings:
    """A supernet's run of seven epochs on the made-up images."""
    monkeypatch.setattr(runs, "reload", lambda record, shape: images)
    recipe = Recipe(epochs=7, batch_size=32, learning_rate=0.05, weight_decay=0.01)
    return RunSettings(
        kind="supernet",
        space=small.name,
        data={"name": "made-up", "split_seed": 0, "num_classes": 3},
        seed=0,
        recipe=recipe,
        version="1",
        command="tests",
    )


@pytest.mark.parametrize("sampler", [{}, {"name": "fair"}, {"name": "uniform-flops", "bins": 3}])
def test_an_interrupted_run_goes_on(
    settings: RunSettings, tmp_path: Path, sampler: dict[str, Any]
) -> None:
    settings = replace(settings, sampler=SamplerSettings.from_dict(sampler))
    execution = Execution(checkpoint_every=4)

    def stop(share: float, text: str) -> None:
        if share >= 6 / 7:
            raise Interrupted

    whole = begin(tmp_path / "whole", settings, resume=False)
    expected = weights(train_supernet(whole))
    broken = begin(tmp_path / "broken", settings, resume=False)
    with pytest.raises(Interrupted):
        train_supernet(broken, stop, execution)
    assert not broken.weights.exists()
    told: list[str] = []
    resumed = begin(
        tmp_path / "broken",
        replace(settings, command="again", execution=Execution(devices=2)),
        resume=True,
    )
    found = train_supernet(resumed, lambda share, text: told.append(text), execution)
    # The checkpoint is of update 16 of 21, in the sixth epoch.
    assert [text.partition(",")[0] for text in told] == ["epoch 6/7", "epoch 7/7"]
    assert same(weights(found), expected)
    assert same(weights(resumed.load()), expected)
    assert not resumed.load().training
    # A run that is done is loaded.
    assert same(weights(train_supernet(resumed, stop)), expected)
    assert len(told) == 2


def test_folders_of_other_runs_are_refused(settings: RunSettings, tmp_path: Path) -> None:
    run = begin(tmp_path / "r", settings, resume=False)
    assert run == Run(tmp_path / "r", settings)
    with pytest.raises(
        InvalidRun, match="holds a run already; choose another folder, or go on with --resume"
    ):
        begin(tmp_path / "r", settings, resume=False)
    with pytest.raises(InvalidRun, match="holds a run with seed 0, not 1"):
        begin(tmp_path / "r", replace(settings, seed=1), resume=True)
    assert (
        begin(tmp_path / "r", replace(settings, command="x", version="2"), resume=True).settings
        == settings
    )
    with pytest.raises(InvalidRun, match="holds the run of a supernet; a network is needed"):
        runs.read_run(tmp_path / "r", "network")
    with pytest.raises(
        InvalidRun, match="the training is not done; go on with the same command and --resume"
    ):
        run.load()
    assert begin(tmp_path / "new", settings, resume=True).settings == settings


@pytest.mark.parametrize("content", [None, "", "{", "[]", "5", "{}"])
def test_folders_without_a_run_are_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(InvalidRun) as caught:
        runs.read_run(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path} holds no run of Pathfit's")


def test_wrong_weights_are_refused(
    settings: RunSettings, small: ChainSpace, tmp_path: Path
) -> None:
    run = begin(tmp_path / "r", settings, resume=False)
    run.save(nn.Linear(2, 2))
    with pytest.raises(
        InvalidRun, match=r"weights\.safetensors: not the weights of this run: [^\n]+$"
    ):
        run.load()
    run.weights.write_bytes(b"nonsense")
    with pytest.raises(InvalidRun, match=r"weights\.safetensors: not the weights of this run"):
        run.load()
    run.save(small.supernet(5))  # of another number of classes
    with pytest.raises(InvalidRun, match="not the weights of this run"):
        run.load()


def test_a_run_builds_the_same_model_again(settings: RunSettings, tmp_path: Path) -> None:
    run = Run(tmp_path, settings)
    assert same(weights(run.build()), weights(run.build()))
    assert not same(weights(run.build()), weights(Run(tmp_path, replace(settings, seed=1)).build()))


def test_a_run_recorded_before_keeps_the_channels_that_it_was_trained_with(tmp_path: Path) -> None:
    """Until then the channels inside the blocks of SPOS were rounded to the nearest integer."""
    space = "spos-channels(channels=(64,), input_size=8, num_classes=10, repeats=(1,))"
    written = {
        "kind": "supernet",
        "space": space,
        "data": {"name": "digits", "split_seed": 0, "num_classes": 10},
        "seed": 0,
    }

    before = RunSettings.from_dict(written)
    now = RunSettings.from_dict({**written, "revision": 1})

    assert "rounding='nearest'" in before.space
    assert now.space == space
    # Recorded again, it keeps its name.
    assert RunSettings.from_dict(before.to_dict()) == before
    widths = [
        {block.hidden for block in spaces.get(settings.space).all_blocks.values() if block.hidden}
        for settings in (before, now)
    ]
    assert {13, 26, 45, 58} <= widths[0]
    assert {12, 25, 44, 57} <= widths[1]
