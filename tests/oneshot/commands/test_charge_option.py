"""`--charge` of `oneshot train`: settings of the run, and algorithms that cannot be charged."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from oneshot.commands import main

SPACE = "proxylessnas-tiny"


def train(folder: Path, *options: str) -> Result:
    short = ["--data", "digits", "--steps", "2", "--limit", "60", "--batch-size", "16"]
    return CliRunner().invoke(
        main, ["train", *short, "--no-tensorboard", *options, "-o", str(folder / "run")]
    )


@pytest.mark.slow
def test_charge_is_the_hardware_term_of_proxyless(tmp_path: Path) -> None:
    result = train(
        tmp_path, "--space", SPACE, "--algorithm", "proxyless", "--charge", "macs=2e6^0.07/0"
    )
    assert result.exit_code == 0, result.output
    settings = json.loads((tmp_path / "run" / "run.json").read_text())
    assert settings["target"] == "macs"
    options = settings["options"]
    assert (options["form"], options["reference"]) == ("mul#power", 2e6)
    assert (options["power_above"], options["power_below"]) == (0.07, 0.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--algorithm", "spos", "--charge", "macs=2e6^0.07"], "not for spos"),
        (["--algorithm", "proxyless", "--charge", "macs"], "not a charge"),
        (
            ["--algorithm", "proxyless", "--charge", "macs=2e6^0.07", "--target", "params"],
            "leave out --target",
        ),
    ],
)
def test_charge_that_does_not_fit_is_refused(
    tmp_path: Path, options: list[str], words: str
) -> None:
    result = train(tmp_path, "--space", SPACE, *options)
    assert result.exit_code != 0
    assert words in result.output
    assert not (tmp_path / "run").exists()
