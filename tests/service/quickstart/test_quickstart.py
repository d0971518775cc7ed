"""`pathfit quickstart`: all stages by Pathfit's own commands, their resumption, and the summary."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from service.quickstart.paths import NETWORKS, Paths
from service.quickstart.processes import CommandFailed, run
from service.quickstart.stages import stages
from service.quickstart.summary import figures
from service.quickstart.workspace import FULL, SMALLEST, Stage, Workspace
from tests.waiting import PATIENCE

PATHFIT = [sys.executable, "-c", "from service.pathfit import main; main()"]


def quickstart(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [*PATHFIT, "quickstart", "--smallest", "-o", str(folder), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=600, env=environment, check=False
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("quickstart") / "runs"
    done = quickstart(folder)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return folder, done.stdout


@pytest.mark.slow
def test_quickstart_prints_predictions_next_to_measurements(finished: tuple[Path, str]) -> None:
    folder, text = finished
    assert len(re.findall(r"^\d/8 ", text, re.MULTILINE)) == 8
    for title in (
        "latency allowed",
        "latency predicted",
        "latency measured (torch)",
        "(onnxruntime)",
        "retrained",
    ):
        assert title in text
    assert re.search(
        r"^Evidence: 12 networks' proxies, 24 supernet evaluations, no labels", text, re.M
    )
    delivered = figures(Paths(folder))
    assert set(delivered) == set(NETWORKS)
    for network in delivered.values():
        assert network.predicted_ms + 1.64 * network.sigma_ms <= network.maximum_ms
        assert network.measured_ms > 0
        assert network.onnx_ms > 0
        low, high = network.test["top1_interval"]
        assert low <= network.test["top1"] <= high
        assert network.test["images"] == 400
    # The random network is scored by the predictor too; what a search returns is not worse.
    assert delivered["found"].predicted >= delivered["random"].predicted - 1e-9
    assert delivered["found"].metric == "mean_log_rank"


@pytest.mark.slow
def test_a_second_run_repeats_no_stage(finished: tuple[Path, str]) -> None:
    folder, first = finished
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    begin = time.monotonic()
    again = quickstart(folder)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("done before") == 8
    assert time.monotonic() - begin < 30 * PATIENCE
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before
    table = [line for line in first.splitlines() if "latency predicted" in line]
    assert table == [line for line in again.stdout.splitlines() if "latency predicted" in line]


@pytest.mark.slow
def test_an_interrupt_ends_the_quickstart_and_its_processes_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    command = [*PATHFIT, "quickstart", "-o", str(folder)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while not (folder / "stages.json").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(3)
    begin = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=20 * PATIENCE)
    assert time.monotonic() - begin < 10 * PATIENCE
    assert process.returncode != 0
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    state = json.loads((folder / "stages.json").read_text())
    assert state["profile"]["done"] is False
    assert not (folder / "tables" / "quickstart.json").exists()


def stage(
    name: str, commands: list[str], outputs: list[Path], calls: list[str], fails: bool = False
) -> Stage:
    def work() -> None:
        calls.append(name)
        for output in outputs:
            output.write_text("half" if fails else "whole")
        if fails:
            raise KeyboardInterrupt

    return Stage(name, name, commands, outputs, work)


def test_a_changed_command_repeats_its_stage_and_all_later_ones(tmp_path: Path) -> None:
    calls: list[str] = []

    def go(middle: str) -> list[str]:
        calls.clear()
        workspace = Workspace(tmp_path)
        for name in ("a", "b", "c"):
            commands = [middle if name == "b" else name]
            workspace.run(stage(name, commands, [tmp_path / name], calls), lambda stage, done: None)
        return list(calls)

    assert go("b 1") == ["a", "b", "c"]
    assert go("b 1") == []
    assert go("b 2") == ["b", "c"]
    (tmp_path / "c").unlink()
    assert go("b 2") == ["c"]


def test_an_interrupted_stage_resumes_but_a_changed_one_restarts(tmp_path: Path) -> None:
    calls: list[str] = []
    output = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        Workspace(tmp_path).run(
            stage("a", ["1"], [output], calls, fails=True), lambda stage, done: None
        )
    seen: list[bool] = []

    def look(commands: list[str]) -> None:
        def work() -> None:
            seen.append(output.exists())
            output.write_text("whole")

        Workspace(tmp_path).run(Stage("a", "a", commands, [output], work), lambda stage, done: None)

    look(["1"])  # what the interrupted one wrote is still there to go on with
    look(["2"])  # other settings: removed before
    assert seen == [True, False]


def test_a_damaged_state_file_starts_over(tmp_path: Path) -> None:
    (tmp_path / "stages.json").write_text("{")
    calls: list[str] = []
    Workspace(tmp_path).run(stage("a", ["1"], [tmp_path / "out"], calls), lambda stage, done: None)
    assert calls == ["a"]


def test_the_full_size_evaluates_at_least_200_networks() -> None:
    assert FULL.evaluations >= 200
    assert SMALLEST.evaluations < FULL.evaluations
    names = [stage.name for stage in stages(Path("x"), FULL, 0)]
    first = ["profile", "train", "evaluate", "proxies", "predict"]
    assert names == [*first, "search", "retrain", "deliver"]


def test_the_shipped_pipeline_writes_the_files_that_later_stages_read() -> None:
    paths = Paths(Path("x"))
    outputs = {stage.name: set(stage.outputs) for stage in stages(paths.folder, SMALLEST, 3)}
    assert outputs["profile"] == {paths.table}
    assert outputs["train"] == {paths.supernet}
    assert outputs["evaluate"] == {paths.evaluations}
    assert outputs["proxies"] == {paths.proxies}
    assert outputs["predict"] == {paths.predictor, paths.report}


def test_the_size_and_the_seed_are_those_of_the_shipped_pipeline() -> None:
    commands = {stage.name: stage.commands[0] for stage in stages(Path("x"), SMALLEST, 3)}
    assert f"--budget {SMALLEST.budget_s}s" in commands["profile"]
    assert f"--epochs {SMALLEST.epochs}" in commands["train"]
    assert f"-n {SMALLEST.evaluations}" in commands["evaluate"]
    assert f"-n {SMALLEST.proxies}" in commands["proxies"]
    for path in (Path("x/proxies.jsonl"), Path("x/evaluations.jsonl")):
        assert f"--columns {path}" in commands["predict"]
    for name in ("profile", "train", "evaluate", "proxies", "predict"):
        assert "--seed 3" in commands[name]


def test_a_failed_command_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        CommandFailed, match=r"python -m spaces show nowhere ended with exit code 2"
    ):
        run([["spaces", "show", "nowhere"]], tmp_path / "log.txt")
    with pytest.raises(CommandFailed, match="nowhere"):
        run([["spaces", "list"], ["spaces", "show", "nowhere"]], tmp_path / "log.txt")
    assert "unknown space 'nowhere'" in (tmp_path / "log.txt").read_text()


def test_a_missing_extra_is_named_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    from click.testing import CliRunner

    from service.pathfit import main

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "lightning_fabric" else find(name)
    )
    folder = tmp_path / "runs"
    result = CliRunner().invoke(main, ["quickstart", "-o", str(folder)])
    assert result.exit_code == 2
    assert (
        result.stderr
        == "Error: this needs the package lightning_fabric, which is not installed: pip install"
        " 'pathfit[service]'\n"
    )
    assert not folder.exists()
