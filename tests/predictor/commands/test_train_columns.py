"""`python -m predictor train --encoder dele --columns`."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import predictor
from predictor.commands import main
from predictor.ensemble.fitting import Fitting
from predictor.ensemble.learned_columns import read_learned_columns
from predictor.errors import InvalidValues
from predictor.evidence.columns import read_columns
from tables.errors import InvalidEvaluation
from tests.predictor.evidence.small_evidence import SPACE, misleading, quality, sample, write_rows


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    codes = sample(24, 1)
    short = quality(codes) + 0.3 * misleading(codes)
    return write_rows(
        tmp_path / "trained.jsonl", codes, "", top1=quality(codes), cifar10_valid_acc=short
    )


@pytest.fixture
def proxies(tmp_path: Path) -> Path:
    codes = sample(120, 2)
    return write_rows(tmp_path / "proxies.jsonl", codes, "proxies", naswot=quality(codes))


def test_experts_learn_columns_of_the_command_line(
    labels: Path, proxies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The whole training takes ten times as long.
    brief = functools.partial(Fitting, epochs=15, least_epochs=1, learning_rate=5e-3)
    monkeypatch.setattr("predictor.ensemble.predictor.Fitting", brief)
    output, report = tmp_path / "dele.safetensors", tmp_path / "report.json"

    done = run(
        *("train", "--data", labels, "--metric", "top1", "--space", "spos-tiny"),
        *("--encoder", "dele", "--baseline", "gp", "--columns", proxies),
        *("--columns", "cifar10_valid_acc", "--report", report, "-o", output),
    )

    assert done.exit_code == 0, done.output
    model = predictor.load(output)
    names = [f"{proxies}:naswot", f"{labels}:cifar10_valid_acc"]
    assert model.trained_on["columns"] == names
    assert f"experts of {', '.join(names)}" in model.trained_on["evidence"]
    assert json.loads(report.read_text())["columns"] == [str(proxies), "cifar10_valid_acc"]

    # Without the columns, of architectures that no file has.
    others = sample(40, 3)
    architectures = tmp_path / "architectures.jsonl"
    architectures.write_text("".join(item.to_json() + "\n" for item in SPACE.decode(others)))
    proxies.unlink()
    predicted = run("predict", output, architectures)
    assert predicted.exit_code == 0, predicted.output
    means = [json.loads(line)["mean"] for line in predicted.output.splitlines()]
    assert np.corrcoef(means, quality(others))[0, 1] > 0.5


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--columns", "top1"], "--columns top1: top1 of {labels} is predicted; name another"),
        (["--columns", "zen"], "unknown metric 'zen'"),
        (["--columns", "cifar10_valid_acc", "--pretraining", 5], "--pretraining 5: columns of"),
        (["--columns", "{proxies}", "--encoder", "gates"], "evidence or dele, not for gates"),
    ],
)
def test_columns_that_experts_cannot_learn_are_refused(
    labels: Path, proxies: Path, tmp_path: Path, arguments: list[object], text: str
) -> None:
    output = tmp_path / "dele.safetensors"
    filled = [str(argument).format(proxies=proxies) for argument in arguments]

    done = run(
        *("train", "--data", labels, "--metric", "top1", "--space", "spos-tiny"),
        *("--encoder", "dele", *filled, "-o", output),
    )

    assert done.exit_code == 2, done.output
    assert text.format(labels=labels) in done.output
    assert len(done.output.strip().splitlines()) == 1
    assert not output.exists()


def test_another_file_may_have_the_metric_that_is_predicted(labels: Path, tmp_path: Path) -> None:
    codes = sample(30, 4)
    small = write_rows(tmp_path / "small.jsonl", codes, "", top1=quality(codes))

    columns = read_learned_columns([f"{small}:top1"], SPACE, labels, "top1")

    assert columns.names == (f"{small}:top1",)
    with pytest.raises(InvalidValues, match=r"--columns .*trained\.jsonl:top1: top1 of"):
        read_learned_columns([f"{labels}:top1"], SPACE, labels, "top1")


def test_costs_are_columns_of_which_more_is_better(tmp_path: Path) -> None:
    codes = sample(12, 0)
    macs = SPACE.macs(codes).astype(np.float64)
    path = write_rows(tmp_path / "counts.jsonl", codes, "", macs=macs)

    (column,) = read_columns([str(path)], SPACE)

    assert column.values.tolist() == macs.tolist()


def test_a_column_without_a_direction_is_refused(tmp_path: Path) -> None:
    codes = sample(12, 0)
    path = write_rows(tmp_path / "own.jsonl", codes, "", top1_12=quality(codes))

    with pytest.raises(InvalidEvaluation, match="whether a greater top1_12 is better; describe"):
        read_columns([f"{path}:top1_12"], SPACE)
