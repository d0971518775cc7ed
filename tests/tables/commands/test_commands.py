"""`python -m tables`."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from spaces import ChainSpace
from tables import LookupTable
from tables.commands import main

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: LookupTable) -> Path:
    """A working folder with the table `made-up`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATHFIT_TABLES", str(tmp_path / "tables"))
    table.save(tmp_path / "tables" / "made-up.json")
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"COLUMNS": "200"})


def test_help_leaves_torch_out() -> None:
    code = (
        "import sys; from tables.commands import main\n"
        "for arguments in (['--help'], ['list', '--help'], ['estimate', '--help']):\n"
        "    try: main(arguments)\n"
        "    except SystemExit as end: assert end.code == 0\n"
        "assert not {'torch', 'scipy', 'jsonschema', 'rich'} & set(sys.modules), 'loaded'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("Example:") == 2
    module = [sys.executable, "-m", "tables", "--help"]
    shown = subprocess.run(module, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("Usage: python -m tables [OPTIONS] COMMAND")


def test_list_shows_the_tables(folder: Path) -> None:
    result = run("list")
    assert result.exit_code == 0
    (row,) = [line for line in result.stdout.splitlines() if line.startswith("│ made-up")]
    cells = [cell.strip() for cell in row.split("│")[1:-1]]
    conditions = "torch b1 fp32 t1"
    assert cells == ["made-up", "spos-tiny", "made up", conditions, "27", "80", "2026-01-01"]


def test_estimate_gives_costs(folder: Path, table: LookupTable, tiny: ChainSpace) -> None:
    architecture = tiny.architecture([3, 2, 1, 0, 1, 2])
    (folder / "arch.json").write_text(architecture.to_json(), encoding="utf-8")
    for name in ("made-up", "tables/made-up.json"):
        result = run("estimate", "arch.json", "--table", name)
        assert result.exit_code == 0
        found = json.loads(result.stdout)
        model = table.cost_model(tiny)
        assert found["latency_ms"] == pytest.approx(model.estimate([architecture])[0], abs=1e-4)
        assert found["sigma_ms"] == pytest.approx(model.sigma, abs=1e-4)
        assert (found["macs"], found["params"]) == (
            tiny.macs(architecture),
            tiny.params(architecture),
        )
        assert found["table"] == "made-up"


def test_estimate_reports_memory_and_energy_where_they_are_known(
    folder: Path, table: LookupTable, tiny: ChainSpace
) -> None:
    blocks = {
        key: replace(cost, activation_bytes=1000 + cost.macs) for key, cost in table.blocks.items()
    }
    networks = tuple(
        replace(sample, energy_mj=3 * sample.latency_ms[0]) for sample in table.networks
    )
    full = replace(table, blocks=blocks, networks=networks)
    full.save(folder / "full.json")
    architecture = tiny.architecture([3, 2, 1, 0, 1, 2])
    (folder / "arch.json").write_text(architecture.to_json(), encoding="utf-8")
    found = json.loads(run("estimate", "arch.json", "--table", "full.json").stdout)
    assert (
        found["memory_bytes"] == full.cost_model(tiny, "memory_bytes").estimate([architecture])[0]
    )
    assert found["energy_mj"] == pytest.approx(3 * found["latency_ms"], rel=0.05)
    assert found["sigma_mj"] > 0
    plain = json.loads(run("estimate", "arch.json", "--table", "made-up").stdout)
    assert not {"memory_bytes", "energy_mj", "sigma_mj"} & set(plain)


def test_estimate_without_networks_gives_no_sigma(
    folder: Path, make_table: Callable[..., LookupTable], tiny: ChainSpace
) -> None:
    make_table(tiny, networks=0).save(folder / "few.json")
    (folder / "arch.json").write_text(tiny.architecture([0] * 6).to_json(), encoding="utf-8")
    assert (
        json.loads(run("estimate", "arch.json", "--table", "few.json").stdout)["sigma_ms"] is None
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("estimate", "arch.json", "--table", "nowhere"),
            "unknown table 'nowhere'; available: made-up",
        ),
        (("estimate", "arch.json", "--table", "no.json"), "there is no table at no.json"),
        (
            ("estimate", "arch.json", "--table", "broken.json"),
            "broken.json: the table: the key 'format' is missing",
        ),
        (
            ("estimate", "broken.json", "--table", "made-up"),
            "broken.json: '{}' is in no format of an architecture",
        ),
        (
            ("estimate", "large.json", "--table", "made-up"),
            "the table 'made-up' lacks the block 'conv k3 s2 relu 3x224",
        ),
        (
            ("estimate", "no.json", "--table", "made-up"),
            "Invalid value for 'FILE': File 'no.json' does not exist",
        ),
        (("estimate", "arch.json"), "Missing option '--table'"),
        (("estimate",), "Missing argument 'FILE'"),
        (("lists",), "No such command 'lists'"),
    ],
)
def test_bad_input_is_one_line(
    folder: Path, tiny: ChainSpace, arguments: tuple[str, ...], said: str
) -> None:
    import spaces

    (folder / "arch.json").write_text(tiny.architecture([0] * 6).to_json(), encoding="utf-8")
    (folder / "large.json").write_text(
        spaces.get("spos").architecture([0] * 20).to_json(), encoding="utf-8"
    )
    (folder / "broken.json").write_text("{}", encoding="utf-8")
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"Error: {said}")


def test_a_broken_table_does_not_hide_the_others(folder: Path) -> None:
    (folder / "tables" / "broken.json").write_text("{}", encoding="utf-8")
    result = run("list")
    assert result.exit_code == 0
    shown = " ".join(result.stdout.split())
    assert "broken" in shown
    assert "'format'" in shown
    assert "spos-tiny" in shown
