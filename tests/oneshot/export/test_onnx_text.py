"""Exported networks of text are tested as the runs that they come from."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import spaces
from oneshot.commands import main

RECIPE = (
    *("--task", "language", "--steps", "6", "--batch-size", "8", "--threads", "1"),
    *("--label-smoothing", "0", "--no-tensorboard"),
)
TEXT = "to be or not to be that is the question\n" * 40
RNN = "rnn(length=8, width=12, nodes=2)"


def done(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def trained(folder: Path, space_name: str, data: str, *options: str) -> Path:
    """Train the first network of a space."""
    folder.mkdir()
    space = spaces.get(space_name)
    arch = folder / "arch.json"
    arch.write_text(space.architecture([0] * len(space.choices)).to_json())
    run = folder / "run"
    done("retrain", "--arch", arch, "--data", data, *RECIPE, *options, "-o", run)
    return run


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "text.txt"
    path.write_text(TEXT)
    return path


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory, text: Path) -> Path:
    """The run of a decoder of characters."""
    folder = tmp_path_factory.mktemp("decoder") / "decoder"
    return trained(folder, "decoder-tiny", f"text:{text}", "--level", "characters")


def test_decoder_of_a_file_has_the_metrics_of_its_run(decoder: Path, text: Path) -> None:
    file = decoder.parent / "network.onnx"
    reports = [decoder.parent / "run.json", decoder.parent / "onnx.json"]
    done("export", decoder, "-o", file)

    done("test", decoder, "-o", reports[0])
    # The level is that of the training, which the file records.
    done("test", file, "--data", f"text:{text}", "-o", reports[1])

    run, exported = (json.loads(path.read_text()) for path in reports)
    assert exported["bits_per_character"] == pytest.approx(run["bits_per_character"], rel=1e-4)
    assert exported["tokens"] == run["tokens"]


def test_recurrent_network_of_a_file_is_tested_without_its_data(tmp_path: Path) -> None:
    run = trained(tmp_path / "rnn", RNN, "markov", "--limit", "60")
    file = tmp_path / "network.onnx"
    done("export", run, "-o", file)

    tested = done("test", file, "-o", tmp_path / "report.json")

    # The generated text needs no file, so that the record suffices.
    assert "tokens of markov" in tested
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["tokens"] == 60 * 8
    assert report["perplexity"] < 20


def test_files_that_are_no_whole_networks_are_refused(decoder: Path, text: Path) -> None:
    step = decoder.parent / "step.onnx"
    file = decoder.parent / "whole.onnx"
    done("export", decoder, "--cache", "-o", step)
    done("export", decoder, "-o", file)
    other = decoder.parent / "other.txt"
    other.write_text(TEXT.replace("q", "z"))

    assert "as a file of `oneshot export --cache` does" in done("test", step, code=2)
    assert "give --data FOLDER" in done("test", file, code=2)
    refused = done("test", file, "--data", f"text:{other}", code=2)
    assert "has the vocabulary" in refused
    images = done("test", file, "--data", "digits", code=2)
    assert "has images; the networks take an input of the shape (8,)" in images
