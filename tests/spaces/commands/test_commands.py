"""`python -m spaces`."""

import json
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

import spaces
from spaces import Architecture
from spaces.commands import main

ROOT = Path(__file__).resolve().parents[3]
WITH_COMMANDS = ["spaces", "tables", "profiler", "predictor", "oneshot", "service"]
HEAVY = {
    "torch",
    "torch_geometric",
    "lightning_fabric",
    "scipy",
    "sklearn",
    "onnx",
    "onnxruntime",
    "flask",
    "matplotlib",
}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"COLUMNS": "120"})


def python(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300
    ).stdout


@pytest.mark.parametrize("package", WITH_COMMANDS)
def test_help_leaves_heavy_packages_out(package: str) -> None:
    loaded = python(
        f"import sys; from {package}.commands import main\n"
        "def visit(command, path):\n"
        "    try:\n"
        "        command.main(['--help'], prog_name=' '.join(path))\n"
        "    except SystemExit as end:\n"
        "        assert end.code == 0, path\n"
        "    for name in getattr(command, 'list_commands', lambda context: ())(None):\n"
        "        visit(command.get_command(None, name), [*path, name])\n"
        f"visit(main, ['{package}'])\n"
        "print('LOADED', *{name.partition('.')[0] for name in sys.modules})"
    )
    assert f"Usage: {package} [OPTIONS] COMMAND" in loaded
    assert HEAVY & set(loaded.rpartition("LOADED")[2].split()) == set()


@pytest.mark.parametrize("package", WITH_COMMANDS)
def test_every_command_has_an_example(package: str) -> None:
    module = __import__(f"{package}.commands", fromlist=["main"])

    def visit(command: click.Command, path: list[str]) -> None:
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                assert inner is not None
                visit(inner, [*path, name])
        else:
            shown = CliRunner().invoke(command, ["--help"]).stdout
            assert (
                f"Example:\n    {' '.join(path)} " in shown
                or f"Example:\n    {' '.join(path)}\n" in shown
            )
            assert command.get_short_help_str()

    visit(module.main, [f"python -m {package}"])


@pytest.mark.parametrize("package", WITH_COMMANDS)
def test_module_runs(package: str) -> None:
    command = [sys.executable, "-m", package, "--help"]
    result = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300
    )
    assert result.stdout.startswith(f"Usage: python -m {package} [OPTIONS] COMMAND [ARGS]...")
    assert result.stderr == ""


def test_help_lists_the_commands() -> None:
    shown = run("--help").stdout
    assert [
        name for name in ("list", "show", "sample", "count") if f"\n  {name} " not in shown
    ] == []


def test_list_shows_every_space() -> None:
    result = run("list")
    assert result.exit_code == 0
    rows = {
        line.split("│")[1].strip(): line
        for line in result.stdout.splitlines()
        if line.startswith("│")
    }
    assert sorted(rows) == spaces.available()
    assert [cell.strip() for cell in rows["spos-tiny"].split("│")[2:-1]] == [
        "6",
        "4096",
        "3x32x32",
        "10",
    ]
    assert [cell.strip() for cell in rows["spos"].split("│")[2:-1]] == [
        "20",
        "1.1e+12",
        "3x224x224",
        "1000",
    ]


def test_show_gives_choices_and_range() -> None:
    result = run("show", "spos(input_size=224)")
    assert result.exit_code == 0
    rows = [line.split("│") for line in result.stdout.splitlines() if line.startswith("│")]
    assert [row[1].strip() for row in rows] == [f"layer_{index}" for index in range(1, 21)]
    assert {row[2].strip() for row in rows} == {"k3, k5, k7, xcep"}
    assert "1.1e+12 architectures, input 3x224x224" in result.stdout
    assert "270.36 M to 398.61 M" in result.stdout


def test_show_of_a_parameterised_space() -> None:
    result = run("show", "spos-tiny(repeats=(1, 1, 1))")
    assert "spos-tiny(repeats=(1, 1, 1))" in result.stdout
    assert "64 architectures, input 3x32x32" in result.stdout


def test_sample_writes_an_architecture_a_line() -> None:
    result = run("sample", "spos(input_size=160)", "-n", "5", "--seed", "3")
    assert result.exit_code == 0
    space = spaces.get("spos(input_size=160)")
    read = [Architecture.from_json(line) for line in result.stdout.splitlines()]
    assert read == space.decode(space.sample(np.random.default_rng(3), 5))
    assert run("sample", "spos(input_size=160)", "-n", "5", "--seed", "3").stdout == result.stdout
    assert run("sample", "spos(input_size=160)", "-n", "5", "--seed", "4").stdout != result.stdout


def test_sample_is_one_of_seed_0_unless_told() -> None:
    assert run("sample", "spos").stdout == run("sample", "spos", "-n", "1", "--seed", "0").stdout


def test_count_adds_up(tmp_path: Path) -> None:
    space = spaces.get("spos")
    architecture = space.architecture([2, 1, 0, 1, 2, 0, 2, 0, 2, 0, 2, 3, 0, 0, 0, 0, 3, 2, 3, 3])
    path = tmp_path / "arch.json"
    path.write_text(architecture.to_json(), encoding="utf-8")
    result = run("count", str(path))
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert (report["space"], report["macs"], report["params"]) == (
        "spos",
        322918720,
        space.params(architecture),
    )
    assert [row["block"] for row in report["blocks"]] == [
        block.key for block in space.blocks(architecture)
    ]
    for field in ("macs", "params"):
        assert sum(row[field] for row in report["blocks"]) == report[field]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "sops"), "unknown space 'sops'; available: "),
        (("sample", "spos(size=1)"), "spos has no option 'size'"),
        (("sample", "spos(input_size=0)"), "spos: input_size must be positive, not 0"),
        (("show", "spos("), "cannot read the space 'spos('"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], said: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"Error: {said}")


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"space": "spos", "choices": {"layer_1": "k9"}}', '{"space": "sops"}']
)
def test_bad_files_are_named_in_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "arch.json"
    path.write_text(content, encoding="utf-8")
    result = run("count", str(path))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"Error: {path}: ")


@pytest.mark.parametrize(("option", "value"), [("-n", "0"), ("-n", "many"), ("--seed", "x")])
def test_wrong_options_are_named(option: str, value: str) -> None:
    result = run("sample", "spos", option, value)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"'{option}'" in result.stderr
    assert value in result.stderr


def test_missing_file_is_named() -> None:
    result = run("count", "nowhere.json")
    assert result.exit_code == 2
    assert "nowhere.json" in result.stderr


def test_convert_says_which_space_its_output_does_not_name(tmp_path: Path) -> None:
    small = spaces.get("spos(input_size=32)").sample(np.random.default_rng(0))
    source = tmp_path / "small.json"
    source.write_text(small.to_json())
    output = tmp_path / "small.txt"

    result = run("convert", str(source), "--to", "spos", "-o", str(output))

    assert result.exit_code == 0
    assert result.stdout == f"wrote {output}\n"
    assert "read it with --space 'spos(input_size=32)'" in result.stderr
    assert spaces.formats.read(output, space="spos(input_size=32)") == small


def test_converted_tuple_of_spos_tiny_is_counted_without_its_space(tmp_path: Path) -> None:
    tiny = spaces.get("spos-tiny").architecture([0, 1, 2, 3, 0, 1])
    source = tmp_path / "tiny.json"
    source.write_text(tiny.to_json())
    output = tmp_path / "tiny.txt"

    result = run("convert", str(source), "--to", "spos", "-o", str(output))

    assert result.stderr == ""
    assert json.loads(run("count", str(output)).stdout)["space"] == "spos-tiny"
