"""`python -m service` and `pathfit`."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import spaces
from oneshot.search.result import SearchResult
from service.commands import LAZY, main
from service.pathfit import COMMANDS
from service.pathfit import main as pathfit

ROOT = Path(__file__).resolve().parents[3]
HEAVY = {
    "torch",
    "flask",
    "apiflask",
    "sqlalchemy",
    "pydantic",
    "gunicorn",
    "numpy",
    "lightning_fabric",
    "scipy",
}


def loaded_by(code: str) -> set[str]:
    script = (
        f"import sys\ntry:\n {code}\nexcept SystemExit as end:\n assert end.code =="
        " 0\nprint('LOADED', *sys.modules)"
    )
    command = [sys.executable, "-c", script]
    output = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300
    ).stdout
    return {name.partition(".")[0] for name in output.rpartition("LOADED")[2].split()}


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["search", "--help"]])
def test_help_imports_no_heavy_package(arguments: list[str]) -> None:
    loaded = loaded_by(f"from service.commands import main; main({arguments!r})")
    assert "service" in loaded
    assert HEAVY & loaded == set()


def test_pathfit_help_imports_no_heavy_package_and_is_quick() -> None:
    before = os.times()
    loaded = loaded_by("from service.pathfit import main; main(['--help'])")
    # The processor's time, which other work on the machine does not lengthen.
    after = os.times()
    assert after.children_user - before.children_user < 2
    assert HEAVY & loaded == set()


def test_pathfit_mounts_every_package() -> None:
    output = CliRunner().invoke(pathfit, ["--help"]).stdout
    for name, (_, line) in COMMANDS.items():
        assert f"  {name} " in output
        assert line in output
    assert set(COMMANDS) == {
        "list",
        "quickstart",
        "run",
        "pipeline",
        "spaces",
        "tables",
        "profiler",
        "predictor",
        "oneshot",
        "service",
    }
    result = CliRunner().invoke(pathfit, ["spaces", "sample", "spos-tiny"])
    assert spaces.Architecture.from_json(result.stdout).space == "spos-tiny"
    assert CliRunner().invoke(pathfit, ["service", "serve", "--help"]).exit_code == 0


def test_pathfit_prints_its_version() -> None:
    assert CliRunner().invoke(pathfit, ["--version"]).stdout == f"pathfit {spaces.__version__}\n"


def test_every_command_has_an_example() -> None:
    for name in LAZY:
        command = main.get_command(click.Context(main), name)
        output = CliRunner().invoke(command, ["--help"]).stdout
        assert f"Example:\n    python -m service {name} " in output
        assert isinstance(command, click.Command)
        assert command.get_short_help_str()


def test_no_command_shows_help() -> None:
    output = subprocess.run(
        [sys.executable, "-m", "service"], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert "Usage: python -m service [OPTIONS] COMMAND [ARGS]..." in output.stdout + output.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serve", "--host", "0.0.0.0"], "only loopback addresses such as 127.0.0.1 are served"),
        (["serve", "--host", "example.org"], "host 'example.org'"),
        (["serve", "--port", "70000"], "70000"),
        (["serve", "--threads", "0"], "--threads"),
        (["search"], "--space"),
        (["search", "--space", "spos", "--url", "ftp://x"], "not the URL of a service: 'ftp://x'"),
        (
            ["search", "--space", "spos", "--url", "http://127.0.0.1:9"],
            "no service answers at http://127.0.0.1:9",
        ),
        (["search", "--space", "spos", "--no-wait", "-o", "x.json"], "leave out --no-wait"),
        (["search", "--space", "spos", "--latency-ms", "fast"], "fast"),
    ],
)
def test_wrong_input_is_answered_in_one_line(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert said in result.stderr


def test_a_port_in_use_is_named(served: Any, tmp_path: Path) -> None:
    port = served.url.rpartition(":")[2]
    command = [sys.executable, "-m", "service", "serve", "--port", port, "--data", str(tmp_path)]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert outcome.returncode == 2
    assert (
        outcome.stderr == f"Error: cannot listen on 127.0.0.1 port {port}: Address already in use\n"
    )


def test_a_file_other_than_a_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "jobs.sqlite").write_text("notes " * 500, encoding="utf-8")
    result = CliRunner().invoke(main, ["serve", "--port", "0", "--data", str(tmp_path)])
    assert result.exit_code == 2
    assert (
        result.stderr
        == f"Error: cannot use {tmp_path}/jobs.sqlite as a job store: file is not a database\n"
    )


def test_the_search_command_writes_a_result(served: Any, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    limits = ["--device", "made-up", "--latency-ms", "50", "--flops", "1e9", "--params", "1e9"]
    arguments = [
        "search",
        "--url",
        served.url,
        "--space",
        "spos-tiny",
        *limits,
        "--strategy",
        "random",
        "--count",
        "3",
    ]
    result = CliRunner().invoke(main, [*arguments, "--seed", "4", "--watch", "-o", str(path)])
    assert result.exit_code == 0, result.output
    assert f"wrote {path}" in result.stdout
    written = json.loads(path.read_text(encoding="utf-8"))
    found = SearchResult.from_dict(written)
    assert (found.seed, len(found), len(written["best"])) == (4, 1000, 3)
    assert [limit["metric"] for limit in written["constraints"]] == ["latency_ms", "macs", "params"]
    assert spaces.formats.read_architectures(path)[0] == found.best.architecture
    output = CliRunner().invoke(main, [*arguments, "--seed", "4"]).stdout.splitlines()
    listed = [spaces.Architecture.from_json(line) for line in output[1:]]
    assert listed == [found.candidate(rank).architecture for rank in range(3)]
    assert output[0].startswith("best of 1000: score ")


def test_a_search_without_waiting_prints_its_id(served: Any) -> None:
    arguments = [
        "search",
        "--url",
        served.url,
        "--space",
        "spos-tiny",
        "--no-wait",
        "--strategy",
        "random",
    ]
    job_id = CliRunner().invoke(main, arguments).stdout.strip()
    assert served.client.request("GET", f"/search/{job_id}")["id"] == job_id


def test_a_refused_search_is_reported_in_one_line(served: Any) -> None:
    arguments = [
        "search",
        "--url",
        served.url,
        "--space",
        "spos-tiny",
        "--device",
        "made-up",
        "--latency-ms",
        "0.001",
    ]
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: the fastest network of spos-tiny takes ")
    assert result.stderr.endswith(" ms on made-up; the limit is 0.001\n")


@pytest.mark.slow
def test_a_started_service_prints_only_its_url(start: Any, tmp_path: Path) -> None:
    service = start(tmp_path)
    for _ in range(3):
        service.client.request("GET", "/healthz")
    service.process.send_signal(signal.SIGTERM)
    service.process.wait(60)
    assert service.process.stdout.read() == ""
    service.end()
    assert service.log == []
