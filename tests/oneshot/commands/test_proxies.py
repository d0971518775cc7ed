"""`python -m oneshot proxies`: a file of evaluations that goes on where it was stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from torch import nn

import spaces
from oneshot.commands import main
from oneshot.data.registry import load
from oneshot.run import read_run
from predictor.proxies import available
from spaces import Supernet
from tables import evaluation

SPACE = spaces.get("spos-tiny")
FEW = ["--proxy", "snip", "--proxy", "naswot", "--proxy", "macs"]
SMALL = ["proxies", "--space", "spos-tiny", "--images", "4", "--threads", "1"]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [*SMALL, *map(str, arguments)], env={"COLUMNS": "200"})


def test_the_command_knows_all_proxies() -> None:
    from oneshot.commands.proxies import PROXIES

    assert list(PROXIES) == available()


def test_evaluations_are_written_and_repeat(tmp_path: Path) -> None:
    for name in ("a", "b"):
        done = run(*FEW, "-n", "5", "--seed", "3", "-o", tmp_path / f"{name}.jsonl")
        assert done.exit_code == 0, done.output
    assert f"wrote {tmp_path / 'b.jsonl'}: 5 architectures, 5 networks measured now" in done.stdout
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    found = evaluation.read(tmp_path / "a.jsonl", SPACE.name)
    assert len({one.architecture for one in found}) == 5
    for one in found:
        assert set(one.metrics) == {"snip", "naswot", "macs"}
        assert one.metrics["macs"] == SPACE.macs(one.architecture)
        assert {key: one.source[key] for key in ("kind", "data", "images", "seed", "repeats")} == {
            "kind": "proxies",
            "data": "digits",
            "images": 4,
            "seed": 3,
            "repeats": 1,
        }
    assert evaluation.scores(found, "snip") == [one.metrics["snip"] for one in found]


def test_a_cut_file_is_completed_to_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    assert run(*FEW, "-n", "6", "-o", path).exit_code == 0
    whole = path.read_text(encoding="utf-8")
    lines = whole.splitlines(keepends=True)
    path.write_text("".join(lines[:3]) + lines[3][:20], encoding="utf-8")
    done = run(*FEW, "-n", "6", "-o", path)
    assert "6 architectures, 3 networks measured now" in done.stdout
    assert path.read_text(encoding="utf-8") == whole
    assert "6 architectures, 0 networks measured now" in run(*FEW, "-n", "6", "-o", path).stdout


def test_given_architectures_are_measured_once_each(tmp_path: Path) -> None:
    architectures = SPACE.decode(SPACE.sample(np.random.default_rng(0), 3))
    archs = tmp_path / "archs.jsonl"
    archs.write_text(
        "".join(one.to_json() + "\n" for one in [*architectures, architectures[0]]),
        encoding="utf-8",
    )
    assert run("--proxy", "params", "--archs", archs, "-o", tmp_path / "a.jsonl").exit_code == 0
    found = evaluation.read(tmp_path / "a.jsonl")
    assert [one.architecture for one in found] == list(dict.fromkeys(architectures))
    assert evaluation.values(found, "params") == [
        SPACE.params(one) for one in dict.fromkeys(architectures)
    ]


def test_another_setting_does_not_mix_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    assert run(*FEW, "-n", "2", "-o", path).exit_code == 0
    before = path.read_bytes()
    for other in (
        ["--seed", "1", *FEW],
        ["--repeats", "2", *FEW],
        ["--proxy", "snip"],
        ["--images", "5", *FEW],
    ):
        done = run(*other, "-n", "2", "-o", path)
        assert done.exit_code == 2
        assert (
            "holds other proxies, or of other images or seeds; choose another file" in done.output
        )
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--proxy", "magic"], "'magic' is not one of 'synflow'"),
        (["--device", "toaster"], "device must be cpu, gpu, gpu:NUMBER or auto, not 'toaster'"),
        (["--space", "sops"], "unknown space 'sops'"),
        (["--data", "nothing"], "nothing"),
        (
            ["--archs", "archs.jsonl"],
            "archs.jsonl: this is an architecture of nasbench201, not of spos-tiny",
        ),
    ],
)
def test_mistakes_are_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    cell = spaces.get("nasbench201").architecture([0, 1, 2, 3, 4, 0])
    (tmp_path / "archs.jsonl").write_text(cell.to_json(), encoding="utf-8")
    done = run(*arguments, "-o", "a.jsonl")
    assert done.exit_code == 2
    assert said in done.output
    assert not (tmp_path / "a.jsonl").exists()


def test_help_leaves_torch_out() -> None:
    code = (
        "import sys; from oneshot.commands import main\n"
        "try: main(['proxies', '--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'torch', 'sklearn', 'rich'} & set(sys.modules), 'loaded'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Example:" in done.stdout


@pytest.mark.slow
def test_an_interrupted_process_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    command = [sys.executable, "-m", "oneshot", *SMALL, "-n", "150", "-o", str(path)]
    process = subprocess.Popen(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + 90
        while (not path.exists() or path.read_bytes().count(b"\n") < 3) and time.monotonic() < end:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=300) != 0
    finally:
        process.kill()
    kept = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert 3 <= len(kept) < 150
    done = run("-n", str(len(kept) + 2), "-o", path)
    assert done.exit_code == 0
    found = [json.loads(one.to_json()) for one in evaluation.read(path)]
    assert found[: len(kept)] == kept


@pytest.fixture(scope="module")
def supernet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A supernet after a few updates."""
    folder = tmp_path_factory.mktemp("proxies") / "supernet"
    command = [
        *("train", "--space", "spos-tiny", "--data", "digits", "--limit", "64", "--steps", "3"),
        *("--threads", "1", "--no-tensorboard", "-o", str(folder)),
    ]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    return folder


def test_proxies_on_a_supernet_equal_those_of_its_paths(supernet: Path, tmp_path: Path) -> None:
    path = tmp_path / "proxies.jsonl"
    done = run("--proxy", "snip", "-n", "3", "--supernet", supernet, "-o", path)
    assert done.exit_code == 0, done.output

    trained = read_run(supernet).load()
    assert isinstance(trained, Supernet)
    data = load("digits", SPACE.input_shape)
    rows = np.sort(np.random.default_rng(0).permutation(len(data.train))[:4])
    images, targets = data.train.tensors(rows)
    for found in evaluation.read(path, SPACE.name):
        trained.train().zero_grad(set_to_none=True)
        trained.activate(found.architecture)
        with torch.random.fork_rng(devices=[]):
            # Dropout drops the same features.
            torch.manual_seed(0)
            torch.autograd.backward(nn.functional.cross_entropy(trained(images), targets))
        # Of weights outside of the path there are no gradients.
        expected = sum(
            (module.weight * module.weight.grad).abs().sum().item()
            for module in trained.modules()
            if isinstance(module, nn.Conv2d | nn.Linear) and module.weight.grad is not None
        )
        assert found.metrics["snip"] == pytest.approx(expected, rel=1e-4)
        assert found.source["supernet"] == read_run(supernet).weights_digest()


def test_supernets_that_do_not_fit_are_named(supernet: Path, tmp_path: Path) -> None:
    path = tmp_path / "proxies.jsonl"
    several = run("-n", "2", "--supernet", supernet, "--repeats", "2", "-o", path)
    assert several.exit_code == 2
    assert "repeats" in several.output

    arguments = ["proxies", "--space", "spos-tiny(input_size=16)", "-n", "2", "--threads", "1"]
    other = CliRunner().invoke(main, [*arguments, "--supernet", str(supernet), "-o", str(path)])
    assert other.exit_code == 2
    assert "the supernet's space is spos-tiny, not spos-tiny(input_size=16)" in other.output
    assert not path.exists()
