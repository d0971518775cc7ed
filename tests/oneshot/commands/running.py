"""Runs of the commands of `oneshot`."""

from pathlib import Path

from click.testing import CliRunner, Result

from oneshot.commands import main

ROOT = Path(__file__).resolve().parents[3]


TINY = (
    "spos-tiny(channels=(8, 16, 32), head_channels=16, input_size=16, repeats=(1, 1, 1),"
    " stem_channels=4)"
)


FEW = ("--images", "40", "--recalibration-batches", "1", "--recalibration-batch-size", "40")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)), env={"COLUMNS": "200"})


def done(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def search(supernet: Path, output: Path, *more: object) -> str:
    options = ("--option", "generations=2", "--option", "population=10", "--seed", 1)
    return done(
        "search",
        "--space",
        TINY,
        "--guide",
        f"supernet:{supernet}",
        *FEW,
        *options,
        "-o",
        output,
        *more,
    )
