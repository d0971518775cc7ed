"""`python -m oneshot data`."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from oneshot.commands import main


def run(*arguments: object) -> Result:
    """The command's result."""
    return CliRunner().invoke(main, ["data", *map(str, arguments)])


def test_digits(tmp_path: Path) -> None:
    picture = tmp_path / "sheet.png"
    result = run("digits", "--plot", picture)
    assert result.exit_code == 0, result.output
    for text in (
        "train",
        "1000",
        "397",
        "400",
        "10 classes: 0, 1, 2, 3, 4, 5, 6, 7, ...",
        f"wrote {picture}",
    ):
        assert text in result.output
    with Image.open(picture) as image:
        assert image.format == "PNG"
        # A row for each of eight images, a column for evaluation and seven augmentations.
        assert image.size == (8 * 134 + 6, 8 * 152 + 24)
    again = tmp_path / "again.png"
    run("digits", "--plot", again)
    assert again.read_bytes() == picture.read_bytes()
    run("digits", "--plot", again, "--seed", 1)
    assert again.read_bytes() != picture.read_bytes()


def test_a_folder_with_broken_files(broken: Path, tmp_path: Path) -> None:
    result = run(broken, "--validation", 8, "--workers", 1, "--plot", tmp_path / "sheet.png")
    assert result.exit_code == 0, result.output
    assert "2 classes: ants, bees" in result.output
    assert result.output.count("unreadable in ") == 6
    assert (
        "unreadable in test: val/ants/b-text.jpg: no image file that Pillow knows" in result.output
    )
    assert (tmp_path / "sheet.png").exists()
    quick = run(broken, "--no-check")
    assert quick.exit_code == 0, quick.output
    assert "not checked" in quick.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing",), "unknown data set 'nothing'"),
        (("./nothing",), "there is no such folder"),
        (
            ("digits", "--validation", 5000),
            "a validation part of 5000 images cannot be split from 1397",
        ),
        (("digits", "--spos-preprocessing"), "digits support only the preprocessing standard"),
    ],
)
def test_bad_input_is_one_sentence(arguments: tuple[object, ...], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output


def test_without_dali_the_extra_is_named(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "nvidia" else find(name, *rest),
    )
    result = run(photographs, "--loader", "dali")
    assert result.exit_code == 2
    assert result.output.count("\n") == 1
    assert "pip install 'pathfit[dali]'" in result.output


def test_help_does_without_torch() -> None:
    code = (
        "import sys\nfrom oneshot.commands import main\n"
        "try:\n    main(['data', '--help'])\nexcept SystemExit:\n    pass\n"
        "assert 'torch' not in sys.modules and 'PIL' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "python -m oneshot data" in done.stdout
