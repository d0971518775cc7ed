"""A language model from a text to ONNX, each step by a command of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from oneshot.commands import main

SPACE = "rnn(length=8, width=12, nodes=3)"
TEXT = "to be or not to be that is the question\n"
RECIPE = [
    *("--task", "language", "--batch-size", "4", "--steps", "12", "--learning-rate", "2"),
    *("--clip", "0.25", "--threads", "1", "--level", "characters"),
]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT * 30)
    return path


def process(*arguments: object) -> str:
    command = [sys.executable, "-m", "oneshot", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr + result.stdout
    return result.stdout


def refused(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 2, result.output
    return result


@pytest.mark.slow
def test_text_becomes_a_tested_and_exported_network(text: Path, tmp_path: Path) -> None:
    supernet = tmp_path / "supernet"
    network = tmp_path / "network"
    found = tmp_path / "found.json"

    process("train", "--space", SPACE, "--data", f"text:{text}", *RECIPE, "-o", supernet)
    run = json.loads((supernet / "run.json").read_text())
    process("evaluate", supernet, "-n", 3, "-o", tmp_path / "evaluations.jsonl")
    process(
        *("search", "--space", run["space"], "--guide", f"supernet:{supernet}"),
        *("--strategy", "random", "--option", "evaluations=3", "-o", found),
    )
    process(
        *("retrain", "--arch", found, "--data", f"text:{text}", *RECIPE, "--augment"),
        *("--average-after", 1, "-o", network),
    )
    tested = process("test", network, "-o", tmp_path / "report.json")
    exported = process("export", network, "-o", tmp_path / "network.onnx")

    line = (tmp_path / "evaluations.jsonl").read_text().splitlines()[0]
    assert set(json.loads(line)["metrics"]) == {"cross_entropy", "perplexity", "bits_per_character"}
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["tokens"] == report["characters"] == len(TEXT) * 30 - round(1200 * 0.95) - 1
    assert f"on {report['tokens']} tokens of text.txt" in tested
    assert "differs from torch by" in exported

    settings = json.loads((network / "run.json").read_text())
    assert settings["data"]["vocabulary"] == run["data"]["vocabulary"]
    assert settings["data"]["text"]["level"] == "characters"
    assert settings["classes"][0] == "<unk>"
    assert (network / "weights.safetensors").exists()


def test_weights_of_another_vocabulary_are_refused(text: Path, tmp_path: Path) -> None:
    supernet = tmp_path / "supernet"
    result = CliRunner().invoke(
        main,
        ["train", "--space", SPACE, "--data", f"text:{text}", *RECIPE, "-o", str(supernet)],
        catch_exceptions=False,
    )
    assert result.exit_code == 0, result.output

    # As many characters, but another one.
    other = tmp_path / "other.txt"
    other.write_text(TEXT.replace("q", "z") * 30)
    output = refused(
        *("retrain", "--arch", _architecture(supernet, tmp_path), "--data", f"text:{other}"),
        *(*RECIPE, "--init-from-supernet", supernet, "-o", tmp_path / "network"),
    ).output

    path = tmp_path / "tested"
    trained = CliRunner().invoke(
        main,
        [
            *("retrain", "--arch", str(_architecture(supernet, tmp_path))),
            *("--data", f"text:{text}", *RECIPE, "-o", str(path)),
        ],
        catch_exceptions=False,
    )
    assert trained.exit_code == 0, trained.output
    tested = refused("test", path, "--data", f"text:{other}", "--level", "characters").output

    assert "has the vocabulary" in tested
    assert "vocabulary is" in output
    assert str(supernet) in output.replace("\n", "")
    assert not (tmp_path / "network").exists()


def _architecture(supernet: Path, folder: Path) -> Path:
    import spaces

    space = spaces.get(json.loads((supernet / "run.json").read_text())["space"])
    path = folder / "architecture.json"
    path.write_text(space.architecture([0] * len(space.choices)).to_json())
    return path


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"", (), "text.txt is empty"),
        (b"x", (), "text.txt has 1 token"),
        (b"abc" * 12, (), "batch_size: 4 rows of 8 tokens need 33 tokens, the training part has"),
        (b"\xff" * 99, (), "is not utf-8; set the file's encoding, such as --encoding latin-1"),
        (b"abc" * 99, ("--encoding", "utf-99"), "encoding must be one that Python has"),
        (b"abc" * 99, ("--split", "1", "0", "0"), "split must be three positive fractions"),
        (b"abc" * 99, ("--validation", "5"), "validation: a text has a validation part"),
        (b"abc" * 99, ("--colour-jitter", "0.3", "--augment"), "for images, not for a text"),
    ],
)
def test_bad_texts_are_refused_before_anything_is_written(
    content: bytes, options: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(content)

    result = refused(
        *("train", "--space", SPACE, "--data", f"text:{path}", *RECIPE, *options),
        *("-o", tmp_path / "run"),
    )

    assert message in " ".join(result.output.split())
    assert not (tmp_path / "run").exists()


def test_images_and_texts_do_not_mix(text: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"

    for arguments, message in (
        (("--space", "spos-tiny", "--data", f"text:{text}"), "has tokens; the networks take"),
        (("--space", SPACE, "--data", "digits", "--task", "language"), "digits has images"),
        (("--space", SPACE, "--data", f"text:{text}"), "needs networks with the head 'classes'"),
        (("--space", "spos-tiny", "--task", "language"), "needs networks with the head 'tokens'"),
    ):
        result = refused("train", *arguments, "-o", run)
        assert message in " ".join(result.output.split())
        assert not run.exists()


@pytest.mark.parametrize("space", [SPACE, "decoder-tiny"])
def test_proxies_of_texts_are_refused(text: Path, tmp_path: Path, space: str) -> None:
    output = refused(
        *("proxies", "--space", space, "--task", "language", "--data", f"text:{text}"),
        *("--threads", 1, "-o", tmp_path / "proxies.jsonl"),
    ).output

    assert "proxies are measured with images; the examples of text.txt are tokens" in " ".join(
        output.split()
    )
    assert not (tmp_path / "proxies.jsonl").exists()
