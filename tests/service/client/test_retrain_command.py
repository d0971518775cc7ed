"""`python -m service retrain` on the real application."""

import threading
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import spaces
from service.artifacts import Artifacts
from service.commands import main

SPACE = "spos-tiny"
TEST = {
    "top1": 90.5,
    "top1_interval": [85.6, 93.8],
    "cross_entropy": 0.41,
    "images": 200,
    "data": "digits",
}


@pytest.fixture
def architecture(tmp_path: Path) -> Path:
    path = tmp_path / "network.json"
    path.write_text(spaces.get(SPACE).architecture([0] * 6).to_json(), encoding="utf-8")
    return path


def typed(answering: Any, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["retrain", "--url", answering.url, *arguments])


def test_a_retraining_is_requested(answering: Any, architecture: Path) -> None:
    options = [
        "-O",
        "steps=6",
        "-O",
        "batch_size=48",
        "-O",
        "nesterov=true",
        "-O",
        "schedule=linear",
    ]
    result = typed(
        answering,
        "--arch",
        str(architecture),
        "--workers",
        "3",
        "--seed",
        "7",
        *options,
        "--no-wait",
    )
    assert result.exit_code == 0, result.output
    job = answering.store.jobs.get(result.stdout.strip())
    assert (job.kind, job.resources.cpus, job.request["space"], job.request["seed"]) == (
        "retrain",
        3.0,
        SPACE,
        7,
    )
    assert job.task["options"] == {
        "steps": 6,
        "batch_size": 48,
        "nesterov": True,
        "schedule": "linear",
    }


def test_weights_of_a_retraining_are_written_after_waiting(
    answering: Any, architecture: Path, tmp_path: Path
) -> None:
    def work() -> None:
        while (job := answering.store.leases.claim("test", 60)) is None:
            pass
        answering.store.jobs.report(
            job.id, 1, {"share": 0.5, "stage": "training", "state": "epoch 1/2"}
        )
        path = Artifacts(tmp_path / "service" / "results").write(
            job.id, 1, "weights.safetensors", b"weights"
        )
        answering.store.jobs.finish(job.id, 1, {"test": TEST}, path)

    worker = threading.Thread(target=work)
    worker.start()
    result = typed(answering, "--arch", str(architecture), "--watch", "-o", str(tmp_path / "w"))
    worker.join()
    assert result.exit_code == 0, result.output
    assert (
        "test top-1 90.50 (95%: 85.60 to 93.80), cross-entropy 0.4100 on 200 images of digits"
        in result.stdout
    )
    assert (tmp_path / "w").read_bytes() == b"weights"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--arch", "nowhere.json"], "nowhere.json is no file, and no published network"),
        (["--no-wait", "--watch"], "--watch needs the result: leave out --no-wait"),
        (["-O", "seed=3"], "seed has an option of its own, --seed"),
        (["-O", "devices=2"], "options.devices"),
        (
            ["--workers", "3", "-O", "batch_size=64"],
            "must be a multiple of workers x accumulate, 3, not 64",
        ),
    ],
)
def test_wrong_input_is_answered_in_one_line(
    answering: Any, architecture: Path, arguments: list[str], said: str
) -> None:
    values = [] if "--arch" in arguments else ["--arch", str(architecture)]
    result = typed(answering, *values, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert said in result.stderr
