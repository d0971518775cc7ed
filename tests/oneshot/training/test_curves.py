"""Training curves of runs as a picture."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from oneshot.commands import main
from oneshot.errors import InvalidRun
from oneshot.training.curves import read_curves
from oneshot.training.reports import FOLDER

PNG = b"\x89PNG"


def write_scalars(folder: Path, values: dict[str, list[float]]) -> None:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder / FOLDER))
    for tag, series in values.items():
        for update, value in enumerate(series, 1):
            writer.add_scalar(tag, value, update)
    writer.close()


def write_reports(folder: Path, reports: list[dict[str, Any]]) -> None:
    lines = (json.dumps(report) + "\n" for report in reports)
    (folder / "architectures.jsonl").write_text("".join(lines))


def test_curves_are_those_that_the_training_wrote(tmp_path: Path) -> None:
    loss = [2.0, 1.5, 1.25]
    write_scalars(tmp_path, {"train/loss": loss, "train/images_per_second": [1, 2, 3]})
    probabilities = {"a": {"x": 0.25, "y": 0.75}, "b": {"x": 0.5, "y": 0.5}}
    write_reports(
        tmp_path,
        [
            {"update": 2, "probabilities": probabilities},
            {"update": 3, "probabilities": probabilities, "hessian_eigenvalue": 0.5},
        ],
    )

    curves = read_curves(tmp_path)

    assert list(curves) == ["loss", "mean probability", "hessian eigenvalue"]
    assert (curves["loss"].updates, curves["loss"].values) == ((1, 2, 3), tuple(loss))
    assert curves["mean probability"].values == (0.625, 0.625)
    assert (curves["hessian eigenvalue"].updates, curves["hessian eigenvalue"].values) == (
        (3,),
        (0.5,),
    )


def test_the_command_plots_a_training_next_to_another(tmp_path: Path) -> None:
    command = ["train", "--space", "spos-tiny", "--data", "digits", "--limit", "32"]
    command += ["--epochs", "1", "--batch-size", "16"]
    for name, more in (("spos", []), ("fbnet", ["--algorithm", "fbnet"])):
        trained = CliRunner().invoke(main, [*command, *more, "-o", str(tmp_path / name)])
        assert trained.exit_code == 0, trained.output
    picture = tmp_path / "curves.png"

    folders = [str(tmp_path / name) for name in ("spos", "fbnet")]
    result = CliRunner().invoke(main, ["curves", *folders, "-o", str(picture)])

    assert result.exit_code == 0, result.output
    assert picture.read_bytes().startswith(PNG)
    assert {"loss", "learning_rate"} <= set(read_curves(tmp_path / "spos"))
    assert "mean probability" in read_curves(tmp_path / "fbnet")


def test_a_folder_without_curves_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidRun, match="has no curves; a training writes them with --tensorboard"
    ):
        read_curves(tmp_path)


def test_another_ending_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["curves", str(tmp_path), "-o", str(tmp_path / "a.svg")])
    assert result.exit_code == 2
    assert "ends in .png" in result.output
