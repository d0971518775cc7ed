"""An interrupted training ends as an unbroken one."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import nn

import oneshot.algorithms.spos
import spaces
from oneshot.algorithms.spos import PathAlgorithm
from oneshot.commands import main
from oneshot.data.epoch_order import OrderLoader
from oneshot.data.images import ImageData
from oneshot.errors import InvalidRun
from oneshot.samplers import Uniform
from oneshot.training import Algorithm, Stopped, fit
from oneshot.training.recipe import Recipe
from spaces import ChainSpace

SCRIPT = Path(__file__).with_name("hanging.py")
ROOT = Path(__file__).resolve().parents[3]


def interrupted(algorithm: Any, step: int, number: int = signal.SIGINT) -> Any:
    """The algorithm, with a signal in the middle of an update."""
    loss = algorithm.loss

    def losing(images: Any, labels: Any, now: int, engine: Any) -> Any:
        if now == step:
            os.kill(os.getpid(), number)
        return loss(images, labels, now, engine)

    algorithm.loss = losing
    return algorithm


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", [0, 4, 6])
def test_ctrl_c_writes_a_checkpoint_to_go_on_from(
    small: ChainSpace,
    images: ImageData,
    short: Recipe,
    tmp_path: Path,
    weights: Any,
    same: Any,
    step: int,
    number: int,
) -> None:
    """In the first update, in the middle of an epoch, and in the first of an epoch."""
    before = signal.getsignal(number)
    whole = PathAlgorithm(small.supernet(3), short, Uniform(small, 3))
    fit(whole, images.train, tmp_path / "whole", seed=3)
    broken = interrupted(PathAlgorithm(small.supernet(3), short, Uniform(small, 3)), step, number)
    with pytest.raises(Stopped) as stopped:
        fit(broken, images.train, tmp_path / "broken", seed=3)
    checkpoint = tmp_path / "broken" / "last.ckpt"
    assert str(stopped.value) == (
        f"stopped after update {step + 1} of 12; {checkpoint} keeps what is done: "
        "go on with the same command and --resume"
    )
    assert signal.getsignal(number) is before
    fresh = small.supernet(3, torch.Generator().manual_seed(99))
    resumed = PathAlgorithm(fresh, short, Uniform(small, 3))
    steps: list[int] = []
    resumed.before_step = steps.append  # type: ignore[method-assign]
    fit(resumed, images.train, tmp_path / "broken", seed=3)
    assert steps == list(range(step + 1, 12))
    assert same(weights(resumed.model), weights(whole.model))


@pytest.mark.parametrize(
    "name",
    [
        "ensemble(members=2, space='nasbench201(cells=1, channels=4, input_size=16)')",
        "nasbench1shot1(input_size=16, modules=1, stem_channels=8)",
        "nds-resnet(depths=(1, 2), input_size=16, stem_channels=4, widths=(4, 8))",
        "nds-resnext(depths=(1, 2), groups=(1, 2), input_size=16, stem_channels=4, widths=(8, 16))",
    ],
)
def test_supernets_of_every_kind_resume_to_the_same_weights(
    name: str, images: ImageData, tmp_path: Path, weights: Any, same: Any
) -> None:
    space = spaces.get(name)
    recipe = Recipe(steps=4, batch_size=16, learning_rate=0.05)

    def algorithm(seed: int) -> PathAlgorithm:
        supernet = space.supernet(3, torch.Generator().manual_seed(seed))
        return PathAlgorithm(supernet, recipe, Uniform(space, 3))

    whole = algorithm(1)
    fit(whole, images.train, tmp_path / "whole", seed=3)
    with pytest.raises(Stopped):
        fit(interrupted(algorithm(1), 1), images.train, tmp_path / "broken", seed=3)
    resumed = algorithm(2)
    fit(resumed, images.train, tmp_path / "broken", seed=3)

    assert same(weights(resumed.model), weights(whole.model))


def test_a_killed_process_goes_on_from_the_middle_of_an_epoch(
    small: ChainSpace, images: ImageData, tmp_path: Path, weights: Any, same: Any
) -> None:
    """Augmentation, momentum, schedule and paths included; the kill falls behind the checkpoint,
    and between them.
    """
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        import hanging
    finally:
        sys.path.remove(str(SCRIPT.parent))
    threads = {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(tmp_path / "killed")],
        cwd=ROOT,
        env={**os.environ, **threads},
    )
    try:
        until = time.monotonic() + 120
        while not (tmp_path / "killed" / "hangs").exists():
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert torch.load(tmp_path / "killed" / "last.ckpt", weights_only=True)["step"] == 28
    resumed, whole = hanging.algorithm(), hanging.algorithm()
    hanging.run(resumed, tmp_path / "killed")
    hanging.run(whole, tmp_path / "whole")
    assert same(weights(resumed.model), weights(whole.model))


def test_images_before_the_checkpoint_are_not_read_again(
    images: ImageData,
    small: ChainSpace,
    short: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    algorithm = interrupted(PathAlgorithm(small.supernet(3), short, Uniform(small, 0)), 7)
    with pytest.raises(Stopped):
        fit(algorithm, images.train, tmp_path, seed=0)
    asked: list[tuple[int, int]] = []
    start = OrderLoader.start_at
    monkeypatch.setattr(
        OrderLoader,
        "start_at",
        lambda self, step: (asked.append((self.epoch, step)), start(self, step))[1],
    )
    fit(PathAlgorithm(small.supernet(3), short, Uniform(small, 0)), images.train, tmp_path, seed=0)
    assert asked == [(2, 2), (3, 0)]


def test_dropout_of_a_resumed_training_is_the_same(
    images: ImageData, short: Recipe, tmp_path: Path, weights: Any, same: Any
) -> None:
    def model() -> nn.Module:
        linear = nn.Linear(768, 3)
        with torch.no_grad():
            linear.weight.fill_(0.01)
            linear.bias.fill_(0.0)
        return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), linear)

    whole, broken, resumed = model(), model(), model()
    fit(Algorithm(whole, short), images.train, tmp_path / "whole", seed=1)
    with pytest.raises(Stopped):
        fit(interrupted(Algorithm(broken, short), 5), images.train, tmp_path / "b", seed=1)
    fit(Algorithm(resumed, short), images.train, tmp_path / "b", seed=1)
    assert same(weights(resumed), weights(whole))
    assert not same(weights(whole), weights(model()))


def test_the_optimiser_is_part_of_checkpoints(
    images: ImageData, small: ChainSpace, short: Recipe, tmp_path: Path, weights: Any, same: Any
) -> None:
    """Without its momenta the training would end elsewhere."""
    algorithms = [PathAlgorithm(small.supernet(3), short, Uniform(small, 0)) for _ in range(3)]
    for algorithm, name in zip(algorithms[:2], ("kept", "lost"), strict=True):
        with pytest.raises(Stopped):
            fit(interrupted(algorithm, 6), images.train, tmp_path / name, seed=0)
    path = tmp_path / "lost" / "last.ckpt"
    state = torch.load(path, weights_only=True)
    assert state["optimizers"][0]["state"]
    assert state["schedules"][0]["last_epoch"] == state["step"] == 7
    state["optimizers"][0]["state"] = {}
    torch.save(state, path)
    ends = []
    for name in ("kept", "lost"):
        algorithm = PathAlgorithm(small.supernet(3), short, Uniform(small, 0))
        fit(algorithm, images.train, tmp_path / name, seed=0)
        ends.append(weights(algorithm.model))
    fit(algorithms[2], images.train, tmp_path / "whole", seed=0)
    assert same(ends[0], weights(algorithms[2].model))
    assert not same(ends[1], ends[0])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 1}, "is of a training with seed 0, not 1"),
        ({"learning_rate": 0.2}, "is of a training with learning_rate 0.05, not 0.2"),
        ({"epochs": 9}, "is of a training with epochs 4, not 9"),
        ({"classes": 5}, "does not fit this model: "),
    ],
)
def test_checkpoints_of_other_trainings_are_refused(
    images: ImageData,
    small: ChainSpace,
    short: Recipe,
    tmp_path: Path,
    change: dict[str, Any],
    said: str,
) -> None:
    begun = interrupted(PathAlgorithm(small.supernet(3), short, Uniform(small, 0)), 1)
    with pytest.raises(Stopped):
        fit(begun, images.train, tmp_path, seed=0)
    classes, seed = change.pop("classes", 3), change.pop("seed", 0)
    algorithm = PathAlgorithm(
        small.supernet(classes), dataclasses.replace(short, **change), Uniform(small, 0)
    )
    with pytest.raises(InvalidRun, match=said):
        fit(algorithm, images.train, tmp_path, seed=seed)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04", "pickle"])
def test_files_that_are_no_checkpoints_are_refused(
    images: ImageData, small: ChainSpace, short: Recipe, tmp_path: Path, content: bytes | str
) -> None:
    path = tmp_path / "last.ckpt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(
            {"format": 1, "training": Path("x")}, path
        )  # would run code if it were unpickled freely
    with pytest.raises(
        InvalidRun, match=r"last\.ckpt is no checkpoint of a training; remove it to start over"
    ):
        fit(
            PathAlgorithm(small.supernet(3), short, Uniform(small, 0)),
            images.train,
            tmp_path,
            seed=0,
        )


def test_a_stopped_command_says_how_to_go_on(
    small: ChainSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [
        "train",
        "--space",
        small.name,
        "--epochs",
        "2",
        "--threads",
        "1",
        "--batch-size",
        "100",
    ]
    unbroken, folder = tmp_path / "unbroken", tmp_path / "run"
    assert CliRunner().invoke(main, [*command, "-o", str(unbroken)]).exit_code == 0
    before = PathAlgorithm.before_step

    def signalling(self: PathAlgorithm, step: int) -> None:
        if step == 12:
            os.kill(os.getpid(), signal.SIGINT)
        before(self, step)

    monkeypatch.setattr(oneshot.algorithms.spos.PathAlgorithm, "before_step", signalling)
    stopped = CliRunner().invoke(main, [*command, "-o", str(folder)])
    assert stopped.exit_code == 130
    said = " ".join(stopped.stderr.split())
    assert "stopped after update 13 of 20" in said
    assert "go on with the same command and --resume" in said
    assert not (folder / "weights.safetensors").exists()
    monkeypatch.undo()
    assert CliRunner().invoke(main, [*command, "--resume", "-o", str(folder)]).exit_code == 0
    assert (folder / "weights.safetensors").read_bytes() == (
        unbroken / "weights.safetensors"
    ).read_bytes()
