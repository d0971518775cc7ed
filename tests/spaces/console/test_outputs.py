"""Tests of outputs that are checked before the work: every command refuses what it cannot write."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from service.pathfit import main
from spaces.console.outputs import OUTPUT_FILE, OUTPUT_FOLDER

OUTPUTS = ("-o", "--plot", "--report", "--journal", "--export-each")


def options_of_outputs(group: click.Group, names: tuple[str, ...] = ()) -> Iterator[list[str]]:
    """Yield the command and the option of every output of the commands of a group."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from options_of_outputs(command, (*names, name))
        elif command is not None:
            for parameter in command.params:
                yield from (
                    [*names, name, option] for option in parameter.opts if option in OUTPUTS
                )


@pytest.mark.parametrize("words", list(options_of_outputs(main)), ids=" ".join)
def test_output_below_a_file_is_refused_before_anything_else(
    words: list[str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    target = tmp_path / "file" / "output.png"

    # Without the arguments that are required: the output is checked before they are missed.
    result = CliRunner().invoke(main, [*words, str(target)])

    assert result.exit_code == 2
    assert "cannot write" in result.output


def test_archive_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(main, ["service", "backup", str(tmp_path / "file" / "a.tar")])
    assert result.exit_code == 2
    assert "cannot write" in result.output


def test_writable_outputs_pass_and_nothing_remains(tmp_path: Path) -> None:
    context = click.Context(main)
    path = tmp_path / "new" / "folder"
    assert OUTPUT_FILE.convert(str(path / "file.json"), None, context) == path / "file.json"
    assert OUTPUT_FOLDER.convert(str(path), None, context) == path
    assert list(tmp_path.iterdir()) == []


def test_existing_file_passes_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text("{}")
    OUTPUT_FILE.convert(str(path), None, click.Context(main))
    assert path.read_text() == "{}"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes to every folder")
def test_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(click.BadParameter, match="Permission denied"):
        OUTPUT_FOLDER.convert(str(tmp_path / "run"), None, click.Context(main))
    tmp_path.chmod(0o700)


def test_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(click.BadParameter, match="too long"):
        OUTPUT_FILE.convert(str(tmp_path / ("a" * 300)), None, click.Context(main))
