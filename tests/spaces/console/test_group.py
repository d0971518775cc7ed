"""Groups of commands: how errors are shown, and what is imported when."""

import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from spaces.console import group as console
from spaces.console.group import EXTRAS, Group, command_line, example
from spaces.errors import InvalidFile, PathfitError, UnknownName

SETUP = Path(__file__).resolve().parents[3] / "setup.py"


@click.group(cls=Group, lazy={"later": ("pathfit_later:main", "Comes later.")})
def main() -> None:
    """A group."""


@main.command()
@click.argument("kind")
def fail(kind: str) -> None:
    """Fail in one way."""
    errors: dict[str, Exception] = {
        "file": InvalidFile(
            "cannot read table.json: a sentence that is longer than a terminal is wide, " * 3
        ),
        "name": UnknownName("space", "sops", ["spos", "spos-tiny"]),
        "value": ValueError("a fault of ours"),
        **{
            module: ModuleNotFoundError(f"No module named {module!r}", name=module)
            for module in MISSING
        },
    }
    raise errors[kind]


@main.group(cls=Group)
def inner() -> None:
    """A group in the group."""


inner.add_command(fail)

MISSING = (
    "torch_geometric",
    "onnx.helper",
    "apiflask",
    "nvidia.dali",
    "spaces.nothing",
    "somewhere",
)


@pytest.mark.parametrize("path", [["fail"], ["inner", "fail"]], ids=" ".join)
@pytest.mark.parametrize(
    ("kind", "said"), [("file", "cannot read table.json"), ("name", "unknown space 'sops'")]
)
def test_errors_are_one_line_with_exit_code_2(path: list[str], kind: str, said: str) -> None:
    result = CliRunner().invoke(main, [*path, kind])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"Error: {said}")


def test_faults_of_ours_are_not_hidden() -> None:
    result = CliRunner().invoke(main, ["fail", "value"])
    assert isinstance(result.exception, ValueError)


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("torch_geometric", "predictor"),
        ("onnx.helper", "oneshot"),
        ("apiflask", "service"),
        ("nvidia.dali", "dali"),
    ],
)
def test_missing_extra_is_named(module: str, extra: str) -> None:
    result = CliRunner().invoke(main, ["fail", module])
    assert result.exit_code == 2
    package = module.partition(".")[0]
    assert (
        result.stderr
        == f"Error: this needs the package {package}, which is not installed: pip install"
        f" 'pathfit[{extra}]'\n"
    )


@pytest.mark.parametrize("module", ["spaces.nothing", "somewhere"])
def test_a_module_that_no_extra_brings_is_a_fault(module: str) -> None:
    result = CliRunner().invoke(main, ["fail", module])
    assert isinstance(result.exception, ModuleNotFoundError)


def test_extras_named_exist_in_setup() -> None:
    text = SETUP.read_text(encoding="utf-8")
    assert [extra for extra in set(EXTRAS.values()) if f'"{extra}": ' not in text] == []


def test_foreign_packages_are_refused_before_the_command_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def clash() -> None:
        raise PathfitError("the package 'tables' belongs to another")

    monkeypatch.setattr(console.ownership, "check", clash)
    result = CliRunner().invoke(main, ["fail", "value"])
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: the package 'tables' belongs to another\n",
    )


def test_lazy_commands_are_imported_when_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pathfit_later.py").write_text(
        "import click\n\n@click.command()\ndef main():\n    click.echo('it came')\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    shown = CliRunner().invoke(main, ["--help"])
    assert "Comes later." in shown.stdout
    assert "Fail in one way." in shown.stdout
    assert "pathfit_later" not in sys.modules
    assert CliRunner().invoke(main, ["later"]).stdout == "it came\n"
    sys.modules.pop("pathfit_later")


def test_lazy_command_without_its_extra_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "pathfit_later", "service")
    result = CliRunner().invoke(main, ["later", "--help"])
    assert result.exit_code == 2
    assert "pip install 'pathfit[service]'" in result.stderr
    assert result.stderr.count("\n") == 1


def test_examples_keep_their_lines() -> None:
    @click.command(epilog=example("pathfit one --with option\npathfit two"))
    def command() -> None:
        pass

    shown = CliRunner().invoke(command, ["--help"]).stdout
    assert "Example:\n    pathfit one --with option\n    pathfit two\n" in shown


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            ["/home/me/lib/profiler/__main__.py", "build", "-o", "my table.json"],
            "python -m profiler build -o 'my table.json'",
        ),
        (["/usr/bin/pathfit", "spaces", "list"], "pathfit spaces list"),
    ],
)
def test_commands_are_told_without_folders(
    monkeypatch: pytest.MonkeyPatch, given: list[str], told: str
) -> None:
    monkeypatch.setattr("sys.argv", given)
    assert command_line() == told


def test_examples_keep_the_indentation_of_continued_lines() -> None:
    text = example("""
        python -m spaces list \\
            --long
        python -m spaces show spos
    """)
    assert text.splitlines()[2:] == [
        "  python -m spaces list \\",
        "      --long",
        "  python -m spaces show spos",
    ]
