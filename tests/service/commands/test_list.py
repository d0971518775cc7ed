"""`pathfit list`: kinds, entries and options, as text and as JSON."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from service.commands.list_ import REGISTRIES
from service.pathfit import main

ROOT = Path(__file__).resolve().parents[3]


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["list", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def run_json(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


def test_bare_list_has_every_kind_with_its_names_and_group() -> None:
    kinds = {entry["kind"]: entry for entry in run_json()}
    assert list(kinds) == list(REGISTRIES)
    assert kinds["strategy"]["entry_points"] == "pathfit.strategies"
    assert "evolution" in kinds["strategy"]["names"]
    assert "pathfit.strategies" in run()


@pytest.mark.parametrize("kind", list(REGISTRIES))
def test_every_built_in_entry_has_a_summary(kind: str) -> None:
    # Plug-ins that other tests load may have added theirs.
    entries = [entry for entry in run_json(kind) if entry["from"] == "built in"]
    assert entries
    assert [entry["name"] for entry in entries if not entry["summary"]] == []


def test_entry_is_shown_with_its_aliases_and_options() -> None:
    entry = run_json("strategy", "nsga2")
    assert (entry["name"], entry["aliases"]) == ("pareto", ["nsga2"])
    options = {option["name"]: option for option in entry["options"]}
    assert options["population"]["default"] > 0
    assert options["population"]["help"]
    text = run("strategy", "pareto")
    assert text.startswith("pareto, nsga2: ")
    assert f"[default: {options['population']['default']}]" in text


def test_options_of_an_algorithm_are_those_of_its_preset() -> None:
    options = {option["name"]: option for option in run_json("algorithm", "darts")["options"]}
    assert options["preset"]["default"] == "default"
    assert options["order"]["default"] == 1
    assert options["arch_learning_rate"]["help"]


def test_required_option_is_marked() -> None:
    options = {
        option["name"]: option for option in run_json("sampler", "uniform-latency")["options"]
    }
    assert options["table"] == {
        "name": "table",
        "required": True,
        "help": "Lookup table of latencies.",
    }
    assert "[required]" in run("sampler", "uniform-latency")


def test_entry_without_options_is_shown() -> None:
    assert "No options." in run("guide", "supernet")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("strategi",), "unknown kind 'strategi'"),
        (("strategy", "evolutoin"), "unknown strategy 'evolutoin'"),
    ],
)
def test_unknown_name_is_answered_with_a_near_miss(
    arguments: tuple[str, ...], message: str
) -> None:
    result = CliRunner().invoke(main, ["list", *arguments])
    assert result.exit_code == 2
    assert message in result.output
    assert "did you mean" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("list", "strategi", "--json"), "unknown kind 'strategi'"),
        (("list", "nothing", "evolution", "--json"), "unknown kind 'nothing'"),
        (("list", "strategy", "nothing", "--json"), "unknown strategy 'nothing'"),
        (("list", "strategy", "evolution", "extra"), "unexpected extra argument (extra)"),
        (("list", "--kind"), "No such option '--kind'"),
        (("--plugin", "missing.py", "list"), "File 'missing.py' does not exist"),
        (("--plugin", ".", "list"), "File '.' is a directory"),
        (("--plugin",), "'--plugin' requires an argument"),
        (("--strategy", "list"), "No such option '--strategy'"),
    ],
)
def test_wrong_input_is_answered_in_one_line(arguments: tuple[str, ...], message: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_file_plug_in_is_listed_with_its_path(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from spaces.formats.registry import register_format\n"
        "@register_format('mine')\n"
        "class Mine:\n"
        '    """My format."""\n'
    )
    command = "from service.pathfit import main; main()"
    arguments = ["--plugin", str(file), "list", "format", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", command, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    row = {"name": "mine", "summary": "My format.", "from": f"file {file}", "aliases": []}
    assert json.loads(done.stdout)[-1] == row


def test_bare_list_does_not_import_torch() -> None:
    code = (
        "import sys\n"
        "from service.pathfit import main\n"
        "main(['list'], standalone_mode=False)\n"
        "main(['list', 'strategy'], standalone_mode=False)\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
